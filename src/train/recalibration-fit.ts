/** The fit of a recalibration to answers whose truths are known. */
import { covariateNames, createHats, type FieldRecalibration, lnWidthAt, tailAt } from "../model/recalibration.ts";
import { normalBetween, normalDensity } from "../model/normal.ts";
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
  /** What of the tail is between the lower limit and the truth. */
  readonly under: Float64Array;
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
/** The fit ends where a step gains less than this for all truths together [nats]. */
const GAIN = 0.01;
/** Functions that are fitted: shift, ln width, logit of the tail. */
const PARTS = 3;

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
 * (1 - tail) phi((x - shift) / width) / (width phi(x)) + tail exp(logTail), x the score, over its mass between the limits.
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
  const [sums, slopes] = [new Float64Array(PARTS), new Float64Array(PARTS)];
  const sumAt = (at: Float64Array, i: number): Float64Array => {
    sums.fill(0);
    for (let f = i * active; f < (i + 1) * active; f++) {
      for (let k = 0; k < PARTS; k++) sums[k] += share[f] * at[k * size + index[f]];
    }
    return sums;
  };
  const objective = (at: Float64Array, gradient: Float64Array): number => {
    let loss = 0;
    for (let p = 0; p < PARTS * size; p++) {
      const ridge = p % size === 0 ? EASY : RIDGE;
      loss += 0.5 * ridge * at[p] * at[p];
      gradient[p] = ridge * at[p];
    }
    for (let i = 0; i < count; i++) {
      sumAt(at, i);
      loss += weight[i] * negLogLik(known, i, sums, slopes);
      for (let f = i * active; f < (i + 1) * active; f++) {
        for (let k = 0; k < PARTS; k++) gradient[k * size + index[f]] += weight[i] * share[f] * slopes[k];
      }
    }
    return loss;
  };
  const at = new Float64Array(PARTS * size);
  minimise(objective, at, GAIN);
  at[size] += widthThatCovers(known, (i) => sumAt(at, i));
  const part = (k: number): number[] => Array.from(at.subarray(k * size, (k + 1) * size), (x) => Number(x.toFixed(6)));
  return { answers: count, covariates, shift: part(0), lnWidth: part(1), logitTail: part(2) };
}

/** Levels whose coverages are right together, and the most that answers are widened by for that [ln]. */
const [COVERED, MOST_WIDER] = [[0.5, 0.68, 0.9], 0.25] as const;

/**
 * What is added to ln width so that intervals cover what they claim on average over levels: the likelihood of truths that
 * are not quite as peaked as the answers hangs on their tails, coverage on their middle. By bisection.
 */
function widthThatCovers(known: KnownAnswers, sumsOf: (i: number) => Float64Array): number {
  const { count, score, low, high, inside, under, weight } = known;
  const excess = (wider: number): number => {
    let total = 0;
    for (let i = 0; i < count; i++) {
      const [shift, lnWidth, logit] = sumsOf(i);
      const width = Math.exp(lnWidthAt(lnWidth + wider));
      const tail = tailAt(logit);
      const [x, from, to] = [(score[i] - shift) / width, (low[i] - shift) / width, (high[i] - shift) / width];
      const mass = (1 - tail) * normalBetween(from, to) + tail * inside[i];
      const pit = ((1 - tail) * normalBetween(from, x) + tail * under[i]) / mass;
      for (const level of COVERED) total += weight[i] * (Number(Math.abs(pit - 0.5) < 0.5 * level) - level);
    }
    return total;
  };
  let [narrow, wide]: [number, number] = [-MOST_WIDER, MOST_WIDER];
  for (let step = 0; step < 12; step++) {
    const middle = 0.5 * (narrow + wide);
    if (excess(middle) < 0) narrow = middle;
    else wide = middle;
  }
  return 0.5 * (narrow + wide);
}

/**
 * -ln of the new density at truth `i` in units of the old one, and its slopes by shift, ln width and logit of the tail. Asked
 * millions of times: it makes nothing new.
 */
function negLogLik(
  { score, logTail, low, high, inside }: KnownAnswers,
  i: number,
  sums: Float64Array,
  slopes: Float64Array,
): number {
  const shift = sums[0];
  const lnKept = lnWidthAt(sums[1]);
  const width = Math.exp(lnKept);
  const tail = tailAt(sums[2]);
  const x = (score[i] - shift) / width;
  const from = (low[i] - shift) / width;
  const to = (high[i] - shift) / width;
  const core = Math.log1p(-tail) + 0.5 * (score[i] * score[i] - x * x) - lnKept;
  const far = Math.log(tail) + logTail[i];
  const top = Math.max(core, far);
  const log = top + Math.log(Math.exp(core - top) + Math.exp(far - top));
  const ofCore = Math.exp(core - log);
  const between = normalBetween(from, to);
  const mass = Math.max((1 - tail) * between + tail * inside[i], 1e-12);
  const atLow = normalDensity(from);
  const atHigh = normalDensity(to);
  slopes[0] = (-ofCore * x + ((1 - tail) * (atLow - atHigh)) / mass) / width;
  slopes[1] = lnKept === sums[1] ? -ofCore * (x * x - 1) + ((1 - tail) * (atLow * from - atHigh * to)) / mass : 0;
  const ofTail = tail - (1 - ofCore) + (tail * (1 - tail) * (inside[i] - between)) / mass;
  slopes[2] = tailAt(sums[2] + 1e-9) === tail ? 0 : ofTail;
  return Math.log(mass) - log;
}
