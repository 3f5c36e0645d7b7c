/** Whether errors are what they are said to be: how faint fluxes scatter about the galaxies that a network carries. */
import { fitRow } from "./carried-fit.ts";
import { measuredFluxes, type Scene } from "./carried-likelihood.ts";

/** Fluxes whose errors are so many times those of models are faint; fewer tell no scatter. */
const [FAINT, FEWEST_FAINT] = [2, 50];

/** Scatter of a band's faint fluxes in errors as given, and how many of them there are. */
export interface Scatter {
  readonly noise: number;
  readonly faint: number;
}

/** Scatter of each band's faint fluxes, 1.4826 times the median distance from what is expected; NaN of too few. */
export function scatterAt({ shelf, rows, near }: Scene, at: Float64Array, modelErrors: readonly number[]): Scatter[] {
  const { nBand } = shelf;
  const models = measuredFluxes(shelf, at);
  const away = modelErrors.map((): number[] => []);
  for (const [i, row] of rows.entries()) {
    const { which, share, amplitude } = fitRow(shelf, models, row, near[i]);
    for (let j = 0; j < nBand; j++) {
      const expected = which.reduce((sum, k, q) => sum + share[q] * amplitude[q] * models[k * nBand + j], 0);
      const isFaint = row.weight[j] > 0 && row.error[j] > FAINT * modelErrors[j] * Math.abs(expected);
      if (isFaint) away[j].push(Math.abs(row.flux[j] - expected) / row.error[j]);
    }
  }
  return away.map((all) => {
    const sorted = Float64Array.from(all).sort();
    const noise = sorted.length < FEWEST_FAINT ? Number.NaN : 1.4826 * sorted[sorted.length >> 1];
    return { noise, faint: sorted.length };
  });
}

/** ln of noise factors, 1 sigma: of one band beside the others, and what models add to the scatter of faint fluxes. */
const [NOISE, NOISE_MODEL] = [0.15, 0.05];
/** The scatter's own variance, times the number of fluxes: 37 % of what a standard deviation is worth. */
const MEDIAN_VARIANCE = 1.36;
/** Errors are too small where they are by more than so many sigma. */
const TOO_SMALL = 2;
/** Bands share a factor where this part of them tells one. */
const ENOUGH_BANDS = 0.5;

/**
 * ln of what each band's errors are to be multiplied by. Most often errors are too small for a reason that bands share: their
 * median factor is also that of bands that tell none. No factor is below 1, for fits follow the fluxes of few bands.
 */
export function lnNoisesOf(scatter: readonly Scatter[]): number[] {
  const told = scatter.flatMap(({ noise }) => (Number.isNaN(noise) ? [] : [Math.log(noise)])).sort((a, b) => a - b);
  const middle = told.length < ENOUGH_BANDS * scatter.length ? 0 : (told[told.length >> 1] ?? 0);
  const common = middle > TOO_SMALL * NOISE_MODEL ? middle : 0;
  return scatter.map(({ noise, faint }) => {
    if (Number.isNaN(noise)) return common;
    const variance = MEDIAN_VARIANCE / faint + NOISE_MODEL ** 2;
    const away = Math.log(noise) - common;
    if (Math.abs(away) < TOO_SMALL * Math.sqrt(variance)) return common;
    return Math.max(0, common + (away * NOISE ** 2) / (NOISE ** 2 + variance));
  });
}
