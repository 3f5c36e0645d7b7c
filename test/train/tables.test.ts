import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  adapt,
  type Catalog,
  evaluate,
  loadRecipe,
  loadSurvey,
  prepare,
  pretrain,
  readWholeCatalog,
  silent,
  simulate,
  writeTable,
} from "../../src/index.ts";
import { createRng } from "../../src/random.ts";
import { schemaOf } from "../../src/io/columns.ts";
import type { Table } from "../../src/io/table.ts";
import { allRows, concat, select } from "../../src/survey/catalog.ts";
import { readManifest, readPart } from "../../src/survey/prepared.ts";
import { catalogTable } from "../../src/survey/table.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { readTrainingTable, sampleRows } from "../../src/train/tables.ts";
import { onnx, smallSettings } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

/** Tables and prepared folders as training and evaluation read them. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const engine = await onnx;
const survey = loadSurvey("minijpas");
const table = join(root, "sims.parquet");
const prepared = join(root, "prepared");
const recipe = loadRecipe("quickstart", [
  ...smallSettings,
  "training.steps=12",
  "training.batch=16",
  "training.validateEvery=4",
]);

beforeAll(async () => {
  await simulate({ survey: "minijpas", n: 500, workers: 1, out: table });
  await prepare({ tables: [table], survey: "minijpas", out: prepared, rowsPerShard: 64 });
}, 240_000);

/** What a run logged, but for how fast it was. */
const logOf = (run: string): unknown[] =>
  readFileSync(join(run, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { galaxiesPerSecond: _speed, ...rest } = JSON.parse(line) as Record<string, unknown>;
      return rest;
    });

/** Nothing is random about rows that were observed once. */
const none = createRng("none");
const wish = { path: prepared, role: "train" } as const;

describe("a prepared folder beyond memory", () => {
  it("has its rows on disk, the same ones", async () => {
    const inMemory = await readTrainingTable(wish, { survey, reporter: silent });
    const onDisk = await readTrainingTable(wish, { survey, reporter: silent, memory: 0 });
    const n = survey.fields.length;
    for (const part of ["train", "validation"] as const) {
      const [a, b] = [inMemory.parts[part], onDisk.parts[part]];
      expect(b.rows).toStrictEqual(a.rows);
      expect(b.labelled).toStrictEqual(a.labelled);
      expect(a.store.at(1, none).catalog.rowCount).toBe(a.rows.length);
      expect(b.store.at(1, none).catalog.rowCount).toBe(1);
      for (const row of [a.rows.length - 1, 0, 3]) {
        for (const column of ["value", "error", "state"] as const) {
          const from = a.store.at(row, none);
          const own = from.catalog[column].slice(from.row * n, (from.row + 1) * n);
          expect([...b.store.at(row, none).catalog[column]]).toStrictEqual([...own]);
        }
      }
    }
    expect(onDisk.standardise()).toStrictEqual(inMemory.standardise());
    for (const one of [inMemory, onDisk]) one.close();
  });

  it("stays in memory where it just fits", async () => {
    const { rows } = readManifest(prepared)!.parts.train;
    const bytes = rows * survey.fields.length * 9;
    for (const { memory, held } of [
      { memory: bytes, held: rows },
      { memory: bytes - 1, held: 1 },
    ]) {
      const read = await readTrainingTable(wish, { survey, reporter: silent, memory });
      expect(read.parts.train.store.at(0, none).catalog.rowCount).toBe(held);
      expect(read.parts.validation.store.at(0, none).catalog.rowCount).toBeGreaterThan(1);
      read.close();
    }
  });

  it("trains, and adapts, bitwise as in memory", async () => {
    const runs = [];
    for (const { name, memory } of [
      { name: "held", memory: {} },
      { name: "spilled", memory: { memory: 0 } },
    ]) {
      const [first, second] = [join(root, name), join(root, `${name}-adapted`)];
      const trained = await pretrain({ engine, data: [prepared], recipe, out: first, ...memory });
      const moved = await adapt({
        engine,
        init: first,
        source: prepared,
        unlabelled: prepared,
        labelled: table,
        recipe: loadRecipe("quickstart", ["training.steps=6", "training.batch=12"]),
        out: second,
        ...memory,
      });
      const { population } = loadCheckpoint(first);
      runs.push({ population, trained: trained.state, moved: moved.state, logs: [logOf(first), logOf(second)] });
      expect(moved.population).toBeUndefined(); // of two populations at once
    }
    const [held, spilled] = runs;
    expect(spilled).toStrictEqual(held);
    expect(held.trained.step).toBe(12);
    // simulated tables of nature alone
    const { trained: seen, natural, wide } = held.population!.fields.z;
    expect([natural, wide]).toEqual([seen, undefined]);
    expect(held.moved.params).not.toStrictEqual(held.trained.average);
  }, 240_000);
});

/** Every row of one part of the folder, shard after shard. */
async function wholePart(part: "test" | "train"): Promise<Catalog> {
  const catalogs: Catalog[] = [];
  for await (const { catalog } of readPart(prepared, readManifest(prepared)!, survey, part)) catalogs.push(catalog);
  return concat(catalogs);
}

const spaced = (count: number, most: number): number[] =>
  Array.from({ length: most }, (_, i) => Math.floor((i * count) / most));

/** A catalogue as a file. */
async function writeCatalog(path: string, catalog: Catalog): Promise<void> {
  const all = catalog.fields.map(() => true);
  const whole = catalogTable(catalog, allRows(catalog), { hasError: all, isExact: false, hasState: all });
  async function* batches(): AsyncGenerator<Table> {
    yield whole;
  }
  await writeTable(path, { schema: whole.columns.map(schemaOf), metadata: {} }, batches());
}

describe("an evaluation of a prepared folder", () => {
  it("takes as many rows as asked, evenly spaced over the shards", async () => {
    const train = await wholePart("train");
    expect(readManifest(prepared)!.parts.train.shards).toBeGreaterThan(3);
    for (const most of [1, 7, 100]) {
      const sample = await sampleRows(prepared, "train", { survey }, most);
      const expected = select(train, spaced(train.rowCount, most));
      expect(sample.objectId).toStrictEqual(expected.objectId);
      expect(sample.value).toStrictEqual(expected.value);
    }
    const all = await sampleRows(prepared, "train", { survey }, 10_000);
    expect(all.objectId).toStrictEqual(train.objectId);
    const { catalog } = await readWholeCatalog(table, survey);
    const every = await sampleRows(prepared, "all", { survey });
    expect(every.objectId.toSorted()).toStrictEqual(catalog.objectId.toSorted());
  });

  it("says the same as one of a table of those rows", async () => {
    const run = join(root, "judged");
    await pretrain({ engine, data: [prepared], recipe, out: run });
    const test = await wholePart("test");
    const most = 20;
    expect(test.rowCount).toBeGreaterThan(2 * most);
    const path = join(root, "few.parquet");
    await writeCatalog(path, select(test, spaced(test.rowCount, most)));
    const request = { engine, checkpoint: run, methods: [] } as const;
    const own = await evaluate({ ...request, table: prepared, mostRows: most, out: join(root, "scores") });
    const other = await evaluate({ ...request, table: path, part: "all", out: join(root, "others") });
    expect([own.rows, other.rows]).toStrictEqual([most, most]);
    expect(own.questions).toStrictEqual(other.questions);
    const metrics = JSON.parse(readFileSync(join(root, "scores", "metrics.json"), "utf8")) as { rows: number };
    expect(metrics.rows).toBe(most);
  }, 120_000);
});
