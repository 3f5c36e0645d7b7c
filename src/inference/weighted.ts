/** Statistics of weighted samples, prepared once on the values and read for any weights: what a bootstrap asks for. */
import { quickRng, type Rng } from "../random.ts";
import { quantile } from "../report/statistics.ts";

/** The statistic under weights [n], 0 or more, whose sum is 1. */
export type Statistic = (weight: Float64Array) => number;

/** Divides weights by their sum, in place; false where that is 0. */
export function normalise(weight: Float64Array): boolean {
  let sum = 0;
  for (let i = 0; i < weight.length; i++) sum += weight[i];
  if (sum === 0) return false;
  for (let i = 0; i < weight.length; i++) weight[i] /= sum;
  return true;
}

export function meanOf(values: ArrayLike<number>): Statistic {
  const own = Float64Array.from(values);
  return (weight) => {
    let sum = 0;
    for (let i = 0; i < own.length; i++) sum += weight[i] * own[i];
    return sum;
  };
}

/** Standard deviation about the mean: the root of the second moment. */
export function deviationOf(values: ArrayLike<number>): Statistic {
  const own = Float64Array.from(values);
  const mean = meanOf(own);
  return (weight) => {
    const centre = mean(weight);
    let sum = 0;
    for (let i = 0; i < own.length; i++) sum += weight[i] * (own[i] - centre) ** 2;
    return Math.sqrt(sum);
  };
}

/** Values in rising order, and the place that each had. */
function ordered(values: ArrayLike<number>): { readonly sorted: Float64Array; readonly place: Int32Array } {
  const place = Int32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a] - values[b]);
  return { sorted: Float64Array.from(place, (i) => values[i]), place };
}

/** Rounding of sums of weights: what is half to within it is half. */
const ROUNDING = 1e-10;

/**
 * Takes values in rising order with their weights, and says the median as soon as it has seen it: the value at which the
 * weights reach half, or the middle between it and the next where they are half exactly.
 */
function createMiddle(): (value: number, weight: number) => number | undefined {
  const [short, half] = [0.5 - ROUNDING, 0.5 + ROUNDING];
  let sum = 0;
  let before: number | undefined;
  return (value, weight) => {
    if (weight === 0) return undefined;
    if (before !== undefined) return 0.5 * (before + value);
    sum += weight;
    if (sum > half) return value;
    if (sum >= short) before = value;
    return undefined;
  };
}

export function medianOf(values: ArrayLike<number>): Statistic {
  const { sorted, place } = ordered(values);
  return (weight) => {
    const middle = createMiddle();
    for (let k = 0; k < sorted.length; k++) {
      const found = middle(sorted[k], weight[place[k]]);
      if (found !== undefined) return found;
    }
    return Number.NaN;
  };
}

/** Scatter that a few outliers don't move: 1.4826 median|e - median e|, the deviations read from the median outwards. */
export function nmadOf(values: ArrayLike<number>): Statistic {
  const { sorted, place } = ordered(values);
  const centreOf = medianOf(values);
  return (weight) => {
    const centre = centreOf(weight);
    const middle = createMiddle();
    let right = 0;
    for (let end = sorted.length; right < end;) {
      const half = (right + end) >> 1;
      if (sorted[half] < centre) right = half + 1;
      else end = half;
    }
    let left = right - 1;
    while (left >= 0 || right < sorted.length) {
      const below = left >= 0 ? centre - sorted[left] : Infinity;
      const above = right < sorted.length ? sorted[right] - centre : Infinity;
      const k = below <= above ? left-- : right++;
      const found = middle(Math.min(below, above), weight[place[k]]);
      if (found !== undefined) return 1.4826 * found;
    }
    return Number.NaN;
  };
}

/** Largest distance between the empirical cdf of values in [0, 1] and the diagonal (Kolmogorov-Smirnov). */
export function ksOf(values: ArrayLike<number>): Statistic {
  const { sorted, place } = ordered(values);
  return (weight) => {
    let [distance, below] = [0, 0];
    for (let k = 0; k < sorted.length; k++) {
      const own = weight[place[k]];
      if (own === 0) continue;
      distance = Math.max(distance, sorted[k] - below, below + own - sorted[k]);
      below += own;
    }
    return distance;
  };
}

/**
 * Values of statistics in every one of `resamples` draws. Units are drawn with replacement, all rows of a unit together
 * (noise draws of one galaxy are not independent): `evaluate` sees how often each row was drawn, times its own weight.
 * Draws in which nothing has weight are drawn again.
 */
export function bootstrap(
  unit: ArrayLike<string | number>,
  own: ArrayLike<number> | undefined,
  resamples: number,
  rng: Rng,
  evaluate: (weight: Float64Array) => Float64Array,
): Float64Array[] {
  const groups = new Map<string | number, number>();
  const group = Int32Array.from(unit, (key) => {
    const known = groups.get(key) ?? groups.size;
    groups.set(key, known);
    return known;
  });
  const times = new Float64Array(groups.size);
  const weight = new Float64Array(group.length);
  const quick = quickRng(rng);
  const draw = (): void => {
    times.fill(0);
    for (let i = 0; i < times.length; i++) times[quick.integer(times.length)]++;
    for (let i = 0; i < weight.length; i++) weight[i] = times[group[i]] * (own === undefined ? 1 : own[i]);
  };
  return Array.from({ length: resamples }, () => {
    do draw();
    while (!normalise(weight));
    return evaluate(weight);
  });
}

/** An estimate with the ends of its 95 % bootstrap interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Draws that the ends of an interval are read from: they scatter by 6 % of the estimate's error. */
export const RESAMPLES = 1000;

/** Number of equally weighted rows that would say as much: (sum w)^2 / sum w^2 (Kish 1965). */
export function effectiveCount(weight: ArrayLike<number>): number {
  let [sum, square] = [0, 0];
  for (let i = 0; i < weight.length; i++) [sum, square] = [sum + weight[i], square + weight[i] ** 2];
  return square === 0 ? 0 : sum ** 2 / square;
}

/** An estimate with the ends of the middle 95 % of its resampled values; without any, its own. */
export function intervalOf(value: number, draws: readonly number[]): Estimate {
  if (draws.length === 0) return { value, low: value, high: value };
  const sorted = Float64Array.from(draws).sort();
  return { value, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** How statistics are drawn again. */
interface Resampling {
  readonly rng: Rng;
  /** Default 1000; 0 makes low = high = value. */
  readonly resamples?: number | undefined;
  /** [n] What is drawn together. */
  readonly unit: ArrayLike<string | number>;
  /** [n] Weights of the rows; all alike when absent, or all zero. */
  readonly weight?: ArrayLike<number>;
}

/** Named statistics of several answers about the same rows, with 95 % bootstrap intervals by unit; all share the draws. */
export function estimateTogether<Name extends string>(
  statistics: readonly (readonly (readonly [Name, Statistic])[])[],
  { unit, weight = [], rng, resamples = RESAMPLES }: Resampling,
): Partial<Record<Name, Estimate>>[] {
  const flat = statistics.flat();
  const evaluate = (drawn: Float64Array): Float64Array => Float64Array.from(flat, ([, statistic]) => statistic(drawn));
  const own = effectiveCount(weight) > 0 ? Float64Array.from(weight) : new Float64Array(unit.length).fill(1);
  normalise(own);
  const values = evaluate(own);
  const draws = bootstrap(unit, own, resamples, rng, evaluate);
  let place = 0;
  return statistics.map((some) => {
    const entries = some.map(([name]) => {
      const j = place++;
      return [
        name,
        intervalOf(
          values[j],
          draws.map((draw) => draw[j]),
        ),
      ];
    });
    return Object.fromEntries(entries) as Partial<Record<Name, Estimate>>;
  });
}
