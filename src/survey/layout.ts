import { z } from "zod";
import { imfNames } from "./imf.ts";
import {
  bandColumnsSchema,
  columnNames,
  flagSchema,
  propertyColumnSchema,
  spectrumColumnsSchema,
} from "./layout-columns.ts";

/** Of what light fluxes are: all, or a part that is the same in all bands, or one that each band's seeing decides. */
export const apertureSchema = z.enum(["total", "psf-corrected", "aperture"]);
export type ApertureKind = z.output<typeof apertureSchema>;

const extinctionSchema = z.strictObject({
  column: columnNames.describe(
    "E(B-V); with {FIELD}, or as an array column, what each band has: a transmission, or an extinction in magnitudes.",
  ),
  unit: z
    .string()
    .optional()
    .describe("Where the file does not say: mag for magnitudes, 1 for transmissions, dex for their logarithms."),
  scale: z
    .number()
    .positive()
    .default(1)
    .describe("Times this: 0.86 for the E(B-V) of Schlegel, Finkbeiner & Davis 1998 (Schlafly & Finkbeiner 2011)."),
});

/** How one kind of table names a survey's columns. */
export const layoutSchema = z.strictObject({
  name: z.string().min(1).describe("Name of the layout: what --layout takes."),
  title: z.string().min(1).describe("What tables these are, in a few words."),
  from: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Written by Caleido: the survey that an inherited layout is of. Where it fits a table no better than an own one, the own one is meant.",
    ),
  source: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Who measured the properties: values of several are not mixed without a word. Default: the layout's name.",
    ),
  versionOf: z
    .string()
    .min(1)
    .optional()
    .describe("Layout of another version of the same tables: that one is meant where both fit as well."),
  imf: z
    .enum(imfNames)
    .optional()
    .describe("Initial mass function of masses and star formation rates; default: the survey's own."),
  widths: z
    .enum(["emission", "net"])
    .optional()
    .describe(
      "Equivalent widths: of the emission alone (default), or net of the stars' absorption, which is told when read.",
    ),
  notes: z
    .array(z.string().min(1))
    .default([])
    .describe("Where these tables come from, and what to know of them: for people."),
  onRequest: z.boolean().default(false).describe("Never guessed from the columns: used only when it is named."),
  objectId: z
    .string()
    .min(1)
    .describe('Id of a row, columns in braces: "{TILE_ID}-{NUMBER}"; {A|B} is whichever of the columns is there.'),
  parentId: z
    .string()
    .min(1)
    .optional()
    .describe("What draws or exposures of one galaxy have in common: they stay in one part of a split."),
  tile: z.string().min(1).optional().describe("Tile or pointing of a row, columns in braces."),
  instrument: z.string().min(1).optional().describe("What observed a row, columns in braces."),
  aperture: apertureSchema
    .optional()
    .describe(
      "Of what light the fluxes are: total, psf-corrected (a part that is the same in all bands), aperture (one that each band's seeing decides). A network that learned another is not asked about them unless told to.",
    ),
  weight: columnNames
    .optional()
    .describe("Column of each row's weight: how many galaxies of the natural population it stands for."),
  bands: z
    .union([bandColumnsSchema, z.array(bandColumnsSchema)])
    .default([])
    .transform((some) => (Array.isArray(some) ? some : [some]))
    .describe("Columns of the bands: one description for all, or several for different ones."),
  properties: z
    .record(z.string(), propertyColumnSchema)
    .default({})
    .describe(
      "Columns of the properties, by name of the field. Of those not told here, a column of the name itself is read.",
    ),
  spectra: z
    .record(z.string(), spectrumColumnsSchema)
    .default({})
    .describe(
      "Vector columns of the spectra, by name of the field. Of those not told here the columns NAME and NAME_ivar are read: on the survey's grid, or at the wavelengths of NAME_wavelength [Angstrom, vacuum].",
    ),
  extinction: z
    .union([z.string().min(1), extinctionSchema])
    .transform((told) => (typeof told === "string" ? { column: told, scale: 1 } : told))
    .optional()
    .describe(
      "Fluxes are corrected for the dust of the Milky Way by this column (the law of Cardelli, Clayton & Mathis 1989, R_V 3.1, through the band). Rows where it holds no number, or one below 0, stay as they are and are counted. The property EBV, the E(B-V) that fluxes still suffer from, is then not observed. `--extinction` outdoes it.",
    ),
  flags: z.array(flagSchema).default([]).describe("Flags of whole rows."),
  magic: z
    .array(z.number())
    .default([])
    .describe('Numbers that stand for "no value", in values and in errors; single precision of them does too.'),
  ignored: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Columns that such tables have for people, * for any run of characters: not named among those that were not used, and not read as fields of their names.",
    ),
  noMagnitude: z
    .number()
    .positive()
    .nullable()
    .optional()
    .describe(
      'Magnitudes, and errors of them, of this size and beyond (either sign) stand for "none" (90 when absent); null: no size does.',
    ),
});

/** Beyond the faintest and the brightest that is; where tables have 99, 99.999, -99, 999 for "none". */
const NO_MAGNITUDE = 90;

/** Size from which on magnitudes of a layout's tables are none. */
export const noMagnitudeOf = ({ noMagnitude }: Pick<Layout, "noMagnitude">): number =>
  noMagnitude === undefined ? NO_MAGNITUDE : (noMagnitude ?? Infinity);

export type Layout = z.output<typeof layoutSchema>;
/** What takes the dust of the Milky Way away: see the schema. */
export interface Extinction {
  readonly column: string | readonly string[];
  readonly unit?: string | undefined;
  readonly scale: number;
}
export type BandColumns = z.output<typeof bandColumnsSchema>;
export type PropertyColumn = z.output<typeof propertyColumnSchema>;
/** What a layout says of the unit of a column. */
export type UnitRule = Pick<PropertyColumn, "unit" | "insteadOf"> & Pick<BandColumns, "softening">;
export type FlagRule = z.output<typeof flagSchema>;

/** Column of the weights in Caleido's own tables. */
export const WEIGHT = "prior_weight";

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
  weight: WEIGHT,
  bands: [
    { value: "{FIELD}", error: "{FIELD}_err", errorKind: "absolute", state: "{FIELD}_state", aliases: {}, flags: [] },
  ],
  properties: {},
  spectra: {},
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
  aperture: "total",
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

/** What a layout says once for all bands, or by band. */
export const bandValue = (
  told: number | Readonly<Record<string, number>> | undefined,
  band: string,
): number | undefined => (typeof told === "object" ? told[band] : told);

/** The names a template stands for, for one field. */
export function namesFor(template: string | readonly string[], field: string): string[] {
  const list = typeof template === "string" ? [template] : template;
  return list.map((name) => name.replaceAll("{FIELD}", field));
}

/** Layouts without what they say of fields that are not among these rows. */
export function layoutsFor(
  layouts: readonly Layout[],
  bands: readonly { readonly name: string; readonly group: string }[],
  others: readonly { readonly name: string }[],
): Layout[] {
  const names = new Set([...bands, ...others].map(({ name }) => name));
  const known = new Set([...names, ...bands.map(({ group }) => group)]);
  const ofNames = <T>(rows: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(rows).filter(([name]) => names.has(name)));
  const ofBands = (told: BandColumns["floor"]): BandColumns["floor"] =>
    typeof told === "object" ? ofNames(told) : told;
  return layouts.map((layout) => ({
    ...layout,
    properties: ofNames(layout.properties),
    spectra: ofNames(layout.spectra),
    bands: layout.bands.flatMap((columns) => {
      const { order, only } = columns;
      const kept = only?.filter((name) => known.has(name));
      if (kept?.length === 0) return [];
      return [
        {
          ...columns,
          ...(order === undefined
            ? {}
            : { order: order.map((name) => (name !== null && names.has(name) ? name : null)) }),
          ...(kept === undefined ? {} : { only: kept }),
          ...(columns.floor === undefined ? {} : { floor: ofBands(columns.floor) }),
          ...(columns.softening === undefined ? {} : { softening: ofBands(columns.softening) }),
          aliases: ofNames(columns.aliases),
        },
      ];
    }),
  }));
}
