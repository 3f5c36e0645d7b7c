import type { Field } from "./field.ts";
import { State } from "./field.ts";

/** Pixels of an array field, row after row. */
export interface ArrayColumn {
  /** Numbers a row. */
  readonly width: number;
  /** [rowCount, width] In the field's unit; 0 where a pixel is not observed. */
  readonly value: Float32Array;
  /** [rowCount, width] Inverse variance; 0 where a pixel is not observed. */
  readonly ivar: Float32Array;
}

/**
 * Galaxies with units, errors and states: what leaves `survey/` and enters `tokens/`.
 * Matrices are row-major: entry (row i, field j) is at `i * fields.length + j`. Only this file copies rows.
 */
export interface Catalog {
  readonly fields: readonly Field[];
  readonly rowCount: number;
  /** [rowCount] */
  readonly objectId: readonly string[];
  /** The ids are numbers of one column of the table: answers carry them as such. Absent where they are texts. */
  readonly idType?: "int64" | "float64";
  /** [rowCount] Noise draws of one galaxy share their parent; splits are by parent. */
  readonly parentId: readonly string[];
  /** [rowCount] Pointing or tile, where the table says: noise and zero-points are shared within one. */
  readonly tile?: readonly string[];
  /** [rowCount] What observed the row, where the table says. */
  readonly instrument?: readonly string[];
  /** [rowCount] How many galaxies of the natural population a row stands for, relative to the others; all alike without it. */
  readonly weight?: Float32Array;
  /** [rowCount, nField] In the field's unit; the class's index; 0 where not observed; the limit itself for an upper limit. */
  readonly value: Float32Array;
  /** [rowCount, nField] 1 sigma, same unit, > 0 for fluxes unless they are exact (simulated ones without noise); 0 = error unknown or negligible (labels). */
  readonly error: Float32Array;
  /** [rowCount, nField] One of `State`. */
  readonly state: Uint8Array;
  /** Pixels of the array fields, by the field's name. */
  readonly arrays?: ReadonlyMap<string, ArrayColumn>;
}

/** Columns that a catalogue may have beside its ids. */
export interface RowColumns {
  readonly hasTile?: boolean;
  readonly hasInstrument?: boolean;
  readonly hasWeight?: boolean;
  /** Names of the array fields that have pixels; default: all. */
  readonly pixels?: readonly string[];
}

const widthOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Bytes that the pixels of one row take in memory. */
export function pixelBytes(fields: readonly Field[]): number {
  const pixels = fields.map((field) =>
    field.kind === "spectrum" || field.kind === "image" ? widthOf(field.shape) : 0,
  );
  return 8 * pixels.reduce((sum, count) => sum + count, 0);
}

/** A catalogue in which nothing is observed yet and every id is empty: room for `rowCount` rows. */
export function emptyCatalog(fields: readonly Field[], rowCount: number, columns: RowColumns = {}): Catalog {
  const size = rowCount * fields.length;
  const blank = (): string[] => Array.from({ length: rowCount }, () => "");
  const pixels = fields.flatMap((field): [string, ArrayColumn][] => {
    if (field.kind !== "spectrum" && field.kind !== "image") return [];
    if (columns.pixels?.includes(field.name) === false) return [];
    const width = widthOf(field.shape);
    const column = (): Float32Array => new Float32Array(rowCount * width);
    return [[field.name, { width, value: column(), ivar: column() }]];
  });
  return {
    fields,
    rowCount,
    objectId: blank(),
    parentId: blank(),
    ...(columns.hasTile === true ? { tile: blank() } : {}),
    ...(columns.hasInstrument === true ? { instrument: blank() } : {}),
    ...(columns.hasWeight === true ? { weight: new Float32Array(rowCount).fill(1) } : {}),
    value: new Float32Array(size),
    error: new Float32Array(size),
    state: new Uint8Array(size),
    ...(pixels.length === 0 ? {} : { arrays: new Map(pixels) }),
  };
}

/** What a row has but its fields. */
function copyIdentity(from: Catalog, row: number, to: Catalog, at: number): void {
  const put = (into: readonly string[] | undefined, of: readonly string[] | undefined): void => {
    if (into !== undefined) (into as string[])[at] = of?.[row] ?? "";
  };
  put(to.objectId, from.objectId);
  put(to.parentId, from.parentId);
  put(to.tile, from.tile);
  put(to.instrument, from.instrument);
  if (to.weight !== undefined) to.weight[at] = from.weight?.[row] ?? 1;
}

/** Copies row `row` of `from`, ids and pixels included, to row `at` of `to`, which has the same fields and its own memory. */
export function copyRow(from: Catalog, row: number, to: Catalog, at: number): void {
  const n = from.fields.length;
  for (let i = row * n, k = at * n; i < (row + 1) * n; i++, k++) {
    to.value[k] = from.value[i];
    to.error[k] = from.error[i];
    to.state[k] = from.state[i];
  }
  copyIdentity(from, row, to, at);
  for (const [name, column] of to.arrays ?? []) {
    const source = from.arrays?.get(name);
    if (source === undefined) continue;
    const { width } = column;
    column.value.set(source.value.subarray(row * width, (row + 1) * width), at * width);
    column.ivar.set(source.ivar.subarray(row * width, (row + 1) * width), at * width);
  }
}

function columnsOf(catalogs: readonly Catalog[]): RowColumns {
  return {
    hasTile: catalogs.some(({ tile }) => tile !== undefined),
    hasInstrument: catalogs.some(({ instrument }) => instrument !== undefined),
    hasWeight: catalogs.some(({ weight }) => weight !== undefined),
    pixels: [...new Set(catalogs.flatMap(({ arrays }) => [...(arrays?.keys() ?? [])]))],
  };
}

/** The rows named, in that order, as a catalogue of their own. */
export function select(catalog: Catalog, rows: ArrayLike<number>): Catalog {
  const chosen = emptyCatalog(catalog.fields, rows.length, columnsOf([catalog]));
  for (let at = 0; at < rows.length; at++) copyRow(catalog, rows[at], chosen, at);
  return catalog.idType === undefined ? chosen : { ...chosen, idType: catalog.idType };
}

/** Catalogues of the same fields, one below the other; a single one is returned as it is. */
export function concat(catalogs: readonly Catalog[]): Catalog {
  if (catalogs.length === 1) return catalogs[0];
  const rowCount = catalogs.reduce((sum, catalog) => sum + catalog.rowCount, 0);
  const whole = emptyCatalog(catalogs[0].fields, rowCount, columnsOf(catalogs));
  const n = catalogs[0].fields.length;
  let at = 0;
  for (const catalog of catalogs) {
    whole.value.set(catalog.value, at * n);
    whole.error.set(catalog.error, at * n);
    whole.state.set(catalog.state, at * n);
    for (let row = 0; row < catalog.rowCount; row++) copyIdentity(catalog, row, whole, at + row);
    for (const [name, column] of whole.arrays ?? []) {
      const part = catalog.arrays?.get(name);
      if (part === undefined) continue;
      column.value.set(part.value, at * column.width);
      column.ivar.set(part.ivar, at * column.width);
    }
    at += catalog.rowCount;
  }
  const { idType } = catalogs[0];
  const isSame = idType !== undefined && catalogs.every((catalog) => catalog.idType === idType);
  return isSame ? { ...whole, idType } : whole;
}

/** The same rows with the fields for which `isHidden` not observed; shares everything but the states. */
export function hide(catalog: Catalog, isHidden: (field: Field, j: number) => boolean): Catalog {
  const n = catalog.fields.length;
  const state = catalog.state.slice();
  catalog.fields.forEach((field, j) => {
    if (!isHidden(field, j)) return;
    for (let at = j; at < state.length; at += n) state[at] = State.notObserved;
  });
  return { ...catalog, state };
}

/** The same rows without the pixels of array fields; their states stay. */
export function withoutPixels(catalog: Catalog): Catalog {
  const { arrays: _, ...rest } = catalog;
  return rest;
}

/** What observed row `row`; undefined where the table doesn't say. */
export function instrumentOf({ instrument }: Catalog, row: number): string | undefined {
  const name = instrument?.[row];
  return name === "" ? undefined : name;
}

/** Every row of a catalogue, in order. */
export function allRows({ rowCount }: Pick<Catalog, "rowCount">): Int32Array {
  return Int32Array.from({ length: rowCount }, (_, i) => i);
}
