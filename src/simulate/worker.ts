import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../errors.ts";
import { createSimulation, simulateBlock, type Simulation } from "./block.ts";
import { type BlockRequest, type BlockResult, buffersOf, type WorkerSetup } from "./pool.ts";

const { survey, options, libraries } = workerData as WorkerSetup;
let simulation: Simulation | undefined;

parentPort?.on("message", ({ block, count }: BlockRequest) => {
  let result: BlockResult;
  try {
    simulation ??= createSimulation(survey, options, libraries);
    result = { block, table: simulateBlock(simulation, block, count) };
  } catch (error) {
    // a class does not survive the way between threads; other errors end the thread and reach its "error" event
    if (!(error instanceof UserError)) throw error;
    result = { block, mistake: error.message };
  }
  parentPort?.postMessage(result, "table" in result ? buffersOf(result.table) : []);
});
