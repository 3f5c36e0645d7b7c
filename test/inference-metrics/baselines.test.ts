import { cholesky, choleskySolve } from "../../src/train/cholesky.ts";
import { describe, expect, test } from "vitest";
import { createEngine } from "../../src/engine/engine.ts";
import { gramMatrix, leadingDirections, project, traceOfInverse } from "../../src/inference/baseline-matrix.ts";
import { baselines } from "../../src/inference/baselines.ts";
import type { TrainingSet } from "../../src/inference/baseline-labels.ts";
import type { Baseline, BaselineName } from "../../src/inference/baselines.ts";
import { scoreDistribution } from "../../src/inference/metrics-score.ts";
import { scoreField } from "../../src/inference/metrics.ts";
import type { FieldScore } from "../../src/inference/metrics.ts";
import { createRng } from "../../src/random.ts";

const engine = await createEngine({ threads: 1 });

const P = 6;
const TRUE_WEIGHTS = [1, -2, 0.5, 0, 0, 3];
const NOISE = 0.4;
/** Variance of the label: features are independent, of unit variance. */
const LABEL_STD = Math.sqrt(1 + 4 + 0.25 + 9 + NOISE ** 2);

function linearGaussian(n: number, seed: string): TrainingSet {
  const rng = createRng(seed);
  const x = Float32Array.from({ length: n * P }, () => rng.normal());
  const y = Float32Array.from({ length: n }, (_, i) =>
    TRUE_WEIGHTS.reduce((sum, w, j) => sum + w * x[i * P + j], 5 + NOISE * rng.normal()),
  );
  return { x, y, featureCount: P };
}

async function score(baseline: Baseline, train: TrainingSet, test: TrainingSet): Promise<Required<FieldScore>> {
  const fitted = await baseline.fit(train, { rng: createRng("fit"), engine });
  const predictions = scoreDistribution(await fitted.predict(test.x), test.y);
  return scoreField(predictions, "linear", { rng: createRng("boot"), resamples: 0 }) as Required<FieldScore>;
}

const train = linearGaussian(4000, "train");
const held = linearGaussian(2000, "test");

describe("linear-Gaussian truth", () => {
  test("trainZ: CRPS sigma / sqrt(pi), NLL log(sigma sqrt(2 pi e)), calibrated", async () => {
    const s = await score(baselines.trainZ, train, held);
    expect(s.crps.value / (LABEL_STD / Math.sqrt(Math.PI))).toBeCloseTo(1, 1);
    expect(Math.abs(s.negLogLik.value - Math.log(LABEL_STD * Math.sqrt(2 * Math.PI * Math.E)))).toBeLessThan(0.03);
    expect(Math.abs(s.coverage68.value - 0.68)).toBeLessThan(0.03);
  });
  test("ridge reaches the noise: sigma, CRPS, likelihood, coverage", async () => {
    const s = await score(baselines.ridge, train, held);
    expect(s.rmse.value / NOISE).toBeCloseTo(1, 1);
    expect(Math.abs(s.crps.value / (NOISE / Math.sqrt(Math.PI)) - 1)).toBeLessThan(0.05);
    expect(Math.abs(s.negLogLik.value - Math.log(NOISE * Math.sqrt(2 * Math.PI * Math.E)))).toBeLessThan(0.05);
    expect(Math.abs(s.coverage90.value - 0.9)).toBeLessThan(0.025);
  });
  test("ridge recovers the weights", async () => {
    const fitted = await baselines.ridge.fit(train, { rng: createRng("") });
    const probes = Float32Array.from({ length: (P + 1) * P }, (_, i) =>
      i >= P && (i % P) + 1 === Math.floor(i / P) ? 1 : 0,
    );
    const answers = await fitted.predict(probes);
    const mean = Array.from({ length: P + 1 }, (_, row) => answers.moments(row).mean);
    expect(mean[0]).toBeCloseTo(5, 1);
    TRUE_WEIGHTS.forEach((w, j) => expect(Math.abs(mean[j + 1] - mean[0] - w)).toBeLessThan(0.04));
    expect(fitted.chosen.sigma).toBeCloseTo(NOISE, 1);
  });
  test.each(Object.keys(baselines) as BaselineName[])(
    "%s: proper, calibrated, never worse than trainZ",
    async (name) => {
      const s = await score(baselines[name], train, held);
      const marginal = await score(baselines.trainZ, train, held);
      expect(s.crps.value).toBeLessThanOrEqual(marginal.crps.value);
      expect(Math.abs(s.coverage68.value - 0.68)).toBeLessThan(0.12);
      expect(Number.isFinite(s.negLogLik.value)).toBe(true);
    },
  );
});

describe("beyond a straight line", () => {
  const curved = (n: number, seed: string): TrainingSet => {
    const rng = createRng(seed);
    const x = Float32Array.from({ length: n * 2 }, () => rng.normal());
    return {
      x,
      featureCount: 2,
      y: Float32Array.from({ length: n }, (_, i) => x[2 * i] * x[2 * i + 1] + 0.1 * rng.normal()),
    };
  };
  test("products are found by the quadratic ridge, neighbours and trees, not by the linear one", async () => {
    const [a, b] = [curved(3000, "a"), curved(1000, "b")];
    expect((await score(baselines.ridge, a, b)).rmse.value).toBeGreaterThan(0.8);
    expect((await score(baselines.ridgeQuadratic, a, b)).rmse.value).toBeLessThan(0.2);
    expect((await score(baselines.knn, a, b)).rmse.value).toBeLessThan(0.3);
    expect((await score(baselines.trees, a, b)).rmse.value).toBeLessThan(0.4);
  });
});

describe("awkward input", () => {
  const likeNetwork: readonly string[] = ["gaussian", "fiveTargets"]; // its code, and the time that it takes
  test.each((Object.keys(baselines) as BaselineName[]).filter((name) => !likeNetwork.includes(name)))(
    "%s: constant features and labels, more features than rows",
    async (name) => {
      const rng = createRng(name);
      const x = Float32Array.from({ length: 8 * 20 }, (_, i) => (i % 20 === 3 ? 7 : rng.normal()));
      for (const y of [new Float32Array(8).fill(2), Float32Array.from({ length: 8 }, () => rng.normal())]) {
        const fitted = await baselines[name].fit({ x, y, featureCount: 20 }, { rng, engine });
        const s = scoreDistribution(await fitted.predict(x), y);
        expect([...Array.from(s.crps), ...Array.from(s.negLogLik)].every(Number.isFinite)).toBe(true);
      }
    },
  );
  test("neighbours are chosen without the parent's other draws", async () => {
    // Labels are noise, but the four draws of a parent share it: within a parent k = 4 looks perfect, across parents only a wide answer is right.
    const rng = createRng("parents");
    const n = 1200;
    const parent = Array.from({ length: n }, (_, i) => i >> 2);
    const [home, label] = [0, 1].map(() => Array.from({ length: n / 4 }, () => rng.normal()));
    const data = {
      x: Float32Array.from(parent, (id) => home[id] + 1e-6 * rng.normal()),
      y: Float32Array.from(parent, (id) => label[id]),
      featureCount: 1,
    };
    const blind = await baselines.knn.fit(data, { rng });
    const honest = await baselines.knn.fit({ ...data, parent }, { rng });
    expect(blind.chosen.k).toBe(4);
    expect(honest.chosen.k).toBeGreaterThanOrEqual(32);
  });
  test("what does not fit is named", async () => {
    const bad = { x: Float32Array.of(1, 2, Number.NaN, 4), y: Float32Array.of(1, 2), featureCount: 2 };
    await expect(baselines.ridge.fit(bad, { rng: createRng("") })).rejects.toThrow("feature 0 of row 1 is NaN");
    await expect(baselines.knn.fit({ ...bad, featureCount: 3 }, { rng: createRng("") })).rejects.toThrow(
      "4 feature values for 2 rows of 3",
    );
    await expect(baselines.trainZ.fit({ ...bad, y: Float32Array.of(1) }, { rng: createRng("") })).rejects.toThrow(
      "1 training rows",
    );
  });
});

describe("matrices", () => {
  const rng = createRng("matrix");
  const n = 23;
  const p = 5;
  const x = Float64Array.from({ length: n * p }, () => rng.normal());
  const gram = gramMatrix(x, n, p);
  test("Gram matrix entry by entry", () => {
    for (let i = 0; i < p; i++) {
      for (let j = 0; j < p; j++) {
        let sum = 0;
        for (let r = 0; r < n; r++) sum += x[r * p + i] * x[r * p + j];
        expect(gram[i * p + j]).toBeCloseTo(sum, 10);
      }
    }
  });
  test("Cholesky solves, and the inverse has its trace", () => {
    const l = cholesky(gram, p);
    let trace = 0;
    for (let i = 0; i < p; i++) {
      const unit = new Float64Array(p);
      unit[i] = 1;
      const column = choleskySolve(l, unit, p);
      trace += column[i];
      project(gram, column, p, p, 1).forEach((value, j) => expect(value).toBeCloseTo(unit[j], 9));
    }
    expect(traceOfInverse(l, p)).toBeCloseTo(trace, 10);
    expect(() => cholesky(Float64Array.of(1, 2, 2, 1), 2)).toThrow("positive definite");
  });
  test("leading directions are eigenvectors, largest first", () => {
    const basis = leadingDirections(gram, p, 2, 400);
    const image = project(gram, basis, p, p, 2);
    const values = [0, 1].map((j) => Math.hypot(...[0, 1, 2, 3, 4].map((i) => image[i * 2 + j])));
    expect(values[0]).toBeGreaterThan(values[1]);
    for (let i = 0; i < p * 2; i++) expect(image[i]).toBeCloseTo(values[i % 2] * basis[i], 4);
  });
});
