import { createEngine } from "../../src/engine/engine.ts";
import { createLayout, initialise } from "../../src/model/parameters.ts";
import { type ModelConfig, modelSchema, parameterSpecs } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { type SubsetConfig, subsetSchema } from "../../src/tokens/subset.ts";
import { fitStandardisation } from "../../src/tokens/standardise.ts";
import { type Checkpoint, initialState } from "../../src/train/checkpoint.ts";
import { type CheckpointConfig, coderOf, type TrainingConfig, trainingSchema } from "../../src/train/config.ts";
import { FORMAT_VERSION } from "../../src/train/migrations.ts";
import { type OptimiserConfig, optimiserSchema } from "../../src/train/optimiser.ts";
import type { StepShape } from "../../src/train/step.ts";
import { drawTemplates } from "../../src/train/templates.ts";
import { sourceOf, surveyOfFields } from "./toy.ts";

/** The smallest network with every part. */
export const tinyModel: ModelConfig = modelSchema.parse({
  nLatent: 2,
  dModel: 8,
  nLayer: 1,
  nHead: 2,
  nHidden: 12,
  dQuery: 8,
  nMemory: 2,
  nQueryLayer: 1,
  nComponent: 2,
});

/** Settings of a recipe that make its network about as small. */
export const smallSettings: readonly string[] = [
  "nLatent=2",
  "dModel=8",
  "nLayer=1",
  "nHead=2",
  "nHidden=8",
  "bandRank=8",
  "dQuery=8",
  "nComponent=2",
].map((size) => `model.${size}`);

export interface RunSettings {
  readonly model?: ModelConfig;
  readonly optimiser?: Partial<OptimiserConfig>;
  readonly subsets?: Partial<SubsetConfig>;
  readonly training?: Partial<TrainingConfig>;
  readonly isCalibrated?: boolean;
  /** How many of the galaxies it carries, of those that have every band, and in neighbourhoods of how many. */
  readonly templates?: number;
  readonly neighbourhood?: number;
}

/** An untrained network for a catalogue, standardised on all of its rows. */
export function startCheckpoint(catalog: Catalog, settings: RunSettings = {}): Checkpoint {
  const plain: CheckpointConfig = {
    formatVersion: FORMAT_VERSION,
    caleidoVersion: "0.0.0",
    survey: surveyOfFields(catalog.fields),
    grownAt: [],
    standardisation: fitStandardisation(catalog, allRows(catalog)) as CheckpointConfig["standardisation"],
    model: settings.model ?? tinyModel,
    optimiser: optimiserSchema.parse(settings.optimiser ?? {}),
    subsets: subsetSchema.parse(settings.subsets ?? {}),
    training: trainingSchema.parse(settings.training ?? {}),
    step: 0,
    isCalibrated: settings.isCalibrated ?? false,
    freeze: [],
    data: [],
  };
  const { templates: nTemplate = 0, neighbourhood = 1 } = settings;
  const wanted = { nTemplate, neighbourhood };
  const templates = drawTemplates(coderOf(plain), [sourceOf(catalog)], wanted, createRng("templates"));
  const config = { ...plain, model: { ...plain.model, neighbourhood, nTemplate: templates?.count ?? 0 } };
  const layout = createLayout(parameterSpecs(config.model, coderOf(config, templates)));
  const state = initialState(initialise(layout, createRng(`${config.training.seed}:init`)));
  return { config, layout, state, ...(templates === undefined ? {} : { templates }) };
}

/** The same checkpoint with every parameter moved, so that no part is silent at its initial zeros. */
export function perturb(checkpoint: Checkpoint, amount = 0.2): Checkpoint {
  const rng = createRng("perturb");
  const params = checkpoint.state.params.map((p) => p + amount * rng.normal());
  return { ...checkpoint, state: initialState(params) };
}

export const onnx = createEngine({ backend: "onnx", threads: 1 });
export const plainJs = createEngine({ backend: "cpu" });

/** What is asked of a checkpoint's loss on batches of rows as they are. */
export const plainShape = ({ config, layout }: Checkpoint, batch: StepShape["batch"]): StepShape => ({
  model: config.model,
  vocabulary: coderOf(config),
  layout,
  batch,
  hasCalibration: false,
  hasRateScale: false,
  propertyWeight: 1,
});
