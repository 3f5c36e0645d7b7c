import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Tensors } from "../engine/contract.ts";
import { attention, foldNorm, gelu, linear, linearParts, normalise } from "../engine/ops.ts";
import { headOf, type HeadSpec, resolveHead } from "./heads.ts";
import { matrix, type ParameterSpec, table, vector } from "./parameters.ts";

/** A recipe's `model:` section: the shape of the network. */
export const modelSchema = z
  .strictObject({
    nLatent: z.int().positive().default(4).describe("latent tokens that each see every given field"),
    dModel: z.int().positive().default(96).describe("width of a latent token"),
    nLayer: z.int().positive().default(2).describe("layers over the latent tokens"),
    nHead: z.int().positive().default(4),
    nHidden: z.int().positive().default(256).describe("width of the feed-forward layers"),
    bandRank: z.int().positive().default(64).describe("numbers that all bands' answers are read from"),
    dQuery: z.int().positive().default(64).describe("width of an ordered (autoregressive) query"),
    nMemory: z.int().positive().default(4).describe("tokens in which ordered queries see the context"),
    nQueryLayer: z.int().positive().default(1).describe("layers over ordered queries"),
    head: z.enum(["mixture"]).default("mixture"),
    nComponent: z.int().positive().default(8).describe("components of an answer's distribution"),
  })
  .refine((m) => m.dModel % m.nHead === 0 && m.dQuery % m.nHead === 0, "expected nHead to divide dModel and dQuery")
  .prefault({});
export type ModelConfig = z.output<typeof modelSchema>;

/** What every answer's distribution is. */
export const answerSpec = ({ head, nComponent }: ModelConfig): HeadSpec =>
  resolveHead({ head, components: nComponent });

/** The vocabulary as the network sees it: bands first, then properties. */
export interface Vocabulary {
  readonly nField: number;
  readonly nBand: number;
  /** [nBand] Place of each band along the spectrum; neighbours are compared with each other. */
  readonly bandPosition: readonly number[];
  /** [nBand] Undo the standardisation of bands, so that neighbours share one scale. */
  readonly bandMean: readonly number[];
  readonly bandDeviation: readonly number[];
}

/** Bands and properties are read out differently. */
type Part = "band" | "property";

/** Numbers that describe one given value: see `describeValues`. */
const N_FEATURE = 5;
/** Numbers that describe the value an ordered query follows: see `embedQueries`. */
const N_PREVIOUS = 4;

/** Every parameter, in a fixed order, with the names that are written to disk. */
export function parameterSpecs(config: ModelConfig, { nField, nBand }: Vocabulary): ParameterSpec[] {
  const { dModel: d, dQuery: q, nLatent, nMemory } = config;
  const spec = answerSpec(config);
  const width = headOf(spec).width(spec);
  const bias = headOf(spec).initialBias(spec);
  const state = nLatent * d;
  const layer = (name: string, size: number, hidden: number, depth: number, hasAttention: boolean): ParameterSpec[] => {
    const residual = 1 / Math.sqrt(2 * depth); // what is added to the stream stays small (GPT-2)
    const attention = [
      vector(`${name}.attention.norm`, size, 1),
      matrix(`${name}.attention.qkv`, size, 3 * size),
      matrix(`${name}.attention.out`, size, size, residual),
    ];
    return [
      ...(hasAttention ? attention : []),
      vector(`${name}.mlp.norm`, size, 1),
      matrix(`${name}.mlp.up`, size, hidden, Math.SQRT2),
      table(`${name}.mlp.upBias`, [hidden]),
      matrix(`${name}.mlp.down`, hidden, size, residual),
      table(`${name}.mlp.downBias`, [size]),
    ];
  };
  const answers = (name: string, from: number, count: number): ParameterSpec[] => [
    matrix(`${name}.out`, from, count * width, 0.3),
    vector(`${name}.bias`, count * width, bias),
  ];
  return [
    matrix("embed.fields", nField * N_FEATURE + NEIGHBOURHOODS.length * nBand + 2, state, 1.4),
    table("embed.bias", [state], 0.3),
    ...Array.from({ length: config.nLayer }, (_, l) =>
      layer(`layer${l}`, d, config.nHidden, config.nLayer, nLatent > 1),
    ).flat(),
    matrix("head.band.mix", state, config.bandRank, Math.SQRT2),
    table("head.band.mixBias", [config.bandRank]),
    ...answers("head.band", config.bandRank, nBand),
    ...answers("head.property", state, nField - nBand),
    table("query.field", [nField, q], 1),
    matrix("query.marginal", width, q, 0.5),
    matrix("query.state", state, q),
    table("query.stateGate", [nField, q], 0.5),
    table("query.previous", [nField, N_PREVIOUS * q], 0.3),
    table("query.first", [q], 0.3),
    matrix("query.memory", state, nMemory * q),
    table("query.memoryBias", [nMemory * q], 0.3),
    ...Array.from({ length: config.nQueryLayer }, (_, l) =>
      layer(`query${l}`, q, 4 * q, config.nQueryLayer, true),
    ).flat(),
    vector("query.norm", q, 1),
    matrix("query.out", q, width, 0.05),
    table("calibration.lnFlux", [nField]),
    table("calibration.lnNoise", [nField]),
  ];
}

/** Widths of the neighbourhoods that a band is held against, in units of `bandPosition`. */
const NEIGHBOURHOODS = [100, 250, 600] as const;
/** Beyond this many widths a band is nobody's neighbour. */
const REACH = 3;
/** Floors of a band's own error and of a contrast's: models and calibration are no better than this. */
const WEIGHT_FLOOR = 0.05;
const CONTRAST_FLOOR = 0.03;

/** Weights [nBand, nBand] of neighbours by distance; a band without any in reach takes the nearest two. */
function neighbourWeights(position: readonly number[], width: number): tf.Tensor2D {
  const n = position.length;
  const weights = new Float32Array(n * n);
  for (let j = 0; j < n; j++) {
    const distances = position.map((p, i) => (i === j ? Infinity : Math.abs(p - position[j])));
    const isAlone = Math.min(...distances) > REACH * width;
    const nearest = [...distances].sort((a, b) => a - b)[Math.min(1, n - 1)];
    for (let i = 0; i < n; i++) {
      if (isAlone) weights[i * n + j] = distances[i] <= nearest && i !== j ? 1 : 0;
      else if (distances[i] <= REACH * width) weights[i * n + j] = Math.exp(-0.5 * (distances[i] / width) ** 2);
    }
  }
  return tf.tensor2d(weights, [n, n]);
}

/**
 * How each given band stands out against the *given* bands around it, in units of its noise, [B, 2 nBand]: lines and
 * breaks at first sight. asinh keeps strong lines in range. Exact for any subset; 0 where there is nothing to compare.
 */
function contrasts(vocabulary: Vocabulary, value: tf.Tensor, sigma: tf.Tensor, isGiven: tf.Tensor): tf.Tensor2D {
  const { nBand } = vocabulary;
  const b = value.shape[0];
  const bands = (x: tf.Tensor): tf.Tensor2D => tf.slice(x, [0, 0], [b, nBand]) as tf.Tensor2D; // [B, nBand]
  const row = (x: readonly number[]): tf.Tensor2D => tf.tensor2d([...x], [1, nBand]);
  const deviation = row(vocabulary.bandDeviation);
  const given = bands(isGiven);
  const level = tf.add(tf.mul(bands(value), deviation), row(vocabulary.bandMean)); // [B, nBand]
  const variance = tf.square(tf.mul(bands(sigma), deviation)); // [B, nBand]
  const weight = tf.div<tf.Tensor2D>(given, tf.add(variance, WEIGHT_FLOOR ** 2)); // [B, nBand]
  const perWidth = NEIGHBOURHOODS.map((width) => {
    const near = neighbourWeights(vocabulary.bandPosition, width);
    const total = tf.maximum(tf.matMul(weight, near), 1e-9); // [B, nBand]
    const around = tf.div(tf.matMul(tf.mul<tf.Tensor2D>(weight, level), near), total);
    const spread = tf.matMul(tf.mul<tf.Tensor2D>(tf.square(weight), variance), tf.square(near));
    const noise = tf.sqrt(tf.add(tf.add(variance, tf.div(spread, tf.square(total))), CONTRAST_FLOOR ** 2));
    const hasNeighbour = tf.cast(tf.greater(tf.matMul(given, near), 1e-3), "float32");
    return tf.mul(tf.asinh(tf.div(tf.sub(level, around), noise)), tf.mul(given, hasNeighbour)); // [B, nBand]
  });
  return tf.concat(perWidth, 1) as tf.Tensor2D; // [B, 2 nBand]
}

/** The context with a survey's learned zero-points and noise factors applied, to first order (exact for bright sources). */
function calibrate(params: Tensors, batch: Tensors): { value: tf.Tensor; sigma: tf.Tensor } {
  const isCalibrated = tf.expandDims(batch.isCalibrated, 1); // [B, 1]
  const lnFlux = tf.mul(isCalibrated, tf.expandDims(params["calibration.lnFlux"], 0)); // [B, N]
  const lnNoise = tf.mul(isCalibrated, tf.expandDims(params["calibration.lnNoise"], 0)); // [B, N]
  return {
    value: tf.add(batch.value, tf.mul(batch.slope, lnFlux)), // [B, N]
    sigma: tf.mul(batch.sigma, tf.exp(lnNoise)), // [B, N]
  };
}

/**
 * Features of the given values, zeros where nothing is given: [B, N * N_FEATURE + 2 nBand]. Linear in the value, so that
 * 1 % colours are resolved over the whole range; its error's logarithm and the two special states beside it.
 */
function describeValues(vocabulary: Vocabulary, params: Tensors, batch: Tensors, hasCalibration: boolean): tf.Tensor2D {
  const [b, n] = batch.value.shape as [number, number];
  const { value, sigma } = hasCalibration ? calibrate(params, batch) : { value: batch.value, sigma: batch.sigma };
  const flag = (x: tf.Tensor): tf.Tensor => tf.cast(x, "float32");
  const isGiven = flag(tf.greater(batch.state, 0)); // [B, N]
  const features = [
    isGiven,
    tf.mul(value, isGiven),
    tf.mul(tf.add(tf.log(tf.add(sigma, 0.01)), 1.5), isGiven),
    flag(tf.equal(batch.state, 2)),
    flag(tf.equal(batch.state, 3)),
  ];
  const perField = tf.reshape<tf.Rank.R2>(tf.stack(features, 2), [b, n * N_FEATURE]); // [B, N F]
  return tf.concat([perField, contrasts(vocabulary, value, sigma, isGiven)], 1); // [B, N F + 2 nBand]
}

/** What attention adds to `x` [B, T, d], looking at `x` and at `memory` [B, M, d]; `bias` [1, 1, T, M + T]. Pre-norm. */
function attend(
  nHead: number,
  x: tf.Tensor,
  w: Tensors,
  name: string,
  memory?: tf.Tensor,
  bias?: tf.Tensor,
): tf.Tensor {
  const qkv = foldNorm({ w: w[`${name}.qkv`] }, w[`${name}.norm`]);
  const own = linearParts(normalise(x), qkv, 3); // 3 x [B, T, d]
  const seen = memory === undefined ? undefined : linearParts(normalise(memory), qkv, 3).slice(1); // 2 x [B, M, d]
  const keys = seen === undefined ? own[1] : tf.concat([seen[0], own[1]], 1); // [B, M + T, d]
  const values = seen === undefined ? own[2] : tf.concat([seen[1], own[2]], 1); // [B, M + T, d]
  return linear(attention(own[0], keys, values, nHead, bias), w[`${name}.out`]); // [B, T, d]
}

/** What the feed-forward layer adds to `x` [.., d]. Pre-norm. */
function feedForward(x: tf.Tensor, w: Tensors, name: string): tf.Tensor {
  const up = foldNorm({ w: w[`${name}.up`], b: w[`${name}.upBias`] }, w[`${name}.norm`]);
  const hidden = gelu(linear(normalise(x), up.w, up.b)); // [.., hidden]
  return linear(hidden, w[`${name}.down`], w[`${name}.downBias`]); // [.., d]
}

/**
 * The state of knowledge about each galaxy, [B, nLatent * d]: every given value of every field flows into every latent
 * token (any subset is valid: what isn't given is zero), then a pre-norm transformer runs over the latent tokens.
 */
export function encode(
  config: ModelConfig,
  vocabulary: Vocabulary,
  params: Tensors,
  batch: Tensors,
  hasCalibration: boolean,
): tf.Tensor2D {
  const b = batch.value.shape[0];
  const [value, has] = tf.split(batch.scale, 2, 1) as [tf.Tensor, tf.Tensor]; // [B, 1] each
  const fields = describeValues(vocabulary, params, batch, hasCalibration); // [B, N F + 2 nBand]
  const input = tf.concat([fields, tf.mul<tf.Tensor2D>(value, has), has as tf.Tensor2D], 1); // [B, input]
  let x = tf.reshape(linear(input, params["embed.fields"], params["embed.bias"]), [b, config.nLatent, config.dModel]); // [B, J, d]
  for (let l = 0; l < config.nLayer; l++) {
    if (config.nLatent > 1) x = tf.add(x, attend(config.nHead, x, params, `layer${l}.attention`)); // [B, J, d]
    x = tf.add(x, feedForward(x, params, `layer${l}.mlp`)); // [B, J, d]
  }
  return normalise(tf.reshape(x, [b, config.nLatent * config.dModel])) as tf.Tensor2D; // [B, J d]
}

/** What a part's answers are read from: properties from the whole state, bands from a narrower mix of it. [B, from] */
function readout(params: Tensors, state: tf.Tensor2D, part: Part): tf.Tensor {
  if (part === "property") return state;
  return gelu(linear(state, params["head.band.mix"], params["head.band.mixBias"]));
}

/** Masked objective: raw marginals of all bands or all properties, [B, count, width]. */
export function marginals(config: ModelConfig, params: Tensors, state: tf.Tensor2D, part: Part): tf.Tensor3D {
  const width = headOf(answerSpec(config)).width(answerSpec(config));
  const raw = linear(readout(params, state, part), params[`head.${part}.out`], params[`head.${part}.bias`]); // [B, count * width]
  return tf.reshape(raw, [state.shape[0], -1, width]);
}

/** Raw marginals of chosen fields only, [B, wanted, width]: what a query computes. */
export function marginalsOf(
  config: ModelConfig,
  params: Tensors,
  state: tf.Tensor2D,
  { nBand }: Vocabulary,
  wanted: readonly number[],
): tf.Tensor3D {
  const width = headOf(answerSpec(config)).width(answerSpec(config));
  const b = state.shape[0];
  const ofPart = (part: Part, chosen: number[]): tf.Tensor[] => {
    if (chosen.length === 0) return [];
    const index = tf.tensor1d(chosen, "int32");
    const from = readout(params, state, part);
    const size = from.shape[1]!;
    const out = tf.gather(tf.reshape(params[`head.${part}.out`], [size, -1, width]), index, 1); // [from, chosen, width]
    const bias = tf.gather(tf.reshape(params[`head.${part}.bias`], [-1, width]), index, 0); // [chosen, width]
    const raw = linear(from, tf.reshape(out, [size, -1]), tf.reshape(bias, [-1])); // [B, chosen * width]
    return [tf.reshape(raw, [b, chosen.length, width])];
  };
  const bands = wanted.filter((j) => j < nBand);
  const properties = wanted.filter((j) => j >= nBand);
  const grouped = [...bands, ...properties];
  const raw = tf.concat(
    [
      ...ofPart("band", bands),
      ...ofPart(
        "property",
        properties.map((j) => j - nBand),
      ),
    ],
    1,
  ); // [B, wanted, width], bands first
  const isInOrder = wanted.every((j, i) => grouped[i] === j);
  if (isInOrder) return raw as tf.Tensor3D;
  const order = wanted.map((j) => grouped.indexOf(j));
  return tf.gather(raw, tf.tensor1d(order, "int32"), 1) as tf.Tensor3D; // [B, wanted, width]
}

/** Query j: its field, its marginal, the state of knowledge, and the field and value of target j - 1. [A, T, q] */
function embedQueries(
  config: ModelConfig,
  params: Tensors,
  state: tf.Tensor2D,
  marginal: tf.Tensor3D,
  batch: Tensors,
): tf.Tensor {
  const [a, t] = batch.targetField.shape as [number, number];
  const q = config.dQuery;
  const value = tf.clipByValue(batch.targetValue, -6, 6); // [A, T]
  const trusted = tf.div(value, tf.add(tf.square(tf.mul(batch.targetSigma, 2)), 1)); // a noisy value says less
  const features = tf.stack([tf.onesLike(value), value, tf.mul(tf.square(value), 0.3), trusted], 2); // [A, T, 4]
  const perField = tf.reshape(tf.gather(params["query.previous"], batch.targetField), [a, t, N_PREVIOUS, q]);
  const carried = tf.sum(tf.mul(perField, tf.expandDims(features, 3)), 2); // [A, T, q]
  const first = tf.tile(tf.reshape(params["query.first"], [1, 1, q]), [a, 1, 1]); // [A, 1, q]
  const previous = t === 1 ? first : tf.concat([first, tf.slice(carried, [0, 0, 0], [a, t - 1, q])], 1); // [A, T, q]
  const gate = tf.gather(params["query.stateGate"], batch.targetField); // [A, T, q]
  const known = tf.mul(tf.expandDims(linear(state, params["query.state"]), 1), gate); // [A, T, q]
  const own = tf.add(tf.gather(params["query.field"], batch.targetField), linear(marginal, params["query.marginal"]));
  return tf.add(tf.add(own, known), previous); // [A, T, q]
}

/**
 * Autoregressive objective: raw distributions [A, T, width] of targets in the order of `batch.targetField`, each given the
 * context and the values of the targets before it. A transformer over the ordered queries corrects the marginals.
 */
export function conditionals(
  config: ModelConfig,
  params: Tensors,
  state: tf.Tensor2D,
  marginal: tf.Tensor3D,
  batch: Tensors,
): tf.Tensor3D {
  const [a, t] = batch.targetField.shape as [number, number];
  const { dQuery: q, nMemory: m } = config;
  const memory = tf.reshape(linear(state, params["query.memory"], params["query.memoryBias"]), [a, m, q]); // [A, M, q]
  const visible = new Float32Array(t * (m + t));
  for (let i = 0; i < t; i++) visible.fill(-1e9, i * (m + t) + m + i + 1, (i + 1) * (m + t)); // later queries
  const bias = tf.tensor4d(visible, [1, 1, t, m + t]);
  let x = embedQueries(config, params, state, marginal, batch); // [A, T, q]
  for (let l = 0; l < config.nQueryLayer; l++) {
    x = tf.add(x, attend(config.nHead, x, params, `query${l}.attention`, memory, bias)); // [A, T, q]
    x = tf.add(x, feedForward(x, params, `query${l}.mlp`)); // [A, T, q]
  }
  const out = foldNorm({ w: params["query.out"] }, params["query.norm"]);
  return tf.add<tf.Tensor3D>(marginal, linear(normalise(x), out.w)); // [A, T, width]
}
