import type { Distribution } from "../model/distribution.ts";
import type { FieldKind } from "../survey/field.ts";
import { oddsAround } from "../model/odds.ts";

/** What a query prints and writes per field; the names are column suffixes. */
export const summaryNames = ["mean", "median", "std", "q05", "q16", "q84", "q95"] as const;
export const redshiftSummaryNames = ["mode", "odds"] as const;
export type SummaryName = (typeof summaryNames)[number] | (typeof redshiftSummaryNames)[number];

export type Summary = Record<(typeof summaryNames)[number], number> &
  Partial<Record<(typeof redshiftSummaryNames)[number], number>>;

const LEVELS = Float64Array.of(0.05, 0.16, 0.5, 0.84, 0.95);

export const namesFor = (kind: FieldKind): readonly SummaryName[] =>
  kind === "redshift" ? [...summaryNames, ...redshiftSummaryNames] : summaryNames;

/** Arrays [rowCount] of every summary of a field of this kind, from its distribution in its own unit. */
export function summariseAll(distribution: Distribution, kind: FieldKind): Partial<Record<SummaryName, Float32Array>> {
  const n = distribution.rowCount;
  const names = namesFor(kind);
  const columns = names.map(() => new Float32Array(n));
  const [mean, median, std, q05, q16, q84, q95, mode, odds] = columns as (Float32Array | undefined)[] as [
    ...Float32Array[],
  ];
  const quantiles = new Float64Array(LEVELS.length);
  for (let row = 0; row < n; row++) {
    distribution.quantiles(row, LEVELS, quantiles);
    const moments = distribution.moments(row);
    mean[row] = moments.mean;
    std[row] = moments.std;
    q05[row] = quantiles[0];
    q16[row] = quantiles[1];
    median[row] = quantiles[2];
    q84[row] = quantiles[3];
    q95[row] = quantiles[4];
    if (kind !== "redshift") continue;
    const peak = distribution.mode(row);
    mode[row] = peak;
    odds[row] = oddsAround(distribution, row, peak);
  }
  return Object.fromEntries(names.map((name, c) => [name, columns[c]]));
}

/** Summary of row `row` of a field's distribution in its own unit; of a redshift with its peak and the odds around it. */
export function summarise(distribution: Distribution, row: number, kind: FieldKind): Summary {
  const quantiles = new Float64Array(LEVELS.length);
  distribution.quantiles(row, LEVELS, quantiles);
  const [q05, q16, median, q84, q95] = quantiles;
  const summary: Summary = { ...distribution.moments(row), median, q05, q16, q84, q95 };
  if (kind !== "redshift") return summary;
  const mode = distribution.mode(row);
  return { ...summary, mode, odds: oddsAround(distribution, row, mode) };
}
