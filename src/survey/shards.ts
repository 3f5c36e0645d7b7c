/** Rows of a part that stream in, written as shards of a fixed size. */
import { join } from "node:path";
import { schemaOf } from "../io/columns.ts";
import { writeTable } from "../io/formats.ts";
import { allRows, type Catalog, copyRow, emptyCatalog, pixelBytes, type RowColumns } from "./catalog.ts";
import { type ShardFormat, shardName } from "./prepared.ts";
import type { SplitName } from "./split.ts";
import type { Survey } from "./survey.ts";
import { catalogTable, type TableColumns } from "./table.ts";

/** Rows copied out of catalogues, up to a capacity. */
export interface RowBuffer {
  readonly rowCount: number;
  readonly capacity: number;
  /** Copies a row to place `at` (default: behind the last one). */
  put(catalog: Catalog, row: number, at?: number): void;
  clear(): void;
  /** The rows as a catalogue, valid until the next change; its arrays are as long as the capacity. */
  catalog(): Catalog;
}

export function createRowBuffer(survey: Survey, capacity: number, columns: RowColumns = {}): RowBuffer {
  const rows = emptyCatalog(survey.fields, capacity, columns);
  let rowCount = 0;
  return {
    capacity,
    get rowCount() {
      return rowCount;
    },
    put(catalog, row, at = rowCount) {
      copyRow(catalog, row, rows, at);
      rowCount = Math.max(rowCount, at + 1);
    },
    clear() {
      rowCount = 0;
    },
    catalog: () => ({ ...rows, rowCount }),
  };
}

export interface ShardWriter {
  add(catalog: Catalog, row: number): Promise<void> | undefined;
  finish(): Promise<{ readonly shards: number; readonly rows: number }>;
}

export interface ShardOptions {
  readonly folder: string;
  readonly survey: Survey;
  readonly columns: TableColumns & RowColumns;
  readonly rowsPerShard: number;
  readonly format: ShardFormat;
}

/** Bytes of pixels in a shard, which is put together in memory. */
const PIXEL_BYTES = 64e6;

/** Rows of a shard: as asked, but no more than `PIXEL_BYTES` of the array fields that `pixels` names. */
export function rowsOfShard({ fields }: Survey, asked: number, pixels: readonly string[]): number {
  const bytes = pixelBytes(fields.filter(({ name }) => pixels.includes(name)));
  return bytes === 0 ? asked : Math.min(asked, Math.max(1, Math.floor(PIXEL_BYTES / bytes)));
}

/** Each shard takes its name when it is whole. `add` returns a promise only when a shard has to be written first. */
export function createShardWriter(part: SplitName, options: ShardOptions): ShardWriter {
  const { folder, survey, columns, rowsPerShard, format } = options;
  let buffer: RowBuffer | undefined;
  let shards = 0;
  let rows = 0;
  const flush = async (full: RowBuffer): Promise<void> => {
    const table = catalogTable(full.catalog(), allRows(full), columns);
    const metadata = { creator: "caleido prepare", survey: survey.name, part, shard: String(shards) };
    const header = { schema: table.columns.map(schemaOf), metadata, rowCount: table.rowCount };
    await writeTable(join(folder, shardName(part, shards++, format)), header, [table]);
    rows += full.rowCount;
    full.clear();
  };
  return {
    add(catalog, row) {
      const rowsOf = (buffer ??= createRowBuffer(survey, rowsPerShard, columns));
      if (rowsOf.rowCount < rowsPerShard) {
        rowsOf.put(catalog, row);
        return undefined;
      }
      return flush(rowsOf).then(() => rowsOf.put(catalog, row));
    },
    async finish() {
      if (buffer && buffer.rowCount > 0) await flush(buffer);
      buffer = undefined;
      return { shards, rows };
    },
  };
}
