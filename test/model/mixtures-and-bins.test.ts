import { describe, expect, it } from "vitest";
import { categoryDistribution } from "../../src/model/category.ts";
import { curveAt, curveInverse, logSlopeAt } from "../../src/model/curve.ts";
import { histogramDistribution } from "../../src/model/histogram.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { normalCdf, normalDensity } from "../../src/model/normal.ts";
import { createRng } from "../../src/random.ts";
import { dex, histogram, redshift, width } from "../helpers/distributions.ts";

describe("quantiles of mixtures", () => {
  const rng = createRng("quantiles");
  const [rows, k] = [3000, 8];
  const many = (f: () => number) => Float64Array.from({ length: rows * k }, f);
  const raw = many(() => Math.exp(2 * rng.normal()));
  const weight = raw.map((w, i) => {
    const row = raw.subarray(i - (i % k), i - (i % k) + k);
    return w / row.reduce((a, b) => a + b, 0);
  });
  const mean = many(() => rng.normal());
  const sigma = many(() => Math.exp(-2 + 1.2 * rng.normal()));
  const all = mixtureDistribution({ rowCount: rows, componentCount: k, stride: k, weight, mean, sigma });
  const exactCdf = (row: number, v: number): number => {
    let sum = 0;
    for (let i = row * k; i < (row + 1) * k; i++) sum += weight[i] * normalCdf((v - mean[i]) / sigma[i]);
    return sum;
  };

  it("are those of the exact cdf to float32's precision, whatever the components", () => {
    const levels = [1e-9, 1e-4, 0.05, 0.16, 0.5, 0.84, 0.95, 0.9999];
    const out = new Float64Array(levels.length);
    let worst = 0;
    for (let row = 0; row < rows; row++) {
      all.quantiles(row, levels, out);
      levels.forEach((level, i) => {
        worst = Math.max(worst, Math.abs(exactCdf(row, out[i]) - level) / Math.min(level, 1 - level));
      });
    }
    expect(worst).toBeLessThan(6e-8);
  });
  it("and its cdf agree with the exact one", () => {
    for (let row = 0; row < 100; row++) {
      for (let v = -4; v < 4; v += 0.13) expect(Math.abs(all.cdf(row, v) - exactCdf(row, v))).toBeLessThan(1e-11);
    }
  });
  it("don't depend on the other rows", () => {
    const one = mixtureDistribution({
      rowCount: 1,
      componentCount: k,
      stride: k,
      weight: weight.slice(7 * k, 8 * k),
      mean: mean.slice(7 * k, 8 * k),
      sigma: sigma.slice(7 * k, 8 * k),
    });
    const [a, b] = [new Float64Array(2), new Float64Array(2)];
    all.quantiles(6, [0.2, 0.7], a);
    all.quantiles(7, [0.2, 0.7], a);
    one.quantiles(0, [0.2, 0.7], b);
    expect(a).toEqual(b);
    expect(all.mode(7)).toBe(one.mode(0));
  });
});

describe("a histogram", () => {
  it("is exact by hand", () => {
    const h = histogramDistribution({
      rowCount: 1,
      edges: Float64Array.of(0, 1, 3),
      probability: Float64Array.of(0.25, 0.75),
    });
    expect(Math.exp(h.logDensity(0, 0.5))).toBeCloseTo(0.25, 14);
    expect(Math.exp(h.logDensity(0, 2))).toBeCloseTo(0.375, 14);
    expect(h.logDensity(0, 3.01)).toBe(-Infinity);
    expect(h.cdf(0, 2)).toBeCloseTo(0.625, 14);
    expect(h.moments(0).mean).toBeCloseTo(0.25 * 0.5 + 0.75 * 2, 14);
    expect(h.mode(0)).toBe(2);
  });
  it("widens onto its own bins: by much into the ends, by nothing not at all", () => {
    const wide = histogram.widen(() => 1e4);
    expect(wide.cdf(0, -2)).toBeCloseTo(0.5, 3);
    expect(wide.cdf(0, 2)).toBeCloseTo(0.5, 3);
    for (let v = -3; v < 3.5; v += 0.1) expect(histogram.widen(() => 0).cdf(0, v)).toBe(histogram.cdf(0, v));
    // One bin seen through an error: Phi at both of its edges, averaged over the bin
    const one = histogramDistribution({
      rowCount: 1,
      edges: Float64Array.of(-50, 0, 1, 50),
      probability: Float64Array.of(0, 1, 0),
    });
    const s = 0.4;
    let inside = 0;
    for (let x = 0.0005; x < 1; x += 0.001) inside += 0.001 * (normalCdf((1 - x) / s) - normalCdf(-x / s));
    const seen = one.widen(() => s);
    expect(seen.cdf(0, 1) - seen.cdf(0, 0)).toBeCloseTo(inside, 5);
  });
  it("refuses edges that don't increase and probabilities that don't fit", () => {
    const bad = (edges: number[], p: number[]) => () =>
      histogramDistribution({ rowCount: 1, edges: Float64Array.from(edges), probability: Float64Array.from(p) });
    expect(bad([0, 1, 1], [0.5, 0.5])).toThrow("strictly increasing");
    expect(bad([0, 1, 2], [1])).toThrow("1 probabilities, expected 1 rows of 2");
  });
});

describe("a category", () => {
  const c = categoryDistribution(Float64Array.of(0.2, 0.5, 0.3, 1, 0, 0), 2);
  it("has probabilities, a cdf in steps, classes as quantiles", () => {
    expect([0, 1, 2, 3].map((k) => c.probability(0, k))).toEqual([0.2, 0.5, 0.3, 0]);
    expect(Math.exp(c.logDensity(0, 1))).toBeCloseTo(0.5, 14);
    expect(c.logDensity(0, 0.5)).toBe(-Infinity);
    expect([-0.1, 0, 0.9, 1, 2].map((v) => c.cdf(0, v))).toEqual([0, 0.2, 0.2, 0.7, 1]);
    const out = new Float64Array(4);
    c.quantiles(0, [0.1, 0.3, 0.69, 0.71], out);
    expect([...out]).toEqual([0, 1, 1, 2]);
    expect([c.mode(0), c.mode(1)]).toEqual([1, 0]);
    expect(c.moments(0).mean).toBeCloseTo(1.1, 14);
    expect(c.moments(0).std).toBeCloseTo(Math.sqrt(0.49), 12);
    expect(c.widen(() => 3)).toBe(c);
  });
  it("is drawn as often as it is probable", () => {
    const rng = createRng("classes");
    const count = [0, 0, 0];
    for (let i = 0; i < 20_000; i++) count[c.sample(0, rng)]++;
    [0.2, 0.5, 0.3].forEach((p, k) => expect(Math.abs(count[k] / 20_000 - p)).toBeLessThan(0.015));
  });
});

describe("curves", () => {
  it.each([redshift, width, dex])("$shape: inverse and slope", (curve) => {
    for (let v = -3; v < 3; v += 0.7) {
      const x = curveAt(curve, v);
      expect(curveInverse(curve, x)).toBeCloseTo(v, 12);
      expect(Math.exp(logSlopeAt(curve, v))).toBeCloseTo(
        (curveAt(curve, v + 1e-5) - curveAt(curve, v - 1e-5)) / 2e-5,
        6,
      );
    }
  });
  it("an exponential doesn't reach below its offset", () => {
    expect(curveInverse(redshift, -1.2)).toBe(-Infinity);
    expect(normalDensity(0)).toBeCloseTo(0.3989422804014327, 15);
  });
});
