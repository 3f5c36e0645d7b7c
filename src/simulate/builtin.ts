import type { Table } from "../io/table.ts";
import { SOURCES } from "../survey/sources.ts";
import type { Survey } from "../survey/survey.ts";
import { BLOCK_SIZE, checkSelection, createSimulation, simulateBlock } from "./block.ts";
import { parseOptions, type SimulationInput, withSample } from "./options.ts";
import { runBlocks, type WorkerSetup } from "./pool.ts";
import { readSspGrid } from "./ssp.ts";
import { readStarLibrary } from "./star-library.ts";

/** The compiled worker; none when running from TypeScript sources, which a Node 20 thread cannot load. */
function workerUrl(): URL | undefined {
  return import.meta.url.endsWith(".js") ? new URL("./worker.js", import.meta.url) : undefined;
}

const BUILTIN_STARS = "built-in stellar continuum";

/**
 * Simulates galaxies of a survey from the built-in continuum, or from a grid of stellar populations (`ssp`): batches with the public columns (object_id, parent_id,
 * tile, every band with `_err`, `_state` for the ultraviolet, labels), noise draws of one parent in adjoining rows.
 * `stars` takes single stars (`kinds`) from spectra of real ones.
 * The same seed gives the same rows whatever the number of workers. `metadata.stars` and `metadata.singleStars` say where the spectra come from.
 * @throws UserError for options that contradict the survey or each other, and for spectra as `readSspGrid` and `readStarLibrary`.
 */
export async function* simulateBuiltin(
  request: { readonly survey: Survey } & SimulationInput,
): AsyncGenerator<Table, void, undefined> {
  const { survey, ...input } = request;
  const options = parseOptions(withSample(survey, input));
  checkSelection(survey, options);
  const grid = options.ssp === undefined ? undefined : await readSspGrid(options.ssp);
  const library = options.stars === undefined ? undefined : await readStarLibrary(options.stars);
  const libraries = { grid, stars: library };
  const single = library === undefined ? {} : { singleStars: library.description };
  for await (const table of tablesOf({ survey, options, libraries })) {
    const stars = grid?.description ?? BUILTIN_STARS;
    yield { ...table, metadata: { ...table.metadata, stars, ...single, [SOURCES]: "simulation" } };
  }
}

async function* tablesOf(setup: WorkerSetup): AsyncGenerator<Table, void, undefined> {
  const { n, workers } = setup.options;
  const requests = Array.from({ length: Math.ceil(n / BLOCK_SIZE) }, (_, block) => ({
    block,
    count: Math.min(BLOCK_SIZE, n - block * BLOCK_SIZE),
  }));
  const url = workerUrl();
  // a small run is over before threads have built their templates
  if (url !== undefined && workers > 0 && requests.length > 2) {
    yield* runBlocks(url, setup, requests);
    return;
  }
  const simulation = createSimulation(setup.survey, setup.options, setup.libraries);
  for (const { block, count } of requests) yield simulateBlock(simulation, block, count);
}
