/** Baselines beside the network: the same rows, the same inputs, every field that is asked. */
import type { Engine } from "../engine/contract.ts";
import { categoryDistribution } from "../model/category.ts";
import type { Distribution } from "../model/distribution.ts";
import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type CategoryField, type SpectrumField, State } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { featureMatrix, featureRows, type Features, varyingFeatures } from "./baseline-features.ts";
import {
  type Baseline,
  type BaselineName,
  baselines,
  isSpectral,
  type RivalName,
  type SpectralName,
  spectralBaselines,
} from "./baselines.ts";
import { type ClassAnswers, classAnswers } from "./class-scores.ts";
import type { Question } from "./evaluate.ts";
import { inFieldUnit } from "./field-answer.ts";
import { inProportion, type Predictions } from "./metrics.ts";
import { scoreDistribution } from "./metrics-score.ts";
import { withoutWanted } from "./predict.ts";

export interface BaselineOptions {
  readonly names: readonly RivalName[];
  /** Columns that they answer; what is no number and no class is left out. */
  readonly fields: readonly number[];
  readonly engine: Engine;
  readonly seed: string;
  /** See {@link Baseline}. */
  readonly isTuned: boolean;
  /** One more field of one more method begins. */
  readonly onProgress?: (message: string) => void;
}

/** What baselines say, by field, then by method. */
export interface BaselineAnswers {
  readonly numbers: ReadonlyMap<string, ReadonlyMap<string, Predictions>>;
  readonly classes: ReadonlyMap<string, ReadonlyMap<string, ClassAnswers>>;
}

/** Fewer labels than this teach nothing. */
const LEAST_LABELS = 100;
/** Least probability of a class: its indicator's regression knows no zero. */
const LEAST_PROBABILITY = 1e-3;

/** Rows of a table as baselines see them. */
interface Seen {
  readonly catalog: Catalog;
  readonly rows: Int32Array;
  readonly features: Features;
  /** [rows] Scale of what is given. */
  readonly scale: Float64Array;
}

function see(coder: FieldCoder, catalog: Catalog, rows: Int32Array, isGiven: Uint8Array): Seen {
  const scale = Float64Array.from(rows, (row) => coder.scaleOf(catalog, row, isGiven));
  return { catalog, rows, features: featureMatrix(coder, catalog, rows, isGiven), scale };
}

/** Places among the rows where field `j` is measured. */
function placesWith({ catalog, rows }: Seen, j: number): Int32Array {
  const n = catalog.fields.length;
  return Int32Array.from(rows.keys()).filter((i) => catalog.state[rows[i] * n + j] === State.measured);
}

const valueAt = ({ catalog, rows }: Seen, j: number, i: number): number =>
  catalog.value[rows[i] * catalog.fields.length + j];

/** One label to be learned. */
interface Task {
  readonly name: string;
  readonly j: number;
  /** [rows] NaN where it is not known. */
  readonly label: Float32Array;
  /** Places of the rows to be answered. */
  readonly asked: Int32Array;
}

/** A number on its encoded scale. */
function numberTask(coder: FieldCoder, learn: Seen, test: Seen, j: number): Task {
  const label = new Float32Array(learn.rows.length).fill(Number.NaN);
  for (const i of placesWith(learn, j)) label[i] = coder.encode(j, valueAt(learn, j, i), learn.scale[i]);
  return { name: coder.fields[j].name, j, label, asked: placesWith(test, j) };
}

/** Whether it is of each class, 1 or 0: the mean of its regression is the probability. */
function classTasks({ name, classes }: CategoryField, learn: Seen, test: Seen, j: number): Task[] {
  const [known, asked] = [placesWith(learn, j), placesWith(test, j)];
  return classes.map((one, k) => {
    const label = new Float32Array(learn.rows.length).fill(Number.NaN);
    for (const i of known) label[i] = Number(valueAt(learn, j, i) === k);
    return { name: `${name}:${one}`, j, label, asked };
  });
}

/** One method's answers to some labels: one after the other, or as many together as it takes. */
async function answerTasks(
  method: BaselineName,
  tasks: readonly Task[],
  learn: Seen,
  test: Seen,
  options: BaselineOptions,
): Promise<Distribution[]> {
  const { targets = 1 }: Baseline = baselines[method];
  const answers: Distribution[] = [];
  for (let from = 0; from < tasks.length; from += targets) {
    const some = tasks.slice(from, from + targets);
    const known = Int32Array.from(learn.rows.keys()).filter((i) => some.some(({ label }) => !Number.isNaN(label[i])));
    const { train, other } = varyingFeatures(featureRows(learn.features, known), test.features);
    const y = Float32Array.from({ length: known.length * some.length }, (_, at) => {
      return some[at % some.length].label[known[Math.floor(at / some.length)]];
    });
    const fitted = await baselines[method].fit(
      {
        ...train,
        featureCount: train.width,
        y,
        parent: Array.from(known, (i) => learn.catalog.parentId[learn.rows[i]]),
        ...(targets === 1 ? {} : { targetCount: some.length }),
      },
      { rng: createRng(`${options.seed}:${method}:${some[0].name}`), engine: options.engine, isTuned: options.isTuned },
    );
    for (const [t, { asked }] of some.entries()) answers.push(await fitted.predict(featureRows(other, asked).x, t));
  }
  return answers;
}

/** A method's answers to a redshift from the spectrum that is given; undefined where none is, or it has no pixels. */
function answerFromSpectra(
  method: SpectralName,
  { catalog, rows }: Seen,
  asked: Seen,
  { j, places }: { readonly j: number; readonly places: Int32Array },
  isGiven: Uint8Array,
  seed: string,
): Distribution | undefined {
  const field = catalog.fields.find(
    (one, k): one is SpectrumField =>
      one.kind === "spectrum" &&
      isGiven[k] === 1 &&
      [catalog, asked.catalog].every(({ arrays }) => arrays?.has(one.name)),
  );
  if (field === undefined) return undefined;
  const n = catalog.fields.length;
  const isKnown = (k: number) => (row: number) => catalog.state[row * n + k] === State.measured;
  const taught = rows.filter(isKnown(j)).filter(isKnown(catalog.fields.indexOf(field)));
  const fitted = spectralBaselines[method].fit({ catalog, rows: taught, field }, j, createRng(`${seed}:${method}`));
  return fitted.predict({ catalog: asked.catalog, rows: Int32Array.from(places, (i) => asked.rows[i]), field });
}

/** Probabilities of classes from the means of their indicators. */
function probabilities(answers: readonly Distribution[]): Distribution {
  const [{ rowCount }] = answers;
  const p = new Float64Array(rowCount * answers.length);
  for (let row = 0; row < rowCount; row++) {
    const means = answers.map((one) => Math.max(one.moments(row).mean, LEAST_PROBABILITY));
    const sum = means.reduce((a, b) => a + b, 0);
    means.forEach((mean, k) => (p[row * answers.length + k] = mean / sum));
  }
  return categoryDistribution(p, rowCount);
}

/**
 * Baselines fitted on training rows and asked about test rows, with the same inputs as the network: `question.isGiven` without
 * what is wanted. Numbers are learned as they are encoded, bands relative to the scale of what is given, so that the noise of
 * the labels is in the answers; of a category every class' indicator is regressed (least squares is proper: Brier 1950).
 */
export async function predictBaselines(
  coder: FieldCoder,
  train: { readonly catalog: Catalog; readonly rows: Int32Array },
  test: { readonly catalog: Catalog; readonly rows: Int32Array },
  question: Question,
  options: BaselineOptions,
): Promise<BaselineAnswers> {
  const isGiven = withoutWanted(question.isGiven, question.wanted);
  const { weight } = train.catalog;
  const rows = weight === undefined ? train.rows : inProportion(train.rows, weight, 1);
  const [learn, asked] = [see(coder, train.catalog, rows, isGiven), see(coder, test.catalog, test.rows, isGiven)];
  const fields = options.fields.filter((j) => {
    const isAnswerable = coder.fields[j].kind !== "spectrum" && coder.fields[j].kind !== "image";
    return isAnswerable && placesWith(learn, j).length >= LEAST_LABELS && placesWith(asked, j).length > 0;
  });
  const numbers = fields.filter((j) => coder.fields[j].kind !== "category");
  const tasks = numbers.map((j) => numberTask(coder, learn, asked, j));
  const scored = new Map(numbers.map((j) => [coder.fields[j].name, new Map<string, Predictions>()]));
  const classes = new Map<string, Map<string, ClassAnswers>>();
  const keep = (method: RivalName, j: number, places: Int32Array, answer: Distribution): void => {
    const truth = Float64Array.from(places, (i) => valueAt(asked, j, i));
    scored.get(coder.fields[j].name)!.set(method, scoreDistribution(answer, truth));
  };
  const say = (method: string, j: number): void =>
    options.onProgress?.(`${method}: ${coder.fields[j].name} from ${question.title}`);
  for (const method of options.names) {
    if (isSpectral(method)) {
      for (const { j, asked: places } of tasks) {
        if (coder.fields[j].kind !== "redshift") continue;
        say(method, j);
        const answer = answerFromSpectra(method, learn, asked, { j, places }, isGiven, options.seed);
        if (answer !== undefined) keep(method, j, places, answer);
      }
      continue;
    }
    const { targets = 1 }: Baseline = baselines[method];
    for (let from = 0; from < tasks.length; from += targets) {
      const some = tasks.slice(from, from + targets);
      for (const { j } of some) say(method, j);
      const answers = await answerTasks(method, some, learn, asked, options);
      some.forEach(({ j, asked: places }, t) => {
        keep(
          method,
          j,
          places,
          inFieldUnit(coder, j, answers[t], (i) => asked.scale[places[i]]),
        );
      });
    }
    for (const j of fields) {
      const field = coder.fields[j];
      if (field.kind !== "category") continue;
      say(method, j);
      const own = classTasks(field, learn, asked, j);
      const answer = probabilities(await answerTasks(method, own, learn, asked, options));
      const truth = Float64Array.from(own[0].asked, (i) => valueAt(asked, j, i));
      const byMethod = classes.get(field.name) ?? new Map<string, ClassAnswers>();
      classes.set(field.name, byMethod.set(method, classAnswers(field, answer, truth)));
    }
  }
  return { numbers: scored, classes };
}
