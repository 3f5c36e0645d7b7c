import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, hide } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { catalogStore } from "../../src/tokens/batch.ts";
import { learnedCalibration } from "../../src/train/calibration.ts";
import { coderOf } from "../../src/train/config.ts";
import { withZeroPoints } from "../../src/train/instrument-layer.ts";
import { fitInstrument, type ZeroPoint } from "../../src/train/zero-points.ts";
import { startCheckpoint } from "../helpers/network.ts";
import { toyFields } from "../helpers/toy.ts";

/** Zero-points put into a few bands of a survey of narrow ones, most of whose fluxes are faint, and what comes back. */

const N = 20;
const PIVOTS = Array.from({ length: N }, (_, j) => 3800 * (9200 / 3800) ** (j / (N - 1)));
const base = toyFields[0];
const fields: readonly Field[] = [
  ...PIVOTS.map((pivot, id): Field => ({
    ...base,
    id,
    name: `N${id}`,
    kind: "flux",
    range: [-1e9, 1e9],
    band: { ...base.band!, group: "narrow", pivot, edges: [pivot - 70, pivot + 70] },
  })),
  { ...toyFields[6], id: N },
];

/** A galaxy's flux per wavelength: a slope, a break, and a line. */
const spectrum = (rest: number, slope: number, depth: number, line: number): number =>
  (rest / 5000) ** slope * (1 - depth / (1 + Math.exp((rest - 4000) / 100))) +
  line * Math.exp(-0.5 * ((rest - 5007) / 90) ** 2);

/** Galaxies with S/N of 2 to 30 a band, whose errors are `noise` times what they are said to be; `lnFlux` dims each band. */
function galaxies(count: number, seed: string, lnFlux: readonly number[] = [], noise = 1): Catalog {
  const rng = createRng(seed);
  const n = fields.length;
  const [value, error] = [new Float32Array(count * n), new Float32Array(count * n)];
  for (let row = 0; row < count; row++) {
    const z = 0.05 + 0.5 * rng.uniform();
    const ratio = 2 * 15 ** rng.uniform();
    const [slope, depth, line] = [-1 + rng.uniform(), 0.2 + 0.6 * rng.uniform(), 0.8 * rng.uniform()];
    PIVOTS.forEach((pivot, j) => {
      const dimmed = Math.exp(-(lnFlux[j] ?? 0));
      const sigma = 1000 * dimmed;
      error[row * n + j] = sigma;
      value[row * n + j] =
        1000 * ratio * dimmed * spectrum(pivot / (1 + z), slope, depth, line) + noise * sigma * rng.normal();
    });
    value[row * n + N] = z;
  }
  const objectId = Array.from({ length: count }, (_, i) => `${seed}${i}`);
  const state = new Uint8Array(count * n).fill(State.measured);
  return { fields, rowCount: count, objectId, parentId: objectId, value, error, state };
}

/** What the network carries has hardly any noise. */
const models = galaxies(3000, "models", [], 0.02);
const checkpoint = startCheckpoint(models, { templates: 3000 });
const { config, templates } = checkpoint;
const coder = coderOf(config, templates);
const fit = (catalog: Catalog): readonly ZeroPoint[] =>
  fitInstrument(coder, templates!, catalogStore(hide(catalog, ({ band }) => band === undefined)), allRows(catalog))
    .zeroPoints;
const rms = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

const truth = PIVOTS.map((_, j): number => (j % 4 === 1 ? (j % 8 === 1 ? 0.08 : -0.06) : 0));
const mean = truth.reduce((sum, x) => sum + x, 0) / N;
const colours = truth.map((x) => x - mean); // a grey offset is no colour

describe("zero-points from photometry alone", () => {
  const found = fit(galaxies(600, "target", truth));
  const left = found.map(({ lnFlux }, j) => lnFlux - colours[j]);

  it("come back to a hundredth of a magnitude, with a slope of 1", () => {
    expect(rms(left)).toBeLessThan(0.01);
    const square = colours.reduce((sum, x) => sum + x * x, 0);
    const slope = found.reduce((sum, { lnFlux }, j) => sum + lnFlux * colours[j], 0) / square;
    expect(Math.abs(slope - 1)).toBeLessThan(0.07);
  });

  it("tell their errors: not less than what is left, and larger of few rows", () => {
    const pulls = left.map((x, j) => x / found[j].error);
    expect(rms(pulls)).toBeLessThan(1.2);
    expect(Math.max(...found.map(({ error }) => error))).toBeLessThan(0.1);
    const few = fit(galaxies(15, "few", truth));
    expect(rms(few.map(({ error }) => error))).toBeGreaterThan(rms(found.map(({ error }) => error)));
  });

  it("scatter from one choice of rows to another as their statistical errors say", () => {
    const many = ["a", "b", "c"].map((seed) => fit(galaxies(100, `scatter ${seed}`, truth)));
    const scatter = PIVOTS.map((_, j) => {
      const own = many.map((one) => one[j].lnFlux);
      const middle = own.reduce((sum, x) => sum + x, 0) / own.length;
      return Math.sqrt(own.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (own.length - 1));
    });
    const told = rms(many.flatMap((one) => one.map(({ statistical }) => statistical)));
    expect(rms(scatter) / told).toBeGreaterThan(0.6);
    expect(rms(scatter) / told).toBeLessThan(1.6);
  }, 180_000);

  it("are nothing where no band is off, and the scatter of faint fluxes tells errors that are too small", () => {
    const same = fit(galaxies(300, "same", [], 1.6));
    expect(rms(same.map(({ lnFlux }) => lnFlux))).toBeLessThan(0.015);
    const noise = same.flatMap(({ noise: own }) => (Number.isNaN(own) ? [] : [own]));
    expect(noise.length).toBeGreaterThan(N / 2);
    const average = noise.reduce((sum, x) => sum + x, 0) / noise.length;
    expect(average).toBeGreaterThan(1.25);
    expect(average).toBeLessThan(1.75);
    for (const { lnNoise } of same) {
      expect(Math.exp(lnNoise)).toBeGreaterThan(1.2);
      expect(Math.exp(lnNoise)).toBeLessThan(2);
    }
    // errors that are right stay, but for chance
    expect(found.filter(({ lnNoise }) => lnNoise === 0).length).toBeGreaterThan(0.8 * N);
  });

  it("go into the network's instrument layer, with the noise factors", () => {
    const noisy = found.map((one, j) => ({ ...one, lnNoise: 0.01 * j }));
    const put = withZeroPoints(checkpoint, { zeroPoints: noisy, correction: { spectra: [], shifts: [] } });
    const learned = learnedCalibration("network", put);
    learned.forEach(({ lnFlux, noise }, j) => {
      expect(lnFlux).toBeCloseTo(found[j].lnFlux, 6);
      expect(noise).toBeCloseTo(Math.exp(0.01 * j), 6);
    });
    expect(put.config.isCalibrated).toBe(true);
  });
});
