import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import { readFitsSpectrum } from "../io/fits-spectrum.ts";
import { openFits } from "../io/fits.ts";
import { readAll } from "../io/columns.ts";
import { vacuumWavelength } from "../survey/spectrum-grid.ts";
import { factorTo } from "../survey/observed-spectrum.ts";

/** One stellar population spectrum as a library gives it. */
export interface SspSpectrum {
  readonly path: string;
  /** What must not differ within a grid: initial mass function, isochrones, abundance pattern. */
  readonly family: string;
  readonly ageGyr: number;
  /** [M/H]. */
  readonly metallicity: number;
  /** In vacuum [Angstrom], increasing. */
  readonly wavelength: ArrayLike<number>;
  /** Luminosity per wavelength of 1 Msun formed [erg/s/Angstrom]. */
  readonly luminosity: ArrayLike<number>;
}

interface SspLayout {
  readonly description: string;
  /** By the file's name; the content decides in `read`. */
  readonly isNamed: (name: string) => boolean;
  /** @throws UserError for content that isn't of the layout. */
  readonly read: (path: string) => Promise<SspSpectrum[]>;
}

/** What luminosities of a Msun are in; files often leave out the mass. */
const PER_MASS = /\/\s*(?:M_?sun|solMass)|(?:M_?sun|solMass)\s*(?:\*\*|\^)?\(?-1\)?/i;

/** What luminosities per wavelength in a unit are to be multiplied by to be in `wanted`, of 1 Msun. @throws UserError */
function luminosityFactor(where: string, unit: string | undefined, wanted: string): number {
  return factorTo(where, unit, unit !== undefined && PER_MASS.test(unit) ? `${wanted}/solMass` : wanted);
}

/** Solar luminosity of the MILES and GALAXEV files [erg/s]. */
const SOLAR_LUMINOSITY = 3.826e33;

/** `Mbi1.30Zp0.00T10.0000_iTp0.00_baseFe.fits`: range, IMF and slope, [M/H], age [Gyr], isochrones, abundances. */
const MILES_NAME =
  /^[A-Z](un|bi|ku|kb|ch)(\d+\.\d+)Z([pm])(\d+\.\d+)T(\d+\.\d+)(?:_i([A-Z])([pm]\d+\.\d+))?(?:_([A-Za-z0-9.]+?))?\.fits?(\.gz)?$/;

/** IMF, isochrones and abundances of a MILES name (with or without extension). */
function familyOf(name: string | undefined): string | undefined {
  const match = MILES_NAME.exec(name === undefined || /\.fits?/.test(name) ? (name ?? "") : `${name.trim()}.fits`);
  if (match === null) return undefined;
  const [, imf, slope, , , , isochrones = "", pattern = "", abundances = ""] = match;
  return `${imf}${slope} ${isochrones}${pattern} ${abundances}`.trim().replace(/ +/g, " ");
}

async function readMiles(path: string): Promise<SspSpectrum[]> {
  const match = MILES_NAME.exec(basename(path));
  if (match === null) throw new UserError(`${path}: expected a name such as Mbi1.30Zp0.00T10.0000_iTp0.00_baseFe.fits`);
  const [, , , sign, metallicity, age] = match;
  const { wavelength: axis, wavelengthUnit, flux, unit, medium } = await readFitsSpectrum(path);
  const toAngstrom = factorTo(`${path}: wavelength`, wavelengthUnit, "Angstrom");
  const wavelength = axis.map((x) => x * toAngstrom);
  const toSolar = luminosityFactor(`${path}: flux`, unit, "solLum/Angstrom");
  return [
    {
      path,
      family: familyOf(basename(path)) ?? "",
      ageGyr: Number(age),
      metallicity: Number(metallicity) * (sign === "m" ? -1 : 1),
      wavelength: medium === "vacuum" ? wavelength : wavelength.map(vacuumWavelength),
      luminosity: flux.map((value) => value * toSolar * SOLAR_LUMINOSITY),
    },
  ];
}

/** Columns of the thin table: AGE [Gyr], MH, WAVE (vacuum, Angstrom) and FLAM [erg/s/Angstrom/Msun] arrays, SOURCE names. */
async function readThinTable(path: string): Promise<SspSpectrum[]> {
  const file = await openFits(path);
  try {
    const hdu = file.hdus.find(({ kind }) => kind === "table");
    const source = await hdu?.table();
    const names = source?.schema.map(({ name }) => name) ?? [];
    const missing = ["AGE", "MH", "WAVE", "FLAM"].filter((name) => !names.includes(name));
    if (source === undefined || missing.length > 0) {
      throw new UserError(
        `${path}: no column ${missing.join(", ")}, expected a table of AGE [Gyr], MH ([M/H]), WAVE [Angstrom] and FLAM [erg/s/Angstrom/Msun]`,
      );
    }
    const table = await readAll(source);
    const column = (name: string, factorOf: (where: string, unit: string | undefined) => number): Float64Array => {
      const found = table.columns.find((one) => one.name === name);
      const factor = factorOf(`${path}: column ${name}`, found?.unit);
      return Float64Array.from((found?.data ?? []) as ArrayLike<number>, (x) => x * factor);
    };
    const age = column("AGE", (where, unit) => factorTo(where, unit, "Gyr"));
    const metallicity = column("MH", () => 1);
    const wave = column("WAVE", (where, unit) => factorTo(where, unit, "Angstrom"));
    const flux = column("FLAM", (where, unit) => luminosityFactor(where, unit, "erg/s/Angstrom"));
    const width = wave.length / table.rowCount;
    const sources = (table.columns.find((one) => one.name === "SOURCE")?.data ?? []) as readonly string[];
    const row = (data: ArrayLike<number>, i: number): Float64Array =>
      Float64Array.from({ length: width }, (_, k) => data[i * width + k]);
    return Array.from({ length: table.rowCount }, (_, i) => ({
      path,
      family: familyOf(sources[i]) ?? "table",
      ageGyr: age[i],
      metallicity: metallicity[i],
      wavelength: row(wave, i),
      luminosity: row(flux, i),
    }));
  } finally {
    await file.close();
  }
}

/** GALAXEV's metallicity codes in file names (Bruzual & Charlot 2003, table 1): mass fraction Z; Padova 2000 has m122 ... m172. */
const GALAXEV_Z: Readonly<Record<string, number>> = {
  m22: 0.0001,
  m32: 0.0004,
  m42: 0.004,
  m52: 0.008,
  m62: 0.02,
  m72: 0.05,
  m82: 0.1,
};
const GALAXEV_SOLAR = 0.02;
/** Lines of text between the ages and the wavelengths. */
const GALAXEV_TEXT_LINES = 5;

/** Reads counted records, `n x1 ... xn`, which may run over several lines. */
function createRecordReader(path: string, lines: readonly string[]) {
  let line = 0;
  let words: string[] = [];
  let word = 0;
  const next = (): number => {
    while (word >= words.length) {
      if (line >= lines.length)
        throw new UserError(`${path}: ends at line ${lines.length}, within a record of numbers`);
      words = lines[line++].trim().split(/\s+/).filter(Boolean);
      word = 0;
    }
    const text = words[word++];
    const value = Number(text);
    if (Number.isNaN(value)) throw new UserError(`${path}:${line}: "${text.slice(0, 30)}", expected a number`);
    return value;
  };
  return {
    record(what: string): Float64Array {
      const count = next();
      if (!Number.isInteger(count) || count < 0 || count > 1e6) {
        throw new UserError(`${path}:${line}: ${count} as the number of ${what}, expected a whole number`);
      }
      return Float64Array.from({ length: count }, next);
    },
    /** Leaves the current line and returns the next ones as they are. */
    text(count: number): string[] {
      word = words.length;
      line += count;
      return lines.slice(line - count, line);
    },
  };
}

/**
 * GALAXEV `.ised_ASCII`: a record of ages [yr], five lines of text, a record of wavelengths [Angstrom, air], and for each
 * age a record of Lsun/Angstrom per Msun formed and one of fluxes at index windows, which is skipped.
 */
async function readGalaxev(path: string): Promise<SspSpectrum[]> {
  const reader = createRecordReader(path, (await readFile(path, "utf8")).split("\n"));
  const ages = reader.record("ages");
  const text = reader.text(GALAXEV_TEXT_LINES).join("\n");
  const air = reader.record("wavelengths");
  if (ages.length === 0 || air.length < 100 || air.some((x, i) => i > 0 && !(x > air[i - 1]))) {
    throw new UserError(`${path}: ${air.length} wavelengths that don't increase, expected a GALAXEV .ised_ASCII file`);
  }
  if (ages.some((age, i) => i > 0 && !(age > ages[i - 1]))) {
    throw new UserError(`${path}: ages that don't increase, expected them in order [yr]`);
  }
  const written = /\bZ=\s*(0?\.\d+)/.exec(text)?.[1];
  const code = /_m1?(\d2)_/.exec(basename(path))?.[1];
  const fraction = written === undefined ? GALAXEV_Z[`m${code}`] : Number(written);
  if (!(fraction > 0)) {
    throw new UserError(
      `${path}: no metallicity, expected "Z=0.02" in its text or a name such as bc2003_hr_stelib_m62_chab_ssp.ised_ASCII`,
    );
  }
  const wavelength = air.map(vacuumWavelength);
  const name = basename(path).replace(/_m1?\d2_/, "_");
  return Array.from(ages, (age) => {
    const luminosity = reader.record("fluxes").map((value) => value * SOLAR_LUMINOSITY);
    reader.record("index fluxes");
    if (luminosity.length !== air.length) {
      throw new UserError(`${path}: ${luminosity.length} fluxes at ${air.length} wavelengths`);
    }
    const metallicity = Math.log10(fraction / GALAXEV_SOLAR);
    return { path, family: name, ageGyr: age / 1e9, metallicity, wavelength, luminosity };
  });
}

/** Layouts of stellar population libraries; the first whose names match reads the file. */
export const sspLayouts = {
  miles: {
    description: "MILES, E-MILES, MIUSCAT: one FITS spectrum per age and metallicity, named as on the MILES site",
    isNamed: (name) => MILES_NAME.test(name),
    read: readMiles,
  },
  thin: {
    description: "a FITS table with AGE, MH, WAVE, FLAM",
    isNamed: (name) => /\.fits?(\.gz)?$/i.test(name),
    read: readThinTable,
  },
  galaxev: {
    description: "GALAXEV (BC03) ASCII, one .ised_ASCII file per metallicity",
    isNamed: (name) => /ised_ASCII$/i.test(name),
    read: readGalaxev,
  },
} satisfies Record<string, SspLayout>;
