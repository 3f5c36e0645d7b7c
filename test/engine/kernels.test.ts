import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Arrays, ArraySpec, Engine, NdArray, TensorFunction } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { kernels } from "../../src/engine/kernels.ts";
import type { Case } from "./case.ts";
import { cases, elements } from "./cases.ts";

let compiled: Engine;
let eager: Engine;
beforeAll(async () => {
  compiled = await createEngine({ threads: 1 });
  eager = await createEngine({ backend: "cpu" });
});

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, dim) => n * dim, 1);
const isSmooth = (entry: Case, i: number): boolean => !["indices", "booleans", "whole"].includes(entry.inputs[i][1]);

const inputsOf = (entry: Case): Record<string, NdArray> =>
  Object.fromEntries(
    entry.inputs.map(([shape, domain], i) => [
      `x${i}`,
      { dtype: "float32" as const, shape, data: elements(sizeOf(shape), domain, i) },
    ]),
  );
const specs = (inputs: Arrays): Record<string, ArraySpec> =>
  Object.fromEntries(Object.entries(inputs).map(([name, { dtype, shape }]) => [name, { dtype, shape }]));

const listOf = (result: Tensor | Tensor[]): Tensor[] => (Array.isArray(result) ? result : [result]);
const forward =
  (entry: Case): TensorFunction =>
  (inputs) =>
    Object.fromEntries(listOf(entry.fn(...Object.values(inputs))).map((y, i) => [`y${i}`, y]));

/** One number that depends on every output element differently, and its gradients. */
const gradient =
  (entry: Case): TensorFunction =>
  (inputs) => {
    const score = (...xs: Tensor[]): tf.Scalar => {
      const parts = listOf(entry.fn(...xs)).map((y) => {
        const weights = tf.reshape(tf.sin(tf.add(tf.range(0, y.size), 1)), y.shape);
        return tf.sum(tf.mul(tf.cast(y, "float32"), weights));
      });
      return tf.addN(parts) as tf.Scalar;
    };
    const all = Object.values(inputs);
    const free = all.map((_, i) => i).filter((i) => isSmooth(entry, i));
    const withFree = (...xs: Tensor[]): tf.Scalar => score(...all.map((x, i) => xs[free.indexOf(i)] ?? x));
    const { value, grads } = tf.valueAndGrads(withFree)(free.map((i) => all[i]));
    return { score: value, ...Object.fromEntries(free.map((i, k) => [`g${i}`, grads[k]])) };
  };

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
