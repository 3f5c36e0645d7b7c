import * as tf from "@tensorflow/tfjs-core";
import { logNdtr, logSoftmax, logSumExp } from "../engine/ops.ts";
import { categoryDistribution } from "./category.ts";
import { type Bend, logConvolved } from "./convolved.ts";
import type { Distribution } from "./distribution.ts";
import { histogramDistribution } from "./histogram.ts";
import { mixtureDistribution } from "./mixture.ts";

/** Targets of a batch, flattened to M = B * T. Values are in the transformed, standardised space. */
export interface HeadTargets {
  /** [M]; of a category, the index of its class. */
  readonly value: tf.Tensor;
  /** [M] error of the target itself: convolved into the likelihood, so that the noise-free value is learned. */
  readonly sigma: tf.Tensor;
  /** [M] bool: the value is an upper limit. */
  readonly isUpperLimit: tf.Tensor;
  /** How the encoding bends at each target; without it errors are Gaussian in the encoded space. Mixtures alone ask. */
  readonly curve?: Bend;
}

/** What an answer's distribution is, with all that its shape depends on. Edges are in encoded units, increasing. */
export type HeadSpec =
  | { readonly head: "mixture"; readonly components: number }
  | { readonly head: "histogram"; readonly edges: ArrayLike<number> }
  | { readonly head: "category"; readonly classes: number };
export type HeadName = HeadSpec["head"];
type SpecOf<N extends HeadName> = Extract<HeadSpec, { head: N }>;

/** What is thought of answers before the network speaks: it says how they differ. Raw numbers become factor raw + offset. */
export interface Hint {
  /** [B, M, width] of M fields; null: 1. */
  readonly factor: tf.Tensor | null;
  readonly offset: tf.Tensor;
}

/** An output distribution: a row of the table below. `raw` has `width` numbers per answer. */
export interface Head<S extends HeadSpec = HeadSpec> {
  width(spec: S): number;
  /** Start of the output bias, [width]. */
  initialBias(spec: S): number[];
  /** -ln p(target) [M] of raw outputs [M, width]. */
  negLogLik(raw: tf.Tensor2D, targets: HeadTargets, spec: S): tf.Tensor1D;
  /** The distributions that raw outputs [rowCount * width] stand for, one per row. */
  read(raw: Float32Array, rowCount: number, spec: S): Distribution;
}

/** ln sigma of a component stays within these bounds (standardised units). */
const LOG_SIGMA = [-7, 3] as const;
const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

/**
 * K Gaussians (Bishop 1994). The target's error adds to each component's variance: the noise-free distribution is
 * what is learned (deconvolution as in Bovy, Hogg & Roweis 2011, eq. 5). Upper limits enter through the cdf.
 */
const mixture: Head<SpecOf<"mixture">> = {
  width: ({ components: k }) => 3 * k,
  initialBias: ({ components: k }) => [
    ...Array.from({ length: k }, () => 0),
    ...Array.from({ length: k }, (_, i) => (k === 1 ? 0 : -1.5 + (3 * i) / (k - 1))),
    ...Array.from({ length: k }, () => -0.5),
  ],
  negLogLik(raw, { value, sigma, isUpperLimit, curve }, { components: k }) {
    const [logits, means, logSigma] = tf.split(raw, [k, k, k], 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const width = tf.exp(tf.clipByValue(logSigma, ...LOG_SIGMA)); // [M, K]
    const variance = tf.add(tf.square(width), tf.expandDims(tf.square(sigma), 1)); // [M, K]
    const pull = tf.sub(tf.expandDims(value, 1), means); // [M, K]
    const square = (): tf.Tensor => tf.div(tf.square(pull), variance); // [M, K]
    const logDensity =
      curve === undefined
        ? tf.sub(tf.mul(tf.add(square(), tf.log(variance)), -0.5), HALF_LOG_2PI)
        : logConvolved(means, width, { value, sigma, ...curve }); // [M, K]
    const logBelow = logNdtr(tf.div(pull, tf.sqrt(variance))); // [M, K]
    const term = tf.where(tf.expandDims(isUpperLimit, 1), logBelow, logDensity); // [M, K]
    return tf.neg(logSumExp(tf.add(logSoftmax(logits), term), 1)) as tf.Tensor1D;
  },
  read(raw, rowCount, { components: k }) {
    const shape = { rowCount, componentCount: k, stride: k };
    const weight = new Float64Array(rowCount * k);
    const mean = new Float64Array(rowCount * k);
    const sigma = new Float64Array(rowCount * k);
    for (let row = 0; row < rowCount; row++) {
      softmaxInto(raw, row * 3 * k, k, weight, row * k);
      for (let i = 0; i < k; i++) {
        const lnSigma = Math.min(Math.max(raw[row * 3 * k + 2 * k + i], LOG_SIGMA[0]), LOG_SIGMA[1]);
        mean[row * k + i] = raw[row * 3 * k + k + i];
        sigma[row * k + i] = Math.exp(lnSigma);
      }
    }
    return mixtureDistribution({ ...shape, weight, mean, sigma });
  },
};

/** Errors below this part of the narrowest bin are this part of it. */
const ERROR_FLOOR = 1e-3;
/** ln of a share that has underflowed. */
const NO_SHARE = -1e4;
const LEAST_SHARE = 1e-37;

const logShare = (share: tf.Tensor): tf.Tensor =>
  tf.where(tf.greater(share, LEAST_SHARE), tf.log(tf.maximum(share, LEAST_SHARE)), NO_SHARE);

/** Columns [M, n + 1] without the first or the last. */
const neighbours = (x: tf.Tensor): readonly [tf.Tensor, tf.Tensor] => {
  const [m, n] = x.shape as [number, number];
  return [tf.slice(x, [0, 0], [m, n - 1]), tf.slice(x, [0, 1], [m, n - 1])];
};

/**
 * Constant density in each bin, probabilities by softmax. The target's error is convolved exactly: the share of a bin is
 * the difference of two normal cdfs. What leaves the grid, and a target outside it, counts as in the bin at that end.
 */
const histogram: Head<SpecOf<"histogram">> = {
  width: ({ edges }) => edges.length - 1,
  initialBias: ({ edges }) =>
    Array.from({ length: edges.length - 1 }, (_, b) => {
      const middle = 0.5 * (edges[b] + edges[b + 1]);
      return -0.5 * middle * middle + Math.log(edges[b + 1] - edges[b]); // a standard Gaussian
    }),
  negLogLik(raw, { value, sigma, isUpperLimit }, { edges }) {
    const n = edges.length - 1;
    const width = Float32Array.from({ length: n }, (_, b) => edges[b + 1] - edges[b]);
    const floor = ERROR_FLOOR * width.reduce((a, b) => Math.min(a, b));
    const error = tf.expandDims(tf.maximum(sigma, floor), 1); // [M, 1]
    const inside = tf.expandDims(tf.clipByValue(value, edges[0], edges[n]), 1); // [M, 1]
    const u = tf.div(tf.sub(tf.tensor2d(Float32Array.from(edges), [1, n + 1]), inside), error); // [M, n + 1]
    const widths = tf.tensor2d(width, [1, n]);
    const logDensity = tf.sub(logShare(shareAt(u)), tf.log(widths)); // [M, n]
    const logBelow = logShare(shareBelow(u, tf.div(widths, error))); // [M, n]
    const term = tf.where(tf.expandDims(isUpperLimit, 1), logBelow, logDensity); // [M, n]
    return tf.neg(logSumExp(tf.add(logSoftmax(raw), term), 1)) as tf.Tensor1D;
  },
  read(raw, rowCount, { edges }) {
    const n = edges.length - 1;
    const probability = new Float64Array(rowCount * n);
    for (let row = 0; row < rowCount; row++) softmaxInto(raw, row * n, n, probability, row * n);
    return histogramDistribution({ rowCount, edges: Float64Array.from(edges), probability });
  },
};

/** Phi(u_b+1) - Phi(u_b) [M, n] of u [M, n + 1], from the tails that are small; the outer bins reach to infinity. */
function shareAt(u: tf.Tensor): tf.Tensor {
  const [m, n] = [u.shape[0], u.shape[1]! - 1];
  const tail = tf.exp(logNdtr(tf.neg(tf.abs(u)))); // [M, n + 1]
  const isLeft = tf.less(u, 0);
  const rest = tf.sub(1, tail);
  const ends = (x: tf.Tensor, first: number, last: number): tf.Tensor =>
    tf.concat([tf.mul(tf.ones([m, 1]), first), tf.slice(x, [0, 1], [m, n - 1]), tf.mul(tf.ones([m, 1]), last)], 1);
  const [below, belowNext] = neighbours(ends(tf.where(isLeft, tail, rest), 0, 1)); // [M, n]
  const [above, aboveNext] = neighbours(ends(tf.where(isLeft, rest, tail), 1, 0)); // [M, n]
  const [from, to] = neighbours(u);
  return tf.where(tf.less(tf.add(from, to), 0), tf.sub(belowNext, below), tf.sub(above, aboveNext));
}

/** P(noisy value < limit) for a value anywhere in the bin: difference of I(x) = x Phi(x) + phi(x), x = -u. [M, n] */
function shareBelow(u: tf.Tensor, widthInErrors: tf.Tensor): tf.Tensor {
  const cdf = tf.mul(tf.add(tf.erf(tf.mul(u, -Math.SQRT1_2)), 1), 0.5); // [M, n + 1]
  const bell = tf.mul(tf.exp(tf.mul(tf.square(u), -0.5)), Math.exp(-HALF_LOG_2PI)); // [M, n + 1]
  const [from, to] = neighbours(tf.sub(bell, tf.mul(u, cdf)));
  return tf.clipByValue(tf.div(tf.sub(from, to), widthInErrors), 0, 1);
}

/** Classes by softmax. An error or a limit means nothing for a class. */
const category: Head<SpecOf<"category">> = {
  width: ({ classes }) => classes,
  initialBias: ({ classes }) => Array.from({ length: classes }, () => 0),
  negLogLik(raw, { value }, { classes }) {
    const index = tf.cast(tf.clipByValue(tf.round(value), 0, classes - 1), "int32"); // [M]
    const isTarget = tf.cast(tf.oneHot(index, classes), "float32"); // [M, K]
    return tf.neg(tf.sum<tf.Tensor1D>(tf.mul(isTarget, logSoftmax(raw)), 1));
  },
  read(raw, rowCount, { classes }) {
    const probability = new Float64Array(rowCount * classes);
    for (let row = 0; row < rowCount; row++) softmaxInto(raw, row * classes, classes, probability, row * classes);
    return categoryDistribution(probability, rowCount);
  },
};

/**
 * A mixture that begins with Gaussians at `centre` of width `spread` and ln weights `logShare` [B, M, K]; fields without
 * have zeros, ones and zeros, and `isLed` [M] 0: they begin where the head's own bias is.
 */
export function mixtureHint(
  { centre, spread, logShare }: Readonly<Record<"centre" | "spread" | "logShare", tf.Tensor>>,
  isLed: readonly number[],
  spec: SpecOf<"mixture">,
): Hint {
  const k = spec.components;
  const own = isLed.flatMap((led) =>
    mixture
      .initialBias(spec)
      .slice(k, 2 * k)
      .map((place) => led * place),
  ); // [M K]
  const start = tf.tensor3d(own, [1, isLed.length, k]);
  const logSigma = isLed.flatMap((led) => Array.from({ length: k }, () => -0.5 * led)); // the bias of ln(sigma)
  const ownWidth = tf.tensor3d(logSigma, [1, isLed.length, k]);
  return {
    factor: tf.concat([tf.onesLike(centre), spread, tf.onesLike(centre)], 2),
    offset: tf.concat([logShare, tf.sub(centre, tf.mul(start, spread)), tf.sub(tf.log(spread), ownWidth)], 2),
  };
}

/** Share of all that is spread over the bins, whatever they are said to be. */
const ANYWHERE = 1e-3;

/** Bins that begin with probabilities [B, bins]. */
export function histogramHint(probability: tf.Tensor, spec: SpecOf<"histogram">): Hint {
  const bins = spec.edges.length - 1;
  const own = tf.tensor2d(histogram.initialBias(spec), [1, bins]);
  const said = tf.log(tf.add(tf.mul(probability, 1 - ANYWHERE), ANYWHERE / bins)); // [B, bins]
  return { factor: null, offset: tf.expandDims(tf.sub(said, own), 1) };
}

/** Share of a class that none of the likely galaxies is of. */
const RARE = 0.003;

/** Classes that begin with shares [B, classes]. */
export const categoryHint = (share: tf.Tensor): Hint => ({
  factor: null,
  offset: tf.expandDims(tf.log(tf.add(share, RARE)), 1),
});

function softmaxInto(raw: Float32Array, from: number, count: number, out: Float64Array, to: number): void {
  let top = -Infinity;
  for (let i = 0; i < count; i++) top = Math.max(top, raw[from + i]);
  let total = 0;
  for (let i = 0; i < count; i++) total += out[to + i] = Math.exp(raw[from + i] - top);
  for (let i = 0; i < count; i++) out[to + i] /= total;
}

export const heads = { mixture, histogram, category } satisfies { [N in HeadName]: Head<SpecOf<N>> };

/** The row of the table that a spec belongs to. */
export const headOf = (spec: HeadSpec): Head => heads[spec.head];
