/** Posteriors on a grid of redshifts as their peaks: a scan over thousands of redshifts has few. */
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";

/** One peak of a posterior, from valley to valley. */
export interface Peak {
  /** Share of the probability. */
  readonly share: number;
  readonly mean: number;
  readonly std: number;
  /** Where the posterior is highest. */
  readonly mode: number;
}

/** Points between two of the grid where a peak is looked at. */
const FINER = 8;
/** Peaks with less than e^-20 of the highest density are none. */
const LOWEST = 20;
/** Most peaks of one posterior. */
const MOST_PEAKS = 16;

/** Catmull-Rom through four points, at `t` of the way from the second to the third. */
function between(a: number, b: number, c: number, d: number, t: number): number {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/** Places where a peak begins and ends: the valleys on either side of every place higher than its neighbours. */
function spansOf(logDensity: Float64Array): (readonly [from: number, to: number, top: number])[] {
  const n = logDensity.length;
  const spans: (readonly [number, number, number])[] = [];
  for (let from = 0; from < n - 1;) {
    let top = from;
    while (top < n - 1 && logDensity[top + 1] >= logDensity[top]) top++;
    let to = top;
    while (to < n - 1 && logDensity[to + 1] < logDensity[to]) to++;
    if (to === from) break;
    spans.push([from, to, top]);
    from = to;
  }
  return spans;
}

/**
 * Peaks of a density on a grid, the most probable first; their shares sum to 1.
 * @param logDensity [n] ln of the density with respect to x, but for a constant.
 * @param at x of a place of the grid; steps between are interpolated.
 */
export function peaksOf(logDensity: Float64Array, at: (place: number) => number): Peak[] {
  const highest = logDensity.reduce((most, x) => Math.max(most, x), -Infinity);
  const n = logDensity.length;
  const value = (i: number): number => logDensity[Math.min(Math.max(i, 0), n - 1)];
  const peaks = spansOf(logDensity).flatMap(([from, to, top]) => {
    if (logDensity[top] < highest - LOWEST) return [];
    let [mass, first, second] = [0, 0, 0];
    let best = { density: -Infinity, x: at(top) };
    const origin = at(top);
    for (let i = from; i < to; i++) {
      if (Math.max(value(i), value(i + 1)) < highest - 2 * LOWEST) continue;
      for (let k = 0; k < FINER; k++) {
        const t = (k + 0.5) / FINER;
        const density = between(value(i - 1), value(i), value(i + 1), value(i + 2), t);
        const x = at(i + t) - origin;
        const share = Math.exp(density - highest) * (at(i + t + 0.5 / FINER) - at(i + t - 0.5 / FINER));
        mass += share;
        first += share * x;
        second += share * x * x;
        if (density > best.density) best = { density, x: origin + x };
      }
    }
    const mean = first / mass;
    const width = at(top + 0.5 / FINER) - at(top - 0.5 / FINER);
    const std = Math.sqrt(Math.max(0, second / mass - mean * mean) + (width * width) / 12);
    return [{ share: mass, mean: origin + mean, std, mode: best.x }];
  });
  const kept = peaks.toSorted((a, b) => b.share - a.share).slice(0, MOST_PEAKS);
  const total = kept.reduce((sum, { share }) => sum + share, 0);
  return kept.map((peak) => ({ ...peak, share: peak.share / total }));
}

/** Mixtures of the peaks of each row, with `tail` of the probability in one Gaussian of this mean and 1 sigma. */
export function mixtureOfPeaks(
  rows: readonly (readonly Peak[])[],
  tail: { readonly share: number; readonly mean: number; readonly std: number },
): Distribution {
  const components = MOST_PEAKS + 1;
  const size = rows.length * components;
  const [weight, mean, sigma] = [new Float64Array(size), new Float64Array(size), new Float64Array(size).fill(tail.std)];
  rows.forEach((peaks, row) => {
    const at = row * components;
    peaks.forEach((peak, k) => {
      weight[at + k] = (1 - tail.share) * peak.share;
      mean[at + k] = peak.mean;
      sigma[at + k] = peak.std;
    });
    weight[at + MOST_PEAKS] = peaks.length === 0 ? 1 : tail.share;
    mean[at + MOST_PEAKS] = tail.mean;
  });
  return mixtureDistribution({
    rowCount: rows.length,
    componentCount: components,
    stride: components,
    weight,
    mean,
    sigma,
  });
}
