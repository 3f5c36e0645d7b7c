import { shuffleInPlace } from "../random.ts";
import type { Rng } from "../random.ts";
import { type LabelKernels, TAIL_STRETCH, TAIL_WEIGHT, leastWidth, smoothedLabels } from "./baseline-labels.ts";
import { holdOutParents } from "./baseline-neighbours.ts";
import type { TrainingSet } from "./baseline-labels.ts";
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";

const BINS = 64;
const DEPTH = 5;
const LEAVES = 1 << DEPTH;
const MOST_TREES = 200;
/** Trees without progress on the held-out part before boosting stops. */
const PATIENCE = 20;
const RATE = 0.15;
const LEAF_PENALTY = 5;
const LEAST_IN_LEAF = 10;
const ROW_FRACTION = 0.6;
const FEATURE_FRACTION = 0.35;
/** A tree of one feature has no interactions. */
const LEAST_FEATURES = 8;
const RESIDUAL_COMPONENTS = 32;

/** A perfect binary tree: node i has children 2 i + 1 and 2 i + 2; feature -1 sends every row to the left. */
interface Tree {
  readonly feature: Int16Array;
  /** Rows whose bin is above it go to the right. */
  readonly bin: Uint8Array;
  readonly leaf: Float64Array;
}

interface Fit {
  predict(this: void, x: Float32Array, n: number): Distribution;
  readonly chosen: Readonly<Record<string, number>>;
}

/**
 * Gradient boosting of regression trees on binned features, squared loss (Friedman 2001, algorithm 2; 2002 for the
 * subsampling), stopped on a held-out part drawn by parent. The answer is the prediction plus the held-out part's own
 * residuals, smoothed, the same for every row.
 */
export function fitTrees(train: TrainingSet, n: number, rng: Rng): Fit {
  const p = train.featureCount;
  const edges = Array.from({ length: p }, (_, j) => binEdges(train.x, n, p, j));
  const bins = binRows(train.x, n, edges);
  const { held, kept } = holdOutParents(n, train.parent, rng, 0.15, n);
  const start = kept.reduce((sum, row) => sum + train.y[row], 0) / Math.max(1, kept.length);
  const score = new Float64Array(n).fill(start);
  const trees: Tree[] = [];
  let best = { loss: meanSquare(train.y, score, held), count: 0 };
  while (trees.length < MOST_TREES && trees.length - best.count < PATIENCE) {
    const tree = growTree(bins, n, p, train.y, score, kept, rng);
    trees.push(tree);
    addTree(tree, bins, n, score);
    const loss = meanSquare(train.y, score, held);
    if (loss < best.loss) best = { loss, count: trees.length };
  }
  const used = trees.slice(0, best.count);
  const final = sumTrees(used, bins, n, start);
  const judged = held.length > 1 ? held : kept;
  const residual = smoothedLabels(
    Float32Array.from(judged, (row) => train.y[row] - final[row]),
    RESIDUAL_COMPONENTS,
  );
  const floor = leastWidth(train.y);
  return {
    chosen: { trees: used.length, heldOutRms: Math.sqrt(best.loss) },
    predict: (x, count) => shift(residual, sumTrees(used, binRows(x, count, edges), count, start), floor),
  };
}

/** Up to 63 inner edges at equal fractions of the training rows. */
function binEdges(x: Float32Array, n: number, p: number, feature: number): Float32Array {
  const sorted = Float32Array.from({ length: n }, (_, r) => x[r * p + feature]).sort();
  const edges = new Set<number>();
  for (let b = 1; b < BINS; b++) edges.add(sorted[Math.floor((b * n) / BINS)]);
  return Float32Array.from(edges);
}

/** [n, p] values -> [p, n] bins: the number of edges at or below the value. */
function binRows(x: Float32Array, n: number, edges: readonly Float32Array[]): Uint8Array {
  const p = edges.length;
  const out = new Uint8Array(n * p);
  edges.forEach((edge, j) => {
    for (let r = 0; r < n; r++) {
      const value = x[r * p + j];
      let low = 0;
      let high = edge.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (edge[middle] <= value) low = middle + 1;
        else high = middle;
      }
      out[j * n + r] = low;
    }
  });
  return out;
}

function growTree(
  bins: Uint8Array,
  n: number,
  p: number,
  y: Float32Array,
  score: Float64Array,
  kept: readonly number[],
  rng: Rng,
): Tree {
  const rows = Int32Array.from(kept.filter(() => rng.uniform() < ROW_FRACTION));
  const features = Int32Array.from({ length: p }, (_, j) => j);
  shuffleInPlace(features, rng);
  const drawn = features.subarray(0, Math.max(LEAST_FEATURES, Math.ceil(FEATURE_FRACTION * p)));
  const gradient = Float64Array.from(rows, (row) => y[row] - score[row]);
  const node = new Int32Array(rows.length);
  const tree: Tree = {
    feature: new Int16Array(LEAVES - 1).fill(-1),
    bin: new Uint8Array(LEAVES - 1),
    leaf: new Float64Array(LEAVES),
  };
  for (let depth = 0; depth < DEPTH; depth++) {
    splitLevel(tree, depth, bins, n, drawn, rows, gradient, node);
    const first = (1 << depth) - 1;
    for (let i = 0; i < rows.length; i++) node[i] = 2 * node[i] + goesRight(tree, first + node[i], bins, n, rows[i]);
  }
  const count = new Float64Array(LEAVES);
  node.forEach((leaf, i) => {
    tree.leaf[leaf] += gradient[i];
    count[leaf]++;
  });
  for (let leaf = 0; leaf < LEAVES; leaf++) tree.leaf[leaf] *= RATE / (count[leaf] + LEAF_PENALTY);
  return tree;
}

/** Finds the best split of every node of a level; `node` numbers the nodes within the level. */
function splitLevel(
  tree: Tree,
  depth: number,
  bins: Uint8Array,
  n: number,
  features: Int32Array,
  rows: Int32Array,
  gradient: Float64Array,
  node: Int32Array,
): void {
  const nodes = 1 << depth;
  const sums = new Float64Array(nodes * BINS);
  const counts = new Float64Array(nodes * BINS);
  const bestGain = new Float64Array(nodes).fill(1e-12);
  for (const feature of features) {
    sums.fill(0);
    counts.fill(0);
    for (let i = 0; i < rows.length; i++) {
      const at = node[i] * BINS + bins[feature * n + rows[i]];
      sums[at] += gradient[i];
      counts[at]++;
    }
    for (let k = 0; k < nodes; k++) {
      const { gain, bin } = bestSplit(sums, counts, k * BINS);
      if (gain <= bestGain[k]) continue;
      bestGain[k] = gain;
      tree.feature[nodes - 1 + k] = feature;
      tree.bin[nodes - 1 + k] = bin;
    }
  }
}

/** Gain in squared loss of the best cut of one node's histogram. */
function bestSplit(sums: Float64Array, counts: Float64Array, start: number): { gain: number; bin: number } {
  let [sum, count] = [0, 0];
  for (let b = 0; b < BINS; b++) {
    sum += sums[start + b];
    count += counts[start + b];
  }
  const whole = (sum * sum) / (count + LEAF_PENALTY);
  let [left, leftCount, gain, bin] = [0, 0, 0, 0];
  for (let b = 0; b < BINS - 1; b++) {
    left += sums[start + b];
    leftCount += counts[start + b];
    const rightCount = count - leftCount;
    if (leftCount < LEAST_IN_LEAF || rightCount < LEAST_IN_LEAF) continue;
    const right = sum - left;
    const here = (left * left) / (leftCount + LEAF_PENALTY) + (right * right) / (rightCount + LEAF_PENALTY) - whole;
    if (here > gain) [gain, bin] = [here, b];
  }
  return { gain, bin };
}

function goesRight(tree: Tree, at: number, bins: Uint8Array, n: number, row: number): 0 | 1 {
  const feature = tree.feature[at];
  return feature >= 0 && bins[feature * n + row] > tree.bin[at] ? 1 : 0;
}

function addTree(tree: Tree, bins: Uint8Array, n: number, score: Float64Array): void {
  for (let row = 0; row < n; row++) {
    let at = 0;
    for (let depth = 0; depth < DEPTH; depth++) at = 2 * at + 1 + goesRight(tree, at, bins, n, row);
    score[row] += tree.leaf[at - (LEAVES - 1)];
  }
}

function sumTrees(trees: readonly Tree[], bins: Uint8Array, n: number, start: number): Float64Array {
  const score = new Float64Array(n).fill(start);
  for (const tree of trees) addTree(tree, bins, n, score);
  return score;
}

function meanSquare(y: Float32Array, score: Float64Array, rows: readonly number[]): number {
  return rows.reduce((sum, row) => sum + (y[row] - score[row]) ** 2, 0) / Math.max(1, rows.length);
}

/** The distribution `residual` (stride 0) moved to each of the points, with wide tails beyond what was seen. */
function shift(residual: LabelKernels, points: Float64Array, floor: number): Distribution {
  const k = residual.componentCount + 1;
  const centre = mixtureDistribution(residual).moments(0);
  const weight = Float64Array.from({ length: k }, (_, j) =>
    j === 0 ? TAIL_WEIGHT : (1 - TAIL_WEIGHT) * residual.weight[j - 1],
  );
  const mean = Float64Array.from({ length: k }, (_, j) => (j === 0 ? centre.mean : residual.mean[j - 1]));
  const sigma = Float64Array.from({ length: k }, (_, j) =>
    Math.max(j === 0 ? TAIL_STRETCH * centre.std : residual.sigma[j - 1], floor),
  );
  const repeat = (values: Float64Array, offset: (i: number) => number) =>
    Float64Array.from({ length: points.length * k }, (_, at) => values[at % k] + offset(Math.floor(at / k)));
  return mixtureDistribution({
    rowCount: points.length,
    componentCount: k,
    stride: k,
    weight: repeat(weight, () => 0),
    mean: repeat(mean, (i) => points[i]),
    sigma: repeat(sigma, () => 0),
  });
}
