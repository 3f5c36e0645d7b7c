import * as tf from "@tensorflow/tfjs-core";
import { afterAll, describe, expect, it } from "vitest";
import type { Compiled, Engine } from "../../src/engine/contract.ts";
import { createNetwork } from "../../src/inference/network.ts";
import { constantsOf } from "../../src/model/parameters.ts";
import { marginals } from "../../src/model/marginals.ts";
import { conditionals, encode, readoutsOf } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { emptyArrays, orderSignature } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { distance, toyCatalog, toyFields } from "../helpers/toy.ts";

/** The three graphs of inference against the network in one piece. */

const n = toyFields.length;
const catalog = toyCatalog(300);
const checkpoint = perturb(startCheckpoint(catalog));
const { config, layout, state } = checkpoint;
const engine = await onnx;
const network = createNetwork(engine, checkpoint);
const { coder } = network;
const isGiven = Uint8Array.from({ length: n }, (_, j) => Number([0, 1, 3, 7].includes(j)));
const rows = Int32Array.from({ length: 40 }, (_, i) => 7 * i);
afterAll(() => network.dispose());

/** Contexts of `rows` and orders of questions [rows, T], in one graph as training has it. */
async function inOnePiece(order: readonly number[], values: Float32Array) {
  const t = order.length;
  const signature = { ...contextSignature(rows.length, coder), ...orderSignature(rows.length, t) };
  const arrays = emptyArrays(signature);
  rows.forEach((row, b) => {
    fillContext(arrays, b, coder, { catalog, row, isContext: isGiven });
    order.forEach((field, i) => {
      arrays.targetField.data[b * t + i] = field;
      arrays.targetValue.data[b * t + i] = values[b * t + i];
    });
  });
  const whole = await engine.compile((inputs) => {
    const params = constantsOf(state.average, layout);
    const known = encode(config.model, coder, params, inputs, false);
    const [{ readouts, suffix }] = readoutsOf(config.model, coder);
    const both = tf.concat<tf.Tensor3D>(
      readouts.map((one) => marginals(coder, params, known, one)),
      1,
    );
    const raw = tf.matMul<tf.Tensor3D>(tf.oneHot(inputs.targetField, n), both);
    const [ordered] = conditionals(config.model, coder, params, known, [{ suffix, raw }], inputs);
    return { marginal: both, ordered: ordered.raw };
  }, signature);
  return whole.run(arrays);
}

describe("states and answers", () => {
  it("are what the network says in one piece: any fields, in any order", async () => {
    const { marginal } = await inOnePiece([0], new Float32Array(rows.length));
    const width = marginal.shape[2];
    const states = await network.encode(catalog, rows, isGiven);
    for (const wanted of [[7], [0], [9, 2], [5, 6, 1, 8], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]]) {
      const answers = await network.read(states, wanted);
      expect(answers.map(({ field }) => field)).toStrictEqual(wanted);
      for (const { field, raw } of answers) {
        const expected = [...rows].flatMap((_, b) => [
          ...marginal.data.subarray((b * n + field) * width, (b * n + field + 1) * width),
        ]);
        expect(distance(raw, expected)).toBeLessThan(1e-5);
      }
    }
  });

  it("don't depend on how many are asked together", async () => {
    const all = await network.encode(catalog, rows, isGiven);
    const few = await network.encode(catalog, rows.subarray(3, 8), isGiven);
    const size = all.state.length / rows.length;
    expect(distance(few.state, all.state.subarray(3 * size, 8 * size))).toBeLessThan(1e-5);
    const [one] = await network.read(few, [6]);
    const [many] = await network.read(all, [6]);
    const width = one.raw.length / 5;
    expect(distance(one.raw, many.raw.subarray(3 * width, 8 * width))).toBeLessThan(1e-5);
  });
});

describe("a chain of ordered questions", () => {
  it("asks one after the other what the network answers at once", async () => {
    const order = [6, 2, 8, 4, 9];
    const t = order.length;
    const rng = createRng("chain");
    const values = Float32Array.from({ length: rows.length * t }, () => rng.normal());
    const { ordered } = await inOnePiece(order, values);
    const width = ordered.shape[2];
    const states = await network.encode(catalog, rows, isGiven);
    const marginal = await network.read(states, order);
    // two draws a galaxy, in mixed order: each looks at its own galaxy and its own past
    const galaxy = Int32Array.from({ length: 2 * rows.length }, (_, lane) => (lane * 17) % rows.length);
    await network.chain(states, galaxy, t, async ({ ask, lanes }) => {
      for (const [i, field] of order.entries()) {
        const own = new Float32Array(lanes * width);
        galaxy.forEach((g, lane) => own.set(marginal[i].raw.subarray(g * width, (g + 1) * width), lane * width));
        const before =
          i === 0
            ? {}
            : { before: { field: order[i - 1], value: Float32Array.from(galaxy, (g) => values[g * t + i - 1]) } };
        const answer = await ask({ field, marginal: own, ...before });
        const expected = [...galaxy].flatMap((g) => [
          ...ordered.data.subarray((g * t + i) * width, (g * t + i + 1) * width),
        ]);
        expect(distance(answer, expected)).toBeLessThan(1e-5);
      }
    });
  });

  it("refuses more draws than it can hold", async () => {
    const states = await network.encode(catalog, rows, isGiven);
    await expect(network.chain(states, new Int32Array(2000), 1, () => Promise.resolve(0))).rejects.toThrow(
      "chain: 2000 draws of 40 galaxies, expected at most 1024 of 64",
    );
  });
});

describe("an engine that fails", () => {
  it("is told once, whatever else was running", async () => {
    let runs = 0;
    const failing: Engine = {
      ...engine,
      compile: () =>
        Promise.resolve({
          run: () => Promise.reject(new Error(`run ${runs++} failed`)),
          take: () => Promise.reject(new Error("nothing to take")),
          dispose: () => Promise.resolve(),
        } as unknown as Compiled),
    };
    const broken = createNetwork(failing, checkpoint);
    const many = Int32Array.from({ length: 3000 }, (_, i) => i % 300);
    await expect(broken.encode(catalog, many, isGiven)).rejects.toThrow("run 0 failed");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(runs).toBeGreaterThan(1);
    await broken.dispose();
  });
});
