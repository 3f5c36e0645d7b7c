import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { bandCount, contextScale } from "./scale.ts";
import { softnessOf, transforms } from "./transform.ts";

export interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

/** Fitted on training rows of the source only, stored in the checkpoint, never refitted. */
export interface Standardisation {
  /** One entry per field, in vocabulary order, of the transformed values. */
  readonly fields: readonly Moments[];
  /** Of ln(scale). */
  readonly scale: Moments;
}

/** From units to what the network sees and back, for the fields of one vocabulary. */
export interface FieldCoder {
  readonly fields: readonly Field[];
  readonly standardisation: Standardisation;
  /** Standardised, transformed value of field `j`; `scale` as of `contextScale`. */
  encode(j: number, x: number, scale: number): number;
  /** The error that goes with it, to first order. */
  encodeError(j: number, x: number, error: number, scale: number): number;
  decode(j: number, v: number, scale: number): number;
  encodeScale(scale: number): number;
  /** d(encoded) / d ln(flux) at an encoded band value: what a small zero-point shift is multiplied by. */
  zeroPointSlope(j: number, v: number): number;
  readonly bandCount: number;
}

export function createFieldCoder(fields: readonly Field[], standardisation: Standardisation): FieldCoder {
  const kinds = fields.map((field) => transforms[field.kind]);
  const moments = standardisation.fields;
  return {
    fields,
    standardisation,
    bandCount: bandCount(fields),
    encode(j, x, scale) {
      return (kinds[j]!.forward(x, softnessOf(fields[j]!, scale)) - moments[j]!.mean) / moments[j]!.deviation;
    },
    encodeError(j, x, error, scale) {
      return (error * kinds[j]!.slope(x, softnessOf(fields[j]!, scale))) / moments[j]!.deviation;
    },
    decode(j, v, scale) {
      return kinds[j]!.inverse(v * moments[j]!.deviation + moments[j]!.mean, softnessOf(fields[j]!, scale));
    },
    zeroPointSlope(j, v) {
      return Math.tanh(v * moments[j]!.deviation + moments[j]!.mean) / moments[j]!.deviation;
    },
    encodeScale(scale) {
      return scale > 0 ? (Math.log(scale) - standardisation.scale.mean) / standardisation.scale.deviation : 0;
    },
  };
}

/**
 * Fits means and deviations on the given rows. A band counts once relative to the scale of all the row's bands
 * and once absolutely, since a query may or may not show bands.
 */
export function fitStandardisation(catalog: Catalog, rows: ArrayLike<number>): Standardisation {
  const nField = catalog.fields.length;
  const bands = bandCount(catalog.fields);
  const all = new Uint8Array(nField).fill(1);
  const sums = Array.from({ length: nField + 1 }, () => ({ n: 0, sum: 0, squares: 0 }));
  const add = (j: number, v: number): void => {
    const cell = sums[j]!;
    cell.n++;
    cell.sum += v;
    cell.squares += v * v;
  };
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    const scale = contextScale(catalog, row, all, bands);
    if (scale > 0) add(nField, Math.log(scale));
    for (let j = 0; j < nField; j++) {
      const at = row * nField + j;
      if (catalog.state[at] === State.notObserved) continue;
      const field = catalog.fields[j]!;
      const transform = transforms[field.kind];
      const x = catalog.value[at]!;
      add(j, transform.forward(x, softnessOf(field, scale)));
      if (field.band !== undefined && scale > 0) add(j, transform.forward(x, softnessOf(field, 0)));
    }
  }
  const moments = sums.map(({ n, sum, squares }): Moments => {
    if (n === 0) return { mean: 0, deviation: 1 };
    const mean = sum / n;
    return { mean, deviation: Math.sqrt(Math.max(squares / n - mean * mean, 1e-12)) || 1 };
  });
  return { fields: moments.slice(0, nField), scale: moments[nField]! };
}
