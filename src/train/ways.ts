/** Ways to make a network of a survey: from one that simulations taught, or from the survey's labels alone. */
import type { Engine } from "../engine/contract.ts";
import { createLayout, initialise, parameterIn } from "../model/parameters.ts";
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
import { correctRows, correctTemplates } from "./spectral-correction.ts";
import type { Instrument } from "./zero-points.ts";

/** What there is to learn a survey from. */
export interface Lessons {
  readonly engine: Engine;
  /** What simulations taught. */
  readonly source: Checkpoint;
  /** What the target's photometry says of its zero-points, and of the models' spectra. */
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

/** Networks that were made before, which others are made from. */
type Made = Partial<Readonly<Record<"instrument" | "replayed" | "allWeights", Checkpoint>>>;

/** One way. */
interface Way {
  readonly title: string;
  /** Labels have no say in it: it is made once. */
  readonly isUnlabelled?: boolean;
  /** Undefined where there is nothing to make it from. */
  make(this: void, lessons: Lessons, made: Made): Promise<Checkpoint | undefined> | Checkpoint | undefined;
}

/** Fewer labels than this to train on, or to stop by, teach no network. */
const FEWEST_LABELS = 20;
const NONE = new Int32Array(0);
/** Parameters that see photometry; the rest are heads. */
const TRUNK = ["embed.*", "layer*"];

const isTaught = ({ train: rows, validation }: Lessons): boolean =>
  rows.length >= FEWEST_LABELS && validation.length >= FEWEST_LABELS / 2;

/** The network with zero-points put into its instrument layer, and the spectra of the galaxies that it carries corrected. */
function withInstrument(source: Checkpoint, { zeroPoints, correction }: Instrument): Checkpoint {
  const average = source.state.average.slice();
  const lnFlux = parameterIn(average, source.layout, "calibration.lnFlux");
  zeroPoints.forEach((one, i) => (lnFlux[i] = one.lnFlux));
  const { recalibration: _old, templates, ...rest } = source;
  const coder = coderOf(source.config, templates);
  const carried = templates === undefined ? {} : { templates: correctTemplates(coder, templates, correction) };
  return { ...rest, ...carried, config: { ...source.config, isCalibrated: true }, state: initialState(average) };
}

/** Some rows of a catalogue as a source. */
function rowsOf(catalog: Catalog, rows: Int32Array, weight: number, isCalibrated: boolean): RowSource[] {
  const labelled = labelledRows(catalog, rows);
  return rows.length === 0 || weight === 0
    ? []
    : [{ store: catalogStore(catalog), rows, labelled, weight, isCalibrated }];
}

/** Trains in memory, from `start`; ends with the averaged weights of the lowest validation loss. */
async function taught(lessons: Lessons, start: Checkpoint, freeze: readonly string[]): Promise<Checkpoint> {
  const { engine, recipe, catalog, bare, replay, onStep = () => {}, signal } = lessons;
  const { optimiser, subsets, training, adapt } = recipe;
  const { isCalibrated } = start.config;
  const { best: _best, ...config } = start.config;
  const from: Checkpoint = {
    ...start,
    config: { ...config, optimiser, subsets, training, step: 0 },
    state: initialState(start.state.average.slice()),
  };
  const coder = coderOf(from.config, from.templates);
  const { correction } = lessons.instrument;
  const rates = freezeRates(start.layout, [...freeze, "calibration.*"])!;
  const state = await train(
    {
      engine,
      coder,
      sources: [
        ...rowsOf(catalog, lessons.train, adapt.labelled, isCalibrated),
        ...rowsOf(bare, lessons.unlabelled, isCalibrated ? adapt.unlabelled : 0, isCalibrated),
        ...(replay === undefined || !isCalibrated || adapt.replay === 0
          ? []
          : [
              {
                ...replay,
                store: correctRows(coder, replay.store, correction),
                weight: adapt.replay,
                isCalibrated: false,
              },
            ]),
      ],
      validation: rowsOf(catalog, lessons.validation, 1, isCalibrated),
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

/** A new network of the same shape, but for the galaxies it carries: these are simulations' too. */
function untaught({ source, catalog, train: rows, recipe }: Lessons): Checkpoint {
  const { recalibration: _r, population: _p, templates: _t, ...rest } = source;
  const { best: _best, ...old } = source.config;
  const standardisation = fitStandardisation(catalog, rows) as CheckpointConfig["standardisation"];
  const model = { ...old.model, nTemplate: 0, neighbourhood: 1 };
  const config = { ...old, standardisation, model, isCalibrated: false, step: 0 };
  const layout = createLayout(parameterSpecs(model, coderOf(config)));
  const params = initialise(layout, createRng(`${recipe.training.seed}:scratch`));
  return { ...rest, config, layout, state: initialState(params) };
}

const table = {
  zeroShot: { title: "zero-shot", make: ({ source }) => source },
  instrument: {
    title: "zero-points and spectra",
    isUnlabelled: true,
    make: ({ source, instrument }) => withInstrument(source, instrument),
  },
  replayed: {
    title: "corrected simulations",
    isUnlabelled: true,
    make: (lessons, { instrument }) =>
      lessons.replay === undefined ? undefined : taught({ ...lessons, train: NONE, validation: NONE }, instrument!, []),
  },
  allWeights: {
    title: "all weights",
    make: (lessons, { instrument, replayed = instrument }) =>
      isTaught(lessons) ? taught(lessons, replayed!, []) : undefined,
  },
  frozenTrunk: {
    title: "frozen trunk",
    make: (lessons, { instrument, replayed = instrument }) =>
      isTaught(lessons) ? taught(lessons, replayed!, TRUNK) : undefined,
  },
  averaged: {
    // Wortsman et al. 2022, arXiv:2109.01903: between the network before and after, robust where labels are few
    title: "mean of weights",
    make: (_, { instrument, replayed = instrument, allWeights }) => {
      if (replayed === undefined || allWeights === undefined) return undefined;
      const after = allWeights.state.average;
      const average = replayed.state.average.map((before, i) => 0.5 * (before + after[i]));
      return { ...allWeights, state: initialState(average) };
    },
  },
  scratch: {
    title: "from scratch",
    make: (lessons) => (isTaught(lessons) ? taught(lessons, untaught(lessons), []) : undefined),
  },
} satisfies Record<string, Way>;

export type WayName = keyof typeof table;
/** Every way, in the order in which they are made. */
export const ways: Readonly<Record<WayName, Way>> = table;
export const wayNames = Object.keys(table) as readonly WayName[];

/** Most questions that recalibrate a network here: its labels are few. */
const QUESTIONS = 2000;

/** The network with its answers recalibrated by the validation rows; as it is where these are too few. */
export async function recalibrated(lessons: Lessons, made: Checkpoint): Promise<Checkpoint> {
  const { isCalibrated } = made.config;
  const sources = rowsOf(lessons.catalog, lessons.validation, 1, isCalibrated);
  const recalibration = await recalibrate(lessons.engine, made, sources, { questions: QUESTIONS, distorted: 0 });
  return recalibration === undefined ? made : { ...made, recalibration };
}
