import { luminosityArea } from "./cosmology.ts";
import { GRID_SIZE, gridIndex, LOG_STEP } from "./grid.ts";
import { LINE_NAMES, lines } from "./lines.ts";
import { FLUX_UNIT, lineDensity, type Passband } from "./passband.ts";
import { IGM_STEP, LYMAN_ALPHA_INDEX, LYMAN_LIMIT_INDEX, type Spectrum, type Templates } from "./synthesis.ts";

export interface Photometer {
  /**
   * Noise-free mean flux densities [1e-19 erg/s/cm2/A] of a galaxy of redshift z; NaN in bands that reach beyond the grid, where dust would shine. [nBand]
   */
  fluxes(spectrum: Spectrum, z: number): Float64Array;
  /**
   * The same of an observed-frame spectrum [1e-19 erg/s/cm2/A] on the grid, which must be filled over `observed`; its own
   * lines are in it.
   */
  direct(this: void, spectrum: Float64Array): Float64Array;
  /** Grid indices needed at redshift z: [from, to). */
  extent(z: number): readonly [number, number];
  /** Grid indices of observed wavelengths that the bands need: [from, to). */
  readonly observed: readonly [number, number];
}

const KM_S_PER_STEP = 299792.458 * LOG_STEP;
const lineIndices = LINE_NAMES.map((name) => gridIndex(lines[name].wavelength));

/** Rest-frame wavelengths that equivalent widths need [Angstrom]. */
const LABEL_RANGE = [3600, 6700] as const;

/** Grid indices of observed wavelengths that are needed beside the bands: [from, to). */
type Reach = readonly [number, number];

/** Grid index from which on templates are not needed, at any redshift, for these bands, the labels and spectra of a reach. */
export function lastIndex(bands: readonly Passband[], reaches: readonly Reach[] = []): number {
  const ofBands = bands.map(({ first, weights }) => first + weights.length).filter((end) => end <= GRID_SIZE);
  const ends = [...ofBands, ...reaches.map(([, end]) => end)];
  return Math.min(GRID_SIZE, Math.max(...ends, Math.ceil(gridIndex(LABEL_RANGE[1]))) + 2);
}

/** What lines of these fluxes, half of each at either place [grid index], add to the mean of a band. */
function lineSum(band: Passband, bluer: readonly number[], redder: readonly number[], fluxes: Float64Array): number {
  const end = band.first + band.weights.length;
  let sum = 0;
  for (let i = 0; i < bluer.length; i++) {
    if (redder[i] < band.first || bluer[i] >= end) continue;
    sum += 0.5 * (lineDensity(band, bluer[i]) + lineDensity(band, redder[i])) * fluxes[i];
  }
  return sum;
}

/** `reaches`: of spectra, which need what is between the grid points of their ends too. */
export function createPhotometer(
  bands: readonly Passband[],
  templates: Templates,
  reaches: readonly Reach[] = [],
): Photometer {
  const first = Math.min(...bands.map((band) => band.first), ...reaches.map(([from]) => from));
  const last = Math.max(...bands.map((band) => band.first + band.weights.length), ...reaches.map(([, to]) => to));
  const end = lastIndex(bands, reaches);
  const observed = new Float64Array(last - first + 1);
  const extent = (z: number): readonly [number, number] => {
    const shift = Math.log1p(z) / LOG_STEP;
    return [
      Math.max(LYMAN_LIMIT_INDEX, Math.min(Math.floor(first - shift) - 2, Math.floor(gridIndex(LABEL_RANGE[0])))),
      Math.min(end, Math.max(Math.ceil(last - shift) + 2, Math.ceil(gridIndex(LABEL_RANGE[1])))),
    ];
  };
  const onGrid = [Math.max(0, first), Math.min(GRID_SIZE, last + 1)] as const;
  return {
    extent,
    observed: onGrid,
    direct(spectrum) {
      observed.fill(0);
      observed.set(spectrum.subarray(...onGrid), onGrid[0] - first);
      return Float64Array.from(bands, (band) => {
        if (band.first + band.weights.length > GRID_SIZE) return Number.NaN;
        const offset = band.first - first;
        return band.weights.reduce((sum, weight, j) => sum + weight * observed[offset + j], 0);
      });
    },
    fluxes(spectrum, z) {
      const shift = Math.log1p(z) / LOG_STEP;
      const whole = Math.floor(shift);
      const part = shift - whole;
      const [from, to] = extent(z);
      const { stars } = spectrum;
      const row = Math.floor(z / IGM_STEP);
      const [near, far] = [templates.igm[row], templates.igm[row + 1]];
      const f = z / IGM_STEP - row;
      for (let k = from; k < LYMAN_ALPHA_INDEX; k++) stars[k] *= near[k] + f * (far[k] - near[k]);
      // observed[j] is the rest spectrum at grid index j + first - shift, linear between grid points
      observed.fill(0);
      const low = Math.max(0, from + whole + 1 - first);
      const high = Math.min(observed.length, to + whole - first);
      for (let j = low; j < high; j++) {
        const k = j + first - whole;
        observed[j] = (1 - part) * stars[k] + part * stars[k - 1];
      }
      const { lines: lineFluxes } = spectrum;
      // two points at one sigma have the moments of a Gaussian up to the third
      const spread = spectrum.sigmaLines / KM_S_PER_STEP;
      const [bluer, redder] = [-spread, spread].map((aside) => lineIndices.map((index) => index + shift + aside));
      const scale = 1 / (luminosityArea(z) * FLUX_UNIT);
      return Float64Array.from(bands, (band) => {
        if (band.first + band.weights.length - shift > GRID_SIZE) return Number.NaN;
        const offset = band.first - first;
        let sum = 0;
        for (let j = 0; j < band.weights.length; j++) sum += band.weights[j] * observed[offset + j];
        return (sum / (1 + z) + lineSum(band, bluer, redder, lineFluxes)) * scale;
      });
    },
  };
}
