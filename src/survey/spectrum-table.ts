import { basename } from "node:path";
import type { FitsFile, FitsHdu } from "../io/fits.ts";
import { factorTo, numbers, type ObservedSpectrum, pixelFactors, readColumns } from "./observed-spectrum.ts";

/** Columns of which one says where the pixels are: log10 of the wavelength [Angstrom], or the wavelength. */
const PLACES = ["LOGLAM", "WAVE", "WAVELENGTH", "LAMBDA"];
/** Columns that may name the object, best first. */
const NAMES = ["OBJECT_ID", "OBJID", "ID", "SPEC"];

/** The columns of a table unit, as `readColumns` calls them; empty for images. */
function columnsOf({ header }: FitsHdu): string[] {
  const count = header.integer("TFIELDS", 0, 0);
  return Array.from(
    { length: count },
    (_, i) =>
      header
        .text(`TTYPE${i + 1}`)
        ?.trim()
        .toUpperCase() ?? "",
  );
}

function placed(file: FitsFile): { readonly hdu: FitsHdu; readonly place: string } | undefined {
  for (const hdu of file.hdus) {
    const columns = columnsOf(hdu);
    const place = PLACES.find((name) => columns.includes(name));
    if (place !== undefined && ["FLUX", "IVAR", "Z"].every((name) => columns.includes(name))) return { hdu, place };
  }
  return undefined;
}

/** Whether a unit is a table with a spectrum and its redshift in each row. */
export const isSpectrumTable = (file: FitsFile): boolean => placed(file) !== undefined;

/**
 * A table with a spectrum in each row: FLUX, IVAR and LOGLAM (or WAVE) of its pixels, and its redshift Z. Rows are as long as
 * the longest spectrum: what has no wavelength or no flux is beyond the end of a shorter one. A redshift of 0 or less says
 * that there is none. Ids are the file's name and the row's own, or its number.
 */
export async function* readSpectrumTable(file: FitsFile): AsyncGenerator<ObservedSpectrum, void, undefined> {
  const { path } = file;
  const { hdu, place } = placed(file)!;
  const columns = await readColumns(path, hdu, [place, "FLUX", "IVAR", "Z"], NAMES);
  const [where, flux, ivar, z] = [place, "FLUX", "IVAR", "Z"].map((name) => numbers(columns, name));
  const name = NAMES.map((one) => columns.get(one)?.data).find((data) => data !== undefined);
  const factors = pixelFactors(path, { flux: columns.get("FLUX")?.unit, ivar: columns.get("IVAR")?.unit });
  const unit = place === "LOGLAM" ? 1 : factorTo(`${path}: column ${place}`, columns.get(place)?.unit, "Angstrom");
  const width = where.length / z.length;
  const source = basename(path).replace(/\.fits?(\.gz)?$/, "");
  for (let row = 0; row < z.length; row++) {
    const pixels = Array.from({ length: width }, (_, i) => row * width + i).filter(
      (at) => where[at] > 0 && Number.isFinite(flux[at]),
    );
    const of = (value: (at: number) => number): Float64Array => Float64Array.from(pixels, value);
    yield {
      id: `${source}-${String(name?.[row] ?? row + 1).trim()}`,
      wavelength: of((at) => (place === "LOGLAM" ? 10 ** where[at] : where[at] * unit)),
      flux: of((at) => flux[at] * factors.flux),
      ivar: of((at) => (ivar[at] > 0 ? ivar[at] * factors.ivar : 0)),
      redshift: z[row] > 0 ? z[row] : undefined,
      ...(z[row] > 0 ? {} : { warning: "no redshift" as const }),
      widths: {},
      totals: [],
    };
  }
}
