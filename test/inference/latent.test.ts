import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { look } from "../../src/explore/look.ts";
import { latentSpace, umapOf } from "../../src/inference/latent.ts";
import { occlude } from "../../src/inference/occlusion.ts";
import { createPredictor, type Respondent } from "../../src/inference/predict.ts";
import { principalComponents } from "../../src/inference/principal.ts";
import { linearProbe } from "../../src/inference/probe.ts";
import { schemaOf } from "../../src/io/columns.ts";
import { writeTable } from "../../src/io/formats.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { flagsOf } from "../../src/survey/field-list.ts";
import { catalogTable } from "../../src/survey/table.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { lineCatalog } from "../helpers/spectra.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const n = toyFields.length;
const DUST = toyFields.findIndex(({ name }) => name === "DUST");
const bandFlags = flagsOf(
  toyFields.flatMap(({ band }, j) => (band === undefined ? [] : [j])),
  n,
);

describe("principal components", () => {
  /** Rows +-a along u and +-b along v: covariance a^2/2 u u' + b^2/2 v v', exactly. */
  const [a, b] = [3, 2];
  const [u, v] = [
    [0.6, 0.8, 0],
    [0, 0, 1],
  ];
  const offset = [10, -4, 7];
  const row = (size: number, along: readonly number[]): number[] => offset.map((start, i) => start + size * along[i]);
  const x = [row(a, u), row(-a, u), row(b, v), row(-b, v)].flat();

  it("are the axes of an ellipsoid, with their parts of the variance and the rows along them", () => {
    const { directions, share, scores } = principalComponents(x, 4, 3, 2);
    [u[0], v[0], u[1], v[1], u[2], v[2]].forEach((entry, i) => expect(directions[i]).toBeCloseTo(entry, 9));
    expect(share[0]).toBeCloseTo(9 / 13, 9);
    expect(share[1]).toBeCloseTo(4 / 13, 9);
    [a, 0, -a, 0, 0, b, 0, -b].forEach((score, i) => expect(scores[i]).toBeCloseTo(score, 9));
  });

  it("are none where nothing varies", () => {
    const { share, scores } = principalComponents([5, 6, 5, 6, 5, 6], 3, 2, 2);
    expect([...share]).toEqual([0, 0]);
    expect([...scores].every((score) => score === 0)).toBe(true);
  });
});

describe("UMAP", () => {
  const rng = createRng("umap");
  const [rows, width] = [60, 6];
  const group = (i: number): number => i % 2;
  const x = Array.from({ length: rows * width }, (_, i) => rng.normal() + 20 * group(Math.floor(i / width)));

  it("keeps two groups apart, the same for the same seed", async () => {
    const map = (await umapOf(x, rows, width))!;
    const centre = (k: number): number[] =>
      [0, 1].map((axis) => {
        const own = Array.from({ length: rows }, (_, i) => i).filter((i) => group(i) === k);
        return own.reduce((sum, i) => sum + map[2 * i + axis] / own.length, 0);
      });
    const centres = [centre(0), centre(1)];
    const distance = (i: number, k: number): number =>
      Math.hypot(map[2 * i] - centres[k][0], map[2 * i + 1] - centres[k][1]);
    for (let i = 0; i < rows; i++) expect(distance(i, group(i))).toBeLessThan(distance(i, 1 - group(i)));
    expect(await umapOf(x, rows, width)).toEqual(map);
  }, 120_000);

  it("is not drawn of fewer rows than it takes", async () => {
    expect(await umapOf(x, 20, width)).toBeUndefined();
  });
});

describe("linear probes", () => {
  const rng = createRng("probe");
  const [rows, size] = [3000, 3];
  const state = Float32Array.from({ length: rows * size }, () => rng.normal());
  const parents = Array.from({ length: rows }, (_, row) => `g${row}`);
  const at = (row: number, i: number): number => state[row * size + i];

  it("explain what noise leaves of a line: R2 = 5 / 9 for 2 x - y with noise of variance 4", () => {
    const values = Float64Array.from(parents, (_, row) => 2 * at(row, 0) - at(row, 1) + 2 * rng.normal());
    const [score] = linearProbe(state, size, parents, { name: "line", values });
    expect(score.metric).toBe("R2");
    expect(Math.abs(score.value - 5 / 9)).toBeLessThan(0.04);
    expect(score.trainRows + score.testRows).toBe(rows);
  });

  it("don't depend on the unit", () => {
    const [whole, small] = [1, 1e-3].map((unit) => {
      const values = Float64Array.from(parents, (_, row) => unit * (at(row, 0) + at(row, 1) ** 2));
      return linearProbe(state, size, parents, { name: "unit", values })[0].value;
    });
    expect(small).toBeCloseTo(whole, 4);
  });

  it("explain nothing of what is not there, and of a curve without slope", () => {
    const none = Float64Array.from(parents, () => rng.normal());
    const even = Float64Array.from(parents, (_, row) => at(row, 2) ** 2);
    for (const values of [none, even]) {
      const [{ value }] = linearProbe(state, size, parents, { name: "none", values });
      expect(Math.abs(value)).toBeLessThan(0.02);
    }
  });

  it("tell classes: AUC = 5 / 6 for the sign of x plus as much noise, an orthant of three Gaussians", () => {
    const values = Float64Array.from(parents, (_, row) => Number(at(row, 0) + rng.normal() > 0));
    const [score, ...others] = linearProbe(state, size, parents, { name: "c", values, classes: ["low", "high"] });
    expect(others).toEqual([]);
    expect(score).toMatchObject({ metric: "AUC", className: "high" });
    expect(Math.abs(score.value - 5 / 6)).toBeLessThan(0.025);
  });

  it("keep rows of one parent in one half, and tell nothing of too few rows", () => {
    // four copies of each parent, whose quantity is its own: a line through other parents knows nothing of it
    const copies = parents.slice(0, 400).map((_, row) => `p${Math.floor(row / 4)}`);
    const own = new Map(copies.map((parent) => [parent, rng.normal()]));
    const wide = 150;
    const marks = new Map(copies.map((parent) => [parent, Array.from({ length: wide }, () => rng.normal())]));
    const states = Float32Array.from(copies.flatMap((parent) => marks.get(parent)!));
    const values = copies.map((parent) => own.get(parent)!);
    expect(linearProbe(states, wide, copies, { name: "own", values })[0].value).toBeLessThan(0.1);
    const few = values.map((value, row) => (row < 30 ? value : Number.NaN));
    expect(linearProbe(states, wide, copies, { name: "few", values: few })).toEqual([]);
  });
});

describe("occlusion", () => {
  /** Dust answered with a Gaussian whose mean is a weighted sum of the fluxes that are there, N3 left out. */
  const weights = [1e-4, -2e-4, 0, 3e-4, 5e-5, 1e-3];
  const [ignored, sigma] = [2, 0.05];
  const coder = coderOf(startCheckpoint(toyCatalog(300, "start")).config);
  const meanOf = ({ value, state }: Catalog, row: number): number =>
    weights.reduce(
      (sum, weight, j) => sum + (state[row * n + j] === State.measured ? weight * value[row * n + j] : 0),
      1.5,
    );
  const respondent: Respondent = {
    coder,
    predict: (catalog, rows, _isGiven, wanted) =>
      Promise.resolve({
        rowCount: rows.length,
        wanted,
        scales: new Float64Array(rows.length).fill(1),
        encoded: [
          mixtureDistribution({
            rowCount: rows.length,
            componentCount: 1,
            stride: 1,
            weight: new Float64Array(rows.length).fill(1),
            mean: Float64Array.from(rows, (row) => coder.encode(DUST, meanOf(catalog, row), 1)),
            sigma: Float64Array.from(rows, () => coder.encodeError(DUST, 1.5, sigma, 1)),
          }),
        ],
      }),
  };
  const catalog = toyCatalog(200, "occlusion");
  const row = Array.from({ length: catalog.rowCount }, (_, i) => i).find((i) =>
    weights.every((_, j) => catalog.state[i * n + j] === State.measured),
  )!;

  it("of a linear Gaussian: the mean moves by the band's own term, the divergence is half its square", async () => {
    const pieces = await occlude(respondent, catalog, row, bandFlags, DUST);
    expect(pieces.map(({ name }) => name)).toEqual(["UV", "N1", "N2", "G", "N3", "R"]);
    for (const { name, shift, divergence } of pieces) {
      const j = toyFields.findIndex((field) => field.name === name);
      const expected = (-weights[j] * catalog.value[row * n + j]) / sigma;
      expect(Math.abs(shift - expected)).toBeLessThan(1e-3);
      expect(Math.abs(divergence - expected ** 2 / 2)).toBeLessThan(1e-3 * (1 + expected ** 2));
      if (j !== ignored) expect(divergence).toBeGreaterThan(0);
    }
  });

  it("of a band that is ignored is nothing, and of one that is not given or not there it isn't told", async () => {
    const pieces = await occlude(respondent, catalog, row, bandFlags, DUST);
    expect(pieces.find(({ name }) => name === "N3")).toMatchObject({ shift: 0, divergence: 0 });
    const some = bandFlags.slice();
    some[0] = 0;
    expect((await occlude(respondent, catalog, row, some, DUST)).map(({ name }) => name)).not.toContain("N1");
    const gap = Array.from({ length: catalog.rowCount }, (_, i) => i).find(
      (i) => catalog.state[i * n] === State.notObserved,
    )!;
    expect((await occlude(respondent, catalog, gap, bandFlags, DUST)).map(({ name }) => name)).not.toContain("N1");
  });
});

describe("occlusion of a spectrum", () => {
  /** z answered with a Gaussian in the encoded space, whose mean is the sum of the observed pixels of its red half. */
  const catalog = lineCatalog(40, "windows");
  const { value, ivar, width } = catalog.arrays!.get("spectrum")!;
  const [slope, sigma, half] = [2e-4, 0.1, width / 2];
  const sumOf = (
    pixels: ArrayLike<number>,
    weights: ArrayLike<number>,
    row: number,
    from: number,
    to: number,
  ): number => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += weights[row * width + i] > 0 ? slope * pixels[row * width + i] : 0;
    return sum;
  };
  const respondent: Respondent = {
    coder: coderOf(startCheckpoint(catalog).config),
    predict: ({ arrays }, rows, _isGiven, wanted) => {
      const own = arrays!.get("spectrum")!;
      const mean = Float64Array.from(rows, (row) => sumOf(own.value, own.ivar, row, half, width));
      const each = (x: number): Float64Array => new Float64Array(rows.length).fill(x);
      const parts = { rowCount: rows.length, componentCount: 1, stride: 1, weight: each(1), mean, sigma: each(sigma) };
      return Promise.resolve({ rowCount: rows.length, wanted, scales: each(1), encoded: [mixtureDistribution(parts)] });
    },
  };

  it("hides window by window: half the square of what stood there, nothing in the blue half", async () => {
    const before = value.slice();
    const row = 3;
    const pieces = await occlude(respondent, catalog, row, Uint8Array.of(0, 0, 0, 1), 2);
    expect(pieces.length).toBe(32);
    expect(pieces[0].from).toBeLessThan(4000);
    expect(pieces[31].to).toBeGreaterThan(9000);
    pieces.forEach(({ divergence, from, to }, k) => {
      const moved = k < 16 ? 0 : sumOf(before, ivar, row, 8 * k, 8 * (k + 1)) / sigma;
      expect(Math.abs(divergence - moved ** 2 / 2)).toBeLessThan(2e-3 * (1 + moved ** 2));
      expect(Math.abs(to / from - (9000 / 4000) ** (8 / 255))).toBeLessThan(1e-9);
    });
    expect(value).toEqual(before);
  });
});

describe("states of a network", () => {
  const catalog = toyCatalog(120, "latent");
  const checkpoint = perturb(startCheckpoint(toyCatalog(300, "start"), { templates: 40 }));

  it("are the latent tokens without what carried galaxies say, of mean square 1", async () => {
    const predictor = createPredictor(await onnx, checkpoint);
    const { state, size, principal } = await latentSpace(predictor, catalog, allRows(catalog), bandFlags);
    const { state: whole } = await predictor.network.encode(catalog, allRows(catalog), bandFlags);
    await predictor.dispose();
    expect(size).toBe(checkpoint.config.model.nLatent * checkpoint.config.model.dModel);
    expect(whole.length).toBeGreaterThan(state.length);
    const width = whole.length / catalog.rowCount;
    for (const row of [0, 57, 119]) {
      const own = state.subarray(row * size, (row + 1) * size);
      expect([...own]).toEqual([...whole.subarray(row * width, row * width + size)]);
      expect(own.reduce((sum, x) => sum + x ** 2 / size, 0)).toBeCloseTo(1, 2);
    }
    expect(principal.scores.length).toBe(2 * catalog.rowCount);
    expect(principal.share[0]).toBeGreaterThanOrEqual(principal.share[1]);
  });

  it("stand on the page of look, with probes and what an answer rests on", async () => {
    const root = scratch();
    const at = (name: string): string => join(root, name);
    await saveCheckpoint(at("network"), checkpoint);
    const isBand = toyFields.map((_, j) => j < toyBands);
    const table = catalogTable(catalog, allRows(catalog), { isExact: false, hasError: isBand, hasState: isBand });
    await writeTable(at("own.parquet"), { schema: table.columns.map(schemaOf), metadata: {} }, [table]);
    const network = { checkpoint: at("network"), engine: await onnx };
    const said: string[] = [];
    const bar = { update() {}, stop() {} };
    const reporter = { say: (line: string) => void said.push(line), bar: () => bar };
    const request = { table: at("own.parquet"), out: at("page.html"), network };
    await look({ ...request, latent: { want: "MASS", object: "t7" }, reporter });
    const page = readFileSync(at("page.html"), "utf8");
    for (const words of ["Latent space", "What a straight line reads", "UMAP", "t7: what MASS rests on most"]) {
      expect(page).toContain(words);
    }
    expect(said.join("\n")).toMatch(/ {2}DUST +R2 +-?\d/);
    await expect(look({ ...request, latent: { object: "none" } })).rejects.toThrow(/--object none: no such id/);
    await expect(look({ ...request, latent: { want: "z,MASS" } })).rejects.toThrow(/--want z,MASS: expected one field/);
    await expect(look({ ...request, latent: { given: "UW" } })).rejects.toThrow(/unknown field "UW"/);
  }, 240_000);
});
