import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { writeTable } from "../io/formats.ts";
import type { Table } from "../io/table.ts";
import { simulateBuiltin } from "../simulate/builtin.ts";
import type { SimulationInput } from "../simulate/options.ts";
import { simulateFromSpectra } from "../simulate/spectra.ts";
import { loadSurvey } from "../survey/survey.ts";
import { progressBar, say } from "./terminal.ts";
import { defineCommand } from "./shared.ts";

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

interface Arguments {
  survey: string;
  n: number;
  draws: number;
  seed: string;
  out: string;
  spectra: string[] | undefined;
  filters: string | undefined;
  faint: number;
  medianZ: number | undefined;
  noiseScale: number;
  zeroPointScale: number;
  offsetRms: number | undefined;
  workers: number;
}

export const simulateCommand = defineCommand<Arguments>({
  command: "simulate",
  describe: "simulate a survey: galaxies with photometry, noise and labels",
  builder: (yargs) =>
    yargs
      .option("survey", {
        type: "string",
        default: "minijpas",
        describe: "survey file: a name of `caleido datasets`, or a path",
      })
      .option("n", { type: "number", default: 20_000, describe: "number of galaxies" })
      .option("draws", { type: "number", default: 1, describe: "noise realisations per galaxy" })
      .option("seed", { type: "string", default: "1", describe: "the same seed gives the same table" })
      .option("out", { type: "string", demandOption: true, describe: "table to write: .parquet, .fits, .csv, .arrow" })
      .option("spectra", {
        type: "string",
        array: true,
        describe: "SDSS spec-*.fits files to observe instead of models",
      })
      .option("filters", {
        type: "string",
        describe: "folder of transmission curves (two columns: Angstrom, transmission)",
      })
      .option("faint", { type: "number", default: 22.5, describe: "magnitude limit, r band [AB mag]" })
      .option("median-z", { type: "number", describe: "n(z) with this median; default: volume and magnitude limit" })
      .option("noise-scale", { type: "number", default: 1, describe: "multiplies the survey's noise" })
      .option("zero-point-scale", { type: "number", default: 1, describe: "multiplies the survey's zero-point errors" })
      .option("offset-rms", {
        type: "number",
        describe: "shift every band's zero-point by a fixed random amount [mag rms]",
      })
      .option("workers", { type: "number", default: 2, describe: "threads; the result doesn't depend on it" })
      .example("$0 simulate --n 20000 --out sims.parquet", "twenty thousand miniJPAS galaxies")
      .example("$0 simulate --spectra spec-*.fits --filters filters --out real.parquet", "real spectra seen by J-PAS"),
  handler: async (args) => {
    const rows = await runSimulate({
      survey: args.survey,
      out: args.out,
      n: args.n,
      draws: args.draws,
      seed: args.seed,
      workers: args.workers,
      noiseScale: args.noiseScale,
      zeroPointScale: args.zeroPointScale,
      selection: { faint: args.faint },
      redshift: args.medianZ === undefined ? {} : { median: args.medianZ },
      ...(args.spectra === undefined ? {} : { spectra: args.spectra }),
      ...(args.filters === undefined ? {} : { filters: args.filters }),
      ...(args.offsetRms === undefined ? {} : { offsets: { rms: args.offsetRms, seed: `${args.seed}:offsets` } }),
    });
    say(`${args.out}: ${rows} rows`);
  },
});
