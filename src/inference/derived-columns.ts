import type { Column } from "../io/table.ts";
import { categoryDistribution } from "../model/category.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import { classColumns, explain, floatColumn, meanings } from "./answers.ts";
import { type Derived, deriveFrom, type Draws } from "./derived.ts";
import { summaryNames } from "./summary.ts";

const levels = { q05: 0.05, q16: 0.16, median: 0.5, q84: 0.84, q95: 0.95 } as const;

/** `<NAME>_mean`, `_median`, `_std`, `_q05` ... over the draws in which the quantity has a value, and `_defined`, their share. */
function numberColumns(quantity: Derived, values: Float64Array, { rowCount, draws }: Draws): Column[] {
  const columns = summaryNames.map(() => new Float32Array(rowCount));
  const share = new Float32Array(rowCount);
  for (let row = 0; row < rowCount; row++) {
    const own = sortFinite(values.subarray(row * draws, (row + 1) * draws));
    share[row] = own.length / draws;
    const mean = own.reduce((sum, x) => sum + x, 0) / own.length;
    const std = Math.sqrt(own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / own.length);
    summaryNames.forEach((name, c) => {
      columns[c][row] = name === "mean" ? mean : name === "std" ? std : quantile(own, levels[name]);
    });
  }
  const named = (suffix: string, data: Float32Array, unit: string, what: string): Column =>
    floatColumn(`${quantity.name}_${suffix}`, data, 1, unit, explain(quantity, what));
  return [
    ...summaryNames.map((name, c) => named(name, columns[c], quantity.unit, meanings[name])),
    named("defined", share, "", "share of the joint draws in which it has a value; the others are left out"),
  ];
}

/** `<NAME>_p_<class>` and `<NAME>_mode`. */
function sortedColumns(
  quantity: Derived,
  classes: readonly string[],
  values: Float64Array,
  { rowCount, draws }: Draws,
): Column[] {
  const count = classes.length;
  const probability = new Float64Array(rowCount * count);
  for (let row = 0; row < rowCount; row++) {
    const known = values.subarray(row * draws, (row + 1) * draws).filter((k) => !Number.isNaN(k));
    for (const k of known) probability[row * count + k] += 1 / known.length;
    if (known.length === 0) probability.fill(1 / count, row * count, (row + 1) * count);
  }
  return classColumns(quantity, classes, categoryDistribution(probability, rowCount));
}

/** What joint draws say of derived quantities, in the columns that a field of such a kind has. */
export function derivedColumns(quantities: readonly Derived[], draws: Draws): Column[] {
  return quantities.flatMap((quantity) => {
    const values = deriveFrom(quantity, draws);
    return quantity.classes === undefined
      ? numberColumns(quantity, values, draws)
      : sortedColumns(quantity, quantity.classes, values, draws);
  });
}
