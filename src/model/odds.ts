import type { Distribution } from "./distribution.ts";

/** Half-width of the interval that odds count, in units of 1 + z (Benitez 2000, with the width used for J-PAS). */
const ODDS_HALF_WIDTH = 0.03;

/** Probability within +-0.03 (1 + z) of the peak of a redshift's distribution (Benitez 2000). */
export function oddsAround(distribution: Distribution, row: number, peak: number): number {
  const reach = ODDS_HALF_WIDTH * (1 + peak);
  return distribution.cdf(row, peak + reach) - distribution.cdf(row, peak - reach);
}
