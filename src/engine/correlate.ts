import * as tf from "@tensorflow/tfjs-core";
import { linear } from "./ops.ts";

/** Places, and lags, that are handled together: counts of both are multiples of it. */
export const BLOCK = 32;

/**
 * Cross-correlation of x [B, places, C] with template [places + lags - 1, C, H]: sums over places p and channels c of
 * x [B, p, c] template [p - lag + lags - 1, c, h], for every lag. [B, lags, H]; places and lags are multiples of `BLOCK`.
 *
 * Lags and places are cut in blocks. What a block of places says of a block of lags depends on their distance alone, so that
 * all pairs of one distance are one matrix product.
 */
export function correlate(x: tf.Tensor3D, template: tf.Tensor3D): tf.Tensor3D {
  const [batch, places, channels] = x.shape;
  const nTemplate = template.shape[2];
  const nBlock = places / BLOCK;
  const nLagBlock = (template.shape[0] + 1 - places) / BLOCK;
  const nDistance = nBlock + nLagBlock - 1;
  const rows = nDistance * BLOCK;
  /** Row q of lag i in its block is place q - i + BLOCK - 1 of the template. [rows, C, BLOCK H] */
  const shifted = tf.concat(
    Array.from({ length: BLOCK }, (_, i) => tf.slice(template, [BLOCK - 1 - i, 0, 0], [rows, channels, nTemplate])),
    2,
  );
  const width = BLOCK * nTemplate;
  const kernels = tf.split(tf.reshape(shifted, [rows * channels, width]), nDistance, 0); // [BLOCK C, BLOCK H] each
  const blocks = tf.transpose(tf.reshape(x, [batch, nBlock, BLOCK * channels]), [1, 0, 2]); // [blocks, B, BLOCK C]
  const parts = kernels.map((kernel, d) => {
    // block k of places meets block j of lags at distance k - j = d - (nLagBlock - 1)
    const offset = d - (nLagBlock - 1);
    const [first, end] = [Math.max(0, -offset), Math.min(nLagBlock, nBlock - offset)]; // of j
    const seen = tf.slice(blocks, [first + offset, 0, 0], [end - first, batch, BLOCK * channels]);
    const said = linear(tf.reshape(seen, [(end - first) * batch, BLOCK * channels]), kernel);
    return tf.pad(tf.reshape(said, [end - first, batch, width]), [[first, nLagBlock - end], [0, 0], [0, 0]]); // prettier-ignore
  });
  const all = tf.transpose(tf.addN(parts), [1, 0, 2]); // [B, lag blocks, BLOCK H]
  return tf.reshape(all, [batch, nLagBlock * BLOCK, nTemplate]);
}
