import { UserError } from "../errors.ts";
import { baselines, type RivalName, spectralBaselines } from "../inference/baselines.ts";
import { classTables } from "../inference/class-scores.ts";
import { type DropoutPdf, dropoutPdfs } from "../inference/dropout-scores.ts";
import { evaluate, type Evaluation, type QuestionSet, questionSets } from "../inference/evaluation.ts";
import { shownMetrics } from "../inference/evaluation-report.ts";
import { type MetricName, metrics } from "../inference/metrics.ts";
import type { Estimate } from "../inference/weighted.ts";
import { type QualityName, qualities } from "../inference/screening.ts";
import { type SplitName, splitNames } from "../survey/split.ts";
import { counted, number, percent } from "../text.ts";
import { checkpointPath } from "../train/shipped.ts";
import {
  apertureOption,
  defineCommand,
  type EngineArguments,
  engineOf,
  engineOptions,
  type LibraryArguments,
  libraryChoiceOf,
  libraryOptions,
  mcDropoutOption,
  priorOption,
  type ReadArguments,
  recalibrationOption,
  readOptions,
  readOptionsOf,
  type SurveyArguments,
  surveyOption,
  surveyOptionOf,
  usualCheckpoint,
} from "./shared.ts";
import { printTable, say, terminal } from "./terminal.ts";

/** The main question's scores on the terminal. */
export function printScores(evaluation: Evaluation, coderFields: readonly string[]): void {
  const [title, { scores }] = Object.entries(evaluation.questions)[0];
  const effective = Math.round(evaluation.effectiveRows);
  const weighted = effective < evaluation.rows ? ` (weighted by prior_weight: as many as ${effective})` : "";
  say(`\n  given ${title}, ${evaluation.rows} held-out galaxies${weighted}:`);
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

/** Classes of the main question, by name and by magnitude. */
function printClasses({ questions }: Evaluation): void {
  for (const { title, columns, rows } of classTables(Object.values(questions)[0].classes)) {
    say(`\n  ${title}`);
    printTable(
      columns.map(({ label }) => label),
      rows.map((row) => row.map(String)),
    );
  }
}

const withEnds = ({ value, low, high }: Estimate): string => `${number(value)} [${number(low)}, ${number(high)}]`;
const inPercent = ({ value, low, high }: Estimate): string =>
  [value, low, high]
    .map((share) => `${Math.round(100 * share)} %`)
    .join(", ")
    .replace(", ", " [") + "]";

/** Network beside library, question by question: the redshift, then how far every field is from the library's answers. */
function printGaps({ questions }: Evaluation): void {
  const columns: MetricName[] = ["sigmaNmad", "outlier03"];
  say("\n  the network beside the exact answer of the library, with 95 % intervals:");
  printTable(
    [
      "given",
      "field",
      ...["library", "network"].flatMap((who) => columns.map((name) => `${who}: ${metrics[name].title}`)),
    ],
    Object.entries(questions).flatMap(([title, { scores }]) =>
      Object.entries(scores).flatMap(([field, { library, caleido }]) => {
        if (library?.outlier03 === undefined) return []; // not a redshift
        return [
          [title, field, ...[library, caleido].flatMap((score) => columns.map((name) => withEnds(score[name]!)))],
        ];
      }),
    ),
  );
  printTable(
    ["given", "field", "galaxies", "CRPS above the library's", "-ln p above the library's", "effective galaxies"],
    Object.entries(questions).flatMap(([title, { gaps = {}, library }]) =>
      Object.entries(gaps).map(([field, gap]) => [
        title,
        field,
        String(gap.rows),
        inPercent(gap.crps),
        withEnds(gap.negLogLik),
        library === undefined ? "" : `${number(library.effectiveSize)} (${Math.round(100 * library.sparse)} % sparse)`,
      ]),
    ),
  );
}

const RIVALS = { ...baselines, ...spectralBaselines };

const inTenths = ({ value, low, high }: Estimate): string =>
  `${percent(value, 1)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;

/** The cut in each quality that keeps most at a purity, in a line. */
function printScreening({ questions }: Evaluation): void {
  for (const [title, { screening }] of Object.entries(questions)) {
    if (screening === undefined) continue;
    const { tolerance, share, qualities: found } = screening;
    say(`\n  redshifts given ${title}: ${percent(share, 1)} within ${tolerance} (1 + z)`);
    if (Object.values(found).every(({ cuts }) => cuts.length === 0))
      say("    no cut that keeps 30 galaxies is 99 % pure");
    for (const name of Object.keys(found) as QualityName[]) {
      const { title: quality, sign } = qualities[name];
      for (const { target, threshold, verified } of found[name]!.cuts) {
        if (verified === undefined) continue;
        const { purity, completeness } = verified;
        const cut = `${quality} ${sign > 0 ? "at least" : "at most"} ${threshold.toPrecision(4)}`;
        const kept = `keeps ${inTenths(completeness)} of them`;
        say(`    ${percent(target, 1)} pure: ${cut} ${kept}; on the other half ${inTenths(purity)} are`);
      }
    }
  }
}

/** Coverage of Monte Carlo dropout's PDFs beside the head's own. */
function printDropout({ questions }: Evaluation): void {
  const { dropout } = Object.values(questions)[0];
  if (dropout === undefined) return;
  say(`\n  Monte Carlo dropout, ${dropout.draws} draws, ${counted(dropout.rows, "galaxy", "galaxies")}:`);
  const shown: MetricName[] = ["coverage68", "coverage90", "width", "sigmaNmad"];
  printTable(
    ["field", "PDF", ...shown.map((name) => metrics[name].title)],
    Object.entries(dropout.fields).flatMap(([field, byPdf]) =>
      (Object.keys(dropoutPdfs) as DropoutPdf[]).map((pdf) => [
        field,
        dropoutPdfs[pdf],
        ...shown.map((name) => number(byPdf[pdf][name]!.value)),
      ]),
    ),
  );
}

interface Arguments extends EngineArguments, LibraryArguments, ReadArguments, SurveyArguments {
  questions: QuestionSet;
  table: string;
  checkpoint: string;
  part: SplitName | "all";
  baselines: string | undefined;
  methods: RivalName[];
  baselineFields: string | undefined;
  tune: boolean;
  out: string;
  seed: string;
  rows: number;
  weights: boolean;
  prior: string | undefined;
  anyAperture: boolean;
  recalibration: boolean;
  insight: boolean;
  mcDropout: number | undefined;
  tolerance: number | undefined;
}

export const evaluateCommand = defineCommand<Arguments>({
  command: "evaluate <table>",
  describe: "score a network on held-out galaxies beside baselines; writes metrics.json and report.html",
  builder: (yargs) =>
    recalibrationOption(apertureOption(libraryOptions(surveyOption(readOptions(engineOptions(yargs))), 0)))
      .positional("table", { type: "string", describe: "table with truths, or a prepared folder" })
      .option("checkpoint", usualCheckpoint)
      .option("part", {
        choices: [...splitNames, "all"],
        default: "test",
        describe: "rows: a part of the split by parent, or all",
      })
      .option("questions", {
        choices: questionSets,
        default: "survey",
        describe:
          "what is asked: the survey file's questions, the first of them, or the headline from partial sets of bands",
      })
      .option("baselines", { type: "string", describe: "table whose training part the baselines learn from" })
      .option("methods", {
        choices: Object.keys(RIVALS),
        array: true,
        default: ["trainZ", "ridge"],
        describe: `baselines: ${Object.entries(RIVALS)
          .map(([name, { title }]) => (name === "trainZ" ? title : `${name}, ${title}`))
          .join("; ")}`,
      })
      .option("baseline-fields", {
        type: "string",
        describe: "fields that baselines answer, e.g. z,LOGM; default: all that are asked",
      })
      .option("tune", {
        type: "boolean",
        default: false,
        describe:
          "held-out training parents choose the sizes and rates of trees and networks, too: several times slower",
      })
      .option("out", {
        type: "string",
        default: "runs/evaluation",
        describe: "folder for metrics.json and report.html",
      })
      .option("seed", { type: "string", default: "1", describe: "seed of bootstrap and baselines" })
      .option("prior", priorOption)
      .option("rows", { type: "number", default: 5000, describe: "most galaxies scored" })
      .option("insight", {
        type: "boolean",
        default: true,
        describe:
          "also, of a few galaxies, how well joint answers agree and what groups of bands tell: some ten seconds; --no-insight: not",
      })
      .option("mc-dropout", mcDropoutOption)
      .option("tolerance", {
        type: "number",
        describe: "|dz| / (1 + z) up to which a redshift is pure; default: 0.01 where a spectrum is given, else 0.03",
      })
      .option("weights", {
        type: "boolean",
        default: true,
        describe: "galaxies of a wide population count by their prior_weight; --no-weights: all alike",
      }),
  handler: async (args) => {
    if (args.tolerance !== undefined && !(args.tolerance > 0)) {
      throw new UserError(`--tolerance ${args.tolerance}: expected |dz| / (1 + z) above 0, e.g. 0.01`);
    }
    const evaluation = await evaluate({
      engine: await engineOf(args),
      checkpoint: args.checkpoint,
      table: args.table,
      reading: readOptionsOf(args),
      ...surveyOptionOf(args),
      anyAperture: args.anyAperture,
      isRecalibrated: args.recalibration,
      reporter: terminal,
      part: args.part,
      methods: args.methods,
      isTuned: args.tune,
      ...(args.baselineFields === undefined ? {} : { baselineFields: args.baselineFields }),
      out: args.out,
      run: checkpointPath(args.checkpoint),
      seed: args.seed,
      mostRows: args.rows,
      isWeighted: args.weights,
      hasInsight: args.insight,
      ...(args.mcDropout === undefined ? {} : { mcDropout: args.mcDropout }),
      ...(args.tolerance === undefined ? {} : { tolerance: args.tolerance }),
      ...(args.prior === undefined ? {} : { prior: args.prior }),
      questions: args.questions,
      libraryChoice: libraryChoiceOf(args),
      ...(args.library === undefined ? {} : { library: args.library }),
      ...(args.baselines === undefined ? {} : { baselineTable: args.baselines }),
    });
    printScores(evaluation, Object.keys(Object.values(evaluation.questions)[0].scores));
    printClasses(evaluation);
    printScreening(evaluation);
    printDropout(evaluation);
    if (args.library !== undefined) printGaps(evaluation);
    say(`  ${args.out}/report.html`);
  },
});
