import { expect, test } from "vitest";
import { openFits } from "../../src/io/fits.ts";
import { GRID_SIZE, gridWavelength } from "../../src/simulate/grid.ts";
import { createPassbands } from "../../src/simulate/passband.ts";
import type { Pixels } from "../../src/survey/observed-spectrum.ts";
import { createStellarModel } from "../../src/simulate/stars.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, rms, withData } from "./data.ts";
import { measure } from "./measure.ts";

const bands = loadSurvey("minijpas").fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
const realPassbands = () => createPassbands(bands, at("filters"));

withData("miuscat-ssp", "filters")("the analytic stellar continuum against MIUSCAT", () => {
  test("colours relative to i, D4000 and M/L_i from 0.05 to 13 Gyr at three metallicities", async () => {
    const file = await openFits(at("miuscat-ssp/MIUSCAT_BaSTI_ku_1.30_fits-thin.fits"));
    const source = await file.hdus[1].table();
    const model = createStellarModel();
    const passbands = realPassbands().filter(({ name }) => /^J0[3-9]|iSDSS/.test(name));
    const iBand = passbands.findIndex(({ name }) => name === "iSDSS");
    const grid = Float64Array.from({ length: GRID_SIZE }, (_, k) => gridWavelength(k));
    const spectrum = (wavelength: Float64Array, flux: Float64Array): Pixels => ({
      wavelength,
      flux,
      ivar: new Float64Array(flux.length).fill(1),
    });
    const magnitudes = (one: Pixels): number[] =>
      passbands.map((band) => -2.5 * Math.log10(measure(one, band)?.flux ?? Number.NaN));
    const breakOf = ({ wavelength, flux }: Pixels): number => {
      const sums = [0, 0, 0, 0];
      wavelength.forEach((x, i) => {
        const side = x > 3850 && x < 3950 ? 0 : x > 4000 && x < 4100 ? 2 : undefined;
        if (side === undefined) return;
        const width = wavelength[i + 1] - x;
        sums[side] += flux[i] * x * x * width; // f_nu
        sums[side + 1] += width;
      });
      return sums[2] / sums[3] / (sums[0] / sums[1]);
    };
    const [colours, breaks, light]: number[][] = [[], [], []];
    for await (const table of source.batches()) {
      const [age, metallicity, wave, flam] = ["AGE", "MH", "WAVE", "FLAM"].map(
        (name) => table.columns.find((column) => column.name === name)?.data as Float32Array,
      );
      const width = wave.length / table.rowCount;
      for (let i = 0; i < table.rowCount; i++) {
        if (age[i] < 0.05 || age[i] > 13.01) continue;
        const part = (column: Float32Array): Float64Array =>
          Float64Array.from(column.subarray(i * width, (i + 1) * width));
        const truth = spectrum(part(wave), part(flam));
        const ours = spectrum(grid, model.burst(age[i], metallicity[i]).map(Math.exp));
        const [a, b] = [magnitudes(ours), magnitudes(truth)];
        a.forEach((value, j) => colours.push(value - a[iBand] - (b[j] - b[iBand])));
        breaks.push(breakOf(ours) - breakOf(truth));
        light.push(0.4 * (a[iBand] - b[iBand]));
      }
    }
    await file.close();
    expect(light).toHaveLength(72);
    expect(rms(colours)).toBeLessThan(0.03);
    expect(rms(breaks)).toBeLessThan(0.04);
    expect(Math.max(...light.map(Math.abs))).toBeLessThan(0.1);
  });
});
