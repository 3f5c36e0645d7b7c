import { quantile } from "../report/statistics.ts";
import type { Rng } from "../random.ts";
import { leastWidth, TAIL_STRETCH, TAIL_WEIGHT, type TrainingSet } from "./baseline-labels.ts";
import { holdOutParents } from "./baseline-neighbours.ts";
import {
  type FittedTrees,
  type Binned,
  binEdges,
  binRows,
  type Grown,
  growTree,
  LEAF_PENALTY,
  leafOf,
  type Shape,
  SHAPES,
  type Splits,
} from "./baseline-tree.ts";
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";

/** Quantiles of an answer: the middles of as many equally probable intervals. */
const COUNT = 16;
const LEVELS = Array.from({ length: COUNT }, (_, k) => (k + 0.5) / COUNT);
/** Rounds go through the levels in steps of this, so that neighbours do not follow each other. */
const STRIDE = 5;
const MOST_TREES = 300;
/** Trees without progress on the held-out part before boosting stops. */
const PATIENCE = 30;
/** The quantiles whose distance is set right on the held-out part, and what lies between them. */
const [LOWER, UPPER] = [2, COUNT - 3];
const BETWEEN = LEVELS[UPPER] - LEVELS[LOWER];

interface Tree {
  readonly splits: Splits;
  /** [leaf, COUNT] */
  readonly leaf: Float64Array;
}

/**
 * Gradient boosting for quantiles: one series of trees for 16 of them. A leaf adds to each quantile that of the residuals in it
 * (Friedman 2001, algorithm 3, for the pinball loss of Koenker & Bassett 1978); splits serve the middle (squared loss) and
 * one level's pinball gradient in turn. A part held out by parent says when to stop, how far quantiles lie apart (conformal:
 * Romano, Patterson & Candes 2019) and, where `isTuned`, the shape of the trees. Quantiles are put in order (Chernozhukov et
 * al. 2010).
 */
export function fitQuantileTrees(train: TrainingSet, n: number, rng: Rng, isTuned: boolean): FittedTrees {
  const edges = binEdges(train.x, n, train.featureCount);
  const data = binRows(train.x, n, edges);
  const split = holdOutParents(n, train.parent, rng, 0.15, n);
  const sorted = Float64Array.from(split.kept, (row) => train.y[row]).sort();
  const start = LEVELS.map((level) => quantile(sorted, level));
  const boosted = SHAPES.slice(0, isTuned ? SHAPES.length : 1).map((shape) =>
    boost(data, train.y, start, split, shape, rng),
  );
  const { trees, loss, shape } = boosted.reduce((a, b) => (b.loss < a.loss ? b : a));
  const floor = leastWidth(train.y);
  const known = stretched(sumTrees(trees, data, start), 1);
  const stretch = split.held.length > 1 ? stretchOf(known, train.y, split.held, floor) : 1;
  return {
    chosen: { trees: trees.length, depth: shape.depth, heldOutLoss: loss, stretch },
    predict: (x, count) => smooth(stretched(sumTrees(trees, binRows(x, count, edges), start), stretch), count, floor),
  };
}

/** Trees of one shape, as many as the held-out part likes best. */
function boost(
  data: Binned,
  y: Float32Array,
  start: readonly number[],
  { held, kept }: { readonly held: readonly number[]; readonly kept: readonly number[] },
  shape: Shape,
  rng: Rng,
): { readonly trees: readonly Tree[]; readonly loss: number; readonly shape: Shape } {
  const score = repeat(start, data.n);
  const trees: Tree[] = [];
  let best = { loss: pinball(y, score, held), count: 0 };
  const middle = COUNT >> 1;
  while (trees.length < MOST_TREES && trees.length - best.count < PATIENCE) {
    const round = trees.length;
    const k = (STRIDE * (round >> 1)) % COUNT;
    const ofMiddle = (row: number): number =>
      y[row] - 0.5 * (score[row * COUNT + middle - 1] + score[row * COUNT + middle]);
    const ofLevel = (row: number): number => LEVELS[k] - Number(y[row] < score[row * COUNT + k]);
    const grown = growTree(data, shape.depth, round % 2 === 0 ? ofMiddle : ofLevel, kept, rng);
    const tree = { splits: grown.splits, leaf: leafQuantiles(grown, y, score, shape) };
    trees.push(tree);
    addTree(tree, data, score);
    const loss = pinball(y, score, held);
    if (loss < best.loss) best = { loss, count: trees.length };
  }
  return { trees: trees.slice(0, best.count), loss: best.loss, shape };
}

/** [leaf, COUNT] What every leaf adds to the quantiles. */
function leafQuantiles(
  { rows, leaf }: Grown,
  y: Float32Array,
  score: Float64Array,
  { depth, rate }: Shape,
): Float64Array {
  const members: number[][] = Array.from({ length: 1 << depth }, () => []);
  leaf.forEach((at, i) => members[at].push(rows[i]));
  const out = new Float64Array(members.length * COUNT);
  members.forEach((own, at) => {
    if (own.length === 0) return;
    const step = (rate * own.length) / (own.length + LEAF_PENALTY);
    const residual = new Float64Array(own.length);
    LEVELS.forEach((level, k) => {
      own.forEach((row, i) => (residual[i] = y[row] - score[row * COUNT + k]));
      out[at * COUNT + k] = step * quantile(residual.sort(), level);
    });
  });
  return out;
}

const repeat = (start: readonly number[], n: number): Float64Array =>
  Float64Array.from({ length: n * COUNT }, (_, i) => start[i % COUNT]);

function addTree({ splits, leaf }: Tree, data: Binned, score: Float64Array): void {
  for (let row = 0; row < data.n; row++) {
    const from = leafOf(splits, data, row) * COUNT;
    for (let k = 0; k < COUNT; k++) score[row * COUNT + k] += leaf[from + k];
  }
}

/** [n, COUNT] */
function sumTrees(trees: readonly Tree[], data: Binned, start: readonly number[]): Float64Array {
  const score = repeat(start, data.n);
  for (const tree of trees) addTree(tree, data, score);
  return score;
}

/** Mean pinball loss over levels and rows: half the CRPS, as well as so many quantiles tell it. */
function pinball(y: Float32Array, score: Float64Array, rows: readonly number[]): number {
  let sum = 0;
  for (const row of rows) {
    for (let k = 0; k < COUNT; k++) {
      const off = y[row] - score[row * COUNT + k];
      sum += off * (off > 0 ? LEVELS[k] : LEVELS[k] - 1);
    }
  }
  return sum / Math.max(1, rows.length * COUNT);
}

/** How far quantiles have to move apart for the held-out rows to lie between two of them as often as they should. */
function stretchOf(known: Float64Array, y: Float32Array, held: readonly number[], floor: number): number {
  const off = held.map((row) => {
    const own = known.subarray(row * COUNT, (row + 1) * COUNT);
    return Math.abs(y[row] - middleOf(own)) / Math.max(0.5 * (own[UPPER] - own[LOWER]), floor);
  });
  return Math.max(0.1, quantile(Float64Array.from(off).sort(), BETWEEN));
}

const middleOf = (own: Float64Array): number => 0.5 * (own[(COUNT >> 1) - 1] + own[COUNT >> 1]);

/** Quantiles of every row in order, moved apart about their middle. */
function stretched(score: Float64Array, factor: number): Float64Array {
  const out = score.slice();
  for (let from = 0; from < out.length; from += COUNT) {
    const own = out.subarray(from, from + COUNT).sort();
    const middle = middleOf(own);
    for (let k = 0; k < COUNT; k++) own[k] = middle + factor * (own[k] - middle);
  }
  return out;
}

/** A Gaussian on every quantile, as wide as its neighbours are away, and one wide for the tails: [n, COUNT + 1] components. */
function smooth(score: Float64Array, n: number, floor: number): Distribution {
  const size = COUNT + 1;
  const mean = new Float64Array(n * size);
  const sigma = new Float64Array(n * size);
  const weight = Float64Array.from({ length: n * size }, (_, i) =>
    i % size === COUNT ? TAIL_WEIGHT : (1 - TAIL_WEIGHT) / COUNT,
  );
  for (let i = 0; i < n; i++) {
    const own = score.subarray(i * COUNT, (i + 1) * COUNT);
    for (let k = 0; k < COUNT; k++) {
      const [below, above] = [Math.max(0, k - 1), Math.min(COUNT - 1, k + 1)];
      mean[i * size + k] = own[k];
      sigma[i * size + k] = Math.max((0.7 * (own[above] - own[below])) / (above - below), floor);
    }
    mean[i * size + COUNT] = middleOf(own);
    // half of what lies between the outer quantiles is about 1.9 sigma
    sigma[i * size + COUNT] = Math.max((TAIL_STRETCH * (own[COUNT - 1] - own[0])) / 3.7, floor);
  }
  return mixtureDistribution({ rowCount: n, componentCount: size, stride: size, weight, mean, sigma });
}
