import type { Curve } from "../model/distribution.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { bandCount, contextScale } from "./scale.ts";
import { floorSoftness, scaledSoftness, transforms } from "./transform.ts";

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
}

/**
 * From units to what the network sees and back, for the fields of one vocabulary. A band's value is a colour relative
 * to `scale` (see `contextScale`); with scale 0 it is an absolute asinh magnitude.
 */
export interface FieldCoder {
  readonly fields: readonly Field[];
  readonly nField: number;
  readonly nBand: number;
  /** [nBand] Pivot wavelengths [Angstrom]. */
  readonly bandPosition: readonly number[];
  /** [nBand] Moments of bands relative to their scale. */
  readonly bandMean: readonly number[];
  readonly bandDeviation: readonly number[];
  readonly standardisation: Standardisation;
  /** Standardised, transformed value of field `j`. */
  encode(j: number, x: number, scale: number): number;
  /** The error that goes with it, to first order. */
  encodeError(j: number, x: number, error: number, scale: number): number;
  decode(j: number, v: number, scale: number): number;
  /** `decode` of field `j` at this scale in closed form. */
  curve(j: number, scale: number): Curve;
  encodeScale(scale: number): number;
  /** d(encoded) / d ln(flux) of band `j`: what a small zero-point shift is multiplied by. */
  zeroPointSlope(j: number, x: number, scale: number): number;
  /** 1 - tanh^2 of the transformed value: how much of a zero-point shift stretches the encoded space. */
  zeroPointCurvature(j: number, x: number, scale: number): number;
}

export function createFieldCoder(fields: readonly Field[], standardisation: Standardisation): FieldCoder {
  const nBand = bandCount(fields);
  const kinds = fields.map((field) => transforms[field.kind]);
  const floors = fields.map(floorSoftness);
  // Softness and origin of all bands at the scale asked last: a galaxy asks for all of them in a row.
  const softness = Float64Array.from(floors);
  const origin = new Float64Array(fields.length);
  let current = 0;
  const moveTo = (scale: number): void => {
    if (scale === current) return;
    current = scale;
    for (let j = 0; j < nBand; j++) {
      softness[j] = scale > 0 ? scaledSoftness(floors[j], scale) : floors[j];
      origin[j] = scale > 0 ? Math.asinh(scale / (2 * softness[j])) : 0;
    }
  };
  const moments = (j: number, scale: number): Moments =>
    j < nBand && scale === 0 ? standardisation.absolute[j] : standardisation.fields[j];
  const slope = (j: number, x: number, scale: number): number => {
    moveTo(scale);
    return kinds[j].slope(x, softness[j]) / moments(j, scale).deviation;
  };
  return {
    fields,
    nField: fields.length,
    nBand,
    bandPosition: fields.flatMap((field) => (field.band === undefined ? [] : [field.band.pivot])),
    bandMean: standardisation.fields.slice(0, nBand).map(({ mean }) => mean),
    bandDeviation: standardisation.fields.slice(0, nBand).map(({ deviation }) => deviation),
    standardisation,
    encode(j, x, scale) {
      moveTo(scale);
      const { mean, deviation } = moments(j, scale);
      return (kinds[j].forward(x, softness[j]) - origin[j] - mean) / deviation;
    },
    encodeError: (j, x, error, scale) => error * slope(j, x, scale),
    decode(j, v, scale) {
      moveTo(scale);
      const { mean, deviation } = moments(j, scale);
      return kinds[j].inverse(v * deviation + mean + origin[j], softness[j]);
    },
    curve(j, scale) {
      moveTo(scale);
      const { mean, deviation } = moments(j, scale);
      return { ...kinds[j].curve(softness[j]), rate: deviation, shift: mean + origin[j] };
    },
    encodeScale(scale) {
      return scale > 0 ? (Math.log(scale) - standardisation.scale.mean) / standardisation.scale.deviation : 0;
    },
    zeroPointSlope: (j, x, scale) => x * slope(j, x, scale),
    zeroPointCurvature(j, x, scale) {
      moveTo(scale);
      const soft = 2 * softness[j];
      return (soft * soft) / (x * x + soft * soft);
    },
  };
}

/** Values beyond these quantiles don't widen the standard deviation. */
const TRIM = 0.01;

function trimmedMoments(values: number[]): Moments {
  if (values.length === 0) return { mean: 0, deviation: 1 };
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

/** Fits means and deviations, winsorised at 1 %, on the given rows (a bounded, evenly spaced part of many). */
export function fitStandardisation(catalog: Catalog, rows: ArrayLike<number>): Standardisation {
  const nField = catalog.fields.length;
  const nBand = bandCount(catalog.fields);
  const unit: Moments = { mean: 0, deviation: 1 };
  const plain = createFieldCoder(catalog.fields, {
    fields: catalog.fields.map(() => unit),
    absolute: catalog.fields.map(() => unit),
    scale: unit,
  });
  const all = new Uint8Array(nField).fill(1);
  const relative: number[][] = catalog.fields.map(() => []);
  const absolute: number[][] = catalog.fields.slice(0, nBand).map(() => []);
  const scales: number[] = [];
  const stride = Math.max(1, rows.length / MOST_ROWS);
  for (let i = 0; i < rows.length; i += stride) {
    const row = rows[Math.floor(i)];
    const scale = contextScale(catalog, row, all, nBand);
    if (scale > 0) scales.push(Math.log(scale));
    const observed = catalog.fields.flatMap((_, j) =>
      catalog.state[row * nField + j] === State.notObserved ? [] : [{ j, x: catalog.value[row * nField + j] }],
    );
    for (const { j, x } of observed) relative[j].push(plain.encode(j, x, scale));
    for (const { j, x } of observed) if (j < nBand) absolute[j].push(plain.encode(j, x, 0));
  }
  return {
    fields: relative.map(trimmedMoments),
    absolute: absolute.map(trimmedMoments),
    scale: trimmedMoments(scales),
  };
}
