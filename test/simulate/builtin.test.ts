import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { simulateBuiltin } from "../../src/simulate/builtin.ts";
import { GRID_SIZE, gridIndex } from "../../src/simulate/grid.ts";
import { LINE_NAMES, lines } from "../../src/simulate/lines.ts";
import { createPassband } from "../../src/simulate/passband.ts";
import { drawGalaxy } from "../../src/simulate/population.ts";
import { createPhotometer } from "../../src/simulate/photometer.ts";
import { createSpectrum, createTemplates, mixOf, synthesise } from "../../src/simulate/synthesis.ts";
import { continuumAt, equivalentWidths } from "../../src/simulate/widths.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const survey = loadSurvey("minijpas");

async function collect(batches: AsyncIterable<Table>): Promise<Map<string, (number | string)[]>> {
  const columns = new Map<string, (number | string)[]>();
  const add = ({ name, data }: Column): void => {
    const values = columns.get(name) ?? [];
    values.push(...Array.from(data as ArrayLike<number | string>));
    columns.set(name, values);
  };
  for await (const { columns: batch } of batches) for (const column of batch) add(column);
  return columns;
}

const numbers = (columns: Map<string, (number | string)[]>, name: string): number[] =>
  (columns.get(name) ?? []).map(Number);

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

describe("simulateBuiltin", () => {
  test("has the public columns, draws share their parent, labels are possible", async () => {
    const columns = await collect(simulateBuiltin({ survey, n: 100, draws: 2, seed: 5, missingFraction: 0.05 }));
    expect(columns.get("object_id")).toHaveLength(200);
    expect(new Set(columns.get("object_id")).size).toBe(200);
    expect(new Set(columns.get("parent_id")).size).toBe(100);
    expect(numbers(columns, "z")[0]).toBe(numbers(columns, "z")[1]);
    for (const field of survey.fields) {
      const values = numbers(columns, field.name);
      expect(values, field.name).toHaveLength(200);
      for (const value of values) {
        if (field.band !== undefined && Number.isNaN(value)) continue;
        expect(value, field.name).toBeGreaterThanOrEqual(field.range[0]);
        expect(value, field.name).toBeLessThanOrEqual(field.range[1]);
      }
    }
    expect(numbers(columns, "J0660").filter(Number.isNaN).length).toBeGreaterThan(0);
  });

  test("ultraviolet: outside the area not observed, below 3 sigma a non-detection that keeps flux and error", async () => {
    const columns = await collect(simulateBuiltin({ survey, n: 300, seed: 6, missingFraction: 0 }));
    const [flux, error, state] = ["", "_err", "_state"].map((end) => numbers(columns, `NUV${end}`));
    const seen = new Set(state);
    expect([...seen].sort((a, b) => a - b)).toEqual([State.notObserved, State.measured, State.nonDetection]);
    state.forEach((one, i) => {
      expect(Number.isNaN(flux[i])).toBe(one === State.notObserved);
      if (one !== State.notObserved) expect(flux[i] >= 3 * error[i]).toBe(one === State.measured);
    });
    const outside = state.filter((one) => one === State.notObserved).length / state.length;
    expect(Math.abs(outside - 0.15)).toBeLessThan(0.08);
  });

  test("the selection holds, and a target survey's options change what they name", async () => {
    const base = { survey, n: 400, seed: 7, missingFraction: 0 };
    const source = await collect(simulateBuiltin(base));
    const target = await collect(
      simulateBuiltin({
        ...base,
        noiseScale: 2,
        calibrationFloor: 0,
        selection: { faint: 21 },
        redshift: { median: 0.2, max: 0.8 },
      }),
    );
    expect(median(numbers(target, "z"))).toBeGreaterThan(0.15);
    expect(median(numbers(target, "z"))).toBeLessThan(0.25);
    expect(median(numbers(source, "z"))).toBeGreaterThan(0.3);
    const magnitude = (flux: number): number => -2.5 * Math.log10((flux * 1e-19 * 6245.4 ** 2) / 2.99792458e18) - 48.6;
    const faintest = Math.max(...numbers(target, "rSDSS").map(magnitude));
    expect(faintest).toBeLessThan(21.3);
    expect(median(numbers(target, "J0820_err"))).toBeGreaterThan(1.5 * median(numbers(source, "J0820_err")));
  });

  test("an unknown selection band and an empty range are the user's mistakes", async () => {
    const run = (input: object): Promise<unknown> => collect(simulateBuiltin({ survey, n: 1, ...input }));
    await expect(run({ selection: { band: "zSDSS" } })).rejects.toThrow(/selection band "zSDSS" is not in survey/);
    await expect(run({ redshift: { min: 0.5, max: 0.4 } })).rejects.toThrow(/lowest redshift, 0.5, is not below/);
    await expect(run({ draws: 0 })).rejects.toThrow(/option draws/);
    await expect(run({ filters: "/nowhere" })).rejects.toThrow(/\/nowhere: cannot be read/);
  });

  test("a longer run begins with the shorter one; without noise, fluxes repeat", async () => {
    const quiet = { survey, seed: 9, missingFraction: 0, noiseScale: 0, systematics: 0, foreground: { scatter: 0 } };
    const short = await collect(simulateBuiltin({ ...quiet, n: 30, draws: 2 }));
    const long = await collect(simulateBuiltin({ ...quiet, n: 60, draws: 2 }));
    for (const [name, values] of short) expect(long.get(name)?.slice(0, 60), name).toEqual(values);
    const flux = numbers(short, "J0600");
    expect(flux[0]).toBe(flux[1]);
    expect(flux[0]).not.toBe(flux[2]);
  });

  const compiled = new URL("../../dist/simulate/builtin.js", import.meta.url);
  test.skipIf(!existsSync(compiled))("the result does not depend on the number of workers", async () => {
    const { simulateBuiltin: run } = (await import(compiled.href)) as { simulateBuiltin: typeof simulateBuiltin };
    const n = 2 * 256 + 17; // two threads for three blocks
    const alone = await collect(run({ survey, n, seed: 8, workers: 0 }));
    const shared = await collect(run({ survey, n, seed: 8, workers: 2 }));
    expect(alone.get("z")).toHaveLength(n);
    expect([...shared]).toEqual([...alone]);
    const empty = { selection: { faint: 8, bright: 7 }, redshift: { min: 1.1, max: 1.2 } };
    await expect(collect(run({ survey, n, workers: 2, ...empty }))).rejects.toThrow(/no galaxy/);
  });
});

describe("spectra", () => {
  const templates = createTemplates(1.2);
  const work = createSpectrum();
  const render = (seed: string, z: number) => {
    const galaxy = drawGalaxy(createRng(seed), z, 10.2);
    synthesise(work, templates, galaxy, mixOf(galaxy), 0, GRID_SIZE);
    return galaxy;
  };

  test("EW: the light that a line adds to a top hat around it is EW times the continuum", () => {
    render("ew", 0);
    const [halpha] = equivalentWidths(work);
    const centre = lines.Halpha.wavelength;
    // a spectrum of one line only: [NII] is in the hat too
    const other = work.lines.slice();
    const hat = createPassband("hat", { transmission: () => 1, range: [centre - 100, centre + 100] });
    const photometer = createPhotometer([hat], templates);
    work.lines.fill(0);
    const without = photometer.fluxes(work, 0.1e-9)[0];
    work.lines[LINE_NAMES.indexOf("Halpha")] = other[LINE_NAMES.indexOf("Halpha")];
    const withLine = photometer.fluxes(work, 0.1e-9)[0];
    const mean = continuumAt(work.stars, centre);
    let hatMean = 0;
    hat.weights.forEach((weight, j) => (hatMean += weight * work.stars[hat.first + j]));
    expect((withLine / without - 1) * 200 * (hatMean / mean)).toBeCloseTo(halpha, 1);
    expect(halpha).toBeGreaterThan(0);
  });

  test("a redshifted spectrum keeps its energy: flux is L / (4 pi d^2 (1 + z)) at the shifted wavelength", () => {
    const at = (z: number) => {
      render("shift", z);
      work.lines.fill(0);
      const hat = createPassband("hat", { transmission: () => 1, range: [5000 * (1 + z), 6000 * (1 + z)] });
      const flux = createPhotometer([hat], templates).fluxes(work, z)[0];
      let rest = 0;
      const rested = createPassband("rest", { transmission: () => 1, range: [5000, 6000] });
      rested.weights.forEach((weight, j) => (rest += weight * work.stars[rested.first + j]));
      return flux / rest;
    };
    // d_L(1.0) / d_L(0.5) = 6607.7 / 2832.9 (Wright 2006)
    expect(at(0.5) / at(1)).toBeCloseTo((6607.7 / 2832.9) ** 2 * (2 / 1.5), 2);
  });

  test("no light below the Lyman limit; old stars have a strong 4000 A break, young ones do not", () => {
    const old = templates.spectra[5][16];
    const young = templates.spectra[5][3];
    const mean = (spectrum: Float32Array, low: number, high: number): number => {
      let sum = 0;
      for (let k = Math.ceil(gridIndex(low)); k < gridIndex(high); k++) sum += spectrum[k];
      return sum / (gridIndex(high) - gridIndex(low));
    };
    const d4000 = (spectrum: Float32Array): number =>
      (mean(spectrum, 4000, 4100) / mean(spectrum, 3850, 3950)) * (4050 / 3900) ** 2;
    expect(old[Math.floor(gridIndex(905))]).toBe(0);
    expect(d4000(old)).toBeGreaterThan(1.7);
    expect(d4000(young)).toBeLessThan(1.15);
  });
});
