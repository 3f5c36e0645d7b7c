import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { type ClassAnswers, classAnswers, type ClassScores, redMagnitudes, scoreClasses } from "./class-scores.ts";
import { selected } from "../model/distribution.ts";
import { inFieldUnit, withinLimits } from "./field-answer.ts";
import { scoreDistribution } from "./metrics-score.ts";
import { type Answered, type FieldScore, type Predictions, scoreTogether } from "./metrics.ts";
import type { Respondent } from "./predict.ts";
import type { Units } from "./resampling.ts";

/** What is given and what is asked in one part of an evaluation. */
export interface Question {
  readonly title: string;
  readonly isGiven: Uint8Array;
  readonly wanted: readonly number[];
  /** Columns of whole spectra that are asked besides. */
  readonly spectra?: readonly number[];
  /** The galaxies as they are seen in this question, with the same truths; default: all that was observed of them. */
  readonly catalog?: Catalog;
}

/** A predictor's answers beside the truth, by field name: the rows of the catalogue that have one, and what is known there. */
export type TruthAnswers = Map<
  string,
  { rows: Int32Array; predictions: Predictions; /** Of a category. */ classes?: ClassAnswers }
>;

/** Scores by field name, then by method (`caleido`, `trainZ`, `ridge`, ...). */
export type QuestionScores = Readonly<Record<string, Readonly<Record<string, FieldScore>>>>;

/** [number of rows] Weights of rows; undefined where all count alike. */
export function weightsOf({ weight }: Catalog, rows: Int32Array): Float32Array | undefined {
  return weight && Float32Array.from(rows, (row) => weight[row]);
}

/** What is known of rows that classes are scored by. */
function scoredBy(catalog: Catalog, rows: Int32Array): Parameters<typeof scoreClasses>[1] {
  const weight = weightsOf(catalog, rows);
  return { ...redMagnitudes(catalog, rows), ...(weight === undefined ? {} : { weight }) };
}

/** Scores of categories, by field name. */
export function scoreCategories(catalog: Catalog, network: TruthAnswers): Readonly<Record<string, ClassScores>> {
  const scores = [...network].flatMap(([name, { rows, classes }]) =>
    classes === undefined ? [] : [[name, scoreClasses(classes, scoredBy(catalog, rows))] as const],
  );
  return Object.fromEntries(scores);
}

/** Baselines' scores of categories by field, then by method; they answered the network's rows. */
export function scoreBaselineClasses(
  catalog: Catalog,
  network: TruthAnswers,
  answers: ReadonlyMap<string, ReadonlyMap<string, ClassAnswers>> = new Map(),
): Readonly<Record<string, Readonly<Record<string, ClassScores>>>> {
  const scores = [...answers].map(([name, byMethod]) => {
    const known = scoredBy(catalog, network.get(name)!.rows);
    return [
      name,
      Object.fromEntries([...byMethod].map(([method, own]) => [method, scoreClasses(own, known)])),
    ] as const;
  });
  return Object.fromEntries(scores);
}

/**
 * A predictor's answers to one question beside the truth, by field name. The error of a truth widens the predictive
 * distribution before the comparison; rows without the truth are left out. What is wanted is never given.
 */
export async function predictTruths(
  predictor: Respondent,
  catalog: Catalog,
  rows: Int32Array,
  question: Question,
): Promise<TruthAnswers> {
  const { coder } = predictor;
  const { wanted } = question;
  const answers = await predictor.predict(question.catalog ?? catalog, rows, question.isGiven, wanted);
  const result: TruthAnswers = new Map();
  wanted.forEach((j, w) => {
    const at = (i: number): number => rows[i] * coder.nField + j;
    const kept = Array.from(rows.keys()).filter((i) => catalog.state[at(i)] === State.measured);
    if (kept.length === 0) return;
    const truth = Float64Array.from(kept, (i) => catalog.value[at(i)]);
    const scaleOf = (i: number): number => answers.scales[kept[i]];
    const error = (i: number): number => coder.encodeError(j, truth[i], catalog.error[at(kept[i])], scaleOf(i));
    const own = selected(answers.encoded[w], kept);
    const seen = withinLimits(coder, j, own, scaleOf).widen(error);
    const predictions = scoreDistribution(inFieldUnit(coder, j, seen, scaleOf), truth);
    const field = coder.fields[j];
    const known = { rows: Int32Array.from(kept, (i) => rows[i]), predictions };
    result.set(field.name, field.kind === "category" ? { ...known, classes: classAnswers(field, own, truth) } : known);
  });
  return result;
}

const areSame = (a: Int32Array, b: Int32Array): boolean => a.length === b.length && a.every((row, i) => row === b[i]);

/**
 * All methods' scores for one question, with bootstrap intervals by unit ([rows of the catalogue]); fields that are known of
 * the same rows share the draws. Categories have scores of their own.
 */
export function scoreQuestion(
  { fields }: FieldCoder,
  catalog: Catalog,
  units: Units["of"],
  network: TruthAnswers,
  others: ReadonlyMap<string, ReadonlyMap<string, Predictions>>,
  options: { readonly seed: string; readonly resamples: number },
): QuestionScores {
  const groups: { rows: Int32Array; names: (readonly [field: string, method: string])[]; answers: Answered[] }[] = [];
  for (const { name, kind } of fields) {
    const own = network.get(name);
    if (own === undefined || own.classes !== undefined) continue;
    const group = groups.find(({ rows }) => areSame(rows, own.rows)) ?? { rows: own.rows, names: [], answers: [] };
    if (group.names.length === 0) groups.push(group);
    const unit = Array.from(own.rows, (row) => units[row]);
    const weight = weightsOf(catalog, own.rows);
    for (const [method, p] of [["caleido", own.predictions] as const, ...(others.get(name) ?? [])]) {
      group.names.push([name, method]);
      group.answers.push({ kind, predictions: { ...p, unit, ...(weight === undefined ? {} : { weight }) } });
    }
  }
  const found = new Map<string, Record<string, FieldScore>>();
  groups.forEach(({ names, answers }, g) => {
    const rng = createRng(`${options.seed}:bootstrap:${g}`);
    const scores = scoreTogether(answers, { rng, resamples: options.resamples });
    names.forEach(([field, method], i) => found.set(field, { ...found.get(field), [method]: scores[i] }));
  });
  return Object.fromEntries(fields.flatMap(({ name }) => (found.has(name) ? [[name, found.get(name)!]] : [])));
}
