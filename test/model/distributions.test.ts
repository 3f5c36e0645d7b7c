import { describe, expect, it } from "vitest";
import { curveAt } from "../../src/model/curve.ts";
import { type Distribution, perRow, selected } from "../../src/model/distribution.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { logNormalBetween, normalCdf, normalQuantile } from "../../src/model/normal.ts";
import { truncated } from "../../src/model/truncated.ts";
import { inUnits } from "../../src/model/units.ts";
import { createWarp, reweighted, warped } from "../../src/model/warped.ts";
import { createRng } from "../../src/random.ts";
import { dex, edges, gaussian, histogram, mixture, redshift, width } from "../helpers/distributions.ts";
import { type Case, faultsOf } from "../helpers/judge.ts";

/** u of N(0, 1) to u of N(0, s): the cdf at x of one is that at x / s of the other. */
const stretch = (s: number) => {
  const scores = Array.from({ length: 385 }, (_, i) => i / 32 - 6).filter((x) => Math.abs(x / s) < 7);
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
  "recalibrated mixture": {
    distribution: mixture.recalibrated!((row) => ({ shift: 0.2 - row, width: 1.4 - 0.7 * row, tail: 0.05 })),
    range: [-40, 40],
    curve: redshift,
    error: 0.3,
  },
  "recalibrated histogram": {
    distribution: histogram.recalibrated!(() => ({ shift: -0.3, width: 1.3, tail: 0.1 })),
    range: [-3, 3.5],
    jumps: [...edges],
    curve: width,
    error: 0.3,
    isFolded: true,
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
    for (const s of [0.7, 1.5]) same(warped(gaussian(0, 1), stretch(s)), gaussian(0, s), 3, -2, 2);
  });
  it("a recalibrated N(m, s) is moved and widened, with a tail of three deviations", () => {
    const [m, s] = [0.4, 0.5];
    for (const warp of [
      { shift: 0.3, width: 1.6, tail: 0.1 },
      { shift: -0.5, width: 0.6, tail: 0 },
    ]) {
      const core = gaussian(m + warp.shift * s, warp.width * s);
      const tail = gaussian(m, 3 * s);
      const own = gaussian(m, s).recalibrated!(() => warp);
      for (let v = -1; v <= 2; v += 0.25) {
        expect(own.cdf(0, v)).toBeCloseTo((1 - warp.tail) * core.cdf(0, v) + warp.tail * tail.cdf(0, v), 6);
      }
    }
  });
  it("a recalibrated mixture has the warped cdf to 0.03, where its parts overlap as where they don't", () => {
    for (const [shift, width] of [
      [0, 1.3],
      [0, 0.8],
      [0.2, 1.1],
    ]) {
      const own = mixture.recalibrated!(() => ({ shift, width, tail: 0 }));
      const out = new Float64Array(1);
      for (const row of [0, 1]) {
        for (let x = -2.5; x <= 2.5; x += 0.25) {
          mixture.quantiles(row, [normalCdf(x)], out);
          expect(Math.abs(own.cdf(row, out[0]) - normalCdf((x - shift) / width))).toBeLessThan(0.03);
        }
      }
    }
  });
  it("nothing is recalibrated by no shift, a width of one and no tail", () => {
    const nothing = { shift: 0, width: 1, tail: 0 };
    same(
      mixture.recalibrated!(() => nothing),
      mixture,
      9,
    );
    same(
      histogram.recalibrated!(() => nothing),
      histogram,
      6,
    );
  });
  it("the quantile of the normal distribution undoes its cdf", () => {
    for (let x = -6; x <= 6; x += 0.1) expect(normalQuantile(normalCdf(x))).toBeCloseTo(x, x < 5 ? 7 : 4);
    expect([0, 1].map(normalQuantile)).toEqual([-8, 8]);
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
  it("that cut a Gaussian are seen through an error as the integral says, and as a Gaussian where they hardly cut", () => {
    const error = 0.8;
    const wide = Math.hypot(1, error);
    for (const low of [-1, -3, -4.4, -6]) {
      const seen = truncated(
        gaussian(0, 1),
        () => low,
        () => Infinity,
      ).widen(() => error);
      for (const v of [-2, -0.5, 0, 1.3, 3]) {
        // N(v; 0, wide) times the mass above `low` of the product's Gaussian: mean v / wide^2, deviation error / wide
        const above = normalCdf((v / wide ** 2 - low) / (error / wide));
        const exact =
          (Math.exp((-0.5 * v * v) / wide ** 2) / (wide * Math.sqrt(2 * Math.PI))) * (above / normalCdf(-low));
        expect(Math.abs(Math.exp(seen.logDensity(0, v)) - exact)).toBeLessThan(low < -4.3 ? 1e-5 : 6e-4);
      }
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
