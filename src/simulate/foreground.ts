import { createRng } from "../random.ts";
import { cardelli, MILKY_WAY_RV } from "./dust.ts";
import type { SimulationOptions } from "./options.ts";
import type { Passband } from "./passband.ts";

/** Milky Way dust in front of the survey, one value per pointing. */
export interface Foreground {
  /** A(V) of each pointing [mag]. */
  readonly av: Float64Array;
  /** What the fluxes are multiplied by afterwards, [pointings, nBand]; undefined where tables are not corrected. */
  readonly correction: Float64Array | undefined;
}

/** Draws the pointings' E(B-V), log-normal, and, for corrected tables, what an imperfect dust map makes of them. */
export function createForeground(passbands: readonly Passband[], options: SimulationOptions): Foreground {
  const { pointings, seed, foreground } = options;
  const rng = createRng(`${seed}:foreground`);
  const av = new Float64Array(pointings);
  const correction = foreground.correct ? new Float64Array(pointings * passbands.length) : undefined;
  for (let p = 0; p < pointings; p++) {
    av[p] = MILKY_WAY_RV * foreground.ebv * 10 ** (foreground.scatter * rng.normal());
    const mapped = av[p] * Math.max(0, 1 + foreground.mapError * rng.normal());
    passbands.forEach(({ pivot }, j) => {
      if (correction !== undefined) correction[p * passbands.length + j] = 10 ** (0.4 * mapped * cardelli(pivot));
    });
  }
  return { av, correction };
}
