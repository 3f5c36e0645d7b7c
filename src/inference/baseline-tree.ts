/** Regression trees on binned features: what boosting is made of. */
import type { Distribution } from "../model/distribution.ts";
import { shuffleInPlace } from "../random.ts";
import type { Rng } from "../random.ts";

const BINS = 64;
export const LEAF_PENALTY = 5;
const LEAST_IN_LEAF = 10;
const ROW_FRACTION = 0.6;
const FEATURE_FRACTION = 0.35;
/** A tree of one feature has no interactions. */
const LEAST_FEATURES = 8;

/** A series of trees that has been fitted, and what a held-out part chose for it. */
export interface FittedTrees {
  predict(this: void, x: Float32Array, n: number): Distribution;
  readonly chosen: Readonly<Record<string, number>>;
}

/** How deep trees are, and how much of each is taken. */
export interface Shape {
  readonly depth: number;
  readonly rate: number;
}

/** What boosting tries where it is tuned; else it takes the first. */
export const SHAPES: readonly Shape[] = [
  { depth: 5, rate: 0.15 },
  { depth: 4, rate: 0.2 },
  { depth: 7, rate: 0.1 },
];

/** A perfect binary tree: node i has children 2 i + 1 and 2 i + 2; feature -1 sends every row to the left. */
export interface Splits {
  readonly depth: number;
  readonly feature: Int16Array;
  /** Rows whose bin is above it go to the right. */
  readonly bin: Uint8Array;
}

/** Features in bins. */
export interface Binned {
  /** [p, n] */
  readonly bins: Uint8Array;
  readonly n: number;
  readonly p: number;
}

/** Up to 63 inner edges of every feature at equal fractions of the rows x [n, p]. */
export function binEdges(x: Float32Array, n: number, p: number): Float32Array[] {
  return Array.from({ length: p }, (_, feature) => {
    const sorted = Float32Array.from({ length: n }, (_r, r) => x[r * p + feature]).sort();
    const edges = new Set<number>();
    for (let b = 1; b < BINS; b++) edges.add(sorted[Math.floor((b * n) / BINS)]);
    return Float32Array.from(edges);
  });
}

/** The bin of a value is the number of edges at or below it. */
export function binRows(x: Float32Array, n: number, edges: readonly Float32Array[]): Binned {
  const p = edges.length;
  const bins = new Uint8Array(n * p);
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
      bins[j * n + r] = low;
    }
  });
  return { bins, n, p };
}

/** A tree's splits, and the rows that it was grown on with the leaf of each. */
export interface Grown {
  readonly splits: Splits;
  readonly rows: Int32Array;
  readonly leaf: Int32Array;
}

/**
 * Splits that part rows of unlike `gradient` [n] best in squared loss, level by level, on a random part of the rows `kept` and
 * of the features.
 */
export function growTree(
  data: Binned,
  depth: number,
  gradient: (row: number) => number,
  kept: readonly number[],
  rng: Rng,
): Grown {
  const rows = Int32Array.from(kept.filter(() => rng.uniform() < ROW_FRACTION));
  const features = Int32Array.from({ length: data.p }, (_, j) => j);
  shuffleInPlace(features, rng);
  const drawn = features.subarray(0, Math.max(LEAST_FEATURES, Math.ceil(FEATURE_FRACTION * data.p)));
  const pull = Float64Array.from(rows, gradient);
  const node = new Int32Array(rows.length);
  const nodes = (1 << depth) - 1;
  const splits: Splits = { depth, feature: new Int16Array(nodes).fill(-1), bin: new Uint8Array(nodes) };
  for (let level = 0; level < depth; level++) {
    splitLevel(splits, level, data, drawn, rows, pull, node);
    const first = (1 << level) - 1;
    for (let i = 0; i < rows.length; i++) node[i] = 2 * node[i] + goesRight(splits, first + node[i], data, rows[i]);
  }
  return { splits, rows, leaf: node };
}

/** Finds the best split of every node of a level; `node` numbers the nodes within the level. */
function splitLevel(
  splits: Splits,
  level: number,
  { bins, n }: Binned,
  features: Int32Array,
  rows: Int32Array,
  gradient: Float64Array,
  node: Int32Array,
): void {
  const nodes = 1 << level;
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
      splits.feature[nodes - 1 + k] = feature;
      splits.bin[nodes - 1 + k] = bin;
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

function goesRight({ feature, bin }: Splits, at: number, { bins, n }: Binned, row: number): 0 | 1 {
  return feature[at] >= 0 && bins[feature[at] * n + row] > bin[at] ? 1 : 0;
}

/** The leaf of a row. */
export function leafOf(splits: Splits, data: Binned, row: number): number {
  let at = 0;
  for (let level = 0; level < splits.depth; level++) at = 2 * at + 1 + goesRight(splits, at, data, row);
  return at - splits.feature.length;
}
