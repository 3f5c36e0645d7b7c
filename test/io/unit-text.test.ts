import { expect, test } from "vitest";
import { fitsUnit, voUnit } from "../../src/io/unit-text.ts";
import { convertUnit } from "../../src/survey/units.ts";

// FITS Standard 4.0, section 4.3; VOUnits 1.0. Each of these parses in astropy.units with format "fits" or "vounit".
test.each([
  ["1e-19 erg/s/cm2/A", "10**-19 erg s-1 cm-2 Angstrom-1", "1e-19erg.s**-1.cm**-2.Angstrom**-1"],
  ["1 / (Angstrom)", "Angstrom-1", "Angstrom**-1"],
  ["1 / (1e-19 erg/s/cm2/A)", "10**19 erg-1 s cm2 Angstrom", "1e19erg**-1.s.cm**2.Angstrom"],
  ["dex", "", "dex"],
  ["1 / (dex)", "", "dex**-1"],
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
