import { join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import type { BaselineName } from "./baselines.ts";
import { predictBaselines, predictTruths, type Question, type QuestionScores, scoreQuestion } from "./evaluate.ts";
import { coverageCurve, pitHistogram } from "./metrics.ts";
import { createPredictor, type Predictor } from "./predict.ts";
import { UserError } from "../errors.ts";
import { checkFolder, makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { type Reporter, silent } from "../progress.ts";
import { type ReportSection, renderReport } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { apertureOf, checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { flagsOf, knownFields } from "../survey/field-list.ts";
import type { SplitName } from "../survey/split.ts";
import type { Survey } from "../survey/survey.ts";
import { type Checkpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { readLog } from "../train/run.ts";
import { sampleRows } from "../train/tables.ts";
import {
  accuracyFigures,
  calibrationFigure,
  comparisonFigure,
  lossSection,
  pdfFigure,
  scoreTables,
  sedFigure,
} from "./evaluation-report.ts";
export interface EvaluateRequest {
  readonly engine: Engine;
  /** Checkpoint or run folder. */
  readonly checkpoint: string;
  /** Table with truths, or a prepared folder. */
  readonly table: string;
  /** How the tables are to be read. */
  readonly reading?: BindOptions;
  /** Also on tables whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  /** Part of the table, split by parent as in training; `all` for a table the network never saw. Default: test. */
  readonly part?: SplitName | "all";
  /** Table whose training part baselines learn from; none without it. */
  readonly baselineTable?: string;
  /** Default: trainZ and ridge. */
  readonly methods?: readonly BaselineName[];
  /** Properties that baselines answer; default: the survey's headline. */
  readonly headline?: readonly string[];
  /** Folder for `metrics.json` and `report.html`. */
  readonly out: string;
  /** Run folder whose log is shown. */
  readonly run?: string;
  /** Of bootstrap and baselines; default: "1". */
  readonly seed?: string;
  /** Most galaxies scored; default: 5000. */
  readonly mostRows?: number;
  /** Further sections for the report, put first. */
  readonly sections?: readonly ReportSection[];
  readonly reporter?: Reporter;
}

export interface Evaluation {
  readonly table: string;
  readonly part: string;
  readonly rows: number;
  readonly checkpoint: string;
  readonly parameters: number;
  readonly questions: Readonly<Record<string, QuestionResult>>;
}

export interface QuestionResult {
  readonly given: readonly string[];
  readonly scores: QuestionScores;
  /** By field: PIT histogram (counts in 20 bins), and the share of truths inside central intervals of `levels`. */
  readonly calibration: Readonly<Record<string, { pit: number[]; coverage: number[] }>>;
}

/** Nominal levels of the coverage curves in metrics.json. */
const COVERAGE_LEVELS = Float64Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

/** The survey's questions, but for those that leave nothing given or nothing wanted in this vocabulary. */
function questionsOf(survey: Survey): Question[] {
  const { fields } = survey;
  const questions = survey.questions.flatMap(({ title, given, want }): Question[] => {
    const wanted = knownFields(want, fields);
    const isGiven = flagsOf(
      knownFields(given, fields).filter((j) => !wanted.includes(j)),
      fields.length,
    );
    return isGiven.includes(1) && wanted.length > 0 ? [{ title, isGiven, wanted }] : [];
  });
  if (questions.length > 0) return questions;
  throw new UserError(`${survey.path}: no question to ask; expected \`questions\` that give and want fields it has`);
}

/** Most rows that baselines learn from: beyond, they take hours and learn no more. */
const MOST_TO_LEARN = 100_000;

/** Evenly spaced rows, at most `most`. */
function thin(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows;
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]);
}

const DEFAULTS = { part: "test", methods: ["trainZ", "ridge"], seed: "1", mostRows: 5000 } as const;

/** A request with its defaults. */
type Settings = EvaluateRequest &
  Required<Pick<EvaluateRequest, "part" | "methods" | "headline" | "seed" | "mostRows">>;

/** What every question of one evaluation shares. */
interface Session {
  readonly request: Settings;
  readonly predictor: Predictor;
  readonly test: { readonly catalog: Catalog; readonly rows: Int32Array };
  /** What baselines learn from. */
  readonly learn: { readonly catalog: Catalog; readonly rows: Int32Array } | undefined;
  /** One more piece of work begins. */
  readonly step: (note: string) => void;
}

type NetworkAnswers = Awaited<ReturnType<typeof predictTruths>>;

/** Network and, for the main question, baselines on one question. */
async function ask(
  session: Session,
  question: Question,
  isMain: boolean,
): Promise<{ network: NetworkAnswers; scores: QuestionScores }> {
  const { request, predictor, test, learn } = session;
  const { coder } = predictor;
  session.step(`given ${question.title}`);
  const network = await predictTruths(predictor, test.catalog, test.rows, question);
  const wanted = question.wanted.filter((j) => request.headline.includes(coder.fields[j].name));
  const others =
    isMain && learn !== undefined
      ? await predictBaselines(
          coder,
          learn,
          test,
          { ...question, wanted },
          {
            names: request.methods,
            engine: request.engine,
            seed: request.seed,
            onProgress: session.step,
          },
        )
      : new Map<string, never>();
  session.step(`given ${question.title}: scores`);
  return { network, scores: scoreQuestion(coder, test.catalog, network, others, request.seed) };
}

/** The report's section on one question. */
async function describeAnswers(
  { request, predictor, test }: Session,
  question: Question,
  { network, scores }: { network: NetworkAnswers; scores: QuestionScores },
  isMain: boolean,
): Promise<ReportSection> {
  const { coder } = predictor;
  const heading = `Given ${question.title}`;
  const properties = coder.fields.filter(({ band }) => band === undefined);
  const names = properties.map((field) => field.name);
  const sed = (galaxies: number): Promise<Figure> =>
    sedFigure(predictor, test.catalog, thin(test.rows, galaxies), question.isGiven);
  if (question.wanted.some((j) => coder.fields[j].band !== undefined)) return { heading, figures: [await sed(4)] };
  const tables = scoreTables(scores, coder.fields);
  const calibration = calibrationFigure(names.slice(0, 6), network);
  if (!isMain) return { heading, tables, figures: [calibration, await sed(3)] };
  const hasBaselines = Object.values(scores).some((methods) => Object.keys(methods).length > 1);
  const comparisons = hasBaselines
    ? [comparisonFigure(scores, request.headline, "sigmaNmad"), comparisonFigure(scores, request.headline, "crps")]
    : [];
  const first = question.wanted.find((j) => coder.fields[j].name === request.headline[0]) ?? question.wanted[0];
  const pdfs = await pdfFigure(predictor, test.catalog, thin(test.rows, 9), question.isGiven, first);
  const whole = `${test.rows.length} held-out galaxies (part "${request.part}" of ${request.table}).`;
  return {
    heading,
    text: [`${whole} Intervals are 95 % bootstrap intervals by parent galaxy.`],
    tables,
    figures: [...comparisons, ...accuracyFigures(properties, network), calibration, pdfs],
  };
}

/** Pieces of work in a question: the network's answers, its scores, its figures; for the main one, every baseline. */
function countPieces(questions: readonly Question[], { request, predictor, learn }: Omit<Session, "step">): number {
  const names = questions[0]?.wanted.map((j) => predictor.coder.fields[j].name) ?? [];
  const fitted = learn === undefined ? 0 : names.filter((name) => request.headline.includes(name)).length;
  return 3 * questions.length + fitted * request.methods.length;
}

function calibrationOf(network: NetworkAnswers): QuestionResult["calibration"] {
  return Object.fromEntries(
    [...network].map(([field, { predictions }]) => [
      field,
      { pit: [...pitHistogram(predictions.pit)], coverage: [...coverageCurve(predictions.pit, COVERAGE_LEVELS)] },
    ]),
  );
}

/** Asks every question in turn: results for `metrics.json`, and the report's sections. */
async function askAll(
  questions: readonly Question[],
  shared: Omit<Session, "step">,
): Promise<{ results: Record<string, QuestionResult>; sections: ReportSection[] }> {
  const { reporter = silent } = shared.request;
  const { fields } = shared.predictor.coder;
  const total = countPieces(questions, shared);
  const bar = reporter.bar("evaluating", total);
  let done = 0;
  const session = { ...shared, step: (note: string): void => bar.update(Math.min(done++, total), `| ${note}`) };
  const results: Record<string, QuestionResult> = {};
  const sections: ReportSection[] = [];
  try {
    for (const [i, question] of questions.entries()) {
      const answers = await ask(session, question, i === 0);
      const given = fields.filter((_, j) => question.isGiven[j] === 1).map((field) => field.name);
      results[question.title] = { given, scores: answers.scores, calibration: calibrationOf(answers.network) };
      session.step(`given ${question.title}: figures`);
      sections.push(await describeAnswers(session, question, answers, i === 0));
    }
    bar.update(total, "");
  } finally {
    bar.stop();
  }
  return { results, sections };
}

/**
 * Scores a network on held-out galaxies beside baselines, with bootstrap intervals by parent; writes `metrics.json` and
 * `report.html` into `out`. The scores' units stand in `inference/metrics.ts`.
 * @throws UserError for a table that can't be read or has no rows in the part, a checkpoint that can't be loaded.
 */
export async function evaluate(given: EvaluateRequest): Promise<Evaluation> {
  const checkpoint = loadCheckpoint(given.checkpoint);
  const { survey } = checkpoint.config;
  const { headline } = survey;
  const request: Settings = { ...DEFAULTS, headline, ...given };
  const questions = questionsOf(survey);
  const { table, part, baselineTable, reading } = request;
  checkFolder(request.out);
  if (given.anyAperture !== true)
    checkAperture(await apertureOf(table, survey, reading), checkpoint.config.data, table);
  const whole = (catalog: Catalog): { catalog: Catalog; rows: Int32Array } => ({ catalog, rows: allRows(catalog) });
  const test = whole(await sampleRows(table, part, survey, reading, request.mostRows));
  const learn =
    baselineTable === undefined
      ? undefined
      : whole(await sampleRows(baselineTable, "train", survey, reading, MOST_TO_LEARN));
  const predictor = createPredictor(request.engine, checkpoint);
  try {
    const session = { request, predictor, test, learn };
    const { results, sections } = await askAll(questions, session);
    const evaluation: Evaluation = {
      table: request.table,
      part: request.part,
      rows: test.rows.length,
      checkpoint: request.checkpoint,
      parameters: checkpoint.layout.total,
      questions: results,
    };
    const log = request.run === undefined ? [] : lossSection(readLog(request.run));
    const all = [...(request.sections ?? []), ...sections, ...log];
    await writeEvaluation(request.out, evaluation, checkpoint, survey.title, all);
    return evaluation;
  } finally {
    await predictor.dispose();
  }
}

async function writeEvaluation(
  out: string,
  evaluation: Evaluation,
  checkpoint: Checkpoint,
  title: string,
  sections: readonly ReportSection[],
): Promise<void> {
  makeFolder(out);
  await writeFileAtomic(join(out, "metrics.json"), `${JSON.stringify(evaluation, null, 2)}\n`);
  const report = renderReport({
    title: `Caleido on ${title}`,
    facts: [
      ["checkpoint", evaluation.checkpoint],
      ["parameters", evaluation.parameters.toLocaleString("en-US")],
      ["training steps", String(checkpoint.config.step)],
      ["table", `${evaluation.table} (${evaluation.part}, ${evaluation.rows} galaxies)`],
      ["Caleido", checkpoint.config.caleidoVersion],
    ],
    sections,
  });
  await writeFileAtomic(join(out, "report.html"), report);
}
