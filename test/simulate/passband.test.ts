import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openFits } from "../../src/io/fits.ts";
import {
  createPassband,
  createPassbands,
  magnitudeOfFlux,
  type Passband,
  readCurve,
} from "../../src/simulate/passband.ts";
import { repair } from "../../src/simulate/resample.ts";
import type { Pixels } from "../../src/survey/observed-spectrum.ts";
import { expandPaths, readSpectra } from "../../src/survey/spectrum-files.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, rms, withData } from "./data.ts";
import { measure } from "./measure.ts";
import { scratch } from "../helpers/scratch.ts";

const survey = loadSurvey("minijpas");
const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
const isNarrow = bands.map(({ band }) => band.group === "narrow");

function pixels(wavelength: Float64Array, flux: Float64Array): Pixels {
  return { wavelength, flux, ivar: new Float64Array(flux.length).fill(1) };
}

/** Difference of magnitudes in two passbands; undefined where one of them is not covered. */
function difference(spectrum: Pixels, one: Passband, two: Passband): number | undefined {
  const [a, b] = [measure(spectrum, one), measure(spectrum, two)];
  return a === undefined || b === undefined ? undefined : -2.5 * Math.log10(a.flux / b.flux);
}

describe("passbands", () => {
  test("a box weighs photons: the mean of lambda^n is the closed form", () => {
    const [low, high] = [5000, 5150];
    const band = createPassband("box", { range: [low, high], transmission: () => 1 });
    // int lambda^n lambda dlambda / int lambda dlambda
    const mean = (n: number): number => (2 * (high ** (n + 2) - low ** (n + 2))) / ((n + 2) * (high ** 2 - low ** 2));
    const wavelength = Float64Array.from({ length: 4001 }, (_, i) => 4800 + i * 0.15);
    for (const n of [-2.5, 1, 3]) {
      const spectrum = pixels(
        wavelength,
        wavelength.map((lambda) => lambda ** n),
      );
      expect((measure(spectrum, band)?.flux ?? 0) / mean(n)).toBeCloseTo(1, 4);
    }
    // pivot^2 = int lambda dlambda / int dlambda / lambda
    expect(band.pivot / Math.sqrt((high ** 2 - low ** 2) / 2 / Math.log(high / low))).toBeCloseTo(1, 4);
  });

  test("a flat f_nu source has the same AB magnitude in every band", () => {
    const wavelength = Float64Array.from({ length: 60_000 }, (_, i) => 1000 + i * 0.25);
    const flux = wavelength.map((lambda) => 1e-9 / lambda ** 2);
    const magnitude = -2.5 * Math.log10(1e-9 / 2.99792458e18) - 48.6;
    for (const band of createPassbands(bands)) {
      const measured = measure(pixels(wavelength, flux), band);
      expect(Math.abs(magnitudeOfFlux(measured?.flux ?? 0, band.pivot) - magnitude), band.name).toBeLessThan(1e-4);
    }
  });

  test("a notch takes its share out of the middle", () => {
    const { band } = bands.find(({ name }) => name === "J0500") ?? bands[0];
    const notch = { centre: 5000, width: 20, depth: 0.8 };
    const [plain, notched] = createPassbands([
      { name: "plain", band },
      { name: "notched", band: { ...band, notches: [notch] } },
    ]);
    const ratio = (lambda: number): number => notched.curve.transmission(lambda) / plain.curve.transmission(lambda);
    // the tilt that keeps the pivot cancels between both sides
    const beside = Math.sqrt(ratio(4950) * ratio(5050));
    expect(ratio(5000) / beside).toBeCloseTo(0.2, 2);
    expect(Math.sqrt(ratio(4990) * ratio(5010)) / beside).toBeCloseTo(1 - 0.8 / 2, 2);
    expect(notched.pivot).toBeCloseTo(plain.pivot, 0);
  });

  test("two-column curves: comments, commas, one clear error", () => {
    const folder = scratch();
    const path = join(folder, "A.J0500.dat");
    writeFileSync(path, "# lambda T\n4900, 0\n\n4950 0.5\n5000\t1\n5050 0\n");
    const curve = readCurve(path);
    expect(curve.range).toEqual([4900, 5050]);
    expect(curve.transmission(4975)).toBeCloseTo(0.75, 12);
    writeFileSync(path, "4900 0\n4890 1\n");
    expect(() => readCurve(path)).toThrow(/A\.J0500\.dat:2: "4890 1": expected increasing wavelength/);
  });
});

withData(
  "filters",
  "miuscat-ssp",
  "sdss-spectra",
  "desi-spectra",
)("parametric passbands against the real curves", () => {
  const parametric = createPassbands(bands);
  const real = () => createPassbands(bands, at("filters"));

  test("of several filter systems in one folder, the one with most of the survey's bands is taken", () => {
    const system = real();
    bands.forEach(({ name, band }, j) => expect(Math.abs(system[j].pivot / band.pivot - 1), name).toBeLessThan(1e-3));
    const other = createPassbands(bands, at("filters"), "OAJ_JPLUS");
    const j = bands.findIndex(({ name }) => name === "J0660");
    expect(Math.abs(other[j].pivot - system[j].pivot)).toBeGreaterThan(1);
  });

  test("MIUSCAT populations at z 0 - 0.8 agree to 0.01 mag rms in every narrow band, 0.02 at worst", async () => {
    const system = real();
    const differences = bands.map((): number[] => []);
    const file = await openFits(at("miuscat-ssp/MIUSCAT_BaSTI_ku_1.30_fits-thin.fits"));
    for await (const table of (await file.hdus[1].table()).batches()) {
      const [wave, flam] = ["WAVE", "FLAM"].map(
        (name) => table.columns.find((column) => column.name === name)?.data as Float32Array,
      );
      const width = wave.length / table.rowCount;
      for (let row = 0; row < table.rowCount; row += 6) {
        const part = (column: Float32Array): Float64Array =>
          Float64Array.from(column.subarray(row * width, (row + 1) * width));
        const [wavelength, flux] = [part(wave), part(flam)];
        for (let z = 0; z <= 0.8; z += 0.1) {
          const spectrum = pixels(
            wavelength.map((x) => x * (1 + z)),
            flux,
          );
          bands.forEach((_, j) => {
            const one = isNarrow[j] ? difference(spectrum, parametric[j], system[j]) : undefined;
            if (one !== undefined) differences[j].push(one);
          });
        }
      }
    }
    await file.close();
    bands.forEach(({ name }, j) => {
      if (!isNarrow[j]) return;
      expect(differences[j].length, name).toBeGreaterThan(10);
      expect(rms(differences[j]), name).toBeLessThan(0.01);
      expect(Math.max(...differences[j].map(Math.abs)), name).toBeLessThan(0.02);
    });
  });

  test("real spectra agree to 0.01 mag rms in every narrow band, emission lines at edges included", async () => {
    const system = real();
    const differences = bands.map((): number[] => []);
    for (const path of expandPaths([at("sdss-spectra"), at("desi-spectra/coadd-*.fits")])) {
      for await (const one of readSpectra(path)) {
        const spectrum = repair(one);
        bands.forEach((_, j) => {
          const measured = isNarrow[j] ? measure(spectrum, system[j]) : undefined;
          // noise that falls on the edges of a faint band is no judge of curves
          if (measured === undefined || measured.flux < 10 * measured.error) return;
          const found = difference(spectrum, parametric[j], system[j]);
          if (found !== undefined) differences[j].push(found);
        });
      }
    }
    bands.forEach(({ name }, j) => {
      if (!isNarrow[j]) return;
      expect(differences[j].length, name).toBeGreaterThan(0);
      expect(rms(differences[j]), name).toBeLessThan(0.01);
      expect(Math.max(...differences[j].map(Math.abs)), name).toBeLessThan(0.02);
    });
  });

  test("a line of 30 Angstrom anywhere in or beside a band: 0.01 mag rms", () => {
    const system = real();
    bands.forEach(({ name, band }, j) => {
      if (!isNarrow[j]) return;
      const wavelength = Float64Array.from({ length: 2400 }, (_, i) => band.pivot - 600 + i * 0.5);
      const found: number[] = [];
      for (let centre = band.edges[0] - 60; centre < band.edges[1] + 60; centre += 6) {
        const sigma = (centre * 120) / 299792;
        const flux = wavelength.map((x) => 1 + (30 / sigma / 2.5066) * Math.exp(-0.5 * ((x - centre) / sigma) ** 2));
        found.push(difference(pixels(wavelength, flux), parametric[j], system[j]) ?? Number.NaN);
      }
      expect(rms(found), name).toBeLessThan(0.01);
    });
  });
});
