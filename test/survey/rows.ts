import { expect } from "vitest";
import type { Column, Table } from "../../src/io/table.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { type CatalogOptions, toCatalog } from "../../src/survey/read.ts";
import { listSurveys, loadSurvey } from "../../src/survey/survey.ts";

/** Tables of a few rows, and what surveys read in them. */

/** One row of a table; numbers as float64, texts as texts, with a unit after the value where a file states one. */
export type Cells = Readonly<Record<string, number | string | readonly [value: number, unit: string]>>;

export function tableOf(...rows: readonly Cells[]): Table {
  const columns = Object.entries(rows[0]).map(([name, first]): Column => {
    const of = rows.map((row) => row[name]);
    if (typeof first === "string") return { name, type: "string", width: 1, data: of.map(String) };
    const unit = typeof first === "number" ? {} : { unit: first[1] };
    const data = Float64Array.from(of, (cell) => Number(typeof cell === "object" ? cell[0] : cell));
    return { name, type: "float64", width: 1, data, ...unit };
  });
  return { rowCount: rows.length, columns, metadata: {} };
}

const surveys = new Map(listSurveys().map((name) => [name, loadSurvey(name)]));
export const read = (survey: string, table: Table, options?: CatalogOptions): ReturnType<typeof toCatalog> =>
  toCatalog(table, surveys.get(survey)!, options);

/** [value, error, state] of a field in a row. */
export function cell(catalog: Catalog, row: number, name: string): [number, number, number] {
  const at = row * catalog.fields.length + catalog.fields.findIndex((field) => field.name === name);
  return [catalog.value[at], catalog.error[at], catalog.state[at]];
}

export function expectCell(catalog: Catalog, row: number, name: string, value: number, error: number): void {
  const [v, e, state] = cell(catalog, row, name);
  expect([name, state]).toEqual([name, State.measured]);
  expect(v / value, name).toBeCloseTo(1, 5);
  if (error === 0) expect(e).toBe(0);
  else expect(e / error, name).toBeCloseTo(1, 5);
}

export const nothing = [0, 0, State.notObserved];

/** Class of every row; undefined where none is known. */
export const classesOf = (catalog: Catalog): (string | undefined)[] => {
  const j = catalog.fields.findIndex(({ name }) => name === "CLASS");
  const field = catalog.fields[j];
  return Array.from({ length: catalog.rowCount }, (_, row) => {
    const at = row * catalog.fields.length + j;
    if (field.kind !== "category" || catalog.state[at] === State.notObserved) return undefined;
    return field.classes[catalog.value[at]];
  });
};

/** c / pivot^2, in 1e-19 erg/s/cm2/A per erg/s/cm2/Hz. */
export const perFrequency = (pivot: number): number => 2.99792458e18 / pivot ** 2 / 1e-19;
export const flux = (magAB: number, pivot: number): number => 10 ** (-0.4 * (magAB + 48.6)) * perFrequency(pivot);
export const pivotOf = (survey: string, name: string): number =>
  surveys.get(survey)!.fields.find((field) => field.name === name)!.band!.pivot;
