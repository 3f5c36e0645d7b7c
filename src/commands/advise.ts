import type { Advice } from "../inference/advice.ts";
import { advise } from "../inference/advise.ts";
import { number } from "../text.ts";
import {
  apertureOption,
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  type ReadArguments,
  readOptions,
  readOptionsOf,
  type SurveyArguments,
  surveyOption,
  surveyOptionOf,
  usualCheckpoint,
} from "./shared.ts";
import { printTable, say, terminal } from "./terminal.ts";

/** Candidates shown on the terminal. */
const SHOWN = 20;

const withError = (value: number, error: number): string => `${number(value)} +- ${number(error)}`;

/** The most telling candidates of every wanted field. */
function show(advice: readonly Advice[]): void {
  for (const name of new Set(advice.map(({ wanted }) => wanted))) {
    const own = advice.filter(({ wanted }) => wanted === name);
    const isKnown = own.some(({ realised }) => realised !== undefined);
    const rows = Math.max(...own.map((one) => one.rows));
    say(`\n  ${name}: 68 % width ${number(own[0].widthNow)} as it is${rows > 1 ? `, mean of ${rows} galaxies` : ""}`);
    printTable(
      [
        "observed too",
        "information [nats]",
        "68 % width then",
        ...(isKnown ? ["it told [nats]", "rise of ln p(truth)"] : []),
      ],
      own
        .slice(0, SHOWN)
        .map(({ candidate, gain, gainError, width, widthError, realised }) => [
          candidate,
          withError(gain, gainError),
          Number.isNaN(width) ? "" : withError(width, widthError),
          ...(isKnown && realised === undefined ? ["", ""] : []),
          ...(realised === undefined
            ? []
            : [withError(realised.gain, realised.gainError), withError(realised.score, realised.scoreError)]),
        ]),
    );
    if (own.length > SHOWN) say(`  the ${SHOWN} most telling of ${own.length}; --out writes all`);
  }
}

interface Arguments extends EngineArguments, ReadArguments, SurveyArguments {
  table: string | undefined;
  checkpoint: string;
  given: string | undefined;
  want: string;
  set: string[] | undefined;
  candidates: string | undefined;
  together: string[] | undefined;
  error: string[] | undefined;
  draws: number;
  rows: number;
  out: string | undefined;
  seed: string;
  anyAperture: boolean;
}

export const adviseCommand = defineCommand<Arguments>({
  command: "advise [table]",
  describe: "what a further band, line or set of them is expected to tell of a wanted field",
  builder: (yargs) =>
    apertureOption(surveyOption(readOptions(engineOptions(yargs))))
      .positional("table", { type: "string", describe: "table of galaxies, or a prepared folder" })
      .option("checkpoint", usualCheckpoint)
      .option("given", {
        type: "string",
        describe:
          "fields to use: names, ranges (J0378..J0600), bands by pivot (..6000A), groups; default: all but the wanted",
      })
      .option("want", { type: "string", demandOption: true, describe: "fields to learn of, e.g. z,LOGM" })
      .option("set", {
        type: "string",
        array: true,
        describe: "values of one galaxy instead of a table: FIELD=value or FIELD=value+-error",
      })
      .option("candidates", {
        type: "string",
        describe: "what might be observed, each by itself, as --given lists it; default: bands and equivalent widths",
      })
      .option("together", {
        type: "string",
        array: true,
        nargs: 1,
        describe: "what might be observed together, e.g. J0800..J0910 or 8000A..9100A; one option each",
      })
      .option("error", {
        type: "string",
        array: true,
        nargs: 1,
        describe:
          "FIELDS=error, 1 sigma of such an observation in the field's unit; default: the table's own where it has it, else a band's depth and zero-point, 1 A and 10 % of a width, none of other numbers",
      })
      .option("draws", { type: "number", default: 32, describe: "observations drawn per galaxy and candidate" })
      .option("rows", { type: "number", default: 50, describe: "most galaxies of the table, evenly spaced" })
      .option("out", {
        type: "string",
        describe: "table to write: .csv, .ecsv, .parquet, .fits, ...; with a figure beside it for every wanted field",
      })
      .option("seed", { type: "string", default: "1", describe: "seed of the draws" })
      .example(
        "$0 advise --set gSDSS=80+-3 rSDSS=120+-3 iSDSS=140+-3 --want z",
        "the next band to observe of one galaxy",
      )
      .example(
        "$0 advise cat.fits --given broad --want z,LOGM --together narrow --together ..5000A --out advice.csv",
        "what narrow bands, all or the blue ones, would add in a survey; and what they did where the table has them",
      ),
  handler: async (args) => {
    const advice = await advise({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      want: args.want,
      reading: readOptionsOf(args),
      ...surveyOptionOf(args),
      anyAperture: args.anyAperture,
      draws: args.draws,
      mostRows: args.rows,
      seed: args.seed,
      reporter: terminal,
      ...(args.table === undefined ? {} : { table: args.table }),
      ...(args.set === undefined ? {} : { values: args.set }),
      ...(args.given === undefined ? {} : { given: args.given }),
      ...(args.candidates === undefined ? {} : { candidates: args.candidates }),
      ...(args.together === undefined ? {} : { together: args.together }),
      ...(args.error === undefined ? {} : { errors: args.error }),
      ...(args.out === undefined ? {} : { out: args.out }),
    });
    show(advice);
  },
});
