import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeTable } from "../../src/io/formats.ts";
import type { Column } from "../../src/io/table.ts";
import { silent } from "../../src/progress.ts";
import { createRng } from "../../src/random.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { readTrainingTable } from "../../src/train/tables.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();
const WIDTH = 256;

/** 120 galaxies with a spectrum and a redshift each. */
async function writeSpectra(): Promise<string> {
  const rng = createRng("spectra");
  const rows = 120;
  const path = join(folder, "spectra.parquet");
  const numbers = (n: number, of: () => number): Float32Array => Float32Array.from({ length: n }, of);
  const columns: Column[] = [
    { name: "object_id", type: "string", width: 1, data: Array.from({ length: rows }, (_, i) => `g${i}`) },
    { name: "z", type: "float32", width: 1, data: numbers(rows, () => rng.uniform()) },
    {
      name: "spectrum",
      type: "float32",
      width: WIDTH,
      unit: "1e-17 erg/s/cm2/A",
      data: numbers(rows * WIDTH, () => rng.normal()),
    },
    {
      name: "spectrum_ivar",
      type: "float32",
      width: WIDTH,
      data: numbers(rows * WIDTH, () => (rng.uniform() < 0.1 ? 0 : 1 + rng.uniform())),
    },
  ];
  await writeTable(path, { schema: columns, metadata: {}, rowCount: rows }, [
    { rowCount: rows, columns, metadata: {} },
  ]);
  return path;
}

describe("training rows with more pixels than memory is for", () => {
  it("wait on disk, are the same galaxies in the same parts, and keep their pixels to 5e-4", async () => {
    const path = await writeSpectra();
    const file = join(folder, "toy.yaml");
    writeFileSync(
      file,
      `name: toy
title: a toy
fluxUnit: 1e-19 erg/s/cm2/A
fluxRange: [-1e6, 1e6]
tiles: [sky]
zeroPointError: 0.02
bands: []
properties: [{ name: z, kind: redshift, description: redshift, range: [0, 10] }]
spectra: [{ name: spectrum, description: a spectrum, unit: 1e-17 erg/s/cm2/A, grid: { from: 5000, to: 6000, pixels: ${WIDTH} } }]
`,
    );
    const survey = loadSurvey(file);
    const said: string[] = [];
    const reporter = { ...silent, say: (line: string) => void said.push(line) };
    const wish = { path, role: "labelled" as const };
    const inMemory = await readTrainingTable(wish, { survey, reporter });
    const told = said.splice(0);
    const onDisk = await readTrainingTable(wish, { survey, reporter, memory: 10_000 });
    expect(said).toEqual(told);
    expect(onDisk.record).toEqual(inMemory.record);
    const rng = createRng("rows");
    let rounded = 0;
    for (const part of ["train", "validation", "calibration"] as const) {
      expect(onDisk.parts[part].rows).toEqual(inMemory.parts[part].rows);
      expect(onDisk.parts[part].labelled).toEqual(inMemory.parts[part].labelled);
      for (const row of onDisk.parts[part].rows) {
        const [a, b] = [inMemory, onDisk].map(({ parts }) => parts[part].store.at(row, rng));
        expect(b.catalog.value[b.row * 2]).toBe(a.catalog.value[a.row * 2]);
        expect(b.catalog.state[b.row * 2 + 1]).toBe(1);
        for (const key of ["value", "ivar"] as const) {
          const [exact, kept] = [a, b].map(({ catalog, row: at }) =>
            catalog.arrays!.get("spectrum")![key].subarray(at * WIDTH, (at + 1) * WIDTH),
          );
          const worst = Math.max(...exact.map((x, k) => (x === 0 ? Math.abs(kept[k]) : Math.abs(kept[k] / x - 1))));
          expect(worst).toBeLessThan(5e-4);
          rounded += exact.filter((x, k) => x !== kept[k]).length;
        }
      }
    }
    expect(rounded).toBeGreaterThan(1000);
    onDisk.close();
    inMemory.close();
  });
});
