import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import { createLayout, type Layout, sizeOf } from "../model/parameters.ts";
import { type ModelConfig, modelSchema, parameterSpecs } from "../model/transformer.ts";
import type { Field, FieldKind } from "../survey/field.ts";
import { bandCount } from "../tokens/scale.ts";
import { type SubsetConfig, subsetSchema } from "../tokens/subset.ts";
import { createFieldCoder, type Standardisation } from "../tokens/standardise.ts";
import { transforms } from "../tokens/transform.ts";
import { checkTokenizerJson, writeTokenizerJson } from "../tokens/vocabulary.ts";
import { type AdaptConfig, adaptSchema } from "./adapt.ts";
import { migrateConfig } from "./migrations.ts";
import { type OptimiserConfig, optimiserSchema } from "./optimiser.ts";
import { type NamedTensors, readSafetensors, writeSafetensors } from "./safetensors.ts";

/** What a table of a run is for; unknown: an adaptation by a version that did not record it. */
const roleSchema = z.enum(["train", "source", "unlabelled", "labelled", "unknown"]);

const tableSchema = z.object({
  path: z.string(),
  /** SHA-256 of the file, or of a prepared folder's manifest. */
  sha256: z.string(),
  role: roleSchema,
  /** How its columns were to be read, where that was said. */
  reading: z
    .object({
      layout: z.string().optional(),
      relativeError: z.number().optional(),
      units: z.array(z.object({ column: z.string(), unit: z.string() })).optional(),
    })
    .optional(),
});
export type TableRecord = z.output<typeof tableSchema>;

/** What `config.json` holds: enough to rebuild the network and to continue the run. */
export interface CheckpointConfig {
  readonly formatVersion: number;
  readonly caleidoVersion: string;
  readonly survey: string;
  readonly fields: readonly Field[];
  readonly standardisation: Standardisation;
  readonly model: ModelConfig;
  readonly optimiser: OptimiserConfig;
  readonly subsets: SubsetConfig;
  readonly training: TrainingConfig;
  readonly step: number;
  /** True when zero-points of the data at hand were learned (`adapt`): queries apply them. */
  readonly isCalibrated: boolean;
  /** Patterns of parameters that this run keeps fixed. */
  readonly freeze: readonly string[];
  /** Present in a run that adapts: the weights of its tables and the rates. */
  readonly adapt?: AdaptConfig | undefined;
  /** Every table of the run. */
  readonly data: readonly TableRecord[];
}

/** A recipe's `training:` section. */
export const trainingSchema = z
  .strictObject({
    seed: z.coerce.string().default("1"),
    steps: z.int().positive().default(20_000),
    batch: z.int().positive().default(64).describe("galaxies per step"),
    nTarget: z.int().positive().default(16).describe("answers asked per galaxy and step"),
    validateEvery: z.int().positive().default(500),
    checkpointEvery: z.int().positive().default(1000),
  })
  .prefault({});
export type TrainingConfig = z.output<typeof trainingSchema>;

const momentsSchema = z.object({ mean: z.number(), deviation: z.number().positive() });
const pairSchema = z.tuple([z.number(), z.number()]);
const fieldSchema = z.object({
  name: z.string(),
  kind: z.enum(Object.keys(transforms) as [FieldKind, ...FieldKind[]]),
  unit: z.string(),
  description: z.string(),
  range: pairSchema,
  band: z
    .object({
      group: z.string(),
      pivot: z.number().positive(),
      edges: pairSchema,
      rise: pairSchema,
      depth: z.array(z.number()).min(1),
      vegaAB: z.number().optional(),
      zeroPointError: z.union([z.array(z.number()).min(1), z.number().transform((one) => [one])]),
    })
    .optional(),
});

/** `config.json` as this version writes it; keys that it doesn't know are kept. */
const configSchema = z
  .looseObject({
    survey: z.string(),
    fields: z.array(fieldSchema).min(1),
    standardisation: z.object({
      fields: z.array(momentsSchema),
      absolute: z.array(momentsSchema),
      scale: momentsSchema,
    }),
    model: modelSchema.unwrap(),
    optimiser: optimiserSchema.unwrap(),
    subsets: subsetSchema.unwrap(),
    training: trainingSchema.unwrap(),
    step: z.int().min(0),
    isCalibrated: z.boolean(),
    freeze: z.array(z.string()),
    adapt: adaptSchema.unwrap().optional(),
    data: z.array(tableSchema),
  })
  .refine(({ fields, standardisation }) => standardisation.fields.length === fields.length, {
    path: ["standardisation", "fields"],
    message: "expected one entry per field",
  })
  .refine(({ fields, standardisation }) => standardisation.absolute.length === bandCount(fields as Field[]), {
    path: ["standardisation", "absolute"],
    message: "expected one entry per band",
  });

/** @throws UserError naming the first key of `config.json` that is missing or isn't what it should be. */
function checkConfig(config: Record<string, unknown>, path: string): CheckpointConfig {
  const { success, data, error } = configSchema.safeParse(config);
  if (success) return { ...config, ...data } as unknown as CheckpointConfig;
  const { path: key, message } = error.issues[0];
  throw new UserError(`${path}: damaged at "${key.map(String).join(".")}": ${message}`);
}

/** The run's numbers at a step; every vector is [P], flat, in the layout's order. */
export interface TrainState {
  readonly step: number;
  readonly params: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Averaged weights: what validation and queries use. */
  readonly average: Float32Array;
}

export interface Checkpoint {
  readonly config: CheckpointConfig;
  readonly layout: Layout;
  readonly state: TrainState;
}

function named(layout: Layout, vectors: Record<string, Float32Array>): NamedTensors {
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const [prefix, flat] of Object.entries(vectors)) {
    layout.specs.forEach((spec, i) => {
      const offset = layout.offsets[i];
      tensors[`${prefix}${spec.name}`] = {
        shape: spec.shape,
        data: flat.subarray(offset, offset + sizeOf(spec.shape)),
      };
    });
  }
  return tensors;
}

function flatten(layout: Layout, tensors: NamedTensors, prefix: string, path: string): Float32Array {
  const flat = new Float32Array(layout.total);
  layout.specs.forEach((spec, i) => {
    const tensor = tensors[`${prefix}${spec.name}`];
    if (tensor === undefined) throw new UserError(`${path}: tensor ${prefix}${spec.name} is missing`);
    if (tensor.shape.join() !== spec.shape.join()) {
      throw new UserError(
        `${path}: tensor ${prefix}${spec.name} has shape [${tensor.shape.join(", ")}], expected [${spec.shape.join(", ")}]`,
      );
    }
    flat.set(tensor.data, layout.offsets[i]);
  });
  return flat;
}

/** The averaged weights come first under their plain names: other tools read them as the model. */
const RAW = "raw.";

/**
 * Writes a checkpoint folder, whole or not at all: everything goes to a temporary folder beside it, is synced, and
 * takes the final name last. `extra` are further files (model card, model.onnx).
 */
export async function saveCheckpoint(
  folder: string,
  { config, layout, state }: Checkpoint,
  extra: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<void> {
  const temporary = `${folder}.${process.pid}.tmp`;
  const files: Readonly<Record<string, string | Uint8Array>> = {
    "model.safetensors": writeSafetensors(named(layout, { "": state.average, [RAW]: state.params })),
    "optimizer.safetensors": writeSafetensors(named(layout, { "first.": state.first, "second.": state.second })),
    "tokenizer.json": writeTokenizerJson(config.fields),
    "config.json": `${JSON.stringify({ ...config, step: state.step }, null, 2)}\n`,
    ...extra,
  };
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(temporary, name), content);
    const old = `${folder}.${process.pid}.old`;
    if (existsSync(folder)) await rename(folder, old);
    await rename(temporary, folder);
    await rm(old, { recursive: true, force: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** A checkpoint folder itself, a run folder (its final checkpoint, else its newest step), or undefined. */
function findCheckpoint(path: string): string | undefined {
  if (existsSync(join(path, "config.json"))) return path;
  if (existsSync(join(path, "checkpoint", "config.json"))) return join(path, "checkpoint");
  const steps = listSteps(path);
  return steps.length > 0 ? steps[steps.length - 1] : undefined;
}

/** Step checkpoints of a run folder, oldest first. */
export function listSteps(run: string): string[] {
  const folder = join(run, "steps");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^step-\d+$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

export function stepFolder(run: string, step: number): string {
  return join(run, "steps", `step-${String(step).padStart(8, "0")}`);
}

/**
 * Reads a checkpoint strictly: every tensor must be there with the expected shape, the vocabulary must match.
 * @throws UserError naming the file and what was expected.
 */
export function loadCheckpoint(path: string): Checkpoint {
  const folder = findCheckpoint(path);
  if (folder === undefined) {
    throw new UserError(`${path}: no checkpoint here; expected a folder with config.json, or a run folder`);
  }
  const configPath = join(folder, "config.json");
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(configPath, "utf8"));
  } catch (error) {
    throw new UserError(`${configPath}: not JSON (${(error as Error).message.replaceAll(/\s+/g, " ")})`);
  }
  const config = checkConfig(migrateConfig(parsed, configPath), configPath);
  const layout = createLayout(parameterSpecs(config.model, createFieldCoder(config.fields, config.standardisation)));
  const read = (name: string): NamedTensors => {
    const file = join(folder, name);
    if (!existsSync(file)) throw new UserError(`${file}: missing; a checkpoint has ${name}`);
    return readSafetensors(readFileSync(file), file).tensors;
  };
  const tokenizerPath = join(folder, "tokenizer.json");
  if (!existsSync(tokenizerPath)) throw new UserError(`${tokenizerPath}: missing; a checkpoint has tokenizer.json`);
  checkTokenizerJson(readFileSync(tokenizerPath, "utf8"), config.fields, tokenizerPath);
  const model = read("model.safetensors");
  const modelPath = join(folder, "model.safetensors");
  const average = flatten(layout, model, "", modelPath);
  const params = flatten(layout, model, RAW, modelPath);
  const optimizer = read("optimizer.safetensors");
  const optimizerPath = join(folder, "optimizer.safetensors");
  const first = flatten(layout, optimizer, "first.", optimizerPath);
  const second = flatten(layout, optimizer, "second.", optimizerPath);
  return { config, layout, state: { step: config.step, params, first, second, average } };
}

export function initialState(params: Float32Array): TrainState {
  const zeros = (): Float32Array => new Float32Array(params.length);
  return { step: 0, params, first: zeros(), second: zeros(), average: params.slice() };
}
