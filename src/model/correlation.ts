import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import type { Tensors } from "../engine/contract.ts";
import { BLOCK, correlate } from "../engine/correlate.ts";
import { gelu, linear } from "../engine/ops.ts";
import type { SpectrumGrid } from "../survey/field.ts";
import type { Lags } from "./lags.ts";
import { convolve, filter, signalOf } from "./pixels.ts";
import { matrix, type ParameterSpec, table } from "./parameters.ts";

const size = (most: number): z.ZodInt => z.int().positive().max(most);
const redshift = z.number().gt(-0.5).max(20);

/** A recipe's `model.spectrum.correlation` section: templates at rest that spectra are correlated with at every redshift. */
export const correlationSchema = z
  .strictObject({
    from: redshift.describe("least redshift that is tried"),
    to: redshift.describe("largest one"),
    stride: size(256).default(8).describe("pixels between redshifts that are tried"),
    channels: size(64).default(4).describe("numbers that describe a place of the spectrum"),
    templates: size(64).default(8).describe("templates at rest, learned"),
  })
  .refine(({ from, to }) => from < to, "expected from below to");
export type CorrelationConfig = z.output<typeof correlationSchema>;

/** Lags of a node at which the network is told how likely they are. */
const PER_NODE = 8;
/** Channels of the filter over pixels, and of the one over lags. */
const [N_FIRST, N_PEAK] = [16, 16];
/** Lags that the filter over lags sees. */
const PEAK_KERNEL = 5;
/** Pixels of a block of the continuum, and how many blocks wide it is smoothed (one sigma). */
const [CONTINUUM_BLOCK, CONTINUUM_WIDTH] = [16, 6];
/** Amplitude over error counts no more than this for the continuum: bright rows don't let an arm decide. */
const MOST_WEIGHT = 30;
/** Learned numbers of templates are this many times their weights, so that thousands of them learn at a network's pace. */
const PACE = 0.05;

/** The redshifts that a section tries on a grid of wavelengths. */
export function lagsOf({ from, to, stride }: CorrelationConfig, grid: SpectrumGrid): Lags {
  const step = (stride * Math.log(grid.to / grid.from)) / (grid.pixels - 1);
  return { first: Math.log1p(from), step, count: Math.floor(Math.log((1 + to) / (1 + from)) / step + 1e-9) + 1 };
}

const blocksOf = (count: number): number => Math.ceil(count / BLOCK);

/** Numbers of a spectrum's correlation that its latent tokens are told. */
const toldOf = ({ templates }: CorrelationConfig, { count }: Lags): number =>
  1 + templates + (blocksOf(count) * BLOCK) / PER_NODE;

/** Parameters of the correlation of one spectrum; `state`: numbers of all latent tokens. */
export function correlationSpecs(
  config: CorrelationConfig,
  grid: SpectrumGrid,
  name: string,
  state: number,
): ParameterSpec[] {
  const lags = lagsOf(config, grid);
  const { stride, channels, templates } = config;
  const places = (blocksOf(grid.pixels / stride) + blocksOf(lags.count)) * BLOCK - 1;
  return [
    filter(`${name}.first`, 2 * stride, 2, N_FIRST, Math.SQRT2),
    table(`${name}.firstBias`, [N_FIRST]),
    filter(`${name}.mix`, 1, N_FIRST, channels),
    { ...table(`${name}.templates`, [places, channels, templates], 0.1), isDecayed: true },
    filter(`${name}.peak`, PEAK_KERNEL, templates, N_PEAK, Math.SQRT2),
    table(`${name}.peakBias`, [N_PEAK]),
    filter(`${name}.height`, 1, N_PEAK + templates, 1),
    { ...matrix(`${name}.embed`, toldOf(config, lags), state), isHidden: false },
  ].map((spec) => ({ isHidden: true, ...spec }));
}

/** x [B, n] with zeros behind, so that n is a multiple of `of`. */
function padded(x: tf.Tensor2D, of: number): tf.Tensor2D {
  const missing = (of - (x.shape[1] % of)) % of;
  return missing === 0 ? x : tf.pad(x, [[0, 0], [0, missing]]); // prettier-ignore
}

/** Fluxes [B, P] less a smooth curve through them, the inverse variances as weights: lines and breaks alone. */
function withoutContinuum(flux: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D {
  const [batch, pixels] = flux.shape;
  const ivar = tf.square(tf.minimum<tf.Tensor2D>(weight, MOST_WEIGHT));
  const reach = 3 * CONTINUUM_WIDTH;
  const bell = Float32Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - reach) / CONTINUUM_WIDTH) ** 2),
  );
  const kernel = tf.tensor3d(bell, [bell.length, 1, 1]);
  /** Smooth sums of blocks, [B, blocks, 1]. */
  const smooth = (x: tf.Tensor2D): tf.Tensor3D => {
    const whole = padded(x, CONTINUUM_BLOCK);
    const blocks = tf.sum<tf.Tensor3D>(tf.reshape(whole, [batch, -1, CONTINUUM_BLOCK]), 2, true);
    return tf.conv1d(blocks, kernel, 1, "same");
  };
  const level = tf.div(smooth(tf.mul<tf.Tensor2D>(flux, ivar)), tf.add(smooth(ivar), 1e-6)); // [B, blocks, 1]
  const everywhere = tf.reshape(tf.tile(level, [1, 1, CONTINUUM_BLOCK]), [batch, -1]);
  return tf.sub<tf.Tensor2D>(flux, tf.slice(everywhere, [0, 0], [batch, pixels]));
}

/** What a spectrum says of its redshift, and of itself once that is known. */
export interface Correlated {
  /** [B, count] ln of how likely each lag is, but for a constant. */
  readonly lags: tf.Tensor2D;
  /** [B, J d] What it adds to the latent tokens. */
  readonly latents: tf.Tensor2D;
}

/** Shares enter as ROOT sqrt(share + FAINT). */
const [ROOT, FAINT] = [3, 1e-6];

/**
 * The redshift of a spectrum [B, P] (fluxes and amplitude over error; 0 where not given) by correlation with templates at
 * rest (Tonry & Davis 1979, AJ 84, 1511), which are learned: lines and breaks are known at every redshift once they are
 * known at one. Lags that are likely together say what the templates find there.
 */
export function correlation(
  config: CorrelationConfig,
  grid: SpectrumGrid,
  params: Tensors,
  name: string,
  flux: tf.Tensor2D,
  weight: tf.Tensor2D,
): Correlated {
  const { count } = lagsOf(config, grid);
  const batch = flux.shape[0];
  const { channels, stride } = config;
  const nLagBlock = blocksOf(count);
  const nLag = nLagBlock * BLOCK;
  const places = blocksOf(grid.pixels / stride) * BLOCK;
  const features = tf.stack(signalOf(withoutContinuum(flux, weight), weight), 2); // [B, P, 2]
  const first = gelu(convolve(features, params, `${name}.first`, stride));
  const mixed = convolve(first, params, `${name}.mix`); // [B, L, C]
  const x = tf.reshape(padded(tf.reshape(mixed, [batch, -1]), places * channels), [batch, places, channels]);
  const template = tf.mul<tf.Tensor3D>(params[`${name}.templates`], PACE);
  const score = correlate(x as tf.Tensor3D, template); // [B, lags, H]
  const peaks = gelu(convolve(score, params, `${name}.peak`)); // [B, lags, N_PEAK]
  const height = tf.reshape(convolve(tf.concat([peaks, score], 2), params, `${name}.height`), [batch, nLag]);
  const isBeyond = Float32Array.from({ length: nLag }, (_, i) => (i < count ? 0 : -1e9));
  const share = tf.softmax(tf.add(height, tf.tensor2d(isBeyond, [1, nLag]))); // [B, lags]
  const nodes = tf.sum(tf.reshape(share, [batch, nLag / PER_NODE, PER_NODE]), 2); // [B, nodes]
  const found = tf.reshape(tf.matMul(tf.reshape(share, [batch, 1, nLag]), score), [batch, -1]); // [B, H]
  const purity = tf.sum(tf.square(share), 1, true);
  const told = tf.concat(
    [tf.log(tf.add(purity, FAINT)), tf.asinh(found), tf.mul(tf.sqrt(tf.add(nodes, FAINT)), ROOT)],
    1,
  );
  return {
    lags: tf.slice(height, [0, 0], [batch, count]) as tf.Tensor2D,
    latents: linear(told, params[`${name}.embed`]) as tf.Tensor2D,
  };
}
