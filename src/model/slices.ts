import * as tf from "@tensorflow/tfjs-core";
import { type HeadSpec, type Hint, histogramHint } from "./heads.ts";

/** Means and spreads of slices of a distribution, [B, count] each. */
export interface Slices {
  readonly centre: tf.Tensor;
  readonly spread: tf.Tensor;
}

/**
 * Equal parts of what is likely, from its shares [B, n] at places [B or 1, n] that rise: the means and spreads of `count`
 * slices of equal probability. Their mean is that of the shares.
 */
export function slices(share: tf.Tensor, place: tf.Tensor, count: number, least: number): Slices {
  const upper = tf.expandDims(tf.cumsum(share, 1), 1); // [B, 1, n]
  const lower = tf.sub(upper, tf.expandDims(share, 1));
  const from = Float32Array.from({ length: count }, (_, c) => c / count);
  const start = tf.tensor3d(from, [1, count, 1]);
  const inside = tf.relu(tf.sub(tf.minimum(upper, tf.add(start, 1 / count)), tf.maximum(lower, start))); // [B, count, n]
  const total = tf.add(tf.sum(inside, 2), 1e-9); // [B, count]
  const at = tf.expandDims(place, 1); // [B or 1, 1, n]
  const centre = tf.div(tf.sum(tf.mul(inside, at), 2), total); // [B, count]
  const off = tf.square(tf.sub(at, tf.expandDims(centre, 2)));
  const variance = tf.div(tf.sum(tf.mul(inside, off), 2), total);
  return { centre, spread: tf.sqrt(tf.add(variance, least ** 2)) };
}

/** Shares of each value between the two nodes around it, [count, nodes]: they keep the mean. 0 where unknown. */
export function hats(values: Float32Array, nodes: Float32Array): Float32Array {
  const n = nodes.length;
  const shares = new Float32Array(values.length * n);
  values.forEach((value, k) => {
    if (Number.isNaN(value)) return;
    let i = 0;
    while (i < n - 2 && nodes[i + 1] < value) i++;
    const width = nodes[i + 1] - nodes[i];
    const upper = width > 0 ? Math.min(1, Math.max(0, (value - nodes[i]) / width)) : 0;
    shares[k * n + i] = 1 - upper;
    shares[k * n + i + 1] += upper;
  });
  return shares;
}

/** Probability of bins that begin and end at `edges`, of a share at each node that spreads to its neighbours: [nodes, bins]. */
function binsOf(nodes: Float32Array, edges: ArrayLike<number>): tf.Tensor2D {
  const [n, bins] = [nodes.length, edges.length - 1];
  const out = new Float32Array(n * bins);
  for (let i = 0; i < n; i++) {
    const at = nodes[i];
    const [low, high] = [nodes[Math.max(0, i - 1)], nodes[Math.min(n - 1, i + 1)]];
    /** Share below x of a hat that rises from low to the node and falls to high. */
    const below = (x: number): number => {
      if (x < low || high <= low) return x < at ? 0 : 1;
      if (x >= high) return 1;
      const width = high - low;
      return x < at ? (x - low) ** 2 / ((at - low) * width) : 1 - (high - x) ** 2 / (Math.max(high - at, 1e-9) * width);
    };
    const cdf = Float64Array.from(edges, (edge, b) => (b === 0 ? 0 : b === bins ? 1 : below(edge)));
    for (let b = 0; b < bins; b++) out[i * bins + b] = cdf[b + 1] - cdf[b];
  }
  return tf.tensor2d(out, [n, bins]);
}

/** Bins of a redshift as probable as the shares at its nodes say, and the slices of galaxies looked at one by one. */
export function binHint(
  spec: Extract<HeadSpec, { head: "histogram" }>,
  share: tf.Tensor,
  nodes: Float32Array,
  near?: Slices & { readonly part: tf.Tensor },
): Hint {
  const counted = tf.matMul(share, binsOf(nodes, spec.edges)); // [B, bins]
  if (near === undefined) return histogramHint(counted, spec);
  const edges = tf.tensor3d(Float32Array.from(spec.edges), [1, 1, spec.edges.length]);
  const u = tf.div(tf.sub(edges, tf.expandDims(near.centre, 2)), tf.expandDims(tf.mul(near.spread, Math.SQRT2), 2));
  const cdf = tf.mean(tf.mul(tf.add(tf.erf(u), 1), 0.5), 1); // [B, bins + 1]
  const bins = spec.edges.length - 1;
  const inside = tf.sub(tf.slice(cdf, [0, 1], [-1, bins]), tf.slice(cdf, [0, 0], [-1, bins]));
  return histogramHint(tf.add(tf.mul(counted, tf.sub(1, near.part)), tf.mul(inside, near.part)), spec);
}
