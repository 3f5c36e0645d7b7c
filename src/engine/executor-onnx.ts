import * as ort from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { checkInputs } from "./arrays.ts";
import type { ArraySpec, Arrays, Compiled, DType, Engine, NdArray, Signature, TensorFunction } from "./contract.ts";
import { Graph } from "./graph.ts";
import { trace } from "./tracer.ts";

type Device = "cpu" | "cuda" | "webgpu";

/** ONNX Runtime's severity; errors are thrown anyway. */
const FATAL = 4;

/**
 * How long an idle worker thread waits for the next node before it sleeps: long enough for the gap between two nodes,
 * short enough not to burn the cores that other programs want (the default halves the speed of a busy machine).
 */
const SPIN_MICROSECONDS = "20";

const sessionOptions = (device: Device, threads: number | undefined): ort.InferenceSession.SessionOptions => ({
  executionProviders: [device],
  graphOptimizationLevel: "all",
  logSeverityLevel: FATAL,
  enableCpuMemArena: true,
  enableMemPattern: true,
  executionMode: "sequential",
  extra: { session: { intra_op: { spin_duration_us: SPIN_MICROSECONDS } } },
  ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
});

const howToGet: Record<Device, string> = {
  cpu: "reinstall onnxruntime-node",
  cuda: "needs an NVIDIA GPU with CUDA 12 and `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`",
  webgpu: "needs a GPU with a Vulkan, Metal or Direct3D 12 driver",
};

const openSession = async (bytes: Uint8Array, device: Device, threads?: number): Promise<ort.InferenceSession> => {
  try {
    return await ort.InferenceSession.create(bytes, sessionOptions(device, threads));
  } catch (cause) {
    const reason = (cause as Error).message.split("\n")[0];
    if (device === "cpu") throw new Error(`ONNX Runtime refused the graph: ${reason}`, { cause });
    throw new UserError(`device ${device} is not available (${howToGet[device]}): ${reason}`, { cause });
  }
};

/** A graph that does nothing, to find out early whether a device starts. */
const probe = async (device: Device): Promise<void> => {
  const graph = new Graph();
  const x = graph.input("x", { type: "float32", shape: [1] });
  const session = await openSession(graph.encode("probe", { x }), device);
  await session.release();
};

const runSession = async (session: ort.InferenceSession, inputs: Arrays, outputs: Signature): Promise<Arrays> => {
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, { dtype, shape, data }] of Object.entries(inputs)) {
    feeds[`in.${name}`] = new ort.Tensor(dtype, data, shape);
  }
  const results = await session.run(feeds);
  const arrays: Record<string, NdArray> = {};
  for (const [name, { dtype, shape }] of Object.entries(outputs)) {
    arrays[name] = { dtype, shape, data: results[`out.${name}`].data as Float32Array | Int32Array };
  }
  return arrays;
};

/**
 * Traces each function to one ONNX graph and runs it on ONNX Runtime.
 * @throws UserError when this machine or this build of ONNX Runtime has no such device.
 */
export const createOnnxEngine = async (device: Device, threads: number | undefined): Promise<Engine> => {
  if (howToGet[device] === undefined) {
    throw new UserError(`device ${device} is unknown, expected one of ${Object.keys(howToGet).join(", ")}`);
  }
  ort.env.logLevel = "fatal"; // what fails is thrown, and needs no second message on the terminal
  if (device !== "cpu") await probe(device);
  return {
    name: `onnx:${device}`,
    compile: async (fn: TensorFunction, signature: Signature, label = "function"): Promise<Compiled> => {
      const traced = trace(fn, signature);
      const onnx = traced.graph.encode(label, traced.outputs);
      const outputs: Record<string, ArraySpec> = {};
      for (const [name, { type, shape }] of Object.entries(traced.outputs)) {
        outputs[name] = { dtype: type as DType, shape };
      }
      const session = await openSession(onnx, device, threads);
      return {
        outputs,
        onnx,
        run: async (inputs) => {
          checkInputs(label, inputs, signature);
          return runSession(session, inputs, outputs);
        },
        dispose: () => session.release(),
      };
    },
  };
};
