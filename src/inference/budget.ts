/** What labels are worth: ways to adapt at several budgets of labels, judged on rows that none of them saw. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { hashFile } from "../io/hash.ts";
import { silent } from "../progress.ts";
import { createRng, shuffleInPlace } from "../random.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import type { FieldKind } from "../survey/field.ts";
import { counted } from "../text.ts";
import { catalogStore } from "../tokens/batch.ts";
import { version } from "../version.ts";
import { type Checkpoint, loadCheckpoint, saveAverages } from "../train/checkpoint.ts";
import { coderOf } from "../train/config.ts";
import type { PartRows } from "../train/tables.ts";
import type { TrainingRecipe } from "../train/verbs.ts";
import type { Lessons } from "../train/teaching.ts";
import { type Taught, type WayName, ways, waysToMake } from "../train/ways.ts";
import { meanOf, simulatedTarget } from "./budget-choice.ts";
import { openReplay, readTarget, type Target, type TargetRequest } from "./budget-target.ts";
import { fitInstrument, type Instrument, type ZeroPoint } from "../train/zero-points.ts";
import { predictBaselines } from "./baseline-answers.ts";
import {
  answersOfBaseline,
  type BudgetScoreName,
  type BudgetScores,
  judgeOf,
  type LabelAnswers,
} from "./budget-scores.ts";
import { isEnough, isTaughtAnew, makeAndChoose, truthsOf, validationCount } from "./choice.ts";
import type { Prior } from "./prior.ts";
import { priorOf, type TargetPopulation, targetPopulation } from "./target-prior.ts";
import { unitsOf } from "./resampling.ts";
import type { Estimate } from "./weighted.ts";

export interface BudgetRequest extends TargetRequest {
  readonly engine: Engine;
  /** Checkpoint or run folder to adapt, or a name in `checkpoints/`. */
  readonly init: string;
  readonly recipe: TrainingRecipe;
  /** Numbers of labels, 0 up; Infinity: all. */
  readonly budgets: readonly number[];
  /** Other choices of the labels, and other random numbers, for each budget above 0. */
  readonly seeds: number;
  /** Ways to be made, beside those that they are made from; default: all that cost no more than they give. */
  readonly ways?: readonly WayName[] | undefined;
  /** Folder of the cells that are done, the network chosen in each beside them, `budget.json` and `budget.html`. */
  readonly out: string;
  readonly signal?: AbortSignal;
}

/** What answers in a cell: a way, the one that the validation rows chose, or trees on the labels alone. */
export type BudgetMethod = WayName | "chosen" | "trees";

/** One budget and seed. */
export interface BudgetCell {
  /** Labels that were asked for, and that there were; null: all. */
  readonly budget: number | null;
  readonly labels: number;
  readonly seed: number;
  /** The way that the validation rows chose. */
  readonly chosen: WayName;
  /** Mean -ln p of the validation rows' labels [nats], where there are any. */
  readonly validation: Partial<Readonly<Record<WayName, number>>>;
  readonly scores: Partial<Readonly<Record<BudgetMethod, BudgetScores>>>;
  /** How the property is distributed among the target's rows, by their photometry, where a way asked. */
  readonly population?: TargetPopulation;
}

export interface Budget {
  /** Property that is asked for, given all bands. */
  readonly field: string;
  readonly kind: FieldKind;
  /** Rows that judge. */
  readonly rows: number;
  readonly zeroPoints: readonly (ZeroPoint & { readonly band: string })[];
  readonly cells: readonly BudgetCell[];
}

const RESAMPLES = 300;
const INSTRUMENT = "instrument.json";

/** A network's answers for the label of some rows, under its own prior or another. */
async function answersOf(
  engine: Engine,
  network: Checkpoint,
  target: Target,
  rows: Int32Array,
  prior?: Prior,
): Promise<LabelAnswers> {
  return (await truthsOf(engine, network, target, rows, prior)).get(target.field.name)!;
}

/** What stays the same from cell to cell. */
interface Bench {
  readonly request: BudgetRequest;
  readonly source: Checkpoint;
  readonly target: Target;
  /** By the target's photometry alone. */
  readonly instrument: Instrument;
  /** Simulations as the source saw them, and as the recipe observes them, once labels have corrected their spectra. */
  readonly replays: Readonly<Record<"usual" | "corrected", Lessons["replay"]>>;
  /** Of the former, galaxies that no network is taught. */
  readonly simulated: PartRows | undefined;
  /** Networks that no label has a say in: they are made once. */
  readonly unlabelled: Map<WayName, Taught>;
}

/** Trees on the labels alone; undefined where these are too few. */
async function treesOf({ request, source, target }: Bench, labels: Int32Array): Promise<LabelAnswers | undefined> {
  const { catalog, judged, question, field, column } = target;
  const coder = coderOf(source.config, source.templates);
  const answers = await predictBaselines(coder, { catalog, rows: labels }, { catalog, rows: judged }, question, {
    names: ["trees"],
    fields: [column],
    engine: request.engine,
    seed: "budget",
    isTuned: false,
  });
  return answersOfBaseline(answers, field, "trees");
}

/** What some labels have to teach: a part of them validates. */
function lessonsOf(
  { request, source, target, instrument: bare, replays }: Bench,
  budget: number,
  seed: number,
): Lessons {
  const { engine, recipe, signal } = request;
  const order = target.labelled.slice();
  shuffleInPlace(order, createRng(`budget:${seed}`));
  const labels = order.subarray(0, Math.min(budget, order.length));
  const validation = labels.subarray(0, validationCount(labels.length));
  const train = labels.subarray(validation.length);
  const coder = coderOf(source.config, source.templates);
  const isFitted = isEnough(coder, target.catalog, train);
  return {
    engine,
    source,
    instrument: isFitted
      ? fitInstrument(coder, source.templates!, catalogStore(target.catalog), train, recipe.adapt.passbands)
      : bare,
    recipe: { ...recipe, training: { ...recipe.training, seed: `${recipe.training.seed}:${seed}` } },
    catalog: target.catalog,
    bare: target.bare,
    unlabelled: target.pool,
    column: target.column,
    train,
    validation,
    replay: isFitted ? replays.corrected : replays.usual,
    signal,
  };
}

/** How the label is distributed in the target, by a network's answers for rows whose labels are not looked at. */
function populationOf(
  { request, source, target, simulated }: Bench,
  { instrument }: Lessons,
  network: Checkpoint,
): Promise<TargetPopulation | undefined> {
  const { question, column } = target;
  const home = simulated && simulatedTarget(coderOf(source.config, source.templates), question, simulated, instrument);
  const ours = home && { catalog: home.catalog, rows: home.judged };
  return targetPopulation(request.engine, network, column, { catalog: target.bare, rows: target.pool }, ours);
}

/** Makes every way's network of some labels, lets the validation rows choose, and judges them all. Returns the chosen one, too. */
async function runCell(
  bench: Bench,
  budget: number,
  seed: number,
  note: (text: string) => void,
): Promise<{ readonly cell: BudgetCell; readonly network: Checkpoint }> {
  const { target, request } = bench;
  const lessons = lessonsOf(bench, budget, seed);
  const labels = Int32Array.from([...lessons.validation, ...lessons.train]);
  const isShared = (name: WayName): boolean =>
    ways[name].isUnlabelled === true && lessons.instrument === bench.instrument;
  const known = (name: WayName): Taught | undefined => (isShared(name) ? bench.unlabelled.get(name) : undefined);
  const isAnew = isTaughtAnew(request.recipe.adapt, coderOf(bench.source.config, bench.source.templates));
  const names = waysToMake(request.ways).filter(
    (name) => isAnew || name !== "retaught" || request.ways?.includes(name) === true,
  );
  let population: TargetPopulation | undefined;
  const priorFor = async (network: Checkpoint): Promise<Prior | undefined> => {
    population = await populationOf(bench, lessons, network);
    return population && priorOf(target.column, population);
  };
  const asked = { lessons, asked: target, names, known, priorFor, note };
  const { made, networks, losses, chosen } = await makeAndChoose(asked);
  const answers: Partial<Record<BudgetMethod, LabelAnswers>> = {};
  for (const name of names) {
    if (made[name] !== undefined && isShared(name)) bench.unlabelled.set(name, made[name]);
    if (networks[name] === undefined) continue;
    const prior = ways[name].isSwapped === true ? priorOf(target.column, population!) : undefined;
    answers[name] = await answersOf(request.engine, networks[name], target, target.judged, prior);
  }
  note("trees");
  const trees = labels.length === 0 ? undefined : await treesOf(bench, labels);
  const all = { chosen: answers[chosen]!, ...answers, ...(trees === undefined ? {} : { trees }) };
  const cell: BudgetCell = {
    budget: Number.isFinite(budget) ? budget : null,
    labels: labels.length,
    seed,
    chosen,
    validation: Object.fromEntries(Object.entries(losses).map(([name, own]) => [name, meanOf(own)])),
    scores: scoresOf(target, all),
    ...(population === undefined ? {} : { population }),
  };
  return { cell, network: networks[chosen]! };
}

/** Scores of all answers for the judging rows, which share the draws of the bootstrap. */
function scoresOf(
  { catalog, judged, field }: Target,
  answers: Partial<Readonly<Record<BudgetMethod, LabelAnswers>>>,
): BudgetCell["scores"] {
  const units = unitsOf(catalog).of;
  const unit = Array.from(judged, (row) => units[row]);
  const draws = { unit, rng: createRng("budget:bootstrap"), resamples: RESAMPLES };
  const scores = judgeOf(field.kind).score(Object.values(answers), field.kind, draws);
  return Object.fromEntries(Object.keys(answers).map((name, i) => [name, scores[i]]));
}

/** What a cell depends on besides its budget and seed: another of these is another table. */
async function keyOf({
  init,
  table,
  source,
  reading,
  survey,
  recipe,
  want,
  ways: made,
}: BudgetRequest): Promise<string> {
  const files = await Promise.all([table, ...(source === undefined ? [] : [source])].map((path) => hashFile(path)));
  const { state } = loadCheckpoint(init);
  const text = JSON.stringify({ version, files, source, reading, survey, recipe, want, ways: waysToMake(made) });
  return createHash("sha256").update(text).update(new Uint8Array(state.average.buffer)).digest("hex").slice(0, 16);
}

/** A table that `query --prior` reads. */
const writePrior = (path: string, field: string, { at, density }: TargetPopulation): Promise<void> =>
  writeFileAtomic(path, `${[`${field},n`, ...at.map((x, i) => `${x},${density[i]}`)].join("\n")}\n`);

/** What a file says, which is made where there is none. */
async function once<T>(path: string, make: () => Promise<T>): Promise<T> {
  if (!existsSync(path)) await writeFileAtomic(path, `${JSON.stringify(await make(), null, 2)}\n`);
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

const cellName = (budget: number, seed: number): string =>
  `${Number.isFinite(budget) ? String(budget) : "all"}-seed${seed}`;

/**
 * Runs ways to adapt at every budget of labels and seed, judges them on a third of the table's parents that none of them saw,
 * beside trees on the labels alone. Each cell is written when it is done, so that the same request goes on where it
 * stopped. The loss of a part of each budget's labels chooses among the ways, the network as it was among them.
 * @throws UserError for tables and checkpoints that can't be read, networks without carried galaxies, when interrupted.
 */
export async function labelBudget(request: BudgetRequest): Promise<Budget> {
  const { init, out, budgets, seeds, reporter = silent } = request;
  const source = loadCheckpoint(init);
  if (source.templates === undefined) {
    throw new UserError(`${init}: carries no galaxies to fit zero-points with; expected a recipe with model.nTemplate`);
  }
  const folder = join(out, `cells-${await keyOf(request)}`);
  makeFolder(folder);
  const target = await readTarget(request, source);
  const coder = coderOf(source.config, source.templates);
  const instrument = await once(join(folder, INSTRUMENT), () => {
    reporter.say("fitting zero-points and spectra to the photometry of the target");
    return Promise.resolve(
      fitInstrument(coder, source.templates!, catalogStore(target.bare), target.pool, request.recipe.adapt.passbands),
    );
  });
  const bands = Array.from(coder.groups.band, (j) => coder.fields[j].name);
  const usual = await openReplay(request, source);
  const corrected = await openReplay(request, source, request.recipe.observation);
  const { rows } = usual?.parts.train ?? {};
  reporter.say(
    `${counted(target.labelled.length, "label")} to learn from, ${counted(target.judged.length, "row")} to judge` +
      (rows === undefined ? "" : `, ${counted(rows.length, "simulated galaxy", "simulated galaxies")} replayed`),
  );
  const wishes = budgets.flatMap((budget) =>
    Array.from({ length: budget === 0 ? 1 : seeds }, (_, i) => ({ budget, seed: i + 1 })),
  );
  const unlabelled = new Map<WayName, Taught>();
  const bench = {
    request,
    source,
    target,
    instrument,
    replays: { usual: usual?.parts.train, corrected: corrected?.parts.train },
    simulated: usual?.parts.validation,
    unlabelled,
  };
  const bar = reporter.bar("label budgets", wishes.length);
  const cells: BudgetCell[] = [];
  try {
    for (const [i, { budget, seed }] of wishes.entries()) {
      const path = join(folder, cellName(budget, seed));
      const label = `| ${Number.isFinite(budget) ? budget : "all"} labels, seed ${seed}`;
      const made = async (): Promise<BudgetCell> => {
        const { cell, network } = await runCell(bench, budget, seed, (text) => bar.update(i, `${label}: ${text}`));
        if (cell.chosen !== "zeroShot") await saveAverages(path, network);
        if (cell.population !== undefined) await writePrior(`${path}-prior.csv`, target.field.name, cell.population);
        return cell;
      };
      cells.push(await once(`${path}.json`, made));
      bar.update(i + 1, label);
    }
  } finally {
    bar.stop();
    usual?.close();
    corrected?.close();
  }
  await keepMost(request, cells, (one) => join(folder, cellName(one.budget ?? Infinity, one.seed)));
  const named = instrument.zeroPoints.map((one, i) => ({ ...one, band: bands[i] }));
  const { name: field, kind } = target.field;
  const budget = { field, kind, rows: target.judged.length, zeroPoints: named, cells };
  await writeFileAtomic(join(out, "budget.json"), `${JSON.stringify(budget, null, 2)}\n`);
  return budget;
}

/** Puts the network of the most labels, first seed, into `checkpoint`: that of the run. None where the old one was kept. */
async function keepMost(
  { out, reporter = silent }: BudgetRequest,
  cells: readonly BudgetCell[],
  pathOf: (cell: BudgetCell) => string,
): Promise<void> {
  const most = Math.max(...cells.map(({ labels }) => labels));
  const cell = cells.find(({ labels }) => labels === most);
  if (cell === undefined || cell.chosen === "zeroShot") return;
  const path = join(out, "checkpoint");
  await saveAverages(path, loadCheckpoint(pathOf(cell)));
  reporter.say(`${path}: ${ways[cell.chosen].title}, ${counted(cell.labels, "label")}`);
}

/** A method's score at one budget: the median over the seeds, with the ends of their intervals' medians; undefined where none has it. */
export function budgetScore(
  { cells }: Pick<Budget, "cells">,
  budget: number | null,
  method: BudgetMethod,
  metric: BudgetScoreName,
): Estimate | undefined {
  const found = cells.flatMap((cell) => (cell.budget === budget ? [cell.scores[method]?.[metric]] : []));
  const known = found.filter((one) => one !== undefined);
  if (known.length === 0) return undefined;
  const middle = (of: "value" | "low" | "high"): number => quantile(sortFinite(known.map((one) => one[of])), 0.5);
  return { value: middle("value"), low: middle("low"), high: middle("high") };
}
