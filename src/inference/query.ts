import { dirname } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { type Answers, createPredictor, type Predictor } from "../inference/predict.ts";
import { explain, type PdfOptions, pdfColumns, summaryColumns } from "../inference/answers.ts";
import { sampleJoint } from "../inference/sampling.ts";
import { rateNote, type Reporter, silent } from "../progress.ts";
import { createRng, type Rng } from "../random.ts";
import { catalogFromValues } from "../survey/values.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import { outlineTable, readCatalog } from "../survey/read.ts";
import { addReport, formatReport, type ReadReport } from "../survey/report.ts";
import type { Survey } from "../survey/survey.ts";
import { counted } from "../text.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";

export interface QueryRequest {
  readonly engine: Engine;
  /** Checkpoint or run folder. */
  readonly checkpoint: string;
  /** A table, or the values of one galaxy (`J0378=1.2+-0.1`). */
  readonly table?: string;
  /** How the table is to be read. */
  readonly reading?: BindOptions;
  /** Also of tables whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  readonly values?: readonly string[];
  /** Fields to use, as {@link parseFieldList} reads them; default: all but the wanted. */
  readonly given?: string;
  /** Fields to answer. */
  readonly want: string;
  /** Table to write. */
  readonly out?: string;
  /** Joint draws per galaxy; default: none. */
  readonly samples?: number;
  /** Densities on a grid; default: none. */
  readonly pdf?: PdfOptions;
  /** Of the draws; default: "1". */
  readonly seed?: string;
  /** Sees the answers of every batch, one row per galaxy, and the galaxies asked about. */
  readonly onAnswers?: (answers: Table, galaxies: Catalog, wanted: readonly number[]) => void;
  readonly reporter?: Reporter;
}

/** Galaxies that are answered at once: few enough that progress is seen. */
const BATCH_ROWS = 4096;

/** What every batch of one query shares. */
interface Session {
  readonly predictor: Predictor;
  readonly isGiven: Uint8Array;
  readonly wanted: readonly number[];
  readonly samples: number;
  readonly pdf: PdfOptions | undefined;
  readonly seed: string;
}

/** Joint draws as array columns `<FIELD>_samples`, one row per galaxy; `onRows` is told how many have theirs. */
async function sampleColumns(
  { predictor, isGiven, wanted, samples: draws, seed }: Session,
  catalog: Catalog,
  onRows: (done: number) => void,
): Promise<Column[]> {
  const data = wanted.map(() => new Float32Array(catalog.rowCount * draws));
  const rngOf = (row: number): Rng => createRng(`${seed}:samples:${catalog.objectId[row]}`);
  const rows = allRows(catalog);
  const { values } = await sampleJoint(predictor, catalog, rows, isGiven, wanted, draws, rngOf, onRows);
  const n = wanted.length;
  data.forEach((column, w) => {
    for (let i = 0; i < column.length; i++) column[i] = values[i * n + w]!;
  });
  return wanted.map((j, w) => {
    const { name, unit } = catalog.fields[j];
    const description = explain(catalog.fields[j], "joint samples of the posterior");
    const base = { name: `${name}_samples`, type: "float32", width: draws, data: data[w], description } as const;
    return unit === "" ? base : { ...base, unit };
  });
}

/** Ids as the table has them, so that answers can be joined to it. */
function idColumn({ objectId, idType }: Catalog): Column {
  const id = {
    name: "object_id",
    width: 1,
    description: "id of the galaxy in the table that was asked about",
  } as const;
  if (idType === undefined) return { ...id, type: "string", data: [...objectId] };
  // Rows without an id are named by their number, in words.
  if (idType === "float64") return { ...id, type: idType, data: Float64Array.from(objectId, Number) };
  const isValid = Uint8Array.from(objectId, (text) => (/^-?\d+$/.test(text) ? 1 : 0));
  const data = BigInt64Array.from(objectId, (text, row) => (isValid[row] === 1 ? BigInt(text) : 0n));
  return { ...id, type: idType, data, ...(isValid.includes(0) ? { isValid } : {}) };
}

/** A batch of galaxies and what the network says of it. */
interface Answered {
  readonly catalog: Catalog;
  readonly answers: Answers;
}

async function ask({ predictor, isGiven, wanted }: Session, catalog: Catalog): Promise<Answered> {
  return { catalog, answers: await predictor.predict(catalog, allRows(catalog), isGiven, wanted) };
}

async function tabulate(
  session: Session,
  { catalog, answers }: Answered,
  onRows: (done: number) => void,
): Promise<Table> {
  const { predictor, pdf } = session;
  const columns: Column[] = [
    idColumn(catalog),
    ...summaryColumns(predictor.coder, answers),
    ...(pdf === undefined ? [] : pdfColumns(predictor.coder, answers, pdf)),
  ];
  if (session.samples > 0) columns.push(...(await sampleColumns(session, catalog, onRows)));
  return { rowCount: catalog.rowCount, columns, metadata: {} };
}

/** Batches of galaxies to ask about; at the end, what reading them left out. */
async function* galaxies(request: QueryRequest, survey: Survey): AsyncGenerator<Catalog, ReadReport | undefined> {
  if (request.values !== undefined) {
    yield catalogFromValues(request.values, survey);
    return undefined;
  }
  let counts: ReadReport | undefined;
  for await (const { catalog, report } of readCatalog(request.table!, survey, {
    ...request.reading,
    batchRows: BATCH_ROWS,
  })) {
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

/** @throws UserError for a request that can't be answered, before anything is read. */
function checkRequest({ table, values, out, samples = 0, pdf }: QueryRequest): void {
  if ((table === undefined) === (values === undefined)) {
    throw new UserError("query: expected either a table or --set FIELD=value, not both or neither");
  }
  if (out !== undefined) checkWritable(out);
  checkWhole("--samples", samples, 0);
  if (pdf !== undefined) checkWhole("--pdf-points", pdf.points, 2);
}

/** Answers for every batch in turn, with a bar that moves; at the end it tells what reading left out. */
async function* answerAll(
  request: QueryRequest,
  session: Session,
  survey: Survey,
  onRows: (done: number) => void,
): AsyncGenerator<Table> {
  const { onAnswers, reporter = silent } = request;
  let done = 0;
  async function finish(asked: Promise<Answered>): Promise<Table> {
    const answered = await asked;
    const table = await tabulate(session, answered, (rows) => onRows(done + rows));
    onRows((done += table.rowCount));
    onAnswers?.(table, answered.catalog, session.wanted);
    return table;
  }
  const batches = galaxies(request, survey);
  let asked: Promise<Answered> | undefined;
  let next = await batches.next();
  for (; next.done !== true; next = await batches.next()) {
    // the network answers for this batch while the one before it is put into columns
    const before = asked;
    asked = ask(session, next.value);
    asked.catch(() => {}); // told when it is waited for
    if (before !== undefined) yield await finish(before);
  }
  if (asked !== undefined) yield await finish(asked);
  if (next.value !== undefined) for (const line of formatReport(next.value)) reporter.say(line);
}

/** Writes the batches where the request wants them; returns the number of rows. */
async function collect(request: QueryRequest, batches: AsyncGenerator<Table>): Promise<number> {
  const { table, out, checkpoint, given = "all" } = request;
  const first = await batches.next();
  if (first.done === true) throw new UserError(`${table}: no rows to answer for`);
  let done = 0;
  async function* all(): AsyncGenerator<Table> {
    for (let next = first; next.done !== true; next = await batches.next()) {
      done += next.value.rowCount;
      yield next.value;
    }
  }
  if (out === undefined) {
    for await (const _ of all());
    return done;
  }
  makeFolder(dirname(out));
  const metadata = { creator: "caleido query", given, checkpoint };
  await writeTable(out, { schema: first.value.columns.map(schemaOf), metadata, isPlain: true }, all());
  return done;
}

/**
 * Answers a question about every galaxy of a table, or about one galaxy given by values, in bounded memory. Answers are
 * columns `<FIELD>_median`, `<FIELD>_q16`, ... in the survey's units, `<FIELD>_samples` and `<FIELD>_pdf` where asked for.
 * A wanted field is never given, whatever `given` says: asking for what is there shows what the rest says of it.
 * Returns the number of galaxies.
 * @throws UserError for unknown fields, a table that can't be read or has fluxes of other light, a checkpoint that can't be loaded.
 */
export async function query(request: QueryRequest): Promise<number> {
  checkRequest(request);
  const { table, out, given = "all", samples = 0, pdf, seed = "1", reporter = silent } = request;
  const checkpoint = loadCheckpoint(request.checkpoint);
  const { survey } = checkpoint.config;
  const { fields } = survey;
  const wanted = parseFieldList(request.want, fields, "--want");
  const isGiven = flagsOf(parseFieldList(given, fields, "--given"), fields.length);
  const outline = table === undefined ? undefined : await outlineTable(table, survey, request.reading);
  const total = outline === undefined ? 1 : outline.rowCount;
  if (outline !== undefined && request.anyAperture !== true) {
    checkAperture(outline.aperture, checkpoint.config.data, outline.path);
  }
  const predictor = createPredictor(request.engine, checkpoint);
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const bar = table === undefined ? undefined : reporter.bar("querying", total);
  try {
    const onRows = (done: number): void => bar?.update(done, rateNote(done, total, seconds()));
    const session = { predictor, isGiven, wanted, samples, pdf, seed };
    const done = await collect(request, answerAll(request, session, survey, onRows));
    bar?.stop();
    const place = out === undefined ? "" : ` -> ${out}`;
    reporter.say(`${counted(done, "galaxy", "galaxies")} in ${seconds().toFixed(1)} s${place}`);
    return done;
  } finally {
    bar?.stop();
    await predictor.dispose();
  }
}
