import { UserError } from "../errors.ts";
import { simulateWithPage } from "../explore/simulation.ts";
import { checkWritable } from "../io/formats.ts";
import { parseOptions } from "../simulate/options.ts";
import { simulate } from "../simulate/simulate.ts";
import { counted } from "../text.ts";
import { besideTables, type ReportArguments, reportOptions, reportPath } from "./look.ts";
import { defineCommand } from "./shared.ts";
import { flagOf, observedSpectra, simulationFlags, simulationInput, type SourceArguments } from "./simulate-options.ts";
import { say, terminal } from "./terminal.ts";

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
    const { survey, out, report, figures } = args;
    const simulation = simulationInput(args);
    // told here in the words of the command line
    parseOptions(simulation, flagOf);
    checkWritable(out);
    const request = { survey, out, ...simulation, ...observedSpectra(args), reporter: terminal };
    const named = figures === undefined ? {} : { figures };
    if (report) {
      const page = reportPath(out);
      const command = `caleido ${process.argv.slice(2).join(" ")}`;
      const made = await simulateWithPage(request, { out: page, beside: besideTables(args), command, ...named });
      say(`${out}: ${counted(made.rows, "row")}`);
      say(`${page}: ${counted(made.figures, "figure")}`);
      return;
    }
    if (figures !== undefined || args.beside.length > 0) {
      throw new UserError(`--${figures === undefined ? "beside" : "figures"}: there are no figures with --no-report`);
    }
    say(`${out}: ${counted(await simulate(request), "row")}`);
  },
});
