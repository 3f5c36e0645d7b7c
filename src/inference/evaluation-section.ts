/** What the report says of one question. */
import type { ReportSection, ReportTable } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import type { Field } from "../survey/field.ts";
import { counted } from "../text.ts";
import { classTables, comparedClasses } from "./class-scores.ts";
import { type Question, scoreBaselineClasses, scoreCategories, weightsOf } from "./evaluate.ts";
import type { Asked, Session } from "./evaluation-question.ts";
import { mainFigures } from "./evaluation-figures.ts";
import {
  accuracyFigures,
  calibrationFigure,
  comparisonFigure,
  pdfFigure,
  scoreTables,
  sedFigure,
} from "./evaluation-report.ts";
import { dropoutTables } from "./dropout-scores.ts";
import { insightFigures, thin } from "./insight.ts";
import type { Details } from "./metric-bins.ts";
import { type MetricName, metrics } from "./metrics.ts";
import { effectiveCount } from "./weighted.ts";
import { recoveryTables } from "./recovery.ts";
import type { Units } from "./resampling.ts";
import { screeningTable } from "./screening.ts";

/** Number of equally weighted rows that would say as much. */
export const effectiveRows = ({ catalog, rows }: Session["test"]): number => {
  const weight = weightsOf(catalog, rows);
  return weight === undefined ? rows.length : effectiveCount(weight);
};

/** What the report says of weights; nothing where all rows count alike. */
function weighting(test: Session["test"]): string {
  if (test.catalog.weight === undefined) return "";
  const count = Math.round(effectiveRows(test)).toLocaleString("en-US");
  return ` Rows are weighted back to the natural population (prior_weight): an effective sample of ${count} galaxies.`;
}

/** What the report says of intervals. */
const resampling = ({ by, count }: Units): string =>
  `Intervals are 95 % bootstrap intervals by ${by === "tile" ? `tile (${counted(count, "tile", "tiles")}, whole)` : "parent galaxy"}.`;

/** What is told of every class of objects. */
const BY_CLASS = ["bias", "sigmaNmad", "crps", "coverage68", "coverage90"] as const satisfies readonly MetricName[];

/** Scores of the headline by the class of the truth; nothing where all are of one. */
function byClassTables({ bins }: Details, headline: readonly string[]): ReportTable[] {
  return headline.flatMap((name) => {
    const own = bins[name]?.class ?? [];
    if (own.length < 2) return [];
    const columns = [
      { label: "class" },
      { label: "objects" },
      ...BY_CLASS.map((metric) => ({ label: metrics[metric].title })),
    ];
    const rows = own.map((bin) => [bin.class, bin.rows, ...BY_CLASS.map((metric) => bin.score[metric])]);
    return [{ title: `${name} by class of the truth`, columns, rows }];
  });
}

/** The report's section on one question. */
export async function describeAnswers(
  { request, predictor, oracle, test }: Session,
  question: Question,
  asked: Asked,
  details: Details | undefined,
): Promise<ReportSection> {
  const { coder } = predictor;
  const { network, scores, others, spectra } = asked;
  const heading = `Given ${question.title}`;
  if (question.wanted.length === 0) return { heading, tables: spectra.tables, figures: spectra.figures };
  const properties = coder.fields.filter(({ band }) => band === undefined);
  const answered = properties.filter(({ name, kind }) => kind !== "category" && network.has(name));
  const isFirst = ({ name }: Field): number => Number(request.headline.includes(name));
  const names = answered.toSorted((a, b) => isFirst(b) - isFirst(a)).map((field) => field.name);
  const sed = (galaxies: number): Promise<Figure> =>
    sedFigure(predictor, question.catalog ?? test.catalog, thin(test.rows, galaxies), question.isGiven);
  if (question.wanted.some((j) => coder.fields[j].band !== undefined)) {
    return { heading, tables: spectra.tables, figures: [await sed(4), ...spectra.figures] };
  }
  const classes = scoreCategories(test.catalog, network);
  const rivals = comparedClasses(classes, scoreBaselineClasses(test.catalog, network, others?.classes));
  const byClass = details === undefined ? [] : byClassTables(details, request.headline);
  const { screened, recovery, dropout } = asked;
  const tables = [
    ...scoreTables(scores, coder.fields),
    ...(recovery === undefined ? [] : recoveryTables(recovery)),
    ...(screened === undefined ? [] : [screeningTable(screened.screening)]),
    ...(dropout === undefined ? [] : dropoutTables(dropout, request.headline)),
    ...byClass,
    ...classTables(classes),
    ...rivals,
    ...spectra.tables,
  ];
  const selection = screened === undefined ? [] : [screened.figure];
  const calibration = calibrationFigure(names.slice(0, 6), network, test.catalog);
  if (details === undefined)
    return { heading, tables, figures: [calibration, ...selection, await sed(3), ...spectra.figures] };
  const hasBaselines = Object.values(scores).some((methods) => Object.keys(methods).length > 1);
  const comparisons = hasBaselines
    ? [comparisonFigure(scores, request.headline, "sigmaNmad"), comparisonFigure(scores, request.headline, "crps")]
    : [];
  const first = question.wanted.find((j) => coder.fields[j].name === request.headline[0]) ?? question.wanted[0];
  const pdfs = await pdfFigure(predictor, test.catalog, thin(test.rows, 9), question.isGiven, first, oracle);
  const rest = await mainFigures(predictor, question, asked, details, test.units.of, request);
  const joint = asked.insight === undefined ? [] : insightFigures(asked.insight, coder.fields, test.rows.length);
  const whole = `${test.rows.length} held-out galaxies (part "${request.part}" of ${request.table}).`;
  return {
    heading,
    text: [`${whole} ${resampling(test.units)}${weighting(test)}`],
    tables,
    figures: [
      ...comparisons,
      ...accuracyFigures(properties, network),
      calibration,
      pdfs,
      ...rest,
      ...selection,
      ...joint,
      ...spectra.figures,
    ],
  };
}
