import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { simulate } from "../../src/simulate/simulate.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { readManifest, readPart } from "../../src/survey/prepared.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { prepare } from "../../src/tokens/prepare.ts";

const survey = loadSurvey("minijpas");
const optical = survey.fields.flatMap(({ band }, j) => (band !== undefined && band.group !== "uv" ? [j] : []));
const n = survey.fields.length;
const entries = (catalog: Catalog, of: "value" | "error" | "state", j: number): number[] =>
  Array.from({ length: catalog.rowCount }, (_, row) => catalog[of][row * n + j]);

let folder: string;
const at = (name: string): string => join(folder, name);
const make = (name: string, input: object): Promise<number> =>
  simulate({ survey: "minijpas", out: at(name), n: 60, seed: "clean", workers: 0, redshift: { max: 0.4 }, ...input });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "caleido-clean-"));
  await make("clean.parquet", { fluxes: "clean" });
  await make("both.parquet", { fluxes: "both" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("fluxes without noise are measured, exact, and the same whether they come alone or beside noisy ones", async () => {
  const { catalog, counts } = await readWholeCatalog(at("clean.parquet"), survey);
  expect([counts.layout, catalog.rowCount, counts.reasons.size]).toEqual(["clean", 60, 0]);
  for (const j of optical) {
    expect(new Set(entries(catalog, "state", j))).toEqual(new Set([State.measured]));
    expect(new Set(entries(catalog, "error", j))).toEqual(new Set([0]));
    expect(Math.min(...entries(catalog, "value", j))).toBeGreaterThan(0);
  }
  const both = await readWholeCatalog(at("both.parquet"), survey, { layout: "clean" });
  expect(both.catalog.value).toEqual(catalog.value);
  const noisy = await readWholeCatalog(at("both.parquet"), survey);
  expect(noisy.counts.layout).toBe("caleido");
  for (const j of optical) {
    const pulls = entries(noisy.catalog, "error", j).flatMap((error, row) =>
      error > 0 ? [(noisy.catalog.value[row * n + j] - catalog.value[row * n + j]) / error] : [],
    );
    expect(pulls.length).toBeGreaterThan(45);
    expect(Math.max(...pulls.map(Math.abs))).toBeGreaterThan(0.5);
  }
});

test("they go through a prepared folder unchanged; tables with noise don't mix with them", async () => {
  await prepare({ tables: [at("clean.parquet")], survey: "minijpas", out: at("prepared") });
  const manifest = readManifest(at("prepared"));
  expect(manifest?.standardisation.fields.every(({ mean }) => Number.isFinite(mean))).toBe(true);
  const { catalog } = await readWholeCatalog(at("clean.parquet"), survey);
  const rows = new Map(catalog.objectId.map((id, row) => [id, row]));
  let seen = 0;
  for await (const { catalog: part } of readPart(at("prepared"), manifest!, survey, "train")) {
    for (const [i, id] of part.objectId.entries()) {
      const row = rows.get(id) ?? -1;
      for (const name of ["value", "error", "state"] as const) {
        expect(part[name].slice(i * n, (i + 1) * n)).toEqual(catalog[name].slice(row * n, (row + 1) * n));
      }
      seen += 1;
    }
  }
  expect(seen).toBeGreaterThan(30);
  await expect(
    prepare({ tables: [at("both.parquet"), at("clean.parquet")], survey: "minijpas", out: at("mixed") }),
  ).rejects.toThrow(/clean\.parquet has fluxes without noise, .*both\.parquet with: expected tables of one kind/);
});
