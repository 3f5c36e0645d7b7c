import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { type Field, isAskable } from "./field.ts";

const groupsOf = (fields: readonly Field[]): string[] => [
  ...new Set(fields.flatMap(({ band }) => (band === undefined ? [] : [band.group]))),
];

/** `3000A..6000A`, open at one end or the other: a range of pivots [Angstrom]. */
const WAVELENGTHS = /^(?:(\d+(?:\.\d+)?)A)?\.\.(?:(\d+(?:\.\d+)?)A)?$/;

/** Bands with a pivot from the first wavelength up to, not at, the second; undefined where `part` is no such range. */
function bandsBetween(part: string, fields: readonly Field[]): number[] | undefined {
  const [, from = "0", to = "Infinity"] = WAVELENGTHS.exec(part) ?? [];
  if (!WAVELENGTHS.test(part) || part === "..") return undefined;
  const isInside = ({ band }: Field): boolean => band !== undefined && band.pivot >= +from && band.pivot < +to;
  return fields.flatMap((field, j) => (isInside(field) ? [j] : []));
}

/** Fields of a group, or of a range of wavelengths; undefined where `part` is neither. */
function manyFields(part: string, fields: readonly Field[]): number[] | undefined {
  const select = (isWanted: (field: Field) => boolean): number[] => fields.flatMap((f, j) => (isWanted(f) ? [j] : []));
  if (part === "all") return select(() => true);
  if (part === "bands") return select((field) => field.band !== undefined);
  if (part === "spectra") return select((field) => field.kind === "spectrum");
  if (part === "properties") return select((field) => field.band === undefined && isAskable(field));
  if (groupsOf(fields).includes(part)) return select((field) => field.band?.group === part);
  return bandsBetween(part, fields);
}

/**
 * Fields that a list names: names, ranges along the vocabulary (`J0378..J0600`), bands by pivot in Angstrom
 * (`3000A..6000A`, `6000A..`), and the groups `bands`, `properties`, `spectra`, `narrow`, `broad`, `uv`, `all`, separated by commas.
 * Returns their places, each once. `option` is what the list is of, in messages.
 * @throws UserError with the nearest right name; for a list that names nothing.
 */
export function parseFieldList(text: string, fields: readonly Field[], option: string): number[] {
  const index = (name: string): number => {
    const j = fields.findIndex((field) => field.name === name);
    if (j < 0) {
      const names = [...fields.map((field) => field.name), ...groupsOf(fields), "bands", "properties", "all"];
      throw new UserError(`${option}: unknown field "${name}"${didYouMean(name, names)}`);
    }
    return j;
  };
  const chosen = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .flatMap((part) => {
      const many = manyFields(part, fields);
      if (many !== undefined) return many;
      const [from, to] = part.split("..");
      if (to === undefined) return [index(part)];
      const [a, b] = [index(from), index(to)];
      if (b < a) throw new UserError(`${option}: range ${part} runs backwards; expected ${to}..${from}`);
      return Array.from({ length: b - a + 1 }, (_, i) => a + i);
    });
  if (chosen.length === 0) throw new UserError(`${option}: names no field; expected e.g. J0378..J0600,z`);
  return [...new Set(chosen)];
}

/** As {@link parseFieldList}; empty where a name is unknown or nothing is named. */
export function knownFields(text: string, fields: readonly Field[]): number[] {
  try {
    return parseFieldList(text, fields, "");
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

/** One flag per field of a vocabulary of `nField`: 1 for the `chosen` places. [nField] */
export function flagsOf(chosen: readonly number[], nField: number): Uint8Array {
  const flags = new Uint8Array(nField);
  for (const j of chosen) flags[j] = 1;
  return flags;
}
