import { createReadStream, createWriteStream, existsSync, statSync } from "node:fs";
import { extname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { UserError } from "../errors.ts";
import { atomically, checkPlace, withTemporary } from "./atomic.ts";
import { readHead } from "./bytes.ts";
import { checkNames } from "./columns.ts";
import { isHats, openHats } from "./hats.ts";
import { didYouMean } from "./nearest.ts";
import { splitTableName } from "./table-name.ts";
import type { Format, ReadOptions, Table, TableHeader, TablePick, TableSource } from "./table.ts";

/** What an XML file can begin with: a mark of UTF-8, blanks, then `<?xml` or the root. */
const isXml = (head: Uint8Array): boolean =>
  /^(\u00ef\u00bb\u00bf)?\s*<(\?xml|\w*:?VOTABLE|!)/.test(Buffer.from(head).toString("latin1"));

const startsWith =
  (...magics: readonly string[]) =>
  (head: Uint8Array): boolean =>
    magics.some((magic) => Buffer.from(head.subarray(0, magic.length)).toString("latin1") === magic);

/** Every table format; a new one is a row here. What reads and writes it is loaded when it is wanted. */
export const formats = {
  parquet: {
    name: "parquet",
    extensions: [".parquet", ".pq"],
    isLike: startsWith("PAR1"),
    open: async (path) => (await import("./parquet.ts")).openParquet(path),
    write: async (...args) => (await import("./parquet-write.ts")).writeParquet(...args),
  },
  csv: {
    name: "csv",
    extensions: [".csv", ".tsv", ".csv.gz", ".tsv.gz"],
    isLike: (head) => !head.includes(0) && !isXml(head) && !startsWith("PAR1", "ARROW1", "SIMPLE  =")(head),
    open: async (path) => (await import("./csv.ts")).openCsv(path),
    write: async (...args) => (await import("./csv.ts")).writeCsv(...args),
  },
  ecsv: {
    name: "ecsv",
    extensions: [".ecsv", ".ecsv.gz"],
    isLike: startsWith("# %ECSV"),
    open: async (path) => (await import("./csv.ts")).openCsv(path),
    write: async (path, header, batches) =>
      (await import("./csv.ts")).writeCsv(path, { ...header, isPlain: false }, batches),
  },
  fits: {
    name: "fits",
    extensions: [".fits", ".fit", ".fits.gz", ".fit.gz"],
    isLike: startsWith("SIMPLE  ="),
    open: async (...args) => (await import("./fits.ts")).openFitsTable(...args),
    hasTables: true,
    write: async (...args) => (await import("./fits-write.ts")).writeFits(...args),
  },
  arrow: {
    name: "arrow",
    extensions: [".arrow", ".feather"],
    isLike: startsWith("ARROW1"),
    open: async (path) => (await import("./arrow.ts")).openArrow(path),
    write: async (...args) => (await import("./arrow-write.ts")).writeArrow(...args),
  },
  votable: {
    name: "votable",
    extensions: [".vot", ".votable", ".xml", ".vot.gz", ".votable.gz", ".xml.gz"],
    isLike: isXml,
    open: async (...args) => (await import("./votable.ts")).openVotable(...args),
    hasTables: true,
    write: async (...args) => (await import("./votable-write.ts")).writeVotable(...args),
  },
  hdf5: {
    name: "hdf5",
    extensions: [".h5", ".hdf5", ".hdf"],
    isLike: startsWith("\x89HDF\r\n"),
    open: async (path) => (await import("./hdf5.ts")).openHdf5(path),
  },
} satisfies Record<string, Format>;

const all: readonly Format[] = Object.values(formats);

/** The format of a path's extension. @throws UserError that lists the extensions of `possible`. */
function formatOf(path: string, possible: readonly Format[] = all): Format {
  const lower = path.toLowerCase();
  const found = all.find((format) => format.extensions.some((extension) => lower.endsWith(extension)));
  if (found) return found;
  const extensions = possible.flatMap((format) => format.extensions);
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new UserError(`${path}: is a folder, expected a table file (${extensions.join(", ")})`);
  }
  const extension = extname(path);
  throw new UserError(
    `${path}: unknown table format "${extension}"${didYouMean(extension, extensions)}; expected one of ${extensions.join(", ")}`,
  );
}

/**
 * Opens a table file; the extension says the format, the first bytes are checked against it. Of several tables in it
 * `path[NAME]` or `path[2]` is one, else `pick` chooses. A HATS catalogue is opened by its folder.
 * @throws UserError for a path, a format or a file that cannot be read as what its name says, for columns of one name.
 */
export async function openTable(name: string, pick: TablePick = {}): Promise<TableSource> {
  const { file: path, table } = splitTableName(name);
  if (table === undefined && isHats(path)) {
    const whole = await openHats(path);
    checkNames(path, whole.schema);
    return { ...whole, batches: (options) => verified(whole, options) };
  }
  if (!existsSync(path) && extname(path) === "") throw new UserError(`${path}: no such file or folder`);
  const format: Format = formatOf(path);
  if (table !== undefined && format.hasTables !== true) {
    throw new UserError(`${name}: a ${format.name} file has one table, expected its name without [${table}]`);
  }
  const head = await readHead(path, 64);
  if (head.length === 0) throw new UserError(`${path}: empty file, expected a ${format.name} table`);
  if (!format.isLike(head)) {
    const other = all.find((one) => one.isLike(head));
    const seen = other ? `it looks like ${other.name}` : "its first bytes are of no known format";
    throw new UserError(`${path}: no ${format.name} file as its name says: ${seen}`);
  }
  const opened = await format.open(path, table === undefined ? pick : { ...pick, name: table });
  try {
    if (opened.schema.length === 0) throw new UserError(`${path}: a ${format.name} table without columns`);
    checkNames(opened.path, opened.schema);
  } catch (error) {
    await opened.close();
    throw error;
  }
  return { ...opened, batches: (options) => verified(opened, options) };
}

/** Passes batches on, making sure that a damaged file does not yield columns or rows short of its promise. */
async function* verified(source: TableSource, options?: ReadOptions): AsyncGenerator<Table> {
  const { path, rowCount } = source;
  let rows = 0;
  for await (const table of source.batches(options)) {
    const short = table.columns.find(({ data, width }) => data.length !== table.rowCount * width);
    if (short) {
      throw new UserError(
        `${path}: damaged: column "${short.name}" is short after row ${rows}, expected ${table.rowCount} rows`,
      );
    }
    rows += table.rowCount;
    yield table;
  }
  if (rowCount !== undefined && rows !== rowCount) {
    throw new UserError(`${path}: damaged: ${rows} rows came, its header promises ${rowCount}`);
  }
}

/** Passes batches on, checking that they are what the header says. */
async function* checked(header: TableHeader, batches: AsyncIterable<Table>): AsyncGenerator<Table> {
  for await (const table of batches) {
    for (const [j, wanted] of header.schema.entries()) {
      const column = table.columns[j];
      const isRight =
        column?.name === wanted.name &&
        column.type === wanted.type &&
        column.width === wanted.width &&
        column.data.length === table.rowCount * wanted.width;
      if (!isRight) throw new Error(`batch column ${j} does not match the header's column "${wanted.name}"`);
      if (wanted.type === "uint8" && !wanted.nullable && column.isValid?.includes(0)) {
        throw new Error(`column "${wanted.name}" has missing rows: declare it nullable in the table's header`);
      }
    }
    yield table;
  }
}

/**
 * Makes sure that a table can be written to a path: for verbs to call before the work.
 * @throws UserError for an unknown extension, a format that is only read, a folder, a place where no file can be made.
 */
export function checkWritable(path: string): void {
  writerOf(path);
  checkPlace(path);
}

function writerOf(path: string): NonNullable<Format["write"]> {
  const written = all.filter((format) => format.write);
  const { write, name } = formatOf(path, written);
  if (write) return write;
  const first = written.map(({ extensions }) => extensions[0]);
  throw new UserError(`${path}: ${name} files are only read; write one of ${first.join(", ")}`);
}

/**
 * Writes a table in the format of the path's extension (`.gz` after it compresses), under a temporary name until it is
 * whole. @throws UserError for an unknown extension, a format that is only read, a full disk.
 */
export async function writeTable(
  path: string,
  header: TableHeader,
  batches: AsyncIterable<Table> | Iterable<Table>,
): Promise<void> {
  const write = writerOf(path);
  const rows = checked(header, toAsync(batches));
  await atomically(path, async (temporary) => {
    if (!path.toLowerCase().endsWith(".gz")) return write(temporary, header, rows);
    // Writers go back to fill in their headers, so that only a whole file can be compressed.
    return withTemporary(temporary, async (plain) => {
      await write(plain, header, rows);
      await pipeline(createReadStream(plain), createGzip(), createWriteStream(temporary));
    });
  });
}

async function* toAsync(batches: AsyncIterable<Table> | Iterable<Table>): AsyncGenerator<Table> {
  yield* batches;
}
