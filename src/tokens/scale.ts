import { State } from "../survey/field.ts";
import type { Catalog } from "../survey/catalog.ts";

/** The number of leading fields that are bands: a vocabulary lists all bands before all properties. */
export function bandCount(fields: Catalog["fields"]): number {
  const first = fields.findIndex((field) => field.band === undefined);
  return first < 0 ? fields.length : first;
}

/**
 * Brightness of a galaxy [flux unit] from the bands that are visible in this context and nothing else, so that no
 * target leaks through it: the inverse-variance weighted mean flux m with error e, made positive as
 * (m + sqrt(m^2 + 4 e^2)) / 2, which is m for a bright galaxy and about e for one lost in the noise. 0 without bands.
 * `isContext` holds one flag per field; upper limits don't count, since they say nothing of the mean.
 */
export function contextScale(catalog: Catalog, row: number, isContext: Uint8Array, bands: number): number {
  const offset = row * catalog.fields.length;
  let weights = 0;
  let sum = 0;
  for (let j = 0; j < bands; j++) {
    const state = catalog.state[offset + j];
    if (isContext[j] === 0 || (state !== State.measured && state !== State.nonDetection)) continue;
    const error = catalog.error[offset + j];
    const weight = 1 / (error * error);
    weights += weight;
    sum += weight * catalog.value[offset + j];
  }
  if (weights === 0) return 0;
  const mean = sum / weights;
  return 0.5 * (mean + Math.sqrt(mean * mean + 4 / weights));
}
