import type { Rng } from "../random.ts";
import { blurred } from "./blurred.ts";
import { curveAt, curveInverse, identityCurve, logSlopeAt } from "./curve.ts";
import type { Curve, Distribution, Moments } from "./distribution.ts";
import { lastRow, numericMode, numericMoments } from "./numeric.ts";

/** The distribution of x = curve(V), each row with its own increasing curve (factor x rate > 0). */
export function inUnits(base: Distribution, curve: (row: number) => Curve): Distribution {
  return new InUnits(base, curve);
}

class InUnits implements Distribution {
  readonly rowCount: number;
  readonly #base: Distribution;
  readonly #curve: (row: number) => Curve;

  constructor(base: Distribution, curve: (row: number) => Curve) {
    this.rowCount = base.rowCount;
    this.#base = base;
    this.#curve = lastRow(curve);
  }

  logDensity(row: number, x: number): number {
    const curve = this.#curve(row);
    const v = curveInverse(curve, x);
    return Number.isFinite(v) ? this.#base.logDensity(row, v) - logSlopeAt(curve, v) : -Infinity;
  }

  cdf(row: number, x: number): number {
    return this.#base.cdf(row, curveInverse(this.#curve(row), x));
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    this.#base.quantiles(row, levels, out);
    const curve = this.#curve(row);
    for (let i = 0; i < levels.length; i++) out[i] = curveAt(curve, out[i]);
  }

  sample(row: number, rng: Rng): number {
    return curveAt(this.#curve(row), this.#base.sample(row, rng));
  }

  moments(row: number, then: Curve = identityCurve, low = -Infinity, high = Infinity): Moments {
    if (then.shape !== "linear") return numericMoments(this, row, then, low, high);
    const curve = this.#curve(row);
    const { mean, std } = this.#base.moments(row, curve, inverseOf(curve, low), inverseOf(curve, high));
    return { mean: curveAt(then, mean), std: std * Math.abs(then.factor * then.rate) };
  }

  mode(row: number, then: Curve = identityCurve): number {
    const curve = this.#curve(row);
    const mode = curveAt(curve, this.#base.mode(row, curve));
    return then.shape === "linear" ? mode : numericMode(this, row, then, [mode]);
  }

  /** Through a straight line the base is widened; through any other curve the error is no Gaussian in the base's space. */
  widen(error: (row: number) => number): Distribution {
    const isStraight = Array.from({ length: this.rowCount }, (_, row) => this.#curve(row).shape).every(
      (shape) => shape === "linear",
    );
    if (!isStraight) return blurred(this, error);
    return inUnits(
      this.#base.widen((row) => error(row) / slopeOf(this.#curve(row))),
      this.#curve,
    );
  }

  hasRoom(row: number, low: number, high: number): boolean {
    const curve = this.#curve(row);
    return this.#base.hasRoom?.(row, inverseOf(curve, low), inverseOf(curve, high)) === true;
  }

  crps(row: number, truth: number): number | undefined {
    const curve = this.#curve(row);
    if (curve.shape !== "linear") return undefined;
    const crps = this.#base.crps?.(row, curveInverse(curve, truth));
    return crps === undefined ? undefined : crps * slopeOf(curve);
  }
}

/** Of a straight line. */
const slopeOf = (curve: Curve): number => Math.abs(curve.factor * curve.rate);

const inverseOf = (curve: Curve, x: number): number => (Number.isFinite(x) ? curveInverse(curve, x) : x);
