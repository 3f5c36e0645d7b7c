import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Column, Table } from "../../src/io/table.ts";
import { readAll } from "../../src/io/columns.ts";
import { openTable } from "../../src/io/formats.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { State } from "../../src/survey/field.ts";
import { imfNames, imfShift } from "../../src/survey/imf.ts";
import { readManifest } from "../../src/survey/prepared.ts";
import { readWholeCatalog, toCatalog } from "../../src/survey/read.ts";
import { addReport, formatReport } from "../../src/survey/report.ts";
import { formatSources, mixedLines, parseSources, sourcesIn } from "../../src/survey/sources.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";
import { prepare } from "../../src/tokens/prepare.ts";
import { scratch } from "../helpers/scratch.ts";

const survey = loadSurvey("minijpas");
const at = (name: string): number => survey.fields.findIndex((field) => field.name === name);

function tableOf(
  columns: Readonly<Record<string, readonly number[]>>,
  metadata: Readonly<Record<string, string>> = {},
  units: Readonly<Record<string, string>> = {},
): Table {
  const data = Object.entries(columns).map(([name, values]): Column => {
    const unit = units[name] === undefined ? {} : { unit: units[name] };
    return { name, type: "float64", width: 1, data: Float64Array.from(values), ...unit };
  });
  return { rowCount: data[0].data.length, columns: data, metadata };
}

/** The survey with one layout more, of properties named as the fields. */
const withLayout = (more: Partial<Survey["layouts"][number]>): Survey => ({
  ...survey,
  layouts: [
    {
      ...survey.layouts[0],
      name: "theirs",
      objectId: "{ID}",
      bands: [],
      properties: {
        LOGM: { ...survey.layouts[0].properties.z, value: "MASS" },
        LOGSFR: { ...survey.layouts[0].properties.z, value: "RATE" },
        HALPHA_EW: { ...survey.layouts[0].properties.z, value: "EW", unit: "Angstrom" },
      },
      ...more,
    },
  ],
});

describe("initial mass functions", () => {
  // the same stars above 10 Msun: total masses of the three functions over 0.1 - 100 Msun, by integration
  const integral = (density: (m: number) => number, from: number): number => {
    const steps = 20_000;
    const [low, high] = [Math.log(from), Math.log(100)];
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      const m = Math.exp(low + ((i + 0.5) / steps) * (high - low));
      sum += (density(m) * m * m * (high - low)) / steps;
    }
    return sum;
  };
  const chabrier = (m: number): number => Math.exp(-((Math.log10(m) + 1.1024) ** 2) / (2 * 0.69 ** 2)) / m;
  const densities = {
    kroupa: (m: number): number => (m < 0.5 ? m ** -1.3 : 0.5 * m ** -2.3),
    chabrier: (m: number): number => (m < 1 ? chabrier(m) : chabrier(1) * m ** -2.3),
    salpeter: (m: number): number => m ** -2.35,
  };
  const perMassive = (name: keyof typeof densities): number =>
    integral(densities[name], 0.1) / integral(densities[name], 10);

  it.each(imfNames)("rates of %s become Kroupa's as their massive stars say, to 0.015 dex", (name) => {
    const expected = Math.log10(perMassive("kroupa") / perMassive(name));
    expect(Math.abs(imfShift(name, "kroupa", "rate") - expected)).toBeLessThan(0.015);
    expect(Math.abs(imfShift(name, "kroupa", "mass") - expected)).toBeLessThan(0.025);
    expect(imfShift(name, name, "mass")).toBe(0);
    expect(imfShift("kroupa", name, "rate")).toBeCloseTo(-imfShift(name, "kroupa", "rate"), 12);
  });

  it("of a layout are converted on reading, masses and rates alone", () => {
    const table = tableOf({ ID: [1], MASS: [10], RATE: [0.5], EW: [20] });
    const { catalog } = toCatalog(table, withLayout({ imf: "salpeter" }), { layout: "theirs" });
    expect(catalog.value[at("LOGM")]).toBeCloseTo(10 + Math.log10(0.62), 5);
    expect(catalog.value[at("LOGSFR")]).toBeCloseTo(0.5 + Math.log10(0.67), 5);
    expect(catalog.value[at("HALPHA_EW")]).toBe(20);
    const same = toCatalog(table, withLayout({}), { layout: "theirs" });
    expect(same.catalog.value[at("LOGM")]).toBe(10);
  });
});

describe("FastSpecFit from version 3 on", () => {
  const desi = loadSurvey("desi");
  const value = (table: Table, name: string): [number, number, number] => {
    const { catalog } = toCatalog(table, desi);
    const j = desi.fields.findIndex((field) => field.name === name);
    return [catalog.value[j], catalog.error[j], catalog.state[j]];
  };

  it("SPECPHOT has optical depths and inverse variances; ages and metallicities are not ours", () => {
    const columns = { TAUV: [0.5], TAUV_IVAR: [100], AGE: [3], ZZSUN: [0], LOGMSTAR: [10], LOGMSTAR_IVAR: [400] };
    const units = { LOGMSTAR: "Msun", LOGMSTAR_IVAR: "1 / Msun2", SFR: "Msun / yr", SFR_IVAR: "yr2 / Msun2" };
    const table = tableOf({ TARGETID: [39], ...columns, SFR: [2], SFR_IVAR: [25] }, {}, units);
    expect(toCatalog(table, desi).report.layout).toBe("fastspecfit-specphot");
    expect(toCatalog(table, desi).report.sources.get("LOGM")).toEqual(["FastSpecFit"]);
    const h = -2 * Math.log10(0.7);
    const close = (name: string, expected: number, sigma: number): void => {
      const [x, error, state] = value(table, name);
      expect(state).toBe(State.measured);
      expect(x).toBeCloseTo(expected, 5);
      expect(error).toBeCloseTo(sigma, 5);
    };
    close("AV", 0.5 * 1.085736, 0.1 * 1.085736);
    close("LOGM", 10 + h + Math.log10(1.06), 0.05);
    close("LOGSFR", Math.log10(2) + h + Math.log10(0.67 / 0.63), 0.1 / Math.LN10);
    for (const name of ["LOGZ", "AGE"]) expect(value(table, name)).toEqual([0, 0, State.notObserved]);
  });

  it("is another version: where nothing tells which, the older one is meant, and reads the same", () => {
    const table = tableOf({ TARGETID: [39], LOGMSTAR: [10], SFR: [2] });
    const old = toCatalog(table, desi);
    expect(old.report.layout).toBe("fastspecfit");
    const later = toCatalog(table, desi, { layout: "fastspecfit-specphot" });
    expect([...later.catalog.value]).toEqual([...old.catalog.value]);
  });
});

describe("star formation rates", () => {
  it("below 1e-12/yr of the mass are upper limits there, and stay so when written and read", async () => {
    const columns = { LOGM: [11, 11, 11, Number.NaN], LOGSFR: [-0.9, -1.1, -3, -3], z: [0.1, 0.1, 0.1, 0.1] };
    const { catalog, report } = toCatalog(tableOf(columns), survey);
    const n = survey.fields.length;
    const rates = [0, 1, 2, 3].map((row) => [
      catalog.value[row * n + at("LOGSFR")],
      catalog.state[row * n + at("LOGSFR")],
    ]);
    expect(rates.map(([, state]) => state)).toEqual([
      State.measured,
      State.upperLimit,
      State.upperLimit,
      State.measured,
    ]);
    expect(rates[1][0]).toBeCloseTo(-1, 5);
    expect(rates[2][0]).toBeCloseTo(-1, 5);
    expect(formatReport(report).join("\n")).toMatch(
      /2 star formation rates below 1e-12\/yr of the mass: upper limits there/,
    );
    const path = join(scratch(), "rates.csv");
    writeFileSync(
      path,
      `object_id,LOGM,LOGSFR\n${columns.LOGM.slice(0, 3)
        .map((m, i) => `${i},${m},${columns.LOGSFR[i]}`)
        .join("\n")}\n`,
    );
    const out = join(scratch(), "prepared");
    await prepare({ tables: [path], survey: "minijpas", out });
    const table = await openTable(join(out, "train-00000.parquet"));
    const shard = await readAll(table);
    await table.close();
    const states = Array.from(shard.columns.find(({ name }) => name === "LOGSFR_state")!.data, Number);
    expect(states.filter((state) => state === State.upperLimit).length).toBeGreaterThan(0);
    const again = await readWholeCatalog(join(out, "train-00000.parquet"), survey);
    const read = Array.from(states.keys(), (row) => again.catalog.state[row * n + at("LOGSFR")]);
    expect(read).toEqual(states);
  });
});

describe("who measured the labels", () => {
  it("is written in one text and read from it", () => {
    expect(formatSources({ z: "a", LOGM: "a" })).toBe("a");
    expect(parseSources("a")("LOGM")).toBe("a");
    const text = formatSources({ z: "SDSS", LOGM: "MPA-JHU" });
    expect(parseSources(text)("LOGM")).toBe("MPA-JHU");
    expect(parseSources(text)("AV")).toBeUndefined();
    expect(parseSources("")("z")).toBeUndefined();
  });

  it("comes from the layout, a property's own line first, or from our tables' metadata", () => {
    const z = { ...survey.layouts[0].properties.z, value: "Z", source: "redrock" };
    const theirs = withLayout({ source: "CIGALE" });
    const own = { ...theirs.layouts[0], properties: { ...theirs.layouts[0].properties, z } };
    const table = tableOf({ ID: [1], MASS: [10], Z: [0.1] });
    const { report } = toCatalog(table, { ...survey, layouts: [own] }, { layout: "theirs" });
    expect([...report.sources]).toEqual([
      ["z", ["redrock"]],
      ["LOGM", ["CIGALE"]],
    ]);
    const ours = toCatalog(tableOf({ z: [0.1], LOGM: [10] }, { labels: "z=SDSS; LOGM=MPA-JHU" }), survey);
    expect(ours.report.sources.get("LOGM")).toEqual(["MPA-JHU"]);
    expect(toCatalog(tableOf({ z: [0.1] }), survey).report.sources.size).toBe(0);
  });

  it("is told where several measured one property, and stands in a prepared folder", async () => {
    const [a, b] = ["GSWLC", "MPA-JHU"].map((source) => {
      const metadata = { labels: `z=SDSS; LOGM=${source}` };
      return toCatalog(tableOf({ z: [0.1], LOGM: [10] }, metadata), survey).report;
    });
    addReport(a, b);
    const told = "LOGM is of 2 sources, whose conventions may differ: GSWLC, MPA-JHU";
    expect(formatReport(a)).toContain(told);
    expect(formatReport(a).join("\n")).not.toMatch(/z is of/);
    expect(mixedLines(sourcesIn([{ LOGM: "GSWLC" }, { LOGM: "MPA-JHU" }, { LOGM: "GSWLC" }]))).toEqual([told]);
    const sims = join(scratch(), "sims.fits");
    await simulate({ survey: "minijpas", out: sims, n: 20, workers: 0 });
    const out = join(scratch(), "prepared");
    await prepare({ tables: [sims], survey: "minijpas", out });
    expect(readManifest(out)!.sources[0].labels.LOGM).toBe("simulation");
  });
});

describe("equivalent widths net of absorption", () => {
  it("are read, and told once", () => {
    const table = tableOf({ ID: [1], EW: [20] });
    const { report } = toCatalog(table, withLayout({ widths: "net" }), { layout: "theirs" });
    addReport(report, toCatalog(table, withLayout({ widths: "net" }), { layout: "theirs" }).report);
    const lines = formatReport(report).filter((line) => line.includes("net of stellar absorption"));
    expect(lines).toEqual([
      "equivalent widths are net of stellar absorption, which can't be undone: ours are of the emission alone",
    ]);
    const emission = toCatalog(table, withLayout({}), { layout: "theirs" });
    expect(formatReport(emission.report).join()).not.toMatch(/net of/);
  });
});
