/** How often values of a field are thought to be before anything is measured: what can be told instead of the training set. */
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { readAll } from "../io/columns.ts";
import { openTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { placeOf } from "../model/numeric.ts";
import { State } from "../survey/field.ts";
import { readManifest } from "../survey/prepared.ts";
import { type Reader, readRows } from "../survey/reading.ts";
import type { Population } from "../train/population-schema.ts";

/** A prior of one field. */
export interface Prior {
  /** Column of the field. */
  readonly field: number;
  /** As it was told. */
  readonly text: string;
  /** Up to a factor, per unit of the field; 0 outside. Undefined: the same everywhere where there is training data. */
  readonly density?: (x: number) => number;
  /** Instead of a density: up to a factor, how often values are thought to be over how often they are in the training set. */
  readonly ratio?: (x: number) => number;
}

const EXPECTED = "expected flat, natural, wide, a table of the field and n (its density), or a table of galaxies";

/** Density from edges and the density in between, 0 outside. */
function stepsThrough(edges: Float64Array, height: Float64Array): (x: number) => number {
  return (x) => {
    const cell = x === edges[edges.length - 1] ? edges.length - 2 : placeOf(edges, x);
    return cell < 0 || cell > edges.length - 2 ? 0 : height[cell];
  };
}

/** Density with straight lines through points, 0 outside. */
export function linesThrough(at: Float64Array, height: Float64Array): (x: number) => number {
  return (x) => {
    const cell = Math.min(placeOf(at, x), at.length - 2);
    if (cell < 0 || x > at[at.length - 1]) return 0;
    return height[cell] + ((height[cell + 1] - height[cell]) * (x - at[cell])) / (at[cell + 1] - at[cell]);
  };
}

function checkIncreasing(path: string, name: string, values: Float64Array): Float64Array {
  const bad = values.findIndex((x, i) => !Number.isFinite(x) || (i > 0 && x <= values[i - 1]));
  if (bad < 0) return values;
  throw new UserError(`${path}: row ${bad + 1} of ${name}, ${values[bad]}: expected numbers that increase`);
}

function checkDensity(path: string, values: Float64Array): Float64Array {
  const bad = values.findIndex((n) => !(n >= 0 && n < Infinity));
  if (bad >= 0) throw new UserError(`${path}: row ${bad + 1} of n, ${values[bad]}: expected 0 or more`);
  if (!values.some((n) => n > 0)) throw new UserError(`${path}: n is 0 everywhere`);
  return values;
}

/** A column of numbers, by name whatever the case. */
function numbers({ columns }: Table, name: string): Float64Array | undefined {
  const found = columns.find((column) => column.width === 1 && column.name.toLowerCase() === name.toLowerCase());
  return found && Float64Array.from(found.data as ArrayLike<number>, (x, i) => (isThere(found, i) ? x : NaN));
}

const isThere = ({ isValid }: Column, row: number): boolean => isValid === undefined || isValid[row] === 1;

/** Points `<FIELD>, n` or bins `<FIELD>_low, <FIELD>_high, n` (counts); undefined for a table without n. */
async function tabulated(path: string, name: string): Promise<Prior["density"]> {
  if (readManifest(path) !== undefined) return undefined;
  const source = await openTable(path);
  try {
    if (!source.schema.some((column) => column.name.toLowerCase() === "n")) return undefined;
    const table = await readAll(source);
    const n = checkDensity(path, numbers(table, "n") ?? new Float64Array(0));
    const [at, low, high] = [name, `${name}_low`, `${name}_high`].map((own) => numbers(table, own));
    if (at !== undefined && n.length > 1) return linesThrough(checkIncreasing(path, name, at), n);
    if (low === undefined || high === undefined) {
      throw new UserError(
        `${path}: expected columns ${name} and n, two rows or more, or ${name}_low, ${name}_high and n`,
      );
    }
    const edges = checkIncreasing(path, `${name}_low and ${name}_high`, Float64Array.of(...low, high[high.length - 1]));
    const gap = low.findIndex((edge, i) => i > 0 && edge !== high[i - 1]);
    if (gap > 0)
      throw new UserError(`${path}: row ${gap + 1} of ${name}_low, ${low[gap]}: expected where the bin before ends`);
    return stepsThrough(
      edges,
      n.map((count, i) => count / (edges[i + 1] - edges[i])),
    );
  } finally {
    await source.close();
  }
}

/** Galaxies that a prior is made of, at most. */
const MOST_GALAXIES = 200_000;
const MOST_BINS = 100;
/** Part of the weight left out at either end. */
const TRIM = 5e-4;

/** The distribution of a field in a table of galaxies, each counted by its `prior_weight` where it has one. */
async function sampled(path: string, reader: Reader, column: number): Promise<Prior["density"]> {
  const found: { x: number; weight: number }[] = [];
  for await (const { catalog } of readRows(path, reader)) {
    const n = catalog.fields.length;
    for (let row = 0; row < catalog.rowCount && found.length < MOST_GALAXIES; row++) {
      if (catalog.state[row * n + column] !== State.measured) continue;
      found.push({ x: catalog.value[row * n + column], weight: catalog.weight?.[row] ?? 1 });
    }
    if (found.length === MOST_GALAXIES) break;
  }
  found.sort((a, b) => a.x - b.x);
  const total = found.reduce((sum, { weight }) => sum + weight, 0);
  const squares = found.reduce((sum, { weight }) => sum + weight * weight, 0);
  const upTo = (level: number): number => {
    let sum = 0;
    return (found.find(({ weight }) => (sum += weight) >= level * total) ?? found[found.length - 1]).x;
  };
  const { name } = reader.survey.fields[column];
  if (!(total > 0)) throw new UserError(`${path}: no galaxy in it has ${name}, nor is there a column n; ${EXPECTED}`);
  const [low, high] = [upTo(TRIM), upTo(1 - TRIM)];
  // as many bins as keep the error of each near that of its width (Rice's rule)
  const bins = Math.max(1, Math.min(MOST_BINS, Math.round(2 * Math.cbrt((total * total) / squares))));
  if (!(high > low)) throw new UserError(`${path}: ${name} is ${low} everywhere; expected a distribution`);
  const edges = Float64Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins);
  const count = new Float64Array(bins);
  for (const { x, weight } of found) {
    if (x >= low && x <= high) count[Math.min(bins - 1, placeOf(edges, x))] += weight;
  }
  return stepsThrough(edges, count);
}

/** Populations of its own that a checkpoint may keep. */
const kept = ["natural", "wide"] as const;

/** How often a property's values are in one of the network's own populations over how often it saw them: lines between the bins' middles. */
function ratioOf(
  option: string,
  field: string,
  what: (typeof kept)[number],
  population: Population | undefined,
): (x: number) => number {
  const histogram = population?.fields[field];
  if (histogram === undefined) {
    const lack =
      population === undefined ? "the network keeps no population" : `the network's population has no ${field}`;
    throw new UserError(
      `${option}: ${lack}; expected caleido population TABLES --checkpoint first, of what it was trained on`,
    );
  }
  const { edges, trained } = histogram;
  const fresh = histogram[what];
  if (fresh === undefined) {
    throw new UserError(
      `${option}: no row of the training set is of a wide population, with prior_weight; expected flat or natural`,
    );
  }
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  const factor = total(trained) / total(fresh);
  // half a row more in each: none is impossible for want of rows
  const height = Float64Array.from(trained, (count, i) => (fresh[i] * factor + 0.5) / (count + 0.5));
  const middles = Float64Array.from(trained, (_, i) => 0.5 * (edges[i] + edges[i + 1]));
  const last = middles.length - 1;
  const inside = linesThrough(middles, height);
  return (x) => inside(Math.min(Math.max(x, middles[0]), middles[last]));
}

/**
 * Reads `flat`, `n_of_z.csv` or `FIELD=...`; without a name it is the redshift's. A table with a column `n` has the density at
 * values of the field, straight lines between, 0 outside; or counts in bins from `<FIELD>_low` to `<FIELD>_high`. A table of
 * galaxies stands for its own distribution, by `prior_weight` where it has that. `natural` and `wide` are the network's own `population`,
 * as nature has it and as a wide table draws it: exact ratios of counts, each by one field alone.
 * @throws UserError for what is neither, and for a field that has no density of its own.
 */
export async function readPrior(text: string, reader: Reader, population?: Population): Promise<Prior> {
  const { fields } = reader.survey;
  const [, name, what] = /^(\w+)=(.+)$/.exec(text) ?? [undefined, undefined, text];
  const field = fields.findIndex((one) => (name === undefined ? one.kind === "redshift" : one.name === name));
  const option = `--prior ${text}`;
  if (field < 0) {
    const scalars = fields.flatMap((one) => (one.band === undefined && one.kind !== "category" ? [one.name] : []));
    throw new UserError(
      name === undefined
        ? `${option}: there is no redshift; expected FIELD=${text}`
        : `${option}: unknown field "${name}"${didYouMean(name, scalars)}; ${EXPECTED}`,
    );
  }
  const asked = fields[field];
  if (asked.kind === "category" || asked.kind === "spectrum" || asked.kind === "image" || asked.band !== undefined) {
    throw new UserError(`${option}: ${asked.name} is no property with a density; expected one such as z or a mass`);
  }
  if (what === "flat") return { field, text };
  const own = kept.find((one) => one === what);
  if (own !== undefined) return { field, text, ratio: ratioOf(option, asked.name, own, population) };
  return { field, text, density: (await tabulated(what, asked.name)) ?? (await sampled(what, reader, field))! };
}
