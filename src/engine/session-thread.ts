import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { UserError } from "../errors.ts";
import type { Arrays, NdArray } from "./contract.ts";
import { close, createGate } from "./gate.ts";
import type { SessionAnswer, SessionRequest } from "./session-worker.ts";
import type { SessionHost } from "./session-host.ts";

/** A Node 20 thread cannot load TypeScript: from sources the compiled worker is used. Undefined where none was built. */
export const sessionWorkerUrl = (): URL | undefined => {
  if (import.meta.url.endsWith(".js")) return new URL("./session-worker.js", import.meta.url);
  const built = new URL("../../dist/engine/session-worker.js", import.meta.url);
  return existsSync(built) ? built : undefined;
};

interface Waiting {
  readonly resolve: (arrays: Arrays) => void;
  readonly reject: (reason: Error) => void;
}

const errorOf = ({ message, cause, isMistake }: Extract<SessionAnswer, { message: string }>): Error => {
  const options = cause === undefined ? {} : { cause: new Error(cause) };
  return isMistake ? new UserError(message, options) : new Error(message, options);
};

/**
 * One thread and the requests it has not answered yet. It answers in order, so that answers need no number. The process
 * ends without regard to a thread that nobody waits for.
 */
const startThread = (url: URL) => {
  // flags of the process, such as those that say what a script is, are not for the thread
  const gate = createGate();
  const worker = new Worker(url, { execArgv: [], workerData: gate });
  const leaveWork = (): void => close(gate);
  const rest = (): void => {
    worker.unref();
    process.off("exit", leaveWork);
  };
  const wake = (): void => {
    worker.ref();
    process.on("exit", leaveWork);
  };
  rest();
  const waiting: Waiting[] = [];
  let ended: Error | undefined;
  const failAll = (reason: Error): void => {
    ended ??= reason;
    rest();
    for (const { reject } of waiting.splice(0)) reject(ended);
  };
  worker.on("message", (answer: SessionAnswer) => {
    const first = waiting.shift();
    if (waiting.length === 0) rest();
    if ("arrays" in answer) first?.resolve(answer.arrays);
    else first?.reject(errorOf(answer));
  });
  worker.on("error", (error) => failAll(error instanceof Error ? error : new Error(String(error))));
  worker.on("exit", () => failAll(new Error("the thread of the engine has ended")));
  const ask = (request: SessionRequest, moved: ArrayBuffer[] = []): Promise<Arrays> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended);
        return;
      }
      worker.postMessage(request, moved);
      if (waiting.push({ resolve, reject }) === 1) wake();
    });
  return { ask, terminate: () => worker.terminate() };
};

/** Copies of the arrays, whose memory then moves: the caller's own must stay where it is. */
const copyAll = (arrays: Arrays): { readonly copies: Arrays; readonly moved: ArrayBuffer[] } => {
  const copies: Record<string, NdArray> = {};
  const moved: ArrayBuffer[] = [];
  for (const [name, array] of Object.entries(arrays)) {
    const data = array.data.slice();
    moved.push(data.buffer);
    copies[name] = { ...array, data };
  }
  return { copies, moved };
};

/** Keeps sessions in a thread of their own, which starts at once and serves one request after the other. */
export const createThreadHost = (url: URL): SessionHost => {
  const { ask, terminate } = startThread(url);
  let nextId = 0;
  let last: Promise<unknown> = Promise.resolve();
  const send = (request: SessionRequest, moved: ArrayBuffer[] = []): Promise<Arrays> => {
    const coming = ask(request, moved);
    last = coming.catch(() => {});
    return coming;
  };
  return {
    async open(spec) {
      const id = nextId++;
      const onnx = spec.onnx.slice();
      await send({ kind: "open", id, spec: { ...spec, onnx } }, [onnx.buffer]);
      return {
        run: (inputs) => {
          const { copies, moved } = copyAll(inputs);
          return send({ kind: "run", id, inputs: copies }, moved);
        },
        take: (names) => send({ kind: "take", id, names }),
        release: async () => {
          await send({ kind: "release", id });
        },
      };
    },
    async end() {
      await last;
      await terminate();
    },
  };
};
