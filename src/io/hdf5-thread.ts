import { Worker } from "node:worker_threads";
import type { Hdf5Answer, Hdf5Request } from "./hdf5-worker.ts";

/** A Node 20 thread cannot load TypeScript: from sources the compiled worker is used. */
function workerUrl(): URL {
  return import.meta.url.endsWith(".js")
    ? new URL("./hdf5-worker.js", import.meta.url)
    : new URL("../../dist/io/hdf5-worker.js", import.meta.url);
}

/** The HDF5 library in a thread of its own, so that a file over which it loops or aborts takes nothing else along. */
export interface Hdf5Thread {
  /**
   * The answer to one request. @throws Error with the library's reason, or when it works longer than `limit`
   * milliseconds; the thread is of no more use then.
   */
  ask(request: Hdf5Request, limit: number): Promise<Hdf5Answer>;
  end(): Promise<void>;
  /** Whether it can be asked no more. */
  readonly hasEnded: () => boolean;
}

class Hdf5Failure extends Error {}

/** Next message of a worker, or its end. */
function nextAnswer(worker: Worker): Promise<Hdf5Answer> {
  return new Promise((resolve, reject) => {
    const settle = (run: () => void): void => {
      worker.off("message", onMessage);
      worker.off("error", onError);
      worker.off("exit", onExit);
      run();
    };
    const onMessage = (answer: Hdf5Answer): void => settle(() => resolve(answer));
    const onError = (error: unknown): void =>
      settle(() => reject(new Hdf5Failure(error instanceof Error ? error.message : String(error))));
    const onExit = (): void => settle(() => reject(new Hdf5Failure("the library ended")));
    worker.on("message", onMessage);
    worker.on("error", onError);
    worker.on("exit", onExit);
  });
}

/** Times the limit after which even a thread that does not work is given up. */
const PATIENCE = 40;

/**
 * A promise that fails when `limit` milliseconds went by and as much processor time was used: a loop burns it, a slow
 * disk or a busy machine does not.
 */
function watchTime(limit: number): { readonly late: Promise<never>; stop(): void } {
  const start = performance.now();
  const before = process.cpuUsage();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      const wall = performance.now() - start;
      const { user, system } = process.cpuUsage(before);
      if (wall > PATIENCE * limit || (wall > limit && (user + system) / 1000 > limit)) {
        reject(new Hdf5Failure(`no answer within ${(wall / 1000).toFixed(1)} s`));
      }
    }, 50);
  });
  return { late, stop: () => clearInterval(timer) };
}

/** Starts a thread; resolves when the library is loaded, so that time limits count only its work. */
async function startThread(): Promise<Hdf5Thread> {
  // The library writes its last words to the standard streams.
  const worker = new Worker(workerUrl(), { stdout: true, stderr: true });
  await nextAnswer(worker);
  worker.unref();
  let hasEnded = false;
  worker.on("exit", () => (hasEnded = true));
  // An error while nobody asks must not end the process.
  worker.on("error", () => (hasEnded = true));
  let last: Promise<unknown> = Promise.resolve();
  const askNow: Hdf5Thread["ask"] = async (request, limit) => {
    if (hasEnded) throw new Hdf5Failure("the library ended");
    worker.ref();
    const watch = watchTime(limit);
    try {
      const coming = nextAnswer(worker);
      worker.postMessage(request, []);
      const answer = await Promise.race([coming, watch.late]);
      if (answer.kind === "damage") throw new Hdf5Failure(answer.message);
      return answer;
    } finally {
      watch.stop();
      worker.unref();
    }
  };
  return {
    hasEnded: () => hasEnded,
    ask(request, limit) {
      // One request at a time: answers carry no number.
      const turn = last.then(() => askNow(request, limit));
      last = turn.catch(() => {});
      return turn;
    },
    async end() {
      hasEnded = true;
      await worker.terminate();
    },
  };
}

/** A thread that has done its work without fault waits here for the next file. */
let idle: Hdf5Thread | undefined;

export async function takeThread(): Promise<Hdf5Thread> {
  const waiting = idle;
  idle = undefined;
  return waiting && !waiting.hasEnded() ? waiting : startThread();
}

export async function giveBackThread(thread: Hdf5Thread): Promise<void> {
  if (idle) await thread.end();
  else idle = thread;
}
