import { UserError } from "../errors.ts";
import { readAll } from "./columns.ts";
import { headerMetadata } from "./fits-header.ts";
import type { FitsHeader } from "./fits-header.ts";
import { openFits } from "./fits.ts";
import type { FitsFile, FitsHdu } from "./fits.ts";

/** A spectrum as a FITS file has it: nothing is converted, only logarithms of the wavelength are undone. */
export interface FitsSpectrum {
  /** One per pixel, in `wavelengthUnit`. */
  readonly wavelength: Float64Array;
  /** As CUNIT1 or the column spells it; undefined where the file says none (Angstrom nearly always). */
  readonly wavelengthUnit: string | undefined;
  /** What the wavelengths are measured in, where the file says (AWAV and WAVE, AIRORVAC, VACUUM). */
  readonly medium: "air" | "vacuum" | undefined;
  readonly flux: Float64Array;
  /** Inverse variance of `flux`, in the inverse square of its unit; undefined where the file has no errors. */
  readonly ivar: Float64Array | undefined;
  /** BUNIT, or the unit of the flux column. */
  readonly unit: string | undefined;
  /** Keywords of the unit (and of the primary one, where that is another). */
  readonly metadata: Readonly<Record<string, string>>;
}

type Scale = "linear" | "log10" | "ln" | "log-standard";

/** CTYPE1 in upper case -> scale. LINEAR and nothing at all are what IRAF and hand-made files have. */
const SCALES: readonly (readonly [RegExp, Scale])[] = [
  [/^(WAVE|AWAV)-LOG$/, "log-standard"],
  [/^(LN|LOGE|NATURAL)/, "ln"],
  [/^LOG/, "log10"],
  [/^$|^(LINEAR|WAVE|AWAV|LAMBDA|LAM|WAVELENGTH|ANGSTROMS?)$|^(WAVE|AWAV)-WAV$/, "linear"],
];
/** The same for CUNIT1, `log(Angstrom)`; what is inside the brackets is the unit. */
const UNIT_SCALES: readonly (readonly [RegExp, Scale])[] = [
  [/^(?:ln|loge)\s*[( ]\s*([^)]*)\)?$/i, "ln"],
  [/^log(?:10)?\s*[( ]\s*([^)]*)\)?$/i, "log10"],
];

/** Names, in upper case, of the columns of a spectrum that comes as a table; the first that is there counts. */
const WAVELENGTH_COLUMNS: Readonly<Record<string, Scale>> = {
  WAVELENGTH: "linear",
  WAVE: "linear",
  LAMBDA: "linear",
  LAM: "linear",
  LOGLAM: "log10",
  LOGWAVE: "log10",
  LNLAM: "ln",
};
/** Names, in upper case, of the columns or units with the errors of a flux, and what turns them into inverse variances. */
const ERRORS: Readonly<Record<string, (x: number) => number>> = {
  IVAR: (ivar) => ivar,
  ERR: (sigma) => 1 / sigma ** 2,
  ERROR: (sigma) => 1 / sigma ** 2,
  SIGMA: (sigma) => 1 / sigma ** 2,
  STDEV: (sigma) => 1 / sigma ** 2,
  FLUX_ERR: (sigma) => 1 / sigma ** 2,
  FLUX_ERROR: (sigma) => 1 / sigma ** 2,
  VAR: (variance) => 1 / variance,
  VARIANCE: (variance) => 1 / variance,
};
const FLUX_COLUMNS = ["FLUX", "FLAM", "F_LAMBDA", "FLUX_DENSITY", "SPEC", "SPECTRUM"];

function undoLogarithm(values: Float64Array, scale: Scale): Float64Array {
  if (scale === "log10") return values.map((x) => 10 ** x);
  return scale === "ln" ? values.map(Math.exp) : values;
}

/** Decimal logarithms of optical wavelengths in Angstrom: 1,000 A to 100,000 A. */
function looksLogarithmic(values: Float64Array, unit: string | undefined): boolean {
  const isAngstrom = unit === undefined || /^a(ngstroms?)?$/i.test(unit);
  return isAngstrom && values.every((x) => x >= 3 && x <= 5);
}

interface Axis {
  readonly wavelength: Float64Array;
  readonly unit: string | undefined;
  readonly medium: FitsSpectrum["medium"];
}

function readMedium(header: FitsHeader, type: string): FitsSpectrum["medium"] {
  if (type.startsWith("AWAV")) return "air";
  const told = header.text("AIRORVAC")?.trim().toLowerCase();
  if (told === "air") return "air";
  if (told?.startsWith("vac")) return "vacuum";
  const flag = header.get("VACUUM");
  if (flag === true || flag === 1) return "vacuum";
  // WAVE is vacuum by the Standard only where its author followed it, which a unit in CUNIT1 is taken to show.
  return type.startsWith("WAVE") && header.text("CUNIT1") !== undefined ? "vacuum" : undefined;
}

/** CUNIT1 without a logarithm around it, and the scale that it or CTYPE1 or DC-FLAG tells. */
function readScale(where: string, header: FitsHeader, type: string): { scale: Scale; unit: string | undefined } {
  const written = header.text("CUNIT1")?.trim() ?? "";
  for (const [pattern, scale] of UNIT_SCALES) {
    const match = pattern.exec(written);
    if (match) return { scale, unit: match[1].trim() || undefined };
  }
  const unit = written || undefined;
  const byType = SCALES.find(([pattern]) => pattern.test(type))?.[1];
  if (byType === undefined) {
    throw new UserError(
      `${where}: CTYPE1 is "${type}", expected a wavelength axis: WAVE, AWAV, LAMBDA, LINEAR, LOGLAM, WAVE-LOG`,
    );
  }
  // IRAF's flag of a logarithmic axis; SDSS writes it beside CTYPE1 = WAVE-WAV.
  const isFlagged = byType === "linear" && header.get("DC-FLAG") === 1;
  return { scale: isFlagged ? "log10" : byType, unit };
}

/**
 * The wavelength axis of an image (Greisen et al. 2006, A&A 446, 747: linear axes, and the logarithmic ones of its
 * section 3.2; IRAF's DC-FLAG; axes of log10 or ln of the wavelength).
 */
function readAxis(where: string, header: FitsHeader, count: number): Axis {
  const type = (header.text("CTYPE1") ?? "").trim().toUpperCase();
  const { scale, unit } = readScale(where, header, type);
  if (header.get("CRVAL1") === undefined) {
    throw new UserError(`${where}: no keyword CRVAL1, expected a spectrum with CRVAL1, CDELT1 and CRPIX1`);
  }
  const start = header.number("CRVAL1", NaN);
  const step = header.number("CD1_1", header.number("CDELT1", 0) * header.number("PC1_1", 1));
  // Spectra without CRPIX1 mean their first pixel, though the Standard's default would be the one before it.
  const reference = header.number("CRPIX1", 1);
  if (!(Number.isFinite(start) && Number.isFinite(step) && step !== 0 && Number.isFinite(reference))) {
    throw new UserError(
      `${where}: CRVAL1 ${start}, CDELT1 (or CD1_1) ${step} and CRPIX1 ${reference} give no wavelengths`,
    );
  }
  const offsets = Float64Array.from({ length: count }, (_, i) => (i + 1 - reference) * step);
  const values =
    scale === "log-standard" ? offsets.map((d) => start * Math.exp(d / start)) : offsets.map((d) => start + d);
  if (scale === "linear" && looksLogarithmic(values, unit)) {
    throw new UserError(
      `${where}: wavelengths from ${values[0]} to ${values[count - 1]} look like decimal logarithms; set DC-FLAG = 1 in the file if they are, CUNIT1 if they aren't`,
    );
  }
  return { wavelength: undoLogarithm(values, scale), unit, medium: readMedium(header, type) };
}

/** Inverse variances from the image of a unit that is named after errors. @throws UserError for one of another length. */
async function readImageErrors(file: FitsFile, count: number): Promise<Float64Array | undefined> {
  const unit = file.hdus.find(({ name, kind }) => kind === "image" && name.toUpperCase() in ERRORS);
  if (unit === undefined) return undefined;
  const { data } = await unit.image();
  if (data.length === count) return Float64Array.from(data, ERRORS[unit.name.toUpperCase()]);
  throw new UserError(`${file.path}: FITS unit ${unit.name} has ${data.length} errors, expected ${count}`);
}

async function readImageSpectrum(where: string, hdu: FitsHdu, file: FitsFile): Promise<Omit<FitsSpectrum, "metadata">> {
  const { shape, data } = await hdu.image();
  const count = shape[shape.length - 1];
  if (data.length !== count) {
    throw new UserError(`${where}: an image of ${shape.join(" x ")}, expected one spectrum (a single axis)`);
  }
  const { wavelength, unit: wavelengthUnit, medium } = readAxis(where, hdu.header, count);
  const unit = hdu.header.text("BUNIT")?.trim() || undefined;
  const ivar = await readImageErrors(file, count);
  return { wavelength, wavelengthUnit, medium, flux: Float64Array.from(data), ivar, unit };
}

interface SpectrumColumns {
  readonly wavelength: string;
  readonly scale: Scale;
  readonly flux: string;
  readonly error: string | undefined;
}

function findColumns(names: readonly string[]): SpectrumColumns | undefined {
  const find = (wanted: readonly string[]): string | undefined =>
    wanted.map((one) => names.find((name) => name.toUpperCase() === one)).find((name) => name !== undefined);
  const wavelength = find(Object.keys(WAVELENGTH_COLUMNS));
  const flux = find(FLUX_COLUMNS);
  if (wavelength === undefined || flux === undefined) return undefined;
  return { wavelength, scale: WAVELENGTH_COLUMNS[wavelength.toUpperCase()], flux, error: find(Object.keys(ERRORS)) };
}

async function readTableSpectrum(where: string, hdu: FitsHdu): Promise<Omit<FitsSpectrum, "metadata"> | undefined> {
  const source = await hdu.table();
  const found = findColumns(source.schema.map(({ name }) => name));
  if (!found) return undefined;
  const errors = found.error === undefined ? [] : [found.error];
  const { rowCount, columns } = await readAll(source, { columns: [found.wavelength, found.flux, ...errors] });
  const [wave, flux, error] = columns;
  if (wave.width !== flux.width || (wave.width > 1 && rowCount !== 1)) {
    throw new UserError(
      `${where}: ${rowCount} rows of ${wave.width} wavelengths and ${flux.width} fluxes, expected one spectrum: a row per pixel, or one row of arrays`,
    );
  }
  const numbers = (data: ArrayLike<unknown>): Float64Array => Float64Array.from(data as ArrayLike<number>, Number);
  return {
    wavelength: undoLogarithm(numbers(wave.data), found.scale),
    wavelengthUnit: wave.unit,
    medium: readMedium(hdu.header, ""),
    flux: numbers(flux.data),
    ivar: found.error === undefined ? undefined : numbers(error.data).map(ERRORS[found.error.toUpperCase()]),
    unit: flux.unit,
  };
}

/** The units to look at, in order: the one asked for, or every one that has data. */
function candidates(file: FitsFile, wanted: string | number | undefined): readonly FitsHdu[] {
  if (wanted !== undefined) return [file.hdu(wanted)];
  return file.hdus.filter(({ kind, header }) => kind === "table" || (kind === "image" && header.get("NAXIS") !== 0));
}

/**
 * The one-dimensional spectrum in an open file; undefined where it has none. As {@link readFitsSpectrum}.
 * @throws UserError for an axis that is no wavelength, or several spectra in one unit.
 */
export async function fitsSpectrumIn(file: FitsFile, unit?: string | number): Promise<FitsSpectrum | undefined> {
  for (const hdu of candidates(file, unit)) {
    const where = hdu.index === 0 ? file.path : `${file.path}: FITS unit ${hdu.index}`;
    const spectrum =
      hdu.kind === "table" ? await readTableSpectrum(where, hdu) : await readImageSpectrum(where, hdu, file);
    if (!spectrum) continue;
    const metadata = { ...headerMetadata(file.hdus[0].header), ...headerMetadata(hdu.header) };
    return { ...spectrum, metadata };
  }
  return undefined;
}

/**
 * Reads a one-dimensional spectrum (`.fits`, `.fits.gz`): an image with CRVAL1, CDELT1 (or CD1_1) and CRPIX1, linear or
 * logarithmic, or a table with a wavelength and a flux column. `unit` is a name or an index; without it the first unit
 * that holds a spectrum counts. Errors are a column, or a unit, named IVAR, ERR, ERROR, SIGMA, VAR, ...
 * @throws UserError for a file without one, an axis that is no wavelength, or several spectra in one unit.
 */
export async function readFitsSpectrum(path: string, unit?: string | number): Promise<FitsSpectrum> {
  const file = await openFits(path);
  try {
    const spectrum = await fitsSpectrumIn(file, unit);
    if (spectrum !== undefined) return spectrum;
    throw new UserError(
      `${path}: no spectrum among its ${file.hdus.length} FITS units, expected an image with CRVAL1 or a table with columns such as WAVELENGTH and FLUX`,
    );
  } finally {
    await file.close();
  }
}
