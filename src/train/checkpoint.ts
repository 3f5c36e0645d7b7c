import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { standingFolder, writeFolderAtomic } from "../io/atomic.ts";
import { createLayout, type Layout, sizeOf } from "../model/parameters.ts";
import type { Templates } from "../model/template-fit.ts";
import { type Recalibration, recalibrationSchema } from "../model/recalibration.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { checkTokenizerJson, writeTokenizerJson } from "../tokens/tokenizer.ts";
import { readChecksums, withChecksums, withFile } from "./checksums.ts";
import { type CheckpointConfig, coderOf, formatConfig, parseConfig } from "./config.ts";
import { migrateConfig, migrateTensors } from "./migrations.ts";
import { type Population, populationSchema } from "./population-schema.ts";
import { checkFinite, type NamedTensors, readSafetensors, writeSafetensors } from "./safetensors.ts";
import { checkpointPath, listCheckpoints } from "./shipped.ts";
import { readTemplates, writeTemplates } from "./templates.ts";
import { type TileOffsets, tileOffsetsSchema } from "./tiles-schema.ts";

/** Averaged weights [P] where the validation loss was lowest so far: what a run ends with. */
export interface BestWeights {
  readonly step: number;
  /** -ln p per target [nats]. */
  readonly validation: number;
  readonly average: Float32Array;
}

/** The run's numbers at a step; every vector is [P], flat, in the layout's order. */
export interface TrainState {
  readonly step: number;
  readonly params: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** Averaged weights: what validation and queries use. */
  readonly average: Float32Array;
  /** Absent before the first validation, and of networks that are not trained on. */
  readonly best?: BestWeights;
}

export interface Checkpoint {
  readonly config: CheckpointConfig;
  readonly layout: Layout;
  readonly state: TrainState;
  /** Clean galaxies that the network carries. */
  readonly templates?: Templates;
  /** How its answers are recalibrated; absent: not at all. */
  readonly recalibration?: Recalibration;
  /** How its training rows are distributed; absent of networks that kept none. */
  readonly population?: Population;
  /** What single tiles differ by in their zero-points; absent: nothing. */
  readonly tiles?: TileOffsets;
}

/** A checkpoint as training leaves it: its configuration says how far it is. */
export function atState(start: Omit<Checkpoint, "state">, state: TrainState): Checkpoint {
  const { step, best } = state;
  const found = best === undefined ? {} : { best: { step: best.step, validation: best.validation } };
  return { ...start, config: { ...start.config, step, ...found }, state };
}

function named(layout: Layout, vectors: Readonly<Record<string, Float32Array>>, path: string): NamedTensors {
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
  for (const [prefix, flat] of Object.entries(vectors)) {
    layout.specs.forEach((spec, i) => {
      const offset = layout.offsets[i];
      const data = flat.subarray(offset, offset + sizeOf(spec.shape));
      checkFinite(data, `${prefix}${spec.name}`, path);
      tensors[`${prefix}${spec.name}`] = { shape: spec.shape, data };
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
    checkFinite(tensor.data, `${prefix}${spec.name}`, path);
    flat.set(tensor.data, layout.offsets[i]);
  });
  return flat;
}

/** The averaged weights come first under their plain names: other tools read them as the model. */
const RAW = "raw.";

const MODEL = "model.safetensors";
const OPTIMISER = "optimizer.safetensors";
const BEST = "best.safetensors";
const TOKENIZER = "tokenizer.json";
const CONFIG = "config.json";
const TEMPLATES = "templates.safetensors";
const RECALIBRATION = "recalibration.json";
const POPULATION = "population.json";
const TILES = "tiles.json";

/** The file of a recalibration. */
export const recalibrationFile = (recalibration: Recalibration): Readonly<Record<string, string>> => ({
  [RECALIBRATION]: `${JSON.stringify(recalibration)}\n`,
});

const populationFile = (population: Population): Readonly<Record<string, string>> => ({
  [POPULATION]: `${JSON.stringify(population)}\n`,
});

/** Vectors [P] by the file that they go to and the prefix of their tensors there. */
type Weights = Readonly<Record<string, Readonly<Record<string, Float32Array>>>>;

async function writeCheckpoint(
  folder: string,
  { config, layout, templates, recalibration, population, tiles }: Omit<Checkpoint, "state">,
  weights: Weights,
  extra: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  const tensors = Object.entries(weights).map(
    ([file, vectors]) => [file, writeSafetensors(named(layout, vectors, join(folder, file)))] as const,
  );
  const files = {
    ...Object.fromEntries(tensors),
    ...(templates === undefined ? {} : { [TEMPLATES]: writeTemplates(templates) }),
    ...(recalibration === undefined ? {} : recalibrationFile(recalibration)),
    ...(population === undefined ? {} : populationFile(population)),
    ...(tiles === undefined ? {} : { [TILES]: `${JSON.stringify(tiles)}\n` }),
    [TOKENIZER]: writeTokenizerJson(config.survey.fields),
    [CONFIG]: formatConfig(config),
    ...extra,
  };
  await writeFolderAtomic(folder, withChecksums(files));
}

/**
 * Writes a checkpoint folder, whole or not at all. `extra` are further files (model card, model.onnx).
 * @throws UserError for weights that are not finite, and where the folder can't be written.
 */
export async function saveCheckpoint(
  folder: string,
  { state, ...rest }: Checkpoint,
  extra: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<void> {
  const { average, params, first, second, best } = state;
  const weights = {
    [MODEL]: { "": average, [RAW]: params },
    [OPTIMISER]: { "first.": first, "second.": second },
    ...(best === undefined || best.average === average ? {} : { [BEST]: { "": best.average } }),
  };
  await writeCheckpoint(folder, atState(rest, state), weights, extra);
}

/**
 * Writes a small form of a checkpoint: what answers questions, and nothing to go on training from.
 * @throws UserError as {@link saveCheckpoint}.
 */
export async function saveAverages(
  folder: string,
  checkpoint: Checkpoint,
  extra: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<void> {
  await writeCheckpoint(folder, checkpoint, { [MODEL]: { "": checkpoint.state.average } }, extra);
}

/**
 * A checkpoint folder itself, a run folder (its final checkpoint, else its newest step), or undefined. One that was being
 * replaced when its writer was killed is found under the name it was moved to.
 */
export function findCheckpoint(path: string): string | undefined {
  const own = standingFolder(path);
  if (own !== undefined && existsSync(join(own, "config.json"))) return own;
  const final = standingFolder(join(path, "checkpoint"));
  if (final !== undefined && existsSync(join(final, "config.json"))) return final;
  return listSteps(path).at(-1);
}

/** Step checkpoints of a run folder, oldest first. */
export function listSteps(run: string): string[] {
  const folder = join(run, "steps");
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).flatMap((name) => /^step-\d+(?=$|\..*\.old$)/.exec(name)?.[0] ?? []);
  return [...new Set(names)].sort().flatMap((name) => standingFolder(join(folder, name)) ?? []);
}

export function stepFolder(run: string, step: number): string {
  return join(run, "steps", `step-${String(step).padStart(8, "0")}`);
}

/** What a path could have been; training never goes on from what comes with the package. */
function expectedInstead(forTraining: boolean): string {
  if (forTraining) return "; expected a folder with config.json, or a run folder";
  const names = listCheckpoints();
  const named =
    names.length === 0 ? "; none comes with this installation" : `, or one that comes along: ${names.join(", ")}`;
  return `; expected a folder with config.json, a run folder${named}`;
}

/** An optional file of a checkpoint folder; undefined where it is not there. @throws UserError for one that is damaged. */
function readOptional<T>(
  folder: string,
  name: string,
  schema: { parse(value: unknown): T },
  check: ReturnType<typeof readChecksums>,
): T | undefined {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  check(name, bytes);
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch (error) {
    const what = name.replace(".json", "");
    throw new UserError(`${path}: no ${what} (${(error as Error).message.replaceAll(/\s+/g, " ")})`);
  }
}

/** Puts files into a checkpoint folder, in place of those of their names: all of it is written anew, or nothing. */
async function putFiles(folder: string, further: Readonly<Record<string, string>>): Promise<void> {
  const names = readdirSync(folder).filter((name) => !Object.hasOwn(further, name));
  const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))] as const));
  await writeFolderAtomic(folder, withFile(files, further));
}

/** Puts a recalibration into a checkpoint folder, in place of the one that is there. @throws UserError where it can't be written. */
export const saveRecalibration = (folder: string, recalibration: Recalibration): Promise<void> =>
  putFiles(folder, recalibrationFile(recalibration));

/** Puts a population into a checkpoint folder, in place of the one that is there. @throws UserError where it can't be written. */
export const savePopulation = (folder: string, population: Population): Promise<void> =>
  putFiles(folder, populationFile(population));

export interface LoadOptions {
  /**
   * Read what training needs to go on: the weights as they were trained, and the optimiser's moments. Default: the averaged
   * weights alone, with the state of a network that starts anew from them.
   */
  readonly forTraining?: boolean;
}

/**
 * Reads a checkpoint strictly: every file must be what was written, every tensor must be there with the expected shape
 * and finite, the vocabulary must match. `path`: a checkpoint or run folder, or the name of a network that comes with the
 * package (`caleido-jpas`; training never goes on from those).
 * @throws UserError naming the file and what was expected.
 */
export function loadCheckpoint(path: string, { forTraining = false }: LoadOptions = {}): Checkpoint {
  const folder = findCheckpoint(forTraining ? path : checkpointPath(path));
  if (folder === undefined) throw new UserError(`${path}: no checkpoint here${expectedInstead(forTraining)}`);
  const check = readChecksums(folder);
  const read = (name: string, otherwise = `a checkpoint has ${name}`): Buffer => {
    const file = join(folder, name);
    if (!existsSync(file)) throw new UserError(`${file}: missing; ${otherwise}`);
    return readFileSync(file);
  };
  const configPath = join(folder, CONFIG);
  const configBytes = read(CONFIG);
  let parsed: unknown;
  try {
    parsed = JSON.parse(configBytes.toString());
  } catch (error) {
    throw new UserError(`${configPath}: not JSON (${(error as Error).message.replaceAll(/\s+/g, " ")})`);
  }
  const config = parseConfig(migrateConfig(parsed, configPath), configPath);
  check(CONFIG, configBytes);
  const { fields } = config.survey;
  const version = (parsed as { formatVersion: number }).formatVersion;
  const file = config.model.nTemplate === 0 ? undefined : read(TEMPLATES);
  const templates =
    file === undefined ? undefined : readTemplates(file, config.model.neighbourhood, join(folder, TEMPLATES));
  if (file !== undefined) check(TEMPLATES, file);
  const recalibration = readOptional(folder, RECALIBRATION, recalibrationSchema, check);
  const population = readOptional(folder, POPULATION, populationSchema, check);
  const tiles = readOptional(folder, TILES, tileOffsetsSchema, check);
  const kept = {
    ...(templates === undefined ? {} : { templates }),
    ...(recalibration === undefined ? {} : { recalibration }),
    ...(population === undefined ? {} : { population }),
    ...(tiles === undefined ? {} : { tiles }),
  };
  const layout = createLayout(parameterSpecs(config.model, coderOf(config, templates)));
  const tokenizer = read(TOKENIZER);
  checkTokenizerJson(tokenizer.toString(), fields, join(folder, TOKENIZER));
  check(TOKENIZER, tokenizer);
  /** Vectors of a file, by their prefixes. Its own words about what is wrong come before those of its checksum. */
  const vectors = (name: string, prefixes: readonly string[], otherwise?: string): Float32Array[] => {
    const bytes = read(name, otherwise);
    const file = join(folder, name);
    const { tensors } = readSafetensors(bytes, file);
    const all = prefixes.map((prefix) =>
      flatten(layout, migrateTensors(tensors, version, fields, prefix), prefix, file),
    );
    check(name, bytes);
    return all;
  };
  if (!forTraining) {
    const [average] = vectors(MODEL, [""]);
    return { config, layout, state: { ...initialState(average), step: config.step }, ...kept };
  }
  const small = `training can't go on from a small form, made to answer; caleido finetune --init ${path} starts anew from it`;
  const [first, second] = vectors(OPTIMISER, ["first.", "second."], small);
  const [average, params] = vectors(MODEL, ["", RAW]);
  const { step, best } = config;
  const state = { step, params, first, second, average };
  if (best === undefined) return { config, layout, state, ...kept };
  const isOwn = !existsSync(join(folder, BEST)); // the averages themselves were the best
  const own = { ...best, average: isOwn ? average : vectors(BEST, [""])[0] };
  return { config, layout, state: { ...state, best: own }, ...kept };
}

export function initialState(params: Float32Array): TrainState {
  const zeros = (): Float32Array => new Float32Array(params.length);
  return { step: 0, params, first: zeros(), second: zeros(), average: params.slice() };
}
