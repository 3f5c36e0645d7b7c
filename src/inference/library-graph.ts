import * as tf from "@tensorflow/tfjs-core";
import type { Signature, TensorFunction } from "../engine/contract.ts";

/**
 * How bright a library's galaxy may be beside its own brightness, A:
 * - `free`: any A > 0, flat in the brightness as the given bands measure it, the root of sum (A t / sigma)^2
 * - a number s: Gaussian about 1 with this deviation: a galaxy stands for those of its shape that are about as bright
 * - `absolute`: A = 1
 */
export type Amplitude = "free" | "absolute" | number;

/** Sizes of one compiled scan. */
export interface ScanShape {
  readonly amplitude: Amplitude;
  /** Galaxies asked about, and rows of the library, in one run. */
  readonly queries: number;
  readonly rows: number;
  readonly bands: number;
  /** Columns that compare properties; 0 where none is given. */
  readonly columns: number;
  /** Fields with upper limits; 0 where there are none. */
  readonly limits: number;
}

/** Rows whose best score is told beside the scores: most groups hold nothing that matters. */
export const GROUP = 32;

const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;

/**
 * - flux [rows, bands]; luck [rows]: a random number per row that is added to its score, see `library-scan.ts`
 * - data, weight [queries, bands]: f / sigma^2 and 1 / sigma^2; 0 where a band is not given
 * - property [rows, columns], wish [queries, columns]: their product is the log-likelihood of the given properties
 * - limited [limits, rows]: values of the limited fields; isBand [limits]: grows with the amplitude;
 *   limit, sharpness [queries, limits]: the limit, and 1 / sigma, 0 where there is none
 */
export function scanSignature({ queries, rows, bands, columns, limits }: ScanShape): Signature {
  return {
    flux: float(rows, bands),
    luck: float(rows),
    data: float(queries, bands),
    weight: float(queries, bands),
    ...(columns === 0 ? {} : { property: float(rows, columns), wish: float(queries, columns) }),
    ...(limits === 0
      ? {}
      : {
          limited: float(limits, rows),
          isBand: float(limits),
          limit: float(queries, limits),
          sharpness: float(queries, limits),
        }),
  };
}

/** A band in which a galaxy has no flux at all must not divide by zero. */
const LEAST = 1e-20;

/** Log-likelihood of the bands, up to a constant of the galaxy, and the likeliest amplitude [queries, rows]. */
function bandScores(
  { amplitude, limits }: ScanShape,
  inputs: Record<string, tf.Tensor>,
): { score: tf.Tensor; best: tf.Tensor | undefined } {
  const [flux, data, weight] = [inputs.flux, inputs.data, inputs.weight] as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const product = (a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D => tf.matMul(a, b, false, true);
  const along = product(data, flux); // [queries, rows]
  // what all pairs would be multiplied by is cheaper on the rows: each operation on pairs is a pass over memory
  const factor = amplitude === "absolute" ? 0.5 : limits === 0 ? 2 : 1;
  const power = product(weight, tf.mul(tf.add<tf.Tensor2D>(tf.square(flux), LEAST), factor)); // [queries, rows]
  if (amplitude === "absolute") return { score: tf.sub(along, power), best: undefined };
  const precision = amplitude === "free" ? 0 : amplitude ** -2;
  const top = amplitude === "free" ? tf.relu(along) : tf.add(along, precision);
  const bottom = amplitude === "free" ? power : tf.add(power, factor * precision);
  if (limits === 0) return { score: tf.div(tf.square(top), bottom), best: undefined };
  const best = tf.div(top, bottom);
  return { score: tf.mul(tf.mul(best, top), 0.5), best };
}

/**
 * Scores of every library row for every galaxy: log-likelihood up to a constant of the galaxy, plus the row's luck. Two
 * matrix products and a few operations per pair; upper limits enter as the square of what is above them, a bound of
 * their cdf that takes no error function. Returns `score` [queries, rows], and `best` [queries, rows / GROUP].
 */
export function scanGraph(shape: ScanShape): TensorFunction {
  const { queries, rows, columns, limits } = shape;
  return (inputs) => {
    const { score: ofBands, best } = bandScores(shape, inputs);
    let score = tf.add(ofBands, tf.expandDims(inputs.luck, 0));
    if (columns > 0) {
      score = tf.add(score, tf.matMul(inputs.wish as tf.Tensor2D, inputs.property as tf.Tensor2D, false, true));
    }
    for (let l = 0; l < limits; l++) {
      const value = tf.slice(inputs.limited, [l, 0], [1, rows]); // [1, rows]
      const isBand = tf.slice(inputs.isBand, [l], [1]);
      const factor = best === undefined ? 1 : tf.add(tf.mul(best, isBand), tf.sub(1, isBand));
      const above = tf.sub(tf.mul(value, factor), tf.slice(inputs.limit, [0, l], [queries, 1]));
      const excess = tf.relu(tf.mul(above, tf.slice(inputs.sharpness, [0, l], [queries, 1])));
      score = tf.sub(score, tf.mul(tf.square(excess), 0.5));
    }
    return { score, best: tf.max(tf.reshape(score, [queries, rows / GROUP, GROUP]), 2) };
  };
}
