import { UserError } from "../errors.ts";
import { openBytes } from "./bytes.ts";
import type { ByteSource } from "./bytes.ts";
import { giveBackThread, takeThread } from "./hdf5-thread.ts";
import type { Hdf5Thread } from "./hdf5-thread.ts";
import type { Hdf5Answer, Hdf5Request } from "./hdf5-worker.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import type { ReadOptions, Table, TableSource } from "./table.ts";

/** Bytes of rows held at once while a table streams. */
const BATCH_BYTES = 64 * 2 ** 20;

/** A damaged file can make the library loop; a whole one is read faster than this. */
const LIMIT_MS = 1000;
const LIMIT_BYTES_PER_MS = 2000;
const LIMIT_CELLS_PER_MS = 1000;

/** An answer of the wanted kind. Whatever goes wrong is the file's fault, and ends the thread. */
async function ask<K extends Hdf5Answer["kind"]>(
  path: string,
  thread: Hdf5Thread,
  request: Hdf5Request,
  limit: number,
  kind: K,
): Promise<Extract<Hdf5Answer, { kind: K }>> {
  try {
    const answer = await thread.ask(request, limit);
    if (answer.kind !== kind) throw new Error(`answered "${answer.kind}"`);
    return answer as Extract<Hdf5Answer, { kind: K }>;
  } catch (error) {
    await thread.end();
    throw new UserError(`${path}: HDF5: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`);
  }
}

/** Where the end of the file stands in the superblock of each version (HDF5 File Format Specification 3.0, section II.A). */
const END_OFFSETS: readonly number[] = [40, 44, 28, 28];

/** Refuses a file shorter than its superblock says, without troubling the library. */
async function checkEnd(source: ByteSource): Promise<void> {
  const { path, size } = source;
  const head = Buffer.from(await source.read(0, Math.min(64, size), "HDF5 superblock"));
  const version = head[8] ?? 255;
  const offsetBytes = head[version < 2 ? 13 : 9];
  if (head.length < 64 || !(version in END_OFFSETS)) {
    throw new UserError(`${path}: HDF5: no superblock of version 0 to 3 at its beginning`);
  }
  if (offsetBytes !== 8) return;
  const end = Number(head.readBigUInt64LE(END_OFFSETS[version]));
  if (end > size) throw new UserError(`${path}: HDF5: truncated: it promises ${end} bytes and ends at ${size}`);
}

/**
 * Opens an HDF5 file: see `findTable` for which of its datasets are the table. Rows are read by slices, in a thread.
 * @throws UserError for a file that is damaged, holds no table or several, or is compressed by a plug-in.
 */
export async function openHdf5(path: string): Promise<TableSource> {
  const source = await openBytes(path);
  const { size } = source;
  try {
    await checkEnd(source);
  } finally {
    await source.close();
  }
  const limit = LIMIT_MS + Math.ceil(size / LIMIT_BYTES_PER_MS);
  const thread = await takeThread();
  const { schema, rowCount, metadata, costs } = await ask(path, thread, { kind: "open", path, size }, limit, "opened");
  async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
    const columns = chooseColumns(path, schema, options.columns);
    const datasets = new Map(columns.map((i) => [costs[i].path, costs[i].bytes]));
    const rowBytes = [...datasets.values()].reduce((sum, bytes) => sum + bytes, 1);
    const most = Math.min(options.batchRows ?? DEFAULT_BATCH_ROWS, Math.max(1, Math.floor(BATCH_BYTES / rowBytes)));
    for (let start = 0; start < rowCount; start += most) {
      const end = Math.min(rowCount, start + most);
      const cells = ((end - start) * columns.reduce((sum, i) => sum + schema[i].width, 0)) / LIMIT_CELLS_PER_MS;
      const rows = await ask(path, thread, { kind: "read", columns, start, end }, limit + cells, "rows");
      yield { rowCount: end - start, columns: rows.columns, metadata };
    }
  }
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await thread.ask({ kind: "close" }, LIMIT_MS).then(
      () => giveBackThread(thread),
      () => thread.end(),
    );
  };
  return { path, format: "hdf5", schema, rowCount, metadata, batches, close };
}
