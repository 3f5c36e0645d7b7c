import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { type FitsFile, openFits } from "../io/fits.ts";
import { readDesi } from "./desi.ts";
import { readSdss } from "./sdss.ts";
import type { ObservedSpectrum } from "./observed-spectrum.ts";
import { isSpectrumTable, readSpectrumTable } from "./spectrum-table.ts";

/** One kind of file with spectra. */
interface SpectrumLayout {
  readonly title: string;
  /** Whether the units of a file are of this kind. */
  isLike(file: FitsFile): boolean;
  /** The spectra, one by one. @throws UserError for a damaged file. */
  read(file: FitsFile): AsyncGenerator<ObservedSpectrum, void, undefined>;
}

const has = (file: FitsFile, ...names: readonly string[]): boolean =>
  names.every((name) => file.hdus.some((hdu) => hdu.name.toUpperCase() === name));

/** Every kind of file; a new one is a row here. Wavelengths of all are vacuum ones. */
const spectrumLayouts = {
  desi: {
    title: "DESI coadd-*.fits",
    isLike: (file) => has(file, "FIBERMAP") && ["B", "R", "Z"].some((camera) => has(file, `${camera}_FLUX`)),
    read: readDesi,
  },
  table: {
    title: "a table with a spectrum in each row (LOGLAM or WAVE, FLUX, IVAR, Z)",
    isLike: isSpectrumTable,
    read: readSpectrumTable,
  },
  sdss: {
    title: "SDSS/BOSS spec-*.fits",
    // units may be unnamed: the second and third are tables in all of them; comes last, for others may have such too
    isLike: (file) => file.hdus.length >= 3 && file.hdus.slice(1, 3).every(({ kind }) => kind === "table"),
    read: readSdss,
  },
} satisfies Record<string, SpectrumLayout>;

const allLayouts: readonly SpectrumLayout[] = Object.values(spectrumLayouts);

/**
 * The spectra of a file, one by one; the file's units tell what it is.
 * @throws UserError for a file of another kind, or a damaged one.
 */
export async function* readSpectra(path: string): AsyncGenerator<ObservedSpectrum, void, undefined> {
  const file = await openFits(path);
  try {
    const layout = allLayouts.find((one) => one.isLike(file));
    if (layout === undefined) {
      const units = file.hdus.map((hdu) => `${hdu.index} ${hdu.name || "(no name)"}`).join(", ");
      const stack = has(file, "STACKINFO") ? "a stack of many objects' spectra, not of one; " : "";
      throw new UserError(
        `${path}: ${stack}expected one of ${allLayouts.map(({ title }) => title).join(", ")}; its FITS units are ${units}`,
      );
    }
    yield* layout.read(file);
  } finally {
    await file.close();
  }
}

/** File names that promise spectra: what is taken of a folder. */
const SPECTRUM_NAME = /^(spec|coadd)-.*\.fits?(\.gz)?$/;

/** Whether the units of an open file are those of a DESI coadd, or an SDSS spectrum with its columns of pixels. */
export function isArchiveFile(file: FitsFile): boolean {
  if (spectrumLayouts.desi.isLike(file)) return true;
  const { header } = file.hdus[1] ?? {};
  const columns = Array.from({ length: header?.integer("TFIELDS", 0, 0) ?? 0 }, (_, i) =>
    header
      ?.text(`TTYPE${i + 1}`)
      ?.trim()
      .toUpperCase(),
  );
  const isPixels = ["FLUX", "LOGLAM", "IVAR"].every((name) => columns.includes(name));
  return isPixels && !spectrumLayouts.table.isLike(file) && spectrumLayouts.sdss.isLike(file);
}

/** Whether a path is a folder with files that are named like spectra, or a pattern of files. */
export function isManySpectra(path: string): boolean {
  const stat = statOf(path);
  if (stat === undefined) return /[*?]/.test(path);
  if (!stat.isDirectory()) return false;
  return readdirSync(path, { recursive: true, encoding: "utf8" }).some((name) => SPECTRUM_NAME.test(basename(name)));
}

const statOf = (path: string) => statSync(path, { throwIfNoEntry: false });

/** Paths that match a pattern with `*` and `?`, which stand for parts of one name. */
function matches(pattern: string): string[] {
  return pattern.split("/").reduce<string[]>(
    (found, part, depth) => {
      if (part === "") return depth === 0 ? ["/"] : found;
      if (!/[*?]/.test(part)) return found.map((folder) => join(folder, part)).filter((path) => statOf(path));
      const literal = part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
      const like = new RegExp(`^${literal.replaceAll("*", ".*").replaceAll("?", ".")}$`);
      return found
        .filter((folder) => statOf(folder)?.isDirectory())
        .flatMap((folder) =>
          readdirSync(folder)
            .filter((name) => like.test(name))
            .sort()
            .map((name) => join(folder, name)),
        );
    },
    ["."],
  );
}

/**
 * Files with spectra: files as they are, of folders (and those in them) what is named like spectra (`spec-*.fits`,
 * `coadd-*.fits`), and what patterns with `*` and `?` match, where the shell left them alone.
 * @throws UserError for a path or pattern without a file.
 */
export function expandPaths(paths: readonly string[]): string[] {
  const files = paths.flatMap((path) => {
    const stat = statOf(path);
    if (stat?.isFile()) return [path];
    const places = stat ? [path] : /[*?]/.test(path) ? matches(path) : [];
    const found = places.flatMap((place) => {
      if (!statOf(place)?.isDirectory()) return [place];
      const names = readdirSync(place, { recursive: true, encoding: "utf8" }).filter((name) =>
        SPECTRUM_NAME.test(basename(name)),
      );
      return names.sort().map((name) => join(place, name));
    });
    if (found.length > 0) return found;
    const expected = "expected spectra: spec-*.fits or coadd-*.fits, a folder of them, or a pattern in quotes";
    throw new UserError(`${path}: ${stat ? "no file of spectra in this folder" : "no such file"}; ${expected}`);
  });
  return [...new Set(files)];
}
