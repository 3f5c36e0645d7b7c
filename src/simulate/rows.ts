import type { Column, Table } from "../io/table.ts";
import type { Survey } from "../survey/survey.ts";
import { MECHANISMS } from "./missing.ts";
import type { Observer, Observation } from "./noise.ts";

/** Rows of a simulated table, before they become columns. */
export interface Row {
  readonly objectId: string;
  readonly parentId: string;
  readonly tile: string;
  readonly observation: Observation;
  /** In the order of the label names; NaN = unknown. */
  readonly labels: readonly number[];
  /** How many of nature's galaxies it stands for, relative to the others; undefined where all are nature's. */
  readonly weight?: number | undefined;
  /** Its class; empty or absent = not told. */
  readonly category?: string;
}

/**
 * Columns as the public tables have them: object_id, parent_id, tile, `<BAND>`, `<BAND>_err`, `<BAND>_state` for bands
 * with detections and non-detections, the labels, `prior_weight` of a wide population, CLASS, and how many bands of the row
 * each mechanism cost: `missing_edge`, ...
 * What is missing is NaN.
 */
export function tableOf(
  rows: readonly Row[],
  observer: Observer,
  survey: Survey,
  labelNames: readonly string[],
): Table {
  const text = (name: string, of: (row: Row) => string): Column => ({
    name,
    type: "string",
    width: 1,
    data: rows.map(of),
  });
  const float = (name: string, unit: string, of: (row: Row) => number): Column => {
    const data = Float32Array.from(rows, of);
    const about = survey.fields.find((field) => field.name === name.replace(/_err$/, ""))?.description ?? "";
    const description = name.endsWith("_err") ? `1 sigma: ${about}` : about;
    const known = { ...(unit === "" ? {} : { unit }), ...(about === "" ? {} : { description }) };
    return { name, type: "float32", width: 1, data, ...known };
  };
  const columns: Column[] = [
    text("object_id", (row) => row.objectId),
    text("parent_id", (row) => row.parentId),
    text("tile", (row) => row.tile),
  ];
  observer.bands.forEach(({ name, hasState }, j) => {
    columns.push(float(name, survey.fluxUnit, (row) => row.observation.flux[j]));
    columns.push(float(`${name}_err`, survey.fluxUnit, (row) => row.observation.error[j]));
    if (!hasState) return;
    const data = Uint8Array.from(rows, (row) => row.observation.state[j]);
    const description = "0 not observed, 1 measured, 2 upper limit, 3 not detected, with its flux";
    columns.push({ name: `${name}_state`, type: "uint8", width: 1, data, description });
  });
  labelNames.forEach((name, j) => {
    const base = name.replace(/_err$/, "");
    const unit = survey.fields.find((field) => field.name === base)?.unit ?? "";
    columns.push(float(name, unit, (row) => row.labels[j]));
  });
  if (rows.some(({ weight }) => weight !== undefined)) {
    const description = "density of the natural population over the one drawn from, about 1 in the mean";
    const data = Float32Array.from(rows, ({ weight }) => weight ?? 1);
    columns.push({ name: "prior_weight", type: "float32", width: 1, description, data });
  }
  columns.push(text("CLASS", (row) => row.category ?? ""));
  MECHANISMS.forEach(([mechanism, meaning], m) => {
    const data = Uint8Array.from(rows, (row) => row.observation.cause.reduce((n, one) => n + Number(one === m + 1), 0));
    const description = `bands of the row without flux: ${meaning}`;
    columns.push({ name: `missing_${mechanism}`, type: "uint8", width: 1, description, data });
  });
  return { rowCount: rows.length, columns, metadata: { survey: survey.name } };
}
