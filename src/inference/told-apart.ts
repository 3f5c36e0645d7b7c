/** How well a classifier tells rows of one table from those of another. */
import { fitRidge } from "./baseline-ridge.ts";
import { fitStandardiser, standardise } from "./baseline-matrix.ts";
import { selectionCurve } from "./selection.ts";

/** Area under the ROC curve of a classifier, on rows that it was not fitted to: 0.5 where nothing tells, 1 where all is told. */
export interface Told {
  readonly auc: number;
  /** 1 sigma (Hanley & McNeil 1982, Radiology 143, 29, eq. 1). */
  readonly error: number;
}

/** Parts that are held out in turn. */
const FOLDS = 5;
/** Features are cut here, so that one wild number does not decide [sigma]. */
const MOST_SIGMAS = 4;

/** [n, 2 p] Standardised features and their squares: means and widths both tell. */
function expanded(x: Float32Array, p: number): Float32Array {
  const n = x.length / p;
  const scaled = standardise(x, fitStandardiser(x, n, p));
  const out = new Float32Array(2 * x.length);
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < p; i++) {
      const own = Math.max(-MOST_SIGMAS, Math.min(MOST_SIGMAS, scaled[row * p + i]));
      out.set([own, own * own], 2 * (row * p + i));
    }
  }
  return out;
}

/** Standard error of an area between `n` rows of each kind. */
export function areaError(area: number, n: number): number {
  const [one, two] = [area / (2 - area), (2 * area * area) / (1 + area)];
  const variance = area * (1 - area) + (n - 1) * (one + two - 2 * area * area);
  return Math.sqrt(Math.max(0, variance)) / n;
}

/**
 * A linear discriminant of features and their squares (ridge regression to 0 and 1, penalty by generalised cross-validation), in
 * five folds: row i of `source` [n, p] is held out with row i of `target` [n, p] and those of the same `group` [n].
 */
export function toldApart(source: Float32Array, target: Float32Array, p: number, group: ArrayLike<number>): Told {
  const n = source.length / p;
  const x = expanded(Float32Array.from([...source, ...target]), p);
  const width = 2 * p;
  const rows = Array.from({ length: 2 * n }, (_, i) => i);
  const score = new Float64Array(2 * n);
  const of = (some: readonly number[]): Float32Array =>
    Float32Array.from({ length: some.length * width }, (_, i) => x[some[Math.floor(i / width)] * width + (i % width)]);
  const isTarget = (row: number): boolean => row >= n;
  for (let fold = 0; fold < FOLDS; fold++) {
    const isHeld = (row: number): boolean => group[row % n] % FOLDS === fold;
    const [held, fitted] = [rows.filter(isHeld), rows.filter((row) => !isHeld(row))];
    if (held.length === 0 || fitted.length === 0) continue;
    const y = Float32Array.from(fitted, (row) => Number(isTarget(row)));
    const answer = fitRidge({ x: of(fitted), featureCount: width, y }, fitted.length, false).predict(
      of(held),
      held.length,
    );
    held.forEach((row, i) => (score[row] = answer.moments(i).mean));
  }
  const { area } = selectionCurve("target", score, rows.map(isTarget), new Float64Array(2 * n).fill(1));
  return { auc: area, error: areaError(area, n) };
}
