import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";

/**
 * How bands are weighed in a galaxy's scale. `sed`: each by its signal-to-noise for a galaxy of typical colours, so that
 * no band counts for more because its unit makes its errors small (W1 and W2 would own the scale). `flat`: by
 * f_lambda errors alone, as networks of release 0.2 and before were trained.
 */
export const scaleNames = ["sed", "flat"] as const;
export type ScaleName = (typeof scaleNames)[number];

/** f_lambda of the typical galaxy rises and falls by this power of the wavelength outside the optical plateau [Angstrom]. */
const SLOPE = 1.5;
const PLATEAU = [5500, 8000] as const;

/** f_lambda of a galaxy of typical colours (a spiral at z about 0.2), 1 on the plateau. */
function typicalFlux(wavelength: number): number {
  const [blue, red] = PLATEAU;
  if (wavelength < blue) return (wavelength / blue) ** SLOPE;
  return wavelength > red ? (red / wavelength) ** SLOPE : 1;
}

/** [nField] Flux of the reference galaxy in every band; 0 for what is no band. */
export function referenceSed(fields: readonly Field[], name: ScaleName): Float64Array {
  return Float64Array.from(fields, ({ band }) => {
    if (band === undefined) return 0;
    return name === "flat" ? 1 : typicalFlux(band.pivot);
  });
}

/** Stands for the error of an exact value, over the reference galaxy's flux: small, and the same S/N in every band. */
const EXACT = 1e-3;

/**
 * Brightness of a galaxy [flux unit] from the bands that are visible in this context and nothing else, so that no
 * target leaks through it: the most likely amplitude m of the `reference` SED with error e, made positive as
 * (m + sqrt(m^2 + 4 e^2)) / 2, which is m for a bright galaxy and about e for one lost in the noise. 0 without bands.
 * `isContext` holds one flag per field; upper limits don't count, since they say nothing of the mean.
 */
export function contextScale(
  catalog: Catalog,
  row: number,
  isContext: Uint8Array,
  bands: Int32Array,
  reference: Float64Array,
): number {
  const offset = row * catalog.fields.length;
  let weights = 0;
  let sum = 0;
  for (const j of bands) {
    const state = catalog.state[offset + j];
    if (isContext[j] === 0 || (state !== State.measured && state !== State.nonDetection)) continue;
    const typical = reference[j];
    const error = catalog.error[offset + j] || EXACT * typical;
    const weight = typical / (error * error);
    weights += weight * typical;
    sum += weight * catalog.value[offset + j];
  }
  if (weights === 0) return 0;
  const mean = sum / weights;
  return 0.5 * (mean + Math.sqrt(mean * mean + 4 / weights));
}
