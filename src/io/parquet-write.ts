import { ParquetWriter, fileWriter } from "hyparquet-writer";
import { regroup, schemaOf } from "./columns.ts";
import { COLUMNS_KEY, formatNotes, isRequired, parquetElements } from "./parquet-schema.ts";
import { DEFAULT_BATCH_ROWS } from "./select.ts";
import type { Column, Table, TableHeader } from "./table.ts";

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
