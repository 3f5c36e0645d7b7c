import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { simulate } from "../../src/simulate/simulate.ts";
import { type Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "../simulate/data.ts";

/** zCOSMOS-bright as its survey file reads it, and what the survey file simulates beside. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const survey = loadSurvey("zcosmos");
const n = survey.fields.length;
const column = (name: string): number => survey.fields.findIndex((field) => field.name === name);

/** AB magnitude of a flux in 1e-19 erg/s/cm2/A at a pivot [Angstrom]. */
const magnitude = (flux: number, pivot: number): number =>
  -2.5 * Math.log10((flux * 1e-19 * pivot ** 2) / 2.99792458e18) - 48.6;

/** Measured values of a field: magnitudes of bands. */
function values({ rowCount, value, state }: Catalog, name: string): number[] {
  const j = column(name);
  const { band } = survey.fields[j];
  const rows = Array.from({ length: rowCount }, (_, row) => row * n + j).filter((i) => state[i] === State.measured);
  return rows
    .map((i) => (band === undefined ? value[i] : magnitude(value[i], band.pivot)))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
}
const quantile = (sorted: readonly number[], part: number): number => sorted[Math.floor(part * sorted.length)];

withData("zcosmos")("the zCOSMOS table", () => {
  it("opens through its survey file: AB magnitudes, secure redshifts of galaxies", async () => {
    const { catalog, report } = await readWholeCatalog(at("zcosmos/zcosmos.csv.gz"), survey);
    expect(catalog.rowCount).toBe(11_645);
    expect(report.join("\n")).toMatch(/layout zcosmos/);
    // by zcat and awk: cc 3.x, 4.x, 2.5 or 9.5, and zpec not 0
    expect(values(catalog, "z")).toHaveLength(10_223);
    const first = (name: string): number => column(name);
    expect(catalog.objectId[0]).toBe("700142");
    expect(catalog.value[column("z")]).toBeCloseTo(0.6966, 4);
    expect(magnitude(catalog.value[first("u")], 3811)).toBeCloseTo(23.925, 2);
    expect((2.5 / Math.LN10) * (catalog.error[first("u")] / catalog.value[first("u")])).toBeCloseTo(0.039, 3);
    // -99 is none; the third row is of class 1.5
    expect(catalog.state[n + column("FUV")]).toBe(State.notObserved);
    expect(catalog.state[2 * n + column("z")]).toBe(State.notObserved);
  });

  it("is what the survey file simulates, but for zero-points: magnitudes, redshifts, errors", async () => {
    const out = join(root, "sims.parquet");
    await simulate({ survey: "zcosmos", out, n: 800, seed: "like", nonDetections: "missing", workers: 0 });
    const sims = (await readWholeCatalog(out, survey)).catalog;
    const real = (await readWholeCatalog(at("zcosmos/zcosmos.csv.gz"), survey)).catalog;
    const differ = (name: string, part: number): number =>
      quantile(values(sims, name), part) - quantile(values(real, name), part);
    for (const part of [0.25, 0.5, 0.75]) {
      expect(Math.abs(differ("i", part)), `i at ${part}`).toBeLessThan(0.3);
      expect(Math.abs(differ("z", part)), `z at ${part}`).toBeLessThan(0.07);
    }
    for (const name of ["u", "g", "r", "z_subaru", "Ks"]) expect(Math.abs(differ(name, 0.5)), name).toBeLessThan(0.25);
    const error = (catalog: Catalog, name: string): number => {
      const j = column(name);
      const some = Array.from({ length: catalog.rowCount }, (_, row) => row * n + j)
        .filter((i) => catalog.state[i] === State.measured)
        .map((i) => catalog.error[i] / catalog.value[i])
        .sort((a, b) => a - b);
      return quantile(some, 0.5);
    };
    for (const name of ["u", "B", "g", "V", "r", "i", "i_cfht", "z_subaru", "Ks"]) {
      const ratio = error(sims, name) / error(real, name);
      expect(ratio, name).toBeGreaterThan(0.75);
      expect(ratio, name).toBeLessThan(1.33);
    }
    expect(values(sims, "FUV").length / sims.rowCount).toBeLessThan(0.8); // the rest is not detected
  });
});
