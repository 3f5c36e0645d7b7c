import { cholesky, choleskySolve } from "../train/cholesky.ts";
import {
  fitStandardiser,
  gramMatrix,
  leadingDirections,
  project,
  standardise,
  traceOfInverse,
  transposeTimes,
} from "./baseline-matrix.ts";
import type { TrainingSet } from "./baseline-labels.ts";
import { leastWidth } from "./baseline-labels.ts";
import type { Distribution } from "../model/distribution.ts";
import { mixtureDistribution } from "../model/mixture.ts";

/** Penalty per training row and unit variance of a feature. */
const PENALTIES = Array.from({ length: 14 }, (_, i) => 10 ** (-7 + 0.75 * i));
/** Principal components whose squares and products enter the quadratic version: 20 give 210 features. */
const QUADRATIC_DIRECTIONS = 20;
/** Scores are cut here before they are multiplied, so that one odd band doesn't square its way to the answer [sigma]. */
const LARGEST_SCORE = 4;

interface Fit {
  predict(this: void, x: Float32Array, n: number): Distribution;
  readonly chosen: Readonly<Record<string, number>>;
}

/**
 * Ridge regression on standardised features with one Gaussian residual; the penalty minimises generalised
 * cross-validation (Golub, Heath & Wahba 1979, eq. 1.3), which needs one Cholesky factor per penalty and no refit.
 */
export function fitRidge(train: TrainingSet, n: number, isQuadratic: boolean): Fit {
  const expand = fitFeatures(train, n, isQuadratic);
  const features = expand(train.x, n);
  const scaler = fitStandardiser(features.x, n, features.count);
  const p = features.count;
  const x = standardise(features.x, scaler);
  let yMean = 0;
  for (const value of train.y) yMean += value / n;
  const y = Float64Array.from(train.y, (value) => value - yMean);
  const gram = gramMatrix(x, n, p);
  const { weights, penalty, variance, freedom } = choosePenalty(gram, transposeTimes(x, y, n, p), dot(y, y), n, p);
  const sigma = Math.max(Math.sqrt(variance), leastWidth(train.y));
  return {
    chosen: { penalty, sigma, features: p, freedom },
    predict: (rows, count) => {
      const scaled = standardise(expand(rows, count).x, scaler);
      const mean = project(scaled, weights, count, p, 1).map((value) => value + yMean);
      return mixtureDistribution({
        rowCount: count,
        componentCount: 1,
        stride: 1,
        weight: new Float64Array(count).fill(1),
        mean,
        sigma: new Float64Array(count).fill(sigma),
      });
    },
  };
}

interface Choice {
  readonly weights: Float64Array;
  readonly penalty: number;
  readonly variance: number;
  /** Effective number of parameters, trace of the hat matrix plus the mean. */
  readonly freedom: number;
}

function choosePenalty(gram: Float64Array, xy: Float64Array, yy: number, n: number, p: number): Choice {
  let best: (Choice & { score: number }) | undefined;
  for (const penalty of PENALTIES) {
    const damped = Float64Array.from(gram);
    for (let i = 0; i < p; i++) damped[i * p + i] += penalty * n;
    const l = cholesky(damped, p);
    const weights = choleskySolve(l, xy, p);
    const freedom = 1 + p - penalty * n * traceOfInverse(l, p);
    const residual = Math.max(0, yy - 2 * dot(weights, xy) + dot(weights, project(gram, weights, p, p, 1)));
    const left = Math.max(n - freedom, 1e-3);
    const score = residual / (left * left);
    if (best === undefined || score < best.score)
      best = { weights, penalty, freedom, score, variance: residual / left };
  }
  return best!;
}

interface Features {
  readonly x: ArrayLike<number>;
  readonly count: number;
}

function fitFeatures(train: TrainingSet, n: number, isQuadratic: boolean): (x: Float32Array, n: number) => Features {
  const p = train.featureCount;
  if (!isQuadratic) return (x) => ({ x, count: p });
  const scaler = fitStandardiser(train.x, n, p);
  const scaled = standardise(train.x, scaler);
  const m = Math.min(p, QUADRATIC_DIRECTIONS);
  const basis = leadingDirections(gramMatrix(scaled, n, p), p, m);
  const scores = fitStandardiser(project(scaled, basis, n, p, m), n, m);
  const count = p + (m * (m + 1)) / 2;
  return (x, rows) => {
    const linear = standardise(x, scaler);
    const t = standardise(project(linear, basis, rows, p, m), scores);
    const out = new Float64Array(rows * count);
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < p; j++) out[r * count + j] = linear[r * p + j];
      let at = r * count + p;
      for (let i = 0; i < m; i++) for (let j = 0; j <= i; j++) out[at++] = cut(t[r * m + i]) * cut(t[r * m + j]);
    }
    return { x: out, count };
  };
}

function cut(score: number): number {
  return Math.max(-LARGEST_SCORE, Math.min(LARGEST_SCORE, score));
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
