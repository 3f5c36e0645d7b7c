import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import type { Table } from "../io/table.ts";
import { simulateBuiltin } from "../simulate/builtin.ts";
import { parseOptions, type SimulationInput } from "../simulate/options.ts";
import { createTally, formatTally, simulateFromSpectra } from "../simulate/spectra.ts";
import type { LabelTable } from "../simulate/joined.ts";
import { expandPaths } from "../simulate/spectrum-files.ts";
import { loadSurvey } from "../survey/survey.ts";
import { counted } from "../survey/report.ts";
import { type ReportArguments, reportOptions, reportPath } from "./look.ts";
import { readBeside } from "./look-report.ts";
import { createSampler } from "./look-sample.ts";
import { defineCommand } from "./shared.ts";
import { flagOf, observedSpectra, simulationFlags, simulationInput, type SourceArguments } from "./simulate-options.ts";
import { writeSimulationReport } from "./simulate-report.ts";
import { progressBar, say } from "./terminal.ts";

export interface SimulateRequest extends SimulationInput {
  readonly survey: string;
  readonly out: string;
  /** Observed spectra in place of models: files, folders, patterns. */
  readonly spectra?: readonly string[];
  readonly labels?: readonly LabelTable[];
}

/** Writes a simulated survey to `out`, showing every batch to `watch`; returns the number of rows. */
export async function runSimulate(request: SimulateRequest, watch?: (table: Table) => void): Promise<number> {
  const { survey: surveyName, out, spectra, labels, ...options } = request;
  const survey = loadSurvey(surveyName);
  const files = spectra === undefined ? undefined : expandPaths(spectra);
  const total = files?.length ?? (options.n ?? 20_000) * (options.draws ?? 1);
  const tally = createTally();
  const batches =
    files === undefined
      ? simulateBuiltin({ survey, ...options })
      : simulateFromSpectra(files, { survey, ...options, ...(labels === undefined ? {} : { labels }) }, tally);
  const first = await batches.next();
  if (first.done === true) throw new UserError(`nothing was simulated: ${formatTally(tally).join("; ")}`);
  if (files === undefined && options.ssp !== undefined) say(`stars: ${first.value.metadata?.stars}`);
  const bar = progressBar("simulating", total);
  const start = performance.now();
  let done = 0;
  async function* shown(): AsyncGenerator<Table> {
    for (let next = first; next.done !== true; next = await batches.next()) {
      watch?.(next.value);
      yield next.value;
      done += next.value.rowCount;
      bar.update(
        files === undefined ? done : tally.files,
        `${Math.round((1000 * done) / (performance.now() - start))} galaxies/s`,
      );
    }
  }
  makeFolder(dirname(out));
  const metadata = { creator: "caleido simulate", survey: survey.name, ...first.value.metadata };
  try {
    await writeTable(out, { schema: first.value.columns.map(schemaOf), metadata }, shown());
  } finally {
    bar.stop();
  }
  if (files !== undefined) for (const line of formatTally(tally)) say(`  ${line}`);
  return done;
}

interface Arguments extends SourceArguments, ReportArguments, Record<string, unknown> {
  readonly out: string;
  readonly report: boolean;
}

const WRITTEN = "What is written:";

export const simulateCommand = defineCommand<Arguments>({
  command: "simulate",
  describe: "simulate a survey: galaxies with photometry, noise and labels, and a page that shows them",
  builder: (yargs) =>
    reportOptions(
      simulationFlags(yargs)
        .option("out", {
          group: WRITTEN,
          type: "string",
          demandOption: true,
          describe: "table to write: .parquet, .fits, .csv, .ecsv, .arrow, .vot",
        })
        .option("report", {
          group: WRITTEN,
          type: "boolean",
          default: true,
          describe: "also a page of figures, beside the table; --no-report: don't",
        }),
      WRITTEN,
    )
      .example("$0 simulate --n 20000 --out sims.parquet", "twenty thousand miniJPAS galaxies, and sims.html")
      .example("$0 simulate --spectra spec-*.fits --filters curves --out real.parquet", "real spectra seen by J-PAS")
      .example("$0 simulate --out sims.parquet --beside observed.fits", "with real galaxies beside in every figure"),
  handler: async (args) => {
    const { survey: surveyName, out, spectra, report } = args;
    const simulation = simulationInput(args);
    const options = parseOptions(simulation, flagOf);
    const survey = loadSurvey(surveyName);
    checkWritable(out);
    const observed = observedSpectra(args);
    const label = spectra === undefined ? "simulated" : "observed spectra";
    if (!report && (args.figures !== undefined || args.beside.length > 0)) {
      throw new UserError(
        `--${args.figures === undefined ? "beside" : "figures"}: there are no figures with --no-report`,
      );
    }
    // mistakes must not cost a simulation: what stands beside is read before
    const others = report ? await readBeside(args, label) : [];
    const sampler = report ? createSampler(label, survey, String(options.seed)) : undefined;
    const start = performance.now();
    const request = { survey: surveyName, out, ...simulation, ...observed };
    const rows = await runSimulate(request, (table) => sampler?.addTable(table));
    const seconds = (performance.now() - start) / 1000;
    say(`${out}: ${counted(rows, "row")}`);
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
    say(`${page}: ${counted(count, "figure")}`);
  },
});
