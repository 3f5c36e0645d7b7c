/** How many redshifts come out right, by what a galaxy is like: its magnitude, and the flux of Halpha. */
import { createRng } from "../random.ts";
import type { ReportTable } from "../report/html.ts";
import { lines } from "../simulate/lines.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import type { Survey } from "../survey/survey.ts";
import { convertUnit, convertValue, magnitudesAB } from "../survey/units.ts";
import { number } from "../text.ts";
import { type TruthAnswers, weightsOf } from "./evaluate.ts";
import { lineFlux, linesOf } from "./line-flux.ts";
import { type ScoreBin, scoreBins } from "./metric-bins.ts";
import { type MetricName, metrics, type Predictions } from "./metrics.ts";
import type { Units } from "./resampling.ts";

/** Shares within a limit, as M-TOPnet tells them (Ginolfi et al. 2025, A&A 693, A73), and the scatter. */
const TOLD = ["within0025", "within005", "within01", "within1", "sigmaNmad"] as const satisfies readonly MetricName[];

/** Width of the bins in magnitude, of surveys that say what they are made for. */
const MAGNITUDE_STEP = 0.5;
/** Ends of the bins in line flux [FLUX_UNIT]; all without emission are in none. */
const FLUX_EDGES = [0, 0.3, 1, 3, 10, 30, Infinity];
const FLUX_UNIT = "1e-17 erg/s/cm2";
/** Lines this near are the same [Angstrom]. */
const SAME = 3;

/** Shares of right redshifts in bins of 30 galaxies or more. */
export interface Recovery {
  /** By AB magnitude, as observed, in the band that the survey limits its sample by. */
  readonly magnitude?: { readonly band: string; readonly bins: readonly ScoreBin[] };
  /** By flux of Halpha. */
  readonly line?: {
    readonly name: string;
    readonly unit: string;
    /**
     * Galaxies whose flux is the true width times the continuum at the line, straight through the bands around it; and those that have
     * no band on one side, where it is the observed width times the flux density of the band that the line is in, less the line.
     */
    readonly continuum: number;
    readonly band: number;
    /** Galaxies without a flux: the width is not known, or no band is at the line. */
    readonly unknown: number;
    readonly bins: readonly ScoreBin[];
  };
}

const isMeasured = ({ fields, state }: Catalog, row: number, j: number): boolean =>
  state[row * fields.length + j] === State.measured;

/** [rows] True fluxes of a line [FLUX_UNIT], NaN where not known, and how many come from what. */
export function trueLineFluxes(
  catalog: Catalog,
  rows: Int32Array,
  name: string,
): { flux: Float64Array; continuum: number; band: number } | undefined {
  const { fields, value, error } = catalog;
  const n = fields.length;
  const z = fields.findIndex(({ kind }) => kind === "redshift");
  const line = linesOf(fields).find((one) => one.name === name);
  const derived = line && lineFlux(name, fields, "recovery");
  const bands = fields.flatMap((field, j) => (field.band === undefined ? [] : [j]));
  const conversion = bands.length === 0 ? undefined : convertUnit(fields[bands[0]].unit, `${FLUX_UNIT}/A`);
  if (line === undefined || derived === undefined || conversion === undefined || z < 0) return undefined;
  let [continuum, band] = [0, 0];
  const flux = Float64Array.from(rows, (row) => {
    if (!isMeasured(catalog, row, z) || !isMeasured(catalog, row, line.column)) return Number.NaN;
    const known = (of: ArrayLike<number>, missing: number): Float64Array =>
      Float64Array.from(fields, (_, j) => (isMeasured(catalog, row, j) ? of[row * n + j] : missing));
    const light = { z: value[row * n + z], flux: known(value, Number.NaN), error: known(error, 0) };
    // lines whose width is not known add nothing to the bands
    const widths = derived.needs.map((j) => (isMeasured(catalog, row, j) ? value[row * n + j] : 0));
    const whole = derived.of(widths, light);
    if (!Number.isNaN(whole)) {
      continuum++;
      return convertValue(conversion, whole);
    }
    const width = value[row * n + line.column] * (1 + light.z);
    const own = bandAt(fields, bands, line.wavelength * (1 + light.z), light.flux);
    if (own === undefined) return Number.NaN;
    band++;
    return convertValue(conversion, (width * light.flux[own.j]) / (1 + Math.max(0, width) / own.width));
  });
  return { flux, continuum, band };
}

/** The narrowest band with a flux that an observed wavelength is in, and its width [Angstrom]. */
function bandAt(
  fields: readonly Field[],
  bands: readonly number[],
  at: number,
  flux: Float64Array,
): { j: number; width: number } | undefined {
  const [first] = bands
    .flatMap((j) => {
      const [from, to] = fields[j].band!.edges;
      return at >= from && at <= to && !Number.isNaN(flux[j]) ? [{ j, width: to - from }] : [];
    })
    .sort((a, b) => a.width - b.width);
  return first;
}

/** By magnitude in the band that the survey's sample is limited in. */
function byMagnitude(p: Predictions, catalog: Catalog, rows: Int32Array, { file }: Survey, seed: string): Recovery {
  const { sample } = file;
  const j = catalog.fields.findIndex(({ name, band }) => band !== undefined && name === sample?.band);
  if (sample === undefined || j < 0) return {};
  const field = catalog.fields[j];
  const magnitudeOf = magnitudesAB(field);
  const magnitude = Float64Array.from(rows, (row) =>
    isMeasured(catalog, row, j) ? magnitudeOf(catalog.value[row * catalog.fields.length + j]) : Number.NaN,
  );
  const count = Math.ceil((sample.faint - sample.bright) / MAGNITUDE_STEP);
  const edges = Array.from({ length: count + 1 }, (_, i) => sample.bright + i * MAGNITUDE_STEP);
  const bins = scoreBins(p, "redshift", magnitude, edges, createRng(`${seed}:recovery:magnitude`), TOLD);
  return bins.length === 0 ? {} : { magnitude: { band: field.name, bins } };
}

/** By the flux of Halpha, where the survey has its width. */
function byLine(p: Predictions, catalog: Catalog, rows: Int32Array, seed: string): Recovery {
  const line = linesOf(catalog.fields).find(({ wavelength }) => Math.abs(wavelength - lines.Halpha.wavelength) < SAME);
  const known = line && trueLineFluxes(catalog, rows, line.name);
  if (line === undefined || known === undefined) return {};
  const { flux, continuum, band } = known;
  const bins = scoreBins(p, "redshift", flux, FLUX_EDGES, createRng(`${seed}:recovery:line`), TOLD);
  if (bins.length === 0) return {};
  const unknown = rows.length - continuum - band;
  return { line: { name: line.name, unit: FLUX_UNIT, continuum, band, unknown, bins } };
}

/** Of the redshifts of one question to a network that knows spectra; undefined of others, and where no bin has galaxies enough. */
export function recoveryOf(
  survey: Survey,
  catalog: Catalog,
  network: TruthAnswers,
  units: Units["of"],
  seed: string,
): Recovery | undefined {
  const { fields } = catalog;
  const name = fields.find(({ kind }) => kind === "redshift")?.name;
  const known = name === undefined ? undefined : network.get(name);
  if (known === undefined || !fields.some(({ kind }) => kind === "spectrum")) return undefined;
  const { rows, predictions } = known;
  const weight = weightsOf(catalog, rows);
  const unit = Array.from(rows, (row) => units[row]);
  const whole = { ...predictions, unit, ...(weight === undefined ? {} : { weight }) };
  const found = { ...byMagnitude(whole, catalog, rows, survey, seed), ...byLine(whole, catalog, rows, seed) };
  return Object.keys(found).length === 0 ? undefined : found;
}

/** What the report says of it. */
export function recoveryTables({ magnitude, line }: Recovery): ReportTable[] {
  const table = (title: string, label: string, unit: string, bins: readonly ScoreBin[]): ReportTable => ({
    title,
    columns: [{ label, unit }, { label: "galaxies" }, ...TOLD.map((metric) => ({ label: metrics[metric].title }))],
    rows: bins.map(({ from, to, rows, score }) => [
      to < Number.MAX_VALUE ? `${number(from)} – ${number(to)}` : `≥ ${number(from)}`,
      rows,
      ...TOLD.map((metric) => score[metric]),
    ]),
  });
  return [
    ...(magnitude === undefined
      ? []
      : [table(`Redshifts by ${magnitude.band} magnitude`, magnitude.band, "AB", magnitude.bins)]),
    ...(line === undefined
      ? []
      : [
          table(
            `Redshifts by ${line.name}: true width times the continuum between bands (${line.continuum} galaxies), or times the flux of ` +
              `the band at the line (${line.band}); not known of ${line.unknown}`,
            line.name,
            line.unit,
            line.bins,
          ),
        ]),
  ];
}
