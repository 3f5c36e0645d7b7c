import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Arrays, Engine, NdArray, TensorFunction } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { kernels } from "../../src/engine/kernels.ts";
import type { Case } from "./case.ts";
import { forward, gradient, inputsOf, isSmooth, listOf, specs } from "./case-functions.ts";
import { cases } from "./cases.ts";

let compiled: Engine;
let eager: Engine;
beforeAll(async () => {
  compiled = await createEngine({ threads: 1 });
  eager = await createEngine({ backend: "cpu" });
});

const run = async (engine: Engine, fn: TensorFunction, inputs: Arrays): Promise<Arrays> => {
  const step = await engine.compile(fn, specs(inputs), "case");
  const outputs = await step.run(inputs);
  expect(specs(outputs)).toStrictEqual(step.outputs);
  await step.dispose();
  return outputs;
};

const expectSame = (got: Arrays, wanted: Arrays, tolerance: number): void => {
  expect(Object.keys(got)).toStrictEqual(Object.keys(wanted));
  for (const [name, { data, dtype, shape }] of Object.entries(wanted)) {
    expect(got[name].shape, name).toStrictEqual(shape);
    expect(got[name].dtype, name).toBe(dtype);
    const scale = Math.max(1e-3, ...Array.from(data, Math.abs).filter(Number.isFinite));
    for (const [i, value] of data.entries()) {
      const other = got[name].data[i];
      if (Object.is(other, value) || other === value) continue;
      expect(Math.abs(other - value) / scale, `${name}[${i}]: ${other} and ${value}`).toBeLessThan(tolerance);
    }
  }
};

/** Compares the gradient with central differences along the direction of the inputs' own wave. */
const checkDifferences = async (entry: Case, inputs: Record<string, NdArray>, gradients: Arrays): Promise<void> => {
  const step = 2e-3;
  const score = await eager.compile(gradient(entry), specs(inputs), "score");
  const at = async (sign: number): Promise<number> => {
    const moved = Object.entries(inputs).map(([name, array], i): [string, NdArray] => {
      if (!isSmooth(entry, i)) return [name, array];
      return [name, { ...array, data: Float32Array.from(array.data, (v, k) => v + sign * step * Math.cos(k + i)) }];
    });
    return (await score.run(Object.fromEntries(moved)))["score"].data[0];
  };
  const difference = ((await at(1)) - (await at(-1))) / (2 * step);
  let slope = 0;
  let size = 1;
  for (const [name, { data }] of Object.entries(gradients)) {
    if (!name.startsWith("g")) continue;
    for (const [k, g] of data.entries()) {
      slope += g * Math.cos(k + Number(name.slice(1)));
      size += Math.abs(g);
    }
  }
  expect(Math.abs(slope - difference) / size, `gradient ${slope}, difference ${difference}`).toBeLessThan(3e-3);
};

describe("the kernel table", () => {
  it("has a case for every row and no other", () => {
    expect(Object.keys(cases).sort()).toStrictEqual(Object.keys(kernels).sort());
  });

  describe.each(Object.entries(cases))("%s", (kernel, list) => {
    it.each(list.map((entry, i) => [i, entry] as const))("case %i", async (_, entry) => {
      const inputs = inputsOf(entry);
      const { kernelNames } = await profile(entry, inputs);
      expect(kernelNames).toContain(kernel);
      expectSame(await run(compiled, forward(entry), inputs), await run(eager, forward(entry), inputs), 1e-4);
      if (!entry.inputs.some((__, i) => isSmooth(entry, i))) return;
      if (entry.isFlat === true) return;
      const gradients = await run(compiled, gradient(entry), inputs);
      expectSame(gradients, await run(eager, gradient(entry), inputs), 1e-4);
      await checkDifferences(entry, inputs, gradients);
    });
  });
});

const profile = async (entry: Case, inputs: Arrays): Promise<{ kernelNames: string[] }> => {
  await tf.setBackend("cpu");
  return tf.profile(() =>
    tf.tidy(() => {
      const tensors = Object.values(inputs).map(({ data, shape }) => tf.tensor(data, [...shape]));
      return listOf(entry.fn(...tensors));
    }),
  );
};
