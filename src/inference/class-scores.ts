import type { Distribution } from "../model/distribution.ts";
import type { ReportTable } from "../report/html.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type CategoryField, type Field, State } from "../survey/field.ts";
import { magnitudesAB } from "../survey/units.ts";
import { meanOf, normalise, type Statistic } from "./weighted.ts";

/** What is answered of a category beside the truth: n rows, K classes. */
export interface ClassAnswers {
  /** [K] */
  readonly classes: readonly string[];
  /** [n] Index of the true class. */
  readonly truth: ArrayLike<number>;
  /** [n, K] */
  readonly probability: Float64Array;
}

/** Answers about a category beside the truth. */
export function classAnswers({ classes }: CategoryField, answer: Distribution, truth: Float64Array): ClassAnswers {
  const count = classes.length;
  const probability = Float64Array.from({ length: truth.length * count }, (_, i) =>
    Math.exp(answer.logDensity(Math.floor(i / count), i % count)),
  );
  return { classes, truth, probability };
}

/** How well one class is told from the others; NaN where none is there, or none was taken for it. */
export interface ClassScore {
  /** Rows that are of it. */
  readonly rows: number;
  /** Share that is of it of what is taken for it, and share taken for it of what is of it. */
  readonly precision: number;
  readonly recall: number;
  /** Harmonic mean of the two. */
  readonly f1: number;
  /** Chance that a row of it has a higher probability of it than one that is not: area under the ROC curve. */
  readonly areaUnderCurve: number;
}

/** Scores of a category by the names of its classes; the most probable class counts as the answer. */
export interface ClassScores {
  readonly accuracy: number;
  /** Mean of the classes' F1, of those that are there. */
  readonly macroF1: number;
  /** Mean of -ln p of the true class [nats]. */
  readonly negLogLik: number;
  readonly classes: Readonly<Record<string, ClassScore>>;
  /** F1 of every class by AB magnitude, where the rows have a magnitude. */
  readonly byMagnitude?: {
    readonly band: string;
    readonly bins: readonly {
      readonly from: number;
      readonly to: number;
      readonly rows: number;
      readonly f1: Readonly<Record<string, number>>;
    }[];
  };
}

const mostProbable = ({ classes, probability }: ClassAnswers, row: number): number => {
  const own = probability.subarray(row * classes.length, (row + 1) * classes.length);
  return own.indexOf(Math.max(...own));
};

/** Weighted share of pairs in which the row of class `k` has the higher probability of it; ties count half. */
function areaUnderCurve({ classes, truth, probability }: ClassAnswers, k: number): Statistic {
  const score = Float64Array.from({ length: truth.length }, (_, row) => probability[row * classes.length + k]);
  const order = Array.from(score.keys()).sort((a, b) => score[a] - score[b]);
  return (weight) => {
    let [below, own, pairs] = [0, 0, 0];
    for (let start = 0; start < order.length;) {
      let [tied, others] = [0, 0];
      let end = start;
      for (; end < order.length && score[order[end]] === score[order[start]]; end++) {
        if (truth[order[end]] === k) tied += weight[order[end]];
        else others += weight[order[end]];
      }
      pairs += tied * (below + others / 2);
      own += tied;
      below += others;
      start = end;
    }
    return pairs / (own * below);
  };
}

/** Mean of the known among some numbers; NaN without any. */
function meanOfKnown(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** A score of a category as a whole. */
interface ClassMetric {
  readonly title: string;
  of(this: void, answers: ClassAnswers): Statistic;
}

/** Scores of a category as a whole: the most probable class counts as the answer, classes that aren't there don't count. */
export const classMetrics = {
  accuracy: {
    title: "accuracy",
    of: (answers) => {
      const { truth } = answers;
      return meanOf(Array.from(truth, (k, row) => Number(mostProbable(answers, row) === k)));
    },
  },
  macroF1: {
    title: "mean F1",
    of: (answers) => {
      const { classes, truth } = answers;
      const rows = Array.from({ length: truth.length }, (_, row) => row);
      const answer = Int32Array.from(rows, (row) => mostProbable(answers, row));
      return (weight) => meanOfKnown(classes.map((_, k) => confusion(answers, answer, k, rows, weight).f1));
    },
  },
  negLogLik: {
    title: "-ln p [nats]",
    of: ({ classes, truth, probability }) =>
      meanOf(Array.from(truth, (k, row) => -Math.log(probability[row * classes.length + k]))),
  },
  areaUnderCurve: {
    title: "mean area under curve",
    of: (answers) => {
      const areas = answers.classes.map((_, k) => areaUnderCurve(answers, k));
      return (weight) => meanOfKnown(areas.map((area) => area(weight)));
    },
  },
} satisfies Record<string, ClassMetric>;

export type ClassMetricName = keyof typeof classMetrics;

/** Precision, recall and F1 of class `k` among some rows. */
function confusion(
  { truth }: ClassAnswers,
  answer: Int32Array,
  k: number,
  rows: readonly number[],
  weight: ArrayLike<number>,
): Pick<ClassScore, "precision" | "recall" | "f1"> {
  let [both, taken, are] = [0, 0, 0];
  for (const row of rows) {
    if (answer[row] === k) taken += weight[row];
    if (truth[row] !== k) continue;
    are += weight[row];
    if (answer[row] === k) both += weight[row];
  }
  return { precision: both / taken, recall: both / are, f1: are === 0 ? Number.NaN : (2 * both) / (are + taken) };
}

/** Fewest rows of a bin in magnitude. */
const FEWEST = 30;

/**
 * Scores of a category. `weight` [n]: how many objects a row stands for; `magnitude` [n], NaN where unknown, in `band`: also
 * by magnitude, in bins of one, from 30 rows on.
 */
export function scoreClasses(
  answers: ClassAnswers,
  { weight, magnitude, band = "" }: { weight?: ArrayLike<number>; magnitude?: Float64Array; band?: string } = {},
): ClassScores {
  const { classes, truth } = answers;
  const n = truth.length;
  const each = Float64Array.from(weight ?? new Float64Array(n).fill(1));
  const share = each.slice();
  normalise(share);
  const rows = Array.from({ length: n }, (_, row) => row);
  const answer = Int32Array.from(rows, (row) => mostProbable(answers, row));
  const byClass = classes.map((_, k): ClassScore => ({
    rows: rows.filter((row) => truth[row] === k).length,
    ...confusion(answers, answer, k, rows, each),
    areaUnderCurve: areaUnderCurve(answers, k)(each),
  }));
  const bins = magnitude === undefined ? [] : [...new Set(magnitude.map(Math.floor))].sort((a, b) => a - b);
  const inBins = bins.flatMap((from) => {
    const some = rows.filter((row) => magnitude !== undefined && Math.floor(magnitude[row]) === from);
    if (some.length < FEWEST) return [];
    const f1 = classes.map((name, k) => [name, confusion(answers, answer, k, some, each).f1]);
    return [{ from, to: from + 1, rows: some.length, f1: Object.fromEntries(f1) as Record<string, number> }];
  });
  return {
    accuracy: classMetrics.accuracy.of(answers)(share),
    macroF1: classMetrics.macroF1.of(answers)(share),
    negLogLik: classMetrics.negLogLik.of(answers)(share),
    classes: Object.fromEntries(classes.map((name, k) => [name, byClass[k]])),
    ...(inBins.length === 0 ? {} : { byMagnitude: { band, bins: inBins } }),
  };
}

/** Wavelength of the band whose magnitudes classes are scored by: r [Angstrom]. */
const RED = 6200;

/** The broad band nearest to 6200 Angstrom, else the nearest of any; undefined without bands. */
export function redBand(fields: readonly Field[]): Field | undefined {
  const distance = ({ band }: Field): number => (band === undefined ? Infinity : Math.abs(band.pivot - RED));
  const bands = fields.filter(({ band }) => band !== undefined);
  const broad = bands.filter(({ band }) => band?.group === "broad");
  return (broad.length > 0 ? broad : bands).toSorted((a, b) => distance(a) - distance(b))[0];
}

/** AB magnitudes of rows in {@link redBand}; undefined without bands. */
export function redMagnitudes(
  { fields, value, state }: Pick<Catalog, "fields" | "value" | "state">,
  rows: Int32Array,
): { band: string; magnitude: Float64Array } | undefined {
  const nearest = redBand(fields);
  if (nearest === undefined) return undefined;
  const j = fields.indexOf(nearest);
  const magnitudeOf = magnitudesAB(nearest);
  const magnitude = Float64Array.from(rows, (row) => {
    const at = row * fields.length + j;
    return state[at] === State.measured ? magnitudeOf(value[at]) : Number.NaN;
  });
  return { band: nearest.name, magnitude };
}

/** Tables of classes: by name, and by magnitude. */
export function classTables(scores: Readonly<Record<string, ClassScores>>): ReportTable[] {
  return Object.entries(scores).flatMap(([field, { accuracy, macroF1, classes, byMagnitude }]) => {
    const share = (value: number): string => (Number.isNaN(value) ? "" : value.toFixed(3));
    const names = Object.keys(classes);
    const whole = {
      title: `${field}: accuracy ${share(accuracy)}, mean F1 ${share(macroF1)}`,
      columns: ["class", "rows", "precision", "recall", "F1", "area under curve"].map((label) => ({ label })),
      rows: Object.entries(classes).map(([name, one]) => [
        name,
        String(one.rows),
        ...[one.precision, one.recall, one.f1, one.areaUnderCurve].map(share),
      ]),
    };
    if (byMagnitude === undefined) return [whole];
    const bins = {
      title: `${field}: F1 by ${byMagnitude.band}`,
      columns: [{ label: "magnitude", unit: "AB" }, { label: "rows" }, ...names.map((label) => ({ label }))],
      rows: byMagnitude.bins.map(({ from, to, rows, f1 }) => [
        `${from} - ${to}`,
        String(rows),
        ...names.map((name) => share(f1[name])),
      ]),
    };
    return [whole, bins];
  });
}

/** One table per category that baselines answered: the network and they, one below the other. */
export function comparedClasses(
  network: Readonly<Record<string, ClassScores>>,
  others: Readonly<Record<string, Readonly<Record<string, ClassScores>>>>,
): ReportTable[] {
  return Object.entries(others).map(([field, byMethod]) => ({
    title: `${field}: methods`,
    columns: [{ label: "method" }, { label: "accuracy" }, { label: "mean F1" }, { label: "-ln p", unit: "nats" }],
    rows: Object.entries({ caleido: network[field], ...byMethod }).map(([method, { accuracy, macroF1, negLogLik }]) => [
      method,
      ...[accuracy, macroF1, negLogLik].map((value) => value.toFixed(3)),
    ]),
  }));
}
