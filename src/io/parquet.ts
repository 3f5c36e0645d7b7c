import { parquetMetadataAsync, parquetScan } from "hyparquet";
import type { AsyncBuffer, FileMetaData, ParquetScan } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { UserError } from "../errors.ts";
import { openBytes } from "./bytes.ts";
import type { ByteSource } from "./bytes.ts";
import { allocate, sliceTable } from "./columns.ts";
import { MAX_GROUP_ROWS, chunkRange, readChecked } from "./parquet-pages.ts";
import { COLUMNS_KEY, describeParquet, withPlainDecimals } from "./parquet-schema.ts";
import type { ParquetColumn } from "./parquet-schema.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import type { Column, ColumnSchema, ReadOptions, Table, TableSource } from "./table.ts";
import { bytesToText } from "./text.ts";

/** Bytes of decoded values held at once while a row group is read. */
const WINDOW_BYTES = 256 * 2 ** 20;
/** Rows looked at first to find the width of list columns that another program wrote. */
const MEASURED_ROWS = 100;

function damaged(path: string, error: unknown, where: string): UserError {
  if (error instanceof UserError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new UserError(`${path}: damaged Parquet: ${where}: ${message.split("\n")[0]}`);
}

/** Row counts and byte ranges that the footer promises, checked against each other and the file. */
function checkFooter(path: string, size: number, metadata: FileMetaData): void {
  let rows = 0;
  for (const [i, group] of metadata.row_groups.entries()) {
    const count = Number(group.num_rows);
    if (!(count >= 0 && count <= MAX_GROUP_ROWS)) {
      throw new UserError(
        `${path}: damaged Parquet: row group ${i} promises ${count} rows, at most ${MAX_GROUP_ROWS} are read`,
      );
    }
    rows += count;
    for (const { meta_data: meta } of group.columns) {
      if (!meta) throw new UserError(`${path}: damaged Parquet: row group ${i} has a column without metadata`);
      const places: unknown[] = [meta.data_page_offset, meta.total_compressed_size, meta.num_values];
      if (meta.dictionary_page_offset !== undefined) places.push(meta.dictionary_page_offset);
      if (places.some((place) => typeof place !== "bigint")) {
        throw new UserError(`${path}: damaged Parquet: row group ${i} has a column whose place is no number`);
      }
      const { start, length } = chunkRange(meta);
      const name = meta.path_in_schema.join(".");
      if (!(start >= 4 && length >= 0 && start + length <= size)) {
        throw new UserError(
          `${path}: truncated: column "${name}" of row group ${i} promises bytes ${start} to ${start + length}, the file ends at ${size}`,
        );
      }
      const values = Number(meta.num_values);
      if (!(values >= 0 && values <= MAX_GROUP_ROWS * 64) || (meta.path_in_schema.length === 1 && values !== count)) {
        throw new UserError(
          `${path}: damaged Parquet: column "${name}" has ${values} values, row group ${i} has ${count} rows`,
        );
      }
    }
  }
  if (rows !== Number(metadata.num_rows)) {
    throw new UserError(
      `${path}: damaged Parquet: row groups have ${rows} rows in all, the footer promises ${metadata.num_rows}`,
    );
  }
}

/** hyparquet's view of the file: slices come from the last checked column chunk where they lie in it. */
interface CheckedBuffer extends AsyncBuffer {
  load(column: string, group: number): Promise<void>;
}

function checkedBuffer(source: ByteSource, footer: () => FileMetaData | undefined): CheckedBuffer {
  let held: { start: number; bytes: ArrayBuffer } | undefined;
  return {
    byteLength: source.size,
    slice(start, end = source.size) {
      if (held && start >= held.start && end <= held.start + held.bytes.byteLength) {
        return held.bytes.slice(start - held.start, end - held.start);
      }
      const bytes = source.read(start, end - start, "Parquet footer or index").then(({ buffer }) => buffer);
      // The library may drop a read that it asked for when another fails: that is no unhandled error.
      bytes.catch(() => undefined);
      return bytes;
    },
    async load(column, group) {
      const whole = footer();
      const chunk = whole?.row_groups[group].columns.find((one) => one.meta_data?.path_in_schema[0] === column);
      if (!whole || !chunk?.meta_data) {
        throw new UserError(`${source.path}: damaged Parquet: row group ${group} lacks column "${column}"`);
      }
      const { start } = chunkRange(chunk.meta_data);
      if (held?.start === start) return;
      held = { start, bytes: await readChecked(source, whole.schema, chunk.meta_data) };
    },
  };
}

/** A whole number from its bytes, highest first, in two's complement. */
function toWhole(bytes: Uint8Array): string {
  const value = BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`);
  return String(BigInt.asIntN(8 * bytes.length, value));
}

function toText(value: unknown): string {
  if (value instanceof Uint8Array) return bytesToText(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString();
  if (typeof value === "string") return value;
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value);
}

/** Decoded values of one scalar column as a typed column. */
function toScalars({ schema, isBigEndian }: WideColumn, values: ArrayLike<unknown>): Column {
  const rows = values.length;
  const data = allocate(schema.type, rows);
  const isFloat = schema.type === "float32" || schema.type === "float64";
  const isSame = values.constructor === data.constructor && !Array.isArray(data);
  if (isSame) return { ...schema, data: values as unknown as Column["data"] };
  let isValid: Uint8Array | undefined;
  for (let i = 0; i < rows; i++) {
    const value = values[i];
    if (value === null || value === undefined) {
      if (isFloat) (data as Float64Array)[i] = NaN;
      else (isValid ??= new Uint8Array(rows).fill(1))[i] = 0;
    } else if (Array.isArray(data))
      data[i] = isBigEndian && value instanceof Uint8Array ? toWhole(value) : toText(value);
    else if (schema.type === "int64") (data as BigInt64Array)[i] = BigInt(value as bigint | number);
    else (data as Float64Array)[i] = Number(value);
  }
  return { ...schema, data, ...(isValid ? { isValid } : {}) };
}

/** Decoded lists of one array column; shorter ones are padded with NaN. */
function toVectors(path: string, schema: ColumnSchema, values: ArrayLike<unknown>, firstRow: number): Column {
  const { width, type, name } = schema;
  const data = allocate(type, values.length * width);
  if (!Array.isArray(data)) (data as Float64Array).fill(NaN);
  for (let row = 0; row < values.length; row++) {
    const list = (values[row] ?? []) as ArrayLike<unknown>;
    if (list.length > width) {
      throw new UserError(
        `${path}: row ${firstRow + row + 1}: column "${name}" has ${list.length} elements, expected ${width}`,
      );
    }
    for (let k = 0; k < list.length; k++) {
      const value = list[k];
      if (Array.isArray(data)) data[row * width + k] = value === null || value === undefined ? "" : toText(value);
      else (data as Float64Array)[row * width + k] = value === null || value === undefined ? NaN : Number(value);
    }
  }
  return { ...schema, data };
}

interface OpenParquet {
  readonly source: ByteSource;
  readonly file: CheckedBuffer;
  readonly scan: ParquetScan;
  readonly footer: FileMetaData;
  readonly described: readonly ParquetColumn[];
  readonly metadata: Readonly<Record<string, string>>;
}

type WideColumn = ParquetColumn & { readonly schema: ColumnSchema };

async function readWindow(
  { source, file, scan }: OpenParquet,
  columns: readonly WideColumn[],
  group: number,
  rowStart: number,
  rowEnd: number,
): Promise<Column[]> {
  const decoded: Column[] = [];
  for (const column of columns) {
    const { name, isList, schema } = column;
    try {
      await file.load(name, group);
      const values = await scan.readColumn({ column: name, rowStart, rowEnd });
      if (values.length !== rowEnd - rowStart) {
        throw new UserError(
          `${source.path}: damaged Parquet: column "${name}" has ${values.length} of rows ${rowStart + 1} to ${rowEnd}`,
        );
      }
      decoded.push(isList ? toVectors(source.path, schema, values, rowStart) : toScalars(column, values));
    } catch (error) {
      throw damaged(source.path, error, `column "${name}", rows ${rowStart + 1} to ${rowEnd}`);
    }
  }
  return decoded;
}

/**
 * Width of a list column that says none: the longest list. Where every list of a row group has the length of its first,
 * which the number of values tells, no other has to be looked at.
 */
async function measureList(open: OpenParquet, name: string): Promise<number> {
  const { source, file, scan, footer } = open;
  let longest = 1;
  try {
    for (const { group, first, end } of groupsOf(footer)) {
      await file.load(name, group);
      const chunk = footer.row_groups[group].columns.find((one) => one.meta_data?.path_in_schema[0] === name);
      const count = Number(chunk?.meta_data?.num_values);
      for (let rowStart = first, rowEnd; rowStart < end; rowStart = rowEnd) {
        const most = rowStart === first ? MEASURED_ROWS : Math.max(MEASURED_ROWS, WINDOW_BYTES / (8 * longest));
        rowEnd = Math.min(end, rowStart + Math.floor(most));
        const values = (await scan.readColumn({ column: name, rowStart, rowEnd })) as unknown[];
        const lengths = Array.from(values, (list) => (Array.isArray(list) ? list.length : 0));
        longest = Math.max(longest, ...lengths);
        if (lengths.every((length) => length * (end - first) === count)) break;
      }
    }
    return longest;
  } catch (error) {
    throw damaged(source.path, error, `column "${name}"`);
  }
}

async function giveWidths(open: OpenParquet): Promise<WideColumn[]> {
  const columns: WideColumn[] = [];
  for (const column of open.described) {
    const { name, type, notes, isDigits, nullable } = column;
    const { unit, description } = notes;
    const width = column.width ?? (await measureList(open, name));
    columns.push({
      ...column,
      schema: {
        name,
        type,
        width,
        ...(unit === undefined ? {} : { unit }),
        ...(description === undefined ? {} : { description }),
        ...(isDigits ? { isDigits } : {}),
        ...(nullable ? { nullable } : {}),
      },
    });
  }
  return columns;
}

/** Footer, columns and scan of an open file. @throws UserError for whatever in the footer does not hold together. */
async function readFooter(path: string, source: ByteSource): Promise<OpenParquet> {
  let footer: FileMetaData | undefined;
  const file = checkedBuffer(source, () => footer);
  try {
    footer = await parquetMetadataAsync(file, { geoparquet: false });
    checkFooter(path, source.size, footer);
    const options = { compressors, useOffsetIndex: false, geoparquet: false, utf8: false };
    const scan = await parquetScan({ file, metadata: withPlainDecimals(footer), ...options });
    const pairs = (footer.key_value_metadata ?? [])
      .filter(({ key }) => key !== COLUMNS_KEY && key !== "ARROW:schema")
      .map(({ key, value }): [string, string] => [key, value ?? ""]);
    const described = await describeParquet(footer);
    return { source, file, scan, footer, described, metadata: Object.fromEntries(pairs) };
  } catch (error) {
    throw damaged(path, error, "footer (a truncated file has none)");
  }
}

/** Row groups that have rows, with the number of their first one. */
function groupsOf(footer: FileMetaData): { readonly group: number; readonly first: number; readonly end: number }[] {
  let first = 0;
  return footer.row_groups.flatMap(({ num_rows }, group) => {
    const range = { group, first, end: first + Number(num_rows) };
    first = range.end;
    return range.end > range.first ? [range] : [];
  });
}

/** Opens a Parquet file: columns are read one by one, rows by row group. @throws UserError for a damaged footer. */
export async function openParquet(path: string): Promise<TableSource> {
  const source = await openBytes(path);
  try {
    if (source.size < 12) throw new UserError(`${path}: ${source.size} bytes are too few for a Parquet file`);
    const open = await readFooter(path, source);
    const { footer, metadata } = open;
    const columns = await giveWidths(open);
    const schema = columns.map((column) => column.schema);
    const groups = groupsOf(footer);
    async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
      const wanted = chooseColumns(path, schema, options.columns).map((i) => columns[i]);
      const most = options.batchRows ?? DEFAULT_BATCH_ROWS;
      const rowBytes = wanted.reduce((sum, column) => sum + column.schema.width * 8, 1);
      const window = Math.max(most, Math.floor(WINDOW_BYTES / rowBytes));
      for (const { group, first, end: groupEnd } of groups) {
        for (let start = first; start < groupEnd; start += window) {
          const end = Math.min(start + window, groupEnd);
          const decoded = await readWindow(open, wanted, group, start, end);
          const table: Table = { rowCount: end - start, columns: decoded, metadata };
          for (let row = 0; row < table.rowCount; row += most) {
            yield sliceTable(table, row, Math.min(row + most, table.rowCount));
          }
        }
      }
    }
    const rowCount = Number(footer.num_rows);
    return { path, format: "parquet", schema, rowCount, metadata, batches, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}
