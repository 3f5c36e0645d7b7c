import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openFits } from "../../src/io/fits.ts";
import { createRng } from "../../src/random.ts";
import { BLOCK_SIZE, createSimulation, LABELS, simulateBlock } from "../../src/simulate/block.ts";
import { GRID_SIZE, gridWavelength } from "../../src/simulate/grid.ts";
import { simulationOptions } from "../../src/simulate/options.ts";
import { createPassbands } from "../../src/simulate/passband.ts";
import { integrate } from "../../src/simulate/resample.ts";
import type { Pixels } from "../../src/simulate/spectrum.ts";
import { createStellarModel } from "../../src/simulate/stars.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const data = process.env.CALEIDO_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data");
const at = (name: string): string => join(data, name);
/** Real data, skipped where the folder is not there (CALEIDO_TEST_DATA names it). */
const withData = (folder: string) => describe.skipIf(!existsSync(at(folder)) || !existsSync(at("filters")));

const survey = loadSurvey("minijpas");
const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
const realPassbands = () => createPassbands(bands, at("filters"));
const rms = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))];

withData("miuscat-ssp")("the analytic stellar continuum against MIUSCAT", () => {
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
      passbands.map((band) => -2.5 * Math.log10(integrate(one, band)?.flux ?? Number.NaN));
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

/** Two-sample Kolmogorov-Smirnov distance. */
function ksDistance(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [a.toSorted((p, q) => p - q), b.toSorted((p, q) => p - q)];
  let [i, j, distance] = [0, 0, 0];
  while (i < x.length && j < y.length) {
    const value = Math.min(x[i], y[j]);
    while (x[i] <= value) i++;
    while (y[j] <= value) j++;
    distance = Math.max(distance, Math.abs(i / x.length - j / y.length));
  }
  return distance;
}

withData("desi-bgs-ew")("equivalent widths against DESI BGS", () => {
  const names = {
    HALPHA_EW: "HALPHA",
    HBETA_EW: "HBETA",
    OIII5007_EW: "OIII_5007",
    NII6584_EW: "NII_6584",
    OII3727_EW: "OII_DOUBLET",
  } as const;

  test("distributions of a flux-limited sample at z 0.065 - 0.295, DESI's own errors added", () => {
    const lines = gunzipSync(readFileSync(at("desi-bgs-ew/desi_bgs_ew_testset.csv.gz")))
      .toString()
      .split("\n");
    const header = lines[0].trim().split(",");
    const rows = lines
      .slice(1)
      .filter((_, i) => i % 9 === 0)
      .map((line) => line.trim().split(","));
    const column = (name: string): number[] =>
      rows.map((row) => (row[header.indexOf(name)] ? Number(row[header.indexOf(name)]) : Number.NaN));
    const options = simulationOptions.parse({ selection: { faint: 19.8 }, redshift: { min: 0.065, max: 0.295 } });
    const simulation = createSimulation(survey, options);
    const tables = Array.from({ length: 6 }, (_, block) => simulateBlock(simulation, block));
    const simulated = (name: (typeof LABELS)[number]): number[] =>
      tables.flatMap((table) => Array.from(table.columns.find((one) => one.name === name)?.data as Float32Array));
    expect(simulated("z")).toHaveLength(6 * BLOCK_SIZE);
    // weight the simulation to DESI's n(z) by drawing from redshift neighbours
    const z = simulated("z");
    const order = z.map((_, i) => i).sort((a, b) => z[a] - z[b]);
    const rng = createRng("desi");
    const matched = column("z").flatMap((value) => {
      const rank = order.findIndex((i) => z[i] > value);
      return rank < 0 ? [] : [order[Math.max(0, Math.min(order.length - 1, rank + rng.integer(41) - 20))]];
    });
    for (const [label, line] of Object.entries(names)) {
      const [width, ivar] = [column(`${line}_ew`), column(`${line}_ew_ivar`)];
      const measured = width.flatMap((value, i) => (value > 0 && ivar[i] > 0 ? [[value, ivar[i] ** -0.5]] : []));
      measured.sort((a, b) => a[0] - b[0]);
      const truth = simulated(label);
      const noisy = matched.map((i) => {
        // the error of a measured galaxy with about this width
        let [low, high] = [0, measured.length - 1];
        while (low < high) {
          const middle = (low + high) >> 1;
          if (measured[middle][0] < truth[i]) low = middle + 1;
          else high = middle;
        }
        const near = Math.max(0, Math.min(measured.length - 1, low + rng.integer(61) - 30));
        return truth[i] + measured[near][1] * rng.normal();
      });
      const positive = noisy.filter((value) => value > 0);
      const distance = ksDistance(
        positive,
        measured.map(([value]) => value),
      );
      expect(distance, label).toBeLessThan(0.1);
    }
  });
});

withData("ecalifa")("labels against eCALIFA", () => {
  test("mass, metallicity, attenuation and age of nearby galaxies lie in the observed range", async () => {
    const file = await openFits(at("ecalifa/galaxies_properties.fits"));
    const source = await (file.hdus.find(({ kind }) => kind === "table") ?? file.hdus[1]).table();
    const names = source.schema.map(({ name }) => name);
    const columns = new Map<string, number[]>();
    for await (const table of source.batches()) {
      for (const { name, data, width } of table.columns) {
        if (width === 1) columns.set(name, Array.from(data as ArrayLike<number>, Number));
      }
    }
    await file.close();
    expect(names).toContain("lMass_int");
    const masses = columns.get("lMass_int") ?? [];
    const options = simulationOptions.parse({ selection: { faint: 16.5, bright: 10 }, redshift: { max: 0.05 } });
    const table = simulateBlock(createSimulation(survey, options), 0);
    const label = (name: (typeof LABELS)[number]): number[] =>
      Array.from(table.columns.find((one) => one.name === name)?.data as Float32Array);
    const chosen = label("LOGM").map((mass) => mass > 9.5 && mass < 11.2);
    const ours = (name: (typeof LABELS)[number]): number[] => label(name).filter((_, i) => chosen[i]);
    const theirs = (name: string): number[] =>
      (columns.get(name) ?? []).filter((value, i) => Number.isFinite(value) && masses[i] > 9.5 && masses[i] < 11.2);
    expect(ours("LOGM").length).toBeGreaterThan(100);
    expect(theirs("lMass_int").length).toBeGreaterThan(300);
    const solar = (value: number): number => Math.log10(value / 0.017);
    const rows = [
      ["AV", theirs("Av_int"), 0.3],
      ["AGE", theirs("Age_MW_int"), 2.5],
      [
        "LOGZ",
        theirs("met_MW_int")
          .filter((value) => value > 0)
          .map(solar),
        0.3,
      ],
      ["LOGSFR", theirs("lSFR"), 0.5],
    ] as const;
    for (const [name, observed, margin] of rows) {
      expect(Math.abs(quantile(ours(name), 0.5) - quantile(observed, 0.5)), name).toBeLessThan(margin);
    }
  });
});
