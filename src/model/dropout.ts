/** Monte Carlo dropout (Gal & Ghahramani 2016, arXiv:1506.02142): keep-masks are inputs of the graph, not drawn in it. */
import * as tf from "@tensorflow/tfjs-core";
import type { Arrays, NdArray, Signature, Tensors } from "../engine/contract.ts";
import { quickRng, type Rng } from "../random.ts";
import type { NetworkVocabulary } from "./readouts.ts";
import { tokenCounts } from "./spectrum.ts";
import type { ModelConfig } from "./transformer.ts";

/** Hidden units of the trunk's feed-forward layers, and entries of spectra's tokens, of one galaxy. */
const sizesOf = (
  config: ModelConfig,
  vocabulary: Pick<NetworkVocabulary, "fields" | "groups">,
): { hidden: number; tokens: number } => ({
  hidden: config.nLayer * config.nLatent * config.nHidden,
  tokens: tokenCounts(config, vocabulary).reduce((sum, count) => sum + count, 0) * config.dModel,
});

/**
 * Masks of `batch` galaxies: keepHidden [B, nLayer J hidden], keepTokens [B, T d] where spectra are known, each 0 or
 * 1 / (1 - p). Nothing of a network without dropout. A graph that has none of these inputs is the expectation network.
 */
export function maskSignature(
  batch: number,
  config: ModelConfig,
  vocabulary: Pick<NetworkVocabulary, "fields" | "groups">,
): Signature {
  if ((config.dropout ?? 0) === 0) return {};
  const { hidden, tokens } = sizesOf(config, vocabulary);
  const of = (size: number) => ({ dtype: "float32", shape: [batch, size] }) as const;
  return { keepHidden: of(hidden), ...(tokens === 0 ? {} : { keepTokens: of(tokens) }) };
}

/** Writes the masks of the galaxy at place `b` anew. */
export function fillMasks(arrays: Arrays, b: number, config: ModelConfig, rng: Rng): void {
  const { dropout = 0 } = config;
  const stream = quickRng(rng);
  for (const { data, shape } of ["keepHidden", "keepTokens"].flatMap((name) => (name in arrays ? arrays[name] : []))) {
    const size = shape[1];
    for (let i = b * size; i < (b + 1) * size; i++) data[i] = stream.uniform() < dropout ? 0 : 1 / (1 - dropout);
  }
}

/** The masks of a training batch; a pure function of the stream. */
export function drawMasks(
  batch: number,
  config: ModelConfig,
  vocabulary: Pick<NetworkVocabulary, "fields" | "groups">,
  rng: Rng,
): Record<string, NdArray> {
  const signature = Object.entries(maskSignature(batch, config, vocabulary));
  const arrays = Object.fromEntries(
    signature.map(([name, { shape }]): [string, NdArray] => [
      name,
      { dtype: "float32", shape, data: new Float32Array(shape[0] * shape[1]) },
    ]),
  );
  for (let b = 0; b < (signature.length === 0 ? 0 : batch); b++) fillMasks(arrays, b, config, rng);
  return arrays;
}

/** Masks of every layer's hidden units, [B, J, hidden] each; undefined where none are given. */
export function hiddenMasks({ nLayer, nLatent, nHidden }: ModelConfig, batch: Tensors): tf.Tensor[] | undefined {
  const packed = batch.keepHidden as tf.Tensor | undefined;
  return packed && tf.split(packed, nLayer, 1).map((one) => tf.reshape(one, [-1, nLatent, nHidden]));
}
