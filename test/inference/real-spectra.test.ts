import { join } from "node:path";
import { expect, it } from "vitest";
import { fitTemplates } from "../../src/inference/baseline-spectra.ts";
import { createRng } from "../../src/random.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { allRows } from "../../src/survey/catalog.ts";
import type { SpectrumField } from "../../src/survey/field.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "../simulate/data.ts";

/** Every how many-th spectrum is looked at. */
const EVERY = 8;

withData("fors2-spectra")("templates from simulations alone", () => {
  it("find most redshifts of real FORS2 spectra to .005", async () => {
    const survey = loadSurvey("fors2");
    const table = join(scratch(), "clean.parquet");
    await simulate({
      survey: "fors2",
      out: table,
      n: 400,
      seed: "real",
      fluxes: "clean",
      population: "wide",
      workers: 0,
    });
    const { catalog: clean } = await readWholeCatalog(table, survey);
    const field = survey.fields.find((one): one is SpectrumField => one.kind === "spectrum")!;
    const z = survey.fields.findIndex(({ kind }) => kind === "redshift");
    const { fit } = fitTemplates({ catalog: clean, rows: allRows(clean), field }, z, createRng("real"));
    const { catalog: real } = await readWholeCatalog(at("fors2-spectra/fors2-spectra.fits.gz"), survey);
    const { width, value, ivar } = real.arrays!.get("spectrum")!;
    const off = Array.from({ length: Math.floor(real.rowCount / EVERY) }, (_, k) => k * EVERY).flatMap((row) => {
      const truth = real.value[row * real.fields.length + z];
      if (truth < 0.01) return []; // stars, and none
      const [from, to] = [row * width, (row + 1) * width];
      const { peaks } = fit(value.subarray(from, to), ivar.subarray(from, to))!;
      return [Math.abs(peaks[0].mean - truth) / (1 + truth)];
    });
    const right = off.filter((x) => x < 0.005);
    expect(off.length).toBeGreaterThan(45);
    expect(right.length / off.length).toBeGreaterThan(0.8);
    // and these to a pixel, in the median
    expect(right.toSorted((a, b) => a - b)[right.length >> 1]).toBeLessThan(3.6e-4);
  }, 240_000);
});
