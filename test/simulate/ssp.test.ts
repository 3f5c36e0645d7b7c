import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { simulateBuiltin } from "../../src/simulate/builtin.ts";
import { GRID_SIZE, gridIndex, gridWavelength } from "../../src/simulate/grid.ts";
import { createPassbands } from "../../src/simulate/passband.ts";
import { createPhotometer } from "../../src/simulate/photometer.ts";
import { drawGalaxy } from "../../src/simulate/population.ts";
import { vacuumWavelength } from "../../src/survey/spectrum-grid.ts";
import { createGridModel, readSspGrid } from "../../src/simulate/ssp.ts";
import { createStellarModel } from "../../src/simulate/stars.ts";
import { createSpectrum, createTemplates, mixOf, synthesise } from "../../src/simulate/synthesis.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();
afterAll(() => rmSync(folder, { recursive: true }));

const SUN = 3.826e33;

/** A one-dimensional FITS image of 32-bit floats, as the MILES site writes it. */
function fitsSpectrum(start: number, step: number, flux: readonly number[]): Buffer {
  const cards = [
    "SIMPLE  =                    T",
    "BITPIX  =                  -32",
    "NAXIS   =                    1",
    `NAXIS1  = ${String(flux.length).padStart(20)}`,
    `CRVAL1  = ${String(start).padStart(20)}`,
    `CDELT1  = ${String(step).padStart(20)}`,
    "CRPIX1  =                  1.0",
    "END",
  ].map((card) => card.padEnd(80));
  const data = Buffer.alloc(Math.ceil((flux.length * 4) / 2880) * 2880);
  flux.forEach((value, i) => data.writeFloatBE(value, 4 * i));
  return Buffer.concat([Buffer.from(cards.join("").padEnd(2880)), data]);
}

const START = 3540.5;
const STEP = 0.9;
/** Lsun/A/Msun: falls as 1/age, rises with metallicity, a line at NaD's wavelength in air. */
const milesFlux = (age: number, metallicity: number): number[] =>
  Array.from({ length: 4367 }, (_, i) => {
    const air = START + STEP * i;
    const line = 1 - 0.5 * Math.exp(-0.5 * ((air - 5889.95) / 3) ** 2);
    return (1e-4 / age) * 10 ** (0.3 * metallicity) * (air / 5000) * line;
  });

function writeMiles(into: string, ages: readonly number[], metallicities: readonly number[], imf = "bi1.30"): void {
  for (const age of ages) {
    for (const metallicity of metallicities) {
      const sign = metallicity < 0 ? "m" : "p";
      const name = `M${imf}Z${sign}${Math.abs(metallicity).toFixed(2)}T${age.toFixed(4).padStart(7, "0")}_iTp0.00_baseFe.fits`;
      writeFileSync(join(into, name), fitsSpectrum(START, STEP, milesFlux(age, metallicity)));
    }
  }
}

const freshFolder = (): string => mkdtempSync(join(folder, "grid-"));

test("air to vacuum: NaD, Hbeta and Halpha (NIST)", () => {
  expect(vacuumWavelength(5889.95)).toBeCloseTo(5891.583, 2);
  expect(vacuumWavelength(4861.33)).toBeCloseTo(4862.69, 2);
  expect(vacuumWavelength(6562.8)).toBeCloseTo(6564.61, 2);
});

describe("MILES spectra", () => {
  const path = freshFolder();
  writeMiles(path, [1, 10], [-0.4, 0.22]);

  test("units, wavelengths in vacuum, log-linear in age and metallicity", async () => {
    const grid = await readSspGrid([path]);
    expect(grid.ages).toEqual([1, 10]);
    expect(grid.metallicities).toEqual([-0.4, 0.22]);
    expect(grid.description).toContain("4 spectra (bi1.30 Tp0.00 baseFe, 4 files): 1 - 10 Gyr, [M/H] -0.4 - 0.22");
    const { burst } = createGridModel(grid);
    const k = Math.round(gridIndex(6500));
    const expected = (age: number, metallicity: number): number =>
      Math.log((SUN * 1e-4 * 10 ** (0.3 * metallicity) * (6500 / 5000)) / age);
    for (const [age, metallicity] of [
      [1, -0.4],
      [Math.sqrt(10), -0.4],
      [10 ** 0.3, 0],
    ]) {
      expect(Math.abs(burst(age, metallicity)[k] - expected(age, metallicity))).toBeLessThan(1e-3);
    }
    const spectrum = burst(1, 0.22);
    let deepest = Math.round(gridIndex(5860));
    for (let i = deepest; i < gridIndex(5920); i++) if (spectrum[i] < spectrum[deepest]) deepest = i;
    expect(Math.abs(gridWavelength(deepest) - 5891.58)).toBeLessThan(2);
  });

  test("beyond its ages and metallicities the edge holds; younger populations change as the built-in ones", async () => {
    const { burst } = createGridModel(await readSspGrid([path]));
    const k = Math.round(gridIndex(6500));
    expect(burst(13, 0.4)[k]).toBe(burst(10, 0.22)[k]);
    expect(burst(2, -1)[k]).toBe(burst(2, -0.4)[k]);
    const builtin = createStellarModel();
    const change = (model: { burst: typeof burst }): number => model.burst(0.01, 0.1)[k] - model.burst(1, 0.1)[k];
    expect(change({ burst })).toBeCloseTo(change(builtin), 5);
  });

  test("other wavelengths continue as the built-in continuum, level with the edges", async () => {
    const model = createGridModel(await readSspGrid([path]));
    const [ours, builtin] = [model.burst(3, 0), createStellarModel().burst(3, 0)];
    const at = (spectrum: Float64Array, lambda: number): number => spectrum[Math.round(gridIndex(lambda))];
    const [uv, ir] = [1600, 10_000].map((lambda) => at(ours, lambda) - at(builtin, lambda));
    expect(at(ours, 3400) - at(builtin, 3400)).toBeCloseTo(uv, 6);
    expect(at(ours, 8000) - at(builtin, 8000)).toBeCloseTo(ir, 6);
    // the level is that of the 60 grid points next to the edge
    const edge = Math.floor(gridIndex(vacuumWavelength(START + STEP * 4366)));
    let step = 0;
    for (let k = edge - 60; k < edge; k++) step += (ours[k] - builtin[k]) / 60;
    expect(Math.abs(step - ir)).toBeLessThan(2e-3);
  });

  test("gaps, mixed IMFs, doubles and strange files are one clear line", async () => {
    const gap = freshFolder();
    writeMiles(gap, [1, 10], [0]);
    writeMiles(gap, [1], [0.22]);
    await expect(readSspGrid([gap])).rejects.toThrow(/no spectrum of 10 Gyr, \[M\/H\] 0.22 \(1 such gaps\)/);
    const mixed = freshFolder();
    writeMiles(mixed, [1, 10], [0]);
    writeMiles(mixed, [1, 10], [0.22], "ku1.30");
    await expect(readSspGrid([mixed])).rejects.toThrow(/different kinds: bi1.30 .*, ku1.30 .*expected one IMF/);
    await expect(readSspGrid([path, path])).rejects.toThrow(/a second spectrum of 1 Gyr/);
    await expect(readSspGrid([join(folder, "nowhere")])).rejects.toThrow(/no such file or folder/);
    await expect(readSspGrid([freshFolder()])).rejects.toThrow(/no file of a known layout, expected MILES/);
    const text = join(folder, "notes.txt");
    writeFileSync(text, "hello");
    await expect(readSspGrid([text])).rejects.toThrow(/not a layout of stellar populations/);
    const survey = loadSurvey("minijpas");
    await expect(simulateBuiltin({ survey, n: 1, ssp: [text] }).next()).rejects.toThrow(/not a layout/);
  });
});

/** GALAXEV's .ised_ASCII: counted records, five lines of text after the ages, index fluxes after each spectrum. */
function galaxev(ages: readonly number[], z: number, scale: number): string {
  const wavelengths = Array.from({ length: 700 }, (_, i) => 91 + 20 * i);
  const wrap = (values: readonly number[]): string => {
    const words = [values.length, ...values].map((value) => `  ${value.toExponential(6)}`);
    words[0] = `   ${values.length}`;
    const lines: string[] = [];
    for (let i = 0; i < words.length; i += 6) lines.push(words.slice(i, i + 6).join(""));
    return lines.join("\n");
  };
  return [
    wrap(ages),
    "   1.00000E-01  1.00000E+02  2",
    "   0.1 0.5 1 2 3 4 5 6",
    " 1. 1. 1. 0 0.0 0.0 0.0 T T",
    ` BC03: Padova 1994, Chabrier IMF, X=0.7000, Y=0.2800, Z=${z.toFixed(4)}, [Fe/H]=+0.0932`,
    " Listed: Rest frame properties",
    wrap(wavelengths),
    ...ages.flatMap((age) => [wrap(wavelengths.map((x) => (scale * x) / (1e7 + age))), wrap([1, 2, 3])]),
    wrap(ages.map(() => 1)),
  ].join("\n");
}

describe("GALAXEV .ised_ASCII", () => {
  const ages = [0, 1e5, 1e7, 1e9, 1.3e10];
  const write = (into: string, code: string, z: number, content = galaxev(ages, z, z)): void =>
    writeFileSync(join(into, `bc2003_hr_stelib_${code}_chab_ssp.ised_ASCII`), content);

  test("ages in years, metallicity from the text, records over several lines", async () => {
    const path = freshFolder();
    write(path, "m42", 0.004);
    write(path, "m62", 0.02);
    const grid = await readSspGrid([path]);
    expect(grid.ages).toEqual([1e-4, 0.01, 1, 13]);
    expect(grid.metallicities[0]).toBeCloseTo(Math.log10(0.2), 3);
    expect(grid.metallicities[1]).toBeCloseTo(0, 6);
    const k = Math.round(gridIndex(6000));
    const lambda = 6000 / 1.000277;
    expect(createGridModel(grid).burst(1, 0)[k]).toBeCloseTo(Math.log((SUN * 0.02 * lambda) / (1e7 + 1e9)), 3);
  });

  test("damaged files", async () => {
    const path = freshFolder();
    const whole = galaxev(ages, 0.02, 1);
    const broken: [string, RegExp][] = [
      [whole.slice(0, whole.length * 0.7), /within a record of numbers|expected a number/],
      [galaxev([1e9, 1e7], 0.02, 1), /ages that don't increase/],
      [whole.replace("Z=0.0200", ""), /ised_ASCII: no metallicity/],
      [whole.replace("  9.100000e+1", "  9.1x"), /expected a number/],
    ];
    for (const [content, message] of broken) {
      const file = join(path, "my_model.ised_ASCII");
      writeFileSync(file, content);
      await expect(readSspGrid([file])).rejects.toThrow(message);
    }
  });
});

const data = process.env.CALEIDO_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data");

describe.skipIf(!existsSync(join(data, "miuscat-ssp")))("MIUSCAT as a source", () => {
  test("the same galaxies have the built-in continuum's colours where it has their metallicity: 0.03 mag rms", async () => {
    const grid = await readSspGrid([join(data, "miuscat-ssp")]);
    expect(grid.description).toContain("78 spectra (ku1.30 Tp0.00 baseFe, 1 file): 0.04 - 13.5 Gyr, [M/H] -0.25 - 0.4");
    const survey = loadSurvey("minijpas");
    const passbands = createPassbands(
      survey.fields.flatMap(({ name, band }) => (band?.group === "narrow" ? [{ name, band }] : [])),
    );
    const sources = [createStellarModel(), createGridModel(grid)].map((stars) => createTemplates(0.1, { stars }));
    const photometers = sources.map((templates) => createPhotometer(passbands, templates));
    const rng = createRng("ssp");
    const work = createSpectrum();
    const differences: number[] = [];
    for (let i = 0; i < 60; i++) {
      const galaxy = { ...drawGalaxy(rng, 0.02, 10.5), logZ: -0.2 + 0.5 * rng.uniform(), enrichment: 0 };
      const mix = mixOf(galaxy);
      const [ours, builtin] = sources.map((templates, j) => {
        synthesise(work, templates, galaxy, mix, 0, GRID_SIZE);
        return Array.from(photometers[j].fluxes(work, 0.02), (flux) => -2.5 * Math.log10(flux));
      });
      const step = ours.map((value, j) => value - builtin[j]);
      const mean = step.reduce((sum, value) => sum + value, 0) / step.length;
      differences.push(...step.map((value) => value - mean));
    }
    const rms = Math.sqrt(differences.reduce((sum, x) => sum + x * x, 0) / differences.length);
    expect(rms).toBeGreaterThan(1e-4);
    expect(rms).toBeLessThan(0.03);
  });

  test("a run says where its stars come from", async () => {
    const request = { survey: loadSurvey("minijpas"), n: 3, ssp: [join(data, "miuscat-ssp")], redshift: { max: 0.1 } };
    const { value } = await simulateBuiltin(request).next();
    expect(value?.metadata?.stars).toContain("78 spectra");
    expect(value?.rowCount).toBe(3);
  });
});
