import { open } from "node:fs/promises";
import {
  Field,
  FixedSizeList,
  Message,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Utf8,
  makeData,
  vectorFromArray,
} from "apache-arrow";
import type { Data, Float32 } from "apache-arrow";
import { ARROW_TYPES } from "./arrow.ts";
import { schemaOf } from "./columns.ts";
import type { Column, ColumnSchema, Table, TableHeader } from "./table.ts";

function toField(column: ColumnSchema): Field {
  const { name, type, width, unit, description } = column;
  const metadata = new Map<string, string>();
  if (unit) metadata.set("unit", unit);
  if (description) metadata.set("description", description);
  const isFloat = type === "float32" || type === "float64";
  const isNullable = !isFloat && width === 1 && (type !== "uint8" || column.nullable === true);
  const arrow = ARROW_TYPES[type]();
  const shaped = width === 1 ? arrow : new FixedSizeList(width, new Field("item", arrow, false));
  return new Field(name, shaped, isNullable, metadata);
}

/** Arrow's validity bits, least significant first. */
function toBits(isValid: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(isValid.length / 8));
  for (let i = 0; i < isValid.length; i++) if (isValid[i]) bits[i >> 3] |= 1 << (i & 7);
  return bits;
}

function toData(column: Column, rowCount: number): Data {
  const { data, width, type, isValid } = column;
  const arrow = ARROW_TYPES[type]();
  if (width !== 1) {
    const child = toData({ name: "item", type, width: 1, data }, rowCount * width);
    const list = new FixedSizeList(width, new Field("item", arrow, false));
    return makeData({ type: list, length: rowCount, nullCount: 0, child }) as Data;
  }
  if (Array.isArray(data)) {
    const values = isValid ? data.map((text, row) => (isValid[row] ? text : null)) : data;
    return vectorFromArray(values, new Utf8()).data[0];
  }
  const hasNulls = isValid?.includes(0) ?? false;
  return makeData({
    type: arrow as Float32,
    length: rowCount,
    nullCount: hasNulls && isValid ? isValid.reduce((sum, valid) => sum + 1 - valid, 0) : 0,
    data: data as Float32Array,
    ...(hasNulls && isValid ? { nullBitmap: toBits(isValid) } : {}),
  }) as Data;
}

/* oxlint-disable no-underscore-dangle -- the library's own names for what a subclass may change */
/**
 * The library's file writer, made to stream: bytes are taken out after every batch instead of piling up, and the
 * schema message that the format asks for after the magic (and the library leaves out) is written.
 */
class StreamingWriter extends RecordBatchFileWriter {
  private waiting: Uint8Array[] = [];

  protected override _write(chunk: Uint8Array): this {
    if (this._started && chunk.byteLength > 0) {
      const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.waiting.push(bytes);
      this._position += bytes.byteLength;
    }
    return this;
  }

  protected override _writeSchema(schema: Schema): this {
    return super._writeSchema(schema)._writeMessage(Message.from(schema));
  }

  take(): Uint8Array {
    const bytes = Buffer.concat(this.waiting);
    this.waiting = [];
    return bytes;
  }
}

/** Writes an Arrow IPC file, one record batch per table. */
export async function writeArrow(path: string, header: TableHeader, batches: AsyncIterable<Table>): Promise<void> {
  const schema = new Schema(header.schema.map(toField), new Map(Object.entries(header.metadata)));
  const file = await open(path, "w");
  try {
    const writer = new StreamingWriter();
    writer.reset(undefined, schema);
    for await (const table of batches) {
      const children = header.schema.map((column, j) =>
        toData({ ...table.columns[j], ...schemaOf(column) }, table.rowCount),
      );
      const data = makeData({ type: new Struct(schema.fields), length: table.rowCount, nullCount: 0, children });
      writer.write(new RecordBatch(schema, data));
      await file.appendFile(writer.take());
    }
    writer.finish();
    await file.appendFile(writer.take());
  } finally {
    await file.close();
  }
}
