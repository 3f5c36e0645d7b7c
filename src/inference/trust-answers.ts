import type { Distribution } from "../model/distribution.ts";
import { oddsAround } from "../model/odds.ts";
import { logitOf, SUREST, trustScorer } from "../model/trust-rule.ts";
import type { Column } from "../io/table.ts";
import type { Field } from "../survey/field.ts";
import { trustInputs } from "../train/trust-inputs.ts";
import { explain, floatColumn } from "./answers.ts";
import type { FieldAnswer } from "./field-answer.ts";
import { LEAST_BELONGING, PRIOR_NATS, type TrustEvidence, type TrustWord, trustWords } from "./trust.ts";

/** What trust is judged by of one field's answers. */
export interface AnswerFacts {
  readonly field: Field;
  /** By row: the 5, 16, 50, 84 and 95 % quantiles, in the field's unit; of a category the classes' probabilities. */
  readonly numbers: (row: number) => readonly number[];
  /** By row: of a redshift, the probability within 0.03 (1 + z) of the peak. */
  readonly odds?: (row: number) => number;
}

/** Trust in some objects, and in every answer. */
export interface Trust {
  /** By place of the wanted field: [rowCount] */
  readonly answers: readonly (readonly TrustWord[])[];
  /** [rowCount] The worst of the object's answers; prior-dominated only where all are. */
  readonly objects: readonly TrustWord[];
  /** [rowCount] 0 - 1, that a redshift is right. */
  readonly score: Float32Array;
}

/** Share of the probability between the quantiles of {@link AnswerFacts}. */
const SHARES = [0.05, 0.11, 0.34, 0.34, 0.11, 0.05] as const;
/** No interval has less prior probability than this. */
const LEAST_SHARE = 1e-9;

/**
 * Kullback and Leibler's divergence of an answer from the prior [nats], counted in the six intervals between the answer's
 * quantiles: a little less than that of the densities, the same in any unit, and never negative.
 */
export function divergence(numbers: readonly number[], prior: Distribution, isCategory: boolean): number {
  const cdf = (x: number): number => prior.cdf(0, x);
  const own = isCategory ? numbers : SHARES;
  const below = [0, ...numbers.map(cdf), 1];
  const other = isCategory
    ? numbers.map((_, k) => Math.exp(prior.logDensity(0, k)))
    : SHARES.map((_, i) => below[i + 1] - below[i]);
  return own.reduce((sum, p, i) => sum + (p > 0 ? p * Math.log(p / Math.max(LEAST_SHARE, other[i])) : 0), 0);
}

type ScoreTerm = "odds" | "misfit" | "belonging";

/**
 * The score's rule of networks that have none of their own: ln of the odds that a redshift is right to 0.03 (1 + z), fitted
 * to galaxies simulated for the network of 0.5.0, as they are and spoilt.
 */
const RULE: Readonly<Record<"offset" | ScoreTerm, number>> = { offset: 0, odds: 1.1, misfit: -0.16, belonging: 0.32 };
/** Odds that stand in where no redshift is asked: those of a usual galaxy. */
const USUAL_ODDS = 0.98;

/** What the rule weighs. */
function scoreTerms(odds: number, misfit: number, belonging: number): Record<ScoreTerm, number> {
  return {
    odds: logitOf(odds),
    misfit: Number.isNaN(misfit) ? 0 : Math.log(misfit + 0.1),
    belonging: Math.log(belonging + SUREST),
  };
}

/**
 * Probability that a redshift asked of this object is right to 0.03 (1 + z), from its odds, how well what is given fits, and
 * how probable it is that the object has a redshift at all.
 */
function fixedScore(odds: number, misfit: number, belonging: number): number {
  const terms = scoreTerms(odds, misfit, belonging);
  const names = Object.keys(terms) as ScoreTerm[];
  return 1 / (1 + Math.exp(-names.reduce((sum, name) => sum + RULE[name] * terms[name], RULE.offset)));
}

/** Judges answers by their facts, in the order of the wanted fields. */
export function createTrust(facts: readonly AnswerFacts[], evidence: TrustEvidence): Trust {
  const { rowCount, isOutside, misfit, poorFrom, belonging, prior } = evidence;
  const rows = Array.from({ length: rowCount }, (_, row) => row);
  const wordOf = (w: number, row: number): TrustWord => {
    if (isOutside[row] === 1) return "outside";
    if (belonging[w][row] < LEAST_BELONGING) return "other class";
    if (misfit[row] > poorFrom) return "poor fit";
    const { field, numbers } = facts[w];
    const told = divergence(numbers(row), prior[w], field.kind === "category");
    return told < PRIOR_NATS ? "prior-dominated" : "in support";
  };
  const answers = facts.map((_, w) => rows.map((row) => wordOf(w, row)));
  const poor = trustWords.indexOf("poor fit");
  const objects = rows.map((row): TrustWord => {
    const words = answers.map((own) => trustWords.indexOf(own[row]));
    const worst = Math.max(...words);
    return trustWords[worst >= poor ? worst : Math.min(...words)];
  });
  return { answers, objects, score: scores(facts, evidence) };
}

/** [rowCount] See {@link Trust}; without a redshift asked, as if its odds were a usual galaxy's. */
function scores(facts: readonly AnswerFacts[], { rowCount, misfit, belonging, fitted }: TrustEvidence): Float32Array {
  const asked = facts.findIndex(({ odds }) => odds !== undefined);
  const scorer = fitted && trustScorer(fitted.rule);
  return Float32Array.from({ length: rowCount }, (_, row) => {
    const odds = facts[asked]?.odds?.(row) ?? USUAL_ODDS;
    const residual = misfit[row];
    const own = asked >= 0 ? belonging[asked][row] : Math.min(...belonging.map((some) => some[row]));
    if (fitted === undefined) return fixedScore(odds, residual, own);
    const size = fitted.covariates.length / rowCount;
    const covariates = fitted.covariates.subarray(row * size, (row + 1) * size);
    return scorer!(trustInputs({ odds, belonging: own, residual }, covariates));
  });
}

const LEVELS = [0.05, 0.16, 0.5, 0.84, 0.95];

/** The facts of an answer as a script has it. */
export function factsOfAnswer(answer: FieldAnswer): AnswerFacts {
  const { field, distribution } = answer;
  if (field.kind === "category") {
    return { field, numbers: (row) => field.classes.map((_, k) => Math.exp(distribution.logDensity(row, k))) };
  }
  const numbers = (row: number): number[] => LEVELS.map((level) => answer.quantile(level)[row]);
  if (field.kind !== "redshift") return { field, numbers };
  return { field, numbers, odds: (row) => oddsAround(distribution, row, answer.mode[row]) };
}

/** The same from the columns of its summary. */
function factsOfColumns(field: Field, columns: ReadonlyMap<string, Column>): AnswerFacts {
  const data = (name: string): ArrayLike<number> => columns.get(`${field.name}_${name}`)!.data as Float32Array;
  const names =
    field.kind === "category" ? field.classes.map((one) => `p_${one}`) : ["q05", "q16", "median", "q84", "q95"];
  const own = names.map(data);
  const numbers = (row: number): number[] => own.map((column) => column[row]);
  if (field.kind !== "redshift") return { field, numbers };
  const odds = data("odds");
  return { field, numbers, odds: (row) => odds[row] };
}

const WORDS = trustWords.join("; ");

/** Columns `trust`, `trust_score`, and `<FIELD>_trust` of every wanted field, from the columns of the answers. */
export function trustColumns(
  fields: readonly Field[],
  evidence: TrustEvidence,
  summaries: readonly Column[],
): Column[] {
  const columns = new Map(summaries.map((column) => [column.name, column]));
  const { answers, objects, score } = createTrust(
    fields.map((field) => factsOfColumns(field, columns)),
    evidence,
  );
  const words = (name: string, description: string, data: readonly TrustWord[]): Column => {
    return { name, type: "string", width: 1, data: [...data], description };
  };
  return [
    words("trust", `how far the answers can be trusted, the worst of them: ${WORDS}`, objects),
    floatColumn(
      "trust_score",
      score,
      1,
      "",
      "probability that a redshift is right to 0.03 (1 + z): odds and fit together",
    ),
    ...fields.map((field, w) =>
      words(`${field.name}_trust`, explain(field, `how far it can be trusted: ${WORDS}`), answers[w]),
    ),
  ];
}
