import type { Table } from "../io/table.ts";
import type { Survey } from "../survey/survey.ts";
import { BLOCK_SIZE, checkSelection, createSimulation, simulateBlock } from "./block.ts";
import { parseOptions, type SimulationInput } from "./options.ts";
import { runBlocks } from "./pool.ts";

/** The compiled worker; none when running from TypeScript sources, which a Node 20 thread cannot load. */
function workerUrl(): URL | undefined {
  return import.meta.url.endsWith(".js") ? new URL("./worker.js", import.meta.url) : undefined;
}

/**
 * Simulates galaxies of a survey from the built-in continuum: batches with the public columns (object_id, parent_id,
 * tile, every band with `_err`, `_state` for the ultraviolet, labels), noise draws of one parent in adjoining rows.
 * The same seed gives the same rows whatever the number of workers.
 * @throws UserError for options that contradict the survey or each other.
 */
export async function* simulateBuiltin(
  request: { readonly survey: Survey } & SimulationInput,
): AsyncGenerator<Table, void, undefined> {
  const { survey, ...input } = request;
  const options = parseOptions(input);
  const requests = Array.from({ length: Math.ceil(options.n / BLOCK_SIZE) }, (_, block) => ({
    block,
    count: Math.min(BLOCK_SIZE, options.n - block * BLOCK_SIZE),
  }));
  const url = workerUrl();
  // a small run is over before threads have built their templates
  if (url !== undefined && options.workers > 0 && requests.length > 2) {
    checkSelection(survey, options);
    yield* runBlocks(url, { survey, options }, requests);
    return;
  }
  const simulation = createSimulation(survey, options);
  for (const { block, count } of requests) yield simulateBlock(simulation, block, count);
}
