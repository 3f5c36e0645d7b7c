import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Tensors } from "../engine/contract.ts";
import { gelu, linear, normalise } from "../engine/ops.ts";
import type { Field, SpectrumGrid } from "../survey/field.ts";
import { N_SPECTRUM_SCALAR, spectrumInputs } from "../survey/vocabulary.ts";
import { correlation, correlationSchema, correlationSpecs } from "./correlation.ts";
import { matrix, type ParameterSpec, table } from "./parameters.ts";
import { convolve, filter, signalOf } from "./pixels.ts";
import type { NetworkVocabulary } from "./readouts.ts";
import { spectrumOutSchema } from "./spectrum-decoder.ts";
import type { Stem, Tokens } from "./stems.ts";
import type { ModelConfig } from "./transformer.ts";

const size = (most: number): z.ZodInt => z.int().positive().max(most);

/** A recipe's `model.spectrum` section: the residual convolutional network that reads spectra. */
export const spectrumSchema = z.strictObject({
  channels: z.array(size(4096)).min(1).max(12).default([16, 32, 64, 96]).describe("channels of each stage"),
  kernel: size(1024).default(11).describe("pixels that a feature of the first stage sees"),
  stride: size(1024).default(4).describe("pixels per place of the first stage"),
  pool: size(1024).default(4).describe("places of one stage per place of the next"),
  blocks: z.int().min(0).max(64).default(1).describe("residual blocks of each stage but the first"),
  tokens: size(4096).default(16).describe("tokens that a spectrum becomes"),
  continuum: z.enum(["kept", "removed"]).default("kept"),
  correlation: correlationSchema
    .optional()
    .describe("templates at rest that spectra are correlated with at every redshift: needs bins of redshift"),
  out: spectrumOutSchema.optional().describe("the decoder that answers spectra; absent: they are read alone"),
});
export type SpectrumConfig = z.output<typeof spectrumSchema>;

/** The section with its defaults, where a recipe says nothing of spectra. */
const spectrumConfig = ({ spectrum }: Pick<ModelConfig, "spectrum">): SpectrumConfig =>
  spectrum ?? spectrumSchema.parse({});

/** A network's shape with what reads spectra written down whole, where it knows any: it does not change with a default. */
export const withSpectra = (config: ModelConfig, fields: readonly Field[]): ModelConfig =>
  fields.some(({ kind }) => kind === "spectrum") ? { ...config, spectrum: spectrumConfig(config) } : config;

/** What a pixel is to the network: flux, flux over error, certainty. */
const N_CHANNEL = 3;
/** Pixels that a feature of a residual block sees. */
const BLOCK_KERNEL = 3;
/** Share of a spectrum over which its continuum is a running mean. */
const CONTINUUM = 1 / 64;

/** Sizes of one spectrum's stages. */
interface Shape {
  /** Places of each stage. */
  readonly lengths: readonly number[];
  readonly tokens: number;
  /** Places of the last stage in a token. */
  readonly perToken: number;
}

function shapeOf(config: SpectrumConfig, pixels: number): Shape {
  const lengths = config.channels.map((_, i) => Math.ceil(pixels / (config.stride * config.pool ** i)));
  const last = lengths[lengths.length - 1];
  const perToken = Math.ceil(last / config.tokens);
  return { lengths, perToken, tokens: Math.ceil(last / perToken) };
}

/** Grids of a vocabulary's spectra, in the order of their group. */
export const gridsOf = ({ fields, groups }: Pick<NetworkVocabulary, "fields" | "groups">): SpectrumGrid[] =>
  Array.from(groups.spectrum, (j) => (fields[j] as Extract<Field, { kind: "spectrum" }>).grid);

/** Tokens of each spectrum. */
export const tokenCounts = (config: ModelConfig, vocabulary: Pick<NetworkVocabulary, "fields" | "groups">): number[] =>
  gridsOf(vocabulary).map(({ pixels }) => shapeOf(spectrumConfig(config), pixels).tokens);

function networkSpecs(config: ModelConfig, pixels: number, name: string): ParameterSpec[] {
  const own = spectrumConfig(config);
  const { channels, blocks, pool } = own;
  const { tokens, perToken } = shapeOf(own, pixels);
  const depth = Math.sqrt(1 / Math.max(1, 2 * blocks * (channels.length - 1)));
  const stages = channels
    .slice(1)
    .flatMap((to, i): ParameterSpec[] => [
      filter(`${name}.${i}.pool`, pool, channels[i], to),
      table(`${name}.${i}.poolBias`, [to]),
      ...Array.from({ length: blocks }, (_, k): ParameterSpec[] => [
        filter(`${name}.${i}.${k}.up`, BLOCK_KERNEL, to, to, Math.SQRT2),
        table(`${name}.${i}.${k}.upBias`, [to]),
        filter(`${name}.${i}.${k}.down`, BLOCK_KERNEL, to, to, depth),
        table(`${name}.${i}.${k}.downBias`, [to]),
      ]).flat(),
    ]);
  return [
    filter(`${name}.first`, own.kernel, N_CHANNEL, channels[0], Math.SQRT2),
    table(`${name}.firstBias`, [channels[0]]),
    ...stages,
    matrix(`${name}.token`, perToken * channels[channels.length - 1], config.dModel),
    table(`${name}.place`, [tokens, config.dModel], 0.3),
  ].map((spec) => ({ ...spec, isHidden: true }));
}

/** Fluxes [B, P] less their running mean over the given pixels: lines and breaks alone. */
function withoutContinuum(flux: tf.Tensor2D, isGiven: tf.Tensor2D): tf.Tensor2D {
  const [batch, pixels] = flux.shape;
  const half = Math.max(1, Math.round(pixels * CONTINUUM));
  /** Sums over 2 half + 1 pixels around each. */
  const around = (x: tf.Tensor2D): tf.Tensor2D => {
    const sums = tf.cumsum(tf.pad(x, [[0, 0], [half + 1, half]]), 1); // prettier-ignore
    const from = (first: number): tf.Tensor2D => tf.slice(sums, [0, first], [batch, pixels]) as tf.Tensor2D;
    return tf.sub(from(2 * half + 1), from(0));
  };
  const mean = tf.div(around(flux), tf.maximum(around(isGiven), 1));
  return tf.mul(tf.sub(flux, mean), isGiven);
}

/** Flux, flux over error and certainty of every pixel, all 0 where it is not given. [B, P, 3] */
function pixelFeatures({ continuum }: SpectrumConfig, flux: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor {
  const isGiven = tf.cast<tf.Tensor2D>(tf.greater<tf.Tensor2D>(weight, 0), "float32");
  const kept = continuum === "kept" ? flux : withoutContinuum(flux, isGiven);
  return tf.stack([kept, ...signalOf(kept, weight)], 2);
}

/** [B, P] fluxes and weights -> [B, T, d]. */
function tokensOf(
  config: ModelConfig,
  params: Tensors,
  name: string,
  flux: tf.Tensor2D,
  weight: tf.Tensor2D,
): tf.Tensor3D {
  const own = spectrumConfig(config);
  const [batch, pixels] = flux.shape;
  const { tokens, perToken, lengths } = shapeOf(own, pixels);
  let x = gelu(convolve(pixelFeatures(own, flux, weight), params, `${name}.first`, own.stride)); // [B, L, C]
  own.channels.slice(1).forEach((_, i) => {
    x = convolve(i === 0 ? x : normalise(x), params, `${name}.${i}.pool`, own.pool);
    for (let k = 0; k < own.blocks; k++) {
      const up = gelu(convolve(normalise(x), params, `${name}.${i}.${k}.up`));
      x = tf.add(x, convolve(up, params, `${name}.${i}.${k}.down`));
    }
  });
  const last = own.channels[own.channels.length - 1];
  const missing = tokens * perToken - lengths[lengths.length - 1];
  const whole = missing === 0 ? normalise(x) : tf.pad(normalise(x), [[0, 0], [0, missing], [0, 0]]); // prettier-ignore
  const grouped = tf.reshape(whole, [batch, tokens, perToken * last]);
  return tf.add(linear(grouped, params[`${name}.token`]), params[`${name}.place`]); // [B, T, d]
}

/** Tokens [B, T, d] of a spectrum, `from` tokens after those of others, less what a mask drops: see `model/dropout.ts`. */
const keptTokens = (tokens: tf.Tensor3D, batch: Tensors, from: number): tf.Tensor3D => {
  const keep = batch.keepTokens as tf.Tensor | undefined;
  if (keep === undefined) return tokens;
  const [b, t, d] = tokens.shape;
  return tf.mul<tf.Tensor3D>(tokens, tf.reshape(tf.slice(keep, [0, from * d], [b, t * d]), [b, t, d]));
};

const nameOf = (s: number): string => `spectrum${s}`;

/**
 * Spectra: a residual convolutional network over the pixels (after M-TOPnet: Ginolfi et al. 2025, A&A 693, A73; layers in
 * the order of He et al. 2016, arXiv:1603.05027) ends in tokens that the latents look at in every layer; what lies where
 * besides adds to the latents directly. Of a galaxy without the spectrum the tokens are not seen and nothing is added.
 */
export const spectrum: Stem = {
  specs(config, vocabulary) {
    const state = config.nLatent * config.dModel;
    const own = spectrumConfig(config);
    return gridsOf(vocabulary).flatMap((grid, s): ParameterSpec[] => {
      const { tokens } = shapeOf(own, grid.pixels);
      return [
        ...networkSpecs(config, grid.pixels, nameOf(s)),
        matrix(`embed.${nameOf(s)}`, tokens * config.dModel, state),
        matrix(`embed.${nameOf(s)}Scalar`, N_SPECTRUM_SCALAR, state, 0.6),
        ...(own.correlation === undefined
          ? []
          : correlationSpecs(own.correlation, grid, `${nameOf(s)}.correlation`, state)),
      ];
    });
  },
  encode(config, vocabulary, params, batch) {
    const grids = gridsOf(vocabulary);
    const tried = spectrumConfig(config).correlation;
    const scalars = tf.split<tf.Tensor2D>(batch.spectrumScalar, grids.length, 1);
    let before = 0;
    const parts = scalars.map((scalar, s) => {
      const inputs = spectrumInputs(s);
      const [flux, weight] = [batch[inputs.flux] as tf.Tensor2D, batch[inputs.weight] as tf.Tensor2D];
      const all = tokensOf(config, params, nameOf(s), flux, weight);
      const tokens = keptTokens(all, batch, before);
      before += all.shape[1];
      const isGiven = tf.slice(scalar, [0, 0], [scalar.shape[0], 1]); // [B, 1]
      const [b, t, d] = tokens.shape;
      const direct = linear(tf.reshape(tokens, [b, t * d]), params[`embed.${nameOf(s)}`]); // [B, J d]
      const beside = linear(scalar, params[`embed.${nameOf(s)}Scalar`]); // [B, J d]
      const found = tried && correlation(tried, grids[s], params, `${nameOf(s)}.correlation`, flux, weight);
      const said = [direct, beside, ...(found === undefined ? [] : [found.latents])];
      const bias = tf.tile(tf.mul(tf.sub(isGiven, 1), 1e9), [1, t]); // [B, T]
      return {
        latents: tf.mul<tf.Tensor2D>(tf.addN(said), isGiven),
        tokens: { tokens, bias },
        lags: found && tf.mul<tf.Tensor2D>(found.lags, isGiven),
      };
    });
    const [first, ...others] = parts.map(({ latents }) => latents);
    const lags = parts.flatMap((part) => part.lags ?? []);
    return {
      latents: others.reduce((sum, more) => tf.add(sum, more), first),
      tokens: join(parts.map((part) => part.tokens)),
      ...(lags.length === 0 ? {} : { lags: tf.concat(lags, 1) }),
    };
  },
};

const join = (all: readonly Tokens[]): Tokens =>
  all.length === 1
    ? all[0]
    : {
        tokens: tf.concat(
          all.map(({ tokens }) => tokens),
          1,
        ),
        bias: tf.concat(
          all.map(({ bias }) => bias),
          1,
        ),
      };
