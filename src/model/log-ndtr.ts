import * as tf from "@tensorflow/tfjs-core";

/** erfc(t) = tau exp(-t^2 + P(tau)), tau = 1 / (1 + t / 2), to 1.2e-7 of itself (Press et al. 1992, section 6.2). */
const POLYNOMIAL = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];
const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

/**
 * ln Phi(x) of the standard normal cdf, elementwise, to float32's precision in both tails (finite as far as x^2 is). Its
 * derivative phi / Phi is formed without cancellation, so that gradients don't fade where the cdf has underflowed.
 */
export const logNdtr: (x: tf.Tensor) => tf.Tensor = tf.customGrad(
  (input: tf.Tensor | tf.GradSaveFunc, save?: tf.Tensor | tf.GradSaveFunc) => {
    const x = input as tf.Tensor;
    const isLow = tf.less(x, 0);
    const square = tf.mul(tf.square(x), 0.5);
    const tau = tf.reciprocal(tf.add(tf.mul(tf.abs(x), Math.SQRT1_2 / 2), 1));
    let p: tf.Tensor = tf.mul(tau, POLYNOMIAL[0]);
    for (const c of POLYNOMIAL.slice(1, -1)) p = tf.mul(tf.add(p, c), tau);
    const logScaled = tf.add(tf.add(p, POLYNOMIAL.at(-1)!), tf.log(tau)); // ln(erfc(t) exp(t^2)), t = |x| / sqrt 2
    const logTail = tf.sub(tf.sub(logScaled, square), Math.LN2); // ln Phi(-|x|)
    const rest = tf.sub(1, tf.exp(logTail)); // Phi(|x|)
    const value = tf.where(isLow, logTail, tf.log(rest));
    (save as tf.GradSaveFunc)([isLow, square, logScaled, rest]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [low, half, scaled, upper] = saved;
        const inTail = tf.exp(tf.sub(Math.LN2 - HALF_LOG_2PI, scaled));
        const above = tf.div(tf.exp(tf.sub(-HALF_LOG_2PI, half)), upper);
        return tf.mul(dy, tf.where(low, inTail, above));
      },
    };
  },
);
