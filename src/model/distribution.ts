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
  /**
   * Mean and standard deviation of `curve(V)`, given low <= V <= high where these are finite: closed form for mixtures,
   * histograms and categories. An interval without mass has no moments: NaN.
   */
  moments(row: number, curve?: Curve, low?: number, high?: number): Moments;
  /** The v at which the density of `curve(V)` is highest. */
  mode(row: number, curve?: Curve): number;
  /** The distributions seen through a Gaussian error of this size in each row [same unit as v]. */
  widen(error: (row: number) => number): Distribution;
  /** Whether surely less than 1e-9 of the mass lies outside [low, high]; false where that takes work to tell. */
  hasRoom?(row: number, low: number, high: number): boolean;
  /**
   * Of a Gaussian mixture: weight, mean and standard deviation of `curve(V)` of each component, [components] each. Absent
   * or undefined for what is no mixture.
   */
  components?(row: number, curve?: Curve): Components | undefined;
  /** Continuous ranked probability score of a truth; absent or undefined where there is no closed form. */
  crps?(row: number, truth: number): number | undefined;
  /** The distributions recalibrated, as mixtures, histograms again; absent where that is not known how. */
  recalibrated?(of: (row: number) => ScoreWarp): Distribution;
}

/**
 * A recalibration in normal scores: where the cdf is Phi(x), the new one is Phi((x - shift) / width), and of the mass the
 * part `tail` is moved into a Gaussian of TAIL_WIDTH deviations about the mean. A Gaussian is moved by `shift` deviations and is
 * `width` times as wide; where a distribution has no mass it gets next to none.
 */
export interface ScoreWarp {
  readonly shift: number;
  /** Above 0. */
  readonly width: number;
  /** 0 .. 1 */
  readonly tail: number;
}

export const TAIL_WIDTH = 3;

/** Components of a mixture, [components] each. */
export interface Components {
  readonly weight: Float64Array;
  readonly mean: Float64Array;
  readonly std: Float64Array;
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

/** Every row asks the distribution, and the row of it, that `of` names. */
export function perRow(rowCount: number, of: (row: number) => readonly [Distribution, number]): Distribution {
  const ask =
    <A extends unknown[], R>(method: (d: Distribution, row: number, ...rest: A) => R) =>
    (row: number, ...rest: A): R => {
      const [distribution, at] = of(row);
      return method(distribution, at, ...rest);
    };
  return {
    rowCount,
    logDensity: ask((d, row, v: number) => d.logDensity(row, v)),
    cdf: ask((d, row, v: number) => d.cdf(row, v)),
    quantiles: ask((d, row, levels: ArrayLike<number>, out: Float64Array) => d.quantiles(row, levels, out)),
    sample: ask((d, row, rng: Rng) => d.sample(row, rng)),
    moments: ask((d, row, curve?: Curve, low?: number, high?: number) => d.moments(row, curve, low, high)),
    mode: ask((d, row, curve?: Curve) => d.mode(row, curve)),
    components: ask((d, row, curve?: Curve) => d.components?.(row, curve)),
    crps: ask((d, row, truth: number) => d.crps?.(row, truth)),
    widen(error) {
      // Each of the distributions is widened once, with the errors of those of its rows that are asked here.
      const errors = new Map<Distribution, Float64Array>();
      for (let row = 0; row < rowCount; row++) {
        const [distribution, at] = of(row);
        const own = errors.get(distribution) ?? new Float64Array(distribution.rowCount);
        own[at] = error(row);
        errors.set(distribution, own);
      }
      const wide = new Map(Array.from(errors, ([d, own]) => [d, d.widen((row) => own[row])]));
      return perRow(rowCount, (row) => {
        const [distribution, at] = of(row);
        return [wide.get(distribution)!, at];
      });
    },
  };
}

/** Rows `rows` of a distribution, in that order, none of them twice. */
export function selected(of: Distribution, rows: ArrayLike<number>): Distribution {
  return perRow(rows.length, (row) => [of, rows[row]]);
}
