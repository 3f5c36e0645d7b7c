import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { categoryHint, type Hint, mixtureHint } from "./heads.ts";
import type { NetworkVocabulary, Readout } from "./readouts.ts";
import { classesOf, givenBands, givenClasses, pickColumns } from "./stems.ts";
import { binHint, hats, type Slices, slices } from "./slices.ts";
import {
  about,
  askedOf,
  type Candidates,
  columnOf,
  everyCandidate,
  fit,
  meansOf,
  nearCandidates,
  type Seen,
  type Sizes,
  sizesOf,
  type Templates,
} from "./template-fit.ts";

/** What the network must know of the encoding to see fluxes again. */
export interface FluxScale {
  /** [band] Softness where there is no scale, and in units of it where there is. */
  readonly floor: readonly number[];
  readonly relative: number;
  /** Moments of ln(scale). */
  readonly mean: number;
  readonly deviation: number;
}

/**
 * Errors of the templates in units of the flux: large, to see a neighbourhood; small, to tell bright galaxies apart. Where
 * galaxies are looked at one by one besides, the first need not be as large.
 */
const floorsOf = ({ neighbourhood }: Templates): readonly [number, number] =>
  neighbourhood > 1 ? [0.03, 0.015] : [0.05, 0.015];
/** Slices of equal probability of the redshifts of galaxies looked at one by one, and their least width in deviations. */
const [N_SLICE, LEAST_SLICE] = [4, 0.003];
/** Places on the axis of a redshift at which the likely templates are counted. */
const N_NODE = 192;
/** Shares at the nodes enter as ROOT sqrt(share + FAINT). */
const [ROOT, FAINT] = [3, 1e-6];
const RESIDUAL_FLOOR = 0.03;

/** Columns of the templates' redshifts among their properties. */
const redshiftsOf = ({ fields, groups }: NetworkVocabulary, nProperty: number): number[] =>
  Array.from(groups.property.subarray(0, nProperty)).flatMap((j, p) => (fields[j].kind === "redshift" ? [p] : []));

/** Where the parts of what `recall` returns begin, in their order, and how many numbers it returns. */
function partsOf(vocabulary: NetworkVocabulary, templates: Templates) {
  const { nBand, nProperty, nClass } = sizesOf(templates);
  const redshifts = redshiftsOf(vocabulary, nProperty).length;
  const moments = 2 + 2 * nProperty + nClass;
  const nodes = moments;
  const near = nodes + N_NODE * redshifts;
  const exact = near + (templates.neighbourhood > 1 && redshifts > 0 ? 1 + 2 * N_SLICE : 0);
  const bands = exact + moments;
  return { classes: 2 + 2 * nProperty, nodes, near, exact, bands, size: bands + 2 * nBand };
}

/** Numbers that `recall` returns. */
export const recallSize = (vocabulary: NetworkVocabulary): number =>
  vocabulary.templates === undefined ? 0 : partsOf(vocabulary, vocabulary.templates).size;

/** How well what is given fits the templates. */
export interface Fit {
  /** Effective number of likely templates. */
  readonly effective: number;
  /** chi2 of the best one with an error of its own, per given flux; 0 where no flux is given. */
  readonly chi2: number;
  /** Share of the first class of the first category among the likely ones; NaN where there is none. */
  readonly firstClass: number;
}

/** Reads the fit from a state [S] that `recall` is part of; undefined of a network that carries no templates. */
export function fitOf(vocabulary: NetworkVocabulary, state: Float32Array): Fit | undefined {
  const { templates } = vocabulary;
  if (templates === undefined) return undefined;
  const { exact, size, classes } = partsOf(vocabulary, templates);
  const at = state.length - size + exact;
  return {
    effective: Math.exp(state[at] / 0.3),
    chi2: Math.max(0, Math.exp(2 * state[at + 1]) - 0.1),
    firstClass: sizesOf(templates).nClass === 0 ? Number.NaN : state[at + classes],
  };
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
/** A slice of what is counted at nodes is no narrower than this, in deviations: about the distance of two nodes. */
const LEAST_SPREAD = 0.02;
/** Share of what is told twice that neither telling goes below. */
const LEAST_PART = 1e-4;

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
  const parts = partsOf(vocabulary, templates);
  const columns = (from: number, count: number): tf.Tensor2D =>
    tf.slice(state, [0, width - parts.size + from], [b, count]);
  if (spec.head === "category") {
    const first = firstClass(vocabulary, members[0]);
    return first + spec.classes <= nClass ? categoryHint(columns(parts.classes + first, spec.classes)) : undefined;
  }
  const redshifts = redshiftsOf(vocabulary, nProperty);
  const places = Array.from(members, (j) => (groups.property.includes(j) ? redshifts.indexOf(slot[j]) : -1));
  if (places.every((r) => r < 0)) return undefined;
  /** Shares of all at the nodes of a redshift. */
  const sharesOf = (r: number): tf.Tensor => {
    const root = columns(parts.nodes + r * N_NODE, N_NODE);
    const share = tf.add(tf.relu(tf.sub(tf.square(tf.div(root, ROOT)), FAINT)), UNSURE / N_NODE);
    return tf.div(share, tf.sum(share, 1, true));
  };
  // the galaxies looked at one by one are in the order of the first redshift
  const hasNear = (r: number): boolean => r === 0 && parts.exact > parts.near;
  const nearOf = (): Slices & { part: tf.Tensor } => {
    const [part, centre, spread] = tf.split(columns(parts.near, 1 + 2 * N_SLICE), [1, N_SLICE, N_SLICE], 1);
    return { part, centre, spread: tf.exp(tf.div(tf.sub(spread, 1), SPREAD)) };
  };
  if (spec.head === "histogram") {
    const [r] = places;
    return binHint(spec, sharesOf(r), nodesOf(templates, redshifts[r]), hasNear(r) ? nearOf() : undefined);
  }
  const k = spec.components;
  const said = places.map((r): Slices & { logShare: tf.Tensor } => {
    const equal = tf.zeros([b, k]);
    if (r < 0) return { centre: equal, spread: tf.ones([b, k]), logShare: equal };
    const share = sharesOf(r);
    const nodes = tf.tensor2d(nodesOf(templates, redshifts[r]), [1, N_NODE]);
    const counted = (count: number): Slices => slices(share, nodes, count, LEAST_SPREAD);
    if (!hasNear(r) || k <= N_SLICE) return { ...counted(k), logShare: equal };
    const rest = counted(k - N_SLICE);
    const { part, centre, spread } = nearOf();
    const shareOf = (x: tf.Tensor, count: number): tf.Tensor =>
      tf.tile(tf.log(tf.div(tf.clipByValue(x, LEAST_PART, 1), count)), [1, count]);
    return {
      centre: tf.concat([rest.centre, centre], 1),
      spread: tf.concat([rest.spread, spread], 1),
      logShare: tf.concat([shareOf(tf.sub(1, part), k - N_SLICE), shareOf(part, N_SLICE)], 1),
    };
  });
  const stack = (of: (part: (typeof said)[number]) => tf.Tensor): tf.Tensor => tf.stack(said.map(of), 1); // [B, M, K]
  return mixtureHint(
    {
      centre: stack(({ centre }) => centre),
      spread: stack(({ spread }) => spread),
      logShare: stack(({ logShare }) => logShare),
    },
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

/** Where on the axis of a redshift the galaxies of each neighbourhood are, [count / neighbourhood, N_NODE]. */
function axisOf(templates: Templates, p: number): tf.Tensor2D {
  const { count, neighbourhood } = templates;
  const shares = hats(columnOf(templates, p), nodesOf(templates, p));
  return tf.tensor2d(meansOf(shares, N_NODE, neighbourhood), [count / neighbourhood, N_NODE]);
}

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

/** What given properties and classes ask of each template; see `askedOf`. */
function askedLabels(vocabulary: NetworkVocabulary, { nProperty, nClass }: Sizes, batch: Tensors): tf.Tensor2D {
  const members = vocabulary.groups.property.subarray(0, nProperty);
  const of = (x: tf.Tensor): tf.Tensor2D => pickColumns(x as tf.Tensor2D, members);
  const given = tf.cast(tf.equal<tf.Tensor2D>(of(batch.state), 1), "float32");
  const b = given.shape[0];
  const classes =
    nClass === 0 ? tf.zeros<tf.Rank.R2>([b, 0]) : tf.slice(givenClasses(vocabulary, batch), [0, 0], [b, nClass]);
  return askedOf(of(batch.value), of(batch.sigma), given, classes);
}

/** ln of a spread becomes a number of order 1. */
const SPREAD = 0.5;

/** Of the likely templates: how many, how well the best fits, means and spreads of properties, shares of classes. [B, ..] */
function momentsOf({ share, chi2 }: ReturnType<typeof fit>, count: tf.Tensor, sizes: Sizes, of: Candidates) {
  const { nProperty, nClass } = sizes;
  const parts = tf.split(of.about.sum(share), [nProperty, nProperty, nProperty, nClass], 1);
  const [mean, square, known, classes] = parts;
  const sure = tf.add(known, 1e-6);
  const centre = tf.div(mean, sure);
  const spread = tf.sqrt(tf.add(tf.relu(tf.sub(tf.div(square, sure), tf.square(centre))), 1e-5));
  return [
    tf.mul(tf.log(tf.sum(tf.square(share), 1, true)), -0.3),
    tf.mul(tf.log(tf.add(tf.div(chi2, count), 0.1)), 0.5),
    centre,
    tf.add(tf.mul(tf.log(spread), SPREAD), 1),
    classes,
  ];
}

/** The galaxies that are looked at one by one, and how they stand to the axis of the first redshift. */
function lookCloser(
  templates: Templates,
  known: Float32Array,
  share: tf.Tensor2D,
  redshifts: readonly number[],
  axes: readonly tf.Tensor2D[],
) {
  const near = nearCandidates(templates, known, share, redshifts[0] ?? 0);
  const [b, k] = near.share.shape;
  const weight = tf.reshape(near.share, [b, 1, k]);
  return {
    near,
    /** Shares at the nodes of the neighbourhoods that are looked at, [B, N_NODE] for each redshift. */
    counted: axes.map((axis) => tf.squeeze(tf.matMul(weight, tf.gather(axis, near.neighbourhoods)), [1])),
    /** How much of what is likely they are, and slices of where they are: [B, 1 + 2 N_SLICE]. */
    tell({ share: own }: ReturnType<typeof fit>): tf.Tensor[] {
      if (redshifts.length === 0) return [];
      const placed = tf.mul(own, near.isPlaced);
      const total = tf.sum(placed, 1, true); // stars have no redshift
      const { centre, spread } = slices(tf.div(placed, tf.add(total, 1e-6)), near.place, N_SLICE, LEAST_SLICE);
      const part = tf.mul(tf.sum(near.share, 1, true), tf.minimum(tf.mul(total, 10), 1));
      return [part, centre, tf.add(tf.mul(tf.log(spread), SPREAD), 1)];
    },
  };
}

/**
 * What the templates say of what is given, [B, recallSize]: of those that are likely, where on the axis of redshift they
 * lie, the mean and spread of every property, the shares of classes, how many they are and how well the best one fits; and
 * the fluxes that they expect in every band, with the residuals of the given ones. For any subset of bands, with their
 * errors and a free amplitude, and for given labels, the likelihood is products with the templates.
 */
export function recall(
  vocabulary: NetworkVocabulary,
  templates: Templates,
  params: Tensors,
  batch: Tensors,
  hasCalibration: boolean,
): tf.Tensor2D {
  const sizes = sizesOf(templates);
  const redshifts = redshiftsOf(vocabulary, sizes.nProperty);
  const known = about(templates, sizes);
  const every = everyCandidate(templates, known);
  const axes = redshifts.map((p) => axisOf(templates, p));
  const all = givenBands(vocabulary, params, batch, hasCalibration);
  const bands = (x: tf.Tensor2D): tf.Tensor2D => tf.slice(x, [0, 0], [x.shape[0], sizes.nBand]);
  const [value, sigma, state] = [bands(all.value), bands(all.sigma), bands(all.state)];
  const isFlux = tf.logicalAnd(tf.greater(state, 0), tf.notEqual(state, 2)); // an upper limit is none
  const given = tf.cast(isFlux, "float32"); // [B, nBand]
  const [encoded, hasScale] = tf.split(batch.scale, 2, 1); // [B, 1] each
  const coder = fluxCoder(vocabulary, sizes.nBand, encoded);
  const seen: Seen = { ...coder.decode(value, sigma), given, asked: askedLabels(vocabulary, sizes, batch) };
  const count = tf.maximum(tf.sum(given, 1, true), 1); // [B, 1]
  const [wide, narrow] = floorsOf(templates);
  const broad = fit(seen, wide, every);
  const closer = templates.neighbourhood > 1 ? lookCloser(templates, known, broad.share, redshifts, axes) : undefined;
  const of = closer?.near ?? every;
  const exact = fit(seen, narrow, of);
  const nodes = axes.map((axis, r) => {
    const shares = tf.matMul(broad.share, axis);
    const others = closer === undefined ? shares : tf.relu(tf.sub(shares, closer.counted[r]));
    return tf.mul(tf.sqrt(tf.add(others, FAINT)), ROOT); // [B, N_NODE]
  });
  const expected = of.flux.sum(tf.mul(exact.share, exact.amplitude)); // [B, nBand]
  const guess = tf.mul(tf.clipByValue(coder.encode(expected), -12, 12), hasScale);
  const doubt = tf.sqrt(tf.add(tf.square(sigma), tf.square(tf.div(RESIDUAL_FLOOR, coder.spread))));
  const residual = tf.mul(tf.asinh(tf.div(tf.sub(value, guess), doubt)), given);
  const said = [
    ...momentsOf(broad, count, sizes, every),
    ...nodes,
    ...(closer?.tell(exact) ?? []),
    ...momentsOf(exact, count, sizes, of),
  ];
  return tf.concat<tf.Tensor2D>([...said, guess, residual] as tf.Tensor2D[], 1);
}
