import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { NdArray, Signature, TensorFunction } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { Graph } from "../../src/engine/graph.ts";
import { createThreadHost, sessionWorkerUrl } from "../../src/engine/session-thread.ts";

const signature: Signature = { x: { dtype: "float32", shape: [256, 256] } };
const array = (fill: number): NdArray => ({
  dtype: "float32",
  shape: [256, 256],
  data: new Float32Array(256 * 256).fill(fill),
});
/** Long enough (a hundred ms) that a free thread does something else meanwhile. */
const slow: TensorFunction = ({ x }) => {
  let y = x;
  for (let i = 0; i < 200; i += 1) y = tf.sin(tf.matMul(y as tf.Tensor2D, x as tf.Tensor2D));
  return { y };
};

const built = (): URL => {
  const url = sessionWorkerUrl();
  if (url === undefined) throw new Error("nothing is built: run `npm run build` before this test");
  return url;
};

/** Turns of the caller's event loop during one slow run. */
const turnsDuring = async (thread: "worker" | "caller"): Promise<number> => {
  const engine = await createEngine({ thread, threads: 1 });
  const step = await engine.compile(slow, signature, "slow");
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  await step.run({ x: array(0.01) });
  clearInterval(timer);
  await engine.dispose();
  return turns;
};

describe("the engine's thread", () => {
  it("lets the caller's timers go on during a run", async () => {
    built();
    expect(await turnsDuring("caller")).toBeLessThan(3);
    expect(await turnsDuring("worker")).toBeGreaterThan(5);
  });

  it("runs several functions in the order of the calls and leaves the caller's arrays alone", async () => {
    const engine = await createEngine({ threads: 1 });
    const [long, short] = [
      await engine.compile(slow, signature),
      await engine.compile(({ x }) => ({ y: x }), signature),
    ];
    const x = array(0.5);
    const order: string[] = [];
    const runs = [long, short, long, short].map(async (step, i) => {
      const { y } = await step.run({ x });
      order.push(`${i}`);
      return y;
    });
    const [, copy] = await Promise.all(runs);
    expect(order).toStrictEqual(["0", "1", "2", "3"]);
    expect(copy).toStrictEqual(x);
    expect(copy.data.buffer).not.toBe(x.data.buffer);
    expect(x.data).toStrictEqual(new Float32Array(256 * 256).fill(0.5));
    await engine.dispose();
  });

  it("gives what the calling thread gives", async () => {
    const results = ["worker", "caller"] as const;
    const [a, b] = await Promise.all(
      results.map(async (thread) => {
        const engine = await createEngine({ thread, threads: 1 });
        return (await engine.compile(slow, signature)).run({ x: array(0.01) });
      }),
    );
    expect(a).toStrictEqual(b);
  });

  it("hands errors over as they were thrown", async () => {
    const graph = new Graph();
    const x = graph.input("x", { type: "float32", shape: [1] });
    const onnx = graph.encode("bad", { y: graph.node("NoSuchOperator", [x], x) });
    const spec = { label: "bad", onnx, device: "cpu", threads: 1, outputs: {}, carried: [] } as const;
    const host = createThreadHost(built());
    const failure: unknown = await host.open(spec).catch((error: unknown) => error);
    expect((failure as Error).message).toMatch(/^ONNX Runtime refused the graph: .*NoSuchOperator.*$/);
    expect((failure as Error).cause).toBeInstanceOf(Error);
    await host.end();
    await expect(host.open(spec)).rejects.toThrow("the thread of the engine has ended");
  });

  it("ends with the engine, after what it was asked for", async () => {
    const engine = await createEngine({ threads: 1 });
    const step = await engine.compile(({ x }) => ({ y: tf.neg(x) }), signature);
    const running = step.run({ x: array(1) });
    await engine.dispose();
    expect((await running)["y"].data[0]).toBe(-1);
    const again = await engine.compile(({ x }) => ({ y: tf.neg(x) }), signature);
    expect((await again.run({ x: array(2) }))["y"].data[0]).toBe(-2);
    await engine.dispose();
    await engine.dispose();
  });

  /** What a process prints that starts a slow run and then does `next`, and its exit code. */
  const ending = async (next: string): Promise<{ readonly code: number; readonly stdout: string }> => {
    const program = `
      import * as tf from "@tensorflow/tfjs-core";
      const { createEngine } = await import(${JSON.stringify(new URL("engine.js", built()).href)});
      const spec = { dtype: "float32", shape: [256, 256] };
      const slow = ({ x }) => {
        let y = x;
        for (let i = 0; i < 200; i++) y = tf.sin(tf.matMul(y, x));
        return { y };
      };
      const engine = await createEngine({ threads: 1 });
      const step = await engine.compile(slow, { x: spec });
      const running = step.run({ x: { ...spec, data: new Float32Array(256 * 256) } });
      await new Promise((resolve) => setTimeout(resolve, 30));
      ${next}`;
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const args = ["--input-type=module", "-e", program];
    const limits = { cwd: root, timeout: 30_000 };
    return promisify(execFile)(process.execPath, args, limits).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: unknown) => error as { readonly code: number; readonly stdout: string },
    );
  };

  it("keeps no process alive, and no run unfinished", async () => {
    const ended = await ending(`running.then(({ y }) => process.stdout.write(String(y.data[0])));`);
    expect(ended).toStrictEqual({ code: 0, stdout: "0" });
  });

  it("lets a process end in the middle of a run with the code it chose", async () => {
    expect((await ending("process.exit(3);")).code).toBe(3);
    expect((await ending('throw new Error("no more");')).code).toBe(1);
  });
});
