import { curveAt, identityCurve, logSlopeAt } from "./curve.ts";
import type { Curve, Distribution, Moments } from "./distribution.ts";
import { normalScoreLevels } from "./normal.ts";

/** 433 levels between Phi(-6) and Phi(6): what is worked out numerically is worked out at the quantiles there. */
export const fineLevels: Float64Array = normalScoreLevels(36);

/** Index of the last of the increasing `edges` that is <= v, -1 where there is none. */
export function placeOf(edges: ArrayLike<number>, v: number): number {
  let low = -1;
  let high = edges.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (edges[middle] <= v) low = middle;
    else high = middle;
  }
  return low;
}

type Quantiles = Pick<Distribution, "quantiles" | "cdf">;

/** A distribution cut into cells: values and their cdf, both increasing. */
export interface Cells {
  readonly x: Float64Array;
  readonly u: Float64Array;
}

/** A cell is halved where the cdf in its middle is this far from a straight line, and no more often than this. */
const BENT = 1e-4;
const MOST_HALVINGS = 10;

/** Cells between the quantiles at `levels`, finer where a gap or a step of the cdf lies in one. */
export function cellsOf(of: Quantiles, row: number, levels: Float64Array): Cells {
  const quantiles = new Float64Array(levels.length);
  of.quantiles(row, levels, quantiles);
  const [x, u] = [[quantiles[0]], [levels[0]]];
  const add = (to: number, level: number, halvings: number): void => {
    const [from, below] = [x[x.length - 1], u[u.length - 1]];
    const middle = 0.5 * (from + to);
    if (halvings > 0 && middle > from && middle < to) {
      const half = Math.min(Math.max(of.cdf(row, middle), below), level);
      if (Math.abs(half - 0.5 * (below + level)) > BENT) {
        add(middle, half, halvings - 1);
        add(to, level, halvings - 1);
        return;
      }
    }
    x.push(to);
    u.push(level);
  };
  for (let i = 1; i < levels.length; i++) add(quantiles[i], levels[i], MOST_HALVINGS);
  return { x: Float64Array.from(x), u: Float64Array.from(u) };
}

/** Mean and deviation of curve(V), low <= V <= high, by quadrature over the quantiles: to about 1e-4 of the deviation. */
export function numericMoments(
  of: Quantiles,
  row: number,
  curve: Curve = identityCurve,
  low = -Infinity,
  high = Infinity,
): Moments {
  const from = low === -Infinity ? 0 : of.cdf(row, low);
  const to = high === Infinity ? 1 : of.cdf(row, high);
  if (!(to > from)) return { mean: Number.NaN, std: Number.NaN };
  const cells = cellsOf(
    of,
    row,
    fineLevels.map((level) => from + (to - from) * level),
  );
  const x = cells.x.map((v) => curveAt(curve, Math.min(Math.max(v, low), high)));
  const zero = x[x.length >> 1];
  let [first, second, mass] = [0, 0, 0];
  for (let i = 1; i < x.length; i++) {
    const share = cells.u[i] - cells.u[i - 1];
    const [a, b] = [x[i - 1] - zero, x[i] - zero];
    mass += share;
    first += (share * (a + b)) / 2;
    second += (share * (a * a + a * b + b * b)) / 3;
  }
  const mean = first / mass;
  return { mean: zero + mean, std: Math.sqrt(Math.max(0, second / mass - mean * mean)) };
}

const MODE_LEVELS = Float64Array.from({ length: 41 }, (_, i) => (i + 0.5) / 41);
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/** Where ln p(v) - ln(dx/dv) is highest: the best of 41 quantiles and of `others`, refined between its neighbours. */
export function numericMode(
  of: Pick<Distribution, "quantiles" | "logDensity">,
  row: number,
  curve: Curve = identityCurve,
  others: readonly number[] = [],
): number {
  const quantiles = new Float64Array(MODE_LEVELS.length);
  of.quantiles(row, MODE_LEVELS, quantiles);
  const places = [...quantiles, ...others].sort((a, b) => a - b);
  const height = (v: number): number => of.logDensity(row, v) - logSlopeAt(curve, v);
  const heights = places.map(height);
  let best = 0;
  heights.forEach((h, i) => (best = h > heights[best] ? i : best));
  let low = places[Math.max(0, best - 1)];
  let high = places[Math.min(places.length - 1, best + 1)];
  let [top, at] = [heights[best], places[best]];
  for (let step = 0; step < 24; step++) {
    const left = high - GOLDEN * (high - low);
    const right = low + GOLDEN * (high - low);
    const [a, b] = [height(left), height(right)];
    if (a > b) high = right;
    else low = left;
    const better = a > b ? left : right;
    if (Math.max(a, b) > top) [top, at] = [Math.max(a, b), better];
  }
  return at;
}

/** Calls `build` once per row while rows are asked one after another. */
export function lastRow<T>(build: (row: number) => T): (row: number) => T {
  let current = -1;
  let value: T | undefined;
  return (row) => {
    if (row !== current || value === undefined) {
      value = build(row);
      current = row;
    }
    return value;
  };
}
