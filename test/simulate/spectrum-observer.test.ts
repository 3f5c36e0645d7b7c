import { describe, expect, it } from "vitest";
import { createRng, quickRng } from "../../src/random.ts";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { isTaken, type TakenField } from "../../src/simulate/clean-spectrum.ts";
import { createRowObserver, observationSchema } from "../../src/simulate/observation.ts";
import { parseOptions, withSample } from "../../src/simulate/options.ts";
import { fluxOfMagnitude } from "../../src/simulate/passband.ts";
import { createSpectrograph } from "../../src/simulate/spectrograph.ts";
import { skyLines } from "../../src/simulate/sky-lines.ts";
import {
  createScratch,
  fibreFraction,
  observeSpectrum,
  type ObserveSettings,
  type SpectrumPair,
} from "../../src/simulate/spectrum-observer.ts";
import { emptyCatalog } from "../../src/survey/catalog.ts";
import { type Arm, State } from "../../src/survey/field.ts";
import { toCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const moons = loadSurvey("moons");
const field = moons.fields.find(isTaken);
if (field === undefined) throw new Error("moons has a spectrum");
const usual = parseOptions({}).spectrum;
const perfect = { calibration: 0, skyResidual: 0, wavelengthShift: 0, telluricResidual: 0, masked: 0, outliers: 0 };

/** A spectrograph of one arm. */
const simple = (arm: Partial<Arm>, pixels = 1024): TakenField => ({
  ...field,
  grid: { from: 8000, to: 9000, pixels },
  shape: [pixels],
  arms: [{ ...field.arms[0], from: 8000, to: 9000, skyLines: 0, telluric: 0, throughput: 0.3, sky: 20, ...arm }],
});

/** Observations of a flat spectrum, one after the other. */
function* observations(
  of: TakenField,
  flux: number,
  settings: Partial<ObserveSettings>,
  count: number,
): Generator<SpectrumPair> {
  const graph = createSpectrograph(of);
  const n = of.grid.pixels;
  const whole = { ebv: 0, noiseScale: 1, systematics: 1, spectrum: perfect, ...settings };
  const [clean, scratch] = [new Float32Array(n).fill(flux), createScratch(graph, whole)];
  const rng = createRng("observed");
  const into = { value: new Float32Array(n), ivar: new Float32Array(n) };
  for (let i = 0; i < count; i++) {
    observeSpectrum(graph, clean, 1, whole, quickRng(rng), scratch, into);
    yield into;
  }
}

describe("a spectrum that is observed", () => {
  it("has the signal to noise of the exposure-time equation, and inverse variances that tell it", () => {
    const one = simple({ fibre: 1, seeing: 0.001, area: 500_000, exposure: 3600, reads: 2, readNoise: 4, dark: 0.01 });
    const graph = createSpectrograph(one);
    const at = 500;
    const wavelength = 8000 * (9000 / 8000) ** (at / 1023);
    const width = (wavelength * Math.log(9000 / 8000)) / 1023;
    const flux = 30;
    // photons of 1e-19 erg/s/cm2/A: h c = 1.98645e-8 erg A
    const perFlux = ((flux * 1e-19 * wavelength * width) / 1.98645e-8) * 500_000 * 3600 * 0.3;
    const sky =
      ((fluxOfMagnitude(20, wavelength) * wavelength * width) / 1.98645e-8) * 500_000 * 3600 * 0.3 * (Math.PI / 4);
    const detector = (width / (wavelength / 4100 / 3)) * 4;
    const noise = Math.sqrt(perFlux + sky + detector * (2 * 16 + 0.01 * 3600));
    expect(graph.pointFraction).toBeCloseTo(1, 3);
    let [sum, square, stated, chi] = [0, 0, 0, 0];
    const count = 4000;
    for (const { value, ivar } of observations(one, flux, {}, count)) {
      sum += value[at] / count;
      square += value[at] ** 2 / count;
      stated += 1 / ivar[at] / count;
      chi += ((value[at] - flux) * Math.sqrt(ivar[at])) ** 2 / count;
    }
    const expected = (flux * noise) / perFlux;
    const sigma = Math.sqrt(square - sum * sum);
    expect(Math.abs(sum - flux) / expected).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(sigma / expected - 1)).toBeLessThan(0.05);
    expect(Math.abs(Math.sqrt(stated) / expected - 1)).toBeLessThan(0.01);
    expect(Math.abs(chi - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
  });

  it("without noise and errors is the clean one times its light in the fibre", () => {
    for (const { value } of observations(simple({}), 12.5, { noiseScale: 0, systematics: 0 }, 1)) {
      for (const one of value) expect(one).toBeCloseTo(12.5, 4);
    }
  });

  it("errs beyond its inverse variance where calibration, sky lines and air do, by what is asked", () => {
    const spread = (of: TakenField, spectrum: typeof perfect, at: (i: number) => boolean): number => {
      let [square, count] = [0, 0];
      for (const { value } of observations(of, 10, { noiseScale: 0, spectrum }, 300)) {
        value.forEach((one, i) => {
          if (at(i)) [square, count] = [square + (one / 10 - 1) ** 2, count + 1];
        });
      }
      return Math.sqrt(square / count);
    };
    const anywhere = spread(simple({}), { ...perfect, calibration: 0.03 }, () => true);
    expect(anywhere).toBeGreaterThan(0.022);
    expect(anywhere).toBeLessThan(0.036);
    const lit = simple({ skyLines: 1 });
    const graph = createSpectrograph(lit);
    const isLine = (i: number): boolean => graph.lines[i] > 0.9 * graph.background[i];
    const isDark = (i: number): boolean => graph.lines[i] < 0.02 * graph.background[i];
    const residual = { ...perfect, skyResidual: 0.01, wavelengthShift: 0.02 };
    expect(spread(lit, residual, isLine)).toBeGreaterThan(20 * spread(lit, residual, isDark));
    const wet = { ...simple({ telluric: 1, from: 9000, to: 10_000 }), grid: { from: 9000, to: 10_000, pixels: 1024 } };
    const { depth } = createSpectrograph(wet);
    const air = { ...perfect, telluricResidual: 0.1 };
    expect(spread(wet, air, (i) => depth[i] > 0.5)).toBeGreaterThan(5 * spread(wet, air, (i) => depth[i] < 0.05));
  });

  it("has no pixels in gaps between arms and in opaque air, and loses some to defects", () => {
    const graph = createSpectrograph(field);
    let masked = 0;
    let inside = 0;
    for (const { value, ivar } of observations(field, 10, { spectrum: { ...perfect, masked: 0.01 } }, 50)) {
      graph.pixels.wavelength.forEach((wavelength, i) => {
        if (ivar[i] === 0) expect(Math.abs(value[i])).toBe(0);
        if (wavelength > 13_510 && wavelength < 14_510) expect(ivar[i]).toBe(0);
        if (graph.gain[i] === 0) return;
        inside += 1;
        masked += Number(ivar[i] === 0);
      });
    }
    // runs of 1 - 3 pixels
    expect(masked / inside).toBeGreaterThan(0.017);
    expect(masked / inside).toBeLessThan(0.022);
  });

  it("is fainter for large galaxies, and as bright as its bands for points", () => {
    const graph = createSpectrograph(field);
    const mean = (logMass: number): number => {
      const rng = createRng("sizes");
      let sum = 0;
      for (let i = 0; i < 200; i++) sum += fibreFraction(graph, { redshift: 1.5, logMass, logSfr: 1 }, rng) / 200;
      return sum;
    };
    expect(mean(11.5)).toBeLessThan(0.9 * mean(9));
    expect(mean(9)).toBeLessThan(1);
    expect(fibreFraction(graph, { redshift: 1.5, logMass: 11, isPoint: true }, createRng("a"))).toBe(1);
  });
});

describe("the sky", () => {
  it("is as bright in its bands as Paranal's: 14.4 mag/arcsec2 in H, 16.4 in J (Vega)", () => {
    // half-transmission edges of the bands [A], Vega to AB (Blanton & Roweis 2007)
    for (const [from, to, vega, toAB] of [
      [14_900, 17_850, 14.4, 1.39],
      [11_700, 13_300, 16.4, 0.91],
    ] as const) {
      const middle = (from + to) / 2;
      const inside = skyLines().filter(({ wavelength }) => wavelength > from && wavelength < to);
      const mean = inside.reduce((sum, { flux }) => sum + flux, 0) / (to - from);
      const magnitude = -2.5 * Math.log10((mean * middle * middle) / 2.99792458e18) - 48.6;
      expect(Math.abs(magnitude - toAB - vega)).toBeLessThan(0.3);
    }
  });

  it("has lines where others saw them: [OI] 6300, OH 8346.9 and the Q branch at 1.5833 micron (vacuum)", () => {
    const brightest = (from: number, to: number): number =>
      skyLines()
        .filter(({ wavelength }) => wavelength > from && wavelength < to)
        .reduce((a, b) => (b.flux > a.flux ? b : a)).wavelength;
    expect(brightest(6250, 6350)).toBeCloseTo(6302.05, 1);
    // Oliva et al. 2015, A&A 581, A47: 15833.3; Hanuschik 2003: 8344.6 in air
    expect(Math.abs(brightest(15_700, 15_900) - 15_833.3)).toBeLessThan(0.2);
    expect(Math.abs(brightest(8300, 8390) - 8346.9)).toBeLessThan(0.2);
  });
});

describe("MOONS", () => {
  it("reaches a line of 2e-17 erg/s/cm2 at 5 sigma within its first hour, between sky lines (its aim, Cirasuolo et al. 2014)", () => {
    const { gain, background, pixels } = createSpectrograph({
      ...field,
      arms: field.arms.map((arm) => ({ ...arm, exposure: 3600, reads: 2 })),
    });
    const limits = Array.from(gain).flatMap((one, i) => {
      const wavelength = pixels.wavelength[i];
      if (one === 0 || wavelength < 14_600) return [];
      const width = pixels.edges[i + 1] - pixels.edges[i];
      const fwhm = (wavelength * 200) / 299_792;
      return [((5 * Math.sqrt(background[i])) / one) * Math.sqrt(fwhm * width) * 1e-19];
    });
    const median = limits.sort((a, b) => a - b)[limits.length >> 1];
    expect(median).toBeLessThan(2e-17);
    expect(median).toBeGreaterThan(2e-18);
  });
});

describe("rows of spectra observed anew", () => {
  it("are what simulate writes for the same random numbers, and another for others", () => {
    const input = { n: 12, seed: "anew", workers: 0, fluxes: "both" as const };
    const options = parseOptions(withSample(moons, input));
    const table = simulateBlock(createSimulation(moons, options), 0, 12);
    const { catalog: noisy } = toCatalog(table, moons);
    const { catalog: clean } = toCatalog(table, moons, { layout: "clean" });
    const observe = createRowObserver(moons, observationSchema.parse({}));
    const one = emptyCatalog(moons.fields, 1);
    const at = moons.fields.indexOf(field);
    const pixels = field.grid.pixels;
    for (let row = 0; row < clean.rowCount; row++) {
      one.state[at] = clean.state[row * moons.fields.length + at];
      observe(clean, row, createRng(`${clean.parentId[row]}:noise`), one);
      expect(one.state[at]).toBe(State.measured);
      const [seen, written] = [one.arrays?.get("spectrum"), noisy.arrays?.get("spectrum")];
      for (const of of ["value", "ivar"] as const) {
        const expected = written?.[of].subarray(row * pixels, (row + 1) * pixels);
        const worst = Math.max(
          ...seen![of].map((value, i) => Math.abs(value - expected![i]) / (1 + Math.abs(expected![i]))),
        );
        expect(worst).toBeLessThan(1e-3);
      }
    }
    const first = one.arrays?.get("spectrum")?.value.slice();
    observe(clean, clean.rowCount - 1, createRng("another"), one);
    expect(one.arrays?.get("spectrum")?.value).not.toStrictEqual(first);
    expect(usual.masked).toBeGreaterThan(0);
  });
});
