import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { splitTableName } from "../../src/io/table-name.ts";
import { State } from "../../src/survey/field.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { addReport, formatReport } from "../../src/survey/report.ts";
import { listSurveys, loadSurvey } from "../../src/survey/survey.ts";
import {
  type Cells,
  cell,
  classesOf,
  expectCell,
  flux,
  nothing,
  perFrequency,
  pivotOf,
  read,
  tableOf,
} from "./rows.ts";

describe("every survey file", () => {
  it.each(listSurveys())(
    "%s says where its tables are, on what terms, what to cite, and every layout's errors",
    (name) => {
      const survey = loadSurvey(name);
      expect(survey.source.length).toBeGreaterThan(0);
      expect(survey.citation.length).toBeGreaterThan(0);
      expect(survey.licence).not.toBe("not stated");
      // of an instrument that has not observed yet there is nothing to lay out
      if (survey.layouts.length === 0) expect(survey.source.join()).toContain("no public table");
      for (const { bands } of survey.layouts) for (const { error } of bands) expect(error).toBeDefined();
    },
  );
});

describe("labels of SDSS galaxies", () => {
  const line = (name: string, ...cells: readonly number[]): Cells =>
    Object.fromEntries(["FLUX", "FLUX_ERR", "CONT", "CONT_ERR"].map((what, i) => [`${name}_${what}`, cells[i]]));

  it("MPA-JHU: widths are fluxes over continua, quantiles give errors, doublets are added up", () => {
    const row = {
      PLATEID: 285,
      MJD: 51930,
      FIBERID: 184,
      Z: 0.08,
      Z_ERR: 1e-4,
      Z_WARNING: 0,
      RELIABLE: 1,
      LGM_TOT_P50: 10.4,
      LGM_TOT_P16: 10.3,
      LGM_TOT_P84: 10.54,
      SFR_TOT_P50: -9999,
      SFR_TOT_P16: -9999,
      SFR_TOT_P84: -9999,
      H_ALPHA_EQW: -19, // [NII] is in it
      ...line("H_ALPHA", 25, 0.5, 2, 0.1),
      ...line("H_BETA", -3, -1, 2, 0.1),
      ...line("NII_6584", 8, 0.5, 0, 0.1),
      ...line("OII_3729", 4, 0.4, 0.5, 0.01),
      OII_3726_FLUX: 3,
      OII_3726_FLUX_ERR: 0.3,
    };
    const table = tableOf(row, { ...row, RELIABLE: 0 }, { ...row, Z_WARNING: 4, OII_3729_FLUX: -9999 });
    const { catalog, report } = read("sdss-spectra", table);
    expect(catalog.objectId).toEqual(Array(3).fill("285-51930-184"));
    expectCell(catalog, 0, "z", 0.08, 1e-4);
    expectCell(catalog, 0, "LOGM", 10.4, 0.12);
    expect(cell(catalog, 0, "LOGSFR")).toEqual(nothing);
    expectCell(catalog, 0, "HALPHA_EW", 12.5, Math.hypot(0.5, 12.5 * 0.1) / 2);
    expectCell(catalog, 0, "HBETA_EW", -1.5, 0);
    expectCell(catalog, 0, "OII3727_EW", 14, Math.hypot(0.5, 14 * 0.01) / 0.5);
    expect(cell(catalog, 0, "NII6584_EW")).toEqual(nothing);
    expect(report.reasons.get("nothing above zero to divide by")?.count).toBe(1);
    expect(report.unusedColumns).toEqual([]);
    for (const row of [1, 2])
      for (const name of ["z", "LOGM", "HALPHA_EW"]) expect(cell(catalog, row, name)).toEqual(nothing);
    expect(report.reasons.get("RELIABLE 0: not reliable")?.count).toBe(6);
    expect(report.reasons.get("flag 4: chi2 too close to the second best")?.count).toBe(5);
    expect(report.reasons.get("magic value")?.count).toBe(4);
    expect(report.reasons.get("label kept without its error: error negative")?.count).toBe(1);
  });

  it("GSWLC: -99 is no value, bad fits are left out", () => {
    const row = {
      ObjID: 1,
      plate: 285,
      MJD: 51930,
      fiber: 184,
      z: 0.1,
      logMstar: 10.5,
      logMstar_err: 0.04,
      logSFR_SED: -99,
      logSFR_SED_err: -99,
      A_V: 0.3,
      A_V_err: 0.1,
      flag_sed: 0,
    };
    const { catalog } = read("gswlc", tableOf(row, { ...row, flag_sed: 2 }));
    expect(catalog.objectId[0]).toBe("285-51930-184");
    // Chabrier's to Kroupa's
    expectCell(catalog, 0, "LOGM", 10.5 + Math.log10(1.06), 0.04);
    expectCell(catalog, 0, "AV", 0.3, 0.1);
    expect(cell(catalog, 0, "LOGSFR")).toEqual(nothing);
    expect(cell(catalog, 1, "LOGM")).toEqual(nothing);
    const joined = read("gswlc", tableOf({ ...row, fuv_mag: 20, fuv_magerr: 0.1, nuv_mag: -999, nuv_magerr: -999 }));
    expect(joined.report.layout).toBe("gswlc-galex");
    expectCell(joined.catalog, 0, "LOGM", 10.5 + Math.log10(1.06), 0.04);
    const fuv = flux(20, pivotOf("gswlc", "FUV"));
    expectCell(joined.catalog, 0, "FUV", fuv, 0.1 * 0.4 * Math.LN10 * fuv);
    expect(cell(joined.catalog, 0, "NUV")).toEqual(nothing);
  });
});

describe("labels of DESI galaxies", () => {
  it("FastSpecFit: inverse variances, h = 1, linear star formation rates", () => {
    const { catalog, report } = read(
      "desi",
      tableOf({
        TARGETID: 39,
        Z: 0.2,
        LOGMSTAR: [10, "Msun"], // the file gives the unit of the argument
        SFR: [2, "Msun / yr"],
        ZZSUN: -0.3,
        AV: [0.4, "mag"],
        AGE: [3, "Gyr"],
        HALPHA_EW: [20, "Angstrom"],
        HALPHA_EW_IVAR: [4, "1 / Angstrom2"],
        HBETA_EW: [0, "Angstrom"], // not measured: filler
        HBETA_EW_IVAR: [0, "1 / Angstrom2"],
        OII_3726_EW: [3, "Angstrom"],
        OII_3726_EW_IVAR: [4, ""],
        OII_3729_EW: [4, "Angstrom"],
        OII_3729_EW_IVAR: [1, ""],
      }),
    );
    expect(report.layout).toBe("fastspecfit");
    expect(catalog.objectId).toEqual(["39"]);
    const h = -2 * Math.log10(0.7);
    expectCell(catalog, 0, "LOGM", 10 + h + Math.log10(1.06), 0);
    expectCell(catalog, 0, "LOGSFR", Math.log10(2) + h + Math.log10(0.67 / 0.63), 0);
    // the templates' metallicity is fixed, ages are light-weighted: neither is ours
    for (const name of ["LOGZ", "AGE"]) expect(cell(catalog, 0, name)).toEqual(nothing);
    expectCell(catalog, 0, "HALPHA_EW", 20, 0.5);
    expect(cell(catalog, 0, "HBETA_EW")).toEqual([0, 0, State.notObserved]);
    expectCell(catalog, 0, "OII3727_EW", 7, Math.sqrt(1 / 4 + 1));
  });

  it("of two layouts that differ in capitals, the one with the table's is meant", () => {
    const row = { TARGETID: 5, HALPHA_EW: 30, HALPHA_EW_IVAR: 4 };
    expect(read("desi", tableOf(row)).report.layout).toBe("fastspecfit");
    const small = { targetid: 5, HALPHA_ew: 30, HALPHA_ew_ivar: 4 };
    expect(read("desi", tableOf(small)).report.layout).toBe("bgs-ew");
  });

  it("a table without ids says that its rows are numbered", () => {
    const { catalog, report } = read("legacy", tableOf({ FLUX_G: 10, FLUX_IVAR_G: 4 }));
    expect(catalog.objectId).toEqual(["1"]);
    expect(formatReport(report)[1]).toBe("no ids ({TARGETID|OBJID}): rows are numbered in their place");
    const several = read("desi", tableOf({ TARGETID: 39, Z: 0.2, ZERR: 1e-5, ZWARN: 0, SPECTYPE: "GALAXY" })).report;
    addReport(several, report);
    expect(formatReport(several).slice(0, 2)).toEqual([
      "2 rows, 3 values (layouts redrock, tractor)",
      "no ids ({TARGETID|OBJID}): rows are numbered in their place",
    ]);
  });

  it("a layout that fits but for its errors names them", () => {
    const table = tableOf({ TARGETID: 39, FLUX_G: 10 });
    expect(() => read("legacy", table)).toThrow(/"FLUX_G" has no error column, expected FLUX_IVAR_G.*--relative-error/);
  });

  it("Legacy Surveys: nanomaggies with inverse variances", () => {
    const table = tableOf({
      TARGETID: 39,
      FLUX_G: 10,
      FLUX_IVAR_G: 4,
      FLUX_W1: -3,
      FLUX_IVAR_W1: 0.25,
      FLUX_Z: 1,
      FLUX_IVAR_Z: 0,
    });
    const { catalog } = read("legacy", table);
    const nanomaggy = (pivot: number): number => 3631e-32 * perFrequency(pivot);
    expectCell(catalog, 0, "gLS", 10 * nanomaggy(4808), 0.5 * nanomaggy(4808));
    expectCell(catalog, 0, "W1", -3 * nanomaggy(pivotOf("legacy", "W1")), 2 * nanomaggy(pivotOf("legacy", "W1")));
    expect(cell(catalog, 0, "zLS")).toEqual(nothing);
  });
});

describe("photometric tables", () => {
  it("2MASS and AllWISE: Vega magnitudes become fluxes by the bands' offsets", () => {
    const { catalog } = read(
      "infrared",
      tableOf({ designation: "a", j_m: 15, j_msigcom: 0.1, k_m: 14, k_msigcom: 0.05 }),
    );
    const sigma = 0.4 * Math.LN10;
    expectCell(
      catalog,
      0,
      "J",
      flux(15.91, pivotOf("infrared", "J")),
      0.1 * sigma * flux(15.91, pivotOf("infrared", "J")),
    );
    expectCell(
      catalog,
      0,
      "Ks",
      flux(15.85, pivotOf("infrared", "Ks")),
      0.05 * sigma * flux(15.85, pivotOf("infrared", "Ks")),
    );
    const wise = read(
      "infrared",
      tableOf({ designation: "b", w1mpro: 14, w1sigmpro: 0.02, w2mpro: 13, w2sigmpro: NaN }),
    );
    expectCell(
      wise.catalog,
      0,
      "W1",
      flux(16.699, pivotOf("infrared", "W1")),
      0.02 * sigma * flux(16.699, pivotOf("infrared", "W1")),
    );
    expect(wise.report.reasons.get("error missing")?.count).toBe(1); // an upper limit of the catalogue: no error there
  });

  const ojala = {
    TILE_ID: 9611,
    NUMBER: 38848,
    APER_COR_3_0_J0378: 0.5,
    APER_COR_3_0_J0378_ERR: 0.1,
    FLAGS_J0378: 0,
    APER_COR_3_0_J0390: -0.2,
    APER_COR_3_0_J0390_ERR: 0.1,
    FLAGS_J0390: 4,
    iSDSS: 40,
    MAG_i: 20,
    MAG_i_ERR: 0.01,
    MAG_G: 21,
    MAG_G_ERR: 0.02,
    MAG_W1: 19,
    MAG_W1_ERR: 0.1,
    SPECTYPE: "GALAXY",
    Z_GAL: 0.3,
    Z_GAL_ERR: 0.01,
    LOGM: 10.2,
    LOGM_ERR: 0.1,
    HALPHA_6562_EW: 15,
    HALPHA_6562_EW_ERR: 2,
  };

  it("OJALA: narrow bands relative to iSDSS, magnitudes, labels, tiles", () => {
    const { catalog, report } = read("jpas-edr", tableOf(ojala, { ...ojala, iSDSS: NaN }));
    expect(report.layout).toBe("ojala");
    expect(classesOf(catalog)).toEqual(["galaxy", "galaxy"]);
    expect(catalog.objectId[0]).toBe("9611-38848");
    expect(catalog.tile).toEqual(["9611", "9611"]);
    expectCell(catalog, 0, "J0378", 20, 4);
    expect(cell(catalog, 0, "J0390")).toEqual(nothing);
    expectCell(
      catalog,
      0,
      "iSDSS",
      flux(20, pivotOf("jpas-edr", "iSDSS")),
      0.01 * 0.4 * Math.LN10 * flux(20, pivotOf("jpas-edr", "iSDSS")),
    );
    expectCell(catalog, 0, "gLS", flux(21, 4808), 0.02 * 0.4 * Math.LN10 * flux(21, 4808));
    expectCell(catalog, 0, "z", 0.3, 0.01);
    expectCell(catalog, 0, "HALPHA_EW", 15, 2);
    expect(cell(catalog, 1, "J0378")).toEqual(nothing);
    expect(report.reasons.get("no reference flux")?.count).toBe(1);
    const fluxes = read("jpas-edr", tableOf(ojala), { layout: "ojala-flux" }).catalog;
    expectCell(fluxes, 0, "J0378", 0.5, 0.1);
    const labels = read("jpas-edr", tableOf(ojala), { layout: "ojala-labels" }).catalog;
    expect(cell(labels, 0, "J0378")).toEqual(nothing);
    expectCell(labels, 0, "LOGM", 10.2 + Math.log10(1.06), 0.1);
  });

  it("the photo-z challenge, with and without errors", () => {
    const row = {
      J0378: 0.5,
      J0378_ERR: 0.1,
      J0390: 0.6,
      J0390_ERR: 0.1,
      iSDSS: 40,
      MAG_J_2MASS: 17,
      MAG_J_2MASS_ERR: 0.1,
      Z: 0.4,
    };
    const { catalog, report } = read("photoz-challenge", tableOf(row));
    expect(report.layout).toBe("photoz");
    expectCell(catalog, 0, "J0378", 20, 4);
    const j = flux(17, pivotOf("photoz-challenge", "J"));
    expectCell(catalog, 0, "J", j, 0.1 * 0.4 * Math.LN10 * j);
    expectCell(catalog, 0, "z", 0.4, 0);
    const bare = tableOf({ J0378: 0.5, J0390: 0.6, iSDSS: 40, Z: 0.4, MAG_FUV: 22 });
    expect(() => read("photoz-challenge", bare, { layout: "photoz" })).toThrow(/has no error column.*--relative-error/);
    const guessed = read("photoz-challenge", bare, { layout: "photoz", relativeError: 0.05 }).catalog;
    expectCell(guessed, 0, "J0378", 20, 1);
  });

  it("without the column that fluxes are relative to is an error that names it", () => {
    const { iSDSS: _, ...rest } = ojala;
    expect(() => read("jpas-edr", tableOf(rest))).toThrow(
      /"APER_COR_3_0_J0378" is relative to a column that is missing: iSDSS/,
    );
  });

  it("with two spellings of a column, or two layouts that fit as well, list the candidates", () => {
    expect(() => read("gswlc", tableOf({ LogMstar: 10, LOGMSTAR: 11 }))).toThrow(
      /column "logMstar" may be any of LogMstar, LOGMSTAR/,
    );
    expect(() => read("gswlc", tableOf({ logSFR_SED: 1, logSFR: 1 }))).toThrow(
      /columns logSFR_SED, logSFR mean the same \(LOGSFR\)/,
    );
    expect(() => read("minijpas", tableOf({ "a/z": 0.1, "b/z": 0.2 }))).toThrow(
      /column "z" may be any of a\/z, b\/z; keep or rename one of them/,
    );
    expect(() => read("desi", tableOf({ Z: 1 }))).toThrow(
      /several layouts fit its columns: redrock \(Z, SPECTYPE, ...\), fastspecfit .*--layout/,
    );
  });
});

const dataFolder = process.env.CALEIDO_TEST_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));

describe("real tables", () => {
  it.for([
    ["ecalifa", "ecalifa/galaxies_properties.fits", "ecalifa", 895],
    ["desi", "desi-bgs-ew/desi_bgs_ew_testset.csv.gz", "bgs-ew", 108_459],
    ["desi", "desi-spectra/redrock-4-80613-thru20210324.fits[REDSHIFTS]", "redrock", 1],
    ["desi", "desi-spectra/redrock-4-80613-thru20210324.fits", "tractor", 1],
  ] as const)("%s opens %s", async ([survey, file, layout, rowCount], context) => {
    const path = join(dataFolder, file);
    if (!existsSync(splitTableName(path).file))
      context.skip(`no real data in ${dataFolder}; CALEIDO_TEST_DATA names the folder`);
    const { catalog, counts } = await readWholeCatalog(path, loadSurvey(survey));
    expect([counts.layout, catalog.rowCount]).toEqual([layout, rowCount]);
    const median = (name: string): number => {
      const values = Array.from({ length: rowCount }, (_, row) => cell(catalog, row, name)).filter(
        ([, , state]) => state === 1,
      );
      return values.map(([value]) => value).sort((a, b) => a - b)[values.length >> 1];
    };
    if (survey === "ecalifa") {
      expect(median("LOGM")).toBeCloseTo(10.472 + Math.log10(0.62), 2); // Salpeter's to Kroupa's
      expect(median("LOGZ")).toBeCloseTo(Math.log10(0.014956946 / 0.017), 2);
      expect(median("AGE")).toBeCloseTo(4.671, 2);
      expect(catalog.objectId[0]).toBe("IC5376");
    } else if (layout === "bgs-ew") {
      expect(cell(catalog, 0, "HALPHA_EW")[0]).toBeCloseTo(7.01285, 4);
      expect(cell(catalog, 0, "HALPHA_EW")[1]).toBeCloseTo(1 / Math.sqrt(1.32653), 4);
      expect(catalog.objectId[0]).toBe("39627733927462346");
    } else {
      if (layout === "redrock") expect(median("z")).toBeCloseTo(0.3687, 4);
      else expect(formatReport(counts).join()).toMatch(/table 2 FIBERMAP is read, not 1 REDSHIFTS, 3 EXP_FIBERMAP/);
      expect(catalog.objectId[0]).toBe("39633345008634465");
    }
  });
});
