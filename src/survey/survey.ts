import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { readYaml } from "../io/yaml.ts";
import type { Band, Field, Instrument } from "./field.ts";
import { checkTemplates } from "./find.ts";
import { type Highlights, highlightsOf } from "./highlights.ts";
import { inherit, omittable } from "./inherit.ts";
import type { Layout } from "./layout.ts";
import { spectrumOf } from "./spectrum-field.ts";
import { heirSchema, type SurveyFile, surveySchema } from "./survey-schema.ts";

/** A survey as its YAML file says: bands, depths, properties. Data, never code. */
export interface Survey extends Highlights {
  /** The file it is made of. */
  readonly file: SurveyFile;
  /** Name of the survey, as in `datasets/<name>.yaml`. */
  readonly name: string;
  readonly title: string;
  /** File it was read from. */
  readonly path: string;
  /** Where its tables come from, on what terms, what to cite, what to know: for people. */
  readonly source: readonly string[];
  readonly licence: string;
  readonly citation: readonly string[];
  readonly notes: readonly string[];
  /** Unit of every flux, e.g. `1e-19 erg/s/cm2/A`. */
  readonly fluxUnit: string;
  /** Tiles; a band's `depth` has one entry per tile, or a single one that holds for all. */
  readonly tiles: readonly string[];
  /** Relative error that the errors of its catalogues include beside sky and photon noise. */
  readonly errorFloor: number;
  /** What collects the photons of the bands. */
  readonly instruments: readonly Instrument[];
  /** By id: bands, then properties, then spectra, then what the vocabulary has grown by. */
  readonly fields: readonly Field[];
  /** Tables of other archives that can be read as this survey. */
  readonly layouts: readonly Layout[];
}

/** Folder of the survey files that come with the package; the same from `src/` and from `dist/`. */
export function datasetsFolder(): string {
  return fileURLToPath(new URL("../../datasets", import.meta.url));
}

/** Names of the surveys that come with the package. */
export function listSurveys(): string[] {
  return readdirSync(datasetsFolder())
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => basename(file, ".yaml"))
    .sort();
}

/** `from`: the survey file that names it; a relative path there is relative to that file. */
function surveyPath(nameOrPath: string, from?: string): string {
  if (/\.ya?ml$/.test(nameOrPath) || nameOrPath.includes("/")) {
    return from === undefined ? nameOrPath : resolve(dirname(from), nameOrPath);
  }
  const path = join(datasetsFolder(), `${nameOrPath}.yaml`);
  if (existsSync(path)) return path;
  const names = listSurveys();
  throw new UserError(
    `${from === undefined ? "" : `${from}: extends: `}unknown survey "${nameOrPath}"${didYouMean(nameOrPath, names)}: ` +
      `expected one of ${names.join(", ")}, or a path to a .yaml file`,
  );
}

/** Lists of a survey file whose rows are fields. */
type FieldList = "bands" | "properties" | "spectra";

/** A survey file with what it inherits; `where` is the place in it of a row, or of the file where a row is inherited. */
interface WholeFile {
  readonly value: SurveyFile;
  where(this: void, list: FieldList | "layouts", name: string, key?: string): string;
  /** Place of a key that the file itself states; undefined where it is inherited or nowhere. */
  placeOf(this: void, ...path: string[]): string | undefined;
}

function readSurveyFile(path: string, children: readonly string[]): WholeFile {
  const raw = readYaml(path, z.looseObject({ extends: z.array(z.string()).optional() }));
  const isHeir = raw.value.extends !== undefined;
  if ("objectId" in raw.value) {
    throw new UserError(`${raw.where(["objectId"])}: "objectId" is a layout's, expected a survey; --layout ${path}`);
  }
  if (children.includes(resolve(path))) {
    throw new UserError(`${raw.where(["extends"])}: extends itself (${[...children, path].join(" > ")})`);
  }
  // Checked by itself first, so that a slip is told at its line; then as a whole, inherited rows included.
  const { where } = raw;
  raw.check(isHeir ? heirSchema : surveySchema);
  const place: WholeFile["where"] = (list, name, key) => {
    const rows = (raw.value[list] ?? []) as readonly { readonly name: string }[];
    const i = rows.findLastIndex((row) => row.name === name);
    return where(i < 0 ? [] : key === undefined ? [list, i] : [list, i, key]);
  };
  const placeOf: WholeFile["placeOf"] = (...keys) => {
    const stated = keys.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], raw.value);
    return stated === undefined ? undefined : where(keys);
  };
  const line = [...children, resolve(path)];
  const parents = (raw.value.extends ?? []).map((name) => readSurveyFile(surveyPath(name, path), line).value);
  checkNames(raw.value.omit, omittable(parents), `${where(["omit"])}: omit`);
  checkNames(
    raw.value.layoutsOf,
    parents.map(({ name }) => name),
    `${where(["layoutsOf"])}: layoutsOf`,
  );
  const result = surveySchema.safeParse(inherit(parents, raw.value));
  if (result.success) return { value: result.data, where: place, placeOf };
  const issue = result.error.issues[0];
  throw new UserError(`${where(issue.path)}: "${issue.path.map(String).join(".")}": ${issue.message}`);
}

function checkNames(names: unknown, known: readonly string[], at: string): void {
  const wrong = (Array.isArray(names) ? (names as string[]) : []).find((name) => !known.includes(name));
  if (wrong === undefined) return;
  throw new UserError(`${at}: nothing inherited is named "${wrong}"${didYouMean(wrong, known)}`);
}

/** @throws UserError when a layout speaks of fields or groups that the survey doesn't have. */
export function checkLayout(layout: Layout, fields: readonly Field[], at: string): void {
  const known = fields.map(({ name }) => name);
  const groups = fields.flatMap(({ band }) => (band ? [band.group] : []));
  const fail = (name: string, expected: readonly string[]): never => {
    throw new UserError(`${at}: layout "${layout.name}": no field "${name}"${didYouMean(name, expected)}`);
  };
  const ordered = layout.bands.flatMap(({ order }) => order ?? []).filter((name) => name !== null);
  const aliased = layout.bands.flatMap(({ aliases, floor, softening }) =>
    [aliases, floor, softening].flatMap((told) => (typeof told === "object" ? Object.keys(told) : [])),
  );
  for (const name of [...Object.keys({ ...layout.properties, ...layout.spectra }), ...aliased, ...ordered]) {
    if (!known.includes(name)) fail(name, known);
  }
  for (const name of layout.bands.flatMap(({ only }) => only ?? [])) {
    if (!known.includes(name) && !groups.includes(name)) fail(name, [...known, ...groups]);
  }
}

/** A row without the keys that the file leaves out. */
function definedOf<T>(row: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as T;
}

/** A band's row with the file's defaults. @throws UserError for an unknown instrument, or lists of the wrong length. */
function bandOf(row: SurveyFile["bands"][number], file: SurveyFile, at: (key: string) => string): Band {
  const { name: _, id: _id, sameAs: _same, instrument: named = file.instruments[0]?.name, ...rest } = row;
  const instrument = file.instruments.find(({ name }) => name === named);
  if (named !== undefined && instrument === undefined) {
    const names = file.instruments.map(({ name }) => name);
    throw new UserError(
      `${at("instrument")}: band "${row.name}": no instrument "${named}"${didYouMean(named, names)}: ` +
        `expected one of ${names.join(", ") || "`instruments`, which the file doesn't have"}`,
    );
  }
  const error = row.zeroPointError ?? file.zeroPointError;
  const zeroPointError = typeof error === "number" ? [error] : error;
  const [count, part] = instrument?.layers
    ? [instrument.layers.length, `layer of ${instrument.name}`]
    : [file.tiles.length, "tile"];
  const lists = { depth: row.depth, zeroPointError, seeing: row.seeing, exposure: row.exposure };
  for (const [key, list] of Object.entries(lists)) {
    if (list === undefined || list.length === 1 || list.length === count) continue;
    throw new UserError(
      `${at(key)}: band "${row.name}" has ${list.length} entries in ${key}, expected 1 or ${count} (one per ${part})`,
    );
  }
  const band = { ...rest, zeroPointError, ...(named === undefined ? {} : { instrument: named }) };
  return definedOf<Band>(band);
}

const aliasOf = ({ sameAs: alias }: { readonly sameAs?: string | null | undefined }): Pick<Field, "sameAs"> =>
  alias === undefined ? {} : { sameAs: alias };

/** The property that a row describes. @throws UserError for a number without a range, a category without classes. */
function propertyOf(row: SurveyFile["properties"][number], rowId: number, at: string): Field {
  const { name, unit, description, range, classes, counts, extensive, line } = row;
  const fail = (what: string): never => {
    throw new UserError(`${at}: property "${name}": ${what}`);
  };
  if (row.kind === "category") {
    const known = classes ?? fail("a category, expected classes: [star, galaxy, ...]");
    if (new Set(known).size < known.length) fail("a class is named twice");
    const range: [number, number] = [0, known.length - 1];
    return { id: rowId, name, kind: "category", unit: "", description, range, classes: known, ...aliasOf(row) };
  }
  if (classes !== undefined) fail(`classes belong to kind: category, not ${row.kind}`);
  const possible = range ?? fail("expected range: [low, high]");
  // heirs may make another kind of it
  const own = row.kind === "log" && counts !== undefined ? { counts } : {};
  const grows = row.kind === "log" && extensive !== undefined ? { isExtensive: extensive } : {};
  const shines = row.kind === "ew" && line !== undefined ? { line } : {};
  const rest = { ...own, ...grows, ...shines, ...aliasOf(row) };
  return { id: rowId, name, kind: row.kind, unit, description, range: possible, ...rest };
}

/**
 * The survey that a file describes. `where` is the place of a row in messages, `path` that of the file.
 * @throws UserError for fields declared twice, rows that don't fit together, layouts of other fields.
 */
export function surveyOf(
  file: SurveyFile,
  path: string,
  where: WholeFile["where"] = () => path,
  placeOf: WholeFile["placeOf"] = () => undefined,
): Survey {
  const names = new Set<string>();
  const ids = new Set<number>();
  const claim = (list: FieldList, name: string, given: number | undefined): number => {
    if (names.has(name)) throw new UserError(`${where(list, name, "name")}: field "${name}" is declared twice`);
    const own = given ?? names.size;
    if (ids.has(own))
      throw new UserError(`${where(list, name, "id")}: id ${own} of field "${name}" is another field's`);
    names.add(name);
    ids.add(own);
    return own;
  };
  const bands = file.bands.map((row): Field => ({
    id: claim("bands", row.name, row.id),
    name: row.name,
    kind: "flux",
    unit: file.fluxUnit,
    description: `${row.group} band at ${row.pivot} Angstrom`,
    band: bandOf(row, file, (key) => where("bands", row.name, key)),
    range: file.fluxRange,
    ...aliasOf(row),
  }));
  const properties = file.properties.map((row) =>
    propertyOf(row, claim("properties", row.name, row.id), where("properties", row.name, "kind")),
  );
  const spectra = file.spectra.map((row) =>
    spectrumOf(row, claim("spectra", row.name, row.id), where("spectra", row.name, "unit")),
  );
  const fields = [...bands, ...properties, ...spectra].sort((a, b) => a.id - b.id);
  for (const layout of file.layouts) checkLayout(layout, fields, where("layouts", layout.name));
  return {
    file,
    name: file.name,
    title: file.title,
    path,
    source: file.source,
    licence: file.licence,
    citation: file.citation,
    notes: file.notes,
    fluxUnit: file.fluxUnit,
    tiles: file.tiles,
    errorFloor: file.errorFloor ?? 0,
    instruments: file.instruments.map((one) => definedOf<Instrument>(one)),
    fields,
    layouts: file.layouts,
    ...highlightsOf(file, fields, placeOf),
  };
}

/**
 * Reads a survey file: a name in `datasets/`, or a path.
 * @throws UserError with file:line:column for a file that is not a survey.
 */
export function loadSurvey(nameOrPath: string): Survey {
  const path = surveyPath(nameOrPath);
  const { value, where, placeOf } = readSurveyFile(path, []);
  for (const layout of value.layouts) checkTemplates(layout, (key) => where("layouts", layout.name, key));
  return surveyOf(value, path, where, placeOf);
}
