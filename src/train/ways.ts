/** Ways to make a network of a survey: from one that simulations taught, or from the survey's labels alone. */
import { createLayout, initialise } from "../model/parameters.ts";
import { parameterSpecs } from "../model/transformer.ts";
import { createRng } from "../random.ts";
import { fitStandardisation } from "../tokens/standardise.ts";
import { type Checkpoint, initialState } from "./checkpoint.ts";
import { type CheckpointConfig, coderOf } from "./config.ts";
import { withInstrument, withZeroPoints } from "./instrument-layer.ts";
import { besideAdapters, RANK, withAdapters, withoutAdapters } from "./low-rank.ts";
import { recalibrate } from "./recalibrate.ts";
import { reweightedReplay } from "./reweighted-replay.ts";
import { fitted, isTaught, type Lessons, replayOf, rowsOf, trained } from "./teaching.ts";

/** A network that was made, and networks that answer for it about labels that it has seen: each did not see its `rows`. */
export interface Taught {
  readonly network: Checkpoint;
  readonly witnesses?: readonly { readonly network: Checkpoint; readonly rows: Int32Array }[];
}

/** What was made before, which others are made from. */
type Made = Partial<Readonly<Record<"instrument" | "retaught" | "allWeights" | "folds", Taught>>>;

/** One way. */
interface Way {
  readonly title: string;
  /** Labels have a say in it only by the instrument: another cell with the same one has the same network. */
  readonly isUnlabelled?: boolean;
  /** Not even recalibrated. */
  readonly isAsItWas?: boolean;
  /** Made only where it is asked for: it costs more than it gives. */
  readonly isExtra?: boolean;
  /** Answers under the distribution that the target's rows ask for, not under that of the simulations; never kept. */
  readonly isSwapped?: boolean;
  /** What it is made from, besides the instrument. */
  readonly from?: readonly (keyof Made)[];
  /** Undefined where there is nothing to make it from. */
  make(this: void, lessons: Lessons, made: Made): Promise<Taught | undefined> | Taught | undefined;
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
    const folder = lessons.folder === undefined ? undefined : `${lessons.folder}-${fold + 1}`;
    const own = { ...lessons, folder, train: others, validation: NONE, recipe: { ...recipe, training } };
    const network = await fitted(own, start);
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

/** What is fitted to labels: the network taught anew, else the corrected one. */
const startOf = ({ instrument, retaught: anew = instrument }: Made): Checkpoint => anew!.network;

/** Parameters that see photometry; the rest are heads. */
const TRUNK = ["embed.*", "layer*"];
/** Weight of the distance between simulated and real states [nats]. */
const ALIGNMENT = 1;

/** All weights, the replayed galaxies being like the target's; with `alignment` states, too. Without labels by simulations alone. */
async function reweighted(lessons: Lessons, start: Checkpoint, alignment?: number): Promise<Taught | undefined> {
  if (lessons.train.length > 0 && !isTaught(lessons)) return undefined;
  const known = await reweightedReplay(lessons, start);
  return known && alone(await fitted(known.lessons, start, alignment === undefined ? {} : { alignment }));
}

/** Adapters alone are fitted, and added to the matrices. */
async function lowRank(lessons: Lessons, start: Checkpoint): Promise<Checkpoint> {
  // in memory alone: a checkpoint on disk has no adapters
  const own = { ...lessons, folder: undefined };
  const wide = withAdapters(start, RANK, createRng(`${lessons.recipe.training.seed}:adapters`));
  return withoutAdapters(await fitted(own, wide, { freeze: besideAdapters(wide) }));
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
    from: ["retaught"],
    make: async (lessons, made) => (isTaught(lessons) ? alone(await fitted(lessons, startOf(made))) : undefined),
  },
  folds: { title: "mean of five", from: ["retaught"], make: (lessons, made) => folds(lessons, startOf(made)) },
  foldsCarried: {
    title: "mean of five, galaxies carried",
    // the same as the above where none was taught anew
    make: (lessons, { instrument, retaught: anew }) =>
      anew === undefined ? undefined : folds(lessons, instrument!.network),
  },
  frozenTrunk: {
    title: "frozen trunk",
    from: ["retaught"],
    make: async (lessons, made) =>
      isTaught(lessons) ? alone(await fitted(lessons, startOf(made), { freeze: TRUNK })) : undefined,
  },
  averaged: {
    title: "half way",
    from: ["retaught", "allWeights"],
    make: (_, { allWeights: after, ...made }) => after && alone(between(startOf(made), after.network)),
  },
  scratch: {
    title: "from scratch",
    make: async (lessons) => {
      if (!isTaught(lessons)) return undefined;
      const own = fitStandardisation(lessons.catalog, lessons.train) as CheckpointConfig["standardisation"];
      return alone(await fitted(lessons, untaught(lessons, own, false)));
    },
  },
  lowRank: {
    title: "low-rank adapters",
    isExtra: true,
    from: ["retaught"],
    make: async (lessons, made) => (isTaught(lessons) ? alone(await lowRank(lessons, startOf(made))) : undefined),
  },
  reweighted: {
    title: "replay like the target",
    isExtra: true,
    from: ["retaught"],
    make: (lessons, made) => reweighted(lessons, startOf(made)),
  },
  aligned: {
    title: "states aligned",
    isExtra: true,
    from: ["retaught"],
    make: (lessons, made) => reweighted(lessons, startOf(made), ALIGNMENT),
  },
  priorSwap: {
    title: "mean of five under the target's distribution",
    isExtra: true,
    isSwapped: true,
    from: ["retaught", "folds"],
    make: (_, { folds: fivefold, retaught: anew, instrument }) => fivefold ?? anew ?? instrument,
  },
} satisfies Record<string, Way>;

export type WayName = keyof typeof table;
/** Every way, in the order in which they are made. */
export const ways: Readonly<Record<WayName, Way>> = table;
export const wayNames = Object.keys(table) as readonly WayName[];

/** Ways to be made, in their order: those wished, by default all that aren't extra, what they are made from, and what needs no training. */
export function waysToMake(
  wished: readonly WayName[] = wayNames.filter((name) => ways[name].isExtra !== true),
): WayName[] {
  const needed = new Set<WayName>(["zeroShot", "instrument", ...wished]);
  for (const name of wished) ways[name].from?.forEach((one) => needed.add(one));
  return wayNames.filter((name) => needed.has(name));
}

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
