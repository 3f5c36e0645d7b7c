import type { Curve } from "../model/distribution.ts";
import type { Catalog } from "../survey/catalog.ts";
import { spectrumAmplitude } from "./spectrum.ts";
import { type Field, State } from "../survey/field.ts";
import { createVocabulary, type Vocabulary } from "../survey/vocabulary.ts";
import { contextScale, referenceSed, type ScaleName } from "./scale.ts";
import { floorSoftness, scaledSoftness, transformOf } from "./transform.ts";

export interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

/** Fitted on training rows of the source only, stored in the checkpoint, never refitted. */
export interface Standardisation {
  /** One entry per field, in vocabulary order, of the transformed values; bands relative to their scale. */
  readonly fields: readonly Moments[];
  /** One entry per band, of the transformed values where no band is given and so no scale exists. */
  readonly absolute: readonly Moments[];
  /** Of ln(scale). */
  readonly scale: Moments;
  /** How the scale is formed. */
  readonly reference: ScaleName;
}

/**
 * From units to what the network sees and back, for the fields of one vocabulary. A band's value is a colour relative
 * to `scale` (see `contextScale`); with scale 0 it is an absolute asinh magnitude.
 */
export interface FieldCoder extends Vocabulary {
  readonly nField: number;
  /** [band] Moments of bands relative to their scale. */
  readonly bandMean: readonly number[];
  readonly bandDeviation: readonly number[];
  readonly standardisation: Standardisation;
  /** Scale of a row, given the fields flagged: see `contextScale`. */
  scaleOf(catalog: Catalog, row: number, isContext: Uint8Array): number;
  /** Standardised, transformed value of field `j`. */
  encode(j: number, x: number, scale: number): number;
  /** The error that goes with it, to first order. */
  encodeError(j: number, x: number, error: number, scale: number): number;
  decode(j: number, v: number, scale: number): number;
  /** `decode` of field `j` as a curve. */
  curve(j: number, scale: number): Curve;
  /** Ends of what field `j` may be, in its unit: its range, and no redshift below 0. */
  limits(j: number): readonly [low: number, high: number];
  encodeScale(scale: number): number;
  /** d(encoded) / d ln(flux) of band `j`: what a small zero-point shift is multiplied by. */
  zeroPointSlope(j: number, x: number, scale: number): number;
  /** How the encoding bends there, see `Bend`; of a straight one both are 0. */
  bend(j: number, x: number, scale: number): { readonly bend: number; readonly rate: number };
}

const UNIT: Moments = { mean: 0, deviation: 1 };
const STRAIGHT = { bend: 0, rate: 0 } as const;

/** Softness and origin of bands at the scale asked last: a galaxy asks for all of them in a row. */
function createOrigins(fields: readonly Field[], bands: Int32Array) {
  const floors = fields.map(floorSoftness);
  const softness = Float64Array.from(floors);
  const origin = new Float64Array(fields.length);
  let current = 0;
  return {
    softness,
    origin,
    moveTo(this: void, scale: number): void {
      if (scale === current) return;
      current = scale;
      for (const j of bands) {
        softness[j] = scale > 0 ? scaledSoftness(floors[j], scale) : floors[j];
        origin[j] = scale > 0 ? Math.asinh(scale / (2 * softness[j])) : 0;
      }
    },
  };
}

export function createFieldCoder(fields: readonly Field[], standardisation: Standardisation): FieldCoder {
  const vocabulary = createVocabulary(fields);
  const { band: bands } = vocabulary.groups;
  const kinds = fields.map(transformOf);
  const { softness, origin, moveTo } = createOrigins(fields, bands);
  const reference = referenceSed(fields, standardisation.reference);
  const isBand = Uint8Array.from(fields, ({ band }) => Number(band !== undefined));
  const moments = (j: number, scale: number): Moments =>
    scale === 0 && isBand[j] === 1 ? standardisation.absolute[vocabulary.slot[j]] : standardisation.fields[j];
  const slope = (j: number, x: number, scale: number): number => {
    if (isBand[j] === 1) moveTo(scale);
    return kinds[j].slope(x, softness[j]) / moments(j, scale).deviation;
  };
  const encode = (j: number, x: number, scale: number): number => {
    if (isBand[j] === 1) moveTo(scale);
    const { mean, deviation } = moments(j, scale);
    return (kinds[j].forward(x, softness[j]) - origin[j] - mean) / deviation;
  };
  const ofBands = (read: (one: Moments) => number): number[] =>
    Array.from(bands, (j) => read(standardisation.fields[j]));
  return {
    ...vocabulary,
    nField: fields.length,
    bandMean: ofBands(({ mean }) => mean),
    bandDeviation: ofBands(({ deviation }) => deviation),
    standardisation,
    scaleOf: (catalog, row, isContext) => contextScale(catalog, row, isContext, bands, reference),
    encode,
    encodeError: (j, x, error, scale) => error * slope(j, x, scale),
    decode(j, v, scale) {
      if (isBand[j] === 1) moveTo(scale);
      const { mean, deviation } = moments(j, scale);
      return kinds[j].inverse(v * deviation + mean + origin[j], softness[j]);
    },
    curve(j, scale) {
      if (isBand[j] === 1) moveTo(scale);
      const { mean, deviation } = moments(j, scale);
      return kinds[j].curve(deviation, mean + origin[j], softness[j]);
    },
    limits(j) {
      const [low, high] = fields[j].range;
      return [fields[j].kind === "redshift" ? Math.max(low, 0) : low, high];
    },
    encodeScale(scale) {
      return scale > 0 ? (Math.log(scale) - standardisation.scale.mean) / standardisation.scale.deviation : 0;
    },
    zeroPointSlope: (j, x, scale) => x * slope(j, x, scale),
    bend(j, x, scale) {
      if (isBand[j] === 1) moveTo(scale);
      const bend = kinds[j].bend(x, softness[j]);
      return bend === undefined ? STRAIGHT : { bend, rate: moments(j, scale).deviation };
    },
  };
}

/** Values beyond these quantiles don't widen the standard deviation. */
const TRIM = 0.01;

function trimmedMoments(values: number[]): Moments {
  const sorted = Float64Array.from(values).sort();
  const low = sorted[Math.floor(TRIM * (sorted.length - 1))];
  const high = sorted[Math.ceil((1 - TRIM) * (sorted.length - 1))];
  let sum = 0;
  let squares = 0;
  for (const value of sorted) {
    const kept = Math.min(Math.max(value, low), high);
    sum += kept;
    squares += kept * kept;
  }
  const mean = sum / sorted.length;
  return { mean, deviation: Math.sqrt(Math.max(squares / sorted.length - mean * mean, 1e-12)) };
}

/** Most rows that standardisation looks at. */
const MOST_ROWS = 20_000;

/** Most spectra whose amplitudes standardisation looks at. */
const MOST_SPECTRA = 2000;

/** What is standardised of field `j`: its value, ln(amplitude) of a spectrum; undefined where there is nothing to. */
function standardisedValue(catalog: Catalog, row: number, j: number): number | undefined {
  const { kind, name } = catalog.fields[j];
  const at = row * catalog.fields.length + j;
  if (catalog.state[at] === State.notObserved || kind === "category" || kind === "image") return undefined;
  if (kind !== "spectrum") return catalog.value[at];
  const column = catalog.arrays?.get(name);
  const amplitude = column === undefined ? 0 : spectrumAmplitude(column, row);
  return amplitude > 0 ? Math.log(amplitude) : undefined;
}

/** ln(wavelength) that two bands may be apart and still tell each other's moments. */
const NEAR = 0.3;

/**
 * Moments of a band that no row has, between those of its neighbours in wavelength: so that it means something when it is
 * given later. Undefined where there is no band to tell.
 */
function betweenNeighbours(fields: readonly Field[], found: readonly (Moments | undefined)[], j: number): Moments {
  const place = Math.log(fields[j].band!.pivot);
  const known = fields.flatMap((field, i) => {
    const own = found[i];
    if (field.band === undefined || own === undefined) return [];
    return [{ own, off: Math.log(field.band.pivot) - place, isAlike: field.band.group === fields[j].band!.group }];
  });
  const alike = known.filter(({ isAlike, off }) => isAlike && Math.abs(off) < NEAR);
  const near = (alike.length > 0 ? alike : known).sort((a, b) => Math.abs(a.off) - Math.abs(b.off));
  const [first] = near;
  if (first === undefined) return UNIT;
  const second = near.find(({ off }) => off * first.off < 0) ?? first;
  const share = first === second ? 0 : first.off / (first.off - second.off);
  const mix = (a: number, b: number): number => a + share * (b - a);
  return {
    mean: mix(first.own.mean, second.own.mean),
    deviation: mix(first.own.deviation, second.own.deviation),
  };
}

/**
 * Fits means and deviations, winsorised at 1 %, on the given rows (a bounded, evenly spaced part of many). Bands that are
 * nowhere observed take them from their neighbours.
 */
export function fitStandardisation(
  catalog: Catalog,
  rows: ArrayLike<number>,
  reference: ScaleName = "sed",
): Standardisation {
  const { fields } = catalog;
  const nField = fields.length;
  const bands = fields.flatMap((field, j) => (field.band === undefined ? [] : [j]));
  const unit = { fields: fields.map(() => UNIT), absolute: bands.map(() => UNIT), scale: UNIT, reference };
  const plain = createFieldCoder(fields, unit);
  const all = new Uint8Array(nField).fill(1);
  const relative: number[][] = fields.map(() => []);
  const absolute: number[][] = fields.map(() => []);
  const scales: number[] = [];
  const stride = Math.max(1, rows.length / MOST_ROWS);
  const apart = Math.max(1, Math.ceil(rows.length / stride / MOST_SPECTRA));
  for (let i = 0, count = 0; i < rows.length; i += stride, count++) {
    const row = rows[Math.floor(i)];
    const scale = plain.scaleOf(catalog, row, all);
    if (scale > 0) scales.push(Math.log(scale));
    const observed = fields.flatMap(({ kind }, j) => {
      const x = kind === "spectrum" && count % apart > 0 ? undefined : standardisedValue(catalog, row, j);
      return x === undefined ? [] : [{ j, x }];
    });
    for (const { j, x } of observed) relative[j].push(plain.encode(j, x, scale));
    for (const { j, x } of observed) if (fields[j].band !== undefined) absolute[j].push(plain.encode(j, x, 0));
  }
  const momentsOf = (values: readonly number[][]): Moments[] => {
    const found = values.map((some) => (some.length === 0 ? undefined : trimmedMoments(some)));
    return found.map((own, j) => own ?? (fields[j].band === undefined ? UNIT : betweenNeighbours(fields, found, j)));
  };
  const absoluteOf = momentsOf(absolute);
  return {
    fields: momentsOf(relative),
    absolute: bands.map((j) => absoluteOf[j]),
    scale: scales.length === 0 ? UNIT : trimmedMoments(scales),
    reference,
  };
}
