import type { Rng } from "../random.ts";
import { quantile } from "../report/statistics.ts";
import type { FieldKind } from "../survey/field.ts";

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
  /** Parent galaxy of the row: the unit of the bootstrap. Every row is its own parent when absent. */
  readonly parent?: ArrayLike<string | number>;
  /** How many galaxies a row stands for, relative to the others; all alike when absent. */
  readonly weight?: ArrayLike<number>;
}

/** An estimate with the ends of its 95 % bootstrap interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export type Residuals = Float64Array;

/** One row of the table of metrics. */
export interface Metric {
  readonly title: string;
  /** `field` = the field's own unit (dz / (1 + z) for redshifts). */
  readonly unit: "field" | "nats" | "fraction" | "";
  /** What a good answer looks like: the smaller, the larger, or closest to this number. */
  readonly better: "low" | "high" | number;
  /** Absent: every kind of field. */
  readonly kind?: FieldKind;
  /** Optional arrays that the metric reads; without them it is left out. */
  readonly needs?: "halfWidth68" | "width" | "odds";
  /** `residual` [nRow of `rows`] = point - truth, over (1 + truth) for redshifts. `rows` may hold repeats. */
  compute(this: void, p: Predictions, rows: Int32Array, residual: Residuals): number;
}

const fractionBeyond =
  (limit: number): Metric["compute"] =>
  (_p, rows, residual) => {
    let count = 0;
    for (const r of residual) if (Math.abs(r) > limit) count++;
    return count / rows.length;
  };

const covered = (level: number): Metric => ({
  title: `${100 * level} % coverage`,
  unit: "fraction",
  better: level,
  compute: (p, rows) => {
    let inside = 0;
    for (const row of rows) if (Math.abs(p.pit[row] - 0.5) <= 0.5 * level) inside++;
    return inside / rows.length;
  },
});

const mean = (values: ArrayLike<number>, rows: Int32Array): number => {
  let sum = 0;
  for (const row of rows) sum += values[row];
  return sum / rows.length;
};

/** Every metric. Intervals are equal-tailed. Adding one is one row. */
export const metrics = {
  bias: { title: "median error", unit: "field", better: 0, compute: (_p, _rows, residual) => median(residual) },
  sigmaNmad: {
    title: "sigma_NMAD",
    unit: "field",
    better: "low",
    compute: (_p, _rows, residual) => sigmaNmad(residual),
  },
  rmse: {
    title: "RMS error",
    unit: "field",
    better: "low",
    compute: (_p, rows, residual) => Math.sqrt(residual.reduce((sum, r) => sum + r * r, 0) / rows.length),
  },
  outlier03: {
    title: "outliers |dz| > 0.03",
    unit: "fraction",
    better: "low",
    kind: "redshift",
    compute: fractionBeyond(0.03),
  },
  outlier05: {
    title: "outliers |dz| > 0.05",
    unit: "fraction",
    better: "low",
    kind: "redshift",
    compute: fractionBeyond(0.05),
  },
  outlier15: {
    title: "outliers |dz| > 0.15",
    unit: "fraction",
    better: "low",
    kind: "redshift",
    compute: fractionBeyond(0.15),
  },
  within003: {
    title: "|dz| < 0.003",
    unit: "fraction",
    better: "high",
    kind: "redshift",
    compute: (_p, rows, residual) =>
      residual.reduce((count, r) => count + (Math.abs(r) < 0.003 ? 1 : 0), 0) / rows.length,
  },
  odds: {
    title: "mean odds",
    unit: "fraction",
    better: "high",
    kind: "redshift",
    needs: "odds",
    compute: (p, rows) => mean(p.odds!, rows),
  },
  negLogLik: {
    title: "negative log-likelihood",
    unit: "nats",
    better: "low",
    compute: (p, rows) => mean(p.negLogLik, rows),
  },
  crps: { title: "CRPS", unit: "field", better: "low", compute: (p, rows) => mean(p.crps, rows) },
  coverage50: covered(0.5),
  coverage68: covered(0.68),
  coverage90: covered(0.9),
  coverage95: covered(0.95),
  pitKs: {
    title: "KS distance of the PIT from uniform",
    unit: "",
    better: "low",
    compute: (p, rows) => ksUniform(gather(p.pit, rows)),
  },
  zScoreStd: {
    title: "std of (truth - median) / half the 68 % interval",
    unit: "",
    better: 1,
    needs: "halfWidth68",
    compute: (p, rows) => std(Float64Array.from(rows, (row) => (p.truth[row] - p.point[row]) / p.halfWidth68![row])),
  },
  width: {
    title: "median width of the 68 % interval",
    unit: "field",
    better: "low",
    needs: "width",
    compute: (p, rows) => median(gather(p.width!, rows)),
  },
} satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;
export type FieldScore = Partial<Record<MetricName, Estimate>>;

export interface ScoreOptions {
  readonly rng: Rng;
  /** Bootstrap resamples of the parents; 0 makes low = high = value. Default 200. */
  readonly resamples?: number;
  /** Rows to score; all when absent. */
  readonly rows?: Int32Array;
}

/**
 * Scores one field: every metric that applies to its kind and whose arrays are there, with 95 % bootstrap intervals. With
 * weights, metrics are those of rows repeated in proportion to them (`inProportion`).
 * @throws Error without rows, and when an array has another length than `truth` or a value that is not a number.
 */
export function scoreField(p: Predictions, kind: FieldKind, options: ScoreOptions): FieldScore {
  checkPredictions(p);
  const rows = options.rows ?? Int32Array.from({ length: p.truth.length }, (_, i) => i);
  if (rows.length === 0) throw new Error("scoreField: no rows");
  const names = (Object.keys(metrics) as MetricName[]).filter((name) => {
    const metric: Metric = metrics[name];
    return (
      (metric.kind === undefined || metric.kind === kind) &&
      (metric.needs === undefined || p[metric.needs] !== undefined)
    );
  });
  const evaluate = (drawn: Int32Array, repeats = 1): Float64Array => {
    const some = p.weight === undefined ? drawn : inProportion(drawn, p.weight, repeats);
    const residual = residuals(p, kind, some);
    return Float64Array.from(names, (name) => metrics[name].compute(p, some, residual));
  };
  const values = evaluate(rows, REPEATS);
  const draws = resampleByParent(p.parent, rows, options.resamples ?? 200, options.rng, evaluate);
  return Object.fromEntries(
    names.map((name, j) => [
      name,
      intervalOf(
        values[j],
        draws.map((draw) => draw[j]),
      ),
    ]),
  ) as FieldScore;
}

function checkPredictions(p: Predictions): void {
  for (const [name, values] of Object.entries(p) as [keyof Predictions, Predictions["parent"]][]) {
    if (values === undefined) continue;
    if (values.length !== p.truth.length)
      throw new Error(`scoreField: "${name}" has ${values.length} rows, "truth" has ${p.truth.length}`);
    if (name === "parent") continue;
    for (let i = 0; i < values.length; i++) {
      if (Number.isNaN(values[i])) throw new Error(`scoreField: "${name}" is not a number in row ${i}`);
    }
  }
}

function residuals(p: Predictions, kind: FieldKind, rows: Int32Array): Residuals {
  const unit = kind === "redshift" ? (truth: number) => 1 + truth : () => 1;
  return Float64Array.from(rows, (row) => (p.point[row] - p.truth[row]) / unit(p.truth[row]));
}

/** Rows of `inProportion` per row that it is given; bootstrap draws, which scatter by more, take one. */
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

/** Number of equally weighted rows that would say as much: (sum w)^2 / sum w^2 (Kish 1965). */
export function effectiveCount(weight: ArrayLike<number>): number {
  let [sum, square] = [0, 0];
  for (let i = 0; i < weight.length; i++) [sum, square] = [sum + weight[i], square + weight[i] ** 2];
  return square === 0 ? 0 : sum ** 2 / square;
}

/** Draws parents with replacement, all rows of a parent together (noise draws of one galaxy are not independent). */
export function resampleByParent(
  parent: Predictions["parent"],
  rows: Int32Array,
  resamples: number,
  rng: Rng,
  evaluate: (rows: Int32Array) => Float64Array,
): Float64Array[] {
  const groups = new Map<string | number, number[]>();
  for (const row of rows) {
    const key = parent?.[row] ?? row;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const members = [...groups.values()];
  return Array.from({ length: resamples }, () => {
    const drawn: number[] = [];
    for (let i = 0; i < members.length; i++) drawn.push(...members[rng.integer(members.length)]);
    return evaluate(Int32Array.from(drawn));
  });
}

/** An estimate with the ends of the middle 95 % of its resampled values; without any, its own. */
export function intervalOf(value: number, draws: readonly number[]): Estimate {
  if (draws.length === 0) return { value, low: value, high: value };
  const sorted = Float64Array.from(draws).sort();
  return { value, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
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

/** Largest distance between the empirical cdf and the diagonal (Kolmogorov-Smirnov). */
export function ksUniform(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  let distance = 0;
  for (let i = 0; i < sorted.length; i++) {
    distance = Math.max(distance, (i + 1) / sorted.length - sorted[i], sorted[i] - i / sorted.length);
  }
  return distance;
}

/** Scatter that a few outliers don't move: 1.4826 median|e - median e|. */
export function sigmaNmad(values: ArrayLike<number>): number {
  const centre = median(values);
  return 1.4826 * median(Float64Array.from(values, (value) => Math.abs(value - centre)));
}

export function median(values: ArrayLike<number>): number {
  const work = Float64Array.from(values);
  const half = work.length >> 1;
  selectInPlace(work, half);
  if (work.length % 2 === 1) return work[half];
  let below = -Infinity;
  for (let i = 0; i < half; i++) below = Math.max(below, work[i]);
  return 0.5 * (below + work[half]);
}

/** Reorders `a` so that `a[k]` is its k-th smallest value, smaller ones before it (Hoare's quickselect 1961). */
function selectInPlace(a: Float64Array, k: number): void {
  let left = 0;
  let right = a.length - 1;
  while (left < right) {
    const pivot = a[(left + right) >> 1];
    let i = left;
    let j = right;
    while (i <= j) {
      while (a[i] < pivot) i++;
      while (a[j] > pivot) j--;
      if (i > j) break;
      const kept = a[i];
      a[i++] = a[j];
      a[j--] = kept;
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else return;
  }
}

function gather(values: ArrayLike<number>, rows: Int32Array): Float64Array {
  return Float64Array.from(rows, (row) => values[row]);
}

function std(values: Float64Array): number {
  const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length);
}
