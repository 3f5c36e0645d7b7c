import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { linear } from "../engine/ops.ts";
import type { ModalityName } from "../survey/vocabulary.ts";
import { filterFeatures, N_FILTER_FEATURE } from "./filters.ts";
import { matrix, type ParameterSpec, table } from "./parameters.ts";
import type { NetworkVocabulary } from "./readouts.ts";
import { spectrum } from "./spectrum.ts";
import type { ModelConfig } from "./transformer.ts";

/** What the latent tokens look at in every layer. */
export interface Tokens {
  /** [B, T, d] */
  readonly tokens: tf.Tensor;
  /** [B, T] Added to the scores of attention: 0, or -1e9 where there is nothing to see. */
  readonly bias: tf.Tensor;
}
/** What one kind of evidence says. */
export interface Encoded {
  /** [B, J d] What it adds to the latent tokens; nothing where nothing is given. */
  readonly latents: tf.Tensor2D;
  readonly tokens?: Tokens;
  /** [B, lags] ln of how likely each redshift is that spectra are tried at, but for a constant; 0 without the spectrum. */
  readonly lags?: tf.Tensor2D;
}

/** How one kind of evidence enters the network. */
export interface Stem {
  specs(config: ModelConfig, vocabulary: NetworkVocabulary): ParameterSpec[];
  encode(
    config: ModelConfig,
    vocabulary: NetworkVocabulary,
    params: Tensors,
    batch: Tensors,
    hasCalibration: boolean,
  ): Encoded;
}

/** Numbers that describe one given value: see `describe`. */
const N_FEATURE = 5;
/** Widths of the neighbourhoods that a band is held against [Angstrom]. */
const NEIGHBOURHOODS = [100, 250, 600] as const;
/** Numbers that describe a band: its value, and how it stands out against its neighbours. */
const N_BAND_FEATURE = N_FEATURE + NEIGHBOURHOODS.length;
/** Beyond this many widths a band is nobody's neighbour. */
const REACH = 3;
/** Floors of a band's own error and of a contrast's: models and calibration are no better than this. */
const WEIGHT_FLOOR = 0.05;
const CONTRAST_FLOOR = 0.03;

/** Numbers of all latent tokens. */
export const latentSize = ({ nLatent, dModel }: ModelConfig): number => nLatent * dModel;

/** Columns of `x` [B, N, ..] that `positions` name, in that order; a slice where they follow each other. */
export function pickColumns<R extends tf.Rank>(x: tf.Tensor<R>, positions: Int32Array): tf.Tensor<R> {
  const count = positions.length;
  const isRun = positions.every((j, i) => j === positions[0] + i);
  if (!isRun) return tf.gather<tf.Tensor<R>>(x, tf.tensor1d(positions, "int32"), 1);
  if (count === x.shape[1]) return x;
  const rest = x.shape.slice(2);
  const [from, size] = [
    [0, positions[0] ?? 0, ...rest.map(() => 0)],
    [x.shape[0], count, ...rest],
  ];
  return tf.slice(x, from, size);
}

/**
 * Weights [band, band] of neighbours by distance; a band without any in reach takes the nearest two. Bands that came with
 * a later growth of the vocabulary don't count for that, so that old bands are seen as before.
 */
function neighbourWeights({ fields, groups, bandGeneration }: NetworkVocabulary, width: number): tf.Tensor2D {
  const position = Array.from(groups.band, (j) => fields[j].band!.pivot);
  const n = position.length;
  const weights = new Float32Array(n * n);
  for (let j = 0; j < n; j++) {
    const distances = position.map((p, i) => (i === j ? Infinity : Math.abs(p - position[j])));
    const elders = distances.filter((_, i) => bandGeneration[i] <= bandGeneration[j]);
    const isAlone = Math.min(...elders) > REACH * width;
    const nearest = elders.sort((a, b) => a - b)[Math.min(1, elders.length - 1)];
    for (let i = 0; i < n; i++) {
      const isElder = bandGeneration[i] <= bandGeneration[j];
      if (isAlone && isElder) weights[i * n + j] = distances[i] <= nearest && i !== j ? 1 : 0;
      else if (distances[i] <= REACH * width) weights[i * n + j] = Math.exp(-0.5 * (distances[i] / width) ** 2);
    }
  }
  return tf.tensor2d(weights, [n, n]);
}

/**
 * How each given band stands out against the *given* bands around it, in units of its noise, one [B, band] per
 * neighbourhood: lines and breaks at first sight. asinh keeps strong lines in range. Exact for any subset; 0 where there
 * is nothing to compare.
 */
function contrasts(
  vocabulary: NetworkVocabulary,
  value: tf.Tensor2D,
  sigma: tf.Tensor2D,
  given: tf.Tensor2D,
): tf.Tensor2D[] {
  const row = (x: readonly number[]): tf.Tensor2D => tf.tensor2d([...x], [1, x.length]);
  const deviation = row(vocabulary.bandDeviation);
  const level = tf.add(tf.mul(value, deviation), row(vocabulary.bandMean)); // [B, band]
  const variance = tf.square(tf.mul(sigma, deviation)); // [B, band]
  const weight = tf.div<tf.Tensor2D>(given, tf.add(variance, WEIGHT_FLOOR ** 2)); // [B, band]
  return NEIGHBOURHOODS.map((width) => {
    const near = neighbourWeights(vocabulary, width);
    const total = tf.maximum(tf.matMul(weight, near), 1e-9); // [B, band]
    const around = tf.div(tf.matMul(tf.mul<tf.Tensor2D>(weight, level), near), total);
    const spread = tf.matMul(tf.mul<tf.Tensor2D>(tf.square(weight), variance), tf.square(near));
    const noise = tf.sqrt(tf.add(tf.add(variance, tf.div(spread, tf.square(total))), CONTRAST_FLOOR ** 2));
    const hasNeighbour = tf.cast(tf.greater(tf.matMul(given, near), 1e-3), "float32");
    return tf.mul<tf.Tensor2D>(tf.asinh(tf.div(tf.sub(level, around), noise)), tf.mul(given, hasNeighbour)); // [B, band]
  });
}

export interface Given {
  readonly value: tf.Tensor2D;
  readonly sigma: tf.Tensor2D;
  /** ln(sigma + 0.01) + 1.5 */
  readonly doubt: tf.Tensor2D;
  readonly state: tf.Tensor2D;
}

/**
 * Features of given values, each [B, n], zeros where nothing is given. Linear in the value, so that 1 % colours are
 * resolved over the whole range; its error's logarithm and the two special states beside it.
 */
function describe({ value, doubt, state }: Omit<Given, "sigma">): { features: tf.Tensor2D[]; isGiven: tf.Tensor2D } {
  const flag = (x: tf.Tensor): tf.Tensor2D => tf.cast(x, "float32") as tf.Tensor2D;
  const isGiven = flag(tf.greater(state, 0));
  const features = [
    isGiven,
    tf.mul<tf.Tensor2D>(value, isGiven),
    tf.mul<tf.Tensor2D>(doubt, isGiven),
    flag(tf.equal(state, 2)),
    flag(tf.equal(state, 3)),
  ];
  return { features, isGiven };
}

/** Features side by side, field after field: [B, n F]. */
const sideBySide = (features: readonly tf.Tensor2D[]): tf.Tensor2D =>
  tf.reshape(tf.stack([...features], 2), [features[0].shape[0], features[0].shape[1] * features.length]);

/** The given bands, with the learned zero-points and noise factors of calibrated rows, to first order (exact for bright sources). */
export function givenBands(
  { groups }: NetworkVocabulary,
  params: Tensors,
  batch: Tensors,
  isCalibrated: boolean,
): Given {
  const of = (x: tf.Tensor): tf.Tensor2D => pickColumns(x as tf.Tensor2D, groups.band);
  const [value, sigma, state] = [of(batch.value), of(batch.sigma), of(batch.state)]; // [B, band] each
  if (!isCalibrated) return { value, sigma, doubt: of(batch.doubt), state };
  const row = tf.expandDims(batch.isCalibrated, 1); // [B, 1]
  const lnFlux = tf.mul(row, tf.expandDims(params["calibration.lnFlux"], 0)); // [B, band]
  const lnNoise = tf.mul(row, tf.expandDims(params["calibration.lnNoise"], 0)); // [B, band]
  const noisier = tf.mul<tf.Tensor2D>(sigma, tf.exp(lnNoise));
  const doubt = tf.add<tf.Tensor2D>(tf.log(tf.add(noisier, 0.01)), 1.5); // as `doubtOf` of tokens/hosts.ts
  return { value: tf.add(value, tf.mul(of(batch.slope), lnFlux)), sigma: noisier, doubt, state };
}

/** [band, N_FILTER_FEATURE] What each band's filter says. */
function filterMatrix({ fields, groups }: NetworkVocabulary): tf.Tensor2D {
  const rows = Array.from(groups.band, (j) => {
    const { pivot, edges } = fields[j].band!;
    return filterFeatures(pivot, edges[1] - edges[0]);
  });
  return tf.tensor2d(rows.flat(), [rows.length, N_FILTER_FEATURE]);
}

/**
 * Rows [band, size] of a table of bands. Free ones are the parameter `name` itself; as functions of the filter they are
 * phi . `name`Filter + delta, where delta, the same parameter, is dropped where `batch.hasDelta` is 0.
 */
function bandRows(
  config: ModelConfig,
  vocabulary: NetworkVocabulary,
  params: Tensors,
  batch: Tensors,
  name: string,
): tf.Tensor2D {
  const n = vocabulary.groups.band.length;
  const own = tf.reshape<tf.Rank.R2>(params[name], [n, -1]);
  if (config.filters === "free") return own;
  const kept = batch.hasDelta === undefined ? own : tf.mul<tf.Tensor2D>(own, tf.expandDims(batch.hasDelta, 1));
  return tf.add(tf.matMul(filterMatrix(vocabulary), params[`${name}Filter`] as tf.Tensor2D), kept);
}

/** The parameters of a table of bands [band rows, columns]: free, or a function of the filter and deltas that start at 0. */
function bandSpecs(config: ModelConfig, spec: ParameterSpec, nBand: number): ParameterSpec[] {
  if (config.filters === "free") return [spec];
  const size = spec.shape.reduce((a, b) => a * b, 1) / nBand;
  const { name, std, isDecayed } = spec;
  return [
    { name: `${name}Filter`, shape: [N_FILTER_FEATURE, size], std, isDecayed },
    { ...spec, std: 0 },
  ];
}

/**
 * Numbers: every given value of every band and property, and the scale, flow into every latent token. Any subset is
 * valid: what isn't given is zero.
 */
const scalar: Stem = {
  specs(config, { groups }) {
    const state = latentSize(config);
    const rows = { band: groups.band.length * N_BAND_FEATURE, property: 2 + groups.property.length * N_FEATURE };
    const gain = (count: number): number => 1.4 * Math.sqrt(count / (rows.band + rows.property));
    const band = matrix("embed.band", rows.band, state, gain(rows.band));
    return [
      ...(rows.band === 0 ? [] : bandSpecs(config, band, groups.band.length)),
      matrix("embed.property", rows.property, state, gain(rows.property)),
      table("embed.bias", [state], 0.3),
      table("calibration.lnFlux", [groups.band.length]),
      table("calibration.lnNoise", [groups.band.length]),
    ];
  },
  encode(config, vocabulary, params, batch, hasCalibration) {
    const { groups } = vocabulary;
    const of = (x: tf.Tensor): tf.Tensor2D => pickColumns(x as tf.Tensor2D, groups.property);
    const [value, has] = tf.split(batch.scale, 2, 1) as [tf.Tensor2D, tf.Tensor2D]; // [B, 1] each
    const scale = tf.concat([tf.mul<tf.Tensor2D>(value, has), has], 1); // [B, 2]
    const properties = describe({ value: of(batch.value), doubt: of(batch.doubt), state: of(batch.state) });
    const plain = groups.property.length === 0 ? scale : tf.concat([scale, sideBySide(properties.features)], 1);
    const fromProperties = linear(plain, params["embed.property"], params["embed.bias"]) as tf.Tensor2D; // [B, J d]
    if (groups.band.length === 0) return { latents: fromProperties };
    const given = givenBands(vocabulary, params, batch, hasCalibration);
    const bands = describe(given);
    const features = [...bands.features, ...contrasts(vocabulary, given.value, given.sigma, bands.isGiven)];
    const rows = bandRows(config, vocabulary, params, batch, "embed.band"); // [band, F J d]
    const weights = tf.reshape(rows, [groups.band.length * N_BAND_FEATURE, latentSize(config)]);
    return { latents: tf.add(linear(sideBySide(features), weights), fromProperties) }; // [B, J d]
  },
};

/** [B, classes] 1 at the class of each category that is given. */
export function givenClasses(vocabulary: NetworkVocabulary, batch: Tensors): tf.Tensor2D {
  const parts = tf.split<tf.Tensor2D>(batch.class, vocabulary.groups.category.length, 1); // [B, 1] each
  const hot = Array.from(vocabulary.groups.category, (j, c) => {
    const n = classesOf(vocabulary, j);
    return tf.slice(tf.oneHot(tf.reshape<tf.Rank.R1>(parts[c], [-1]), n + 1), [0, 1], [-1, n]); // [B, n]
  });
  return tf.cast(tf.concat(hot, 1), "float32") as tf.Tensor2D;
}

/** Classes: an embedding of each class of each category. */
const category: Stem = {
  specs: (config, vocabulary) => [table("embed.class", [classCount(vocabulary), latentSize(config)], 0.3)],
  encode: (_config, vocabulary, params, batch) => ({
    latents: tf.matMul(givenClasses(vocabulary, batch), params["embed.class"]), // [B, J d]
  }),
};

/** Classes of the category in column `j`. */
export function classesOf({ fields }: Pick<NetworkVocabulary, "fields">, j: number): number {
  const field = fields[j];
  return field.kind === "category" ? field.classes.length : 0;
}

/** Classes of all categories. */
export function classCount(vocabulary: NetworkVocabulary): number {
  return vocabulary.groups.category.reduce((sum, j) => sum + classesOf(vocabulary, j), 0);
}

export const stems: { readonly [M in ModalityName]: Stem } = { scalar, category, spectrum };
