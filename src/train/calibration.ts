import { UserError } from "../errors.ts";
import { parameterIn } from "../model/parameters.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** What adaptation has learned of a band's photometry. */
export interface BandCalibration {
  /** Column of the field. */
  readonly field: number;
  /** ln of what the band's fluxes are to be multiplied by. */
  readonly lnFlux: number;
  /** What their errors, relative to them, are to be multiplied by. */
  readonly noise: number;
}

/**
 * Zero-points and noise factors of an adapted checkpoint, one per band: the same for every row of the target, whatever its
 * tile or instrument. @throws UserError for a checkpoint that has learned none.
 */
export function learnedCalibration(path: string, { config, layout, state }: Checkpoint): BandCalibration[] {
  if (!config.isCalibrated) {
    throw new UserError(`${path}: has learned no zero-points, expected a checkpoint of caleido adapt`);
  }
  const lnFlux = parameterIn(state.average, layout, "calibration.lnFlux");
  const lnNoise = parameterIn(state.average, layout, "calibration.lnNoise");
  const bands = config.survey.fields.flatMap(({ band }, j) => (band === undefined ? [] : [j]));
  return bands.map((field, i) => ({ field, lnFlux: lnFlux[i], noise: Math.exp(lnNoise[i]) }));
}

/** [mag] What is added to magnitudes of fluxes that are multiplied by exp(lnFlux). */
export const magnitudesOf = (lnFlux: number): number => (-2.5 / Math.LN10) * lnFlux;
