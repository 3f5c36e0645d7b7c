import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Catalog, emptyCatalog } from "./catalog.ts";
import type { Field } from "./field.ts";

/**
 * Rows of a table on disk, each of the same size, so that any row is one read away: drawing batches from more rows than
 * memory holds. Ids and tiles are not kept. The file has no name once it is open: it goes when the process does.
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

/** [value, error, state] of one row, as bytes that share memory with a catalogue of one row. */
function createRecord(fields: readonly Field[]) {
  const n = fields.length;
  const bytes = new Uint8Array(n * 9);
  const one: Catalog = {
    ...emptyCatalog(fields, 1),
    value: new Float32Array(bytes.buffer, 0, n),
    error: new Float32Array(bytes.buffer, 4 * n, n),
    state: bytes.subarray(8 * n),
  };
  return { bytes, one };
}

/** Rows gathered before they are written. */
const BLOCK = 4096;

/** Writes catalogues of `fields` that stream in to a row file; `look` sees each of them on the way. */
export async function spillRows(
  catalogs: AsyncIterable<Catalog>,
  fields: readonly Field[],
  look: (catalog: Catalog, firstRow: number) => void,
): Promise<RowFile> {
  const n = fields.length;
  const size = n * 9;
  const file = openNameless();
  const block = new Uint8Array(BLOCK * size);
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
        if (++filled === BLOCK) flush();
      }
      rowCount += catalog.rowCount;
    }
    flush();
  } catch (error) {
    closeSync(file);
    throw error;
  }
  const { bytes, one } = createRecord(fields);
  return {
    rowCount,
    at(row) {
      let done = 0;
      while (done < size) {
        const read = readSync(file, bytes, done, size - done, row * size + done);
        if (read === 0) throw new Error(`row file: row ${row} of ${rowCount} is cut short`);
        done += read;
      }
      return { catalog: one, row: 0 };
    },
    close: () => closeSync(file),
  };
}
