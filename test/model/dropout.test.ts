import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, NdArray } from "../../src/engine/contract.ts";
import { linear } from "../../src/engine/ops.ts";
import { drawMasks, maskSignature } from "../../src/model/dropout.ts";
import { unpack } from "../../src/model/parameters.ts";
import { encode, modelSchema, parameterSpecs } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { emptyArrays } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { coderOf } from "../../src/train/config.ts";
import { onnx, perturb, plainJs, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { lineCatalog } from "../helpers/spectra.ts";
import { distance } from "../helpers/toy.ts";

const B = 4;
const p = 0.25;
const plain = {
  ...tinyModel,
  nLayer: 2,
  spectrum: { channels: [4, 6], kernel: 5, stride: 3, pool: 2, tokens: 5 },
};
const model = modelSchema.parse({ ...plain, dropout: p });
const catalog = lineCatalog(40, "dropout");
const checkpoint = perturb(startCheckpoint(catalog, { model }), 0.1);
const coder = coderOf(checkpoint.config);
const masks = maskSignature(B, model, coder);

function given(isSpectrum = true): Record<string, NdArray> {
  const arrays = emptyArrays(contextSignature(B, coder));
  const isContext = Uint8Array.of(1, 1, 0, Number(isSpectrum));
  for (let row = 0; row < B; row++) fillContext(arrays, row, coder, { catalog, row, isContext });
  return arrays;
}

async function states(inputs: Arrays, engine = onnx): Promise<Float32Array> {
  const signature = { ...contextSignature(B, coder), ...("keepHidden" in inputs ? masks : {}) };
  const compiled = await (
    await engine
  ).compile(
    (batch) => ({
      state: encode(model, coder, unpack(tf.tensor1d(checkpoint.state.params), checkpoint.layout), batch, false),
    }),
    signature,
  );
  return (await compiled.run(inputs)).state.data as Float32Array;
}

const filled = (value: number): Record<string, NdArray> => {
  const arrays = emptyArrays(masks);
  for (const { data } of Object.values(arrays)) data.fill(value);
  return arrays;
};

describe("dropout", () => {
  it("has no parameters, and no masks where a recipe has none", () => {
    expect(parameterSpecs(model, coder)).toEqual(parameterSpecs(modelSchema.parse(plain), coder));
    expect(maskSignature(B, modelSchema.parse(plain), coder)).toEqual({});
    expect(drawMasks(B, modelSchema.parse({ ...plain, dropout: 0 }), coder, createRng("none"))).toEqual({});
    expect(Object.fromEntries(Object.entries(masks).map(([name, { shape }]) => [name, shape]))).toEqual({
      keepHidden: [B, 2 * 2 * 12], // layers, latent tokens, hidden units
      keepTokens: [B, 5 * 8], // tokens, width
    });
  });

  it("with masks of ones is the network without, bit by bit; others change every galaxy's state alone", async () => {
    const whole = await states(given());
    expect(await states({ ...given(), ...filled(1) })).toStrictEqual(whole);
    const size = whole.length / B;
    for (const name of ["keepHidden", "keepTokens"]) {
      const some = filled(1);
      const width = some[name].shape[1];
      some[name].data.fill(0, width, width + 3); // of the second galaxy
      const changed = await states({ ...given(), ...some });
      const isSame = Array.from({ length: B }, (_, b) =>
        [...changed.subarray(b * size, (b + 1) * size)].every((x, i) => x === whole[b * size + i]),
      );
      expect(isSame, name).toEqual([true, false, true, true]);
    }
  });

  it("without any token does not see pixels", async () => {
    const blind = filled(1);
    blind.keepTokens.data.fill(0);
    const other = given();
    other.spectrum0.data.fill(0.3);
    expect(await states({ ...other, ...blind })).toStrictEqual(await states({ ...given(), ...blind }));
    expect(await states({ ...other, ...filled(1) })).not.toStrictEqual(await states(given()));
  });

  it("is the same in plain JavaScript", async () => {
    const some = drawMasks(B, model, coder, createRng("some"));
    const both = { ...given(), ...some };
    expect(distance(await states(both), await states(both, plainJs))).toBeLessThan(1e-4);
  });

  it("drops the share that it says, and in the mean over masks leaves a linear layer what it is", async () => {
    const draws = 4000;
    const { keepHidden } = drawMasks(draws, model, coder, createRng("many"));
    const kept = keepHidden.data as Float32Array;
    expect(new Set(kept)).toEqual(new Set([0, Math.fround(1 / (1 - p))]));
    const dropped = kept.reduce((count, x) => count + Number(x === 0), 0) / kept.length;
    expect(Math.abs(dropped - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / kept.length));
    const width = keepHidden.shape[1];
    const rng = createRng("layer");
    const [h, w] = [width, 3 * width].map((count) => Float32Array.from({ length: count }, () => rng.normal()));
    const layer = (x: tf.Tensor): tf.Tensor => linear(x, tf.tensor2d(w, [width, 3]));
    const compiled = await (
      await onnx
    ).compile(
      ({ keep }) => ({
        mean: tf.mean(layer(tf.mul(tf.tensor2d(h, [1, width]), keep)), 0),
        plain: layer(tf.tensor2d(h, [1, width])),
      }),
      { keep: { dtype: "float32", shape: [draws, width] } },
    );
    const out = await compiled.run({ keep: keepHidden });
    for (let k = 0; k < 3; k++) {
      // variance of a sum of independent w h m, m of variance p / (1 - p)
      const variance = h.reduce((sum, x, i) => sum + (x * w[3 * i + k]) ** 2, 0) * (p / (1 - p));
      expect(Math.abs(out.mean.data[k] - out.plain.data[k])).toBeLessThan(5 * Math.sqrt(variance / draws));
    }
  });
});
