import * as ort from "onnxruntime-node";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import type { Engine, NdArray, Signature } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import * as ops from "../../src/engine/ops.ts";

const tensorflowPackage: string = "@tensorflow/tfjs-node";
const signature: Signature = { x: { dtype: "float32", shape: [2, 3] } };
const array = (shape: readonly number[], data: Float32Array | Int32Array): NdArray => ({
  dtype: data instanceof Float32Array ? "float32" : "int32",
  shape,
  data,
});
const x = array([2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));

describe("an engine", () => {
  it("runs a function on host arrays and feeds outputs back", async () => {
    const engine = await createEngine();
    expect(engine.name).toBe("onnx:cpu");
    const double = await engine.compile(({ x }) => ({ x: tf.mul(x, 2), isBig: tf.greater(x, 2) }), signature);
    const once = await double.run({ x });
    const twice = await double.run({ x: once["x"] });
    expect([...twice["x"].data]).toStrictEqual([4, 8, 12, 16, 20, 24]);
    expect(twice["isBig"]).toStrictEqual(array([2, 3], Int32Array.of(0, 1, 1, 1, 1, 1)));
    expect([...x.data]).toStrictEqual([1, 2, 3, 4, 5, 6]);
    await double.dispose();
  });

  it("writes ONNX bytes that another session accepts", async () => {
    const engine = await createEngine();
    const softmax = await engine.compile(({ x }) => ({ y: tf.softmax(x) }), signature, "softmax");
    const session = await ort.InferenceSession.create(softmax.onnx!);
    expect(session.inputNames).toStrictEqual(["in.x"]);
    expect(session.outputNames).toStrictEqual(["out.y"]);
    const { "out.y": y } = await session.run({ "in.x": new ort.Tensor("float32", x.data as Float32Array, [2, 3]) });
    expect(y.data).toStrictEqual((await softmax.run({ x }))["y"].data);
  });

  it("computes an output that is an input, and one that is a constant", async () => {
    const engine = await createEngine();
    const same = await engine.compile(({ x }) => ({ x: x, zeros: tf.zeros([100]) }), signature);
    const outputs = await same.run({ x });
    expect(outputs["x"]).toStrictEqual(x);
    expect(outputs["zeros"].data).toStrictEqual(new Float32Array(100));
  });

  it("makes equal nodes once and drops what no output needs", async () => {
    const engine = await createEngine();
    const lean = await engine.compile(({ x }) => ({ y: tf.exp(x) }), signature);
    const wasteful = await engine.compile(({ x }) => {
      tf.sin(x);
      const sum = tf.add(tf.mul(tf.exp(x), tf.onesLike(x)), tf.zerosLike(x));
      return { y: tf.minimum(sum, tf.exp(x)) };
    }, signature);
    expect(wasteful.onnx!.length).toBeLessThan(lean.onnx!.length + 60);
  });

  it("folds a norm into the layer behind it", async () => {
    const engine = await createEngine();
    const fold = await engine.compile(({ x }) => {
      const [gain, bias, w] = [
        tf.tensor1d([2, -1, 0.5]),
        tf.tensor1d([1, 2, 3]),
        tf.tensor2d([
          [1, 2],
          [3, 4],
          [5, 7],
        ]),
      ];
      const folded = ops.foldNorm({ w }, gain, bias);
      return {
        plain: ops.linear(ops.layerNorm(x, gain, bias), w),
        folded: ops.linear(ops.normalise(x), folded.w, folded.b),
      };
    }, signature);
    const { plain, folded } = await fold.run({ x });
    for (const [i, value] of plain.data.entries()) expect(folded.data[i]).toBeCloseTo(value, 4);
  });

  it("adds up many rows of one segment exactly, with several threads", async () => {
    const engine = await createEngine({ threads: 4 });
    const [rows, segments] = [6000, 3];
    const sums = await engine.compile(({ x, ids }) => ({ y: tf.unsortedSegmentSum(x, ids as tf.Tensor1D, segments) }), {
      x: { dtype: "float32", shape: [rows, 16] },
      ids: { dtype: "int32", shape: [rows] },
    });
    const ids = array(
      [rows],
      Int32Array.from({ length: rows }, (_, i) => i % segments),
    );
    const { y } = await sums.run({ x: array([rows, 16], new Float32Array(rows * 16).fill(1)), ids });
    expect(y.data).toStrictEqual(new Float32Array(segments * 16).fill(rows / segments));
  });

  it("leaves tfjs as it found it", async () => {
    const engine = await createEngine();
    await createEngine({ backend: "cpu" });
    await tf.setBackend("cpu");
    const before = tf.memory().numTensors;
    await engine.compile(({ x }) => ({ y: tf.sum(tf.tanh(x)) }), signature);
    await expect(engine.compile(({ x }) => ({ y: tf.matMul(x, x) }), signature)).rejects.toThrow();
    expect(tf.getBackend()).toBe("cpu");
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("a mistake", () => {
  it("names the kernel, the op and the file when a kernel is missing", async () => {
    const engine = await createEngine();
    const fft = engine.compile(({ x }) => ({ y: tf.prelu(x, tf.scalar(0.1)) }), signature);
    await expect(fft).rejects.toThrow(
      "kernel Prelu, needed by the op prelu, is not in the table: add a row to src/engine/kernels-*.ts",
    );
  });

  it("says that a traced function cannot read tensors", async () => {
    const engine = await createEngine();
    const peek = engine.compile(({ x }) => ({ y: tf.mul(x, tf.sum(x).dataSync()[0]) }), signature);
    await expect(peek).rejects.toThrow("a traced function may not read the elements of a tensor");
  });

  it("names the input that does not fit the signature", async () => {
    const engine = await createEngine();
    const copy = await engine.compile(({ x }) => ({ y: tf.neg(x) }), signature, "copy");
    const cases: [Record<string, NdArray>, string][] = [
      [{}, "copy: input x is missing, expected [2,3]"],
      [{ x: array([3, 2], new Float32Array(6)) }, "copy: input x has shape [3,2], expected [2,3]"],
      [{ x: array([2, 3], new Int32Array(6)) }, "copy: input x is int32, expected float32"],
      [{ x: array([2, 3], new Float32Array(5)) }, "copy: input x has 5 elements, expected 6 for shape [2,3]"],
      [{ x, extra: x }, "copy: input extra is unknown, expected one of x"],
    ];
    for (const [inputs, message] of cases) {
      const failure = copy.run(inputs);
      await expect(failure).rejects.toThrow(message);
      await expect(failure).rejects.toBeInstanceOf(UserError);
    }
  });

  it.each(["cuda", "webgpu"] as const)("either starts %s or says what it needs", async (device) => {
    const outcome = await createEngine({ device }).catch((error: unknown) => error);
    if (!(outcome instanceof Error)) {
      expect((outcome as Engine).name).toBe(`onnx:${device}`);
      return;
    }
    expect(outcome).toBeInstanceOf(UserError);
    expect(outcome.message).toMatch(new RegExp(`^device ${device} is not available \\(needs a.* GPU with .*\\): .+$`));
  });

  it("refuses a thread count that is none", async () => {
    await expect(createEngine({ threads: 0 })).rejects.toThrow("threads is 0, expected a whole number above zero");
  });

  it("says what to install for TensorFlow", async () => {
    const isInstalled = await import(tensorflowPackage).then(
      () => true,
      () => false,
    );
    if (isInstalled) return;
    const tensorflow = createEngine({ backend: "tensorflow" });
    await expect(tensorflow).rejects.toThrow("npm install @tensorflow/tfjs-node-gpu");
    await expect(tensorflow).rejects.toBeInstanceOf(UserError);
  });
});
