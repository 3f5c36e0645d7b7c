import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { matrix, type ParameterSpec } from "./parameters.ts";

/** What everything that reads a spectrum's pixels shares. */

/** S/N of a pixel is linear up to about here, and never more. */
const TALLEST = 8;

/** A filter of `width` places, decayed. */
export const filter = (name: string, width: number, from: number, to: number, gain = 1): ParameterSpec => ({
  ...matrix(name, width * from, to, gain),
  shape: [width, from, to],
});

/** x [B, L, C] by the filter `name`, and its bias where it has one: [B, L / stride, C']. */
export function convolve(x: tf.Tensor, params: Tensors, name: string, stride = 1): tf.Tensor {
  const filtered = tf.conv1d(x as tf.Tensor3D, params[name] as tf.Tensor3D, stride, "same");
  const bias = params[`${name}Bias`] as tf.Tensor | undefined;
  return bias === undefined ? filtered : tf.add(filtered, bias);
}

/** S/N, bounded, and certainty of every pixel, from fluxes and amplitude over error: 0 where not given. [B, P] each */
export function signalOf(flux: tf.Tensor2D, weight: tf.Tensor2D): [signal: tf.Tensor2D, certainty: tf.Tensor2D] {
  const noise = tf.mul(flux, weight);
  const height = tf.div<tf.Tensor2D>(noise, tf.sqrt(tf.add(tf.square(tf.mul(noise, 1 / TALLEST)), 1)));
  return [tf.mul(height, 0.5), tf.mul(tf.log(tf.add(weight, 1)), 0.5)];
}
