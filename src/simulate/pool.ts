import { Worker } from "node:worker_threads";
import { UserError } from "../errors.ts";
import type { Table } from "../io/table.ts";

/** What a thread is sent. */
export interface Request {
  readonly index: number;
  readonly job: unknown;
}

/** Tables of a job, and what else it found. */
export interface Done {
  readonly tables: readonly Table[];
  readonly found?: unknown;
}

/** What a thread sends back: what it did, or the message of a `UserError`. */
export type Result = ({ readonly index: number } & Done) | { readonly index: number; readonly mistake: string };

/** The compiled worker; none when running from TypeScript sources, which a Node 20 thread cannot load. */
export function workerUrl(): URL | undefined {
  return import.meta.url.endsWith(".js") ? new URL("./worker.js", import.meta.url) : undefined;
}

/** Memory of a table that moves between threads instead of being copied. */
export function buffersOf(table: Table): ArrayBuffer[] {
  return table.columns.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer as ArrayBuffer]));
}

/**
 * Runs jobs on at most `most` worker threads, each of which gets `setup` once, and yields what they did in order; at
 * most `ahead` jobs per thread are under way or in memory.
 */
export async function* runJobs(
  url: URL,
  setup: unknown,
  jobs: readonly unknown[],
  { most, ahead }: { readonly most: number; readonly ahead: number },
): AsyncGenerator<Done, void, undefined> {
  const size = Math.min(most, jobs.length);
  const workers = Array.from({ length: size }, () => new Worker(url, { workerData: setup }));
  const done = new Map<number, Done>();
  let failure: Error | undefined;
  let wake = (): void => {};
  for (const worker of workers) {
    worker.on("message", (result: Result) => {
      if ("tables" in result) done.set(result.index, result);
      else failure = new UserError(result.mistake);
      wake();
    });
    worker.on("error", (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
      wake();
    });
  }
  try {
    const send = (index: number): void => {
      const request = { index, job: jobs[index] } satisfies Request;
      if (index < jobs.length) workers[index % size].postMessage(request, []);
    };
    for (let i = 0; i < size * ahead; i++) send(i);
    for (let i = 0; i < jobs.length; i++) {
      let result = done.get(i);
      while (result === undefined) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
        result = done.get(i);
      }
      done.delete(i);
      send(i + size * ahead);
      yield result;
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
