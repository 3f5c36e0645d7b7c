import type { Rng } from "../random.ts";
import { blurred } from "./blurred.ts";
import type { Curve, Distribution, Moments } from "./distribution.ts";
import { cellsOf, fineLevels, lastRow, numericMode, numericMoments, placeOf } from "./numeric.ts";

/** A monotone map of [0, 1] onto itself. */
export interface Warp {
  at(u: number): number;
  inverse(level: number): number;
  /** Its derivative. */
  density(u: number): number;
}

export type Interpolation = "linear" | "pchip";

/**
 * The map through knots (u, g): straight between them, or PCHIP (Fritsch & Carlson 1980; slopes as Fritsch & Butland 1984),
 * which is monotone and has a continuous density.
 * @throws Error unless both increase strictly from 0 to 1.
 */
export function createWarp(u: ArrayLike<number>, g: ArrayLike<number>, interpolation: Interpolation): Warp {
  const [x, y] = [Float64Array.from(u), Float64Array.from(g)];
  for (const [name, values] of [["u", x] as const, ["g", y] as const]) {
    const isRising = values.every((value, i) => i === 0 || value > values[i - 1]);
    if (x.length !== y.length || !isRising || values[0] !== 0 || values.at(-1) !== 1) {
      throw new Error(`warp: knots ${name} must increase strictly from 0 to 1, as many of u as of g`);
    }
  }
  const slope = interpolation === "linear" ? undefined : pchipSlopes(x, y);
  const cell = (edges: Float64Array, value: number): number =>
    Math.min(Math.max(placeOf(edges, value), 0), x.length - 2);
  const at = (value: number): number => {
    const i = cell(x, value);
    return hermite(x, y, slope, i, (value - x[i]) / (x[i + 1] - x[i]))[0];
  };
  return {
    at,
    density(value) {
      const i = cell(x, value);
      return hermite(x, y, slope, i, (value - x[i]) / (x[i + 1] - x[i]))[1];
    },
    inverse(level) {
      const i = cell(y, level);
      let [low, high] = [0, 1];
      let t = (level - y[i]) / (y[i + 1] - y[i]); // the answer between straight knots, a start between curved ones
      const most = slope === undefined ? 0 : 60;
      for (let step = 0; step < most && high - low > 1e-15; step++) {
        const [value, density] = hermite(x, y, slope, i, t);
        if (value > level) high = t;
        else low = t;
        const next = t - (value - level) / (density * (x[i + 1] - x[i]));
        const moved = next > low && next < high ? next : 0.5 * (low + high);
        if (Math.abs(moved - t) < 1e-15) break;
        t = moved;
      }
      return x[i] + t * (x[i + 1] - x[i]);
    },
  };
}

/** Value and derivative at the part t of cell i. */
function hermite(
  x: Float64Array,
  y: Float64Array,
  slope: Float64Array | undefined,
  i: number,
  t: number,
): readonly [number, number] {
  const width = x[i + 1] - x[i];
  const rise = (y[i + 1] - y[i]) / width;
  if (slope === undefined) return [y[i] + t * (y[i + 1] - y[i]), rise];
  const b = 3 * rise - 2 * slope[i] - slope[i + 1];
  const c = slope[i] + slope[i + 1] - 2 * rise;
  return [y[i] + width * t * (slope[i] + t * (b + t * c)), slope[i] + t * (2 * b + 3 * t * c)];
}

function pchipSlopes(x: Float64Array, y: Float64Array): Float64Array {
  const n = x.length;
  const width = (i: number): number => x[i + 1] - x[i];
  const rise = (i: number): number => (y[i + 1] - y[i]) / width(i);
  const slope = new Float64Array(n);
  for (let i = 1; i < n - 1; i++) {
    const [a, b] = [2 * width(i) + width(i - 1), width(i) + 2 * width(i - 1)];
    slope[i] = (a + b) / (a / rise(i - 1) + b / rise(i));
  }
  // At the ends the parabola through three knots, kept positive and below the slope at which the cubic would turn back.
  const end = (first: number, second: number): number => {
    const [h0, h1] = [width(first), width(second)];
    const value = ((2 * h0 + h1) * rise(first) - h0 * rise(second)) / (h0 + h1);
    return Math.min(Math.max(value, 0.05 * rise(first)), 3 * rise(first));
  };
  slope[0] = n > 2 ? end(0, 1) : rise(0);
  slope[n - 1] = n > 2 ? end(n - 2, n - 3) : rise(0);
  return slope;
}

/** Recalibration: the cdf G(F(v)) and so the density g(F(v)) p(v), the same G for every row. */
export function warped(base: Distribution, warp: Warp): Distribution {
  return new Warped(base, () => ({ warp }));
}

export interface Reweighted extends Distribution {
  /** (mean r)^2 / mean r^2 under the base: the part of it that the new distribution rests on. */
  effectiveFraction(row: number): number;
  /** Mean of the ratio under the base. */
  meanRatio(row: number): number;
}

/**
 * Another prior: p(v) ratio(row, v) / norm. The ratio is read at 433 or more quantiles of each row and linear in the cdf in between
 * (constant beyond 6 sigma); the density itself is exact but for the norm.
 * @throws Error, when a row is asked, for a ratio that is negative, not finite, or 0 at all quantiles.
 */
export function reweighted(base: Distribution, ratio: (row: number, v: number) => number): Reweighted {
  return new ReweightedRows(base, (row) => tilt(base, row, ratio));
}

interface RowWarp {
  readonly warp: Warp;
  /** ln of the density relative to the base, where it is known better than from the warp. */
  readonly logRatio?: (v: number) => number;
  readonly effectiveFraction?: number;
  readonly meanRatio?: number;
}

function tilt(base: Distribution, row: number, ratio: (row: number, v: number) => number): RowWarp {
  const cells = cellsOf(base, row, fineLevels);
  const n = cells.x.length;
  const r = Float64Array.from(cells.x, (v) => ratio(row, v));
  if (!r.every((value) => value >= 0 && value < Infinity) || !r.some((value) => value > 0)) {
    throw new Error(`reweighted: row ${row} has a ratio that is negative, not finite, or 0 everywhere`);
  }
  const u = Float64Array.of(0, ...cells.u, 1);
  const density = Float64Array.of(r[0], ...r, r[n - 1]);
  const below = new Float64Array(u.length);
  let squares = 0;
  for (let i = 1; i < u.length; i++) {
    const [a, b] = [density[i - 1], density[i]];
    below[i] = below[i - 1] + 0.5 * (a + b) * (u[i] - u[i - 1]);
    squares += ((a * a + a * b + b * b) / 3) * (u[i] - u[i - 1]);
  }
  const norm = below[u.length - 1];
  return {
    warp: ramps(
      u,
      density.map((value) => value / norm),
      below.map((value) => value / norm),
    ),
    logRatio: (v) => Math.log(ratio(row, v) / norm),
    effectiveFraction: (norm * norm) / squares,
    meanRatio: norm,
  };
}

/** The map whose density is linear between u. */
function ramps(u: Float64Array, density: Float64Array, below: Float64Array): Warp {
  const cell = (edges: Float64Array, value: number): number =>
    Math.min(Math.max(placeOf(edges, value), 0), u.length - 2);
  const slope = (i: number): number => (density[i + 1] - density[i]) / (u[i + 1] - u[i]);
  return {
    at(value) {
      const i = cell(u, value);
      const d = value - u[i];
      return below[i] + d * (density[i] + 0.5 * slope(i) * d);
    },
    density(value) {
      const i = cell(u, value);
      return density[i] + slope(i) * (value - u[i]);
    },
    inverse(level) {
      const i = cell(below, level);
      const rest = Math.max(0, level - below[i]);
      const root = Math.sqrt(Math.max(0, density[i] ** 2 + 2 * rest * slope(i)));
      return u[i] + (rest > 0 ? Math.min((2 * rest) / (density[i] + root), u[i + 1] - u[i]) : 0);
    },
  };
}

/** Levels stay this far from 0 and 1, where the base has no quantiles. */
const LEVEL_EDGE = 1e-12;

class Warped implements Distribution {
  readonly rowCount: number;
  readonly #base: Distribution;
  readonly #of: (row: number) => RowWarp;

  constructor(base: Distribution, of: (row: number) => RowWarp) {
    this.rowCount = base.rowCount;
    this.#base = base;
    this.#of = lastRow(of);
  }

  protected row(row: number): RowWarp {
    return this.#of(row);
  }

  logDensity(row: number, v: number): number {
    const base = this.#base.logDensity(row, v);
    if (base === -Infinity) return base;
    const { warp, logRatio } = this.#of(row);
    return base + (logRatio?.(v) ?? Math.log(warp.density(this.#base.cdf(row, v))));
  }

  cdf(row: number, v: number): number {
    return Math.min(1, Math.max(0, this.#of(row).warp.at(this.#base.cdf(row, v))));
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    const { warp } = this.#of(row);
    const inner = Float64Array.from(levels, (level) =>
      Math.min(Math.max(warp.inverse(level), LEVEL_EDGE), 1 - LEVEL_EDGE),
    );
    this.#base.quantiles(row, inner, out);
  }

  sample(row: number, rng: Rng): number {
    const one = new Float64Array(1);
    this.quantiles(row, [rng.uniform()], one);
    return one[0];
  }

  moments(row: number, curve?: Curve, low?: number, high?: number): Moments {
    return numericMoments(this, row, curve, low, high);
  }

  mode(row: number, curve?: Curve): number {
    return numericMode(this, row, curve, [this.#base.mode(row, curve)]);
  }

  widen(error: (row: number) => number): Distribution {
    return blurred(this, error);
  }
}

class ReweightedRows extends Warped implements Reweighted {
  effectiveFraction(row: number): number {
    return this.row(row).effectiveFraction ?? 1;
  }

  meanRatio(row: number): number {
    return this.row(row).meanRatio ?? 1;
  }
}
