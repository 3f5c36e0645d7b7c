import { describe, expect, it } from "vitest";
import { agreementOf, coveredBands, syntheticFlux } from "../../src/inference/synthetic-photometry.ts";
import { createRng } from "../../src/random.ts";
import { createPassband, fluxOfMagnitude, parametricCurve } from "../../src/simulate/passband.ts";
import type { SpectrumField } from "../../src/survey/field.ts";
import { edgesOf } from "../../src/survey/spectrum-grid.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const { fields } = loadSurvey("moons");
const spectrum = fields.find((field): field is SpectrumField => field.kind === "spectrum")!;
const edges = edgesOf(spectrum.grid);
const middle = Float64Array.from({ length: spectrum.grid.pixels }, (_, i) => Math.sqrt(edges[i] * edges[i + 1]));
const bands = coveredBands(fields, spectrum.unit, edges);
const ones = middle.map(() => 1);

describe("synthetic photometry of a spectrum", () => {
  it("is of the bands that lie within it", () => {
    expect(bands.map(({ column }) => fields[column].name)).toEqual(["iLSST", "zLSST", "Y", "J", "H"]);
  });

  it("has the AB magnitude of a source that is flat in frequency, whose flux is that at the pivot", () => {
    // f_nu of 20 mag, per wavelength: c f_nu / lambda^2, in 1e-19 erg/s/cm2/A
    const flat = middle.map((at) => fluxOfMagnitude(20, at) * 1e19);
    for (const band of bands) {
      const field = fields[band.column];
      const { pivot } = createPassband(field.name, parametricCurve(field.band!));
      const { flux } = syntheticFlux(band, flat, ones)!;
      expect(Math.abs(flux / (fluxOfMagnitude(20, pivot) * 1e19) - 1), field.name).toBeLessThan(2e-3);
    }
  });

  it("has the error that noise makes", () => {
    const rng = createRng("noise");
    const [band] = bands;
    const sigma = middle.map((_, i) => 1 + (i % 7));
    const ivar = sigma.map((x) => x ** -2);
    const draws = Array.from({ length: 400 }, () => syntheticFlux(band, sigma.map((x) => 9 + x * rng.normal()), ivar)!); // prettier-ignore
    const mean = draws.reduce((sum, { flux }) => sum + flux, 0) / 400;
    const scatter = Math.sqrt(draws.reduce((sum, { flux }) => sum + (flux - mean) ** 2, 0) / 399);
    expect(Math.abs(mean - 9)).toBeLessThan((4 * scatter) / 20);
    expect(Math.abs(scatter / draws[0].error - 1)).toBeLessThan(0.15);
  });

  it("is none where more than a tenth of the band is not observed, and heeds no such pixel", () => {
    const band = bands.find(({ column }) => fields[column].name === "J")!;
    const holed = (to: number): Float64Array => middle.map((at) => (at > 12_000 && at < to ? 0 : 1));
    expect(syntheticFlux(band, middle, holed(12_500))).toBeUndefined();
    const wild = middle.map((at) => (at > 12_000 && at < 12_100 ? Number.NaN : 5));
    expect(syntheticFlux(band, wild, holed(12_100))!.flux).toBeCloseTo(5, 6);
  });
});

describe("agreement of magnitudes", () => {
  it("is the median and the scatter of what both know", () => {
    const rng = createRng("magnitudes");
    const reference = Array.from({ length: 4000 }, () => Math.exp(rng.normal()));
    const flux = reference.map((x) => x * 10 ** (-0.4 * (0.1 + 0.05 * rng.normal())));
    const { galaxies, offset, scatter } = agreementOf([...flux, -1, 3], [...reference, 2, Number.NaN])!;
    expect(galaxies).toBe(4000);
    expect(Math.abs(offset - 0.1)).toBeLessThan(4e-3);
    expect(Math.abs(scatter - 0.05)).toBeLessThan(4e-3);
    expect(agreementOf([-1], [2])).toBeUndefined();
  });
});
