import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, Engine, NdArray } from "../../src/engine/contract.ts";
import { createLayout, initialise, unpack } from "../../src/model/parameters.ts";
import { decoderSpecs, decodeSpectrum, spectrumLoss } from "../../src/model/spectrum-decoder.ts";
import { modelSchema, parameterSpecs } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { cellInputs, createVocabulary } from "../../src/survey/vocabulary.ts";
import { coderOf } from "../../src/train/config.ts";
import { onnx, plainJs, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { lineCatalog, lineFields } from "../helpers/spectra.ts";
import { distance } from "../helpers/toy.ts";

const [B, CELLS, S] = [3, 8, 6];
const out = { cells: CELLS, rank: 3, hidden: 5, components: 1, templates: 2, redshift: 1, weight: 1 };
const config = modelSchema.parse({ ...tinyModel, spectrum: { channels: [4], kernel: 5, out } });
const vocabulary = createVocabulary(lineFields);
const layout = createLayout(decoderSpecs(config, vocabulary, S));
const flat = initialise(layout, createRng("decoder")).map((x, i) => x + 0.1 * Math.sin(i));
const float = (shape: number[], of: (i: number) => number): NdArray => ({
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => of(i)),
});
const rng = createRng("asked");
const { truth, shift } = cellInputs(0);
/** Galaxy 0 is asked all cells but one, galaxy 1 two of them, galaxy 2 none; the redshift of galaxy 1 is unknown. */
const isAsked = (i: number): boolean => (i < CELLS ? i !== 5 : i < 2 * CELLS ? i % 4 === 1 : false);
const inputs: Record<string, NdArray> = {
  params: { dtype: "float32", shape: [layout.total], data: flat },
  state: float([B, S], () => rng.normal()),
  [truth]: float([B, CELLS, 3], () => 0),
  [shift]: { dtype: "float32", shape: [B], data: Float32Array.of(1.25, -1, 0) },
};
for (let i = 0; i < B * CELLS; i++) {
  const [value, sigma] = [rng.normal(), 0.3 + rng.uniform()];
  if (isAsked(i)) inputs[truth].data.set([value, sigma, 0] as never, 3 * i);
}

/**
 * Errors that are small beside the cells' widths: there the quadrature of the convolution is exact, and so are its gradients,
 * which are those of the integral and not of the quadrature.
 */
const small = { ...inputs, [truth]: { ...inputs[truth], data: inputs[truth].data.map((x) => 0.05 * x) } as NdArray };

async function run(engine: Engine, given: Arrays): Promise<Arrays> {
  const signature = Object.fromEntries(
    Object.entries(given).map(([name, { dtype, shape }]) => [name, { dtype, shape }]),
  );
  const compiled = await engine.compile((x) => {
    const lossOf = (p: tf.Tensor): tf.Scalar =>
      spectrumLoss(config, vocabulary, unpack(p, layout), x.state as tf.Tensor2D, x);
    const { value, grad } = tf.valueAndGrad(lossOf)(x.params);
    const decoded = decodeSpectrum(config, vocabulary, unpack(x.params, layout), x.state as tf.Tensor2D, 0);
    return { loss: value, gradient: grad, ...decoded };
  }, signature);
  return compiled.run(given);
}

const logSoftmax = (x: number[]): number[] => {
  const top = Math.max(...x);
  const total = top + Math.log(x.reduce((sum, one) => sum + Math.exp(one - top), 0));
  return x.map((one) => one - total);
};

describe("the decoder of spectra", () => {
  it("is the same compiled and in plain JavaScript, gradients too", async () => {
    const [ours, theirs] = [await run(await onnx, inputs), await run(await plainJs, inputs)];
    for (const name of ["loss", "raw", "shift"])
      expect(distance(ours[name].data, theirs[name].data)).toBeLessThan(1e-5);
    expect(distance(ours.gradient.data, theirs.gradient.data)).toBeLessThan(1e-4);
  });

  it("has the gradient that finite differences see", async () => {
    const engine = await onnx;
    const gradient = (await run(engine, small)).gradient.data as Float32Array;
    const largest = Math.max(...gradient.map(Math.abs));
    for (const [i, { name }] of layout.specs.entries()) {
      let at = layout.offsets[i];
      const end = layout.offsets[i + 1] ?? layout.total;
      for (let k = at; k < end; k++) if (Math.abs(gradient[k]) > Math.abs(gradient[at])) at = k;
      const lossAt = async (by: number): Promise<number> => {
        const data = flat.map((x, k) => (k === at ? x + by : x));
        return (await run(engine, { ...small, params: { ...small.params, data } })).loss.data[0];
      };
      const numeric = ((await lossAt(2e-3)) - (await lossAt(-2e-3))) / 4e-3;
      expect(Math.abs(gradient[at] - numeric), name).toBeLessThan(0.01 * largest);
    }
  });

  it("has the likelihood of Gaussians with the noise in it, and of redshifts between two shifts", async () => {
    const { loss, raw, shift: logits } = await run(await onnx, small);
    const z = logits.shape[1];
    const expected = Array.from({ length: B }, (_, b) => {
      const terms = Array.from({ length: CELLS }, (_, c) => b * CELLS + c).flatMap((i) => {
        const [value, sigma] = small[truth].data.subarray(3 * i, 3 * i + 2) as Float32Array;
        if (sigma === 0) return [];
        const [, mean, lnWidth] = raw.data.subarray(3 * i, 3 * i + 3) as Float32Array;
        const variance = Math.exp(2 * lnWidth) + sigma ** 2;
        return [0.5 * (Math.log(2 * Math.PI * variance) + (value - mean) ** 2 / variance)];
      });
      const logP = logSoftmax(Array.from(logits.data.subarray(b * z, (b + 1) * z) as Float32Array));
      const located = [-(0.75 * logP[1] + 0.25 * logP[2]), 0, -logP[0]][b];
      return terms.reduce((sum, one) => sum + one, 0) / Math.max(1, terms.length) + 0.1 * located;
    });
    expect(loss.data[0]).toBeCloseTo(
      expected.reduce((sum, one) => sum + one),
      2,
    );
  });

  it("does not see cells that are not asked, bit by bit", async () => {
    const data = (inputs[truth].data as Float32Array).slice();
    for (let i = 0; i < B * CELLS; i++) if (!isAsked(i)) [data[3 * i], data[3 * i + 2]] = [7 - i, 0.9];
    const wild = await run(await onnx, { ...inputs, [truth]: { ...inputs[truth], data } });
    const plain = await run(await onnx, inputs);
    expect(wild.loss.data).toStrictEqual(plain.loss.data);
    expect(wild.gradient.data).toStrictEqual(plain.gradient.data);
  });

  it("moves its templates by whole cells to the red", async () => {
    const name = (part: string): number => layout.specs.findIndex((spec) => spec.name === `decoder.spectrum0.${part}`);
    const only = new Float32Array(layout.total);
    const [template, height, bias] = ["template", "heightBias", "shiftBias"].map((part) => layout.offsets[name(part)]);
    const rows = layout.specs[name("template")].shape[0];
    only[height + 1] = 1; // the first template is the mean
    for (let k = 0; k < rows; k++) only[template + 2 * k] = k + 1;
    for (const moved of [0, 1, 3]) {
      const params = only.slice();
      params[bias + moved] = 60;
      const { raw } = await run(await onnx, { ...inputs, params: { ...inputs.params, data: params } });
      const means = Array.from({ length: CELLS }, (_, c) => raw.data[3 * c + 1]);
      const expected = Array.from({ length: CELLS }, (_, c) => ((c - moved + rows) % rows) + 1);
      expect(distance(means, expected)).toBeLessThan(1e-5);
    }
  });

  it("is not there unless a recipe asks for it", () => {
    const coder = coderOf(startCheckpoint(lineCatalog(20, "plain")).config);
    const names = (spectrum: object): string[] =>
      parameterSpecs(modelSchema.parse({ ...tinyModel, spectrum }), coder).map((spec) => spec.name);
    expect(names({}).some((one) => one.startsWith("decoder."))).toBe(false);
    expect(names({ out: {} }).some((one) => one.startsWith("decoder."))).toBe(true);
  });
});
