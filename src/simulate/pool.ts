import { Worker } from "node:worker_threads";
import { UserError } from "../errors.ts";
import type { Table } from "../io/table.ts";
import type { Survey } from "../survey/survey.ts";
import type { Libraries } from "./block.ts";
import type { SimulationOptions } from "./options.ts";

export interface WorkerSetup {
  readonly survey: Survey;
  readonly options: SimulationOptions;
  readonly libraries: Libraries;
}

export interface BlockRequest {
  readonly block: number;
  readonly count: number;
}

/** What a thread sends back: a table, or the message of a `UserError`. */
export type BlockResult =
  | { readonly block: number; readonly table: Table }
  | { readonly block: number; readonly mistake: string };

/** Memory of a table that moves between threads instead of being copied. */
export function buffersOf(table: Table): ArrayBuffer[] {
  return table.columns.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer as ArrayBuffer]));
}

/** Blocks a thread may be ahead of the consumer. */
const AHEAD = 3;

/** Runs blocks on worker threads and yields their tables in order; at most `AHEAD` blocks per thread are in memory. */
export async function* runBlocks(
  url: URL,
  setup: WorkerSetup,
  requests: readonly BlockRequest[],
): AsyncGenerator<Table, void, undefined> {
  const size = Math.min(setup.options.workers, requests.length);
  const workers = Array.from({ length: size }, () => new Worker(url, { workerData: setup }));
  const done = new Map<number, Table>();
  let failure: Error | undefined;
  let wake = (): void => {};
  for (const worker of workers) {
    worker.on("message", (result: BlockResult) => {
      if ("table" in result) done.set(result.block, result.table);
      else failure = new UserError(result.mistake);
      wake();
    });
    worker.on("error", (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
      wake();
    });
  }
  try {
    const ahead = size * AHEAD;
    const send = (i: number): void => {
      if (i < requests.length) workers[i % size].postMessage(requests[i], []);
    };
    for (let i = 0; i < ahead; i++) send(i);
    for (let i = 0; i < requests.length; i++) {
      const { block } = requests[i];
      while (!done.has(block)) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const table = done.get(block);
      done.delete(block);
      send(i + ahead);
      if (table !== undefined) yield table;
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
