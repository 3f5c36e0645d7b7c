import { describe, expect, it } from "vitest";
import type { Column, Table } from "../../src/io/table.ts";
import { layoutSchema } from "../../src/survey/layout.ts";
import { type CatalogOptions, toCatalog } from "../../src/survey/read.ts";
import { loadSurvey, type Survey } from "../../src/survey/survey.ts";

const infrared = loadSurvey("infrared");
const legacy = loadSurvey("legacy");
const desi = loadSurvey("desi");
const minijpas = loadSurvey("minijpas");

type Cell = readonly [name: string, value: number, unit?: string | undefined];

function tableOf(...cells: readonly Cell[]): Table {
  const columns = cells.map(([name, value, unit]): Column => {
    const data = Float64Array.of(value);
    return { name, type: "float64", width: 1, data, ...(unit === undefined ? {} : { unit }) };
  });
  return { rowCount: 1, columns, metadata: {} };
}

/** [value, error] of a field in a table of one row. */
function read(survey: Survey, field: string, cells: readonly Cell[], options: CatalogOptions = {}): [number, number] {
  const { catalog } = toCatalog(tableOf(...cells), survey, options);
  const at = catalog.fields.findIndex(({ name }) => name === field);
  return [catalog.value[at], catalog.error[at]];
}

const fluxOf = (survey: Survey, name: string, magAB: number): number => {
  const { pivot } = survey.fields.find((field) => field.name === name)!.band!;
  return (10 ** (-0.4 * (magAB + 48.6)) * 2.99792458e18) / pivot ** 2 / 1e-19;
};
const relativeTo = (x: number, y: number): number => Math.round((x / y) * 1e4) / 1e4;

describe("magnitudes", () => {
  const twoMass = (unit?: string, options?: CatalogOptions): number =>
    read(
      infrared,
      "J",
      [
        ["j_m", 15, unit],
        ["j_msigcom", 0.05, unit],
      ],
      options,
    )[0];
  const [vega, ab] = [fluxOf(infrared, "J", 15.91), fluxOf(infrared, "J", 15)];
  const stating = (unit: string): CatalogOptions => ({ units: [{ column: "j_m", unit }] });

  it("are in the layout's system where the file names none", () => {
    for (const unit of [undefined, "mag", "MAG", "magnitude", "---", "mag(Vega)", "Vegamag"]) {
      expect(relativeTo(twoMass(unit), vega), unit).toBe(1);
    }
    expect(relativeTo(twoMass(undefined, stating("mag")), vega)).toBe(1);
  });

  it("are an error where the file and the layout name different ones, until somebody says which", () => {
    expect(() => twoMass("ABmag")).toThrow(
      'column "j_m": the file says "ABmag", layout "2mass" mag(Vega), expected one system; state the right one with --unit "j_m=ABmag"',
    );
    expect(relativeTo(twoMass("ABmag", stating("ABmag")), ab)).toBe(1);
    expect(relativeTo(twoMass("ABmag", stating("mag(Vega)")), vega)).toBe(1);
    expect(relativeTo(twoMass("mag", stating("ABmag")), ab)).toBe(1);
  });

  it("of Vega need its AB magnitude in the band", () => {
    const cells = [["rSDSS", 20, "mag(Vega)"] as const, ["rSDSS_err", 0.1] as const];
    expect(() => read(minijpas, "rSDSS", cells)).toThrow(/doesn't say which AB magnitude Vega has in rSDSS.*vegaAB/);
    expect(
      relativeTo(read(minijpas, "rSDSS", [["rSDSS", 20, "mag"], cells[1]])[0], fluxOf(minijpas, "rSDSS", 20)),
    ).toBe(1);
  });
});

describe("a unit of the file", () => {
  const tractor = (unit: string | undefined, error = 4, errorUnit?: string): [number, number] =>
    read(legacy, "gLS", [
      ["FLUX_G", 10, unit],
      ["FLUX_IVAR_G", error, errorUnit],
    ]);
  const plain = tractor(undefined);

  it("that is not understood, or no flux, is never replaced by the layout's", () => {
    for (const unit of ["nanomagies", "10**-17 egrs/s/cm2/A", "MJY", "AB"]) {
      expect(() => tractor(unit)).toThrow(`column "FLUX_G": unit "${unit}" is not understood, expected`);
    }
    for (const unit of ["counts", "DN/s", "adu", "erg/s", "Angstrom"]) {
      expect(() => tractor(unit)).toThrow(`column "FLUX_G": unit "${unit}" does not convert to that of gLS`);
    }
    expect(tractor("uJy")[0] / plain[0]).toBeCloseTo(1 / 3.631, 6);
    expect(tractor("10**-17 ergs/s/cm2/A")[0]).toBeCloseTo(1000, 6);
  });

  it("of inverse variances is the inverse square of one", () => {
    expect(plain[1] / plain[0]).toBeCloseTo(0.05, 6);
    expect(tractor("nanomaggy", 4, "1/nanomaggy^2")).toEqual(plain);
    expect(tractor(undefined, 4, "nanomaggy^-2")).toEqual(plain);
    expect(tractor(undefined, 4e18, "maggy-2")[1] / plain[1]).toBeCloseTo(1, 6);
    expect(tractor("nanomaggy", 4 / 3.631 ** 2, "uJy-2")[1] / plain[1]).toBeCloseTo(1, 6);
    expect(() => tractor("nanomaggy", 4, "nanomaggy")).toThrow(
      /column "FLUX_IVAR_G" is in "nanomaggy", "FLUX_G" in "nanomaggy": expected an inverse variance in .*\(nanomaggy\)-2/,
    );
    expect(() => tractor("nanomaggy", 4, "furlong-2")).toThrow(/"FLUX_IVAR_G": unit "furlong-2" is not understood/);
    expect(() => tractor("nanomaggy", 4, "Angstrom-2")).toThrow(/"FLUX_IVAR_G" is in "Angstrom-2"/);
  });

  it("of errors is held against the unit that the layout gives their values", () => {
    const own = (unit: string | undefined, units: CatalogOptions["units"] = []): number =>
      read(
        minijpas,
        "J0378",
        [
          ["J0378", 10, "uJy"],
          ["J0378_err", 1, unit],
        ],
        { units },
      )[1];
    expect(own("nJy") / own(undefined)).toBeCloseTo(1e-3, 8);
    expect(own(undefined, [{ column: "J0378_err", unit: "nJy" }]) / own(undefined)).toBeCloseTo(1e-3, 8);
    const both = [
      { column: "J0378", unit: "uJy" },
      { column: "J0378_err", unit: "nJy" },
    ];
    expect(own(undefined, both) / own(undefined)).toBeCloseTo(1e-3, 8);
    expect(() => own("furlong")).toThrow(/column "J0378_err": unit "furlong" is not understood/);
    const layouts = infrared.layouts.filter(({ name }) => name === "2mass");
    const twoMass = { ...infrared, layouts };
    const cells = [["j_m", 15] as const, ["j_msigcom", 0.05, "nJy"] as const];
    expect(() => read(twoMass, "J", cells)).toThrow(
      /"j_msigcom" is in "nJy", "j_m" in "mag\(Vega\)": expected an error/,
    );
  });

  it("of relative errors is a pure number: per cent count as such", () => {
    const layout = layoutSchema.parse({
      name: "test",
      title: "test",
      objectId: "{id}",
      bands: { value: "F_{FIELD}", error: "E_{FIELD}", errorKind: "relative", unit: "uJy" },
    });
    const error = (unit?: string): number =>
      read({ ...minijpas, layouts: [layout] }, "J0378", [
        ["F_J0378", 10],
        ["E_J0378", 0.2, unit],
      ])[1];
    expect(error("%") / error()).toBeCloseTo(0.01, 8);
    expect(error("1")).toBe(error());
    expect(() => error("uJy")).toThrow(/"E_J0378" is in "uJy".*expected a relative error/);
  });

  it("that its layout knows to be wrong is read as none; the formulas of layouts are for one unit", () => {
    const label = (unit: string | undefined): number =>
      read(desi, "LOGM", [
        ["TARGETID", 1],
        ["LOGMSTAR", 10, unit],
        ["HALPHA_EW", 1, "Angstrom"],
      ])[0];
    for (const unit of ["solMass", "dex(solMass)", "log(Msun)", ""]) expect(label(unit)).toBe(label(undefined));
    expect(() => label("kg")).toThrow(/column "LOGMSTAR": unit "kg" does not convert to that of LOGM/);
    const rate = (unit?: string): number =>
      read(desi, "LOGSFR", [
        ["LOGMSTAR", 8],
        ["SFR", 2, unit],
      ])[0];
    expect(rate("Msun / yr")).toBeCloseTo(rate(), 6);
    expect(rate("solMass kyr-1") - rate()).toBeCloseTo(-3, 5);
    expect(() => rate("kg")).toThrow(/column "SFR": unit "kg" does not convert to solMass\/yr/);
    expect(() => rate("stars")).toThrow(/column "SFR": unit "stars" is not understood/);
  });

  it("of columns that are added up is the same", () => {
    const doublet = (one: string, two: string, errors: readonly [string, string]): [number, number] =>
      read(desi, "OII3727_EW", [
        ["HALPHA_EW", 1, "Angstrom"],
        ["HALPHA_EW_IVAR", 1],
        ["OII_3726_EW", 3, one],
        ["OII_3726_EW_IVAR", 4, errors[0]],
        ["OII_3729_EW", 4, two],
        ["OII_3729_EW_IVAR", 1, errors[1]],
      ]);
    const plain = doublet("Angstrom", "AA", ["Angstrom-2", "1/Angstrom2"]);
    expect([plain[0], plain[1]]).toEqual([7, Math.fround(Math.sqrt(1.25))]);
    expect(doublet("nm", "nm", ["nm-2", "nm-2"])).toEqual([70, Math.fround(10 * Math.sqrt(1.25))]);
    expect(() => doublet("nm", "Angstrom", ["nm-2", "nm-2"])).toThrow(
      /columns "OII_3726_EW" \(nm\) and "OII_3729_EW" \(Angstrom\) are read together, expected the same unit/,
    );
    expect(() => doublet("nm", "nm", ["nm-2", "Angstrom-2"])).toThrow(/"OII_3726_EW_IVAR" \(nm-2\) and/);
  });

  it("of ratios is that of what they are relative to", () => {
    const layout = layoutSchema.parse({
      name: "test",
      title: "test",
      objectId: "{id}",
      bands: { value: "F_{FIELD}", error: "E_{FIELD}", times: "total", unit: "1e-19 erg/s/cm2/A" },
    });
    const ratio = (unit: string | undefined, total: string | undefined, error?: string): [number, number] =>
      read({ ...minijpas, layouts: [layout] }, "J0378", [
        ["F_J0378", 0.5, unit],
        ["E_J0378", 0.1, error],
        ["total", 40, total],
      ]);
    expect(ratio(undefined, undefined)).toEqual([20, 4]);
    expect(ratio("1", "1e-18 erg/s/cm2/A")).toEqual([200, 40]);
    expect(ratio("", undefined, "%")[1]).toBeCloseTo(0.04, 6);
    expect(() => ratio("1e-19 erg/s/cm2/A", undefined)).toThrow(
      /"F_J0378" is in "1e-19.*expected a pure number.*"total"/,
    );
    expect(() => ratio(undefined, "ABmag")).toThrow(/column "total" is in "ABmag", expected a flux/);
  });
});
