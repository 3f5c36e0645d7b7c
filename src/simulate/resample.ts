import { luminosityDistance } from "./cosmology.ts";
import type { Passband } from "./passband.ts";
import type { Pixels } from "./spectrum.ts";

/** A band is observed only when the spectrum spans this fraction of its transmission ... */
const LEAST_SPAN = 0.99;
/** ... and this fraction falls on usable pixels; the flux of the others is interpolated. */
const LEAST_USABLE = 0.9;

/** Fluxes of unusable pixels replaced by linear interpolation between their usable neighbours. */
export function repair({ wavelength, flux, ivar }: Pixels): Pixels {
  const repaired = flux.slice();
  let before = -1;
  for (let i = 0; i < flux.length; i++) {
    if (!(ivar[i] > 0) || !Number.isFinite(flux[i])) continue;
    for (let k = before + 1; k < i; k++) {
      const f = before < 0 ? 1 : (wavelength[k] - wavelength[before]) / (wavelength[i] - wavelength[before]);
      repaired[k] = before < 0 ? flux[i] : flux[before] + f * (flux[i] - flux[before]);
    }
    before = i;
  }
  repaired.fill(before < 0 ? Number.NaN : flux[before], before + 1);
  return { wavelength, flux: repaired, ivar };
}

/** First index whose wavelength is at least `lambda`. */
function firstAt(wavelength: Float64Array, lambda: number): number {
  let [low, high] = [0, wavelength.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (wavelength[middle] < lambda) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Photon-weighted mean flux density of a repaired spectrum in a band and its propagated error, in the spectrum's flux
 * unit; undefined where the spectrum does not cover the band.
 */
export function integrate(
  { wavelength, flux, ivar }: Pixels,
  band: Passband,
): { flux: number; error: number } | undefined {
  const last = wavelength.length - 1;
  const { transmission, range } = band.curve;
  if (last < 1 || wavelength[0] > range[1] || wavelength[last] < range[0]) return undefined;
  let [sum, spanned, usable, variance] = [0, 0, 0, 0];
  for (let i = firstAt(wavelength, range[0]); i <= last && wavelength[i] <= range[1]; i++) {
    const width =
      (wavelength[Math.min(i + 1, last)] - wavelength[Math.max(i - 1, 0)]) / (i === 0 || i === last ? 1 : 2);
    const weight = transmission(wavelength[i]) * wavelength[i] * width;
    sum += weight * flux[i];
    spanned += weight;
    if (!(ivar[i] > 0)) continue;
    usable += weight;
    variance += (weight * weight) / ivar[i];
  }
  if (spanned < LEAST_SPAN * band.photons || usable < LEAST_USABLE * band.photons) return undefined;
  // the errors of interpolated pixels are those of their neighbours: scale to the usable part
  return { flux: sum / spanned, error: Math.sqrt(variance) / usable };
}

/**
 * The same galaxy at another redshift: luminosity per rest wavelength kept, so f(lambda') = f(lambda) (d_L / d_L')^2
 * (1 + z) / (1 + z') at lambda' = lambda (1 + z') / (1 + z) (Hogg 1999, astro-ph/9905116, section 7). S/N per pixel stays.
 */
export function moveRedshift(pixels: Pixels, from: number, to: number): Pixels {
  const stretch = (1 + to) / (1 + from);
  const dimming = (luminosityDistance(from) / luminosityDistance(to)) ** 2 / stretch;
  return {
    wavelength: pixels.wavelength.map((lambda) => lambda * stretch),
    flux: pixels.flux.map((flux) => flux * dimming),
    ivar: pixels.ivar.map((ivar) => ivar / dimming ** 2),
  };
}
