import { describe, expect, test } from "vitest";
import { crpsFromQuantiles, percentLevels, scoreDistribution } from "../../src/inference/metrics-score.ts";
import { oddsAround } from "../../src/model/odds.ts";
import type { Curve } from "../../src/model/distribution.ts";
import { type MixtureDistribution, mixtureDistribution } from "../../src/model/mixture.ts";
import { normalCdf } from "../../src/model/normal.ts";
import { inUnits } from "../../src/model/units.ts";
import { coverageCurve, metrics, pitHistogram, scoreField } from "../../src/inference/metrics.ts";
import { ksOf, medianOf, nmadOf } from "../../src/inference/weighted.ts";
import { quantile } from "../../src/report/statistics.ts";
import type { MetricName, Predictions } from "../../src/inference/metrics.ts";
import { createRng } from "../../src/random.ts";

const alike = (n: number): Float64Array => new Float64Array(n).fill(1 / n);

function mixtures(rows: { w: number; m: number; s: number }[][]): MixtureDistribution {
  const componentCount = rows[0].length;
  const flat = rows.flat();
  return mixtureDistribution({
    rowCount: rows.length,
    componentCount,
    stride: componentCount,
    weight: Float64Array.from(flat, (c) => c.w),
    mean: Float64Array.from(flat, (c) => c.m),
    sigma: Float64Array.from(flat, (c) => c.s),
  });
}

const bimodal = mixtures([
  [
    { w: 0.3, m: -2, s: 0.05 },
    { w: 0.7, m: 1.5, s: 1.2 },
  ],
]);

describe("normal cdf", () => {
  // Abramowitz & Stegun 1964, table 26.1; the tail from scipy.stats.norm.cdf.
  test.each([
    [0, 0.5],
    [1, 0.841344746068543],
    [-1.96, 0.024997895148220435],
    [3, 0.9986501019683699],
    [-8, 6.220960574271785e-16],
    [-38, 0],
  ])("at %d", (x, expected) => {
    expect(Math.abs(normalCdf(x) - expected)).toBeLessThanOrEqual(1e-13 * Math.max(expected, 1e-3));
  });
  test("is relative in the tail", () => expect(normalCdf(-8) / 6.220960574271785e-16).toBeCloseTo(1, 7));
});

describe("mixtures", () => {
  test("quantile inverts cdf, far tails and gaps between modes included", () => {
    const levels = [1e-6, 0.01, 0.1, 0.2999, 0.3, 0.3001, 0.5, 0.9, 0.999999];
    const out = new Float64Array(levels.length);
    bimodal.quantiles(0, levels, out);
    levels.forEach((level, i) => expect(bimodal.cdf(0, out[i])).toBeCloseTo(level, 8));
  });
  test("density integrates to the cdf, and the moments to their closed form", () => {
    let mass = 0;
    let first = 0;
    const h = 0.001;
    for (let i = -10_000; i < 500; i++) mass += h * Math.exp(bimodal.logDensity(0, (i + 0.5) * h));
    expect(mass).toBeCloseTo(bimodal.cdf(0, 0.5), 5);
    for (let y = -10; y < 12; y += h) first += h * (y + h / 2) * Math.exp(bimodal.logDensity(0, y + h / 2));
    expect(bimodal.moments(0).mean).toBeCloseTo(first, 5);
    expect(bimodal.moments(0).std ** 2).toBeCloseTo(0.3 * (4 + 0.0025) + 0.7 * (2.25 + 1.44) - 0.45 ** 2, 10);
  });
  test("density far outside stays finite", () =>
    expect(bimodal.logDensity(0, 500)).toBeCloseTo(
      -0.5 * (498.5 / 1.2) ** 2 - Math.log(1.2) - 0.9189 + Math.log(0.7),
      3,
    ));
});

describe("CRPS", () => {
  /** Gneiting & Raftery 2007, eq. 21: sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)). */
  const gaussian = (z: number) =>
    z * (2 * normalCdf(z) - 1) + (2 * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI) - 1 / Math.sqrt(Math.PI);

  test.each([0, 0.3, -1.7, 6])("one component is the Gaussian closed form at z = %d", (z) => {
    const m = mixtures([[{ w: 1, m: 4, s: 2.5 }]]);
    expect(m.crps(0, 4 + 2.5 * z)).toBeCloseTo(2.5 * gaussian(z), 12);
  });
  test("at the centre of N(0, 1) it is (sqrt 2 - 1) / sqrt pi = 0.23370", () => {
    expect(mixtures([[{ w: 1, m: 0, s: 1 }]]).crps(0, 0)).toBeCloseTo((Math.SQRT2 - 1) / Math.sqrt(Math.PI), 12);
  });
  test.each([-2.01, -1, 0.4, 5])("a mixture equals the integral of (F - 1{y >= x})^2 at %d", (truth) => {
    let integral = 0;
    const h = 0.0005;
    for (let y = -6; y < 12; y += h) integral += h * (bimodal.cdf(0, y + h / 2) - (y + h / 2 >= truth ? 1 : 0)) ** 2;
    expect(bimodal.crps(0, truth)).toBeCloseTo(integral, 4);
  });
  test("of percentiles: within 0.2 % of the exact mean over Gaussian truths", () => {
    const m = mixtures([[{ w: 1, m: 0, s: 1 }]]);
    const quantiles = new Float64Array(99);
    m.quantiles(0, percentLevels, quantiles);
    const rng = createRng("crps");
    let approximate = 0;
    let exact = 0;
    for (let i = 0; i < 20_000; i++) {
      const truth = rng.normal();
      approximate += crpsFromQuantiles(percentLevels, quantiles, truth);
      exact += gaussian(truth);
    }
    expect(Math.abs(approximate / exact - 1)).toBeLessThan(0.002);
    expect(Math.abs(crpsFromQuantiles(percentLevels, quantiles, 8) - gaussian(8))).toBeLessThan(0.01);
  });
  test("of quantiles by hand: uniform on [0, 1], truth 1/2, gives 1/12", () => {
    const levels = Float64Array.from({ length: 1001 }, (_, i) => i / 1000);
    expect(crpsFromQuantiles(levels, levels, 0.5)).toBeCloseTo(1 / 12, 12);
  });
});

/** Forecasts N(mean_i, sigma_i), truths drawn from them with the spread multiplied by `stretch`. */
function gaussianForecasts(n: number, stretch: number, seed: string): { m: MixtureDistribution; truth: Float64Array } {
  const rng = createRng(seed);
  const rows = Array.from({ length: n }, () => [{ w: 1, m: 1 + rng.uniform(), s: 0.05 + 0.1 * rng.uniform() }]);
  return { m: mixtures(rows), truth: Float64Array.from(rows, ([{ m, s }]) => m + stretch * s * rng.normal()) };
}

describe("calibration", () => {
  test("right forecasts: uniform PIT, nominal coverage, unit z-scores", () => {
    const { m, truth } = gaussianForecasts(4000, 1, "right");
    const p = scoreDistribution(m, truth);
    const score = scoreField(p, "linear", { rng: createRng("b"), resamples: 50 });
    expect(score.pitKs!.value).toBeLessThan(1.63 / Math.sqrt(4000)); // 1 % critical value
    for (const level of [50, 68, 90, 95] as const) {
      expect(Math.abs(score[`coverage${level}`]!.value - level / 100)).toBeLessThan(0.025);
    }
    expect(score.zScoreDeviation!.value).toBeCloseTo(1, 1);
    expect(Math.max(...pitHistogram(p.pit, 10))).toBeLessThan(480);
  });
  test("overconfident forecasts are caught", () => {
    const { m, truth } = gaussianForecasts(4000, 2, "wrong");
    const score = scoreField(scoreDistribution(m, truth), "linear", { rng: createRng("b"), resamples: 0 });
    // P(|N(0, 2)| < 1 sigma) = 2 Phi(0.9945 / 2) - 1 for the 68 % interval
    expect(score.coverage68!.value).toBeCloseTo(2 * normalCdf(0.99446 / 2) - 1, 1);
    expect(score.pitKs!.value).toBeGreaterThan(0.1);
    expect(score.zScoreDeviation!.value).toBeGreaterThan(1.8);
  });
  test("coverage curve by hand", () => {
    expect([...coverageCurve([0.5, 0.4, 0.9, 0.05], [0.1, 0.2, 0.85, 0.95])]).toEqual([0.25, 0.5, 0.75, 1]);
  });
  test("KS by hand", () => expect(ksOf([0.3, 0.1, 0.2])(alike(3))).toBeCloseTo(0.7, 12));
});

describe("scores", () => {
  const zs: Predictions = {
    truth: [0, 1, 1, 3, 0.5],
    point: [0.002, 1.2, 1, 2.76, 0.56],
    pit: [0.5, 0.9, 0.5, 0.3, 0.97],
    crps: [1, 2, 3, 4, 5],
    negLogLik: [1, 1, 1, 1, -4],
    odds: [1, 1, 0.5, 0.5, 0],
  };
  test("redshift metrics by hand: dz = 0.002, 0.1, 0, -0.06, 0.04", () => {
    const score = scoreField(zs, "redshift", { rng: createRng("z"), resamples: 0 });
    const value = (name: MetricName) => score[name]!.value;
    expect(value("bias")).toBeCloseTo(0.002, 12);
    expect(value("sigmaNmad")).toBeCloseTo(1.4826 * 0.038, 12); // |dz - 0.002| = 0, 0.098, 0.002, 0.062, 0.038
    expect(value("outlier03")).toBeCloseTo(0.6, 12);
    expect(value("outlier05")).toBeCloseTo(0.4, 12);
    expect(value("outlier15")).toBe(0);
    expect(value("within003")).toBeCloseTo(0.4, 12);
    expect(value("within0025")).toBeCloseTo(0.4, 12);
    const nearer = { ...zs, point: [0.004, 1.3, 1.0048, 3.03, 0.56] }; // dz = 0.004, 0.15, 0.0024, 0.0075, 0.04
    const near = scoreField(nearer, "redshift", { rng: createRng("z"), resamples: 0 });
    const shares = [near.within0025, near.within005, near.within01, near.within1].map((one) => one!.value);
    [0.2, 0.4, 0.6, 0.8].forEach((share, i) => expect(shares[i]).toBeCloseTo(share, 12));
    expect(value("odds")).toBeCloseTo(0.6, 12);
    expect(value("crps")).toBe(3);
    expect(value("negLogLik")).toBe(0);
    expect(value("coverage50")).toBeCloseTo(0.6, 12);
    expect(value("coverage90")).toBeCloseTo(0.8, 12);
    expect(value("rmse")).toBeCloseTo(Math.sqrt((0.002 ** 2 + 0.01 + 0.0036 + 0.0016) / 5), 9);
    expect(score.zScoreDeviation).toBeUndefined();
  });
  test("redshift-only metrics stay away from other fields", () => {
    expect(scoreField(zs, "log", { rng: createRng("z"), resamples: 0 })).not.toHaveProperty("outlier15");
  });
  test.each(Object.keys(metrics) as MetricName[])("%s: the interval holds the value and is reproducible", (name) => {
    const { m, truth } = gaussianForecasts(300, 1, name);
    const p = scoreDistribution(m, truth);
    const run = () => scoreField(p, "redshift", { rng: createRng("same") })[name]!;
    const { value, low, high } = run();
    expect(run()).toEqual({ value, low, high });
    expect(Number.isFinite(value)).toBe(true);
    expect(low).toBeLessThanOrEqual(value + 0.02 * Math.abs(value) + 0.02);
    expect(high).toBeGreaterThanOrEqual(value - 0.02 * Math.abs(value) - 0.02);
  });
  test("bootstrap of a mean: about +-1.96 s / sqrt(n); by parents, wider", () => {
    const rng = createRng("boot");
    const parent = Array.from({ length: 1000 }, (_, i) => i >> 2);
    const level = Array.from({ length: 250 }, () => rng.normal());
    const crps = Float64Array.from(parent, (id) => level[id]);
    const rest = { truth: crps, point: crps, pit: crps, negLogLik: crps };
    const naive = scoreField({ ...rest, crps }, "log", { rng, resamples: 400 }).crps!;
    const honest = scoreField({ ...rest, crps, unit: parent }, "log", { rng, resamples: 400 }).crps!;
    expect(naive.high - naive.low).toBeGreaterThan((0.8 * 3.92) / Math.sqrt(1000));
    expect(naive.high - naive.low).toBeLessThan((1.25 * 3.92) / Math.sqrt(1000));
    expect((honest.high - honest.low) / (naive.high - naive.low)).toBeGreaterThan(1.6);
  });
  test("sigma_NMAD of a Gaussian is its sigma", () => {
    const rng = createRng("nmad");
    const values = Float64Array.from({ length: 20_000 }, () => 3 * rng.normal());
    expect(nmadOf(values)(alike(20_000))).toBeCloseTo(3, 0);
  });
  test("bad arrays are named", () => {
    expect(() => scoreField({ ...zs, crps: [1] }, "log", { rng: createRng("") })).toThrow('"crps" has 1 rows');
    expect(() => scoreField({ ...zs, pit: [0, 0, Number.NaN, 0, 0] }, "log", { rng: createRng("") })).toThrow(
      '"pit" is not a number in row 2',
    );
    expect(() => scoreField(zs, "log", { rng: createRng(""), rows: new Int32Array(0) })).toThrow("no rows");
  });
});

describe("mixtures in a transformed space", () => {
  const exponential: Curve = { shape: "exp", factor: 1, rate: 1, shift: 0, offset: 0 };
  test("a Gaussian in ln x is a log-normal: likelihood, median, PIT and CRPS of the value itself", () => {
    const [mu, sigma, truth] = [0.4, 0.6, 2.2];
    const p = scoreDistribution(
      inUnits(mixtures([[{ w: 1, m: mu, s: sigma }]]), () => exponential),
      [truth],
    );
    const z = (Math.log(truth) - mu) / sigma;
    expect(p.negLogLik[0]).toBeCloseTo(0.5 * z * z + Math.log(truth * sigma * Math.sqrt(2 * Math.PI)), 10);
    expect(p.point[0]).toBeCloseTo(Math.exp(mu), 8);
    expect(p.pit[0]).toBeCloseTo(normalCdf(z), 12);
    // Baran & Lerch 2015, eq. 6
    const exact =
      truth * (2 * p.pit[0] - 1) -
      2 * Math.exp(mu + sigma ** 2 / 2) * (normalCdf(z - sigma) + normalCdf(sigma / Math.SQRT2) - 1);
    expect(p.crps[0]).toBeCloseTo(exact, 2);
    expect(Math.abs(p.crps[0] / exact - 1)).toBeLessThan(0.01);
  });
});

describe("median", () => {
  test("equals the middle of the sorted values, ties and both parities", () => {
    const rng = createRng("median");
    for (let n = 1; n < 60; n++) {
      const values = Float64Array.from({ length: n }, () => rng.integer(7));
      expect(medianOf(values)(alike(values.length))).toBe(quantile(Float64Array.from(values).sort(), 0.5));
    }
  });
});

describe("one distribution for all rows", () => {
  const rng = createRng("shared");
  const truth = Float64Array.from({ length: 5 }, () => 0.5 + rng.uniform());
  const one = {
    componentCount: 2,
    weight: Float64Array.of(0.4, 0.6),
    mean: Float64Array.of(0, 0.3),
    sigma: Float64Array.of(0.2, 0.5),
  };
  const repeat = (values: Float64Array) => Float64Array.from({ length: 10 }, (_, i) => values[i % 2]);
  const shared = mixtureDistribution({ ...one, rowCount: 5, stride: 0 });
  const spelled = mixtureDistribution({
    rowCount: 5,
    componentCount: 2,
    stride: 2,
    weight: repeat(one.weight),
    mean: repeat(one.mean),
    sigma: repeat(one.sigma),
  });
  const curves = (["linear", "exp"] as const).map((shape): Curve => ({
    shape,
    factor: 1,
    rate: 1,
    shift: 0,
    offset: 0,
  }));
  test.each(curves)("scores as if it were written out, $shape", (curve) => {
    const scores = (d: MixtureDistribution) =>
      scoreDistribution(
        inUnits(d, () => curve),
        truth,
      );
    expect(scores(shared)).toEqual(scores(spelled));
    const [a, b] = [shared, spelled].map((d) => d.widen((row) => 0.1 * row));
    expect([3, 4].map((row) => a.cdf(row, 0.2))).toEqual([3, 4].map((row) => b.cdf(row, 0.2)));
  });
});

describe("odds", () => {
  test("are the mass within 0.03 (1 + z) of the peak, not of the median", () => {
    const twoPeaks = mixtures([
      [
        { w: 0.45, m: 0.5, s: 0.02 },
        { w: 0.55, m: 2, s: 0.05 },
      ],
    ]);
    expect(twoPeaks.mode(0)).toBeCloseTo(0.5, 6);
    const expected = 0.45 * (2 * normalCdf(0.045 / 0.02) - 1);
    expect(oddsAround(twoPeaks, 0, twoPeaks.mode(0))).toBeCloseTo(expected, 6);
    expect(scoreDistribution(twoPeaks, [0.5]).odds![0]).toBeCloseTo(expected, 6);
  });
  test("the median of a mixture is not its peak, and half the 68 % interval not its deviation", () => {
    const scored = scoreDistribution(bimodal, [1]);
    expect(scored.halfWidth68![0]).not.toBeCloseTo(bimodal.moments(0).std, 1);
  });
});
