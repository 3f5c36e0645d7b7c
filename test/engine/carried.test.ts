import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import type { Compiled, EngineOptions, NdArray, Signature, TensorFunction } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import * as ops from "../../src/engine/ops.ts";
import { correctionsAt, firstInputs, signatureOf, trainingStep, type NetworkConfig } from "../bench/network.js";

const executors: readonly (readonly [string, EngineOptions])[] = [
  ["ONNX Runtime in a thread", { thread: "worker", threads: 1 }],
  ["ONNX Runtime in the caller", { thread: "caller", threads: 1 }],
  ["plain tfjs", { backend: "cpu" }],
];

const vector = (...values: number[]): NdArray => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});
const signature: Signature = {
  sum: { dtype: "float32", shape: [3] },
  x: { dtype: "float32", shape: [3] },
};
const add: TensorFunction = ({ sum, x }) => ({ sum: tf.add(sum, x), total: tf.sum(sum) });

const mistake = async (failing: Promise<unknown>, message: string): Promise<void> => {
  await expect(failing).rejects.toThrow(message);
  await expect(failing).rejects.toBeInstanceOf(UserError);
};

describe.each(executors)("carried state, %s", (_, options) => {
  const compile = async (): Promise<Compiled> =>
    (await createEngine(options)).compile(add, signature, "add", { carried: ["sum"] });

  it("stays in the executor from one run to the next", async () => {
    const step = await compile();
    expect(step.outputs).toStrictEqual({ total: { dtype: "float32", shape: [] } });
    const start = vector(1, 2, 3);
    expect(Object.keys(await step.run({ sum: start, x: vector(1, 1, 1) }))).toStrictEqual(["total"]);
    const { total } = await step.run({ x: vector(0, 10, 0) });
    expect(total.data).toStrictEqual(Float32Array.of(9));
    expect(await step.take(["sum"])).toStrictEqual({ sum: vector(2, 13, 4) });
    expect(start).toStrictEqual(vector(1, 2, 3));
    await step.dispose();
  });

  it("is handed out as copies", async () => {
    const step = await compile();
    await step.run({ sum: vector(0, 0, 0), x: vector(1, 2, 3) });
    const { sum } = await step.take(["sum"]);
    sum.data.fill(9);
    expect((await step.take(["sum"]))["sum"].data).toStrictEqual(Float32Array.of(1, 2, 3));
  });

  it("is replaced by a value that is given", async () => {
    const step = await compile();
    await step.run({ sum: vector(5, 5, 5), x: vector(1, 2, 3) });
    await step.run({ sum: vector(0, 0, 0), x: vector(1, 2, 3) });
    expect((await step.take(["sum"]))["sum"].data).toStrictEqual(Float32Array.of(1, 2, 3));
  });

  it("is right however many runs are asked for before the first ends", async () => {
    const step = await compile();
    const runs = [step.run({ sum: vector(0, 0, 0), x: vector(1, 0, 0) })];
    for (let i = 0; i < 9; i += 1) runs.push(step.run({ x: vector(1, 0, 0) }));
    const sum = step.take(["sum"]);
    expect((await Promise.all(runs)).map(({ total }) => total.data[0])).toStrictEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect((await sum)["sum"].data[0]).toBe(10);
  });

  it("is missed by name, and survives a run that fails", async () => {
    const step = await compile();
    await mistake(step.run({ x: vector(1, 2, 3) }), "add: carried input sum has no value yet, expected one");
    await mistake(step.take(["sum"]), "add: carried input sum has no value yet, expected one");
    await mistake(step.take(["x"]), "add: input x is not carried, expected one of sum");
    await mistake(step.run({ sum: vector(1, 2, 3) }), "add: input x is missing, expected [3]");
    await step.run({ sum: vector(1, 2, 3), x: vector(0, 0, 0) });
    await mistake(step.run({ sum: vector(1), x: vector(1, 2, 3) }), "add: input sum has shape [1], expected [3]");
    expect((await step.take(["sum"]))["sum"].data).toStrictEqual(Float32Array.of(1, 2, 3));
  });

  it("needs an output like the input", async () => {
    const engine = await createEngine(options);
    const refused = (fn: TensorFunction, carried: string): Promise<Compiled> =>
      engine.compile(fn, signature, "f", { carried: [carried] });
    await mistake(refused(add, "total"), "f: input total is to be carried but is not in the signature");
    await mistake(
      refused(({ x }) => ({ y: x }), "sum"),
      "f: input sum is to be carried and is float32 [3], its output is none; expected the same",
    );
    await mistake(
      refused(({ sum }) => ({ sum: tf.cast(sum, "int32") }), "sum"),
      "f: input sum is to be carried and is float32 [3], its output is int32 [3]; expected the same",
    );
  });
});

describe("a training step with carried parameters and moments", () => {
  const config: NetworkConfig = { dModel: 16, nLayer: 1, nHead: 2, tokens: 5, batch: 3 };
  const carried = ["parameters", "first", "second"];

  it.each(["worker", "caller"] as const)(
    "is bit for bit the one that hands them back and forth (%s)",
    async (thread) => {
      const engine = await createEngine({ threads: 1, thread });
      const compile = (names: readonly string[]): Promise<Compiled> =>
        engine.compile(trainingStep(ops, config), signatureOf(config), "step", { carried: names });
      const [plain, lean] = [await compile([]), await compile(carried)];
      const { parameters, first, second, ...batch } = firstInputs(config);
      let state: Record<string, NdArray> = { parameters, first, second };
      for (let i = 1; i <= 4; i += 1) {
        const corrections = correctionsAt(i);
        const { loss, ...next } = await plain.run({ ...batch, ...state, corrections });
        const given = i === 1 ? state : {};
        expect(await lean.run({ ...batch, ...given, corrections })).toStrictEqual({ loss });
        state = next;
      }
      expect(await lean.take(carried)).toStrictEqual(state);
      await engine.dispose();
    },
  );
});
