import * as tf from "@tensorflow/tfjs-core";
import { logSoftmax, logSumExp } from "../engine/ops.ts";
import type { Mixtures } from "./mixture.ts";

/** Targets of a batch, flattened to M = B * T. Values are in the transformed, standardised space. */
export interface HeadTargets {
  /** [M] */
  readonly value: tf.Tensor;
  /** [M] error of the target itself: convolved into the likelihood, so that the noise-free value is learned. */
  readonly sigma: tf.Tensor;
  /** [M] bool: the value is an upper limit. */
  readonly isUpperLimit: tf.Tensor;
}

/** An output distribution: a row of the table below. `raw` has `width` numbers per answer. */
export interface Head {
  width(components: number): number;
  /** Start of the output bias, [width]. */
  initialBias(components: number): number[];
  /** -ln p(target) [M] of raw outputs [M, width]. */
  negLogLik(raw: tf.Tensor2D, targets: HeadTargets, components: number): tf.Tensor1D;
  /** The distributions that raw outputs [rowCount * width] stand for, one per row. */
  read(raw: Float32Array, rowCount: number, components: number): Mixtures;
}

/** ln sigma of a component stays within these bounds (standardised units). */
const LOG_SIGMA = [-7, 3] as const;
const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

/**
 * K Gaussians (Bishop 1994). The target's error adds to each component's variance: the noise-free distribution is
 * what is learned (deconvolution as in Bovy, Hogg & Roweis 2011, eq. 5). Upper limits enter through the cdf.
 */
const mixture: Head = {
  width: (k) => 3 * k,
  initialBias: (k) => [
    ...Array.from({ length: k }, () => 0),
    ...Array.from({ length: k }, (_, i) => (k === 1 ? 0 : -1.5 + (3 * i) / (k - 1))),
    ...Array.from({ length: k }, () => -0.5),
  ],
  negLogLik(raw, { value, sigma, isUpperLimit }, k) {
    const [logits, means, logSigma] = tf.split(raw, [k, k, k], 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const logWeight = logSoftmax(logits); // [M, K]
    const own = tf.exp(tf.mul(tf.clipByValue(logSigma, ...LOG_SIGMA), 2)); // [M, K]
    const variance = tf.add(own, tf.expandDims(tf.square(sigma), 1)); // [M, K]
    const pull = tf.sub(tf.expandDims(value, 1), means); // [M, K]
    const logDensity = tf.mul(tf.add(tf.div(tf.square(pull), variance), tf.log(variance)), -0.5); // [M, K]
    const atValue = tf.sub(logSumExp(tf.add(logWeight, logDensity), 1), HALF_LOG_2PI); // [M]
    const cdf = tf.mul(tf.add(tf.erf(tf.div(pull, tf.sqrt(tf.mul(variance, 2)))), 1), 0.5); // [M, K]
    const below = tf.log(tf.add(tf.sum(tf.mul(tf.exp(logWeight), cdf), 1), 1e-9)); // [M]
    return tf.neg(tf.where(isUpperLimit, below, atValue)) as tf.Tensor1D;
  },
  read(raw, rowCount, k) {
    const result = {
      rowCount,
      componentCount: k,
      stride: k,
      weight: new Float64Array(rowCount * k),
      mean: new Float64Array(rowCount * k),
      sigma: new Float64Array(rowCount * k),
    };
    for (let row = 0; row < rowCount; row++) {
      const logit = row * 3 * k;
      const to = row * k;
      let top = -Infinity;
      for (let i = 0; i < k; i++) top = Math.max(top, raw[logit + i]);
      let total = 0;
      for (let i = 0; i < k; i++) total += result.weight[to + i] = Math.exp(raw[logit + i] - top);
      for (let i = 0; i < k; i++) {
        const lnSigma = Math.min(Math.max(raw[logit + 2 * k + i], LOG_SIGMA[0]), LOG_SIGMA[1]);
        result.weight[to + i] = result.weight[to + i] / total;
        result.mean[to + i] = raw[logit + k + i]!;
        result.sigma[to + i] = Math.exp(lnSigma);
      }
    }
    return result;
  },
};

export const heads = { mixture } satisfies Record<string, Head>;
export type HeadName = keyof typeof heads;
