import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import type { Field } from "./field.ts";

/**
 * Fields that a list names: names, ranges along the vocabulary (`J0378..J0600`), and the groups `bands`, `properties`,
 * `narrow`, `broad`, `uv`, `all`, separated by commas.
 * @throws UserError with the nearest right name.
 */
export function parseFieldList(text: string, fields: readonly Field[], option: string): number[] {
  const groups = new Set(fields.flatMap((field) => (field.band === undefined ? [] : [field.band.group])));
  const index = (name: string): number => {
    const j = fields.findIndex((field) => field.name === name);
    if (j < 0) {
      const names = [...fields.map((field) => field.name), ...groups, "bands", "properties", "all"];
      throw new UserError(`${option}: unknown field "${name}"${didYouMean(name, names)}`);
    }
    return j;
  };
  const select = (isWanted: (field: Field) => boolean): number[] => fields.flatMap((f, j) => (isWanted(f) ? [j] : []));
  const chosen = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .flatMap((part) => {
      if (part === "all") return select(() => true);
      if (part === "bands") return select((field) => field.band !== undefined);
      if (part === "properties") return select((field) => field.band === undefined);
      if (groups.has(part)) return select((field) => field.band?.group === part);
      const [from, to] = part.split("..");
      if (to === undefined) return [index(part)];
      const [a, b] = [index(from), index(to)];
      if (b < a) throw new UserError(`${option}: range ${part} runs backwards; expected ${to}..${from}`);
      return Array.from({ length: b - a + 1 }, (_, i) => a + i);
    });
  if (chosen.length === 0) throw new UserError(`${option}: names no field; expected e.g. J0378..J0600,z`);
  return [...new Set(chosen)];
}

/** One flag per field of a vocabulary of `nField`: 1 for the `chosen` places. [nField] */
export function flagsOf(chosen: readonly number[], nField: number): Uint8Array {
  const flags = new Uint8Array(nField);
  for (const j of chosen) flags[j] = 1;
  return flags;
}
