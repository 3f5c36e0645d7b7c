import {
  DataType,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Precision,
  RecordBatchReader,
  Uint8,
  Utf8,
} from "apache-arrow";
import type { Field, Vector } from "apache-arrow";
import { UserError } from "../errors.ts";
import { isSoundMessage, readMessages } from "./arrow-messages.ts";
import { explainFileError, openBytes } from "./bytes.ts";
import type { ByteSource } from "./bytes.ts";
import { allocate, sliceTable } from "./columns.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import type { Column, ColumnSchema, ColumnType, ReadOptions, Table, TableSource } from "./table.ts";
import { bytesToText } from "./text.ts";

/** The file format is "ARROW1", two zeros, a stream, a footer, and "ARROW1" again. */
const MAGIC = "ARROW1";
const STREAM_START = 8;

export const ARROW_TYPES: Readonly<Record<ColumnType, () => DataType>> = {
  float32: () => new Float32(),
  float64: () => new Float64(),
  uint8: () => new Uint8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  string: () => new Utf8(),
};

/** Column type of an Arrow type; undefined for what a table does not hold (records, maps). */
function columnType(type: DataType): ColumnType | undefined {
  if (DataType.isDictionary(type)) return columnType(type.dictionary as DataType);
  if (DataType.isFloat(type)) return type.precision === Precision.DOUBLE ? "float64" : "float32";
  if (DataType.isInt(type)) {
    if (type.bitWidth === 64) return type.isSigned ? "int64" : "string";
    if (type.bitWidth === 32) return type.isSigned ? "int32" : "int64";
    if (type.bitWidth === 16) return type.isSigned ? "int16" : "int32";
    return type.isSigned ? "int16" : "uint8";
  }
  if (DataType.isBool(type)) return "uint8";
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return "string";
  if (DataType.isBinary(type) || DataType.isLargeBinary(type) || DataType.isFixedSizeBinary(type)) return "string";
  return undefined;
}

/** Schema of a field; lists of unequal length take their width from the field metadata `width`, else the `longest`. */
function columnSchema(field: Field, longest: number): ColumnSchema | undefined {
  const { name, metadata } = field;
  const type: DataType = field.type;
  const isList = DataType.isFixedSizeList(type) || DataType.isList(type);
  const inner = isList ? columnType(type.valueType as DataType) : columnType(type);
  const width = DataType.isFixedSizeList(type) ? type.listSize : isList ? Number(metadata.get("width") ?? longest) : 1;
  if (inner === undefined || !Number.isInteger(width) || width < 1) return undefined;
  const isPadded = DataType.isList(type) && inner !== "string" && inner !== "float32";
  const unit = metadata.get("unit");
  const description = metadata.get("description");
  return {
    name,
    type: isPadded ? "float64" : inner,
    width,
    ...(unit ? { unit } : {}),
    ...(description ? { description } : {}),
    ...(inner === "uint8" && field.nullable ? { nullable: true } : {}),
    ...(inner === "string" && DataType.isInt(type) ? { isDigits: true } : {}),
  };
}

function readScalars(schema: ColumnSchema, vector: Vector): Column {
  const rows = vector.length;
  const data = allocate(schema.type, rows);
  if (vector.nullCount === 0 && vector.data.length === 1 && !Array.isArray(data)) {
    const values: unknown = vector.data[0].values;
    // A copy: the buffers of a batch are views of one large block.
    if ((values as object | undefined)?.constructor === data.constructor) {
      return { ...schema, data: (values as Float32Array).slice(0, rows) };
    }
  }
  const isFloat = schema.type === "float32" || schema.type === "float64";
  let isValid: Uint8Array | undefined;
  for (let i = 0; i < rows; i++) {
    const value = vector.get(i) as number | bigint | string | boolean | Uint8Array | null;
    if (value === null) {
      if (isFloat) (data as Float64Array)[i] = NaN;
      else (isValid ??= new Uint8Array(rows).fill(1))[i] = 0;
    } else if (value instanceof Uint8Array) (data as string[])[i] = bytesToText(value);
    else if (Array.isArray(data)) data[i] = String(value);
    else if (schema.type === "int64") (data as BigInt64Array)[i] = BigInt(value);
    else (data as Float64Array)[i] = Number(value);
  }
  return { ...schema, data, ...(isValid ? { isValid } : {}) };
}

/** Lists of numbers that are stored as the column wants them, copied as they are; undefined for others. */
function readPlainVectors(schema: ColumnSchema, vector: Vector): Column | undefined {
  const { width, type } = schema;
  const [part] = vector.data;
  const child = part?.children[0];
  const data = allocate(type, vector.length * width);
  const values: unknown = child?.values;
  const isPlain = vector.data.length === 1 && vector.nullCount === 0 && child?.nullCount === 0;
  if (!isPlain || Array.isArray(data) || (values as object | undefined)?.constructor !== data.constructor) {
    return undefined;
  }
  const numbers = values as Float32Array;
  if (DataType.isFixedSizeList(vector.type)) {
    return { ...schema, data: numbers.slice(0, vector.length * width) };
  }
  const offsets = part.valueOffsets as Int32Array | undefined;
  if (!(offsets instanceof Int32Array) || (type !== "float32" && type !== "float64")) return undefined;
  (data as Float32Array).fill(NaN);
  for (let row = 0; row < vector.length; row++) {
    const [start, end] = [offsets[row], offsets[row + 1]];
    if (!(start >= 0 && end >= start && end - start <= width && end <= numbers.length)) return undefined;
    (data as Float32Array).set(numbers.subarray(start, end), row * width);
  }
  return { ...schema, data };
}

function readVectors(path: string, schema: ColumnSchema, vector: Vector): Column {
  const { width, type, name } = schema;
  const inner = vector.data.reduce((sum, part) => sum + (part.children[0]?.length ?? 0), 0);
  if (DataType.isFixedSizeList(vector.type) && inner < vector.length * width) {
    throw new UserError(
      `${path}: damaged Arrow file: column "${name}" has ${inner} elements, expected ${vector.length * width}`,
    );
  }
  const plain = readPlainVectors(schema, vector);
  if (plain !== undefined) return plain;
  const data = allocate(type, vector.length * width);
  if (type === "float32" || type === "float64") (data as Float64Array).fill(NaN);
  for (let row = 0; row < vector.length; row++) {
    const list = vector.get(row) as Vector | null;
    if (list === null) continue;
    if (list.length > width)
      throw new UserError(`${path}: column "${name}" has ${list.length} elements, expected ${width}`);
    for (let k = 0; k < list.length; k++) {
      const value: unknown = list.get(k);
      if (value === null) continue;
      if (Array.isArray(data)) data[row * width + k] = value as string;
      else if (type === "int64") (data as BigInt64Array)[row * width + k] = value as bigint;
      else (data as Float64Array)[row * width + k] = Number(value);
    }
  }
  return { ...schema, data };
}

function damaged(path: string, error: unknown): unknown {
  if (error instanceof UserError) return error;
  const explained = explainFileError(error, path, "read");
  if (explained instanceof UserError) return explained;
  const message = error instanceof Error ? error.message : String(error);
  return new UserError(`${path}: damaged Arrow file: ${message.split("\n")[0]}`);
}

/** A reader of the stream inside the file: everything after the leading magic. */
async function openStream(source: ByteSource): Promise<RecordBatchReader> {
  const reader = await RecordBatchReader.from(readMessages(source, STREAM_START));
  return reader.open();
}

/** Length of the longest list of every column of lists whose field doesn't say it, by place; 1 where all are empty. */
async function measureLists(source: ByteSource, fields: readonly Field[]): Promise<ReadonlyMap<number, number>> {
  const open = fields.flatMap(({ type, metadata }, place) =>
    DataType.isList(type) && !metadata.has("width") ? [place] : [],
  );
  const longest = new Map(open.map((place) => [place, 1]));
  if (open.length === 0) return longest;
  const reader = await openStream(source);
  for await (const batch of reader) {
    for (const place of open) {
      for (const { valueOffsets, length } of batch.getChildAt(place)?.data ?? []) {
        const offsets = valueOffsets as Int32Array;
        let most = longest.get(place) ?? 1;
        for (let row = 0; row < length; row++) most = Math.max(most, offsets[row + 1] - offsets[row]);
        longest.set(place, most);
      }
    }
  }
  return longest;
}

/** Opens an Arrow IPC file (Feather 2), uncompressed. @throws UserError for a truncated or damaged file. */
export async function openArrow(path: string): Promise<TableSource> {
  const source = await openBytes(path);
  let fields: Field[];
  let metadata: Record<string, string>;
  let known: { schema: ColumnSchema; place: number }[];
  try {
    const ends = await source.read(Math.max(0, source.size - 6), Math.min(6, source.size), "end of the Arrow file");
    if (source.size < 16 || Buffer.from(ends).toString("latin1") !== MAGIC) {
      throw new UserError(
        `${path}: truncated: an Arrow file ends with "${MAGIC}", this one (${source.size} bytes) does not`,
      );
    }
    const reader = await openStream(source);
    fields = reader.schema.fields;
    metadata = Object.fromEntries(reader.schema.metadata);
    await reader.cancel();
    const longest = await measureLists(source, fields);
    known = fields.flatMap((field, place) => {
      const schema = columnSchema(field, longest.get(place) ?? 1);
      return schema ? [{ schema, place }] : [];
    });
  } catch (error) {
    await source.close();
    throw damaged(path, error);
  }
  const schema = known.map((column) => column.schema);
  async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
    const wanted = chooseColumns(path, schema, options.columns).map((i) => known[i]);
    const most = options.batchRows ?? DEFAULT_BATCH_ROWS;
    let reader: RecordBatchReader | undefined;
    try {
      reader = await openStream(source);
      for await (const batch of reader) {
        const columns = wanted.map(({ schema, place }): Column => {
          const vector = batch.getChildAt(place);
          if (vector?.length !== batch.numRows) {
            throw new UserError(`${path}: damaged Arrow file: column "${schema.name}" is shorter than its batch`);
          }
          return schema.width === 1 && !DataType.isFixedSizeList(fields[place].type)
            ? readScalars(schema, vector)
            : readVectors(path, schema, vector);
        });
        const table: Table = { rowCount: batch.numRows, columns, metadata };
        for (let row = 0; row < table.rowCount; row += most) {
          yield sliceTable(table, row, Math.min(row + most, table.rowCount));
        }
      }
    } catch (error) {
      throw damaged(path, error);
    } finally {
      await reader?.cancel();
    }
  }
  return { path, format: "arrow", schema, rowCount: undefined, metadata, batches, close: () => source.close() };
}

/**
 * Units and descriptions of the fields in an encoded Arrow schema, by field name: Parquet files written by Arrow
 * carry one under the key `ARROW:schema`, in base64. Empty when it cannot be read.
 */
export function arrowNotes(base64: string): Map<string, { unit?: string; description?: string }> {
  const notes = new Map<string, { unit?: string; description?: string }>();
  const bytes = Buffer.from(base64, "base64");
  if (!isSoundMessage(bytes)) return notes;
  try {
    for (const field of RecordBatchReader.from(bytes).open().schema.fields) {
      const unit = field.metadata.get("unit");
      const description = field.metadata.get("description");
      notes.set(field.name, { ...(unit ? { unit } : {}), ...(description ? { description } : {}) });
    }
  } catch {
    notes.clear();
  }
  return notes;
}
