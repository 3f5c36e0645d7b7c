import type { Curve } from "../model/distribution.ts";
import type { Band, Field, ScalarKind } from "../survey/field.ts";

/**
 * From a field's unit to the number that the network reads and predicts, and back.
 * Every transform is strictly monotone, so a quantile of the transformed value is the quantile of the value.
 */
export interface Transform {
  /** `softness` is in the field's unit; transforms without a linear core ignore it. */
  forward(x: number, softness: number): number;
  inverse(v: number, softness: number): number;
  /** dv/dx: propagates a small error. */
  slope(x: number, softness: number): number;
  /** Of `inverse` there: tanh of the argument of a sinh, 1 of an exponential, undefined of a line. */
  bend(x: number, softness: number): number | undefined;
  /** `inverse` of rate v + shift as a curve. */
  curve(rate: number, shift: number, softness: number): Curve;
}

const identity: Transform = {
  forward: (x) => x,
  inverse: (v) => v,
  slope: () => 1,
  bend: () => undefined,
  curve: (rate, shift) => ({ shape: "linear", factor: 1, rate, shift, offset: 0 }),
};

/** Logarithmic for |x| >> softness, linear around 0, defined for negative x (Lupton, Gunn & Szalay 1999, AJ 118, 1406). */
const asinh: Transform = {
  forward: (x, softness) => Math.asinh(x / (2 * softness)),
  inverse: (v, softness) => 2 * softness * Math.sinh(v),
  slope: (x, softness) => 1 / Math.sqrt(x * x + 4 * softness * softness),
  bend: (x, softness) => x / Math.sqrt(x * x + 4 * softness * softness),
  curve: (rate, shift, softness) => ({ shape: "sinh", factor: 2 * softness, rate, shift, offset: 0 }),
};

/** An error in ln(1 + z) is dz / (1 + z), the unit in which redshifts are scored. */
const redshift: Transform = {
  forward: (x) => Math.log1p(x),
  inverse: (v) => Math.expm1(v),
  slope: (x) => 1 / (1 + x),
  bend: () => 1,
  curve: (rate, shift) => ({ shape: "exp", factor: 1, rate, shift, offset: -1 }),
};

const transforms = {
  flux: asinh,
  ew: asinh,
  log: identity,
  linear: identity,
  redshift,
} satisfies Record<ScalarKind, Transform>;

/** The transform of a field; the classes of a category are counted as they are. */
export function transformOf(field: Field): Transform {
  return field.kind === "category" || field.kind === "spectrum" || field.kind === "image"
    ? identity
    : transforms[field.kind];
}

/** Softness of equivalent widths [Angstrom]: about the smallest EW(Halpha) that narrow bands can tell from zero. */
const EW_SOFTNESS = 2;
/** Softness of a flux in units of the scale: colours bluer or redder than 1 : 20 become linear. */
export const RELATIVE_SOFTNESS = 0.1;
/** Softness of a flux in units of the survey's 1 sigma depth: keeps noise Gaussian in the transformed space. */
const DEPTH_SOFTNESS = 2;

const SPEED_OF_LIGHT = 2.99792458e18; // Angstrom / s

/** The one of a band's depths, one per tile or layer, that values are encoded by [AB mag]. */
export function medianDepth(depths: readonly number[]): number {
  const sorted = [...depths].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Typical 1 sigma flux error of the survey in a band [1e-19 erg/s/cm2/A], from its median 5 sigma AB depth. */
export function depthFlux(band: Band): number {
  const fluxNu = 10 ** (-0.4 * (medianDepth(band.depth) + 48.6)) / 5;
  return ((fluxNu * SPEED_OF_LIGHT) / band.pivot ** 2) * 1e19;
}

/** Softness of a field in its own unit where no band is given: twice the survey's depth for a band. */
export function floorSoftness(field: Field): number {
  return field.band === undefined ? EW_SOFTNESS : DEPTH_SOFTNESS * depthFlux(field.band);
}

/**
 * Softness of a band beside others: it follows the scale of the object (the brightness of the visible bands), so that
 * bright objects are seen as colours and faint ones in units of the survey's depth.
 */
export function scaledSoftness(floor: number, scale: number): number {
  const relative = RELATIVE_SOFTNESS * scale;
  return Math.sqrt(relative * relative + floor * floor);
}
