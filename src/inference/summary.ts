import type { FieldCoder } from "../tokens/standardise.ts";
import { mixtureCdf, mixtureLogDensity, mixtureQuantiles, type Mixtures } from "../model/mixture.ts";
import { ODDS_HALF_WIDTH } from "./metrics-score.ts";

/** What a query prints and writes per field; the names are column suffixes. */
export const summaryNames = ["mean", "median", "std", "q05", "q16", "q84", "q95"] as const;
export const redshiftSummaryNames = ["mode", "odds"] as const;

export type Summary = Record<(typeof summaryNames)[number], number> &
  Partial<Record<(typeof redshiftSummaryNames)[number], number>>;

const LEVELS = Float64Array.of(0.05, 0.16, 0.5, 0.84, 0.95);
/** Nodes and weights of 7-point Gauss-Hermite quadrature (Abramowitz & Stegun table 25.10), for N(0, 1). */
const NODES = [-3.7504397, -2.3667594, -1.1544054, 0, 1.1544054, 2.3667594, 3.7504397];
const WEIGHTS = [0.000548269, 0.030757124, 0.240123179, 0.457142857, 0.240123179, 0.030757124, 0.000548269];

/** Mean and standard deviation of the decoded value: quadrature over each component. */
function moments(m: Mixtures, row: number, decode: (v: number) => number): { mean: number; std: number } {
  let mean = 0;
  let second = 0;
  for (let k = row * m.stride; k < row * m.stride + m.componentCount; k++) {
    for (let i = 0; i < NODES.length; i++) {
      const x = decode(m.mean[k] + m.sigma[k] * NODES[i]);
      mean += m.weight[k] * WEIGHTS[i] * x;
      second += m.weight[k] * WEIGHTS[i] * x * x;
    }
  }
  return { mean, std: Math.sqrt(Math.max(0, second - mean * mean)) };
}

/** Where the density is highest among the components' centres and the quantiles. */
function mode(m: Mixtures, row: number, candidates: ArrayLike<number>): number {
  let best = candidates[0];
  let top = -Infinity;
  const consider = (v: number): void => {
    const height = mixtureLogDensity(m, row, v);
    if (height > top) [top, best] = [height, v];
  };
  for (let i = 0; i < candidates.length; i++) consider(candidates[i]);
  for (let k = row * m.stride; k < row * m.stride + m.componentCount; k++) {
    if (m.weight[k] > 0.01) consider(m.mean[k]);
  }
  return best;
}

/** Summary of mixture `row`, an answer for field `j` of a galaxy with this scale, in the field's unit. */
export function summarise(m: Mixtures, row: number, coder: FieldCoder, j: number, scale: number): Summary {
  const decode = (v: number): number => coder.decode(j, v, scale);
  const encodedQuantiles = new Float64Array(LEVELS.length);
  mixtureQuantiles(m, row, LEVELS, encodedQuantiles);
  const [q05, q16, median, q84, q95] = Array.from(encodedQuantiles, decode) as [number, number, number, number, number];
  const summary: Summary = { ...moments(m, row, decode), median, q05, q16, q84, q95 };
  if (coder.fields[j].kind !== "redshift") return summary;
  const peak = decode(mode(m, row, encodedQuantiles));
  const reach = ODDS_HALF_WIDTH * (1 + peak);
  const below = (z: number): number => mixtureCdf(m, row, coder.encode(j, Math.max(z, -0.99), scale));
  return { ...summary, mode: peak, odds: below(peak + reach) - below(peak - reach) };
}
