import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { standingFolder, writeFolderAtomic } from "../io/atomic.ts";
import { createLayout, type Layout, sizeOf } from "../model/parameters.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { checkTokenizerJson, writeTokenizerJson } from "../tokens/tokenizer.ts";
import { type CheckpointConfig, coderOf, formatConfig, parseConfig } from "./config.ts";
import { migrateConfig, migrateTensors } from "./migrations.ts";
import { type NamedTensors, readSafetensors, writeSafetensors } from "./safetensors.ts";

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

/** Writes a checkpoint folder, whole or not at all. `extra` are further files (model card, model.onnx). */
export async function saveCheckpoint(
  folder: string,
  { config, layout, state }: Checkpoint,
  extra: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<void> {
  await writeFolderAtomic(folder, {
    "model.safetensors": writeSafetensors(named(layout, { "": state.average, [RAW]: state.params })),
    "optimizer.safetensors": writeSafetensors(named(layout, { "first.": state.first, "second.": state.second })),
    "tokenizer.json": writeTokenizerJson(config.survey.fields),
    "config.json": formatConfig({ ...config, step: state.step }),
    ...extra,
  });
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
  const config = parseConfig(migrateConfig(parsed, configPath), configPath);
  const { fields } = config.survey;
  const version = (parsed as { formatVersion: number }).formatVersion;
  const layout = createLayout(parameterSpecs(config.model, coderOf(config)));
  const read = (name: string): NamedTensors => {
    const file = join(folder, name);
    if (!existsSync(file)) throw new UserError(`${file}: missing; a checkpoint has ${name}`);
    return readSafetensors(readFileSync(file), file).tensors;
  };
  const tokenizerPath = join(folder, "tokenizer.json");
  if (!existsSync(tokenizerPath)) throw new UserError(`${tokenizerPath}: missing; a checkpoint has tokenizer.json`);
  checkTokenizerJson(readFileSync(tokenizerPath, "utf8"), fields, tokenizerPath);
  const model = read("model.safetensors");
  const modelPath = join(folder, "model.safetensors");
  const vector = (tensors: NamedTensors, prefix: string, file: string): Float32Array =>
    flatten(layout, migrateTensors(tensors, version, fields, prefix), prefix, file);
  const average = vector(model, "", modelPath);
  const params = vector(model, RAW, modelPath);
  const optimizer = read("optimizer.safetensors");
  const optimizerPath = join(folder, "optimizer.safetensors");
  const first = vector(optimizer, "first.", optimizerPath);
  const second = vector(optimizer, "second.", optimizerPath);
  return { config, layout, state: { step: config.step, params, first, second, average } };
}

export function initialState(params: Float32Array): TrainState {
  const zeros = (): Float32Array => new Float32Array(params.length);
  return { step: 0, params, first: zeros(), second: zeros(), average: params.slice() };
}
