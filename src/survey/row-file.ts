import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Catalog, emptyCatalog } from "./catalog.ts";
import type { Field } from "./field.ts";
import { halfTable, toHalf } from "./half.ts";

/**
 * Rows of a table on disk, each of the same size, so that any row is one read away: drawing batches from more rows than
 * memory holds. Ids and tiles are not kept; pixels are, in half precision times a power of two of each row: what is within
 * 2^-29 of a row's largest keeps 3 digits (5e-4). The file has no name once it is open: it goes when the process does.
 */
export interface RowFile {
  readonly rowCount: number;
  /** Where row `row` is found, until the next call. */
  at(row: number): { readonly catalog: Catalog; readonly row: number };
  close(): void;
}

/** A file that nobody else can open. */
export function openNameless(): number {
  const folder = mkdtempSync(join(tmpdir(), "caleido-rows-"));
  const file = openSync(join(folder, "rows"), "w+");
  rmSync(folder, { recursive: true, force: true });
  return file;
}

/** Numbers of one row that are kept as halves. */
interface HalfPart {
  /** Where they stand in a catalogue of one row. */
  readonly numbers: Float32Array;
  /** Their place in a record: the exponent of the power of two, then a half for each. */
  readonly offset: number;
  /** Of a catalogue of many rows. */
  of(this: void, catalog: Catalog): Float32Array | undefined;
}

/** Bytes of a record before the pixels, and of a part of them: 2 each, and as many for the exponent. */
const plainBytes = (n: number): number => 2 * Math.ceil((9 * n) / 2);
const halfBytes = (width: number): number => 2 * (width + 1);

/** [value, error, state, pixels] of one row, as bytes that share memory with a catalogue of one row but for its pixels. */
function createRecord(fields: readonly Field[]) {
  const n = fields.length;
  const empty = emptyCatalog(fields, 1);
  let size = plainBytes(n);
  const parts = [...(empty.arrays ?? [])].flatMap(([name, { width, ...column }]) =>
    (["value", "ivar"] as const).map((key): HalfPart => {
      const offset = size;
      size += halfBytes(width);
      return { numbers: column[key], offset, of: ({ arrays }) => arrays?.get(name)?.[key] };
    }),
  );
  const bytes = new Uint8Array(size);
  const one: Catalog = {
    ...empty,
    value: new Float32Array(bytes.buffer, 0, n),
    error: new Float32Array(bytes.buffer, 4 * n, n),
    state: bytes.subarray(8 * n, 9 * n),
  };
  return { bytes, one, parts, size };
}

/** Largest number in halves: a row's own largest is brought between it and half of it. */
const TOP = 2 ** 15;

/** The exponent e by which numbers times 2^e are at most TOP; 0 of zeros. */
function exponentOf(numbers: Float32Array): number {
  let largest = 0;
  for (const x of numbers) if (Math.abs(x) > largest) largest = Math.abs(x);
  return largest > 0 && largest < Infinity ? Math.floor(Math.log2(TOP / largest)) : 0;
}

/** Writes numbers into a record as halves. */
function pack(numbers: Float32Array, record: DataView, offset: number): void {
  const exponent = exponentOf(numbers);
  const scale = 2 ** exponent;
  record.setInt16(offset, exponent, true);
  for (let k = 0; k < numbers.length; k++) record.setUint16(offset + 2 * (k + 1), toHalf(numbers[k] * scale), true);
}

/** Reads them back. */
function unpack(record: Uint8Array, { numbers, offset }: HalfPart, halves: Float32Array): void {
  const view = new DataView(record.buffer, record.byteOffset);
  const scale = 2 ** -view.getInt16(offset, true);
  for (let k = 0; k < numbers.length; k++) numbers[k] = halves[view.getUint16(offset + 2 * (k + 1), true)] * scale;
}

/** Bytes of rows gathered before they are written. */
const BLOCK_BYTES = 4e6;

/** Writes catalogues of `fields` that stream in to a row file; `look` sees each of them on the way. */
export async function spillRows(
  catalogs: AsyncIterable<Catalog>,
  fields: readonly Field[],
  look: (catalog: Catalog, firstRow: number) => void,
): Promise<RowFile> {
  const n = fields.length;
  const { bytes, one, parts, size } = createRecord(fields);
  const file = openNameless();
  const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / size));
  const block = new Uint8Array(blockRows * size);
  const view = new DataView(block.buffer);
  let rowCount = 0;
  let filled = 0;
  const flush = (): void => {
    let done = 0;
    while (done < filled * size) done += writeSync(file, block, done, filled * size - done);
    filled = 0;
  };
  const asBytes = ({ buffer, byteOffset }: Float32Array): Uint8Array =>
    new Uint8Array(buffer as ArrayBuffer, byteOffset);
  try {
    for await (const catalog of catalogs) {
      look(catalog, rowCount);
      const [value, error] = [asBytes(catalog.value), asBytes(catalog.error)];
      for (let row = 0; row < catalog.rowCount; row++) {
        const at = filled * size;
        block.set(value.subarray(row * 4 * n, (row + 1) * 4 * n), at);
        block.set(error.subarray(row * 4 * n, (row + 1) * 4 * n), at + 4 * n);
        block.set(catalog.state.subarray(row * n, (row + 1) * n), at + 8 * n);
        for (const { numbers, offset, of } of parts) {
          const width = numbers.length;
          const own = of(catalog)?.subarray(row * width, (row + 1) * width);
          if (own === undefined) block.fill(0, at + offset, at + offset + halfBytes(width));
          else pack(own, view, at + offset);
        }
        if (++filled === blockRows) flush();
      }
      rowCount += catalog.rowCount;
    }
    flush();
  } catch (error) {
    closeSync(file);
    throw error;
  }
  const halves = halfTable();
  return {
    rowCount,
    at(row) {
      let done = 0;
      while (done < size) {
        const read = readSync(file, bytes, done, size - done, row * size + done);
        if (read === 0) throw new Error(`row file: row ${row} of ${rowCount} is cut short`);
        done += read;
      }
      for (const part of parts) unpack(bytes, part, halves);
      return { catalog: one, row: 0 };
    },
    close: () => closeSync(file),
  };
}
