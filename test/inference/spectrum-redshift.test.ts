import { describe, expect, it } from "vitest";
import { predictBaselines } from "../../src/inference/baseline-answers.ts";
import { fitTemplates } from "../../src/inference/baseline-spectra.ts";
import { scoreField } from "../../src/inference/metrics.ts";
import { spectrumFeatures } from "../../src/inference/spectrum-continuum.ts";
import { peaksOf } from "../../src/inference/spectrum-peaks.ts";
import { createScanner } from "../../src/inference/spectrum-redshift.ts";
import { learnTemplates } from "../../src/inference/spectrum-templates.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { wavelengthsOf } from "../../src/survey/spectrum-grid.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { onnx } from "../helpers/network.ts";

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

describe("redshifts by templates", () => {
  const grid = { from: 4000, to: 8000, pixels: 700 } as const;
  const step = Math.log(grid.to / grid.from) / (grid.pixels - 1);
  const unit = "1e-17 erg/s/cm2/A";
  const range = [-1e30, 1e30] as const;
  const spectrum = {
    id: 1,
    name: "spectrum",
    kind: "spectrum",
    unit,
    description: "",
    range,
    shape: [700],
    grid,
  } as const;
  const fields: readonly Field[] = [
    { id: 0, name: "z", kind: "redshift", unit: "", description: "redshift", range: [0, 5] },
    spectrum,
  ];
  const [LOW, HIGH] = [0.1, 0.8];
  /** Lines [Angstrom, at rest], the third in absorption, and a break; their strengths vary together in two ways. */
  const shape = (rest: number, a: number, b: number): number =>
    1 +
    0.5 * Math.tanh((rest - 4000) / 60) +
    [3727, 4861, 5007].reduce((sum, at, k) => {
      const height = [a, 0.3 * a + 0.2 * b, -0.5 + 0.2 * b][k];
      return sum + height * Math.exp(-0.5 * (Math.log(rest / at) / (2.5 * step)) ** 2);
    }, 0);

  /** Galaxies of S/N `snr` a pixel, without noise where it is infinite; every tenth pixel is not observed and holds nonsense. */
  function galaxies(rowCount: number, snr: number, seed: string): Catalog {
    const rng = createRng(seed);
    const catalog = emptyCatalog(fields, rowCount);
    const { value, ivar } = catalog.arrays!.get("spectrum")!;
    const wave = wavelengthsOf(grid);
    for (let row = 0; row < rowCount; row++) {
      const z = LOW + (HIGH - LOW) * rng.uniform();
      catalog.value.set([z, 0], row * 2);
      catalog.state.fill(State.measured, row * 2, row * 2 + 2);
      const [bright, tilt, a, b] = [Math.exp(rng.normal()), rng.normal(), rng.normal(), rng.normal()];
      wave.forEach((one, i) => {
        const clean = bright * (one / 6000) ** tilt * shape(one / (1 + z), 0.8 + 0.3 * a, b);
        const sigma = snr === Infinity ? 0 : bright / snr;
        const isSeen = snr === Infinity || rng.uniform() > 0.1;
        value[row * grid.pixels + i] = isSeen ? clean + sigma * rng.normal() : -1e6;
        ivar[row * grid.pixels + i] = isSeen ? (sigma > 0 ? sigma ** -2 : 1) : 0;
      });
    }
    const ids = Array.from({ length: rowCount }, (_, i) => `${seed}${i}`);
    return { ...catalog, objectId: ids, parentId: ids };
  }
  const clean = galaxies(400, Infinity, "clean");
  const seen = galaxies(80, 4, "seen");
  const learn = { catalog: clean, rows: allRows(clean), field: spectrum };

  it("are within their errors of the truth, through masked pixels and other slopes", () => {
    const { fit } = fitTemplates(learn, 0, createRng("fit"), { directions: 5, floor: 0, shift: 0 });
    const { value, ivar } = seen.arrays!.get("spectrum")!;
    const pulls = Array.from({ length: seen.rowCount }, (_, row) => {
      const [from, to] = [row * grid.pixels, (row + 1) * grid.pixels];
      const { peaks, reducedChi2 } = fit(value.subarray(from, to), ivar.subarray(from, to))!;
      expect(Math.abs(reducedChi2 - 1)).toBeLessThan(0.25);
      expect(peaks[0].std / step).toBeLessThan(3 * (1 + HIGH));
      return (peaks[0].mean - seen.value[row * 2]) / peaks[0].std;
    });
    expect(pulls.filter((pull) => Math.abs(pull) > 5).length).toBeLessThan(2);
    const rms = Math.sqrt(pulls.filter((pull) => Math.abs(pull) < 5).reduce((sum, x) => sum + x * x, 0) / pulls.length);
    expect(rms).toBeGreaterThan(0.75);
    expect(rms).toBeLessThan(1.3);
    expect(fit(value, new Float64Array(grid.pixels))).toBeUndefined();
  });

  it("stand beside other baselines on the same rows, where the spectrum is given", async () => {
    const coder = createFieldCoder(fields, fitStandardisation(clean, allRows(clean)));
    const options = {
      names: ["trainZ", "templates"] as const,
      fields: [0],
      engine: await onnx,
      seed: "1",
      isTuned: false,
    };
    const ask = async (isGiven: number[]) => {
      const question = { title: "spectrum", isGiven: Uint8Array.from(isGiven), wanted: [0] };
      const [train, test] = [clean, seen].map((catalog) => ({ catalog, rows: allRows(catalog) }));
      return (await predictBaselines(coder, train, test, question, options)).numbers.get("z")!;
    };
    const given = await ask([0, 1]);
    const scores = ["trainZ", "templates"].map((name) =>
      scoreField(given.get(name)!, "redshift", { rng: createRng("score"), resamples: 0 }),
    );
    expect(scores[1].sigmaNmad!.value).toBeLessThan(scores[0].sigmaNmad!.value / 100);
    expect(scores[1].outlier03!.value).toBeLessThan(0.05);
    expect([...(await ask([0, 0])).keys()]).toEqual(["trainZ"]);
  });

  it("need clean spectra", () => {
    const few = { ...learn, rows: learn.rows.subarray(0, 20) };
    expect(() => fitTemplates(few, 0, createRng("few"))).toThrow("expected 50 clean spectra");
  });
});
