import type { Distribution } from "../model/distribution.ts";
import { type CovariateName, covariateNames, type Covariates, type scoreWarpOf } from "../model/recalibration.ts";
import { fitOf } from "../model/templates.ts";
import { State } from "../survey/field.ts";
import type { Evidence } from "../tokens/hosts.ts";
import { spectrumSignal } from "../tokens/spectrum.ts";
import type { NetworkCoder } from "./config.ts";

/** Added to chi2 per flux, so that its logarithm tells apart what is worth it. */
const CHI2_FLOOR = 0.1;

/** Wavelengths count from here [Angstrom], so that none given is like the middle of the optical. */
const PIVOT = 6000;

/** What given spectra add: NaN of a network that knows none, whose recalibration stays what it was. */
function ofSpectra(
  { nField, groups, fields }: NetworkCoder,
  { catalog, row, isContext, window }: Evidence,
): Record<"pixels" | "pixelSignal", number> {
  const count = groups.spectrum.length;
  if (count === 0) return { pixels: Number.NaN, pixelSignal: Number.NaN };
  let [pixels, pixelSignal, given] = [0, 0, 0];
  for (const j of groups.spectrum) {
    const column = catalog.arrays?.get(fields[j].name);
    if (isContext[j] === 0 || catalog.state[row * nField + j] === State.notObserved || column === undefined) continue;
    const { observed, signal } = spectrumSignal(column, row, window);
    if (observed === 0) continue;
    given++;
    pixels += observed;
    pixelSignal += signal;
  }
  return { pixels: pixels / count, pixelSignal: pixelSignal / Math.max(1, given) };
}

/** What is known of one galaxy's answers before they are given, into `to`; the spread is each answer's own. `state` [S]. */
export function fillCovariates(coder: NetworkCoder, evidence: Evidence, state: Float32Array, to: Covariates): void {
  const { catalog, row, isContext, scale } = evidence;
  const { nField, groups, counted } = coder;
  const isGiven = (j: number): boolean => isContext[j] === 1 && catalog.state[row * nField + j] !== State.notObserved;
  let [fluxes, labels, signal, place, square] = [0, 0, 0, 0, 0];
  for (const j of groups.band) {
    if (!isGiven(j)) continue;
    fluxes++;
    const at = row * nField + j;
    signal += Math.asinh(catalog.value[at] / catalog.error[at]);
    const pivot = Math.log(coder.fields[j].band!.pivot / PIVOT);
    place += pivot;
    square += pivot * pivot;
  }
  for (const j of groups.property) if (isGiven(j)) labels++;
  const fit = fitOf(coder, state);
  const wavelength = place / Math.max(1, fluxes);
  const values: Record<CovariateName, number> = {
    given: fluxes / Math.max(1, counted.bands),
    labels: labels / Math.max(1, counted.properties),
    wavelength,
    breadth: Math.sqrt(Math.max(0, square / Math.max(1, fluxes) - wavelength * wavelength)),
    signal: signal / Math.max(1, fluxes),
    brightness: coder.encodeScale(scale),
    misfit: fit === undefined ? Number.NaN : Math.log(fit.chi2 + CHI2_FLOOR),
    likely: fit === undefined ? Number.NaN : Math.log(fit.effective),
    firstClass: fit?.firstClass ?? Number.NaN,
    spread: Number.NaN,
    ...ofSpectra(coder, evidence),
  };
  covariateNames.forEach((name, c) => (to[c] = values[name]));
}

export const SPREAD = covariateNames.indexOf("spread");
/** ln of an answer's deviation in encoded space. */
export const spreadOf = (std: number): number => Math.log(Math.max(std, 1e-6));

/** Encoded answers through their recalibration, which depends on `covariates` [rowCount, covariateNames] and their spread. */
export function warped(
  encoded: Distribution,
  warp: ReturnType<typeof scoreWarpOf>,
  covariates: Float64Array,
): Distribution {
  const n = covariateNames.length;
  if (encoded.recalibrated === undefined) return encoded;
  return encoded.recalibrated((row) => {
    const own = covariates.slice(row * n, (row + 1) * n);
    own[SPREAD] = spreadOf(encoded.moments(row).std);
    return warp(own);
  });
}
