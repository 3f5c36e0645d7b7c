import { UserError } from "../errors.ts";
import { openTable } from "../io/formats.ts";
import { didYouMean } from "../io/nearest.ts";
import type { Column, Table, TablePick, TableSource } from "../io/table.ts";
import { bindLayout, scoreColumns } from "./bind.ts";
import type { Binding } from "./bind.ts";
import type { BindOptions, FieldBinding } from "./bind-fields.ts";
import { type Catalog, concat, emptyCatalog, pixelBytes } from "./catalog.ts";
import { readField, readFlags, type Usage } from "./cells.ts";
import { templateColumns } from "./find.ts";
import { type ApertureKind, apertureSchema, noMagnitudeOf } from "./layout.ts";
import { limitRates } from "./limits.ts";
import { type Made, madeOf } from "./made.ts";
import { addReport, countReason, createReport, formatReport, shortList } from "./report.ts";
import type { ReadReport } from "./report.ts";
import { isSpectra, openSpectra } from "./spectrum-source.ts";
import { type PixelReject, readPixels } from "./spectrum-cells.ts";
import type { Survey } from "./survey.ts";

export interface CatalogOptions extends BindOptions {
  /** Rows per batch at most. */
  readonly batchRows?: number;
  /** Columns of the table that are to come along as they are: names, or all of them. */
  readonly keep?: readonly string[] | "all";
}

export interface CatalogBatch {
  readonly catalog: Catalog;
  readonly report: ReadReport;
  /** The columns that were to be kept, in the order asked (of all: the table's); absent where none were. */
  readonly kept?: readonly Column[];
}

/** What stands in a cell of an id, as text; "" where nothing does. Different numbers have different texts. */
function idText({ data, isValid }: Column, row: number): string {
  const cell = data[row];
  return isValid?.[row] === 0 || Number.isNaN(cell) ? "" : String(cell);
}

/** Ids from a template such as `{TILE_ID}-{NUMBER}`, "" where a part of one is missing; row numbers where there is none. */
export function readIds(
  columns: ReadonlyMap<string, Column>,
  template: string | undefined,
  firstRow: number,
  rows: number,
): string[] {
  if (template === undefined) return Array.from({ length: rows }, (_, row) => String(firstRow + row + 1));
  const parts = templateColumns(template).map((name) => columns.get(name));
  const literals = template.split(/\{[^}]+\}/);
  return Array.from({ length: rows }, (_, row) => {
    let id = literals[0];
    for (const [k, column] of parts.entries()) {
      const text = column ? idText(column, row) : "";
      if (text === "") return "";
      id += text + literals[k + 1];
    }
    return id;
  });
}

/** Ids of a template, their numbers for rows that have none: no two rows become one for want of a name. */
function readNames(
  columns: ReadonlyMap<string, Column>,
  { objectId: template, parentId: parents }: Binding,
  firstRow: number,
  rows: number,
): { readonly objectId: string[]; readonly parentId: readonly string[]; readonly unnamed: number } {
  const objectId = readIds(columns, template, firstRow, rows);
  let unnamed = 0;
  for (let row = 0; row < rows; row++) {
    if (objectId[row] !== "") continue;
    objectId[row] = `row ${firstRow + row + 1}`;
    unnamed++;
  }
  const parentId =
    parents === undefined
      ? objectId
      : readIds(columns, parents, firstRow, rows).map((parent, row) => (parent === "" ? objectId[row] : parent));
  return { objectId, parentId, unnamed };
}

/** Digits as numbers, for a column that is read as such. */
export function fromDigits(column: Column): Column {
  const { data, isDigits, isValid, width } = column;
  if (isDigits !== true || !Array.isArray(data)) return column;
  const values = Float64Array.from(data, (text, i) =>
    text === "" || isValid?.[Math.floor(i / width)] === 0 ? NaN : Number(text),
  );
  return { ...column, type: "float64", data: values };
}

/** A number in a message: single precision has no more digits to tell. */
const shortly = (x: number): string => String(Number(x.toPrecision(7)));

/** One list, so that it is told once. */
const NET_WIDTHS = [
  "equivalent widths are net of stellar absorption, which can't be undone: ours are of the emission alone",
];

/** Turns the columns of a table that `binding` names into a catalogue. `firstRow` rows came before, in messages. */
function bindRows(
  path: string,
  table: Table,
  survey: Survey,
  binding: Binding,
  options: CatalogOptions,
  firstRow: number,
): CatalogBatch {
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const numbers = new Map(table.columns.map((column) => [column.name, fromDigits(column)]));
  const { rowCount } = table;
  const { fields } = survey;
  const pixels = binding.spectra.map(({ field }) => fields[field].name);
  const { value, error, state, arrays } = emptyCatalog(fields, rowCount, { pixels });
  const { layout } = binding;
  const report = createReport(layout.name, binding, binding.objectId === undefined ? layout.objectId : undefined);
  report.rowCount = rowCount;
  const isRejected = new Uint8Array(rowCount);
  const rowFlags = binding.flags.length > 0 ? readFlags(columns, binding.flags, rowCount) : undefined;
  const cells = {
    magic: layout.magic,
    noMagnitude: noMagnitudeOf(layout),
    relativeError: options.relativeError ?? 0,
    rowFlags,
  };
  const floored = flooredBands(survey, binding);
  for (const bound of binding.fields) {
    const field = fields[bound.field];
    const reject = (row: number, reason: string, stored: number, sigma: number | undefined): void => {
      isRejected[row] = 1;
      countReason(report, reason, () => {
        const shown = sigma === undefined ? "" : `, error ${shortly(sigma)}`;
        return `row ${firstRow + row + 1}, ${field.name}: ${shortly(stored)}${shown}`;
      });
    };
    const sink = { fieldCount: fields.length, value, error, state, reject };
    const usage = readField(numbers, rowCount, bound, field, cells, sink);
    report.usedCount += usage.used;
    countTreated(report, bound, usage, floored);
  }
  const rejectPixels: PixelReject = (row, field, reason, example) => {
    isRejected[row] = 1;
    countReason(report, reason, () => `row ${firstRow + row + 1}, ${field}: ${example}`);
  };
  report.usedCount += readPixels(columns, binding, { fields, rowCount, state, arrays }, rejectPixels);
  const hasWidths = binding.fields.some(({ field }) => fields[field].kind === "ew");
  if (layout.widths === "net" && hasWidths) report.notes.push(NET_WIDTHS);
  report.limitCount = limitRates({ fields, rowCount, value, error, state });
  report.emptyRows = countEmpty(state, isRejected, fields.length);
  const ids = (template: string | undefined): string[] => readIds(columns, template, firstRow, rowCount);
  const { objectId, parentId, unnamed } = readNames(columns, binding, firstRow, rowCount);
  report.unnamedRows = unnamed;
  const tile = binding.tile === undefined ? {} : { tile: ids(binding.tile) };
  const instrument = binding.instrument === undefined ? {} : { instrument: ids(binding.instrument) };
  const weight = binding.weight === undefined ? {} : { weight: readWeights(path, numbers, binding.weight, firstRow) };
  const idType = idTypeOf(columns, binding.objectId);
  const texts = { objectId, ...(idType === undefined ? {} : { idType }), parentId, ...tile, ...instrument, ...weight };
  const matrices = { value, error, state, ...(arrays === undefined ? {} : { arrays }) };
  return { catalog: { fields, rowCount, ...texts, ...matrices }, report };
}

/** @throws UserError for a weight that is not a number, or below zero. */
function readWeights(path: string, columns: ReadonlyMap<string, Column>, name: string, firstRow: number): Float32Array {
  const weights = Float32Array.from(columns.get(name)?.data ?? [], Number);
  const wrong = weights.findIndex((weight) => !(weight >= 0 && weight < Infinity));
  if (wrong < 0) return weights;
  throw new UserError(
    `${path}: row ${firstRow + wrong + 1}: ${name} is ${weights[wrong]}, expected a weight of 0 or more`,
  );
}

/** Bands that have each error floor: `gSDSS, rSDSS`. */
function flooredBands({ fields }: Survey, binding: Binding): ReadonlyMap<number, string> {
  const names = new Map<number, string[]>();
  for (const { field, floor = 0 } of binding.fields) {
    if (floor > 0) names.set(floor, [...(names.get(floor) ?? []), fields[field].name]);
  }
  return new Map([...names].map(([floor, bands]) => [floor, shortList(bands)]));
}

/** Counts what was done to the values of a field that were used. */
function countTreated(
  report: ReadReport,
  { dust, floor = 0 }: FieldBinding,
  { corrected, uncorrected, floored }: Usage,
  bands: ReadonlyMap<number, string>,
): void {
  const add = (count: number, what: string): void => {
    if (count > 0) report.treated.set(what, (report.treated.get(what) ?? 0) + count);
  };
  if (dust !== undefined) {
    add(corrected, `corrected for Galactic extinction: ${dust.told}`);
    add(uncorrected, `not corrected for Galactic extinction: ${dust.place.column} says none, or less than none`);
  }
  add(floored, `with an error floor of ${floor} of the flux in quadrature: ${bands.get(floor)}`);
}

/** The type of ids that are the numbers of one column. */
function idTypeOf(columns: ReadonlyMap<string, Column>, template = ""): Catalog["idType"] {
  const type = columns.get(/^\{([^{}]+)\}$/.exec(template)?.[1] ?? "")?.type;
  if (type === undefined || type === "string") return undefined;
  return type.startsWith("float") ? "float64" : "int64";
}

/** Rows in which nothing stood, used or not. */
function countEmpty(state: Uint8Array, isRejected: Uint8Array, fieldCount: number): number {
  let count = 0;
  for (let row = 0; row < isRejected.length; row++) {
    let isEmpty = isRejected[row] === 0;
    for (let at = row * fieldCount; isEmpty && at < (row + 1) * fieldCount; at++) isEmpty = state[at] === 0;
    if (isEmpty) count++;
  }
  return count;
}

/**
 * A table in memory as a catalogue of `survey`: units converted, magic values, non-finite numbers and errors that are
 * not positive made `notObserved` and counted. `name` is the table in messages.
 * @throws UserError when no layout, or more than one, fits its columns; for a unit that does not convert.
 */
export function toCatalog(table: Table, survey: Survey, options: CatalogOptions = {}, name = "table"): CatalogBatch {
  return bindRows(name, table, survey, bindLayout(name, table.columns, survey, options, table.metadata), options, 0);
}

/**
 * Opens a table file, or files of spectra where the survey has a spectrum (its first); of several tables in it the one that `options.hdu` names, else the one with most of the survey's
 * fields. @throws UserError for a file that can't be read, where several have as many.
 */
export async function openFor(path: string, survey: Survey, options: BindOptions = {}): Promise<TableSource> {
  const { hdu } = options;
  const spectrum = survey.fields.find((field) => field.kind === "spectrum");
  if (spectrum?.kind === "spectrum" && hdu === undefined && (await isSpectra(path))) {
    return openSpectra(path, spectrum, survey.fields, options);
  }
  const score: TablePick["score"] = (schema) => scoreColumns(schema, survey, options);
  return openTable(path, hdu === undefined ? { score } : { name: hdu });
}

/**
 * Names of the columns to keep; not of the ids themselves where answers have them under the same name.
 * @throws UserError for a name that the table doesn't have.
 */
function keptNames({ path, schema }: TableSource, binding: Binding, keep: CatalogOptions["keep"] = []): string[] {
  const names = schema.map(({ name }) => name);
  if (keep === "all") return names.filter((name) => name !== "object_id" || binding.objectId !== "{object_id}");
  const missing = keep.find((name) => !names.includes(name));
  if (missing === undefined) return [...new Set(keep)];
  throw new UserError(
    `${path}: no column "${missing}" to keep${didYouMean(missing, names)}; expected columns of the table, or all`,
  );
}

/** Columns of ids, which are wanted as they are written. */
const idColumns = ({ objectId, parentId, tile, instrument }: Binding): string[] =>
  [objectId, parentId, tile, instrument].flatMap(templateColumns);

/**
 * Streams a table file as catalogues of `survey`, reading only the columns that it needs.
 * @throws UserError as {@link toCatalog}, and for a file that is damaged or has no rows.
 */
export async function* readCatalog(
  path: string,
  survey: Survey,
  options: CatalogOptions = {},
): AsyncGenerator<CatalogBatch, void, undefined> {
  const source = await openFor(path, survey, options);
  try {
    const binding = bindLayout(source.path, source.schema, survey, options, source.metadata);
    const batchRows = rowsPerBatch(source, binding, survey, options.batchRows);
    const kept = keptNames(source, binding, options.keep);
    const columns = [...new Set([...binding.columns, ...kept])];
    const wanted = { columns, texts: idColumns(binding), ...(batchRows ? { batchRows } : {}) };
    const notes: string[] = [];
    const told = (): void => void notes.splice(0, notes.length, ...(source.notes?.() ?? []));
    let firstRow = 0;
    for await (const table of source.batches(wanted)) {
      const batch = bindRows(path, table, survey, binding, options, firstRow);
      batch.report.notes.push(notes);
      told();
      if (options.keep === undefined) yield batch;
      else yield { ...batch, kept: kept.map((name) => table.columns.find((column) => column.name === name)!) };
      firstRow += table.rowCount;
    }
    told();
    if (firstRow === 0) throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  } finally {
    await source.close();
  }
}

/** Bytes of pixels in a batch of rows at most. */
const BATCH_BYTES = 64e6;

/** Rows of a batch: as asked, but no more than memory is for where spectra are read. Undefined: as the format has them. */
function rowsPerBatch(
  { schema }: TableSource,
  { spectra, columns }: Binding,
  { fields }: Survey,
  asked?: number,
): number | undefined {
  if (spectra.length === 0) return asked;
  const read = schema.reduce((sum, { name, width }) => (columns.includes(name) ? sum + 8 * width : sum), 0);
  const most = Math.max(1, Math.floor(BATCH_BYTES / (read + pixelBytes(spectra.map(({ field }) => fields[field])))));
  return asked === undefined ? most : Math.min(asked, most);
}

/** What reading a table will take from it. */
export interface TableOutline {
  /** The file, and which of its tables where it holds several. */
  readonly path: string;
  readonly binding: Binding;
  /** Undefined where the format does not say without reading to the end. */
  readonly rowCount: number | undefined;
  /** Of what light its fluxes are: as the layout says, or simulations of themselves. */
  readonly aperture: ApertureKind | undefined;
  /** What it says of fluxes without noise, where it has them. */
  readonly made: Made;
}

/** What a simulated table says of its fluxes. */
function statedAperture({ metadata }: TableSource): ApertureKind | undefined {
  return apertureSchema.safeParse(metadata.aperture ?? metadata.APERTURE).data;
}

/** Opens a table and fits a layout, without reading rows. @throws UserError as {@link toCatalog}. */
export async function outlineTable(path: string, survey: Survey, options: CatalogOptions = {}): Promise<TableOutline> {
  const source = await openFor(path, survey, options);
  try {
    const { schema, rowCount, metadata } = source;
    const binding = bindLayout(source.path, schema, survey, options, metadata);
    const aperture = binding.layout.aperture ?? statedAperture(source);
    return { path: source.path, binding, rowCount, aperture, made: madeOf(metadata) };
  } finally {
    await source.close();
  }
}

/** Streams parents and tiles of a table that has them, and no other columns. */
export async function* readTiles(
  path: string,
  binding: Binding,
): AsyncGenerator<{ readonly parentId: readonly string[]; readonly tile: readonly string[] }, void, undefined> {
  const source = await openTable(path);
  try {
    const wanted = new Set([binding.objectId, binding.parentId, binding.tile].flatMap(templateColumns));
    let firstRow = 0;
    for await (const { columns, rowCount } of source.batches({ columns: [...wanted], texts: [...wanted] })) {
      const byName = new Map(columns.map((column) => [column.name, column]));
      const { parentId } = readNames(byName, binding, firstRow, rowCount);
      yield { parentId, tile: readIds(byName, binding.tile, firstRow, rowCount) };
      firstRow += rowCount;
    }
  } finally {
    await source.close();
  }
}

/** Batches of rows as one catalogue; `report` is what was left out, as lines for a person. */
export async function gatherRows(
  path: string,
  batches: AsyncIterable<CatalogBatch>,
): Promise<{ readonly catalog: Catalog; readonly report: readonly string[]; readonly counts: ReadReport }> {
  const catalogs: Catalog[] = [];
  let counts: ReadReport | undefined;
  for await (const { catalog, report } of batches) {
    catalogs.push(catalog);
    if (counts) addReport(counts, report);
    else counts = report;
  }
  if (!counts) throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  return { catalog: concat(catalogs), report: formatReport(counts), counts };
}

/** Reads a whole table file into one catalogue; the report is what was left out, as lines for a person. */
export function readWholeCatalog(
  path: string,
  survey: Survey,
  options: CatalogOptions = {},
): ReturnType<typeof gatherRows> {
  return gatherRows(path, readCatalog(path, survey, options));
}
