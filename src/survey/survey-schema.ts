/** What can stand in a survey file. */
import { z } from "zod";
import { highlightShape } from "./highlights.ts";
import { counted, imfNames } from "./imf.ts";
import { heirOf } from "./inherit.ts";
import { layoutSchema } from "./layout.ts";
import { spectrumSchemaWith } from "./spectrum-field.ts";

/** Bounds of what a survey can mean: slips of many powers of ten are told at their line, not where they overflow. */
const finite = z.number().min(-1e30).max(1e30);
const isInterval = ([low, high]: readonly number[]): boolean => low < high;
const INTERVAL = "expected [low, high] with low < high";
const interval = z.tuple([finite, finite]).refine(isInterval, INTERVAL);
/** [Angstrom], up to 1 cm. */
const wavelength = z.number().positive().max(1e8);
const magnitude = z.number().min(-100).max(100);
const scatter = z.number().positive().max(10); // 1 sigma of a magnitude
const efficiency = z.number().positive().max(1); // photo-electrons per photon
const duration = z.number().positive().max(1e9); // [s]
const angle = z.number().positive().max(3600); // [arcsec], up to a degree

/** Surveys count from 0 along their rows; a checkpoint's survey, whose vocabulary may have grown, says it. */
const id = z.int().min(0).optional().describe("Written by Caleido: number of the field in a network's vocabulary.");

const sameAs = z
  .string()
  .min(1)
  .nullable()
  .optional()
  .describe(
    "What a network of another survey knows the field by: outdoes its name and its wavelength; null: it doesn't know it.",
  );

const bandSchema = z.strictObject({
  id,
  sameAs,
  name: z.string().min(1).describe("Name of the field: the column in every table of ours."),
  group: z.string().min(1).describe("narrow, broad, uv, infrared, ...: lists of fields take it as a name."),
  pivot: wavelength.describe("Pivot wavelength [Angstrom]."),
  edges: z
    .tuple([wavelength, wavelength])
    .refine(isInterval, INTERVAL)
    .describe("Half-peak wavelengths [Angstrom]: blue, red."),
  rise: z.tuple([wavelength, wavelength]).describe("10 - 90 % rise widths of the two edges [Angstrom]."),
  notches: z
    .array(
      z.strictObject({
        centre: wavelength.describe("[Angstrom]"),
        width: wavelength.describe("FWHM [Angstrom]."),
        depth: z.number().min(0).max(1).describe("1 is black."),
      }),
    )
    .optional()
    .describe("Absorption bands of the air in the passband, Gaussian: centre and FWHM [Angstrom], depth (1 is black)."),
  depth: z
    .array(magnitude)
    .min(1)
    .describe("5 sigma AB depth [mag]: one per tile (or layer of the instrument), or one for all."),
  vegaAB: magnitude
    .optional()
    .describe("AB magnitude of Vega: AB = Vega + this. Only where tables have Vega magnitudes."),
  zeroPointError: z
    .union([scatter, z.array(scatter).min(1)])
    .optional()
    .describe("1 sigma zero-point error [mag], one per tile or layer, or one for all; default: the survey's."),
  instrument: z.string().min(1).optional().describe("Name of the instrument that observes it; default: the first."),
  seeing: z
    .array(angle)
    .min(1)
    .optional()
    .describe("FWHM of a point source [arcsec], one per tile or layer, or one for all."),
  exposure: z.array(duration).min(1).optional().describe("Exposure [s], one per tile or layer, or one for all."),
});

const instrumentSchema = z.strictObject({
  name: z.string().min(1).describe("Name that bands call it by."),
  area: z.number().positive().max(1e10).describe("Collecting area [cm2]."),
  efficiency: z
    .union([
      efficiency,
      z
        .array(z.tuple([wavelength, efficiency]))
        .min(2)
        .refine(
          (points) => points.every(([at], i) => i === 0 || at > points[i - 1][0]),
          "expected [wavelength, efficiency] with rising wavelengths",
        ),
    ])
    .describe("Photo-electrons per photon on the area: a number, or [wavelength [Angstrom], efficiency] at several."),
  exposure: duration.describe("Exposure of a band or layer that gives none [s]."),
  detectionLimit: z
    .number()
    .positive()
    .max(1000)
    .optional()
    .describe(
      "Its catalogue lists what is this many sigma above the sky: the rest are non-detections. Without it all is measured.",
    ),
  layers: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe("Name of the layer."),
        share: z.number().min(0).max(1).describe("Part of the sky that it covers."),
        exposure: duration.describe("[s]"),
      }),
    )
    .min(1)
    .refine((layers) => layers.reduce((sum, { share }) => sum + share, 0) <= 1 + 1e-9, "shares of the sky exceed 1")
    .optional()
    .describe(
      "Parts of the sky with depths of their own and the shares they cover; where no layer is, nothing is observed.",
    ),
});

const propertySchema = z.strictObject({
  id,
  sameAs,
  name: z.string().min(1).describe("Name of the field: the column in every table of ours."),
  kind: z
    .enum(["log", "linear", "redshift", "ew", "category"])
    .describe(
      "redshift; log: the value is a log10; linear; ew: rest-frame Angstrom, positive in emission; category: one of `classes`.",
    ),
  unit: z.string().default("").describe("Unit of the values; empty for pure numbers."),
  description: z.string().min(1).describe("What it is: for people, and in the tables written."),
  counts: z.enum(counted).optional().describe("Of a log10: that of a mass or rate, which depend on the IMF."),
  range: interval.optional().describe("Of a number: possible values, inclusive; others are not used."),
  extensive: z
    .boolean()
    .optional()
    .describe("Of a logarithm: twice the light is log10 2 more of it (masses, rates; not ratios)."),
  line: wavelength
    .optional()
    .describe(
      "Of an equivalent width: rest-frame wavelength of its line in vacuum [Angstrom], for line fluxes; default: that of the simulator's line of its name or `sameAs`.",
    ),
  classes: z
    .array(z.string().min(1))
    .min(2)
    .optional()
    .describe("Of a category: the names of its classes. New ones go to the end."),
});

const spectrumSchema = spectrumSchemaWith({ id, sameAs });

const sampleSchema = z.strictObject({
  band: z.string().min(1).describe("Band of the magnitude limits."),
  bright: magnitude.describe("Brightest AB magnitude."),
  faint: magnitude.describe("Faintest AB magnitude."),
  redshift: interval.describe("Lowest and highest redshift."),
});

export const surveySchema = z.strictObject({
  name: z.string().min(1).describe("Name of the survey."),
  title: z.string().min(1).describe("What it is, in a line."),
  extends: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "Surveys (names or paths) whose bands, properties, tiles, survey-wide numbers and layouts this one takes over, in order.",
    ),
  omit: z
    .array(z.string().min(1))
    .default([])
    .describe("Inherited fields, or whole groups of bands, that this survey does not have."),
  layoutsOf: z
    .array(z.string().min(1))
    .optional()
    .describe(
      "Those of `extends` whose layouts hold here too; all when absent. Own layouts come first, and replace inherited ones of their names.",
    ),
  source: z.array(z.string().min(1)).default([]).describe("Where to get the tables: archive and table names."),
  licence: z.string().min(1).default("not stated").describe("On what terms."),
  citation: z.array(z.string().min(1)).default([]).describe("What to cite."),
  notes: z.array(z.string().min(1)).default([]).describe("What to know: for people."),
  imf: z.enum(imfNames).default("kroupa").describe("Initial mass function of masses and star formation rates."),
  fluxUnit: z.string().min(1).describe("Unit of every flux, per wavelength: `1e-19 erg/s/cm2/A`."),
  fluxRange: interval.describe("Possible fluxes in `fluxUnit`: others are not used."),
  tiles: z
    .array(z.string().min(1))
    .min(1)
    .describe("Names of tiles that lists of depths go by; one of any name where there are none."),
  zeroPointError: scatter.describe("1 sigma zero-point error of bands that give none [mag]."),
  errorFloor: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Relative error that the errors of the survey's catalogues include: for simulations."),
  instruments: z
    .array(instrumentSchema)
    .default([])
    .describe("What collects the photons of the bands: for simulations."),
  sample: sampleSchema.optional().describe("The galaxies that it is made for: what `simulate` draws unless told."),
  bands: z
    .array(bandSchema)
    .describe("Passbands: one row each. In a file that extends others a row of an inherited name gives what differs."),
  properties: z.array(propertySchema).describe("What else is known of a galaxy: one row each."),
  spectra: z
    .array(spectrumSchema)
    .default([])
    .describe("Spectra of a galaxy, one row for each instrument that takes one: columns NAME and NAME_ivar."),
  layouts: z
    .array(layoutSchema)
    .default([])
    .describe(
      "How tables name and write these fields. Tables of our own, with columns named as the fields, need none.",
    ),
  ...highlightShape,
});

/** What a file says that extends others. */
export const heirSchema = heirOf(surveySchema, {
  bands: bandSchema,
  properties: propertySchema,
  spectra: spectrumSchema,
});

/** A survey file with everything it inherits: what is read from YAML, and what a checkpoint carries. */
export type SurveyFile = z.output<typeof surveySchema>;
