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
import { type ReportArguments, reportOptions, reportPath } from "./look.ts";
import { readBeside } from "./look-report.ts";
import { createSampler } from "./look-sample.ts";
import { defineCommand } from "./shared.ts";
import { flagOf, SAMPLE, simulationFlags, simulationInput } from "./simulate-options.ts";
import { writeSimulationReport } from "./simulate-report.ts";
import { progressBar, say } from "./terminal.ts";

export interface SimulateRequest extends SimulationInput {
  readonly survey: string;
  readonly out: string;
  readonly spectra?: readonly string[];
}

/** Writes a simulated survey to `out`, showing every batch to `watch`; returns the number of rows. */
export async function runSimulate(request: SimulateRequest, watch?: (table: Table) => void): Promise<number> {
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
      watch?.(next.value);
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

interface Arguments extends ReportArguments, Record<string, unknown> {
  readonly survey: string;
  readonly out: string;
  readonly spectra: readonly string[] | undefined;
  readonly report: boolean;
}

export const simulateCommand = defineCommand<Arguments>({
  command: "simulate",
  describe: "simulate a survey: galaxies with photometry, noise and labels, and a page that shows them",
  builder: (yargs) =>
    reportOptions(
      simulationFlags(
        yargs
          .option("survey", {
            group: SAMPLE,
            type: "string",
            default: "minijpas",
            describe: "survey file: a name of `caleido datasets`, or a path",
          })
          .option("spectra", {
            group: SAMPLE,
            type: "string",
            array: true,
            describe: "SDSS spec-*.fits files to observe instead of models",
          }),
      ),
    )
      .option("out", { type: "string", demandOption: true, describe: "table to write: .parquet, .fits, .csv, .arrow" })
      .option("report", {
        type: "boolean",
        default: true,
        describe: "write a page of figures beside the table; --no-report: don't",
      })
      .example("$0 simulate --n 20000 --out sims.parquet", "twenty thousand miniJPAS galaxies, and sims.html")
      .example("$0 simulate --spectra spec-*.fits --filters filters --out real.parquet", "real spectra seen by J-PAS")
      .example("$0 simulate --out sims.parquet --beside observed.fits", "with real galaxies beside in every figure"),
  handler: async (args) => {
    const { survey: surveyName, out, spectra, report } = args;
    const simulation = simulationInput(args);
    const options = parseOptions(simulation, flagOf);
    const survey = loadSurvey(surveyName);
    const label = "simulated";
    if (!report && (args.figures !== undefined || args.beside.length > 0)) {
      throw new UserError(
        `--${args.figures === undefined ? "beside" : "figures"}: there are no figures with --no-report`,
      );
    }
    // what stands beside is read first: a mistake there must not cost a simulation
    const others = report ? await readBeside(args, label) : [];
    const sampler = report ? createSampler(label, survey, String(options.seed)) : undefined;
    const start = performance.now();
    const request = { survey: surveyName, out, ...simulation, ...(spectra === undefined ? {} : { spectra }) };
    const rows = await runSimulate(request, (table) => sampler?.addTable(table));
    const seconds = (performance.now() - start) / 1000;
    say(`${out}: ${rows} rows`);
    if (sampler === undefined) return;
    const { figures } = args;
    const page = reportPath(out);
    const count = await writeSimulationReport({
      sample: sampler.finish(),
      others,
      options,
      isBuiltin: spectra === undefined,
      command: process.argv.slice(2),
      seconds,
      out: page,
      ...(figures === undefined ? {} : { figures }),
    });
    say(`${page}: ${count} figures`);
  },
});
