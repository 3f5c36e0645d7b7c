/** The likelihood of the galaxies that a network carries, inside its graph: of all of them, or of those near the likely. */
import * as tf from "@tensorflow/tfjs-core";
import { detached, product } from "../engine/ops.ts";

/**
 * Clean simulated galaxies that a network carries. Every question is fitted with them, as template fitting does
 * (Arnouts et al. 1999, MNRAS 310, 540; Brammer et al. 2008, ApJ 686, 1503). They are of the first bands, properties and
 * classes of the vocabulary: those that came later are not theirs.
 */
export interface Templates {
  readonly count: number;
  /**
   * Galaxies side by side that are alike. More than one: a question is fitted with the mean of every neighbourhood, then
   * with each galaxy of the likeliest ones. It divides `count`.
   */
  readonly neighbourhood: number;
  /** [count, nBand] Fluxes, each galaxy's of order 1. */
  readonly flux: Float32Array;
  /** [count, nProperty] Encoded values; NaN where unknown. */
  readonly property: Float32Array;
  /** [count, nClass] 1 at each category's class. */
  readonly classes: Float32Array;
}

/** Bands, properties and classes of the templates: the first ones of the vocabulary. */
export interface Sizes {
  readonly nBand: number;
  readonly nProperty: number;
  readonly nClass: number;
}

export const sizesOf = ({ count, flux, property, classes }: Templates): Sizes => ({
  nBand: flux.length / count,
  nProperty: property.length / count,
  nClass: classes.length / count,
});

/** Likely neighbourhoods whose galaxies are looked at one by one. */
const NEAREST = 16;
/** ln likelihood of a galaxy that doesn't know what is given, or is of another class. */
const UNLIKE = -8;
/** Error of a galaxy's property in deviations: about the distance of carried galaxies. */
const PROPERTY_FLOOR = 0.1;

/** Column `p` of the templates' properties, one number a galaxy. */
export const columnOf = ({ count, property }: Templates, p: number): Float32Array => {
  const width = property.length / count;
  return Float32Array.from({ length: count }, (_, k) => property[k * width + p]);
};

/** Means of `rows` rows [count, width] that stand side by side, [count / rows, width]. */
export function meansOf(data: Float32Array, width: number, rows: number): Float32Array {
  if (rows === 1) return data;
  const means = new Float32Array(data.length / rows);
  for (let at = 0; at < data.length; at++) {
    means[Math.floor(at / (width * rows)) * width + (at % width)] += data[at] / rows;
  }
  return means;
}

/** What is known about each galaxy, [count, 3 nProperty + nClass]: values and their squares (0 where unknown), which are known, classes. */
export function about({ count, property, classes }: Templates, { nProperty, nClass }: Sizes): Float32Array {
  const width = 3 * nProperty + nClass;
  const all = new Float32Array(count * width);
  for (let k = 0; k < count; k++) {
    for (let p = 0; p < nProperty; p++) {
      const x = property[k * nProperty + p];
      if (Number.isNaN(x)) continue;
      all[k * width + p] = x;
      all[k * width + nProperty + p] = x * x;
      all[k * width + 2 * nProperty + p] = 1;
    }
    all.set(classes.subarray(k * nClass, (k + 1) * nClass), k * width + 3 * nProperty);
  }
  return all;
}

/** Rows of a matrix: the same K for all questions, or other K for each. */
interface Rows {
  /** Products of x [B, columns] with each row, [B, K]. */
  dot(this: void, x: tf.Tensor): tf.Tensor2D;
  /** The rows' sum, weighted by `share` [B, K]: [B, columns]. */
  sum(this: void, share: tf.Tensor): tf.Tensor2D;
}

const sameRows = (matrix: tf.Tensor2D): Rows => ({
  dot: (x) => product(x, matrix, { transposeB: true }) as tf.Tensor2D,
  sum: (share) => tf.matMul(share, matrix),
});

/** `cube` [B, K, columns]. */
const ownRows = (cube: tf.Tensor3D): Rows => ({
  dot: (x) => tf.squeeze<tf.Tensor2D>(tf.matMul(cube, tf.expandDims<tf.Tensor3D>(x, 2)), [2]),
  sum: (share) => tf.squeeze<tf.Tensor2D>(tf.matMul(tf.expandDims<tf.Tensor3D>(share, 1), cube), [1]),
});

/** Galaxies that questions are fitted with: their fluxes, the squares of those, and what is known about them. */
export interface Candidates {
  readonly flux: Rows;
  readonly square: Rows;
  readonly about: Rows;
}

/** Every galaxy, or the mean of every neighbourhood; `known` is what `about` says of them. */
export function everyCandidate(templates: Templates, known: Float32Array): Candidates {
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const { neighbourhood, count } = templates;
  const width = 3 * nProperty + nClass;
  const matrix = (data: Float32Array, columns: number): tf.Tensor2D =>
    tf.tensor2d(meansOf(data, columns, neighbourhood), [count / neighbourhood, columns]);
  const flux = matrix(templates.flux, nBand);
  return {
    flux: sameRows(flux),
    square: sameRows(tf.square(flux)),
    about: sameRows(matrix(known, width)),
  };
}

/** Some galaxies of each question, in the order of one property. */
export interface Near extends Candidates {
  /** [B, K] That property, 0 where unknown, and 1 where it is known. */
  readonly place: tf.Tensor2D;
  readonly isPlaced: tf.Tensor2D;
  /** [B, NEAREST] The neighbourhoods that they are of, and their shares, [B, NEAREST]. */
  readonly neighbourhoods: tf.Tensor2D;
  readonly share: tf.Tensor2D;
}

/** Galaxies of the likeliest neighbourhoods, of what `about` says of `all`, from all neighbourhoods' `share` [B, count / neighbourhood], in the order of property `p`. */
export function nearCandidates(templates: Templates, all: Float32Array, share: tf.Tensor2D, p: number): Near {
  const { count, neighbourhood } = templates;
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const width = 3 * nProperty + nClass;
  const key = columnOf(templates, p).map((x) => (Number.isNaN(x) ? Infinity : x));
  const order = Array.from(key.keys()).sort((a, b) => key[a] - key[b] || a - b);
  const ordered = (data: Float32Array, columns: number): tf.Tensor2D => {
    const moved = new Float32Array(data.length);
    order.forEach((k, rank) => moved.set(data.subarray(k * columns, (k + 1) * columns), rank * columns));
    return tf.tensor2d(moved, [count, columns]);
  };
  const rank = new Float32Array(count); // exact up to 2^24 galaxies
  order.forEach((k, i) => (rank[k] = i));
  const ranks = tf.tensor2d(rank, [count / neighbourhood, neighbourhood]);
  const [b, k] = [share.shape[0], Math.min(NEAREST, count / neighbourhood)];
  // which galaxies are looked at is no function to be differentiated
  const places = detached(() => tf.topk(share, k).indices); // [B, k]
  const galaxies = detached(() => {
    const found = tf.reshape(tf.gather(ranks, places), [b, k * neighbourhood]);
    return tf.cast(tf.neg(tf.topk(tf.neg(found), k * neighbourhood).values), "int32");
  });
  const pick = (matrix: tf.Tensor2D): tf.Tensor3D => tf.gather(matrix, galaxies) as unknown as tf.Tensor3D;
  const flux = pick(ordered(templates.flux, nBand)); // [B, K, nBand]
  const known = pick(ordered(all, width)); // [B, K, width]
  const column = (at: number): tf.Tensor2D =>
    tf.reshape(tf.slice(known, [0, 0, at], [b, k * neighbourhood, 1]), [b, k * neighbourhood]);
  return {
    flux: ownRows(flux),
    square: ownRows(tf.square(flux)),
    about: ownRows(known),
    place: column(p),
    isPlaced: column(2 * nProperty + p),
    neighbourhoods: places,
    share: tf.topk<tf.Tensor2D>(share, k).values,
  };
}

/** What is given: fluxes and errors in units of the scale, [B, nBand] each, and what it says of properties and classes. */
export interface Seen {
  readonly flux: tf.Tensor;
  readonly error: tf.Tensor;
  /** 1 where there is a flux. */
  readonly given: tf.Tensor;
  /** [B, 3 nProperty + nClass] Its product with what is known about a galaxy is the ln likelihood, but for a constant. */
  readonly asked: tf.Tensor;
}

/** `Seen.asked` from given properties: values, errors, and which are given [B, nProperty] each; given classes [B, nClass]. */
export function askedOf(place: tf.Tensor2D, error: tf.Tensor2D, given: tf.Tensor2D, classes: tf.Tensor2D): tf.Tensor2D {
  const weight = tf.div<tf.Tensor2D>(given, tf.add(tf.square(error), PROPERTY_FLOOR ** 2)); // [B, nProperty]
  const offset = tf.mul<tf.Tensor2D>(tf.mul(weight, tf.square(place)), -0.5);
  return tf.concat<tf.Tensor2D>(
    [
      tf.mul<tf.Tensor2D>(weight, place),
      tf.mul<tf.Tensor2D>(weight, -0.5),
      tf.sub<tf.Tensor2D>(offset, tf.mul(given, UNLIKE)), // of what is known; who does not know is UNLIKE
      ...(classes.shape[1] === 0 ? [] : [tf.mul<tf.Tensor2D>(classes, -UNLIKE)]),
    ],
    1,
  );
}

/** How well each of K galaxies fits: its likelihood's share [B, K], its amplitude [B, K], and chi2 of the best one [B, 1]. */
export function fit({ flux, error, given, asked }: Seen, floor: number, of: Candidates) {
  const variance = tf.add(tf.add(tf.square(error), tf.square(tf.mul(flux, floor))), 1e-9);
  const weight = tf.div(given, variance); // [B, nBand]
  const overlap = tf.relu(of.flux.dot(tf.mul(weight, flux))); // [B, K]
  const amplitude = tf.div(overlap, tf.add(of.square.dot(weight), 1e-9));
  const gain = tf.mul(tf.mul(overlap, amplitude), 0.5); // what chi2 / 2 goes down by
  const most = tf.mul(tf.max(gain, 1, true), 2);
  const chi2 = tf.relu(tf.sub(tf.sum(tf.mul(weight, tf.square(flux)), 1, true), most));
  return { share: tf.softmax(tf.add<tf.Tensor2D>(gain, of.about.dot(asked))), amplitude, chi2 };
}
