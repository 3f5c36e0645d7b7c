import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Reporter, silent } from "../../src/progress.ts";
import { prepare } from "../../src/tokens/prepare.ts";
import { scratch } from "../helpers/scratch.ts";

it("a folder is prepared by one process at a time: the second is told who, and removes nothing of the first's", async () => {
  const folder = scratch();
  const table = join(folder, "a.csv");
  const rows = Array.from({ length: 30 }, (_, i) => `${i},${0.01 * (i + 1)}\n`);
  writeFileSync(table, `object_id,z\n${rows.join("")}`);
  const out = join(folder, "out");
  const request = { tables: [table], survey: "minijpas", out, rowsPerShard: 4 };
  let second: Promise<unknown> | undefined;
  const bar: Reporter["bar"] = (...args) => {
    second ??= prepare(request);
    second.catch(() => {});
    return silent.bar(...args);
  };
  const parts = await prepare({ ...request, reporter: { ...silent, bar } });
  const held = new RegExp(`out: in use by process ${process.pid} on ${hostname()} since 20`);
  await expect(second).rejects.toThrow(held);
  expect(Object.values(parts).reduce((sum, part) => sum + part.rows, 0)).toBe(30);
  const shards = Object.values(parts).reduce((sum, part) => sum + part.shards, 0);
  expect(readdirSync(out).filter((name) => name.endsWith(".parquet"))).toHaveLength(shards);
  expect(existsSync(join(out, "caleido.lock"))).toBe(false);
  await expect(prepare(request)).rejects.toThrow(/out: holds prepared tables already/);
});
