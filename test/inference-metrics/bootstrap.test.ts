import { describe, expect, test } from "vitest";
import {
  bootstrap,
  deviationOf,
  ksOf,
  meanOf,
  medianOf,
  nmadOf,
  normalise,
  type Statistic,
} from "../../src/inference/weighted.ts";
import { createRng } from "../../src/random.ts";
import { quantile } from "../../src/report/statistics.ts";

const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b);
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const median = (values: readonly number[]): number => quantile(sorted(values), 0.5);

/** Each statistic as its name says, of plain values. */
const plain: Record<string, [(values: readonly number[]) => Statistic, (values: readonly number[]) => number]> = {
  mean: [meanOf, mean],
  deviation: [deviationOf, (values) => Math.sqrt(mean(values.map((x) => (x - mean(values)) ** 2)))],
  median: [medianOf, median],
  nmad: [nmadOf, (values) => 1.4826 * median(values.map((x) => Math.abs(x - median(values))))],
  ks: [
    ksOf,
    (values) =>
      sorted(values).reduce((most, x, i) => Math.max(most, (i + 1) / values.length - x, x - i / values.length), 0),
  ],
};

describe("statistics under weights", () => {
  test.each(Object.keys(plain))("%s: whole weights are repeated rows, ties and rows left out among them", (name) => {
    const [of, expected] = plain[name];
    for (let trial = 0; trial < 200; trial++) {
      const rng = createRng(`${name} ${trial}`);
      const n = 1 + rng.integer(12);
      // a few values only, so that some are equal
      const values = Array.from({ length: n }, () => (trial % 2 === 0 ? rng.integer(5) / 5 : rng.uniform()));
      const times = Float64Array.from(values, () => rng.integer(4));
      if (times.every((count) => count === 0)) times[0] = 1;
      const repeated = values.flatMap((x, i) => new Array<number>(times[i]).fill(x));
      normalise(times);
      expect(of(values)(times)).toBeCloseTo(expected(repeated), 12);
    }
  });
});

describe("bootstrap", () => {
  test("rows of a parent are drawn together, as often as there are parents in all", () => {
    const parent = ["a", "b", "a", "c", "b", "a"];
    const own = [1, 2, 3, 1, 1, 1];
    const seen = bootstrap(parent, own, 500, createRng("draws"), (weight) => weight.slice());
    expect(seen).toHaveLength(500);
    for (const weight of seen) expect(weight.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 12);
    const times = seen.map((weight) => {
      const each = weight.map((w, i) => w / own[i]);
      return each.map((t) => (3 * t) / (each[0] + each[1] + each[3])); // as often as three parents in all
    });
    for (const [a, b, a2, c, b2, a3] of times) {
      [a2, a3, b2].forEach((other, i) => expect(other).toBeCloseTo([a, a, b][i], 9));
      for (const count of [a, b, c]) expect(Math.abs(count - Math.round(count))).toBeLessThan(1e-9);
    }
    // counts of one parent of three have variance 2 / 3: the mean of 500 is off by 0.037
    for (const i of [0, 1, 3]) expect(Math.abs(mean(times.map((one) => one[i])) - 1)).toBeLessThan(0.15);
  });
  test("draws without any weight are drawn again", () => {
    const sums = bootstrap([0, 1], [0, 1], 50, createRng("none"), (weight) => Float64Array.of(weight[0] + weight[1]));
    expect(Math.min(...sums.map(([sum]) => sum))).toBeGreaterThan(0);
  });
  test("ends of an interval scatter by little between seeds", () => {
    const rng = createRng("values");
    const values = Float64Array.from({ length: 400 }, () => rng.normal());
    const statistic = meanOf(values);
    const parent = values.map((_, i) => i);
    const lows = Array.from({ length: 20 }, (_, seed) => {
      const draws = bootstrap(parent, undefined, 1000, createRng(`seed ${seed}`), (w) => Float64Array.of(statistic(w)));
      return quantile(Float64Array.from(draws, ([x]) => x).sort(), 0.025);
    });
    // sqrt(p (1 - p) / n) over the density at 1.96 sigma: 0.085 of the mean's error, 1 / sqrt(400)
    expect(Math.sqrt(mean(lows.map((x) => (x - mean(lows)) ** 2))) * 20).toBeLessThan(0.13);
  });
});
