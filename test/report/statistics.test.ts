import { describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { ionisation, ionisationFractions, kauffmann2003, kewley2001 } from "../../src/report/bpt.ts";
import {
  columnQuantiles,
  completeMass,
  enclosingLevels,
  ksDistance,
  quantile,
  smoothCounts,
  sortFinite,
} from "../../src/report/statistics.ts";

describe("quantiles", () => {
  test("of 0 ... 100 are their level, and single values are all their quantiles", () => {
    const values = sortFinite(Array.from({ length: 101 }, (_, i) => (37 * i) % 101));
    for (const level of [0, 0.16, 0.5, 0.84, 0.995, 1]) expect(quantile(values, level)).toBeCloseTo(100 * level, 10);
    expect(quantile([7], 0.3)).toBe(7);
    expect(quantile([], 0.5)).toBeNaN();
    expect([...sortFinite([2, Number.NaN, -1, Infinity])]).toEqual([-1, 2]);
  });
  test("of columns leave out what is missing, and columns with too little", () => {
    const matrix = [
      [1, Number.NaN, 5],
      [2, Number.NaN, Number.NaN],
      [3, 4, Number.NaN],
      [99, 99, 99],
    ];
    const [low, middle] = columnQuantiles((i, j) => matrix[i][j], [0, 1, 2], 3, [0, 0.5], 2);
    expect([...low]).toEqual([1, Number.NaN, Number.NaN]);
    expect([...middle]).toEqual([2, Number.NaN, Number.NaN]);
  });
});

describe("Kolmogorov-Smirnov distance", () => {
  test("of equal samples is 0, of separate ones 1, whatever their sizes", () => {
    expect(ksDistance([3, 1, 2], [1, 2, 3])).toBe(0);
    expect(ksDistance([1, 1, 2, 2], [1, 2])).toBe(0);
    expect(ksDistance([1, 2, 3], [4, 5])).toBe(1);
    expect(ksDistance([1], [])).toBeNaN();
  });
  test("of a shifted uniform grid is the shift", () => {
    const grid = (from: number) => Array.from({ length: 1000 }, (_, i) => from + (i + 0.5) / 1000);
    expect(Math.abs(ksDistance(grid(0), grid(0.25)) - 0.25)).toBeLessThan(0.0011);
  });
  test("of two Gaussians is 2 Phi(d / 2) - 1", () => {
    const rng = createRng("ks");
    const draw = (mean: number) => Array.from({ length: 40_000 }, () => mean + rng.normal());
    // Phi(0.5) = 0.691462; the distance of two such samples scatters by about 0.007
    expect(Math.abs(ksDistance(draw(0), draw(1)) - 0.382925)).toBeLessThan(0.015);
  });
});

describe("completeness in mass", () => {
  test("of galaxies with one mass-to-light ratio is the mass at the limit", () => {
    const rng = createRng("complete");
    // log M = 0.4 (25 - m) + 5 + 2 z: a galaxy at m = 22 has log M = 6.2 + 2 z
    const z = Array.from({ length: 3000 }, () => rng.uniform());
    const magnitude = z.map(() => 22 - 4 * rng.uniform());
    const logMass = z.map((at, i) => 0.4 * (25 - magnitude[i]) + 5 + 2 * at);
    const line = completeMass({ z, logMass, magnitude }, 22);
    expect(line.z.length).toBe(8);
    // the 95th percentile lies nearly half a slice above the middle one: 0.45 x 2 / 8
    line.z.forEach((at, i) => expect(Math.abs(line.logMass[i] - (6.2 + 2 * at) - 0.1125)).toBeLessThan(0.04));
  });
  test("of few galaxies is nothing", () => {
    expect(completeMass({ z: [1, 2], logMass: [9, 9], magnitude: [20, 20] }, 22)).toEqual({ z: [], logMass: [] });
  });
});

describe("contours", () => {
  test("enclose their fractions", () => {
    const density = [4, 3, 2, 1];
    expect(enclosingLevels(density, [0.4, 0.7, 0.9, 1])).toEqual([4, 3, 2, 1]);
  });
  test("of a Gaussian lie where the closed form says, widened by the smoothing", () => {
    const rng = createRng("contours");
    const at = Array.from({ length: 200_000 }, (): [number, number] => [rng.normal(), rng.normal()]);
    const [size, sigma] = [40, 1.5];
    const density = smoothCounts(at, { x: [-5, 5], y: [-5, 5] }, size, sigma);
    expect(density.reduce((a, b) => a + b, 0) / at.length).toBeCloseTo(1, 3);
    const variance = 1 + (sigma * 0.25) ** 2 + 0.25 ** 2 / 12;
    const cell = (at.length * 0.25 ** 2) / (2 * Math.PI * variance);
    // a fraction f of a two-dimensional Gaussian lies above (1 - f) of its peak
    const [inner, outer] = enclosingLevels(density, [0.68, 0.95]);
    expect(Math.abs(inner / cell - 0.32)).toBeLessThan(0.02);
    expect(Math.abs(outer / cell - 0.05)).toBeLessThan(0.01);
  });
});

describe("BPT plane", () => {
  test("curves at points of the published formulae", () => {
    expect(kauffmann2003(-0.95)).toBeCloseTo(0.69, 10);
    expect(kewley2001(-0.53)).toBeCloseTo(0.58, 10);
    expect(kauffmann2003(0.1)).toBe(-Infinity);
    // they cross near -1.3, where hardly any galaxy lies
    for (let x = -1.2; x < 0; x += 0.1) expect(kewley2001(x)).toBeGreaterThan(kauffmann2003(x));
  });
  test.each([
    [-0.6, -0.5, "star-forming"],
    [-0.2, 0, "composite"],
    [0, 1, "active"],
    [0.6, -1, "active"],
  ] as const)("[NII] %d, [OIII] %d is %s", (x, y, kind) => expect(ionisation(x, y)).toBe(kind));
  test("fractions are of the galaxies with both ratios", () => {
    const { count, fractions } = ionisationFractions([-0.6, -0.6, -0.2, 0, Number.NaN], [-0.5, -0.4, 0, 1, 1]);
    expect(count).toBe(4);
    expect(fractions).toEqual({ "star-forming": 0.5, composite: 0.25, active: 0.25 });
  });
});
