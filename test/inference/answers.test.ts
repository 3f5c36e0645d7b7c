import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pdfColumns, summaryColumns } from "../../src/inference/answers.ts";
import { predictTruths } from "../../src/inference/evaluate.ts";
import { type Answers, createPredictor, type Predictor, readRaw, withoutWanted } from "../../src/inference/predict.ts";
import { sampleJoint } from "../../src/inference/sampling.ts";
import { summarise } from "../../src/inference/summary.ts";
import { fieldDistribution } from "../../src/inference/field-answer.ts";
import { categoryDistribution } from "../../src/model/category.ts";
import { type Distribution, selected } from "../../src/model/distribution.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { type CategoryField, State } from "../../src/survey/field.ts";
import { createFieldCoder } from "../../src/tokens/standardise.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { distance, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

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
function randomMixtures(rowCount: number): Distribution {
  const rng = createRng("mixtures");
  const k = 2;
  const share = Array.from({ length: rowCount }, () => 0.05 + 0.9 * rng.uniform());
  return mixtureDistribution({
    rowCount,
    componentCount: k,
    stride: k,
    weight: Float64Array.from(share.flatMap((w) => [w, 1 - w])),
    mean: Float64Array.from({ length: rowCount * k }, () => rng.normal()),
    sigma: Float64Array.from({ length: rowCount * k }, () => 0.05 + 0.5 * rng.uniform()),
  });
}

const measuredRows = (j: number): number[] =>
  [...allRows(catalog)].filter((row) => catalog.state[row * n + j] === State.measured);

describe("a summary", () => {
  const encoded = randomMixtures(20);
  const rows = Array.from({ length: 20 }, (_, row) => row);
  const cases = every.flatMap((j) =>
    (j < toyBands ? [0, 50] : [0]).map((scale) => ({ name: toyFields[j].name, j, scale })),
  );
  /** The answers for field j at one scale, in its unit, and the share of each row that its range leaves. */
  const asked = (j: number, scale: number) => {
    const scales = new Float64Array(20).fill(scale);
    const [low, high] = toyFields[j].range.map((x) => coder.encode(j, x, scale));
    const kept = rows.map((row) => [encoded.cdf(row, low), encoded.cdf(row, high)] as const);
    return { own: fieldDistribution(coder, { rowCount: 20, wanted: [j], scales, encoded: [encoded] }, 0), kept };
  };

  it.each(cases)("of $name at scale $scale has ordered quantiles of the right probability", ({ j, scale }) => {
    const { own, kept } = asked(j, scale);
    for (const row of rows) {
      const { q05, q16, median, q84, q95 } = summarise(own, row, toyFields[j].kind);
      const [from, to] = kept[row];
      const below = [q05, q16, median, q84, q95].map(
        (x) => (encoded.cdf(row, coder.encode(j, x, scale)) - from) / (to - from),
      );
      [0.05, 0.16, 0.5, 0.84, 0.95].forEach((level, i) => expect(below[i]).toBeCloseTo(level, 6));
      expect([q05, q16, median, q84, q95]).toStrictEqual([q05, q16, median, q84, q95].toSorted((a, b) => a - b));
      expect(q05).toBeGreaterThanOrEqual(toyFields[j].range[0]);
      expect(q95).toBeLessThanOrEqual(toyFields[j].range[1]);
    }
  });

  it.each(cases)("of $name at scale $scale has the mean and deviation of many draws", ({ j, scale }) => {
    const rng = createRng(`draws ${j} ${scale}`);
    const { own } = asked(j, scale);
    const [low, high] = toyFields[j].range;
    for (const row of [0, 7]) {
      const draws = Array.from({ length: 20_000 }, () => coder.decode(j, encoded.sample(row, rng), scale)).filter(
        (x) => x >= low && x <= high,
      );
      const mean = draws.reduce((a, b) => a + b) / draws.length;
      const std = Math.sqrt(draws.reduce((a, x) => a + (x - mean) ** 2, 0) / draws.length);
      const summary = summarise(own, row, toyFields[j].kind);
      expect(Math.abs(summary.mean - mean)).toBeLessThan(0.05 * std);
      expect(Math.abs(summary.std / std - 1)).toBeLessThan(0.05);
    }
  });

  it("of a redshift names its highest peak and the probability around it, nothing else does", () => {
    const { own } = asked(Z, 0);
    for (const row of rows) {
      const { mode, odds } = summarise(own, row, "redshift");
      const height = (z: number): number => own.cdf(row, z + 1e-4) - own.cdf(row, z - 1e-4);
      let top = 0;
      for (let z = 0.001; z < 3; z += 0.002) top = Math.max(top, height(z));
      expect(height(mode!) / top).toBeGreaterThan(mode! < 1e-3 ? 0.45 : 0.95); // half of the window lies below 0
      const reach = 0.03 * (1 + mode!);
      expect(odds).toBeCloseTo(own.cdf(row, mode! + reach) - own.cdf(row, mode! - reach), 9);
      expect(odds).toBeGreaterThan(0);
      expect(odds).toBeLessThanOrEqual(1);
      expect(summarise(own, row, "log")).not.toHaveProperty("odds");
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
    const columns = summaryColumns(coder, answers);
    const names = columns.map(({ name }) => name);
    expect(names.slice(0, 9).join()).toBe("z_mean,z_median,z_std,z_q05,z_q16,z_q84,z_q95,z_mode,z_odds");
    expect(names.slice(9)).toStrictEqual(
      ["G", "LINE"].flatMap((f) => ["mean", "median", "std", "q05", "q16", "q84", "q95"].map((s) => `${f}_${s}`)),
    );
    const of = (name: string): Float32Array => columns.find((column) => column.name === name)!.data as Float32Array;
    for (const i of [0, 17, 299]) {
      wanted.forEach((j, w) => {
        const summary = summarise(fieldDistribution(coder, answers, w), i, toyFields[j].kind);
        for (const [name, value] of Object.entries(summary)) {
          expect(of(`${toyFields[j].name}_${name}`)[i]).toBe(Math.fround(value));
        }
      });
    }
    expect(columns.find(({ name }) => name === "G_mean")!.unit).toBe(toyFields[3].unit);
  });

  it("hold the probability of each class, and the most probable one", () => {
    const distribution = categoryDistribution(Float64Array.of(0.7, 0.2, 0.1, 0.1, 0.4, 0.5), 2);
    const classes = ["galaxy", "star", "quasar"];
    const type: CategoryField = {
      id: MASS,
      name: "MASS",
      kind: "category",
      unit: "",
      description: "class",
      range: [0, 2],
      classes,
    };
    const other = createFieldCoder(toyFields.with(MASS, type), checkpoint.config.standardisation);
    const two = { rowCount: 2, wanted: [MASS], scales: new Float64Array(2), encoded: [distribution] };
    const columns = summaryColumns(other, two);
    expect(columns.map(({ name }) => name)).toStrictEqual([
      "MASS_p_galaxy",
      "MASS_p_star",
      "MASS_p_quasar",
      "MASS_mode",
    ]);
    expect([...(columns[1].data as Float32Array)]).toStrictEqual([0.2, 0.4].map(Math.fround));
    expect(columns[3].data).toStrictEqual(["galaxy", "quasar"]);
  });

  it("hold densities that integrate to one, in the field's unit", () => {
    const points = 400;
    const columns = pdfColumns(coder, answers, { points });
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
        for (const [w, v] of [
          [0, 1],
          [1, 0],
        ]) {
          const [own, same] = [new Float64Array(3), new Float64Array(3)];
          some.encoded[w].quantiles(i, [0.1, 0.5, 0.9], own);
          all.encoded[v].quantiles(row, [0.1, 0.5, 0.9], same);
          expect(distance(own, same)).toBeLessThan(1e-4);
        }
        expect(some.scales[i]).toBe(all.scales[row]);
      });
    }
  });

  it("of nothing is nothing", async () => {
    const none = await predictor.predict(catalog, new Int32Array(0), bands, [Z]);
    expect([none.rowCount, none.encoded[0].rowCount, none.scales.length]).toStrictEqual([0, 0, 0]);
  });

  it("doesn't look at what isn't given, the asked value above all", async () => {
    const before = await predictor.predict(catalog, allRows(catalog), given(0, 1), [Z, 4]);
    const other = { ...catalog, value: catalog.value.map((x, at) => (at % n < 2 ? x : x + 3)) };
    const after = await predictor.predict(other, allRows(other), given(0, 1), [Z, 4]);
    const medians = ({ encoded }: Answers): number[] => {
      const out = new Float64Array(1);
      return encoded.flatMap((of) =>
        Array.from({ length: of.rowCount }, (_, row) => {
          of.quantiles(row, [0.5], out);
          return out[0];
        }),
      );
    };
    expect(medians(after)).toStrictEqual(medians(before));
    expect(after.scales).toStrictEqual(before.scales);
  });
});

describe("joint samples", () => {
  it("have the marginal of the first field, and follow it with the others", async () => {
    const draws = 3000;
    const { encoded, values } = await sampleJoint(predictor, catalog, [4], bands, [Z, MASS, 3], draws, () =>
      createRng("joint"),
    );
    const { network } = predictor;
    const isGiven = withoutWanted(bands, [Z, MASS, 3]);
    const states = await network.encode(catalog, [4], isGiven);
    const [{ family, raw: marginal }] = await network.read(states, [Z]);
    const first = await network.chain(states, Int32Array.of(0), 1, ({ ask }) => ask({ field: Z, marginal }));
    const distribution = readRaw(family, first);
    const below = distribution.cdf(0, predictor.coder.encode(Z, toyFields[Z].range[0], 0));
    const pits = Array.from({ length: draws }, (_, i) => {
      const u = distribution.cdf(0, encoded[3 * i]);
      return (u - below) / (1 - below);
    }).sort((a, b) => a - b);
    const distances = pits.map((u, i) => Math.max(u - i / draws, (i + 1) / draws - u));
    expect(Math.max(...distances)).toBeLessThan(1.95 / Math.sqrt(draws)); // Kolmogorov & Smirnov, 0.1 %
    for (const i of [0, 5, 99]) {
      [Z, MASS, 3].forEach((j, w) =>
        expect(values[3 * i + w] / coder.decode(j, encoded[3 * i + w], states.scales[0])).toBeCloseTo(1, 4),
      );
    }
  });

  it("depend on the stream alone", async () => {
    const draw = (seed: string): ReturnType<typeof sampleJoint> =>
      sampleJoint(predictor, catalog, [9], bands, [Z, LINE], 50, () => createRng(seed));
    expect(await draw("a")).toStrictEqual(await draw("a"));
    expect((await draw("a")).encoded).not.toStrictEqual((await draw("b")).encoded);
  });
});

describe("answers beside truths", () => {
  it("take measured truths only, hide what is asked even where the question gives it, and widen answers by the truth's error", async () => {
    const rows = allRows(catalog);
    const question = { title: "all", isGiven: given(...every), wanted: [Z, 3] };
    const answers = await predictTruths(predictor, catalog, rows, question);
    let compared = 0;
    for (const j of question.wanted) {
      const { rows: scored, predictions } = answers.get(toyFields[j].name)!;
      expect([...scored]).toStrictEqual(measuredRows(j));
      const honest = await predictor.predict(
        catalog,
        scored,
        given(...every.filter((i) => !question.wanted.includes(i))),
        [j],
      );
      const [low, high] = toyFields[j].range;
      scored.forEach((row, i) => {
        if (i % 20 !== 0) return;
        const x = catalog.value[row * n + j];
        const scale = honest.scales[i];
        const error = coder.encodeError(j, x, catalog.error[row * n + j], scale);
        const own = selected(honest.encoded[0], [i]);
        const [from, to] = [low, high].map((bound) => own.cdf(0, coder.encode(j, bound, scale)));
        expect(predictions.truth[i]).toBe(x);
        // Where the range cuts nothing off, the answer is the network's, seen through the error.
        if (to - from < 1 - 1e-9) return;
        compared++;
        expect(predictions.pit[i]).toBeCloseTo(own.widen(() => error).cdf(0, coder.encode(j, x, scale)), 6);
      });
    }
    expect(compared).toBeGreaterThan(5);
  });

  it("leave out a field that is never measured", async () => {
    const blind = { ...catalog, state: catalog.state.map((s, at) => (at % n === Z ? State.notObserved : s)) };
    const question = { title: "z", isGiven: bands, wanted: [Z, MASS] };
    const answers = await predictTruths(predictor, blind, allRows(blind), question);
    expect([...answers.keys()]).toStrictEqual(["MASS"]);
  });
});
