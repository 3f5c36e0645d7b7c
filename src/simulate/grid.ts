/**
 * The rest-frame wavelength grid of every spectrum: uniform in ln(lambda), so that a redshift is a shift of the index.
 * 150 km/s per step, about the velocity dispersion of a galaxy and a fifth of the rise of a J-PAS filter edge.
 */
export const LOG_STEP = 5e-4;
const LOG_START = Math.log(880);
/** 880 - 55,000 Angstrom: stars without the dust emission that takes over beyond. */
export const GRID_SIZE = 8272;

/** Fractional index of a wavelength [Angstrom]. */
export function gridIndex(wavelength: number): number {
  return (Math.log(wavelength) - LOG_START) / LOG_STEP;
}

/** Wavelength [Angstrom] of an index; the index may lie outside the grid (observed frame). */
export function gridWavelength(index: number): number {
  return Math.exp(gridLog(index));
}

/** ln of the wavelength of an index. */
export function gridLog(index: number): number {
  return LOG_START + index * LOG_STEP;
}

/** A function of wavelength on the grid. [GRID_SIZE] */
export function onGrid(f: (wavelength: number) => number): Float64Array {
  return Float64Array.from({ length: GRID_SIZE }, (_, k) => f(gridWavelength(k)));
}
