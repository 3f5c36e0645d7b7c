/** Scores in bins of what galaxies are like, and what a cut in odds keeps. */
import { createRng, type Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type CategoryField, type FieldKind, State } from "../survey/field.ts";
import { redMagnitudes } from "./class-scores.ts";
import { type Question, type TruthAnswers, weightsOf } from "./evaluate.ts";
import { type FieldScore, type MetricName, type Predictions, scoreField } from "./metrics.ts";
import { signals } from "./oracle.ts";
import type { Units } from "./resampling.ts";

export type BinnedBy = "magnitude" | "signal" | "redshift" | "given";

/** Ends of the bins: AB magnitude near r, median S/N of the given bands, true redshift, number of given values. */
export const EDGES = {
  magnitude: [17, 19, 20, 21, 22, 22.5, 23.5],
  signal: [0, 3, 5, 10, 20, Infinity],
  redshift: [0, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5],
  given: [0, 5, 15, 30, Infinity],
} as const satisfies Record<BinnedBy, readonly number[]>;

/** Scores of the rows from `from` up to `to`. */
export interface ScoreBin {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly score: FieldScore;
}

/** Scores of the rows whose truth is of a class. */
export interface ClassBin {
  readonly class: string;
  readonly rows: number;
  readonly score: FieldScore;
}

/** One field's scores in bins that have rows enough. */
export interface FieldBins extends Partial<Record<BinnedBy, readonly ScoreBin[]>> {
  /** By the class that the truth has in the survey's first category; absent where no row has one. */
  readonly class?: readonly ClassBin[];
}

/** Fewer rows than this have no score worth telling. */
const LEAST_ROWS = 30;
/** Ends of intervals then scatter by a fifth of the estimate's error. */
const RESAMPLES = 100;
/** What is told of every bin: all metrics would take as long as the rest of an evaluation. */
const TOLD = [
  "bias",
  "sigmaNmad",
  "rmse",
  "outlier03",
  "outlier15",
  "crps",
  "coverage68",
  "coverage90",
] as const satisfies readonly MetricName[];

/** Scores of some rows; none of fewer than 30. */
function scoreRows(
  p: Predictions,
  kind: FieldKind,
  isInside: (i: number) => boolean,
  rng: Rng,
  names: readonly MetricName[] = TOLD,
): { rows: number; score: FieldScore } | undefined {
  const rows = Int32Array.from(p.truth, (_, i) => i).filter(isInside);
  if (rows.length < LEAST_ROWS) return undefined;
  return { rows: rows.length, score: scoreField(p, kind, { rng, resamples: RESAMPLES, rows, names }) };
}

/** Scores by `values` [n] of the rows, from 30 rows a bin on; values that are no number are in none. `names`: other metrics. */
export function scoreBins(
  p: Predictions,
  kind: FieldKind,
  values: ArrayLike<number>,
  edges: readonly number[],
  rng: Rng,
  names?: readonly MetricName[],
): ScoreBin[] {
  return edges.slice(1).flatMap((to, b): ScoreBin[] => {
    const from = edges[b];
    const own = scoreRows(p, kind, (i) => values[i] >= from && values[i] < to, rng, names);
    return own === undefined ? [] : [{ from, to: Math.min(to, Number.MAX_VALUE), ...own }];
  });
}

/** Scores by class, of which `values` [n] holds the index, NaN where it is not known; from 30 rows on. */
export function scoreByClass(
  p: Predictions,
  kind: FieldKind,
  values: ArrayLike<number>,
  classes: readonly string[],
  rng: Rng,
): ClassBin[] {
  return classes.flatMap((name, k): ClassBin[] => {
    const own = scoreRows(p, kind, (i) => values[i] === k, rng);
    return own === undefined ? [] : [{ class: name, ...own }];
  });
}

/** [rows] Truths of field `j`; NaN where it is not measured, or there is no such field. */
function truthsOf({ fields, state, value }: Catalog, rows: Int32Array, j: number): Float64Array {
  return Float64Array.from(rows, (row) => {
    const at = row * fields.length + j;
    return j >= 0 && state[at] === State.measured ? value[at] : Number.NaN;
  });
}

/** What the rows of a field's predictions are binned by. */
function binnedBy(
  question: Question,
  catalog: Catalog,
  rows: Int32Array,
): Partial<Record<BinnedBy, ArrayLike<number>>> {
  const { fields, state } = question.catalog ?? catalog;
  const n = fields.length;
  const given = fields.flatMap((_, j) => (question.isGiven[j] === 1 && !question.wanted.includes(j) ? [j] : []));
  const z = fields.findIndex(({ kind }) => kind === "redshift");
  const magnitude = redMagnitudes(catalog, rows)?.magnitude;
  return {
    ...(magnitude === undefined ? {} : { magnitude }),
    ...(fields.some(({ band }) => band !== undefined) ? { signal: signals(question, catalog, rows) } : {}),
    ...(z < 0 ? {} : { redshift: truthsOf(catalog, rows, z) }),
    given: Int32Array.from(rows, (row) => given.filter((j) => state[row * n + j] !== State.notObserved).length),
  };
}

/** One field's scores in all bins that have enough rows. */
function binScores(
  p: Predictions,
  kind: FieldKind,
  question: Question,
  catalog: Catalog,
  rows: Int32Array,
  rng: Rng,
): FieldBins {
  const by = binnedBy(question, catalog, rows);
  const entries = (Object.keys(by) as BinnedBy[]).map((name) => [
    name,
    scoreBins(p, kind, by[name]!, EDGES[name], rng),
  ]);
  const category = catalog.fields.findIndex((field) => field.kind === "category");
  const known = truthsOf(catalog, rows, category);
  const bins = Object.fromEntries(entries) as FieldBins;
  if (known.every(Number.isNaN)) return bins;
  const { classes } = catalog.fields[category] as CategoryField;
  return { ...bins, class: scoreByClass(p, kind, known, classes, rng) };
}

/** What is left of a sample that is cut at some odds. */
export interface OddsCut {
  /** Odds of the worst that is kept. */
  readonly odds: number;
  /** Share of all that is kept, and share of it with |dz| / (1 + z) below the limit. */
  readonly completeness: number;
  readonly purity: number;
}

/**
 * Purity against completeness of samples that are cut in odds, at completeness 0.1, 0.2 ... 1 (as in Hernan-Caballero et al.
 * 2021, A&A 654, A101). Rows of equal odds are kept or cut together; rows count by their weights.
 */
export function oddsCuts({ truth, point, odds, weight }: Predictions, limit = 0.03): OddsCut[] {
  if (odds === undefined) return [];
  const order = Array.from(truth, (_, i) => i).sort((a, b) => odds[b] - odds[a]);
  const each = (i: number): number => weight?.[i] ?? 1;
  const total = order.reduce((sum, i) => sum + each(i), 0);
  const cuts: OddsCut[] = [];
  let [kept, pure] = [0, 0];
  order.forEach((i, place) => {
    kept += each(i);
    if (Math.abs(point[i] - truth[i]) / (1 + truth[i]) < limit) pure += each(i);
    if (place + 1 < order.length && odds[order[place + 1]] === odds[i]) return;
    const completeness = kept / total;
    if (completeness < (cuts.length + 1) / 10 - 1e-9) return;
    while (completeness >= (cuts.length + 1) / 10 - 1e-9)
      cuts.push({ odds: odds[i], completeness, purity: pure / kept });
  });
  return cuts;
}

/** More of a question's scores, of the network. */
export interface Details {
  /** By field: scores by magnitude, S/N, redshift, number of given values and class. */
  readonly bins: Readonly<Record<string, FieldBins>>;
  /** By redshift: what cuts in odds keep. */
  readonly oddsCuts: Readonly<Record<string, readonly OddsCut[]>>;
}

export function detailsOf(
  question: Question,
  catalog: Catalog,
  units: Units["of"],
  network: TruthAnswers,
  seed: string,
): Details {
  const bins: Record<string, FieldBins> = {};
  const cuts: Record<string, readonly OddsCut[]> = {};
  for (const [name, { rows, predictions, classes }] of network) {
    const field = catalog.fields.find((one) => one.name === name);
    if (field === undefined || classes !== undefined) continue;
    const weight = weightsOf(catalog, rows);
    const unit = Array.from(rows, (row) => units[row]);
    const whole = { ...predictions, unit, ...(weight === undefined ? {} : { weight }) };
    bins[name] = binScores(whole, field.kind, question, catalog, rows, createRng(`${seed}:bins:${name}`));
    if (field.kind === "redshift") cuts[name] = oddsCuts(whole);
  }
  return { bins, oddsCuts: cuts };
}
