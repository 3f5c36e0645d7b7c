import { join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import {
  type BaselineName,
  predictBaselines,
  predictTruths,
  type Question,
  type QuestionScores,
  scoreQuestion,
} from "../inference/evaluate.ts";
import { baselines } from "../inference/baselines.ts";
import { coverageCurve, metrics, pitHistogram } from "../inference/metrics.ts";
import { createPredictor, type Predictor } from "../inference/predict.ts";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { type ReportSection, renderReport } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { type SplitName, splitNames } from "../survey/split.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { type Checkpoint, loadCheckpoint } from "../train/checkpoint.ts";
import { readLog } from "../train/run.ts";
import {
  accuracyFigures,
  calibrationFigure,
  comparisonFigure,
  lossSection,
  pdfFigure,
  scoreTables,
  sedFigure,
  shownMetrics,
} from "./evaluate-report.ts";
import {
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  flagsOf,
  type ReadArguments,
  readOptions,
  readOptionsOf,
  surveyOf,
} from "./shared.ts";
import { readPart } from "./training-tables.ts";
import { number, printTable, progressBar, say } from "./terminal.ts";

export interface EvaluateRequest {
  readonly engine: Engine;
  readonly checkpoint: string;
  readonly table: string;
  readonly reading?: BindOptions;
  /** Part of the table, split by parent as in training; `all` for a table the network never saw. */
  readonly part: SplitName | "all";
  /** Table whose training part baselines learn from; none without it. */
  readonly baselineTable?: string;
  readonly methods: readonly BaselineName[];
  /** Fields that baselines answer. */
  readonly baselineFields: readonly string[];
  readonly out: string;
  /** Run folder whose log is shown. */
  readonly run?: string;
  readonly seed: string;
  readonly mostRows: number;
  /** Further sections for the report, put first. */
  readonly sections?: readonly ReportSection[];
}

export interface Evaluation {
  readonly table: string;
  readonly part: string;
  readonly rows: number;
  readonly checkpoint: string;
  readonly parameters: number;
  readonly questions: Readonly<Record<string, QuestionResult>>;
}

interface QuestionResult {
  readonly given: readonly string[];
  readonly scores: QuestionScores;
  /** By field: PIT histogram (counts in 20 bins), and the share of truths inside central intervals of `levels`. */
  readonly calibration: Readonly<Record<string, { pit: number[]; coverage: number[] }>>;
}

/** Nominal levels of the coverage curves in metrics.json. */
const COVERAGE_LEVELS = Float64Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

/** Pivot [Angstrom] up to which a band counts as blue, and from which as red, in the standard questions. */
const BLUE = 6000;

/** The questions that every evaluation asks. */
function standardQuestions(coder: FieldCoder): Question[] {
  const { fields, nField, nBand } = coder;
  const indices = (isWanted: (j: number) => boolean): number[] => fields.flatMap((_, j) => (isWanted(j) ? [j] : []));
  const properties = indices((j) => j >= nBand);
  const pivot = (j: number): number => fields[j].band?.pivot ?? 0;
  const named = (...names: string[]): number[] => indices((j) => names.includes(fields[j].name));
  const question = (title: string, given: number[], wanted: number[]): Question => ({
    title,
    isGiven: flagsOf(given, nField),
    wanted,
  });
  return [
    question(
      "all bands",
      indices((j) => j < nBand),
      properties,
    ),
    question(
      "blue bands",
      indices((j) => j < nBand && pivot(j) < BLUE),
      properties,
    ),
    question(
      "broad bands",
      indices((j) => fields[j].band?.group === "broad"),
      properties,
    ),
    question(
      "mass and [OIII]",
      named("LOGM", "OIII5007_EW"),
      indices((j) => j < nBand && pivot(j) >= BLUE),
    ),
  ].filter(({ isGiven, wanted }) => isGiven.includes(1) && wanted.length > 0);
}

/** Evenly spaced rows, at most `most`. */
function thin(rows: Int32Array, most: number): Int32Array {
  if (rows.length <= most) return rows;
  return Int32Array.from({ length: most }, (_, i) => rows[Math.floor((i * rows.length) / most)]);
}

/** What every question of one evaluation shares. */
interface Session {
  readonly request: EvaluateRequest;
  readonly predictor: Predictor;
  readonly test: { readonly catalog: Catalog; readonly rows: Int32Array };
  /** What baselines learn from. */
  readonly learn: { readonly catalog: Catalog; readonly rows: Int32Array } | undefined;
  readonly say: (message: string) => void;
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
  const network = await predictTruths(predictor, test.catalog, test.rows, question);
  const wanted = question.wanted.filter((j) => request.baselineFields.includes(coder.fields[j].name));
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
            onProgress: session.say,
          },
        )
      : new Map<string, never>();
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
  const properties = coder.fields.slice(coder.nBand);
  const names = properties.map((field) => field.name);
  const sed = (galaxies: number): Promise<Figure> =>
    sedFigure(predictor, test.catalog, thin(test.rows, galaxies), question.isGiven);
  if (question.wanted.some((j) => j < coder.nBand)) return { heading, figures: [await sed(4)] };
  const tables = scoreTables(scores, coder.fields);
  const calibration = calibrationFigure(names.slice(0, 6), network);
  if (!isMain) return { heading, tables, figures: [calibration, await sed(3)] };
  const hasBaselines = Object.values(scores).some((methods) => Object.keys(methods).length > 1);
  const comparisons = hasBaselines
    ? [
        comparisonFigure(scores, request.baselineFields, "sigmaNmad"),
        comparisonFigure(scores, request.baselineFields, "crps"),
      ]
    : [];
  const pdfs = await pdfFigure(predictor, test.catalog, thin(test.rows, 9), question.isGiven, coder.nBand);
  const whole = `${test.rows.length} held-out galaxies (part "${request.part}" of ${request.table}).`;
  return {
    heading,
    text: [`${whole} Intervals are 95 % bootstrap intervals by parent galaxy.`],
    tables,
    figures: [...comparisons, ...accuracyFigures(properties, network), calibration, pdfs],
  };
}

/** Scores a network on held-out galaxies beside baselines; writes `metrics.json` and `report.html` into `out`. */
export async function runEvaluate(request: EvaluateRequest): Promise<Evaluation> {
  const checkpoint = loadCheckpoint(request.checkpoint);
  const survey = surveyOf(checkpoint);
  const { catalog, rows } = await readPart(request.table, request.part, survey, request.reading);
  const predictor = createPredictor(request.engine, checkpoint);
  const standard = standardQuestions(predictor.coder);
  const bar = progressBar("evaluating", standard.length);
  let done = 0;
  const session: Session = {
    request,
    predictor,
    test: { catalog, rows: thin(rows, request.mostRows) },
    learn:
      request.baselineTable === undefined
        ? undefined
        : await readPart(request.baselineTable, "train", survey, request.reading),
    say: (message) => bar.update(done, message),
  };
  const questions: Record<string, QuestionResult> = {};
  const sections: ReportSection[] = [...(request.sections ?? [])];
  for (const question of standard) {
    session.say(`given ${question.title}`);
    const answers = await ask(session, question, done === 0);
    const given = survey.fields.filter((_, j) => question.isGiven[j] === 1).map((field) => field.name);
    const calibration = Object.fromEntries(
      [...answers.network].map(([field, { predictions }]) => [
        field,
        { pit: [...pitHistogram(predictions.pit)], coverage: [...coverageCurve(predictions.pit, COVERAGE_LEVELS)] },
      ]),
    );
    questions[question.title] = { given, scores: answers.scores, calibration };
    sections.push(await describeAnswers(session, question, answers, done === 0));
    bar.update(++done, "");
  }
  bar.stop();
  await predictor.dispose();
  if (request.run !== undefined) sections.push(...lossSection(readLog(request.run)));
  const evaluation: Evaluation = {
    table: request.table,
    part: request.part,
    rows: session.test.rows.length,
    checkpoint: request.checkpoint,
    parameters: checkpoint.layout.total,
    questions,
  };
  await writeEvaluation(request.out, evaluation, checkpoint, survey.title, sections);
  return evaluation;
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

/** The main question's scores on the terminal. */
export function printScores(evaluation: Evaluation, coderFields: readonly string[]): void {
  const [title, { scores }] = Object.entries(evaluation.questions)[0];
  say(`\n  given ${title}, ${evaluation.rows} held-out galaxies:`);
  const names = shownMetrics.redshift;
  printTable(
    ["field", "method", ...names.map((name) => metrics[name].title)],
    coderFields.flatMap((field) =>
      Object.entries(scores[field] ?? {}).map(([method, score]) => [
        field,
        method,
        ...names.map((name) => (score[name] === undefined ? "" : number(score[name].value))),
      ]),
    ),
  );
}

interface Arguments extends EngineArguments, ReadArguments {
  table: string;
  checkpoint: string;
  part: SplitName | "all";
  baselines: string | undefined;
  methods: BaselineName[];
  out: string;
  seed: string;
  rows: number;
}

/** Fields whose baselines are fitted unless told otherwise. */
export const HEADLINE = ["z", "LOGM", "HALPHA_EW"] as const;

export const evaluateCommand = defineCommand<Arguments>({
  command: "evaluate <table>",
  describe: "score a network on held-out galaxies beside baselines; writes metrics.json and report.html",
  builder: (yargs) =>
    readOptions(engineOptions(yargs))
      .positional("table", { type: "string", describe: "table with truths, or a prepared folder" })
      .option("checkpoint", { type: "string", demandOption: true, describe: "checkpoint or run folder" })
      .option("part", {
        choices: [...splitNames, "all"],
        default: "test",
        describe: "rows: a part of the split by parent, or all",
      })
      .option("baselines", { type: "string", describe: "table whose training part the baselines learn from" })
      .option("methods", {
        choices: Object.keys(baselines),
        array: true,
        default: ["trainZ", "ridge"],
        describe: "baselines",
      })
      .option("out", {
        type: "string",
        default: "runs/evaluation",
        describe: "folder for metrics.json and report.html",
      })
      .option("seed", { type: "string", default: "1", describe: "seed of bootstrap and baselines" })
      .option("rows", { type: "number", default: 5000, describe: "most galaxies scored" }),
  handler: async (args) => {
    const evaluation = await runEvaluate({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      table: args.table,
      reading: readOptionsOf(args),
      part: args.part,
      methods: args.methods,
      baselineFields: HEADLINE,
      out: args.out,
      run: args.checkpoint,
      seed: args.seed,
      mostRows: args.rows,
      ...(args.baselines === undefined ? {} : { baselineTable: args.baselines }),
    });
    printScores(evaluation, Object.keys(Object.values(evaluation.questions)[0].scores));
    say(`  ${args.out}/report.html`);
  },
});
