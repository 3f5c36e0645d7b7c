import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";

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

/**
 * Multi-head self-attention (Vaswani et al. 2017, eq. 1) on queries, keys and values side by side.
 * qkv [B, N, 3 D]; bias, added to the scores before the softmax, broadcasts to [B, H, N, N]; returns [B, N, D].
 */
export const selfAttention = (qkv: Tensor, nHead: number, bias?: Tensor): Tensor => {
  const [batch, tokens, width] = qkv.shape as [number, number, number];
  const dHead = width / 3 / nHead;
  const heads = tf.transpose(tf.reshape(qkv, [batch, tokens, 3, nHead, dHead]), [2, 0, 3, 1, 4]); // [3, B, H, N, d]
  const [q, k, v] = tf.unstack(heads) as [Tensor, Tensor, Tensor]; // [B, H, N, d]
  const scores = product(q, k, { transposeB: true, alpha: 1 / Math.sqrt(dHead) }); // [B, H, N, N]
  const weights = tf.softmax(bias === undefined ? scores : tf.add(scores, bias));
  return tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [batch, tokens, nHead * dHead]);
};

/** log(softmax(x)) over the last axis. */
export const logSoftmax = (x: Tensor): Tensor => run("FusedLogSoftmax", { x });

/** log(sum(exp(x))) over the given axes: one node, where tfjs's own goes through max, sub, exp, sum and log. */
export const logSumExp = (x: Tensor, axis: number | readonly number[] = -1, keepDims = false): Tensor => {
  const axes = tf.util.parseAxisParam(typeof axis === "number" ? axis : [...axis], x.shape);
  const y = run("FusedLogSumExp", { x }, { axis: axes });
  return keepDims ? y : tf.squeeze(y, axes);
};
