import { LOG_SQRT_2PI, logNormalBetween, normalDensity } from "../model/normal.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { Library } from "./library.ts";
import type { Amplitude } from "./library-graph.ts";

/** What is given of one galaxy, as a library's likelihood reads it; places are columns of the library's store. */
export interface Evidence {
  readonly amplitude: Amplitude;
  /** Bands with a flux: 1 sigma includes the error of the model. */
  readonly bands: readonly { readonly place: number; readonly flux: number; readonly sigma: number }[];
  /** Properties with a value: 1 sigma includes the kernel where the value has no error. */
  readonly properties: readonly { readonly place: number; readonly value: number; readonly sigma: number }[];
  readonly classes: readonly { readonly place: number; readonly index: number }[];
  /** The flux or value was seen below `value`. */
  readonly limits: readonly {
    readonly place: number;
    readonly value: number;
    readonly sigma: number;
    readonly isBand: boolean;
  }[];
}

export interface EvidenceOptions {
  readonly amplitude: Amplitude;
  /** Error of the library's fluxes, as a fraction of the observed flux: added in quadrature. */
  readonly modelError: number;
}

/** A flux that comes without an error, as a fraction of itself; a limit without one is this sharp. */
const ERROR_WITHOUT = 0.01;

/**
 * What is given of row `row`. Mass and rates speak of the galaxy's own brightness, and without any flux there is nothing to
 * scale to: the library's galaxies then keep their own amplitudes.
 */
export function evidenceOf(
  { fields, place, has, kernel, isExtensive }: Library,
  catalog: Catalog,
  row: number,
  isGiven: Uint8Array,
  { amplitude, modelError }: EvidenceOptions,
): Evidence {
  const bands: Evidence["bands"][number][] = [];
  const properties: Evidence["properties"][number][] = [];
  const classes: Evidence["classes"][number][] = [];
  const limits: Evidence["limits"][number][] = [];
  let isAbsolute = false;
  fields.forEach(({ kind, band }, j) => {
    const at = row * fields.length + j;
    const state = catalog.state[at];
    if (isGiven[j] === 0 || has[j] === 0 || state === State.notObserved || kind === "spectrum" || kind === "image")
      return;
    const value = catalog.value[at];
    const error = catalog.error[at];
    const isBand = band !== undefined;
    if (isExtensive[j] === 1) isAbsolute = true;
    if (kind === "category") classes.push({ place: place[j], index: value });
    else if (state === State.upperLimit) {
      const least = isBand ? ERROR_WITHOUT * Math.abs(value) : kernel[j];
      limits.push({ place: place[j], value, sigma: error > 0 ? error : least, isBand });
    } else if (isBand) {
      const own = error > 0 ? error : ERROR_WITHOUT * Math.abs(value);
      bands.push({ place: place[j], flux: value, sigma: Math.hypot(own, modelError * value) || 1 });
    } else properties.push({ place: place[j], value, sigma: Math.hypot(error, kernel[j]) });
  });
  return { amplitude: isAbsolute || bands.length === 0 ? "absolute" : amplitude, bands, properties, classes, limits };
}

/** How well one galaxy of the library explains the evidence. */
export interface Match {
  /** ln of the likelihood, the amplitude integrated over its prior; up to a constant of the evidence. */
  readonly logLikelihood: number;
  /** Mean and deviation of the amplitude given the evidence. */
  readonly amplitude: number;
  readonly amplitudeError: number;
  /** Chi-square of the bands at the best amplitude. */
  readonly chi2: number;
}

/** A class or a property that the library's galaxy does not have: as good as excluded. */
export const EXCLUDED = 1e4;

/** ln of the cdf at the limits; the amplitude's own spread is part of the error. Exact for one limit. */
function logBelow({ limits }: Evidence, galaxy: Float32Array, amplitude: number, error: number): number {
  let sum = 0;
  for (const { place, value, sigma, isBand } of limits) {
    const own = galaxy[place];
    if (Number.isNaN(own)) sum -= EXCLUDED;
    else if (isBand) sum += logNormalBetween(-Infinity, (value - amplitude * own) / Math.hypot(sigma, error * own));
    else sum += logNormalBetween(-Infinity, (value - own) / sigma);
  }
  return sum;
}

function logProperties({ properties, classes }: Evidence, galaxy: Float32Array): number {
  let sum = 0;
  for (const { place, value, sigma } of properties) {
    const own = galaxy[place];
    sum -= Number.isNaN(own) ? EXCLUDED : Math.min(EXCLUDED, 0.5 * ((value - own) / sigma) ** 2);
  }
  for (const { place, index } of classes) if (galaxy[place] !== index) sum -= EXCLUDED;
  return sum;
}

/** Sums over the bands: f f / s^2, f t / s^2, t t / s^2. */
function sumsOf({ bands }: Evidence, galaxy: Float32Array): readonly [ff: number, ft: number, tt: number] {
  let [ff, ft, tt] = [0, 0, 0];
  for (const { place, flux, sigma } of bands) {
    const f = flux / sigma;
    const t = galaxy[place] / sigma;
    ff += f * f;
    ft += f * t;
    tt += t * t;
  }
  return [ff, ft, tt];
}

/**
 * The likelihood of the evidence under a galaxy [columns of the store], in double precision.
 * - absolute: exp(-(ff - 2 ft + tt) / 2)
 * - Gaussian prior N(1, s^2), p = 1 / s^2: sqrt(p / (tt + p)) exp(-(ff + p - (ft + p)^2 / (tt + p)) / 2)
 * - free, flat in a = A sqrt(tt) > 0: exp(-(ff - x^2) / 2) sqrt(2 pi) Phi(x), x = ft / sqrt(tt)
 */
export function matchOf(evidence: Evidence, galaxy: Float32Array): Match {
  const { amplitude: prior } = evidence;
  const [ff, ft, tt] = sumsOf(evidence, galaxy);
  const rest = logProperties(evidence, galaxy);
  const done = (logBands: number, amplitude: number, amplitudeError: number, chi2: number): Match => ({
    logLikelihood: logBands + rest + logBelow(evidence, galaxy, amplitude, amplitudeError),
    amplitude,
    amplitudeError,
    chi2,
  });
  if (prior === "absolute") {
    const chi2 = ff - 2 * ft + tt;
    return done(-0.5 * chi2, 1, 0, chi2);
  }
  if (tt === 0) return done(-0.5 * ff, 1, 0, ff);
  if (prior === "free") {
    const x = ft / Math.sqrt(tt);
    const logPhi = logNormalBetween(-Infinity, x);
    // mean and deviation of a Gaussian that is cut off at 0
    const tilt = x < -30 ? -x + 1 / -x : normalDensity(x) / Math.exp(logPhi);
    const mean = (x + tilt) / Math.sqrt(tt);
    const deviation = Math.sqrt(Math.max(1e-4, 1 - tilt * (tilt + x)) / tt);
    return done(-0.5 * (ff - x * x) + logPhi + LOG_SQRT_2PI, mean, deviation, ff - Math.max(0, x) ** 2);
  }
  const p = prior ** -2;
  const mean = (ft + p) / (tt + p);
  const chi2 = ff - 2 * mean * ft + mean * mean * tt;
  const logBands = -0.5 * (ff + p - mean * mean * (tt + p)) + 0.5 * Math.log(p / (tt + p));
  return done(logBands, mean, 1 / Math.sqrt(tt + p), chi2);
}
