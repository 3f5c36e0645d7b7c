import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, hide } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { catalogStore } from "../../src/tokens/batch.ts";
import { coderOf } from "../../src/train/config.ts";
import { correctTemplates, correctionAt, KINDS, KNOTS } from "../../src/train/spectral-correction.ts";
import { fitInstrument, type ZeroPoint } from "../../src/train/zero-points.ts";
import { startCheckpoint } from "../helpers/network.ts";
import { toyFields } from "../helpers/toy.ts";

/** Zero-points and a spectral correction that were put into a survey of known spectra, and what comes back. */

const PIVOTS = [3800, 4400, 4800, 5500, 6300, 7600, 9000, 12_500, 21_500];
const base = toyFields[0];
const fields: readonly Field[] = [
  ...PIVOTS.map((pivot, id): Field => ({
    ...base,
    id,
    name: `B${id}`,
    kind: "flux",
    range: [-1e9, 1e9],
    band: { ...base.band!, group: "broad", pivot, edges: [0.93 * pivot, 1.07 * pivot] },
  })),
  { ...toyFields[6], id: PIVOTS.length },
];
const nBand = PIVOTS.length;

/** A galaxy's flux per wavelength: a slope, a break at 4000 Angstrom and a bump at 16,000. */
const spectrum = (rest: number, slope: number, depth: number): number =>
  (rest / 5000) ** slope *
  (1 - depth / (1 + Math.exp((rest - 4000) / 150))) *
  (1 + 0.5 * Math.exp(-(((rest - 16_000) / 4000) ** 2)));

/** Galaxies with 1 % errors; `lnFlux` dims each band, `shape` multiplies the spectra in their rest frame, `moved` multiplies wavelengths of bands. */
function galaxies(
  count: number,
  seed: string,
  lnFlux: readonly number[] = [],
  shape = (_rest: number): number => 1,
  moved: readonly number[] = [],
): Catalog {
  const rng = createRng(seed);
  const n = fields.length;
  const value = new Float32Array(count * n);
  const error = new Float32Array(count * n);
  for (let row = 0; row < count; row++) {
    const z = 0.05 + 0.9 * rng.uniform();
    const bright = 3000 * Math.exp(0.5 * rng.normal());
    const [slope, depth] = [-1 + rng.uniform(), 0.2 + 0.6 * rng.uniform()];
    PIVOTS.forEach((pivot, j) => {
      const rest = (pivot * (moved[j] ?? 1)) / (1 + z);
      const flux = bright * spectrum(rest, slope, depth) * shape(rest) * Math.exp(-(lnFlux[j] ?? 0));
      error[row * n + j] = 0.01 * flux;
      value[row * n + j] = flux * (1 + 0.01 * rng.normal());
    });
    value[row * n + nBand] = z;
  }
  const objectId = Array.from({ length: count }, (_, i) => `${seed}${i}`);
  return {
    fields,
    rowCount: count,
    objectId,
    parentId: objectId,
    value,
    error,
    state: new Uint8Array(count * n).fill(State.measured),
  };
}

const { config, templates } = startCheckpoint(galaxies(4000, "models"), { templates: 4000 });
const coder = coderOf(config, templates);
const bare = (catalog: Catalog): Catalog => hide(catalog, ({ band }) => band === undefined);
const rms = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

describe("zero-points by the galaxies that a network carries", () => {
  const rng = createRng("offsets");
  const drawn = PIVOTS.map(() => 0.06 * rng.normal());
  const mean = drawn.reduce((sum, x) => sum + x, 0) / nBand;
  const truth = drawn.map((x) => x - mean); // a grey offset is no colour

  it("come back from photometry alone", () => {
    const target = galaxies(400, "target", truth);
    const found = fitInstrument(coder, templates!, catalogStore(bare(target)), allRows(target)).zeroPoints.map(
      (one) => one.lnFlux,
    );
    expect(rms(truth)).toBeGreaterThan(0.04);
    expect(rms(found.map((x, j) => x - truth[j]))).toBeLessThan(0.02);
    const slope = found.reduce((sum, x, j) => sum + x * truth[j], 0) / truth.reduce((sum, x) => sum + x * x, 0);
    expect(slope).toBeGreaterThan(0.85);
    expect(slope).toBeLessThan(1.1);
  });

  it("stay where nothing is shifted, and a band that nobody observed keeps its prior", () => {
    const target = hide(galaxies(400, "same"), ({ name }) => name === "B5");
    const { zeroPoints } = fitInstrument(coder, templates!, catalogStore(bare(target)), allRows(target));
    expect(rms(zeroPoints.map((one) => one.lnFlux))).toBeLessThan(0.01);
    expect(zeroPoints[5]).toMatchObject({ lnFlux: 0, count: 0 });
    expect(zeroPoints[5].error).toBeCloseTo(0.1, 6);
    expect(zeroPoints[4].error).toBeLessThan(0.06);
  });
});

describe("passbands that lie elsewhere", () => {
  const moved = PIVOTS.map((_, j) => 1 + 0.015 * (j % 2 === 0 ? 1 : -1));
  const target = galaxies(500, "moved", [], undefined, moved);
  const fit = (passbands: number): readonly ZeroPoint[] =>
    fitInstrument(coder, templates!, catalogStore(target), allRows(target), passbands).zeroPoints;

  it("are found where redshifts are known, and stay where they are unless asked for", () => {
    const found = fit(1);
    const truth = moved.map((x, j) => (x - 1) * PIVOTS[j]);
    // the reddest bands see slopes that are the same in all galaxies: zero-points
    const optical = PIVOTS.flatMap((pivot, j) => (pivot < 7000 ? [j] : []));
    for (const j of optical) {
      expect(Math.sign(found[j].shift), `${PIVOTS[j]} Angstrom`).toBe(Math.sign(truth[j]));
      expect(Math.abs(found[j].shift - truth[j])).toBeLessThan(2.5 * found[j].shiftError);
    }
    const square = optical.reduce((sum, j) => sum + truth[j] ** 2, 0);
    const slope = optical.reduce((sum, j) => sum + found[j].shift * truth[j], 0) / square;
    expect(slope).toBeGreaterThan(0.5);
    expect(slope).toBeLessThan(1.5);
    expect(fit(0).map(({ shift, shiftError }) => [shift, shiftError])).toEqual(PIVOTS.map(() => [0, 0]));
  });

  it("move the carried galaxies' fluxes", () => {
    const correction = {
      spectra: KINDS.flatMap(() => KNOTS.map(() => 0)),
      shifts: PIVOTS.map((_, j) => (j === 3 ? 40 : 0)),
    };
    const { flux } = correctTemplates(coder, templates!, correction);
    const ratio = Array.from({ length: nBand }, (_, j) => Math.log(flux[j] / templates!.flux[j]));
    expect(ratio.filter((_, j) => j !== 3).every((x) => x === 0)).toBe(true);
    const [left, right] = [2, 4].map((j) => Math.log(templates!.flux[j]) / 1);
    const rough = ((right - left) / (PIVOTS[4] - PIVOTS[2])) * 40;
    expect(Math.abs(ratio[3] - rough)).toBeLessThan(0.5 * Math.abs(rough) + 0.003);
  });
});

describe("a correction of the models' spectra", () => {
  const shape = (rest: number): number => Math.exp(0.12 * Math.exp(-0.5 * ((rest - 3300) / 400) ** 2));

  it("is told from zero-points where redshifts are known, and corrects the carried galaxies", () => {
    const target = galaxies(600, "other", [], shape);
    const { correction, zeroPoints } = fitInstrument(coder, templates!, catalogStore(target), allRows(target));
    const at = (rest: number): number => correctionAt(correction, rest, Number.NaN);
    expect(at(3300) - at(5500)).toBeGreaterThan(0.06);
    expect(at(3300) - at(2300)).toBeGreaterThan(0.04);
    expect(Math.abs(at(9000) - at(5500))).toBeLessThan(0.03);
    expect(rms(zeroPoints.map((one) => one.lnFlux))).toBeLessThan(0.02);
    const corrected = correctTemplates(coder, templates!, correction);
    const z = coder.decode(nBand, templates!.property[0], 0);
    const ratio = corrected.flux[0] / templates!.flux[0];
    expect(Math.log(ratio)).toBeCloseTo(at(PIVOTS[0] / (1 + z)), 4);
  });

  it("is straight between its knots and its kinds, constant beyond them", () => {
    const correction = { spectra: KINDS.flatMap((_kind, kind) => KNOTS.map((_, i) => i + 100 * kind)), shifts: [] };
    const [quiescent, usual, bursting] = KINDS;
    expect(correctionAt(correction, 1, quiescent)).toBe(0);
    expect(correctionAt(correction, KNOTS[4], quiescent - 3)).toBeCloseTo(4, 9);
    expect(correctionAt(correction, Math.sqrt(KNOTS[4] * KNOTS[5]), quiescent)).toBeCloseTo(4.5, 9);
    expect(correctionAt(correction, 1e6, quiescent)).toBeCloseTo(KNOTS.length - 1, 9);
    expect(correctionAt(correction, KNOTS[4], usual)).toBeCloseTo(104, 9);
    expect(correctionAt(correction, KNOTS[4], Number.NaN)).toBeCloseTo(104, 9);
    expect(correctionAt(correction, KNOTS[4], 0.25 * quiescent + 0.75 * usual)).toBeCloseTo(79, 9);
    expect(correctionAt(correction, KNOTS[4], bursting + 1)).toBeCloseTo(204, 9);
  });
});
