import { UserError } from "../errors.ts";
import type { Column } from "../io/table.ts";
import type { Distribution } from "../model/distribution.ts";
import type { Field } from "../survey/field.ts";
import { explain, floatColumn, perUnit } from "./answers.ts";

/** Evenly spaced points of a field, in its unit, for all galaxies. */
export interface Grid {
  /** Column of the field. */
  readonly field: number;
  /** Distance of two points. */
  readonly step: number;
  /** [points] Increasing. */
  readonly at: Float64Array;
  /** `min:max:step`. */
  readonly text: string;
}

const MOST_POINTS = 100_000;
const NUMBER = String.raw`\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*`;
const GRID = new RegExp(`^(?:([^=:]+)=)?(${NUMBER}:${NUMBER}:${NUMBER})$`);

const EXPECTED =
  "expected min:max:step in the field's unit, e.g. 0:1.5:0.005, or z=0:1.5:0.005 for one field of several";

/** @throws UserError for a grid that doesn't increase, or whose end is no whole number of steps away. */
function pointsOf(option: string, low: number, high: number, step: number): Float64Array {
  const steps = (high - low) / step;
  if (!(step > 0 && high > low)) throw new UserError(`${option}: ${EXPECTED}`);
  const count = Math.round(steps);
  if (count + 1 > MOST_POINTS) throw new UserError(`${option}: more than ${MOST_POINTS} points; ${EXPECTED}`);
  if (Math.abs(steps - count) > 1e-6 * count || count < 1) {
    throw new UserError(`${option}: ${high} is no whole number of steps of ${step} from ${low}; ${EXPECTED}`);
  }
  // decimals of the step are not to come out as 0.30000000000000004
  return Float64Array.from({ length: count + 1 }, (_, i) => Number((low + ((high - low) * i) / count).toPrecision(12)));
}

/**
 * Reads grids such as `0:1.5:0.005`, which is for the only wanted field that has densities, or `z=0:1.5:0.005`.
 * @throws UserError for what is no grid, names no such field, or is meant for one of several.
 */
export function parseGrids(texts: readonly string[], fields: readonly Field[], wanted: readonly number[]): Grid[] {
  const possible = wanted.filter((j) => fields[j].kind !== "category");
  const names = possible.map((j) => fields[j].name);
  const grids = texts.map((text): Grid => {
    const option = `--pdf-grid ${text}`;
    const match = GRID.exec(text);
    if (match === null) throw new UserError(`${option}: ${EXPECTED}`);
    const [, name, own, low, high, step] = match;
    const field = possible.find((j) => (name === undefined ? possible.length === 1 : fields[j].name === name.trim()));
    if (field === undefined) {
      const which =
        names.length === 0 ? "a wanted field that is no category" : `NAME=min:max:step for one of ${names.join(", ")}`;
      throw new UserError(`${option}: expected ${which}`);
    }
    return { field, step: Number(step), at: pointsOf(option, Number(low), Number(high), Number(step)), text: own };
  });
  const twice = grids.find(({ field }, i) => grids.findIndex((one) => one.field === field) !== i);
  if (twice !== undefined)
    throw new UserError(`--pdf-grid: ${fields[twice.field].name} has several grids, expected one`);
  return grids;
}

/**
 * Densities [points] of a row, and the probability between the ends of the grid: what is drawn with straight lines through
 * the points holds exactly this probability, however narrow the peaks. A point's density is the mean over the half steps
 * around it.
 */
export function gridDensity(distribution: Distribution, row: number, { at, step }: Grid, out: Float64Array): number {
  const last = at.length - 1;
  const from = distribution.cdf(row, at[0]);
  let below = from;
  for (let i = 0; i <= last; i++) {
    const next = distribution.cdf(row, i === last ? at[last] : at[i] + 0.5 * step);
    out[i] = Math.max(0, next - below) / (i === 0 || i === last ? 0.5 * step : step);
    below = next;
  }
  return Math.max(0, below - from);
}

/** A density with less probability than this on the grid can't be normalised on it. */
const NOTHING_ON_GRID = 1e-6;

/** The sum of the densities of many galaxies, row after row. */
export interface Stack {
  readonly grid: Grid;
  /** [points] Sum of the densities [galaxies per unit], and of their squares. */
  readonly sum: Float64Array;
  readonly squares: Float64Array;
  /** Galaxies, and those with more than half of their probability off the grid. */
  rowCount: number;
  outside: number;
}

export function createStack(grid: Grid): Stack {
  const n = grid.at.length;
  return { grid, sum: new Float64Array(n), squares: new Float64Array(n), rowCount: 0, outside: 0 };
}

/**
 * `<FIELD>_pdf` [points]: the density on the grid of all, its integral (trapezium) 1; NaN where next to nothing of it is
 * there; and `<FIELD>_on_grid`, the probability between the ends. Adds the rows, as they are before that, to `stack`.
 */
export function gridColumns(field: Field, distribution: Distribution, stack: Stack): Column[] {
  const { grid, sum, squares } = stack;
  const points = grid.at.length;
  const n = distribution.rowCount;
  const density = new Float32Array(n * points);
  const share = new Float32Array(n);
  const own = new Float64Array(points);
  for (let row = 0; row < n; row++) {
    const mass = gridDensity(distribution, row, grid, own);
    share[row] = mass;
    if (mass < 0.5) stack.outside++;
    for (let i = 0; i < points; i++) {
      sum[i] += own[i];
      squares[i] += own[i] * own[i];
      density[row * points + i] = mass < NOTHING_ON_GRID ? NaN : own[i] / mass;
    }
  }
  stack.rowCount += n;
  const unit = perUnit(field.unit);
  const what = `posterior density at ${grid.text} (min:max:step), normalised there`;
  return [
    floatColumn(`${field.name}_pdf`, density, points, unit, explain(field, what)),
    floatColumn(`${field.name}_on_grid`, share, 1, "", explain(field, `probability between the ends of ${grid.text}`)),
  ];
}
