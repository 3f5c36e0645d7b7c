import { describe, expect, test } from "vitest";
import { adviceOf, type AdviceQuestion, spreadOf, usualError } from "../../src/inference/advice.ts";
import type { Answers } from "../../src/inference/predict.ts";
import { categoryDistribution } from "../../src/model/category.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { type CategoryField, type ScalarField, State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { fitStandardisation } from "../../src/tokens/standardise.ts";
import type { NetworkCoder } from "../../src/train/config.ts";
import { createFieldCoder } from "../../src/tokens/standardise.ts";
import { condition } from "../helpers/gaussian.ts";

/** Five numbers, jointly Gaussian: every conditional is known, and with it what each would tell of another. */
const names = ["a", "b", "c", "d", "y"];
const fields = names.map((name, id): ScalarField => ({
  id,
  name,
  description: name,
  kind: "linear",
  unit: "",
  range: [-1e6, 1e6],
}));
const n = fields.length;
const loadings = [
  [1, 0.2, 0],
  [0.3, 1, 0],
  [0, 0.5, 1],
  [0.1, 0, 0.2],
  [1, 1, 0.7],
];
const covariance = loadings.map((u, i) =>
  loadings.map((v, j) => u.reduce((sum, x, k) => sum + x * v[k], i === j ? 0.1 : 0)),
);
const world = { fields, covariance, noises: fields.map(() => [0]) };

/** Galaxies in which all is observed with error 0.2. */
function sample(rowCount: number): Catalog {
  const rng = createRng("advice");
  const value = new Float32Array(rowCount * n);
  for (let row = 0; row < rowCount; row++) {
    const own = [rng.normal(), rng.normal(), rng.normal()];
    loadings.forEach((u, j) => {
      const clean = u.reduce((sum, x, k) => sum + x * own[k], Math.sqrt(0.1) * rng.normal());
      value[row * n + j] = clean + (j === 4 ? 0 : 0.2 * rng.normal());
    });
  }
  const ids = Array.from({ length: rowCount }, (_, row) => `g${row}`);
  const error = Float32Array.from(value, (_, at) => (at % n === 4 ? 0 : 0.2));
  const state = new Uint8Array(value.length).fill(State.measured);
  return { fields, rowCount, objectId: ids, parentId: ids, value, error, state };
}

const catalog = sample(300);
const coder = createFieldCoder(fields, fitStandardisation(catalog, allRows(catalog))) as NetworkCoder;

/** Who answers exactly. */
const exact = {
  coder,
  predict(from: Catalog, rows: ArrayLike<number>, isGiven: Uint8Array, wanted: readonly number[]): Promise<Answers> {
    const all = Array.from(rows, (row) => {
      const at = (j: number): number => row * n + j;
      const known = names.flatMap((_, j) =>
        isGiven[j] === 1 && !wanted.includes(j) && from.state[at(j)] !== State.notObserved ? [j] : [],
      );
      return condition(
        world,
        known,
        wanted,
        (j) => from.value[at(j)],
        (j) => from.error[at(j)],
      );
    });
    const encoded = wanted.map((j, w) =>
      mixtureDistribution({
        rowCount: rows.length,
        componentCount: 1,
        stride: 1,
        weight: new Float64Array(rows.length).fill(1),
        mean: Float64Array.from(all, ({ mean }) => coder.encode(j, mean[w], 0)),
        sigma: Float64Array.from(all, (one) => coder.encodeError(j, 0, Math.sqrt(one.covariance[w][w]), 0)),
      }),
    );
    return Promise.resolve({ rowCount: rows.length, wanted, scales: new Float64Array(rows.length), encoded });
  },
};

const variance = (known: readonly number[], error: number): number =>
  condition(
    world,
    known,
    [4],
    () => 0,
    () => error,
  ).covariance[0][0];
const question: AdviceQuestion = {
  isGiven: Uint8Array.of(1, 0, 0, 0, 1),
  wanted: [4],
  candidates: [...[0, 1, 2, 3].map((j) => ({ name: names[j], fields: [j] })), { name: "b+c", fields: [1, 2] }],
  draws: 32,
  errors: names.map(() => undefined),
  seed: "1",
};

describe("in a Gaussian world", () => {
  test("a candidate's gain is 0.5 ln of the ratio of variances, a set's too; what is given is no candidate", async () => {
    const advice = await adviceOf(exact, catalog, [0], question);
    expect(advice.map(({ candidate }) => candidate)).toEqual(["b+c", "c", "b", "d"]);
    for (const { candidate, gain, width, widthNow } of advice) {
      const known = [0, ...candidate.split("+").map((name) => names.indexOf(name))];
      expect(gain).toBeCloseTo(0.5 * Math.log(variance([0], 0.2) / variance(known, 0.2)), 3);
      // the 84th percentile of a Gaussian is 0.99446 sigma away
      expect(width / (2 * 0.99446 * Math.sqrt(variance(known, 0.2)))).toBeCloseTo(1, 2);
      expect(widthNow / (2 * 0.99446 * Math.sqrt(variance([0], 0.2)))).toBeCloseTo(1, 2);
    }
  });

  test("an error that is told counts", async () => {
    const errors = names.map((_, j) => (j === 1 ? 2 : undefined));
    const [told] = await adviceOf(exact, catalog, [0], { ...question, candidates: [question.candidates[1]], errors });
    const { covariance: less } = condition(
      world,
      [0, 1],
      [4],
      () => 0,
      (j) => (j === 1 ? 2 : 0.2),
    );
    expect(told.gain).toBeCloseTo(0.5 * Math.log(variance([0], 0.2) / less[0][0]), 3);
  });

  test("what was told where the table has it agrees on average, in entropy and in the score of the truth", async () => {
    const advice = await adviceOf(exact, catalog, allRows(catalog), { ...question, draws: 4 });
    for (const { gain, realised, rows } of advice) {
      expect([rows, realised!.rows]).toEqual([300, 300]);
      expect(realised!.gain).toBeCloseTo(gain, 3);
      expect(Math.abs(realised!.score - gain)).toBeLessThan(4 * realised!.scoreError);
      expect(realised!.scoreError).toBeGreaterThan(0);
    }
  });
});

test("entropies: of Gaussians they differ by ln of the ratio, of classes they are exact", () => {
  const gaussians = mixtureDistribution({
    rowCount: 2,
    componentCount: 1,
    stride: 1,
    weight: Float64Array.of(1, 1),
    mean: Float64Array.of(3, -1),
    sigma: Float64Array.of(1, 5),
  });
  const [one, five] = [0, 1].map((row) => spreadOf(gaussians, row, fields[0]));
  expect(five.entropy - one.entropy).toBeCloseTo(Math.log(5), 6);
  expect(five.width).toBeCloseTo(10 * 0.99446, 1);
  const base = { id: 9, name: "kind", description: "kind", unit: "", range: [0, 1] as const };
  const kind: CategoryField = { ...base, kind: "category", classes: ["p", "q"] };
  const { entropy, width } = spreadOf(categoryDistribution(Float64Array.of(0.2, 0.8), 1), 0, kind);
  expect(entropy).toBeCloseTo(-0.2 * Math.log(0.2) - 0.8 * Math.log(0.8), 12);
  expect(width).toBeNaN();
});

test("usual errors: a band's depth, and its zero-point for the bright; widths; what is exact", () => {
  const survey = loadSurvey("minijpas");
  const of = (name: string) => survey.fields.find((field) => field.name === name)!;
  const band = of("rSDSS");
  const depth = band.band!.depth.toSorted((a, b) => a - b)[band.band!.depth.length >> 1];
  // f_lambda of the 5 sigma depth, in 1e-19 erg/s/cm2/A
  const flux = (10 ** (-0.4 * (depth + 48.6)) * 2.99792458e18) / band.band!.pivot ** 2 / 1e-19;
  expect(usualError(band, 0) / (flux / 5)).toBeCloseTo(1, 3);
  expect(usualError(band, 1e6)).toBeGreaterThan(1e3);
  expect(usualError(of("HALPHA_EW"), 30)).toBeCloseTo(Math.hypot(1, 3), 12);
  expect(usualError(of("z"), 0.3)).toBe(0);
});
