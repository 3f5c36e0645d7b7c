import { describe, expect, test } from "vitest";
import { inProportion, metrics, type Predictions, scoreField } from "../../src/inference/metrics.ts";
import { effectiveCount } from "../../src/inference/weighted.ts";
import { createRng } from "../../src/random.ts";

const COUNT = 400;
const rng = createRng("weights");
const random = (): Float64Array => Float64Array.from({ length: COUNT }, () => rng.uniform());
const predictions: Predictions = {
  truth: random(),
  point: random(),
  pit: random(),
  crps: random(),
  negLogLik: random(),
  halfWidth68: random(),
  width: random(),
  odds: random(),
};
const valuesOf = (p: Predictions, rows?: Int32Array): number[] =>
  Object.values(scoreField(p, "redshift", { rng, resamples: 0, ...(rows === undefined ? {} : { rows }) })).map(
    ({ value }) => value,
  );
const every = Int32Array.from({ length: COUNT }, (_, i) => i);

describe("weights of rows in scores", () => {
  test("of zero leave rows out, in every metric", () => {
    const weight = Float64Array.from(every, (i) => (i < 150 ? 1 : 0));
    const weighted = valuesOf({ ...predictions, weight });
    const alone = valuesOf(predictions, every.subarray(0, 150));
    expect(weighted).toHaveLength(Object.keys(metrics).length);
    // the shares of rows are exact to 1 / 1600
    weighted.forEach((value, i) => expect(Math.abs(value - alone[i])).toBeLessThan(0.02));
  });

  test("all alike change nothing", () => {
    const weight = new Float64Array(COUNT).fill(0.3);
    valuesOf({ ...predictions, weight }).forEach((value, i) => expect(value).toBeCloseTo(valuesOf(predictions)[i], 10));
  });

  test("repeat rows in proportion, to less than one", () => {
    const weight = Float64Array.from(every, (i) => (i % 7) + 0.1);
    const total = weight.reduce((sum, w) => sum + w, 0);
    const counts = new Float64Array(COUNT);
    for (const row of inProportion(every, weight, 3)) counts[row] += 1;
    counts.forEach((count, i) => expect(Math.abs(count - (3 * COUNT * weight[i]) / total)).toBeLessThan(1));
  });

  test("make a bootstrap interval of the weighted value as wide as the effective sample says", () => {
    const weight = Float64Array.from(every, (i) => (i % 10 === 0 ? 9 : 1));
    const widthOf = (p: Predictions): number => {
      const { low, high } = scoreField(p, "log", { rng: createRng("b"), resamples: 300 }).coverage50!;
      return high - low;
    };
    const expected = Math.sqrt(COUNT / effectiveCount(weight));
    expect(expected).toBeGreaterThan(1.5);
    expect(widthOf({ ...predictions, weight }) / widthOf(predictions) / expected).toBeGreaterThan(0.75);
    expect(widthOf({ ...predictions, weight }) / widthOf(predictions) / expected).toBeLessThan(1.3);
  });

  test("effective count: n alike are n, one alone is one", () => {
    expect(effectiveCount([2, 2, 2])).toBeCloseTo(3, 12);
    expect(effectiveCount([0, 5, 0])).toBeCloseTo(1, 12);
    expect(effectiveCount([0, 0])).toBe(0);
  });
});
