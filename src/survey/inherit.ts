/** One survey file taking over rows of others: `extends` and `omit`. Works on files as they stand, before defaults. */
import { z } from "zod";
import { type Layout, layoutsFor } from "./layout.ts";

type Row = Readonly<Record<string, unknown>>;

/** What a file may leave out when it extends another: any key but the names; of an inherited row, all that stays the same. */
export function heirOf(
  survey: z.ZodObject,
  rowsOfFields: Readonly<Record<"bands" | "properties" | "spectra", z.ZodObject>>,
): z.ZodObject {
  const rows = Object.entries(rowsOfFields).map(([list, row]) => [
    list,
    z.array(row.partial().required({ name: true })).describe((survey.shape[list] as z.ZodType).description ?? ""),
  ]);
  return survey
    .extend(Object.fromEntries(rows) as Record<string, z.ZodType>)
    .partial()
    .required({ name: true, title: true });
}

/** Keys that are taken over as they are, from the first parent that has them. */
const SCALARS = [
  "fluxUnit",
  "fluxRange",
  "tiles",
  "zeroPointError",
  "errorFloor",
  "imf",
  "headline",
  "questions",
] as const;

function rowsOf(file: Row, list: string): readonly Row[] {
  const rows = file[list];
  return Array.isArray(rows) ? (rows as Row[]) : [];
}

const named = (list: unknown): readonly unknown[] => (Array.isArray(list) ? list : []);

/** How the inherited depth came about: does not hold for another. */
const CONDITIONS = ["seeing", "exposure"] as const;

function override(row: Row | undefined, own: Row): Row {
  const kept = { ...row };
  if (own.depth !== undefined) for (const key of CONDITIONS) delete kept[key];
  return { ...kept, ...own };
}

/** Later rows override the keys they give in an inherited row of their name; new ones follow. A name twice in `own` stays twice. */
function mergeRows(inherited: readonly (readonly Row[])[], own: readonly Row[]): Row[] {
  const merged = new Map<unknown, Row>();
  for (const row of inherited.flat()) merged.set(row.name, override(merged.get(row.name), row));
  const seen = new Set<unknown>();
  for (const row of own) {
    merged.set(seen.has(row.name) ? Symbol("twice") : row.name, override(merged.get(row.name), row));
    seen.add(row.name);
  }
  return [...merged.values()];
}

/** One section from several: each key from the first that has it. */
const mergeKeys = (sections: readonly unknown[]): Row => Object.assign({}, ...sections.toReversed()) as Row;

/** What a file may name in `omit`: inherited fields and groups of bands. */
export function omittable(parents: readonly Row[]): string[] {
  const rows = parents.flatMap((parent) => ["bands", "properties", "spectra"].flatMap((list) => rowsOf(parent, list)));
  return [...new Set(rows.flatMap(({ name, group }) => [name, group]).filter((key) => typeof key === "string"))];
}

/** Layouts of the parents, each name once, with what they say of fields that are here; those of other fields alone are not. */
function inheritedLayouts(
  parents: readonly Row[],
  file: Row,
  bands: readonly Row[],
  others: readonly Row[],
): readonly Row[] {
  const taken = new Set(rowsOf(file, "layouts").map(({ name }) => name));
  const wanted = parents.filter(({ name }) => file.layoutsOf === undefined || named(file.layoutsOf).includes(name));
  const all = wanted.flatMap((parent) =>
    (rowsOf(parent, "layouts") as Layout[]).map((layout) => ({ ...layout, from: layout.from ?? String(parent.name) })),
  );
  const first = all.filter(({ name }, i) => !taken.has(name) && all.findIndex((one) => one.name === name) === i);
  const kept = layoutsFor(first, bands.map(namesOf), others.map(namesOf));
  const hasFields = ({ bands: some, properties, spectra }: Layout): boolean =>
    some.length + Object.keys(properties).length + Object.keys(spectra).length > 0;
  return kept.filter(hasFields);
}

const namesOf = ({ name, group }: Row): { name: string; group: string } => ({
  name: String(name),
  group: String(group),
});

/**
 * A file with what it takes over from the files it extends: bands, properties, survey-wide numbers, highlights and layouts:
 * of those that `layoutsOf` names, else of all. Its own layouts come first, and replace inherited ones of their names.
 * Without parents it is the file itself, so that rows of one name stay two and are refused.
 */
export function inherit(parents: readonly Row[], file: Row): Row {
  if (parents.length === 0) return file;
  const omit = named(file.omit);
  const kept = (list: string): Row[][] =>
    parents.map((parent) =>
      rowsOf(parent, list).filter((row) => !omit.includes(row.name) && !omit.includes(row.group)),
    );
  const merged = (list: string): Row[] => mergeRows(kept(list), rowsOf(file, list));
  const scalars = SCALARS.map((key) => [key, parents.find((parent) => parent[key] !== undefined)?.[key]]);
  const [bands, properties, spectra] = [merged("bands"), merged("properties"), merged("spectra")];
  return {
    ...Object.fromEntries(scalars),
    ...file,
    figures: mergeKeys([file, ...parents].map(({ figures }) => figures)),
    instruments: merged("instruments"),
    bands,
    properties,
    spectra,
    layouts: [...rowsOf(file, "layouts"), ...inheritedLayouts(parents, file, bands, [...properties, ...spectra])],
  };
}
