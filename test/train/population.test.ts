import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPrior } from "../../src/inference/prior.ts";
import { withPrior } from "../../src/inference/prior-swap.ts";
import { createPredictor } from "../../src/inference/predict.ts";
import { query } from "../../src/inference/query.ts";
import { placeOf } from "../../src/model/numeric.ts";
import { normalCdf } from "../../src/model/normal.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { exportCheckpoint } from "../../src/train/export.ts";
import { recordPopulation } from "../../src/train/population.ts";
import type { Population } from "../../src/train/population-schema.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyCatalog } from "../helpers/toy.ts";

const network = perturb(startCheckpoint(toyCatalog(400)), 0.1);
const { survey } = network.config;

/** A natural table of z from N(1, 0.2^2), and a wide one of z uniform in 0.2 - 1.8 that is led back to it. */
function writeTables(folder: string): string[] {
  const rng = createRng("population");
  const density = (z: number): number => Math.exp(-0.5 * ((z - 1) / 0.2) ** 2) / (0.2 * Math.sqrt(2 * Math.PI));
  const natural = Array.from({ length: 6000 }, (_, i) => `n${i},${1 + 0.2 * rng.normal()}\n`);
  const wide = Array.from({ length: 3000 }, (_, i) => {
    const z = 0.2 + 1.6 * rng.uniform();
    return `w${i},${z},${density(z) * 1.6}\n`;
  });
  const put = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  return [
    put("natural.csv", `object_id,z\n${natural.join("")}`),
    put("wide.csv", `object_id,z,prior_weight\n${wide.join("")}`),
  ];
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

describe("the population of a training set", () => {
  const folder = scratch();
  const tables = writeTables(folder);
  const checkpoint = join(folder, "checkpoint");
  const recorded = saveCheckpoint(checkpoint, network).then(() => recordPopulation({ checkpoint, tables }));

  it("is counted as it was seen, and led back to nature by weights: each bin as the closed form has it", async () => {
    const { trained, natural, wide = [], edges } = (await recorded).fields.z;
    expect([total(trained), total(wide)].map(Math.round)).toEqual([9000, 3000]);
    const below = edges.map((edge) => normalCdf((edge - 1) / 0.2));
    const uniform = edges.map((edge) => Math.min(1, Math.max(0, (edge - 0.2) / 1.6)));
    const last = edges.length - 2;
    for (let i = 1; i < last; i++) {
      const [nature, even] = [below[i + 1] - below[i], uniform[i + 1] - uniform[i]];
      expect(Math.abs(wide[i] - 3000 * even)).toBeLessThan(5 * Math.sqrt(3000 * even) + 1);
      // 6,000 natural rows and 3,000 weighted ones, whose weights are up to 3.2
      expect(Math.abs(natural[i] - 9000 * nature)).toBeLessThan(5 * Math.sqrt(6000 * nature + 3000 * 3.2 * nature) + 2);
    }
  });

  it("is kept by what is loaded, saved again and exported, under its checksum; damage is told", async () => {
    const population = await recorded;
    expect(loadCheckpoint(checkpoint).population).toEqual(population);
    const small = join(folder, "small");
    await exportCheckpoint(loadCheckpoint(checkpoint), small);
    expect(loadCheckpoint(small).population).toEqual(population);
    const file = join(small, "population.json");
    writeFileSync(file, readFileSync(file, "utf8").replace('"trained":[', '"trained":[9,'));
    expect(() => loadCheckpoint(small)).toThrow("population.json: damaged or edited since it was written");
  });

  it("tables without properties, or too few rows of them, are refused", async () => {
    const bare = join(folder, "bare.csv");
    writeFileSync(bare, "object_id,z\n1,0.5\n2,0.6\n");
    await expect(recordPopulation({ checkpoint, tables: [bare] })).rejects.toThrow(
      "bare.csv: no property is in 200 rows or more; expected its training tables",
    );
  });
});

describe("--prior natural and wide", () => {
  const bins = { edges: [0, 0.25, 0.5, 1, 2], trained: [100, 100, 100, 100] };
  const population: Population = {
    caleido: "test",
    fields: { z: { ...bins, natural: [300, 200, 100, 50], wide: [10, 10, 20, 40] } },
  };
  const reader = { survey };

  it("are ratios of counts, straight lines between the bins' middles, constant beyond", async () => {
    const { ratio } = await readPrior("natural", reader, population);
    const at = (x: number): number => ratio!(x) / ratio!(0.75);
    for (const [x, expected] of [
      [0.125, 3],
      [0.375, 2],
      [0.25, 2.5],
      [1.5, 0.5],
      [-1, 3],
      [4, 0.5],
    ] as const) {
      expect(at(x)).toBeCloseTo(expected, 1); // half a row in each bin
    }
    const wide = (await readPrior("z=wide", reader, population)).ratio!;
    expect(wide(1.5) / wide(0.1)).toBeCloseTo(4, 1);
  });

  it("what was trained on nature is answered as without", async () => {
    const same = { caleido: "test", fields: { z: { ...bins, natural: bins.trained } } };
    const predictor = createPredictor(await onnx, network);
    const catalog = toyCatalog(5, "natural");
    const given = new Uint8Array(survey.fields.length).fill(1);
    const z = survey.fields.findIndex(({ name }) => name === "z");
    const swapped = await withPrior(predictor, await readPrior("natural", reader, same));
    const [own, other] = [predictor, swapped].map((one) => one.predict(catalog, allRows(catalog), given, [z]));
    for (const row of allRows(catalog)) {
      expect((await other).encoded[0].moments(row).mean).toBeCloseTo((await own).encoded[0].moments(row).mean, 3);
    }
    await predictor.dispose();
  });

  it.each([
    ["natural", undefined, "--prior natural: the network keeps no population; expected caleido population TABLES"],
    ["MASS=natural", population, "--prior MASS=natural: the network's population has no MASS"],
    [
      "wide",
      { caleido: "test", fields: { z: { ...bins, natural: bins.trained } } },
      "--prior wide: no row of the training set is of a wide population",
    ],
  ])("%s is refused where it is not known", async (text, own, why) => {
    await expect(readPrior(text, reader, own)).rejects.toThrow(why);
  });

  it("are answered by a query of the network that ships, towards where nature has more", async () => {
    const median: number[] = [];
    const values = ["rSDSS=30+-3", "gSDSS=10+-3", "iSDSS=45+-4"];
    for (const prior of [undefined, "natural", "wide"]) {
      await query({
        engine: await onnx,
        values,
        want: "z",
        ...(prior === undefined ? {} : { prior }),
        onAnswers: ({ columns }) => void median.push(Number(columns.find(({ name }) => name === "z_q95")!.data[0])),
      });
    }
    const [trained, natural, wide] = median;
    const { edges, trained: seen, natural: nature } = loadCheckpoint("caleido-jpas").population!.fields.z;
    const share = (counts: readonly number[]): number => counts[placeOf(edges, 0.8)] / total(counts);
    expect(share(nature)).toBeLessThan(share(seen)); // nature has few galaxies of r < 22.5 there
    expect(natural).toBeLessThan(trained);
    expect(wide).toBeGreaterThan(trained);
  });
});
