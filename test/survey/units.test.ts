import { describe, expect, it } from "vitest";
import { convertError, convertUnit, convertValue, parseUnit } from "../../src/survey/units.ts";

const own = "1e-19 erg/s/cm2/A";
const factor = (from: string, to = own, pivot?: number): number => {
  const conversion = convertUnit(from, to, pivot === undefined ? undefined : { pivot });
  if (!conversion) throw new Error(`no conversion from ${from}`);
  return convertValue(conversion, 1);
};

describe("units", () => {
  it.each([
    ["1e-19 erg/s/cm2/A", 1],
    ["1e-17 erg/s/cm2/A", 100],
    ["erg/s/cm2/A", 1e19],
    ["erg / (s cm2 Angstrom)", 1e19],
    ["erg / (Angstrom cm2 s)", 1e19],
    ["erg Angstrom-1 s-1 cm-2", 1e19],
    ["erg s**-1 cm**-2 AA^-1", 1e19],
    ["10**-17 erg/s/cm^2/Ang", 100],
    ["10**(-19) erg.s-1.cm-2.Angstrom-1", 1],
    ["10-17 erg/s/cm2/Angstrom", 100],
    ["1E-19*erg*s^(-1)*cm^(-2)*A^(-1)", 1],
    ["W/m2/um", 1e18],
    ["W m-2 nm-1", 1e21],
  ])("%s is %d of ours", (text, expected) => {
    expect(factor(text) / expected).toBeCloseTo(1, 12);
  });

  it("goes from frequency to wavelength at the pivot: 1 microjansky, 1 maggy and AB 0 agree", () => {
    // c / pivot^2 at 5000 A: 1 uJy = 1e-29 erg/s/cm2/Hz = 1.19917e-18 erg/s/cm2/A.
    expect(factor("uJy", own, 5000)).toBeCloseTo(11.99169832, 7);
    expect(factor("nJy", own, 5000)).toBeCloseTo(0.01199169832, 10);
    expect(factor("mJy", own, 5000)).toBeCloseTo(11991.69832, 4);
    expect(factor("nanomaggy", own, 5000) / factor("uJy", own, 5000)).toBeCloseTo(3.631, 10);
    const ab = convertUnit("mag", own, { pivot: 5000 })!;
    // AB 0 is 3630.78 Jy by its definition (48.60), 3631 Jy by that of the maggy.
    expect(convertValue(ab, 22.5) / factor("nmgy", own, 5000)).toBeCloseTo(1, 3);
    expect(convertUnit("uJy", own)).toBeUndefined();
  });

  it("takes errors of magnitudes to fluxes as finite differences do", () => {
    const ab = convertUnit("ABmag", own, { pivot: 6000 })!;
    const difference = (convertValue(ab, 21 - 1e-5) - convertValue(ab, 21 + 1e-5)) / 2;
    expect(convertError(ab, 21, 1e-5) / difference).toBeCloseTo(1, 8);
  });

  it("knows labels", () => {
    expect(factor("nm", "Angstrom")).toBeCloseTo(10, 12);
    expect(factor("Myr", "Gyr")).toBeCloseTo(1e-3, 15);
    expect(factor("mag", "mag")).toBe(1);
    for (const text of ["dex", "dex(solMass)", "log(Msun)", "[Msun]", ""]) expect(factor(text, "dex")).toBe(1);
    expect(factor("", "")).toBe(1);
    expect(convertUnit("Angstrom", "Gyr")).toBeUndefined();
    expect(convertUnit("Angstrom", own, { pivot: 5000 })).toBeUndefined();
  });

  it("takes Vega magnitudes to AB by the band's offset, and only where it has one", () => {
    const band = { pivot: 21_600, vegaAB: 1.84 };
    for (const unit of ["mag(Vega)", "Vega mag", "vegamag"]) {
      const vega = convertUnit(unit, own, band)!;
      const ab = convertUnit("ABmag", own, band)!;
      expect(convertValue(vega, 15) / convertValue(ab, 16.84)).toBeCloseTo(1, 12);
      expect(convertError(vega, 15, 0.1) / convertValue(vega, 15)).toBeCloseTo(0.1 * 0.4 * Math.LN10, 12);
    }
    expect(convertUnit("mag(Vega)", own, { pivot: 21_600 })).toBeUndefined();
    expect(convertUnit("mag(Vega)", "mag")).toBeUndefined();
  });

  it("opens logarithms of known quantities", () => {
    const age = convertUnit("log10(yr)", "Gyr")!;
    expect(convertValue(age, 9.5)).toBeCloseTo(10 ** 0.5, 12);
    expect(convertError(age, 9.5, 0.1)).toBeCloseTo(10 ** 0.5 * Math.LN10 * 0.1, 12);
    for (const unit of ["dex(yr)", "log yr", "[log(yr)]", "log(yr)"]) expect(convertUnit(unit, "Gyr")).toEqual(age);
    expect(convertUnit("log10(Angstrom)", "Gyr")).toBeUndefined();
    expect(convertUnit("log10", "Gyr")).toBeUndefined();
  });

  it("transforms numbers, and their errors as finite differences do", () => {
    const solar = { kind: "log10", factor: 1, offset: -Math.log10(0.017) } as const;
    expect(convertValue(solar, 0.034)).toBeCloseTo(Math.log10(2), 12);
    const power = { kind: "pow10", factor: -2, offset: 0.5 } as const;
    expect(convertValue(power, 1)).toBeCloseTo(-2 * 10 ** 1.5, 12);
    const line = { kind: "factor", factor: -1, offset: 3 } as const;
    expect(convertValue(line, 5)).toBe(-2);
    for (const conversion of [solar, power, line]) {
      const slope = (convertValue(conversion, 0.5 + 1e-6) - convertValue(conversion, 0.5 - 1e-6)) / 2e-6;
      expect(Math.abs(convertError(conversion, 0.5, 1e-3)) / (1e-3 * Math.abs(slope))).toBeCloseTo(1, 6);
      expect(convertError(line, 5, 0.2)).toBe(0.2);
    }
    expect(Number.isNaN(convertValue(solar, -1))).toBe(true);
  });

  it.each(["furlong", "erg/s", "counts", "erg/s/cm2/A/sr", "solMass"])("does not know %s", (text) => {
    expect(parseUnit(text)).toBeUndefined();
  });
});
