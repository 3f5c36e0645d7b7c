/** One question of an evaluation, put to everybody. */
import { type DropoutScores, scoreDropout } from "./dropout-scores.ts";
import { type BaselineAnswers, predictBaselines } from "./baseline-answers.ts";
import { predictTruths, type Question, type QuestionScores, scoreQuestion } from "./evaluate.ts";
import { type Insight, insightOf } from "./insight.ts";
import type { Predictions } from "./metrics.ts";
import { RESAMPLES } from "./weighted.ts";
import type { Oracle, OracleAnswers } from "./oracle.ts";
import type { NetworkAnswers, Predictor } from "./predict.ts";
import { type Recovery, recoveryOf } from "./recovery.ts";
import { screenRedshifts } from "./screening.ts";
import type { Units } from "./resampling.ts";
import { cleanSpectra } from "./spectrum-scores.ts";
import { type SpectraSaid, spectraSaid } from "./spectrum-section.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Survey } from "../survey/survey.ts";
import type { Told } from "./evaluation-figures.ts";
import type { Settings } from "./evaluation.ts";

/** Draws behind the intervals of further questions: their ends scatter by a tenth of the estimate's error. */
const FEWER_RESAMPLES = 400;

/** What every question of one evaluation shares. */
export interface Session {
  readonly request: Settings;
  readonly survey: Survey;
  readonly predictor: Predictor;
  /** The same without another prior, under which single questions take a hundred times as long. */
  readonly network: Predictor;
  /** Answers of the library. */
  readonly oracle: Oracle | undefined;
  readonly test: { readonly catalog: Catalog; readonly rows: Int32Array; readonly units: Units };
  /** Spectra without noise of the test's rows, where spectra are asked and the table has them. */
  readonly clean: Awaited<ReturnType<typeof cleanSpectra>>;
  /** What baselines learn from. */
  readonly learn: { readonly catalog: Catalog; readonly rows: Int32Array } | undefined;
  /** [nField] Flags of the fields that baselines answer. */
  readonly rivalry: Uint8Array;
  /** One more piece of work begins. */
  readonly step: (note: string) => void;
}

/** What was asked, and what everybody said. */
export interface Asked extends Told {
  readonly scores: QuestionScores;
  readonly exact: OracleAnswers | undefined;
  /** Of the main question. */
  readonly insight: Insight | undefined;
  readonly others: BaselineAnswers | undefined;
  readonly screened: Awaited<ReturnType<typeof screenRedshifts>>;
  readonly recovery: Recovery | undefined;
  readonly dropout: DropoutScores | undefined;
  /** Of spectra, asked or given. */
  readonly spectra: SpectraSaid;
}

/** Network, library and, for the main question, baselines on one question. */
export async function ask(session: Session, question: Question, isMain: boolean): Promise<Asked> {
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
  const spectra = await spectraSaid(session.network, test, question, answers!, session.clean);
  const resamples = isMain ? RESAMPLES : FEWER_RESAMPLES;
  const { seed, mcDropout } = request;
  const scores = scoreQuestion(coder, test.catalog, test.units.of, network, beside, { seed, resamples });
  const screening = { ...request, hasTrust: isMain };
  const screened = await screenRedshifts(predictor, question, answers!, network, test.units.of, screening);
  const recovery = recoveryOf(session.survey, test.catalog, network, test.units.of, seed);
  let dropout: DropoutScores | undefined;
  if (isMain && mcDropout !== undefined) {
    session.step(`given ${question.title}: ${mcDropout} draws of dropout`);
    dropout = await scoreDropout(predictor, answers!, network, test.units.of, { draws: mcDropout, seed });
  }
  const told = { network, exact, others, beside, scores, answers: answers!, screened, recovery, dropout, spectra };
  if (!isMain || request.hasInsight === false) return { ...told, insight: undefined };
  session.step(`given ${question.title}: joint answers and advice`);
  const insight = await insightOf(session.network, question.catalog ?? test.catalog, test.rows, question, request);
  return { ...told, insight };
}
