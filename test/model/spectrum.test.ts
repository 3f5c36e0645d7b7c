import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, Engine, NdArray } from "../../src/engine/contract.ts";
import { initialise, createLayout, unpack } from "../../src/model/parameters.ts";
import { encode, modelSchema, parameterSpecs } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import type { Field } from "../../src/survey/field.ts";
import { emptyArrays } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { coderOf } from "../../src/train/config.ts";
import { onnx, perturb, plainJs, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { lineCatalog, lineFields } from "../helpers/spectra.ts";
import { distance } from "../helpers/toy.ts";

const B = 4;
/** A second spectrum, of another length: 75 pixels, no multiple of any stride. */
const second: Field = {
  ...(lineFields[3] as Extract<Field, { kind: "spectrum" }>),
  id: 4,
  name: "other",
  shape: [75],
  grid: { from: 9000, to: 11_000, pixels: 75 },
};

/** The toy galaxies with a second spectrum of noise. */
function withSecond(plain: Catalog): Catalog {
  const rng = createRng("second");
  const both = emptyCatalog([...lineFields, second], plain.rowCount);
  for (let row = 0; row < plain.rowCount; row++) {
    both.value.set(plain.value.subarray(row * 4, row * 4 + 4), row * 5);
    both.error.set(plain.error.subarray(row * 4, row * 4 + 4), row * 5);
    both.state.fill(1, row * 5, row * 5 + 5);
  }
  both.arrays!.get("spectrum")!.value.set(plain.arrays!.get("spectrum")!.value);
  both.arrays!.get("spectrum")!.ivar.set(plain.arrays!.get("spectrum")!.ivar);
  const { value, ivar } = both.arrays!.get("other")!;
  for (let i = 0; i < value.length; i++) value[i] = 3 + rng.normal();
  ivar.fill(1);
  return both;
}

const inBins = { heads: { redshift: { head: "histogram", from: 0, to: 0.8, bins: 12 } } };
const tried = { correlation: { from: 0, to: 0.8, stride: 2, channels: 3, templates: 2 } };
const small = { channels: [4, 6], kernel: 5, stride: 3, pool: 2, tokens: 5 } as const;
const catalog = withSecond(lineCatalog(40, "model"));

function setUp(changes: object = {}, spectrum: object = {}) {
  const model = modelSchema.parse({ ...tinyModel, ...changes, spectrum: { ...small, ...spectrum } });
  const checkpoint = perturb(startCheckpoint(catalog, { model }), 0.1);
  const coder = coderOf(checkpoint.config);
  const inputs = (isContext: readonly number[], galaxies = catalog): Record<string, NdArray> => {
    const arrays = emptyArrays(contextSignature(B, coder));
    for (let row = 0; row < B; row++) {
      fillContext(arrays, row, coder, { catalog: galaxies, row, isContext: Uint8Array.from(isContext) });
    }
    return arrays;
  };
  const states = async (engine: Engine, given: Arrays, wantsGradient = false): Promise<Arrays> => {
    const state = (batch: Record<string, tf.Tensor>, flat: tf.Tensor): tf.Tensor2D =>
      encode(model, coder, unpack(flat, checkpoint.layout), batch, false);
    const compiled = await engine.compile(
      (batch) => {
        const flat = tf.tensor1d(checkpoint.state.params);
        if (!wantsGradient) return { state: state(batch, flat) };
        const score = (x: tf.Tensor): tf.Scalar => {
          const y = state(batch, x);
          return tf.sum(tf.mul(y, tf.reshape(tf.sin(tf.range(0, y.size)), y.shape)));
        };
        return { gradient: tf.grad(score)(flat) };
      },
      contextSignature(B, coder),
    );
    return compiled.run(given);
  };
  return { checkpoint, inputs, states };
}

describe("the network of spectra", () => {
  it.each([
    ["as it is", {}, {}],
    ["with one latent token", { nLatent: 1 }, {}],
    ["without continuum, two blocks", {}, { continuum: "removed", blocks: 2 }],
    ["of one stage", {}, { channels: [3] }],
    ["correlated with templates", inBins, tried],
  ])("says on ONNX Runtime what it says in plain JavaScript, gradients too: %s", async (_, model, spectrum) => {
    const { inputs, states } = setUp(model, spectrum);
    const given = inputs([1, 0, 0, 1, 1]);
    for (const wantsGradient of [false, true]) {
      const name = wantsGradient ? "gradient" : "state";
      const [ours, theirs] = [
        await states(await onnx, given, wantsGradient),
        await states(await plainJs, given, wantsGradient),
      ];
      expect(distance(ours[name].data, theirs[name].data)).toBeLessThan(wantsGradient ? 3e-4 : 3e-5);
    }
  });

  it.each([
    ["as it is", {}, {}],
    ["correlated with templates", inBins, tried],
  ])("does not see the flux of pixels that are not observed: %s", async (_, model, spectrum) => {
    const { inputs, states } = setUp(model, spectrum);
    const wild = new Map(
      [...catalog.arrays!].map(([name, column]) => [
        name,
        { ...column, value: column.value.map((x, i) => (column.ivar[i] === 0 ? NaN : x)) },
      ]),
    );
    const [plain, other] = [inputs([1, 1, 0, 1, 1]), inputs([1, 1, 0, 1, 1], { ...catalog, arrays: wild })];
    expect(catalog.arrays!.get("spectrum")!.ivar.subarray(0, 256)).toContain(0);
    expect((await states(await onnx, other)).state.data).toStrictEqual((await states(await onnx, plain)).state.data);
  });

  it.each([
    ["as it is", {}, {}],
    ["correlated with templates", inBins, tried],
  ])("does not see a spectrum that is hidden, and sees one that is given: %s", async (_, model, spectrum) => {
    const { inputs, states } = setUp(model, spectrum);
    const shifted = new Map(
      [...catalog.arrays!].map(([name, one]) => [name, { ...one, value: one.value.map((x) => x + 50) }]),
    );
    const engine = await onnx;
    const of = async (isContext: readonly number[], galaxies: Catalog): Promise<NdArray["data"]> =>
      (await states(engine, inputs(isContext, galaxies))).state.data;
    const hidden = await of([1, 1, 0, 0, 0], catalog);
    expect(await of([1, 1, 0, 0, 0], { ...catalog, arrays: shifted })).toStrictEqual(hidden);
    const given = await of([1, 1, 0, 1, 0], catalog);
    expect(distance(given, hidden)).toBeGreaterThan(0.01);
    expect(distance(await of([1, 1, 0, 1, 0], { ...catalog, arrays: shifted }), given)).toBeGreaterThan(0.01);
    expect(distance(await of([1, 1, 0, 1, 1], catalog), given)).toBeGreaterThan(0.01);
  });

  it("is like the network without spectra where none is given", async () => {
    const { checkpoint, inputs, states } = setUp();
    const fields = lineFields.slice(0, 3);
    const bare = emptyCatalog(fields, 40);
    for (let row = 0; row < 40; row++) {
      bare.value.set(catalog.value.subarray(row * 5, row * 5 + 3), row * 3);
      bare.error.set(catalog.error.subarray(row * 5, row * 5 + 3), row * 3);
    }
    bare.state.fill(1);
    const plain = coderOf(startCheckpoint(bare).config);
    const layout = createLayout(parameterSpecs(tinyModel, plain));
    const flat = initialise(layout, createRng("none"));
    layout.specs.forEach(({ name, shape }, i) => {
      const k = checkpoint.layout.specs.findIndex((spec) => spec.name === name);
      const size = shape.reduce((a, b) => a * b, 1);
      if (k >= 0 && checkpoint.layout.specs[k].shape.join() === shape.join()) {
        const from = checkpoint.layout.offsets[k];
        flat.set(checkpoint.state.params.subarray(from, from + size), layout.offsets[i]);
      }
    });
    const arrays = emptyArrays(contextSignature(B, plain));
    for (let row = 0; row < B; row++)
      fillContext(arrays, row, plain, { catalog: bare, row, isContext: Uint8Array.of(1, 1, 0) });
    const compiled = await (
      await onnx
    ).compile(
      (batch) => ({ state: encode(tinyModel, plain, unpack(tf.tensor1d(flat), layout), batch, false) }),
      contextSignature(B, plain),
    );
    const without = (await compiled.run(arrays)).state.data;
    const withSpectra = (await states(await onnx, inputs([1, 1, 0, 0, 0]))).state.data;
    expect(distance(withSpectra, without)).toBeLessThan(1e-5);
  });
});
