/** A prepared folder: shards of each part as Parquet, and `manifest.json`, written last, which makes it one. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import { isHats } from "../io/hats.ts";
import { apertureSchema, cleanLayout, ownLayout } from "./layout.ts";
import { madeSchema } from "./made.ts";
import { type CatalogBatch, readCatalog } from "./read.ts";
import { splitNames, type SplitName } from "./split.ts";
import { isManySpectra } from "./spectrum-files.ts";
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
  sources: z.array(
    z.object({
      path: z.string(),
      sha256: z.string(),
      layout: z.string(),
      rows: count,
      /** Who measured each property that it has, where that is known. */
      labels: z.record(z.string(), z.string()).default({}),
      /** What it says of fluxes without noise. */
      made: madeSchema.default({}),
    }),
  ),
  split: z.object({ by: z.enum(["parent", "tile"]), seed: z.int(), tiles: count, heldOutTiles: z.array(z.string()) }),
  rowsPerShard: z.int().positive(),
  /** Arrow where the shards hold spectra, whose vectors it keeps as they are. */
  shardFormat: z.enum(["parquet", "arrow"]).default("parquet"),
  /** Shards and rows of each part. */
  parts: z.record(z.enum(splitNames), z.object({ shards: count, rows: count })),
  /** Of what light the fluxes are, where the tables say. */
  aperture: apertureSchema.optional(),
  /** Rows, and single values, that were left out, by reason, with examples. */
  droppedRows: reasons,
  droppedValues: reasons,
  /** Fitted on a seeded random sample of the training rows, of this many. */
  standardisation: z.object({
    sample: count,
    fields: z.array(momentsSchema),
    absolute: z.array(momentsSchema),
    scale: momentsSchema,
    /** How a galaxy's scale was formed: flat where a version before 0.3 fitted it. */
    reference: z.enum(["sed", "flat"]).default("flat"),
  }),
});

export type Manifest = z.output<typeof manifestSchema>;

export type ShardFormat = Manifest["shardFormat"];

/** File name of a shard: `train-00000.parquet`. */
export const shardName = (part: SplitName, shard: number, format: ShardFormat): string =>
  `${part}-${String(shard).padStart(5, "0")}.${format}`;

/** Names that shards of any part can have. */
export const SHARD_PATTERN = new RegExp(`^(?:${splitNames.join("|")})-\\d{5,}\\.(?:parquet|arrow)$`);

export async function writeManifest(folder: string, manifest: Omit<Manifest, "formatVersion">): Promise<void> {
  const text = JSON.stringify({ formatVersion: FORMAT_VERSION, ...manifest }, null, 2);
  await writeFileAtomic(join(folder, MANIFEST), `${text}\n`);
}

export const manifestPath = (folder: string): string => join(folder, MANIFEST);

/** Whether a path is a folder with a manifest. */
export const isPrepared = (path: string): boolean => existsSync(manifestPath(path));

/**
 * The manifest of a prepared folder; undefined where `path` is a file, the root of a HATS catalogue, or a folder of spectra.
 * @throws UserError for a folder that is not there, without a manifest, or with a damaged one.
 */
export function readManifest(path: string): Manifest | undefined {
  if (!existsSync(path) && path.endsWith("/")) {
    throw new UserError(`${path}: no such folder; expected a table, or what caleido prepare wrote`);
  }
  if (!existsSync(path) || !statSync(path).isDirectory() || isHats(path)) return undefined;
  const file = manifestPath(path);
  if (!existsSync(file)) {
    if (isManySpectra(path)) return undefined;
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

/** @throws UserError for a folder that was prepared before the survey had all its fields. */
export function checkPrepared(folder: string, manifest: Manifest, survey: Survey): void {
  const unknown = survey.fields.find(({ name }) => !manifest.fields.includes(name));
  if (unknown === undefined) return;
  throw new UserError(
    `${manifestPath(folder)}: prepared for ${manifest.survey} without the field ${unknown.name}; prepare it again`,
  );
}

/**
 * Streams the shards of one part of a prepared folder; fields that it was not prepared for are not observed.
 * @throws UserError when shards are missing or damaged.
 */
export async function* readPart(
  folder: string,
  manifest: Manifest,
  survey: Survey,
  part: SplitName,
  batchRows?: number,
): AsyncGenerator<CatalogBatch, void, undefined> {
  const { shards, rows: expected } = manifest.parts[part];
  const layout = manifest.sources.some((source) => source.layout === cleanLayout.name) ? cleanLayout : ownLayout;
  let rows = 0;
  for (let shard = 0; shard < shards; shard++) {
    const path = join(folder, shardName(part, shard, manifest.shardFormat));
    const options = { layout: layout.name, ...(batchRows === undefined ? {} : { batchRows }) };
    for await (const batch of readCatalog(path, survey, options)) {
      rows += batch.catalog.rowCount;
      if (rows > expected) throw new UserError(`${path}: more rows than the manifest says`);
      yield batch;
    }
  }
  if (rows !== expected) {
    throw new UserError(`${folder}: ${rows} rows in part ${part}, the manifest says ${expected}`);
  }
}
