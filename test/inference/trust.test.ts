import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { query } from "../../src/inference/query.ts";
import { askFold, bandFolds, surpriseOf } from "../../src/inference/surprise.ts";
import { divergence } from "../../src/inference/trust-answers.ts";
import { readAll } from "../../src/io/columns.ts";
import { openTable } from "../../src/io/formats.ts";
import type { Column } from "../../src/io/table.ts";
import { categoryDistribution } from "../../src/model/category.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";
import { type Catalog, select } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { catalogFromValues } from "../../src/survey/values.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyBands, toyFields } from "../helpers/toy.ts";

/** Words of trust, of a network that never trained: what it carries is enough to tell a galaxy from what is none. */

const kind: Field = {
  id: 10,
  name: "KIND",
  kind: "category",
  unit: "",
  description: "kind",
  range: [0, 1],
  classes: ["galaxy", "star"],
};
const fields = [...toyFields, kind];
const n = fields.length;
const [R, Z, KIND] = [4, 6, 10];
const NOISE = 0.03;

/** Power laws whose slope is the redshift of a galaxy; stars are rounder than any of them, and have nothing else. */
function world(rowCount: number, seed: string, isStar: (row: number) => boolean, noise: number): Catalog {
  const rng = createRng(seed);
  const value = new Float32Array(rowCount * n);
  const error = new Float32Array(rowCount * n);
  const state = new Uint8Array(rowCount * n).fill(State.measured);
  for (let row = 0; row < rowCount; row++) {
    const z = 0.1 + 0.8 * rng.uniform();
    const bright = 300 * Math.exp(0.5 * rng.normal());
    fields.forEach(({ band }, j) => {
      if (band === undefined) return;
      const x = band.pivot / 5000;
      const flux = bright * (isStar(row) ? Math.exp(-8 * Math.log(x) ** 2) : x ** (4 * z - 2));
      error[row * n + j] = noise * bright;
      value[row * n + j] = flux + noise * bright * rng.normal();
    });
    value.set([z, 10 + z, z, 30 * z, Number(isStar(row))], row * n + toyBands);
    if (isStar(row)) state.fill(State.notObserved, row * n + Z, row * n + KIND);
  }
  const objectId = Array.from({ length: rowCount }, (_, i) => `w${i}`);
  return { fields, rowCount, objectId, parentId: objectId, value, error, state };
}

const carried = world(400, "carried", (row) => row % 4 === 0, 0);
const galaxies = world(200, "seen", () => false, NOISE);
const stars = world(60, "stars", () => true, NOISE);
const checkpoint = startCheckpoint(carried, { templates: 400 });
const bands = fields.slice(0, toyBands).map(({ name }) => name);

/** The galaxies with something changed; `at` is where a row begins. */
function changed(catalog: Catalog, change: (copy: Catalog, at: number) => void): Catalog {
  const copy = select(
    catalog,
    Array.from({ length: catalog.rowCount }, (_, row) => row),
  );
  for (let row = 0; row < copy.rowCount; row++) change(copy, row * n);
  return copy;
}

const times = (factor: number, some: readonly number[]): Catalog =>
  changed(galaxies, (copy, at) => {
    for (const j of some) {
      copy.value[at + j] *= factor;
      copy.error[at + j] *= factor;
    }
  });

let predictor: Predictor;
beforeAll(async () => {
  predictor = createPredictor(await onnx, checkpoint);
});

/** Share of the answers to each field for which a word is told. */
async function shares(
  catalog: Catalog,
  given: readonly string[] | string,
  word: string,
): Promise<Record<"z" | "MASS" | "KIND", number>> {
  const answers = await predictor.ask(catalog, { given, want: "z,MASS,KIND" });
  const of = (name: string): number => answers[name].trust!.filter((one) => one === word).length / catalog.rowCount;
  return { z: of("z"), MASS: of("MASS"), KIND: of("KIND") };
}

describe("words", () => {
  it("galaxies like those carried are in support", async () => {
    expect((await shares(galaxies, bands, "in support")).z).toBeGreaterThan(0.97);
  });
  it("a band three times too bright fits poorly, whatever is asked", async () => {
    const poor = await shares(times(3, [R]), bands, "poor fit");
    for (const name of ["z", "MASS", "KIND"] as const) expect(poor[name]).toBeGreaterThan(0.95);
  });
  it("fluxes in another unit are outside, though their colours are as usual", async () => {
    const all = Array.from({ length: toyBands }, (_, j) => j);
    for (const factor of [1e3, 1e-3]) {
      expect((await shares(times(factor, all), bands, "outside")).z).toBeGreaterThan(0.95);
    }
  });
  it("so is a label that no galaxy of training has, and only such", async () => {
    const labelled = (z: number): Catalog => changed(galaxies, (copy, at) => (copy.value[at + Z] = z));
    const ask = async (z: number): Promise<readonly string[]> =>
      (await predictor.ask(labelled(z), { given: "z", want: "KIND" })).KIND.trust!;
    expect(new Set(await ask(4.5))).toEqual(new Set(["outside"]));
    expect(await ask(0.5)).not.toContain("outside");
  });
  it("stars have a class, and no redshift, also where they are called galaxies", async () => {
    const called = changed(stars, (copy, at) => (copy.value[at + KIND] = 0));
    const other = await shares(stars, bands, "other class");
    expect(other.z).toBeGreaterThan(0.9);
    expect(other.KIND).toBe(0);
    const { z } = await predictor.ask(called, { given: [...bands, "KIND"], want: "z" });
    expect(z.trust!.filter((word) => word === "other class").length).toBeGreaterThan(0.9 * stars.rowCount);
    expect(Math.max(...z.trustScore!)).toBeLessThan(0.5);
  });
  it("nothing given leaves what is known without any", async () => {
    const one = catalogFromValues(["R=300+-9"], checkpoint.config.survey);
    const answers = await predictor.ask(one, { given: ["N1"], want: "z,MASS" });
    expect([answers.z.trust, answers.MASS.trust]).toEqual([["prior-dominated"], ["prior-dominated"]]);
    const untold = await predictor.ask(one, { given: ["N1"], want: "z", trust: false });
    expect(untold.z.trust).toBeUndefined();
  });
});

describe("divergence from the prior", () => {
  const gaussian = (mean: number, sigma: number) =>
    mixtureDistribution({
      rowCount: 1,
      componentCount: 1,
      stride: 1,
      weight: Float64Array.of(1),
      mean: Float64Array.of(mean),
      sigma: Float64Array.of(sigma),
    });
  const levels = [0.05, 0.16, 0.5, 0.84, 0.95];

  it.each([
    [0, 1],
    [0.5, 1],
    [0, 0.7],
    [1, 0.3],
    [-2, 0.5],
  ])("of N(%d, %d) from N(0, 1) is a little less than the closed form", (mean, sigma) => {
    const out = new Float64Array(levels.length);
    gaussian(mean, sigma).quantiles(0, levels, out);
    const exact = -Math.log(sigma) + (sigma ** 2 + mean ** 2 - 1) / 2;
    const counted = divergence(Array.from(out), gaussian(0, 1), false);
    expect(counted).toBeLessThanOrEqual(exact + 1e-5);
    expect(counted).toBeGreaterThan(0.8 * exact - 1e-5);
  });
  it("of classes is exact", () => {
    const prior = categoryDistribution(Float64Array.of(0.5, 0.25, 0.25), 1);
    expect(divergence([0.1, 0.9, 0], prior, true)).toBeCloseTo(0.1 * Math.log(0.2) + 0.9 * Math.log(3.6), 5);
  });
});

describe("surprise", () => {
  it("of a Gaussian is half of the squared deviation, less one half", () => {
    const answer = mixtureDistribution({
      rowCount: 2,
      componentCount: 2,
      stride: 2,
      weight: Float64Array.of(0.3, 0.7, 0.5, 0.5),
      mean: Float64Array.of(2, 2, -1, 4),
      sigma: Float64Array.of(0.5, 0.5, 1, 0.5),
    });
    const { deviation, excess, variance } = surpriseOf(answer, 0, 3.5);
    expect(deviation).toBeCloseTo(3, 6);
    expect(excess).toBeCloseTo(4, 6); // 9 / 2 - 1 / 2
    expect(variance).toBeCloseTo(0.5, 6);
    // of two peaks: by draws
    const rng = createRng("draws");
    const draws = Array.from({ length: 40_000 }, () => -answer.logDensity(1, answer.sample(1, rng)));
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
    expect(surpriseOf(answer, 1, 0).excess).toBeCloseTo(-answer.logDensity(1, 0) - mean, 1);
  });
  it("folds hide every band once, and never one beside another", () => {
    const some = [0, 1, 2, 3, 4, 5];
    const folds = bandFolds(fields, some, 3);
    expect(folds.flatMap(({ hidden }) => hidden).sort((a, b) => a - b)).toEqual(some);
    const byWavelength = some.toSorted((a, b) => fields[a].band!.pivot - fields[b].band!.pivot);
    for (const { hidden, seen } of folds) {
      expect([...hidden, ...seen].sort((a, b) => a - b)).toEqual(some);
      const places = hidden.map((j) => byWavelength.indexOf(j)).sort((a, b) => a - b);
      expect(places[1] - places[0]).toBe(3);
    }
  });
  it("tells of fluxes that are there, in the unit of the field", async () => {
    const gap = changed(galaxies, (copy, at) => (at === 0 ? (copy.state[at + R] = State.notObserved) : 0));
    const rows: number[] = [];
    const [fold] = [{ hidden: [R], seen: [0, 1, 2, 3, 5] }];
    await askFold(predictor.network, gap, [0, 1, 2], fold, ({ row, field, expected }) => {
      rows.push(row);
      expect(field).toBe(R);
      const [low, high] = expected([0.16, 0.84]);
      expect(low).toBeLessThan(high);
    });
    expect(rows).toEqual([1, 2]);
  });
});

describe("query", () => {
  const root = scratch();
  const init = join(root, "network");
  beforeAll(() => saveCheckpoint(init, checkpoint));

  it.each(["fits", "vot", "parquet"])(
    "writes words and a score to %s, unless they are not wanted",
    async (extension) => {
      const values = ["R=300+-9", "G=300+-9", "N3=900+-9"];
      const read = async (trust: boolean): Promise<Map<string, Column>> => {
        const out = join(root, `${trust}.${extension}`);
        await query({ engine: await onnx, checkpoint: init, values, want: "z,MASS", out, trust });
        const source = await openTable(out);
        const { columns } = await readAll(source);
        await source.close();
        return new Map(columns.map((column) => [column.name, column]));
      };
      const [told, untold] = [await read(true), await read(false)];
      const own = [...told.keys()].filter((name) => !untold.has(name));
      expect(own).toEqual(["trust", "trust_score", "z_trust", "MASS_trust"]);
      expect(String(told.get("z_trust")!.data[0])).toMatch(/^(in support|poor fit|prior-dominated)$/);
      expect(told.get("trust_score")!.data[0]).toBeGreaterThan(0);
      if (extension !== "parquet") return;
      expect(told.get("z_trust")!.description).toContain("other class");
    },
  );
});
