import type { Argv } from "yargs";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { exportNetwork } from "../inference/predict.ts";
import { createLayout, initialise } from "../model/parameters.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { createRng } from "../random.ts";
import { loadRecipe, type Recipe } from "../recipe.ts";
import type { Catalog } from "../survey/catalog.ts";
import { readWholeCatalog } from "../survey/read.ts";
import { splitByParent, type SplitRows } from "../survey/split.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import type { RowSource } from "../tokens/batch.ts";
import { createFieldCoder, fitStandardisation } from "../tokens/standardise.ts";
import { adaptRates, freezeRates } from "../train/adapt.ts";
import { type Checkpoint, type CheckpointConfig, initialState, loadCheckpoint } from "../train/checkpoint.ts";
import { FORMAT_VERSION } from "../train/migrations.ts";
import { modelCard } from "../train/card.ts";
import { claimRunFolder, runTraining } from "../train/run.ts";
import { version } from "../version.ts";
import {
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  hashFile,
  interruptSignal,
  surveyOf,
} from "./shared.ts";
import { duration, number, progressBar, say } from "./terminal.ts";

/** One table of a training run, read and split by parent. */
export interface TrainingTable {
  readonly path: string;
  readonly sha256: string;
  readonly catalog: Catalog;
  readonly rows: SplitRows;
}

async function readTrainingTable(path: string, survey: Survey): Promise<TrainingTable> {
  const { catalog, report } = await readWholeCatalog(path, survey);
  for (const line of report) say(`  ${line}`);
  const rows = splitByParent(catalog.parentId);
  if (rows.train.length === 0) throw new UserError(`${path}: no rows to train on; expected a table of galaxies`);
  return { path, sha256: await hashFile(path), catalog, rows };
}

/** An untrained network for these tables: standardisation from their training rows. */
function startRun(recipe: Recipe, survey: Survey, tables: readonly TrainingTable[]): Checkpoint {
  const source = tables[0];
  const config: CheckpointConfig = {
    formatVersion: FORMAT_VERSION,
    caleidoVersion: version,
    survey: survey.name,
    fields: survey.fields,
    standardisation: fitStandardisation(source.catalog, source.rows.train),
    model: recipe.model,
    optimiser: recipe.optimiser,
    subsets: recipe.subsets,
    training: recipe.training,
    step: 0,
    isCalibrated: false,
    freeze: [],
    data: Object.fromEntries(tables.map(({ path, sha256 }) => [path, sha256])),
  };
  const layout = createLayout(parameterSpecs(config.model, createFieldCoder(config.fields, config.standardisation)));
  return { config, layout, state: initialState(initialise(layout, createRng(`${recipe.training.seed}:init`))) };
}

/** The same network with another recipe's training and a fresh optimiser. */
function restart(init: Checkpoint, recipe: Recipe, changes: Partial<CheckpointConfig>): Checkpoint {
  const { optimiser, subsets, training } = recipe;
  return {
    config: { ...init.config, optimiser, subsets, training, step: 0, ...changes },
    layout: init.layout,
    state: initialState(init.state.average.slice()),
  };
}

/** One part of every table; rows of a survey whose zero-points a checkpoint learned keep them. */
const whole = (tables: readonly TrainingTable[], part: keyof SplitRows, isCalibrated: boolean): RowSource[] =>
  tables.map(({ catalog, rows }) => ({
    catalog,
    rows: rows[part],
    weight: rows[part].length,
    isCalibrated,
    hasLabels: true,
  }));

export interface TrainRequest {
  readonly engine: Engine;
  readonly folder: string;
  readonly start: Checkpoint;
  readonly sources: readonly RowSource[];
  readonly validation: readonly RowSource[];
  readonly rateScale: Float32Array | undefined;
}

/** Trains with a progress bar; Ctrl-C saves and says how to go on. Returns the trained checkpoint. */
async function trainWithProgress(request: TrainRequest): Promise<Checkpoint> {
  const { engine, folder, start } = request;
  const { training } = start.config;
  const bar = progressBar("training", training.steps);
  const { signal, release } = interruptSignal(() => say("\n  stopping after this step; Ctrl-C again to give up"));
  let validation = "";
  try {
    const { state, isInterrupted } = await runTraining(
      {
        engine,
        folder,
        coder: createFieldCoder(start.config.fields, start.config.standardisation),
        sources: request.sources,
        validation: request.validation,
        ...(request.rateScale === undefined ? {} : { rateScale: request.rateScale }),
        signal,
        finalFiles: async (state, loss) => {
          const onnx = await exportNetwork(engine, { ...start, state });
          const card = { "README.md": modelCard(start.config, start.layout, loss) };
          return onnx === undefined ? card : { ...card, "model.onnx": onnx };
        },
        onProgress: ({ step, loss, validation: measured, galaxiesPerSecond, secondsLeft }) => {
          if (measured !== undefined) validation = ` | validation ${measured.toFixed(3)}`;
          const rate = `${Math.round(galaxiesPerSecond)} galaxies/s | ${duration(secondsLeft)} left`;
          bar.update(step, `| loss ${loss.toFixed(3)}${validation} | ${rate}`);
        },
      },
      start,
    );
    if (isInterrupted) {
      throw new UserError(`stopped at step ${state.step} of ${training.steps}; continue with --resume ${folder}`);
    }
    return { ...start, config: { ...start.config, step: state.step }, state };
  } finally {
    bar.stop();
    release();
  }
}

/** Trains on the training part of whole tables; what the run freezes stands in its configuration. */
function trainOn(
  engine: Engine,
  folder: string,
  start: Checkpoint,
  tables: readonly TrainingTable[],
): Promise<Checkpoint> {
  return trainWithProgress({
    engine,
    folder,
    start,
    sources: whole(tables, "train", start.config.isCalibrated),
    validation: whole(tables, "validation", start.config.isCalibrated),
    rateScale: freezeRates(start.layout, start.config.freeze),
  });
}

export interface PretrainRequest {
  readonly engine: Engine;
  readonly data: readonly string[];
  readonly recipe: Recipe;
  readonly out: string;
}

export async function runPretrain({ engine, data, recipe, out }: PretrainRequest): Promise<Checkpoint> {
  claimRunFolder(out);
  const survey = loadSurvey(recipe.survey);
  const tables: TrainingTable[] = [];
  for (const path of data) tables.push(await readTrainingTable(path, survey));
  const start = startRun(recipe, survey, tables);
  const galaxies = tables.reduce((sum, { rows }) => sum + rows.train.length, 0);
  say(`  ${galaxies} galaxies to train on, ${number(start.layout.total / 1e6)} M parameters, ${engine.name}`);
  return trainOn(engine, out, start, tables);
}

/** Continues an interrupted pretraining run from its newest checkpoint, on the tables that it recorded. */
async function resumePretrain(engine: Engine, folder: string): Promise<Checkpoint> {
  const start = loadCheckpoint(folder);
  const survey = surveyOf(start);
  const tables: TrainingTable[] = [];
  for (const [path, sha256] of Object.entries(start.config.data)) {
    const table = await readTrainingTable(path, survey);
    if (table.sha256 !== sha256)
      throw new UserError(`${path}: changed since the run began; expected SHA-256 ${sha256}`);
    tables.push(table);
  }
  if (start.state.step >= start.config.training.steps)
    throw new UserError(`${folder}: the run is complete, nothing to resume`);
  say(`  resuming at step ${start.state.step} of ${start.config.training.steps}`);
  return trainOn(engine, folder, start, tables);
}

export interface FinetuneRequest extends PretrainRequest {
  readonly init: string;
  readonly freeze: readonly string[];
}

async function runFinetune({ engine, data, recipe, out, init, freeze }: FinetuneRequest): Promise<Checkpoint> {
  claimRunFolder(out);
  const source = loadCheckpoint(init);
  const survey = surveyOf(source);
  const tables: TrainingTable[] = [];
  for (const path of data) tables.push(await readTrainingTable(path, survey));
  const start = restart(source, recipe, {
    freeze,
    data: Object.fromEntries(tables.map(({ path, sha256 }) => [path, sha256])),
  });
  return trainOn(engine, out, start, tables);
}

export interface AdaptRequest {
  readonly engine: Engine;
  readonly init: string;
  /** Simulations of the source, replayed so that nothing is forgotten. */
  readonly source: string;
  /** Target rows; labels in them are ignored unless the table is `labelled`. */
  readonly unlabelled: string;
  readonly labelled?: string;
  readonly recipe: Recipe;
  readonly out: string;
}

/** The same photometry without labels: what a survey without spectra looks like. */
function withoutLabels(catalog: Catalog): Catalog {
  const n = catalog.fields.length;
  const state = catalog.state.slice();
  catalog.fields.forEach((field, j) => {
    if (field.band === undefined) for (let i = 0; i < catalog.rowCount; i++) state[i * n + j] = 0;
  });
  return { ...catalog, state };
}

export async function runAdapt(request: AdaptRequest): Promise<Checkpoint> {
  const { engine, init, recipe, out } = request;
  claimRunFolder(out);
  const source = loadCheckpoint(init);
  const survey = surveyOf(source);
  const { replay, unlabelled, labelled } = recipe.adapt;
  const simulated = await readTrainingTable(request.source, survey);
  const target = await readTrainingTable(request.unlabelled, survey);
  const blind = withoutLabels(target.catalog);
  const sources: RowSource[] = [
    { catalog: simulated.catalog, rows: simulated.rows.train, weight: replay, isCalibrated: false, hasLabels: true },
    { catalog: blind, rows: target.rows.train, weight: unlabelled, isCalibrated: true, hasLabels: false },
  ];
  const validation: RowSource[] = [
    { catalog: blind, rows: target.rows.validation, weight: 1, isCalibrated: true, hasLabels: false },
  ];
  const data: Record<string, string> = { [request.source]: simulated.sha256, [request.unlabelled]: target.sha256 };
  if (request.labelled !== undefined) {
    const known = await readTrainingTable(request.labelled, survey);
    sources.push({
      catalog: known.catalog,
      rows: known.rows.train,
      weight: labelled,
      isCalibrated: true,
      hasLabels: true,
    });
    validation.push({
      catalog: known.catalog,
      rows: known.rows.validation,
      weight: 1,
      isCalibrated: true,
      hasLabels: true,
    });
    data[request.labelled] = known.sha256;
  }
  const used = sources.filter(({ rows, weight }) => rows.length > 0 && weight > 0);
  const start = restart(source, recipe, { isCalibrated: true, data });
  return trainWithProgress({
    engine,
    folder: out,
    start,
    sources: used,
    validation,
    rateScale: adaptRates(start.layout, recipe.adapt),
  });
}

interface CommonArguments extends EngineArguments {
  data: string[];
  recipe: string;
  set: string[];
  out: string;
}

function recipeOptions(yargs: Argv, recipe: string): Argv {
  return engineOptions(yargs)
    .option("recipe", { type: "string", default: recipe, describe: "recipe: a name in recipes/, or a YAML file" })
    .option("set", {
      type: "string",
      array: true,
      default: [],
      describe: "change the recipe, e.g. --set model.nLayer=6",
    }) as Argv;
}

function sayDone(folder: string): void {
  say(`  checkpoint in ${folder}/checkpoint`);
}

export const pretrainCommand = defineCommand<CommonArguments & { resume: string | undefined }>({
  command: "pretrain [data..]",
  describe: "train a network on tables of galaxies (simulations, spectra, surveys)",
  builder: (yargs) =>
    recipeOptions(yargs, "default")
      .positional("data", { type: "string", array: true, describe: "tables to train on" })
      .option("out", { type: "string", default: "runs/pretrain", describe: "run folder" })
      .option("resume", { type: "string", describe: "run folder to continue" })
      .example("$0 pretrain sims.parquet --out runs/a", "train on a simulation")
      .example("$0 pretrain --resume runs/a", "go on after an interruption"),
  handler: async (args) => {
    const engine = await engineOf(args);
    if (args.resume !== undefined) {
      await resumePretrain(engine, args.resume);
      return sayDone(args.resume);
    }
    if ((args.data ?? []).length === 0)
      throw new UserError("pretrain: no table given; expected e.g. caleido pretrain sims.parquet");
    await runPretrain({ engine, data: args.data, recipe: loadRecipe(args.recipe, args.set), out: args.out });
    sayDone(args.out);
  },
});

export const finetuneCommand = defineCommand<CommonArguments & { init: string; freeze: string[] }>({
  command: "finetune <data..>",
  describe: "continue training a network on other tables",
  builder: (yargs) =>
    recipeOptions(yargs, "finetune")
      .positional("data", { type: "string", array: true, describe: "tables to train on" })
      .option("init", { type: "string", demandOption: true, describe: "checkpoint or run to start from" })
      .option("freeze", { type: "string", array: true, default: [], describe: "parameters to keep, e.g. 'embed.*'" })
      .option("out", { type: "string", default: "runs/finetune", describe: "run folder" }),
  handler: async (args) => {
    const recipe = loadRecipe(args.recipe, args.set);
    await runFinetune({
      engine: await engineOf(args),
      data: args.data,
      recipe,
      out: args.out,
      init: args.init,
      freeze: args.freeze,
    });
    sayDone(args.out);
  },
});

export const adaptCommand = defineCommand<
  CommonArguments & { init: string; source: string; unlabelled: string; labelled: string | undefined }
>({
  command: "adapt",
  describe: "move a network from simulations to real observations: zero-points, noise, few labels",
  builder: (yargs) =>
    recipeOptions(yargs, "adapt")
      .option("init", { type: "string", demandOption: true, describe: "checkpoint or run to start from" })
      .option("source", { type: "string", demandOption: true, describe: "simulations that the network was trained on" })
      .option("unlabelled", {
        type: "string",
        demandOption: true,
        describe: "observed table; its labels are not looked at",
      })
      .option("labelled", { type: "string", describe: "observed table with labels (spec-z, masses, ...)" })
      .option("out", { type: "string", default: "runs/adapt", describe: "run folder" }),
  handler: async (args) => {
    const recipe = loadRecipe(args.recipe, args.set);
    const { init, source, unlabelled, labelled, out } = args;
    const request = { engine: await engineOf(args), init, source, unlabelled, recipe, out };
    await runAdapt(labelled === undefined ? request : { ...request, labelled });
    sayDone(out);
  },
});
