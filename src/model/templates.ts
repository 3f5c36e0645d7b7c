import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { categoryHint, type Hint, mixtureHint } from "./heads.ts";
import type { NetworkVocabulary, Readout } from "./readouts.ts";
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
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const nodes = N_NODE * redshiftsOf(vocabulary, nProperty).length;
  return FLOORS.length * (2 + 2 * nProperty + nClass) + nodes + 2 * nBand;
}

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
  const { slot } = vocabulary;
  const [b, width] = state.shape;
  const start = width - recallSize(vocabulary);
  const columns = (from: number, count: number): tf.Tensor2D => tf.slice(state, [0, start + from], [b, count]);
  if (spec.head === "category") {
    const first = firstClass(vocabulary, members[0]);
    const isOld = first + spec.classes <= nClass;
    return isOld ? categoryHint(columns(2 + 2 * nProperty + first, spec.classes)) : undefined;
  }
  const redshifts = redshiftsOf(vocabulary, nProperty);
  if (spec.head !== "mixture" || !members.some((j) => redshifts.includes(slotAmongProperties(vocabulary, j))))
    return undefined;
  const parts = Array.from(members, (j) => {
    const r = redshifts.indexOf(slotAmongProperties(vocabulary, j));
    if (r < 0) return { centre: tf.zeros([b, 1, spec.components]), spread: tf.ones([b, 1, spec.components]) };
    const root = columns(2 + 2 * nProperty + nClass + r * N_NODE, N_NODE);
    const share = tf.relu(tf.sub(tf.square(tf.div(root, ROOT)), FAINT));
    return slices(share, nodesOf(templates, slot[j]), spec.components);
  });
  const isLed = Array.from(members, (j) => Number(redshifts.includes(slotAmongProperties(vocabulary, j))));
  const stack = (of: (part: (typeof parts)[number]) => tf.Tensor): tf.Tensor => tf.concat(parts.map(of), 1); // [B, M, K]
  return mixtureHint(
    stack(({ centre }) => centre),
    stack(({ spread }) => spread),
    isLed,
    spec,
  );
}

/** Place of a field among the properties; -1 of another group. */
const slotAmongProperties = ({ groups, slot }: NetworkVocabulary, j: number): number =>
  groups.property.includes(j) ? slot[j] : -1;

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

/** Constants of the graph. */
function constants(vocabulary: NetworkVocabulary, templates: Templates) {
  const { count, flux, property, classes } = templates;
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const matrix = (data: Float32Array, columns: number): tf.Tensor2D => tf.tensor2d(data, [count, columns]);
  const known = property.map((value) => (Number.isNaN(value) ? 0 : 1));
  const value = property.map((x) => (Number.isNaN(x) ? 0 : x));
  const nodes = redshiftsOf(vocabulary, nProperty).map((p) =>
    matrix(hats(columnOf(templates, p), nodesOf(templates, p)), N_NODE),
  );
  const squares = value.map((x) => x * x);
  const parts = [
    matrix(value, nProperty),
    matrix(squares, nProperty),
    matrix(known, nProperty),
    matrix(classes, nClass),
  ];
  const fluxes = matrix(flux, nBand);
  return {
    flux: fluxes,
    fluxSquared: tf.square(fluxes),
    value: parts[0],
    squares: parts[1],
    known: parts[2],
    classes: parts[3],
    told: tf.concat(parts, 1) as tf.Tensor2D, // [count, ..]
    nodes,
  };
}
type Constants = ReturnType<typeof constants>;

/** Fluxes in units of the scale, from encoded values; and back. All [B, nBand] of the templates' bands. */
function fluxCoder(vocabulary: NetworkVocabulary, nBand: number, batch: Tensors) {
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
  const scale = fluxCoder(vocabulary, nBand, batch);
  const { flux, error } = scale.decode(value, sigma);
  const prior = priorOf(vocabulary, nProperty, c, batch);
  const times = (x: tf.Tensor, y: tf.Tensor2D): tf.Tensor2D => tf.matMul(x as tf.Tensor2D, y, false, true);
  const number = tf.maximum(tf.sum(given, 1, true), 1); // [B, 1]
  let expected: tf.Tensor | undefined;
  const features = FLOORS.flatMap((floor, i): tf.Tensor[] => {
    const weight = tf.div(given, tf.add(tf.add(tf.square(error), tf.square(tf.mul(flux, floor))), 1e-9)); // [B, nBand]
    const overlap = tf.relu(times(tf.mul(weight, flux), c.flux)); // [B, count]
    const amplitude = tf.div(overlap, tf.add(times(weight, c.fluxSquared), 1e-9));
    const fit = tf.mul(tf.mul(overlap, amplitude), 0.5); // what chi2 / 2 goes down by
    const share = tf.softmax(tf.add(fit, prior)) as tf.Tensor2D; // [B, count]
    const [mean, square, known, classes] = tf.split(
      tf.matMul(share, c.told),
      [nProperty, nProperty, nProperty, nClass],
      1,
    );
    const sure = tf.add(known, 1e-6);
    const centre = tf.div(mean, sure);
    const spread = tf.sqrt(tf.add(tf.relu(tf.sub(tf.div(square, sure), tf.square(centre))), 1e-5));
    const chi2 = tf.relu(tf.sub(tf.sum(tf.mul(weight, tf.square(flux)), 1, true), tf.mul(tf.max(fit, 1, true), 2)));
    if (i === FLOORS.length - 1) expected = tf.matMul(tf.mul(share, amplitude) as tf.Tensor2D, c.flux);
    const nodes = i === 0 ? c.nodes.map((of) => tf.matMul(share, of)) : [];
    return [
      tf.mul(tf.log(tf.sum(tf.square(share), 1, true)), -0.3),
      tf.mul(tf.log(tf.add(tf.div(chi2, number), 0.1)), 0.5),
      centre,
      tf.add(tf.mul(tf.log(spread), 0.5), 1),
      classes,
      ...nodes.map((node) => tf.mul(tf.sqrt(tf.add(node, FAINT)), ROOT)),
    ];
  });
  const guess = tf.mul(tf.clipByValue(scale.encode(expected!), -12, 12), scale.hasScale); // [B, nBand]
  const doubt = tf.sqrt(tf.add(tf.square(sigma), tf.square(tf.div(RESIDUAL_FLOOR, scale.spread))));
  const residual = tf.mul(tf.asinh(tf.div(tf.sub(value, guess), doubt)), given);
  return tf.concat([...features, guess, residual], 1) as tf.Tensor2D;
}
