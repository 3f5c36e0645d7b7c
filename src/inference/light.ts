/** The light of a galaxy around an emission line: what an equivalent width is a width of. */
import { gridIndex } from "../simulate/grid.ts";
import { createPassband, lineDensity, parametricCurve, type Passband } from "../simulate/passband.ts";
import type { Field } from "../survey/field.ts";

/** A band that light is measured through. */
export interface Window {
  /** Column of its field. */
  readonly column: number;
  /** [Angstrom] */
  readonly pivot: number;
  readonly passband: Passband;
}

/** Bands in order of wavelength, with the survey's parametric filters. */
export function windowsOf(fields: readonly Field[]): Window[] {
  return fields
    .flatMap(({ name, band }, column) =>
      band === undefined ? [] : [{ column, pivot: band.pivot, passband: createPassband(name, parametricCurve(band)) }],
    )
    .sort((a, b) => a.pivot - b.pivot);
}

/** What is known of one galaxy, in one draw. */
export interface Light {
  readonly z: number;
  /** [nField] Flux density in every band, in the survey's unit; NaN where it is not known. */
  readonly flux: Float64Array;
  /** [nField] Its 1 sigma error; 0 where it was drawn. */
  readonly error: Float64Array;
}

/** A line, as it is observed: wavelength and equivalent width [Angstrom]. */
export interface Emission {
  readonly wavelength: number;
  readonly width: number;
}

/** Bands farther than this in ln wavelength say nothing of the continuum at a line. */
export const FARTHEST = 0.3;
/**
 * Spectra depart from a straight line by this part of the flux, and by so much more times (ln wavelength ratio)^2; both are
 * where the simulator's continua, without noise, come out best (`test/inference/line-flux.test.ts`).
 */
const ROUGHNESS = 0.02;
const CURVATURE = 20;
/** What a line adds to a band is known to this part of it: filters and widths are not exact. */
const LINE_ERROR = 0.3;

/**
 * Continuum flux density at an observed wavelength [Angstrom], in the bands' unit: a straight line c(l) = a + b (l - at) through the
 * mean flux densities of the bands within 35 % in wavelength, each with the lines in it. A line of width W at l has the flux
 * W c(l), of which a band of line response R [1/Angstrom] sees W c(l) R(l): linear in a and b as the continuum is. Weights are
 * of the bands' errors, of what spectra depart from straight lines, and of part of what lines add, so that narrow bands
 * on a strong line hardly count. NaN where there is no band on either side.
 */
export function continuumAt(
  windows: readonly Window[],
  { flux, error }: Light,
  at: number,
  emissions: readonly Emission[],
): number {
  const near = windows.filter(
    ({ column, pivot }) => flux[column] > -Infinity && Math.abs(Math.log(pivot / at)) < FARTHEST,
  );
  if (!(near.length > 1 && near[0].pivot <= at && near[near.length - 1].pivot >= at)) return Number.NaN;
  const level = near.reduce((sum, { column }) => sum + Math.abs(flux[column]), 0) / near.length;
  const places = emissions.map(({ wavelength }) => gridIndex(wavelength));
  let [aa, ab, bb, af, bf] = [0, 0, 0, 0, 0];
  for (const { column, pivot, passband } of near) {
    let [mean, slope, share] = [1, pivot - at, 0];
    emissions.forEach(({ wavelength, width }, i) => {
      const part = width * lineDensity(passband, places[i]);
      mean += part;
      slope += part * (wavelength - at);
      share += Math.abs(part);
    });
    const rough = ROUGHNESS + CURVATURE * Math.log(pivot / at) ** 2 + LINE_ERROR * share;
    const weight = 1 / (error[column] ** 2 + (level * rough) ** 2);
    aa += weight * mean * mean;
    ab += weight * mean * slope;
    bb += weight * slope * slope;
    af += weight * mean * flux[column];
    bf += weight * slope * flux[column];
  }
  return (bb * af - ab * bf) / (aa * bb - ab * ab);
}
