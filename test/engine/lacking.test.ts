import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, DType, TensorFunction } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { createSessionHost } from "../../src/engine/session.ts";
import { trace } from "../../src/engine/tracer.ts";
import { forward, gradient, inputsOf, specs } from "./case-functions.ts";
import { cases } from "./cases.ts";
import { hasGradient, relativeError } from "./parity.ts";

const bytesOf = (fn: TensorFunction, inputs: Arrays, device: "cpu" | "webgpu"): { onnx: Uint8Array; text: string } => {
  const { graph, outputs } = trace(fn, specs(inputs), device);
  const onnx = graph.encode("case", outputs);
  return { onnx, text: Buffer.from(onnx).toString("latin1") };
};

/** The graph as WebGPU would get it, run where it can be run everywhere. */
const runGraphOf = async (fn: TensorFunction, inputs: Arrays): Promise<Arrays> => {
  const { graph, outputs } = trace(fn, specs(inputs), "webgpu");
  const session = await createSessionHost().open({
    label: "case",
    onnx: graph.encode("case", outputs),
    device: "cpu",
    threads: 1,
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([name, { type, shape }]) => [name, { dtype: type as DType, shape }]),
    ),
    carried: [],
  });
  const results = await session.run(inputs);
  await session.release();
  return results;
};

describe("graphs for WebGPU", () => {
  it.each(Object.entries(cases))("%s", async (_, list) => {
    const oracle = await createEngine({ backend: "cpu" });
    for (const entry of list) {
      const inputs = inputsOf(entry);
      for (const fn of hasGradient(entry) ? [forward(entry), gradient(entry)] : [forward(entry)]) {
        expect(bytesOf(fn, inputs, "webgpu").text).not.toMatch(/FusedMatMul|LogSoftmax|OneHot|Round_/);
        const wanted = await (await oracle.compile(fn, specs(inputs))).run(inputs);
        expect(relativeError(await runGraphOf(fn, inputs), wanted)).toBeLessThan(1e-4);
      }
    }
  });

  it("have no node with more than 15 outputs", async () => {
    const inputs: Arrays = {
      x: { dtype: "float32", shape: [400], data: Float32Array.from({ length: 400 }, (_, i) => i) },
    };
    const fn: TensorFunction = ({ x }) =>
      Object.fromEntries(tf.split(x, 400).map((part, i) => [`y${i}`, tf.mul(part, 2)]));
    const results = await runGraphOf(fn, inputs);
    for (let i = 0; i < 400; i += 1) expect(results[`y${i}`].data).toStrictEqual(Float32Array.of(2 * i));
    const { graph, outputs } = trace(fn, specs(inputs), "webgpu");
    const most = Object.values(outputs).map(({ producer }) => producer?.inputs[0]?.producer?.outputs.length ?? 0);
    expect(Math.max(...most)).toBeLessThanOrEqual(15);
    expect(graph.device).toBe("webgpu");
  });

  it("add up many elements in parts", async () => {
    const data = Float32Array.from({ length: 100_003 }, (_, i) => 1 + (i % 7));
    const inputs: Arrays = { x: { dtype: "float32", shape: [data.length], data } };
    const { y } = await runGraphOf(({ x }) => ({ y: tf.sum(tf.reshape(x, [1, -1])) }), inputs);
    expect(y.shape).toStrictEqual([]);
    expect(y.data[0]).toBeCloseTo(
      data.reduce((sum, value) => sum + value, 0),
      -1,
    );
  });

  it("round halves to the even number", async () => {
    const data = Float32Array.of(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999998, -7.6, 8388607.5, 1e9);
    const inputs: Arrays = { x: { dtype: "float32", shape: [data.length], data } };
    const { y } = await runGraphOf(({ x }) => ({ y: tf.round(x) }), inputs);
    expect(Array.from(y.data, (v) => v + 0)).toStrictEqual([-2, -2, 0, 0, 2, 2, 2, -8, 8388608, 1e9]);
  });
});
