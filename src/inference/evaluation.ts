import type { ClassScores } from "./class-scores.ts";
import { contextQuestions } from "./contexts.ts";
import { calibrationOf, type FieldCalibration } from "./coverage.ts";
import { checkDropout } from "./dropout.ts";
import { type DropoutScores, LEAST_DRAWS } from "./dropout-scores.ts";
import type { Engine } from "../engine/contract.ts";
import { isSpectral, type RivalName } from "./baselines.ts";
import { type Question, type QuestionScores, scoreBaselineClasses, scoreCategories } from "./evaluate.ts";
import type { Insight } from "./insight.ts";
import type { LibraryChoice } from "./library-predictor.ts";
import { detailsOf, type Details } from "./metric-bins.ts";
import { type FieldGap, gapsOf, openOracle, type Oracle, type OracleAnswers } from "./oracle.ts";
import { underPrior } from "./prior-swap.ts";
import { createPredictor } from "./predict.ts";
import type { Recovery } from "./recovery.ts";
import type { Screening } from "./screening.ts";
import { questionsOf } from "./questions.ts";
import { type Units, unitsOf } from "./resampling.ts";
import { cleanSpectra } from "./spectrum-scores.ts";
import type { SpectrumResults } from "./spectrum-section.ts";
import { UserError } from "../errors.ts";
import { checkFolder } from "../io/atomic.ts";
import { decoderOf } from "../model/spectrum-decoder.ts";
import { type Reporter, silent } from "../progress.ts";
import type { ReportSection } from "../report/html.ts";
import { allRows, type Catalog, pixelBytes } from "../survey/catalog.ts";
import { apertureOf, checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { State } from "../survey/field.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import type { SplitName } from "../survey/split.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import { createVocabulary } from "../survey/vocabulary.ts";
import { loadCheckpoint } from "../train/checkpoint.ts";
import { readLog } from "../train/run.ts";
import { USUAL_CHECKPOINT } from "../train/shipped.ts";
import { sampleRows } from "../train/tables.ts";
import { lossSection, writeEvaluation } from "./evaluation-report.ts";
import { contextSection } from "./evaluation-figures.ts";
import { ask, type Session } from "./evaluation-question.ts";
import { describeAnswers, effectiveRows } from "./evaluation-section.ts";

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
  readonly methods?: readonly RivalName[];
  /** Clean simulated galaxies, a table or a prepared folder: the exact answer to every question, beside the network's. */
  readonly library?: string;
  readonly libraryChoice?: LibraryChoice;
  /** `survey`: what its file says; `main`: the first of these; `contexts`: the headline from partial sets of bands. Default: `survey`. */
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
  /** Draws of Monte Carlo dropout whose PDFs are scored beside the network's own, of the first question; default: none. */
  readonly mcDropout?: number;
  /** |dz| / (1 + z) up to which a redshift is pure; default: 0.01 where a spectrum is given, else 0.03. */
  readonly tolerance?: number;
  /** Also, of a few galaxies, how well joint answers agree and what groups of bands tell: some ten seconds. Default: true. */
  readonly hasInsight?: boolean;
  /** Further sections for the report, put first. */
  readonly sections?: readonly ReportSection[];
  readonly reporter?: Reporter;
}

/** Where questions come from. */
export const questionSets = ["survey", "main", "contexts"] as const;
export type QuestionSet = (typeof questionSets)[number];

export interface Evaluation {
  readonly table: string;
  readonly part: string;
  readonly rows: number;
  /** Number of equally weighted rows that would say as much; `rows` where all count alike. */
  readonly effectiveRows: number;
  /** What the bootstrap draws with all its rows, and how many of it there are. */
  readonly resampled: Pick<Units, "by" | "count">;
  readonly checkpoint: string;
  readonly parameters: number;
  readonly questions: Readonly<Record<string, QuestionResult>>;
}

export interface QuestionResult extends Partial<Details>, Partial<Insight>, SpectrumResults {
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
  /** Cuts that leave pure samples of redshifts; absent where all are right, or none is. */
  readonly screening?: Screening;
  /** Right redshifts by magnitude and line flux, of networks that know spectra. */
  readonly recovery?: Recovery;
  /** With `mcDropout`. */
  readonly dropout?: DropoutScores;
  /** By field: PIT histogram and coverage of intervals; coverage by magnitude is in `bins`. */
  readonly calibration: Readonly<Record<string, FieldCalibration>>;
}

/** The questions of a request. */
function chosenQuestions(request: Settings, survey: Survey, answersSpectra: boolean, catalog: Catalog): Question[] {
  const { questions, seed, headline, reporter = silent } = request;
  if (questions !== "contexts") {
    const all = questionsOf(survey, answersSpectra, reporter.say);
    return questions === "main" ? all.slice(0, 1) : all;
  }
  const wanted = survey.fields.flatMap(({ name, band }, j) =>
    band === undefined && headline.includes(name) ? [j] : [],
  );
  return contextQuestions(catalog, wanted, seed);
}

/** @throws UserError for a table in which nothing stands that the questions are about. */
function checkTruths(table: string, { fields, state }: Catalog, questions: readonly Question[]): void {
  const wanted = [...new Set(questions.flatMap(({ wanted: own, spectra = [] }) => [...own, ...spectra]))];
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

/** Most bytes of spectra in memory that templates are learned from. */
const MOST_PIXELS = 500e6;

/** Most rows that a request's baselines learn from. */
function mostToLearn({ methods }: Settings, { fields }: Survey): number {
  if (!methods.some(isSpectral)) return MOST_TO_LEARN;
  return Math.min(MOST_TO_LEARN, Math.floor(MOST_PIXELS / Math.max(1, pixelBytes(fields))));
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
export type Settings = EvaluateRequest & Required<Pick<EvaluateRequest, keyof typeof DEFAULTS | "headline">>;

/** Pieces of work in a question: the network's answers, the library's, its scores, its figures; for the main one, every baseline. */
function countPieces(questions: readonly Question[], session: Omit<Session, "step">): number {
  const { request, oracle, learn, rivalry } = session;
  const fitted = learn === undefined ? 0 : (questions[0]?.wanted ?? []).filter((j) => rivalry[j] === 1).length;
  const looked = Number(request.hasInsight !== false) + Number(request.mcDropout !== undefined);
  return (oracle === undefined ? 3 : 4) * questions.length + looked + fitted * request.methods.length;
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
      const { catalog, units } = shared.test;
      const details = i === 0 ? detailsOf(question, catalog, units.of, network, shared.request.seed) : undefined;
      results[question.title] = {
        given,
        scores,
        classes: scoreCategories(catalog, network),
        ...(others === undefined ? {} : { baselineClasses: scoreBaselineClasses(catalog, network, others.classes) }),
        ...(exact === undefined
          ? {}
          : {
              gaps: gapsOf(question, catalog, units.of, network, exact.answers, shared.request.seed),
              library: exact.library,
            }),
        ...(answers.screened === undefined ? {} : { screening: answers.screened.screening }),
        ...(answers.recovery === undefined ? {} : { recovery: answers.recovery }),
        ...(answers.dropout === undefined ? {} : { dropout: answers.dropout }),
        calibration: calibrationOf(network, catalog),
        ...details,
        ...answers.insight,
        ...answers.spectra.results,
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
 * Scores a network on held-out galaxies beside baselines, with bootstrap intervals by tile or parent; writes `metrics.json` and
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
  const whole = ({ weight, ...rest }: Catalog): Session["test"] => ({
    catalog: weight === undefined || !request.isWeighted ? rest : { ...rest, weight },
    rows: allRows(rest),
    units: unitsOf(rest),
  });
  const test = whole(await sampleRows(table, part, reader, request.mostRows, reporter.say));
  const learn =
    baselineTable === undefined
      ? undefined
      : whole(await sampleRows(baselineTable, "train", reader, mostToLearn(request, survey)));
  const answersSpectra = decoderOf(checkpoint.config.model, createVocabulary(survey.fields)) !== undefined;
  const questions = chosenQuestions(request, survey, answersSpectra, test.catalog);
  checkTruths(table, test.catalog, questions);
  const network = createPredictor(request.engine, checkpoint, request);
  if (request.mcDropout !== undefined) checkDropout(network, request.mcDropout, request.prior, LEAST_DRAWS);
  const predictor = await underPrior(network, request.prior, reader, reporter.say, checkpoint.population);
  let oracle: Oracle | undefined;
  try {
    oracle = await openOracle(request, survey, predictor.coder, aperture);
    const isAsked = questions.some(({ spectra = [] }) => spectra.length > 0);
    const clean = isAsked ? await cleanSpectra(table, part, reader, request.mostRows, test.catalog) : undefined;
    const session = {
      request,
      survey,
      predictor,
      clean,
      network,
      oracle,
      test,
      learn,
      rivalry: flagsOf(rivals, survey.fields.length),
    };
    const { results, sections } = await askAll(questions, session);
    const evaluation: Evaluation = {
      table: request.table,
      part: request.part,
      rows: test.rows.length,
      effectiveRows: effectiveRows(test),
      resampled: { by: test.units.by, count: test.units.count },
      checkpoint: request.checkpoint,
      parameters: checkpoint.layout.total,
      questions: results,
    };
    const log = request.run === undefined ? [] : lossSection(readLog(request.run));
    const all = [...(request.sections ?? []), ...sections, ...log];
    await writeEvaluation(request.out, evaluation, checkpoint, (reader.own ?? survey).title, all);
    return evaluation;
  } finally {
    await oracle?.close();
    await predictor.dispose();
  }
}
