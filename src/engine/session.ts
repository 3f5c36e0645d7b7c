import * as ort from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { withCarried } from "./arrays.ts";
import type { Arrays, NdArray } from "./contract.ts";
import { Graph } from "./graph.ts";
import { howToGet, type Device, type Session, type SessionHost, type SessionSpec } from "./session-host.ts";

/** ONNX Runtime's severity; errors are thrown anyway. */
const FATAL = 4;

/**
 * How long an idle worker thread waits for the next node before it sleeps: long enough for the gap between two nodes,
 * short enough not to burn the cores that other programs want (the default halves the speed of a busy machine).
 */
const SPIN_MICROSECONDS = "20";

/** Devices whose memory keeps carried values from one run to the next; elsewhere they wait in this thread's. */
const keepsValues = (device: Device): boolean => device === "webgpu";

const sessionOptions = ({ device, threads, carried }: SessionSpec): ort.InferenceSession.SessionOptions => ({
  executionProviders: [device],
  ...(keepsValues(device) && carried.length > 0
    ? { preferredOutputLocation: Object.fromEntries(carried.map((name) => [`out.${name}`, "gpu-buffer"])) }
    : {}),
  // beyond "basic", ONNX Runtime (1.30) joins a sum and a LayerNormalization for WebGPU and loses the second output
  graphOptimizationLevel: device === "webgpu" ? "basic" : "all",
  logSeverityLevel: FATAL,
  enableCpuMemArena: true,
  enableMemPattern: true,
  executionMode: "sequential",
  extra: { session: { intra_op: { spin_duration_us: SPIN_MICROSECONDS } } },
  ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
});

const create = async (spec: SessionSpec): Promise<ort.InferenceSession> => {
  ort.env.logLevel = "fatal"; // what fails is thrown, and needs no second message on the terminal
  const { device, onnx } = spec;
  try {
    return await ort.InferenceSession.create(onnx, sessionOptions(spec));
  } catch (cause) {
    const reason = (cause as Error).message.split("\n")[0].replace(/^\/onnxruntime_src\/.* was false\. /, "");
    if (device === "cpu") throw new Error(`ONNX Runtime refused the graph: ${reason}`, { cause });
    throw new UserError(`device ${device} is not available (${howToGet[device]}): ${reason}`, { cause });
  }
};

const toTensor = ({ dtype, data, shape }: NdArray): ort.Tensor => new ort.Tensor(dtype, data, shape);

type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

type Tensors = Readonly<Record<string, ort.Tensor>>;

const runWith = (session: ort.InferenceSession, tensors: Tensors): Promise<Tensors> =>
  session.run(Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`in.${name}`, tensor])));

/** ONNX Runtime for Node (1.30) cannot read the memory of a device: a graph that does nothing hands the values over. */
const download = async (spec: SessionSpec, tensors: Tensors): Promise<Tensors> => {
  const graph = new Graph(spec.device);
  const inputs = Object.keys(tensors).map((name) => {
    const { dtype, shape } = spec.outputs[name];
    return [name, graph.input(name, { type: dtype, shape })] as const;
  });
  const session = await create({ ...spec, onnx: graph.encode("copy", Object.fromEntries(inputs)), carried: [] });
  try {
    const results = await runWith(session, tensors);
    return Object.fromEntries(inputs.map(([name]) => [name, results[`out.${name}`]]));
  } finally {
    await session.release();
  }
};

const openHere = async (spec: SessionSpec, inTurn: InTurn): Promise<Session> => {
  const { label, carried } = spec;
  const session = await create(spec);
  let held: Record<string, ort.Tensor> = {};
  const arrayOf = (name: string, { data }: ort.Tensor): NdArray => ({
    ...spec.outputs[name],
    data: data as NdArray["data"],
  });
  const runNow = async (inputs: Arrays): Promise<Arrays> => {
    const given = Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, toTensor(array)]));
    const results = await runWith(session, withCarried(label, given, carried, held));
    const arrays: Record<string, NdArray> = {};
    const before = held;
    held = {};
    for (const name of Object.keys(spec.outputs)) {
      const result = results[`out.${name}`];
      if (carried.includes(name)) held[name] = result;
      else arrays[name] = arrayOf(name, result);
    }
    for (const tensor of Object.values(before)) if (tensor.location !== "cpu") tensor.dispose();
    return arrays;
  };
  const copyNow = async (names: readonly string[]): Promise<Arrays> => {
    const values = withCarried(label, {}, names, held);
    if (keepsValues(spec.device)) {
      const copies = await download(spec, values);
      return Object.fromEntries(Object.entries(copies).map(([name, tensor]) => [name, arrayOf(name, tensor)]));
    }
    return Object.fromEntries(
      Object.entries(values).map(([name, tensor]) => {
        const array = arrayOf(name, tensor);
        return [name, { ...array, data: array.data.slice() }];
      }),
    );
  };
  return {
    run: (inputs) => inTurn(() => runNow(inputs)),
    take: (names) => inTurn(() => copyNow(names)),
    release: () => inTurn(() => session.release()),
  };
};

/** Keeps sessions in the thread that calls this. What is asked of all of them is done in the order of asking. */
export const createSessionHost = (): SessionHost => {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn: InTurn = (work) => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
  return {
    open: (spec) => inTurn(() => openHere(spec, inTurn)),
    end: () => inTurn(() => Promise.resolve()),
  };
};
