import { describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { entry, sigmaOf } from "../../src/simulate/instrument.ts";
import { observe } from "../../src/simulate/observer.ts";
import type { SimulationInput } from "../../src/simulate/options.ts";
import { drawPointing } from "../../src/simulate/pointing.ts";
import { rms } from "./data.ts";
import { bands, flat, isOptical, make, mean, pivots } from "./observed.ts";

const indexOf = (name: string): number => bands.findIndex((band) => band.name === name);
const correlation = (x: readonly number[], y: readonly number[]): number => {
  const [a, b] = [mean(x), mean(y)];
  const [u, v] = [x.map((one) => one - a), y.map((one) => one - b)];
  return mean(u.map((one, i) => one * v[i])) / rms(u) / rms(v);
};

/** Nothing but what is asked for. */
const only = (input: SimulationInput) =>
  make({
    noiseScale: 0,
    systematics: 1,
    zeroPointScale: 0,
    skyError: 0,
    outliers: 0,
    blends: { share: 0 },
    drift: 0,
    calibrationFloor: 0,
    modelError: { smooth: 0 },
    ...input,
  });
const draws = (input: SimulationInput, level = 100, n = 3000) => {
  const [one, rng] = [only(input), createRng(JSON.stringify(input))];
  return Array.from({ length: n }, () => observe(one, flat(level), rng));
};
const magnitudes = (rows: readonly { flux: Float32Array }[], name: string, level = 100): number[] =>
  rows.map(({ flux }) => -2.5 * Math.log10(flux[indexOf(name)] / level));

describe("observer", () => {
  test("is a function of the row and the random numbers: the same twice, whatever was observed before", () => {
    const input = {
      systematics: 1,
      depthScatter: 0.064,
      missingFraction: 0.1,
      modelError: { smooth: 0.03, scatter: 0.01 },
    };
    const row = { ...flat(40), redshift: 0.3, logMass: 10, logSfr: 0 };
    const [a, b] = [make(input), make(input)];
    const first = observe(a, row, createRng("one"));
    for (let i = 0; i < 5; i++) observe(b, flat(3), createRng(`${i}`));
    expect(observe(b, row, createRng("one"))).toEqual(first);
    expect(new Set(row.flux)).toEqual(new Set([40]));
    expect(observe(b, row, createRng("two"))).not.toEqual(first);
  });

  test("all errors that a catalogue doesn't know of have one switch", () => {
    const one = only({
      systematics: 0,
      zeroPointScale: 1,
      skyError: 1,
      outliers: 1,
      blends: { share: 1 },
      drift: 0.01,
      calibrationFloor: 0.1,
      modelError: { smooth: 0.1, scatter: 0.1 },
    });
    expect(new Set(observe(one, flat(7), createRng("off")).flux)).toEqual(new Set([7]));
  });

  test("zero-points are by pointing, each of a size of its own from nothing to the survey's, seen by no other row", () => {
    const rows = draws({ zeroPointScale: 1, calibration: { smooth: 0 } });
    const sizes = rows.map(({ flux }) =>
      rms(
        Array.from(
          flux.filter((_, j) => isOptical[j]),
          (f) => -2.5 * Math.log10(f / 100),
        ),
      ),
    );
    // uniform between 0 and 0.04
    expect(Math.min(...sizes)).toBeLessThan(0.001);
    expect(Math.abs(mean(sizes) - 0.02)).toBeLessThan(0.001);
    expect(Math.abs(rms(magnitudes(rows, "J0660")) - 0.04 / Math.sqrt(3))).toBeLessThan(0.001);
    expect(new Set(rows.map(({ flux }) => flux[5])).size).toBeGreaterThan(2990);
    const shared = only({ zeroPointScale: 1, calibration: { smooth: 0 }, pointings: 8 });
    const [a, b] = [100, 900].map((level) => observe(shared, flat(level), createRng("object"), shared.pointings[3]));
    a.flux.forEach((flux, j) => expect(b.flux[j] / flux).toBeCloseTo(9, 4));
    expect(a.tile).toMatch(/^AEGIS00\d-3$/);
    expect(shared.pointings).toHaveLength(8);
  });

  test("the smooth error has its size, is alike in neighbours and unrelated far away", () => {
    const one = only({ zeroPointScale: 1, calibration: { smooth: 0.02, length: 500 }, pointings: 1 });
    const rng = createRng("smooth");
    const rows = Array.from({ length: 3000 }, () => observe(one, flat(100), rng, one.pointings[0]));
    const [blue, near, far] = ["J0500", "J0530", "J0800"].map((name) => {
      const values = magnitudes(rows, name);
      const average = mean(values); // the pointing's zero-point
      return values.map((x) => x - average);
    });
    for (const values of [blue, near, far]) expect(Math.abs(rms(values) / 0.02 - 1)).toBeLessThan(0.06);
    expect(Math.abs(correlation(blue, near) - Math.exp(-0.5 * (298.2 / 500) ** 2))).toBeLessThan(0.03);
    expect(Math.abs(correlation(blue, far))).toBeLessThan(0.06);
  });

  test("the floor is every flux's own, and model error has its sizes", () => {
    const floor = draws({ calibrationFloor: 0.01, noiseScale: 1 }, 1e7);
    const [g, r] = ["gSDSS", "rSDSS"].map((name) => magnitudes(floor, name, 1e7));
    expect(Math.abs(rms(r) / 0.010857 - 1)).toBeLessThan(0.06);
    expect(Math.abs(correlation(g, r))).toBeLessThan(0.06);
    const model = draws({ modelError: { smooth: 0.05, scatter: 0.02 } });
    const [a, b, c] = ["J0500", "J0510", "J0900"].map((name) => magnitudes(model, name));
    // half-normal sizes have a mean square of one
    expect(Math.abs(rms(a) / 1.0857 / Math.hypot(0.05, 0.02) - 1)).toBeLessThan(0.08);
    expect(correlation(a, b)).toBeGreaterThan(0.6);
    expect(correlation(a, c)).toBeLessThan(0.35);
  });

  test("model error is in the flux, and the error is what a catalogue says of that flux", () => {
    const one = only({ noiseScale: 1, modelError: { smooth: 0.1, scatter: 0.1 } });
    const row = flat(1000);
    const pointing = drawPointing(one, createRng("pointing"));
    const [a, b] = ["one", "other"].map((seed) => observe(one, row, createRng(seed), pointing));
    one.bands.forEach(({ sky, gain }, j) => {
      expect(a.flux[j]).not.toBe(b.flux[j]);
      for (const { flux, error } of [a, b]) {
        const [dark, photons] = [sky, gain].map((of) => entry(of, pointing.parts[j]));
        expect(error[j] / sigmaOf(dark, photons, flux[j])).toBeCloseTo(1, 5);
      }
    });
    expect(new Set(row.flux)).toEqual(new Set([1000]));
  });

  test("the sky's residual: additive, of its size, half of its variance common", () => {
    const rows = draws({ skyError: 0.5, noiseScale: 1 }, 0);
    const pulls = (name: string): number[] => rows.map(({ flux, error }) => flux[indexOf(name)] / error[indexOf(name)]);
    const [a, b] = [pulls("J0500"), pulls("J0800")];
    // photons at the measured flux make the error a little larger
    expect(Math.abs(rms(a) / Math.hypot(1, 0.5) - 1)).toBeLessThan(0.05);
    expect(Math.abs(correlation(a, b) - (0.5 * 0.25) / 1.25)).toBeLessThan(0.05);
  });

  test("outliers have their share and their height, most of them light", () => {
    const rows = draws({ outliers: 0.01, noiseScale: 1 }, 0);
    const pulls = rows.flatMap(({ flux, error }) =>
      Array.from(flux, (f, j) => (isOptical[j] ? f / error[j] : Number.NaN)).filter(Number.isFinite),
    );
    const high = pulls.filter((pull) => Math.abs(pull) > 4.9);
    expect(Math.abs(high.length / pulls.length - 0.01)).toBeLessThan(0.0015);
    expect(Math.abs(high.filter((pull) => pull > 0).length / high.length - 0.8)).toBeLessThan(0.05);
  });

  test("blends add light, in their share of the objects, smoothly over all bands of the image", () => {
    const rows = draws({ blends: { share: 0.1, brightest: 0.5 } });
    const blended = rows.filter(({ flux }) => flux[indexOf("rSDSS")] !== 100);
    expect(Math.abs(blended.length / rows.length - 0.1)).toBeLessThan(0.02);
    for (const { flux } of blended) {
      const added = Array.from(flux, (f) => f - 100);
      expect(Math.min(...added)).toBeGreaterThanOrEqual(0);
      expect(added[indexOf("FUV")]).toBe(0);
      expect(Math.max(...added)).toBeGreaterThan(0.9);
      expect(Math.max(...added)).toBeLessThan(50.1);
    }
  });

  test("filters off their wavelength: the change of the flux is what shifted passbands measure", () => {
    const narrow = bands.flatMap(({ band }, j) => (band.group === "narrow" ? [j] : []));
    // a spectrum with a slope and a hump: in closed form through the pivots, shifted alike for all bands
    const spectrum = (lambda: number): number => 100 * (lambda / 6000) ** 1.5 * (1 + 0.4 * Math.sin(lambda / 300));
    const row = { flux: Float64Array.from(pivots, spectrum) };
    const rows = (() => {
      const [one, rng] = [only({ drift: 1e-3 }), createRng("drift")];
      return Array.from({ length: 3000 }, () => observe(one, row, rng).flux);
    })();
    for (const j of narrow.slice(1, -1)) {
      const slope = (spectrum(pivots[j] * 1.001) - spectrum(pivots[j] / 1.001)) / 2;
      if (Math.abs(slope / row.flux[j]) < 0.004) continue;
      const measured = rms(rows.map((flux) => flux[j] - row.flux[j]));
      expect(Math.abs(measured / Math.abs(slope) - 1), bands[j].name).toBeLessThan(0.25);
    }
    const relative = (name: string): number[] => {
      const j = indexOf(name);
      const sign = Math.sign(spectrum(pivots[j] + 1) - spectrum(pivots[j] - 1));
      return rows.map((flux) => sign * (flux[j] - row.flux[j]));
    };
    expect(Math.abs(correlation(relative("J0410"), relative("J0900")) - 0.5)).toBeLessThan(0.06);
    expect(new Set(rows.map((flux) => flux[indexOf("rSDSS")])).size).toBe(1);
  });

  test("Milky Way dust: a field's own, or uniform over a range; given with the map's error, or corrected", () => {
    const of = (foreground: SimulationInput["foreground"]) => draws({ foreground }, 100, 2000);
    const wide = of({ range: [0, 0.3], mapError: 0 });
    expect(Math.abs(mean(wide.map(({ ebv }) => ebv)) - 0.15)).toBeLessThan(0.01);
    expect(Math.max(...wide.map(({ ebv }) => ebv))).toBeGreaterThan(0.295);
    // A_r = 2.3 E(B-V) or so
    for (const { flux, ebv } of wide.slice(0, 50)) {
      expect((-2.5 * Math.log10(flux[indexOf("rSDSS")] / 100)) / ebv).toBeGreaterThan(2.4);
      expect((-2.5 * Math.log10(flux[indexOf("rSDSS")] / 100)) / ebv).toBeLessThan(2.8);
    }
    const mapped = of({ ebv: 0.1, scatter: 0, mapError: 0.1 });
    expect(Math.abs(rms(mapped.map(({ ebv }) => ebv / 0.1 - 1)) - 0.1)).toBeLessThan(0.006);
    expect(mapped[0].ebvError / mapped[0].ebv).toBeCloseTo(0.1, 6);
    const corrected = of({ ebv: 0.1, scatter: 0, mapError: 0, correct: true });
    expect(corrected[0].ebv).toBeNaN();
    corrected[0].flux.forEach((flux, j) => {
      if (isOptical[j]) expect(Math.abs(flux / 100 - 1), bands[j].name).toBeLessThan(0.02);
    });
    expect(drawPointing(only({}), createRng("none")).ebv).toBe(0);
  });
});
