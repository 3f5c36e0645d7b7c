import type { Column, Table } from "../io/table.ts";
import type { Catalog } from "./catalog.ts";
import { State } from "./field.ts";
import { WEIGHT } from "./layout.ts";

/** By field: whether its errors and its states are columns. */
export interface TableColumns {
  readonly hasError: readonly boolean[];
  readonly hasState: readonly boolean[];
  /** Fluxes are exact: their columns are `true_<BAND>`, without errors. */
  readonly isExact: boolean;
}

/**
 * Vector columns of an array field: `<FIELD>` (NaN where a pixel is not observed) and `<FIELD>_ivar` (0 there); exact ones as
 * `true_<FIELD>` alone. None where the catalogue has no pixels of it.
 */
function pixelColumns(catalog: Catalog, rows: Int32Array, j: number, isExact: boolean): Column[] {
  const { name, unit, description } = catalog.fields[j];
  const source = catalog.arrays?.get(name);
  if (source === undefined) return [];
  const { width } = source;
  const value = new Float32Array(rows.length * width).fill(Number.NaN);
  const ivar = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    if (catalog.state[rows[i] * catalog.fields.length + j] === State.notObserved) continue;
    for (let k = i * width, from = rows[i] * width; k < (i + 1) * width; k++, from++) {
      if (!(source.ivar[from] > 0)) continue;
      [value[k], ivar[k]] = [source.value[from], source.ivar[from]];
    }
  }
  const told = isExact ? `true_${name}` : name;
  const flux: Column = { name: told, type: "float32", width, data: value, description, unit };
  return isExact ? [flux] : [flux, { name: `${name}_ivar`, type: "float32", width, data: ivar, unit: `(${unit})-2` }];
}

/**
 * Rows of a catalogue under the public column names: `<FIELD>` (NaN where not observed), `<FIELD>_err` (NaN where
 * unknown), `<FIELD>_state` for fields that can have other states than measured and not observed. Units as in the survey.
 */
export function catalogTable(catalog: Catalog, rows: Int32Array, { hasError, hasState, isExact }: TableColumns): Table {
  const n = catalog.fields.length;
  const text = (name: string, values: readonly string[]): Column => ({
    name,
    type: "string",
    width: 1,
    data: Array.from(rows, (row) => values[row]),
  });
  const columns: Column[] = [text("object_id", catalog.objectId), text("parent_id", catalog.parentId)];
  if (catalog.tile) columns.push(text("tile", catalog.tile));
  if (catalog.instrument) columns.push(text("instrument", catalog.instrument));
  const { weight } = catalog;
  if (weight) {
    columns.push({ name: WEIGHT, type: "float32", width: 1, data: Float32Array.from(rows, (row) => weight[row]) });
  }
  catalog.fields.forEach((field, j) => {
    const { unit, description } = field;
    const name = isExact && field.band !== undefined ? `true_${field.name}` : field.name;
    if (field.kind === "category") {
      const classes = Array.from(rows, (row) =>
        catalog.state[row * n + j] === State.notObserved ? "" : (field.classes[catalog.value[row * n + j]] ?? ""),
      );
      columns.push({ name, type: "string", width: 1, data: classes, description });
      return;
    }
    if (field.kind === "spectrum" || field.kind === "image") {
      columns.push(...pixelColumns(catalog, rows, j, isExact));
      return;
    }
    const withUnit = unit === "" ? {} : { unit };
    const value = new Float32Array(rows.length);
    const error = new Float32Array(rows.length);
    const state = new Uint8Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      const at = rows[i] * n + j;
      state[i] = catalog.state[at];
      const isObserved = state[i] !== State.notObserved;
      value[i] = isObserved ? catalog.value[at] : NaN;
      error[i] = isObserved && catalog.error[at] > 0 ? catalog.error[at] : NaN;
    }
    columns.push({ name, type: "float32", width: 1, data: value, description, ...withUnit });
    if (hasError[j]) columns.push({ name: `${name}_err`, type: "float32", width: 1, data: error, ...withUnit });
    if (hasState[j]) columns.push({ name: `${name}_state`, type: "uint8", width: 1, data: state });
  });
  return { rowCount: rows.length, columns, metadata: {} };
}
