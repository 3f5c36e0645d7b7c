import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, Compiled, NdArray, Tensors } from "../../src/engine/contract.ts";
import { marginals, marginalsAt } from "../../src/model/marginals.ts";
import { createLayout, initialise, unpack } from "../../src/model/parameters.ts";
import { conditionals, encode, parameterSpecs, readoutsOf } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { type BatchShape, drawBatch, orderSignature } from "../../src/tokens/batch.ts";
import { contextSignature } from "../../src/tokens/hosts.ts";
import { subsetSchema } from "../../src/tokens/subset.ts";
import { coderOf } from "../../src/train/config.ts";
import { onnx, perturb, plainJs, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { distance, sourceOf, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const n = toyFields.length;
const B = 6;
const T = 4;
const catalog = toyCatalog(200);
const checkpoint = perturb(startCheckpoint(catalog, { isCalibrated: true }));
const { config, layout, state } = checkpoint;
const coder = coderOf(config);
const shape: BatchShape = { nFull: 0, nMasked: 0, nOrdered: B, nTarget: T, hasFilterDropout: false };
const subsets = subsetSchema.parse({ fullShare: 0, autoregressiveShare: 1 });

/** Contexts of B galaxies and their ordered queries. */
function drawInputs(seed: string): Record<string, NdArray> {
  const batch = drawBatch(coder, [sourceOf(catalog, { isCalibrated: true })], subsets, shape, createRng(seed));
  const names = Object.keys({ ...contextSignature(B, coder), ...orderSignature(B, T) });
  return Object.fromEntries(names.map((name) => [name, batch[name]]));
}

const inputs = drawInputs("inputs");

/** Marginals [B, N, width] of every field, and conditionals [B, T, width] of the ordered queries. */
function network(batchTensors: Tensors): Tensors {
  const params = unpack(tf.tensor1d(state.params), layout);
  const known = encode(config.model, coder, params, batchTensors, true);
  const [{ readouts, suffix }] = readoutsOf(config.model, coder);
  const both = tf.concat<tf.Tensor3D>(
    readouts.map((readout) => marginals(coder, params, known, readout)),
    1,
  );
  const picked = tf.oneHot(tf.cast(batchTensors.targetField, "int32"), n) as tf.Tensor3D;
  const raw = tf.matMul<tf.Tensor3D>(picked, both);
  const [ordered] = conditionals(config.model, coder, params, known, [{ suffix, raw }], batchTensors);
  return { marginal: both, ordered: ordered.raw };
}

const compiled: Promise<Compiled> = onnx.then((engine) =>
  engine.compile((x) => network(x), { ...contextSignature(B, coder), ...orderSignature(B, T) }),
);
const run = async (changes: Arrays = {}): Promise<Arrays> => (await compiled).run({ ...inputs, ...changes });

/** A copy of an input with some elements changed. */
function changed(name: string, change: (old: number, at: number) => number): Arrays {
  const { dtype, shape: size, data } = inputs[name];
  return { [name]: { dtype, shape: size, data: (data as Float32Array).map(change) } };
}

/** The part of an output that belongs to galaxy `b`. */
function galaxy({ data, shape: [count] }: NdArray, b: number): Float32Array | Int32Array {
  const size = data.length / count;
  return data.subarray(b * size, (b + 1) * size);
}

describe("an untrained network", () => {
  it("is a function of its seed", () => {
    const specs = parameterSpecs(tinyModel, coder);
    const one = createLayout(specs);
    expect(initialise(one, createRng("7"))).toStrictEqual(initialise(createLayout(specs), createRng("7")));
    expect(initialise(one, createRng("7"))).not.toStrictEqual(initialise(one, createRng("8")));
    expect(new Set(one.specs.map(({ name }) => name)).size).toBe(one.specs.length);
  });

  it("lays decayed parameters before the others without a gap", () => {
    let end = 0;
    layout.specs.forEach(({ isDecayed, shape: size }, i) => {
      expect(layout.offsets[i]).toBe(end);
      expect(isDecayed).toBe(end < layout.decayed);
      end += size.reduce((a, b) => a * b, 1);
    });
    expect(end).toBe(layout.total);
  });
});

describe("the network", () => {
  it("says the same compiled and on the pure-JS backend", async () => {
    const eager = await (
      await plainJs
    ).compile((x) => network(x), { ...contextSignature(B, coder), ...orderSignature(B, T) });
    const [a, b] = [await run(), await eager.run(inputs)];
    for (const name of ["marginal", "ordered"]) expect(distance(a[name].data, b[name].data)).toBeLessThan(1e-4);
  });

  it("doesn't see the value, error or slope of what isn't given", async () => {
    const base = await run();
    const isGiven = inputs.state.data.map((s) => Number(s > 0));
    expect(isGiven.some((flag) => flag === 0) && isGiven.some((flag) => flag === 1)).toBe(true);
    for (const name of ["value", "sigma", "doubt", "slope"]) {
      const other = await run(changed(name, (old, at) => (isGiven[at] === 0 ? 3 : old)));
      for (const output of ["marginal", "ordered"]) expect(other[output].data).toStrictEqual(base[output].data);
    }
  });

  it("sees the value, error and state of every given field, and the scale", async () => {
    const base = await run();
    for (let j = 0; j < n; j++) {
      const b = Array.from({ length: B }, (_, i) => i).find((i) => inputs.state.data[i * n + j] > 0);
      if (b === undefined) continue;
      const at = b * n + j;
      // an error enters as what it is and as its logarithm
      for (const names of [["value"], ["sigma", "doubt"]]) {
        const moved = names.map((name) => changed(name, (old, i) => (i === at ? old + 0.5 : old)));
        const other = await run(Object.assign({}, ...moved) as Arrays);
        expect(distance(galaxy(other.marginal, b), galaxy(base.marginal, b))).toBeGreaterThan(1e-4);
      }
      const other = await run(changed("state", (old, i) => (i === at ? (old === 3 ? 2 : 3) : old)));
      expect(distance(galaxy(other.marginal, b), galaxy(base.marginal, b))).toBeGreaterThan(1e-4);
    }
    const brighter = await run(changed("scale", (old, i) => (i % 2 === 0 ? old + 0.5 : old)));
    for (let b = 0; b < B; b++) {
      const hasScale = inputs.scale.data[2 * b + 1] === 1;
      expect(distance(galaxy(brighter.marginal, b), galaxy(base.marginal, b)) > 1e-4).toBe(hasScale);
    }
  });

  it("answers each galaxy alone: neighbours in the batch and padding change nothing", async () => {
    const base = await run();
    const strangers = drawInputs("strangers");
    const empty = Object.fromEntries(
      Object.entries(inputs).map(([name, x]) => [name, { ...x, data: x.data.map(() => 0) }]),
    );
    for (const others of [strangers, empty]) {
      const mixed = Object.fromEntries(
        Object.entries(inputs).map(([name, { dtype, shape: size, data }]) => {
          const each = data.length / B;
          const from = others[name].data;
          return [
            name,
            { dtype, shape: size, data: (data as Float32Array).map((x, i) => (i < 2 * each ? x : from[i])) },
          ];
        }),
      );
      const answers = await run(mixed);
      for (const output of ["marginal", "ordered"]) {
        for (const b of [0, 1])
          expect(distance(galaxy(answers[output], b), galaxy(base[output], b))).toBeLessThan(1e-5);
        const moved = [2, 3, 4, 5].map((b) => distance(galaxy(answers[output], b), galaxy(base[output], b)));
        expect(Math.max(...moved)).toBeGreaterThan(1e-3);
      }
    }
  });
});

describe("an ordered query", () => {
  const width = (outputs: Arrays): number => outputs.ordered.shape[2];
  /** Answers to query `t` of all galaxies. */
  const query = (outputs: Arrays, t: number): number[] =>
    Array.from({ length: B }, (_, b) => {
      const start = (b * T + t) * width(outputs);
      return [...outputs.ordered.data.subarray(start, start + width(outputs))];
    }).flat();

  it("doesn't depend on its own value or later ones, and does on each earlier one", async () => {
    const base = await run();
    for (let t = 0; t < T; t++) {
      const other = await run(changed("targetValue", (old, at) => (at % T === t ? old + 1 : old)));
      for (let q = 0; q < T; q++) {
        const moved = distance(query(other, q), query(base, q));
        if (q <= t) expect(moved).toBeLessThan(1e-6);
        else expect(moved).toBeGreaterThan(1e-3);
      }
    }
  });

  it("doesn't depend on which fields are asked later", async () => {
    const base = await run();
    for (let t = 1; t < T; t++) {
      const other = await run(changed("targetField", (old, at) => (at % T >= t ? (old + 1) % n : old)));
      for (let q = 0; q < t; q++) expect(distance(query(other, q), query(base, q))).toBeLessThan(1e-6);
      expect(distance(query(other, t), query(base, t))).toBeGreaterThan(1e-3);
    }
  });

  it("depends on the context", async () => {
    const base = await run();
    const other = await run(changed("value", (old, at) => (inputs.state.data[at] > 0 ? old + 0.5 : old)));
    for (let q = 0; q < T; q++) expect(distance(query(other, q), query(base, q))).toBeGreaterThan(1e-3);
  });
});

describe("zero-points", () => {
  it("shift the values and widen the errors of calibrated rows only", async () => {
    const base = await run();
    const params = state.params;
    const offset = (name: string): number => layout.offsets[layout.specs.findIndex((spec) => spec.name === name)];
    const isGiven = (at: number): boolean => inputs.state.data[at] > 0;
    const lnFlux = (j: number): number => params[offset("calibration.lnFlux") + j];
    const lnNoise = (j: number): number => params[offset("calibration.lnNoise") + j];
    const byHand = await run({
      ...changed("isCalibrated", () => 0),
      ...changed("value", (old, at) => (isGiven(at) ? old + inputs.slope.data[at] * lnFlux(at % n) : old)),
      ...changed("sigma", (old, at) => (isGiven(at) ? old * Math.exp(lnNoise(at % n)) : old)),
    });
    expect(distance(byHand.marginal.data, base.marginal.data)).toBeLessThan(1e-5);
    const without = await run(changed("isCalibrated", () => 0));
    expect(distance(without.marginal.data, base.marginal.data)).toBeGreaterThan(1e-3);
  });
});

describe("a vocabulary without bands", () => {
  it("has a network too", async () => {
    const fields = toyFields.slice(toyBands);
    const size = fields.length;
    const few = toyCatalog(50);
    const cut = (x: Float32Array): Float32Array => x.filter((_, at) => at % n >= toyBands);
    const properties = {
      ...few,
      fields,
      value: cut(few.value),
      error: cut(few.error),
      state: few.state.filter((_, at) => at % n >= toyBands),
    };
    const bare = startCheckpoint(properties);
    const own = coderOf(bare.config);
    const answer = await (
      await onnx
    ).compile(
      (x) => {
        const params = unpack(tf.tensor1d(bare.state.params), bare.layout);
        const known = encode(bare.config.model, own, params, x, false);
        const [{ readouts }] = readoutsOf(bare.config.model, own);
        return { raw: marginalsAt(own, params, known, readouts[0], tf.tensor1d([0, size - 1], "int32")) };
      },
      contextSignature(2, own),
    );
    const zeros = Object.entries(contextSignature(2, own)).map(([name, { dtype, shape: s }]) => {
      const length = s.reduce((a, b) => a * b, 1);
      return [name, { dtype, shape: s, data: dtype === "int32" ? new Int32Array(length) : new Float32Array(length) }];
    });
    const { raw } = await answer.run(Object.fromEntries(zeros) as Arrays);
    expect(raw.data.every(Number.isFinite)).toBe(true);
  });
});
