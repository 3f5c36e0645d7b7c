import { ParquetWriter, fileWriter } from "hyparquet-writer";
import { regroup, schemaOf } from "./columns.ts";
import { COLUMNS_KEY, formatNotes, isRequired, parquetElements } from "./parquet-schema.ts";
import { DEFAULT_BATCH_ROWS } from "./select.ts";
import type { Column, ColumnSchema, Table, TableHeader } from "./table.ts";

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

/** Bytes of vectors in a row group, which is put together in memory as lists. */
const VECTOR_BYTES = 128e6;

/** Rows of a row group: fewer of tables with long vectors. */
function rowsOfGroup({ schema }: TableHeader): number {
  const bytes = schema.reduce((sum, { width }) => sum + (width > 1 ? 8 * width : 0), 0);
  return bytes === 0 ? DEFAULT_BATCH_ROWS : Math.max(1, Math.min(DEFAULT_BATCH_ROWS, Math.floor(VECTOR_BYTES / bytes)));
}

/** Pixels hardly ever repeat, and nobody looks for one: vectors are written as they are, without dictionary and limits. */
const plainly = ({ width, type }: ColumnSchema) =>
  width > 1 && type.startsWith("float") ? ({ encoding: "PLAIN", statistics: false } as const) : {};

/** Writes a table, one row group per 65,536 rows (fewer where rows hold long vectors). Snappy compression; plain readers everywhere open it. */
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
  for await (const table of regroup(header.schema, batches, rowsOfGroup(header))) {
    const columnData = header.schema.map((schema, j) => ({
      name: schema.name,
      data: toPhysical({ ...table.columns[j], ...schemaOf(schema) }, table.rowCount) as Float32Array,
      ...plainly(schema),
    }));
    await writer.write({ columnData, rowGroupSize: table.rowCount });
  }
  await writer.finish();
}
