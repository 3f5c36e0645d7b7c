import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { writeTable } from "../io/formats.ts";
import type { Table } from "../io/table.ts";
import { simulateBuiltin } from "../simulate/builtin.ts";
import { parseOptions, type SimulationInput } from "../simulate/options.ts";
import { simulateFromSpectra } from "../simulate/spectra.ts";
import { loadSurvey } from "../survey/survey.ts";
import { progressBar, say } from "./terminal.ts";
import { defineCommand } from "./shared.ts";
import { flagOf, simulationFlags, simulationInput } from "./simulate-options.ts";

export interface SimulateRequest extends SimulationInput {
  readonly survey: string;
  readonly out: string;
  readonly spectra?: readonly string[];
}

/** Writes a simulated survey to `out`; returns the number of rows. */
export async function runSimulate(request: SimulateRequest): Promise<number> {
  const { survey: surveyName, out, spectra, ...options } = request;
  const survey = loadSurvey(surveyName);
  const total = spectra?.length ?? (options.n ?? 20_000) * (options.draws ?? 1);
  const batches =
    spectra === undefined
      ? simulateBuiltin({ survey, ...options })
      : simulateFromSpectra(spectra, { survey, ...options });
  const first = await batches.next();
  if (first.done === true) throw new UserError("nothing was simulated: no spectra, or n is 0");
  const bar = progressBar("simulating", total);
  const start = performance.now();
  let done = 0;
  async function* counted(): AsyncGenerator<Table> {
    for (let next = first; next.done !== true; next = await batches.next()) {
      yield next.value;
      done += next.value.rowCount;
      bar.update(done, `${Math.round((1000 * done) / (performance.now() - start))} galaxies/s`);
    }
  }
  makeFolder(dirname(out));
  const metadata = { creator: "caleido simulate", survey: survey.name, ...first.value.metadata };
  try {
    await writeTable(out, { schema: first.value.columns.map(schemaOf), metadata }, counted());
  } finally {
    bar.stop();
  }
  return done;
}

interface Arguments extends Record<string, unknown> {
  readonly survey: string;
  readonly out: string;
  readonly spectra: readonly string[] | undefined;
}

export const simulateCommand = defineCommand<Arguments>({
  command: "simulate",
  describe: "simulate a survey: galaxies with photometry, noise and labels",
  builder: (yargs) =>
    simulationFlags(
      yargs
        .option("survey", {
          type: "string",
          default: "minijpas",
          describe: "survey file: a name of `caleido datasets`, or a path",
        })
        .option("out", {
          type: "string",
          demandOption: true,
          describe: "table to write: .parquet, .fits, .csv, .arrow",
        })
        .option("spectra", {
          type: "string",
          array: true,
          describe: "SDSS spec-*.fits files to observe instead of models",
        }),
    )
      .example("$0 simulate --n 20000 --out sims.parquet", "twenty thousand miniJPAS galaxies")
      .example("$0 simulate --spectra spec-*.fits --filters filters --out real.parquet", "real spectra seen by J-PAS"),
  handler: async (args) => {
    const { survey, out, spectra } = args;
    const simulation = simulationInput(args);
    parseOptions(simulation, flagOf);
    const rows = await runSimulate({ survey, out, ...simulation, ...(spectra === undefined ? {} : { spectra }) });
    say(`${out}: ${rows} rows`);
  },
});
