import { UserError } from "../errors.ts";
import { categoryDistribution } from "../model/category.ts";
import { logSlopeAt } from "../model/curve.ts";
import type { Distribution } from "../model/distribution.ts";
import { placeOf } from "../model/numeric.ts";
import { normalCdf } from "../model/normal.ts";
import { type Reweighted, reweighted } from "../model/warped.ts";
import { allRows, type Catalog, emptyCatalog } from "../survey/catalog.ts";
import type { Reader } from "../survey/reading.ts";
import { number, percent } from "../text.ts";
import type { Population } from "../train/population-schema.ts";
import { withinLimits } from "./field-answer.ts";
import { MOST_CHAIN_GALAXIES, MOST_LANES, type States } from "./network.ts";
import { asking, type AppliedPrior, type NetworkAnswers, type Predictor, readRaw, withoutWanted } from "./predict.ts";
import { type Prior, readPrior } from "./prior.ts";

/** Answers under another prior than the training set's. */
export interface PriorAnswers extends NetworkAnswers {
  /** Of the prior's field, in encoded space: how much of the network's answer is left. */
  readonly swapped: Reweighted;
}

/** A predictor under another prior, and what is to be said of that. */
export interface PriorPredictor extends Predictor {
  readonly prior: AppliedPrior;
  predict(...question: Parameters<Predictor["predict"]>): Promise<PriorAnswers>;
  /** Lines for a person: where the new prior asks for what the old one has not. */
  readonly lines: readonly string[];
}

/** The training set ends where this part of it is left. */
const END = 1e-4;
/** Ratio of the priors, its mean being 1, below which a value is ruled out. */
const NOTHING = 1e-9;
/** A row keeps less than this of the mean ratio: the new prior rules it out, and its answer is the network's own. */
const RULED_OUT = 1e-6;
/** Smaller effective parts of the training set are told. */
const FEW = 0.1;

/** [rowCount] Part of the network's answer for the prior's field that is left; 0 where the new prior rules all of it out. */
export function priorShares({ rowCount, swapped }: PriorAnswers): Float32Array {
  return Float32Array.from({ length: rowCount }, (_, row) =>
    swapped.meanRatio(row) > RULED_OUT ? swapped.effectiveFraction(row) : 0,
  );
}

/** What the network knows of a field where nothing is given: the distribution in its training set, as it learned it. */
async function trainingPrior(predictor: Predictor, field: number): Promise<Distribution> {
  const { coder } = predictor;
  const blank = emptyCatalog(coder.fields, 1);
  const { encoded } = await predictor.predict(blank, allRows(blank), new Uint8Array(coder.nField), [field]);
  return withinLimits(coder, field, encoded[0], () => 0);
}

interface Swap extends AppliedPrior {
  /** New prior over old at encoded v, in the mean 1 over the old. */
  readonly ratio: (v: number) => number;
  readonly lines: readonly string[];
}

/** @throws UserError for a prior that is 0 wherever there is training data. */
async function swapOf(predictor: Predictor, { field, density, ratio: told, text }: Prior): Promise<Swap> {
  const { coder } = predictor;
  const old = await trainingPrior(predictor, field);
  const ends = new Float64Array(2);
  old.quantiles(0, [END, 1 - END], ends);
  const [from, to] = ends;
  const [low, high] = Array.from(ends, (v) => coder.decode(field, v, 0));
  const curve = coder.curve(field, 0);
  const fresh = (x: number): number => (density === undefined ? Number(x >= low && x <= high) : density(x));
  const raw = (v: number): number => {
    if (told !== undefined) return told(coder.decode(field, v, 0));
    // beyond the ends the old density is the tail of a fit: it is not divided by
    const inside = Math.min(Math.max(v, from), to);
    return (fresh(coder.decode(field, v, 0)) * Math.exp(logSlopeAt(curve, v))) / Math.exp(old.logDensity(0, inside));
  };
  const { name } = coder.fields[field];
  const range = `${number(low)} .. ${number(high)}`;
  const all = Float64Array.from({ length: 4001 }, (_, i) => from + ((to - from) * i) / 4000);
  if (!all.some((v) => raw(v) > 0)) {
    throw new UserError(
      `--prior ${text}: it is 0 wherever there is training data; expected some of it in ${name} ${range}`,
    );
  }
  const whole = reweighted(old, (_, v) => raw(v));
  const norm = whole.meanRatio(0);
  const ratio = (v: number): number => Math.max(NOTHING, raw(v) / norm);
  const lines = [`prior of ${name}: ${text}, in place of the training set's (${range})`];
  const outside = told === undefined ? 1 - shareInside(coder.fields[field].range, [low, high], fresh) : 0;
  if (outside > 0.005) {
    lines.push(
      `${percent(outside)} of the prior is outside ${name} ${range}, where there is next to no training data: not to be relied on there`,
    );
  }
  const effective = whole.effectiveFraction(0);
  if (effective < FEW) {
    lines.push(`the prior asks for what is rare in training: it rests on ${percent(effective)} of it`);
  }
  return { field, ratio, lines, apply: (encoded) => reweighted(encoded, (_, v) => ratio(v)) };
}

/** Part of a density's mass, over the possible values, that lies within [low, high]; to a thousandth. */
function shareInside(
  possible: readonly [number, number],
  [low, high]: readonly [number, number],
  density: (x: number) => number,
): number {
  const width = high - low;
  const mass = (from: number, to: number): number => {
    const steps = 20_000;
    let sum = 0;
    for (let i = 0; i < steps; i++) sum += density(from + ((to - from) * (i + 0.5)) / steps);
    return (sum * (to - from)) / steps;
  };
  const inside = mass(low, high);
  const below = mass(Math.max(possible[0], low - 3 * width), low);
  return inside / (inside + below + mass(high, Math.min(possible[1], high + 3 * width)));
}

/** Values of another field at which the expected ratio is worked out: quantiles at these levels, or its classes. */
const LEVELS = Float64Array.from({ length: 16 }, (_, i) => normalCdf(-2.625 + 0.35 * i));
/** Levels of the prior's field that the expected ratio is a mean over. */
const MIDDLES = Float64Array.from({ length: 32 }, (_, i) => (i + 0.5) / 32);
/** Rows whose ratio is this flat keep their answers. */
const FLAT = 0.9999;

/** Values at which another field is probed, lane after lane: [rows, count]. */
function probes(
  answer: Distribution,
  rows: ArrayLike<number>,
  classCount: number,
): { count: number; at: Float32Array } {
  const count = classCount > 0 ? classCount : LEVELS.length;
  const at = new Float32Array(rows.length * count);
  const quantiles = new Float64Array(LEVELS.length);
  for (let i = 0; i < rows.length; i++) {
    if (classCount > 0) for (let k = 0; k < count; k++) at[i * count + k] = k;
    else {
      answer.quantiles(rows[i], LEVELS, quantiles);
      at.set(quantiles, i * count);
    }
  }
  return { count, at };
}

/** Rows of states. */
function pick({ state, scales, rowCount }: States, rows: ArrayLike<number>): States {
  const size = state.length / rowCount;
  const own = new Float32Array(rows.length * size);
  for (let i = 0; i < rows.length; i++) own.set(state.subarray(rows[i] * size, (rows[i] + 1) * size), i * size);
  return { rowCount: rows.length, state: own, scales: Float64Array.from(rows, (row) => scales[row]) };
}

/** E[ratio | the other field is `at`, what is given], [lanes]: ordered answers, the other field before the prior's. */
async function expectedRatios(
  { network, coder }: Predictor,
  { field, ratio }: Swap,
  states: States,
  other: number,
  count: number,
  at: Float32Array,
): Promise<Float64Array> {
  const marginals = await network.read(states, [other, field]);
  const galaxy = Int32Array.from(at, (_, lane) => Math.floor(lane / count));
  const spread = ({ raw }: { raw: Float32Array }): Float32Array => {
    const width = raw.length / states.rowCount;
    const own = new Float32Array(galaxy.length * width);
    galaxy.forEach((g, lane) => own.set(raw.subarray(g * width, (g + 1) * width), lane * width));
    return own;
  };
  return network.chain(states, galaxy, 2, async ({ ask }) => {
    await ask({ field: other, marginal: spread(marginals[0]) });
    const raw = await ask({ field, marginal: spread(marginals[1]), before: { field: other, value: at } });
    const answer = withinLimits(coder, field, readRaw(marginals[1].family, raw), () => 0);
    const values = new Float64Array(MIDDLES.length);
    return Float64Array.from(at, (_, lane) => {
      answer.quantiles(lane, MIDDLES, values);
      return values.reduce((sum, v) => sum + ratio(v), 0) / MIDDLES.length;
    });
  });
}

/** Straight lines through (at, height), constant beyond the ends. */
function between(at: Float32Array, height: Float64Array, v: number): number {
  const last = at.length - 1;
  const k = placeOf(at, v);
  if (k < 0 || k >= last) return height[k < 0 ? 0 : last];
  return height[k] + ((height[k + 1] - height[k]) * (v - at[k])) / (at[k + 1] - at[k]);
}

/**
 * The answers for another field. With prior ratio r(z): p'(x | given) = p(x | given) E[r(z) | x, given] / E[r(z) | given],
 * so that what z and x have to do with each other is the network's own.
 */
async function tilted(
  predictor: Predictor,
  swap: Swap,
  states: States,
  swapped: Reweighted,
  other: number,
  answer: Distribution,
): Promise<Distribution> {
  const { coder } = predictor;
  const own = coder.fields[other];
  const classCount = own.kind === "category" ? own.classes.length : 0;
  const moved = allRows(states).filter(
    (row) => swapped.effectiveFraction(row) < FLAT && swapped.meanRatio(row) > RULED_OUT,
  );
  const kept = withinLimits(coder, other, answer, (row) => states.scales[row]);
  const { count, at } = probes(kept, moved, classCount);
  const height = new Float64Array(at.length);
  const group = Math.min(MOST_CHAIN_GALAXIES, Math.floor(MOST_LANES / count));
  for (let first = 0; first < moved.length; first += group) {
    const rows = moved.subarray(first, first + group);
    const lanes = at.subarray(first * count, (first + rows.length) * count);
    height.set(await expectedRatios(predictor, swap, pick(states, rows), other, count, lanes), first * count);
  }
  const place = new Map(Array.from(moved, (row, i) => [row, i * count]));
  if (classCount > 0) {
    const probability = Float64Array.from({ length: states.rowCount * count }, (_, i) => {
      const [row, k] = [Math.floor(i / count), i % count];
      const start = place.get(row);
      return Math.exp(answer.logDensity(row, k)) * (start === undefined ? 1 : height[start + k]);
    });
    for (let row = 0; row < states.rowCount; row++) {
      const line = probability.subarray(row * count, (row + 1) * count);
      const sum = line.reduce((a, b) => a + b, 0);
      line.forEach((p, k) => (line[k] = p / sum));
    }
    return categoryDistribution(probability, states.rowCount);
  }
  return reweighted(kept, (row, v) => {
    const start = place.get(row);
    return start === undefined
      ? 1
      : between(at.subarray(start, start + count), height.subarray(start, start + count), v);
  });
}

/**
 * A predictor whose answers are those under another prior of one field, which is then never given: p'(z | given) =
 * p(z | given) new(z) / old(z), the old prior being the network's own answer where nothing is given. That holds where what is given
 * comes about in the same way at each z, as in the training set. Answers for other fields follow what they
 * have to do with it; joint draws begin with it.
 * @throws UserError for a prior that is 0 wherever there is training data.
 */
export async function withPrior(base: Predictor, prior: Prior): Promise<PriorPredictor> {
  const swap = await swapOf(base, prior);
  const { field, apply, lines } = swap;
  const predict = async (
    catalog: Catalog,
    rows: ArrayLike<number>,
    isGiven: Uint8Array,
    wanted: readonly number[],
  ): Promise<PriorAnswers> => {
    const given = withoutWanted(isGiven, [field, ...wanted]);
    const all = wanted.includes(field) ? wanted : [...wanted, field];
    const answers = await base.predict(catalog, rows, given, all);
    const swapped = apply(answers.encoded[all.indexOf(field)]);
    const isAlone = wanted.every((j) => j === field);
    const states = isAlone ? undefined : await base.network.encode(catalog, rows, given);
    const encoded: Distribution[] = [];
    for (const [w, j] of wanted.entries()) {
      encoded.push(j === field ? swapped : await tilted(base, swap, states!, swapped, j, answers.encoded[w]));
    }
    return { ...answers, wanted, encoded, swapped, asked: { ...answers.asked, wanted } };
  };
  return { ...base, prior: { field, apply }, predict, lines, ask: asking(base, predict) };
}

/** The predictor under the prior that `text` tells, as {@link readPrior} reads it; the same one without a text. */
export async function underPrior(
  base: Predictor,
  text: string | undefined,
  { survey, own }: Reader,
  say: (line: string) => void,
  population?: Population,
): Promise<Predictor> {
  if (text === undefined) return base;
  const swapped = await withPrior(base, await readPrior(text, { survey, own }, population));
  swapped.lines.forEach(say);
  return swapped;
}
