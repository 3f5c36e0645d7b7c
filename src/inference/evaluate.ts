import type { Engine } from "../engine/contract.ts";
import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type CategoryField, State } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { featureMatrix, varyingFeatures } from "./baseline-features.ts";
import { type BaselineName, baselines } from "./baselines.ts";
import { type ClassAnswers, type ClassScores, redMagnitudes, scoreClasses } from "./class-scores.ts";
import { type Distribution, selected } from "../model/distribution.ts";
import { inFieldUnit, withinLimits } from "./field-answer.ts";
import { scoreDistribution } from "./metrics-score.ts";
import { type FieldScore, inProportion, type Predictions, scoreField } from "./metrics.ts";
import type { Answers, Predictor } from "./predict.ts";

/** What is given and what is asked in one part of an evaluation. */
export interface Question {
  readonly title: string;
  readonly isGiven: Uint8Array;
  readonly wanted: readonly number[];
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

/** Rows where field `j` is measured: what can be scored. */
function rowsWith(catalog: Catalog, rows: Int32Array, j: number): Int32Array {
  return rows.filter((row) => catalog.state[row * catalog.fields.length + j] === State.measured);
}

/** [number of rows] Weights of rows; undefined where all count alike. */
export function weightsOf({ weight }: Catalog, rows: Int32Array): Float32Array | undefined {
  return weight && Float32Array.from(rows, (row) => weight[row]);
}

function classAnswers({ classes }: CategoryField, answer: Distribution, truth: Float64Array): ClassAnswers {
  const count = classes.length;
  const probability = Float64Array.from({ length: truth.length * count }, (_, i) =>
    Math.exp(answer.logDensity(Math.floor(i / count), i % count)),
  );
  return { classes, truth, probability };
}

/** Scores of categories, by field name. */
export function scoreCategories(catalog: Catalog, network: TruthAnswers): Readonly<Record<string, ClassScores>> {
  const scores = [...network].flatMap(([name, { rows, classes }]) => {
    if (classes === undefined) return [];
    const weight = weightsOf(catalog, rows);
    const known = { ...redMagnitudes(catalog, rows), ...(weight === undefined ? {} : { weight }) };
    return [[name, scoreClasses(classes, known)] as const];
  });
  return Object.fromEntries(scores);
}

/**
 * A predictor's answers to one question beside the truth, by field name. The error of a truth widens the predictive
 * distribution before the comparison; rows without the truth are left out. What is wanted is never given.
 */
export async function predictTruths(
  predictor: {
    readonly coder: FieldCoder;
    predict(...asked: Parameters<Predictor["predict"]>): Promise<Answers>;
  },
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

export interface BaselineOptions {
  readonly names: readonly BaselineName[];
  readonly engine: Engine;
  readonly seed: string;
  readonly onProgress?: (message: string) => void;
}

/** Baselines fitted on training rows and scored on test rows with the same inputs as the network. */
export async function predictBaselines(
  coder: FieldCoder,
  train: { catalog: Catalog; rows: Int32Array },
  test: { catalog: Catalog; rows: Int32Array },
  question: Question,
  options: BaselineOptions,
): Promise<Map<string, Map<string, Predictions>>> {
  const n = coder.fields.length;
  const result = new Map<string, Map<string, Predictions>>();
  for (const j of question.wanted) {
    const { band, kind } = coder.fields[j];
    if (band !== undefined || kind === "category") continue; // a band's scale depends on what is given: baselines answer numbers only
    const isGiven = question.isGiven.slice();
    for (const asked of question.wanted) isGiven[asked] = 0; // as for the network
    const known = rowsWith(train.catalog, train.rows, j);
    const { weight } = train.catalog;
    const trainRows = weight === undefined ? known : inProportion(known, weight, 1);
    const testRows = rowsWith(test.catalog, test.rows, j);
    if (trainRows.length < 100 || testRows.length === 0) continue;
    const { train: features, other: unseen } = varyingFeatures(
      featureMatrix(coder, train.catalog, trainRows, isGiven),
      featureMatrix(coder, test.catalog, testRows, isGiven),
    );
    const y = Float32Array.from(trainRows, (row) => coder.encode(j, train.catalog.value[row * n + j], 0));
    const parent = Array.from(trainRows, (row) => train.catalog.parentId[row]);
    const truth = Float64Array.from(testRows, (row) => test.catalog.value[row * n + j]);
    const field = coder.fields[j].name;
    const byMethod = new Map<string, Predictions>();
    for (const name of options.names) {
      options.onProgress?.(`${name}: ${field} from ${question.title}`);
      const context = { rng: createRng(`${options.seed}:${name}:${field}`), engine: options.engine };
      const fitted = await baselines[name].fit({ ...features, featureCount: features.width, y, parent }, context);
      byMethod.set(
        name,
        scoreDistribution(
          inFieldUnit(coder, j, await fitted.predict(unseen.x), () => 0),
          truth,
        ),
      );
    }
    result.set(field, byMethod);
  }
  return result;
}

/** All methods' scores for one question, with bootstrap intervals by parent; categories have scores of their own. */
export function scoreQuestion(
  coder: FieldCoder,
  catalog: Catalog,
  network: TruthAnswers,
  others: Map<string, Map<string, Predictions>>,
  seed: string,
): QuestionScores {
  const scores: Record<string, Record<string, FieldScore>> = {};
  for (const field of coder.fields) {
    const own = network.get(field.name);
    if (own === undefined || own.classes !== undefined) continue;
    const parent = Array.from(own.rows, (row) => catalog.parentId[row]);
    const weight = weightsOf(catalog, own.rows);
    const score = (p: Predictions): FieldScore =>
      scoreField({ ...p, parent, ...(weight === undefined ? {} : { weight }) }, field.kind, {
        rng: createRng(`${seed}:bootstrap:${field.name}`),
      });
    scores[field.name] = {
      caleido: score(own.predictions),
      ...Object.fromEntries([...(others.get(field.name) ?? [])].map(([name, p]) => [name, score(p)])),
    };
  }
  return scores;
}
