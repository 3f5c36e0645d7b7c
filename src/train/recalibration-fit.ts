/** The fit of a recalibration to answers whose truths are known. */
import {
  covariateNames,
  createHats,
  type FieldRecalibration,
  lnFlatnessAt,
  lnWidthAt,
  tailAt,
} from "../model/recalibration.ts";
import { normalBetween, normalDensity } from "../model/normal.ts";
import { WARP_SIZE, warpWithSlopes } from "../model/score-warp.ts";
import { minimise } from "./minimise.ts";

/** Answers to one kind of field, [count] each but `covariates`. */
export interface KnownAnswers {
  readonly count: number;
  /** [count, covariateNames] */
  readonly covariates: Float64Array;
  /** Phi^-1 of the cdf at the truth. */
  readonly score: Float64Array;
  /** ln of the density there that the tail has, over that of the answer. */
  readonly logTail: Float64Array;
  /** Scores of the field's limits, which cut the answer once it is recalibrated, and what of the tail is between them. */
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly inside: Float64Array;
  /** How much the truth says of the answer: 1, less where it has an error of its own. */
  readonly weight: Float64Array;
}

/** Fewer truths say nothing worth a change. */
const FEWEST = 100;
/** Knots of a covariate, and the fewest truths for each. */
const [MOST_KNOTS, ROWS_PER_KNOT] = [5, 500];
/** Parts of the truths that lie below the outer knots. */
const ENDS = [0.01, 0.99] as const;
/** Truths that a coefficient has to be borne out by before it is half of what they say: of the constants, and of the rest. */
const [EASY, RIDGE] = [2, 60];
/** The same of the shape, which few truths tell from a width: of its constant, and of the rest. */
const [SHAPE, STIFF] = [200, 1000];
/** Functions that are fitted: shift, ln width, ln flatness, logit of the tail. */
const PARTS = 4;

/** Increasing knots at quantiles of a covariate, two at least; undefined where it hardly changes. */
function knotsOf(values: Float64Array, most: number): number[] | undefined {
  if (values.some(Number.isNaN)) return undefined;
  const sorted = values.slice().sort();
  const at = (part: number): number => sorted[Math.round(part * (sorted.length - 1))];
  const [low, high] = [at(ENDS[0]), at(ENDS[1])];
  const least = 0.02 * (high - low);
  const knots: number[] = [];
  for (let i = 0; i < most; i++) {
    const knot = at(ENDS[0] + ((ENDS[1] - ENDS[0]) * i) / (most - 1));
    if (knots.length === 0 || knot > knots[knots.length - 1] + least) knots.push(knot);
  }
  return knots.length < 2 || !(high - low > 1e-3) ? undefined : knots;
}

/**
 * Maximum likelihood of the truths under the recalibrated answers (a conditional transformation model: Hothorn, Kneib &
 * Buehlmann 2014, J. R. Stat. Soc. B 76, 3), with a ridge towards no change. In units of the old density at the truth the new one is
 * (1 - tail) phi(y) dy/dx / phi(x) + tail exp(logTail), x the score and y where it goes, over its mass between the limits.
 * Undefined where truths are few.
 */
export function fitRecalibration(known: KnownAnswers): FieldRecalibration | undefined {
  const { count, weight } = known;
  if (count < FEWEST) return undefined;
  const n = covariateNames.length;
  const most = Math.min(MOST_KNOTS, Math.max(2, Math.floor(count / ROWS_PER_KNOT)));
  const covariates = covariateNames.flatMap((name, c) => {
    const knots = knotsOf(
      Float64Array.from({ length: count }, (_, i) => known.covariates[i * n + c]),
      most,
    );
    return knots === undefined ? [] : [{ name, knots }];
  });
  const { size, active, place } = createHats(covariates);
  const index = new Int32Array(count * active);
  const share = new Float64Array(count * active);
  for (let i = 0; i < count; i++) place(known.covariates.subarray(i * n, (i + 1) * n), index, share, i * active);
  const negLogLik = createNegLogLik(known);
  const [sums, slopes] = [new Float64Array(PARTS), new Float64Array(PARTS)];
  const objective = (at: Float64Array, gradient: Float64Array): number => {
    let loss = 0;
    for (let p = 0; p < PARTS * size; p++) {
      const isShape = p >= 2 * size && p < 3 * size;
      const [constant, rest] = isShape ? [SHAPE, STIFF] : [EASY, RIDGE];
      const ridge = p % size === 0 ? constant : rest;
      loss += 0.5 * ridge * at[p] * at[p];
      gradient[p] = ridge * at[p];
    }
    for (let i = 0; i < count; i++) {
      sums.fill(0);
      for (let f = i * active; f < (i + 1) * active; f++) {
        for (let k = 0; k < PARTS; k++) sums[k] += share[f] * at[k * size + index[f]];
      }
      loss += weight[i] * negLogLik(i, sums, slopes);
      for (let f = i * active; f < (i + 1) * active; f++) {
        for (let k = 0; k < PARTS; k++) gradient[k * size + index[f]] += weight[i] * share[f] * slopes[k];
      }
    }
    return loss;
  };
  const at = new Float64Array(PARTS * size);
  minimise(objective, at);
  const part = (k: number): number[] => Array.from(at.subarray(k * size, (k + 1) * size), (x) => Number(x.toFixed(6)));
  return { answers: count, covariates, shift: part(0), lnWidth: part(1), lnFlatness: part(2), logitTail: part(3) };
}

/** Beyond this score a normal has nothing. */
const FURTHEST = 12;

/**
 * -ln of the new density at truth `i` in units of the old one, and its slopes by shift, ln width, ln flatness and logit of the
 * tail. Asked millions of times: it makes nothing new.
 */
function createNegLogLik({ score, logTail, low, high, inside }: KnownAnswers) {
  const [own, lower, upper] = [0, 1, 2].map(() => new Float64Array(WARP_SIZE));
  return (i: number, sums: Float64Array, slopes: Float64Array): number => {
    const [lnKept, lnShape] = [lnWidthAt(sums[1]), lnFlatnessAt(sums[2])];
    const warp = { shift: sums[0], width: Math.exp(lnKept), flatness: Math.exp(lnShape) };
    const tail = tailAt(sums[3]);
    warpWithSlopes(score[i], warp, own);
    warpWithSlopes(low[i], warp, lower);
    warpWithSlopes(high[i], warp, upper);
    const [y, from, to] = [own[0], lower[0], upper[0]];
    const core = Math.log1p(-tail) + 0.5 * (score[i] * score[i] - y * y) + own[1];
    const far = Math.log(tail) + logTail[i];
    const top = Math.max(core, far);
    const log = top + Math.log(Math.exp(core - top) + Math.exp(far - top));
    const ofCore = Math.exp(core - log);
    const between = normalBetween(from, to);
    const mass = Math.max((1 - tail) * between + tail * inside[i], 1e-12);
    const atLow = Math.abs(from) > FURTHEST ? 0 : ((1 - tail) * normalDensity(from)) / mass;
    const atHigh = Math.abs(to) > FURTHEST ? 0 : ((1 - tail) * normalDensity(to)) / mass;
    for (let k = 0; k < 3; k++) {
      slopes[k] = -ofCore * (own[5 + k] - y * own[2 + k]) + atHigh * upper[2 + k] - atLow * lower[2 + k];
    }
    if (lnKept !== sums[1]) slopes[1] = 0;
    if (lnShape !== sums[2]) slopes[2] = 0;
    const ofTail = tail - (1 - ofCore) + (tail * (1 - tail) * (inside[i] - between)) / mass;
    slopes[3] = tailAt(sums[3] + 1e-9) === tail ? 0 : ofTail;
    return Math.log(mass) - log;
  };
}
