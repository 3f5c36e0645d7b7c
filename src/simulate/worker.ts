import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../errors.ts";
import { createSimulation, simulateBlock } from "./block.ts";
import type { BlockJob, GalaxySetup } from "./builtin.ts";
import { buffersOf, type Done, type Request, type Result } from "./pool.ts";
import { createFileSimulation, type SpectraSetup } from "./spectra.ts";

/** Does one job after another. */
type Work = (job: unknown) => Promise<Done>;

const setup = workerData as GalaxySetup | SpectraSetup;

async function createWork(): Promise<Work> {
  if (setup.source === "spectra") {
    const simulateFile = await createFileSimulation(setup.request);
    return (path) => simulateFile(path as string);
  }
  const simulation = createSimulation(setup.survey, setup.options, setup.grid);
  return async (job) => {
    const { block, count } = job as BlockJob;
    return { tables: [simulateBlock(simulation, block, count)] };
  };
}

let work: Promise<Work> | undefined;
let last: Promise<void> = Promise.resolve();

async function answer({ index, job }: Request): Promise<void> {
  let result: Result;
  try {
    work ??= createWork();
    result = { index, ...(await (await work)(job)) };
  } catch (error) {
    // a class does not survive the way between threads; other errors end the thread and reach its "error" event
    if (!(error instanceof UserError)) throw error;
    result = { index, mistake: error.message };
  }
  parentPort?.postMessage(result, "tables" in result ? result.tables.flatMap(buffersOf) : []);
}

// one job at a time: those that wait for a file must not all hold their spectra
parentPort?.on("message", (request: Request) => {
  last = last.then(() => answer(request));
});
