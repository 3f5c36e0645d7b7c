import * as tf from "@tensorflow/tfjs-core";
import type { Tensors } from "../engine/contract.ts";
import { gelu, layerNorm, linear } from "../engine/ops.ts";
import type { Field } from "../survey/field.ts";
import { heads, type HeadName } from "./heads.ts";
import type { ParameterSpec } from "./parameters.ts";

/** Shape of the network: what a recipe's `model:` section says. */
export interface ModelConfig {
  /** Width of a token. */
  readonly dModel: number;
  readonly nLayer: number;
  readonly nHead: number;
  /** Width of the feed-forward layer. */
  readonly nHidden: number;
  /** Neighbouring narrow bands that share one token. */
  readonly bandsPerToken: number;
  readonly head: HeadName;
  /** Components of the output distribution. */
  readonly nComponent: number;
}

export const defaultModel: ModelConfig = {
  dModel: 64,
  nLayer: 4,
  nHead: 4,
  nHidden: 256,
  bandsPerToken: 4,
  head: "mixture",
  nComponent: 8,
};

/** Numbers that describe one given value to the network: see `describeValue`. */
const N_FEATURE = 7;

/**
 * Which fields share a context token: neighbouring narrow bands in packs, all broad bands, all bands of any other group,
 * each property alone. A token is the sum over its *given* fields, so any subset of a pack is a valid input.
 */
export function tokenGroups(fields: readonly Field[], bandsPerToken: number): number[][] {
  const byGroup = new Map<string, number[]>();
  fields.forEach((field, j) => {
    const key = field.band?.group ?? `property ${j}`;
    byGroup.set(key, [...(byGroup.get(key) ?? []), j]);
  });
  return [...byGroup.entries()].flatMap(([key, members]) => {
    const size = key === "narrow" ? bandsPerToken : 6;
    const packs: number[][] = [];
    for (let i = 0; i < members.length; i += size) packs.push(members.slice(i, i + size));
    return packs;
  });
}

/** Every parameter, in a fixed order with names that are written to disk. */
export function parameterSpecs(config: ModelConfig, fields: readonly Field[]): ParameterSpec[] {
  const { dModel: d, nHidden, nLayer, nComponent } = config;
  const n = fields.length;
  const head = heads[config.head];
  const width = head.width(nComponent);
  const matrix = (name: string, rows: number, columns: number, gain = 1): ParameterSpec => ({
    name,
    shape: [rows, columns],
    std: gain / Math.sqrt(rows),
    isDecayed: true,
  });
  const table = (name: string, shape: number[], std: number): ParameterSpec => ({ name, shape, std, isDecayed: false });
  const ones = (name: string, size: number): ParameterSpec => ({ name, shape: [size], std: 0, start: 1, isDecayed: false });
  const residual = 1 / Math.sqrt(2 * nLayer); // GPT-2's scaling of what is added to the stream
  const specs: ParameterSpec[] = [
    table("embed.value", [n, N_FEATURE, d], 0.5 / Math.sqrt(N_FEATURE)),
    table("embed.null", [d], 0.5),
    table("embed.scale", [2, d], 0.5),
    table("query.field", [n, d], 0.5),
    table("previous.field", [n, d], 0.1),
    table("previous.gate", [n, d], 0.5),
    matrix("previous.value", N_FEATURE, d),
  ];
  for (let l = 0; l < nLayer; l++) {
    specs.push(
      ones(`layer${l}.attention.norm`, d),
      matrix(`layer${l}.attention.qkv`, d, 3 * d),
      matrix(`layer${l}.attention.out`, d, d, residual),
      ones(`layer${l}.mlp.norm`, d),
      matrix(`layer${l}.mlp.up`, d, nHidden),
      table(`layer${l}.mlp.bias`, [nHidden], 0),
      matrix(`layer${l}.mlp.down`, nHidden, d, residual),
    );
  }
  specs.push(
    ones("head.norm", d),
    matrix("head.out", d, width, 0.3),
    { name: "head.bias", shape: [n, width], std: 0, start: head.initialBias(nComponent), isDecayed: false },
    table("calibration.lnFlux", [n], 0),
    table("calibration.lnNoise", [n], 0),
  );
  return specs;
}

/**
 * Features of values with errors: [..., N_FEATURE]. `state` as in `survey/field.ts`; 0 gives zeros.
 * Linear in the value (resolves 1 % colours), shrunk by its error, with the error's logarithm and the state beside it.
 */
function describeValue(value: tf.Tensor, sigma: tf.Tensor, state: tf.Tensor): tf.Tensor {
  const isGiven = tf.cast(tf.greater(state, 0), "float32");
  const isLimit = tf.cast(tf.equal(state, 2), "float32");
  const isNonDetection = tf.cast(tf.equal(state, 3), "float32");
  const shrunk = tf.div(value, tf.add(tf.square(sigma), 1));
  const softSign = tf.tanh(value);
  const lnError = tf.log(tf.add(sigma, 0.02));
  return tf.stack(
    [
      isGiven,
      tf.mul(value, isGiven),
      tf.mul(shrunk, isGiven),
      tf.mul(softSign, isGiven),
      tf.mul(lnError, isGiven),
      isLimit,
      isNonDetection,
    ],
    -1,
  );
}

/** Zero-points and noise of a survey under adaptation, to first order (exact for bright sources); identity elsewhere. */
function calibrate(batch: Tensors, params: Tensors): { value: tf.Tensor; sigma: tf.Tensor } {
  const isCalibrated = tf.expandDims(batch.isCalibrated!, 1); // [B, 1]
  const shift = tf.mul(isCalibrated, tf.expandDims(params["calibration.lnFlux"]!, 0)); // [B, N]
  const lnNoise = tf.mul(isCalibrated, tf.expandDims(params["calibration.lnNoise"]!, 0)); // [B, N]
  return {
    value: tf.add(batch.value!, tf.mul(batch.slope!, shift)), // [B, N]
    sigma: tf.mul(batch.sigma!, tf.exp(lnNoise)), // [B, N]
  };
}

/** One token per group of fields; a group with nothing given is hidden. */
function embedContext(
  config: ModelConfig,
  fields: readonly Field[],
  params: Tensors,
  batch: Tensors,
): { tokens: tf.Tensor; isVisible: tf.Tensor } {
  const groups = tokenGroups(fields, config.bandsPerToken);
  const [b, n] = batch.value!.shape as [number, number];
  const d = config.dModel;
  const g = groups.length;
  const size = Math.max(...groups.map((group) => group.length));
  const slots = groups.flatMap((group) => Array.from({ length: size }, (_, i) => group[i] ?? n)); // n = empty slot
  const { value, sigma } = calibrate(batch, params);
  const features = describeValue(value, sigma, batch.state!); // [B, N, F]
  const padded = tf.concat([features, tf.zeros([b, 1, N_FEATURE])], 1); // [B, N+1, F]
  const index = tf.tensor1d(slots, "int32");
  const inSlots = tf.reshape(tf.gather(padded, index, 1), [b, g, size * N_FEATURE]); // [B, G, gF]
  const weights = tf.concat([params["embed.value"]!, tf.zeros([1, N_FEATURE, d])], 0); // [N+1, F, d]
  const perGroup = tf.reshape(tf.gather(weights, index, 0), [g, size * N_FEATURE, d]); // [G, gF, d]
  const projected = tf.matMul(tf.transpose(inSlots, [1, 0, 2]), perGroup); // [G, B, d]
  const given = tf.slice(tf.sum(tf.reshape(inSlots, [b, g, size, N_FEATURE]), 2), [0, 0, 0], [b, g, 1]); // [B, G, 1]
  const isVisible = tf.cast(tf.greater(given, 0), "float32"); // [B, G, 1]
  const scale = tf.split(batch.scale!, 2, 1); // 2 x [B, 1]
  const scaleFeatures = tf.concat([tf.mul(scale[0]!, scale[1]!), scale[1]!], 1); // [B, 2]
  const first = tf.add(tf.matMul(scaleFeatures as tf.Tensor2D, params["embed.scale"] as tf.Tensor2D), params["embed.null"]!); // [B, d]
  return {
    tokens: tf.concat([tf.expandDims(first, 1), tf.transpose(projected, [1, 0, 2])], 1), // [B, 1+G, d]
    isVisible: tf.concat([tf.ones([b, 1]), tf.reshape(isVisible, [b, g])], 1), // [B, 1+G]
  };
}

/** Query j: its field and, in autoregressive rows, the field and value of target j - 1. */
function embedQueries(params: Tensors, batch: Tensors): tf.Tensor {
  const [b, t] = batch.targetField!.shape as [number, number];
  const shift = (x: tf.Tensor, dtype: "float32" | "int32"): tf.Tensor =>
    tf.concat([tf.zeros([b, 1], dtype), tf.slice(x, [0, 0], [b, t - 1])], 1); // [B, T]
  const isAutoregressive = tf.expandDims(batch.isAutoregressive!, 1); // [B, 1]
  const state = tf.mul(shift(batch.targetState!, "int32"), tf.cast(isAutoregressive, "int32")); // [B, T]
  const field = shift(batch.targetField!, "int32");
  const features = describeValue(shift(batch.targetValue!, "float32"), shift(batch.targetSigma!, "float32"), state); // [B, T, F]
  const lifted = linear(features, params["previous.value"]!); // [B, T, d]
  const isGiven = tf.slice(features, [0, 0, 0], [b, t, 1]); // [B, T, 1]
  const gate = tf.gather(params["previous.gate"]!, field); // [B, T, d]
  const previous = tf.add(tf.mul(lifted, gate), tf.mul(tf.gather(params["previous.field"]!, field), isGiven)); // [B, T, d]
  return tf.add(tf.gather(params["query.field"]!, batch.targetField!), previous); // [B, T, d]
}

/**
 * Who may look at whom, as an additive bias [B, 1, S, S]: context at visible context; a query at visible context and
 * itself; in autoregressive rows also at earlier queries. The objective is this mask and nothing else.
 */
function attentionBias(isVisible: tf.Tensor, isAutoregressive: tf.Tensor, nTarget: number): tf.Tensor {
  const [b, c] = isVisible.shape as [number, number];
  const s = c + nTarget;
  const always = new Float32Array(s * s);
  const ordered = new Float32Array(s * s);
  for (let i = 0; i < s; i++) {
    always.fill(1, i * s, i * s + c);
    if (i < c) continue;
    always[i * s + i] = 1;
    ordered.fill(1, i * s + c, i * s + i);
  }
  const keys = tf.reshape(tf.concat([isVisible, tf.ones([b, nTarget])], 1), [b, 1, s]);
  const causal = tf.mul(tf.reshape(isAutoregressive, [b, 1, 1]), tf.tensor3d(ordered, [1, s, s]));
  const allowed = tf.mul(tf.add(tf.tensor3d(always, [1, s, s]), causal), keys); // [B, S, S]
  return tf.expandDims(tf.mul(tf.sub(allowed, 1), 1e9), 1); // [B, 1, S, S]
}

/** Multi-head attention of the last `nOut` positions of `x` over all of it. */
function attend(config: ModelConfig, x: tf.Tensor, w: Tensors, name: string, bias: tf.Tensor, nOut: number): tf.Tensor {
  const [b, s, d] = x.shape as [number, number, number];
  const h = config.nHead;
  const normed = layerNorm(x, w[`${name}.norm`]!); // [B, S, d]
  const parts = tf.split(linear(normed, w[`${name}.qkv`]!), 3, 2); // 3 x [B, S, d]
  const toHeads = (y: tf.Tensor): tf.Tensor => tf.transpose(tf.reshape(y, [b, -1, h, d / h]), [0, 2, 1, 3]);
  const q = toHeads(nOut === s ? parts[0]! : tf.slice(parts[0]!, [0, s - nOut, 0], [b, nOut, d])); // [B, H, O, dh]
  const k = toHeads(parts[1]!); // [B, H, S, dh]
  const v = toHeads(parts[2]!); // [B, H, S, dh]
  const rows = nOut === s ? bias : tf.slice(bias, [0, 0, s - nOut, 0], [b, 1, nOut, s]);
  const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(d / h)), rows); // [B, H, O, S]
  const mixed = tf.matMul(tf.softmax(scores), v); // [B, H, O, dh]
  return linear(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [b, nOut, d]), w[`${name}.out`]!); // [B, O, d]
}

function feedForward(x: tf.Tensor, w: Tensors, name: string): tf.Tensor {
  const hidden = gelu(linear(layerNorm(x, w[`${name}.norm`]!), w[`${name}.up`]!, w[`${name}.bias`]!)); // [B, S, hidden]
  return linear(hidden, w[`${name}.down`]!); // [B, S, d]
}

/**
 * The network: raw outputs [B, T, width] of the head for every query of the batch (see `tokens/batch.ts`).
 * Pre-norm transformer over [null + scale ; context ; queries]; the last layer computes queries only.
 */
export function forward(config: ModelConfig, fields: readonly Field[], params: Tensors, batch: Tensors): tf.Tensor3D {
  const context = embedContext(config, fields, params, batch);
  const queries = embedQueries(params, batch);
  const [b, t, d] = queries.shape as [number, number, number];
  const bias = attentionBias(context.isVisible, batch.isAutoregressive!, t);
  let x: tf.Tensor = tf.concat([context.tokens, queries], 1); // [B, S, d]
  for (let l = 0; l < config.nLayer; l++) {
    const s = x.shape[1]!;
    const nOut = l === config.nLayer - 1 ? t : s;
    const kept = nOut === s ? x : tf.slice(x, [0, s - nOut, 0], [b, nOut, d]);
    x = tf.add(kept, attend(config, x, params, `layer${l}.attention`, bias, nOut)); // [B, O, d]
    x = tf.add(x, feedForward(x, params, `layer${l}.mlp`)); // [B, O, d]
  }
  const out = linear(layerNorm(x, params["head.norm"]!), params["head.out"]!); // [B, T, width]
  return tf.add(out, tf.gather(params["head.bias"]!, batch.targetField!)) as tf.Tensor3D; // [B, T, width]
}
