import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { schemaOf } from "../../src/io/columns.ts";
import { writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import type { BindOptions } from "../../src/survey/bind-fields.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { catalogTable } from "../../src/survey/table.ts";
import { allRows, concat } from "../../src/survey/catalog.ts";
import { type Manifest, readPart } from "../../src/survey/prepared.ts";
import { createShardWriter, rowsOfShard } from "../../src/survey/shards.ts";
import { readAllRows } from "../../src/survey/reading.ts";
import { vacuumWavelength, wavelengthsOf } from "../../src/survey/spectrum-grid.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";
import { golden } from "../io/truth.ts";
import { at, withData } from "../simulate/data.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();
const GRID = { from: 5000, to: 6000, pixels: 80 };

const SPECTRUM =
  "{ name: spectrum, description: a spectrum, unit: 1e-17 erg/s/cm2/A, grid: { from: 5000, to: 6000, pixels: 80 } }";

function surveyWith(layouts = "", name = "toy", spectrum = SPECTRUM): Survey {
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    `name: ${name}
title: a toy
fluxUnit: 1e-19 erg/s/cm2/A
fluxRange: [-1e6, 1e6]
tiles: [sky]
zeroPointError: 0.02
bands: []
properties:
  - { name: z, kind: redshift, description: redshift, range: [0, 10] }
spectra: [${spectrum}]
${layouts}`,
  );
  return loadSurvey(path);
}
const toy = surveyWith();

type Numbers = ArrayLike<number>;

/** A table with a vector of each name in every row, and z. */
function tableOf(
  rows: readonly Readonly<Record<string, Numbers>>[],
  units: Readonly<Record<string, string>> = {},
): Table {
  const vectors = Object.keys(rows[0]).map((name): Column => {
    const width = rows[0][name].length;
    const data = Float64Array.from(rows.flatMap((row) => Array.from(row[name])));
    return { name, type: "float64", width, data, ...(units[name] === undefined ? {} : { unit: units[name] }) };
  });
  const z: Column = { name: "z", type: "float64", width: 1, data: Float64Array.from(rows, (_, i) => 0.1 * i) };
  return { rowCount: rows.length, columns: [z, ...vectors], metadata: {} };
}

async function write(name: string, table: Table, metadata: Record<string, string> = {}): Promise<string> {
  const path = join(folder, name);
  await writeTable(path, { schema: table.columns.map(schemaOf), metadata, rowCount: table.rowCount }, [table]);
  return path;
}

const read = async (
  path: string,
  survey = toy,
  options: BindOptions = {},
): Promise<{ catalog: Catalog; report: string }> => {
  const { catalog, report } = await readAllRows(path, { survey, options });
  return { catalog, report: report.join("\n") };
};
const pixels = ({ arrays }: Catalog, row: number, width = 80): { value: number[]; ivar: number[] } => {
  const { value, ivar } = arrays!.get("spectrum")!;
  return {
    value: [...value.subarray(row * width, (row + 1) * width)],
    ivar: [...ivar.subarray(row * width, (row + 1) * width)],
  };
};
const states = ({ state, fields }: Catalog): number[] => [...state].filter((_, i) => i % fields.length === 1);

const UNIT = "1e-17 erg/s/cm2/A";
const rng = createRng("pixels");
const noise = Array.from({ length: 80 }, () => Math.fround(rng.normal()));
const weights = noise.map((_, i) => (i % 9 === 4 ? 0 : Math.fround(1 + i / 80)));
const own = { spectrum: UNIT, spectrum_ivar: `(${UNIT})-2` };

describe("tables of our own, on the survey's grid", () => {
  it.each(["parquet", "fits", "arrow", "ecsv", "vot"])("are read from .%s, bit by bit", async (extension) => {
    const table = tableOf([{ spectrum: noise, spectrum_ivar: weights }], own);
    const { catalog, report } = await read(await write(`own.${extension}`, table));
    const { value, ivar } = pixels(catalog, 0);
    expect(value).toEqual(noise.map((x, i) => (weights[i] > 0 ? x : 0)));
    expect(ivar).toEqual(weights);
    expect(states(catalog)).toEqual([1]);
    expect(report).toMatch(/1 row, 2 values/);
  });

  it("are written as they are read", async () => {
    const { catalog } = await read(await write("a.fits", tableOf([{ spectrum: noise, spectrum_ivar: weights }], own)));
    const columns = { hasError: [false, false], hasState: [false, false], isExact: false };
    for (const extension of ["parquet", "fits", "arrow"]) {
      const path = await write(`again.${extension}`, catalogTable(catalog, allRows(catalog), columns));
      expect(pixels((await read(path)).catalog, 0)).toEqual(pixels(catalog, 0));
    }
    const clean = catalogTable(catalog, allRows(catalog), { ...columns, isExact: true });
    expect(clean.columns.map(({ name }) => name)).toEqual(["object_id", "parent_id", "z", "true_spectrum"]);
    const exact = (await read(await write("clean.arrow", clean), toy, { layout: "clean" })).catalog;
    expect(pixels(exact, 0).value).toEqual(pixels(catalog, 0).value);
    expect(pixels(exact, 0).ivar).toEqual(weights.map((w) => (w > 0 ? 1 : 0)));
  });

  it("NaN, infinities, zero and negative weights, and rows without any flux are not observed", async () => {
    const one = { spectrum: noise, spectrum_ivar: weights };
    const broken = { ...one, spectrum: noise.map((x, i) => [Number.NaN, Infinity, -1e35, x][Math.min(i, 3)]) };
    const none = { ...one, spectrum: noise.map(() => Number.NaN) };
    const unweighted = { ...one, spectrum_ivar: weights.map((_, i) => [0, -1, Number.NaN, Infinity][i % 4]) };
    const { catalog, report } = await read(await write("bad.fits", tableOf([broken, none, unweighted], own)));
    expect(states(catalog)).toEqual([1, 0, 0]);
    expect(pixels(catalog, 0).ivar.slice(0, 4)).toEqual([0, 0, 0, weights[3]]);
    expect(Math.max(...pixels(catalog, 2).ivar, ...pixels(catalog, 1).ivar)).toBe(0);
    expect(report).toMatch(/1 value not used: a spectrum without a usable pixel \(row 3, spectrum: 80 pixels\)/);
  });

  it("are read from HDF5, matrices as h5py wrote them", async () => {
    const units = [{ column: "spectrum", unit: "survey" }];
    const { catalog } = await read(golden("spectra.h5"), toy, { units });
    expect(catalog.objectId).toEqual(["11", "12"]);
    expect(pixels(catalog, 1).value.slice(0, 4)).toEqual([0, 81 / 8, 82 / 8, 83 / 8]);
    expect(pixels(catalog, 1).ivar.slice(0, 4)).toEqual([0, 2, 2, 2]);
  });

  it("convert their units, errors with them", async () => {
    const table = tableOf([{ spectrum: noise, spectrum_ivar: weights }], {
      spectrum: "W/m2/nm",
      spectrum_ivar: "(W/m2/nm)-2",
    });
    const { value, ivar } = pixels((await read(await write("si.fits", table))).catalog, 0);
    // 1 W/m2/nm = 1e7 erg/s / 1e4 cm2 / 10 A
    expect(value[0] / noise[0]).toBeCloseTo(1e19, -13);
    expect((ivar[0] / weights[0]) * 1e38).toBeCloseTo(1, 5);
  });
});

describe("spectra at their own wavelengths", () => {
  const wave = Float64Array.from({ length: 700 }, (_, i) => 4900 + 1.7 * i);
  const line = wave.map((x) => 2 + 30 * Math.exp(-0.5 * ((x - 5500) / 12) ** 2));
  const ones = wave.map(() => 4);
  const centroid = ({ value }: { value: number[] }): number => {
    const at = wavelengthsOf(GRID);
    const above = value.map((v, i) => (Math.abs(at[i] - 5500) < 80 ? v - 2 : 0));
    return above.reduce((sum, v, i) => sum + v * at[i], 0) / above.reduce((sum, v) => sum + v, 0);
  };

  it("are put on the grid, by their own column of wavelengths", async () => {
    const spectrum = { spectrum: line, spectrum_ivar: ones, spectrum_wavelength: wave };
    const { catalog } = await read(await write("wave.parquet", tableOf([spectrum], own)));
    const found = pixels(catalog, 0);
    expect(Math.min(...found.ivar)).toBeGreaterThan(4);
    expect(centroid(found)).toBeCloseTo(5500, 1);
    expect(found.value[0]).toBeCloseTo(2, 5);
  });

  it("are read from columns as archives name them; air or vacuum is stated or asked for", async () => {
    const table = tableOf([{ FLUX: line, IVAR: ones, WAVE: wave }], { FLUX: UNIT });
    const path = await write("flux.fits", table);
    await expect(read(path)).rejects.toThrow(
      /flux.fits: column "WAVE": nothing says whether the wavelengths of spectrum are in air or in vacuum; expected --wavelengths/,
    );
    expect(centroid(pixels((await read(path, toy, { wavelengths: "vacuum" })).catalog, 0))).toBeCloseTo(5500, 1);
    const air = pixels((await read(path, toy, { wavelengths: "air" })).catalog, 0);
    expect(centroid(air)).toBeCloseTo(vacuumWavelength(5500), 1);
    const stated = await read(await write("stated.fits", table, { AIRORVAC: "air" }));
    expect(pixels(stated.catalog, 0)).toEqual(air);
    expect(stated.report).toMatch(/layout spectra/);
  });

  it("are read by a layout: logarithms, a grid of steps, nanometres, errors, masks", async () => {
    const log = { FLUX: line, IVAR: ones, LOGLAM: wave.map(Math.log10) };
    const logs = await read(await write("log.arrow", tableOf([log], { FLUX: UNIT })), toy, { wavelengths: "vacuum" });
    const layouts = `layouts:
  - name: mine
    title: mine
    objectId: "{id}"
    spectra:
      spectrum: { value: f, error: e, errorKind: absolute, step: [490, 0.17], wavelengthUnit: nm, medium: vacuum, mask: m, unit: 1e-16 erg/s/cm2/A }
`;
    const mask = wave.map((x) => (x > 5200 && x < 5300 ? 8 : 0));
    const f = line.map((x) => x / 10);
    const mine = await read(
      await write("mine.parquet", tableOf([{ f, e: f.map(() => 0.05), m: mask }])),
      surveyWith(layouts),
    );
    const [a, b] = [pixels(logs.catalog, 0), pixels(mine.catalog, 0)];
    const centres = wavelengthsOf(GRID);
    for (const [i, x] of centres.entries()) {
      if (x > 5215 && x < 5285) expect(b.ivar[i]).toBe(0);
      if (x > 5185 && x < 5315) continue;
      expect(b.value[i]).toBeCloseTo(a.value[i], 4);
      expect(b.ivar[i]).toBeCloseTo(a.ivar[i], 3);
    }
  });

  it("of unequal length end where they end; those outside the grid are not observed, and told", async () => {
    const cut = (n: number): Numbers => wave.map((x, i) => (i < n ? x : Number.NaN));
    const far = wave.map((x) => x + 3000);
    const rows = [cut(700), cut(300), far].map((place) => ({
      spectrum: line,
      spectrum_ivar: ones,
      spectrum_wavelength: place,
    }));
    const { catalog, report } = await read(await write("cut.parquet", tableOf(rows, own)));
    expect(states(catalog)).toEqual([1, 1, 0]);
    const last = wavelengthsOf(GRID).findLastIndex((_, i) => pixels(catalog, 1).ivar[i] > 0);
    expect(Math.abs(wavelengthsOf(GRID)[last] - wave[299])).toBeLessThan(12.7);
    expect(report).toMatch(
      /1 value not used: a spectrum outside the wavelengths of its field \(row 3, spectrum: 7900 - 9088 A\)/,
    );
  });

  it("in FITS lists as astropy wrote them are as long as each is", async () => {
    const { catalog } = await read(golden("spectra-lists.fits"), toy, { wavelengths: "vacuum" });
    expect(catalog.objectId).toEqual(["7", "8", "9"]);
    const centres = wavelengthsOf(GRID);
    for (const [row, count] of [300, 450, 120].entries()) {
      const { value, ivar } = pixels(catalog, row);
      for (const [i, x] of centres.entries()) {
        const last = 4980 + 2.5 * (count - 1);
        if (x < last - 8) expect(value[i]).toBeCloseTo(1 + (x - 4980) / 250, 2);
        else if (x > last + 8) expect(ivar[i]).toBe(0);
      }
    }
  });

  it("without errors need a relative one, which is of their median", async () => {
    const path = await write("none.fits", tableOf([{ spectrum: noise.map(() => 4) }], own));
    await expect(read(path)).rejects.toThrow(
      /column "spectrum" has no error column, expected spectrum_ivar; --relative-error/,
    );
    expect(pixels((await read(path, toy, { relativeError: 0.05 })).catalog, 0).ivar[3]).toBeCloseTo(25, 3);
  });

  it.each([
    [
      "off the grid",
      { spectrum: noise.slice(1), spectrum_ivar: noise.slice(1) },
      /"spectrum" has 79 pixels, expected the 80 of spectrum/,
    ],
    [
      "of two lengths",
      { spectrum: noise, spectrum_ivar: noise.slice(1) },
      /"spectrum_ivar" has 79 elements, "spectrum" has 80/,
    ],
  ])("%s are refused in one line", async (_, row, message) => {
    await expect(read(await write("refused.arrow", tableOf([row], own)))).rejects.toThrow(message);
  });

  it("in no unit, or one of no flux, are refused", async () => {
    const row = { spectrum: noise, spectrum_ivar: weights };
    await expect(read(await write("unitless.arrow", tableOf([row])))).rejects.toThrow(/column "spectrum" has no unit/);
    await expect(read(await write("jy.arrow", tableOf([row], { spectrum: "Jy" })))).rejects.toThrow(
      /column "spectrum": unit "Jy" does not convert/,
    );
  });
});

describe("shards with spectra", () => {
  it("come back bit by bit, in as many files as their pixels need", async () => {
    const rows = Array.from({ length: 5 }, (_, i) => ({
      spectrum: noise.map((x) => x * (i + 1)),
      spectrum_ivar: weights,
    }));
    const { catalog } = await read(await write("five.parquet", tableOf(rows, own)));
    const out = join(folder, "shards");
    mkdirSync(out);
    const columns = { hasError: [false, false], hasState: [false, false], isExact: false, pixels: ["spectrum"] };
    const writer = createShardWriter("train", { folder: out, survey: toy, columns, rowsPerShard: 2, format: "arrow" });
    for (let row = 0; row < 5; row++) await writer.add(catalog, row);
    const parts = { train: await writer.finish() } as Manifest["parts"];
    expect(parts.train).toEqual({ shards: 3, rows: 5 });
    const manifest = { parts, sources: [], shardFormat: "arrow" } as unknown as Manifest;
    const back: Catalog[] = [];
    for await (const batch of readPart(out, manifest, toy, "train")) back.push(batch.catalog);
    const whole = concat(back);
    expect(whole.arrays!.get("spectrum")).toEqual(catalog.arrays!.get("spectrum"));
    expect(whole.state).toEqual(catalog.state);
  });

  it("of a table without spectra hold no pixels, and take as many rows as asked", () => {
    expect(rowsOfShard(toy, 50_000, [])).toBe(50_000);
    expect(rowsOfShard(loadSurvey("desi-spectra"), 50_000, ["spectrum"])).toBe(976); // 64 MB of 8192 x 8 bytes
  });
});

describe("spectra of another survey", () => {
  it("are put on the network's grid, in its unit", async () => {
    const spectrum =
      "{ name: theirs, description: theirs, unit: 1e-16 erg/s/cm2/A, grid: { from: 4000, to: 5500, pixels: 800 } }";
    const theirs = surveyWith("", "other", spectrum);
    const wave = wavelengthsOf({ from: 4000, to: 5500, pixels: 800 });
    const table = tableOf([{ theirs: wave.map((x) => x / 1000), theirs_ivar: wave.map(() => 1) }], {
      theirs: "1e-16 erg/s/cm2/A",
    });
    const path = await write("theirs.parquet", table);
    const { catalog, report } = await readAllRows(path, { survey: toy, own: theirs });
    const { value, ivar } = pixels(catalog, 0);
    const centres = wavelengthsOf(GRID);
    expect(report.join("\n")).toMatch(/by wavelength theirs = spectrum/);
    for (const [i, x] of centres.entries()) {
      if (x < 5490) expect(value[i]).toBeCloseTo(x / 100, 2);
      else if (x > 5510) expect(ivar[i]).toBe(0);
    }
  });
});

const observed = (catalog: Catalog, row: number): number => {
  const { width, ivar } = catalog.arrays!.get("spectrum")!;
  return ivar.subarray(row * width, (row + 1) * width).filter((w) => w > 0).length;
};
const column = ({ fields, value, state }: Catalog, name: string): (number | undefined)[] => {
  const j = fields.findIndex((field) => field.name === name);
  const rows = state.length / fields.length;
  return Array.from({ length: rows }, (_, row) =>
    state[row * fields.length + j] === 0 ? undefined : value[row * fields.length + j],
  );
};

withData("fors2-spectra")("the FORS2 spectra", () => {
  it("are read with their redshifts from lists of unequal length", async () => {
    const { catalog, report } = await read(at("fors2-spectra/fors2-spectra.fits.gz"), loadSurvey("fors2"));
    expect(catalog.rowCount).toBe(415);
    expect(column(catalog, "spectrum").filter((state) => state !== undefined)).toHaveLength(415);
    // three of them are stars, at z -0.0006 to 0
    expect(column(catalog, "z").filter((z) => z !== undefined && z > 0.01)).toHaveLength(412);
    expect(report).toMatch(/layout fors2-spectra/);
    expect(observed(catalog, 0)).toBeGreaterThan(1000);
  });
});

withData("sdss-spectra")("a folder of SDSS spectra", () => {
  it("is one table: redshifts and classes where the pipeline has no warning, pixels on its own steps", async () => {
    const survey = loadSurvey("sdss-spectra");
    const { catalog } = await read(at("sdss-spectra"), survey);
    expect(catalog.objectId).toContain("285-51930-184");
    expect(catalog.rowCount).toBe(8);
    const [z, kind] = [column(catalog, "z"), column(catalog, "CLASS")];
    const quasar = catalog.objectId.indexOf("1008-52707-558");
    const classes = survey.fields.flatMap((field) => (field.kind === "category" ? field.classes : []));
    expect(classes[kind[quasar]!]).toBe("quasar");
    expect(z[catalog.objectId.indexOf("285-51930-184")]).toBeCloseTo(0.0948405, 6);
    expect(observed(catalog, catalog.objectId.indexOf("285-51930-184"))).toBe(3839);
  });
});

withData("desi-spectra")("a folder of DESI coadds", () => {
  it("is one table with the cameras joined; fibres on the sky are left out", async () => {
    const { catalog, report } = await read(at("desi-spectra"), loadSurvey("desi-spectra"));
    expect(catalog.objectId).toEqual([
      "39633345008634465",
      "39633300968442591",
      "39089837499744649",
      "39627866878511337",
      "39627866878514741",
    ]);
    expect(column(catalog, "z")[0]).toBeCloseTo(0.368743, 5);
    expect(observed(catalog, 0)).toBe(8192);
    expect(report).toMatch(/6 rows left out: sky fibre/);
  });
});
