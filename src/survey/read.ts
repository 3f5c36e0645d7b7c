import { UserError } from "../errors.ts";
import { openTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { bindLayout, templateColumns } from "./bind.ts";
import type { BindOptions, Binding, FieldBinding, Place } from "./bind.ts";
import type { Catalog } from "./catalog.ts";
import { State } from "./field.ts";
import type { Field } from "./field.ts";
import { addReport, countReason, createReport, formatReport } from "./report.ts";
import type { ReadReport } from "./report.ts";
import type { Survey } from "./survey.ts";
import { convertError, convertValue } from "./units.ts";

export interface CatalogOptions extends BindOptions {
  /** Rows per batch at most. */
  readonly batchRows?: number;
}

export interface CatalogBatch {
  readonly catalog: Catalog;
  readonly report: ReadReport;
}

/** Reads the number at a place of a table; NaN where it is missing. */
type Getter = (row: number) => number;

function getter(columns: ReadonlyMap<string, Column>, place: Place): Getter {
  const column = columns.get(place.column);
  if (!column) throw new Error(`column "${place.column}" was bound but not read`);
  const { data, width, isValid } = column;
  return (row) => (isValid && !isValid[row] ? NaN : Number(data[row * width + place.element]));
}

/** One field's number as it stands in the table, or why it cannot be used. */
interface Reading {
  readonly reason?: string;
  readonly value: number;
  readonly error: number;
  readonly state: number;
}

const NOTHING: Reading = { value: 0, error: 0, state: State.notObserved };
const rejected = (reason: string): Reading => ({ ...NOTHING, reason });

/**
 * 1 sigma from the error column, in the value's unit, or the reason why it is none. A relative error may carry the
 * sign of its flux (error / flux) or not: |flux| x |relative error| either way, but negative beside a positive flux is none.
 */
function readError(binding: FieldBinding, magic: readonly number[], value: number, stored: number): number | string {
  if (Number.isNaN(stored)) return "error missing";
  if (magic.includes(stored)) return "error is a magic value";
  if (!Number.isFinite(stored)) return "error infinite";
  if (binding.errorKind === "relative") {
    if (stored < 0 && value > 0) return "error negative";
    return stored === 0 || value === 0 ? "error zero" : Math.abs(value * stored);
  }
  if (stored < 0) return "error negative";
  if (stored === 0) return "error zero";
  return binding.errorKind === "ivar" ? 1 / Math.sqrt(stored) : stored;
}

interface Reader {
  readonly binding: FieldBinding;
  readonly field: Field;
  readonly value: Getter;
  readonly error: Getter | undefined;
  readonly state: Getter | undefined;
  readonly flags: readonly { readonly get: Getter; readonly bits: readonly (readonly [number, string])[] }[];
}

function flagOf(reader: Reader, row: number): string | undefined {
  for (const { get, bits } of reader.flags) {
    const set = get(row);
    if (!(set > 0)) continue;
    // Flags beyond 32 bits come as floats: test the bit by division.
    const hit = bits.find(([bit]) => Math.floor(set / bit) % 2 === 1);
    if (hit) return `flag ${hit[0]}: ${hit[1]}`;
  }
  return undefined;
}

function readCell(reader: Reader, magic: readonly number[], relativeError: number | undefined, row: number): Reading {
  const { binding, field } = reader;
  const told = reader.state?.(row);
  if (told === State.notObserved) return NOTHING;
  if (told !== undefined && !Number.isNaN(told) && ![1, 2, 3].includes(told)) return rejected("unknown state code");
  const stored = reader.value(row);
  if (Number.isNaN(stored)) return told === undefined || Number.isNaN(told) ? NOTHING : rejected("value missing");
  if (magic.includes(stored)) return rejected("magic value");
  if (!Number.isFinite(stored)) return rejected("value infinite");
  const flag = flagOf(reader, row);
  if (flag !== undefined) return rejected(flag);
  const state = told === undefined || Number.isNaN(told) ? State.measured : told;
  const value = convertValue(binding.conversion, stored);
  const [low, high] = field.range;
  if (!(value >= low && value <= high)) return rejected(`outside the possible range of ${field.name}`);
  const sigma = reader.error
    ? readError(binding, magic, stored, reader.error(row))
    : Math.abs(stored) * (relativeError ?? 0);
  if (!field.band) {
    // A label without a usable error is still a label: its error is unknown.
    return { value, error: typeof sigma === "string" ? 0 : convertError(binding.conversion, stored, sigma), state };
  }
  if (typeof sigma === "string") return state === State.upperLimit ? { value, error: 0, state } : rejected(sigma);
  const error = Math.fround(convertError(binding.conversion, stored, sigma));
  return error > 0 && error < Infinity ? { value, error, state } : rejected("error zero");
}

/** Ids from a template such as `{TILE_ID}-{NUMBER}`; row numbers where there is none. */
function readIds(
  columns: ReadonlyMap<string, Column>,
  template: string | undefined,
  firstRow: number,
  rows: number,
): string[] {
  if (template === undefined) return Array.from({ length: rows }, (_, row) => String(firstRow + row + 1));
  const names = templateColumns(template);
  const literals = template.split(/\{[^}]+\}/);
  return Array.from({ length: rows }, (_, row) => {
    let id = literals[0];
    for (const [k, name] of names.entries()) id += `${String(columns.get(name)?.data[row] ?? "")}${literals[k + 1]}`;
    return id.trim();
  });
}

/** Turns the columns of a table that `binding` names into a catalogue. `firstRow` rows came before, in messages. */
function bindRows(
  table: Table,
  survey: Survey,
  binding: Binding,
  options: CatalogOptions,
  firstRow: number,
): CatalogBatch {
  const columns = new Map(table.columns.map((column) => [column.name, column]));
  const { rowCount } = table;
  const { fields } = survey;
  const { magic } = binding.layout;
  const value = new Float32Array(rowCount * fields.length);
  const error = new Float32Array(rowCount * fields.length);
  const state = new Uint8Array(rowCount * fields.length);
  const report = createReport(binding.layout.name, binding.unused);
  report.rowCount = rowCount;
  const isFilled = new Uint8Array(rowCount);
  for (const bound of binding.fields) {
    const reader: Reader = {
      binding: bound,
      field: fields[bound.field],
      value: getter(columns, bound.value),
      error: bound.error && getter(columns, bound.error),
      state: bound.state && getter(columns, bound.state),
      flags: bound.flags.map((place) => ({ get: getter(columns, place), bits: place.bits })),
    };
    for (let row = 0; row < rowCount; row++) {
      const reading = readCell(reader, magic, options.relativeError, row);
      if (reading.reason !== undefined) {
        isFilled[row] = 1;
        countReason(report, reading.reason, () => {
          const stored = reader.value(row);
          const sigma = reader.error ? `, error ${reader.error(row)}` : "";
          return `row ${firstRow + row + 1}, ${reader.field.name}: ${stored}${sigma}`;
        });
      }
      if (reading.state === State.notObserved) continue;
      const at = row * fields.length + bound.field;
      value[at] = reading.value;
      error[at] = reading.error;
      state[at] = reading.state;
      isFilled[row] = 1;
      report.usedCount++;
    }
  }
  report.emptyRows = isFilled.reduce((count, filled) => count + 1 - filled, 0);
  const objectId = readIds(columns, binding.objectId, firstRow, rowCount);
  const parentId = binding.parentId === undefined ? objectId : readIds(columns, binding.parentId, firstRow, rowCount);
  return { catalog: { fields, rowCount, objectId, parentId, value, error, state }, report };
}

/**
 * A table in memory as a catalogue of `survey`: units converted, magic values, non-finite numbers and errors that are
 * not positive made `notObserved` and counted. `name` is the table in messages.
 * @throws UserError when no layout, or more than one, fits its columns; for a unit that does not convert.
 */
export function toCatalog(table: Table, survey: Survey, options: CatalogOptions = {}, name = "table"): CatalogBatch {
  return bindRows(table, survey, bindLayout(name, table.columns, survey, options), options, 0);
}

/**
 * Streams a table file as catalogues of `survey`, reading only the columns that it needs.
 * @throws UserError as {@link toCatalog}, and for a file that is damaged or has no rows.
 */
export async function* readCatalog(
  path: string,
  survey: Survey,
  options: CatalogOptions = {},
): AsyncGenerator<CatalogBatch, void, undefined> {
  const source = await openTable(path);
  try {
    const binding = bindLayout(path, source.schema, survey, options);
    const { batchRows } = options;
    let firstRow = 0;
    for await (const table of source.batches({ columns: binding.columns, ...(batchRows ? { batchRows } : {}) })) {
      yield bindRows(table, survey, binding, options, firstRow);
      firstRow += table.rowCount;
    }
    if (firstRow === 0) throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  } finally {
    await source.close();
  }
}

/** Reads a whole table file into one catalogue; `report` is what was left out, as lines for a person. */
export async function readWholeCatalog(
  path: string,
  survey: Survey,
  options: CatalogOptions = {},
): Promise<{ readonly catalog: Catalog; readonly report: readonly string[]; readonly counts: ReadReport }> {
  const catalogs: Catalog[] = [];
  let counts: ReadReport | undefined;
  for await (const { catalog, report } of readCatalog(path, survey, options)) {
    catalogs.push(catalog);
    if (counts) addReport(counts, report);
    else counts = report;
  }
  if (!counts) throw new UserError(`${path}: a table without rows, expected at least one galaxy`);
  return { catalog: concatCatalogs(catalogs), report: formatReport(counts), counts };
}

/** Puts catalogues of the same fields one below the other. */
function concatCatalogs(catalogs: readonly Catalog[]): Catalog {
  if (catalogs.length === 1) return catalogs[0];
  const { fields } = catalogs[0];
  const rowCount = catalogs.reduce((sum, catalog) => sum + catalog.rowCount, 0);
  const value = new Float32Array(rowCount * fields.length);
  const error = new Float32Array(rowCount * fields.length);
  const state = new Uint8Array(rowCount * fields.length);
  let at = 0;
  for (const catalog of catalogs) {
    value.set(catalog.value, at);
    error.set(catalog.error, at);
    state.set(catalog.state, at);
    at += catalog.rowCount * fields.length;
  }
  return {
    fields,
    rowCount,
    objectId: catalogs.flatMap((catalog) => catalog.objectId),
    parentId: catalogs.flatMap((catalog) => catalog.parentId),
    value,
    error,
    state,
  };
}
