/** Spectra on a survey's grid: wavelengths, vacuum, and resampling that keeps fluxes. */
import type { SpectrumGrid } from "./field.ts";

/** Wavelengths of the pixels' centres [Angstrom, vacuum]. [pixels] */
export function wavelengthsOf({ from, to, pixels }: SpectrumGrid): Float64Array {
  const step = Math.log(to / from) / (pixels - 1);
  return Float64Array.from({ length: pixels }, (_, i) => from * Math.exp(i * step));
}

/** Where the pixels of a grid begin and end, half-way in the logarithm [Angstrom, vacuum]. [pixels + 1] */
export function edgesOf({ from, to, pixels }: SpectrumGrid): Float64Array {
  const step = Math.log(to / from) / (pixels - 1);
  return Float64Array.from({ length: pixels + 1 }, (_, i) => from * Math.exp((i - 0.5) * step));
}

/** Vacuum wavelength of one in air [Angstrom]; below 2000 A tables are in vacuum (Morton 1991, ApJS 77, 119, by iteration). */
export function vacuumWavelength(air: number): number {
  if (air < 2000) return air;
  let vacuum = air;
  for (let i = 0; i < 3; i++) {
    const s = (1e4 / vacuum) ** 2;
    vacuum = air * (1 + 6.4328e-5 + 2.94981e-2 / (146 - s) + 2.554e-4 / (41 - s));
  }
  return vacuum;
}

/** A step this much longer than those on either side of it is a gap, not a wide pixel. */
const GAP = 3;
/** A pixel is observed where observed ones cover at least this part of it. */
const LEAST_COVERED = 0.5;

/** Pixels of a spectrum in the order of their wavelengths, with their ends. */
interface Pixels {
  /** Their places in the spectrum. */
  readonly place: Int32Array;
  /** Where each begins and ends [Angstrom]. */
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Places of the usable wavelengths, ascending. */
function ordered(wave: ArrayLike<number>): Int32Array {
  const places: number[] = [];
  let isAscending = true;
  for (let i = 0, last = 0; i < wave.length; i++) {
    if (!(wave[i] > 0 && wave[i] < Infinity)) continue;
    isAscending &&= wave[i] >= last;
    last = wave[i];
    places.push(i);
  }
  if (!isAscending) places.sort((a, b) => wave[a] - wave[b]);
  return Int32Array.from(places);
}

/**
 * Pixels end half-way (in the logarithm) to their neighbours; beside a gap, and at the ends, they are as wide as on their
 * other side.
 */
function pixelsOf(wave: ArrayLike<number>): Pixels {
  const place = ordered(wave);
  const n = place.length;
  const log = Float64Array.from(place, (i) => Math.log(wave[i]));
  const step = Float64Array.from({ length: Math.max(0, n - 1) }, (_, i) => log[i + 1] - log[i]);
  const longest = (a: number, b: number): number => Math.max(step[a] ?? step[b] ?? Infinity, step[b] ?? step[a] ?? 0);
  const isGap = (i: number): boolean => step[i] > GAP * Math.min(longest(i - 1, i - 2), longest(i + 1, i + 2));
  const usual = step.find((_, i) => !isGap(i)) ?? 0;
  const isStep = (i: number): boolean => i >= 0 && i < step.length && !isGap(i);
  const half = (i: number, beside: number): number => (isStep(i) ? step[i] : isStep(beside) ? step[beside] : usual) / 2;
  const low = Float64Array.from(log, (x, k) => Math.exp(x - half(k - 1, k)));
  const high = Float64Array.from(log, (x, k) => Math.exp(x + half(k, k - 1)));
  return { place, low, high };
}

/** A spectrum on a grid. */
export interface Resampled {
  /** [pixels] In the unit of the fluxes; 0 where not observed. */
  readonly value: Float32Array;
  /** [pixels] Inverse variance; 0 = not observed. */
  readonly ivar: Float32Array;
}

/** Puts a spectrum into `into`; false where it has no observed pixel there. Wavelengths as {@link resample} has them. */
export type Resampler = (
  wave: ArrayLike<number>,
  flux: ArrayLike<number>,
  ivar: ArrayLike<number>,
  into: Resampled,
) => boolean;

/** Fluxes beyond this are none, in any unit; inverse variances beyond the other are as good as it. */
const [LARGEST_FLUX, LARGEST_WEIGHT] = [1e30, 3e38];

/** Whether a pixel says something. */
export const isObserved = (flux: number, ivar: number): boolean =>
  ivar > 0 && ivar < Infinity && Math.abs(flux) <= LARGEST_FLUX;

/** Sets pixel `j`; false where its inverse variance is 0, in single precision: not observed. */
export function keepPixel({ value, ivar }: Resampled, j: number, flux: number, weight: number): boolean {
  ivar[j] = Math.min(weight, LARGEST_WEIGHT);
  const isKept = ivar[j] > 0;
  value[j] = isKept ? flux : 0;
  return isKept;
}

/** As {@link resample}, for many spectra: the pixels of the last wavelengths are kept. */
export function createResampler(grid: SpectrumGrid): Resampler {
  const edges = edgesOf(grid);
  const covered = new Float64Array(grid.pixels);
  const sum = new Float64Array(grid.pixels);
  const variance = new Float64Array(grid.pixels);
  let last: { readonly wave: ArrayLike<number>; readonly pixels: Pixels } | undefined;
  return (wave, flux, ivar, into) => {
    if (last?.wave !== wave) last = { wave, pixels: pixelsOf(wave) };
    const { place, low, high } = last.pixels;
    for (const some of [covered, sum, variance]) some.fill(0);
    let first = 0;
    for (let k = 0; k < place.length; k++) {
      const [f, w] = [flux[place[k]], ivar[place[k]]];
      if (!isObserved(f, w)) continue;
      while (first < grid.pixels && edges[first + 1] <= low[k]) first++;
      for (let j = first; j < grid.pixels && edges[j] < high[k]; j++) {
        const overlap = Math.min(high[k], edges[j + 1]) - Math.max(low[k], edges[j]);
        if (!(overlap > 0)) continue;
        covered[j] += overlap;
        sum[j] += overlap * f;
        variance[j] += (overlap * overlap) / w;
      }
    }
    let isAny = false;
    for (let j = 0; j < grid.pixels; j++) {
      const isThere = covered[j] >= LEAST_COVERED * (edges[j + 1] - edges[j]);
      const own = isThere ? (covered[j] * covered[j]) / variance[j] : 0;
      isAny = keepPixel(into, j, sum[j] / covered[j], own) || isAny;
    }
    return isAny;
  };
}

/**
 * A spectrum on a survey's grid: in each pixel the mean of the observed pixels that it overlaps, weighted by how much, so
 * that the integral of the flux stays; its variance is that of this mean. Errors of neighbours that share a pixel of the
 * spectrum are correlated, which inverse variances can't say: on a grid finer than the spectrum they seem to tell more than
 * they do. The resolution stays the spectrum's. A pixel of which less than half is covered is not observed; pixels whose
 * flux is no number, or whose inverse variance is not above 0, don't cover any.
 * @param wave [n] Wavelengths of the pixels' centres [Angstrom, vacuum], in any order; those that are no number are left out.
 * @param flux [n] Flux densities per wavelength.
 * @param ivar [n] Inverse variances of `flux`.
 */
export function resample(
  wave: ArrayLike<number>,
  flux: ArrayLike<number>,
  ivar: ArrayLike<number>,
  grid: SpectrumGrid,
): Resampled {
  const into = { value: new Float32Array(grid.pixels), ivar: new Float32Array(grid.pixels) };
  createResampler(grid)(wave, flux, ivar, into);
  return into;
}
