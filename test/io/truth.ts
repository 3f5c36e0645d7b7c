import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import { readAll } from "../../src/io/columns.ts";
import type { Column, Table, TableSource } from "../../src/io/table.ts";

type Value = number | string | null;

/** A column as the JSON truth has it: null for missing, whole numbers of 64 bits as strings. */
export interface TruthColumn {
  readonly type: string;
  readonly width: number;
  readonly unit?: string;
  readonly values: readonly Value[];
}

export interface Truth {
  readonly columns: Readonly<Record<string, TruthColumn>>;
  readonly metadata?: Readonly<Record<string, string>>;
}

export const golden = (name: string): string => fileURLToPath(new URL(`golden/${name}`, import.meta.url));

export function readTruth(name: string): Truth {
  return JSON.parse(readFileSync(golden(`${name}.json`), "utf8")) as Truth;
}

const folders: string[] = [];

/** A folder of its own, removed after the tests of the file that asked for it. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "caleido-io-"));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function toValue(value: number | bigint | string): Value {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string" || Number.isFinite(value)) return value;
  return Number.isNaN(value) ? null : value > 0 ? "inf" : "-inf";
}

export function columnTruth(column: Column): TruthColumn {
  const { type, width, unit, isValid } = column;
  const values = Array.from(column.data as ArrayLike<number | bigint | string>, (value, i) =>
    isValid && !isValid[Math.floor(i / width)] ? null : toValue(value),
  );
  return { type, width, ...(unit === undefined ? {} : { unit }), values };
}

export function tableTruth(table: Table): Record<string, TruthColumn> {
  return Object.fromEntries(table.columns.map((column) => [column.name, columnTruth(column)]));
}

/** Reads an open table to the end, closes it, and gives it as truth has it. */
export async function truthOf(source: TableSource, batchRows?: number): Promise<Record<string, TruthColumn>> {
  try {
    return tableTruth(await readAll(source, batchRows === undefined ? {} : { batchRows }));
  } finally {
    await source.close();
  }
}

/** A table with every column type, missing values, array columns, units and awkward strings. */
export function everyType(): Table {
  const columns: Column[] = [
    { name: "id", type: "int64", width: 1, data: BigInt64Array.of(1n, 2n ** 60n + 1n, -3n, 0n) },
    {
      name: "count",
      type: "int32",
      width: 1,
      data: Int32Array.of(-70000, 0, 5, 6),
      isValid: Uint8Array.of(1, 0, 1, 1),
      description: "a count, one of them missing",
    },
    { name: "small", type: "int16", width: 1, data: Int16Array.of(-32000, 1, 2, 3) },
    { name: "state", type: "uint8", width: 1, data: Uint8Array.of(0, 1, 2, 255) },
    {
      name: "flag",
      type: "uint8",
      width: 1,
      nullable: true,
      data: Uint8Array.of(1, 0, 1, 0),
      isValid: Uint8Array.of(1, 1, 0, 1),
    },
    {
      name: "flux",
      type: "float32",
      width: 1,
      unit: "1e-19 erg/s/cm2/A",
      data: Float32Array.of(0.1, NaN, -3e8, Infinity),
    },
    { name: "age", type: "float64", width: 1, unit: "Gyr", data: Float64Array.of(1 / 3, 1e-300, NaN, -0.5) },
    { name: "name", type: "string", width: 1, data: ["plain", 'quote " and, comma', "#x", "O'Neil / y"] },
    {
      name: "bands",
      type: "float32",
      width: 3,
      unit: "mag",
      data: Float32Array.of(1, 2, 3, 0.1, NaN, 0.3, 4, 5, 6, 7, 8, 1e-9),
    },
    { name: "grid", type: "float64", width: 2, data: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 0.1) },
  ];
  return {
    rowCount: 4,
    columns,
    metadata: { survey: "test", NOTE: "it's a note", "a.longer.key": "value = 1 ".repeat(12).trim() },
  };
}

export function headerOf(table: Table): { schema: readonly Column[]; metadata: Readonly<Record<string, string>> } {
  return { schema: table.columns, metadata: table.metadata };
}
