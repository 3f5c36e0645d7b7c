import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Tensors } from "../engine/contract.ts";
import { attention, foldNorm, gelu, linear, linearParts, normalise } from "../engine/ops.ts";
import { scalarKinds } from "../survey/field.ts";
import { modalitiesOf } from "../survey/vocabulary.ts";
import { headOf } from "./heads.ts";
import { lagCount, withoutLags } from "./lags.ts";
import { matrix, type ParameterSpec, table, vector } from "./parameters.ts";
import { familiesOf, type Family, headChoiceSchema, type NetworkVocabulary, type Readout } from "./readouts.ts";
import { spectrumSchema } from "./spectrum.ts";
import { classCount, classesOf, latentSize, stems } from "./stems.ts";
import { recall, recallSize } from "./templates.ts";

const size = (most: number): z.ZodInt => z.int().positive().max(most);

/** Most parameters of a network, roughly: a run holds eight vectors of them. */
const LARGEST = 2.5e8;

/** The matrices of a network that don't depend on its vocabulary. */
const bulkOf = (
  m: Record<"nLatent" | "dModel" | "nLayer" | "nHidden" | "bandRank" | "dQuery" | "nMemory" | "nQueryLayer", number>,
): number =>
  m.nLayer * (4 * m.dModel ** 2 + 2 * m.dModel * m.nHidden) +
  m.nLatent * m.dModel * (m.bandRank + (1 + m.nMemory) * m.dQuery) +
  m.nQueryLayer * 12 * m.dQuery ** 2;

/** A recipe's `model:` section: the shape of the network. */
export const modelSchema = z
  .strictObject({
    nLatent: size(1024).default(4).describe("latent tokens that each see every given field"),
    dModel: size(16384).default(96).describe("width of a latent token"),
    nLayer: size(256).default(2).describe("layers over the latent tokens"),
    nHead: size(256).default(4),
    nHidden: size(65536).default(256).describe("width of the feed-forward layers"),
    bandRank: size(16384).default(64).describe("numbers that all bands' answers are read from"),
    dQuery: size(16384).default(64).describe("width of an ordered (autoregressive) query"),
    nMemory: size(1024).default(4).describe("tokens in which ordered queries see the context"),
    nQueryLayer: size(256).default(1).describe("layers over ordered queries"),
    nComponent: size(256).default(8).describe("Gaussians of an answer's distribution"),
    nTemplate: z
      .int()
      .min(0)
      .max(2 ** 20)
      .default(0)
      .describe("clean simulated galaxies that the network carries and fits every question with; 0: none"),
    neighbourhood: size(4096)
      .default(1)
      .describe("of this many alike the mean is fitted first, then each galaxy of the likeliest; 1: all are fitted"),
    heads: z
      .partialRecord(z.enum(scalarKinds), headChoiceSchema)
      .default({})
      .describe("other distributions for some kinds of field: flux, log, linear, redshift, ew"),
    spectrum: spectrumSchema.optional().describe("the convolutional network that reads spectra"),
    filters: z
      .enum(["free", "function"])
      .default("free")
      .describe("rows of bands: free, or a function of the filter's wavelength and width plus a correction"),
  })
  .refine((m) => m.dModel % m.nHead === 0 && m.dQuery % m.nHead === 0, "expected nHead to divide dModel and dQuery")
  .refine((m) => bulkOf(m) <= LARGEST, `expected a network of ${LARGEST / 1e6} million parameters at most`)
  .refine(
    ({ spectrum, heads }) => spectrum?.correlation === undefined || heads.redshift?.head === "histogram",
    "spectrum.correlation: expected heads.redshift to be a histogram",
  )
  .prefault({});
export type ModelConfig = z.output<typeof modelSchema>;

/** Numbers that describe the value an ordered query follows: see `embedQueries`. */
const N_PREVIOUS = 4;

/** A recipe's read-outs for one vocabulary. */
export function readoutsOf(config: ModelConfig, vocabulary: NetworkVocabulary): readonly Family[] {
  return familiesOf(config.heads, config.nComponent, vocabulary);
}

/** One pre-norm layer; `depth`: how many there are. */
function layerSpecs(name: string, size: number, hidden: number, depth: number, hasAttention: boolean): ParameterSpec[] {
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
}

function readoutSpecs(config: ModelConfig, { name, part, spec, members }: Readout, state: number): ParameterSpec[] {
  const from = part === "band" ? config.bandRank : state;
  const width = headOf(spec).width(spec);
  const bias = headOf(spec).initialBias(spec);
  return [
    matrix(`head.${name}.out`, from, members.length * width, 0.3),
    vector(`head.${name}.bias`, members.length * width, bias),
  ];
}

/** Numbers of the state of knowledge about a galaxy: see `encode`. */
export const stateSize = (config: ModelConfig, vocabulary: NetworkVocabulary): number =>
  latentSize(config) + lagCount(vocabulary) + recallSize(vocabulary);

/** That latent tokens look at something: at each other, or at those of spectra. */
const hasAttention = ({ nLatent }: ModelConfig, { groups }: NetworkVocabulary): boolean =>
  nLatent > 1 || groups.spectrum.length > 0;

/** Every parameter, in a fixed order, with the names that are written to disk. */
export function parameterSpecs(config: ModelConfig, vocabulary: NetworkVocabulary): ParameterSpec[] {
  const { dModel: d, dQuery: q, nLatent, nMemory } = config;
  const nField = vocabulary.fields.length;
  const families = readoutsOf(config, vocabulary);
  const nRecall = recallSize(vocabulary);
  const state = latentSize(config) + nRecall; // redshifts that were tried are for their histogram alone
  const layers = (name: string, count: number, size: number, hidden: number, hasAttention: boolean): ParameterSpec[] =>
    Array.from({ length: count }, (_, l) => layerSpecs(`${name}${l}`, size, hidden, count, hasAttention)).flat();
  const classes = classCount(vocabulary);
  return [
    ...modalitiesOf(vocabulary).flatMap((name) => stems[name].specs(config, vocabulary)),
    ...(nRecall === 0 ? [] : [matrix("embed.template", nRecall, nLatent * d)]),
    ...layers("layer", config.nLayer, d, config.nHidden, hasAttention(config, vocabulary)),
    matrix("head.band.mix", state, config.bandRank, Math.SQRT2),
    table("head.band.mixBias", [config.bandRank]),
    ...families.flatMap(({ readouts }) => readouts.flatMap((one) => readoutSpecs(config, one, state))),
    table("query.field", [nField, q], 1),
    ...families.map(({ suffix, spec }) => matrix(`query.marginal${suffix}`, headOf(spec).width(spec), q, 0.5)),
    matrix("query.state", state, q),
    table("query.stateGate", [nField, q], 0.5),
    table("query.previous", [nField, N_PREVIOUS * q], 0.3),
    ...(classes === 0 ? [] : [table("query.class", [1 + classes, q], 0.3)]),
    table("query.first", [q], 0.3),
    matrix("query.memory", state, nMemory * q),
    table("query.memoryBias", [nMemory * q], 0.3),
    ...layers("query", config.nQueryLayer, q, 4 * q, true),
    vector("query.norm", q, 1),
    ...families.map(({ suffix, spec }) => matrix(`query.out${suffix}`, q, headOf(spec).width(spec), 0.05)),
  ];
}

/** What attention adds to `x` [B, T, d], looking at `x` and at `memory` [B, M, d]; `bias` broadcasts to [B, H, T, M + T]. Pre-norm. */
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

/** `attend` of one query [L, 1, d] that looks at `memory` [L, M, d] and at keys and values [L, P, d] of earlier ones. */
function attendNext(
  nHead: number,
  x: tf.Tensor,
  w: Tensors,
  name: string,
  memory: tf.Tensor,
  seen: { readonly key: tf.Tensor; readonly value: tf.Tensor },
  bias: tf.Tensor,
): { added: tf.Tensor; key: tf.Tensor; value: tf.Tensor } {
  const qkv = foldNorm({ w: w[`${name}.qkv`] }, w[`${name}.norm`]);
  const [query, key, value] = linearParts(normalise(x), qkv, 3); // 3 x [L, 1, d]
  const [, memoryKey, memoryValue] = linearParts(normalise(memory), qkv, 3); // [L, M, d] each
  const keys = tf.concat([memoryKey, seen.key, key], 1); // [L, M + P + 1, d]
  const values = tf.concat([memoryValue, seen.value, value], 1); // [L, M + P + 1, d]
  const added = linear(attention(query, keys, values, nHead, bias), w[`${name}.out`]); // [L, 1, d]
  return { added, key, value };
}

/** What the feed-forward layer adds to `x` [.., d]. Pre-norm. */
function feedForward(x: tf.Tensor, w: Tensors, name: string): tf.Tensor {
  const up = foldNorm({ w: w[`${name}.up`], b: w[`${name}.upBias`] }, w[`${name}.norm`]);
  const hidden = gelu(linear(normalise(x), up.w, up.b)); // [.., hidden]
  return linear(hidden, w[`${name}.down`], w[`${name}.downBias`]); // [.., d]
}

/**
 * The state of knowledge about each galaxy, [B, nLatent * d + redshifts tried + what the templates say]: every kind of
 * evidence adds to the latent tokens, then a pre-norm transformer runs over them.
 */
export function encode(
  config: ModelConfig,
  vocabulary: NetworkVocabulary,
  params: Tensors,
  batch: Tensors,
  hasCalibration: boolean,
): tf.Tensor2D {
  const { nLatent, dModel } = config;
  const encoded = modalitiesOf(vocabulary).map((name) =>
    stems[name].encode(config, vocabulary, params, batch, hasCalibration),
  );
  const [first, ...others] = encoded.map(({ latents }) => latents); // [B, J d] each
  const { templates } = vocabulary;
  const recalled = templates === undefined ? [] : [recall(vocabulary, templates, params, batch, hasCalibration)];
  const fits = recalled.map((said) => linear(said, params["embed.template"]) as tf.Tensor2D); // [B, J d]
  const evidence = [...others, ...fits].reduce((sum, more) => tf.add(sum, more), first);
  const b = evidence.shape[0];
  const seen = encoded.find(({ tokens }) => tokens !== undefined)?.tokens;
  const bias = seen && tf.reshape(tf.concat([seen.bias, tf.zeros([b, nLatent])], 1), [b, 1, 1, -1]); // [B, 1, 1, T + J]
  let x: tf.Tensor = tf.reshape(evidence, [b, nLatent, dModel]); // [B, J, d]
  for (let l = 0; l < config.nLayer; l++) {
    const name = `layer${l}.attention`;
    if (hasAttention(config, vocabulary)) x = tf.add(x, attend(config.nHead, x, params, name, seen?.tokens, bias)); // [B, J, d]
    x = tf.add(x, feedForward(x, params, `layer${l}.mlp`)); // [B, J, d]
  }
  const state = normalise(tf.reshape(x, [b, nLatent * dModel])) as tf.Tensor2D; // [B, J d]
  const parts = [state, ...encoded.flatMap(({ lags }) => lags ?? []), ...recalled];
  return parts.length === 1 ? state : tf.concat<tf.Tensor2D>(parts, 1);
}

/** What an ordered query knows besides the values before it: its galaxy, and a look at the state. */
export interface QueryContext {
  /** [A, q] */
  readonly known: tf.Tensor2D;
  /** [A, M, q] */
  readonly memory: tf.Tensor3D;
}

export function queryContext(
  config: ModelConfig,
  vocabulary: NetworkVocabulary,
  params: Tensors,
  state: tf.Tensor2D,
): QueryContext {
  const read = withoutLags(vocabulary, state);
  const memory = linear(read, params["query.memory"], params["query.memoryBias"]);
  return {
    known: linear(read, params["query.state"]) as tf.Tensor2D,
    memory: tf.reshape(memory, [state.shape[0], config.nMemory, config.dQuery]),
  };
}

/** What a query carries of the target before it: its field [A, T], value and error. [A, T, q] */
function carryTargets(
  config: ModelConfig,
  vocabulary: NetworkVocabulary,
  params: Tensors,
  { targetField, targetValue, targetSigma }: Tensors,
): tf.Tensor {
  const [a, t] = targetField.shape as [number, number];
  const q = config.dQuery;
  const value = tf.clipByValue(targetValue, -6, 6); // [A, T]
  const trusted = tf.div(value, tf.add(tf.square(tf.mul(targetSigma, 2)), 1)); // a noisy value says less
  const features = tf.stack([tf.onesLike(value), value, tf.mul(tf.square(value), 0.3), trusted], 2); // [A, T, 4]
  const perField = tf.reshape(tf.gather(params["query.previous"], targetField), [a, t, N_PREVIOUS, q]);
  const carried = tf.sum(tf.mul(perField, tf.expandDims(features, 3)), 2); // [A, T, q]
  if (classCount(vocabulary) === 0) return carried;
  // row of the class table: 0 for what is no category, else where its category begins plus the class
  const starts = new Int32Array(vocabulary.fields.length);
  const isCategory = new Float32Array(vocabulary.fields.length);
  let start = 1;
  for (const j of vocabulary.groups.category) {
    starts[j] = start;
    isCategory[j] = 1;
    start += classesOf(vocabulary, j);
  }
  const ofField = (values: Int32Array | Float32Array): tf.Tensor =>
    tf.gather(tf.tensor1d(Float32Array.from(values)), targetField);
  const row = tf.add(ofField(starts), tf.mul(targetValue, ofField(isCategory))); // [A, T]
  return tf.add(carried, tf.gather(params["query.class"], tf.cast(row, "int32")));
}

/** What a query is before it has looked around: its field, its marginal, its galaxy, and the target before it. [A, T, q] */
function embedQueries(
  params: Tensors,
  targetField: tf.Tensor,
  marginal: readonly { readonly suffix: string; readonly raw: tf.Tensor }[],
  known: tf.Tensor,
  previous: tf.Tensor,
): tf.Tensor {
  const own = marginal.reduce(
    (sum: tf.Tensor, { suffix, raw }) => tf.add(sum, linear(raw, params[`query.marginal${suffix}`])),
    tf.gather(params["query.field"], targetField),
  );
  const gated = tf.mul(known, tf.gather(params["query.stateGate"], targetField)); // [A, T, q]
  return tf.add(tf.add(own, gated), previous); // [A, T, q]
}

/** Raw numbers of one family's queries; zeros where a query is another family's. */
export interface FamilyRaw {
  readonly suffix: string;
  /** [A, T, width] */
  readonly raw: tf.Tensor3D;
}

/** What the ordered queries add to the marginals of a family. [A, T, width] */
function correction(params: Tensors, x: tf.Tensor, suffix: string): tf.Tensor {
  return linear(normalise(x), foldNorm({ w: params[`query.out${suffix}`] }, params["query.norm"]).w);
}

/**
 * Autoregressive objective: raw distributions of targets in the order of `batch.targetField` [A, T], each given the
 * context and the values of the targets before it. A transformer over the ordered queries corrects the marginals.
 */
export function conditionals(
  config: ModelConfig,
  vocabulary: NetworkVocabulary,
  params: Tensors,
  state: tf.Tensor2D,
  marginal: readonly FamilyRaw[],
  batch: Tensors,
): FamilyRaw[] {
  const [a, t] = batch.targetField.shape as [number, number];
  const { dQuery: q, nMemory: m } = config;
  const { known, memory } = queryContext(config, vocabulary, params, state);
  const visible = new Float32Array(t * (m + t));
  for (let i = 0; i < t; i++) visible.fill(-1e9, i * (m + t) + m + i + 1, (i + 1) * (m + t)); // later queries
  const bias = tf.tensor4d(visible, [1, 1, t, m + t]);
  const carried = carryTargets(config, vocabulary, params, batch); // [A, T, q]
  const first = tf.tile(tf.reshape(params["query.first"], [1, 1, q]), [a, 1, 1]); // [A, 1, q]
  const previous = t === 1 ? first : tf.concat([first, tf.slice(carried, [0, 0, 0], [a, t - 1, q])], 1); // [A, T, q]
  let x = embedQueries(params, batch.targetField, marginal, tf.expandDims(known, 1), previous); // [A, T, q]
  for (let l = 0; l < config.nQueryLayer; l++) {
    x = tf.add(x, attend(config.nHead, x, params, `query${l}.attention`, memory, bias)); // [A, T, q]
    x = tf.add(x, feedForward(x, params, `query${l}.mlp`)); // [A, T, q]
  }
  return marginal.map(({ suffix, raw }) => ({ suffix, raw: tf.add(raw, correction(params, x, suffix)) })); // [A, T, width]
}

/** Keys and values of the queries so far, [L, nQueryLayer, P, q] each, and which of the P places are filled [P]. */
export interface Past {
  readonly key: tf.Tensor;
  readonly value: tf.Tensor;
  readonly isFilled: tf.Tensor;
}

/** One ordered query of each of L draws: all ask field `field` [1], after value [L, 1] of `batch.targetField` [L, 1]. */
export interface NextQuery {
  readonly field: tf.Tensor;
  /** [] 1 where nothing was asked before. */
  readonly isFirst: tf.Tensor;
  /** [L, 1, width] Marginal of the field. */
  readonly marginal: FamilyRaw;
  readonly targets: Tensors;
}

/**
 * The next of ordered queries, [L, 1, width], with its keys and values [L, nQueryLayer, 1, q]: the same numbers as
 * `conditionals`, one query at a time, the past not computed again.
 */
export function nextConditional(
  config: ModelConfig,
  vocabulary: NetworkVocabulary,
  params: Tensors,
  { known, memory }: QueryContext,
  { field, isFirst, marginal, targets }: NextQuery,
  past: Past,
): { raw: tf.Tensor3D; key: tf.Tensor; value: tf.Tensor } {
  const { dQuery: q, nMemory: m } = config;
  const l = known.shape[0];
  const p = past.isFilled.shape[0];
  const carried = carryTargets(config, vocabulary, params, targets); // [L, 1, q]
  const first = tf.reshape(params["query.first"], [1, 1, q]);
  const previous = tf.add(tf.mul(carried, tf.sub(1, isFirst)), tf.mul(first, isFirst)); // [L, 1, q]
  const asked = tf.reshape(field, [1, 1]); // one field for all draws
  let x = embedQueries(params, asked, [marginal], tf.expandDims(known, 1), previous); // [L, 1, q]
  const hidden = tf.mul(tf.sub(past.isFilled, 1), 1e9); // [P]
  const bias = tf.reshape(tf.concat([tf.zeros([m]), hidden, tf.zeros([1])], 0), [1, 1, 1, m + p + 1]);
  const keys: tf.Tensor[] = [];
  const values: tf.Tensor[] = [];
  for (let layer = 0; layer < config.nQueryLayer; layer++) {
    const of = (all: tf.Tensor): tf.Tensor => tf.reshape(tf.slice(all, [0, layer, 0, 0], [l, 1, p, q]), [l, p, q]);
    const seen = { key: of(past.key), value: of(past.value) }; // [L, P, q] each
    const step = attendNext(config.nHead, x, params, `query${layer}.attention`, memory, seen, bias);
    x = tf.add(x, step.added);
    x = tf.add(x, feedForward(x, params, `query${layer}.mlp`)); // [L, 1, q]
    keys.push(step.key);
    values.push(step.value);
  }
  const raw = tf.add<tf.Tensor3D>(marginal.raw, correction(params, x, marginal.suffix)); // [L, 1, width]
  return { raw, key: tf.stack(keys, 1), value: tf.stack(values, 1) };
}
