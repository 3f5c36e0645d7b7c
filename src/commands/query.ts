import { query, type QueryRequest } from "../inference/query.ts";
import type { Table } from "../io/table.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
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
} from "./shared.ts";
import { printTable, say, terminal } from "./terminal.ts";

/** Rows shown on the terminal. */
const SHOWN = 10;

/** Prints the first answers: median, 16 - 84 % interval, and the table's own value where it has one. */
function show(table: Table, catalog: Catalog, wanted: readonly number[]): void {
  const column = (name: string): ArrayLike<unknown> => table.columns.find((each) => each.name === name)!.data;
  const ids = column("object_id");
  const { fields } = catalog;
  const cell = (j: number, i: number): string => {
    const [median, low, high] = ["median", "q16", "q84"].map((each) => Number(column(`${fields[j].name}_${each}`)[i]));
    const at = i * fields.length + j;
    const own = catalog.state[at] === State.measured ? `  [${number(catalog.value[at])}]` : "";
    return `${number(median)} (${number(low)} .. ${number(high)})${own}`;
  };
  printTable(
    [
      "object",
      ...wanted.map((j) => (fields[j].unit === "" ? fields[j].name : `${fields[j].name} [${fields[j].unit}]`)),
    ],
    Array.from({ length: Math.min(SHOWN, table.rowCount) }, (_, i) => [
      String(ids[i]),
      ...wanted.map((j) => cell(j, i)),
    ]),
  );
  if (wanted.some((j) => catalog.state[j] === State.measured)) {
    say("  median (16 % .. 84 %)  [the table's own value, not used]");
  }
}

/** Answers, and shows the first of them. */
export async function queryAndShow(request: QueryRequest): Promise<void> {
  let first: Parameters<typeof show> | undefined;
  await query({ ...request, reporter: terminal, onAnswers: (...batch) => (first ??= batch) });
  if (first !== undefined) show(...first);
}

interface Arguments extends EngineArguments, ReadArguments {
  table: string | undefined;
  checkpoint: string;
  given: string | undefined;
  want: string;
  set: string[] | undefined;
  out: string | undefined;
  samples: number;
  pdf: boolean;
  pdfPoints: number;
  seed: string;
  anyAperture: boolean;
}

export const queryCommand = defineCommand<Arguments>({
  command: "query [table]",
  describe: "ask for any fields of galaxies from any others",
  builder: (yargs) =>
    apertureOption(readOptions(engineOptions(yargs)))
      .positional("table", {
        type: "string",
        describe: "table of galaxies: .parquet, .fits, .csv, .ecsv, .arrow, .vot, .h5",
      })
      .option("checkpoint", { type: "string", demandOption: true, describe: "checkpoint or run folder" })
      .option("given", {
        type: "string",
        describe:
          "fields to use: names, ranges (J0378..J0600), bands by pivot (..6000A), groups; default: all but the wanted",
      })
      .option("want", { type: "string", demandOption: true, describe: "fields to answer, e.g. z,HALPHA_EW" })
      .option("set", {
        type: "string",
        array: true,
        describe: "values of one galaxy instead of a table: FIELD=value or FIELD=value+-error",
      })
      .option("out", { type: "string", describe: "table to write: .parquet, .fits, .csv, .ecsv, .arrow, .vot" })
      .option("samples", { type: "number", default: 0, describe: "joint samples per galaxy, as <FIELD>_samples" })
      .option("pdf", {
        type: "boolean",
        default: false,
        describe: "densities on a grid, as <FIELD>_grid and <FIELD>_pdf",
      })
      .option("pdf-points", { type: "number", default: 200, describe: "points of that grid" })
      .option("seed", { type: "string", default: "1", describe: "seed of the samples" })
      .example(
        "$0 query cat.fits --checkpoint runs/a --given J0378..J0600 --want HALPHA_EW,z --out out.parquet",
        "EW and redshift from blue bands",
      )
      .example(
        "$0 query --checkpoint runs/a --set LOGM=10.5 OIII5007_EW=20 --want J0800..J0910",
        "a red spectrum from two properties",
      ),
  handler: async (args) => {
    const { table, set } = args;
    await queryAndShow({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      want: args.want,
      samples: args.samples,
      seed: args.seed,
      reading: readOptionsOf(args),
      anyAperture: args.anyAperture,
      ...(args.given === undefined ? {} : { given: args.given }),
      ...(table === undefined ? {} : { table }),
      ...(set === undefined ? {} : { values: set }),
      ...(args.out === undefined ? {} : { out: args.out }),
      ...(args.pdf ? { pdf: { points: args.pdfPoints } } : {}),
    });
  },
});
