import type { Predictions } from "./metrics.ts";
import {
  mixtureCdf,
  mixtureLogDensity,
  mixtureMoments,
  mixtureQuantiles,
  normalCdf,
  normalDensity,
} from "../model/mixture.ts";
import type { Mixtures } from "../model/mixture.ts";

/** E|Y| of a Gaussian with this mean and variance: A(mu, sigma^2) of Grimit et al. 2006, eq. 6. */
function meanAbsolute(mean: number, variance: number): number {
  const sigma = Math.sqrt(variance);
  if (sigma === 0) return Math.abs(mean);
  const u = mean / sigma;
  return 2 * sigma * normalDensity(u) + mean * (2 * normalCdf(u) - 1);
}

/** Half of E|Y - Y'| of row `row`: the part of the CRPS that doesn't depend on the truth. */
function mixtureSpread(m: Mixtures, row: number): number {
  const start = row * m.stride;
  const end = start + m.componentCount;
  let sum = 0;
  for (let k = start; k < end; k++) {
    const variance = m.sigma[k] * m.sigma[k];
    sum += 0.5 * m.weight[k] * m.weight[k] * meanAbsolute(0, 2 * variance);
    for (let l = k + 1; l < end; l++) {
      const total = variance + m.sigma[l] * m.sigma[l];
      sum += m.weight[k] * m.weight[l] * meanAbsolute(m.mean[k] - m.mean[l], total);
    }
  }
  return sum;
}

function meanDistance(m: Mixtures, row: number, truth: number): number {
  const start = row * m.stride;
  let sum = 0;
  for (let k = start; k < start + m.componentCount; k++) {
    sum += m.weight[k] * meanAbsolute(truth - m.mean[k], m.sigma[k] * m.sigma[k]);
  }
  return sum;
}

/** CRPS of row `row` of Gaussian mixtures in the space of `truth`, exact (Grimit et al. 2006, QJRMS 132, 2925, eq. 5). */
export function crpsFromMixture(m: Mixtures, row: number, truth: number): number {
  return meanDistance(m, row, truth) - mixtureSpread(m, row);
}

/**
 * CRPS from quantiles at increasing `levels`: twice the integral of the pinball loss over the level (Gneiting & Ranjan
 * 2011, eq. 8), exact for a quantile function that is linear between the levels and constant beyond the outer two.
 * With levels 0.01 ... 0.99 the mean over Gaussian forecasts is 0.2 % too low or less; a truth far outside the outer
 * quantiles is 1 % of a standard deviation off at most.
 */
export function crpsFromQuantiles(levels: ArrayLike<number>, quantiles: ArrayLike<number>, truth: number): number {
  const count = levels.length;
  let sum = pinballSegment(0, levels[0], quantiles[0] - truth, quantiles[0] - truth);
  for (let i = 1; i < count; i++) {
    sum += pinballSegment(levels[i - 1], levels[i], quantiles[i - 1] - truth, quantiles[i] - truth);
  }
  const end = quantiles[count - 1] - truth;
  return 2 * (sum + pinballSegment(levels[count - 1], 1, end, end));
}

/** Integral of (1{u > 0} - t) u over t in [a, b], u running linearly from `ua` to `ub`. */
function pinballSegment(a: number, b: number, ua: number, ub: number): number {
  if (ua < 0 && ub > 0) {
    const crossing = a + ((b - a) * -ua) / (ub - ua);
    return pinballSegment(a, crossing, ua, 0) + pinballSegment(crossing, b, 0, ub);
  }
  const isAbove = ua + ub > 0 ? 1 : 0;
  const middle = 0.5 * (a + b);
  // Simpson's rule is exact for a product of two straight lines.
  return ((b - a) / 6) * ((isAbove - a) * ua + 2 * (isAbove - middle) * (ua + ub) + (isAbove - b) * ub);
}

/** A monotone map from the unit of the truth to the space in which the mixture is Gaussian (as in tokens/transform.ts). */
export interface Space {
  forward(x: number): number;
  inverse(v: number): number;
  /** dv/dx */
  slope(x: number): number;
}

/** Levels 0.01 ... 0.99. */
export const percentLevels: Float64Array = Float64Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
const WANTED = Float64Array.of(0.16, 0.5, 0.84);
/** Half-width of the interval that odds count, in units of 1 + z (Benitez 2000, with the width used for J-PAS). */
export const ODDS_HALF_WIDTH = 0.03;
/** Quantiles of scores, in units of the spread: far below what any score shows. */
const SCORE_PRECISION = 1e-5;

/**
 * Turns predictive mixtures into what `scoreField` reads. Without `spaceOf` the mixtures live in the unit of `truth`
 * and the CRPS is exact; with it they live in `spaceOf(row)`, the CRPS comes from 99 quantiles and the likelihood is
 * that of the value in its own unit. The point is the median; odds (Benitez 2000) is the mass within +-0.03 (1 + z) of it.
 * @throws Error when `truth` has another length than the mixtures have rows.
 */
export function scoreMixtures(m: Mixtures, truth: ArrayLike<number>, spaceOf?: (row: number) => Space): Predictions {
  const n = m.rowCount;
  if (truth.length !== n) throw new Error(`scoreMixtures: ${truth.length} truths for ${n} rows`);
  const empty = () => new Float64Array(n);
  const result = {
    point: empty(),
    pit: empty(),
    crps: empty(),
    negLogLik: empty(),
    std: empty(),
    width: empty(),
    odds: empty(),
  };
  const levels = spaceOf === undefined ? WANTED : percentLevels;
  const at = spaceOf === undefined ? [0, 1, 2] : [15, 49, 83];
  const latent = new Float64Array(levels.length);
  const quantiles = new Float64Array(levels.length);
  let spread = 0;
  for (let i = 0; i < n; i++) {
    const space = spaceOf?.(i);
    const value = space?.forward(truth[i]) ?? truth[i];
    if (m.stride > 0 || i === 0) {
      mixtureQuantiles(m, i, levels, latent, SCORE_PRECISION);
      if (space === undefined) spread = mixtureSpread(m, i);
    }
    for (let q = 0; q < levels.length; q++) quantiles[q] = space?.inverse(latent[q]) ?? latent[q];
    const [low, middle, high] = [quantiles[at[0]], quantiles[at[1]], quantiles[at[2]]];
    result.point[i] = middle;
    result.width[i] = high - low;
    result.std[i] = space === undefined ? mixtureMoments(m, i).std : 0.5 * (high - low);
    result.pit[i] = mixtureCdf(m, i, value);
    result.crps[i] =
      space === undefined ? meanDistance(m, i, value) - spread : crpsFromQuantiles(levels, quantiles, truth[i]);
    result.negLogLik[i] = -mixtureLogDensity(m, i, value) - Math.log(space?.slope(truth[i]) ?? 1);
    const reach = ODDS_HALF_WIDTH * (1 + middle);
    const cdf = (x: number) => mixtureCdf(m, i, space?.forward(x) ?? x);
    result.odds[i] = cdf(middle + reach) - cdf(middle - reach);
  }
  return { truth, ...result };
}
