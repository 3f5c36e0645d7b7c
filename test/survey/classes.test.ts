import { describe, expect, it } from "vitest";
import { cell, classesOf, expectCell, flux, pivotOf, read, tableOf } from "./rows.ts";

describe("classes of objects in public tables", () => {
  it("redrock: classes, no redshift of stars, nothing of doubtful rows", () => {
    const row = { TARGETID: 39, Z: 0.2, ZERR: 1e-5, ZWARN: 0, SPECTYPE: "GALAXY" };
    const table = tableOf(row, { ...row, ZWARN: 4 }, { ...row, SPECTYPE: "STAR  " }, { ...row, SPECTYPE: "QSO" });
    const { catalog, report } = read("desi", table);
    expect([0, 1, 2, 3].map((i) => cell(catalog, i, "z")[2])).toEqual([1, 0, 0, 1]);
    expect(classesOf(catalog)).toEqual(["galaxy", undefined, "star", "quasar"]);
    expect([...report.reasons.keys()]).toEqual([
      "flag 4: chi2 too close to the second best",
      "SPECTYPE STAR: a star, whose redshift is a velocity",
    ]);
  });

  it("S-PLUS: AB magnitudes of both spellings, classes, tiles", () => {
    const row = {
      FIELD: "STRIPE82-0125",
      ID: "12220",
      uJAVA_auto: 19.89,
      euJAVA_auto: 0.05,
      F660_auto: 17.8,
      eF660_auto: 0.02,
    };
    const { catalog, report } = read(
      "splus",
      tableOf(...["GALAXY", "STAR", "QSO", "?"].map((name) => ({ ...row, class: name }))),
    );
    expect(report.layout).toBe("splus-dr1");
    expect(classesOf(catalog)).toEqual(["galaxy", "star", "quasar", undefined]);
    expect([catalog.objectId[0], catalog.tile?.[0]]).toEqual(["12220", "STRIPE82-0125"]);
    const expected = flux(17.8, pivotOf("splus", "J0660"));
    expectCell(catalog, 0, "J0660", expected, 0.02 * 0.4 * Math.LN10 * expected);
    const later = { ID: "1", u_auto: 19.89, e_u_auto: 0.05, J0660_auto: 17.8, e_J0660_auto: 0.02, J0660_PStotal: 99 };
    const second = read("splus", tableOf(later));
    expect(second.report.layout).toBe("splus");
    expectCell(second.catalog, 0, "J0660", expected, 0.02 * 0.4 * Math.LN10 * expected);
  });
});
