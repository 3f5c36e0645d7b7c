import type { Column, Table } from "../io/table.ts";
import type { Catalog } from "./catalog.ts";
import { State } from "./field.ts";

/**
 * Rows of a catalogue under the public column names: `<FIELD>` (NaN where not observed), `<FIELD>_err` where a field has
 * errors, `<FIELD>_state` where a field has other states than measured and not observed. Units as in the survey.
 */
export function catalogTable(catalog: Catalog, rows: Int32Array): Table {
  const n = catalog.fields.length;
  const text = (name: string, values: readonly string[]): Column => ({
    name,
    type: "string",
    width: 1,
    data: Array.from(rows, (row) => values[row]),
  });
  const columns: Column[] = [text("object_id", catalog.objectId), text("parent_id", catalog.parentId)];
  if (catalog.tile) columns.push(text("tile", catalog.tile));
  catalog.fields.forEach(({ name, unit, description }, j) => {
    const state = Uint8Array.from(rows, (row) => catalog.state[row * n + j]);
    const isObserved = (i: number): boolean => state[i] !== State.notObserved;
    const pick = (from: Float32Array): Float32Array =>
      Float32Array.from(rows, (row, i) => (isObserved(i) ? from[row * n + j] : Number.NaN));
    const withUnit = unit === "" ? {} : { unit };
    columns.push({ name, type: "float32", width: 1, data: pick(catalog.value), description, ...withUnit });
    const error = pick(catalog.error);
    if (error.some((sigma) => sigma > 0)) {
      columns.push({ name: `${name}_err`, type: "float32", width: 1, data: error, ...withUnit });
    }
    if (state.some((s) => s === State.upperLimit || s === State.nonDetection)) {
      columns.push({ name: `${name}_state`, type: "uint8", width: 1, data: state });
    }
  });
  return { rowCount: rows.length, columns, metadata: {} };
}
