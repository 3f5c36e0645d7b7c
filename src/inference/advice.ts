/** What an observation that is not there would tell: expected information and width, by what the network itself expects to see. */
import type { Distribution } from "../model/distribution.ts";
import { createRng, type Rng, shuffleInPlace } from "../random.ts";
import { allRows, type Catalog, copyRow, emptyCatalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { depthError } from "../survey/information.ts";
import { fieldDistribution } from "./field-answer.ts";
import { type Answers, type Predictor, withoutWanted } from "./predict.ts";

/** Something that could be observed: one field, or several together. */
export interface Candidate {
  readonly name: string;
  /** Columns. */
  readonly fields: readonly number[];
}

/** What a candidate would tell of one wanted field, on average over the galaxies that lack it. */
export interface Advice {
  readonly candidate: string;
  /** Name of the wanted field. */
  readonly wanted: string;
  /** Galaxies without it. */
  readonly rows: number;
  /** Expected information [nats], with its 1 sigma error: of the draws for one galaxy, of the sample of galaxies for several. */
  readonly gain: number;
  readonly gainError: number;
  /** 84th minus 16th percentile in the field's unit: as it is, and as it is expected to be, with its error; NaN of a category. */
  readonly widthNow: number;
  readonly width: number;
  readonly widthError: number;
  /** What it told where the table has it, though it is not given; absent where no galaxy has. */
  readonly realised?: Realised;
}

/** What candidates told that were put in as the table has them: it should agree with what was expected, on average. */
export interface Realised {
  readonly rows: number;
  /** H(y | given) - H(y | given, c) [nats], with its error, and the 68 % width that was left. */
  readonly gain: number;
  readonly gainError: number;
  readonly width: number;
  /** ln p(truth | given, c) - ln p(truth | given) [nats], of the galaxies whose truth the table has; NaN without any. */
  readonly score: number;
  readonly scoreError: number;
}

export interface AdviceQuestion {
  readonly isGiven: Uint8Array;
  /** Columns. */
  readonly wanted: readonly number[];
  readonly candidates: readonly Candidate[];
  /** Observations drawn per galaxy and candidate. */
  readonly draws: number;
  /** [nField] 1 sigma error of an observation in the field's unit; undefined: the table's own, else what is usual, {@link usualError}. */
  readonly errors: readonly (number | undefined)[];
  readonly seed: string;
}

/** Levels at which a distribution is looked at: the middles of equally probable intervals. */
const COUNT = 50;
const LEVELS = Float64Array.from({ length: COUNT }, (_, k) => (k + 0.5) / COUNT);
/** The 16th and the 84th percentile lie in the middle between these and the next. */
const [LOW, HIGH] = [7, 41];

/**
 * Entropy [nats] and width of row `row`: -ln p averaged over equally probable values, which leaves out the same of every
 * Gaussian's tails, so that differences are right; of a category the sum of -p ln p, and no width.
 */
export function spreadOf(of: Distribution, row: number, field: Field): { entropy: number; width: number } {
  if (field.kind === "category") {
    const terms = field.classes.map((_, k) => Math.exp(of.logDensity(row, k)));
    return { entropy: terms.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0), width: Number.NaN };
  }
  const values = new Float64Array(COUNT);
  of.quantiles(row, LEVELS, values);
  let entropy = 0;
  for (const value of values) entropy -= of.logDensity(row, value) / COUNT;
  return { entropy, width: 0.5 * (values[HIGH] + values[HIGH + 1] - values[LOW] - values[LOW + 1]) };
}

/** An equivalent width is measured to this [Angstrom] and this part of itself, in quadrature. */
const EW_ERROR = [1, 0.1] as const;

/** 1 sigma error of an observation `value`: a band's depth and zero-point, of a width 1 A and 10 %; other numbers are exact. */
export function usualError(field: Field, value: number): number {
  if (field.kind === "ew") return Math.hypot(EW_ERROR[0], EW_ERROR[1] * value);
  if (field.band === undefined) return 0;
  const { zeroPointError } = field.band;
  const zeroPoint = zeroPointError.toSorted((a, b) => a - b)[zeroPointError.length >> 1];
  return Math.hypot(depthError(field), 0.4 * Math.LN10 * zeroPoint * value);
}

/** Random numbers that all candidates of one galaxy share, so that they compare: [draws] each. */
interface Common {
  /** One of every equally probable interval, in random order. */
  readonly level: Int32Array;
  readonly noise: Float64Array;
  readonly rng: Rng;
}

function drawCommon(draws: number, rng: Rng): Common {
  const level = Int32Array.from({ length: draws }, (_, d) => d);
  shuffleInPlace(level, rng);
  return { level, noise: Float64Array.from(level, () => rng.normal()), rng };
}

/** `times` copies of a row in which nothing but what is given is observed. */
function copies(catalog: Catalog, row: number, isGiven: Uint8Array, times: number): Catalog {
  const many = emptyCatalog(catalog.fields, times);
  const n = catalog.fields.length;
  for (let at = 0; at < times; at++) {
    copyRow(catalog, row, many, at);
    for (let j = 0; j < n; j++) if (isGiven[j] === 0) many.state[at * n + j] = State.notObserved;
  }
  return many;
}

/** The error of a value that the table has. */
function ownError({ fields, state, error }: Catalog, row: number, j: number): number | undefined {
  const at = row * fields.length + j;
  return state[at] === State.measured && error[at] > 0 ? error[at] : undefined;
}

/** Writes an observation of field `j`, the expected value with noise. */
function observe(many: Catalog, at: number, j: number, value: number, told: number | undefined, noise: number): void {
  const field = many.fields[j];
  const place = at * many.fields.length + j;
  const error = field.kind === "category" ? 0 : (told ?? usualError(field, value));
  many.value[place] = Math.min(field.range[1], Math.max(field.range[0], value + error * noise));
  many.error[place] = error;
  many.state[place] = State.measured;
}

interface Asked extends Pick<Predictor, "coder"> {
  predict(this: void, ...asked: Parameters<Predictor["predict"]>): Promise<Answers>;
}

/** One galaxy with every candidate observed, `draws` times each: candidate after candidate. */
async function observedCopies(
  { coder, predict }: Asked,
  catalog: Catalog,
  row: number,
  { isGiven, draws, errors: told }: AdviceQuestion,
  candidates: readonly Candidate[],
  { level, noise, rng }: Common,
): Promise<Catalog> {
  const many = copies(catalog, row, isGiven, candidates.length * draws);
  const errors = told.map((error, j) => error ?? ownError(catalog, row, j));
  const first = [...new Set(candidates.map(({ fields }) => fields[0]))];
  const marginals = await predict(catalog, [row], isGiven, first);
  const levels = Float64Array.from({ length: draws }, (_, d) => (d + 0.5) / draws);
  const values = new Float64Array(draws);
  candidates.forEach(({ fields: [j] }, c) => {
    fieldDistribution(coder, marginals, first.indexOf(j)).quantiles(0, levels, values);
    for (let d = 0; d < draws; d++) observe(many, c * draws + d, j, values[level[d]], errors[j], noise[d]);
  });
  const all = new Uint8Array(coder.nField).fill(1);
  for (const [c, { fields }] of candidates.entries()) {
    // each further field is seen given the observations of those before it
    const own = Int32Array.from({ length: draws }, (_, d) => c * draws + d);
    for (const j of fields.slice(1)) {
      const answers = fieldDistribution(coder, await predict(many, own, all, [j]), 0);
      for (let d = 0; d < draws; d++) observe(many, own[d], j, answers.sample(d, rng), errors[j], rng.normal());
    }
  }
  return many;
}

/** One galaxy with each of some candidates as the table has it: candidate after candidate. */
function tableCopies(
  catalog: Catalog,
  row: number,
  { isGiven }: AdviceQuestion,
  candidates: readonly Candidate[],
): Catalog {
  const many = copies(catalog, row, isGiven, candidates.length);
  const n = catalog.fields.length;
  candidates.forEach(({ fields }, c) => {
    for (const j of fields) many.state[c * n + j] = catalog.state[row * n + j];
  });
  return many;
}

/** Mean of values and its error. */
function meanOf(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
}

interface Mean {
  readonly mean: number;
  readonly error: number;
}

/** One galaxy's gain and width of one candidate and wanted field. */
interface RowAdvice {
  readonly gain: Mean;
  readonly width: Mean;
  readonly widthNow: number;
  /** Where the table has it. */
  readonly told?: { readonly gain: number; readonly width: number; readonly score: number };
}

/** By candidate, undefined where it is known already, then by wanted field. */
async function adviseRow(
  asked: Asked,
  catalog: Catalog,
  row: number,
  question: AdviceQuestion,
): Promise<(readonly RowAdvice[] | undefined)[]> {
  const { wanted, draws, isGiven } = question;
  const { coder } = asked;
  const isSeen = (j: number): boolean => catalog.state[row * coder.nField + j] !== State.notObserved;
  const open = question.candidates.filter(({ fields }) => !fields.every((j) => isGiven[j] === 1 && isSeen(j)));
  if (open.length === 0) return question.candidates.map(() => undefined);
  const common = drawCommon(draws, createRng(`${question.seed}:advice:${catalog.objectId[row]}`));
  const there = open.filter(({ fields }) => fields.every(isSeen));
  const now = await asked.predict(catalog, [row], isGiven, wanted);
  const ask = (many: Catalog): Promise<Answers> =>
    asked.predict(many, allRows(many), new Uint8Array(coder.nField).fill(1), wanted);
  const then = await ask(await observedCopies(asked, catalog, row, question, open, common));
  const told = await ask(tableCopies(catalog, row, question, there));
  const byField = wanted.map((j, w) => {
    const field = coder.fields[j];
    const [before, after, known] = [now, then, told].map((answers) => fieldDistribution(coder, answers, w));
    const { entropy, width: widthNow } = spreadOf(before, 0, field);
    const truth =
      catalog.state[row * coder.nField + j] === State.measured ? catalog.value[row * coder.nField + j] : Number.NaN;
    return open.map((candidate, c): RowAdvice => {
      const own = Array.from({ length: draws }, (_, d) => spreadOf(after, c * draws + d, field));
      const place = there.indexOf(candidate);
      const advice = {
        gain: meanOf(own.map((spread) => entropy - spread.entropy)),
        width: meanOf(own.map(({ width }) => width)),
        widthNow,
      };
      if (place < 0) return advice;
      const seen = spreadOf(known, place, field);
      const score = known.logDensity(place, truth) - before.logDensity(0, truth);
      return { ...advice, told: { gain: entropy - seen.entropy, width: seen.width, score } };
    });
  });
  return question.candidates.map((candidate) => {
    const c = open.indexOf(candidate);
    return c < 0 ? undefined : byField.map((advice) => advice[c]);
  });
}

/** Means over galaxies; of one, the error is that of its draws. */
function overRows(all: readonly RowAdvice[]): Omit<Advice, "candidate" | "wanted" | "rows"> {
  const [first] = all;
  const of = (read: (one: RowAdvice) => Mean): Mean =>
    all.length === 1 ? read(first) : meanOf(all.map((one) => read(one).mean));
  const [gain, width] = [of((one) => one.gain), of((one) => one.width)];
  const { mean: widthNow } = meanOf(all.map((one) => one.widthNow));
  const expected = { gain: gain.mean, gainError: gain.error, width: width.mean, widthError: width.error, widthNow };
  const told = all.flatMap((one) => one.told ?? []);
  if (told.length === 0) return expected;
  const realised = meanOf(told.map((one) => one.gain));
  const score = meanOf(told.map((one) => one.score).filter(Number.isFinite));
  return {
    ...expected,
    realised: {
      rows: told.length,
      gain: realised.mean,
      gainError: realised.error,
      width: meanOf(told.map((one) => one.width)).mean,
      score: score.mean,
      scoreError: score.error,
    },
  };
}

/**
 * Expected information of every candidate c about every wanted field y of galaxies `rows`: H(y | given) - E_c H(y | given, c)
 * (Lindley 1956), c drawn from its own predictive distribution, with the noise of an observation, put in, and y asked again.
 * One row per wanted field and candidate, the most telling first; candidates that every galaxy has are left out. Costs
 * candidates x draws questions per galaxy.
 */
export async function adviceOf(
  asked: Asked,
  catalog: Catalog,
  rows: ArrayLike<number>,
  question: AdviceQuestion,
  onRow: (done: number) => void = () => {},
): Promise<Advice[]> {
  const found: (readonly RowAdvice[] | undefined)[][] = [];
  const plain = { ...question, isGiven: withoutWanted(question.isGiven, question.wanted) };
  for (let i = 0; i < rows.length; i++) {
    found.push(await adviseRow(asked, catalog, rows[i], plain));
    onRow(i + 1);
  }
  return question.wanted.flatMap((j, w) =>
    question.candidates
      .flatMap(({ name }, c): Advice[] => {
        const own = found.flatMap((byCandidate) => byCandidate[c]?.[w] ?? []);
        if (own.length === 0) return [];
        return [{ candidate: name, wanted: asked.coder.fields[j].name, rows: own.length, ...overRows(own) }];
      })
      .sort((a, b) => b.gain - a.gain),
  );
}
