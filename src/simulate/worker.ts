import { parentPort, workerData } from "node:worker_threads";
import { createSimulation, simulateBlock } from "./block.ts";
import { type BlockRequest, buffersOf, type WorkerSetup } from "./pool.ts";

const { survey, options } = workerData as WorkerSetup;
const simulation = createSimulation(survey, options);
parentPort?.on("message", ({ block, count }: BlockRequest) => {
  const table = simulateBlock(simulation, block, count);
  parentPort?.postMessage({ block, table }, buffersOf(table));
});
