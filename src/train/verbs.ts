import { UserError } from "../errors.ts";
import { checkFolder } from "../io/atomic.ts";
import { checkUnlocked } from "../io/lock.ts";
import { withSpectra } from "../model/spectrum.ts";
import { createLayout, initialise } from "../model/parameters.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { silent } from "../progress.ts";
import { createRng } from "../random.ts";
import type { ObservationOptions } from "../simulate/observation.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { extendSurvey } from "../survey/grow.ts";
import { type FieldPair, matchFields } from "../survey/match.ts";
import { fieldsIn } from "../survey/reading.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import type { RowSource } from "../tokens/batch.ts";
import { counted, duration, number } from "../text.ts";
import { version } from "../version.ts";
import type { AdaptConfig } from "./adapt.ts";
import { modelCard } from "./card.ts";
import { atState, type Checkpoint, initialState, loadCheckpoint, recalibrationFile } from "./checkpoint.ts";
import { type CheckpointConfig, coderOf, type TableRecord } from "./config.ts";
import { exportNetwork } from "./export.ts";
import { withFittedZeroPoints } from "./fitted-zero-points.ts";
import { growCheckpoint, grownSurvey } from "./grow.ts";
import { keptKnown, keptRecalibration, phasesOf } from "./kept.ts";
import type { TrainOptions } from "./loop.ts";
import { FORMAT_VERSION } from "./migrations.ts";
import { populationOf } from "./population.ts";
import { recalibrate, usualRecalibration } from "./recalibrate.ts";
import { heldOutOf, sourcesOf } from "./row-sources.ts";
import { claimRunFolder, isFinished, loadRun, runTraining } from "./run.ts";
import { drawTemplates } from "./templates.ts";
import { observationWish, readTables, reopenTables, type RunSetting } from "./run-tables.ts";
import type { TableWish, TrainingTable } from "./tables.ts";

/** What a run needs of a recipe; `loadRecipe` reads one. */
export interface TrainingRecipe extends Pick<CheckpointConfig, "model" | "optimiser" | "subsets" | "training"> {
  /** Survey that reads the tables: a name in `datasets/`, or a path. */
  readonly survey: string;
  readonly adapt: AdaptConfig;
  /**
   * How galaxies without noise are observed, in every batch anew. Without it tables that have no other fluxes are observed
   * as `simulate` does; with it also those that have noisy ones beside.
   */
  readonly observation?: ObservationOptions | undefined;
}

/** An untrained network for these tables: standardisation from the first one's training rows. */
function startRun(recipe: TrainingRecipe, survey: Survey, tables: readonly TrainingTable[]): Checkpoint {
  const plain: CheckpointConfig = {
    formatVersion: FORMAT_VERSION,
    caleidoVersion: version,
    survey,
    grownAt: [],
    standardisation: tables[0].standardise() as CheckpointConfig["standardisation"],
    model: withSpectra(recipe.model, survey.fields),
    optimiser: recipe.optimiser,
    subsets: recipe.subsets,
    training: recipe.training,
    step: 0,
    isCalibrated: false,
    freeze: [],
    data: tables.map(({ record }) => record),
  };
  const clean = tables.flatMap((table) => (table.clean === undefined ? [] : [table.clean]));
  const rng = createRng(`${recipe.training.seed}:templates`);
  const templates = drawTemplates(coderOf(plain), clean, recipe.model, rng);
  const config = { ...plain, model: { ...plain.model, nTemplate: templates?.count ?? 0 } };
  const layout = createLayout(parameterSpecs(config.model, coderOf(config, templates)));
  const state = initialState(initialise(layout, createRng(`${recipe.training.seed}:init`)));
  return { config, layout, state, ...(templates === undefined ? {} : { templates }) };
}

/** The same network with another recipe's training and a fresh optimiser; it will be recalibrated anew, for another population. */
function restart(init: Checkpoint, recipe: TrainingRecipe, changes: Partial<CheckpointConfig>): Checkpoint {
  const { optimiser, subsets, training } = recipe;
  const { recalibration: _old, population: _other, ...kept } = init;
  const { best: _best, uncountedFrom: _from, ...config } = init.config;
  return {
    ...kept,
    config: { ...config, optimiser, subsets, training, step: 0, ...changes },
    state: initialState(init.state.average.slice()),
  };
}

/** The verb that makes, and resumes, such a run. */
const verbOf = ({ adapt, data }: Pick<CheckpointConfig, "adapt" | "data">): string =>
  adapt !== undefined || data.some(({ role }) => role === "unknown") ? "adapt" : "pretrain";

interface TrainRequest extends RunSetting {
  readonly folder: string;
  readonly start: Checkpoint;
  readonly sources: readonly RowSource[];
  readonly validation: readonly RowSource[];
  /** What the trained network's answers are recalibrated by. */
  readonly heldOut: readonly RowSource[];
  readonly phaseAt: TrainOptions["phaseAt"];
}

/** Trains and tells how far it is; an interrupted run is saved and says how to go on. Returns the trained checkpoint. */
async function trainWithProgress(request: TrainRequest): Promise<Checkpoint> {
  const { engine, folder, start, signal, reporter = silent } = request;
  const { training } = start.config;
  const verb = `caleido ${verbOf(start.config)}`;
  const bar = reporter.bar("training", training.steps);
  let validation = "";
  let recalibration: Checkpoint["recalibration"];
  try {
    const { state, isInterrupted } = await runTraining(
      {
        engine,
        folder,
        coder: coderOf(start.config, start.templates),
        sources: request.sources,
        validation: request.validation,
        ...(request.phaseAt === undefined ? {} : { phaseAt: request.phaseAt }),
        ...(signal === undefined ? {} : { signal }),
        finalFiles: async (state, loss) => {
          const trained = atState(start, state);
          const onnx = await exportNetwork(engine, trained);
          const fitted = await recalibrate(engine, trained, request.heldOut, usualRecalibration);
          recalibration = keptRecalibration(start, fitted);
          const card = { "README.md": modelCard(trained.config, start.layout, { validation: loss }) };
          return {
            ...card,
            ...(onnx === undefined ? {} : { "model.onnx": onnx }),
            ...(recalibration === undefined ? {} : recalibrationFile(recalibration)),
          };
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
      throw new UserError(
        `stopped at step ${state.step} of ${training.steps}; continue with ${verb} --resume ${folder}`,
      );
    }
    if (state.best?.step === 0) reporter.say("the network as it was has the lowest validation loss: it is kept");
    const trained = atState(start, state);
    return recalibration === undefined ? trained : { ...trained, recalibration };
  } finally {
    bar.stop();
  }
}

/** Trains from `start` on what its configuration says of its tables. */
async function trainOn(
  setting: RunSetting,
  folder: string,
  start: Checkpoint,
  tables: readonly TrainingTable[],
): Promise<Checkpoint> {
  try {
    return await trainWithProgress({
      ...setting,
      folder,
      start,
      sources: sourcesOf(start.config, tables, "train"),
      validation: sourcesOf(start.config, tables, "validation"),
      heldOut: heldOutOf(start.config, tables),
      phaseAt: phasesOf(start),
    });
  } finally {
    for (const table of tables) table.close();
  }
}

export interface PretrainRequest extends RunSetting {
  /** Tables to train on, or prepared folders. */
  readonly data: readonly string[];
  /** How the tables are to be read. */
  readonly reading?: BindOptions;
  readonly recipe: TrainingRecipe;
  /** Run folder: `log.jsonl`, `steps/`, and `checkpoint/` at the end. */
  readonly out: string;
}

const trainWishes = ({ data, reading, recipe }: PretrainRequest, before?: readonly TableRecord[]): TableWish[] =>
  data.map((path) => ({ path, role: "train", reading, observation: observationWish(recipe, before) }));

/**
 * Trains a network from scratch: any subset of the fields in, any subset out. Returns the trained checkpoint.
 * @throws UserError for tables that can't be read, a folder that holds a run already, an interrupted run.
 */
export async function pretrain(request: PretrainRequest): Promise<Checkpoint> {
  const { engine, recipe, out, reporter = silent } = request;
  claimRunFolder(out);
  const survey = loadSurvey(recipe.survey);
  const tables = await readTables(trainWishes(request), survey, request);
  const start = { ...startRun(recipe, survey, tables), population: populationOf(survey.fields, tables) };
  const galaxies = tables.reduce((sum, { parts }) => sum + parts.train.rows.length, 0);
  const size = `${number(start.layout.total / 1e6)} M parameters`;
  const carried = start.templates?.count;
  const beside = carried === undefined ? "" : ` and ${counted(carried, "galaxy", "galaxies")} that it carries`;
  reporter.say(`${counted(galaxies, "galaxy", "galaxies")} to train on, ${size}${beside}, ${engine.name}`);
  if (recipe.model.nTemplate > 0 && carried === undefined)
    reporter.say("no fluxes without noise in all bands: it carries no galaxies (simulate --fluxes both, --observe)");
  return trainOn(request, out, start, tables);
}

export interface ResumeRequest extends RunSetting {
  /** Run folder to continue. */
  readonly folder: string;
  /** The verb that made the run; fine-tuning is training on other tables. */
  readonly verb: "pretrain" | "adapt";
}

/**
 * Continues an interrupted run from its newest checkpoint, on the tables that it recorded, each in its role: it ends
 * bitwise where the unbroken run does. Returns the trained checkpoint.
 * @throws UserError when a table changed, the run is complete or of another verb.
 */
export async function resume(request: ResumeRequest): Promise<Checkpoint> {
  const { folder, verb, reporter = silent } = request;
  checkUnlocked(folder);
  if (isFinished(folder)) throw new UserError(`${folder}: the run is complete, nothing to resume`);
  const start = loadRun(folder);
  checkFolder(folder);
  const { config, state } = start;
  const own = verbOf(config);
  if (own !== verb) throw new UserError(`${folder}: not such a run; caleido ${own} --resume ${folder} continues it`);
  if (config.data.some(({ role }) => role === "unknown")) {
    throw new UserError(
      `${folder}: adapted by a version that did not record what each table was for; expected a new run of caleido adapt`,
    );
  }
  const tables = await reopenTables(folder, config, request);
  reporter.say(`resuming at step ${state.step} of ${config.training.steps}`);
  return trainOn(request, folder, start, tables);
}

export interface FinetuneRequest extends PretrainRequest {
  /** Checkpoint or run folder to start from. */
  readonly init: string;
  /** Parameters to keep as they are: names, `*` for any run of characters; `known`: all but the fields that are new. */
  readonly freeze?: readonly string[];
  /**
   * Survey that describes the tables: a name in `datasets/`, or a path. Its fields are matched to the checkpoint's by name,
   * else by pivot and width; what the tables have and the checkpoint doesn't know is learned besides the old fields.
   * Default: the checkpoint's own survey.
   */
  readonly survey?: string;
}

/** A vocabulary for tables that another survey describes, and whether its names are those of that survey. */
interface Vocabulary {
  readonly survey: Survey;
  readonly isOwn: boolean;
}

/** The checkpoint's fields and those of `wanted` that the tables have besides. */
async function vocabularyFor(source: Checkpoint, wishes: readonly TableWish[], wanted: Survey): Promise<Vocabulary> {
  const there = new Set<number>();
  for (const { path, reading } of wishes) {
    for (const i of (await fieldsIn(path, wanted, reading)).there) there.add(i);
  }
  const known = source.config.survey;
  const { pairs, unclear } = matchFields(wanted, known, (i) => there.has(i));
  const isSame = ({ by, isNear, conversion: { kind, factor, offset } }: FieldPair): boolean =>
    by === "name" && !isNear && kind === "factor" && factor === 1 && offset === 0;
  const isOwn = wanted.fluxUnit === known.fluxUnit && unclear.size === 0 && pairs.every(isSame);
  const matched = new Set(pairs.map(({ own }) => own));
  const names = (some: Iterable<number>): Set<string> => new Set([...some].map((i) => wanted.fields[i].name));
  if (isOwn) return { survey: grownSurvey(source, wanted, names(there)), isOwn };
  const fresh = [...there].filter((i) => !matched.has(i) && !unclear.has(i));
  return { survey: extendSurvey(known, wanted, names(fresh)), isOwn };
}

/**
 * Continues training a network on other tables, with a fresh optimiser. Returns the trained checkpoint.
 * @throws UserError as {@link pretrain}, and for a pattern in `freeze` that matches no parameter.
 */
export async function finetune(request: FinetuneRequest): Promise<Checkpoint> {
  const { recipe, out, init, freeze = [], reporter = silent } = request;
  claimRunFolder(out);
  const source = loadCheckpoint(init);
  const wishes = trainWishes(request, source.config.data);
  const wanted = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const { survey, isOwn } =
    wanted === undefined ? { survey: source.config.survey, isOwn: true } : await vocabularyFor(source, wishes, wanted);
  const tables = await readTables(isOwn ? wishes : wishes.map((wish) => ({ ...wish, own: wanted })), survey, request);
  const fitted = tables[0].standardise(source.config.standardisation.reference);
  const start = wanted === undefined ? source : growCheckpoint(source, survey, fitted);
  const fresh = survey.fields.slice(source.config.survey.fields.length);
  if (fresh.length > 0) reporter.say(`new in the vocabulary: ${fresh.map(({ name }) => name).join(", ")}`);
  const changes = { freeze: [...freeze], data: tables.map(({ record }) => record), adapt: undefined };
  const restarted = restart(start, recipe, changes);
  return trainOn(request, out, keptKnown(source, restarted, populationOf(survey.fields, tables)), tables);
}

export interface AdaptRequest extends RunSetting {
  /** Checkpoint or run folder to start from. */
  readonly init: string;
  /** Simulations of the source, replayed so that nothing is forgotten. */
  readonly source: string;
  /** Target rows; labels in them are ignored unless the table is `labelled`. */
  readonly unlabelled: string;
  readonly labelled?: string;
  /** How the target's tables are to be read. */
  readonly reading?: BindOptions;
  /**
   * Survey that describes the target's tables, where their columns are not the network's: a name in `datasets/`, or a path.
   * Its fields are matched to the network's by name, else by pivot and width.
   */
  readonly survey?: string;
  readonly recipe: TrainingRecipe;
  /** Run folder. */
  readonly out: string;
}

/** The run that an adaptation begins, and the tables of it. */
export interface AdaptationStart {
  readonly source: Checkpoint;
  readonly start: Checkpoint;
  readonly tables: readonly TrainingTable[];
}

/** Reads an adaptation's tables. @throws UserError as {@link pretrain}. */
export async function beginAdaptation(request: AdaptRequest): Promise<AdaptationStart> {
  const { init, recipe, out, reading, labelled } = request;
  claimRunFolder(out);
  const source = loadCheckpoint(init);
  const own = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const wishes: TableWish[] = [
    { path: request.source, role: "source", observation: observationWish(recipe, source.config.data) },
    { path: request.unlabelled, role: "unlabelled", reading, own },
    ...(labelled === undefined ? [] : [{ path: labelled, role: "labelled" as const, reading, own }]),
  ];
  const tables = await readTables(wishes, source.config.survey, request);
  const data = tables.map(({ record }) => record);
  const { tiles: _others, ...bare } = source; // those of another target
  return {
    source,
    start: restart(bare, recipe, { isCalibrated: true, freeze: [], adapt: recipe.adapt, data }),
    tables,
  };
}

/**
 * Moves a network to a target survey by training it on: zero-points are fitted, or with noise factors learned from its photometry
 * together with the network, while the source is replayed. Returns the adapted checkpoint.
 * @throws UserError as {@link pretrain}.
 */
export async function trainAdaptation(
  setting: RunSetting,
  folder: string,
  { start, tables }: Pick<AdaptationStart, "start" | "tables">,
): Promise<Checkpoint> {
  const fitted = await withFittedZeroPoints(start, tables, folder, setting.reporter ?? silent);
  return trainOn(setting, folder, fitted, tables);
}
