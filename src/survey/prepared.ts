/** A prepared folder: shards of each part as Parquet, and `manifest.json`, written last, which makes it one. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import type { Catalog } from "./catalog.ts";
import { readCatalog } from "./read.ts";
import { splitNames, type SplitName } from "./split.ts";
import type { Survey } from "./survey.ts";

const MANIFEST = "manifest.json";
const FORMAT_VERSION = 1;

const momentsSchema = z.object({ mean: z.number(), deviation: z.number().positive() });
const count = z.int().min(0);

const reasons = z.record(z.string(), z.object({ count, examples: z.array(z.string()) }));

const manifestSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  caleidoVersion: z.string(),
  survey: z.string(),
  /** Names of the survey's fields when it was prepared, in their order. */
  fields: z.array(z.string()),
  sources: z.array(z.object({ path: z.string(), sha256: z.string(), layout: z.string(), rows: count })),
  split: z.object({ by: z.enum(["parent", "tile"]), seed: z.int(), tiles: count, heldOutTiles: z.array(z.string()) }),
  rowsPerShard: z.int().positive(),
  /** Shards and rows of each part. */
  parts: z.record(z.enum(splitNames), z.object({ shards: count, rows: count })),
  /** Rows, and single values, that were left out, by reason, with examples. */
  droppedRows: reasons,
  droppedValues: reasons,
  /** Fitted on a seeded random sample of the training rows, of this many. */
  standardisation: z.object({
    sample: count,
    fields: z.array(momentsSchema),
    absolute: z.array(momentsSchema),
    scale: momentsSchema,
  }),
});

export type Manifest = z.output<typeof manifestSchema>;

/** File name of a shard: `train-00000.parquet`. */
export const shardName = (part: SplitName, shard: number): string =>
  `${part}-${String(shard).padStart(5, "0")}.parquet`;

/** Names that shards of any part can have. */
export const SHARD_PATTERN = new RegExp(`^(?:${splitNames.join("|")})-\\d{5,}\\.parquet$`);

export async function writeManifest(folder: string, manifest: Omit<Manifest, "formatVersion">): Promise<void> {
  const text = JSON.stringify({ formatVersion: FORMAT_VERSION, ...manifest }, null, 2);
  await writeFileAtomic(join(folder, MANIFEST), `${text}\n`);
}

export const manifestPath = (folder: string): string => join(folder, MANIFEST);

/** Whether a path is a folder with a manifest. */
export const isPrepared = (path: string): boolean => existsSync(manifestPath(path));

/**
 * The manifest of a prepared folder; undefined where `path` is a file.
 * @throws UserError for a folder without a manifest, or with a damaged one.
 */
export function readManifest(path: string): Manifest | undefined {
  if (!existsSync(path) || !statSync(path).isDirectory()) return undefined;
  const file = manifestPath(path);
  if (!existsSync(file)) {
    throw new UserError(
      `${path}: a folder without ${MANIFEST}: not prepared, or its preparation was interrupted; ` +
        `expected a table, or what caleido prepare wrote to the end`,
    );
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`${file}: not JSON (${(error as Error).message.replaceAll(/\s+/g, " ")})`);
  }
  const { success, data, error } = manifestSchema.safeParse(parsed);
  if (success) return data;
  const { path: key, message } = error.issues[0];
  throw new UserError(`${file}: damaged at "${key.map(String).join(".")}": ${message}`);
}

/**
 * Reads whole parts of a prepared folder into one catalogue, and says which rows belong to which.
 * @throws UserError when shards are missing, damaged, or were prepared for other fields.
 */
export async function readParts(
  folder: string,
  manifest: Manifest,
  survey: Survey,
  parts: readonly SplitName[],
): Promise<{ readonly catalog: Catalog; readonly rows: Readonly<Record<SplitName, Int32Array>> }> {
  const { fields } = survey;
  const unknown = fields.find(({ name }) => !manifest.fields.includes(name));
  if (unknown) {
    throw new UserError(
      `${manifestPath(folder)}: prepared for ${manifest.survey} without the field ${unknown.name}; prepare it again`,
    );
  }
  const rowCount = parts.reduce((sum, part) => sum + manifest.parts[part].rows, 0);
  const value = new Float32Array(rowCount * fields.length);
  const error = new Float32Array(rowCount * fields.length);
  const state = new Uint8Array(rowCount * fields.length);
  const objectId: string[] = [];
  const parentId: string[] = [];
  const tile: string[] = [];
  const rows: Record<string, Int32Array> = {};
  let at = 0;
  for (const name of splitNames) {
    const { shards, rows: expected } = parts.includes(name) ? manifest.parts[name] : { shards: 0, rows: 0 };
    const first = at;
    for (let shard = 0; shard < shards; shard++) {
      const path = join(folder, shardName(name, shard));
      for await (const { catalog } of readCatalog(path, survey, { layout: "caleido" })) {
        if (at + catalog.rowCount > rowCount) throw new UserError(`${path}: more rows than the manifest says`);
        value.set(catalog.value, at * fields.length);
        error.set(catalog.error, at * fields.length);
        state.set(catalog.state, at * fields.length);
        for (const id of catalog.objectId) objectId.push(id);
        for (const id of catalog.parentId) parentId.push(id);
        for (const id of catalog.tile ?? []) tile.push(id);
        at += catalog.rowCount;
      }
    }
    if (at - first !== expected) {
      throw new UserError(`${folder}: ${at - first} rows in part ${name}, the manifest says ${expected}`);
    }
    rows[name] = Int32Array.from({ length: expected }, (_, i) => first + i);
  }
  const tiles = tile.length === rowCount && rowCount > 0 ? { tile } : {};
  const catalog = { fields, rowCount, objectId, parentId, ...tiles, value, error, state };
  return { catalog, rows: rows as Record<SplitName, Int32Array> };
}
