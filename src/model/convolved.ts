import * as tf from "@tensorflow/tfjs-core";

/**
 * How the encoding bends where a target was measured: x(v) - x(v') in units of x'(v') is (sinh u + bend (cosh u - 1)) / rate
 * with u = rate (v - v'). A sinh has the tanh of its argument as bend, an exponential 1; rate 0 is a straight line.
 */
export interface Bend {
  /** [M] */
  readonly bend: tf.Tensor;
  /** [M] */
  readonly rate: tf.Tensor;
}

/** Errors below this part of a component's width are this part of it. */
const ERROR_FLOOR = 0.005;
/** A line, as a sinh that is looked at closely. */
const LEAST_RATE = 1e-3;
/** Beyond this many e-foldings a target is as far as can be told apart in float32. */
const FAR = 20;
/** Up to here the series is exact to float32. */
const NEAR = 0.25;
const LOG_2PI = Math.log(2 * Math.PI);
/** Gauss-Hermite quadrature of three nodes (Abramowitz & Stegun, table 25.10) for the standard normal: 0 and +-sqrt 3. */
const NODES = [
  { at: 0, logWeight: Math.log(2 / 3) },
  { at: Math.sqrt(3), logWeight: -Math.log(6) },
  { at: -Math.sqrt(3), logWeight: -Math.log(6) },
] as const;

/** sinh u + bend (cosh u - 1), never the difference of two numbers that are alike, and its first two derivatives by u. */
function stretch(u: tf.Tensor, bend: tf.Tensor): Record<"reach" | "slope" | "curvature", tf.Tensor> {
  const up = tf.exp(tf.clipByValue(u, -FAR, FAR));
  const rising = tf.mul(up, tf.mul(tf.add(bend, 1), 0.5));
  const falling = tf.div(tf.mul(tf.sub(1, bend), 0.5), up);
  const square = tf.square(u);
  const odd = tf.mul(u, tf.add(tf.div(square, 6), 1));
  const even = tf.mul(tf.mul(square, tf.add(tf.div(square, 24), 0.5)), bend);
  const curvature = tf.sub(rising, falling);
  const reach = tf.where(tf.less(tf.abs(u), NEAR), tf.add(odd, even), tf.sub(curvature, bend));
  return { reach, slope: tf.add(rising, falling), curvature };
}

const sumOf = (terms: readonly tf.Tensor[]): tf.Tensor => tf.addN([...terms]);

/**
 * ln of the density [M, K] of noisy values v' [M, 1] under Gaussian components in the encoded space [M, K], where the
 * errors are Gaussian in the field's own unit, `sigma` [M, 1] in encoded units at v': the integral of
 * N(v; mean, width) N(x(v) - x(v'); sigma) over v. A quadrature of three nodes about the product of the two, taken with
 * the slope at v' (adaptive Gauss-Hermite: Liu & Pierce 1994, Biometrika 81, 624). To take the slope at v' alone makes noise
 * that goes up more certain than noise that goes down, and an EW of 4 +- 2 A is learned as 4.6.
 * Gradients are the means of the integrand's own (Fisher's identity); nodes are where they are.
 */
export function logConvolved(
  means: tf.Tensor,
  widths: tf.Tensor,
  target: { readonly value: tf.Tensor; readonly sigma: tf.Tensor } & Bend,
): tf.Tensor {
  const column = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [-1, 1]);
  const bend = column(target.bend);
  const rate = tf.maximum(column(target.rate), LEAST_RATE);
  const rule = tf.customGrad((...given) => {
    const [mean, width, value, error, save] = given as unknown as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.GradSaveFunc,
    ];
    const sigma = tf.maximum(error, tf.mul(width, ERROR_FLOOR)); // [M, K]
    const total = tf.add(tf.square(width), tf.square(sigma));
    const share = tf.div(tf.square(sigma), total); // of the way from v' to the mean
    const off = tf.sub(mean, value);
    const spread = tf.div(tf.mul(width, sigma), tf.sqrt(total));
    const toError = tf.reciprocal(tf.mul(rate, sigma));
    const nodes = NODES.map(({ at, logWeight }) => {
      const d = tf.add(tf.mul(off, share), tf.mul(spread, at)); // v - v'
      const fromMean = tf.div(tf.sub(d, off), width);
      const { reach, slope, curvature } = stretch(tf.mul(d, rate), bend);
      const square = tf.add(tf.square(fromMean), tf.square(tf.mul(reach, toError)));
      const log = tf.add(tf.mul(square, -0.5), logWeight + 0.5 * at * at - 0.5 * LOG_2PI);
      return { log, fromMean, reach, slope, curvature };
    });
    const top = tf.maximum(nodes[0].log, tf.maximum(nodes[1].log, nodes[2].log));
    const parts = nodes.map(({ log }) => tf.exp(tf.sub(log, top)));
    const sum = sumOf(parts);
    const meanOf = (of: (node: (typeof nodes)[number]) => tf.Tensor): tf.Tensor =>
      tf.div(sumOf(nodes.map((node, i) => tf.mul(parts[i], of(node)))), sum);
    const byMean = tf.div(
      meanOf((node) => node.fromMean),
      width,
    );
    const byWidth = tf.div(
      tf.sub(
        meanOf((node) => tf.square(node.fromMean)),
        1,
      ),
      width,
    );
    // the mean of the squared pull less 1, integrated by parts (Stein's identity): three nodes are enough for that
    const bySigma = meanOf(({ reach, slope, curvature, fromMean }) => {
      const ratio = tf.div(reach, slope);
      return tf.mul(ratio, tf.add(tf.div(curvature, slope), tf.div(fromMean, tf.mul(width, rate))));
    });
    const byError = tf.mul(tf.div(bySigma, tf.neg(sigma)), tf.cast(tf.equal(sigma, error), "float32"));
    save([byMean, byWidth, byError]);
    return {
      value: tf.sub(tf.add(tf.log(sum), top), tf.mul(tf.log(total), 0.5)),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [m, w, e] = saved.map((slope) => tf.mul(dy, slope));
        return [m, w, tf.neg(tf.sum(m, 1, true)), tf.sum(e, 1, true)];
      },
    };
  });
  return rule(means, widths, column(target.value), column(target.sigma));
}
