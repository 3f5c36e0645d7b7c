import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

const run = (kernel: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap = {}): Tensor =>
  tf.engine().runKernel<Tensor>(kernel, inputs, attrs);
const runMany = (kernel: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap = {}): Tensor[] =>
  tf.engine().runKernel<Tensor[]>(kernel, inputs, attrs);

/** Layer normalisation over the last axis (Ba et al. 2016, eq. 4). x [..., D], gain [D], bias [D]. */
export const layerNorm = (x: Tensor, gain: Tensor, bias?: Tensor, epsilon = 1e-5): Tensor =>
  runMany("FusedLayerNorm", { x, gain, bias: bias ?? tf.zerosLike(gain) }, { epsilon })[0];

/** x Phi(x), exact (Hendrycks & Gimpel 2016). */
export const gelu = (x: Tensor): Tensor => run("FusedGelu", { x });

/** x w + b over the last axis. x [..., D], w [D, E], b [E]; returns [..., E]. */
export const linear = (x: Tensor, w: Tensor, b?: Tensor): Tensor =>
  run("FusedLinear", b === undefined ? { x, w } : { x, w, b });

export interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly alpha?: number;
}
/** alpha a b over the last two axes, leading axes broadcast. */
export const product = (a: Tensor, b: Tensor, options: ProductOptions = {}): Tensor => {
  const { transposeA = false, transposeB = false, alpha = 1 } = options;
  return run("ScaledMatMul", { a, b }, { transposeA, transposeB, alpha });
};

/** (x - mean) / standard deviation over the last axis: layer normalisation without gain and bias. */
export const normalise = (x: Tensor, epsilon = 1e-5): Tensor => runMany("FusedNormalise", { x }, { epsilon })[0];

export interface Affine {
  readonly w: Tensor;
  readonly b?: Tensor | undefined;
}
/**
 * The linear layer that, applied to `normalise(x)`, equals w and b applied to `layerNorm(x, gain, bias)`: the passes over
 * activations become passes over weights. w [D, E], b [E], gain [D], bias [D].
 */
export const foldNorm = ({ w, b }: Affine, gain: Tensor, bias?: Tensor): Affine => {
  const folded = tf.mul(w, tf.reshape(gain, [-1, 1]));
  if (bias === undefined) return { w: folded, b };
  const shift = tf.reshape(tf.matMul(tf.reshape(bias, [1, -1]), w as tf.Tensor2D), [-1]);
  return { w: folded, b: b === undefined ? shift : tf.add(b, shift) };
};

/**
 * A linear layer whose outputs are wanted in `count` equal parts (queries, keys, values): one product per part, which
 * beats one product and a copy. Returns `count` tensors [..., E / count].
 */
export const linearParts = (x: Tensor, { w, b }: Affine, count: number): Tensor[] => {
  const biases = b === undefined ? undefined : tf.split(b, count);
  return tf.split(w, count, 1).map((part, i) => linear(x, part, biases?.[i]));
};

/** [B, N, D] -> [B, H, N, D / H]. */
const splitHeads = (x: Tensor, nHead: number): Tensor => {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, tokens, nHead, width / nHead]), [0, 2, 1, 3]);
};

/**
 * Scaled dot-product attention (Vaswani et al. 2017, eq. 1). q [B, M, D], k and v [B, N, D]; bias, added to the scores
 * before the softmax, broadcasts to [B, H, M, N]. Returns [B, M, D].
 */
export const attention = (q: Tensor, k: Tensor, v: Tensor, nHead: number, bias?: Tensor): Tensor => {
  const [queries, keys, values] = [q, k, v].map((x) => splitHeads(x, nHead)) as [Tensor, Tensor, Tensor];
  const alpha = 1 / Math.sqrt(q.shape[2]! / nHead);
  const scores = product(queries, keys, { transposeB: true, alpha }); // [B, H, M, N]
  const weights = tf.softmax(bias === undefined ? scores : tf.add(scores, bias)); // [B, H, M, N]
  return tf.reshape(tf.transpose(tf.matMul(weights, values), [0, 2, 1, 3]), q.shape); // [B, M, D]
};

/**
 * erfc(z) = t exp(-z^2 + P(t)) with t = 1 / (1 + z / 2), for z >= 0 with a relative error below 1.2e-7: coefficients of P,
 * the constant first (Press et al. 1992, Numerical Recipes, section 6.2). The constant holds ln(1/2) besides.
 */
const TAIL = [
  -1.26551223 - Math.LN2,
  1.00002368,
  0.37409196,
  0.09678418,
  -0.18628806,
  0.27886807,
  -1.13520398,
  1.48851587,
  -0.82215223,
  0.17087277,
] as const;

/** ln Phi(-|x|) + x^2 / 2, a slow function without cancellation. */
const scaledTail = (x: Tensor): Tensor => {
  const stretch = tf.add(tf.mul(tf.abs(x), Math.SQRT1_2 / 2), 1); // 1 / t
  const t = tf.reciprocal(stretch);
  const polynomial = TAIL.reduceRight<Tensor>((sum, c) => tf.add(tf.mul(sum, t), c), tf.zerosLike(t));
  return tf.sub(polynomial, tf.log(stretch));
};

/** One pass gives the value and phi / Phi; no branch is undefined anywhere. */
const logNdtrRule = tf.customGrad((x, save) => {
  const given = x as Tensor;
  const tail = scaledTail(given);
  const bell = tf.mul(tf.square(given), -0.5); // ln phi + ln(2 pi) / 2
  const isBelow = tf.less(given, 0);
  const lower = tf.add(tail, bell); // ln Phi(-|x|), at most ln(1/2)
  const value = tf.where(isBelow, lower, tf.log1p(tf.neg(tf.exp(lower))));
  const ratio = tf.where(isBelow, tf.neg(tail), tf.sub(bell, value)); // ln(phi / Phi) + ln(2 pi) / 2
  (save as tf.GradSaveFunc)([tf.exp(tf.sub(ratio, HALF_LOG_2PI))]);
  const gradFunc = (dy: Tensor, [slope]: Tensor[]): Tensor => tf.mul(dy, slope);
  return { value, gradFunc };
});

/**
 * ln Phi(x) of the standard normal distribution function, right to float32 from x = -1e4, where it is -5e7, to where it
 * vanishes. The gradient is phi / Phi, about -x far below zero. Any shape.
 */
export const logNdtr = (x: Tensor): Tensor => logNdtrRule(x);

/** What `fn` makes counts as a constant when something is differentiated. */
export const detached = <T extends Tensor>(fn: () => T): T => {
  const rule = tf.customGrad((none) => ({ value: fn(), gradFunc: () => tf.zerosLike(none as Tensor) }));
  return rule(tf.scalar(0));
};

/** log(softmax(x)) over the last axis. */
export const logSoftmax = (x: Tensor): Tensor => run("FusedLogSoftmax", { x });

/** log(sum(exp(x))) over the given axes: one node, where tfjs's own goes through max, sub, exp, sum and log. */
export const logSumExp = (x: Tensor, axis: number | readonly number[] = -1, keepDims = false): Tensor => {
  const axes = tf.util.parseAxisParam(typeof axis === "number" ? axis : [...axis], x.shape);
  const y = run("FusedLogSumExp", { x }, { axis: axes });
  return keepDims ? y : tf.squeeze(y, axes);
};
