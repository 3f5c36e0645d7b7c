import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import type { Hint } from "./heads.ts";
import type { NetworkVocabulary } from "./readouts.ts";
import { classesOf, givenBands, pickColumns } from "./stems.ts";

/**
 * Clean simulated galaxies that a network carries. Every question is fitted with all of them, as template fitting does
 * (Arnouts et al. 1999, MNRAS 310, 540; Brammer et al. 2008, ApJ 686, 1503): for any subset of bands, with their errors and
 * a free amplitude, the likelihood is two products with the templates, and what the likely ones are like is what the network
 * starts from. They are of the first bands, properties and classes of the vocabulary: those that came later are not theirs.
 */
export interface Templates {
  readonly count: number;
  /** [count, nBand] Fluxes, each galaxy's of order 1. */
  readonly flux: Float32Array;
  /** [count, nProperty] Encoded values; NaN where unknown. */
  readonly property: Float32Array;
  /** [count, nClass] 1 at each category's class. */
  readonly classes: Float32Array;
}

/** What the network must know of the encoding to see fluxes again. */
export interface FluxScale {
  /** [band] Softness where there is no scale, and in units of it where there is. */
  readonly floor: readonly number[];
  readonly relative: number;
  /** Moments of ln(scale). */
  readonly mean: number;
  readonly deviation: number;
}

/** Errors of the templates in units of the flux: small, to tell bright galaxies apart; large, to see a neighbourhood. */
const FLOORS = [0.015, 0.06] as const;
/** Error of a template's property in deviations: about the distance of templates. */
const PROPERTY_FLOOR = 0.1;
/** ln likelihood of a template that doesn't know what is given, or is of another class. */
const UNLIKE = -8;
/** Places on the axis of a redshift at which the likely templates are counted. */
const N_NODE = 64;
const RESIDUAL_FLOOR = 0.03;

const sizesOf = ({ count, flux, property, classes }: Templates) => ({
  nBand: flux.length / count,
  nProperty: property.length / count,
  nClass: classes.length / count,
});

/** Columns of the templates' redshifts among their properties. */
const redshiftsOf = ({ fields, groups }: NetworkVocabulary, nProperty: number): number[] =>
  Array.from(groups.property.subarray(0, nProperty)).flatMap((j, p) => (fields[j].kind === "redshift" ? [p] : []));

/** Numbers that `recall` returns. */
export function recallSize(vocabulary: NetworkVocabulary): number {
  const { templates } = vocabulary;
  if (templates === undefined) return 0;
  const sizes = sizesOf(templates);
  const { nBand } = sizes;
  return FLOORS.length * floorSize(vocabulary, sizes) + 2 * nBand;
}

/** Numbers of one floor: see `recall`. */
const floorSize = (
  vocabulary: NetworkVocabulary,
  { nProperty, nClass }: Pick<ReturnType<typeof sizesOf>, "nProperty" | "nClass">,
): number => 2 + 2 * nProperty + nClass + N_NODE * redshiftsOf(vocabulary, nProperty).length;

/** A template is no better known than this, in deviations: about the distance to the next one. */
const LEAST_SPREAD = 0.03;

/**
 * What the templates think of a read-out's fields, from the last columns of a state [B, S]; fields that are none of theirs are
 * within a deviation of the mean.
 */
export function hintOf(
  vocabulary: NetworkVocabulary,
  templates: Templates,
  state: tf.Tensor2D,
  members: Int32Array,
): Hint {
  const sizes = sizesOf(templates);
  const { nBand, nProperty, nClass } = sizes;
  const { fields, groups, slot } = vocabulary;
  const [b, width] = state.shape;
  const start = width - recallSize(vocabulary) + (FLOORS.length - 1) * floorSize(vocabulary, sizes) + 2;
  const guess = width - 2 * nBand;
  const zero = width; // a column of zeros behind the others
  const columns = (of: (j: number) => number | undefined): tf.Tensor2D =>
    tf.gather(
      tf.concat([state, tf.zeros<tf.Rank.R2>([b, 1])], 1),
      tf.tensor1d(
        members.map((j) => of(j) ?? zero),
        "int32",
      ),
      1,
    );
  const isBand = (j: number): boolean => fields[j].band !== undefined;
  const isProperty = (j: number): boolean => groups.property.includes(j) && slot[j] < nProperty;
  const centre = columns((j) => {
    if (isBand(j)) return slot[j] < nBand ? guess + slot[j] : undefined;
    return isProperty(j) ? start + slot[j] : undefined;
  });
  const known = tf.tensor2d(
    Float32Array.from(members, (j) => Number(isProperty(j))),
    [1, members.length],
  );
  const told = columns((j) => (isProperty(j) ? start + nProperty + slot[j] : undefined)); // ln(spread) / 2 + 1, or 0
  const spread = tf.exp(tf.mul(tf.sub(told, known), 2));
  const first = start + 2 * nProperty + firstClass(vocabulary, members[0]);
  const count = classesOf(vocabulary, members[0]);
  const share = tf.slice(state, [0, Math.min(first, width - count)], [b, count]);
  return {
    centre,
    spread: tf.sqrt(tf.add(tf.square(spread), LEAST_SPREAD ** 2)),
    share: nClass === 0 ? tf.ones([b, count]) : share,
  };
}

/** Place of the first class of category `j` among all. */
function firstClass(vocabulary: NetworkVocabulary, j: number): number {
  return Array.from(vocabulary.groups.category)
    .filter((other) => other < j)
    .reduce((sum, other) => sum + classesOf(vocabulary, other), 0);
}

/** Shares of each value between the two nodes around it, [count, N_NODE]; nodes are quantiles. 0 where unknown. */
function hats(values: Float32Array): Float32Array {
  const known = values.filter((value) => !Number.isNaN(value)).sort();
  const nodes = Float32Array.from(
    { length: N_NODE },
    (_, i) => known[Math.round((i * (known.length - 1)) / (N_NODE - 1))],
  );
  const shares = new Float32Array(values.length * N_NODE);
  values.forEach((value, k) => {
    if (Number.isNaN(value)) return;
    let i = 0;
    while (i < N_NODE - 2 && nodes[i + 1] < value) i++;
    const width = nodes[i + 1] - nodes[i];
    const upper = width > 0 ? Math.min(1, Math.max(0, (value - nodes[i]) / width)) : 0;
    shares[k * N_NODE + i] = 1 - upper;
    shares[k * N_NODE + i + 1] += upper;
  });
  return shares;
}

/** Constants of the graph. */
function constants(vocabulary: NetworkVocabulary, templates: Templates) {
  const { count, flux, property, classes } = templates;
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const matrix = (data: Float32Array, columns: number): tf.Tensor2D => tf.tensor2d(data, [count, columns]);
  const known = property.map((value) => (Number.isNaN(value) ? 0 : 1));
  const value = property.map((x) => (Number.isNaN(x) ? 0 : x));
  const nodes = redshiftsOf(vocabulary, nProperty).map((p) =>
    matrix(hats(Float32Array.from({ length: count }, (_, k) => property[k * nProperty + p])), N_NODE),
  );
  const squares = value.map((x) => x * x);
  const parts = [
    matrix(value, nProperty),
    matrix(squares, nProperty),
    matrix(known, nProperty),
    matrix(classes, nClass),
  ];
  return {
    flux: matrix(flux, nBand),
    fluxSquared: matrix(
      flux.map((x) => x * x),
      nBand,
    ),
    value: parts[0],
    squares: parts[1],
    known: parts[2],
    classes: parts[3],
    told: tf.concat([...parts, ...nodes], 1), // [count, ..]
  };
}
type Constants = ReturnType<typeof constants>;

/** Fluxes in units of the scale, from encoded values; and back. All [B, nBand] of the templates' bands. */
function fluxes(vocabulary: NetworkVocabulary, nBand: number, batch: Tensors) {
  const { floor, relative, mean, deviation } = vocabulary.fluxScale;
  const row = (x: readonly number[]): tf.Tensor2D => tf.tensor2d(x.slice(0, nBand), [1, nBand]);
  const [encoded, hasScale] = tf.split(batch.scale as tf.Tensor2D, 2, 1); // [B, 1] each
  const inverse = tf.exp(tf.neg(tf.add(tf.mul(encoded, deviation), mean))); // [B, 1] 1 / scale
  const softness = tf.sqrt(tf.add(tf.square(tf.mul(row(floor), inverse)), relative ** 2)); // [B, nBand]
  const start = tf.div(0.5, softness); // scale / (2 softness)
  const origin = tf.asinh(start);
  const [centre, spread] = [row(vocabulary.bandMean), row(vocabulary.bandDeviation)];
  return {
    hasScale: hasScale as tf.Tensor2D,
    decode(value: tf.Tensor, sigma: tf.Tensor): { flux: tf.Tensor2D; error: tf.Tensor2D } {
      const angle = tf.add(tf.add(tf.mul(value, spread), centre), origin);
      const flux = tf.div<tf.Tensor2D>(tf.sinh(angle), start);
      return { flux, error: tf.div(tf.mul(tf.mul(sigma, spread), tf.cosh(angle)), start) };
    },
    encode: (flux: tf.Tensor): tf.Tensor =>
      tf.div(tf.sub(tf.sub(tf.asinh(tf.mul(flux, start)), origin), centre), spread),
    spread,
  };
}

/** ln likelihood of what is given of properties and classes, [B, count]. */
function priorOf(vocabulary: NetworkVocabulary, nProperty: number, c: Constants, batch: Tensors): tf.Tensor {
  const members = vocabulary.groups.property.subarray(0, nProperty);
  const of = (x: tf.Tensor): tf.Tensor2D => pickColumns(x as tf.Tensor2D, members);
  const given = tf.cast(tf.equal(of(batch.state), 1), "float32");
  const value = of(batch.value);
  const weight = tf.div(given, tf.add(tf.square(of(batch.sigma)), PROPERTY_FLOOR ** 2)); // [B, nProperty]
  const times = (x: tf.Tensor, y: tf.Tensor2D): tf.Tensor => tf.matMul(x as tf.Tensor2D, y, false, true); // [B, count]
  const squared = times(tf.mul(tf.mul(weight, tf.square(value)), -0.5), c.known);
  const mixed = times(tf.mul(weight, value), c.value);
  const own = times(tf.mul(weight, -0.5), c.squares);
  const unknown = times(tf.mul(given, UNLIKE), tf.sub(1, c.known));
  return tf.addN([squared, mixed, own, unknown]);
}

/**
 * What the templates say of what is given, [B, recallSize]: of those that are likely, where on the axis of redshift they
 * lie, the mean and spread of every property, the shares of classes, how many they are and how well the best one fits; and
 * the fluxes that they expect in every band, with the residuals of the given ones.
 */
export function recall(
  vocabulary: NetworkVocabulary,
  templates: Templates,
  params: Tensors,
  batch: Tensors,
  hasCalibration: boolean,
): tf.Tensor2D {
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const c = constants(vocabulary, templates);
  const all = givenBands(vocabulary, params, batch, hasCalibration);
  const bands = <T extends tf.Tensor>(x: T): T => tf.slice(x, [0, 0], [x.shape[0]!, nBand]);
  const [value, sigma, state] = [bands(all.value), bands(all.sigma), bands(all.state)];
  const given = tf.mul(tf.cast(tf.greater(state, 0), "float32"), tf.cast(tf.notEqual(state, 2), "float32")); // [B, nBand]
  const scale = fluxes(vocabulary, nBand, batch);
  const { flux, error } = scale.decode(value, sigma);
  const prior = priorOf(vocabulary, nProperty, c, batch);
  const times = (x: tf.Tensor, y: tf.Tensor2D): tf.Tensor2D => tf.matMul(x as tf.Tensor2D, y, false, true);
  const number = tf.maximum(tf.sum(given, 1, true), 1); // [B, 1]
  let expected: tf.Tensor | undefined;
  const features = FLOORS.flatMap((floor): tf.Tensor[] => {
    const weight = tf.div(given, tf.add(tf.add(tf.square(error), tf.square(tf.mul(flux, floor))), 1e-9)); // [B, nBand]
    const overlap = tf.relu(times(tf.mul(weight, flux), c.flux)); // [B, count]
    const amplitude = tf.div(overlap, tf.add(times(weight, c.fluxSquared), 1e-9));
    const fit = tf.mul(tf.mul(overlap, amplitude), 0.5); // what chi2 / 2 goes down by
    const share = tf.softmax(tf.add(fit, prior)) as tf.Tensor2D; // [B, count]
    const [mean, square, known, classes, ...nodes] = tf.split(
      tf.matMul(share, c.told as tf.Tensor2D),
      [nProperty, nProperty, nProperty, nClass, ...redshiftsOf(vocabulary, nProperty).map(() => N_NODE)],
      1,
    );
    const sure = tf.add(known, 1e-6);
    const centre = tf.div(mean, sure);
    const spread = tf.sqrt(tf.add(tf.relu(tf.sub(tf.div(square, sure), tf.square(centre))), 1e-5));
    const chi2 = tf.relu(tf.sub(tf.sum(tf.mul(weight, tf.square(flux)), 1, true), tf.mul(tf.max(fit, 1, true), 2)));
    expected ??= tf.matMul(tf.mul(share, amplitude) as tf.Tensor2D, c.flux);
    return [
      tf.mul(tf.log(tf.sum(tf.square(share), 1, true)), -0.3),
      tf.mul(tf.log(tf.add(tf.div(chi2, number), 0.1)), 0.5),
      centre,
      tf.add(tf.mul(tf.log(spread), 0.5), 1),
      classes,
      ...nodes.map((node) => tf.mul(tf.sqrt(tf.add(node, 1e-6)), 2)),
    ];
  });
  const guess = tf.mul(tf.clipByValue(scale.encode(expected!), -12, 12), scale.hasScale); // [B, nBand]
  const doubt = tf.sqrt(tf.add(tf.square(sigma), tf.square(tf.div(RESIDUAL_FLOOR, scale.spread))));
  const residual = tf.mul(tf.asinh(tf.div(tf.sub(value, guess), doubt)), given);
  return tf.concat([...features, guess, residual], 1) as tf.Tensor2D;
}
