/** When a value says nothing: the one place where an error is too large to be one. */
import { type Field, State } from "./field.ts";
import { convertUnit, convertValue } from "./units.ts";

/**
 * A flux says nothing when its 1 sigma error exceeds that of the survey's shallowest tile this many times (5 mag) ...
 */
const ERRORS_OF_DEPTH = 100;
/** ... and it is within as many of its own errors of zero: any galaxy of the survey would do as well. */
const ERRORS_OF_ZERO = 3;
/** Depths are 5 sigma. */
const DEPTH_SIGMA = 5;

/**
 * Largest 1 sigma error that a value of the field may have. Fluxes: 100 times the error at the 5 sigma depth of the
 * band's shallowest tile or layer, in the field's unit. Numbers: the width of their possible range.
 */
export function largestError({ band, unit, range }: Field): number {
  if (band === undefined) return range[1] - range[0];
  const conversion = convertUnit("ABmag", unit, band);
  const faintest = conversion === undefined ? Infinity : convertValue(conversion, Math.min(...band.depth));
  return (ERRORS_OF_DEPTH * faintest) / DEPTH_SIGMA;
}

/** 1 sigma error of a band in its tile or layer of middling depth, in the field's unit; 0 of what is no band. */
export function depthError({ unit, band }: Field): number {
  const conversion = band === undefined ? undefined : convertUnit("ABmag", unit, band);
  if (band === undefined || conversion === undefined) return 0;
  return convertValue(conversion, band.depth.toSorted((a, b) => a - b)[band.depth.length >> 1]) / DEPTH_SIGMA;
}

/**
 * Whether a value, in the field's unit, is the same as none; `largest` is the field's `largestError`. A flux beyond 3 of
 * its errors is a detection, however bright; an upper limit says nothing where every such flux is below it.
 */
export function saysNothing(
  field: Field,
  largest: number,
  value: number,
  error: number,
  state: State = State.measured,
): boolean {
  if (field.band === undefined) return error > largest;
  if (state === State.upperLimit) return value > ERRORS_OF_ZERO * largest;
  return error > largest && Math.abs(value) < ERRORS_OF_ZERO * error;
}
