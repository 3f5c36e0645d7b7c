import { describe, expect, it } from "vitest";
import { convertError, convertUnit, convertValue, parseUnit, unitOfSigma } from "../../src/survey/units.ts";

const own = "1e-19 erg/s/cm2/A";
const factor = (from: string, to = own, pivot?: number): number => {
  const conversion = convertUnit(from, to, pivot === undefined ? undefined : { pivot });
  if (!conversion) throw new Error(`no conversion from ${from}`);
  return convertValue(conversion, 1);
};

describe("units", () => {
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

  it("takes ST magnitudes, of a flux per wavelength: 0 is 3.631e-9 erg/s/cm2/Angstrom at any pivot", () => {
    for (const pivot of [4000, 9000]) {
      const st = convertUnit("STmag", own, { pivot })!;
      expect(convertValue(st, 0) / 3.630_780_547_701e10).toBeCloseTo(1, 9);
    }
  });

  it("holds logarithms to what they are of", () => {
    for (const unit of ["dex(solMass)", "log(Msun)", "[Msun]", "log10(M_sun/yr)", "[-]", "log"]) {
      expect(convertUnit(unit, "dex")).toEqual({ kind: "factor", factor: 1, offset: 0 });
    }
    for (const unit of ["log(kg)", "dex(erg/s)", "[cm/s2]", "log(furlong)", "log(Gyr)"]) {
      expect(convertUnit(unit, "dex"), unit).toBeUndefined();
    }
    expect(convertUnit("dex(kg)", "dex(solMass)")!.offset).toBeCloseTo(Math.log10(1e3 / 1.98841e33), 12);
    expect(convertUnit("log(erg/s/cm2/A)", own, { pivot: 5000 })).toBeUndefined();
  });
});

/** Spellings by what they are, and how much of it. The factors were checked with astropy.units where that reads them. */
const spellings: Readonly<Record<string, readonly (readonly [factor: number, spelled: readonly string[]])[]>> = {
  "erg/s/cm2/A": [
    [
      1e-17,
      [
        // FITS Standard 4.0, section 4.3; OGIP 93-001; SDSS, DESI, ESO and MUSE headers
        "10**-17 erg/s/cm2/A",
        "10**-17 ergs/s/cm2/A",
        "10**-17 erg s-1 cm-2 Angstrom-1",
        "10**-17 erg/(s cm2 Angstrom)",
        "10**(-17) erg cm**(-2) s**(-1) angstrom**(-1)",
        "10**(-17)*erg/s/cm**2/Angstrom",
        "10^-17 erg/s/cm^2/Angstrom",
        "10^(-17) erg cm^-2 s^-1 AA^-1",
        "1E-17 erg/cm^2/s/Ang",
        "1.0E-17 ERG/S/CM2/ANGSTROM",
        "1e-17 ERG S-1 CM-2 A-1",
        "1E-17*erg*s^(-1)*cm^(-2)*A^(-1)",
        // VOUnits 1.0, CDS
        "1e-17erg.s**-1.cm**-2.Angstrom**-1",
        "10-17erg/s/cm2/A",
        "10-17.erg.s-1.cm-2.Angstrom-1",
        "1x10-17erg/s/cm2/A",
        "10-19W/m2/nm",
        "10-17mW/m2/Angstrom",
        // LaTeX and typography
        String.raw`10^{-17} erg s^{-1} cm^{-2} \AA^{-1}`,
        String.raw`$10^{-17}$ ergs s$^{-1}$ cm$^{-2}$ \AA$^{-1}$`,
        String.raw`10$^{-17}$\,erg\,s$^{-1}$\,cm$^{-2}$\,{\AA}$^{-1}$`,
        String.raw`$\mathrm{1 \times 10^{-17}\,\frac{erg}{\mathring{A}\,s\,cm^{2}}}$`,
        String.raw`$10^{-17}~{\rm erg~s^{-1}~cm^{-2}~\AA^{-1}}$`,
        String.raw`$10^{-17}\,\mathrm{erg}\,\mathrm{s}^{-1}\,\mathrm{cm}^{-2}\,\text{\AA}^{-1}$`,
        "1 x 10^-17 erg/s/cm2/Å",
        "1 × 10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹",
        "10^-17 erg/s/cm2/\u212B",
        "10^-17 erg/s/cm2/A\u030A",
        "10\u221217 erg·s\u22121·cm\u22122·Å\u22121",
        // astropy, and people
        "1e-17 erg / (Angstrom s cm2)",
        "1e-17 (erg/s/cm2/A)",
        "(1e-17 erg/s/cm2/A)",
        "erg/s/cm2/A*1e-17",
        "erg s-1 cm-2 AA-1 10^-17",
        "1e-17 erg/s cm2 A",
        "1e-17 erg (s cm2 Angstrom)^-1",
        "1e-17 erg/sec/cm**2/angstroms",
        "1e-17 ergs per second per cm2 per Angstrom",
        "1e-17 flam",
        "1e-17 FLAM",
      ],
    ],
    [1, ["erg/s/cm2/A", "erg / (s cm2 Angstrom)", "erg s**-1 cm**-2 AA^-1", "erg/s/sqrt(cm4)/Angstrom"]],
    [0.1, ["W/m2/um", "W m-2 um-1", "W/m2/µm", "W/m2/\u03BCm", "W/m^2/micron", "W/m2/microns", "W/m2/micrometer"]],
    [0.1, [String.raw`W m$^{-2}$ $\mu$m$^{-1}$`, String.raw`W m$^{-2}$ $\mu\mathrm{m}^{-1}$`, "kW/m2/mm"]],
  ],
  Jy: [
    [
      1,
      ["Jy", "jansky", "Jansky", "Janskys", "janskies", "JY", "jy", "10-26W/m2/Hz", "1e-23 erg/s/cm2/Hz", "1e-23 fnu"],
    ],
    [1e-3, ["mJy", "mjy", "millijansky", "milliJansky", "10**-26 erg s-1 cm-2 Hz-1", "MilliJanskys"]],
    [1e6, ["MJy", "megajansky", "Mjy"]],
    [1e-6, ["uJy", "µJy", "\u03BCJy", "ujy", "UJY", "microjansky", "microJansky", "10-29erg/s/cm2/Hz"]],
    [1e-6, [String.raw`\mu Jy`, String.raw`$\mu$Jy`, String.raw`$\mu\mathrm{Jy}$`, String.raw`\mu{}Jy`]],
    [1e-9, ["nJy", "njy", "NJY", "nanojansky", "nanoJanskys"]],
    [1e3, ["kJy", "KJY"]],
    [0.1, ["dJy"]],
    [3631, ["mgy", "maggy", "maggies", "Maggies"]],
    [3.631e-6, ["nmgy", "nMgy", "nanomaggy", "nanomaggies", "Nanomaggies", "1e-9 maggies"]],
  ],
  Angstrom: [
    [1, ["A", "AA", "Ang", "angstrom", "ANGSTROM", "Angstroms", "Å", "\u212B", "0.1nm", "1e-10 m", String.raw`\AA`]],
    [10, ["nm", "NM", "nanometer", "nanometres"]],
    [1e4, ["um", "micron", "microns", "µm", String.raw`$\mu$m`]],
    [1e8, ["cm", "CM"]],
    [1e16, ["Mm"]],
  ],
  Gyr: [
    [1, ["Gyr", "GYR", "gyr", "Ga", "gigayears", "10+9yr", "1e9 a"]],
    [1e-3, ["Myr", "MYR", "Ma", "megayear", "10**6 yr"]],
    [1e-9, ["yr", "a", "years", "YR"]],
    [1 / 3.15576e16, ["s", "sec", "seconds", "S"]],
  ],
  "": [
    [1, ["1", "dimensionless", "dimensionless_unscaled", "---", "Angstrom/AA"]],
    [0.01, ["%", "percent", "10-2"]],
  ],
};

describe("spellings", () => {
  const cases = Object.entries(spellings).flatMap(([to, rows]) =>
    rows.flatMap(([amount, texts]) => texts.map((text) => [text, amount, to] as const)),
  );
  it.each(cases)("%s is %d %s", (text, amount, to) => {
    expect(convertUnit(text, to)).toBeDefined();
    expect(factor(text, to) / amount).toBeCloseTo(1, 12);
  });

  it.each([
    ["1 / nanomaggy^2", "nmgy", 1],
    ["nanomaggy^-2", "nmgy", 1],
    ["10**+34 (s2 cm4 Angstrom2) / erg2", "1e-17 erg/s/cm2/A", 1],
    ["1 / Angstrom2", "nm", 0.1],
    ["mag-2", "mag", 1],
  ])("an inverse variance in %s has a sigma in %s", (text, to, amount) => {
    expect(factor(unitOfSigma(text), to)).toBeCloseTo(amount, 12);
  });

  it.each([
    ["mag", undefined],
    ["MAG", undefined],
    ["magnitudes", undefined],
    ["ABmag", "AB"],
    ["mag(AB)", "AB"],
    ["mag (AB)", "AB"],
    ["AB mag", "AB"],
    ["mag_AB", "AB"],
    ["AB magnitude", "AB"],
    ["STmag", "ST"],
    ["mag(Vega)", "Vega"],
    ["Vega mag", "Vega"],
    ["vegamag", "Vega"],
  ])("%s are magnitudes of system %s", (text, system) => {
    expect(parseUnit(text)).toEqual({ dimension: "mag", factor: 1, ...(system === undefined ? {} : { system }) });
  });

  it.each([
    "furlong",
    // could be milli or mega
    "MJY",
    "myr",
    "MM",
    // a flux of 3631 Jy, or a magnitude
    "AB",
    "sinh mag",
    "ln(yr)",
    "erg//s",
    "erg/s/cm2/",
    "* erg",
    "(erg",
    "erg)",
    "erg s-1 cm -2",
    "cm2.5",
    "erg/s/cm2/A (1e-17 of it)",
    "10^-17 [erg/s/cm2/A]",
    "Jy\\hspace{1em}",
    "(".repeat(50_000),
  ])("%.40s is not understood", (text) => {
    expect(parseUnit(text)).toBeUndefined();
  });

  it.each(["counts", "DN/s", "ct s-1", "electron/s", "erg/s", "erg/s/cm2", "erg/s/cm2/A/sr", "MJy/sr", "nmgy/arcsec2"])(
    "%s is understood, and no flux",
    (text) => {
      expect(parseUnit(text)).toBeDefined();
      expect(convertUnit(text, own, { pivot: 5000 })).toBeUndefined();
    },
  );
  it.each(["mag/arcsec2", "solMass", "Angstrom", "1", "1e-17", "K", "mmag"])("%s is no flux", (text) => {
    expect(convertUnit(text, own, { pivot: 5000 })).toBeUndefined();
  });
});
