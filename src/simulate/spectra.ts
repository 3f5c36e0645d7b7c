import type { Table } from "../io/table.ts";
import { createRng, type Rng } from "../random.ts";
import { State } from "../survey/field.ts";
import { OBSERVED } from "../survey/made.ts";
import { formatSources, SOURCES } from "../survey/sources.ts";
import type { Survey } from "../survey/survey.ts";
import { UserError } from "../errors.ts";
import { LABELS } from "./block.ts";
import { ageOfUniverse } from "./cosmology.ts";
import { type Joined, type Known, type LabelTable, readJoined } from "./joined.ts";
import { ewLabels } from "./lines.ts";
import { codeOf } from "./missing.ts";
import { choosePointing, createObserver, type Observer, type Observation, observe } from "./observer.ts";
import { parseOptions, type SimulationInput, type SimulationOptions, withSample } from "./options.ts";
import { createPassbands, type Passband } from "./passband.ts";
import { rescaled, type ScaleBand, SPECTRUM_UNIT } from "./rescale.ts";
import {
  createGrid,
  integrate,
  movement,
  type Movement,
  type PixelGrid,
  repair,
  type TabulatedBand,
  tabulate,
} from "./resample.ts";
import { type Row, tableOf } from "./rows.ts";
import { type ObservedSpectrum, type Pixels, warnings } from "../survey/observed-spectrum.ts";
import { expandPaths, readSpectra } from "../survey/spectrum-files.ts";

/** Flux calibration is this much worse at the ends of a spectrum, and falls off over this length [Angstrom]. */
const [END_ERROR, END_LENGTH] = [4, 250];
/** Redshifts are drawn this often for a spectrum before none of the range counts as covered. */
const MOVE_ATTEMPTS = 30;
/** A moved spectrum must still cover this part of the bands that it covered. */
const LEAST_COVERED = 0.6;

/** What became of the spectra, for people. */
export interface Tally {
  /** Files finished. */
  files: number;
  spectra: number;
  rows: number;
  readonly skipped: Map<string, number>;
  /** Tables of labels: the fields that they fill, how many of the spectra they know, and ids of both that differ. */
  readonly joined: Map<string, { readonly fields: readonly string[]; count: number; unlike?: string }>;
  /** Total flux over the spectrum's own, of every rescaled spectrum. */
  readonly rescaled: number[];
}

export const createTally = (): Tally => ({
  files: 0,
  spectra: 0,
  rows: 0,
  skipped: new Map(),
  joined: new Map(),
  rescaled: [],
});

const count = (map: Map<string, number>, key: string): unknown => map.set(key, (map.get(key) ?? 0) + 1);

/** The tally as lines for a person. */
export function formatTally(tally: Tally): string[] {
  const skipped = [...tally.skipped.values()].reduce((sum, n) => sum + n, 0);
  const ratios = tally.rescaled.toSorted((a, b) => a - b);
  return [
    `${tally.spectra} spectra read, ${tally.spectra - skipped} used, ${tally.rows} rows`,
    ...[...tally.skipped].sort((a, b) => b[1] - a[1]).map(([reason, n]) => `${n} skipped: ${reason}`),
    ...[...tally.joined].map(([path, { fields, count: n, unlike }]) =>
      n > 0 || unlike === undefined
        ? `${n} joined with ${path}: ${fields.join(", ")}`
        : `0 joined with ${path}: ${unlike}; is it read by the right survey?`,
    ),
    ...(ratios.length === 0
      ? []
      : [`${ratios.length} rescaled to total fluxes, by ${ratios[ratios.length >> 1].toPrecision(3)} in the median`]),
  ];
}

export interface SpectraRequest extends SimulationInput {
  readonly survey: Survey;
  /** Catalogues to join by the spectrum's id: labels, fluxes of bands that spectra don't cover. Later ones win. */
  readonly labels?: readonly LabelTable[];
}

type TabulatedPassband = Passband & { readonly table: TabulatedBand };

/** All that one spectrum needs. */
interface Pipeline {
  readonly survey: Survey;
  readonly options: SimulationOptions;
  readonly passbands: readonly TabulatedPassband[];
  readonly observer: Observer;
  readonly tables: readonly Joined[];
  readonly labelNames: readonly string[];
  /** Who measured the labels, as the table's metadata say it. */
  readonly sources: string;
  /** Bands whose total fluxes spectra are scaled to. */
  readonly rescaleBands: readonly ScaleBand[];
  /** Weights of the pixels at these wavelengths. */
  gridOf(this: void, wavelength: Float64Array): PixelGrid;
  readonly tally: Tally;
}

/** Remembers the last grid: spectra of one file often share their wavelengths. */
function createGridOf(): Pipeline["gridOf"] {
  let last: { readonly wavelength: Float64Array; readonly grid: PixelGrid } | undefined;
  return (wavelength) => {
    if (last?.wavelength !== wavelength) last = { wavelength, grid: createGrid(wavelength) };
    return last.grid;
  };
}

function bandNamed(passbands: readonly TabulatedPassband[], name: string): ScaleBand {
  const found = passbands.find((band) => band.name === name);
  if (found !== undefined) return found;
  throw new UserError(
    `simulate: rescale: "${name}" is not a band of the survey; expected one of ${passbands.map((band) => band.name).join(", ")}`,
  );
}

/** Redshifts are the spectra's own wherever those have them. */
const sourceOf = (name: string, tables: readonly Joined[]): string =>
  (name === "z" ? undefined : tables.findLast(({ sources }) => name in sources)?.sources[name]) ?? PIPELINE;

/** Who measured what the spectra's own files say: redshifts and line widths. */
const PIPELINE = "spectra's own files";

async function createPipeline({ survey, labels, ...input }: SpectraRequest, tally: Tally): Promise<Pipeline> {
  const options = parseOptions(withSample(survey, input));
  const bands = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  const passbands = createPassbands(bands, options.filters, options.filterPrefix).map((band) => ({
    ...band,
    table: tabulate(band),
  }));
  const tables: Joined[] = [];
  for (const one of labels ?? []) {
    const table = await readJoined(one, survey.fluxUnit);
    tables.push(table);
    tally.joined.set(table.path, { fields: table.fields, count: 0 });
  }
  const joined = tables.flatMap(({ fields }) => fields);
  const properties = survey.fields.filter(({ band }) => band === undefined).map(({ name }) => name);
  const names = [...LABELS, ...properties.filter((name) => joined.includes(name) && !LABELS.some((l) => l === name))];
  const hasError = (name: string): boolean => name in ewLabels || joined.includes(name);
  return {
    survey,
    options,
    passbands,
    // these spectra are no models
    observer: createObserver(survey, passbands, { ...options, modelError: { smooth: 0, scatter: 0 } }),
    tables,
    sources: formatSources(Object.fromEntries(names.map((name) => [name, sourceOf(name, tables)]))),
    labelNames: [...names, ...names.filter(hasError).map((name) => `${name}_err`)],
    rescaleBands: (options.observed.rescale ?? []).map((name) => bandNamed(passbands, name)),
    gridOf: createGridOf(),
    tally,
  };
}

/** What catalogues, or else the spectrum's own file, say of the object. */
function knowledgeOf({ tables, tally }: Pipeline, spectrum: ObservedSpectrum): Known {
  const known: Record<string, Known[string]> = {};
  if (spectrum.redshift !== undefined) known.z = { value: spectrum.redshift, error: 0, state: State.measured };
  for (const [name, [value, error]] of Object.entries(spectrum.widths)) {
    known[name] = { value, error, state: State.measured };
  }
  for (const table of tables) {
    const found = table.of(spectrum.id);
    const seen = tally.joined.get(table.path);
    if (seen !== undefined && found === undefined) {
      seen.unlike ??= `its ids are like ${table.example}, those of spectra like ${spectrum.id}`;
    }
    if (found === undefined) continue;
    if (seen !== undefined) seen.count += 1;
    // the rounded value of a float column must not hide the pipeline's own redshift
    const { z: redshift, ...rest } = found;
    Object.assign(known, rest, known.z === undefined && redshift !== undefined ? { z: redshift } : {});
  }
  return known;
}

/** Fluxes of a spectrum in the bands [1e-19 erg/s/cm2/A] with the errors of pixels and flux calibration; NaN = not covered. */
interface Photometry {
  readonly flux: Float64Array;
  readonly error: Float64Array;
  readonly covered: number;
}

/** A spectrum as it stays where it is. */
const STAY: Movement = { stretch: 1, dimming: 1 };

function photometryOf(
  { passbands, options, gridOf }: Pipeline,
  pixels: Pixels,
  { stretch, dimming }: Movement,
): Photometry {
  const flux = new Float64Array(passbands.length).fill(Number.NaN);
  const error = new Float64Array(passbands.length);
  const grid = gridOf(pixels.wavelength);
  const first = pixels.wavelength[pixels.ivar.findIndex((ivar) => ivar > 0)] * stretch;
  const last = pixels.wavelength[pixels.ivar.findLastIndex((ivar) => ivar > 0)] * stretch;
  const unit = SPECTRUM_UNIT * dimming;
  let covered = 0;
  passbands.forEach(({ table, pivot }, j) => {
    const measured = integrate(pixels, grid, table, stretch);
    if (measured === undefined) return;
    const toEnd = Math.max(0, Math.min(pivot - first, last - pivot));
    const calibration = options.observed.calibration * (1 + END_ERROR * Math.exp(-toEnd / END_LENGTH));
    flux[j] = measured.flux * unit;
    error[j] = Math.hypot(measured.error * unit, calibration * flux[j]);
    covered += 1;
  });
  return { flux, error, covered };
}

/** Causes of a missing band for which a catalogue's flux can stand in. */
const NOT_COVERED = [codeOf("spectrum"), codeOf("footprint")];

/** Catalogue fluxes of bands that the spectrum does not cover take their place, with their errors and states. */
function addJoined({ observer }: Pipeline, known: Known, { flux, error, state, cause }: Observation): void {
  observer.bands.forEach(({ name, hasState }, j) => {
    const found = known[name];
    if (found === undefined || !NOT_COVERED.includes(cause[j])) return;
    // a band without a state column can only tell what is measured
    if (!hasState && found.state !== State.measured) return;
    flux[j] = found.value;
    error[j] = found.error > 0 ? found.error : Number.NaN;
    state[j] = found.state;
    cause[j] = 0;
  });
}

/** Draws a redshift at which the spectrum still covers enough bands and its stars exist already, and moves it there. */
function drawMoved(
  pipeline: Pipeline,
  pixels: Pixels,
  z: number,
  limits: { readonly covered: number; readonly age: number },
  rng: Rng,
): { readonly redshift: number; readonly photometry: Photometry } | undefined {
  const [low, high] = pipeline.options.observed.moveRedshift ?? [z, z];
  for (let attempt = 0; attempt < MOVE_ATTEMPTS; attempt++) {
    const redshift = low + (high - low) * rng.uniform();
    if (limits.age > ageOfUniverse(redshift)) continue;
    const photometry = photometryOf(pipeline, pixels, movement(z, redshift));
    if (photometry.covered >= limits.covered) return { redshift, photometry };
  }
  return undefined;
}

function labelsOf({ labelNames }: Pipeline, known: Known, redshift: number | undefined): number[] {
  return labelNames.map((name) => {
    if (name === "z") return redshift ?? Number.NaN;
    const found = known[name.replace(/_err$/, "")];
    if (found === undefined) return Number.NaN;
    return name.endsWith("_err") ? (found.error > 0 ? found.error : Number.NaN) : found.value;
  });
}

/** Rows of one spectrum; a string says why there is none. */
function rowsOf(pipeline: Pipeline, spectrum: ObservedSpectrum): Row[] | string {
  const { options, observer, tally } = pipeline;
  const { warning } = spectrum;
  if (warning !== undefined && warnings[warning].isHopeless) return warning;
  const known = knowledgeOf(pipeline, spectrum);
  const z = known.z?.value;
  if (z === undefined && options.observed.requireRedshift) return warning ?? "no redshift";
  const { moveRedshift: range, rescale } = options.observed;
  if (range !== undefined && !(z !== undefined && z > 0)) return "no redshift to move it from";
  let pixels = repair(spectrum);
  if (rescale !== undefined) {
    const scaled = rescaled(pixels, pipeline.gridOf(pixels.wavelength), pipeline.rescaleBands, spectrum, known);
    if (typeof scaled === "string") return scaled;
    pixels = scaled.pixels;
    tally.rescaled.push(scaled.factors[scaled.factors.length >> 1]);
  }
  const photometry = photometryOf(pipeline, pixels, STAY);
  if (photometry.covered === 0) return "no coverage of any band";
  const rng = createRng(`${options.seed}:spectrum:${spectrum.id}`);
  const pointing = choosePointing(observer, rng);
  const unmoved = { redshift: z, photometry };
  const limits = { covered: LEAST_COVERED * photometry.covered, age: known.AGE?.value ?? 0 };
  const rows: Row[] = [];
  for (let draw = 0; draw < options.draws; draw++) {
    const moved = range === undefined || z === undefined ? unmoved : drawMoved(pipeline, pixels, z, limits, rng);
    if (moved === undefined) return `no coverage at z ${range?.join(" - ")}, or older than the universe there`;
    const { flux, error } = moved.photometry;
    const { redshift } = moved;
    const [logMass, logSfr] = [known.LOGM?.value, known.LOGSFR?.value];
    const row = { flux, error, isBehindDust: true, redshift, logMass, logSfr };
    const observation = observe(observer, row, rng, pointing);
    if (moved === unmoved) addJoined(pipeline, known, observation);
    const labels = labelsOf(pipeline, known, moved.redshift);
    const clean = options.fluxes === "observed" ? {} : { clean: flux };
    const observed = options.fluxes === "clean" ? {} : { observation };
    rows.push({ objectId: `${spectrum.id}-${draw}`, parentId: spectrum.id, labels, ...observed, ...clean });
  }
  return rows;
}

/**
 * Photometry of observed spectra as the survey would see it, one batch per spectrum that can be used: the survey's noise
 * added, the spectrum's own error propagated into `<BAND>_err`, bands that it does not cover not observed (NaN). Paths
 * are files, folders and patterns. Labels: z, and rest-frame EWs with errors where the file has them, and what the
 * tables of `labels` know; the rest is NaN. `tally` counts what became of the spectra.
 * @throws UserError for a path without spectra, a file of another kind, a table that cannot be read.
 */
export async function* simulateFromSpectra(
  paths: readonly string[],
  request: SpectraRequest,
  tally: Tally = createTally(),
): AsyncGenerator<Table, void, undefined> {
  const pipeline = await createPipeline(request, tally);
  for (const path of expandPaths(paths)) {
    for await (const spectrum of readSpectra(path)) {
      tally.spectra += 1;
      const rows = rowsOf(pipeline, spectrum);
      if (typeof rows === "string") count(tally.skipped, rows);
      else {
        tally.rows += rows.length;
        // a fibre's light is part of the galaxy's, unless it was scaled to the total
        const isWhole = pipeline.options.observed.rescale !== undefined;
        const table = tableOf(rows, pipeline.observer, pipeline.survey, pipeline.labelNames, isWhole);
        yield { ...table, metadata: { ...table.metadata, [SOURCES]: pipeline.sources, spectra: OBSERVED } };
      }
    }
    tally.files += 1;
  }
}
