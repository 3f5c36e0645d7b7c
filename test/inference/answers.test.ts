import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pdfColumns, summaryColumns } from "../../src/inference/answers.ts";
import { predictTruths } from "../../src/inference/evaluate.ts";
import { type Answers, createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { sampleJoint } from "../../src/inference/sampling.ts";
import { summarise } from "../../src/inference/summary.ts";
import { type Mixtures, mixtureCdf } from "../../src/model/mixture.ts";
import { createRng, type Rng } from "../../src/random.ts";
import { State } from "../../src/survey/field.ts";
import { createFieldCoder } from "../../src/tokens/standardise.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { distance, allRows, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const n = toyFields.length;
const catalog = toyCatalog(300);
const checkpoint = perturb(startCheckpoint(catalog), 0.1);
const coder = createFieldCoder(toyFields, checkpoint.config.standardisation);
const every = Array.from({ length: n }, (_, j) => j);
const [Z, MASS, LINE] = [6, 7, 9];
const given = (...fields: number[]): Uint8Array => Uint8Array.from(every, (j) => Number(fields.includes(j)));
const bands = given(0, 1, 2, 3, 4, 5);

let predictor: Predictor;
beforeAll(async () => {
  predictor = createPredictor(await onnx, checkpoint);
});
afterAll(() => predictor.dispose());

/** Mixtures of two components at random places, one per seed. */
function randomMixtures(rowCount: number): Mixtures {
  const rng = createRng("mixtures");
  const k = 2;
  const share = Array.from({ length: rowCount }, () => 0.05 + 0.9 * rng.uniform());
  return {
    rowCount,
    componentCount: k,
    stride: k,
    weight: Float64Array.from(share.flatMap((w) => [w, 1 - w])),
    mean: Float64Array.from({ length: rowCount * k }, () => rng.normal()),
    sigma: Float64Array.from({ length: rowCount * k }, () => 0.05 + 0.5 * rng.uniform()),
  };
}

/** One draw: a component by its weight, then a Gaussian. */
function drawOne(m: Mixtures, row: number, rng: Rng): number {
  const at = row * m.stride + (rng.uniform() < m.weight[row * m.stride] ? 0 : 1);
  return m.mean[at] + m.sigma[at] * rng.normal();
}

const measuredRows = (j: number): number[] =>
  [...allRows(catalog)].filter((row) => catalog.state[row * n + j] === State.measured);

describe("a summary", () => {
  const mixtures = randomMixtures(20);
  const rows = Array.from({ length: 20 }, (_, row) => row);
  const cases = every.flatMap((j) =>
    (j < toyBands ? [0, 50] : [0]).map((scale) => ({ name: toyFields[j].name, j, scale })),
  );

  it.each(cases)("of $name at scale $scale has ordered quantiles of the right probability", ({ j, scale }) => {
    for (const row of rows) {
      const { q05, q16, median, q84, q95 } = summarise(mixtures, row, coder, j, scale);
      const below = [q05, q16, median, q84, q95].map((x) => mixtureCdf(mixtures, row, coder.encode(j, x, scale)));
      [0.05, 0.16, 0.5, 0.84, 0.95].forEach((level, i) => expect(below[i]).toBeCloseTo(level, 6));
      expect([q05, q16, median, q84, q95]).toStrictEqual([q05, q16, median, q84, q95].toSorted((a, b) => a - b));
    }
  });

  it.each(cases)("of $name at scale $scale has the mean and deviation of many draws", ({ j, scale }) => {
    const rng = createRng(`draws ${j} ${scale}`);
    for (const row of [0, 7]) {
      const draws = Array.from({ length: 20_000 }, () => coder.decode(j, drawOne(mixtures, row, rng), scale));
      const mean = draws.reduce((a, b) => a + b) / draws.length;
      const std = Math.sqrt(draws.reduce((a, x) => a + (x - mean) ** 2, 0) / draws.length);
      const summary = summarise(mixtures, row, coder, j, scale);
      expect(Math.abs(summary.mean - mean)).toBeLessThan(0.05 * std);
      expect(Math.abs(summary.std / std - 1)).toBeLessThan(0.05);
    }
  });

  it("of a redshift names its highest peak and the probability around it, nothing else does", () => {
    for (const row of rows) {
      const { mode, odds } = summarise(mixtures, row, coder, Z, 0);
      const height = (z: number): number => {
        const [low, high] = [z - 1e-4, z + 1e-4].map((x) => mixtureCdf(mixtures, row, coder.encode(Z, x, 0)));
        return (high - low) * (1 + z); // per unit of the encoded value
      };
      let top = 0;
      for (let z = -0.3; z < 3; z += 0.002) top = Math.max(top, height(z));
      expect(height(mode!) / top).toBeGreaterThan(0.95);
      const reach = 0.03 * (1 + mode!);
      const [low, high] = [mode! - reach, mode! + reach].map((x) => mixtureCdf(mixtures, row, coder.encode(Z, x, 0)));
      expect(odds).toBeCloseTo(high - low, 9);
      expect(odds).toBeGreaterThan(0);
      expect(odds).toBeLessThanOrEqual(1);
      expect(summarise(mixtures, row, coder, MASS, 0)).not.toHaveProperty("odds");
    }
  });
});

describe("answer columns", () => {
  let answers: Answers;
  const wanted = [Z, 3, LINE];
  beforeAll(async () => {
    answers = await predictor.predict(catalog, allRows(catalog), given(0, 1, 2), wanted);
  });

  it("hold the summaries of each row, by name and with units", () => {
    const columns = summaryColumns(coder, answers, wanted);
    const names = columns.map(({ name }) => name);
    expect(names.slice(0, 9).join()).toBe("z_mean,z_median,z_std,z_q05,z_q16,z_q84,z_q95,z_mode,z_odds");
    expect(names.slice(9)).toStrictEqual(
      ["G", "LINE"].flatMap((f) => ["mean", "median", "std", "q05", "q16", "q84", "q95"].map((s) => `${f}_${s}`)),
    );
    const of = (name: string): Float32Array => columns.find((column) => column.name === name)!.data as Float32Array;
    for (const i of [0, 17, 299]) {
      expect(of("G_median")[i]).toBe(
        Math.fround(summarise(answers.mixtures, i * 3 + 1, coder, 3, answers.scales[i]).median),
      );
      expect(of("LINE_q05")[i]).toBe(
        Math.fround(summarise(answers.mixtures, i * 3 + 2, coder, LINE, answers.scales[i]).q05),
      );
    }
    expect(columns.find(({ name }) => name === "G_mean")!.unit).toBe(toyFields[3].unit);
  });

  it("hold densities that integrate to one, in the field's unit", () => {
    const points = 400;
    const columns = pdfColumns(coder, answers, wanted, { points });
    expect(columns.map(({ name }) => name)).toStrictEqual([
      "z_grid",
      "z_pdf",
      "G_grid",
      "G_pdf",
      "LINE_grid",
      "LINE_pdf",
    ]);
    for (let c = 0; c < columns.length; c += 2) {
      const [grid, pdf] = [columns[c].data as Float32Array, columns[c + 1].data as Float32Array];
      for (let i = 0; i < 300; i += 10) {
        let area = 0;
        for (let p = i * points + 1; p < (i + 1) * points; p++) {
          area += 0.5 * (pdf[p] + pdf[p - 1]) * (grid[p] - grid[p - 1]);
        }
        expect(area).toBeCloseTo(0.999, 2);
      }
    }
  });
});

describe("a prediction", () => {
  it("is the same alone, among others, and in any batch", async () => {
    const all = await predictor.predict(catalog, allRows(catalog), bands, [Z, MASS]);
    for (const rows of [[7], [7, 250, 3], [299, 7]]) {
      const some = await predictor.predict(catalog, Int32Array.from(rows), bands, [MASS, Z]);
      rows.forEach((row, i) => {
        const k = some.mixtures.componentCount;
        for (const [w, v] of [
          [0, 1],
          [1, 0],
        ]) {
          const own = some.mixtures.mean.subarray((2 * i + w) * k, (2 * i + w + 1) * k);
          const same = all.mixtures.mean.subarray((2 * row + v) * k, (2 * row + v + 1) * k);
          expect(distance(own, same)).toBeLessThan(1e-4);
        }
        expect(some.scales[i]).toBe(all.scales[row]);
      });
    }
  });

  it("of nothing is nothing", async () => {
    const none = await predictor.predict(catalog, new Int32Array(0), bands, [Z]);
    expect([none.mixtures.rowCount, none.scales.length]).toStrictEqual([0, 0]);
  });

  it("doesn't look at what isn't given, the asked value above all", async () => {
    const before = await predictor.predict(catalog, allRows(catalog), given(0, 1), [Z, 4]);
    const other = { ...catalog, value: catalog.value.map((x, at) => (at % n < 2 ? x : x + 3)) };
    const after = await predictor.predict(other, allRows(other), given(0, 1), [Z, 4]);
    expect(after).toStrictEqual(before);
  });
});

describe("joint samples", () => {
  it("have the marginal of the first field, and follow it with the others", async () => {
    const draws = 3000;
    const { encoded, values } = await sampleJoint(
      predictor,
      catalog,
      4,
      bands,
      [Z, MASS, 3],
      draws,
      createRng("joint"),
    );
    const first = await predictor.predictNext(catalog, Int32Array.of(4), bands, [Z], new Float32Array(0));
    const pits = Array.from({ length: draws }, (_, i) => mixtureCdf(first.mixtures, 0, encoded[3 * i])).sort(
      (a, b) => a - b,
    );
    const distances = pits.map((u, i) => Math.max(u - i / draws, (i + 1) / draws - u));
    expect(Math.max(...distances)).toBeLessThan(1.95 / Math.sqrt(draws)); // Kolmogorov & Smirnov, 0.1 %
    for (const i of [0, 5, 99]) {
      [Z, MASS, 3].forEach((j, w) =>
        expect(values[3 * i + w] / coder.decode(j, encoded[3 * i + w], first.scales[0])).toBeCloseTo(1, 4),
      );
    }
  });

  it("depend on the stream alone", async () => {
    const draw = (seed: string): ReturnType<typeof sampleJoint> =>
      sampleJoint(predictor, catalog, 9, bands, [Z, LINE], 50, createRng(seed));
    expect(await draw("a")).toStrictEqual(await draw("a"));
    expect((await draw("a")).encoded).not.toStrictEqual((await draw("b")).encoded);
  });
});

describe("answers beside truths", () => {
  it("take measured truths only, hide what is asked even where the question gives it, and widen answers by the truth's error", async () => {
    const rows = allRows(catalog);
    const question = { title: "all", isGiven: given(...every), wanted: [Z, 3] };
    const answers = await predictTruths(predictor, catalog, rows, question);
    for (const j of question.wanted) {
      const { rows: scored, predictions } = answers.get(toyFields[j].name)!;
      expect([...scored]).toStrictEqual(measuredRows(j));
      const honest = await predictor.predict(
        catalog,
        scored,
        given(...every.filter((i) => !question.wanted.includes(i))),
        [j],
      );
      const k = honest.mixtures.componentCount;
      scored.forEach((row, i) => {
        if (i % 20 !== 0) return;
        const x = catalog.value[row * n + j];
        const error = coder.encodeError(j, x, catalog.error[row * n + j], honest.scales[i]);
        const wide: Mixtures = {
          ...honest.mixtures,
          sigma: honest.mixtures.sigma.map((s, c) => (Math.floor(c / k) === i ? Math.hypot(s, error) : s)),
        };
        expect(predictions.truth[i]).toBe(x);
        expect(predictions.pit[i]).toBeCloseTo(mixtureCdf(wide, i, coder.encode(j, x, honest.scales[i])), 6);
      });
    }
  });

  it("leave out a field that is never measured", async () => {
    const blind = { ...catalog, state: catalog.state.map((s, at) => (at % n === Z ? State.notObserved : s)) };
    const question = { title: "z", isGiven: bands, wanted: [Z, MASS] };
    const answers = await predictTruths(predictor, blind, allRows(blind), question);
    expect([...answers.keys()]).toStrictEqual(["MASS"]);
  });
});
