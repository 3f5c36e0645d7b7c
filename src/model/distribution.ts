import type { Rng } from "../random.ts";

/**
 * What every answer is: the predictive distributions of `rowCount` rows on the real line of whoever made them (encoded
 * values inside the network's rooms, units outside). A category's values are the indices of its classes.
 */
export interface Distribution {
  readonly rowCount: number;
  /** ln p(v) [nats per unit of v; of a category: ln of the class's probability]; -Infinity where nothing can be. */
  logDensity(row: number, v: number): number;
  /** P(V <= v). */
  cdf(row: number, v: number): number;
  /** Values at increasing `levels` in (0, 1), written to `out` of the same length; to float32's precision. */
  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void;
  /** One draw. */
  sample(row: number, rng: Rng): number;
  /** Mean and standard deviation of `curve(V)`, closed form. */
  moments(row: number, curve?: Curve): Moments;
  /** Where the density is highest. */
  mode(row: number): number;
  /** The distributions seen through a Gaussian error of this size in each row [same unit as v]. */
  widen(error: (row: number) => number): Distribution;
}

export interface Moments {
  readonly mean: number;
  readonly std: number;
}

/** x = offset + factor f(rate v + shift) with f the identity, exp or sinh: every way from an encoded value to its unit. */
export interface Curve {
  readonly shape: "linear" | "exp" | "sinh";
  readonly factor: number;
  readonly rate: number;
  readonly shift: number;
  readonly offset: number;
}
