import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { createResampler, resample, vacuumWavelength, wavelengthsOf } from "../../src/survey/spectrum-grid.ts";

const even = (from: number, step: number, n: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => from + i * step);
const ones = (n: number): Float64Array => new Float64Array(n).fill(1);

/** Ends of the pixels of a grid, half-way in the logarithm. */
function edges({ from, to, pixels }: { from: number; to: number; pixels: number }): number[] {
  const step = Math.log(to / from) / (pixels - 1);
  return Array.from({ length: pixels + 1 }, (_, i) => from * Math.exp((i - 0.5) * step));
}

function integral(value: ArrayLike<number>, grid: { from: number; to: number; pixels: number }): number {
  const ends = edges(grid);
  return Array.from(value).reduce((sum, f, i) => sum + f * (ends[i + 1] - ends[i]), 0);
}

describe("a grid", () => {
  it("has its ends as the centres of its first and last pixels, and even steps of the logarithm", () => {
    const wave = wavelengthsOf({ from: 6450, to: 18000, pixels: 8192 });
    expect(wave).toHaveLength(8192);
    expect(wave[0]).toBe(6450);
    expect(wave[8191]).toBeCloseTo(18000, 8);
    expect(wave[5000] / wave[4999]).toBeCloseTo((18000 / 6450) ** (1 / 8191), 12);
  });
});

describe("resampling", () => {
  const grid = { from: 4000, to: 8000, pixels: 500 };

  it("is what numpy makes of it, by sums to the pixels' ends and by the matrix of overlaps", () => {
    const flux = [9.082, -0.111, 5.836, 3.864, 4.095, 4.569, 0.96, 4.536, 3.27, 11.646, 5.452, 4.295, 4.437, 3.664];
    const ivar = [2.345, 2.891, 1.211, 2.121, 2.241, 1.232, 0.504, 2.934, 1.246, 1.285, 2.729, 1.963, 1.678, 2.433];
    const wave = flux.map((_, i) => 5000 * Math.exp(2e-4 * i));
    const found = resample(wave, flux, ivar, { from: 5001.3, to: 5010.9, pixels: 6 });
    const value = [3.0041013, 4.1936149, 3.3709941, 3.4411619, 8.1264025, 4.6649722];
    const weights = [4.4198244, 5.0815887, 2.3594437, 4.188586, 3.5457863, 5.2495178];
    value.forEach((v, i) => expect(found.value[i]).toBeCloseTo(v, 5));
    weights.forEach((v, i) => expect(found.ivar[i]).toBeCloseTo(v, 5));
  });

  it("changes nothing on the grid itself", () => {
    const wave = wavelengthsOf(grid);
    const rng = createRng("same");
    const flux = wave.map(() => rng.normal());
    const ivar = wave.map(() => 0.5 + rng.uniform());
    const found = resample(wave, flux, ivar, grid);
    flux.forEach((f, i) => expect(found.value[i]).toBeCloseTo(f, 6));
    ivar.forEach((w, i) => expect(found.ivar[i]).toBeCloseTo(w, 6));
  });

  it("keeps the integral of the flux to 1e-6, and the flux of a narrow line, on finer and coarser grids", () => {
    const wave = even(3500, 1.25, 4400);
    const line = wave.map((x) => 3 * Math.exp(-0.5 * ((x - 6000.3) / 2.1) ** 2));
    const truth = 3 * 2.1 * Math.sqrt(2 * Math.PI);
    for (const pixels of [200, 500, 3000, 20_000]) {
      const { value } = resample(wave, line, ones(wave.length), { from: 4000, to: 8000, pixels });
      expect(integral(value, { from: 4000, to: 8000, pixels }) / truth - 1).toBeLessThan(1e-6);
      expect(integral(value, { from: 4000, to: 8000, pixels }) / truth - 1).toBeGreaterThan(-1e-6);
    }
  });

  it("leaves a constant constant, also where pixels are missing", () => {
    const wave = even(3500, 1.7, 3000);
    const ivar = wave.map((_, i) => (i % 7 === 3 ? 0 : 4));
    const flux = wave.map((_, i) => (i % 7 === 3 ? Number.NaN : 2.5));
    const { value, ivar: weight } = resample(wave, flux, ivar, grid);
    for (const v of value) expect(v).toBeCloseTo(2.5, 6);
    for (const w of weight) expect(w).toBeGreaterThan(0);
  });

  it("gives the scatter that noise has, drawn many times", () => {
    const wave = even(4990, 1.3, 60);
    const small = { from: 5000, to: 5050, pixels: 12 };
    const sigma = wave.map((_, i) => 0.5 + (i % 5));
    const ivar = sigma.map((s) => s ** -2);
    const rng = createRng("noise");
    const squares = new Float64Array(12);
    const draws = 20_000;
    for (let k = 0; k < draws; k++) {
      const { value } = resample(
        wave,
        sigma.map((s) => s * rng.normal()),
        ivar,
        small,
      );
      value.forEach((v, i) => (squares[i] += v * v));
    }
    const { ivar: told } = resample(wave, ones(60), ivar, small);
    told.forEach((w, i) => expect((squares[i] / draws) * w).toBeGreaterThan(0.96));
    told.forEach((w, i) => expect((squares[i] / draws) * w).toBeLessThan(1.04));
  });

  it("does not bridge a gap, wherever its pixels are left out or have no weight", () => {
    const wave = even(4000, 2, 2000);
    const isIn = (x: number): boolean => x > 5000 && x < 5400;
    const kept = wave.filter((x) => !isIn(x));
    const left = resample(kept, kept, ones(kept.length), grid);
    const zero = resample(
      wave,
      wave,
      wave.map((x) => (isIn(x) ? 0 : 1)),
      grid,
    );
    const centres = wavelengthsOf(grid);
    const inside = [...centres].flatMap((x, i) => (x > 5006 && x < 5394 ? [left.ivar[i], zero.ivar[i]] : []));
    expect(inside.length).toBeGreaterThan(100);
    expect(Math.max(...inside)).toBe(0);
    left.value.forEach((v, i) => expect(v).toBeCloseTo(zero.value[i], 3));
    expect(left.ivar[centres.findIndex((x) => x > 5406)]).toBeGreaterThan(0);
  });

  it("reads wavelengths in any order, leaves out those that are no number, and ends where they end", () => {
    const wave = even(4500, 2, 800);
    const rise = wave.map((x) => x / 1000);
    const straight = resample(wave, rise, ones(800), grid);
    const [back, flux] = [[...wave].reverse(), [...rise].reverse()];
    const turned = resample([...back, Number.NaN, 0], [...flux, 7, 7], ones(802), grid);
    expect(turned).toEqual(straight);
    expect(straight.ivar[0]).toBe(0);
    expect(straight.value[0]).toBe(0);
  });

  it("says where nothing is covered", () => {
    const put = createResampler(grid);
    const into = { value: new Float32Array(500).fill(3), ivar: new Float32Array(500).fill(3) };
    expect(put(even(9000, 1, 100), ones(100), ones(100), into)).toBe(false);
    expect(Math.max(...into.ivar, ...into.value)).toBe(0);
    expect(put([], [], [], into)).toBe(false);
    expect(put(even(5000, 1, 100), ones(100), ones(100), into)).toBe(true);
  });
});

describe("vacuum wavelengths", () => {
  it("are those of Ciddor (1996, Applied Optics 35, 1566), equation 1, to 9 m/s", () => {
    for (const vacuum of [3727.092, 4862.683, 5008.24, 6564.614, 10_000, 18_000]) {
      const s = (1e4 / vacuum) ** 2;
      const index = 1 + (5_792_105 / (238.0185 - s) + 167_917 / (57.362 - s)) * 1e-8;
      expect(Math.abs(vacuumWavelength(vacuum / index) / vacuum - 1)).toBeLessThan(3e-8);
    }
  });
});
