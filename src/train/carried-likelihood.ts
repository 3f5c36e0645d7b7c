/** How probable zero-points and corrections of spectra are, given rows of photometry and galaxies that a network carries. */
import { type Fit, fitRow, type Row, type Shelf } from "./carried-fit.ts";
import { CORRECTION_SIZE, SHARES } from "./spectral-correction.ts";

/** Places of parameters with their parts in a sum. */
export type Part = readonly (readonly [number, number])[];

/** What is small beforehand: a sum of parameters, and its 1 sigma. */
export interface Prior {
  readonly of: Part;
  readonly sigma: number;
}

/** Galaxies share what their models err by: however many there are, they say as much as this many do, with redshifts and without. */
export const INDEPENDENT = { known: 300, unknown: 100 };
/** Degrees of freedom of a row's likelihood: galaxies that nothing fits count for less (Student's t, Lange et al. 1989). */
const STUDENT = 12;

/** Everything that a round looks at. */
export interface Scene {
  readonly shelf: Shelf;
  readonly rows: readonly Row[];
  readonly near: readonly Int32Array[];
  readonly priors: readonly Prior[];
  /** What the ln likelihood of a row counts, by whether its redshift is known. */
  readonly tempers: Readonly<Record<keyof typeof INDEPENDENT, number>>;
}

export const temperOf = ({ tempers }: Scene, { stretch }: Row): number =>
  tempers[stretch === undefined ? "unknown" : "known"];

/** Place of the first passband's shift: zero-points are first, the correction of spectra is next. */
export const shiftsFrom = (nBand: number): number => nBand + CORRECTION_SIZE;

/** [count, nBand] Fluxes of the carried galaxies as the survey would measure them. */
export function measuredFluxes({ flux, nBand, places, shares, tilts }: Shelf, at: Float64Array): Float32Array {
  const models = new Float32Array(flux.length);
  const shifts = shiftsFrom(nBand);
  for (let i = 0; i < flux.length; i++) {
    let ln = tilts[i] * at[shifts + (i % nBand)] - at[i % nBand];
    for (let s = i * SHARES; s < (i + 1) * SHARES; s++) ln += shares[s] * at[nBand + places[s]];
    models[i] = flux[i] * Math.exp(ln);
  }
  return models;
}

/** A row's robust ln likelihood, and its derivative by the plain one. */
export function robust({ count }: Row, lnLikelihood: number): readonly [value: number, slope: number] {
  const misfit = Math.max(0, -2 * lnLikelihood);
  const slope = (STUDENT + count) / (STUDENT + misfit);
  return [-0.5 * (STUDENT + count) * Math.log1p(misfit / STUDENT), slope];
}

/** Adds d ln likelihood / d ln flux of each carried galaxy [count, nBand] that a row's fit says. */
export function addSlopes(
  slopes: Float64Array,
  models: Float32Array,
  { flux, weight }: Row,
  fit: Fit,
  factor: number,
): void {
  const nBand = flux.length;
  for (let q = 0; q < fit.which.length; q++) {
    const part = factor * fit.share[q];
    for (let j = 0, i = fit.which[q] * nBand; j < nBand; j++, i++) {
      const expected = fit.amplitude[q] * models[i];
      slopes[i] += part * weight[j] * (flux[j] - expected) * expected;
    }
  }
}

/** Adds minus a galaxy's `slopes` [count, nBand] by ln flux, by parameter. */
export function addGradient(gradient: Float64Array, shelf: Shelf, slopes: Float64Array, galaxy: number): void {
  const { nBand, places, shares, tilts } = shelf;
  const shifts = shiftsFrom(nBand);
  for (let j = 0, i = galaxy * nBand; j < nBand; j++, i++) {
    if (slopes[i] === 0) continue;
    gradient[j] += slopes[i];
    gradient[shifts + j] -= tilts[i] * slopes[i];
    for (let s = i * SHARES; s < (i + 1) * SHARES; s++) gradient[nBand + places[s]] -= shares[s] * slopes[i];
  }
}

/** -ln posterior of zero-points and correction, with its gradient. */
export const lossOf =
  (scene: Scene) =>
  (at: Float64Array, gradient: Float64Array): number => {
    const { shelf, rows, near, priors } = scene;
    const models = measuredFluxes(shelf, at);
    const slopes = new Float64Array(models.length);
    let loss = 0;
    for (const [i, row] of rows.entries()) {
      const fit = fitRow(shelf, models, row, near[i]);
      const [value, slope] = robust(row, fit.lnLikelihood);
      const temper = temperOf(scene, row);
      loss -= temper * value;
      addSlopes(slopes, models, row, fit, temper * slope);
    }
    gradient.fill(0);
    for (let k = 0; k < shelf.count; k++) addGradient(gradient, shelf, slopes, k);
    for (const { of, sigma } of priors) {
      const sum = of.reduce((total, [p, part]) => total + part * at[p], 0);
      loss += 0.5 * (sum / sigma) ** 2;
      for (const [p, part] of of) gradient[p] += (part * sum) / sigma ** 2;
    }
    return loss;
  };
