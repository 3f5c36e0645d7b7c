import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { checkFolder, clearLeftovers, makeFolder } from "../io/atomic.ts";
import { formats } from "../io/formats.ts";
import { isHats } from "../io/hats.ts";
import { hashFile } from "../io/hash.ts";
import { lockFolder } from "../io/lock.ts";
import { rateNote, type Reporter, silent } from "../progress.ts";
import { createRng } from "../random.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type ApertureKind, cleanLayout } from "../survey/layout.ts";
import { isPrepared, type Manifest, SHARD_PATTERN, writeManifest } from "../survey/prepared.ts";
import { outlineTable, readCatalog, readTiles, type TableOutline } from "../survey/read.ts";
import { addReport, formatReport, type ReadReport, unusedLines } from "../survey/report.ts";
import { canBeLimit } from "../survey/limits.ts";
import { createRowBuffer, createShardWriter, type RowBuffer, rowsOfShard, type ShardWriter } from "../survey/shards.ts";
import { FEWEST_TILES, parentSplit, type SplitName, splitNames, surveyTiles, type TileSplit } from "../survey/split.ts";
import { isManySpectra } from "../survey/spectrum-files.ts";
import { filesOf } from "../survey/spectrum-source.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import type { TableColumns } from "../survey/table.ts";
import { counted } from "../text.ts";
import { version } from "../version.ts";
import { fitStandardisation } from "./standardise.ts";

/** Training rows that standardisation is fitted on: a random sample of all, drawn while they stream. */
const SAMPLE_ROWS = 20_000;
/** Objects named of what was dropped. */
const EXAMPLES = 3;
const EMPTY = "without any usable value";
const STRADDLES = "whose parent is also in a held-out tile";

export interface PrepareRequest {
  /** Tables, or folders of tables. */
  readonly tables: readonly string[];
  /** Survey that reads them: a name in `datasets/`, or a path. */
  readonly survey: string;
  /** Folder for the shards and the manifest. */
  readonly out: string;
  /** How the tables are to be read. */
  readonly reading?: BindOptions;
  /** tile: whole tiles are held out; by default where there are enough of them. */
  readonly split?: "parent" | "tile";
  /** Default: 50,000. */
  readonly rowsPerShard?: number;
  /** Of the split and of the sample for standardisation; default: 0. */
  readonly seed?: number;
  readonly reporter?: Reporter;
}

/** A table, and what will be read of it. */
type Source = TableOutline;

/** Tables as they are, folders as the tables in them, or as one of the spectra in them where the survey has a spectrum. @throws UserError for a folder without tables. */
function expandFolders(paths: readonly string[], { fields }: Survey): string[] {
  const hasSpectra = fields.some(({ kind }) => kind === "spectrum");
  const extensions = Object.values(formats).flatMap((format): readonly string[] => format.extensions);
  return paths.flatMap((path) => {
    if (!existsSync(path) || !statSync(path).isDirectory() || isHats(path)) return [path];
    if (hasSpectra && !isPrepared(path) && isManySpectra(path)) return [path];
    if (isPrepared(path)) throw new UserError(`${path}: is prepared already; expected tables`);
    const names = readdirSync(path).filter((name) => extensions.some((one) => name.toLowerCase().endsWith(one)));
    if (names.length === 0) throw new UserError(`${path}: a folder without tables (${extensions.join(", ")})`);
    return names.sort().map((name) => join(path, name));
  });
}

/**
 * Makes a locked folder ready: shards of an interrupted preparation go, a finished one stays. @throws UserError for that
 * one.
 */
function claimFolder(out: string): void {
  if (isPrepared(out)) throw new UserError(`${out}: holds prepared tables already; expected another --out`);
  clearLeftovers(out);
  for (const name of readdirSync(out).filter((each) => SHARD_PATTERN.test(each))) rmSync(join(out, name));
}

interface Tiles {
  /** How rows are told apart into parts; undefined: by parent. */
  readonly split: TileSplit | undefined;
  readonly count: number;
  /** Rows that were counted on the way. */
  readonly rows: number | undefined;
}

const noTiles: Tiles = { split: undefined, count: 0, rows: undefined };

/** A request with its defaults. */
type Preparation = Required<Omit<PrepareRequest, "split">> & Pick<PrepareRequest, "split">;

async function splitTiles(sources: readonly Source[], request: Preparation): Promise<Tiles> {
  if (request.split === "parent") return noTiles;
  const bare = sources.find(({ binding }) => binding.tile === undefined);
  if (bare) {
    if (request.split === undefined) return noTiles;
    throw new UserError(
      `${bare.path}: layout "${bare.binding.layout.name}" finds no tile in it; expected --split parent`,
    );
  }
  const tiles = surveyTiles();
  const bar = request.reporter.bar("looking at tiles", undefined);
  let rows = 0;
  for (const { path, binding } of sources) {
    for await (const { parentId, tile } of readTiles(path, binding)) {
      rows += tile.length;
      bar.update(rows, `| ${rows.toLocaleString("en-US")} rows`);
      for (let i = 0; i < tile.length; i++) {
        tiles.add(binding.parentId === undefined ? undefined : parentId[i], tile[i]);
      }
    }
  }
  bar.stop();
  const isEnough = tiles.tileCount >= (request.split === "tile" ? 2 : FEWEST_TILES);
  if (!isEnough && request.split === "tile") {
    throw new UserError(`--split tile: all rows are in one tile; expected at least 2, or --split parent`);
  }
  return { split: isEnough ? tiles.heldOut(undefined, request.seed) : undefined, count: tiles.tileCount, rows };
}

/**
 * Fields that get an error or a state column: those that any table has one for.
 * @throws UserError for tables with noise beside tables without.
 */
function tableColumns(sources: readonly Source[], { fields }: Survey): TableColumns {
  const of = (j: number) => sources.flatMap(({ binding }) => binding.fields.filter(({ field }) => field === j));
  const [clean, noisy] = [true, false].map((wanted) =>
    sources.find(({ binding }) => (binding.layout === cleanLayout) === wanted),
  );
  if (clean && noisy) {
    throw new UserError(`${clean.path} has fluxes without noise, ${noisy.path} with: expected tables of one kind`);
  }
  const isExact = clean !== undefined;
  return {
    isExact,
    hasError: fields.map(
      ({ band }, j) => (band !== undefined && !isExact) || of(j).some(({ error }) => error.length > 0),
    ),
    hasState: fields.map((field, j) => of(j).some(({ state }) => state !== undefined || canBeLimit(field))),
  };
}

/** @throws UserError for tables whose fluxes are of different light. */
function commonAperture(sources: readonly Source[]): ApertureKind | undefined {
  const [first, ...rest] = sources.filter(({ aperture }) => aperture !== undefined);
  const other = rest.find(({ aperture }) => aperture !== first?.aperture);
  if (other !== undefined) {
    throw new UserError(
      `${other.path} has ${other.aperture} fluxes, ${first?.path} has ${first?.aperture}: expected tables of one kind`,
    );
  }
  return first?.aperture;
}

/** Names of the spectra that any of the tables has. */
const pixelsOf = (sources: readonly Source[], { fields }: Survey): string[] => [
  ...new Set(sources.flatMap(({ binding }) => binding.spectra.map(({ field }) => fields[field].name))),
];

const shardFormat = (sources: readonly Source[]): Manifest["shardFormat"] =>
  sources.some(({ binding }) => binding.spectra.length > 0) ? "arrow" : "parquet";

/** What goes where while the rows stream by. */
interface Sorter {
  readonly writers: Readonly<Record<SplitName, ShardWriter>>;
  readonly sample: RowBuffer;
  readonly droppedRows: Record<string, { count: number; readonly examples: string[] }>;
  add(catalog: Catalog): Promise<void>;
}

function createSorter(request: Preparation, survey: Survey, sources: readonly Source[], tiles?: TileSplit): Sorter {
  const has = (key: "tile" | "weight"): boolean => sources.some(({ binding }) => binding[key] !== undefined);
  const known = { hasTile: has("tile"), hasWeight: has("weight"), pixels: pixelsOf(sources, survey) };
  const columns = { ...tableColumns(sources, survey), ...known };
  const shards = { folder: request.out, survey, columns, format: shardFormat(sources) };
  const writers = Object.fromEntries(
    splitNames.map((part) => [part, createShardWriter(part, { ...shards, rowsPerShard: request.rowsPerShard })]),
  ) as Record<SplitName, ShardWriter>;
  const sample = createRowBuffer(survey, SAMPLE_ROWS, { pixels: [] });
  const rng = createRng(`${request.seed}:sample`);
  const droppedRows: Sorter["droppedRows"] = {};
  const drop = (reason: string, objectId: string): void => {
    const known = (droppedRows[reason] ??= { count: 0, examples: [] });
    if (++known.count <= EXAMPLES) known.examples.push(objectId);
  };
  const partOfParent = parentSplit(request.seed);
  let trained = 0;
  const n = survey.fields.length;
  const isEmpty = ({ state }: Catalog, row: number): boolean => {
    for (let at = row * n; at < (row + 1) * n; at++) if (state[at] !== 0) return false;
    return true;
  };
  return {
    writers,
    sample,
    droppedRows,
    async add(catalog) {
      for (let row = 0; row < catalog.rowCount; row++) {
        const parent = catalog.parentId[row];
        const part = tiles ? tiles.partOf(parent, catalog.tile?.[row] ?? "") : partOfParent(parent);
        if (isEmpty(catalog, row)) drop(EMPTY, catalog.objectId[row]);
        else if (part === undefined) drop(STRADDLES, catalog.objectId[row]);
        else {
          // Reservoir sampling (algorithm R of Vitter 1985): every training row is as likely to be in the sample.
          const place = part !== "train" ? Infinity : trained < SAMPLE_ROWS ? trained++ : rng.integer(++trained);
          if (place < SAMPLE_ROWS) sample.put(catalog, row, place);
          const written = writers[part].add(catalog, row);
          if (written) await written;
        }
      }
    },
  };
}

async function sortTables(
  sources: readonly Source[],
  survey: Survey,
  { reading, reporter }: Preparation,
  sorter: Sorter,
  rowCount: number | undefined,
): Promise<{ report: ReadReport; rows: readonly number[] }> {
  const known = sources.map(({ rowCount }) => rowCount);
  const total = known.every((count) => count !== undefined) ? known.reduce((sum, count) => sum + count, 0) : rowCount;
  const bar = reporter.bar("preparing", total);
  const start = performance.now();
  let report: ReadReport | undefined;
  let done = 0;
  const rows: number[] = [];
  try {
    for (const { path } of sources) {
      const before = done;
      for await (const batch of readCatalog(path, survey, reading)) {
        await sorter.add(batch.catalog);
        done += batch.catalog.rowCount;
        if (report) addReport(report, batch.report);
        else report = batch.report;
        bar.update(done, rateNote(done, total, (performance.now() - start) / 1000));
      }
      rows.push(done - before);
    }
  } finally {
    bar.stop();
  }
  if (!report) throw new UserError("prepare: no rows in the tables");
  return { report, rows };
}

function sayDropped({ say }: Reporter, report: ReadReport, droppedRows: Sorter["droppedRows"]): void {
  for (const line of formatReport(report)) say(line);
  for (const [reason, { count, examples }] of Object.entries(droppedRows)) {
    const more = count > examples.length ? ", ..." : "";
    say(`${counted(count, "row")} dropped: ${reason} (${examples.join(", ")}${more})`);
  }
  for (const line of unusedLines(report)) say(line);
}

/** That every row was dropped, with the commonest reason for it. */
function noneLeft({ out }: Preparation, report: ReadReport, droppedRows: Sorter["droppedRows"]): UserError {
  const [most] = [...report.reasons, ...Object.entries(droppedRows)].sort((a, b) => b[1].count - a[1].count);
  const reason = most === undefined ? "" : `, most for "${most[0]}" (${most[1].examples[0]})`;
  return new UserError(
    `${out}: nothing to prepare: all ${counted(report.rowCount, "row")} dropped${reason}; expected at least one galaxy`,
  );
}

/**
 * Streams tables into shards of train, validation, calibration and test in bounded memory, and fits the standardisation
 * on a sample of the training rows; the manifest comes last. Returns the manifest's shards and rows of each part.
 * @throws UserError for tables that can't be read, a folder that is prepared already or that another process prepares, a
 * split that can't be made.
 */
export async function prepare(given: PrepareRequest): Promise<Manifest["parts"]> {
  const request: Preparation = { reading: {}, rowsPerShard: 50_000, seed: 0, reporter: silent, ...given };
  const { out, rowsPerShard } = request;
  if (!Number.isInteger(rowsPerShard) || rowsPerShard < 1) {
    throw new UserError(`--rows-per-shard ${rowsPerShard}: expected a whole number, at least 1`);
  }
  checkFolder(out);
  const survey = loadSurvey(request.survey);
  const sources: Source[] = [];
  for (const path of expandFolders(request.tables, survey)) {
    sources.push(await outlineTable(path, survey, request.reading));
  }
  commonAperture(sources);
  makeFolder(out);
  const release = lockFolder(out);
  try {
    claimFolder(out);
    return await prepareLocked(request, survey, sources);
  } finally {
    release();
  }
}

async function prepareLocked(
  request: Preparation,
  survey: Survey,
  sources: readonly Source[],
): Promise<Manifest["parts"]> {
  const { out, seed, reporter } = request;
  const rowsPerShard = rowsOfShard(survey, request.rowsPerShard, pixelsOf(sources, survey));
  const { split: tiles, count: tileCount, rows: rowCount } = await splitTiles(sources, request);
  const sorter = createSorter({ ...request, rowsPerShard }, survey, sources, tiles);
  const { report, rows } = await sortTables(sources, survey, request, sorter, rowCount);
  const parts = {} as Record<SplitName, { shards: number; rows: number }>;
  for (const part of splitNames) parts[part] = await sorter.writers[part].finish();
  sayDropped(reporter, report, sorter.droppedRows);
  if (Object.values(parts).every(({ rows: some }) => some === 0)) throw noneLeft(request, report, sorter.droppedRows);
  const sample = sorter.sample.catalog();
  const everyRow = Int32Array.from({ length: sample.rowCount }, (_, i) => i);
  const hashes: string[] = [];
  for (const { path } of sources) hashes.push(await hashFile(...filesOf(path)));
  const split = {
    by: tiles ? ("tile" as const) : ("parent" as const),
    seed,
    tiles: tileCount,
    heldOutTiles: [...(tiles?.tiles ?? [])].sort(),
  };
  const standardisation = fitStandardisation(sample, everyRow);
  const aperture = commonAperture(sources);
  await writeManifest(out, {
    caleidoVersion: version,
    survey: request.survey,
    fields: survey.fields.map(({ name }) => name),
    sources: sources.map(({ path, binding, made }, i) => ({
      path,
      sha256: hashes[i],
      layout: binding.layout.name,
      rows: rows[i],
      labels: binding.sources,
      made,
    })),
    split,
    rowsPerShard,
    shardFormat: shardFormat(sources),
    parts,
    ...(aperture === undefined ? {} : { aperture }),
    droppedRows: sorter.droppedRows,
    droppedValues: Object.fromEntries(report.reasons),
    standardisation: {
      sample: sample.rowCount,
      fields: [...standardisation.fields],
      absolute: [...standardisation.absolute],
      scale: standardisation.scale,
      reference: standardisation.reference,
    },
  });
  const held = tiles ? `; ${tiles.tiles.size} of ${tileCount} tiles held out for test` : "";
  reporter.say(`split by ${split.by}${held}; standardisation from ${counted(sample.rowCount, "training row")}`);
  return parts;
}
