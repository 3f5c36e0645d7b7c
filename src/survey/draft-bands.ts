/** From groups of columns to the bands of a draft: their names, units, depths. */
import type { Column } from "../io/table.ts";
import { type KnownFilter } from "./draft-filters.ts";
import { type BandGroup, errorColumnOf, type ErrorKind } from "./draft-names.ts";
import { medianOf, numbersOf } from "./draft-properties.ts";
import { convertError, convertUnit, convertValue, isStated, parseUnit } from "./units.ts";

/** Unit of a draft's fluxes: that of the surveys which come with the package. */
export const FLUX_UNIT = "1e-19 erg/s/cm2/A";

export interface DraftBand {
  readonly name: string;
  /** What stands for it in the columns' names; undefined for the element of an array. */
  readonly token: string | undefined;
  /** Undefined where nobody says which filter it is. */
  readonly filter: KnownFilter | undefined;
  /** 5 sigma, or where there are no errors the faint end [AB mag]; undefined where there is nothing to tell by. */
  readonly depth: number | undefined;
}

/** One description of bands' columns. */
export interface DraftColumns {
  readonly value: string;
  readonly error: { readonly template: string; readonly kind: ErrorKind } | undefined;
  readonly state: string | undefined;
  /** For the layout to say; undefined where the file does. */
  readonly unit: string | undefined;
  /** What was guessed of the unit, or is to be filled in. */
  readonly unitNote: string | undefined;
  /** By token. */
  readonly softening: Readonly<Record<string, number>> | undefined;
  readonly bands: readonly DraftBand[];
  /** The largest of the values in `FLUX_UNIT`. */
  readonly brightest: number;
}

/** Softening of SDSS's asinh magnitudes (Stoughton et al. 2002, AJ 123, 485, table 21). */
const SOFTENING: Readonly<Record<string, number>> = { u: 1.4e-10, g: 0.9e-10, r: 1.2e-10, i: 1.8e-10, z: 7.4e-10 };
const SDSS = /^(?:model|psf|petro|cmodel|fiber2?|dered|dev|exp)_?(?:mag)?_?\{FIELD\}$/i;
/** Parts of column names that say whose bands they are. */
const WHOSE = /(?<![a-z])(?:lsst|sdss|hsc|des|decam|ps1|kids|cfht|cfhtls|viking|ukidss|euclid|roman)(?![a-z])/i;

/** Numbers by which to tell a magnitude from a flux. */
const FEWEST = 20;

/** Magnitudes without a unit lie here. */
const looksLikeMagnitudes = (numbers: readonly number[]): boolean => {
  const some = numbers.filter((x) => Math.abs(x) < 90 && x !== 0);
  return some.length >= FEWEST && some.filter((x) => x > 5 && x < 40).length > 0.99 * some.length;
};

type UnitGuess = Pick<DraftColumns, "unit" | "unitNote" | "softening">;

/** The unit of columns: what the file says, else what their name and size do. */
function unitOf(template: string, columns: readonly Column[], group: Pick<BandGroup, "error" | "members">): UnitGuess {
  const told = columns.find(({ unit }) => isStated(unit))?.unit;
  const parsed = told === undefined ? undefined : parseUnit(told);
  const none = { unit: undefined, unitNote: undefined, softening: undefined };
  const isNamed = /mag|lupt|mpro|_m$/i.test(template);
  const isBySize = !isNamed && !/flux/i.test(template) && looksLikeMagnitudes(columns.flatMap(numbersOf));
  const isMagnitude = parsed === undefined ? isNamed || isBySize : parsed.dimension === "mag";
  const letters = group.members.map(({ token }) => token);
  if (isMagnitude && SDSS.test(template) && letters.every((letter) => letter in SOFTENING)) {
    const softening = Object.fromEntries(letters.map((letter) => [letter, SOFTENING[letter]]));
    return { unit: "asinh mag", unitNote: "guessed: SDSS's asinh magnitudes and their softening", softening };
  }
  if (parsed?.dimension === "mag" && parsed.system !== undefined) return none;
  if (isMagnitude) {
    const vega = group.members.filter(({ filter }) => filter.row.group === "infrared").map(({ token }) => token);
    const often =
      vega.length > 0 ? `; FILL IN: are ${vega.join(", ")} Vega's? then mag(Vega), with vegaAB in their rows` : "";
    const note =
      parsed === undefined && isBySize
        ? "FILL IN: taken for AB magnitudes by their size"
        : "guessed: nothing names a magnitude system";
    return { ...none, unit: "ABmag", unitNote: note + often };
  }
  if (parsed !== undefined) return none;
  if (told !== undefined) return { ...none, unit: told, unitNote: "FILL IN: this unit of the file is not understood" };
  if (/^FLUX_/i.test(template) && group.error?.kind === "ivar") {
    return { ...none, unit: "nmgy", unitNote: "guessed: nanomaggies, as the Legacy Surveys have them" };
  }
  return { ...none, unit: "survey", unitNote: `FILL IN: the file states no unit; read as ${FLUX_UNIT} until you say` };
}

/** Values and errors of a column (or an element of one) as fluxes in `FLUX_UNIT`. */
function fluxesOf(
  values: Column,
  errors: Column | undefined,
  element: number,
  kind: ErrorKind,
  conversion: NonNullable<ReturnType<typeof convertUnit>>,
): { readonly flux: number; readonly sigma: number }[] {
  const isMagnitude = conversion.kind !== "factor";
  const rows = values.data.length / values.width;
  return Array.from({ length: rows }, (_, row) => {
    const x = Number(values.data[row * values.width + element]);
    const e = errors === undefined ? NaN : Number(errors.data[row * errors.width + (errors.width > 1 ? element : 0)]);
    const sigma = kind === "ivar" ? 1 / Math.sqrt(e) : kind === "relative" ? Math.abs(x * e) : e;
    const isThere = values.isValid?.[row] !== 0 && (!isMagnitude || Math.abs(x) < 90);
    return { flux: isThere ? convertValue(conversion, x) : NaN, sigma: convertError(conversion, x, sigma) };
  }).filter(({ flux }) => Number.isFinite(flux));
}

/** 5 sigma depth of the fainter half, else the magnitude that 95 % are brighter than; and the brightest flux. */
function depthOf(rows: ReturnType<typeof fluxesOf>, zero: number): { depth: number | undefined; brightest: number } {
  const middle = medianOf(rows.map(({ flux }) => flux));
  const sigmas = rows
    .filter(({ flux, sigma }) => flux <= middle && sigma > 0 && sigma < Infinity)
    .map(({ sigma }) => sigma);
  const fluxes = rows.map(({ flux }) => flux).filter((flux) => flux > 0);
  const limit = sigmas.length > 0 ? 5 * medianOf(sigmas) : fluxes.sort((a, b) => a - b)[Math.floor(fluxes.length / 20)];
  const depth = limit > 0 ? Math.round(-250 * Math.log10(limit / zero)) / 100 : NaN;
  const brightest = fluxes.reduce((most, flux) => Math.max(most, flux), 0);
  return { depth: Math.abs(depth) < 100 ? depth : undefined, brightest };
}

/** The band's name: the survey's own spelling of its filter, else the table's, but no other field's. */
function nameOf(token: string, template: string, filter: KnownFilter, taken: ReadonlySet<string>): string {
  const isOwn = filter.name.toLowerCase() === token.toLowerCase();
  const whose = WHOSE.exec(template.replaceAll(/[_.-]/g, " "))?.[0].toLowerCase();
  const name = isOwn
    ? filter.name
    : whose !== undefined && token.length === 1
      ? `${token.toLowerCase()}_${whose}`
      : token;
  return taken.has(name) ? `${name}_band` : name;
}

/** Stand-in for a filter that nobody names [Angstrom]. */
const UNKNOWN_PIVOT = 5000;

/** A band with what its values say of depths. */
function bandOf(
  name: string,
  token: string | undefined,
  filter: KnownFilter | undefined,
  rows: (conversion: NonNullable<ReturnType<typeof convertUnit>>) => ReturnType<typeof fluxesOf>,
  unit: string,
  softening: number | undefined,
): { readonly band: DraftBand; readonly brightest: number } {
  const system = { pivot: UNKNOWN_PIVOT, ...filter?.row, softening };
  const conversion = convertUnit(unit === "survey" ? FLUX_UNIT : unit, FLUX_UNIT, system);
  const zero = convertValue(convertUnit("ABmag", FLUX_UNIT, system)!, 0);
  const { depth, brightest } = conversion ? depthOf(rows(conversion), zero) : { depth: undefined, brightest: 0 };
  return { band: { name, token, filter, depth }, brightest };
}

/** The bands of a group that are not `taken` by others, and how their columns are read; undefined where all are. */
export function draftColumns(
  group: BandGroup,
  columns: ReadonlyMap<string, Column>,
  taken: ReadonlySet<string>,
): DraftColumns | undefined {
  const { template, members, error, state } = group;
  const own = new Set<string>();
  const fresh = members.filter(({ token, filter }) => {
    const name = nameOf(token, template, filter, new Set());
    const isFresh = !own.has(name) && ![name, `${name}_band`].some((one) => taken.has(one) && one !== "z");
    own.add(name);
    return isFresh;
  });
  if (fresh.length === 0) return undefined;
  fresh.sort((a, b) => a.filter.row.pivot - b.filter.row.pivot);
  const values = fresh.map(({ column }) => columns.get(column.name)!);
  const guess = unitOf(template, values, { ...group, members: fresh });
  const bands = fresh.map(({ token, filter }, i) => {
    const errors = error && columns.get(error.template.replace("{FIELD}", token));
    const unit = guess.unit ?? values[i].unit ?? "";
    const rows = (conversion: Parameters<typeof fluxesOf>[4]): ReturnType<typeof fluxesOf> =>
      fluxesOf(values[i], errors, 0, error?.kind ?? "absolute", conversion);
    return bandOf(nameOf(token, template, filter, taken), token, filter, rows, unit, guess.softening?.[token]);
  });
  const brightest = Math.max(...bands.map((one) => one.brightest));
  return { value: template, error, state, ...guess, bands: bands.map(({ band }) => band), brightest };
}

/** Array columns of fluxes or magnitudes: the first that has errors, else the first; `order` are the filters of 60 elements. */
export function draftArray(
  columns: readonly Column[],
  order: readonly (readonly [name: string, filter: KnownFilter | undefined])[],
): DraftColumns | undefined {
  const names = columns.map(({ name }) => name);
  const arrays = columns.filter(
    ({ name, width, type }) =>
      width > 1 && type !== "string" && /flux|mag/i.test(name) && !/err|flag|ivar|mask/i.test(name),
  );
  const errorsOf = ({ name }: Column): ReturnType<typeof errorColumnOf> => errorColumnOf(name, names);
  const column = arrays.find((one) => errorsOf(one) !== undefined) ?? arrays[0];
  if (column === undefined) return undefined;
  const error = errorsOf(column);
  const errors = error && columns.find(({ name }) => name === error.column);
  const elements =
    column.width === order.length
      ? order
      : Array.from({ length: column.width }, (_, i) => [`band${i + 1}`, undefined] as const);
  const found = error && { template: error.column, kind: error.kind };
  const guess = unitOf(column.name, [column], { members: [], ...(found && { error: found }) });
  const bands = elements.map(([name, filter], i) => {
    const rows = (conversion: Parameters<typeof fluxesOf>[4]): ReturnType<typeof fluxesOf> =>
      fluxesOf(column, errors, i, error?.kind ?? "absolute", conversion);
    return bandOf(name, undefined, filter, rows, guess.unit ?? column.unit ?? "", undefined);
  });
  const brightest = Math.max(...bands.map((one) => one.brightest));
  return {
    value: column.name,
    error: found,
    state: undefined,
    ...guess,
    bands: bands.map(({ band }) => band),
    brightest,
  };
}
