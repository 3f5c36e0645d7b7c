import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { DEFAULT_BATCH_ROWS, chooseColumns } from "./select.ts";
import { openParquet } from "./parquet.ts";
import type { ColumnSchema, ReadOptions, Table, TableSource } from "./table.ts";

/**
 * A catalogue cut into tiles of the sky, as LSDB and HATS (formerly HiPSCat) keep it: a folder with a file of properties, and
 * Parquet files below it, `dataset/Norder=1/Dir=0/Npix=17.parquet`, or folders `Npix=17` of several.
 */
const PROPERTIES = ["hats.properties", "properties", "catalog_info.json"];
const COLLECTION = "collection.properties";
/** Columns that say where a row lies in the tree, not what it is. */
const PLACES = new Set(["_healpix_29", "_hipscat_index", "Norder", "Dir", "Npix"]);

function listTree(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name.localeCompare(b.name, "en", { numeric: true }),
  );
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(Norder|Dir|Npix)=/.test(entry.name) ? listTree(path) : [];
    // beside the tree lie `_metadata` and `data_thumbnail.parquet`, whose rows are none or those of the leaves again
    const isLeaf = /^Npix=.*\.(parquet|pq)$/i.test(entry.name) || basename(folder).startsWith("Npix=");
    return isLeaf && /^[^_.].*\.(parquet|pq)$/i.test(entry.name) ? [path] : [];
  });
}

/** `key = value` lines of a file, # before comments. */
function readProperties(path: string): ReadonlyMap<string, string> {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const [, key, value] = /^\s*([^#=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      return key === undefined ? [] : [[key, value]];
    }),
  );
}

/** The root of the catalogue: of a collection (with margins and indices) its main table. */
function rootOf(path: string): string {
  const main = readProperties(join(path, COLLECTION)).get("hats_primary_table_url");
  return main === undefined ? path : join(path, basename(main));
}

/** Whether a path is such a catalogue's root. */
export function isHats(path: string): boolean {
  const root = rootOf(path);
  return root !== path || (PROPERTIES.some((name) => existsSync(join(path, name))) && listLeaves(path).length > 0);
}

/** The Parquet files of a catalogue, in the order of the sky. */
export function listLeaves(path: string): string[] {
  const root = rootOf(path);
  const dataset = join(root, "dataset");
  return existsSync(root) ? listTree(existsSync(dataset) ? dataset : root) : [];
}

function checkLeaf(leaf: string, known: ColumnSchema, there: ColumnSchema | undefined): void {
  if (there?.type === known.type && there.width === known.width) return;
  throw new UserError(
    `${leaf}: column "${known.name}" is ${there ? `${there.type} x ${there.width}` : "missing"}, ` +
      `expected ${known.type} x ${known.width} as in the files before`,
  );
}

/**
 * Opens a catalogue by its root: its files one after the other.
 * @throws UserError for one without files, or whose files have other columns than the first.
 */
export async function openHats(path: string): Promise<TableSource> {
  const leaves = listLeaves(path);
  if (leaves.length === 0)
    throw new UserError(`${path}: a HATS catalogue without Parquet files (Norder=*/Dir=*/Npix=*)`);
  const first = await openParquet(leaves[0]);
  await first.close();
  const schema = first.schema.filter(({ name }) => !PLACES.has(name));
  const told = readProperties(join(rootOf(path), PROPERTIES[0])).get("hats_nrows") ?? "";
  const rowCount = /^\d{1,15}$/.test(told) ? Number(told) : undefined;
  const { metadata } = first;
  async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
    const wanted = chooseColumns(path, schema, options.columns).map((i) => schema[i]);
    const batchRows = options.batchRows ?? DEFAULT_BATCH_ROWS;
    for (const leaf of leaves) {
      const source = await openParquet(leaf);
      try {
        for (const one of wanted) {
          checkLeaf(
            leaf,
            one,
            source.schema.find(({ name }) => name === one.name),
          );
        }
        yield* source.batches({ columns: wanted.map(({ name }) => name), batchRows });
      } finally {
        await source.close();
      }
    }
  }
  return { path, format: "hats", schema, rowCount, metadata, batches, close: async () => {} };
}
