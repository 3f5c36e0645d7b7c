import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { product } from "../engine/ops.ts";
import { categoryHint, type Hint, mixtureHint } from "./heads.ts";
import type { NetworkVocabulary, Readout } from "./readouts.ts";
import { classesOf, givenBands, givenClasses, pickColumns } from "./stems.ts";

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

/** Errors of the templates in units of the flux: large, to see a neighbourhood; small, to tell bright galaxies apart. */
const FLOORS = [0.05, 0.015] as const;
/** Error of a template's property in deviations: about the distance of templates. */
const PROPERTY_FLOOR = 0.1;
/** ln likelihood of a template that doesn't know what is given, or is of another class. */
const UNLIKE = -8;
/** Places on the axis of a redshift at which the likely templates are counted. */
const N_NODE = 192;
/** Shares at the nodes enter as ROOT sqrt(share + FAINT). */
const [ROOT, FAINT] = [3, 1e-6];
const RESIDUAL_FLOOR = 0.03;

/** Bands, properties and classes of the templates: the first ones of the vocabulary. */
interface Sizes {
  readonly nBand: number;
  readonly nProperty: number;
  readonly nClass: number;
}

const sizesOf = ({ count, flux, property, classes }: Templates): Sizes => ({
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
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const nodes = N_NODE * redshiftsOf(vocabulary, nProperty).length;
  return FLOORS.length * (2 + 2 * nProperty + nClass) + nodes + 2 * nBand;
}

/** How well what is given fits the templates. */
export interface Fit {
  /** Effective number of likely templates. */
  readonly effective: number;
  /** chi2 of the best one with an error of its own, per given flux; 0 where no flux is given. */
  readonly chi2: number;
}

/** Reads the fit from a state [S] that `recall` is part of; undefined of a network that carries no templates. */
export function fitOf(vocabulary: NetworkVocabulary, state: Float32Array): Fit | undefined {
  const { templates } = vocabulary;
  if (templates === undefined) return undefined;
  const { nProperty, nClass } = sizesOf(templates);
  const moments = 2 + 2 * nProperty + nClass;
  const nodes = N_NODE * redshiftsOf(vocabulary, nProperty).length;
  const at = state.length - recallSize(vocabulary) + moments + nodes;
  return { effective: Math.exp(state[at] / 0.3), chi2: Math.max(0, Math.exp(2 * state[at + 1]) - 0.1) };
}

/** Residuals count as this many sigma at most: one rare line is not yet a poor fit. */
export const WILDEST = 5;

/**
 * Mean square of (observed - expected) / error over the given fluxes, from a state [S] that `recall` is part of: expected are
 * the likely templates' fluxes, and 3 % of the flux counts as error, so that it is about 1 for faint and bright galaxies alike.
 * NaN where no flux is given; undefined of a network that carries no templates.
 */
export function misfitOf({ templates }: NetworkVocabulary, state: Float32Array): number | undefined {
  if (templates === undefined) return undefined;
  let [sum, count] = [0, 0];
  for (let at = state.length - sizesOf(templates).nBand; at < state.length; at++) {
    if (state[at] === 0) continue; // not given
    const residual = Math.min(WILDEST, Math.abs(Math.sinh(state[at])));
    sum += residual * residual;
    count++;
  }
  return sum / count;
}

/** Part of the redshifts of all templates in those of the likely ones: where these have none, all are. */
const UNSURE = 1e-4;
/** A slice of the likely redshifts is no narrower than this, in deviations: about the distance of two nodes. */
const LEAST_SPREAD = 0.02;

/**
 * Equal parts of what is likely, from its shares [B, N_NODE] at `nodes`: the means and spreads of `count` slices of equal
 * probability, [B, 1, count] each. Their mean is that of the shares.
 */
function slices(share: tf.Tensor, nodes: Float32Array, count: number): { centre: tf.Tensor; spread: tf.Tensor } {
  const upper = tf.expandDims(tf.cumsum(share, 1), 1); // [B, 1, N_NODE]
  const lower = tf.sub(upper, tf.expandDims(share, 1));
  const from = Float32Array.from({ length: count }, (_, c) => c / count);
  const start = tf.tensor3d(from, [1, count, 1]);
  const inside = tf.relu(tf.sub(tf.minimum(upper, tf.add(start, 1 / count)), tf.maximum(lower, start))); // [B, count, N_NODE]
  const total = tf.add(tf.sum(inside, 2), 1e-9); // [B, count]
  const place = tf.tensor3d(nodes, [1, 1, N_NODE]);
  const centre = tf.div(tf.sum(tf.mul(inside, place), 2), total); // [B, count]
  const off = tf.square(tf.sub(place, tf.expandDims(centre, 2)));
  const variance = tf.div(tf.sum(tf.mul(inside, off), 2), total);
  const spread = tf.sqrt(tf.add(variance, LEAST_SPREAD ** 2));
  return { centre: tf.expandDims(centre, 1), spread: tf.expandDims(spread, 1) };
}

/**
 * What the templates think of a read-out's fields before the network speaks, from the last columns of a state [B, S]: slices
 * of the likely redshifts, shares of classes. Of other properties they say nothing here: how far apart templates are in a
 * mass is not how well it is known.
 */
export function hintOf(
  vocabulary: NetworkVocabulary,
  templates: Templates,
  state: tf.Tensor2D,
  { spec, members }: Readout,
): Hint | undefined {
  const { nProperty, nClass } = sizesOf(templates);
  const { groups, slot } = vocabulary;
  const [b, width] = state.shape;
  const start = width - recallSize(vocabulary) + 2 + 2 * nProperty; // behind the moments of properties
  const columns = (from: number, count: number): tf.Tensor2D => tf.slice(state, [0, start + from], [b, count]);
  if (spec.head === "category") {
    const first = firstClass(vocabulary, members[0]);
    return first + spec.classes <= nClass ? categoryHint(columns(first, spec.classes)) : undefined;
  }
  const redshifts = redshiftsOf(vocabulary, nProperty);
  const places = Array.from(members, (j) => (groups.property.includes(j) ? redshifts.indexOf(slot[j]) : -1));
  if (spec.head !== "mixture" || places.every((r) => r < 0)) return undefined;
  const parts = places.map((r) => {
    if (r < 0) return { centre: tf.zeros([b, 1, spec.components]), spread: tf.ones([b, 1, spec.components]) };
    const root = columns(nClass + r * N_NODE, N_NODE);
    const share = tf.add(tf.relu(tf.sub(tf.square(tf.div(root, ROOT)), FAINT)), UNSURE / N_NODE);
    return slices(tf.div(share, tf.sum(share, 1, true)), nodesOf(templates, redshifts[r]), spec.components);
  });
  const stack = (of: (part: (typeof parts)[number]) => tf.Tensor): tf.Tensor => tf.concat(parts.map(of), 1); // [B, M, K]
  return mixtureHint(
    stack(({ centre }) => centre),
    stack(({ spread }) => spread),
    places.map((r) => Number(r >= 0)),
    spec,
  );
}

/** Place of the first class of category `j` among all. */
function firstClass(vocabulary: NetworkVocabulary, j: number): number {
  return Array.from(vocabulary.groups.category)
    .filter((other) => other < j)
    .reduce((sum, other) => sum + classesOf(vocabulary, other), 0);
}

/** Column `p` of the templates' properties. */
const columnOf = ({ count, property }: Templates, p: number): Float32Array => {
  const width = property.length / count;
  return Float32Array.from({ length: count }, (_, k) => property[k * width + p]);
};

/** [N_NODE] Quantiles of a property of the templates. */
function nodesOf(templates: Templates, p: number): Float32Array {
  const known = columnOf(templates, p)
    .filter((value) => !Number.isNaN(value))
    .sort();
  return Float32Array.from(
    { length: N_NODE },
    (_, i) => known[Math.round((i * (known.length - 1)) / (N_NODE - 1))] ?? 0,
  );
}

/** Shares of each value between the two nodes around it, [count, N_NODE]: they keep the mean. 0 where unknown. */
function hats(values: Float32Array, nodes: Float32Array): Float32Array {
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

/** A matrix of numbers that never change, transposed for the product: [B, n] times [count, n] is [B, count]. */
const times = (x: tf.Tensor, y: tf.Tensor): tf.Tensor2D => product(x, y, { transposeB: true }) as tf.Tensor2D;

/** Constants of the graph. */
function constants(vocabulary: NetworkVocabulary, templates: Templates) {
  const { count, flux, property, classes } = templates;
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const matrix = (data: Float32Array, columns: number): tf.Tensor2D => tf.tensor2d(data, [count, columns]);
  const fluxes = matrix(flux, nBand);
  const told = property.map((x) => (Number.isNaN(x) ? 0 : x));
  const value = matrix(told, nProperty);
  const square = matrix(
    told.map((x) => x * x),
    nProperty,
  );
  const known = matrix(
    property.map((x) => (Number.isNaN(x) ? 0 : 1)),
    nProperty,
  );
  const hot = matrix(classes, nClass);
  const nodes = redshiftsOf(vocabulary, nProperty).map((p) =>
    matrix(hats(columnOf(templates, p), nodesOf(templates, p)), N_NODE),
  );
  return {
    flux: fluxes,
    fluxSquare: tf.square(fluxes),
    value,
    square,
    known,
    hot,
    moments: tf.concat<tf.Tensor2D>([value, square, known, hot], 1), // [count, 3 nProperty + nClass]
    nodes,
  };
}
type Constants = ReturnType<typeof constants>;

/** Fluxes in units of the scale, from encoded values; and back. All [B, nBand] of the templates' bands. */
function fluxCoder(vocabulary: NetworkVocabulary, nBand: number, scale: tf.Tensor) {
  const { floor, relative, mean, deviation } = vocabulary.fluxScale;
  const row = (x: readonly number[]): tf.Tensor2D => tf.tensor2d(x.slice(0, nBand), [1, nBand]);
  const inverse = tf.exp(tf.neg(tf.add(tf.mul(scale, deviation), mean))); // [B, 1] 1 / scale
  const softness = tf.sqrt(tf.add(tf.square(tf.mul(row(floor), inverse)), relative ** 2)); // [B, nBand]
  const start = tf.div(0.5, softness); // scale / (2 softness)
  const origin = tf.asinh(start);
  const [centre, spread] = [row(vocabulary.bandMean), row(vocabulary.bandDeviation)];
  return {
    decode(value: tf.Tensor, sigma: tf.Tensor): { flux: tf.Tensor; error: tf.Tensor } {
      const angle = tf.add(tf.add(tf.mul(value, spread), centre), origin);
      const error = tf.div(tf.mul(tf.mul(sigma, spread), tf.cosh(angle)), start);
      return { flux: tf.div(tf.sinh(angle), start), error };
    },
    encode: (flux: tf.Tensor): tf.Tensor =>
      tf.div(tf.sub(tf.sub(tf.asinh(tf.mul(flux, start)), origin), centre), spread),
    spread,
  };
}

/** ln likelihood of what is given of properties and classes, [B, count]: one product with what the templates know. */
function likelihoodOfLabels(
  vocabulary: NetworkVocabulary,
  { nProperty, nClass }: Sizes,
  { value, square, known, hot }: Constants,
  batch: Tensors,
): tf.Tensor {
  const members = vocabulary.groups.property.subarray(0, nProperty);
  const of = (x: tf.Tensor): tf.Tensor2D => pickColumns(x as tf.Tensor2D, members);
  const given = tf.cast(tf.equal<tf.Tensor2D>(of(batch.state), 1), "float32");
  const place = of(batch.value);
  const weight = tf.div<tf.Tensor2D>(given, tf.add(tf.square(of(batch.sigma)), PROPERTY_FLOOR ** 2)); // [B, nProperty]
  const asked = [tf.mul<tf.Tensor2D>(weight, tf.square(place)), tf.mul<tf.Tensor2D>(weight, place), weight, given];
  const told = [tf.mul<tf.Tensor2D>(known, -0.5), value, tf.mul<tf.Tensor2D>(square, -0.5)];
  const unknown = tf.mul<tf.Tensor2D>(tf.sub(1, known), UNLIKE);
  if (nClass === 0) return times(tf.concat(asked, 1), tf.concat([...told, unknown], 1));
  const classes = tf.slice(givenClasses(vocabulary, batch), [0, 0], [place.shape[0], nClass]);
  const other = tf.mul<tf.Tensor2D>(tf.sub(1, hot), UNLIKE);
  return times(tf.concat([...asked, classes], 1), tf.concat([...told, unknown, other], 1));
}

/** What is given of the templates' bands: fluxes and errors in units of the scale, [B, nBand] each. */
interface Seen {
  readonly flux: tf.Tensor;
  readonly error: tf.Tensor;
  /** 1 where there is a flux. */
  readonly given: tf.Tensor;
}

/** How well every template fits: its likelihood's share [B, count], its amplitude, and chi2 of the best one [B, 1]. */
function fit({ flux, error, given }: Seen, labels: tf.Tensor, floor: number, c: Constants) {
  const variance = tf.add(tf.add(tf.square(error), tf.square(tf.mul(flux, floor))), 1e-9);
  const weight = tf.div(given, variance); // [B, nBand]
  const overlap = tf.relu(times(tf.mul(weight, flux), c.flux)); // [B, count]
  const amplitude = tf.div(overlap, tf.add(times(weight, c.fluxSquare), 1e-9));
  const gain = tf.mul(tf.mul(overlap, amplitude), 0.5); // what chi2 / 2 goes down by
  const most = tf.mul(tf.max(gain, 1, true), 2);
  const chi2 = tf.relu(tf.sub(tf.sum(tf.mul(weight, tf.square(flux)), 1, true), most));
  return { share: tf.softmax(tf.add<tf.Tensor2D>(gain, labels)), amplitude, chi2 };
}

/** Of the likely templates: how many, how well the best fits, means and spreads of properties, shares of classes. [B, ..] */
function momentsOf(share: tf.Tensor2D, chi2: tf.Tensor, count: tf.Tensor, { nProperty, nClass }: Sizes, c: Constants) {
  const parts = tf.split(tf.matMul(share, c.moments), [nProperty, nProperty, nProperty, nClass], 1);
  const [mean, square, known, classes] = parts;
  const sure = tf.add(known, 1e-6);
  const centre = tf.div(mean, sure);
  const spread = tf.sqrt(tf.add(tf.relu(tf.sub(tf.div(square, sure), tf.square(centre))), 1e-5));
  return [
    tf.mul(tf.log(tf.sum(tf.square(share), 1, true)), -0.3),
    tf.mul(tf.log(tf.add(tf.div(chi2, count), 0.1)), 0.5),
    centre,
    tf.add(tf.mul(tf.log(spread), 0.5), 1),
    classes,
  ];
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
  const sizes = sizesOf(templates);
  const c = constants(vocabulary, templates);
  const all = givenBands(vocabulary, params, batch, hasCalibration);
  const bands = (x: tf.Tensor2D): tf.Tensor2D => tf.slice(x, [0, 0], [x.shape[0], sizes.nBand]);
  const [value, sigma, state] = [bands(all.value), bands(all.sigma), bands(all.state)];
  const isFlux = tf.logicalAnd(tf.greater(state, 0), tf.notEqual(state, 2)); // an upper limit is none
  const given = tf.cast(isFlux, "float32"); // [B, nBand]
  const [encoded, hasScale] = tf.split(batch.scale, 2, 1); // [B, 1] each
  const coder = fluxCoder(vocabulary, sizes.nBand, encoded);
  const seen = { ...coder.decode(value, sigma), given };
  const labels = likelihoodOfLabels(vocabulary, sizes, c, batch);
  const count = tf.maximum(tf.sum(given, 1, true), 1); // [B, 1]
  const [near, exact] = FLOORS.map((floor) => fit(seen, labels, floor, c));
  const nodes = c.nodes.map((of) => tf.mul(tf.sqrt(tf.add(tf.matMul(near.share, of), FAINT)), ROOT)); // [B, N_NODE]
  const expected = tf.matMul(tf.mul<tf.Tensor2D>(exact.share, exact.amplitude), c.flux); // [B, nBand]
  const guess = tf.mul(tf.clipByValue(coder.encode(expected), -12, 12), hasScale);
  const doubt = tf.sqrt(tf.add(tf.square(sigma), tf.square(tf.div(RESIDUAL_FLOOR, coder.spread))));
  const residual = tf.mul(tf.asinh(tf.div(tf.sub(value, guess), doubt)), given);
  const said = [
    ...momentsOf(near.share, near.chi2, count, sizes, c),
    ...nodes,
    ...momentsOf(exact.share, exact.chi2, count, sizes, c),
  ];
  return tf.concat<tf.Tensor2D>([...said, guess, residual] as tf.Tensor2D[], 1);
}
