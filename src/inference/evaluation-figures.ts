/** Figures of an evaluation's main question, and of all its questions side by side. */
import { createRng } from "../random.ts";
import { fieldAxis } from "../report/axis.ts";
import type { CoverageShare } from "../report/figure-coverage.ts";
import type { TrendData } from "../report/figure-trend.ts";
import { figures } from "../report/figures.ts";
import type { ReportSection } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { redMagnitudes } from "./class-scores.ts";
import { type Question, type QuestionScores, type TruthAnswers, weightsOf } from "./evaluate.ts";
import { type Details, EDGES, type ScoreBin, scoreBins } from "./metric-bins.ts";
import { type FieldScore, type MetricName, metrics, type Predictions } from "./metrics.ts";
import type { FieldGap } from "./oracle.ts";
import type { NetworkAnswers, Predictor } from "./predict.ts";
import type { Units } from "./resampling.ts";
import { sampleJoint } from "./sampling.ts";

/** Levels of the coverage matrices, and the metrics they are. */
const LEVELS = [0.68, 0.9] as const;
const LEVEL_METRICS = ["coverage68", "coverage90"] as const satisfies readonly MetricName[];
/** Coverage of so many truths is known to 5 points. */
const LEAST_TRUTHS = 100;

const cellOf = (score: FieldScore, rows: number): CoverageShare => ({
  rows,
  coverage: LEVEL_METRICS.map((name) => score[name]?.value ?? Number.NaN),
});

/** Names of the fields that have coverage: properties with densities. */
const propertyNames = (fields: readonly Field[]): string[] =>
  fields.flatMap(({ name, band, kind }) => (band === undefined && kind !== "category" ? [name] : []));

const same = ({ from }: ScoreBin, other: ScoreBin): boolean => from === other.from;

/** Coverage of every property by magnitude; none where no bin has galaxies enough. */
function magnitudeCoverage(fields: readonly Field[], { bins }: Details): Figure[] {
  const shown = propertyNames(fields).filter((name) => (bins[name]?.magnitude ?? []).length > 0);
  const all = shown.flatMap((name) => bins[name].magnitude ?? []).toSorted((a, b) => a.from - b.from);
  const columns = all.filter((bin, i) => all.findIndex((other) => same(bin, other)) === i);
  if (columns.length === 0) return [];
  const rows = shown.map((label) => ({
    label,
    cells: columns.map((column) => {
      const own = bins[label].magnitude!.find((bin) => same(bin, column));
      return own && cellOf(own.score, own.rows);
    }),
  }));
  const names = columns.map(({ from, to }) => `${from}–${to}`);
  return [
    figures.coverage.draw({ levels: LEVELS, columns: names, rows, least: LEAST_TRUTHS, across: "magnitude [AB]" }),
  ];
}

/** What is told by magnitude, of redshifts and of everything else. */
const TRENDS = {
  redshift: ["sigmaNmad", "outlier03", "crps", "coverage68"],
  other: ["sigmaNmad", "crps", "coverage68", "coverage90"],
} as const satisfies Record<string, readonly MetricName[]>;

/** Scores of one field by magnitude, of the network and of those who answered beside it. */
function trendFigures(
  field: Field,
  catalog: Catalog,
  rows: Int32Array,
  own: readonly ScoreBin[],
  others: ReadonlyMap<string, Predictions>,
  units: Units["of"],
  seed: string,
): Figure[] {
  const known = redMagnitudes(catalog, rows);
  if (known === undefined || own.length === 0) return [];
  const unit = Array.from(rows, (row) => units[row]);
  const weight = weightsOf(catalog, rows);
  const binned = (p: Predictions): ScoreBin[] => {
    const whole = { ...p, unit, ...(weight === undefined ? {} : { weight }) };
    return scoreBins(whole, field.kind, known.magnitude, EDGES.magnitude, createRng(`${seed}:bins:${field.name}`));
  };
  const methods = [["caleido", own] as const, ...[...others].map(([name, p]) => [name, binned(p)] as const)];
  const panels = (field.kind === "redshift" ? TRENDS.redshift : TRENDS.other).map(
    (name): TrendData["panels"][number] => {
      const { title, unit, better } = metrics[name];
      const series = methods.map(([label, bins]) => ({
        label,
        points: own.map((bin) => bins.find((one) => same(one, bin))?.score[name]),
      }));
      const values = series.flatMap(({ points }) => points.flatMap((p) => (p === undefined ? [] : [p.value])));
      const isWide = values.every((value) => value > 0) && Math.max(...values) > 8 * Math.min(...values);
      const axis = {
        label: `${field.name}: ${title}`,
        ...((unit === "field" || unit === "residual") && field.kind !== "redshift" ? { unit: field.unit } : {}),
        ...(isWide ? { scale: "log" as const } : {}),
      };
      return { axis, series, ...(typeof better === "number" ? { reference: better } : {}) };
    },
  );
  const at = own.map(({ from, to }) => (from + to) / 2);
  const counts = own.map((bin) => bin.rows);
  return [figures.trend.draw({ axis: { label: `${known.band} magnitude`, unit: "AB" }, at, counts, panels })];
}

/** Joint draws behind a corner plot, and its most fields. */
const [DRAWS, MOST_FIELDS] = [1000, 4];

/** Joint samples of the headline for one galaxy; none where fewer than two of it are asked. */
async function cornerFigures(
  predictor: Predictor,
  catalog: Catalog,
  row: number,
  { isGiven, wanted }: Question,
  headline: readonly string[],
  seed: string,
): Promise<Figure[]> {
  const { coder } = predictor;
  const isShown = (j: number): boolean =>
    coder.fields[j].kind !== "category" && headline.includes(coder.fields[j].name);
  const shown = wanted.filter(isShown).slice(0, MOST_FIELDS);
  if (shown.length < 2) return [];
  const rngOf = () => createRng(`${seed}:corner:${catalog.objectId[row]}`);
  const { values } = await sampleJoint(predictor, catalog, [row], isGiven, shown, DRAWS, rngOf);
  const truth = shown.map((j) => {
    const at = row * coder.nField + j;
    return catalog.state[at] === State.measured ? catalog.value[at] : Number.NaN;
  });
  // names, not descriptions: there is no room
  const axes = shown.map((j) => ({ ...fieldAxis(coder.fields[j]), label: coder.fields[j].name }));
  return [figures.corner.draw({ fields: axes, samples: values, truth })];
}

/** What everybody said of one question. */
export interface Told {
  readonly network: TruthAnswers;
  /** By field: what others answered, on the network's rows. */
  readonly beside: ReadonlyMap<string, ReadonlyMap<string, Predictions>>;
  /** The network's answers as they came. */
  readonly answers: NetworkAnswers;
}

/** By magnitude, and of one galaxy's fields together: what is shown of the main question only. */
export async function mainFigures(
  predictor: Predictor,
  question: Question,
  { network, beside, answers }: Told,
  details: Details,
  units: Units["of"],
  { headline, seed }: { readonly headline: readonly string[]; readonly seed: string },
): Promise<Figure[]> {
  const { fields } = predictor.coder;
  const { catalog, rows } = answers.asked;
  const trends = fields.flatMap((field) => {
    const [known, bins] = [network.get(field.name), details.bins[field.name]?.magnitude];
    if (known === undefined || bins === undefined || !headline.includes(field.name)) return [];
    return trendFigures(field, catalog, known.rows, bins, beside.get(field.name) ?? new Map(), units, seed);
  });
  return [
    ...trends,
    ...magnitudeCoverage(fields, details),
    ...(await cornerFigures(predictor, catalog, rows[0], question, headline, seed)),
  ];
}

/** What the questions side by side are drawn from. */
export interface Compared {
  readonly scores: QuestionScores;
  readonly calibration: Readonly<Record<string, { readonly rows: number }>>;
  readonly gaps?: Readonly<Record<string, FieldGap>>;
}

/** Coverage and the distance from the library by what is given; nothing of one question alone. */
export function contextSection(results: Readonly<Record<string, Compared>>, fields: readonly Field[]): ReportSection[] {
  const all = Object.entries(results);
  const names = propertyNames(fields).filter((name) => all.some(([, { scores }]) => scores[name] !== undefined));
  const asked = all.filter(([, { scores }]) => names.some((name) => scores[name] !== undefined));
  if (asked.length < 2) return [];
  const rows = names.map((label) => ({
    label,
    cells: asked.map(([, { scores, calibration }]) => {
      const score = scores[label]?.caleido;
      return score && cellOf(score, calibration[label].rows);
    }),
  }));
  const columns = asked.map(([title]) => title);
  const coverage = figures.coverage.draw({
    levels: LEVELS,
    columns,
    rows,
    least: LEAST_TRUTHS,
    across: "what is given",
  });
  const panels = names.flatMap((name) => {
    const gaps = asked.flatMap(([context, { gaps: own }]) => {
      const gap = own?.[name]?.crps;
      if (gap === undefined) return [];
      return [{ context, value: 100 * gap.value, low: 100 * gap.low, high: 100 * gap.high }];
    });
    return gaps.length === 0 ? [] : [{ title: `${name}: CRPS above the library's [%]`, rows: gaps }];
  });
  const gaps = panels.length === 0 ? [] : [figures.gaps.draw({ panels })];
  return [{ heading: "All questions side by side", figures: [...gaps, coverage] }];
}
