import { z } from "zod";

/** A column name, or several under which different exports have the same thing. `{FIELD}` stands for the field's name. */
const columnNames = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const bitNames = z.record(z.string().regex(/^[1-9]\d*$/, "expected the bit's value: 1, 2, 4, ..."), z.string().min(1));

const flagSchema = z.strictObject({
  column: columnNames,
  /** Bits that make a value unusable, and what each means: shown in the report of what was dropped. */
  bits: bitNames.default({}),
  /** Whole values, numbers or texts, that do the same. */
  values: z.record(z.string(), z.string().min(1)).default({}),
  /** Bits that leave a value usable: for people. */
  harmless: bitNames.default({}),
});

/** What a column's number stands for, where that is not said by its unit. */
const scaleShape = {
  /**
   * Unit where the file does not say; `survey`: the field's own. Magnitudes that name no system are in this one's. Of a
   * number that is transformed: the unit that the formula is for.
   */
  unit: z.string().optional(),
  /** What such files say that is wrong: read as if they said nothing. */
  insteadOf: z.array(z.string().min(1)).optional(),
};

/** Of what light fluxes are: all, or a part that is the same in all bands, or one that each band's seeing decides. */
export const apertureSchema = z.enum(["total", "psf-corrected", "aperture"]);
export type ApertureKind = z.output<typeof apertureSchema>;

const errorKind = z.enum(["absolute", "relative", "ivar", "none"]).default("absolute");

const bandColumnsSchema = z.strictObject({
  ...scaleShape,
  /** Bands, or groups of them, that these columns are for; all when absent. */
  only: z.array(z.string().min(1)).optional(),
  /** With `{FIELD}`: one column per band. Without: one array column, its elements in `order`. */
  value: columnNames,
  error: columnNames.optional(),
  /** relative: 1 sigma error = |value| x column. absolute: the column itself. ivar: 1/sqrt(column). none: values are exact. */
  errorKind,
  state: columnNames.optional(),
  /** Column that value and error are to be multiplied by: fluxes that were divided by a reference band's. */
  times: columnNames.optional(),
  /** Fields of an array column's elements; null for an element that is no field of the survey. */
  order: z.array(z.string().min(1).nullable()).optional(),
  /** What a table calls a field, where it is not its name. */
  aliases: z.record(z.string(), z.string().min(1)).default({}),
  flags: z.array(flagSchema).default([]),
});

const propertyColumnSchema = z
  .strictObject({
    ...scaleShape,
    value: columnNames.optional(),
    /** Columns to be added up, such as the two lines of a doublet; `error` then names as many. */
    sum: z.array(z.string().min(1)).min(2).optional(),
    error: columnNames.optional(),
    errorKind,
    /** 16 and 84 % quantile columns instead of an error: half their distance is 1 sigma. */
    interval: z.tuple([z.string().min(1), z.string().min(1)]).optional(),
    /** The number itself, 10 to its power or its decimal logarithm ... */
    transform: z.enum(["identity", "pow10", "log10"]).default("identity"),
    /** ... times this (before a logarithm), e.g. -1 where emission is negative ... */
    factor: z.number().default(1),
    /** ... plus this (before a power of ten). */
    offset: z.number().default(0),
    /** Of a category: which class a text (or whole number) of the column stands for; class names stand for themselves. */
    classes: z.record(z.string(), z.string().min(1)).optional(),
    flags: z.array(flagSchema).default([]),
  })
  .refine(({ value, sum }) => (value === undefined) !== (sum === undefined), "expected either value or sum");

/** How one kind of table names a survey's columns. */
export const layoutSchema = z.strictObject({
  name: z.string().min(1),
  title: z.string().min(1),
  /** Where these tables come from, and what to know of them: for people. */
  notes: z.array(z.string().min(1)).default([]),
  /** Never guessed from the columns: used only when it is named. */
  onRequest: z.boolean().default(false),
  /** Columns in braces: `{TILE_ID}-{NUMBER}`. */
  objectId: z.string().min(1),
  parentId: z.string().min(1).optional(),
  tile: z.string().min(1).optional(),
  instrument: z.string().min(1).optional(),
  /** Of what light the fluxes are; without it nobody asks. */
  aperture: apertureSchema.optional(),
  /** One description of columns for all bands, or several for different ones. */
  bands: z
    .union([bandColumnsSchema, z.array(bandColumnsSchema)])
    .default([])
    .transform((some) => (Array.isArray(some) ? some : [some])),
  properties: z.record(z.string(), propertyColumnSchema).default({}),
  /** Flags of whole rows. */
  flags: z.array(flagSchema).default([]),
  /** Numbers that stand for "no value", in values and in errors; single precision of them does too. */
  magic: z.array(z.number()).default([]),
  /** Columns that such tables have for people, `*` for any run of characters: not named among those that were not used. */
  ignored: z.array(z.string().min(1)).default([]),
  /** Magnitudes, and errors of them, of this size and beyond (either sign) stand for "none"; null: no size does. */
  noMagnitude: z.number().positive().nullable().optional(),
});

/** Beyond the faintest and the brightest that is; where tables have 99, 99.999, -99, 999 for "none". */
export const NO_MAGNITUDE = 90;

export type Layout = z.output<typeof layoutSchema>;
export type BandColumns = z.output<typeof bandColumnsSchema>;
export type PropertyColumn = z.output<typeof propertyColumnSchema>;
/** What a layout says of the unit of a column. */
export type UnitRule = Pick<PropertyColumn, "unit" | "insteadOf">;
export type FlagRule = z.output<typeof flagSchema>;

/** E(B-V), in magnitudes without saying so in most tables. */
const reddening: PropertyColumn = {
  value: "EBV",
  error: "EBV_err",
  unit: "mag",
  errorKind: "absolute",
  transform: "identity",
  factor: 1,
  offset: 0,
  flags: [],
};

/** Columns that tables of all archives name as the fields, where their unit goes without saying. */
export const usualProperties: Layout["properties"] = { EBV: reddening };

/** Caleido's own tables: columns named as the fields, with `_err` and `_state`. */
export const ownLayout: Layout = {
  name: "caleido",
  title: "columns named as the fields, with _err and _state",
  notes: [],
  onRequest: false,
  objectId: "{object_id}",
  parentId: "{parent_id}",
  tile: "{tile}",
  instrument: "{instrument}",
  bands: [
    { value: "{FIELD}", error: "{FIELD}_err", errorKind: "absolute", state: "{FIELD}_state", aliases: {}, flags: [] },
  ],
  properties: {},
  flags: [],
  magic: [],
  // of simulations: how many bands of a row each mechanism cost, and the fluxes without noise
  ignored: ["missing_*", "true_*"],
};

/** Simulated fluxes without noise: values that are measured, with error 0. */
export const cleanLayout: Layout = {
  ...ownLayout,
  name: "clean",
  title: "simulated fluxes without noise: true_<BAND>",
  bands: [{ value: "true_{FIELD}", errorKind: "none", aliases: {}, flags: [] }],
  // no dust is in front of them: that of noisy fluxes beside is not theirs
  properties: { EBV: { ...reddening, value: "true_EBV" } },
  ignored: ["missing_*"],
};

/** Layouts that every survey has beside its own. */
export const builtInLayouts: readonly Layout[] = [ownLayout, cleanLayout];

/** Whether a column is one that a layout's tables have for people. */
export function isIgnored({ ignored }: Layout, column: string): boolean {
  return ignored.some((pattern) => {
    const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`));
    return new RegExp(`^${parts.join(".*")}$`).test(column);
  });
}

/** The names a template stands for, for one field. */
export function namesFor(template: string | readonly string[], field: string): string[] {
  const list = typeof template === "string" ? [template] : template;
  return list.map((name) => name.replaceAll("{FIELD}", field));
}
