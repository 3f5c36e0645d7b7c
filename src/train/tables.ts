import { UserError } from "../errors.ts";
import { hashFile } from "../io/hash.ts";
import type { Reporter } from "../progress.ts";
import { apertureOf } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { allRows, type Catalog, concat, hide, pixelBytes, select, withoutPixels } from "../survey/catalog.ts";
import type { Field } from "../survey/field.ts";
import { fileWithIds } from "../survey/grow.ts";
import { checkPrepared, type Manifest, manifestPath, readManifest } from "../survey/prepared.ts";
import { type CatalogBatch, gatherRows } from "../survey/read.ts";
import { outlineRows, readAllRows, type Reader, readRows } from "../survey/reading.ts";
import { addReport, formatReport, type ReadReport, unusedLines } from "../survey/report.ts";
import { spillRows } from "../survey/row-file.ts";
import { filesOf } from "../survey/spectrum-source.ts";
import { sourcesIn } from "../survey/sources.ts";
import { splitByParent, type SplitName, splitNames } from "../survey/split.ts";
import { type Survey, surveyOf } from "../survey/survey.ts";
import { counted } from "../text.ts";
import { catalogStore, labelledRows, type RowSource } from "../tokens/batch.ts";
import type { ScaleName } from "../tokens/scale.ts";
import { fitStandardisation, type Standardisation } from "../tokens/standardise.ts";
import type { TableRecord } from "./config.ts";
import { type ObservationWish, observedWish, observing } from "./observed.ts";

/** Rows of one part of a table. */
export interface PartRows extends Pick<RowSource, "store" | "rows" | "labelled"> {
  /** [rows of the store] Weights of the natural population, where the rows on disk do not carry theirs. */
  readonly weights?: Float32Array;
}

/** Parts of a table that a run looks at; the last one only to recalibrate what was trained. */
export type TrainingPart = Exclude<SplitName, "test">;

/** One table of a training run, or a prepared folder, read and split. */
export interface TrainingTable {
  /** As it stands in the checkpoint. */
  readonly record: TableRecord;
  readonly parts: Readonly<Record<TrainingPart, PartRows>>;
  /** Training rows without noise, of a table that is observed anew. */
  readonly clean?: PartRows;
  /** Of its training rows; of a prepared folder as fitted when it was prepared. `reference`: how scales are formed. */
  standardise(reference?: ScaleName): Standardisation;
  /** Gives back what is on disk. */
  close(): void;
}

/** What is to be read, and what for. */
export interface TableWish {
  readonly path: string;
  readonly role: TableRecord["role"];
  readonly reading?: BindOptions | undefined;
  /** What describes it, where that is not the network's survey. */
  readonly own?: Survey | undefined;
  /** How galaxies without noise are observed; default: as `simulate` does. */
  readonly observation?: ObservationWish | undefined;
}

/** What a run recorded of a table, to be read again. */
export function wishOf({
  path,
  role,
  observation: options,
  reading: { survey, ...reading } = {},
}: TableRecord): TableWish {
  const own = survey === undefined ? undefined : surveyOf(survey, survey.name);
  const observation = options === undefined ? undefined : { options, isAsked: true };
  return { path, role, reading: reading as BindOptions, own, observation };
}

export interface TableOptions {
  readonly survey: Survey;
  readonly reporter: Reporter;
  /** Most bytes of a prepared part's rows in memory; beyond it they wait on disk. */
  readonly memory?: number;
}

/** Training rows of a prepared folder that new fields are standardised by. */
const SAMPLE_ROWS = 20_000;

/** Rows of a prepared part that stay in memory, in bytes, unless said otherwise. */
const MEMORY = 500e6;

const isLabel = ({ band }: Field): boolean => band === undefined;

/** Labels of a table that is there for its photometry are not looked at. */
const asRole = (catalog: Catalog, role: TableRecord["role"]): Catalog =>
  role === "unlabelled" ? hide(catalog, isLabel) : catalog;

/** One part of a prepared folder: in memory where it fits, else on disk. */
async function openPart(
  { path: folder, role, own }: TableWish,
  manifest: Manifest,
  part: TrainingPart,
  { survey, memory = MEMORY }: TableOptions,
): Promise<PartRows & { readonly close: () => void }> {
  async function* shards(): AsyncGenerator<Catalog> {
    const batches = readRows(folder, { survey, own }, { parts: [part] });
    for await (const { catalog } of batches) yield asRole(catalog, role);
  }
  const { rows: count } = manifest.parts[part];
  const rows = allRows({ rowCount: count });
  if (count * (survey.fields.length * 9 + pixelBytes(survey.fields)) <= memory) {
    const catalogs: Catalog[] = [];
    for await (const catalog of shards()) catalogs.push(catalog);
    const whole = catalogs.length === 0 ? undefined : concat(catalogs);
    const store = whole === undefined ? { rowCount: 0, at: () => noRow(folder) } : catalogStore(whole);
    const labelled = whole === undefined ? rows : labelledRows(whole);
    return { store, rows, labelled, close: () => {} };
  }
  const labelled: Int32Array[] = [];
  const weights = new Float32Array(count).fill(1);
  const store = await spillRows(shards(), survey.fields, (catalog, first) => {
    if (catalog.weight !== undefined) weights.set(catalog.weight, first);
    labelled.push(labelledRows(catalog).map((row) => first + row));
  });
  const all = new Int32Array(labelled.reduce((sum, { length }) => sum + length, 0));
  labelled.reduce((at, some) => (all.set(some, at), at + some.length), 0);
  return { store, rows, labelled: all, weights, close: () => store.close() };
}

function noRow(path: string): never {
  throw new Error(`${path}: a part without rows was drawn from`);
}

/** What was fitted when a folder was prepared, in the order of the survey's fields. */
function preparedStandardisation({ standardisation, fields }: Manifest, survey: Survey): Standardisation {
  const { sample: _, fields: ofFields, absolute, ...rest } = standardisation;
  const place = (name: string): number => fields.indexOf(name);
  const bands = survey.fields.filter(({ band }) => band !== undefined);
  return {
    ...rest,
    fields: survey.fields.map(({ name }) => ofFields[place(name)]),
    absolute: bands.map(({ name }) => absolute[place(name)]), // a survey file has its bands first
  };
}

type Sources = ReadonlyMap<string, readonly string[]>;

/** By property, in one text. */
const joined = (sources: Sources): Record<string, string> =>
  Object.fromEntries([...sources].map(([field, names]) => [field, names.join(" + ")]));

/** @throws UserError for what is done to fluxes as tables are read: those of a prepared folder have been. */
function checkUntreated(folder: string, { floors, extinction }: BindOptions): void {
  if (floors === undefined && (extinction ?? "none") === "none") return;
  throw new UserError(
    `${folder}: prepared already, expected --error-floor and --extinction where caleido prepare read the tables`,
  );
}

/** Why a table of galaxies leaves a part without rows, where it has some. */
function noRows(path: string, catalog: Catalog, part: "train" | "validation"): string {
  const parents = new Set(catalog.parentId).size;
  const few = parents === 1 ? "all have one parent" : `of ${parents} parents none fell there`;
  return `${path}: ${counted(catalog.rowCount, "row")}, none for ${part}: ${few}; 80 % of parents train, 5 % validate`;
}

/** What a run notes of a table: `file` is what its hash is of. */
async function recordOf(
  { path, role, reading = {}, own }: TableWish,
  file: string,
  survey: Survey,
  sources: Sources,
): Promise<TableRecord> {
  const how = { ...reading, ...(own === undefined ? {} : { survey: fileWithIds(own) }) };
  const said = Object.keys(how).length === 0 ? {} : { reading: how };
  const labels = role === "unlabelled" || sources.size === 0 ? {} : { labels: joined(sources) };
  const aperture = await apertureOf(path, own ?? survey, reading);
  const light = aperture === undefined ? {} : { aperture };
  return { path, sha256: await hashFile(...filesOf(file)), role, ...light, ...labels, ...said } as TableRecord;
}

/** A table's rows: in memory, or, where they have pixels and memory is too small for them, on disk but for those. */
async function readRowsOf(
  { path, role, reading, own }: TableWish,
  { survey, reporter, memory = MEMORY }: TableOptions,
): Promise<{
  readonly catalog: Catalog;
  readonly counts: ReadReport;
  readonly store: RowSource["store"];
  close(): void;
}> {
  const reader: Reader = { survey, own, options: reading };
  const { lines, rowCount, there, match } = await outlineRows(path, reader);
  const known = match === undefined ? there : match.pairs.map((pair) => pair.known);
  const bytes = pixelBytes(known.map((j) => survey.fields[j])) * (rowCount ?? Infinity);
  if (!(bytes > memory)) {
    const { catalog: read, report, counts } = await readAllRows(path, reader);
    for (const line of [...report, ...unusedLines(counts)]) reporter.say(line);
    const catalog = asRole(read, role);
    return { catalog, counts, store: catalogStore(catalog), close: () => {} };
  }
  const parts: Catalog[] = [];
  let counts: ReadReport | undefined;
  async function* catalogs(): AsyncGenerator<Catalog> {
    for await (const { catalog, report } of readRows(path, reader)) {
      if (counts) addReport(counts, report);
      else counts = report;
      yield asRole(catalog, role);
    }
  }
  const store = await spillRows(catalogs(), survey.fields, (catalog) => {
    parts.push(withoutPixels(catalog));
  });
  if (counts === undefined) throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  for (const line of [...lines, ...formatReport(counts), ...unusedLines(counts)]) reporter.say(line);
  return { catalog: concat(parts), counts, store, close: () => store.close() };
}

async function readFile(wish: TableWish, options: TableOptions): Promise<TrainingTable> {
  const { path, role } = wish;
  const { survey, reporter } = options;
  const { catalog, counts, store, ...read } = await readRowsOf(wish, options);
  const split = splitByParent(catalog.parentId);
  if (split.train.length === 0) throw new UserError(noRows(path, catalog, "train"));
  if (split.validation.length === 0 && role !== "source") reporter.say(noRows(path, catalog, "validation"));
  const partOf = (part: TrainingPart): PartRows => ({
    store,
    rows: split[part],
    labelled: labelledRows(catalog, split[part]),
  });
  return {
    record: await recordOf(wish, path, survey, counts.sources),
    parts: { train: partOf("train"), validation: partOf("validation"), calibration: partOf("calibration") },
    standardise: (reference) => fitStandardisation(catalog, split.train, reference),
    close: () => read.close(),
  };
}

async function readPrepared(wish: TableWish, manifest: Manifest, options: TableOptions): Promise<TrainingTable> {
  const { path, reading = {}, own } = wish;
  const { survey, reporter } = options;
  checkUntreated(path, reading);
  if (manifest.parts.train.rows === 0) {
    throw new UserError(`${path}: no rows to train on; expected a table of galaxies`);
  }
  if (own === undefined) checkPrepared(path, manifest, survey);
  const reader: Reader = { survey, own, options: reading };
  for (const line of (await outlineRows(path, reader)).lines) reporter.say(line);
  const train = await openPart(wish, manifest, "train", options);
  const validation = await openPart(wish, manifest, "validation", options);
  const calibration = await openPart(wish, manifest, "calibration", options);
  reporter.say(`${path}: ${counted(train.rows.length, "prepared training row")}`);
  if (validation.rows.length === 0) reporter.say(`${path}: no prepared rows for validation`);
  const sample =
    own === undefined ? undefined : await samplePrepared(path, manifest, ["train"], reader, SAMPLE_ROWS, withoutPixels);
  const labels = sourcesIn(manifest.sources.map((source) => source.labels));
  return {
    record: await recordOf(wish, manifestPath(path), survey, labels),
    parts: { train, validation, calibration },
    standardise: (reference) =>
      sample === undefined
        ? preparedStandardisation(manifest, survey)
        : fitStandardisation(sample, allRows(sample), reference),
    close() {
      for (const part of [train, validation, calibration]) part.close();
    },
  };
}

/**
 * A table, or a prepared folder, as a run trains on it; one of galaxies without noise gives another observation of a row
 * each time.
 * @throws UserError for one that can't be read, or observed as wished, or has no training rows.
 */
export async function readTrainingTable(wish: TableWish, options: TableOptions): Promise<TrainingTable> {
  const { survey, reporter } = options;
  const { reading, observation, lines } = await observedWish(wish, survey);
  for (const line of lines) reporter.say(line);
  const settled = { ...wish, reading };
  const manifest = readManifest(wish.path);
  const table =
    manifest === undefined ? await readFile(settled, options) : await readPrepared(settled, manifest, options);
  return observation === undefined ? table : observing(table, survey, observation);
}

/** Evenly spaced numbers below `count`, at most `most`. */
export function spaced(count: number, most: number): Int32Array {
  const n = Math.min(count, most);
  return Int32Array.from({ length: n }, (_, i) => (n === count ? i : Math.floor((i * count) / n)));
}

/** Rows of one part, or of all, of a prepared folder: at most `most`, evenly spaced, and no more than that in memory. */
async function samplePrepared(
  folder: string,
  manifest: Manifest,
  parts: readonly SplitName[],
  reader: Reader,
  most: number,
  of: (catalog: Catalog) => Catalog = (catalog) => catalog,
): Promise<Catalog | undefined> {
  const chosen = spaced(
    parts.reduce((sum, part) => sum + manifest.parts[part].rows, 0),
    most,
  );
  const kept = await pick(readRows(folder, reader, { parts }), chosen, of);
  return kept.length === 0 ? undefined : concat(kept);
}

/** The `chosen` of rows that stream in (ascending numbers), as `of` has them. */
async function pick(
  batches: AsyncIterable<{ readonly catalog: Catalog }>,
  chosen: Int32Array,
  of: (catalog: Catalog) => Catalog = (catalog) => catalog,
): Promise<Catalog[]> {
  const kept: Catalog[] = [];
  let first = 0;
  let next = 0;
  for await (const { catalog } of batches) {
    const from = next;
    while (next < chosen.length && chosen[next] < first + catalog.rowCount) next++;
    const rows = chosen.subarray(from, next).map((row) => row - first);
    if (rows.length > 0) kept.push(select(of(catalog), rows));
    first += catalog.rowCount;
  }
  return kept;
}

/**
 * Rows of one part of a table or a prepared folder, or all of them; at most `most`, evenly spaced. `say` is told what was
 * matched and left out.
 * @throws UserError where there are none.
 */
export async function sampleRows(
  path: string,
  part: SplitName | "all",
  reader: Reader,
  most = Infinity,
  say: (line: string) => void = () => {},
): Promise<Catalog> {
  const manifest = readManifest(path);
  const none = `${path}: no rows in part "${part}"; --part all uses every row`;
  if (manifest !== undefined) {
    checkUntreated(path, reader.options ?? {});
    for (const line of (await outlineRows(path, reader)).lines) say(line);
    const catalog = await samplePrepared(path, manifest, part === "all" ? splitNames : [part], reader, most);
    if (catalog === undefined) throw new UserError(none);
    return catalog;
  }
  async function* bare(): AsyncGenerator<CatalogBatch> {
    for await (const { catalog: some, report: of } of readRows(path, reader)) {
      yield { catalog: withoutPixels(some), report: of };
    }
  }
  const { lines, there } = await outlineRows(path, reader);
  const { catalog, report } = await gatherRows(path, bare());
  for (const line of [...lines, ...report]) say(line);
  const rows = part === "all" ? allRows(catalog) : splitByParent(catalog.parentId)[part];
  if (rows.length === 0) throw new UserError(none);
  const chosen = spaced(rows.length, most).map((i) => rows[i]);
  const described = (reader.own ?? reader.survey).fields;
  if (pixelBytes(there.map((j) => described[j])) === 0) return select(catalog, chosen);
  // what pixels are wanted is known when the rows are: they are read again
  return concat(await pick(readRows(path, reader), chosen.sort()));
}
