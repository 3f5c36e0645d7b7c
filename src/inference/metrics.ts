import type { Rng } from "../random.ts";
import type { FieldKind } from "../survey/field.ts";
import {
  deviationOf,
  type Estimate,
  estimateTogether,
  ksOf,
  meanOf,
  medianOf,
  nmadOf,
  type Statistic,
} from "./weighted.ts";

/** What is known of one field's answers on n rows; every array is [n], in the field's unit unless said otherwise. */
export interface Predictions {
  readonly truth: ArrayLike<number>;
  /** Median of the predictive distribution. */
  readonly point: ArrayLike<number>;
  /** Predictive cdf at the truth. */
  readonly pit: ArrayLike<number>;
  readonly crps: ArrayLike<number>;
  /** -log p(truth) [nats], of the value in its own unit. */
  readonly negLogLik: ArrayLike<number>;
  /** Half of the 84th minus the 16th percentile: a standard deviation that tails don't move. */
  readonly halfWidth68?: ArrayLike<number>;
  /** 84th minus 16th percentile. */
  readonly width?: ArrayLike<number>;
  /** Redshift only: probability within +-0.03 (1 + z) of the peak. */
  readonly odds?: ArrayLike<number>;
  /** What the bootstrap draws together: parent galaxy or tile of the row, see `unitsOf`. Every row by itself when absent. */
  readonly unit?: ArrayLike<string | number>;
  /** How many galaxies a row stands for, relative to the others; all alike when absent. */
  readonly weight?: ArrayLike<number>;
}

export type Residuals = Float64Array;

/** One row of the table of metrics. */
export interface Metric {
  readonly title: string;
  /** In terms of truth y, median m, cdf F, density p and residual e of each row; see `docs/metrics.md`. */
  readonly formula: string;
  /** Who defines it, or where it is used as it is here. */
  readonly source: string;
  /** `field`: the field's own unit; `residual`: the same, but dz / (1 + z) for redshifts. */
  readonly unit: "field" | "residual" | "nats" | "fraction" | "";
  /** What a good answer looks like: the smaller, the larger, or closest to this number. */
  readonly better: "low" | "high" | number;
  /** Absent: every kind of field. */
  readonly kind?: FieldKind;
  /** Optional arrays that the metric reads; without them it is left out. */
  readonly needs?: "halfWidth68" | "width" | "odds";
  /** Under weights of the rows. `residual` [n] = point - truth, over (1 + truth) for redshifts. */
  of(this: void, p: Predictions, residual: Residuals): Statistic;
}

/** Share of the values that are so. */
const shareOf = (values: ArrayLike<number>, isSo: (value: number) => boolean): Statistic =>
  meanOf(Float64Array.from(values, (value) => Number(isSo(value))));

const beyond =
  (limit: number): Metric["of"] =>
  (_p, residual) =>
    shareOf(residual, (r) => Math.abs(r) > limit);

const within = (limit: number, source: string): Metric => ({
  title: `|dz| < ${limit}`,
  formula: `mean[ |e| < ${limit} ]`,
  source,
  unit: "fraction",
  better: "high",
  kind: "redshift",
  of: (_p, residual) => shareOf(residual, (r) => Math.abs(r) < limit),
});

const covered = (level: number): Metric => ({
  title: `${100 * level} % coverage`,
  formula: `mean[ |F(y) - 1/2| <= ${level / 2} ]`,
  source: "Gneiting, Balabdaoui & Raftery 2007, JRSS B 69, 243",
  unit: "fraction",
  better: level,
  of: ({ pit }) => shareOf(pit, (value) => Math.abs(value - 0.5) <= 0.5 * level),
});

/** Every metric. Intervals are equal-tailed. Adding one is one row. */
export const metrics = {
  bias: {
    title: "median error",
    formula: "median(e)",
    source: "Brammer, van Dokkum & Coppi 2008, ApJ 686, 1503",
    unit: "residual",
    better: 0,
    of: (_p, residual) => medianOf(residual),
  },
  sigmaNmad: {
    title: "sigma_NMAD",
    formula: "1.4826 median|e - median(e)|",
    source: "Hoaglin, Mosteller & Tukey 1983; Brammer, van Dokkum & Coppi 2008, eq. 5",
    unit: "residual",
    better: "low",
    of: (_p, residual) => nmadOf(residual),
  },
  rmse: {
    title: "RMS error",
    formula: "sqrt(mean(e^2))",
    source: "elementary",
    unit: "residual",
    better: "low",
    of: (_p, residual) => {
      const square = meanOf(residual.map((r) => r * r));
      return (weight) => Math.sqrt(square(weight));
    },
  },
  outlier03: {
    title: "outliers |dz| > 0.03",
    formula: "mean[ |e| > 0.03 ]",
    source: "Hildebrandt et al. 2010, A&A 523, A31",
    unit: "fraction",
    better: "low",
    kind: "redshift",
    of: beyond(0.03),
  },
  outlier05: {
    title: "outliers |dz| > 0.05",
    formula: "mean[ |e| > 0.05 ]",
    source: "Hildebrandt et al. 2010, A&A 523, A31",
    unit: "fraction",
    better: "low",
    kind: "redshift",
    of: beyond(0.05),
  },
  outlier15: {
    title: "outliers |dz| > 0.15",
    formula: "mean[ |e| > 0.15 ]",
    source: "Hildebrandt et al. 2010, A&A 523, A31",
    unit: "fraction",
    better: "low",
    kind: "redshift",
    of: beyond(0.15),
  },
  within003: within(0.003, "the wish of J-PAS: Benitez et al. 2014, arXiv:1403.5237"),
  within0025: within(0.0025, "Ginolfi et al. 2025, A&A 693, A73"),
  within005: within(0.005, "Ginolfi et al. 2025, A&A 693, A73"),
  within01: within(0.01, "Ginolfi et al. 2025, A&A 693, A73"),
  within1: within(0.1, "Ginolfi et al. 2025, A&A 693, A73"),
  odds: {
    title: "mean odds",
    formula: "mean( F(z_p + w) - F(z_p - w) ), w = 0.03 (1 + z_p), z_p the mode",
    source: "Benitez 2000, ApJ 536, 571; w as Hernan-Caballero et al. 2021, A&A 654, A101",
    unit: "fraction",
    better: "high",
    kind: "redshift",
    needs: "odds",
    of: (p) => meanOf(p.odds!),
  },
  negLogLik: {
    title: "negative log-likelihood",
    formula: "mean( -ln p(y) )",
    source: "Good 1952, JRSS B 14, 107",
    unit: "nats",
    better: "low",
    of: (p) => meanOf(p.negLogLik),
  },
  crps: {
    title: "CRPS",
    formula: "mean( integral (F(x) - [x >= y])^2 dx )",
    source: "Gneiting & Raftery 2007, JASA 102, 359, eq. 20",
    unit: "field",
    better: "low",
    of: (p) => meanOf(p.crps),
  },
  coverage50: covered(0.5),
  coverage68: covered(0.68),
  coverage90: covered(0.9),
  coverage95: covered(0.95),
  pitKs: {
    title: "KS distance of the PIT from uniform",
    formula: "max_u | mean[ F(y) <= u ] - u |",
    source: "Dawid 1984, JRSS A 147, 278; Kolmogorov 1933",
    unit: "",
    better: "low",
    of: (p) => ksOf(p.pit),
  },
  zScoreDeviation: {
    title: "standard deviation of (truth - median) / half the 68 % interval",
    formula: "std( 2 (y - m) / (q84 - q16) )",
    source: "the pull of particle physics: Demortier & Lyons 2002, CDF note 5776",
    unit: "",
    better: 1,
    needs: "halfWidth68",
    of: ({ truth, point, halfWidth68 }) =>
      deviationOf(Float64Array.from(halfWidth68!, (half, i) => (truth[i] - point[i]) / half)),
  },
  width: {
    title: "median width of the 68 % interval",
    formula: "median(q84 - q16)",
    source: "sharpness: Gneiting, Balabdaoui & Raftery 2007",
    unit: "field",
    better: "low",
    needs: "width",
    of: (p) => medianOf(p.width!),
  },
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
export type FieldScore = Partial<Record<MetricName, Estimate>>;

export interface ScoreOptions {
  readonly rng: Rng;
  /** Bootstrap resamples of the units; 0 makes low = high = value. Default 1000. */
  readonly resamples?: number;
  /** Rows to score; all when absent. */
  readonly rows?: Int32Array;
  /** Metrics wanted; all when absent. */
  readonly names?: readonly MetricName[];
}

/** One field's answers. */
export interface Answered {
  readonly predictions: Predictions;
  readonly kind: FieldKind;
}

/** Metrics that apply to a field's kind and whose arrays are there. */
function statisticsOf(
  { predictions: p, kind }: Answered,
  wanted: readonly MetricName[] | undefined,
): [MetricName, Statistic][] {
  const residual = residuals(p, kind);
  return (Object.keys(metrics) as MetricName[]).flatMap((name) => {
    const metric: Metric = metrics[name];
    const isTold =
      (wanted?.includes(name) ?? true) &&
      (metric.kind === undefined || metric.kind === kind) &&
      (metric.needs === undefined || p[metric.needs] !== undefined);
    return isTold ? [[name, metric.of(p, residual)] as [MetricName, Statistic]] : [];
  });
}

/**
 * Scores answers on the same rows, in their order: every metric that applies, under the rows' weights, with 95 % bootstrap
 * intervals by unit. Units and weights are those of the first; all share the draws. All rows count alike where the weights
 * are all zero.
 * @throws Error without rows, and when an array has another length than `truth` or a value that is not a number.
 */
export function scoreTogether(answers: readonly Answered[], options: ScoreOptions): FieldScore[] {
  const { rows, names } = options;
  for (const { predictions } of answers) checkPredictions(predictions);
  const all = answers.map(({ predictions, kind }): Answered => ({
    kind,
    predictions: rows === undefined ? predictions : rowsOf(predictions, rows),
  }));
  const { truth, weight = [], unit = Int32Array.from({ length: truth.length }, (_, i) => i) } = all[0].predictions;
  if (truth.length === 0) throw new Error("scoreField: no rows");
  return estimateTogether(
    all.map((one) => statisticsOf(one, names)),
    { ...options, unit, weight },
  );
}

/** Scores one field, see {@link scoreTogether}. */
export function scoreField(predictions: Predictions, kind: FieldKind, options: ScoreOptions): FieldScore {
  return scoreTogether([{ predictions, kind }], options)[0];
}

/** Some rows of all arrays. */
function rowsOf(p: Predictions, rows: Int32Array): Predictions {
  const some = Object.entries(p).map(([name, values]: [string, ArrayLike<string | number> | undefined]) => [
    name,
    values && Array.from(rows, (row) => values[row]),
  ]);
  return Object.fromEntries(some) as Predictions;
}

function checkPredictions(p: Predictions): void {
  for (const [name, values] of Object.entries(p) as [keyof Predictions, Predictions["unit"]][]) {
    if (values === undefined) continue;
    if (values.length !== p.truth.length)
      throw new Error(`scoreField: "${name}" has ${values.length} rows, "truth" has ${p.truth.length}`);
    if (name === "unit") continue;
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) throw new Error(`scoreField: "${name}" is not a number in row ${i}`);
    }
  }
}

function residuals(p: Predictions, kind: FieldKind): Residuals {
  const unit = kind === "redshift" ? (truth: number) => 1 + truth : () => 1;
  return Float64Array.from(p.truth, (truth, i) => (p.point[i] - truth) / unit(truth));
}

/** Rows of `inProportion` per row that it is given. */
const REPEATS = 4;

/**
 * Rows repeated in proportion to their weights: evenly spaced points on the sum of weights (systematic resampling, Kitagawa
 * 1996, JCGS 5, 1), `repeats` times as many as rows; a row's share is exact to 1 / (repeats x number of rows). All rows as
 * they are where the weights are all zero.
 */
export function inProportion(rows: Int32Array, weight: ArrayLike<number>, repeats = REPEATS): Int32Array {
  const total = rows.reduce((sum, row) => sum + weight[row], 0);
  if (total === 0) return rows;
  const count = repeats * rows.length;
  const chosen = new Int32Array(count);
  let [at, sum] = [0, weight[rows[0]]];
  for (let i = 0; i < count; i++) {
    const point = ((i + 0.5) / count) * total;
    while (sum < point && at < rows.length - 1) sum += weight[rows[++at]];
    chosen[i] = rows[at];
  }
  return chosen;
}

/** PIT values, repeated in proportion to weights where there are any. */
export function pitsOf({ pit }: Pick<Predictions, "pit">, weight?: ArrayLike<number>): ArrayLike<number> {
  if (weight === undefined) return pit;
  return gather(
    pit,
    inProportion(
      Int32Array.from({ length: pit.length }, (_, i) => i),
      weight,
    ),
  );
}

/** Counts of PIT values in equal bins over [0, 1]. */
export function pitHistogram(pit: ArrayLike<number>, bins = 20): Float64Array {
  const counts = new Float64Array(bins);
  for (let i = 0; i < pit.length; i++) {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(pit[i] * bins)));
    counts[bin] = counts[bin] + 1;
  }
  return counts;
}

/** Fraction of truths inside the equal-tailed interval of each nominal level (0 ... 1). */
export function coverageCurve(pit: ArrayLike<number>, levels: ArrayLike<number>): Float64Array {
  const reach = Float64Array.from(pit, (value) => 2 * Math.abs(value - 0.5)).sort();
  return Float64Array.from(levels, (level) => countAtMost(reach, level) / Math.max(1, reach.length));
}

function countAtMost(sorted: Float64Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function gather(values: ArrayLike<number>, rows: Int32Array): Float64Array {
  return Float64Array.from(rows, (row) => values[row]);
}
