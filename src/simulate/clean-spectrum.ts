import { luminosityArea } from "./cosmology.ts";
import { GRID_SIZE, gridIndex, LOG_STEP } from "./grid.ts";
import { addLine, FWHM_TO_SIGMA, pixelsOf, type SpectrumPixels } from "./line-spread.ts";
import { LINE_NAMES, lines } from "./lines.ts";
import { FLUX_UNIT } from "./passband.ts";
import type { Arm, Field, SpectrumField } from "../survey/field.ts";
import { convertUnit } from "../survey/units.ts";
import type { Spectrum } from "./synthesis.ts";

const LIGHT_KM_S = 299792.458;

/** A spectrum whose survey describes how it is taken: what is simulated, and observed anew. */
export type TakenField = SpectrumField & { readonly arms: readonly Arm[] };

export const isTaken = (field: Field): field is TakenField =>
  field.kind === "spectrum" && field.arms !== undefined && field.arms.length > 0;

/** Unit of a spectrum's values [erg/s/cm2/A]: surveys' files are read with units that convert to it. */
export function unitOf({ unit }: TakenField): number {
  const conversion = convertUnit(unit, "erg/s/cm2/A");
  return conversion?.kind === "factor" ? conversion.factor : FLUX_UNIT;
}

/** Renders objects as a survey's spectrograph would see them without noise, at its resolution. */
export interface SpectrumRenderer {
  readonly name: string;
  /** Observed wavelengths that it needs, as grid indices: [from, to). */
  readonly reach: readonly [number, number];
  /** Mean flux densities of the pixels, in the field's unit, of a galaxy of redshift z, IGM applied already. [pixels] */
  galaxy(this: void, spectrum: Spectrum, z: number): Float32Array;
  /** The same of an observed-frame spectrum [1e-19 erg/s/cm2/A] on the wavelength grid, lines included. [pixels] */
  direct(this: void, spectrum: Float64Array): Float32Array;
}

/** Resolution at a wavelength: that of the arm that has it, or of the nearest one in a gap. */
export function resolutionAt(arms: readonly Arm[], wavelength: number): number {
  const distance = ({ from, to }: Arm): number => Math.max(from - wavelength, wavelength - to, 0);
  return arms.reduce((best, arm) => (distance(arm) < distance(best) ? arm : best)).resolution;
}

/** Continuum on the rest-frame grid, moved to z and read off at the pixels, between grid points linear. */
function addContinuum(
  into: Float32Array,
  pixels: SpectrumPixels,
  from: Float64Array,
  shift: number,
  scale: number,
): void {
  const start = gridIndex(pixels.wavelength[0]) - shift;
  const step = pixels.step / LOG_STEP;
  for (let i = 0; i < into.length; i++) {
    const at = start + i * step;
    const k = Math.floor(at);
    if (k < 0 || k + 1 >= GRID_SIZE) continue;
    into[i] += scale * (from[k] + (at - k) * (from[k + 1] - from[k]));
  }
}

/**
 * The renderer of a spectrum field. The continuum has the resolution of the rest-frame grid (150 km/s a point, so that
 * stellar lines are no sharper than 300 km/s FWHM: an instrument of R above 1,000 would see more in them); emission lines
 * and NaD are Gaussians of the gas's dispersion and the arm's line spread function in quadrature, integrated over pixels.
 */
export function createSpectrumRenderer(field: TakenField): SpectrumRenderer {
  const { name, grid, arms } = field;
  const pixels = pixelsOf(grid);
  const unit = unitOf(field);
  const n = grid.pixels;
  const reach = [Math.floor(gridIndex(pixels.edges[0])) - 2, Math.ceil(gridIndex(pixels.edges[n])) + 3] as const;
  return {
    name,
    reach,
    galaxy(spectrum, z) {
      const into = new Float32Array(n);
      const scale = 1 / (luminosityArea(z) * unit);
      addContinuum(into, pixels, spectrum.stars, Math.log1p(z) / LOG_STEP, scale / (1 + z));
      LINE_NAMES.forEach((line, i) => {
        const flux = spectrum.lines[i] * scale;
        const centre = lines[line].wavelength * (1 + z);
        if (flux === 0) return;
        const intrinsic = spectrum.sigmaLines / LIGHT_KM_S;
        const sigma = Math.hypot(intrinsic, FWHM_TO_SIGMA / resolutionAt(arms, centre));
        addLine(into, pixels, flux, centre, sigma * centre);
      });
      return into;
    },
    direct(spectrum) {
      const into = new Float32Array(n);
      addContinuum(into, pixels, spectrum, 0, FLUX_UNIT / unit);
      return into;
    },
  };
}
