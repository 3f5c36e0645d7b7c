import { expect, test } from "vitest";
import { fitsUnit, voUnit } from "../../src/io/unit-text.ts";
import { convertUnit } from "../../src/survey/units.ts";

// FITS Standard 4.0, section 4.3; VOUnits 1.1. Each of these parses in astropy.units with format "fits" or "vounit", without a warning.
test.each([
  ["1e-19 erg/s/cm2/A", "10**-19 erg s-1 cm-2 Angstrom-1", "1e-25J.s**-1.cm**-2.nm**-1"],
  ["1 / (Angstrom)", "Angstrom-1", "10nm**-1"],
  ["1 / (1e-19 erg/s/cm2/A)", "10**19 erg-1 s cm2 Angstrom", "1e25J**-1.s.cm**2.nm"],
  ["dex", "", ""],
  ["Angstrom", "Angstrom", "0.1nm"],
  ["1 / (dex)", "", ""],
  ["log(Gyr)", "log(Gyr)", "log(Gyr)"],
])("%s in the words of FITS and the VO", (unit, fits, vo) => {
  expect([fitsUnit(unit), voUnit(unit)]).toEqual([fits, vo]);
});

test("a written unit means what it meant", () => {
  const unit = "1e-19 erg/s/cm2/A";
  for (const spelled of [fitsUnit(unit), voUnit(unit)]) {
    expect(convertUnit(spelled, unit)?.factor).toBeCloseTo(1, 12);
  }
});
