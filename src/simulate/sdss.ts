import { basename } from "node:path";
import { UserError } from "../errors.ts";
import { type FitsHdu, openFits } from "../io/fits.ts";
import type { Column, Table } from "../io/table.ts";
import type { ewLabels } from "./lines.ts";

/** An observed spectrum with what its own catalogue says. */
export interface ObservedSpectrum {
  readonly id: string;
  /** Vacuum wavelength of the pixels, increasing [Angstrom]. */
  readonly wavelength: Float64Array;
  /** [1e-17 erg/s/cm2/A] */
  readonly flux: Float64Array;
  /** Inverse variance of `flux`; 0 = pixel not usable. */
  readonly ivar: Float64Array;
  /** Undefined where the pipeline warns about it. */
  readonly redshift: number | undefined;
  /** Rest-frame EW and its error [Angstrom]; only the lines that were measured. */
  readonly widths: Readonly<Partial<Record<keyof typeof ewLabels, readonly [number, number]>>>;
  /** Catalogue flux in the u g r i z bands [nanomaggies], where given: SDSS's own synthetic photometry. */
  readonly spectroFlux: readonly number[] | undefined;
}

/** ZWARNING bits that leave the redshift usable: MANY_OUTLIERS (Bolton et al. 2012, AJ 144, 144, table 2). */
const HARMLESS_WARNINGS = 1 << 4;

/** Vacuum wavelengths by which SPZLINE lists the lines of a label [Angstrom]. */
const catalogueLines = {
  HALPHA_EW: [6564.6],
  HBETA_EW: [4862.7],
  OIII5007_EW: [5008.2],
  NII6584_EW: [6585.3],
  OII3727_EW: [3727.1, 3729.9],
} satisfies Record<keyof typeof ewLabels, readonly number[]>;

async function readAll(hdu: FitsHdu, columns: readonly string[], path: string): Promise<Map<string, Column>> {
  const source = await hdu.table();
  const names = source.schema.map(({ name }) => name);
  const found = new Map<string, string>();
  for (const wanted of columns) {
    const name = names.find((one) => one.toUpperCase() === wanted);
    if (name === undefined) {
      throw new UserError(`${path}: FITS unit ${hdu.index} has no column ${wanted}, expected an SDSS spec file`);
    }
    found.set(wanted, name);
  }
  const tables: Table[] = [];
  for await (const table of source.batches({ columns: [...found.values()], batchRows: 1 << 20 })) tables.push(table);
  if (tables.length !== 1) throw new UserError(`${path}: FITS unit ${hdu.index} has no rows`);
  const result = new Map<string, Column>();
  for (const [wanted, name] of found) {
    const column = tables[0].columns.find((one) => one.name === name);
    if (column !== undefined) result.set(wanted, column);
  }
  return result;
}

function numbers(columns: Map<string, Column>, name: string): number[] {
  const data = columns.get(name)?.data ?? [];
  return Array.from(data as ArrayLike<number | bigint | string>, Number);
}

function readWidths(columns: Map<string, Column>, z: number): ObservedSpectrum["widths"] {
  const [wave, width, error] = ["LINEWAVE", "LINEEW", "LINEEW_ERR"].map((name) => numbers(columns, name));
  const widths: Partial<Record<keyof typeof ewLabels, readonly [number, number]>> = {};
  for (const [label, wavelengths] of Object.entries(catalogueLines)) {
    const rows = wavelengths.map((lambda) => wave.findIndex((one) => Math.abs(one - lambda) < 1));
    // an error that is not positive marks a line that was not fitted
    if (rows.some((row) => row < 0 || !(error[row] > 0))) continue;
    const value = rows.reduce((sum, row) => sum + width[row], 0) / (1 + z);
    const sigma = Math.hypot(...rows.map((row) => error[row])) / (1 + z);
    widths[label as keyof typeof ewLabels] = [value, sigma];
  }
  return widths;
}

/**
 * Reads an SDSS/BOSS `spec-*.fits`: unit 1 the coadded spectrum, unit 2 the redshift, unit 3 the emission lines (EWs in
 * the observed frame there). Units may be unnamed, column names in either case.
 * @throws UserError for a file that is not one.
 */
export async function readSdssSpectrum(path: string): Promise<ObservedSpectrum> {
  const file = await openFits(path);
  try {
    if (file.hdus.length < 3 || file.hdus.slice(1, 3).some(({ kind }) => kind !== "table")) {
      throw new UserError(`${path}: expected an SDSS spec file, tables in FITS units 1 and 2`);
    }
    const coadd = await readAll(file.hdus[1], ["FLUX", "LOGLAM", "IVAR"], path);
    const object = await readAll(file.hdus[2], ["Z", "ZWARNING", "SPECTROFLUX"], path);
    const z = numbers(object, "Z")[0];
    const isTrusted = (numbers(object, "ZWARNING")[0] & ~HARMLESS_WARNINGS) === 0 && Number.isFinite(z);
    const lineUnit = file.hdus[3]?.kind === "table" ? file.hdus[3] : undefined;
    const lineTable =
      lineUnit === undefined || !isTrusted
        ? undefined
        : await readAll(lineUnit, ["LINEWAVE", "LINEEW", "LINEEW_ERR"], path);
    return {
      id: basename(path).replace(/\.fits?(\.gz)?$/, ""),
      wavelength: Float64Array.from(numbers(coadd, "LOGLAM"), (x) => 10 ** x),
      flux: Float64Array.from(numbers(coadd, "FLUX")),
      ivar: Float64Array.from(numbers(coadd, "IVAR")),
      redshift: isTrusted ? z : undefined,
      widths: lineTable === undefined ? {} : readWidths(lineTable, z),
      spectroFlux: numbers(object, "SPECTROFLUX"),
    };
  } finally {
    await file.close();
  }
}
