/** Which columns of other people's tables are properties, ids, tiles and places on the sky. */
import type { Column } from "../io/table.ts";
import { errorColumnOf, type ErrorKind } from "./draft-names.ts";
import { convertUnit, isStated, isUnitless, parseUnit } from "./units.ts";

/** A property that a column seems to be. */
export interface DraftProperty {
  /** Name of the field: one of minijpas where it is a number. */
  readonly field: string;
  readonly column: string;
  readonly error?: { readonly column: string; readonly kind: ErrorKind };
  readonly transform?: "log10";
  readonly unit?: string;
  /** Of a category. */
  readonly classes?: readonly string[];
  /** What was guessed. */
  readonly guess: string;
}

/** Units of what fields are the logarithms of, or of fields of no logarithm. */
const UNITS: Readonly<Record<string, string>> = {
  LOGM: "Msun",
  LOGSFR: "Msun/yr",
  AGE: "Gyr",
  AV: "mag",
  EBV: "mag",
};

/** Whether a column in such a unit can be the field. */
function isInUnitOf(field: string, unit: string | undefined): boolean {
  if (!isStated(unit)) return true;
  const own = UNITS[field] ?? (field.endsWith("_EW") ? "Angstrom" : undefined);
  return (own !== undefined && convertUnit(unit, own) !== undefined) || (field !== "AGE" && isUnitless(unit));
}

/** Names without case and signs, by field; the first pattern that a table has is taken. */
const PATTERNS: readonly (readonly [field: string, pattern: RegExp, guess: string])[] = [
  ["z", /^(?:zspec|specz|zsp|zpec|zspectro\w*|spectroscopicredshift)$/, "spectroscopic redshift"],
  ["z", /^(?:redshift|redshifttrue|truthredshift|ztrue|truez|zbest|bestz|zgal|zhelio|z)$/, "redshift"],
  ["z", /^(?:zphot\w*|photoz\w*|zb|zml|zmode|zpeak|zmean|zmedian|photozbest)$/, "PHOTOMETRIC redshift"],
  ["LOGM", /^(?:log|lg|l)(?:10)?(?:m|mass|mstar|mstellar|stellarmass|massstar|mtotp50)\w*$/, "log10 stellar mass"],
  ["LOGM", /^(?:mass|mstar|mstellar|stellarmass|massstar|massbest|massmed|bestmass|starmass)$/, "stellar mass"],
  ["LOGSFR", /^(?:log|lg|l)(?:10)?sfr\w*$/, "log10 star formation rate"],
  ["LOGSFR", /^sfr(?:tot|best|med|tot\w*)?$/, "star formation rate"],
  ["LOGZ", /^(?:logz|logzsol|logzstar|metallicity|feh|mh|zzsun)$/, "log10 metallicity"],
  ["AV", /^(?:av|avstar|astar|attenuationv)$/, "attenuation in V"],
  ["AGE", /^(?:age|ageyr|agegyr|agemw|massweightedage|mwage)$/, "age"],
  ["EBV", /^(?:ebv|ebmv|ebvsfd|sfdebv|ebvmw)$/, "E(B-V) of the Milky Way"],
];

/** Equivalent widths: what the name holds besides `ew`. */
const LINES: readonly (readonly [field: string, pattern: RegExp])[] = [
  ["HALPHA_EW", /^h(?:a|alpha)(?:656[0-9])?$/],
  ["HBETA_EW", /^h(?:b|beta)(?:486[0-9])?$/],
  ["OIII5007_EW", /^o(?:iii|3)(?:5007|5006|5008)?$/],
  ["NII6584_EW", /^n(?:ii|2)(?:658[345])?$/],
  ["OII3727_EW", /^o(?:ii|2)(?:372[6789]|doublet)?$/],
];

const CLASS = /^(?:class|type|spectype|objtype|objecttype|morphology|specclass|classtrue)$/;
const MOST_CLASSES = 12;

const plainName = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");

/** The name, and its last part where it is a path: bayes.stellar.m_star. */
const namesOf = (name: string): string[] => [name, name.split(/[./]/).at(-1)!].map(plainName);

/** Numbers of a column that are there. */
export function numbersOf({ data, isValid, width }: Column): number[] {
  const numbers: number[] = [];
  for (let i = 0; i < data.length; i++) {
    const x = Number(data[i]);
    if (isValid?.[Math.floor(i / width)] !== 0 && Number.isFinite(x)) numbers.push(x);
  }
  return numbers;
}

export function medianOf(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}

function lineOf(plain: string): string | undefined {
  const [, name] = /^(?:ew|eqw|w)(.+)$/.exec(plain) ?? /^(.+?)(?:ew|eqw)$/.exec(plain) ?? [];
  return name === undefined ? undefined : LINES.find(([, pattern]) => pattern.test(name))?.[0];
}

/** Unit and transformation of a number that our fields have as a logarithm, or whose unit the file leaves out. */
function scaleOf(
  field: string,
  column: Column,
): Pick<DraftProperty, "unit" | "transform"> & { readonly guess?: string } {
  const said = isStated(column.unit) ? parseUnit(column.unit) : undefined;
  const numbers = numbersOf(column).filter((x) => Math.abs(x) < 1e30 && x > -90);
  const middle = medianOf(numbers);
  const isLinear = said?.dimension === "linear" && said.signature !== "";
  if (field === "LOGM" && (isLinear || middle > 1000)) {
    return { unit: "Msun", transform: "log10", ...(isLinear ? {} : { guess: "in Msun by its size" }) };
  }
  const isLog = /^(?:log|lg|l)/i.test(column.name);
  if (field === "LOGSFR" && (isLinear || (!isLog && numbers.length > 0 && numbers.every((x) => x >= 0)))) {
    return { unit: "Msun/yr", transform: "log10", ...(isLinear ? {} : { guess: "in Msun/yr, for none is negative" }) };
  }
  if (isStated(column.unit)) return {};
  if (field === "AGE") {
    const unit = middle > 1e6 ? "yr" : middle > 100 ? "Myr" : "Gyr";
    return { unit, guess: `in ${unit} by its size` };
  }
  if (field === "AV" || field === "EBV") return { unit: "mag", guess: "in mag" };
  return field.endsWith("_EW") ? { unit: "Angstrom", guess: "in Angstrom, positive in emission" } : {};
}

/** The classes of a text column with few different texts. */
function classesOf({ data, type }: Column): string[] | undefined {
  if (type !== "string") return undefined;
  const classes = [...new Set((data as string[]).map((text) => text.trim()))].filter((text) => text !== "").sort();
  return classes.length >= 2 && classes.length <= MOST_CLASSES ? classes : undefined;
}

/** Properties among columns that are no bands. */
export function draftProperties(columns: readonly Column[]): DraftProperty[] {
  const names = columns.map(({ name }) => name);
  const isNumeric = (column: Column): boolean => column.type !== "string" && column.width === 1;
  const found = new Map<string, DraftProperty>();
  const take = (field: string, column: Column, guess: string): void => {
    if (found.has(field)) return;
    const error = errorColumnOf(column.name, names);
    const { guess: more, ...scale } = scaleOf(field, column);
    const guesses = more === undefined ? guess : `${guess}, ${more}`;
    found.set(field, { field, column: column.name, ...scale, ...(error && { error }), guess: guesses });
  };
  for (const [field, pattern, guess] of PATTERNS) {
    const isOf = (one: Column): boolean => isNumeric(one) && isInUnitOf(field, one.unit);
    const column = columns.find((one) => isOf(one) && namesOf(one.name).some((name) => pattern.test(name)));
    if (column) take(field, column, guess);
  }
  for (const column of columns.filter(isNumeric)) {
    const field = lineOf(plainName(column.name));
    if (field !== undefined && isInUnitOf(field, column.unit)) take(field, column, "equivalent width");
  }
  for (const column of columns) {
    const classes = CLASS.test(plainName(column.name)) ? classesOf(column) : undefined;
    if (classes === undefined || found.has("CLASS")) continue;
    found.set("CLASS", { field: "CLASS", column: column.name, classes, guess: "classes in the first rows" });
  }
  return [...found.values()];
}

const IDS =
  /^(?:objectid|objid|sourceid|targetid|coaddobjectid|galaxyid|galid|ident|id|number|name|objname|catid|designation|cubename|specobjid)$/;
const TILES = /^(?:tileid|tile|field|fieldid|pointing|brickname|brickid|plate|patch)$/;
const PLACES =
  /^(?:ra|dec|de|raj2000|dej2000|decj2000|alpha|delta|alphaj2000|deltaj2000|ramean|decmean|radeg|decdeg|glon|glat|lon|lat|xworld|yworld|ximage|yimage|xpos|ypos|healpix29)$/;

/** Columns of ids, tiles and places. */
export interface DraftIds {
  readonly id: string | undefined;
  readonly tile: string | undefined;
  /** What rows of one galaxy share: of tables of ours. */
  readonly parent: string | undefined;
  /** Ids repeat within the rows that were looked at. */
  readonly isRepeated: boolean;
  readonly places: readonly string[];
}

export function draftIds(columns: readonly Column[]): DraftIds {
  const scalar = columns.filter(({ width }) => width === 1);
  const like = (pattern: RegExp): Column | undefined => {
    const [best] = scalar
      .filter(({ name }) => pattern.test(plainName(name)))
      .sort((a, b) => pattern.source.indexOf(plainName(a.name)) - pattern.source.indexOf(plainName(b.name)));
    return best;
  };
  const id =
    like(IDS) ?? scalar.find(({ name }) => /(?:^id_|_id$|^id[A-Z])/i.test(name) && !TILES.test(plainName(name)));
  const cells = id === undefined ? [] : Array.from(id.data as ArrayLike<unknown>, String);
  return {
    id: id?.name,
    tile: like(TILES)?.name,
    parent: scalar.find(({ name }) => name === "parent_id")?.name,
    isRepeated: new Set(cells).size < cells.length,
    places: scalar.filter(({ name }) => PLACES.test(plainName(name))).map(({ name }) => name),
  };
}
