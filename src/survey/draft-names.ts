/** What the names of a table's columns say: which are bands, of which filter, and which belong together. */
import type { ColumnSchema } from "../io/table.ts";
import type { KnownFilter } from "./draft-filters.ts";
import type { BandColumns } from "./layout.ts";

export type ErrorKind = BandColumns["errorKind"];

/** What stands for an error in a name, and what kind of one. */
const ERROR_MARKS: readonly (readonly [mark: string, kind: ErrorKind])[] = [
  ["inverse_variance", "ivar"],
  ["invvar", "ivar"],
  ["ivar", "ivar"],
  ["rel_err", "relative"],
  ["relerr", "relative"],
  ["uncertainty", "absolute"],
  ["errors", "absolute"],
  ["error", "absolute"],
  ["err", "absolute"],
  ["sigmas", "absolute"],
  ["sigma", "absolute"],
  ["sigcom", "absolute"],
  ["sig", "absolute"],
  ["unc", "absolute"],
  ["std", "absolute"],
];

/** Names, in lower case, that a column would be the error of, were there one of that name. */
function valuesOf(name: string): { readonly name: string; readonly kind: ErrorKind }[] {
  const lower = name.toLowerCase();
  const found = ERROR_MARKS.flatMap(([mark, kind]) => {
    const at = lower.indexOf(mark);
    if (at < 0) return [];
    const [before, behind] = [lower.slice(0, at), lower.slice(at + mark.length)];
    const isSeparated = (text: string): boolean => /[_.\s-]$/.test(text);
    return [
      before + behind,
      ...(isSeparated(before) ? [before.slice(0, -1) + behind] : []),
      ...(/^[_.\s-]/.test(behind) ? [before + behind.slice(1)] : []),
    ].map((text) => ({ name: text, kind }));
  });
  const letter = /^e_?(.+)$/.exec(lower)?.[1];
  const last = /^(.+)_e$/.exec(lower)?.[1];
  return [...found, ...[letter, last].flatMap((text) => (text ? [{ name: text, kind: "absolute" as const }] : []))];
}

/** The column that holds the error of one, of several the first. */
export function errorColumnOf(
  value: string,
  names: readonly string[],
): { readonly column: string; readonly kind: ErrorKind } | undefined {
  const lower = value.toLowerCase();
  for (const column of names) {
    if (column === value) continue;
    const match = valuesOf(column).find(({ name }) => name === lower);
    if (match) return { column, kind: match.kind };
  }
  return undefined;
}

/** One column as a band: its filter, and the name with `{FIELD}` where the filter stands. */
export interface BandCandidate {
  readonly column: ColumnSchema;
  readonly token: string;
  readonly template: string;
  readonly filter: KnownFilter;
}

/** Parts of a name that can be a filter's: between separators, and what is left without mag, flux and the like. */
function partsOf(name: string): { readonly token: string; readonly at: number }[] {
  const parts: { token: string; at: number }[] = [];
  for (const match of name.matchAll(/[^_.\s:/-]+/g)) {
    const [token] = match;
    const at = match.index;
    parts.push({ token, at });
    const [, head] = /^(.+?)(?:mag|flux|mpro|_m|abmag)$/i.exec(token) ?? [];
    if (head !== undefined) parts.push({ token: head, at });
    const [, start, tail] = /^(mag|flux|e)(.+)$/i.exec(token) ?? [];
    if (tail !== undefined) parts.push({ token: tail, at: at + start.length });
  }
  // A filter with a separator in its name: u_sdss.
  for (const match of name.matchAll(/(?<![^_.\s:/-])[a-z]_(?:sdss|lsst)(?![^_.\s:/-])/gi)) {
    parts.push({ token: match[0], at: match.index });
  }
  return parts;
}

/** Names of what is neither a flux nor a magnitude, whatever filter they name. */
const NO_FLUX =
  /flag|mask|state|nobs|_n$|^n_|expo|seeing|fwhm|class|prob|index|extinct|transmission|dered_?ebv|radius|psfsize|depth|snr|_sn$|type|weight|redshift|restframe|best\.|attenuation|sersic|\bid\b|_id$|^id_|maglim|chi/i;

/** Ways to read each numeric column as a band. */
export function bandCandidates(
  schema: readonly ColumnSchema[],
  filterOf: (token: string) => KnownFilter | undefined,
): BandCandidate[] {
  return schema.flatMap((column) => {
    const { name, type, width } = column;
    if (type === "string" || width !== 1 || NO_FLUX.test(name)) return [];
    return partsOf(name).flatMap(({ token, at }) => {
      const filter = filterOf(token);
      if (filter === undefined) return [];
      return [{ column, token, filter, template: `${name.slice(0, at)}{FIELD}${name.slice(at + token.length)}` }];
    });
  });
}

/** Columns of one template: of one kind, one a filter. */
export interface BandGroup {
  readonly template: string;
  readonly members: readonly BandCandidate[];
  readonly error?: { readonly template: string; readonly kind: ErrorKind };
  readonly state?: string;
}

const isNamedFlux = (name: string): boolean => /mag|flux|lupt|mpro|_m$/i.test(name);
const PHOTOMETRIC = /mag|jy|mgy|maggies|erg|flux/i;

/** The members' common error column as a template, where every member has it. */
function errorOf(members: readonly BandCandidate[], names: readonly string[]): BandGroup["error"] {
  const found = members.map(({ column, token }) => {
    const error = errorColumnOf(column.name, names);
    if (error === undefined) return undefined;
    // The filter in it: where it stands apart from the rest of the two names.
    return [...error.column.matchAll(new RegExp(token.replaceAll(/[^\w]/g, String.raw`\$&`), "g"))].map(
      ({ index }) => ({
        template: `${error.column.slice(0, index)}{FIELD}${error.column.slice(index + token.length)}`,
        kind: error.kind,
      }),
    );
  });
  return found[0]?.find(({ template }) => found.every((some) => some?.some((one) => one.template === template)));
}

/** Templates of bands, the fullest first: those that errors, units or words say are fluxes or magnitudes. */
export function bandGroups(candidates: readonly BandCandidate[], names: readonly string[]): BandGroup[] {
  const byTemplate = new Map<string, BandCandidate[]>();
  for (const one of candidates) byTemplate.set(one.template, [...(byTemplate.get(one.template) ?? []), one]);
  const groups = [...byTemplate].flatMap(([template, all]): BandGroup[] => {
    // An error has a value beside it.
    const members = all.filter(
      ({ column, token }) =>
        !names.some((name) => name !== column.name && errorColumnOf(name, [column.name]) !== undefined) &&
        // A lone z among names without more to them is a redshift, unless g, r and i stand beside it.
        (token !== "z" || template !== "{FIELD}" || ["g", "r", "i"].every((x) => all.some((one) => one.token === x))),
    );
    if (members.length === 0) return [];
    const error = errorOf(members, names);
    const isSaid = isNamedFlux(template) || members.some(({ column }) => PHOTOMETRIC.test(column.unit ?? ""));
    if (!isSaid && error === undefined && members.length < 4) return [];
    const state =
      template === "{FIELD}" && members.some(({ token }) => names.includes(`${token}_state`))
        ? "{FIELD}_state"
        : undefined;
    return [{ template, members, ...(error && { error }), ...(state && { state }) }];
  });
  const score = ({ members, error, template }: BandGroup): number =>
    4 * members.length + (error ? 2 : 0) + (/flux/i.test(template) ? 1 : 0);
  return groups.sort((a, b) => score(b) - score(a));
}
