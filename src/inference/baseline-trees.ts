import type { Rng } from "../random.ts";
import { type LabelKernels, TAIL_STRETCH, TAIL_WEIGHT, leastWidth, smoothedLabels } from "./baseline-labels.ts";
import { holdOutParents } from "./baseline-neighbours.ts";
import type { TrainingSet } from "./baseline-labels.ts";
import {
  type FittedTrees,
  type Binned,
  binEdges,
  binRows,
  growTree,
  LEAF_PENALTY,
  leafOf,
  type Shape,
  SHAPES,
  type Splits,
} from "./baseline-tree.ts";
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";

const MOST_TREES = 200;
/** Trees without progress on the held-out part before boosting stops. */
const PATIENCE = 20;
const RESIDUAL_COMPONENTS = 32;

interface Tree {
  readonly splits: Splits;
  readonly leaf: Float64Array;
}

/**
 * Gradient boosting of regression trees on binned features, squared loss (Friedman 2001, algorithm 2; 2002 for the
 * subsampling), stopped on a held-out part drawn by parent, which also chooses the shape of the trees where `isTuned`. The
 * answer is the prediction plus the held-out part's own residuals, smoothed, the same for every row.
 */
export function fitTrees(train: TrainingSet, n: number, rng: Rng, isTuned: boolean): FittedTrees {
  const edges = binEdges(train.x, n, train.featureCount);
  const data = binRows(train.x, n, edges);
  const { held, kept } = holdOutParents(n, train.parent, rng, 0.15, n);
  const start = kept.reduce((sum, row) => sum + train.y[row], 0) / Math.max(1, kept.length);
  const boosted = SHAPES.slice(0, isTuned ? SHAPES.length : 1).map((shape) =>
    boost(data, train.y, start, { held, kept }, shape, rng),
  );
  const { trees, loss, shape } = boosted.reduce((a, b) => (b.loss < a.loss ? b : a));
  const final = sumTrees(trees, data, start);
  const judged = held.length > 1 ? held : kept;
  const residual = smoothedLabels(
    Float32Array.from(judged, (row) => train.y[row] - final[row]),
    RESIDUAL_COMPONENTS,
  );
  const floor = leastWidth(train.y);
  return {
    chosen: { trees: trees.length, depth: shape.depth, heldOutRms: Math.sqrt(loss) },
    predict: (x, count) => shift(residual, sumTrees(trees, binRows(x, count, edges), start), floor),
  };
}

/** Trees of one shape, as many as the held-out part likes best. */
function boost(
  data: Binned,
  y: Float32Array,
  start: number,
  { held, kept }: { readonly held: readonly number[]; readonly kept: readonly number[] },
  shape: Shape,
  rng: Rng,
): { readonly trees: readonly Tree[]; readonly loss: number; readonly shape: Shape } {
  const score = new Float64Array(data.n).fill(start);
  const trees: Tree[] = [];
  let best = { loss: meanSquare(y, score, held), count: 0 };
  while (trees.length < MOST_TREES && trees.length - best.count < PATIENCE) {
    const { splits, rows, leaf } = growTree(data, shape.depth, (row) => y[row] - score[row], kept, rng);
    const sum = new Float64Array(1 << shape.depth);
    const count = new Float64Array(sum.length);
    leaf.forEach((at, i) => {
      sum[at] += y[rows[i]] - score[rows[i]];
      count[at]++;
    });
    const tree = { splits, leaf: sum.map((total, at) => (shape.rate * total) / (count[at] + LEAF_PENALTY)) };
    trees.push(tree);
    addTree(tree, data, score);
    const loss = meanSquare(y, score, held);
    if (loss < best.loss) best = { loss, count: trees.length };
  }
  return { trees: trees.slice(0, best.count), loss: best.loss, shape };
}

function addTree({ splits, leaf }: Tree, data: Binned, score: Float64Array): void {
  for (let row = 0; row < data.n; row++) score[row] += leaf[leafOf(splits, data, row)];
}

function sumTrees(trees: readonly Tree[], data: Binned, start: number): Float64Array {
  const score = new Float64Array(data.n).fill(start);
  for (const tree of trees) addTree(tree, data, score);
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
