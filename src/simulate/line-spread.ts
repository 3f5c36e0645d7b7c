import type { SpectrumGrid } from "../survey/field.ts";
import { edgesOf, wavelengthsOf } from "../survey/spectrum-grid.ts";
import { erf } from "./special.ts";

/** Pixels of a spectrum, uniform in ln(lambda), and where each begins and ends. */
export interface SpectrumPixels {
  /** Centres of the pixels, vacuum [Angstrom]. [n] */
  readonly wavelength: Float64Array;
  /** Pixel i reaches from edge i to edge i + 1 [Angstrom]. [n + 1] */
  readonly edges: Float64Array;
  /** ln(lambda) of the first pixel's centre, and from one pixel to the next. */
  readonly first: number;
  readonly step: number;
}

export function pixelsOf(grid: SpectrumGrid): SpectrumPixels {
  const step = Math.log(grid.to / grid.from) / (grid.pixels - 1);
  return { wavelength: wavelengthsOf(grid), edges: edgesOf(grid), first: Math.log(grid.from), step };
}

/** FWHM over sigma of a Gaussian. */
export const FWHM_TO_SIGMA = 1 / (2 * Math.sqrt(2 * Math.LN2));
/** Wings of a line end here [sigma]: a ten-millionth of its flux is left out. */
const WINGS = 5.3;

/**
 * Adds a Gaussian line to the mean flux densities of pixels [flux / Angstrom]: its integral over each pixel, so that the
 * pixels together hold all of its flux however narrow it is.
 * @param centre and `sigma` [Angstrom]
 */
export function addLine(
  into: Float32Array | Float64Array,
  { edges, first, step }: SpectrumPixels,
  flux: number,
  centre: number,
  sigma: number,
): void {
  const reach = WINGS * sigma;
  const low = Math.max(0, Math.floor((Math.log(Math.max(centre - reach, 1)) - first) / step));
  const high = Math.min(into.length - 1, Math.ceil((Math.log(centre + reach) - first) / step));
  const scale = 1 / (Math.SQRT2 * sigma);
  let below = low <= high ? erf((edges[low] - centre) * scale) : 0;
  for (let i = low; i <= high; i++) {
    const above = erf((edges[i + 1] - centre) * scale);
    into[i] += (0.5 * flux * (above - below)) / (edges[i + 1] - edges[i]);
    below = above;
  }
}
