import type { Rng } from "../random.ts";
import { curveAt, identityCurve } from "./curve.ts";
import type { Curve, Distribution, Moments } from "./distribution.ts";

/** Probabilities of classes 0 .. K - 1. */
export interface CategoryDistribution extends Distribution {
  readonly classCount: number;
  /** P(V = k). */
  probability(row: number, k: number): number;
}

/**
 * Classes as values: their indices, with a cdf in steps. `probability` [rowCount, classCount] sums to 1 within a row.
 * @throws Error when the probabilities are no whole rows.
 */
export function categoryDistribution(probability: Float64Array, rowCount: number): CategoryDistribution {
  const classCount = rowCount > 0 ? probability.length / rowCount : 1;
  if (!Number.isInteger(classCount) || classCount < 1) {
    throw new Error(`category: ${probability.length} probabilities, expected whole rows, ${rowCount} of them`);
  }
  return new Category(probability, rowCount, classCount);
}

class Category implements CategoryDistribution {
  readonly rowCount: number;
  readonly classCount: number;
  readonly #probability: Float64Array;

  constructor(probability: Float64Array, rowCount: number, classCount: number) {
    this.rowCount = rowCount;
    this.classCount = classCount;
    this.#probability = probability;
  }

  probability(row: number, k: number): number {
    return Number.isInteger(k) && k >= 0 && k < this.classCount ? this.#probability[row * this.classCount + k] : 0;
  }

  logDensity(row: number, v: number): number {
    return Math.log(this.probability(row, v));
  }

  cdf(row: number, v: number): number {
    if (v >= this.classCount - 1) return 1;
    let sum = 0;
    for (let k = 0; k <= v; k++) sum += this.probability(row, k);
    return Math.min(sum, 1);
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    for (let i = 0; i < levels.length; i++) out[i] = this.#classAt(row, levels[i]);
  }

  /** The first class up to which more than `level` lies. */
  #classAt(row: number, level: number): number {
    let k = 0;
    let sum = this.probability(row, 0);
    while (k < this.classCount - 1 && sum <= level) sum += this.probability(row, ++k);
    return k;
  }

  sample(row: number, rng: Rng): number {
    return this.#classAt(row, rng.uniform());
  }

  moments(row: number, curve: Curve = identityCurve, low = -Infinity, high = Infinity): Moments {
    let [mass, first, second] = [0, 0, 0];
    for (let k = Math.max(0, Math.ceil(low)); k < this.classCount && k <= high; k++) {
      const x = curveAt(curve, k);
      mass += this.probability(row, k);
      first += this.probability(row, k) * x;
      second += this.probability(row, k) * x * x;
    }
    const mean = first / mass;
    return { mean, std: Math.sqrt(Math.max(0, second / mass - mean * mean)) };
  }

  mode(row: number): number {
    let best = 0;
    for (let k = 1; k < this.classCount; k++) if (this.probability(row, k) > this.probability(row, best)) best = k;
    return best;
  }

  /** A class has no error. */
  widen(): Distribution {
    return this;
  }
}
