import { closeSync, readSync, writeSync } from "node:fs";
import { openNameless } from "../survey/row-file.ts";

/** Rows of float32 numbers, all of the same width: in memory while they fit, else in a file without a name. */
export interface LibraryStore {
  readonly rowCount: number;
  readonly width: number;
  /** Rows `first` to `first + count` (exclusive), one behind the other, into `out`. */
  block(first: number, count: number, out: Float32Array): void;
  /** Row `i` into `out` [width]. */
  row(i: number, out: Float32Array): void;
  close(): void;
}

/** Rows of a chunk: what is read from the disk at once. */
const CHUNK = 8192;

/** What streams in, kept: `memory` bytes of it at most, beyond it all of it on disk. */
export interface StoreWriter {
  readonly rowCount: number;
  add(row: Float32Array): void;
  /** The rows; nothing can be added any more. */
  finish(): LibraryStore;
  /** Gives up. */
  close(): void;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

function inMemory(chunks: readonly Float32Array[], rowCount: number, width: number): LibraryStore {
  const part = (first: number, count: number): Float32Array => {
    const from = first % CHUNK;
    return chunks[Math.floor(first / CHUNK)].subarray(from * width, (from + count) * width);
  };
  return {
    rowCount,
    width,
    block(first, count, out) {
      for (let done = 0; done < count;) {
        const some = Math.min(count - done, CHUNK - ((first + done) % CHUNK));
        out.set(part(first + done, some), done * width);
        done += some;
      }
    },
    row: (i, out) => out.set(part(i, 1)),
    close() {
      (chunks as Float32Array[]).length = 0;
    },
  };
}

function onDisk(file: number, rowCount: number, width: number): LibraryStore {
  const read = (first: number, count: number, out: Float32Array): void => {
    const bytes = bytesOf(out.subarray(0, count * width));
    for (let done = 0; done < bytes.length;) {
      const some = readSync(file, bytes, done, bytes.length - done, first * width * 4 + done);
      if (some === 0) throw new Error(`library: row ${first} of ${rowCount} is cut short`);
      done += some;
    }
  };
  return { rowCount, width, block: read, row: (i, out) => read(i, 1, out), close: () => closeSync(file) };
}

export function createStore(width: number, memory: number): StoreWriter {
  const chunks: Float32Array[] = [];
  let file: number | undefined;
  let rowCount = 0;
  const write = (rows: Float32Array): void => {
    const bytes = bytesOf(rows);
    for (let done = 0; done < bytes.length;) done += writeSync(file!, bytes, done, bytes.length - done);
  };
  /** Whole chunks go to disk once they are too many; the last one is still being filled. */
  const spill = (): void => {
    if (file === undefined && chunks.length * CHUNK * width * 4 <= memory) return;
    file ??= openNameless();
    for (const chunk of chunks.splice(0)) write(chunk);
  };
  return {
    get rowCount() {
      return rowCount;
    },
    add(row) {
      if (rowCount % CHUNK === 0) {
        spill();
        chunks.push(new Float32Array(CHUNK * width));
      }
      chunks[chunks.length - 1].set(row, (rowCount++ % CHUNK) * width);
    },
    finish() {
      if (file === undefined) return inMemory(chunks, rowCount, width);
      spill();
      return onDisk(file, rowCount, width);
    },
    close() {
      if (file !== undefined) closeSync(file);
    },
  };
}
