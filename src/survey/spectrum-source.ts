/** Files of spectra as a table: a row for each spectrum, on a survey's grid, with what the files say of the object. */
import { basename } from "node:path";
import { UserError } from "../errors.ts";
import { type FitsFile, openFits } from "../io/fits.ts";
import { fitsSpectrumIn } from "../io/fits-spectrum.ts";
import { chooseColumns } from "../io/select.ts";
import type { Column, ColumnSchema, ReadOptions, Table, TableSource } from "../io/table.ts";
import { counted } from "../text.ts";
import type { BindOptions } from "./bind-fields.ts";
import type { Field, SpectrumField } from "./field.ts";
import { factorTo, type ObservedSpectrum, PIXEL_UNIT, pixelFactors } from "./observed-spectrum.ts";
import { createResampler, type Resampler, vacuumWavelength } from "./spectrum-grid.ts";
import { expandPaths, isArchiveFile, isManySpectra, readSpectra } from "./spectrum-files.ts";

/** A FITS file of one spectrum, an image or a table with a row for each pixel; its name is the id. */
async function readSingle(file: FitsFile, options: BindOptions): Promise<ObservedSpectrum | undefined> {
  const { path } = file;
  const found = await fitsSpectrumIn(file);
  if (found === undefined) return undefined;
  const medium = found.medium ?? options.wavelengths;
  if (medium === undefined) {
    throw new UserError(
      `${path}: nothing says whether its wavelengths are in air or in vacuum (AIRORVAC, VACUUM, CTYPE1); ` +
        `expected --wavelengths air or vacuum`,
    );
  }
  if (found.ivar === undefined && options.relativeError === undefined) {
    throw new UserError(
      `${path}: a spectrum without errors (a unit or column IVAR, ERR, ...); --relative-error 0.05 would take 5 % of its median`,
    );
  }
  const factor = factorTo(`${path}: wavelengths`, found.wavelengthUnit, "Angstrom");
  const units = pixelFactors(path, { flux: found.unit, ivar: undefined });
  const flux = found.flux.map((x) => x * units.flux);
  const sizes = flux.filter(Number.isFinite).map(Math.abs).sort();
  const sigma = (options.relativeError ?? Number.NaN) * sizes[sizes.length >> 1];
  return {
    id: basename(path).replace(/\.fits?(\.gz)?$/, ""),
    wavelength: found.wavelength.map((x) => (medium === "air" ? vacuumWavelength(x * factor) : x * factor)),
    flux,
    ivar: found.ivar?.map((x) => x * units.ivar) ?? flux.map(() => (sigma > 0 ? sigma ** -2 : 0)),
    redshift: undefined,
    widths: {},
    totals: [],
  };
}

/** Spectra of one file, whatever kind of file it is. */
async function* spectraOf(path: string, options: BindOptions): AsyncGenerator<ObservedSpectrum, void, undefined> {
  const file = await openFits(path);
  try {
    const single = isArchiveFile(file) ? undefined : await readSingle(file, options);
    if (single !== undefined) {
      yield single;
      return;
    }
  } finally {
    await file.close();
  }
  yield* readSpectra(path);
}

/** Whether the rows of a table unit are the pixels of a spectrum. */
async function isOneSpectrum(file: FitsFile): Promise<boolean> {
  if (file.hdus.some(({ kind }) => kind === "table")) {
    const tables = file.hdus.filter(({ kind }) => kind === "table");
    if (tables.length > 1) return false;
    const { schema } = await tables[0].table();
    const isColumn = (names: readonly string[]): boolean =>
      schema.some(({ name, width }) => width === 1 && names.includes(name.toUpperCase()));
    return isColumn(["WAVELENGTH", "WAVE", "LAMBDA", "LAM", "LOGLAM"]) && isColumn(["FLUX", "FLAM", "F_LAMBDA"]);
  }
  return file.hdus.some(({ header }) => header.get("NAXIS") === 1 && header.get("CRVAL1") !== undefined);
}

/**
 * Whether a path holds spectra rather than a table: a folder or a pattern of files, a DESI coadd, an SDSS spectrum, a FITS
 * spectrum of one dimension. @throws UserError for a FITS file that can't be read.
 */
export async function isSpectra(path: string): Promise<boolean> {
  if (isManySpectra(path)) return true;
  if (!/\.fits?(\.gz)?$/i.test(path)) return false;
  const file = await openFits(path);
  try {
    return isArchiveFile(file) || (await isOneSpectrum(file));
  } finally {
    await file.close();
  }
}

/** The files of a table: those of a folder or a pattern of spectra, else the path itself. */
export const filesOf = (path: string): readonly string[] => (isManySpectra(path) ? expandPaths([path]) : [path]);

/** Names that classes of galaxies, quasars and stars have in pipelines, and in surveys. */
const CLASSES: Readonly<Record<string, string>> = { GALAXY: "galaxy", QSO: "quasar", STAR: "star" };

/** Spectra gathered before they are handed out. */
interface Rows {
  readonly ids: string[];
  readonly spectra: ObservedSpectrum[];
  readonly value: Float32Array;
  readonly ivar: Float32Array;
}

/** What a column of the table holds of spectra, but for its pixels. */
type Cells = (spectra: readonly ObservedSpectrum[]) => Column["data"];
interface PlainColumn {
  readonly schema: ColumnSchema;
  readonly cells: Cells;
}

/** Columns beside the pixels: what files of spectra can say of those of the fields that a survey has. */
function plainColumns(fields: readonly Field[]): PlainColumn[] {
  type Of = (spectrum: ObservedSpectrum) => number | undefined;
  const numeric = (name: string, unit: string, of: Of): PlainColumn => ({
    schema: { name, type: "float64", width: 1, ...(unit === "" ? {} : { unit }) },
    cells: (spectra) => Float64Array.from(spectra, (one) => of(one) ?? Number.NaN),
  });
  return fields.flatMap((field): PlainColumn[] => {
    const { name, kind, unit } = field;
    if (kind === "redshift" && name === "z") {
      return [numeric(name, "", ({ redshift, pipeline }) => pipeline?.redshift ?? redshift)];
    }
    if (kind === "ew") {
      const width = ({ widths }: ObservedSpectrum) => widths[name as keyof typeof widths];
      return [numeric(name, unit, (one) => width(one)?.[0]), numeric(`${name}_err`, unit, (one) => width(one)?.[1])];
    }
    if (field.kind === "category" && field.classes.includes("galaxy")) {
      const cells: Cells = (spectra) =>
        spectra.map(({ pipeline }) => {
          const known = CLASSES[pipeline?.type ?? ""] ?? "";
          return field.classes.includes(known) ? known : "";
        });
      return [{ schema: { name, type: "string", width: 1 }, cells }];
    }
    return [];
  });
}

/** Bytes of pixels in a batch. */
const BATCH_BYTES = 32e6;

/** What was left out, and how often. */
function createTally() {
  const counts = new Map<string, { count: number; first: string }>();
  return {
    add(what: string, id: string): void {
      const known = counts.get(what);
      if (known === undefined) counts.set(what, { count: 1, first: id });
      else known.count++;
    },
    lines: (): string[] =>
      [...counts].map(
        ([what, { count, first }]) => `${counted(count, "row")} ${what} (${first}${count > 1 ? ", ..." : ""})`,
      ),
  };
}

/** Puts a spectrum in the place of row `row`. */
function place({ spectra, ids, value, ivar }: Rows, one: ObservedSpectrum, put: Resampler, width: number): boolean {
  const [from, to] = [spectra.length * width, (spectra.length + 1) * width];
  const into = { value: value.subarray(from, to), ivar: ivar.subarray(from, to) };
  const isThere = put(one.wavelength, one.flux, one.ivar, into);
  for (let k = 0; k < width; k++) if (into.ivar[k] === 0) into.value[k] = Number.NaN;
  spectra.push({ ...one, wavelength: NONE, flux: NONE, ivar: NONE });
  ids.push(one.id);
  return isThere;
}

const NONE = new Float64Array(0);

/**
 * Opens files of spectra as a table in the columns of Caleido's own, with `field` on its grid: object_id, FIELD, FIELD_ivar,
 * and redshift, class and line widths where the survey has such fields and the files say them. Fibres on the sky, or with a
 * flag, are left out; a spectrum that covers nothing of the grid keeps its row. Both are told in the notes.
 * @throws UserError for a path without spectra, a file of another kind or a damaged one, while it is read.
 */
export function openSpectra(
  path: string,
  field: SpectrumField,
  fields: readonly Field[],
  options: BindOptions = {},
): TableSource {
  const files = filesOf(path);
  const { name } = field;
  const width = field.grid.pixels;
  const plain = plainColumns(fields);
  const schema: ColumnSchema[] = [
    { name: "object_id", type: "string", width: 1 },
    ...plain.map((column) => column.schema),
    { name, type: "float32", width, unit: PIXEL_UNIT },
    { name: `${name}_ivar`, type: "float32", width, unit: `(${PIXEL_UNIT})-2` },
  ];
  const tally = createTally();
  const put = createResampler(field.grid);
  const toTable = (rows: Rows, wanted: readonly number[]): Table => {
    const rowCount = rows.spectra.length;
    const data = [rows.ids, ...plain.map(({ cells }) => cells(rows.spectra)), rows.value, rows.ivar].map((some, j) =>
      schema[j].width > 1 ? (some as Float32Array).slice(0, rowCount * width) : some,
    );
    return { rowCount, columns: wanted.map((j) => ({ ...schema[j], data: data[j] })), metadata: {} };
  };
  async function* batches({ columns, batchRows = Infinity }: ReadOptions = {}): AsyncGenerator<Table> {
    const wanted = chooseColumns(path, schema, columns);
    const most = Math.max(1, Math.min(batchRows, Math.floor(BATCH_BYTES / (8 * width))));
    const [value, ivar] = [new Float32Array(most * width), new Float32Array(most * width)];
    let rows: Rows = { ids: [], spectra: [], value, ivar };
    for (const file of files) {
      for await (const one of spectraOf(file, options)) {
        if (one.warning === "sky fibre" || one.warning === "fibre flagged") {
          tally.add(`left out: ${one.warning}`, one.id);
          continue;
        }
        if (!place(rows, one, put, width)) tally.add(`without a spectrum: nothing usable at its wavelengths`, one.id);
        if (rows.spectra.length < most) continue;
        yield toTable(rows, wanted);
        rows = { ids: [], spectra: [], value, ivar };
      }
    }
    if (rows.spectra.length > 0) yield toTable(rows, wanted);
  }
  return {
    path,
    format: "spectra",
    schema,
    rowCount: undefined,
    metadata: {},
    notes: tally.lines,
    batches,
    close: async () => {},
  };
}
