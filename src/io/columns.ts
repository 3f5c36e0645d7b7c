import { UserError } from "../errors.ts";
import { chooseColumns } from "./select.ts";
import type { Column, ColumnData, ColumnSchema, ColumnType, ReadOptions, Table, TableSource } from "./table.ts";

const FACTORIES: Readonly<Record<ColumnType, (length: number) => ColumnData>> = {
  float32: (length) => new Float32Array(length),
  float64: (length) => new Float64Array(length),
  uint8: (length) => new Uint8Array(length),
  int16: (length) => new Int16Array(length),
  int32: (length) => new Int32Array(length),
  int64: (length) => new BigInt64Array(length),
  string: (length) => new Array<string>(length).fill(""),
};

/** A fresh array of `length` zeros (empty strings) of a column type. */
export function allocate(type: ColumnType, length: number): ColumnData {
  return FACTORIES[type](length);
}

/** The schema of a column: everything but its values. */
export function schemaOf(column: ColumnSchema): ColumnSchema {
  const { name, type, width, unit, description, nullable, isDigits } = column;
  return {
    name,
    type,
    width,
    ...(unit === undefined ? {} : { unit }),
    ...(description === undefined ? {} : { description }),
    ...(nullable === undefined ? {} : { nullable }),
    ...(isDigits === undefined ? {} : { isDigits }),
  };
}

/** Rows `[start, end)` of a table; typed arrays are views. */
export function sliceTable(table: Table, start: number, end: number): Table {
  if (start === 0 && end === table.rowCount) return table;
  const columns = table.columns.map((column): Column => ({
    ...schemaOf(column),
    data: isStrings(column.data)
      ? column.data.slice(start * column.width, end * column.width)
      : column.data.subarray(start * column.width, end * column.width),
    ...(column.isValid ? { isValid: column.isValid.subarray(start, end) } : {}),
  }));
  return { rowCount: end - start, columns, metadata: table.metadata };
}

function isStrings(data: ColumnData): data is string[] {
  return Array.isArray(data);
}

/** Puts tables with the same columns one below the other. */
function concatTables(schema: readonly ColumnSchema[], tables: readonly Table[]): Table {
  const rowCount = tables.reduce((sum, table) => sum + table.rowCount, 0);
  const columns = schema.map((wanted, j): Column => {
    const data = allocate(wanted.type, rowCount * wanted.width);
    const isValid = tables.some((table) => table.columns[j].isValid) ? new Uint8Array(rowCount).fill(1) : undefined;
    let row = 0;
    for (const table of tables) {
      const part = table.columns[j];
      copyInto(data, part.data, row * wanted.width);
      if (isValid && part.isValid) isValid.set(part.isValid, row);
      row += table.rowCount;
    }
    return { ...schemaOf(wanted), data, ...(isValid ? { isValid } : {}) };
  });
  return { rowCount, columns, metadata: tables[0]?.metadata ?? {} };
}

function copyInto(target: ColumnData, source: ColumnData, at: number): void {
  if (isStrings(target)) {
    for (let i = 0; i < source.length; i++) target[at + i] = String(source[i]);
  } else {
    (target as Float32Array).set(source as Float32Array, at);
  }
}

/** Column names with a stand-in for those that are empty: `column_3`. */
export function nameColumns(names: readonly string[]): string[] {
  return names.map((name, i) => (name === "" ? `column_${i + 1}` : name));
}

/** @throws UserError for two columns of one name: nobody could say which of them is meant. */
export function checkNames(path: string, schema: readonly ColumnSchema[]): void {
  const seen = new Set<string>();
  for (const { name } of schema) {
    if (seen.has(name)) throw new UserError(`${path}: several columns are named "${name}", expected one; rename them`);
    seen.add(name);
  }
}

/** Reads all batches of an open file into one table. For small tables; stream the large ones. */
export async function readAll(source: TableSource, options: ReadOptions = {}): Promise<Table> {
  const tables: Table[] = [];
  for await (const table of source.batches(options)) tables.push(table);
  const schema = chooseColumns(source.path, source.schema, options.columns).map((i) => source.schema[i]);
  return { ...concatTables(schema, tables), metadata: source.metadata };
}

/** Joins small batches and cuts large ones, so that each (but the last) has `rows` rows. */
export async function* regroup(
  schema: readonly ColumnSchema[],
  batches: AsyncIterable<Table>,
  rows: number,
): AsyncGenerator<Table> {
  let waiting: Table[] = [];
  let count = 0;
  for await (const batch of batches) {
    if (batch.rowCount === 0) continue;
    waiting.push(batch);
    count += batch.rowCount;
    if (count < rows) continue;
    const joined = waiting.length === 1 ? batch : concatTables(schema, waiting);
    let start = 0;
    for (; start + rows <= count; start += rows) yield sliceTable(joined, start, start + rows);
    waiting = start < count ? [sliceTable(joined, start, count)] : [];
    count -= start;
  }
  if (count > 0) yield waiting.length === 1 ? waiting[0] : concatTables(schema, waiting);
}
