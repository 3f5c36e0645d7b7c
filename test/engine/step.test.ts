import { describe, expect, it } from "vitest";
import type { Arrays, Compiled } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import * as ops from "../../src/engine/ops.ts";
import { correctionsAt, firstInputs, signatureOf, trainingStep, type NetworkConfig } from "../bench/network.js";

// Key biases have no gradient but rounding, which AdamW would blow up to full steps: a large epsilon keeps them apart.
const config: NetworkConfig = { dModel: 16, nLayer: 2, nHead: 2, tokens: 5, batch: 3, epsilon: 1e-3 };

/** Feeds each step's parameters and moments into the next one. */
const train = async (step: Compiled, steps: number): Promise<Arrays> => {
  let inputs: Arrays = firstInputs(config);
  let outputs: Arrays = {};
  for (let i = 1; i <= steps; i += 1) {
    outputs = await step.run({ ...inputs, corrections: correctionsAt(i) });
    const { parameters, first, second } = outputs;
    inputs = { ...inputs, parameters: parameters, first: first, second: second };
  }
  return outputs;
};

const compile = async (backend: "onnx" | "cpu", threads = 1): Promise<Compiled> => {
  const engine = await createEngine({ backend, threads });
  return engine.compile(trainingStep(ops, config), signatureOf(config), "step");
};

/** Largest difference relative to the largest element. */
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < a.length; i += 1) {
    scale = Math.max(scale, Math.abs(b[i]));
    worst = Math.max(worst, Math.abs(a[i] - b[i]));
  }
  return worst / scale;
};

describe("a whole training step of a transformer", () => {
  it("gives the same loss, parameters and moments compiled and eager", async () => {
    const [compiled, eager] = [await compile("onnx"), await compile("cpu")];
    const [a, b] = [await train(compiled, 3), await train(eager, 3)];
    for (const name of ["loss", "parameters", "first", "second"]) {
      expect(distance(a[name].data, b[name].data), name).toBeLessThan(1e-4);
    }
  });

  it("repeats bit by bit", async () => {
    const [once, again] = [await train(await compile("onnx", 2), 4), await train(await compile("onnx", 2), 4)];
    for (const [name, array] of Object.entries(once)) expect(array.data, name).toStrictEqual(again[name].data);
  });

  it("lowers its loss", async () => {
    const step = await compile("onnx");
    const [early, late] = [await train(step, 1), await train(step, 60)];
    expect(late["loss"].data[0]).toBeLessThan(0.5 * early["loss"].data[0]);
  });
});
