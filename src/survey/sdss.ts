import { basename } from "node:path";
import type { FitsFile } from "../io/fits.ts";
import type { Column } from "../io/table.ts";
import {
  factorTo,
  numbers,
  type ObservedSpectrum,
  pixelFactors,
  readColumns,
  type Warning,
  type WidthName,
  warningOfClass,
} from "./observed-spectrum.ts";

/** ZWARNING bits that leave the redshift usable: MANY_OUTLIERS (Bolton et al. 2012, AJ 144, 144, table 2). */
const HARMLESS_WARNINGS = 1 << 4;
/** ZWARNING bit of a fibre on the sky. */
const SKY = 1 << 0;

/** Vacuum wavelengths by which SPZLINE lists the lines of a label [Angstrom]. */
const catalogueLines = {
  HALPHA_EW: [6564.6],
  HBETA_EW: [4862.7],
  OIII5007_EW: [5008.2],
  NII6584_EW: [6585.3],
  OII3727_EW: [3727.1, 3729.9],
} satisfies Record<WidthName, readonly number[]>;

/** Effective wavelengths of u g r i z on the SDSS camera [Angstrom]. */
const PIVOTS = [3551, 4686, 6166, 7480, 8932] as const;
/** Imaging fluxes [nanomaggies], of the whole galaxy: best first. */
const TOTALS = ["CMODELFLUX", "MODELFLUX"] as const;

function readWidths(path: string, columns: Map<string, Column>, z: number): ObservedSpectrum["widths"] {
  const [wave, width, error] = ["LINEWAVE", "LINEEW", "LINEEW_ERR"].map((name) => {
    const factor = factorTo(`${path}: column ${name}`, columns.get(name)?.unit, "Angstrom");
    return numbers(columns, name).map((x) => x * factor);
  });
  const widths: Partial<Record<WidthName, readonly [number, number]>> = {};
  for (const [label, wavelengths] of Object.entries(catalogueLines)) {
    const rows = wavelengths.map((lambda) => wave.findIndex((one) => Math.abs(one - lambda) < 1));
    // an error that is not positive marks a line that was not fitted
    if (rows.some((row) => row < 0 || !(error[row] > 0))) continue;
    const value = rows.reduce((sum, row) => sum + width[row], 0) / (1 + z);
    const sigma = Math.hypot(...rows.map((row) => error[row])) / (1 + z);
    widths[label as WidthName] = [value, sigma];
  }
  return widths;
}

/** `{PLATE}-{MJD}-{FIBERID}` of the table, or of the file's name; else the name itself. */
function idOf(path: string, object: Map<string, Column>): string {
  const name = basename(path).replace(/\.fits?(\.gz)?$/, "");
  const named = /^spec-(\d+)-(\d+)-(\d+)$/.exec(name)?.slice(1).map(Number);
  const told = ["PLATE", "MJD", "FIBERID"].flatMap((column) => [...numbers(object, column).subarray(0, 1)]);
  return told.length === 3 ? told.join("-") : (named?.join("-") ?? name);
}

/** What the class and the warnings of the pipeline mean for a galaxy survey. */
function warningOf(object: Map<string, Column>): Warning | undefined {
  const warning = numbers(object, "ZWARNING")[0];
  if ((warning & SKY) !== 0) return "sky fibre";
  const isTrusted = (warning & ~HARMLESS_WARNINGS) === 0 && Number.isFinite(numbers(object, "Z")[0]);
  if (!isTrusted) return "redshift warning";
  return warningOfClass(String(object.get("CLASS")?.data[0] ?? ""));
}

/**
 * An SDSS/BOSS `spec-*.fits`: unit 1 the coadded spectrum, unit 2 the redshift, unit 3 the emission lines (EWs in the
 * observed frame there). Units may be unnamed, column names in either case.
 */
export async function* readSdss(file: FitsFile): AsyncGenerator<ObservedSpectrum, void, undefined> {
  const { hdus, path } = file;
  const coadd = await readColumns(path, hdus[1], ["FLUX", "LOGLAM", "IVAR"]);
  const object = await readColumns(path, hdus[2], ["Z", "ZWARNING"], ["PLATE", "MJD", "FIBERID", "CLASS", ...TOTALS]);
  const z = numbers(object, "Z")[0];
  const warning = warningOf(object);
  const lineUnit = hdus[3]?.kind === "table" ? hdus[3] : undefined;
  const widths =
    lineUnit === undefined || warning !== undefined
      ? {}
      : readWidths(path, await readColumns(path, lineUnit, ["LINEWAVE", "LINEEW", "LINEEW_ERR"]), z);
  const totals =
    TOTALS.map((name) => {
      const factor = factorTo(`${path}: column ${name}`, object.get(name)?.unit, "nanomaggy");
      return numbers(object, name).map((x) => x * factor);
    }).find((fluxes) => fluxes.some((flux) => flux > 0)) ?? [];
  // The column's own word; the primary header's where it says nothing, as in files of the archive.
  const units = { flux: coadd.get("FLUX")?.unit ?? hdus[0].header.text("BUNIT"), ivar: coadd.get("IVAR")?.unit };
  const factors = pixelFactors(path, units);
  yield {
    id: idOf(path, object),
    wavelength: numbers(coadd, "LOGLAM").map((x) => 10 ** x),
    flux: numbers(coadd, "FLUX").map((x) => x * factors.flux),
    ivar: numbers(coadd, "IVAR").map((x) => x * factors.ivar),
    redshift: warning === undefined ? z : undefined,
    pipeline: {
      type: String(object.get("CLASS")?.data[0] ?? "").trim(),
      ...(warning === undefined || warning === "quasar" ? { redshift: z } : {}),
    },
    ...(warning === undefined ? {} : { warning }),
    widths,
    totals: PIVOTS.flatMap((pivot, j) => (totals[j] > 0 ? [[pivot, totals[j]] as const] : [])),
  };
}
