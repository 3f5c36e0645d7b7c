import { parquetMetadataAsync, parquetScan } from "hyparquet";
import type { AsyncBuffer, FileMetaData, ParquetScan } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { ParquetWriter, fileWriter } from "hyparquet-writer";
import { UserError } from "../errors.ts";
import { openBytes } from "./bytes.ts";
import type { ByteSource } from "./bytes.ts";
import { allocate, regroup, schemaOf, sliceTable } from "./columns.ts";
import { MAX_GROUP_ROWS, chunkRange, readChecked } from "./parquet-pages.ts";
import { COLUMNS_KEY, describeParquet, formatNotes, isRequired, parquetElements } from "./parquet-schema.ts";
import type { ParquetColumn } from "./parquet-schema.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import type { Column, ColumnSchema, ReadOptions, Table, TableHeader, TableSource } from "./table.ts";

/** Bytes of decoded values held at once while a row group is read. */
const WINDOW_BYTES = 256 * 2 ** 20;
/** Rows looked at to find the width of list columns that another program wrote. */
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

function checkedBuffer(source: ByteSource, metadata: () => FileMetaData): CheckedBuffer {
  let held: { start: number; bytes: ArrayBuffer } | undefined;
  return {
    byteLength: source.size,
    async slice(start, end = source.size) {
      if (held && start >= held.start && end <= held.start + held.bytes.byteLength) {
        return held.bytes.slice(start - held.start, end - held.start);
      }
      return (await source.read(start, end - start, "Parquet footer or index")).buffer;
    },
    async load(column, group) {
      const chunk = metadata().row_groups[group].columns.find((one) => one.meta_data?.path_in_schema[0] === column);
      if (!chunk?.meta_data)
        throw new UserError(`${source.path}: damaged Parquet: row group ${group} lacks column "${column}"`);
      const { start } = chunkRange(chunk.meta_data);
      if (held?.start === start) return;
      held = { start, bytes: await readChecked(source, chunk.meta_data, column) };
    },
  };
}

function toText(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "" : value.toISOString();
  if (typeof value === "string") return value;
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value);
}

/** Decoded values of one scalar column as a typed column. */
function toScalars(schema: ColumnSchema, values: ArrayLike<unknown>): Column {
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
    } else if (Array.isArray(data)) data[i] = toText(value);
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
}

async function readWindow(
  { source, file, scan }: OpenParquet,
  columns: readonly (ParquetColumn & { readonly schema: ColumnSchema })[],
  group: number,
  rowStart: number,
  rowEnd: number,
): Promise<Column[]> {
  const decoded: Column[] = [];
  for (const { name, isList, schema } of columns) {
    try {
      await file.load(name, group);
      const values = await scan.readColumn({ column: name, rowStart, rowEnd });
      if (values.length !== rowEnd - rowStart) {
        throw new UserError(
          `${source.path}: damaged Parquet: column "${name}" has ${values.length} of rows ${rowStart + 1} to ${rowEnd}`,
        );
      }
      decoded.push(isList ? toVectors(source.path, schema, values, rowStart) : toScalars(schema, values));
    } catch (error) {
      throw damaged(source.path, error, `column "${name}", rows ${rowStart + 1} to ${rowEnd}`);
    }
  }
  return decoded;
}

async function measureLists(open: OpenParquet, columns: ParquetColumn[]): Promise<Map<string, number>> {
  const widths = new Map<string, number>();
  const first = open.scan.ranges[0];
  for (const { name, isList, width } of columns) {
    if (!isList) continue;
    if (width !== undefined || first === undefined) {
      widths.set(name, width ?? 1);
      continue;
    }
    try {
      await open.file.load(name, 0);
      const rowEnd = Math.min(first.rowEnd, first.rowStart + MEASURED_ROWS);
      const values = (await open.scan.readColumn({ column: name, rowStart: first.rowStart, rowEnd })) as unknown[];
      widths.set(name, Math.max(1, ...Array.from(values, (list) => (Array.isArray(list) ? list.length : 0))));
    } catch (error) {
      throw damaged(open.source.path, error, `column "${name}"`);
    }
  }
  return widths;
}

/** Opens a Parquet file: columns are read one by one, rows by row group. @throws UserError for a damaged footer. */
export async function openParquet(path: string): Promise<TableSource> {
  const source = await openBytes(path);
  try {
    if (source.size < 12) throw new UserError(`${path}: ${source.size} bytes are too few for a Parquet file`);
    let footer: FileMetaData | undefined;
    const file = checkedBuffer(
      source,
      () => footer ?? { version: 0, schema: [], num_rows: 0n, row_groups: [], metadata_length: 0 },
    );
    try {
      footer = await parquetMetadataAsync(file, { geoparquet: false });
    } catch (error) {
      throw damaged(path, error, "footer (a truncated file has none)");
    }
    checkFooter(path, source.size, footer);
    const metadata = Object.fromEntries(
      (footer.key_value_metadata ?? [])
        .filter(({ key }) => key !== COLUMNS_KEY && key !== "ARROW:schema")
        .map(({ key, value }) => [key, value ?? ""]),
    );
    const described = describeParquet(footer);
    let scan: ParquetScan;
    try {
      scan = await parquetScan({ file, metadata: footer, compressors, useOffsetIndex: false, geoparquet: false });
    } catch (error) {
      throw damaged(path, error, "footer");
    }
    const open: OpenParquet = { source, file, scan };
    const widths = await measureLists(open, described);
    const columns = described.map((column) => {
      const { unit, description } = column.notes;
      const schema: ColumnSchema = {
        name: column.name,
        type: column.type,
        width: widths.get(column.name) ?? 1,
        ...(unit === undefined ? {} : { unit }),
        ...(description === undefined ? {} : { description }),
      };
      return { ...column, schema };
    });
    const schema = columns.map((column) => column.schema);
    async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
      const wanted = chooseColumns(path, schema, options.columns).map((i) => columns[i]);
      const most = options.batchRows ?? DEFAULT_BATCH_ROWS;
      const rowBytes = wanted.reduce((sum, column) => sum + column.schema.width * 8, 1);
      const window = Math.max(most, Math.floor(WINDOW_BYTES / rowBytes));
      for (const [group, { rowStart, rowEnd }] of scan.ranges.entries()) {
        for (let start = rowStart; start < rowEnd; start += window) {
          const end = Math.min(start + window, rowEnd);
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

/** Values of a column as hyparquet-writer takes them. */
function toPhysical(column: Column, rowCount: number): ArrayLike<unknown> {
  const { data, width, isValid } = column;
  if (width !== 1) {
    return Array.from({ length: rowCount }, (_, row) =>
      Array.from(data.slice(row * width, (row + 1) * width) as Float64Array),
    );
  }
  if (isRequired(column)) {
    return data instanceof Uint8Array ? Int32Array.from(data) : data;
  }
  if (!isValid) return data instanceof Int16Array || data instanceof Uint8Array ? Int32Array.from(data) : data;
  return Array.from(data as ArrayLike<unknown>, (value, row) => (isValid[row] ? value : null));
}

/** Writes a table, one row group per 65,536 rows. Snappy compression; plain readers everywhere open it. */
export async function writeParquet(path: string, header: TableHeader, batches: AsyncIterable<Table>): Promise<void> {
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: parquetElements(header.schema),
    createdBy: "caleido",
    kvMetadata: [
      ...Object.entries(header.metadata).map(([key, value]) => ({ key, value })),
      { key: COLUMNS_KEY, value: formatNotes(header.schema) },
    ],
  });
  for await (const table of regroup(header.schema, batches, DEFAULT_BATCH_ROWS)) {
    const columnData = header.schema.map((schema, j) => ({
      name: schema.name,
      data: toPhysical({ ...table.columns[j], ...schemaOf(schema) }, table.rowCount) as Float32Array,
    }));
    await writer.write({ columnData, rowGroupSize: table.rowCount });
  }
  await writer.finish();
}
