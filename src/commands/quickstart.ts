import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/atomic.ts";
import { checkUnlocked, lockFolder } from "../io/lock.ts";
import { type MetricName, metrics } from "../inference/metrics.ts";
import { figures } from "../report/figures.ts";
import type { ReportSection } from "../report/html.ts";
import { loadRecipe } from "../recipe.ts";
import { observationSchema } from "../simulate/observation.ts";
import { createObserver } from "../simulate/observer.ts";
import { type SimulationInput, simulationOptions } from "../simulate/options.ts";
import { createPassbands } from "../simulate/passband.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import { learnedCalibration, magnitudesOf } from "../train/calibration.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { duration, number } from "../text.ts";
import { pretrain } from "../train/verbs.ts";
import { adapt } from "../inference/adaptation.ts";
import { evaluate, type Evaluation } from "../inference/evaluation.ts";
import { simulate } from "../simulate/simulate.ts";
import { printScores } from "./evaluate.ts";
import { queryAndShow } from "./query.ts";
import { defineCommand, type EngineArguments, engineOf, engineOptions } from "./shared.ts";
import { heading, interruptible, printTable, say, terminal } from "./terminal.ts";

/** Sizes of the quickstart; the tests run a smaller one. */
export interface QuickstartSize {
  readonly galaxies: number;
  readonly target: number;
  readonly labelled: number;
  readonly settings: readonly string[];
  readonly adaptSettings: readonly string[];
}

const FULL: QuickstartSize = { galaxies: 45_000, target: 8000, labelled: 600, settings: [], adaptSettings: [] };

/** The survey that the network is moved to: other zero-points, more noise, another n(z). */
const TARGET: SimulationInput = {
  offsets: { rms: 0.07, seed: "quickstart" },
  noiseScale: 1.4,
  redshift: { median: 0.35 },
};

/** The three questions of the talk that began this. */
const QUESTIONS = [
  { title: "EW(Halpha) from the blue half of the spectrum alone", given: "uJAVA..J0590", want: "HALPHA_EW" },
  { title: "The red spectrum from mass and [OIII]", given: "LOGM,OIII5007_EW", want: "J0700,J0750,J0800,J0850,J0900" },
  { title: "Redshift, mass and metallicity from everything", given: "bands", want: "z,LOGM,LOGZ" },
] as const;

/** Learned against true zero-point offsets of the target survey [mag], and noise factors, of which 1 is true, by band. */
interface ZeroPoints {
  readonly wavelength: readonly number[];
  readonly group: readonly string[];
  readonly truth: readonly number[];
  readonly recovered: readonly number[];
  readonly noise: readonly number[];
}

const bandsOf = ({ fields }: Survey) =>
  fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));

/** [mag] What the target's zero-points are off by, band by band. */
function trueOffsets(survey: Survey): number[] {
  const observer = createObserver(survey, createPassbands(bandsOf(survey)), simulationOptions.parse(TARGET));
  return observer.bands.map((band) => band.offset);
}

function zeroPoints(survey: Survey, adapted: Checkpoint): ZeroPoints {
  const bands = bandsOf(survey);
  const learned = learnedCalibration("adapt", adapted);
  return {
    wavelength: bands.map(({ band }) => band.pivot),
    group: bands.map(({ band }) => band.group),
    truth: trueOffsets(survey),
    // fluxes that a shifted zero-point dims by so many magnitudes are brightened by as many
    recovered: learned.map(({ lnFlux }) => -magnitudesOf(lnFlux)),
    noise: learned.map(({ noise }) => noise),
  };
}

/** How well zero-points came back, by kind of band. */
function printZeroPoints({ group, truth, recovered, noise }: ZeroPoints): void {
  const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const rms = (values: readonly number[]): number => Math.sqrt(mean(values.map((x) => x * x)));
  const rows = ["all", ...new Set(group)].map((name) => {
    const some = [...group.keys()].filter((j) => name === "all" || group[j] === name);
    const off = some.map((j) => recovered[j] - truth[j]);
    const centre = mean(some.map((j) => truth[j]));
    const aside = some.map((j) => truth[j] - centre);
    const slope = mean(some.map((j, i) => aside[i] * recovered[j])) / mean(aside.map((x) => x * x));
    // a slope through fewer says nothing
    const told = some.length < 5 ? "" : number(slope);
    const numbers = [rms(some.map((j) => truth[j])), rms(off), mean(off)].map(number);
    return [name, String(some.length), ...numbers, told, number(mean(some.map((j) => noise[j])))];
  });
  const columns = ["bands", "", "offsets, rms [mag]", "left, rms [mag]", "left, mean [mag]", "slope", "noise factor"];
  printTable(columns, rows);
}

function adaptationSection(
  zeroShot: Evaluation,
  adapted: Evaluation,
  survey: Survey,
  points: ZeroPoints,
): ReportSection {
  const score = (evaluation: Evaluation, field: string, method = "caleido"): Record<string, { value: number }> =>
    Object.values(evaluation.questions)[0].scores[field]?.[method] ?? {};
  const metric = (field: string, name: MetricName): { title: string; values: number[] } => ({
    title: `${field}: ${metrics[name].title}`,
    values: [
      score(zeroShot, field)[name]?.value,
      score(adapted, field)[name]?.value,
      score(adapted, field, "ridge")[name]?.value,
    ].map((value) => value ?? Number.NaN),
  });
  return {
    heading: "Adaptation to the target survey",
    text: [
      "Held-out galaxies of a target survey with shifted zero-points, more noise and another n(z). Zero-shot: the network as trained on simulations. Adapted: after training on the target's photometry without labels, a few labels, and replayed simulations. Labels only: ridge regression on the same few labels.",
    ],
    figures: [
      figures.adaptation.draw({
        variants: ["zero-shot", "adapted", "labels only (ridge)"],
        metrics: [metric(survey.headline[0], "sigmaNmad"), ...survey.headline.map((field) => metric(field, "crps"))],
        zeroPoints: points,
      }),
    ],
  };
}

function printAdaptation(zeroShot: Evaluation, adapted: Evaluation, headline: readonly string[]): void {
  const rows = headline.flatMap((field) =>
    ["sigmaNmad", "crps", "coverage68"].map((name) => {
      const value = (evaluation: Evaluation, method: string): string => {
        const score = Object.values(evaluation.questions)[0].scores[field]?.[method] as Record<
          string,
          { value: number }
        >;
        return number(score?.[name]?.value ?? Number.NaN);
      };
      return [field, name, value(zeroShot, "caleido"), value(adapted, "caleido"), value(adapted, "ridge")];
    }),
  );
  printTable(["field", "metric", "zero-shot", "adapted", "labels only (ridge)"], rows);
}

/** Names its folder, so that a later quickstart may replace it; no other folder is ever emptied. */
const MARKER = "quickstart.txt";

async function clearFolder(out: string): Promise<void> {
  for (const each of [out, join(out, "pretrain"), join(out, "adapt")]) checkUnlocked(each);
  if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(join(out, MARKER))) {
    throw new UserError(`${out}: exists and is no earlier quickstart's; expected a new folder for --out`);
  }
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  await writeFileAtomic(
    join(out, MARKER),
    "Made by caleido quickstart, which replaces this folder when it runs again.\n",
  );
}

/** Files and folders of one quickstart. */
function pathsIn(out: string) {
  const at = (name: string): string => join(out, name);
  return {
    simulations: at("simulations.parquet"),
    target: at("target.parquet"),
    labelled: at("target-labelled.parquet"),
    examples: at("examples.parquet"),
    pretrain: at("pretrain"),
    adapt: at("adapt"),
    zeroShot: at("target-zero-shot"),
    adapted: at("target-adapted"),
    answers: (field: string) => at(`answers-${field}.parquet`),
    report: at("report.html"),
    metrics: at("metrics.json"),
  };
}
type Paths = ReturnType<typeof pathsIn>;

async function simulateAll(paths: Paths, survey: string, size: QuickstartSize): Promise<void> {
  const common = { survey, reporter: terminal };
  await simulate({ ...common, out: paths.simulations, n: size.galaxies, seed: "quickstart", fluxes: "both" });
  await simulate({ ...common, out: paths.target, n: size.target, seed: "target", ...TARGET });
  await simulate({ ...common, out: paths.labelled, n: size.labelled, seed: "labelled", ...TARGET });
  await simulate({ ...common, out: paths.examples, n: size.labelled, seed: "examples" });
}

async function askAll(engine: Engine, paths: Paths): Promise<void> {
  const common = { engine, checkpoint: paths.pretrain, table: paths.examples };
  for (const { title, given, want } of QUESTIONS) {
    say(`\n  ${title}`);
    await queryAndShow({ ...common, given, want, out: paths.answers(want.split(",")[0]) });
  }
}

/** Scores on the target before and after adaptation, and on the source beside baselines. */
async function evaluateAll(
  engine: Engine,
  out: string,
  paths: Paths,
  survey: Survey,
  points: ZeroPoints,
): Promise<{ source: Evaluation; zeroShot: Evaluation; after: Evaluation }> {
  const common = { engine, mostRows: 2000, reporter: terminal, baselineFields: survey.headline.join(",") };
  const onTarget = {
    ...common,
    questions: "main",
    mostRows: 1000,
    hasInsight: false,
    table: paths.target,
    baselineTable: paths.labelled,
    methods: ["ridge"],
  } as const;
  const zeroShot = await evaluate({ ...onTarget, checkpoint: paths.pretrain, out: paths.zeroShot });
  const after = await evaluate({ ...onTarget, checkpoint: paths.adapt, out: paths.adapted, run: paths.adapt });
  const source = await evaluate({
    ...common,
    checkpoint: paths.pretrain,
    table: paths.simulations,
    baselineTable: paths.simulations,
    methods: ["trainZ", "ridge", "network"],
    out,
    run: paths.pretrain,
    sections: [adaptationSection(zeroShot, after, survey, points)],
  });
  return { source, zeroShot, after };
}

/** The whole road: simulate, pretrain, adapt, query, evaluate. Everything goes to `out`, an empty folder. */
async function runQuickstart(engine: Engine, out: string, size: QuickstartSize = FULL): Promise<void> {
  const start = performance.now();
  const elapsed = (): string => duration((performance.now() - start) / 1000);
  const stage = (title: string): void => heading(`${title} (${elapsed()} so far)`);
  const paths = pathsIn(out);
  const observation = observationSchema.parse({}); // as the simulations beside were, but in every batch anew
  const recipe = { ...loadRecipe("quickstart", size.settings), observation };
  const survey = loadSurvey(recipe.survey);

  stage("1 Simulating a survey, and a target survey that differs from it");
  await simulateAll(paths, recipe.survey, size);

  stage("2 Pretraining on any subset in, any subset out");
  await interruptible(engine, (run) => pretrain({ ...run, data: [paths.simulations], recipe, out: paths.pretrain }));

  stage("3 Adapting to the target survey: photometry without labels, and a few labels");
  const adapted = await interruptible(engine, (run) =>
    adapt({
      ...run,
      init: paths.pretrain,
      source: paths.simulations,
      unlabelled: paths.target,
      labelled: paths.labelled,
      recipe: loadRecipe("quickstart-adapt", size.adaptSettings),
      out: paths.adapt,
      trueOffsets: trueOffsets(survey),
    }),
  );

  stage("4 Asking");
  await askAll(engine, paths);

  const points = zeroPoints(survey, adapted);
  stage("5 Evaluating on galaxies that training never saw");
  const { source, zeroShot, after } = await evaluateAll(engine, out, paths, survey, points);
  printScores(
    source,
    survey.fields.map((field) => field.name),
  );
  say("\n  adaptation, held-out galaxies of the target survey:");
  printAdaptation(zeroShot, after, survey.headline);
  say("\n  zero-points of the target survey, as learned from it:");
  printZeroPoints(points);
  say(`\n  ${elapsed()} in all, ${Math.round(process.resourceUsage().maxRSS / 1024)} MB at most`);
  say(`  open ${paths.report}; numbers in ${paths.metrics}`);
}

export const quickstartCommand = defineCommand<EngineArguments & { out: string }>({
  command: "quickstart",
  describe: "the whole road in a few minutes: simulate, pretrain, adapt, query, evaluate",
  builder: (yargs) =>
    engineOptions(yargs).option("out", { type: "string", default: "runs/quickstart", describe: "folder" }),
  handler: async (args) => {
    await clearFolder(args.out);
    const release = lockFolder(args.out);
    try {
      await runQuickstart(await engineOf(args), args.out);
    } finally {
      release();
    }
  },
});
