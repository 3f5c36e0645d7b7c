/** From the vector columns of a batch to the pixels of one spectrum field. */
import type { ColumnData } from "../io/table.ts";
import type { SpectrumBinding } from "./bind-spectra.ts";
import type { Binding } from "./bind.ts";
import type { ArrayColumn, Catalog } from "./catalog.ts";
import { type Columns, meant } from "./cells.ts";
import { type SpectrumField, State } from "./field.ts";
import { createResampler, isObserved, keepPixel, type Resampler } from "./spectrum-grid.ts";

/** A spectrum with finite fluxes, none of which has an error to use, a place, or no flag. */
const UNUSABLE = "a spectrum without a usable pixel";
const OUTSIDE = "a spectrum outside the wavelengths of its field";

/** Told of a spectrum that is there and can't be used, and why. */
export type PixelReject = (row: number, field: string, reason: string, example: string) => void;

/** Median of the absolute values of what is finite; 0 of nothing. */
function medianAbsolute(values: Float64Array): number {
  const sizes = values.filter(Number.isFinite).map(Math.abs).sort();
  return sizes.length === 0 ? 0 : sizes[sizes.length >> 1];
}

/** Pixels of one row, as the table has them, in the field's unit. */
interface Room {
  readonly flux: Float64Array;
  readonly ivar: Float64Array;
  readonly wave: Float64Array;
}

/** Inverse variance of one pixel in the field's unit; 0 where it is not usable. */
function weightOf({ errorKind, errorFactor }: SpectrumBinding, stored: number): number {
  if (!(stored > 0 && stored < Infinity)) return 0;
  return errorKind === "ivar" ? stored / errorFactor ** 2 : 1 / (stored * errorFactor) ** 2;
}

/** Fills the room with row `row`; returns whether any flux is there and whether any of it is usable. */
function fillRow(
  bound: SpectrumBinding,
  columns: Columns,
  row: number,
  magic: readonly number[],
  { flux, ivar, wave }: Room,
): { readonly isThere: boolean; readonly isUsable: boolean } {
  const of = (name: string | undefined): ColumnData | undefined =>
    name === undefined ? undefined : columns.get(name)?.data;
  const [values = [], errors, masks] = [of(bound.value), of(bound.error), of(bound.mask)];
  const places = typeof bound.wavelength === "string" ? of(bound.wavelength) : undefined;
  const { length } = flux;
  let isThere = false;
  let isUsable = false;
  for (let k = 0, at = row * length; k < length; k++, at++) {
    const stored = Number(values[at]);
    const isMagic = magic.includes(meant(stored, magic));
    flux[k] = isMagic ? Number.NaN : stored * bound.factor;
    const isFlagged = masks !== undefined && Number(masks[at]) !== 0;
    const weight = errors === undefined ? 1 : weightOf(bound, Number(errors[at]));
    const isFinite = Number.isFinite(flux[k]);
    ivar[k] = isFlagged || !isFinite ? 0 : weight;
    if (places !== undefined) wave[k] = bound.toVacuum(Number(places[at]));
    isThere ||= isFinite;
    isUsable ||= ivar[k] > 0 && (places === undefined || wave[k] > 0);
  }
  if (bound.relativeError !== undefined) {
    const sigma = bound.relativeError * medianAbsolute(flux);
    for (let k = 0; k < length; k++) ivar[k] *= sigma > 0 ? sigma ** -2 : 0;
    isUsable &&= sigma > 0;
  }
  return { isThere, isUsable };
}

/** Pixels that are on the grid already. */
const onGrid: Resampler = (_wave, flux, ivar, into) => {
  let isAny = false;
  for (let k = 0; k < flux.length; k++) {
    isAny = keepPixel(into, k, flux[k], isObserved(flux[k], ivar[k]) ? ivar[k] : 0) || isAny;
  }
  return isAny;
};

/** Wavelengths between which a spectrum lies, for a message. */
function spanOf(wave: Float64Array): string {
  const some = wave.filter((x) => x > 0 && x < Infinity).sort();
  return some.length === 0 ? "no wavelengths" : `${Math.round(some[0])} - ${Math.round(some[some.length - 1])} A`;
}

/** Reads one field's spectra; `reject` is told of those without a usable pixel, and without one on the grid. */
function readSpectra(
  columns: Columns,
  rowCount: number,
  bound: SpectrumBinding,
  { grid }: SpectrumField,
  magic: readonly number[],
  into: ArrayColumn,
  use: (row: number) => void,
  reject: (row: number, reason: string, example: string) => void,
): void {
  const width = columns.get(bound.value)?.width ?? 0;
  const fixed = bound.wavelength instanceof Float64Array ? bound.wavelength : undefined;
  const wave = fixed ?? new Float64Array(width);
  const room: Room = { flux: new Float64Array(width), ivar: new Float64Array(width), wave };
  const put = bound.wavelength === undefined ? onGrid : createResampler(grid);
  for (let row = 0; row < rowCount; row++) {
    const { isThere, isUsable } = fillRow(bound, columns, row, magic, room);
    if (!isThere) continue;
    if (!isUsable) {
      reject(row, UNUSABLE, `${width} pixels`);
      continue;
    }
    const [from, to] = [row * into.width, (row + 1) * into.width];
    const pixels = { value: into.value.subarray(from, to), ivar: into.ivar.subarray(from, to) };
    if (put(fixed ?? wave.slice(), room.flux, room.ivar, pixels)) use(row);
    else reject(row, OUTSIDE, spanOf(wave));
  }
}

/** Where the pixels of a batch go. */
interface PixelSink extends Pick<Catalog, "fields" | "rowCount" | "state"> {
  readonly arrays: Catalog["arrays"] | undefined;
}

/**
 * Reads the spectra of a batch: units converted, put on their fields' grids; returns how many there are. A pixel is observed
 * where its flux is a finite number that is not magic, its error is above 0 and finite, and no mask is set. Rows in which no
 * flux stands are passed over; those in which nothing is usable, or nothing on the grid, are rejected: not observed.
 */
export function readPixels(
  columns: Columns,
  { spectra, layout }: Binding,
  { fields, rowCount, state, arrays }: PixelSink,
  reject: PixelReject,
): number {
  let count = 0;
  for (const bound of spectra) {
    const field = fields[bound.field];
    const into = arrays?.get(field.name);
    if (field.kind !== "spectrum" || into === undefined) continue;
    const use = (row: number): void => {
      state[row * fields.length + bound.field] = State.measured;
      count++;
    };
    readSpectra(columns, rowCount, bound, field, layout.magic, into, use, (row, reason, example) =>
      reject(row, field.name, reason, example),
    );
  }
  return count;
}
