import { describe, expect, it } from "vitest";
import { createSimulation, simulateBlock } from "../../src/simulate/block.ts";
import { FWHM_TO_SIGMA, addLine, pixelsOf } from "../../src/simulate/line-spread.ts";
import { lines } from "../../src/simulate/lines.ts";
import { parseOptions, withSample } from "../../src/simulate/options.ts";
import { createPassbands } from "../../src/simulate/passband.ts";
import type { Table } from "../../src/io/table.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { wavelengthsOf } from "../../src/survey/spectrum-grid.ts";

const survey = loadSurvey("moons");
const spectrum = survey.fields.find(({ name }) => name === "spectrum");
if (spectrum?.kind !== "spectrum") throw new Error("moons has a spectrum");
const { grid } = spectrum;
const wavelength = wavelengthsOf(grid);
const pixels = pixelsOf(grid);
const widths = wavelength.map((_, i) => pixels.edges[i + 1] - pixels.edges[i]);

const made = (input: Parameters<typeof withSample>[1]): Table => {
  const options = parseOptions(withSample(survey, { fluxes: "clean", workers: 0, seed: "clean spectra", ...input }));
  return simulateBlock(createSimulation(survey, options), 0, 48);
};
const column = (table: Table, name: string): Float32Array => {
  const found = table.columns.find((one) => one.name === name);
  if (!(found?.data instanceof Float32Array)) throw new Error(`no column ${name}`);
  return found.data;
};
const table = made({});
const row = (name: string, i: number): Float32Array => {
  const data = column(table, name);
  return data.subarray(i * grid.pixels, (i + 1) * grid.pixels);
};
const z = column(table, "z");

/** Integral of the spectrum within `reach` of a wavelength, and the mean of its flanks from there to twice that. */
function measure(flux: Float32Array, centre: number, reach: number): { line: number; continuum: number } {
  let [inside, width, flanks, flankWidth] = [0, 0, 0, 0];
  wavelength.forEach((at, i) => {
    const distance = Math.abs(at - centre);
    if (distance < reach) [inside, width] = [inside + flux[i] * widths[i], width + widths[i]];
    else if (distance < 2 * reach) [flanks, flankWidth] = [flanks + flux[i] * widths[i], flankWidth + widths[i]];
  });
  const continuum = flanks / flankWidth;
  return { line: inside - continuum * width, continuum };
}

describe("a line in pixels", () => {
  it("keeps its flux and its centre however narrow it is, and has the pixel's shape where it is resolved", () => {
    for (const sigma of [0.05, 0.7, 3, 20]) {
      const into = new Float64Array(grid.pixels);
      addLine(into, pixels, 7, 11_003.3, sigma);
      const flux = into.reduce((sum, value, i) => sum + value * widths[i], 0);
      expect(flux).toBeCloseTo(7, 4);
      const centre = into.reduce((sum, value, i) => sum + value * widths[i] * wavelength[i], 0) / flux;
      expect(Math.abs(centre - 11_003.3)).toBeLessThan(sigma < 0.5 ? 0.7 : 0.01 * sigma);
      if (sigma < 3) continue;
      const at = wavelength.findIndex((one) => one > 11_003.3 + sigma);
      const expected =
        (7 / (sigma * Math.sqrt(2 * Math.PI))) * Math.exp(-0.5 * ((wavelength[at] - 11_003.3) / sigma) ** 2);
      expect(into[at] / expected).toBeCloseTo(1, 1);
    }
  });
});

describe("spectra without noise", () => {
  it("hold lines whose integral over the continuum is the label's equivalent width, to 1 %", () => {
    const widths5007 = column(table, "OIII5007_EW");
    const misses: number[] = [];
    for (let i = 0; i < table.rowCount; i++) {
      const centre = lines.OIII5007.wavelength * (1 + z[i]);
      const isInside = centre * 1.01 < grid.to && centre * 0.99 > grid.from;
      if (!isInside || widths5007[i] < 60) continue;
      // continuum of the labels: side bands at 30 - 60 A rest, here without [OIII] 4959
      const flux = row("true_spectrum", i);
      const rest = wavelength.map((at) => at / (1 + z[i]));
      const isSide = (at: number): boolean => {
        const off = Math.abs(at - lines.OIII5007.wavelength);
        return off > 30 && off < 60 && Math.abs(at - lines.OIII4959.wavelength) > 12;
      };
      // a straight line through them
      let [n, x, y, xx, xy] = [0, 0, 0, 0, 0];
      flux.forEach((value, k) => {
        if (!isSide(rest[k])) return;
        const off = rest[k] - lines.OIII5007.wavelength;
        [n, x, y, xx, xy] = [n + 1, x + off, y + value, xx + off * off, xy + off * value];
      });
      const slope = (n * xy - x * y) / (n * xx - x * x);
      const continuum = (y - slope * x) / n;
      const line = flux.reduce((sum, value, k) => {
        const off = rest[k] - lines.OIII5007.wavelength;
        return Math.abs(off) < 25 ? sum + (value - continuum - slope * off) * widths[k] : sum;
      }, 0);
      // stellar features in the side bands are not a straight line
      misses.push(Math.abs(line / continuum / (widths5007[i] * (1 + z[i])) - 1));
    }
    expect(misses.length).toBeGreaterThan(5);
    expect(Math.max(...misses)).toBeLessThan(0.02);
    expect(misses.sort((a, b) => a - b)[misses.length >> 1]).toBeLessThan(0.01);
  });

  it("have the band fluxes of the same galaxy, to 1 %", () => {
    const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
    const passbands = createPassbands(bands).filter(({ name }) => ["iLSST", "zLSST", "Y", "J"].includes(name));
    for (const { name, curve } of passbands) {
      const fluxes = column(table, `true_${name}`);
      for (let i = 0; i < table.rowCount; i++) {
        const flux = row("true_spectrum", i);
        let [sum, whole] = [0, 0];
        wavelength.forEach((at, k) => {
          const weight = at < curve.range[0] || at > curve.range[1] ? 0 : curve.transmission(at) * at * widths[k];
          sum += weight * flux[k];
          whole += weight;
        });
        expect(Math.abs(sum / whole / fluxes[i] - 1)).toBeLessThan(0.01);
      }
    }
  });

  it("show lines as wide as the instrument and the gas make them", () => {
    const unresolved = made({ physics: { velocityDispersion: false } });
    const [redshift, width] = [column(unresolved, "z"), column(unresolved, "OIII5007_EW")];
    const all = column(unresolved, "true_spectrum");
    let count = 0;
    for (let i = 0; i < unresolved.rowCount; i++) {
      const centre = lines.OIII5007.wavelength * (1 + redshift[i]);
      const resolution = centre < 9300 ? 4100 : centre < 13_400 && centre > 9400 ? 4300 : 0;
      if (resolution === 0 || width[i] < 30) continue;
      const flux = all.subarray(i * grid.pixels, (i + 1) * grid.pixels);
      const { continuum } = measure(flux, centre, 12 * (1 + redshift[i]));
      let [sum, second] = [0, 0];
      wavelength.forEach((at, k) => {
        if (Math.abs(at - centre) > 4 * (centre / resolution)) return;
        const weight = (flux[k] - continuum) * widths[k];
        [sum, second] = [sum + weight, second + weight * (at - centre) ** 2];
      });
      // a pixel adds its own second moment
      const pixel = (centre * pixels.step) ** 2 / 12;
      const fwhm = Math.sqrt(second / sum - pixel) / FWHM_TO_SIGMA;
      expect(centre / fwhm / resolution).toBeGreaterThan(0.93);
      expect(centre / fwhm / resolution).toBeLessThan(1.07);
      count += 1;
    }
    expect(count).toBeGreaterThan(5);
  });

  it("have quasars among them with broad lines", () => {
    const quasars = made({ kinds: { galaxy: 0, quasar: 1 }, selection: { faint: 23 } });
    const [redshift, all] = [column(quasars, "z"), column(quasars, "true_spectrum")];
    const broad = Array.from(redshift).filter((one, i) => {
      const centre = lines.Halpha.wavelength * (1 + one);
      if (centre < 7000 || centre > 17_000) return false;
      const flux = all.subarray(i * grid.pixels, (i + 1) * grid.pixels);
      const { continuum } = measure(flux, centre, 400 * (1 + one));
      const at = (off: number): number => flux[wavelength.findIndex((w) => w > centre * (1 + off / 299_792))];
      return at(1500) > 1.3 * continuum && at(-1500) > 1.3 * continuum;
    });
    expect(broad.length).toBeGreaterThan(5);
  });
});
