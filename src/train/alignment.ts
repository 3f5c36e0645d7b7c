/** How far apart simulated and real rows lie in a network's state. */
import * as tf from "@tensorflow/tfjs-core";

/**
 * Squared maximum mean discrepancy between the states [F, S] of rows of the target, where `isTarget` [F] is 1, and of the others, where
 * it is 0: without bias, so that small batches are no farther apart than large ones (Gretton et al. 2012, JMLR 13, 723, eq. 3).
 * Under the kernel (1 + x.y / S)^2 that is the distance of the means and of the second moments, as of CORAL (Sun &
 * Saenko 2016, arXiv:1607.01719). 0 where one side has fewer than two rows.
 */
export function discrepancy(state: tf.Tensor2D, isTarget: tf.Tensor): tf.Tensor {
  const [rows, size] = state.shape;
  const kernel = tf.square(tf.add(tf.mul(tf.matMul(state, state, false, true), 1 / size), 1)); // [F, F]
  const others = tf.mul(kernel, tf.sub(1, tf.eye(rows))); // without each row's likeness to itself
  const column = tf.expandDims(isTarget, 1); // [F, 1]
  const sides = tf.concat([column, tf.sub(1, column)], 1); // [F, 2]
  const sums = tf.matMul(tf.matMul(sides, others, true), sides); // [2, 2]
  const [target, source] = tf.split(tf.sum(sides, 0), 2); // [1] each
  const of = (i: number, j: number): tf.Tensor => tf.slice(sums, [i, j], [1, 1]);
  const pairs = (n: tf.Tensor): tf.Tensor => tf.maximum(tf.mul(n, tf.sub(n, 1)), 1);
  const within = tf.add(tf.div(of(0, 0), pairs(target)), tf.div(of(1, 1), pairs(source)));
  const between = tf.div(of(0, 1), tf.maximum(tf.mul(target, source), 1));
  const isKnown = tf.cast(tf.greater(tf.minimum(target, source), 1.5), "float32");
  return tf.sum(tf.mul(tf.sub(within, tf.mul(between, 2)), isKnown)); // []
}
