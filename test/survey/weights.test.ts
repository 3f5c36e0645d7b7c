import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { concat } from "../../src/survey/catalog.ts";
import { readManifest, readPart } from "../../src/survey/prepared.ts";
import { readWholeCatalog, toCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { prepare } from "../../src/tokens/prepare.ts";
import { scratch } from "../helpers/scratch.ts";

const survey = loadSurvey("minijpas");

function write(name: string, weights: readonly string[] | undefined): string {
  const path = join(scratch(), name);
  const head = `object_id,z${weights === undefined ? "" : ",prior_weight"}`;
  const rows = Array.from({ length: weights?.length ?? 3 }, (_, i) => {
    return `${name}-${i},0.${i + 1}${weights === undefined ? "" : `,${weights[i]}`}`;
  });
  writeFileSync(path, `${[head, ...rows].join("\n")}\n`);
  return path;
}

describe("weights of rows", () => {
  it("are read, are 1 where a table beside has none, and are not among the unused columns", async () => {
    const weighted = await readWholeCatalog(write("a.csv", ["0.25", "4", "0"]), survey);
    expect([...weighted.catalog.weight!]).toEqual([0.25, 4, 0]);
    expect(weighted.counts.unusedColumns).toEqual([]);
    const plain = await readWholeCatalog(write("b.csv", undefined), survey);
    expect(plain.catalog.weight).toBeUndefined();
    expect([...concat([weighted.catalog, plain.catalog]).weight!]).toEqual([0.25, 4, 0, 1, 1, 1]);
  });

  it.each(["-1", "nan", "inf"])("of %s are refused with their row", async (weight) => {
    const path = write("wrong.csv", ["1", weight]);
    await expect(readWholeCatalog(path, survey)).rejects.toThrow(
      /wrong\.csv: row 2: prior_weight is .*, expected a weight of 0 or more/,
    );
  });

  it("pass through prepared folders", async () => {
    const many = Array.from({ length: 60 }, (_, i) => String(i / 8));
    const out = join(scratch(), "prepared");
    await prepare({ tables: [write("many.csv", many)], survey: "minijpas", out, rowsPerShard: 7 });
    const manifest = readManifest(out)!;
    const seen = new Map<string, number>();
    for (const part of ["train", "validation", "calibration", "test"] as const) {
      for await (const { catalog } of readPart(out, manifest, survey, part)) {
        catalog.objectId.forEach((id, i) => seen.set(id, catalog.weight![i]));
      }
    }
    expect(seen.size).toBe(60);
    for (const [id, weight] of seen) expect(weight).toBe(Number(id.split("-")[1]) / 8);
    expect(readFileSync(join(out, "manifest.json"), "utf8")).toContain("many.csv");
  });

  it("have a column of their own name in a survey's layouts", () => {
    const layouts = [{ ...survey.layouts[0], name: "weighted", objectId: "{id}", properties: {}, weight: "W" }];
    const column = (name: string, data: Float64Array) => ({ name, type: "float64" as const, width: 1, data });
    const columns = [
      column("id", Float64Array.of(1)),
      column("z", Float64Array.of(0.1)),
      column("W", Float64Array.of(3)),
    ];
    const { catalog } = toCatalog(
      { rowCount: 1, columns, metadata: {} },
      { ...survey, layouts },
      { layout: "weighted" },
    );
    expect([...catalog.weight!]).toEqual([3]);
  });
});
