/** How often rows of one sample are in another: ratios of densities, and rows drawn by them. */
import { createRng } from "../random.ts";
import { cholesky, choleskySolve } from "./cholesky.ts";

/** A weight is no more than this many times the mean, and no less than one part in so many of it. */
const MOST = 10;
/** Standardised features are cut here, so that one wild number does not decide [sigma]. */
const MOST_SIGMAS = 4;
/** Prior deviation of a coefficient. */
const COEFFICIENT = 1;
const ITERATIONS = 15;

/** Features [n, p] as means and deviations of both samples have them, with their squares and products: [n, width], 1 first. */
function expanded(x: Float64Array, p: number, both: readonly Float64Array[]): { width: number; terms: Float64Array } {
  const scale = Array.from({ length: p }, (_, i) => {
    const values = both.flatMap((one) => Array.from(one).filter((_v, at) => at % p === i));
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
    return { mean, std: Math.sqrt(variance) || 1 };
  });
  const n = x.length / p;
  const width = 1 + p + (p * (p + 1)) / 2;
  const terms = new Float64Array(n * width);
  for (let row = 0; row < n; row++) {
    const own = scale.map(({ mean, std }, i) =>
      Math.max(-MOST_SIGMAS, Math.min(MOST_SIGMAS, (x[row * p + i] - mean) / std)),
    );
    const products = own.flatMap((a, i) => own.slice(i).map((b) => a * b));
    terms.set([1, ...own, ...products], row * width);
  }
  return { width, terms };
}

/**
 * Weights [n], in the mean 1, under which `source` [n, p] is distributed as `target` [m, p]: the odds that a logistic regression of
 * features, squares and products gives each row of being the target's (Sugiyama, Suzuki & Kanamori 2012, chapter 4), kept within a
 * factor of 10 of the mean.
 */
export function importanceWeights(source: Float64Array, target: Float64Array, p: number): Float64Array {
  const sides = [source, target].map((side) => expanded(side, p, [source, target]));
  const { width } = sides[0];
  const counts = sides.map(({ terms }) => terms.length / width);
  const coefficient = new Float64Array(width);
  const oddsOf = (terms: Float64Array, row: number): number => {
    let sum = 0;
    for (let i = 0; i < width; i++) sum += coefficient[i] * terms[row * width + i];
    return sum;
  };
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    // both sides count alike; Newton's step (Hastie, Tibshirani & Friedman 2009, eq. 4.26)
    const slope = coefficient.map((c, i) => (i === 0 ? 0 : -c / COEFFICIENT ** 2));
    const curvature = new Float64Array(width * width);
    for (let i = 1; i < width; i++) curvature[i * width + i] = 1 / COEFFICIENT ** 2;
    sides.forEach(({ terms }, side) => {
      const weight = (0.5 * (counts[0] + counts[1])) / counts[side];
      for (let row = 0; row < counts[side]; row++) {
        const chance = 1 / (1 + Math.exp(-oddsOf(terms, row)));
        for (let i = 0; i < width; i++) {
          const own = terms[row * width + i];
          slope[i] += weight * (side - chance) * own;
          const part = weight * chance * (1 - chance) * own;
          for (let j = 0; j <= i; j++) curvature[i * width + j] += part * terms[row * width + j];
        }
      }
    });
    const step = choleskySolve(cholesky(curvature, width), slope, width);
    step.forEach((by, i) => (coefficient[i] += by));
  }
  const raw = Float64Array.from({ length: counts[0] }, (_, row) => Math.exp(oddsOf(sides[0].terms, row)));
  const mean = raw.reduce((sum, w) => sum + w, 0) / raw.length;
  const cut = raw.map((w) => Math.max(1 / MOST, Math.min(MOST, w / mean)));
  const total = cut.reduce((sum, w) => sum + w, 0) / cut.length;
  return cut.map((w) => w / total);
}

/** Rows that as many unweighted ones are worth (Kish 1965). */
export const effectiveCount = (weights: Float64Array): number => {
  const sum = weights.reduce((a, w) => a + w, 0);
  return (sum * sum) / weights.reduce((a, w) => a + w * w, 0);
};

/** As many rows, each as often as its weight says (systematic resampling, Kitagawa 1996), in their order. */
export function resampled(rows: Int32Array, weights: Float64Array, seed: string): Int32Array {
  const total = weights.reduce((sum, w) => sum + w, 0);
  const start = createRng(seed).uniform();
  const out = new Int32Array(rows.length);
  let [k, sum] = [0, 0];
  weights.forEach((w, i) => {
    sum += (w / total) * rows.length;
    for (; k < rows.length && k + start < sum; k++) out[k] = rows[i];
  });
  out.fill(rows[rows.length - 1], k); // rounding
  return out;
}
