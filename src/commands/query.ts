import { dirname } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { createPredictor, type Predictor } from "../inference/predict.ts";
import { explain, type PdfOptions, pdfColumns, summaryColumns } from "../inference/answers.ts";
import { sampleJoint } from "../inference/sampling.ts";
import { createRng } from "../random.ts";
import { catalogFromValues } from "../survey/values.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { State } from "../survey/field.ts";
import { readCatalog } from "../survey/read.ts";
import { addReport, formatReport, type ReadReport, counted } from "../survey/report.ts";
import type { Survey } from "../survey/survey.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";
import {
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  flagsOf,
  parseFieldList,
  type ReadArguments,
  readOptions,
  readOptionsOf,
  surveyOf,
} from "./shared.ts";
import { number, printTable, progressBar, say } from "./terminal.ts";

export interface QueryRequest {
  readonly engine: Engine;
  readonly checkpoint: string;
  /** A table, or the values of one galaxy (`J0378=1.2+-0.1`). */
  readonly table?: string;
  readonly reading?: BindOptions;
  readonly values?: readonly string[];
  readonly given: string;
  readonly want: string;
  readonly out?: string;
  readonly samples: number;
  readonly pdf?: PdfOptions;
  readonly seed: string;
}

/** Rows shown on the terminal. */
const SHOWN = 10;

/** Joint draws as array columns `<FIELD>_samples`, one row per galaxy. */
async function sampleColumns(
  predictor: Predictor,
  catalog: Catalog,
  isGiven: Uint8Array,
  wanted: readonly number[],
  draws: number,
  seed: string,
): Promise<Column[]> {
  const data = wanted.map(() => new Float32Array(catalog.rowCount * draws));
  for (let row = 0; row < catalog.rowCount; row++) {
    const rng = createRng(`${seed}:samples:${catalog.objectId[row]}`);
    const { values } = await sampleJoint(predictor, catalog, row, isGiven, wanted, draws, rng);
    for (let i = 0; i < draws; i++)
      wanted.forEach((_, w) => (data[w][row * draws + i] = values[i * wanted.length + w]!));
  }
  return wanted.map((j, w) => {
    const { name, unit } = catalog.fields[j];
    const description = explain(catalog.fields[j], "joint samples of the posterior");
    const base = { name: `${name}_samples`, type: "float32", width: draws, data: data[w], description } as const;
    return unit === "" ? base : { ...base, unit };
  });
}

/** Ids as the table has them, so that answers can be joined to it. */
function idColumn({ objectId, hasIntegerIds }: Catalog): Column {
  const id = {
    name: "object_id",
    width: 1,
    description: "id of the galaxy in the table that was asked about",
  } as const;
  if (hasIntegerIds !== true) return { ...id, type: "string", data: [...objectId] };
  return { ...id, type: "int64", data: BigInt64Array.from(objectId, BigInt) };
}

async function answer(predictor: Predictor, catalog: Catalog, request: QueryRequest): Promise<Table> {
  const { fields } = predictor.coder;
  const isGiven = flagsOf(parseFieldList(request.given, fields, "--given"), fields.length);
  const wanted = parseFieldList(request.want, fields, "--want");
  const rows = Int32Array.from({ length: catalog.rowCount }, (_, i) => i);
  // A wanted field is never given, whatever --given says: asking for what is there shows what the rest says of it.
  for (const j of wanted) isGiven[j] = 0;
  const answers = await predictor.predict(catalog, rows, isGiven, wanted);
  const columns: Column[] = [
    idColumn(catalog),
    ...summaryColumns(predictor.coder, answers, wanted),
    ...(request.pdf === undefined ? [] : pdfColumns(predictor.coder, answers, wanted, request.pdf)),
  ];
  if (request.samples > 0) {
    columns.push(...(await sampleColumns(predictor, catalog, isGiven, wanted, request.samples, request.seed)));
  }
  return { rowCount: catalog.rowCount, columns, metadata: {} };
}

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

/** Batches of galaxies to ask about, and how many there are where that is known. */
async function* galaxies(request: QueryRequest, survey: Survey): AsyncGenerator<Catalog, ReadReport | undefined> {
  if (request.values !== undefined) {
    yield catalogFromValues(request.values, survey);
    return undefined;
  }
  let counts: ReadReport | undefined;
  for await (const { catalog, report } of readCatalog(request.table!, survey, request.reading)) {
    if (counts === undefined) counts = report;
    else addReport(counts, report);
    yield catalog;
  }
  return counts;
}

function checkWhole(option: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new UserError(`${option} ${value}: expected a whole number, at least ${least}`);
  }
}

/** Answers a query over a whole table in bounded memory; returns the number of rows. */
export async function runQuery(request: QueryRequest): Promise<number> {
  if ((request.table === undefined) === (request.values === undefined)) {
    throw new UserError("query: expected either a table or --set FIELD=value, not both or neither");
  }
  if (request.out !== undefined) checkWritable(request.out);
  checkWhole("--samples", request.samples, 0);
  if (request.pdf !== undefined) checkWhole("--pdf-points", request.pdf.points, 2);
  const checkpoint = loadCheckpoint(request.checkpoint);
  const survey = surveyOf(checkpoint);
  const predictor = createPredictor(request.engine, checkpoint);
  const wanted = parseFieldList(request.want, survey.fields, "--want");
  let done = 0;
  let shown = false;
  const start = performance.now();
  async function* tables(): AsyncGenerator<Table> {
    const batches = galaxies(request, survey);
    let next = await batches.next();
    for (; next.done !== true; next = await batches.next()) {
      const table = await answer(predictor, next.value, request);
      done += table.rowCount;
      if (!shown) show(table, next.value, wanted);
      shown = true;
      yield table;
    }
    if (next.value !== undefined) for (const line of formatReport(next.value)) say(`  ${line}`);
  }
  const bar = request.out === undefined ? undefined : progressBar("querying", 1);
  try {
    const batches = tables();
    const first = await batches.next();
    if (first.done === true) throw new UserError(`${request.table}: no rows to answer for`);
    if (request.out === undefined) {
      while ((await batches.next()).done !== true);
    } else {
      makeFolder(dirname(request.out));
      const metadata = { creator: "caleido query", given: request.given, checkpoint: request.checkpoint };
      async function* all(): AsyncGenerator<Table> {
        yield first.value as Table;
        yield* batches;
      }
      await writeTable(request.out, { schema: first.value.columns.map(schemaOf), metadata, isPlain: true }, all());
    }
  } finally {
    bar?.stop();
    await predictor.dispose();
  }
  const seconds = (performance.now() - start) / 1000;
  say(
    `  ${counted(done, "galaxy", "galaxies")} in ${seconds.toFixed(1)} s${request.out === undefined ? "" : ` -> ${request.out}`}`,
  );
  return done;
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
}

export const queryCommand = defineCommand<Arguments>({
  command: "query [table]",
  describe: "ask for any fields of galaxies from any others",
  builder: (yargs) =>
    readOptions(engineOptions(yargs))
      .positional("table", {
        type: "string",
        describe: "table of galaxies: .parquet, .fits, .csv, .ecsv, .arrow, .vot, .h5",
      })
      .option("checkpoint", { type: "string", demandOption: true, describe: "checkpoint or run folder" })
      .option("given", {
        type: "string",
        describe: "fields to use, e.g. J0378..J0600,LOGM; default: all but the wanted",
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
    await runQuery({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      given: args.given ?? "all",
      want: args.want,
      samples: args.samples,
      seed: args.seed,
      reading: readOptionsOf(args),
      ...(table === undefined ? {} : { table }),
      ...(set === undefined ? {} : { values: set }),
      ...(args.out === undefined ? {} : { out: args.out }),
      ...(args.pdf ? { pdf: { points: args.pdfPoints } } : {}),
    });
  },
});
