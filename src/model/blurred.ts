import type { Rng } from "../random.ts";
import { curveAt, identityCurve } from "./curve.ts";
import type { Curve, Distribution, Moments } from "./distribution.ts";
import { LOG_SQRT_2PI, logNormalBetween, normalCdf, normalScoreLevels } from "./normal.ts";
import { type Cells, cellsOf, lastRow, numericMode, placeOf } from "./numeric.ts";

/** Levels and scores of the cells that a distribution is cut into: 16 per sigma of a Gaussian. */
const PER_SIGMA = 16;
const LEVELS = normalScoreLevels(PER_SIGMA);
const SCORES = Float64Array.from(LEVELS, (_, i) => i / PER_SIGMA - 6);
/** Beyond this many sigma a cell adds nothing that a cdf could show. */
const REACH = 8;

interface Row {
  readonly cells: Cells;
  readonly error: number;
  /** Points, density and cdf of the blurred distribution; the density is linear in between. */
  readonly grid: Float64Array;
  readonly density: Float64Array;
  readonly below: Float64Array;
}

/**
 * Any distribution seen through a Gaussian error per row, numerically: cells of constant density between its quantiles
 * are convolved exactly, and the result is kept on a grid. Good to about 1e-3 of the density's peak.
 */
export function blurred(base: Distribution, error: (row: number) => number): Distribution {
  return new Blurred(base, error);
}

class Blurred implements Distribution {
  readonly rowCount: number;
  readonly #base: Distribution;
  readonly #error: (row: number) => number;
  readonly #row: (row: number) => Row;

  constructor(base: Distribution, error: (row: number) => number) {
    this.rowCount = base.rowCount;
    this.#base = base;
    this.#error = error;
    this.#row = lastRow((row) => buildRow(base, row, error(row)));
  }

  /** The untouched base where there is no error. */
  #sharp(row: number): Distribution | undefined {
    return this.#error(row) > 0 ? undefined : this.#base;
  }

  logDensity(row: number, v: number): number {
    const sharp = this.#sharp(row);
    if (sharp !== undefined) return sharp.logDensity(row, v);
    const { grid, density, cells, error } = this.#row(row);
    const i = placeOf(grid, v);
    if (i < 0 || i >= grid.length - 1) return logDensityFar(cells, error, v);
    const part = (v - grid[i]) / (grid[i + 1] - grid[i]);
    return Math.log(density[i] + part * (density[i + 1] - density[i]));
  }

  cdf(row: number, v: number): number {
    const sharp = this.#sharp(row);
    if (sharp !== undefined) return sharp.cdf(row, v);
    const { grid, density, below } = this.#row(row);
    const i = placeOf(grid, v);
    if (i < 0) return 0;
    if (i >= grid.length - 1) return 1;
    const d = v - grid[i];
    const slope = (density[i + 1] - density[i]) / (grid[i + 1] - grid[i]);
    return Math.min(1, below[i] + d * (density[i] + 0.5 * slope * d));
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    const sharp = this.#sharp(row);
    if (sharp !== undefined) return sharp.quantiles(row, levels, out);
    const { grid, density, below } = this.#row(row);
    for (let k = 0; k < levels.length; k++) {
      const i = Math.min(Math.max(placeOf(below, levels[k]), 0), grid.length - 2);
      const width = grid[i + 1] - grid[i];
      const rest = Math.max(0, levels[k] - below[i]);
      const root = Math.sqrt(density[i] ** 2 + (2 * rest * (density[i + 1] - density[i])) / width);
      out[k] = grid[i] + Math.min(width, rest > 0 ? (2 * rest) / (density[i] + root) : 0);
    }
  }

  sample(row: number, rng: Rng): number {
    return this.#base.sample(row, rng) + Math.max(0, this.#error(row)) * rng.normal();
  }

  moments(row: number, curve: Curve = identityCurve, low = -Infinity, high = Infinity): Moments {
    const sharp = this.#sharp(row);
    if (sharp !== undefined) return sharp.moments(row, curve, low, high);
    const { grid, density } = this.#row(row);
    const zero = curveAt(curve, grid[grid.length >> 1]);
    let [mass, first, second] = [0, 0, 0];
    for (let i = 1; i < grid.length; i++) {
      const from = Math.max(low, grid[i - 1]);
      const to = Math.min(high, grid[i]);
      if (!(to > from)) continue;
      for (const node of GAUSS) {
        const v = from + node * (to - from);
        const part = (v - grid[i - 1]) / (grid[i] - grid[i - 1]);
        const share = 0.5 * (to - from) * (density[i - 1] + part * (density[i] - density[i - 1]));
        const off = curveAt(curve, v) - zero;
        mass += share;
        first += share * off;
        second += share * off * off;
      }
    }
    const mean = first / mass;
    return { mean: zero + mean, std: Math.sqrt(Math.max(0, second / mass - mean * mean)) };
  }

  mode(row: number, curve?: Curve): number {
    return this.#sharp(row)?.mode(row, curve) ?? numericMode(this, row, curve, [this.#base.mode(row, curve)]);
  }

  widen(error: (row: number) => number): Distribution {
    return blurred(this.#base, (row) => Math.hypot(this.#error(row), error(row)));
  }
}

/** Two-point Gauss-Legendre quadrature on [0, 1]. */
const GAUSS = [0.5 - 0.5 / Math.sqrt(3), 0.5 + 0.5 / Math.sqrt(3)];

const isPoint = (from: number, to: number, error: number): boolean => to - from < 1e-6 * error;

/** Density at v of the cells seen through the error. */
function densityAt({ x, u }: Cells, error: number, v: number): number {
  const first = Math.max(1, placeOf(x, v - REACH * error));
  let sum = 0;
  // each edge's tail is worked out once; the difference of two on one side keeps its digits
  let b = (v - x[first - 1]) / error;
  let beyond = normalCdf(-Math.abs(b));
  for (let i = first; i < x.length && x[i - 1] < v + REACH * error; i++) {
    const mass = u[i] - u[i - 1];
    const a = (v - x[i]) / error;
    const tail = normalCdf(-Math.abs(a));
    const between = a > 0 === b > 0 ? Math.abs(tail - beyond) : 1 - tail - beyond;
    sum += isPoint(x[i - 1], x[i], error)
      ? (mass * Math.exp(-0.5 * a * a - LOG_SQRT_2PI)) / error
      : (mass * between) / (x[i] - x[i - 1]);
    b = a;
    beyond = tail;
  }
  return sum;
}

/** ln of the same, in the far tails. */
function logDensityFar({ x, u }: Cells, error: number, v: number): number {
  let top = -Infinity;
  for (let i = 1; i < x.length; i++) {
    const [a, b] = [(v - x[i]) / error, (v - x[i - 1]) / error];
    const mass = Math.log(u[i] - u[i - 1]);
    const term = isPoint(x[i - 1], x[i], error)
      ? mass - 0.5 * a * a - LOG_SQRT_2PI - Math.log(error)
      : mass + logNormalBetween(a, b) - Math.log(x[i] - x[i - 1]);
    const most = Math.max(top, term);
    if (most > -Infinity) top = most + Math.log(Math.exp(top - most) + Math.exp(term - most));
  }
  return top;
}

/**
 * The grid is the cells' edges, each moved by the error's quantile at a level that runs with it: as wide as the result or
 * wider, and as fine.
 */
function buildRow(base: Distribution, row: number, error: number): Row {
  const cells = cellsOf(base, row, LEVELS);
  const last = cells.x.length - 1;
  const grid = cells.x.map((x, i) => x + error * interpolateScore(cells.u[i], i / last));
  const density = grid.map((v) => densityAt(cells, error, v));
  const below = new Float64Array(grid.length);
  for (let i = 1; i < grid.length; i++) {
    below[i] = below[i - 1] + 0.5 * (density[i] + density[i - 1]) * (grid[i] - grid[i - 1]);
  }
  const total = below[last];
  return { cells, error, grid, density: density.map((p) => p / total), below: below.map((p) => p / total) };
}

/** Score of a level; levels that are the same to rounding keep their order by `part`. */
function interpolateScore(level: number, part: number): number {
  const i = Math.min(Math.max(placeOf(LEVELS, level), 0), LEVELS.length - 2);
  const t = Math.min(Math.max((level - LEVELS[i]) / (LEVELS[i + 1] - LEVELS[i]), 0), 1);
  return SCORES[i] + t * (SCORES[i + 1] - SCORES[i]) + 1e-6 * part;
}
