import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { splitNames } from "../../src/survey/split.ts";
import {
  caleido,
  ENGINE,
  expectMistake,
  type Fixture,
  fixture,
  newFolder,
  readTable,
  start,
  succeed,
  TINY,
} from "./cli.ts";

let shared: Fixture;
let folder: string;
beforeAll(async () => {
  shared = await fixture();
  folder = newFolder("prepare");
  await succeed(["simulate", "--n", "60", "--draws", "3", "--no-report", "--out", "draws.fits"], folder);
}, 240_000);

interface Manifest {
  readonly sources: readonly { path: string; sha256: string; layout: string; rows: number }[];
  readonly split: { by: string; tiles: number; heldOutTiles: readonly string[] };
  readonly parts: Readonly<Record<string, { shards: number; rows: number }>>;
  readonly droppedRows: Readonly<Record<string, { count: number; examples: readonly string[] }>>;
  readonly droppedValues: Readonly<Record<string, { count: number; examples: readonly string[] }>>;
  readonly standardisation: { sample: number; fields: readonly { mean: number; deviation: number }[] };
}
const manifestOf = (out: string): Manifest =>
  JSON.parse(readFileSync(join(folder, out, "manifest.json"), "utf8")) as Manifest;

interface Shard {
  readonly part: string;
  readonly file: string;
  readonly table: Awaited<ReturnType<typeof readTable>>;
}
async function shardsOf(out: string): Promise<Shard[]> {
  const files = readdirSync(join(folder, out)).filter((name) => name.endsWith(".parquet"));
  return Promise.all(
    files.sort().map(async (file) => ({
      part: file.split("-")[0],
      file,
      table: await readTable(join(folder, out, file)),
    })),
  );
}

/** A table in the survey's own columns: object, parent, tile, one band, one label. */
function writeRows(name: string, rows: readonly (readonly [string, string, string, string, string, string])[]): void {
  const head = ["# unit J0378 = 1e-19 erg/s/cm2/A", "object_id,parent_id,tile,J0378,J0378_err,z"];
  writeFileSync(join(folder, name), `${[...head, ...rows.map((row) => row.join(","))].join("\n")}\n`);
}

describe("prepare", () => {
  test("writes shards by parent, a manifest, and loses no row", async ({ expect }) => {
    await succeed(["prepare", "draws.fits", "--split", "parent", "--out", "parts", "--rows-per-shard", "50"], folder);
    const manifest = manifestOf("parts");
    const shards = await shardsOf("parts");
    const parts = new Map<string, string>();
    let rows = 0;
    for (const { part, table, file } of shards) {
      expect(file).toMatch(/^(train|validation|calibration|test)-0000\d\.parquet$/);
      expect(table.rowCount).toBeLessThanOrEqual(50);
      expect(table.schema.find(({ name }) => name === "J0378")?.unit).toBe("1e-19 erg/s/cm2/A");
      rows += table.rowCount;
      for (const parent of table.texts("parent_id")) {
        expect(parts.get(parent) ?? part).toBe(part);
        parts.set(parent, part);
      }
    }
    expect([rows, parts.size]).toEqual([180, 60]);
    for (const part of splitNames) {
      const own = shards.filter((shard) => shard.part === part);
      const count = own.reduce((sum, { table }) => sum + table.rowCount, 0);
      expect(manifest.parts[part]).toEqual({ shards: own.length, rows: count });
    }
    expect(manifest.sources).toMatchObject([{ path: "draws.fits", layout: "caleido", rows: 180 }]);
    expect(manifest.sources[0].sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(manifest.standardisation.sample).toBe(manifest.parts.train.rows);
    expectMistake(await caleido(["prepare", "draws.fits", "--out", "parts"], folder), /holds prepared tables already/);
  });

  test("the values are those of the table", async ({ expect }) => {
    await succeed(["prepare", "draws.fits", "--split", "parent", "--out", "same"], folder);
    const whole = await readTable(join(folder, "draws.fits"));
    const at = new Map(whole.texts("object_id").map((id, i) => [id, i]));
    for (const { table } of await shardsOf("same")) {
      const ids = table.texts("object_id");
      for (const name of ["J0660", "J0660_err", "z", "HALPHA_EW"]) {
        const truth = whole.numbers(name);
        table.numbers(name).forEach((value, i) => expect(value).toBe(truth[at.get(ids[i])!]));
      }
    }
  });

  test("holds whole tiles out; a parent that straddles is dropped from the rest and counted", async ({ expect }) => {
    const rows = Array.from({ length: 400 }, (_, i) => {
      const tile = `t${i % 40}`;
      // every 10th parent has two rows, one of them in the next tile
      const parent = i % 10 === 1 ? `p${i - 1}` : `p${i}`;
      return [`o${i}`, parent, tile, i === 7 ? "" : "10", i === 7 ? "" : "1", i === 7 ? "" : "0.3"] as const;
    });
    writeRows("tiles.csv", rows);
    const { stderr } = await succeed(["prepare", "tiles.csv", "--out", "tiled"], folder);
    const { split, droppedRows, parts } = manifestOf("tiled");
    expect([split.by, split.tiles, split.heldOutTiles.length]).toEqual(["tile", 40, 4]);
    const held = new Set(split.heldOutTiles);
    const heldParents = new Set(rows.filter(([, , tile]) => held.has(tile)).map(([, parent]) => parent));
    const straddling = rows.filter(
      ([, parent, tile], i) => i !== 7 && !held.has(tile) && heldParents.has(parent),
    ).length;
    const dropped = droppedRows["whose parent is also in a held-out tile"].count;
    expect(dropped).toBe(straddling);
    expect(straddling).toBeGreaterThan(0);
    expect(droppedRows["without any usable value"]).toEqual({ count: 1, examples: ["o7"] });
    expect(stderr).toMatch(/1 row dropped: without any usable value \(o7\)/);
    expect(Object.values(parts).reduce((sum, part) => sum + part.rows, 0)).toBe(400 - 1 - straddling);
    const inTest = new Set<string>();
    const elsewhere = new Set<string>();
    for (const { part, table } of await shardsOf("tiled")) {
      const [parents, tiles] = [table.texts("parent_id"), table.texts("tile")];
      tiles.forEach((tile, i) => {
        expect(held.has(tile)).toBe(part === "test");
        (part === "test" ? inTest : elsewhere).add(parents[i]);
      });
    }
    expect([...inTest].filter((parent) => elsewhere.has(parent))).toEqual([]);
    writeRows("lone.csv", rows.slice(0, 1));
    expectMistake(
      await caleido(["prepare", "lone.csv", "--split", "tile", "--out", "no"], folder),
      /all rows are in one tile/,
    );
  });

  test("takes folders, several tables and stated units; says what was dropped and why", async ({ expect }) => {
    mkdirSync(join(folder, "many"));
    for (const [i, name] of ["a", "b"].entries()) {
      const rows = Array.from(
        { length: 30 },
        (_, k) => `${name}${k},${k === 3 ? "inf" : 5 + i},${k === 4 ? -1 : 1},0.2`,
      );
      writeFileSync(join(folder, "many", `${name}.csv`), `object_id,J0378,J0378_err,z\n${rows.join("\n")}\n`);
    }
    expectMistake(
      await caleido(["prepare", "many", "--out", "both"], folder),
      /a\.csv: column "J0378" has no unit.*--unit/,
    );
    const { stderr } = await succeed(["prepare", "many", "--unit", "*=survey", "--out", "both"], folder);
    expect(stderr).toMatch(/2 values not used: value infinite \(row 4, J0378/);
    expect(stderr).toMatch(/2 values not used: error negative \(row 5, J0378/);
    const { sources, droppedValues } = manifestOf("both");
    expect(sources.map(({ path, rows }) => [path, rows])).toEqual([
      [join("many", "a.csv"), 30],
      [join("many", "b.csv"), 30],
    ]);
    expect(droppedValues["error negative"].count).toBe(2);
    const { stdout } = await succeed(["info", "both"], folder);
    expect(stdout).toMatch(/a\.csv \(caleido, 30 rows\)/);
    expect(stdout).toMatch(/2 values: error negative/);
    mkdirSync(join(folder, "none"));
    expectMistake(await caleido(["prepare", "none", "--out", "x"], folder), /none: a folder without tables/);
  });

  test("reads the extension that is meant, says which, and records it", async ({ expect }) => {
    const several = fileURLToPath(new URL("../io/golden/tables.fits", import.meta.url));
    const { stderr } = await succeed(["prepare", several, "--out", "most"], folder);
    expect(stderr).toMatch(/table 3 MOST is read, not 1 ASCII, 2 FEW/);
    expect(manifestOf("most").sources[0].path).toBe(`${several}[MOST]`);
    await succeed(["prepare", several, "--hdu", "FEW", "--out", "few"], folder);
    expect(manifestOf("few").sources[0].path).toBe(`${several}[FEW]`);
    const told = (await succeed(["info", `${several}[2]`], folder)).stderr;
    expect(told).toMatch(/tables\.fits\[FEW\]: fits, 2 rows/);
    const asked = await caleido(["prepare", several, "--hdu", "MOSTLY", "--out", "none-of-it"], folder);
    expectMistake(asked, /no table "MOSTLY", expected one of 1 ASCII, 2 FEW, 3 MOST/);
  });

  test("that drops every row is an error, and says why", async ({ expect }) => {
    writeRows("nothing.csv", [
      ["a", "a", "t", "10", "-1", ""],
      ["b", "b", "t", "10", "-2", ""],
    ]);
    const dropped = await caleido(["prepare", "nothing.csv", "--out", "nothing"], folder);
    expect(dropped.stderr).toMatch(
      /nothing: nothing to prepare: all 2 rows dropped, most for "error negative" \(row 1, J0378/,
    );
    expect(dropped.code).toBe(1);
    expect(existsSync(join(folder, "nothing", "manifest.json"))).toBe(false);
  });

  test("killed, leaves no manifest, and nothing trains on what it left", async ({ expect }) => {
    await succeed(["simulate", "--n", "2000", "--no-report", "--out", "large.parquet"], folder);
    const args = ["prepare", "large.parquet", "--rows-per-shard", "50", "--out", "cut"];
    const { child, end } = await start(args, folder);
    const isBegun = (): boolean => existsSync(join(folder, "cut")) && readdirSync(join(folder, "cut")).length > 2;
    while (!isBegun() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await end;
    expect(existsSync(join(folder, "cut", "manifest.json"))).toBe(false);
    expectMistake(
      await caleido(["pretrain", "cut", ...TINY, "--out", "never"], folder),
      /cut: a folder without manifest\.json: not prepared, or its preparation was interrupted/,
    );
    await succeed(args, folder); // starts afresh where it was cut
    const shards = await shardsOf("cut");
    expect(shards.reduce((sum, { table }) => sum + table.rowCount, 0)).toBe(2000);
  }, 120_000);
});

test("training and evaluation take a prepared folder, its parts and its standardisation", async () => {
  await succeed(["prepare", shared.simulations, "--split", "parent", "--seed", "5", "--out", "ready"], folder);
  const manifest = manifestOf("ready");
  await succeed(["pretrain", "ready", ...TINY, "training.steps=6", "--out", "run"], folder);
  const config = JSON.parse(readFileSync(join(folder, "run", "checkpoint", "config.json"), "utf8")) as {
    standardisation: { fields: unknown };
    data: readonly { path: string; role: string }[];
  };
  expect(config.standardisation.fields).toEqual(manifest.standardisation.fields);
  expect(config.data).toMatchObject([{ path: "ready", role: "train" }]);
  const few = ["--set", "training.steps=3", "training.batch=16", ...ENGINE];
  await succeed(["finetune", "ready", "--init", "run", ...few, "--out", "fine"], folder);
  const tables = ["--source", "ready", "--unlabelled", "ready", "--labelled", "ready"];
  await succeed(["adapt", "--init", "run", ...tables, ...few, "--out", "adapted"], folder);
  const scored = ["evaluate", "ready", "--checkpoint", "run", "--baselines", "ready", ...ENGINE];
  await succeed([...scored, "--out", "scores"], folder);
  const { rows } = JSON.parse(readFileSync(join(folder, "scores", "metrics.json"), "utf8")) as { rows: number };
  expect(rows).toBe(manifest.parts.test.rows);
}, 240_000);
