/**
 * A library of clean simulated galaxies: what `p(anything | subset) = sum_i w_i` is taken over, w_i being the likelihood
 * of the subset under galaxy i.
 */
import { UserError } from "../errors.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import { type Reporter, silent } from "../progress.ts";
import { apertureOf, checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { cleanFluxes } from "../survey/clean.ts";
import { type Field, State } from "../survey/field.ts";
import { type ApertureKind, cleanLayout } from "../survey/layout.ts";
import { readManifest, readPart } from "../survey/prepared.ts";
import { openFor, readCatalog } from "../survey/read.ts";
import { splitNames } from "../survey/split.ts";
import { loadSurvey, listSurveys, type Survey } from "../survey/survey.ts";
import { counted } from "../text.ts";
import { fitStandardisation, type Standardisation } from "../tokens/standardise.ts";
import { createStore, type LibraryStore, type StoreWriter } from "./library-store.ts";

export interface Library {
  readonly path: string;
  /** Of what light its fluxes are, where that is known. */
  readonly aperture?: ApertureKind;
  readonly fields: readonly Field[];
  /** Rows: the bands, then the other fields, NaN where a property is not known. */
  readonly store: LibraryStore;
  /** Columns of the store: field by field, those of the bands first. */
  readonly columns: readonly number[];
  /** [nField] Column in the store. */
  readonly place: Int32Array;
  readonly bandCount: number;
  /** [nField] Whether any row has the field. */
  readonly has: Uint8Array;
  /** [nField] Mean and deviation, in the field's unit; a kernel that spans about n^(2/3) rows, where a given value has no error. */
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
  readonly kernel: Float64Array;
  /** [nField] 1 where log10 of the value grows with log10 of the brightness: masses, rates. */
  readonly isExtensive: Uint8Array;
  /** Moments of its first rows, for those who have no other. */
  readonly standardisation: Standardisation;
  close(): void;
}

export interface LibraryOptions {
  readonly survey: Survey;
  readonly reporter?: Reporter;
  /** Most bytes of rows in memory; beyond it they wait on disk. */
  readonly memory?: number;
}

const MEMORY = 1e9;
/** Fewer rows say nothing of a distribution. */
const LEAST_ROWS = 1000;
/** Relative error up to which a flux passes for clean. */
const CLEAN = 0.02;
/** Rows that moments and kernels are measured on. */
const MOST_MEASURED = 20_000;

/**
 * Fields that grow with a galaxy's brightness, as the survey says. A checkpoint's survey that was written before surveys
 * said so takes it from the survey of its name.
 */
function extensiveFields({ fields, name }: Survey): Uint8Array {
  const isMarked = (some: readonly Field[]): boolean => some.some((field) => "isExtensive" in field);
  const source = isMarked(fields) || !listSurveys().includes(name) ? fields : loadSurvey(name).fields;
  const marked = source.flatMap((field) => ("isExtensive" in field && field.isExtensive ? [field.name] : []));
  return Uint8Array.from(fields, (field) => Number(marked.includes(field.name)));
}

const otherBands = (path: string, { name }: Survey): UserError =>
  new UserError(`${path}: none of the bands of ${name}; expected clean galaxies in the same bands`);

/** How a library's table is to be read. @throws UserError where all fluxes without noise are of other bands. */
async function readingOf(path: string, survey: Survey): Promise<BindOptions> {
  if (readManifest(path) !== undefined) return {};
  const fluxes = await cleanFluxes(path, survey);
  if (fluxes === "foreign") throw otherBands(path, survey);
  return fluxes === "own" ? { layout: cleanLayout.name } : {};
}

/** Every row of a table or of all parts of a prepared folder. */
async function* catalogsOf(path: string, survey: Survey, reading: BindOptions): AsyncGenerator<Catalog> {
  const manifest = readManifest(path);
  if (manifest !== undefined) {
    for (const part of splitNames) {
      for await (const { catalog } of readPart(path, manifest, survey, part)) yield catalog;
    }
    return;
  }
  for await (const { catalog } of readCatalog(path, survey, reading)) yield catalog;
}

/** @throws UserError where the fluxes have noise. */
function checkClean({ fields, value, error, state }: Catalog, path: string): void {
  const n = fields.length;
  const relative: number[] = [];
  state.forEach((known, at) => {
    if (fields[at % n].band === undefined || known !== State.measured) return;
    relative.push(error[at] === 0 ? 0 : error[at] / Math.abs(value[at]));
  });
  const middle = relative.length === 0 ? 0 : quantile(sortFinite(relative), 0.5);
  if (middle <= CLEAN) return;
  throw new UserError(
    `${path}: not clean: its fluxes have errors of ${(100 * middle).toFixed(0)} %; ` +
      "expected what caleido simulate --fluxes clean writes",
  );
}

interface Filled {
  readonly store: LibraryStore;
  readonly has: Uint8Array;
  /** Rows without a band that others have. */
  readonly incomplete: number;
  readonly standardisation: Standardisation;
}

/** Copies the rows that have every band; a band that no row of the first batch has is not in the library. */
async function fill(
  path: string,
  survey: Survey,
  catalogs: AsyncIterable<Catalog> | Iterable<Catalog>,
  columns: readonly number[],
  writer: StoreWriter,
): Promise<Filled> {
  const n = survey.fields.length;
  const has = new Uint8Array(n);
  const row = new Float32Array(n);
  let bands: number[] | undefined;
  let standardisation: Standardisation | undefined;
  let incomplete = 0;
  for await (const catalog of catalogs) {
    const { value, state, rowCount } = catalog;
    state.forEach((known, at) => {
      if (known === State.measured) has[at % n] = 1;
    });
    if (bands === undefined) {
      checkClean(catalog, path);
      standardisation = fitStandardisation(catalog, allRows(catalog));
      bands = columns.filter((j) => survey.fields[j].band !== undefined && has[j] === 1);
    }
    for (let i = 0; i < rowCount; i++) {
      if (bands.some((j) => state[i * n + j] !== State.measured)) {
        incomplete++;
        continue;
      }
      columns.forEach((j, c) => {
        const at = i * n + j;
        row[c] = state[at] === State.measured ? value[at] : survey.fields[j].band === undefined ? NaN : 0;
      });
      writer.add(row);
    }
  }
  if (standardisation === undefined) throw new UserError(`${path}: no rows; expected clean galaxies`);
  return { store: writer.finish(), has, incomplete, standardisation };
}

/** Means, deviations and kernels of the properties, on evenly spaced rows. */
function measure(store: LibraryStore, fields: readonly Field[], columns: readonly number[]) {
  const { rowCount, width } = store;
  const count = Math.min(rowCount, MOST_MEASURED);
  const row = new Float32Array(width);
  const values = columns.map((): number[] => []);
  for (let i = 0; i < count; i++) {
    store.row(Math.floor((i * rowCount) / count), row);
    row.forEach((x, c) => {
      if (!Number.isNaN(x)) values[c].push(x);
    });
  }
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width).fill(1);
  const kernel = new Float64Array(width);
  columns.forEach((j, c) => {
    const sorted = Float64Array.from(values[c]).sort();
    if (fields[j].band !== undefined || fields[j].kind === "category" || sorted.length === 0) return;
    mean[j] = sorted.reduce((sum, x) => sum + x, 0) / sorted.length;
    const square = sorted.reduce((sum, x) => sum + (x - mean[j]) ** 2, 0) / sorted.length;
    deviation[j] = Math.sqrt(square) || 1;
    // as wide as a bin of a histogram (Freedman & Diaconis 1981), so that many rows stand behind a given value
    const spread = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    kernel[j] = Math.max(spread * rowCount ** (-1 / 3), 1e-6 * deviation[j]);
  });
  return { mean, deviation, kernel };
}

/**
 * A library of the rows of catalogues that have every band; `name` stands for it in messages.
 * @throws UserError where there is noise, none of the survey's bands, or too few rows.
 */
export async function createLibrary(
  name: string,
  catalogs: AsyncIterable<Catalog> | Iterable<Catalog>,
  { survey, reporter = silent, memory = MEMORY }: LibraryOptions,
): Promise<Library> {
  const { fields } = survey;
  const all = fields.map((_, j) => j);
  const bands = all.filter((j) => fields[j].band !== undefined);
  const columns = [...bands, ...all.filter((j) => fields[j].band === undefined)];
  const writer = createStore(fields.length, memory);
  try {
    const { store, has, incomplete, standardisation } = await fill(name, survey, catalogs, columns, writer);
    if (!bands.some((j) => has[j] === 1)) throw otherBands(name, survey);
    if (store.rowCount < LEAST_ROWS) {
      const lost = incomplete === 0 ? "" : ` (${incomplete} more lack a band)`;
      const found = counted(store.rowCount, "clean galaxy", "clean galaxies");
      throw new UserError(`${name}: ${found}${lost}, expected ${LEAST_ROWS} or more`);
    }
    const lost = incomplete === 0 ? "" : `; ${counted(incomplete, "row")} without a band left out`;
    const unknown = fields.filter((_, j) => has[j] === 0).map((field) => field.name);
    const without = unknown.length === 0 ? "" : `; without ${unknown.join(", ")}`;
    reporter.say(`${name}: library of ${counted(store.rowCount, "galaxy", "galaxies")}${lost}${without}`);
    const place = new Int32Array(fields.length);
    columns.forEach((j, c) => (place[j] = c));
    return {
      path: name,
      fields,
      store,
      columns,
      place,
      bandCount: bands.length,
      has,
      ...measure(store, fields, columns),
      isExtensive: extensiveFields(survey),
      standardisation,
      close: () => store.close(),
    };
  } catch (error) {
    writer.close();
    throw error;
  }
}

/**
 * Reads a library: a table of clean simulated galaxies (`simulate --fluxes clean`), or a prepared folder of them.
 * @throws UserError for a table that can't be read, and as {@link createLibrary}.
 */
export async function openLibrary(path: string, options: LibraryOptions): Promise<Library> {
  const { survey } = options;
  const reading = await readingOf(path, survey);
  const aperture = await apertureOf(path, survey, reading);
  const library = await createLibrary(path, catalogsOf(path, survey, reading), options);
  return { ...library, ...(aperture === undefined ? {} : { aperture }) };
}

/**
 * The survey that a library was simulated for, as its table or folder says; `fallback` where it says none that is known.
 * @throws UserError for a table that can't be read.
 */
export async function librarySurvey(path: string, fallback: string): Promise<Survey> {
  const manifest = readManifest(path);
  const stated = async (): Promise<unknown> => {
    const { metadata, close } = await openFor(path, loadSurvey(fallback));
    await close();
    return metadata.survey ?? metadata.SURVEY;
  };
  const name = manifest === undefined ? await stated() : manifest.survey;
  return loadSurvey(typeof name === "string" && listSurveys().includes(name) ? name : fallback);
}

/** @throws UserError for a table whose fluxes are of other light than the library's, where both are known. */
export function checkLibraryAperture(asked: ApertureKind | undefined, library: Library, table: string): void {
  checkAperture(asked, [library], table, `as the library ${library.path} has`);
}
