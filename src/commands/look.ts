import { basename, dirname } from "node:path";
import type { Argv } from "yargs";
import { makeFolder } from "../io/atomic.ts";
import { formatReport, counted } from "../survey/report.ts";
import { loadSurvey } from "../survey/survey.ts";
import { readBeside, readSample, writeLook } from "./look-report.ts";
import { defineCommand, type ReadArguments, readOptions, readOptionsOf } from "./shared.ts";
import { say } from "./terminal.ts";

/** Options of every report on a table. */
export interface ReportArguments extends ReadArguments {
  readonly figures: string | undefined;
  readonly beside: readonly string[];
  readonly besideSurvey: readonly string[];
}

const READ = "How tables are read:";
const SHOWN = "What is shown:";

export function reportOptions(yargs: Argv, group: string): Argv {
  return readOptions(yargs)
    .group(["layout", "unit", "relative-error"], READ)
    .option("figures", { group, type: "string", describe: "folder that also gets every figure as PNG" })
    .option("beside", {
      group,
      type: "string",
      array: true,
      nargs: 1,
      default: [],
      describe: "table of real galaxies to show beside; may be repeated",
    })
    .option("beside-survey", {
      group,
      type: "string",
      array: true,
      nargs: 1,
      default: [],
      describe: "its survey: one for each --beside, or one for all (default: --survey)",
    });
}

/** `cat.fits.gz` -> `cat.html`, in the same folder. */
export function reportPath(table: string): string {
  return `${table.replace(/(\.gz)?$/, "").replace(/\.[^./]+$/, "")}.html`;
}

interface Arguments extends ReportArguments {
  readonly table: string;
  readonly survey: string;
  readonly out: string | undefined;
}

export const lookCommand = defineCommand<Arguments>({
  command: "look <table>",
  describe: "look at a table: what is known, n(z), depth, colours, lines and properties, as a page of figures",
  builder: (yargs) =>
    reportOptions(
      yargs
        .positional("table", { type: "string", describe: "table in any known layout" })
        .option("survey", {
          type: "string",
          default: "minijpas",
          group: READ,
          describe: "survey file: a name of `caleido datasets`, or a path",
        })
        .option("out", {
          group: SHOWN,
          type: "string",
          describe: "page to write (default: <table>.look.html in this folder)",
        }),
      SHOWN,
    )
      .example("$0 look observed.fits", "missing bands, S/N and depth of a catalogue")
      .example("$0 look sims.parquet --beside observed.fits", "simulations beside observations"),
  handler: async (args) => {
    const survey = loadSurvey(args.survey);
    const label = basename(args.table);
    const { sample, reading } = await readSample(args.table, survey, label, readOptionsOf(args));
    for (const line of formatReport(reading)) say(`  ${line}`);
    const others = await readBeside(args, label);
    // not <table>.html, which the simulation may have written
    const out = args.out ?? reportPath(label).replace(/html$/, "look.html");
    makeFolder(dirname(out));
    const facts = [
      ["table", args.table],
      ["layout", reading.layout],
      ...(reading.emptyRows > 0
        ? [["rows empty in the table", reading.emptyRows.toLocaleString("en-US")] as const]
        : []),
    ] as const;
    const { figures } = args;
    const count = await writeLook({
      title: `A look at ${label}`,
      facts,
      sample,
      others,
      reading,
      out,
      ...(figures === undefined ? {} : { figures }),
    });
    say(`${out}: ${counted(count, "figure")}`);
  },
});
