import type { Table } from "../io/table.ts";
import type { Survey } from "../survey/survey.ts";
import { BLOCK_SIZE, createSimulation, simulateBlock } from "./block.ts";
import { type SimulationInput, simulationOptions } from "./options.ts";

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
  const options = simulationOptions.parse(input);
  const simulation = createSimulation(survey, options);
  const blocks = Math.ceil(options.n / BLOCK_SIZE);
  for (let block = 0; block < blocks; block++) {
    yield simulateBlock(simulation, block, Math.min(BLOCK_SIZE, options.n - block * BLOCK_SIZE));
  }
}
