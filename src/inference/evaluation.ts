import { type ClassScores, classTables, comparedClasses } from "./class-scores.ts";
import { contextQuestions } from "./contexts.ts";
import { calibrationOf, type FieldCalibration } from "./coverage.ts";
import type { Engine } from "../engine/contract.ts";
import { type BaselineAnswers, predictBaselines } from "./baseline-answers.ts";
import type { BaselineName } from "./baselines.ts";
import {
  predictTruths,
  type Question,
  type QuestionScores,
  scoreBaselineClasses,
  scoreCategories,
  scoreQuestion,
  weightsOf,
} from "./evaluate.ts";
import type { LibraryChoice } from "./library-predictor.ts";
import { detailsOf, type Details } from "./metric-bins.ts";
import { effectiveCount, type Predictions } from "./metrics.ts";
import { type FieldGap, gapsOf, openOracle, type Oracle, type OracleAnswers } from "./oracle.ts";
import { underPrior } from "./prior-swap.ts";
import { createPredictor, type NetworkAnswers, type Predictor } from "./predict.ts";
import { questionsOf } from "./questions.ts";
import { UserError } from "../errors.ts";
import { checkFolder } from "../io/atomic.ts";
import { type Reporter, silent } from "../progress.ts";
import type { ReportSection } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { apertureOf, checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { type Field, State } from "../survey/field.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import type { SplitName } from "../survey/split.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";
import { readLog } from "../train/run.ts";
import { USUAL_CHECKPOINT } from "../train/shipped.ts";
import { sampleRows } from "../train/tables.ts";
import {
  accuracyFigures,
  calibrationFigure,
  comparisonFigure,
  lossSection,
  pdfFigure,
  scoreTables,
  sedFigure,
  writeEvaluation,
} from "./evaluation-report.ts";
import { contextSection, mainFigures, type Told } from "./evaluation-figures.ts";

export interface EvaluateRequest {
  readonly engine: Engine;
  /** Checkpoint or run folder, or a name in `checkpoints/`; default: the network that comes with the package. */
  readonly checkpoint?: string;
  /** Table with truths, or a prepared folder. */
  readonly table: string;
  /** How the tables are to be read. */
  readonly reading?: BindOptions;
  /**
   * Survey that describes the tables, where their columns are not the network's: a name in `datasets/`, or a path. Its
   * fields are matched to the network's by name, else by pivot and width.
   */
  readonly survey?: string;
  /** Also on tables whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  /** Part of the table, split by parent as in training; `all` for a table the network never saw. Default: test. */
  readonly part?: SplitName | "all";
  /** Table whose training part baselines learn from; none without it. */
  readonly baselineTable?: string;
  /** Default: trainZ and ridge. */
  readonly methods?: readonly BaselineName[];
  /** Clean simulated galaxies, a table or a prepared folder: the exact answer to every question, beside the network's. */
  readonly library?: string;
  readonly libraryChoice?: LibraryChoice;
  /** `survey`: what its file says; `contexts`: the headline from partial sets of bands. Default: `survey`. */
  readonly questions?: QuestionSet;
  /** Properties told first; default: the survey's headline. */
  readonly headline?: readonly string[];
  /** Fields that baselines answer, as {@link parseFieldList} reads them; default: all that are asked. */
  readonly baselineFields?: string;
  /** Held-out parents choose the baselines' sizes and rates, too, which takes several times as long; default: false. */
  readonly isTuned?: boolean;
  /** Folder for `metrics.json` and `report.html`. */
  readonly out: string;
  /** Run folder whose log is shown. */
  readonly run?: string;
  /** Of bootstrap and baselines; default: "1". */
  readonly seed?: string;
  /** Most galaxies scored; default: 5000. */
  readonly mostRows?: number;
  /** Rows count by their `prior_weight` where the table has one: scores are those of the natural population. Default: true. */
  readonly isWeighted?: boolean;
  /** Whether answers go through the checkpoint's recalibration, where it has one; default: true. */
  readonly isRecalibrated?: boolean;
  /** Instead of the training set's distribution of a field, as in a query. */
  readonly prior?: string;
  /** Further sections for the report, put first. */
  readonly sections?: readonly ReportSection[];
  readonly reporter?: Reporter;
}

/** Where questions come from. */
export const questionSets = ["survey", "contexts"] as const;
export type QuestionSet = (typeof questionSets)[number];

export interface Evaluation {
  readonly table: string;
  readonly part: string;
  readonly rows: number;
  /** Number of equally weighted rows that would say as much; `rows` where all count alike. */
  readonly effectiveRows: number;
  readonly checkpoint: string;
  readonly parameters: number;
  readonly questions: Readonly<Record<string, QuestionResult>>;
}

export interface QuestionResult extends Partial<Details> {
  readonly given: readonly string[];
  readonly scores: QuestionScores;
  /** Of categories, by field. */
  readonly classes: Readonly<Record<string, ClassScores>>;
  /** Of categories, by field, then by baseline. */
  readonly baselineClasses?: Readonly<Record<string, Readonly<Record<string, ClassScores>>>>;
  /** By field: how far the network is from the library's answers; with a library only. */
  readonly gaps?: Readonly<Record<string, FieldGap>>;
  /** Effective number of the library's galaxies: the median, and the share of answers that are sparse. */
  readonly library?: OracleAnswers["library"];
  /** By field: PIT histogram, coverage of intervals, and coverage by magnitude. */
  readonly calibration: Readonly<Record<string, FieldCalibration>>;
}

/** The questions of a request. */
function chosenQuestions(request: Settings, survey: Survey, catalog: Catalog): Question[] {
  const { questions, seed, headline, reporter = silent } = request;
  if (questions === "survey") return questionsOf(survey, reporter.say);
  const wanted = survey.fields.flatMap(({ name, band }, j) =>
    band === undefined && headline.includes(name) ? [j] : [],
  );
  return contextQuestions(catalog, wanted, seed);
}

/** @throws UserError for a table in which nothing stands that the questions are about. */
function checkTruths(table: string, { fields, state }: Catalog, questions: readonly Question[]): void {
  const wanted = [...new Set(questions.flatMap((question) => question.wanted))];
  const isMeasured = (j: number): boolean => {
    for (let at = j; at < state.length; at += fields.length) if (state[at] === State.measured) return true;
    return false;
  };
  if (wanted.some(isMeasured)) return;
  const names = wanted.slice(0, 6).map((j) => fields[j].name);
  const more = wanted.length > names.length ? ", ..." : "";
  throw new UserError(
    `${table}: nothing to score: no row has ${names.join(", ")}${more}; expected a table with truths`,
  );
}

/** Most rows that baselines learn from: beyond, they take hours and learn no more. */
const MOST_TO_LEARN = 100_000;

/** Evenly spaced rows, at most `most`. */
function thin(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows;
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]);
}

const DEFAULTS = {
  checkpoint: USUAL_CHECKPOINT,
  part: "test",
  questions: "survey",
  methods: ["trainZ", "ridge"],
  seed: "1",
  mostRows: 5000,
  isWeighted: true,
} as const;

/** A request with its defaults. */
type Settings = EvaluateRequest & Required<Pick<EvaluateRequest, keyof typeof DEFAULTS | "headline">>;

/** What every question of one evaluation shares. */
interface Session {
  readonly request: Settings;
  readonly predictor: Predictor;
  /** Answers of the library. */
  readonly oracle: Oracle | undefined;
  readonly test: { readonly catalog: Catalog; readonly rows: Int32Array };
  /** What baselines learn from. */
  readonly learn: { readonly catalog: Catalog; readonly rows: Int32Array } | undefined;
  /** [nField] Flags of the fields that baselines answer. */
  readonly rivalry: Uint8Array;
  /** One more piece of work begins. */
  readonly step: (note: string) => void;
}

/** What was asked, and what everybody said. */
interface Asked extends Told {
  readonly scores: QuestionScores;
  readonly exact: OracleAnswers | undefined;
  readonly others: BaselineAnswers | undefined;
}

/** Network, library and, for the main question, baselines on one question. */
async function ask(session: Session, question: Question, isMain: boolean): Promise<Asked> {
  const { request, predictor, oracle, test, learn } = session;
  const { coder } = predictor;
  session.step(`given ${question.title}`);
  let answers: NetworkAnswers | undefined;
  const keeping = {
    coder,
    predict: async (...asked: Parameters<Predictor["predict"]>) => (answers = await predictor.predict(...asked)),
  };
  const network = await predictTruths(keeping, test.catalog, test.rows, question);
  if (oracle !== undefined) session.step(`given ${question.title}: library`);
  const exact = await oracle?.answer(test.catalog, test.rows, question);
  const others =
    isMain && learn !== undefined
      ? await predictBaselines(coder, learn, test, question, {
          names: request.methods,
          fields: question.wanted.filter((j) => session.rivalry[j] === 1),
          engine: request.engine,
          seed: request.seed,
          isTuned: request.isTuned ?? false,
          onProgress: session.step,
        })
      : undefined;
  session.step(`given ${question.title}: scores`);
  const beside = new Map(
    [...network.keys()].map((name) => {
      const own = exact?.answers.get(name);
      const first: [string, Predictions][] = own === undefined ? [] : [["library", own.predictions]];
      return [name, new Map([...first, ...(others?.numbers.get(name) ?? [])])];
    }),
  );
  const scores = scoreQuestion(coder, test.catalog, network, beside, request.seed);
  return { network, exact, others, beside, scores, answers: answers! };
}

/** The report's section on one question. */
async function describeAnswers(
  { request, predictor, oracle, test }: Session,
  question: Question,
  asked: Asked,
  details: Details | undefined,
): Promise<ReportSection> {
  const { coder } = predictor;
  const { network, scores, others } = asked;
  const heading = `Given ${question.title}`;
  const properties = coder.fields.filter(({ band }) => band === undefined);
  const answered = properties.filter(({ name, kind }) => kind !== "category" && network.has(name));
  const isFirst = ({ name }: Field): number => Number(request.headline.includes(name));
  const names = answered.toSorted((a, b) => isFirst(b) - isFirst(a)).map((field) => field.name);
  const sed = (galaxies: number): Promise<Figure> =>
    sedFigure(predictor, question.catalog ?? test.catalog, thin(test.rows, galaxies), question.isGiven);
  if (question.wanted.some((j) => coder.fields[j].band !== undefined)) return { heading, figures: [await sed(4)] };
  const classes = scoreCategories(test.catalog, network);
  const rivals = comparedClasses(classes, scoreBaselineClasses(test.catalog, network, others?.classes));
  const tables = [...scoreTables(scores, coder.fields), ...classTables(classes), ...rivals];
  const calibration = calibrationFigure(names.slice(0, 6), network, test.catalog);
  if (details === undefined) return { heading, tables, figures: [calibration, await sed(3)] };
  const hasBaselines = Object.values(scores).some((methods) => Object.keys(methods).length > 1);
  const comparisons = hasBaselines
    ? [comparisonFigure(scores, request.headline, "sigmaNmad"), comparisonFigure(scores, request.headline, "crps")]
    : [];
  const first = question.wanted.find((j) => coder.fields[j].name === request.headline[0]) ?? question.wanted[0];
  const pdfs = await pdfFigure(predictor, test.catalog, thin(test.rows, 9), question.isGiven, first, oracle);
  const rest = await mainFigures(predictor, question, asked, details, request);
  const whole = `${test.rows.length} held-out galaxies (part "${request.part}" of ${request.table}).`;
  return {
    heading,
    text: [`${whole} Intervals are 95 % bootstrap intervals by parent galaxy.${weighting(test)}`],
    tables,
    figures: [...comparisons, ...accuracyFigures(properties, network), calibration, pdfs, ...rest],
  };
}

const effectiveRows = ({ catalog, rows }: Session["test"]): number => {
  const weight = weightsOf(catalog, rows);
  return weight === undefined ? rows.length : effectiveCount(weight);
};

/** What the report says of weights; nothing where all rows count alike. */
function weighting(test: Session["test"]): string {
  if (test.catalog.weight === undefined) return "";
  const count = Math.round(effectiveRows(test)).toLocaleString("en-US");
  return ` Rows are weighted back to the natural population (prior_weight): an effective sample of ${count} galaxies.`;
}

/** Pieces of work in a question: the network's answers, the library's, its scores, its figures; for the main one, every baseline. */
function countPieces(questions: readonly Question[], session: Omit<Session, "step">): number {
  const { request, oracle, learn, rivalry } = session;
  const fitted = learn === undefined ? 0 : (questions[0]?.wanted ?? []).filter((j) => rivalry[j] === 1).length;
  return (oracle === undefined ? 3 : 4) * questions.length + fitted * request.methods.length;
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
      const { network, scores, exact, others } = answers;
      const { catalog } = shared.test;
      const details = i === 0 ? detailsOf(question, catalog, network, shared.request.seed) : undefined;
      results[question.title] = {
        given,
        scores,
        classes: scoreCategories(catalog, network),
        ...(others === undefined ? {} : { baselineClasses: scoreBaselineClasses(catalog, network, others.classes) }),
        ...(exact === undefined
          ? {}
          : {
              gaps: gapsOf(question, catalog, network, exact.answers, shared.request.seed),
              library: exact.library,
            }),
        calibration: calibrationOf(network, catalog),
        ...details,
      };
      session.step(`given ${question.title}: figures`);
      sections.push(await describeAnswers(session, question, answers, details));
    }
    sections.unshift(...contextSection(results, fields));
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
  const checkpoint = loadCheckpoint(given.checkpoint ?? DEFAULTS.checkpoint);
  const { survey } = checkpoint.config;
  const { headline } = survey;
  const request: Settings = { ...DEFAULTS, headline, ...given };
  const { table, part, baselineTable, reading, survey: own, reporter = silent } = request;
  checkFolder(request.out);
  const rivals = parseFieldList(request.baselineFields ?? "all", survey.fields, "--baseline-fields");
  const reader = { survey, own: own === undefined ? undefined : loadSurvey(own), options: reading };
  const aperture = await apertureOf(table, reader.own ?? survey, reading);
  if (request.anyAperture !== true) checkAperture(aperture, checkpoint.config.data, table);
  const whole = ({ weight, ...rest }: Catalog): { catalog: Catalog; rows: Int32Array } => ({
    catalog: weight === undefined || !request.isWeighted ? rest : { ...rest, weight },
    rows: allRows(rest),
  });
  const test = whole(await sampleRows(table, part, reader, request.mostRows, reporter.say));
  const learn =
    baselineTable === undefined ? undefined : whole(await sampleRows(baselineTable, "train", reader, MOST_TO_LEARN));
  const questions = chosenQuestions(request, survey, test.catalog);
  checkTruths(table, test.catalog, questions);
  const network = createPredictor(request.engine, checkpoint, request);
  const predictor = await underPrior(network, request.prior, reader, reporter.say, checkpoint.population);
  let oracle: Oracle | undefined;
  try {
    oracle = await openOracle(request, survey, predictor.coder, aperture);
    const session = { request, predictor, oracle, test, learn, rivalry: flagsOf(rivals, survey.fields.length) };
    const { results, sections } = await askAll(questions, session);
    const evaluation: Evaluation = {
      table: request.table,
      part: request.part,
      rows: test.rows.length,
      effectiveRows: effectiveRows(test),
      checkpoint: request.checkpoint,
      parameters: checkpoint.layout.total,
      questions: results,
    };
    const log = request.run === undefined ? [] : lossSection(readLog(request.run));
    const all = [...(request.sections ?? []), ...sections, ...log];
    await writeEvaluation(request.out, evaluation, checkpoint, survey.title, all);
    return evaluation;
  } finally {
    await oracle?.close();
    await predictor.dispose();
  }
}
