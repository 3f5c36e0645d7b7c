/** Ways to make a network of a survey: from one that simulations taught, or from the survey's labels alone. */
import type { Engine } from "../engine/contract.ts";
import { createLayout, initialise } from "../model/parameters.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { catalogStore, labelledRows, type RowSource } from "../tokens/batch.ts";
import { fitStandardisation } from "../tokens/standardise.ts";
import { freezeRates } from "./adapt.ts";
import { atState, type Checkpoint, initialState } from "./checkpoint.ts";
import { type CheckpointConfig, coderOf } from "./config.ts";
import { train } from "./loop.ts";
import { recalibrate } from "./recalibrate.ts";
import type { TrainingRecipe } from "./verbs.ts";
import { withInstrument, withZeroPoints } from "./instrument-layer.ts";
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
  /** ... those with labels to train on, and those that decide when training ends, and recalibrate. */
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /** Simulated galaxies to be replayed. */
  readonly replay?: Pick<RowSource, "store" | "rows" | "labelled"> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Step in progress, of so many. */
  readonly onStep?: (step: number, steps: number) => void;
}

/** A network that was made, and networks that answer for it about labels that it has seen: each did not see its `rows`. */
export interface Taught {
  readonly network: Checkpoint;
  readonly witnesses?: readonly { readonly network: Checkpoint; readonly rows: Int32Array }[];
}

/** Networks that were made before, which others are made from. */
type Made = Partial<Readonly<Record<"instrument" | "retaught" | "allWeights" | "folds", Checkpoint>>>;

/** One way. */
interface Way {
  readonly title: string;
  /** Labels have a say in it only by the instrument: another cell with the same one has the same network. */
  readonly isUnlabelled?: boolean;
  /** Not even recalibrated. */
  readonly isAsItWas?: boolean;
  /** Undefined where there is nothing to make it from. */
  make(this: void, lessons: Lessons, made: Made): Promise<Taught | undefined> | Taught | undefined;
}

/** Fewer labels than this to train on, or to stop by, teach no network. */
const FEWEST_LABELS = 20;
/** Parameters that see photometry; the rest are heads. */
const TRUNK = ["embed.*", "layer*"];

const isTaught = ({ train: rows, validation }: Lessons): boolean =>
  rows.length >= FEWEST_LABELS && validation.length >= FEWEST_LABELS / 2;

/** Some rows of a catalogue as a source. */
function rowsOf(catalog: Catalog, rows: Int32Array, weight: number, isCalibrated: boolean): RowSource[] {
  const labelled = labelledRows(catalog, rows);
  return rows.length === 0 || weight === 0
    ? []
    : [{ store: catalogStore(catalog), rows, labelled, weight, isCalibrated }];
}

/** How a network is trained in memory. */
interface Teaching {
  readonly sources: readonly RowSource[];
  readonly validation: readonly RowSource[];
  readonly recipe: Pick<TrainingRecipe, "optimiser" | "subsets" | "training">;
  /** Patterns of parameters that stay. */
  readonly freeze?: readonly string[];
}

/** Trains from `start`; ends with the averaged weights of the lowest validation loss, the last ones without validation. */
async function trained(
  { engine, onStep = () => {}, signal }: Lessons,
  start: Checkpoint,
  how: Teaching,
): Promise<Checkpoint> {
  const { optimiser, subsets, training } = how.recipe;
  const { best: _best, ...config } = start.config;
  const from: Checkpoint = {
    ...start,
    config: { ...config, optimiser, subsets, training, step: 0 },
    state: initialState(start.state.average.slice()),
  };
  const rates = freezeRates(start.layout, [...(how.freeze ?? []), "calibration.*"])!;
  const state = await train(
    {
      engine,
      coder: coderOf(from.config, from.templates),
      sources: how.sources,
      validation: how.validation,
      phaseAt: () => ({ rateScale: rates, subsets }),
      ...(signal === undefined ? {} : { signal }),
      onProgress: ({ step, steps }) => onStep(step, steps),
      onCheckpoint: () => {},
    },
    from,
  );
  const { best } = state;
  return atState(from, best === undefined ? state : { ...state, average: best.average });
}

/** Simulated galaxies as the target would have them but for its zero-points. */
function replayOf({ replay, instrument }: Lessons, start: Checkpoint, weight: number): RowSource[] {
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

/** The recipe with steps by the number of labels: few are learned by heart. */
function paced({ recipe, train: rows }: Lessons, pace: keyof typeof PACES): Teaching["recipe"] {
  const { optimiser, subsets, training } = recipe;
  const { epochs, fewest, most } = PACES[pace];
  const stepsOf = (times: number): number => Math.ceil((times * rows.length) / training.batch);
  const steps = Math.min(training.steps, Math.max(stepsOf(epochs), Math.min(fewest, stepsOf(most))));
  const validateEvery = Math.max(1, Math.min(training.validateEvery, Math.floor(steps / 12)));
  return { optimiser, subsets, training: { ...training, steps, validateEvery } };
}

/** Labels from which on a part of them says when a network is best: one that stopped where it is best on few seems better than it is. */
const MANY_LABELS = 2500;

/** Fits a network to labels; one that knows the models sees them and the target's photometry beside. */
function fitted(lessons: Lessons, start: Checkpoint, freeze: readonly string[]): Promise<Checkpoint> {
  const { catalog, bare, recipe, train: rows } = lessons;
  const { isCalibrated } = start.config;
  const { adapt } = recipe;
  const isWatched = lessons.validation.length > 0 && (!isCalibrated || rows.length > MANY_LABELS);
  const pace = isCalibrated ? "taught" : "untaught";
  const beside = isCalibrated ? Math.min(1, FEW / rows.length) : 0;
  return trained(lessons, start, {
    sources: [
      ...rowsOf(catalog, rows, adapt.labelled, isCalibrated),
      ...rowsOf(bare, lessons.unlabelled, beside * adapt.unlabelled, isCalibrated),
      ...replayOf(lessons, start, beside * adapt.replay),
    ],
    validation: isWatched ? rowsOf(catalog, lessons.validation, 1, isCalibrated) : [],
    recipe: paced(lessons, isWatched ? pace : "unwatched"),
    freeze,
  });
}

const NONE = new Int32Array(0);
/** Parts of the labels. */
const FOLDS = 5;

/**
 * Networks that begin alike and do without another fifth of all labels each, averaged weight by weight: of few labels each
 * learns something else by heart (Wortsman et al. 2022, ICML 162, 23965), and none is held out from all.
 */
async function folds(lessons: Lessons, start: Checkpoint): Promise<Taught | undefined> {
  const { recipe } = lessons;
  const labels = Int32Array.from([...lessons.validation, ...lessons.train]);
  if (!isTaught(lessons)) return undefined;
  const sum = new Float32Array(start.state.average.length);
  const witnesses: { network: Checkpoint; rows: Int32Array }[] = [];
  for (let fold = 0; fold < FOLDS; fold++) {
    const [rows, others] = [true, false].map((isOut) => labels.filter((_, i) => (i % FOLDS === fold) === isOut));
    const training = { ...recipe.training, seed: `${recipe.training.seed}:fold${fold}` };
    // what is held out only judges
    const own = { ...lessons, train: others, validation: NONE, recipe: { ...recipe, training } };
    const network = await fitted(own, start, []);
    for (let i = 0; i < sum.length; i++) sum[i] += network.state.average[i] / FOLDS;
    witnesses.push({ network, rows });
  }
  return { network: { ...witnesses[0].network, state: initialState(sum) }, witnesses };
}

/** Wortsman et al. 2022, arXiv:2109.01903: between the network before and after, robust where labels are few. */
const between = (before: Checkpoint, after: Checkpoint): Checkpoint => ({
  ...after,
  state: initialState(before.state.average.map((weight, i) => 0.5 * (weight + after.state.average[i]))),
});

/** The same way, of a network alone. */
const alone = (network: Checkpoint | undefined): Taught | undefined => network && { network };

/** A new network of the same shape, but for the galaxies it carries: those are simulations' too. */
function untaught(
  { source, recipe }: Lessons,
  standardisation: CheckpointConfig["standardisation"],
  isCalibrated: boolean,
): Checkpoint {
  const { recalibration: _r, population: _p, templates: _t, ...rest } = source;
  const { best: _best, ...old } = source.config;
  const model = { ...old.model, nTemplate: 0, neighbourhood: 1 };
  const config = { ...old, standardisation, model, isCalibrated, step: 0 };
  const layout = createLayout(parameterSpecs(model, coderOf(config)));
  const params = initialise(layout, createRng(`${recipe.training.seed}:scratch`));
  return { ...rest, config, layout, state: initialState(params) };
}

/**
 * A network without carried galaxies that learns the corrected simulations as the source learned its own: carried galaxies
 * answer for it, and hold to what the models say (zCOSMOS without labels: .022 instead of .026, CHANGELOG 0.9.0).
 */
async function retaught(lessons: Lessons): Promise<Checkpoint | undefined> {
  const { source, instrument } = lessons;
  if (lessons.replay === undefined) return undefined;
  const { optimiser, subsets, training } = source.config;
  const start = untaught(lessons, source.config.standardisation, true);
  const zeroed = withZeroPoints(start, instrument);
  return trained(lessons, zeroed, {
    sources: replayOf(lessons, start, 1),
    validation: [],
    recipe: { optimiser, subsets, training: { ...training, seed: lessons.recipe.training.seed } },
  });
}

const table = {
  zeroShot: { title: "zero-shot", isAsItWas: true, make: ({ source }) => alone(source) },
  instrument: {
    title: "zero-points and spectra",
    isUnlabelled: true,
    make: ({ source, instrument }) => alone(withInstrument(source, instrument)),
  },
  retaught: {
    title: "taught anew on corrected simulations",
    isUnlabelled: true,
    make: async (lessons) => alone(await retaught(lessons)),
  },
  allWeights: {
    title: "all weights",
    make: async (lessons, { instrument, retaught: start = instrument }) =>
      isTaught(lessons) ? alone(await fitted(lessons, start!, [])) : undefined,
  },
  folds: {
    title: "mean of five",
    make: (lessons, { instrument, retaught: start = instrument }) => folds(lessons, start!),
  },
  frozenTrunk: {
    title: "frozen trunk",
    make: async (lessons, { instrument, retaught: start = instrument }) =>
      isTaught(lessons) ? alone(await fitted(lessons, start!, TRUNK)) : undefined,
  },
  averaged: {
    title: "half way",
    make: (_, { instrument, retaught: before = instrument, allWeights: after }) =>
      before === undefined || after === undefined ? undefined : alone(between(before, after)),
  },
  scratch: {
    title: "from scratch",
    make: async (lessons) => {
      if (!isTaught(lessons)) return undefined;
      const own = fitStandardisation(lessons.catalog, lessons.train) as CheckpointConfig["standardisation"];
      return alone(await fitted(lessons, untaught(lessons, own, false), []));
    },
  },
} satisfies Record<string, Way>;

export type WayName = keyof typeof table;
/** Every way, in the order in which they are made. */
export const ways: Readonly<Record<WayName, Way>> = table;
export const wayNames = Object.keys(table) as readonly WayName[];

/** Most questions that recalibrate a network here: its labels are few. */
const QUESTIONS = 2000;

/** The network with its answers recalibrated by rows that its witnesses did not see; as it is where these are too few. */
export async function recalibrated(
  { engine, catalog }: Lessons,
  network: Checkpoint,
  witnesses: NonNullable<Taught["witnesses"]>,
): Promise<Checkpoint> {
  const asked = witnesses.map((one) => ({
    network: one.network,
    sources: rowsOf(catalog, one.rows, 1, one.network.config.isCalibrated),
  }));
  const sources = asked.flatMap((one) => one.sources);
  const options = { questions: QUESTIONS, distorted: 0 };
  const recalibration = await recalibrate(engine, network, sources, options, asked);
  return recalibration === undefined ? network : { ...network, recalibration };
}
