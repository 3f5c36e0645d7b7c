/** What Monte Carlo dropout's PDFs are worth, beside the head's own: dropout is no calibration. */
import { createRng } from "../random.ts";
import type { ReportTable } from "../report/html.ts";
import { quantile } from "../report/statistics.ts";
import { State } from "../survey/field.ts";
import { askDropped, type Dropped, type DropoutOptions, valuesOf } from "./dropout.ts";
import { type TruthAnswers, weightsOf } from "./evaluate.ts";
import { inFieldUnit, withinLimits } from "./field-answer.ts";
import { thin } from "./insight.ts";
import { type FieldScore, type MetricName, metrics, type Predictions, scoreTogether } from "./metrics.ts";
import type { NetworkAnswers, Predictor } from "./predict.ts";
import type { Units } from "./resampling.ts";

/** Three PDFs of the same answers. */
export const dropoutPdfs = {
  head: "the head's own",
  points: "point estimates of the draws",
  mixture: "mixture of the draws' own",
} as const;
export type DropoutPdf = keyof typeof dropoutPdfs;

/** Monte Carlo dropout of one question. */
export interface DropoutScores {
  readonly draws: number;
  /** Galaxies that were asked so often. */
  readonly rows: number;
  /** By field, then by PDF, on the same galaxies. */
  readonly fields: Readonly<Record<string, Readonly<Record<DropoutPdf, FieldScore>>>>;
}

/** Fewest draws: of 9 or fewer the middle 90 % is all that lies between the outer ones, and beyond. */
export const LEAST_DRAWS = 20;
/** Galaxies that are asked: their coverage is known to 1.5 points. */
const MOST_ROWS = 1000;
const RESAMPLES = 400;
const TOLD = [
  "coverage68",
  "coverage90",
  "width",
  "sigmaNmad",
  "outlier03",
  "crps",
] as const satisfies readonly MetricName[];

/** CRPS of equally likely values in rising order: mean |x - y| less half the mean difference of two (Gneiting & Raftery 2007, eq. 21). */
export function crpsOfSample(sorted: ArrayLike<number>, truth: number): number {
  const n = sorted.length;
  let [distance, spread] = [0, 0];
  for (let i = 0; i < n; i++) {
    distance += Math.abs(sorted[i] - truth);
    spread += (2 * i - n + 1) * sorted[i];
  }
  return distance / n - spread / (n * n);
}

/** Rank of a truth among values in rising order as a share, never 0 or 1: the cdf of a sample of exchangeable values. */
const rankOf = (sorted: Float64Array, truth: number): number =>
  (sorted.reduce((below, x) => below + (x < truth ? 1 : x === truth ? 0.5 : 0), 0) + 0.5) / (sorted.length + 1);

type Collected = Record<"truth" | "point" | "pit" | "crps" | "negLogLik" | "width", number[]>;
const empty = (): Collected => ({ truth: [], point: [], pit: [], crps: [], negLogLik: [], width: [] });

/** Adds what a sample, which has no density, says of a truth. */
function add(to: Collected, sorted: Float64Array, truth: number): void {
  const at = (level: number): number => quantile(sorted, level);
  to.truth.push(truth);
  to.point.push(at(0.5));
  to.pit.push(rankOf(sorted, truth));
  to.crps.push(crpsOfSample(sorted, truth));
  to.negLogLik.push(0);
  to.width.push(at(0.84) - at(0.16));
}

/** The head's answers about some rows, in their order. */
function ofRows(
  { rows, predictions: p }: { rows: Int32Array; predictions: Predictions },
  wanted: Int32Array,
): Predictions {
  const place = new Map(Array.from(rows, (row, i) => [row, i]));
  const pick = (values: ArrayLike<number>): number[] => Array.from(wanted, (row) => values[place.get(row)!]);
  const { truth, point, pit, crps, negLogLik, width = [] } = p;
  const some = { truth, point, pit, crps, negLogLik, width };
  return Object.fromEntries(
    Object.entries(some).map(([name, values]) => [name, pick(values)]),
  ) as unknown as Predictions;
}

/**
 * Scores of all three PDFs for every wanted field that is no category, on at most 1000 galaxies. The errors of truths widen
 * every draw's answer before its quantiles are taken, as they do the head's.
 */
export async function scoreDropout(
  predictor: Predictor,
  { asked, scales, wanted }: NetworkAnswers,
  network: TruthAnswers,
  units: Units["of"],
  options: DropoutOptions,
): Promise<DropoutScores> {
  const { coder } = predictor;
  const { catalog } = asked;
  const places = thin(
    Int32Array.from(asked.rows, (_, i) => i),
    MOST_ROWS,
  );
  const rows = places.map((i) => asked.rows[i]);
  const columns = wanted.filter((j) => network.has(coder.fields[j].name) && coder.fields[j].kind !== "category");
  const at = (i: number, j: number): number => rows[i] * coder.nField + j;
  const isKnown = (i: number, j: number): boolean => catalog.state[at(i, j)] === State.measured;
  const found = columns.map(() => ({ rows: [] as number[], points: empty(), mixture: empty() }));
  const answers = askDropped(predictor, { ...asked, rows, wanted: columns }, options, (w, encoded, from) => {
    const j = columns[w];
    const scaleOf = (i: number): number => scales[places[from + i]];
    const error = (i: number): number =>
      isKnown(from + i, j)
        ? coder.encodeError(j, catalog.value[at(from + i, j)], catalog.error[at(from + i, j)], scaleOf(i))
        : 0;
    return inFieldUnit(coder, j, withinLimits(coder, j, encoded, scaleOf).widen(error), scaleOf);
  });
  for await (const { from, rows: some, fields } of answers) {
    fields.forEach((one: Dropped, w) => {
      for (let i = 0; i < some.length; i++) {
        if (!isKnown(from + i, columns[w])) continue;
        const truth = catalog.value[at(from + i, columns[w])];
        const [points, mixture] = [one.points, one.mixture].map((all) => valuesOf(all, i, all.length / some.length));
        found[w].rows.push(some[i]);
        add(found[w].points, points, truth);
        add(found[w].mixture, mixture, truth);
      }
    });
  }
  const entries = columns.map((j, w) => {
    const { name, kind } = coder.fields[j];
    const own = Int32Array.from(found[w].rows);
    const weight = weightsOf(catalog, own);
    const shared = { unit: Array.from(own, (row) => units[row]), ...(weight === undefined ? {} : { weight }) };
    const head = ofRows(network.get(name)!, own);
    const all = [head, found[w].points, found[w].mixture].map((p) => ({ kind, predictions: { ...p, ...shared } }));
    const rng = createRng(`${options.seed}:dropout:${name}`);
    const scores = scoreTogether(all, { rng, resamples: RESAMPLES, names: TOLD });
    return [name, Object.fromEntries(Object.keys(dropoutPdfs).map((pdf, k) => [pdf, scores[k]]))] as const;
  });
  return { draws: options.draws, rows: rows.length, fields: Object.fromEntries(entries) as DropoutScores["fields"] };
}

/** A table per field of the headline: what the intervals of each PDF hold. */
export function dropoutTables({ draws, rows, fields }: DropoutScores, headline: readonly string[]): ReportTable[] {
  return headline.flatMap((name) => {
    const own = fields[name];
    if (own === undefined) return [];
    const told = TOLD.filter((metric) => own.head[metric] !== undefined);
    return [
      {
        title: `${name}: Monte Carlo dropout, ${draws} draws, ${rows} galaxies`,
        columns: [{ label: "PDF" }, ...told.map((metric) => ({ label: metrics[metric].title }))],
        rows: (Object.keys(dropoutPdfs) as DropoutPdf[]).map((pdf) => [
          dropoutPdfs[pdf],
          ...told.map((metric) => own[pdf][metric]),
        ]),
      },
    ];
  });
}
