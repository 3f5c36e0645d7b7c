/** How a network is taught a survey, in memory: what there is to learn from, and for how long. */
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import type { Catalog } from "../survey/catalog.ts";
import { catalogStore, labelledRows, type RowSource } from "../tokens/batch.ts";
import { freezeRates } from "./adapt.ts";
import { atState, type Checkpoint, findCheckpoint, initialState, loadCheckpoint } from "./checkpoint.ts";
import { coderOf } from "./config.ts";
import { train } from "./loop.ts";
import { isFinished, loadRun, type RunOptions, runTraining } from "./run.ts";
import type { TrainingRecipe } from "./verbs.ts";
import { correctRows } from "./spectral-correction.ts";
import type { Instrument } from "./zero-points.ts";

/** What there is to learn a survey from. */
export interface Lessons {
  readonly engine: Engine;
  /** What simulations taught. */
  readonly source: Checkpoint;
  /** What the target's photometry, and the labels to train on, say of its zero-points, and of the models' spectra. */
  readonly instrument: Instrument;
  readonly recipe: Pick<TrainingRecipe, "adapt" | "optimiser" | "subsets" | "training">;
  /** Target rows with the network's fields, labels included ... */
  readonly catalog: Catalog;
  /** ... those whose photometry alone is looked at, in the same catalogue without labels ... */
  readonly bare: Catalog;
  readonly unlabelled: Int32Array;
  /** Column of what labels are of. */
  readonly column: number;
  /** ... those with labels to train on, and those that decide when training ends, and recalibrate. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /** Simulated galaxies to be replayed. */
  readonly replay?: Pick<RowSource, "store" | "rows" | "labelled"> | undefined;
  /** Where trainings are runs that go on where they stopped; default: in memory alone. */
  readonly folder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Step in progress, of so many. */
  readonly onStep?: (step: number, steps: number) => void;
}

/** Fewer labels than this to train on, or to stop by, teach no network. */
const FEWEST_LABELS = 20;

export const isTaught = ({ train: rows, validation }: Lessons): boolean =>
  rows.length >= FEWEST_LABELS && validation.length >= FEWEST_LABELS / 2;

/** Some rows of a catalogue as a source. */
export function rowsOf(catalog: Catalog, rows: Int32Array, weight: number, isCalibrated: boolean): RowSource[] {
  const labelled = labelledRows(catalog, rows);
  return rows.length === 0 || weight === 0
    ? []
    : [{ store: catalogStore(catalog), rows, labelled, weight, isCalibrated }];
}

/** How a network is trained. */
export interface Teaching {
  readonly sources: readonly RowSource[];
  readonly validation: readonly RowSource[];
  readonly recipe: Pick<TrainingRecipe, "optimiser" | "subsets" | "training">;
  /** Patterns of parameters that stay. */
  readonly freeze?: readonly string[];
  /** Weight of how far target rows are from simulated ones in the network's state; see `alignment.ts`. */
  readonly alignment?: number;
}

/**
 * Trains from `start`; ends with the averaged weights of the lowest validation loss, the last ones without validation.
 * @throws UserError when a run in a folder is interrupted, or that folder can't be written.
 */
export async function trained(lessons: Lessons, start: Checkpoint, how: Teaching): Promise<Checkpoint> {
  const { engine, onStep = () => {}, signal, folder } = lessons;
  const { optimiser, subsets, training } = how.recipe;
  const { best: _best, ...config } = start.config;
  const { recalibration: _old, ...bare } = start;
  const from: Checkpoint = {
    ...bare,
    config: { ...config, optimiser, subsets, training, step: 0 },
    state: initialState(start.state.average.slice()),
  };
  const rates = freezeRates(start.layout, [...(how.freeze ?? []), "calibration.*"])!;
  const options = {
    engine,
    coder: coderOf(from.config, from.templates),
    sources: how.sources,
    validation: how.validation,
    alignment: how.alignment ?? 0,
    phaseAt: () => ({ rateScale: rates, subsets }),
    ...(signal === undefined ? {} : { signal }),
    onProgress: ({ step, steps }: { readonly step: number; readonly steps: number }) => onStep(step, steps),
  };
  if (folder !== undefined) return trainedIn(folder, options, from);
  const state = await train({ ...options, onCheckpoint: () => {} }, from);
  const { best } = state;
  return atState(from, best === undefined ? state : { ...state, average: best.average });
}

/** The same as a run in a folder: what it has done is not done again. */
async function trainedIn(
  folder: string,
  options: Omit<RunOptions, "folder" | "finalFiles">,
  from: Checkpoint,
): Promise<Checkpoint> {
  if (isFinished(folder)) return { ...from, ...loadCheckpoint(folder) };
  const start = findCheckpoint(folder) === undefined ? from : { ...from, ...loadRun(folder) };
  const finalFiles = (): Promise<Record<string, never>> => Promise.resolve({});
  const { state, isInterrupted } = await runTraining({ ...options, folder, finalFiles }, start);
  if (isInterrupted) throw new UserError(`${folder}: stopped at step ${state.step}`);
  return atState(from, state);
}

/** Simulated galaxies as the target would have them but for its zero-points. */
export function replayOf({ replay, instrument }: Lessons, start: Checkpoint, weight: number): RowSource[] {
  if (replay === undefined || weight === 0) return [];
  const store = correctRows(coderOf(start.config, start.templates), replay.store, instrument.correction);
  return [{ ...replay, store, weight, isCalibrated: false }];
}

/**
 * Times that labels are gone through; fewest steps, unless that would be more than so many times: of a network that knows the
 * models, and of one that knows nothing.
 */
const PACES = {
  taught: { epochs: 40, fewest: 200, most: 80 },
  untaught: { epochs: 40, fewest: 400, most: Infinity },
  /** Without labels that say when it is best: as short as that is on average. */
  unwatched: { epochs: 20, fewest: 100, most: 40 },
} as const;
/** Labels from which on what is not labelled counts for less: as if it were so many. */
const FEW = 300;
/** Steps where there is no label. */
const UNLABELLED_STEPS = 300;

/** The recipe with steps by the number of labels: few are learned by heart. */
function paced({ recipe, train: rows }: Lessons, pace: keyof typeof PACES): Teaching["recipe"] {
  const { optimiser, subsets, training } = recipe;
  const { epochs, fewest, most } = PACES[pace];
  const stepsOf = (times: number): number => Math.ceil((times * rows.length) / training.batch);
  const wanted = Math.max(stepsOf(epochs), Math.min(fewest, stepsOf(most)));
  const steps = Math.min(training.steps, rows.length === 0 ? UNLABELLED_STEPS : wanted);
  const validateEvery = Math.max(1, Math.min(training.validateEvery, Math.floor(steps / 12)));
  return { optimiser, subsets, training: { ...training, steps, validateEvery } };
}

/** Weight of target rows without labels where their states are held against simulated ones. */
const ALIGNED = 1;
/** Labels from which on a part of them says when a network is best: one that stopped where it is best on few seems better than it is. */
const MANY_LABELS = 2500;

/** Fits a network to labels; one that knows the models sees them and the target's photometry beside. */
export function fitted(
  lessons: Lessons,
  start: Checkpoint,
  how: Pick<Teaching, "freeze" | "alignment"> = {},
): Promise<Checkpoint> {
  const { catalog, bare, recipe, train: rows, unlabelled } = lessons;
  const { isCalibrated } = start.config;
  const { adapt } = recipe;
  const isWatched = lessons.validation.length > 0 && (!isCalibrated || rows.length > MANY_LABELS);
  const pace = isCalibrated ? "taught" : "untaught";
  const beside = isCalibrated ? Math.min(1, FEW / rows.length) : 0;
  const photometry = rowsOf(bare, unlabelled, beside * adapt.unlabelled, isCalibrated);
  return trained(lessons, start, {
    sources: [
      ...rowsOf(catalog, rows, adapt.labelled, isCalibrated),
      // given all bands, too, where states are held against each other
      ...photometry.map((one) => (how.alignment === undefined ? one : { ...one, labelled: one.rows, weight: ALIGNED })),
      ...replayOf(lessons, start, beside * adapt.replay),
    ],
    validation: isWatched ? rowsOf(catalog, lessons.validation, 1, isCalibrated) : [],
    recipe: paced(lessons, isWatched ? pace : "unwatched"),
    ...how,
  });
}
