import * as ort from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { checkInputs } from "./arrays.ts";
import type { ArraySpec, Arrays, Compiled, DType, Engine, NdArray, Signature, TensorFunction } from "./contract.ts";
import { trace } from "./tracer.ts";

type Device = "cpu" | "cuda" | "webgpu";

/** ONNX Runtime's severity for errors alone. */
const ERRORS_ONLY = 3;

const sessionOptions = (device: Device, threads: number | undefined): ort.InferenceSession.SessionOptions => ({
  executionProviders: [device],
  graphOptimizationLevel: "all",
  logSeverityLevel: ERRORS_ONLY,
  enableCpuMemArena: true,
  enableMemPattern: true,
  executionMode: "sequential",
  ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
});

const howToGet: Record<Device, string> = {
  cpu: "reinstall onnxruntime-node",
  cuda: "needs an NVIDIA GPU with CUDA 12 and `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`",
  webgpu: "needs a GPU with a Vulkan, Metal or Direct3D 12 driver",
};

/** @throws UserError when this machine or this build of ONNX Runtime has no such device. */
const requireDevice = (device: Device): void => {
  const available = ort.listSupportedBackends().map((backend) => backend.name);
  if (available.includes(device)) return;
  throw new UserError(
    `device ${device} is not available (${howToGet[device]}), expected one of ${available.join(", ")}`,
  );
};

const openSession = async (bytes: Uint8Array, device: Device, threads?: number): Promise<ort.InferenceSession> => {
  try {
    return await ort.InferenceSession.create(bytes, sessionOptions(device, threads));
  } catch (cause) {
    const reason = (cause as Error).message.split("\n")[0];
    if (device === "cpu") throw new Error(`ONNX Runtime refused the graph: ${reason}`, { cause });
    throw new UserError(`device ${device} did not start (${howToGet[device]}): ${reason}`, { cause });
  }
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

/** Traces each function to one ONNX graph and runs it on ONNX Runtime. */
export const createOnnxEngine = (device: Device, threads: number | undefined): Engine => {
  requireDevice(device);
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
