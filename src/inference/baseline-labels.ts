import { quantile } from "../report/statistics.ts";

/** What a baseline learns from: complete feature rows and the labels of one field. */
export interface TrainingSet {
  /** [n, featureCount], finite (missing values filled by whoever builds the features). */
  readonly x: Float32Array;
  readonly featureCount: number;
  /** Columns of `x` that hold values; the others say how well these are known. All columns when absent. */
  readonly values?: readonly number[];
  /** [n] Label, finite; the answers are in its unit. Of several [n, targetCount], NaN where one is not known. */
  readonly y: Float32Array;
  /** 1 when absent; only for baselines with `targets`. */
  readonly targetCount?: number;
  /** [n] Parent galaxy: held-out parts are drawn by parent. Every row is its own parent when absent. */
  readonly parent?: ArrayLike<string | number>;
}

/** Kernels on a few labels end too early: this much of the weight goes into one Gaussian ... */
export const TAIL_WEIGHT = 0.02;
/** ... this many times as wide as their spread. */
export const TAIL_STRETCH = 4;

/** Gaussians on the labels: one distribution for every row. */
export interface LabelKernels {
  readonly rowCount: number;
  readonly componentCount: number;
  readonly stride: 0;
  readonly weight: Float64Array;
  readonly mean: Float64Array;
  readonly sigma: Float64Array;
}

/**
 * Smoothed marginal of the labels, the same for every row (stride 0): Gaussian kernels of Silverman's width (1986,
 * eq. 3.31) on the labels, or on `mostComponents` equally probable quantiles of them where there are more.
 */
export function smoothedLabels(y: Float32Array, mostComponents = 512): LabelKernels {
  const sorted = Float64Array.from(y).sort();
  const n = sorted.length;
  const componentCount = Math.min(n, mostComponents);
  const mean = Float64Array.from({ length: componentCount }, (_, k) =>
    n <= mostComponents ? sorted[k] : quantile(sorted, (k + 0.5) / componentCount),
  );
  const { std } = moments(y);
  const robust = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.34;
  const width = 0.9 * (robust > 0 ? Math.min(std, robust) : std) * n ** -0.2;
  return {
    rowCount: 1,
    componentCount,
    stride: 0,
    weight: new Float64Array(componentCount).fill(1 / componentCount),
    mean,
    sigma: new Float64Array(componentCount).fill(Math.max(width, leastWidth(y))),
  };
}

/** Below this a predictive width says nothing: a thousandth of the labels' spread. > 0 even for constant labels. */
export function leastWidth(y: Float32Array): number {
  const { mean, std } = moments(y);
  return Math.max(1e-3 * std, 1e-6 * Math.abs(mean), 1e-12);
}

function moments(y: Float32Array): { mean: number; std: number } {
  let mean = 0;
  for (const value of y) mean += value / y.length;
  let variance = 0;
  for (const value of y) variance += (value - mean) ** 2 / y.length;
  return { mean, std: Math.sqrt(variance) };
}
