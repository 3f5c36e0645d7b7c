import { z } from "zod";

/** A column name, or several under which different exports have the same thing. `{FIELD}` stands for the field's name. */
const columnNames = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const flagSchema = z.strictObject({
  column: columnNames,
  /** Bits that make a value unusable, and what each means: shown in the report of what was dropped. */
  bits: z.record(z.string().regex(/^[1-9]\d*$/, "expected the bit's value: 1, 2, 4, ..."), z.string().min(1)),
});

const bandColumnsSchema = z.strictObject({
  /** With `{FIELD}`: one column per band. Without: one array column, its elements in `order`. */
  value: columnNames,
  error: columnNames.optional(),
  /** relative: 1 sigma error = |value| x column. absolute: the column itself. ivar: 1/sqrt(column). */
  errorKind: z.enum(["absolute", "relative", "ivar"]).default("absolute"),
  state: columnNames.optional(),
  /** Unit where the file does not say. */
  unit: z.string().optional(),
  /** Fields of an array column's elements; null for an element that is no field of the survey. */
  order: z.array(z.string().min(1).nullable()).optional(),
  /** What a table calls a field, where it is not its name. */
  aliases: z.record(z.string(), z.string().min(1)).default({}),
  flags: z.array(flagSchema).default([]),
});

const propertyColumnSchema = z.strictObject({
  value: columnNames,
  error: columnNames.optional(),
  unit: z.string().optional(),
  flags: z.array(flagSchema).default([]),
});

/** How one kind of table names a survey's columns. */
export const layoutSchema = z.strictObject({
  name: z.string().min(1),
  title: z.string().min(1),
  /** Columns in braces: `{TILE_ID}-{NUMBER}`. */
  objectId: z.string().min(1),
  parentId: z.string().min(1).optional(),
  bands: bandColumnsSchema.optional(),
  properties: z.record(z.string(), propertyColumnSchema).default({}),
  /** Numbers that stand for "no value", in values and in errors. */
  magic: z.array(z.number()).default([]),
});

export type Layout = z.output<typeof layoutSchema>;
export type FlagRule = z.output<typeof flagSchema>;

/** Caleido's own tables: columns named as the fields, with `_err` and `_state`. */
export const ownLayout: Layout = {
  name: "caleido",
  title: "columns named as the fields, with _err and _state",
  objectId: "{object_id}",
  parentId: "{parent_id}",
  bands: {
    value: "{FIELD}",
    error: "{FIELD}_err",
    errorKind: "absolute",
    state: "{FIELD}_state",
    aliases: {},
    flags: [],
  },
  properties: {},
  magic: [],
};

/** The names a template stands for, for one field. */
export function namesFor(template: string | readonly string[], field: string): string[] {
  const list = typeof template === "string" ? [template] : template;
  return list.map((name) => name.replaceAll("{FIELD}", field));
}
