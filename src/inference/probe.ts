import { splitByParent } from "../survey/split.ts";
import { fitRidge } from "./baseline-ridge.ts";
import { selectionCurve } from "./selection.ts";

/** How much of a quantity can be read from states of knowledge along a straight line (Alain & Bengio 2016, arXiv:1610.01644). */

export interface ProbeTarget {
  readonly name: string;
  /** [n] NaN where it is not known; of classes, their indices. */
  readonly values: ArrayLike<number>;
  readonly classes?: readonly string[];
}

export interface ProbeScore {
  readonly name: string;
  /** Of classes: the one that is told from the others; of two, the second from the first. */
  readonly className?: string;
  /** R2: part of the variance that is explained, of numbers; AUC: area under the ROC curve, of classes. */
  readonly metric: "R2" | "AUC";
  /** On rows that the probe was not fitted to. */
  readonly value: number;
  /** Rows that it was fitted to and judged on. */
  readonly trainRows: number;
  readonly testRows: number;
}

/** Fewest rows, and rows in and out of a class, in either half. */
const [FEWEST, FEWEST_OF_CLASS] = [20, 5] as const;
const HALVES = { train: 0.5, validation: 0, calibration: 0, test: 0.5 } as const;

/** Part of the variance of `truth` that `answer` explains; below 0 where the mean would be better. */
function explained(truth: Float32Array, answer: (row: number) => number): number {
  const mean = truth.reduce((sum, value) => sum + value / truth.length, 0);
  let [left, whole] = [0, 0];
  truth.forEach((value, row) => {
    left += (value - answer(row)) ** 2;
    whole += (value - mean) ** 2;
  });
  return 1 - left / whole;
}

/**
 * Ridge regression from states [n, size] to a quantity, or to 0 and 1 for a class, fitted to half of the parents and judged on
 * the other half; its penalty is chosen on the first. Nothing for a quantity that too few rows have, or that is the same in all.
 * @param parentId [n] Rows of one parent are in one half.
 */
export function linearProbe(
  state: Float32Array,
  size: number,
  parentId: readonly string[],
  { name, values, classes }: ProbeTarget,
): ProbeScore[] {
  const isKnown = (row: number): boolean => Number.isFinite(values[row]);
  const { train, test } = splitByParent(parentId, HALVES);
  const [fitted, judged] = [train.filter(isKnown), test.filter(isKnown)];
  if (Math.min(fitted.length, judged.length) < FEWEST) return [];
  const statesOf = (rows: Int32Array): Float32Array =>
    Float32Array.from({ length: rows.length * size }, (_, i) => state[rows[Math.floor(i / size)] * size + (i % size)]);
  const [x, others] = [statesOf(fitted), statesOf(judged)];
  const read = (of: (row: number) => number): ((row: number) => number) => {
    const fit = fitRidge({ x, featureCount: size, y: Float32Array.from(fitted, of) }, fitted.length, false);
    const answer = fit.predict(others, judged.length);
    return (row) => answer.moments(row).mean;
  };
  const counts = { name, trainRows: fitted.length, testRows: judged.length };
  if (classes === undefined) {
    const truth = Float32Array.from(judged, (row) => values[row]);
    const seen = Float32Array.from(fitted, (row) => values[row]);
    if (truth.every((value) => value === truth[0]) || seen.every((value) => value === seen[0])) return [];
    return [
      {
        ...counts,
        metric: "R2",
        value: explained(
          truth,
          read((row) => values[row]),
        ),
      },
    ];
  }
  const asked = classes.length === 2 ? [1] : classes.map((_, k) => k);
  return asked.flatMap((k): ProbeScore[] => {
    const isOf = (row: number): boolean => values[row] === k;
    const rare = [fitted, judged].some((rows) => {
      const own = rows.filter(isOf).length;
      return Math.min(own, rows.length - own) < FEWEST_OF_CLASS;
    });
    if (rare) return [];
    const answer = read((row) => Number(isOf(row)));
    const score = Float64Array.from(judged, (_, row) => answer(row));
    const { area } = selectionCurve(name, score, Array.from(judged, isOf), new Float64Array(judged.length).fill(1));
    return [{ ...counts, className: classes[k], metric: "AUC", value: area }];
  });
}
