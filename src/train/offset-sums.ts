/** What rows say of zero-points, summed by redshift: scores, information, and what is lost by not knowing which galaxy each is. */
import type { Likely, Shelf } from "./likely-galaxies.ts";

/** Sums over rows at about the same redshift, by ln flux of each band. */
export interface Slice {
  /** 1 + z in its middle; NaN for rows whose galaxies have none. */
  readonly stretch: number;
  /** [nBand] d ln likelihood / d ln(what fluxes are multiplied by). */
  readonly score: Float64Array;
  /** [nBand] Information if every row's galaxy and brightness were known. */
  readonly complete: Float64Array;
  /** [nBand, nBand] What of it is lost by not knowing them, its lower half. */
  readonly lost: Float64Array;
}

/** Width of a slice in ln(1 + z); rows without redshifts go to so many slices by turns. */
const [WIDTH, UNPLACED] = [0.02, 16];
/** Residuals beyond so many errors pull no harder (Huber 1964). */
const HUBER = 2.5;
/** Of each row, most galaxies whose scatter is looked at: the likeliest. */
const MOST_SCATTERED = 60;

/** What the likely galaxies expect in each band: means and mean squares [nBand], and their mean 1 + z. */
export interface Expected {
  readonly mean: Float64Array;
  readonly square: Float64Array;
  readonly stretch: number;
}

export function expectedOf({ nBand, flux: models, stretch }: Shelf, { which, share, amplitude }: Likely): Expected {
  const mean = new Float64Array(nBand);
  const square = new Float64Array(nBand);
  let middle = 0;
  for (let q = 0; q < which.length; q++) {
    middle += share[q] * stretch[which[q]];
    for (let j = 0, at = which[q] * nBand; j < nBand; j++, at++) {
      const m = amplitude[q] * models[at];
      mean[j] += share[q] * m;
      square[j] += share[q] * m * m;
    }
  }
  return { mean, square, stretch: middle };
}

/** The slice of a row, by the number of the row where its galaxies have no redshift; made where there is none yet. */
export function sliceOf(slices: Map<number, Slice>, row: number, stretch: number, nBand: number): Slice {
  const isPlaced = !Number.isNaN(stretch);
  const key = isPlaced ? Math.round(Math.log(stretch) / WIDTH) : -1 - (row % UNPLACED);
  const known = slices.get(key);
  if (known !== undefined) return known;
  const fresh: Slice = {
    stretch: isPlaced ? Math.exp(key * WIDTH) : Number.NaN,
    score: new Float64Array(nBand),
    complete: new Float64Array(nBand),
    lost: new Float64Array(nBand * nBand),
  };
  slices.set(key, fresh);
  return fresh;
}

/** 1 / variance, less where a residual is far out. */
export const robustWeight = (weight: number, residual: number): number => {
  const away = Math.abs(residual) * Math.sqrt(weight);
  return away > HUBER ? (weight * HUBER) / away : weight;
};

/** Adds a row's score: the fluxes against those expected, `weight` = 1 / variance of bands that count. */
export function addScore(
  { score, complete }: Slice,
  { mean, square }: Expected,
  flux: Float64Array,
  weight: Float64Array,
): void {
  for (let j = 0; j < flux.length; j++) {
    score[j] += weight[j] * (square[j] - flux[j] * mean[j]);
    complete[j] += weight[j] * square[j];
  }
}

/**
 * Adds what is lost by not knowing which of the likely galaxies the row is, and how bright: the scatter of their scores
 * (Louis 1982, J. R. Stat. Soc. B 44, 226).
 */
export function addLost(
  { lost }: Slice,
  { nBand, flux: models }: Shelf,
  { which, share, amplitude }: Likely,
  { mean }: Expected,
  flux: Float64Array,
  weight: Float64Array,
): void {
  const count = Math.min(MOST_SCATTERED, which.length);
  const total = share.subarray(0, count).reduce((sum, x) => sum + x, 0);
  const scores = Array.from({ length: count }, (_, q) =>
    Float64Array.from(weight, (w, j) => {
      const m = amplitude[q] * models[which[q] * nBand + j];
      return w * m * (m - flux[j]);
    }),
  );
  const centre = Float64Array.from(weight, (_, j) =>
    scores.reduce((sum, score, q) => sum + (share[q] / total) * score[j], 0),
  );
  const own = mean.map((m, j) => weight[j] * m * m);
  const norm = own.reduce((sum, x) => sum + x, 0);
  const directions = [
    ...scores.map((score, q) => ({ part: share[q] / total, along: score.map((s, j) => s - centre[j]) })),
    ...(norm > 0 ? [{ part: 1 / norm, along: own }] : []), // the brightness
  ];
  for (const { part, along } of directions) {
    for (let i = 0; i < nBand; i++) {
      const a = part * along[i];
      if (a !== 0) for (let j = 0, to = i * nBand; j <= i; j++, to++) lost[to] += a * along[j];
    }
  }
}
