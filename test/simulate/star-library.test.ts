import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createRng } from "../../src/random.ts";
import { simulateBuiltin } from "../../src/simulate/builtin.ts";
import { checkSelection } from "../../src/simulate/block.ts";
import { GRID_SIZE, gridIndex, gridWavelength } from "../../src/simulate/grid.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { createStars, type Limits } from "../../src/simulate/point-sources.ts";
import type { ObservedSpectrum } from "../../src/survey/observed-spectrum.ts";
import { createLibraryStars, readStarLibrary, starLibrary } from "../../src/simulate/star-library.ts";
import { createStarModel, type Star } from "../../src/simulate/star-spectra.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "./data.ts";

const model = createStarModel(0, GRID_SIZE);
const star = (temperature: number): Star => ({
  temperature,
  gravity: temperature < 4000 ? 4.9 : 4.4,
  metallicity: -0.5,
  whiteDwarf: undefined,
});

const BLUE = 3800;
/** Where the library's stars have a line that the built-in ones don't [Angstrom]. */
const MARK = 6000;
const LEVEL = 37;

/** A built-in star as SDSS would have seen it, with a line of its own at 6000 A and 2 % noise. */
function observed(temperature: number, more: Partial<ObservedSpectrum> = {}): ObservedSpectrum {
  const rng = createRng(`star ${temperature}`);
  const whole = new Float64Array(GRID_SIZE);
  model.render(star(temperature), whole, 0, GRID_SIZE);
  const wavelength = Float64Array.from({ length: 3840 }, (_, i) => BLUE * 10 ** (1e-4 * i));
  const flux = wavelength.map((lambda) => {
    const mark = 1 - 0.5 * Math.exp(-0.5 * ((lambda - MARK) / 20) ** 2);
    return LEVEL * whole[Math.round(gridIndex(lambda))] * mark * (1 + 0.02 * rng.normal());
  });
  const ivar = flux.map((value) => (0.02 * value) ** -2);
  return {
    id: `${temperature}`,
    wavelength,
    flux,
    ivar,
    redshift: undefined,
    warning: "star",
    widths: {},
    totals: [],
    ...more,
  };
}

const depthOfMark = (flux: Float64Array): number => {
  const mean = (lambda: number): number => {
    const k = Math.round(gridIndex(lambda));
    return flux.subarray(k - 3, k + 4).reduce((sum, one) => sum + one / 7, 0);
  };
  return 1 - mean(MARK) / Math.sqrt(mean(MARK - 120) * mean(MARK + 120));
};

test("spectra are sorted by temperature, which is found to 3 %; what is no star is counted", () => {
  const temperatures = [5600, 3300, 8000, 4500];
  const faint = observed(5000);
  const { stars, description } = starLibrary(
    [
      ...temperatures.map((temperature) => observed(temperature)),
      observed(6000, { warning: "quasar" }),
      { ...faint, ivar: faint.ivar.map((one) => one / 400) },
    ],
    "folder",
  );
  expect(stars).toHaveLength(4);
  temperatures.sort((a, b) => a - b);
  stars.forEach(({ temperature }, i) => expect(Math.abs(Math.log(temperature / temperatures[i]))).toBeLessThan(0.03));
  expect(description).toMatch(/^4 spectra of stars, .* K, 38\d\d - 9\d\d\d A; not taken: 1 quasar, 1 S\/N below 5\. /);
  expect(() => starLibrary([observed(6000, { warning: "quasar" })], "folder")).toThrow(
    /^folder: no star among 1 spectra \(1 quasar\); expected spectra that their pipeline classes as STAR$/,
  );
});

test("a star near one of the library has its spectrum, continued without a step; others and white dwarfs are built in", () => {
  const stars = createLibraryStars(starLibrary([observed(5600), observed(5700)], "two"), model);
  const [into, plain] = [new Float64Array(GRID_SIZE), new Float64Array(GRID_SIZE)];
  const rng = createRng("choose");
  stars.render(star(5620), into, 0, GRID_SIZE, rng);
  model.render(star(5620), plain, 0, GRID_SIZE);
  expect(depthOfMark(into)).toBeGreaterThan(0.3);
  expect(depthOfMark(plain)).toBeLessThan(0.05);
  for (let k = 0; k < GRID_SIZE; k += 7) {
    const lambda = gridWavelength(k);
    // the ultraviolet is another one at another temperature
    if (lambda < 3300 || Math.abs(lambda - MARK) < 150) continue;
    expect(Math.abs(Math.log(into[k] / plain[k] / LEVEL)), `${lambda} A`).toBeLessThan(0.15);
  }
  for (const other of [star(8000), { ...star(5620), whiteDwarf: "hydrogen" as const }]) {
    stars.render(other, into, 0, GRID_SIZE, rng);
    model.render(other, plain, 0, GRID_SIZE);
    expect(into).toEqual(plain);
  }
});

test("magnitudes and counts stay the population's", () => {
  const limits: Limits = { bright: 15, faint: 18, band: 0, pivot: 6000, observed: [3000, 5000] };
  const view = {
    direct: (flux: Float64Array) => Float64Array.of(flux[4000], flux[3500]),
    spectra: () => [],
    galaxy: () => ({ fluxes: Float64Array.of(), spectra: () => [] }),
  };
  const library = starLibrary([observed(5200), observed(5600), observed(6000)], "three");
  const [own, builtin] = [createStars(limits, library), createStars(limits)];
  expect(own.perSquareDegree).toBe(builtin.perSquareDegree);
  const mean = (of: typeof own): number => {
    const rng = createRng("many");
    let sum = 0;
    for (let i = 0; i < 400; i++) sum += Math.log(of.draw(rng, view).fluxes[0]) / 400;
    return sum;
  };
  expect(Math.abs(mean(own) - mean(builtin))).toBeLessThan(0.15);
});

test("a library of stars needs stars", () => {
  const options = simulationOptions.parse({ stars: ["folder"], kinds: { galaxy: 1 } });
  expect(() => checkSelection(loadSurvey("minijpas"), options)).toThrow(
    /no stars are wanted: expected kinds with a share/,
  );
});

withData("sdss-spectra")("SDSS files", () => {
  const root = scratch();
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test("of galaxies and quasars are no library of stars", () =>
    expect(readStarLibrary([at("sdss-spectra")])).rejects.toThrow(
      /no star among 8 spectra \(.*2 quasar.*\); expected/,
    ));

  test("of what the pipeline classes as a star are, from file to table", async () => {
    // a galaxy under another class: what is read is what counts here
    const bytes = readFileSync(at("sdss-spectra/spec-0285-51930-0184.fits"), "latin1");
    const path = join(root, "spec-0285-51930-0184.fits");
    writeFileSync(path, bytes.replaceAll("GALAXY", "STAR  "), "latin1");
    const { stars } = await readStarLibrary([root]);
    expect(stars).toHaveLength(1);
    expect(stars[0].temperature).toBeGreaterThan(3000);
    expect(stars[0].temperature).toBeLessThan(7000);
    const options = { survey: loadSurvey("splus"), stars: [path], kinds: { star: 1 }, n: 20, workers: 0 };
    const { value } = await simulateBuiltin({ ...options, selection: { faint: 19 } }).next();
    expect(value?.metadata?.singleStars).toMatch(/^1 spectrum of stars, /);
    expect(value?.rowCount).toBe(20);
  });
});
