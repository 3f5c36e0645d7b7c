import { expect, it } from "vitest";
import { isTaken, type TakenField } from "../../src/simulate/clean-spectrum.ts";
import { createSpectrograph, type Spectrograph } from "../../src/simulate/spectrograph.ts";
import { readSpectra } from "../../src/survey/spectrum-files.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import type { Arm } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at, withData } from "./data.ts";

/** Whether spectrographs of survey files have the noise of real spectra: all else that a simulation does rests on it. */

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

/** The spectrograph of a survey, its arms changed. */
function spectrographOf(survey: string, change: Partial<Arm>): Spectrograph {
  const field = loadSurvey(survey).fields.find(isTaken);
  if (field === undefined) throw new Error(`${survey} has a spectrum with arms`);
  const changed: TakenField = { ...field, arms: field.arms.map((arm) => ({ ...arm, ...change })) };
  return createSpectrograph(changed);
}

/** Error of a pixel over what the spectrograph says, for pixels of another width [Angstrom] than its own. */
function ratioAt(graph: Spectrograph, wavelength: number, flux: number, ivar: number, width?: number) {
  const { first, step, edges } = graph.pixels;
  const i = Math.round((Math.log(wavelength) - first) / step);
  if (!(ivar > 0) || !(graph.gain[i] > 0)) return undefined;
  const own = edges[i + 1] - edges[i];
  const sigma = Math.sqrt(graph.background[i] + Math.max(0, flux) * graph.gain[i]) / graph.gain[i];
  const ratio = 1 / Math.sqrt(ivar) / (sigma * Math.sqrt(own / (width ?? own)));
  return { wavelength, ratio, lit: graph.lines[i] / graph.background[i] };
}
type Ratio = NonNullable<ReturnType<typeof ratioAt>>;

function judge(ratios: readonly Ratio[], ends: readonly number[], margin: number): void {
  for (let k = 0; k + 1 < ends.length; k++) {
    const inside = ratios.filter(({ wavelength }) => wavelength >= ends[k] && wavelength < ends[k + 1]);
    expect(Math.abs(Math.log(median(inside.map(({ ratio }) => ratio))))).toBeLessThan(margin);
  }
}

withData("desi-spectra")("DESI's noise", () => {
  it("is that of real coadds of one and two exposures, on the sky's lines and between them", async () => {
    // COADD_EXPTIME [s] and COADD_NUMEXP of their fibre maps
    const exposures = { "39627866878511337": [1009, 1], "39627866878514741": [1444, 2] } as const;
    for await (const { id, wavelength, flux, ivar } of readSpectra(at("desi-spectra/coadd-sv3-dark-26065.fits"))) {
      if (!(id in exposures)) continue;
      const [exposure, reads] = exposures[id as keyof typeof exposures];
      const graph = spectrographOf("desi-spectra", { exposure, reads });
      const ratios = Array.from(wavelength).flatMap((one, i) =>
        one > 9820 ? [] : (ratioAt(graph, one, flux[i], ivar[i], 0.8) ?? []),
      );
      judge(ratios, [3700, 4700, 5700, 6500, 7500, 8500, 9800], 0.35);
      const red = ratios.filter((one) => one.wavelength > 7600);
      const [on, off] = [red.filter(({ lit }) => lit > 0.6), red.filter(({ lit }) => lit < 0.1)].map((some) =>
        median(some.map(({ ratio }) => ratio)),
      );
      expect(Math.abs(Math.log(on / off))).toBeLessThan(0.2);
    }
  });
});

withData("sdss-spectra")("SDSS's noise", () => {
  it("is that of a real spectrum of its first spectrographs", async () => {
    const graph = spectrographOf("sdss-spectra", {});
    for await (const one of readSpectra(at("sdss-spectra/spec-0390-51900-0282.fits"))) {
      const ratios = Array.from(one.wavelength).flatMap(
        (wavelength, i) => ratioAt(graph, wavelength, one.flux[i], one.ivar[i]) ?? [],
      );
      judge(ratios, [3900, 5000, 6200, 7300, 8000, 8700], 0.35);
    }
  });
});

withData("fors2-spectra")("FORS2's noise", () => {
  it("is that of the real table in the median, from 4600 to 9200 A", async () => {
    const survey = loadSurvey("fors2");
    const graph = spectrographOf("fors2", {});
    const { catalog } = await readWholeCatalog(at("fors2-spectra/fors2-spectra.fits.gz"), survey);
    const { wavelength } = graph.pixels;
    const pixels = catalog.arrays?.get("spectrum");
    expect(pixels?.width).toBe(wavelength.length);
    const ratios = Array.from(pixels?.value ?? []).flatMap((flux, k) => {
      const i = k % wavelength.length;
      // every eighth pixel is enough
      return i % 8 === 0 ? (ratioAt(graph, wavelength[i], flux, pixels!.ivar[k]) ?? []) : [];
    });
    judge(ratios, [4600, 5500, 6400, 7300, 8200, 9200], 0.35);
  });
});
