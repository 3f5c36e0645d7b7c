/** What a layout says of the columns of bands, properties and spectra: the schemas. */
import { z } from "zod";

/** A column name, or several under which different exports have the same thing. `{FIELD}` stands for the field's name. */
export const columnNames = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const bitNames = z.record(z.string().regex(/^[1-9]\d*$/, "expected the bit's value: 1, 2, 4, ..."), z.string().min(1));

export const flagSchema = z.strictObject({
  column: columnNames.describe("Column of the flags; with {FIELD} one for each band."),
  bits: bitNames
    .default({})
    .describe(
      "Bits that make a value unusable, by the bit's value (1, 2, 4, ...), and what each means: the report of what was dropped says so.",
    ),
  values: z
    .record(z.string(), z.string().min(1))
    .default({})
    .describe("Whole values, numbers or texts, that do the same."),
  harmless: bitNames.default({}).describe("Bits that leave a value usable: for people."),
});

/** What a column's number stands for, where that is not said by its unit. */
const scaleShape = {
  unit: z
    .string()
    .optional()
    .describe(
      "Unit where the file does not say; `survey`: the field's own. Magnitudes that name no system are in this one's (`ABmag`, `mag(Vega)`, `asinh mag`). Of a number that is transformed: the unit that the formula is for.",
    ),
  insteadOf: z
    .array(z.string().min(1))
    .optional()
    .describe("Units that such files state and that are wrong: read as if they said nothing."),
};

/** Of all bands that these columns are for, or by band. */
const perBand = z.union([z.number().positive().max(1), z.record(z.string(), z.number().positive().max(1))]);

const errorKind = z.enum(["absolute", "relative", "ivar", "none"]).default("absolute");

export const bandColumnsSchema = z.strictObject({
  ...scaleShape,
  only: z
    .array(z.string().min(1))
    .optional()
    .describe("Bands, or groups of them, that these columns are for; all when absent."),
  value: columnNames.describe("With {FIELD}: one column per band. Without: one array column, its elements in `order`."),
  error: columnNames
    .optional()
    .describe("Column of the error, named as `value` is; without it `--relative-error` is needed."),
  errorKind: errorKind.describe(
    "absolute: 1 sigma is the column itself; relative: |value| x column; ivar: 1 / sqrt(column); none: values are exact.",
  ),
  state: columnNames
    .optional()
    .describe("Column of states: 0 not observed, 1 measured, 2 upper limit, 3 non-detection with its flux and error."),
  times: columnNames
    .optional()
    .describe("Column that value and error are to be multiplied by: fluxes that were divided by a reference band's."),
  softening: perBand
    .optional()
    .describe(
      "Softening b of asinh magnitudes (unit `asinh mag`), for all bands or by band. SDSS (Lupton, Gunn & Szalay 1999): u 1.4e-10, g 0.9e-10, r 1.2e-10, i 1.8e-10, z 7.4e-10.",
    ),
  floor: perBand
    .optional()
    .describe(
      "Error floor, for all bands or by band: this fraction of the flux is added to every error in quadrature (0.02 is 0.02 mag to 9 %). `--error-floor` outdoes it.",
    ),
  order: z
    .array(z.string().min(1).nullable())
    .optional()
    .describe("Fields of an array column's elements; null for an element that is no field of the survey."),
  aliases: z
    .record(z.string(), z.string().min(1))
    .default({})
    .describe("What {FIELD} stands for in a band where it is not its name: { gLS: G }."),
  flags: z.array(flagSchema).default([]).describe("Flags of single bands' values."),
});

export const propertyColumnSchema = z
  .strictObject({
    ...scaleShape,
    value: columnNames.optional().describe("Column of the value."),
    sum: z
      .array(z.string().min(1))
      .min(2)
      .optional()
      .describe("Columns to be added up, such as the two lines of a doublet; `error` then names as many."),
    per: columnNames.optional().describe("Column that this is divided by: a line's flux by its continuum."),
    perError: columnNames.optional().describe("1 sigma error of what it is divided by; adds to that of the value."),
    source: z.string().min(1).optional().describe("Who measured it, where that is not the layout's `source`."),
    error: columnNames.optional().describe("Column of the error."),
    errorKind: errorKind.describe(
      "absolute: 1 sigma is the column itself; relative: |value| x column; ivar: 1 / sqrt(column).",
    ),
    interval: z
      .tuple([z.string().min(1), z.string().min(1)])
      .optional()
      .describe("16 and 84 % quantile columns instead of an error: half their distance is 1 sigma."),
    transform: z
      .enum(["identity", "pow10", "log10"])
      .default("identity")
      .describe("The number itself, 10 to its power or its decimal logarithm ..."),
    factor: z
      .number()
      .default(1)
      .describe("... times this (before a logarithm), e.g. -1 where emission is negative ..."),
    offset: z.number().default(0).describe("... plus this (before a power of ten)."),
    classes: z
      .record(z.string(), z.string().min(1))
      .optional()
      .describe(
        "Of a category: which class a text (or whole number) of the column stands for; class names stand for themselves.",
      ),
    flags: z.array(flagSchema).default([]).describe("Flags of the value."),
  })
  .refine(({ value, sum }) => (value === undefined) !== (sum === undefined), "expected either value or sum")
  .refine(
    ({ per, errorKind: kind, interval }) => per === undefined || (kind === "absolute" && interval === undefined),
    "expected an absolute error of what is divided by a column",
  );

/** What a number in a column of wavelengths, or a grid's start and step, are of a wavelength. */
const scaleSchema = z.enum(["linear", "log10", "ln"]).default("linear");

export const spectrumColumnsSchema = z
  .strictObject({
    value: columnNames.describe("Column of the flux densities: a vector, or a list, in each row."),
    error: columnNames
      .optional()
      .describe(
        "Column of their errors, as long. Without it `--relative-error` is needed: of the median of a spectrum's absolute fluxes.",
      ),
    errorKind: z
      .enum(["absolute", "ivar", "none"])
      .default("ivar")
      .describe(
        "absolute: 1 sigma; ivar: inverse variance; none: fluxes are exact. Pixels without one are not observed.",
      ),
    wavelength: columnNames
      .optional()
      .describe("Column of the wavelengths of the pixels, as long: spectra are then put on the survey's grid."),
    step: z
      .tuple([z.number(), z.number()])
      .optional()
      .describe("Instead of that column: first wavelength and step, where all spectra have the same."),
    scale: scaleSchema.describe("What wavelengths, or first and step, are: linear [Angstrom], log10 or ln of it."),
    wavelengthUnit: z
      .string()
      .min(1)
      .optional()
      .describe("Unit of linear wavelengths where the file does not say; default Angstrom."),
    medium: z
      .enum(["vacuum", "air"])
      .optional()
      .describe("What wavelengths are in; air is turned into vacuum. Needed where the file does not say."),
    mask: columnNames.optional().describe("Column of masks, as long: pixels where it is not 0 are not observed."),
    unit: scaleShape.unit,
    insteadOf: scaleShape.insteadOf,
  })
  .refine(
    ({ wavelength, step }) => wavelength === undefined || step === undefined,
    "expected either wavelength or step",
  );

export type SpectrumColumns = z.output<typeof spectrumColumnsSchema>;
