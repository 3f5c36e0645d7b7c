import { describe, expect, it } from "vitest";
import { categoryDistribution } from "../../src/model/category.ts";
import { curveAt, curveInverse, logSlopeAt } from "../../src/model/curve.ts";
import { type Curve, type Distribution, perRow, selected } from "../../src/model/distribution.ts";
import { histogramDistribution } from "../../src/model/histogram.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { logNormalBetween, normalCdf, normalDensity } from "../../src/model/normal.ts";
import { truncated } from "../../src/model/truncated.ts";
import { inUnits } from "../../src/model/units.ts";
import { createWarp, reweighted, warped } from "../../src/model/warped.ts";
import { createRng } from "../../src/random.ts";
import { type Case, faultsOf } from "../helpers/judge.ts";

const redshift: Curve = { shape: "exp", factor: 1, rate: 0.2, shift: 0.3, offset: -1 };
const width: Curve = { shape: "sinh", factor: 4, rate: 0.8, shift: 0.4, offset: 0 };
const dex: Curve = { shape: "linear", factor: 1, rate: 0.7, shift: 10, offset: 0 };

const gaussian = (mean: number, sigma: number): Distribution =>
  mixtureDistribution({
    rowCount: 1,
    componentCount: 1,
    stride: 1,
    weight: Float64Array.of(1),
    mean: Float64Array.of(mean),
    sigma: Float64Array.of(sigma),
  });
/** Two rows: overlapping components, and separate ones of very different widths. */
const mixture = mixtureDistribution({
  rowCount: 2,
  componentCount: 3,
  stride: 3,
  weight: Float64Array.of(0.5, 0.3, 0.2, 0.3, 0.6, 0.1),
  mean: Float64Array.of(0, 0.7, -0.4, -2, 1, 1.2),
  sigma: Float64Array.of(0.5, 0.3, 0.9, 0.05, 0.4, 1),
});
const edges = Float64Array.of(-3, -2, -1, -0.5, 0, 0.25, 0.5, 1, 2, 3.5);
const histogram = histogramDistribution({
  rowCount: 1,
  edges,
  probability: Float64Array.of(0.02, 0.05, 0.1, 0.2, 0.25, 0.18, 0.1, 0.06, 0.04),
});
/** u of N(0, 1) to u of N(0, s): the cdf at x of one is that at x / s of the other. */
const stretch = (s: number) => {
  const scores = Array.from({ length: 97 }, (_, i) => i / 8 - 6).filter((x) => Math.abs(x / s) < 7);
  return createWarp([0, ...scores.map(normalCdf), 1], [0, ...scores.map((x) => normalCdf(x / s)), 1], "pchip");
};
const bounds = { low: () => -0.3, high: (row: number) => 1 + row };
const tilted = reweighted(mixture, (_, v) => Math.exp(0.5 * v));

const cases: Record<string, Case> = {
  mixture: { distribution: mixture, range: [-9, 9], curve: redshift, error: 0.4 },
  "mixture, one for all rows": {
    distribution: mixtureDistribution({
      rowCount: 2,
      componentCount: 2,
      stride: 0,
      weight: Float64Array.of(0.4, 0.6),
      mean: Float64Array.of(0, 2),
      sigma: Float64Array.of(0.5, 0.3),
    }),
    range: [-6, 6],
    curve: width,
    error: 0.2,
  },
  histogram: {
    distribution: histogram,
    range: [-3, 3.5],
    jumps: [...edges],
    curve: width,
    error: 0.3,
    isFolded: true,
  },
  "selected rows": { distribution: selected(mixture, [1]), range: [-9, 9], error: 0.1 },
  "truncated mixture": {
    distribution: truncated(mixture, bounds.low, bounds.high),
    range: [-0.3, 2],
    jumps: [1],
    curve: redshift,
    error: 0.2,
    tolerance: 2e-3,
  },
  "truncated mixture, sinh": {
    distribution: truncated(mixture, bounds.low, () => Infinity),
    range: [-0.3, 9],
    curve: width,
  },
  "truncated far outside": {
    distribution: truncated(
      mixture,
      () => -50,
      () => 60,
    ),
    range: [-9, 9],
    error: 0.3,
  },
  "truncated histogram": {
    distribution: truncated(
      histogram,
      () => -0.8,
      () => 0.8,
    ),
    range: [-0.8, 0.8],
    jumps: [...edges],
    curve: redshift,
  },
  "truncated to where nothing is": {
    distribution: truncated(
      gaussian(0, 1),
      () => 9,
      () => 12,
    ),
    range: [9, 12],
    tolerance: 1e-3,
  },
  "redshift of a mixture": {
    distribution: inUnits(mixture, () => redshift),
    range: [-0.9, 6],
    jumps: [0, 1],
    error: 0.05,
    tolerance: 1e-3,
  },
  "width of a mixture": { distribution: inUnits(gaussian(0.2, 0.4), () => width), range: [-20, 40] },
  "mass of a mixture": {
    distribution: inUnits(mixture, () => dex),
    range: [4, 16],
    curve: width,
    tolerance: 1e-4,
    error: 0.2,
  },
  "redshift of a truncated histogram": {
    distribution: truncated(
      inUnits(histogram, () => redshift),
      () => 0,
      () => 7,
    ),
    range: [0, 2.5],
    jumps: Array.from(edges, (v) => curveAt(redshift, v)),
  },
  warped: { distribution: warped(mixture, stretch(1.3)), range: [-9, 9], error: 0.3, tolerance: 2e-3 },
  "warped, straight between knots": {
    distribution: warped(gaussian(0, 1), createWarp([0, 0.3, 0.6, 1], [0, 0.2, 0.7, 1], "linear")),
    range: [-7, 7],
    jumps: [-0.5244005127080407, 0.2533471031357997],
    curve: redshift,
    tolerance: 2e-5,
  },
  reweighted: { distribution: tilted, range: [-9, 9], curve: redshift, error: 0.3, tolerance: 2e-3 },
  "warped, then reweighted, truncated and in units": {
    distribution: truncated(
      inUnits(
        reweighted(warped(mixture, stretch(0.8)), (_, v) => 1 + 0.5 * Math.tanh(v)),
        () => redshift,
      ),
      () => 0,
      () => 7,
    ),
    range: [0, 7],
    error: 0.05,
    tolerance: 3e-3,
  },
};

describe("the judge", () => {
  it.each(Object.entries(cases))("passes %s", (name, of) => {
    expect(faultsOf(name, of)).toEqual([]);
  });

  const base = gaussian(0, 1);
  const own = perRow(1, () => [base, 0]);
  const wrong: Record<string, Partial<Distribution>> = {
    density: { logDensity: (row, v) => base.logDensity(row, v) + 0.01 },
    "cdf is not": { cdf: (row, v) => base.cdf(row, v * 1.01) },
    "cdf falls": { cdf: (row, v) => base.cdf(row, v) + (v > 0.3 && v < 0.4 ? 1e-3 : 0) },
    "quantiles don't": { quantiles: (_row, levels, out) => out.set(Float64Array.from(levels, (_, i) => i - 3)) },
    "samples don't": { sample: (_row, rng) => 1.05 * rng.normal() },
    moments: { moments: () => ({ mean: 0, std: 1.01 }) },
    mode: { mode: () => 0.4 },
    widened: { widen: (error) => base.widen((row) => 1.2 * error(row)) },
  };
  it.each(Object.entries(wrong))("rejects a Gaussian with a wrong %s", (word, part) => {
    const faults = faultsOf("wrong", { distribution: { ...own, ...part }, range: [-8, 8], error: 0.8 });
    expect(faults.join()).toContain(word);
  });
});

describe("against closed forms", () => {
  const same = (a: Distribution, b: Distribution, digits: number, from = -2, to = 3): void => {
    for (let v = from; v <= to; v += 0.25) {
      expect(a.cdf(0, v)).toBeCloseTo(b.cdf(0, v), digits);
      expect(a.logDensity(0, v)).toBeCloseTo(b.logDensity(0, v), digits - 1);
    }
    const [x, y] = [new Float64Array(3), new Float64Array(3)];
    a.quantiles(0, [0.1, 0.5, 0.95], x);
    b.quantiles(0, [0.1, 0.5, 0.95], y);
    x.forEach((value, i) => expect(value).toBeCloseTo(y[i], digits - 1));
  };

  it.each(["linear", "pchip"] as const)("a warp by the identity (%s) changes nothing", (interpolation) => {
    same(warped(mixture, createWarp([0, 0.1, 0.5, 1], [0, 0.1, 0.5, 1], interpolation)), mixture, 10);
  });
  it("a warp turns N(0, 1) into N(0, s)", () => {
    for (const s of [0.7, 1.5]) same(warped(gaussian(0, 1), stretch(s)), gaussian(0, s), 4);
  });
  it("its inverse undoes it, and its derivative is its slope", () => {
    const warp = stretch(1.5);
    for (let u = 0.01; u < 1; u += 0.03) {
      expect(warp.inverse(warp.at(u))).toBeCloseTo(u, 12);
      expect(warp.density(u)).toBeCloseTo((warp.at(u + 1e-6) - warp.at(u - 1e-6)) / 2e-6, 4);
    }
    expect(() => createWarp([0, 0.5, 1], [0, 0.5, 0.9], "linear")).toThrow(
      "knots g must increase strictly from 0 to 1",
    );
    expect(() => createWarp([0, 0.6, 0.6, 1], [0, 0.5, 0.7, 1], "pchip")).toThrow("knots u");
  });
  it("a Gaussian by a Gaussian prior is their product, of a known part of it", () => {
    const [m, s] = [1.5, 0.8];
    const product = gaussian(m / (1 + s * s), s / Math.sqrt(1 + s * s));
    const prior = reweighted(gaussian(0, 1), (_, v) => Math.exp(-0.5 * ((v - m) / s) ** 2));
    same(prior, product, 3);
    // (E r)^2 / E r^2 with both expectations over N(0, 1)
    const mean = (variance: number) => Math.exp((-0.5 * m * m) / (1 + variance)) * Math.sqrt(variance / (1 + variance));
    expect(prior.effectiveFraction(0)).toBeCloseTo(mean(s * s) ** 2 / mean((s * s) / 2), 3);
    expect(reweighted(gaussian(0, 1), () => 3).effectiveFraction(0)).toBeCloseTo(1, 12);
    expect(() => reweighted(gaussian(0, 1), () => -1).cdf(0, 0)).toThrow("row 0 has a ratio");
  });
  it("the moments of a log-normal and a truncated Gaussian", () => {
    const { mean, std } = inUnits(gaussian(0.4, 1.5), () => redshift).moments(0);
    const [mu, s] = [0.2 * 0.4 + 0.3, 0.2 * 1.5];
    expect(mean).toBeCloseTo(Math.exp(mu + 0.5 * s * s) - 1, 12);
    expect(std).toBeCloseTo(Math.exp(mu + 0.5 * s * s) * Math.sqrt(Math.expm1(s * s)), 12);
    const half = truncated(
      gaussian(0, 2),
      () => 0,
      () => Infinity,
    ).moments(0);
    expect(half.mean).toBeCloseTo(2 * Math.sqrt(2 / Math.PI), 12);
    expect(half.std).toBeCloseTo(2 * Math.sqrt(1 - 2 / Math.PI), 12);
  });
  it("the narrowest and the widest answers of a network have finite quantiles and no NaN among their moments", () => {
    for (const sigma of [Math.exp(-7), Math.exp(3)]) {
      const possible = truncated(
        inUnits(gaussian(-3, sigma), () => width),
        () => -100,
        () => 3000,
      );
      const { mean, std } = possible.moments(0);
      expect([mean, std].every(Number.isFinite)).toBe(true);
      expect(mean).toBeGreaterThanOrEqual(-100);
      expect(mean).toBeLessThanOrEqual(3000);
    }
  });
  it("ln(Phi(b) - Phi(a)) in the middle and in the far tails", () => {
    expect(Math.exp(logNormalBetween(-1, 2))).toBeCloseTo(normalCdf(2) - normalCdf(-1), 14);
    expect(Math.exp(logNormalBetween(6, 7))).toBeCloseTo(normalCdf(-6) - normalCdf(-7), 20);
    // Mills' ratio: Phi(-x) = phi(x) / x (1 - 1/x^2 ...)
    expect(logNormalBetween(-Infinity, -50) + 1250 + Math.log(50 * Math.sqrt(2 * Math.PI))).toBeCloseTo(-1 / 2500, 6);
    expect(logNormalBetween(1, 1)).toBe(-Infinity);
  });
});

describe("bounds", () => {
  it("hold every quantile and every draw", () => {
    const rng = createRng("bounds");
    for (const mean of [-40, -2, -0.01, 0.02, 3]) {
      const z = truncated(
        inUnits(gaussian(mean, 0.6), () => redshift),
        () => 0,
        () => 7,
      );
      const out = new Float64Array(4);
      z.quantiles(0, [1e-6, 0.05, 0.95, 1 - 1e-6], out);
      for (const x of [...out, ...Array.from({ length: 200 }, () => z.sample(0, rng))]) {
        expect(x).toBeGreaterThanOrEqual(0);
        expect(x).toBeLessThanOrEqual(7);
      }
      const { mean: middle, std } = z.moments(0);
      expect(middle).toBeGreaterThanOrEqual(0);
      expect(Number.isFinite(std) && std >= 0).toBe(true);
      expect(z.logDensity(0, 0.5)).toBeGreaterThan(-Infinity);
    }
  });
  it("with all mass far away leave an answer at the nearest", () => {
    const out = new Float64Array(1);
    truncated(
      gaussian(-50, 1),
      () => 0,
      () => 5,
    ).quantiles(0, [0.5], out);
    expect(out[0]).toBeGreaterThanOrEqual(0);
    expect(out[0]).toBeLessThan(0.05);
    truncated(
      histogram,
      () => 100,
      () => 200,
    ).quantiles(0, [0.5], out);
    expect(out[0]).toBeCloseTo(100, 3);
    truncated(
      gaussian(50, 1),
      () => 0,
      () => 5,
    ).quantiles(0, [0.5], out);
    expect(out[0]).toBeCloseTo(5, 1);
  });
});

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
