import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { readCatalog, readWholeCatalog, toCatalog } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const survey = loadSurvey("minijpas");
const place = (name: string): number => survey.fields.findIndex((field) => field.name === name);
const folder = scratch();

interface Cell {
  readonly value: number;
  readonly error: number;
  readonly state: number;
}

function cell(catalog: Catalog, row: number, name: string): Cell {
  const at = row * catalog.fields.length + place(name);
  return { value: catalog.value[at], error: catalog.error[at], state: catalog.state[at] };
}

const measured = (value: number, error: number): Cell => ({
  value: Math.fround(value),
  error: Math.fround(error),
  state: State.measured,
});
const nothing: Cell = { value: 0, error: 0, state: State.notObserved };

/** 60 elements: those given by position, the rest `other`. */
function sixty(other: number, given: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: 60 }, (_, i) => given[i] ?? other);
}

/** Rows as the archive exports them: +-99 for no value, relative errors with and without the sign of the flux. */
const rows = [
  {
    tile: 2241,
    number: 7,
    flux: sixty(10, { 0: -4, 1: 99, 2: -99, 3: 5, 4: 0, 5: NaN, 57: -2, 59: 1234.5 }),
    relative: sixty(0.125, { 0: 0.5, 1: 0.1, 2: -99, 3: -0.2, 4: 0.1, 5: 0.1, 57: -0.25, 58: 0 }),
    flags: sixty(0, { 6: 3, 7: 4 }),
    mask: sixty(0, { 8: 1, 9: 2 }),
    z: 0.25,
  },
  {
    tile: 2241,
    number: 8,
    flux: sixty(NaN, {}),
    relative: sixty(NaN, {}),
    flags: sixty(0, {}),
    mask: sixty(0, {}),
    z: -99,
  },
];

function checkCefca(catalog: Catalog): void {
  expect(catalog.rowCount).toBe(2);
  expect(catalog.objectId).toEqual(["2241-7", "2241-8"]);
  expect(catalog.parentId).toEqual(catalog.objectId);
  expect(cell(catalog, 0, "uJAVA")).toEqual(measured(-4, 2)); // negative flux: error = |flux| x relative error
  expect(cell(catalog, 0, "J0378")).toEqual(nothing); // flux 99
  expect(cell(catalog, 0, "J0390")).toEqual(nothing); // flux -99
  expect(cell(catalog, 0, "J0400")).toEqual(nothing); // negative error beside a positive flux
  expect(cell(catalog, 0, "J0410")).toEqual(nothing); // flux 0: its relative error says nothing
  expect(cell(catalog, 0, "J0420")).toEqual(nothing);
  expect(cell(catalog, 0, "J0430")).toEqual(measured(10, 1.25)); // flag 3 = neighbour, blended: usable
  expect(cell(catalog, 0, "J0440")).toEqual(nothing); // saturated
  expect(cell(catalog, 0, "J0450")).toEqual(nothing); // outside the field
  expect(cell(catalog, 0, "J0460")).toEqual(nothing); // near a bright star
  expect(cell(catalog, 0, "gSDSS")).toEqual(measured(-2, 0.5)); // error / flux keeps the sign of the flux
  expect(cell(catalog, 0, "rSDSS")).toEqual(nothing); // error 0
  expect(cell(catalog, 0, "iSDSS")).toEqual(measured(1234.5, 154.3125));
  expect(cell(catalog, 0, "FUV")).toEqual(nothing);
  expect(cell(catalog, 0, "z")).toEqual(measured(0.25, 0));
  expect(cell(catalog, 1, "z")).toEqual(nothing);
}

describe("the CEFCA layout", () => {
  const list = (values: readonly number[]): string => values.map((x) => (Number.isNaN(x) ? "NaN" : x)).join(" ");

  it("CSV: arrays in cells, the query in the first line", async () => {
    const path = join(folder, "cefca.csv");
    const lines = rows.map(
      (r) =>
        `${r.tile},${r.number},"${list(r.flux)}","${list(r.relative)}","${list(r.flags)}","${list(r.mask)}",0.3,${r.z}`,
    );
    const header = "TILE_ID,NUMBER,FLUX_APER_3_0,FLUX_RELERR_APER_3_0,FLAGS,MASK_FLAGS,PHOTOZ,zsp";
    writeFileSync(path, ["#SELECT * FROM minijpas.FLambdaDualObj t1", header, ...lines, "", ",,,,,,,"].join("\n"));
    const { catalog, counts, report } = await readWholeCatalog(path, survey);
    expect(catalog.rowCount).toBe(3);
    expect(counts.emptyRows).toBe(1);
    checkCefca({
      ...catalog,
      rowCount: 2,
      objectId: catalog.objectId.slice(0, 2),
      parentId: catalog.parentId.slice(0, 2),
    });
    expect(Object.fromEntries([...counts.reasons].map(([reason, { count }]) => [reason, count]))).toEqual({
      "magic value": 3,
      "error negative": 1,
      "error zero": 2,
      "flag 4: saturated": 1,
      "flag 1: outside the field": 1,
      "flag 2: near a bright star": 1,
    });
    expect(counts.reasons.get("error negative")?.examples).toEqual(["row 1, J0400: 5, error -0.2"]);
    expect(counts.unusedColumns).toEqual(["PHOTOZ"]);
    expect(report.join("\n")).toMatch(
      /3 values not used: magic value \(row 1, J0378: 99, error 0.1; row 1, J0390: -99/,
    );
  });

  it.each(["FLUX_PSFCOR", "FLambdaDualObj.FLUX_PSFCOR"])("FITS: vectors named %s", async (name) => {
    const path = join(folder, `${name}.fits`);
    const prefix = name.replace("FLUX_PSFCOR", "");
    const vector = (column: string, of: (row: (typeof rows)[number]) => number[]): Column => ({
      name: prefix + column,
      type: "float32",
      width: 60,
      data: Float32Array.from(rows.flatMap(of)),
    });
    const columns: Column[] = [
      { name: "TILE_ID", type: "int32", width: 1, data: Int32Array.from(rows, (r) => r.tile) },
      { name: "NUMBER", type: "int32", width: 1, data: Int32Array.from(rows, (r) => r.number) },
      vector("FLUX_PSFCOR", (r) => r.flux),
      vector("FLUX_RELERR_PSFCOR", (r) => r.relative),
      vector("FLAGS", (r) => r.flags),
      vector("MASK_FLAGS", (r) => r.mask),
      { name: "ZSP", type: "float64", width: 1, data: Float64Array.from(rows, (r) => r.z) },
    ];
    await writeTable(path, { schema: columns, metadata: {} }, [{ rowCount: 2, columns, metadata: {} }]);
    const { catalog, counts } = await readWholeCatalog(path, survey);
    expect(counts.layout).toBe("cefca-psfcor");
    checkCefca(catalog);
  });

  it("is not guessed when two photometries are there, nor with too few elements", async () => {
    const path = join(folder, "two.csv");
    const cells = `"${list(rows[0].flux)}","${list(rows[0].relative)}"`;
    writeFileSync(path, `FLUX_APER_3_0,FLUX_RELERR_APER_3_0,FLUX_AUTO,FLUX_RELERR_AUTO\n${cells},${cells}\n`);
    await expect(readWholeCatalog(path, survey)).rejects.toThrow(
      /several layouts fit its columns: cefca-aper3 \(FLUX_APER_3_0, ...\), cefca-auto/,
    );
    const { counts } = await readWholeCatalog(path, survey, { layout: "cefca-auto" });
    expect(counts.layout).toBe("cefca-auto");
    await expect(readWholeCatalog(path, survey, { layout: "cefca-autto" })).rejects.toThrow(
      /did you mean "cefca-auto"/,
    );
    writeFileSync(path, 'FLUX_AUTO,FLUX_RELERR_AUTO\n"1 2 3","1 2 3"\n');
    await expect(readWholeCatalog(path, survey)).rejects.toThrow(/has 3 elements, layout "cefca-auto" expects 60/);
  });
});

describe("Caleido's own columns", () => {
  let own: Table;
  beforeAll(() => {
    const float = (name: string, values: readonly number[], unit?: string): Column => ({
      name,
      type: "float32",
      width: 1,
      data: Float32Array.from(values),
      ...(unit === undefined ? {} : { unit }),
    });
    const columns: Column[] = [
      { name: "object_id", type: "int64", width: 1, data: BigInt64Array.of(2n ** 60n + 1n, 2n, 3n, 4n) },
      { name: "parent_id", type: "string", width: 1, data: ["a", "a", "b", "b"] },
      float("J0378", [1, NaN, Infinity, 4], "1e-17 erg/s/cm2/A"),
      float("J0378_err", [0.1, 0.1, 0.1, -1]),
      float("NUV", [5, 6, 7, 8], "1e-19 erg/s/cm2/A"),
      float("NUV_err", [0.5, 0, 2, 9]),
      { name: "NUV_state", type: "uint8", width: 1, data: Uint8Array.of(1, 2, 3, 0) },
      float("LOGM", [10, 11, 99, NaN], "dex"),
      float("LOGM_err", [0.1, NaN, 0.1, 0.1]),
      float("HALPHA_EW", [1, 2, 3, 4], "nm"),
      float("AGE", [500, 1000, 20000, 0], "Myr"),
    ];
    own = { rowCount: 4, columns, metadata: {} };
  });

  it("are read with states, units and unknown label errors", () => {
    const { catalog, report } = toCatalog(own, survey);
    expect(catalog.objectId).toEqual([String(2n ** 60n + 1n), "2", "3", "4"]);
    expect(catalog.parentId).toEqual(["a", "a", "b", "b"]);
    expect([0, 1, 2, 3].map((row) => cell(catalog, row, "J0378"))).toEqual([
      measured(100, 10),
      nothing,
      nothing,
      nothing,
    ]);
    expect([0, 1, 2, 3].map((row) => cell(catalog, row, "NUV"))).toEqual([
      measured(5, 0.5),
      { value: 6, error: 0, state: State.upperLimit },
      { value: 7, error: 2, state: State.nonDetection },
      nothing,
    ]);
    expect([0, 1, 2, 3].map((row) => cell(catalog, row, "LOGM"))).toEqual([
      measured(10, 0.1),
      measured(11, 0),
      nothing,
      nothing,
    ]);
    expect(cell(catalog, 1, "HALPHA_EW")).toEqual(measured(20, 0));
    expect([0, 1, 2].map((row) => cell(catalog, row, "AGE"))).toEqual([measured(0.5, 0), measured(1, 0), nothing]);
    expect(Object.fromEntries([...report.reasons].map(([reason, { count }]) => [reason, count]))).toEqual({
      "value infinite": 1,
      "error negative": 1,
      "outside the possible range of LOGM": 1,
      "outside the possible range of AGE": 1,
    });
  });

  it("stream in batches as they read whole, from every format", async () => {
    const whole = toCatalog(own, survey).catalog;
    for (const extension of ["parquet", "csv", "fits", "arrow"]) {
      const path = join(folder, `own.${extension}`);
      await writeTable(path, { schema: own.columns, metadata: {} }, [own]);
      const ids: string[] = [];
      const values: number[] = [];
      for await (const { catalog } of readCatalog(path, survey, { batchRows: 1 })) {
        expect(catalog.rowCount).toBe(1);
        ids.push(...catalog.objectId);
        values.push(...catalog.value, ...catalog.error, ...catalog.state);
      }
      expect(ids).toEqual(whole.objectId);
      const again = await readWholeCatalog(path, survey);
      expect(again.catalog).toEqual(whole);
      expect(values.length).toBe(whole.value.length * 3);
    }
  });

  it("that are wrong are one line", async () => {
    const one = (columns: readonly Column[]): (() => unknown) => {
      const table: Table = { rowCount: 1, columns, metadata: {} };
      return () => toCatalog(table, survey);
    };
    const float = (name: string, unit?: string): Column => ({
      name,
      type: "float32",
      width: 1,
      data: Float32Array.of(1),
      ...(unit === undefined ? {} : { unit }),
    });
    expect(one([float("J0378", "counts"), float("J0378_err")])).toThrow(
      /column "J0378": unit "counts" does not convert to that of J0378, expected 1e-19 erg\/s\/cm2\/A, another flux.*state the right one with --unit "J0378=1e-19 erg/,
    );
    expect(one([float("J0378")])).toThrow(/column "J0378" has no error column, expected J0378_err; --relative-error/);
    expect(one([float("J0378"), float("J0378_err")])).toThrow(
      /column "J0378" has no unit, expected e\.g\. 1e-19 erg.*--unit "J0378=1e-19 erg.*--unit "\*=survey"/,
    );
    expect(one([float("AV")])).toThrow(/column "AV" has no unit, expected e\.g\. mag/);
    expect(one([float("z"), float("LOGM")])).not.toThrow();
    expect(one([float("J0379"), float("ra")])).toThrow(
      /"J0379" \(did you mean "J0378"\?\); expected a layout of caleido/,
    );
    expect(one([{ name: "z", type: "string", width: 1, data: ["0.1"] }])).toThrow(
      /column "z" holds text, expected numbers/,
    );
    const empty = join(folder, "empty.csv");
    writeFileSync(empty, "J0378,J0378_err\n");
    await expect(readWholeCatalog(empty, survey, { units: [{ column: "*", unit: "survey" }] })).rejects.toThrow(
      /empty\.csv: a table without rows/,
    );
    const { catalog } = toCatalog(
      { rowCount: 1, columns: [float("J0378", "1e-19 erg/s/cm2/A")], metadata: {} },
      survey,
      {
        relativeError: 0.05,
      },
    );
    expect(cell(catalog, 0, "J0378")).toEqual(measured(1, 0.05));
    expect(catalog.objectId).toEqual(["1"]);
  });

  it("take their unit from the file, else the layout, else the caller", () => {
    const table = (unit?: string): Table => ({
      rowCount: 1,
      columns: ["J0378", "J0390"].flatMap((name) => [
        { name, type: "float32", width: 1, data: Float32Array.of(2), ...(unit === undefined ? {} : { unit }) } as const,
        { name: `${name}_err`, type: "float32", width: 1, data: Float32Array.of(1) } as const,
      ]),
      metadata: {},
    });
    const read = (unit: string | undefined, ...units: [string, string][]): number[] => {
      const options = { units: units.map(([column, stated]) => ({ column, unit: stated })) };
      const { catalog } = toCatalog(table(unit), survey, options);
      return ["J0378", "J0390"].map((name) => cell(catalog, 0, name).value);
    };
    expect(read(undefined, ["*", "survey"])).toEqual([2, 2]);
    expect(read(undefined, ["*", "survey"], ["J0378", "1e-17 erg/s/cm2/A"])).toEqual([200, 2]);
    expect(read(undefined, ["J03*", "1e-18 erg/s/cm2/A"])).toEqual([20, 20]);
    // a bare * fills gaps only, a named column outdoes the file, and the last word counts
    expect(read("1e-17 erg/s/cm2/A", ["*", "survey"])).toEqual([200, 200]);
    expect(read("counts", ["J0*", "survey"])).toEqual([2, 2]);
    expect(read("1e-17 erg/s/cm2/A", ["J0*", "1e-18 erg/s/cm2/A"], ["J0390", "survey"])).toEqual([20, 2]);
    expect(() => read("counts", ["*", "survey"])).toThrow(/unit "counts" does not convert/);
    expect(() => read(undefined, ["J0378", "furlong"], ["*", "survey"])).toThrow(
      /unit "furlong" is not understood, expected 1e-19 erg/,
    );
  });

  it("of errors convert to those of their values, or it is an error", () => {
    const pair = (unit: string, other: string, names = ["J0378", "J0378_err"], numbers = [12, 2]): (() => number) => {
      const columns = [unit, other].map((one, i): Column => ({
        name: names[i],
        type: "float32",
        width: 1,
        data: Float32Array.of(numbers[i]),
        unit: one,
      }));
      return () => cell(toCatalog({ rowCount: 1, columns, metadata: {} }, survey).catalog, 0, names[0]).error;
    };
    expect(pair("1e-17 erg/s/cm2/A", "1e-17 erg s-1 cm-2 Angstrom-1")()).toBe(200);
    const magnitudes = (unit: string): number => pair("ABmag", unit, undefined, [21, 0.1])();
    expect(magnitudes("mag")).toBeGreaterThan(0);
    expect(magnitudes("mmag") / magnitudes("mag")).toBeCloseTo(1e-3, 8);
    expect(pair("1e-17 erg/s/cm2/A", "1e-19 erg/s/cm2/A")()).toBeCloseTo(2, 6);
    expect(pair("uJy", "uJy")() / pair("uJy", "nJy")()).toBeCloseTo(1000, 3);
    expect(pair("1e-17 erg/s/cm2/A", "mag")).toThrow(
      /column "J0378_err" is in "mag", "J0378" in "1e-17 erg.*": expected an error in a unit that converts to that of its value/,
    );
    expect(pair("K", "1e-17 erg/s/cm2/A")).toThrow(/column "J0378": unit "K" does not convert/);
    expect(pair("Gyr", "Gyr", ["AGE", "AGE_err"])()).toBe(2);
    expect(pair("Gyr", "Myr", ["AGE", "AGE_err"])()).toBeCloseTo(0.002, 8);
  });

  it("magnitudes become fluxes", () => {
    const float = (name: string, value: number, unit?: string): Column => ({
      name,
      type: "float32",
      width: 1,
      data: Float32Array.of(value),
      ...(unit === undefined ? {} : { unit }),
    });
    const { catalog } = toCatalog(
      { rowCount: 1, columns: [float("rSDSS", 20, "mag"), float("rSDSS_err", 0.1)], metadata: {} },
      survey,
    );
    // AB 20 = 3.6308e-28 erg/s/cm2/Hz; times c / (6245.4 A)^2.
    const flux = (10 ** (-0.4 * 68.6) * 2.99792458e18) / 6245.4 ** 2 / 1e-19;
    const { value, error } = cell(catalog, 0, "rSDSS");
    expect(value / flux).toBeCloseTo(1, 6);
    expect(error / value).toBeCloseTo(0.1 * 0.4 * Math.log(10), 6);
  });
});
