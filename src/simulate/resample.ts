import { luminosityDistance } from "./cosmology.ts";
import type { Passband } from "./passband.ts";
import type { Pixels } from "../survey/observed-spectrum.ts";

/** A band is observed only when the spectrum spans this fraction of its transmission ... */
const LEAST_SPAN = 0.99;
/** ... and this fraction falls on usable pixels; the flux of the others is interpolated. */
const LEAST_USABLE = 0.9;

/** Largest step of a tabulated curve in ln(lambda): 0.1 Angstrom at 4000, ten points within the sampling of most curves. */
const TABLE_STEP = 2.5e-5;

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

/** What the pixels of a spectrum weigh, whatever their fluxes: the same for all spectra on one grid of wavelengths. */
export interface PixelGrid {
  /** ln of the wavelength [Angstrom]. */
  readonly log: Float64Array;
  /** lambda dlambda: photons per flux density, up to a constant [Angstrom2]. */
  readonly photons: Float64Array;
}

export function createGrid(wavelength: Float64Array): PixelGrid {
  const last = wavelength.length - 1;
  const photons = new Float64Array(wavelength.length);
  for (let i = 0; i <= last; i++) {
    const width = wavelength[Math.min(i + 1, last)] - wavelength[Math.max(i - 1, 0)];
    photons[i] = (wavelength[i] * width) / (i === 0 || i === last ? 1 : 2);
  }
  return { log: wavelength.map(Math.log), photons };
}

/** A passband's curve tabulated evenly in ln(lambda), so that a pixel finds its place without a search at any redshift. */
export interface TabulatedBand {
  /** int T lambda dlambda. */
  readonly photons: number;
  /** ln of the wavelengths between which the curve lies. */
  readonly range: readonly [number, number];
  /** Cells of the table per unit of ln(lambda). */
  readonly density: number;
  /** T at the ends of the cells, the last twice. */
  readonly transmission: Float64Array;
}

export function tabulate({ curve, photons }: Passband): TabulatedBand {
  const [from, to] = curve.range;
  const range = [Math.log(from), Math.log(to)] as const;
  const cells = Math.ceil((range[1] - range[0]) / TABLE_STEP);
  const density = cells / (range[1] - range[0]);
  const transmission = Float64Array.from({ length: cells + 2 }, (_, k) =>
    curve.transmission(Math.min(to, Math.max(from, Math.exp(range[0] + k / density)))),
  );
  return { photons, range, density, transmission };
}

/** First index whose value is at least `least`. */
function firstAt(increasing: Float64Array, least: number): number {
  let [low, high] = [0, increasing.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (increasing[middle] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Photon-weighted mean flux density of a repaired spectrum in a band and its propagated error, in the spectrum's flux
 * unit; undefined where the spectrum does not cover the band. `stretch` multiplies the wavelengths first.
 */
export function integrate(
  { flux, ivar }: Pick<Pixels, "flux" | "ivar">,
  { log, photons }: PixelGrid,
  band: TabulatedBand,
  stretch = 1,
): { flux: number; error: number } | undefined {
  const { transmission, density } = band;
  // the band on the wavelengths as they were before the stretch
  const from = band.range[0] - Math.log(stretch);
  const to = band.range[1] - Math.log(stretch);
  if (log.length < 2 || log[0] > to || log[log.length - 1] < from) return undefined;
  let sum = 0;
  let spanned = 0;
  let usable = 0;
  let variance = 0;
  // the innermost loop of a simulation from spectra: no allocation, no call
  const end = firstAt(log, to);
  for (let i = firstAt(log, from); i < end; i++) {
    const at = (log[i] - from) * density;
    const cell = at | 0;
    const weight = photons[i] * (transmission[cell] + (at - cell) * (transmission[cell + 1] - transmission[cell]));
    sum += weight * flux[i];
    spanned += weight;
    if (!(ivar[i] > 0)) continue;
    usable += weight;
    variance += (weight * weight) / ivar[i];
  }
  const whole = band.photons / (stretch * stretch);
  if (spanned < LEAST_SPAN * whole || usable < LEAST_USABLE * whole) return undefined;
  // the errors of interpolated pixels are those of their neighbours: scale to the usable part
  return { flux: sum / spanned, error: Math.sqrt(variance) / usable };
}

/** Factors that take a spectrum to another redshift. */
export interface Movement {
  /** Of wavelengths. */
  readonly stretch: number;
  /** Of flux densities, and of their errors: S/N per pixel stays. */
  readonly dimming: number;
}

/**
 * The same galaxy at another redshift: luminosity per rest wavelength kept, so f(lambda') = f(lambda) (d_L / d_L')^2
 * (1 + z) / (1 + z') at lambda' = lambda (1 + z') / (1 + z) (Hogg 1999, astro-ph/9905116, section 7).
 */
export function movement(from: number, to: number): Movement {
  const stretch = (1 + to) / (1 + from);
  return { stretch, dimming: (luminosityDistance(from) / luminosityDistance(to)) ** 2 / stretch };
}
