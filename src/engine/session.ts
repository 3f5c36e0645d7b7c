import * as ort from "onnxruntime-node";
import { UserError } from "../errors.ts";
import { withCarried } from "./arrays.ts";
import type { Arrays, NdArray } from "./contract.ts";
import { howToGet, type Session, type SessionHost, type SessionSpec } from "./session-host.ts";

/** ONNX Runtime's severity; errors are thrown anyway. */
const FATAL = 4;

/**
 * How long an idle worker thread waits for the next node before it sleeps: long enough for the gap between two nodes,
 * short enough not to burn the cores that other programs want (the default halves the speed of a busy machine).
 */
const SPIN_MICROSECONDS = "20";

const sessionOptions = ({ device, threads }: SessionSpec): ort.InferenceSession.SessionOptions => ({
  executionProviders: [device],
  graphOptimizationLevel: "all",
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
    const reason = (cause as Error).message.split("\n")[0];
    if (device === "cpu") throw new Error(`ONNX Runtime refused the graph: ${reason}`, { cause });
    throw new UserError(`device ${device} is not available (${howToGet[device]}): ${reason}`, { cause });
  }
};

const toTensor = ({ dtype, data, shape }: NdArray): ort.Tensor => new ort.Tensor(dtype, data, shape);

type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

const openHere = async (spec: SessionSpec, inTurn: InTurn): Promise<Session> => {
  const { label, carried } = spec;
  const session = await create(spec);
  let held: Record<string, NdArray> = {};
  const runNow = async (inputs: Arrays): Promise<Arrays> => {
    const feeds: Record<string, ort.Tensor> = {};
    const all = withCarried(label, inputs, carried, held);
    for (const [name, array] of Object.entries(all)) feeds[`in.${name}`] = toTensor(array);
    const results = await session.run(feeds);
    const arrays: Record<string, NdArray> = {};
    const next: Record<string, NdArray> = {};
    for (const [name, { dtype, shape }] of Object.entries(spec.outputs)) {
      const data = results[`out.${name}`].data as NdArray["data"];
      (carried.includes(name) ? next : arrays)[name] = { dtype, shape, data };
    }
    held = next;
    return arrays;
  };
  const copyNow = (names: readonly string[]): Arrays => {
    const values = withCarried(label, {}, names, held);
    return Object.fromEntries(Object.entries(values).map(([name, a]) => [name, { ...a, data: a.data.slice() }]));
  };
  return {
    run: (inputs) => inTurn(() => runNow(inputs)),
    take: (names) => inTurn(async () => copyNow(names)),
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
