import { quantile, sortFinite } from "../report/statistics.ts";
import { type Field, State } from "../survey/field.ts";
import { magnitudesAB } from "../survey/units.ts";
import type { Sample } from "./sample.ts";

/** Arrays that figures need, taken from a sample; NaN where there is nothing. */

export function fieldIndex({ survey }: Sample, name: string): number {
  return survey.fields.findIndex((field) => field.name === name);
}

function column(sample: Sample, j: number, of: (at: number) => number): Float64Array {
  const { rowCount, fields, state } = sample.catalog;
  return Float64Array.from({ length: rowCount }, (_, row) => {
    const at = row * fields.length + j;
    return state[at] === State.measured ? of(at) : Number.NaN;
  });
}

/** Measured values of a field; undefined where the table has none. */
export function valuesOf(sample: Sample, name: string): Float64Array | undefined {
  const j = fieldIndex(sample, name);
  if (j < 0) return undefined;
  const values = column(sample, j, (at) => sample.catalog.value[at]);
  return values.some(Number.isFinite) ? values : undefined;
}

/** Measured redshifts; undefined where the table has none. */
export function redshiftsOf(sample: Sample): Float64Array | undefined {
  const field = sample.survey.fields.find(({ kind }) => kind === "redshift");
  return field === undefined ? undefined : valuesOf(sample, field.name);
}

/** As {@link valuesOf}, without the values whose error is known and larger than value / `least`. */
export function significantValues(sample: Sample, name: string, least: number): Float64Array | undefined {
  const values = valuesOf(sample, name);
  if (values === undefined) return undefined;
  const errors = column(sample, fieldIndex(sample, name), (at) => sample.catalog.error[at]);
  return values.map((value, i) => (value > least * errors[i] ? value : Number.NaN));
}

/** Median of `least` sigma over the values of a field that have an error; 0 where errors are unknown. */
export function detectionLimit(sample: Sample, name: string, least: number): number {
  const j = fieldIndex(sample, name);
  if (j < 0) return 0;
  const errors = sortFinite(column(sample, j, (at) => sample.catalog.error[at] || Number.NaN));
  return errors.length === 0 ? 0 : least * quantile(errors, 0.5);
}

/** Flux over error of band `j`, of all rows where it has both (also non-detections). */
export function signalToNoise({ catalog }: Sample, row: number, j: number): number {
  const at = row * catalog.fields.length + j;
  const isKnown = catalog.state[at] === State.measured || catalog.state[at] === State.nonDetection;
  return isKnown ? catalog.value[at] / catalog.error[at] : Number.NaN;
}

/** AB magnitudes of band `j` where its signal-to-noise ratio is at least `least`. */
export function magnitudesOf(sample: Sample, j: number, least = 3): Float64Array {
  const { value, error } = sample.catalog;
  const magnitudeOf = magnitudesAB(sample.survey.fields[j]);
  return column(sample, j, (at) => (value[at] >= least * error[at] ? magnitudeOf(value[at]) : Number.NaN));
}

export function isNarrow({ band }: Field): boolean {
  return band?.group === "narrow";
}

/** Band of the kind asked for that is nearest to a wavelength [Angstrom]; undefined where none is within 8 %. */
export function bandNear({ survey }: Sample, wavelength: number, kind: "narrow" | "broad"): number | undefined {
  let best: number | undefined;
  let least = 0.08;
  survey.fields.forEach((field, j) => {
    if (field.band === undefined || isNarrow(field) !== (kind === "narrow")) return;
    const off = Math.abs(field.band.pivot / wavelength - 1);
    if (off < least) [best, least] = [j, off];
  });
  return best;
}

/** Bands by wavelength. */
export function bandsOf({ survey }: Sample): number[] {
  const { fields } = survey;
  return fields
    .flatMap(({ band }, j) => (band === undefined ? [] : [j]))
    .sort((a, b) => fields[a].band!.pivot - fields[b].band!.pivot);
}

/** Two samples cut to the same redshifts, where enough of the first is left to compare. */
export interface Slice {
  readonly labels: readonly [string, string];
  /** Of the sample, and of the other. */
  readonly rows: readonly number[];
  readonly otherRows: readonly number[];
  /** What the caption says of the cut. */
  readonly words: string;
}

const LEAST_SLICE = 300;

function rowsOf({ catalog }: Sample): number[] {
  return Array.from({ length: catalog.rowCount }, (_, row) => row);
}

/** Both samples between the 5th and the 95th percentile of the other's redshifts. */
export function comparable(sample: Sample, other: Sample): Slice {
  const [all, otherAll] = [rowsOf(sample), rowsOf(other)];
  const whole = { labels: [sample.label, other.label] as const, rows: all, otherRows: otherAll };
  const [z, zOther] = [redshiftsOf(sample), redshiftsOf(other)];
  if (z === undefined || zOther === undefined) return { ...whole, words: "" };
  const sorted = sortFinite(zOther);
  const [low, high] = [0.05, 0.95].map((level) => quantile(sorted, level));
  const rows = all.filter((row) => z[row] >= low && z[row] <= high);
  const range = `z ${low.toFixed(2)}–${high.toFixed(2)}`;
  if (rows.length < LEAST_SLICE) {
    const words = `All redshifts: only ${rows.length} of ${sample.label} share ${range} with ${other.label}.`;
    return { ...whole, words };
  }
  return {
    labels: [`${sample.label}, ${range}`, `${other.label}, ${range}`],
    rows,
    otherRows: otherAll.filter((row) => zOther[row] >= low && zOther[row] <= high),
    words: "Both at the same redshifts.",
  };
}

export function pick(values: Float64Array, rows: readonly number[]): Float64Array {
  return Float64Array.from(rows, (row) => values[row]);
}

interface Points {
  readonly label: string;
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** A sample and another, in the rows and under the labels of a slice. */
export function cutPair(samples: readonly Points[], { labels, rows, otherRows }: Slice): Points[] {
  return samples.map(({ x, y }, i) => {
    const chosen = i === 0 ? rows : otherRows;
    return { label: labels[i], x: pick(x, chosen), y: pick(y, chosen) };
  });
}

/** Smallest width whose distribution is compared [Angstrom]: below, real catalogues hold mostly noise. */
export const LEAST_WIDTH = 1;

/** The values of a property that a Kolmogorov-Smirnov distance is of. */
export function compared({ kind }: Field, values: Float64Array): Float64Array {
  return kind === "ew" ? values.filter((width) => width > LEAST_WIDTH) : values;
}
