/** Statistics of weighted samples, prepared once on the values and read for any weights: what a bootstrap asks for. */
import type { Rng } from "../random.ts";

/** The statistic under weights [n], 0 or more, of which not all are 0. */
export type Statistic = (weight: Float64Array) => number;

const total = (weight: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < weight.length; i++) sum += weight[i];
  return sum;
};

export function meanOf(values: ArrayLike<number>): Statistic {
  const own = Float64Array.from(values);
  return (weight) => {
    let sum = 0;
    for (let i = 0; i < own.length; i++) sum += weight[i] * own[i];
    return sum / total(weight);
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
    return Math.sqrt(sum / total(weight));
  };
}

/** Values in rising order, and the place that each had. */
function ordered(values: ArrayLike<number>): { readonly sorted: Float64Array; readonly place: Int32Array } {
  const place = Int32Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a] - values[b]);
  return { sorted: Float64Array.from(place, (i) => values[i]), place };
}

/** Rounding of sums of weights: what is half to within it is half. */
const ROUNDING = 1e-12;

/**
 * Takes values in rising order with their weights, and says the median as soon as it has seen it: the value at which the
 * weights reach half of `whole`, or the middle between it and the next where they are half exactly.
 */
function createMiddle(whole: number): (value: number, weight: number) => number | undefined {
  const [short, half] = [0.5 * whole * (1 - ROUNDING), 0.5 * whole * (1 + ROUNDING)];
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
    const middle = createMiddle(total(weight));
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
    const middle = createMiddle(total(weight));
    let right = sorted.findIndex((value) => value >= centre);
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
    const unit = 1 / total(weight);
    let [distance, below] = [0, 0];
    for (let k = 0; k < sorted.length; k++) {
      const own = weight[place[k]] * unit;
      if (own === 0) continue;
      distance = Math.max(distance, sorted[k] - below, below + own - sorted[k]);
      below += own;
    }
    return distance;
  };
}

/**
 * Values of statistics in every one of `resamples` draws. Parents are drawn with replacement, all rows of a parent together
 * (noise draws of one galaxy are not independent): `evaluate` sees how often each row was drawn, times its own weight.
 * Draws in which nothing has weight are drawn again.
 */
export function bootstrap(
  parent: ArrayLike<string | number>,
  own: ArrayLike<number> | undefined,
  resamples: number,
  rng: Rng,
  evaluate: (weight: Float64Array) => Float64Array,
): Float64Array[] {
  const groups = new Map<string | number, number>();
  const group = Int32Array.from(parent, (key) => {
    const known = groups.get(key) ?? groups.size;
    groups.set(key, known);
    return known;
  });
  const times = new Float64Array(groups.size);
  const weight = new Float64Array(group.length);
  const draw = (): void => {
    times.fill(0);
    for (let i = 0; i < times.length; i++) times[rng.integer(times.length)]++;
    for (let i = 0; i < weight.length; i++) weight[i] = times[group[i]] * (own === undefined ? 1 : own[i]);
  };
  return Array.from({ length: resamples }, () => {
    do draw();
    while (total(weight) === 0);
    return evaluate(weight);
  });
}
