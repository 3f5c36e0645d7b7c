/** A vocabulary that takes in the fields of another survey. Ids are given once: nothing that was learned moves. */
import { UserError } from "../errors.ts";
import type { Field } from "./field.ts";
import { layoutsFor } from "./layout.ts";
import { type Survey, surveyOf } from "./survey.ts";
import type { SurveyFile } from "./survey-schema.ts";

type Row = SurveyFile["bands" | "properties" | "spectra"][number];

/** The survey's file with the id of every field in its row: what a checkpoint keeps. */
export function fileWithIds({ file, fields }: Pick<Survey, "file" | "fields">): SurveyFile {
  const ids = new Map(fields.map(({ name, id }) => [name, id]));
  const numbered = <R extends Row>(rows: readonly R[]): R[] => rows.map((row) => ({ ...row, id: ids.get(row.name)! }));
  const { bands, properties, spectra } = file;
  return { ...file, bands: numbered(bands), properties: numbered(properties), spectra: numbered(spectra) };
}

/** Pivots that are further apart [as a fraction] are not the same band. */
const SAME_PIVOT = 0.02;

/** @throws UserError where a field of one name is another thing in the two surveys. */
function checkSame(old: Field, wanted: Field, where: string): void {
  const fail = (what: string): never => {
    throw new UserError(`${where}: field ${old.name} ${what}; another field needs another name`);
  };
  if (old.kind !== wanted.kind) fail(`is ${wanted.kind}, in the checkpoint ${old.kind}`);
  if (old.unit !== wanted.unit) fail(`is in "${wanted.unit}", in the checkpoint in "${old.unit}"`);
  if (old.kind === "category" && wanted.kind === "category" && old.classes.join() !== wanted.classes.join()) {
    fail(`has classes ${wanted.classes.join(", ")}, in the checkpoint ${old.classes.join(", ")}`);
  }
  if (old.kind === "spectrum" && wanted.kind === "spectrum") {
    const [own, known] = [wanted.grid, old.grid].map(({ from, to, pixels }) => `${pixels} pixels, ${from} - ${to} A`);
    if (own !== known) fail(`has ${own}, in the checkpoint ${known}`);
  }
  const [a, b] = [old.band?.pivot ?? 1, wanted.band?.pivot ?? 1];
  if (Math.abs(a / b - 1) > SAME_PIVOT) fail(`is at ${b} Angstrom, in the checkpoint at ${a}`);
}

/** One depth (zero-point error, ...) for a band whose list belongs to tiles that the grown survey doesn't have. */
function withoutTiles(row: SurveyFile["bands"][number], instrument: string | undefined): SurveyFile["bands"][number] {
  const middle = <T extends number | number[] | undefined>(list: T): T =>
    Array.isArray(list) ? ([[...list].sort((a, b) => a - b)[list.length >> 1]] as T) : list;
  const { depth, zeroPointError, seeing, exposure, ...rest } = row;
  return {
    ...rest,
    depth: middle(depth),
    ...(instrument === undefined ? {} : { instrument }),
    ...(zeroPointError === undefined ? {} : { zeroPointError: middle(zeroPointError) }),
    ...(seeing === undefined ? {} : { seeing: middle(seeing) }),
    ...(exposure === undefined ? {} : { exposure: middle(exposure) }),
  };
}

/**
 * The survey `old` with the fields of `wanted` that are named in `taken` behind its own: a table that `wanted` describes
 * is read by that, and matched. @throws UserError for a name that is another field's.
 */
export function extendSurvey(old: Survey, wanted: Survey, taken: ReadonlySet<string>): Survey {
  let next = Math.max(-1, ...old.fields.map(({ id }) => id)) + 1;
  const known = old.fields.map(({ name }) => name);
  const fresh = wanted.fields.filter(({ name }) => taken.has(name));
  const twice = fresh.find(({ name }) => known.includes(name));
  if (twice !== undefined) {
    throw new UserError(
      `${wanted.path}: ${twice.name} is new to the checkpoint, which has another field of that name; expected another name`,
    );
  }
  const numbered = <R extends Row>(rows: readonly R[]): R[] =>
    rows.filter(({ name }) => taken.has(name)).map((row) => ({ ...row, id: next++ }));
  const bandOf = (name: string): Field["band"] => fresh.find((field) => field.name === name)?.band;
  const bands = numbered(wanted.file.bands).map((row) => {
    const { instrument, zeroPointError } = bandOf(row.name) ?? {};
    return withoutTiles({ ...row, zeroPointError: [...(zeroPointError ?? [])] }, instrument);
  });
  const file = fileWithIds(old);
  const has = (name: string): boolean => file.instruments.some((one) => one.name === name);
  const used = new Set(bands.map(({ instrument }) => instrument));
  const instruments = wanted.file.instruments.filter(({ name }) => used.has(name) && !has(name));
  return surveyOf(
    {
      ...file,
      instruments: [...file.instruments, ...instruments],
      bands: [...file.bands, ...bands],
      properties: [...file.properties, ...numbered(wanted.file.properties)],
      spectra: [...file.spectra, ...numbered(wanted.file.spectra)],
    },
    old.path,
  );
}

/**
 * The survey `wanted` with everything that `old` knows under its old ids, and its own new fields, of those named in
 * `taken`, behind them. Tables are then read as `wanted` says.
 * @throws UserError where a field of one name differs between the two.
 */
export function growSurvey(old: Survey, wanted: Survey, taken: ReadonlySet<string>): Survey {
  const known = new Map(old.fields.map((field) => [field.name, field]));
  for (const field of wanted.fields) {
    const own = known.get(field.name);
    if (own !== undefined) checkSame(own, field, wanted.path);
  }
  let next = Math.max(-1, ...old.fields.map(({ id }) => id)) + 1;
  const merge = <R extends Row>(olds: readonly R[], news: readonly R[], keep: (row: R) => R): R[] => {
    const rows = news.filter(({ name }) => known.has(name) || taken.has(name));
    const kept = olds.filter(({ name }) => !news.some((row) => row.name === name)).map(keep);
    return [...rows, ...kept].map((row) => ({ ...row, id: known.get(row.name)?.id ?? next++ }));
  };
  const oldFile = fileWithIds(old);
  const bands = merge(oldFile.bands, wanted.file.bands, (row) =>
    withoutTiles(row, known.get(row.name)?.band?.instrument),
  );
  const properties = merge(oldFile.properties, wanted.file.properties, (row) => row);
  const spectra = merge(oldFile.spectra, wanted.file.spectra, (row) => row);
  const instruments = [
    ...wanted.file.instruments,
    ...old.file.instruments.filter(({ name }) => !wanted.file.instruments.some((one) => one.name === name)),
  ];
  const layouts = layoutsFor(wanted.file.layouts, bands, [...properties, ...spectra]);
  return surveyOf({ ...wanted.file, instruments, bands, properties, spectra, layouts }, wanted.path);
}
