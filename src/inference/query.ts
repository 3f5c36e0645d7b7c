import { dirname } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { type Answers, withoutWanted } from "../inference/predict.ts";
import { type PdfOptions, pdfColumns, summaryColumns } from "../inference/answers.ts";
import { type Derived, parseWish, type Wish } from "../inference/derived.ts";
import { type EnsembleOptions, type EnsembleSink, planEnsemble, withEnsemble } from "../inference/ensemble.ts";
import { fieldDistribution } from "../inference/field-answer.ts";
import { createStack, gridColumns, parseGrids, type Stack } from "../inference/grid.ts";
import { jointColumns, USUAL_DRAWS } from "../inference/joint-columns.ts";
import type { LibraryChoice } from "../inference/library-predictor.ts";
import { type Answerer, createAnswerer, type MethodName, vocabularyOf } from "../inference/methods.ts";
import { readPrior } from "../inference/prior.ts";
import { checkSpectra, isSpectrumGiven } from "../inference/spectrum-answers.ts";
import { rateNote, type Reporter, silent } from "../progress.ts";
import { catalogFromValues } from "../survey/values.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import { outlineRows, type Reader, readRows } from "../survey/reading.ts";
import { addReport, formatReport, type ReadReport } from "../survey/report.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import { counted } from "../text.ts";

export interface QueryRequest {
  readonly engine: Engine;
  /**
   * Checkpoint or run folder, or a name in `checkpoints/`; default: the network that comes with the package. A library
   * answers without one, in the fields of its own survey.
   */
  readonly checkpoint?: string;
  /** A table or a prepared folder, or the values of one galaxy (`J0378=1.2+-0.1`). */
  readonly table?: string;
  /** How the table is to be read. */
  readonly reading?: BindOptions;
  /**
   * Survey that describes the table, where its columns are not the network's: a name in `datasets/`, or a path. Its
   * fields are matched to the network's by name, else by pivot and width.
   */
  readonly survey?: string;
  /** Also of tables whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  readonly values?: readonly string[];
  /** Fields to use, as {@link parseFieldList} reads them; default: all but the wanted. */
  readonly given?: string;
  /** Fields to answer, and what follows from fields: names of `derived`, formulae (`log NII6584_EW/HALPHA_EW`). */
  readonly want: string;
  /** Table to write. */
  readonly out?: string;
  /**
   * Instead of the training set's distribution of a field, by default the redshift: `flat`, `natural`, `wide`, a table of its density, a table
   * of galaxies; `FIELD=...` for another. See `readPrior`.
   */
  readonly prior?: string;
  /** Joint draws per galaxy; default: none. */
  readonly samples?: number;
  /** Joint draws per galaxy behind what follows from several fields; default: 200, and never fewer than `samples`. */
  readonly draws?: number;
  /** Densities on a grid of each row's own; default: none. */
  readonly pdf?: PdfOptions;
  /**
   * Densities on one grid of all rows, `min:max:step` in the field's unit, `FIELD=min:max:step` for one of several wanted
   * fields; their sum is written beside `out` or the ensemble: `<stem>-stacked-<FIELD>.ecsv` and `.png`.
   */
  readonly pdfGrid?: readonly string[];
  /** Columns of the table to pass through, by name, or all of them; one named as an answer becomes `<name>_kept`. */
  readonly keep?: readonly string[] | "all";
  /** Densities of one field as a qp ensemble, beside `out`. */
  readonly ensemble?: EnsembleOptions;
  /** Who answers; default: `network`. `library` and `both` need a library, and take its `LibraryChoice`. */
  readonly method?: MethodName;
  /** Clean simulated galaxies: a table or a prepared folder. */
  readonly library?: string;
  readonly libraryChoice?: LibraryChoice;
  /** Whether the network's answers go through its recalibration, where it has one; default: true. */
  readonly isRecalibrated?: boolean;
  /** The network also says how far its answers can be trusted: `trust`, `trust_score`, `<FIELD>_trust`; default: true. */
  readonly trust?: boolean;
  /**
   * Draws of Monte Carlo dropout, of a network that was trained with dropout: columns `<FIELD>_mc_std`, `<FIELD>_mixture_q16`, ...
   * beside the answers; default: none.
   */
  readonly mcDropout?: number;
  /** Of the draws; default: "1". */
  readonly seed?: string;
  /** Sees the answers of every batch, one row per galaxy, and the galaxies asked about. */
  readonly onAnswers?: (answers: Table, galaxies: Catalog, wish: Wish) => void;
  readonly reporter?: Reporter;
}

/** Galaxies that are answered at once: few enough that progress is seen. */
const BATCH_ROWS = 4096;

/** What every batch of one query shares. */
interface Session {
  readonly predictor: Answerer;
  readonly isGiven: Uint8Array;
  readonly wish: Wish;
  readonly samples: number;
  readonly draws: number;
  readonly pdf: PdfOptions | undefined;
  /** By column of the field. */
  readonly stacks: ReadonlyMap<number, Stack>;
  /** Galaxies without an answer so far, by derived quantity. */
  readonly unanswered: Map<Derived, number>;
  readonly seed: string;
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

/** A batch of galaxies, and the columns of their table that are to come along. */
interface Asked {
  readonly catalog: Catalog;
  readonly kept: readonly Column[];
}

/** What is said of it. */
interface Answered extends Asked {
  readonly answers: Answers;
}

async function ask({ predictor, isGiven, wish }: Session, asked: Asked): Promise<Answered> {
  const { catalog } = asked;
  return { ...asked, answers: await predictor.predict({ catalog, isGiven, wanted: wish.wanted }) };
}

/** Kept columns, under a name of their own where an answer has theirs. */
function keptColumns(kept: readonly Column[], answers: readonly Column[]): Column[] {
  const taken = new Set([...answers, ...kept].map(({ name }) => name));
  const answered = new Set(answers.map(({ name }) => name));
  return kept.map((column) => {
    if (!answered.has(column.name)) return column;
    let name = column.name;
    do name = `${name}_kept`;
    while (taken.has(name));
    taken.add(name);
    return { ...column, name };
  });
}

async function tabulate(session: Session, answered: Answered, onRows: (done: number) => void): Promise<Table> {
  const { predictor, pdf, stacks, wish } = session;
  const { catalog, kept, answers } = answered;
  const { coder } = predictor;
  const onGrids = Array.from(stacks, ([j, stack]) =>
    gridColumns(coder.fields[j], fieldDistribution(coder, answers, answers.wanted.indexOf(j)), stack),
  );
  const summaries = summaryColumns(coder, answers);
  const columns: Column[] = [
    ...summaries,
    ...predictor.columns(answers, summaries),
    ...onGrids.flat(),
    ...(wish.spectra.length === 0 ? [] : ((await predictor.spectra?.(answers, wish.spectra)) ?? [])),
    ...(pdf === undefined ? [] : pdfColumns(coder, answers, { ...pdf, except: [...stacks.keys()] })),
    ...(await jointColumns(session, answered, onRows)),
  ];
  const id = idColumn(catalog);
  const all = [id, ...keptColumns(kept, [id, ...columns]), ...columns];
  return { rowCount: catalog.rowCount, columns: all, metadata: {} };
}

/** Counts the galaxies for which no draw has a value. */
function countUnanswered({ wish, unanswered }: Session, { columns }: Table): void {
  for (const quantity of wish.derived) {
    const defined = columns.find(({ name }) => name === `${quantity.name}_defined`)?.data as Float32Array | undefined;
    const none = defined?.reduce((count, share) => count + Number(share === 0), 0) ?? 0;
    if (none > 0) unanswered.set(quantity, (unanswered.get(quantity) ?? 0) + none);
  }
}

/** Batches of galaxies to ask about; at the end, what reading them left out. */
async function* galaxies(request: QueryRequest, reader: Reader): AsyncGenerator<Asked, ReadReport | undefined> {
  const { keep } = request;
  if (request.values !== undefined) {
    yield { catalog: catalogFromValues(request.values, reader.survey), kept: [] };
    return undefined;
  }
  let counts: ReadReport | undefined;
  const wanted = { batchRows: BATCH_ROWS, ...(keep === undefined ? {} : { keep }) };
  for await (const { catalog, report, kept = [] } of readRows(request.table!, reader, wanted)) {
    if (counts === undefined) counts = report;
    else addReport(counts, report);
    yield { catalog, kept };
  }
  return counts;
}

function checkWhole(option: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new UserError(`${option} ${value}: expected a whole number, at least ${least}`);
  }
}

/** @throws UserError for a request that can't be answered, before anything is read. */
function checkRequest({ table, values, out, samples = 0, draws, pdf, pdfGrid, keep, ensemble }: QueryRequest): void {
  if ((table === undefined) === (values === undefined)) {
    throw new UserError("query: expected either a table or --set FIELD=value, not both or neither");
  }
  if (values !== undefined && keep !== undefined) throw new UserError("--keep: expected a table to keep columns of");
  if (pdfGrid !== undefined && out === undefined && ensemble === undefined) {
    throw new UserError("--pdf-grid: expected --out or --qp, a file for the densities");
  }
  if (out !== undefined) checkWritable(out);
  checkWhole("--samples", samples, 0);
  if (draws !== undefined) checkWhole("--draws", draws, 1);
  if (pdf !== undefined) checkWhole("--pdf-points", pdf.points, 2);
}

/** @throws UserError where a library would have nothing to weigh its galaxies by. */
function checkGiven(
  table: string,
  { match, there }: Awaited<ReturnType<typeof outlineRows>>,
  { name, fields }: Survey,
  isGiven: Uint8Array,
): void {
  const known = match?.pairs.map((pair) => pair.known) ?? there;
  if (!isGiven.includes(1) || known.some((j) => isGiven[j] === 1)) return;
  const given = fields.filter((_, j) => isGiven[j] === 1).map((field) => field.name);
  const some = `${given.slice(0, 3).join(", ")}${given.length > 3 ? ", ..." : ""}`;
  throw new UserError(
    `${table}: none of what is given (${some}) is in it; the library is one of ${name}: expected a table of it, or --survey`,
  );
}

/** Answers for every batch in turn, with a bar that moves; at the end it tells what reading left out. */
async function* answerAll(
  request: QueryRequest,
  session: Session,
  reader: Reader,
  onRows: (done: number) => void,
  sink: EnsembleSink,
): AsyncGenerator<Table> {
  const { onAnswers, reporter = silent } = request;
  let done = 0;
  async function finish(asked: Promise<Answered>): Promise<Table> {
    const answered = await asked;
    const table = await tabulate(session, answered, (rows) => onRows(done + rows));
    sink(answered.answers, table);
    countUnanswered(session, table);
    onRows((done += table.rowCount));
    onAnswers?.(table, answered.catalog, session.wish);
    return table;
  }
  const batches = galaxies(request, reader);
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

/** What the files of answers say of themselves. */
function metadataOf(
  { checkpoint, library, given = "all", prior }: QueryRequest,
  { stacks, predictor }: Session,
): Table["metadata"] {
  const grids = Array.from(
    stacks,
    ([j, { grid }]) => [`${predictor.coder.fields[j].name}_pdf_grid`, grid.text] as const,
  );
  const under = prior === undefined ? {} : { prior };
  const who = {
    ...under,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(library === undefined ? {} : { library }),
  };
  return { creator: "caleido query", given, ...who, ...Object.fromEntries(grids) };
}

/** Writes the batches where the request wants them; returns the number of rows. */
async function collect(request: QueryRequest, session: Session, batches: AsyncGenerator<Table>): Promise<number> {
  const { table, out } = request;
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
  const metadata = metadataOf(request, session);
  await writeTable(out, { schema: first.value.columns.map(schemaOf), metadata, isPlain: true }, all());
  return done;
}

/** Writes the stacked distributions beside the output, and tells of them. */
async function writeStacks(request: QueryRequest, session: Session): Promise<void> {
  const { out = request.ensemble?.path ?? "", reporter = silent } = request;
  if (session.stacks.size === 0) return;
  const { writeStack } = await import("../inference/stack.ts"); // figures take longer to load than to answer
  for (const [j, stack] of session.stacks) {
    const field = session.predictor.coder.fields[j];
    const path = await writeStack(out, stack, field, metadataOf(request, session));
    reporter.say(`stacked distribution of ${field.name} -> ${path}, .png`);
    if (stack.outside === 0) continue;
    const some = counted(stack.outside, "galaxy has", "galaxies have");
    reporter.say(`${field.name}: ${some} more than half of the probability outside ${stack.grid.text}`);
  }
}

/**
 * Answers a question about every galaxy of a table, or about one galaxy given by values, in bounded memory. Answers are
 * columns `<FIELD>_median`, `<FIELD>_q16`, ... in the survey's units, `<FIELD>_samples` and `<FIELD>_pdf` where asked for.
 * Of spectra: see `spectrumColumns`. A wanted field is never given, whatever `given` says: asking for what is there shows what
 * the rest says of it; a spectrum that `given` names is, as far as it is observed, and the rest of it is asked. Nor is one
 * that a derived quantity is of: that comes from joint draws.
 * Returns the number of galaxies.
 * @throws UserError for unknown fields, a table that can't be read or has fluxes of other light, a checkpoint that can't be loaded.
 */
export async function query(asking: QueryRequest): Promise<number> {
  checkRequest(asking);
  const { table, out, given = "all", samples = 0, draws = USUAL_DRAWS, pdf, seed = "1", reporter = silent } = asking;
  const vocabulary = await vocabularyOf(asking);
  const { survey, path } = vocabulary;
  const request = path === undefined ? asking : { ...asking, checkpoint: path };
  const { fields } = survey;
  const wish = parseWish(request.want, fields, "--want");
  const { wanted, together } = wish;
  checkSpectra(request, wish, vocabulary);
  const grids = parseGrids(request.pdfGrid ?? [], fields, wanted);
  const plan = request.ensemble && planEnsemble(request.ensemble, fields, wanted, grids);
  const hidden = wish.spectra.filter((j) => !isSpectrumGiven(request.given, fields[j].name));
  const isGiven = withoutWanted(flagsOf(parseFieldList(given, fields, "--given"), fields.length), [...together, ...hidden]); // prettier-ignore
  const own = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const reader = { survey, own, options: request.reading };
  const { population } = vocabulary.checkpoint ?? {};
  const prior = request.prior === undefined ? undefined : await readPrior(request.prior, { survey, own }, population);
  if (prior !== undefined && plan?.form === "mixture" && plan.field === prior.field) {
    throw new UserError(
      `--qp: no mixture under another prior; expected --pdf-grid ${fields[plan.field].name}=min:max:step`,
    );
  }
  const outline = table === undefined ? undefined : await outlineRows(table, reader);
  if (request.method === "library" && outline !== undefined) checkGiven(table!, outline, survey, isGiven);
  const isSame = outline !== undefined && request.anyAperture !== true;
  const asked = isSame ? { asked: { table: table!, aperture: outline.aperture } } : {};
  const total = outline === undefined ? 1 : outline.rowCount;
  for (const line of outline?.lines ?? []) reporter.say(line);
  if (path !== asking.checkpoint) reporter.say(`${path}, the network that comes with Caleido, answers`);
  const dropout = request.mcDropout === undefined ? {} : { dropout: { draws: request.mcDropout, seed } };
  const choice = { ...request.libraryChoice, ...request, ...dropout };
  const predictor = await createAnswerer({ ...choice, ...asked, vocabulary, prior });
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const bar = table === undefined ? undefined : reporter.bar("querying", total);
  try {
    const onRows = (done: number): void => bar?.update(done, rateNote(done, total, seconds()));
    const stacks = new Map(grids.map((grid) => [grid.field, createStack(grid)]));
    const unanswered = new Map<Derived, number>();
    const session = { predictor, isGiven, wish, samples, draws, pdf, stacks, unanswered, seed };
    const done = await withEnsemble(plan, predictor.coder, (sink) =>
      collect(request, session, answerAll(request, session, reader, onRows, sink)),
    );
    bar?.stop();
    const places = [out, plan?.path].filter((one) => one !== undefined);
    const place = places.length === 0 ? "" : ` -> ${places.join(", ")}`;
    reporter.say(`${counted(done, "galaxy", "galaxies")} in ${seconds().toFixed(1)} s${place}`);
    for (const line of predictor.notes?.() ?? []) reporter.say(line);
    for (const [{ name, lightFrom }, count] of unanswered) {
      const why = lightFrom === undefined ? "" : ": no two bands with a flux are on both sides of the line";
      reporter.say(`${name}: ${counted(count, "galaxy has", "galaxies have")} no answer${why}`);
    }
    await writeStacks(request, session);
    return done;
  } finally {
    bar?.stop();
    await predictor.dispose();
  }
}
