/** What a label budget scores, by the kind of the field that is asked: the one place that tells numbers from classes. */
import type { Rng } from "../random.ts";
import type { Field, FieldKind } from "../survey/field.ts";
import type { BaselineAnswers } from "./baseline-answers.ts";
import { type ClassAnswers, classMetrics, type ClassMetricName } from "./class-scores.ts";
import { type MetricName, metrics, type Predictions, scoreTogether } from "./metrics.ts";
import { type Estimate, estimateTogether } from "./weighted.ts";

/** What a method says of the judging rows' labels: of numbers, of classes. */
export interface LabelAnswers {
  readonly predictions?: Predictions | undefined;
  readonly classes?: ClassAnswers | undefined;
}

export type BudgetScoreName = MetricName | ClassMetricName;
/** One method's scores with 95 % intervals. */
export type BudgetScores = Partial<Readonly<Record<BudgetScoreName, Estimate>>>;

/** How the draws of a bootstrap are made, alike for all methods. */
interface Draws {
  /** [rows] What is drawn together. */
  readonly unit: readonly (string | number)[];
  readonly rng: Rng;
  readonly resamples: number;
}

/** How a kind of field is judged. */
interface Judge {
  /** Scores of tables and curves, in their order; the number that a good one is near, where there is one. */
  readonly shown: readonly { readonly name: BudgetScoreName; readonly title: string; readonly nominal?: number }[];
  /** Whether held-out rows may change how wide answers are. */
  readonly isRecalibrated: boolean;
  /** Scores of several methods about the same rows. */
  score(this: void, answers: readonly LabelAnswers[], kind: FieldKind, draws: Draws): BudgetScores[];
}

const NUMBERS: readonly MetricName[] = ["sigmaNmad", "bias", "outlier15", "coverage68", "negLogLik"];
const CLASSES = Object.keys(classMetrics) as readonly ClassMetricName[];

const numbers: Judge = {
  shown: [
    { name: "sigmaNmad", title: metrics.sigmaNmad.title },
    { name: "bias", title: metrics.bias.title, nominal: 0 },
    { name: "outlier15", title: metrics.outlier15.title },
    { name: "coverage68", title: metrics.coverage68.title, nominal: 0.68 },
  ],
  isRecalibrated: true,
  score: (answers, kind, { unit, ...draws }) =>
    scoreTogether(
      answers.map(({ predictions }) => ({ kind, predictions: { ...predictions!, unit } })),
      { ...draws, names: NUMBERS },
    ),
};

const categories: Judge = {
  shown: CLASSES.map((name) => ({ name, title: classMetrics[name].title })),
  isRecalibrated: false,
  score: (answers, _kind, draws) => {
    const statistics = answers.map(({ classes }) =>
      CLASSES.map((name) => [name, classMetrics[name].of(classes!)] as const),
    );
    // of rows that are all of one class nothing is told apart
    return estimateTogether(statistics, draws).map((scores) =>
      Object.fromEntries(Object.entries(scores).filter(([, { value }]) => Number.isFinite(value))),
    );
  },
};

/** Who judges fields of a kind. */
export const judgeOf = (kind: FieldKind): Judge => (kind === "category" ? categories : numbers);

/** A baseline's answers to a field; undefined where it has none. */
export function answersOfBaseline(
  { numbers: known, classes: told }: BaselineAnswers,
  { name }: Field,
  method: string,
): LabelAnswers | undefined {
  const [predictions, classes] = [known.get(name)?.get(method), told.get(name)?.get(method)];
  return predictions === undefined && classes === undefined ? undefined : { predictions, classes };
}
