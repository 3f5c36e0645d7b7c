import { describe, expect, it } from "vitest";
import { spectrumFeatures } from "../../src/inference/spectrum-continuum.ts";
import { peaksOf } from "../../src/inference/spectrum-peaks.ts";
import { createScanner } from "../../src/inference/spectrum-redshift.ts";
import { learnTemplates } from "../../src/inference/spectrum-templates.ts";
import { createRng } from "../../src/random.ts";

const normals = (n: number, seed: string): Float64Array => {
  const rng = createRng(seed);
  return Float64Array.from({ length: n }, () => rng.normal());
};

/** Solves a x = b by Gauss's elimination: not as the scanner does. */
function eliminate(a: readonly (readonly number[])[], b: readonly number[]): { x: number[]; logDet: number } {
  const m = a.map((row, i) => [...row, b[i]]);
  let logDet = 0;
  for (let i = 0; i < m.length; i++) {
    logDet += Math.log(Math.abs(m[i][i]));
    for (let k = 0; k < m.length; k++) {
      if (k === i) continue;
      const factor = m[k][i] / m[i][i];
      for (let j = i; j <= m.length; j++) m[k][j] -= factor * m[i][j];
    }
  }
  return { x: m.map((row, i) => row[m.length] / row[i]), logDet };
}

describe("a scan over redshift", () => {
  const [pixels, lags] = [50, 23];
  const shifted = [0, 1, 2].map((k) => normals(pixels + lags - 1, `shifted ${k}`));
  const fixed = [0, 1].map((k) => normals(pixels, `fixed ${k}`));
  const [mean, sigma] = [
    [1, 0, 0.3, 0, -0.2],
    [0.5, 1, 2, 0.1, 3],
  ];
  const weight = normals(pixels, "weight").map((x, i) => (i % 7 === 3 ? 0 : x * x));
  const value = normals(pixels, "value");
  const { chi2, logLikelihood } = createScanner({ shifted, fixed, mean, sigma }, pixels, lags)({ value, weight });

  it("has the chi2 and the likelihood of a fit done at every redshift, sum by sum", () => {
    const integral: number[] = [];
    for (let s = 0; s < lags; s++) {
      const columns = [...shifted.map((one) => one.subarray(lags - 1 - s, lags - 1 - s + pixels)), ...fixed];
      const over = (of: (i: number) => number): number =>
        weight.reduce((sum, w, i) => sum + (w === 0 ? 0 : w * of(i)), 0);
      const matrix = columns.map((a, j) =>
        columns.map((b, k) => over((i) => a[i] * b[i]) + (j === k ? 1 / sigma[j] ** 2 : 0)),
      );
      const side = columns.map((a, j) => over((i) => a[i] * value[i]) + mean[j] / sigma[j] ** 2);
      const { x, logDet } = eliminate(matrix, side);
      const residual = over((i) => (value[i] - columns.reduce((sum, a, j) => sum + x[j] * a[i], 0)) ** 2);
      const prior = x.reduce((sum, c, j) => sum + ((c - mean[j]) / sigma[j]) ** 2, 0);
      expect(Math.abs(chi2[s] - residual - prior)).toBeLessThan(1e-9 * chi2[s]);
      integral.push(-0.5 * (residual + prior + logDet + 2 * sigma.reduce((sum, one) => sum + Math.log(one), 0)));
    }
    integral.forEach((one, s) => expect(Math.abs(logLikelihood[s] - one)).toBeLessThan(1e-8));
  });

  it("does not see pixels without weight", () => {
    const other = value.map((x, i) => (weight[i] === 0 ? 1e9 : x));
    const again = createScanner({ shifted, fixed, mean, sigma }, pixels, lags)({ value: other, weight });
    expect(again.chi2).toEqual(chi2);
    expect(again.logLikelihood).toEqual(logLikelihood);
  });

  it("refuses templates that don't fit the redshifts", () => {
    expect(() => createScanner({ shifted, fixed, mean, sigma }, pixels, lags + 1)).toThrow("expected");
    expect(() => createScanner({ shifted, fixed, mean: [1], sigma: [1] }, pixels, lags)).toThrow("priors of 5");
  });
});

describe("features over the continuum", () => {
  const n = 400;
  const flux = Float64Array.from({ length: n }, (_, i) => 5 + 3 * Math.exp(-0.5 * ((i - 150) / 3) ** 2));
  const ivar = new Float64Array(n).fill(4);
  it("are those of a spectrum times anything smooth, and of a sloping continuum are none", () => {
    const tilted = flux.map((x, i) => x * (2 + 1e-3 * i));
    const [own, other] = [flux, tilted].map((one) => spectrumFeatures(one, ivar, 30, 0));
    own.value.forEach((x, i) => expect(Math.abs(other.value[i] - x)).toBeLessThan(0.01));
    expect(Math.max(...own.value)).toBeGreaterThan(0.4);
    const line = spectrumFeatures(
      flux.map((_, i) => 1 + 0.01 * i),
      ivar,
      30,
      0,
    );
    line.value.forEach((x) => expect(Math.abs(x)).toBeLessThan(1e-9));
  });
  it("keep S/N, up to the floor", () => {
    const { weight } = spectrumFeatures(flux, ivar, 30, 0);
    expect(Math.abs(weight[10] / (4 * 25) - 1)).toBeLessThan(1e-6);
    expect(Math.abs(spectrumFeatures(flux, ivar, 30, 0.1).weight[10] - 1 / (0.01 + 0.01))).toBeLessThan(1e-4);
  });
  it("don't see pixels that are not observed, whatever they hold", () => {
    const masked = ivar.map((w, i) => (i % 9 === 0 || i > 350 ? 0 : w));
    const spoilt = flux.map((x, i) => (masked[i] === 0 ? (i % 2 === 0 ? Number.NaN : 1e20) : x));
    const [own, other] = [flux, spoilt].map((one) => spectrumFeatures(one, masked, 30, 0.02));
    expect(other).toEqual(own);
    own.weight.forEach((w, i) => expect(w > 0).toBe(masked[i] > 0));
    const none = spectrumFeatures(flux, new Float64Array(n), 30, 0.02);
    expect([...none.weight, ...none.value].every((x) => x === 0)).toBe(true);
  });
});

describe("templates", () => {
  it("of spectra that each cover a part explain the whole, and leave the noise", () => {
    const [pixels, width, noise] = [120, 70, 0.05];
    const rng = createRng("templates");
    const truth = [0, 1].map((k) => Float64Array.from({ length: pixels }, (_, p) => Math.sin((k + 1) * 0.11 * p + k)));
    const rows = Array.from({ length: 4000 }, () => {
      const first = rng.integer(pixels - width + 1);
      const c = [rng.normal(), 0.5 * rng.normal()];
      const at = (p: number): number => 0.3 + c[0] * truth[0][p] + c[1] * truth[1][p] + noise * rng.normal();
      return { first, value: Float64Array.from({ length: width }, (_, k) => at(first + k)) };
    });
    const { mean, directions, scatter } = learnTemplates({ pixels, rows }, 2, rng);
    expect(Math.abs(scatter / noise - 1)).toBeLessThan(0.15); // the strongest rows are scaled down, their noise too
    mean.forEach((x) => expect(Math.abs(x - 0.3)).toBeLessThan(0.4));
    // each truth is a sum of the two directions over all pixels, the ends too
    for (const one of truth) {
      const matrix = directions.map((a) => directions.map((b) => a.reduce((sum, x, p) => sum + x * b[p], 0)));
      const { x } = eliminate(
        matrix,
        directions.map((a) => a.reduce((sum, y, p) => sum + y * one[p], 0)),
      );
      one.forEach((y, p) => expect(Math.abs(y - x[0] * directions[0][p] - x[1] * directions[1][p])).toBeLessThan(0.15));
    }
  });
});

describe("peaks of a posterior", () => {
  it("have the shares, means and widths of the Gaussians it is made of", () => {
    const at = (i: number): number => 0.01 * i;
    const gauss = (x: number, mean: number, std: number): number => Math.exp(-0.5 * ((x - mean) / std) ** 2) / std;
    const log = Float64Array.from({ length: 300 }, (_, i) =>
      Math.log(0.7 * gauss(at(i), 0.803, 0.02) + 0.3 * gauss(at(i), 2.11, 0.05) + 1e-30),
    );
    const [one, two] = peaksOf(log, at);
    expect(one.share).toBeCloseTo(0.7, 3);
    expect(one.mean).toBeCloseTo(0.803, 4);
    expect(one.std).toBeCloseTo(0.02, 3);
    expect(two.share).toBeCloseTo(0.3, 3);
    expect(two.mode).toBeCloseTo(2.11, 2);
  });
});
