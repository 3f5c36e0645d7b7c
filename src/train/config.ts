import { basename } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { lagsOf } from "../model/correlation.ts";
import type { Lags } from "../model/lags.ts";
import { gridsOf } from "../model/spectrum.ts";
import type { Templates } from "../model/template-fit.ts";
import type { FluxScale } from "../model/templates.ts";
import { modelSchema } from "../model/transformer.ts";
import { type ObservationOptions, observationSchema } from "../simulate/observation.ts";
import type { Field } from "../survey/field.ts";
import { fileWithIds } from "../survey/grow.ts";
import { apertureSchema } from "../survey/layout.ts";
import { type Survey, surveyOf } from "../survey/survey.ts";
import { type SurveyFile, surveySchema } from "../survey/survey-schema.ts";
import { scaleNames } from "../tokens/scale.ts";
import { createFieldCoder, type FieldCoder } from "../tokens/standardise.ts";
import { subsetSchema } from "../tokens/subset.ts";
import { floorSoftness, RELATIVE_SOFTNESS } from "../tokens/transform.ts";
import { adaptSchema } from "./adapt.ts";
import { optimiserSchema } from "./optimiser.ts";

/** What a table of a run is for; unknown: an adaptation by a version that did not record it. */
const roleSchema = z.enum(["train", "source", "unlabelled", "labelled", "unknown"]);

const tableSchema = z.object({
  path: z.string(),
  /** SHA-256 of the file, or of a prepared folder's manifest. */
  sha256: z.string(),
  role: roleSchema,
  /** Who measured each of its properties, where that is known. */
  labels: z.record(z.string(), z.string()).optional(),
  /** Of what light its fluxes are, where that is known. */
  aperture: apertureSchema.optional(),
  /** How its columns were to be read, where that was said. */
  reading: z
    .object({
      layout: z.string().optional(),
      hdu: z.string().optional(),
      relativeError: z.number().optional(),
      floors: z.array(z.object({ bands: z.string(), fraction: z.number() })).optional(),
      extinction: z
        .union([
          z.literal("none"),
          z.object({
            column: z.union([z.string(), z.array(z.string())]),
            unit: z.string().optional(),
            scale: z.number(),
          }),
        ])
        .optional(),
      units: z.array(z.object({ column: z.string(), unit: z.string() })).optional(),
      wavelengths: z.enum(["air", "vacuum"]).optional(),
      /** What described it, where that was not the network's survey. */
      survey: surveySchema.optional(),
    })
    .optional(),
  /** How its galaxies are observed, each time anew; absent: its fluxes have their noise. */
  observation: observationSchema.optional(),
});
export type TableRecord = z.output<typeof tableSchema>;

/** A recipe's `training:` section. Folders of checkpoints are named by steps of eight digits. */
export const trainingSchema = z
  .strictObject({
    seed: z.coerce.string().default("1"),
    steps: z.int().positive().max(99_999_999).default(20_000),
    batch: z.int().positive().max(65_536).default(64).describe("galaxies per step"),
    nTarget: z.int().positive().max(4096).default(16).describe("answers asked per galaxy and step"),
    validateEvery: z.int().positive().max(99_999_999).default(500),
    checkpointEvery: z.int().positive().max(99_999_999).default(1000),
  })
  .prefault({});
export type TrainingConfig = z.output<typeof trainingSchema>;

const momentsSchema = z.object({ mean: z.number(), deviation: z.number().positive() });

const configShape = {
  caleidoVersion: z.string(),
  /** The survey as its file says, inherited rows and ids included: a checkpoint needs no other file to answer. */
  survey: surveySchema,
  /** Ids at which the vocabulary grew, ascending. */
  grownAt: z.array(z.int().positive()),
  standardisation: z.object({
    fields: z.array(momentsSchema),
    absolute: z.array(momentsSchema),
    scale: momentsSchema,
    reference: z.enum(scaleNames),
  }),
  model: modelSchema.unwrap(),
  optimiser: optimiserSchema.unwrap(),
  subsets: subsetSchema.unwrap(),
  training: trainingSchema.unwrap(),
  step: z.int().min(0),
  /** Where the validation loss was lowest, and that loss [nats]: a finished run's weights are those of that step; 0: as it began. */
  best: z.object({ step: z.int().min(0), validation: z.number() }).optional(),
  /** True when zero-points of the data at hand were learned (`adapt`): queries apply them. */
  isCalibrated: z.boolean(),
  /** Patterns of parameters that this run keeps fixed, and `known`: all that is older than the last growth. */
  freeze: z.array(z.string()),
  /**
   * Id of the first field that the recalibration does not count among what may be given: it is older than that field, and
   * was kept. Absent: all count.
   */
  uncountedFrom: z.int().positive().optional(),
  /** Present in a run that adapts: the weights of its tables and the rates. */
  adapt: adaptSchema
    .unwrap()
    // versions that did not say trained zero-points and network together
    .extend({
      calibrationShare: adaptSchema.unwrap().shape.calibrationShare.unwrap().default(0),
      way: adaptSchema.unwrap().shape.way.unwrap().default("continued"),
      zeroPoints: adaptSchema.unwrap().shape.zeroPoints.unwrap().default("trained"),
    })
    .optional(),
  /** Every table of the run. */
  data: z.array(tableSchema),
};

/** `config.json` as this version writes it; keys that it doesn't know are kept. */
const configSchema = z.looseObject(configShape);

/** Everything needed to rebuild the network, to read tables as it knows them, and to continue the run. */
export interface CheckpointConfig extends Readonly<Omit<z.output<z.ZodObject<typeof configShape>>, "survey">> {
  readonly formatVersion: number;
  readonly survey: Survey;
}

/**
 * A checked value with its keys in the order of the text it was read from, and what the check doesn't know: what is
 * written again is the same text.
 */
function inOrderOf(raw: unknown, checked: unknown): unknown {
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (Array.isArray(checked)) {
    return Array.isArray(raw) ? (checked as unknown[]).map((one, i) => inOrderOf(raw[i], one)) : checked;
  }
  if (!isObject(checked) || !isObject(raw)) return checked;
  const keys = new Set([...Object.keys(raw), ...Object.keys(checked)]);
  return Object.fromEntries(
    [...keys].map((key) => [key, key in checked ? inOrderOf(raw[key], checked[key]) : raw[key]]),
  );
}

/** @throws UserError naming the first key of `config.json` that is missing or isn't what it should be. */
export function parseConfig(config: Record<string, unknown>, path: string): CheckpointConfig {
  const { success, data, error } = configSchema.safeParse(config);
  const damaged = (key: string, message: string): never => {
    throw new UserError(`${path}: damaged at "${key}": ${message}`);
  };
  if (!success) {
    const { path: key, message } = error.issues[0];
    return damaged(key.map(String).join("."), message);
  }
  const ordered = inOrderOf(config, data) as typeof data;
  const survey = surveyOf(ordered.survey, path);
  const { fields, absolute } = data.standardisation;
  const nBand = survey.fields.filter(({ band }) => band !== undefined).length;
  if (fields.length !== survey.fields.length) damaged("standardisation.fields", "expected one entry per field");
  if (absolute.length !== nBand) damaged("standardisation.absolute", "expected one entry per band");
  return { ...ordered, survey } as unknown as CheckpointConfig;
}

/** The text of `config.json`. */
export function formatConfig(config: CheckpointConfig): string {
  return `${JSON.stringify({ ...config, survey: fileWithIds(config.survey) }, null, 2)}\n`;
}

/** The same without the folders of the machine that trained it: of tables, and of the surveys that its survey extends. */
export function portableConfig({ survey, data, ...config }: CheckpointConfig): CheckpointConfig {
  const bareFile = (file: SurveyFile): SurveyFile => ({ ...file, extends: file.extends.map((path) => basename(path)) });
  const bareReading = ({ layout, survey: own, ...rest }: NonNullable<TableRecord["reading"]>) => ({
    ...rest,
    ...(layout === undefined ? {} : { layout: basename(layout) }),
    ...(own === undefined ? {} : { survey: bareFile(own) }),
  });
  const bareObservation = ({ filters, ...rest }: ObservationOptions) => ({
    ...rest,
    ...(filters === undefined ? {} : { filters: basename(filters) }),
  });
  return {
    ...config,
    survey: { ...survey, file: bareFile(survey.file) },
    data: data.map(({ reading, observation, ...table }) => ({
      ...table,
      path: basename(table.path),
      ...(reading === undefined ? {} : { reading: bareReading(reading) }),
      ...(observation === undefined ? {} : { observation: bareObservation(observation) }),
    })),
  };
}

/** How often the vocabulary had grown when a field came. */
const generationOf = (grownAt: readonly number[], { id }: Field): number => grownAt.filter((at) => at <= id).length;

/** From units to what the network sees, and the vocabulary as it sees it. */
export interface NetworkCoder extends FieldCoder {
  readonly bandGeneration: readonly number[];
  /** Bands, and properties that are numbers, that shares of what is given are of. */
  readonly counted: { readonly bands: number; readonly properties: number };
  readonly fluxScale: FluxScale;
  readonly templates?: Templates;
  readonly lags?: readonly Lags[];
}

export function coderOf(
  {
    survey: { fields },
    standardisation,
    grownAt,
    model,
    uncountedFrom = Infinity,
  }: Pick<CheckpointConfig, "survey" | "standardisation" | "grownAt"> &
    Partial<Pick<CheckpointConfig, "model" | "uncountedFrom">>,
  templates?: Templates,
): NetworkCoder {
  const coder = createFieldCoder(fields, standardisation);
  const tried = model?.spectrum?.correlation;
  const bands = Array.from(coder.groups.band, (j) => fields[j]);
  const countOf = (columns: Int32Array): number => columns.filter((j) => fields[j].id < uncountedFrom).length;
  return {
    ...coder,
    counted: { bands: countOf(coder.groups.band), properties: countOf(coder.groups.property) },
    bandGeneration: bands.map((field) => generationOf(grownAt, field)),
    fluxScale: { ...standardisation.scale, floor: bands.map(floorSoftness), relative: RELATIVE_SOFTNESS },
    ...(templates === undefined ? {} : { templates }),
    ...(tried === undefined ? {} : { lags: gridsOf(coder).map((grid) => lagsOf(tried, grid)) }),
  };
}
