import type { Rng } from "../random.ts";
import { blurred } from "./blurred.ts";
import type { Curve, Distribution, Moments } from "./distribution.ts";
import { perRow } from "./distribution.ts";
import { lastRow, numericMode, numericMoments } from "./numeric.ts";

/** Less mass outside than this is none. */
const NOTHING_OUTSIDE = 1e-9;
/** Less mass inside than this can't be told from rounding: the answer is then what decays from the nearest bound. */
const NOTHING_INSIDE = 1e-11;
/** Less mass outside than this is not worth a blur, whose own error is larger. */
const LITTLE_OUTSIDE = 1e-5;
/** Levels stay this far from 0 and 1. */
const LEVEL_EDGE = 1e-12;

/**
 * A continuous distribution given low(row) <= V <= high(row) (-Infinity and Infinity allowed). A row with no mass inside
 * becomes an exponential that decays from the nearest bound as the base's density does there.
 */
export function truncated(
  base: Distribution,
  low: (row: number) => number,
  high: (row: number) => number,
): Distribution {
  return new Truncated(base, low, high);
}

class Truncated implements Distribution {
  readonly rowCount: number;
  readonly #base: Distribution;
  readonly #low: (row: number) => number;
  readonly #high: (row: number) => number;
  /** [rowCount] Mass of the base below and up to the bounds; NaN where not asked yet. */
  readonly #from: Float64Array;
  readonly #to: Float64Array;
  readonly #edge: (row: number) => Edge;
  #scaled = new Float64Array(0);
  readonly #one = new Float64Array(1);

  constructor(base: Distribution, low: (row: number) => number, high: (row: number) => number) {
    this.rowCount = base.rowCount;
    this.#base = base;
    this.#low = low;
    this.#high = high;
    this.#from = new Float64Array(base.rowCount).fill(Number.NaN);
    this.#to = new Float64Array(base.rowCount).fill(Number.NaN);
    this.#edge = lastRow((row) => createEdge(base, row, low(row), high(row), this.#from[row] > 0.5));
  }

  /** Mass inside. */
  #mass(row: number): number {
    if (Number.isNaN(this.#from[row])) {
      const [low, high] = [this.#low(row), this.#high(row)];
      if (this.#base.hasRoom?.(row, low, high) === true) {
        this.#from[row] = 0;
        this.#to[row] = 1;
        return 1;
      }
      this.#from[row] = low === -Infinity ? 0 : this.#base.cdf(row, low);
      this.#to[row] = high === Infinity ? 1 : this.#base.cdf(row, high);
    }
    return this.#to[row] - this.#from[row];
  }

  #isWhole(row: number): boolean {
    return this.#mass(row) > 1 - NOTHING_OUTSIDE;
  }

  #isEmpty(row: number): boolean {
    return !(this.#mass(row) >= NOTHING_INSIDE);
  }

  #inside(row: number, v: number): number {
    return Math.min(Math.max(v, this.#low(row)), this.#high(row));
  }

  logDensity(row: number, v: number): number {
    if (!(v >= this.#low(row) && v <= this.#high(row))) return -Infinity;
    if (this.#isEmpty(row)) return this.#edge(row).logDensity(v);
    return this.#base.logDensity(row, v) - (this.#isWhole(row) ? 0 : Math.log(this.#mass(row)));
  }

  cdf(row: number, v: number): number {
    if (v < this.#low(row)) return 0;
    if (v >= this.#high(row)) return 1;
    if (this.#isEmpty(row)) return this.#edge(row).cdf(v);
    const mass = this.#mass(row);
    return Math.min(1, Math.max(0, (this.#base.cdf(row, v) - this.#from[row]) / mass));
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    const n = levels.length;
    if (this.#isEmpty(row)) {
      const edge = this.#edge(row);
      for (let i = 0; i < n; i++) out[i] = this.#inside(row, edge.quantile(levels[i]));
      return;
    }
    if (this.#isWhole(row)) this.#base.quantiles(row, levels, out);
    else {
      if (this.#scaled.length !== n) this.#scaled = new Float64Array(n);
      const mass = this.#mass(row);
      for (let i = 0; i < n; i++) this.#scaled[i] = clip(this.#from[row] + mass * levels[i]);
      this.#base.quantiles(row, this.#scaled, out);
    }
    for (let i = 0; i < n; i++) out[i] = this.#inside(row, out[i]);
  }

  sample(row: number, rng: Rng): number {
    if (!this.#isEmpty(row) && this.#isWhole(row)) return this.#inside(row, this.#base.sample(row, rng));
    this.quantiles(row, [clip(rng.uniform())], this.#one);
    return this.#one[0];
  }

  moments(row: number, curve?: Curve, low = -Infinity, high = Infinity): Moments {
    if (!this.#isEmpty(row)) {
      return this.#base.moments(row, curve, Math.max(low, this.#low(row)), Math.min(high, this.#high(row)));
    }
    return numericMoments(this, row, curve, low, high);
  }

  mode(row: number, curve?: Curve): number {
    const mode = this.#base.mode(row, curve);
    if (mode >= this.#low(row) && mode <= this.#high(row)) return mode;
    const ends = [this.#low(row), this.#high(row)].filter(Number.isFinite);
    return numericMode(this, row, curve, ends);
  }

  /** Rows that are hardly cut are widened as the base is; of the others, what is left is blurred across the bounds. */
  widen(error: (row: number) => number): Distribution {
    const whole = this.#base.widen(error);
    const cut = blurred(this, error);
    return perRow(this.rowCount, (row) => [this.#mass(row) > 1 - LITTLE_OUTSIDE ? whole : cut, row]);
  }
}

const clip = (level: number): number => Math.min(Math.max(level, LEVEL_EDGE), 1 - LEVEL_EDGE);

interface Edge {
  logDensity(v: number): number;
  cdf(v: number): number;
  quantile(level: number): number;
}

/** The exponential inside [low, high] that decays from one of them at the rate at which the base's density does. */
function createEdge(base: Distribution, row: number, low: number, high: number, isLow: boolean): Edge {
  const bound = isLow ? low : high;
  const unit = Math.max(1, Math.abs(bound));
  const h = 1e-5 * unit;
  const inward = isLow ? 1 : -1;
  const slope = (base.logDensity(row, bound) - base.logDensity(row, bound + inward * h)) / h;
  const rate = slope > 0 && slope < Infinity ? slope : 1e6 / Math.min(unit, high - low);
  const total = -Math.expm1(-rate * (high - low));
  /** Mass within this distance of the bound. */
  const near = (distance: number): number => Math.min(1, -Math.expm1(-rate * distance) / total);
  return {
    logDensity: (v) => Math.log(rate / total) - rate * Math.abs(v - bound),
    cdf: (v) => (isLow ? near(v - low) : 1 - near(high - v)),
    quantile: (level) => bound - (inward * Math.log1p(-total * (isLow ? level : 1 - level))) / rate,
  };
}
