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
import { type FieldKind, State } from "../survey/field.ts";
import { counted } from "../text.ts";
import { catalogStore } from "../tokens/batch.ts";
import { version } from "../version.ts";
import { type Checkpoint, loadCheckpoint, saveAverages } from "../train/checkpoint.ts";
import { coderOf } from "../train/config.ts";
import type { PartRows } from "../train/tables.ts";
import type { TrainingRecipe } from "../train/verbs.ts";
import { type Lessons, recalibrated, type Taught, wayNames, type WayName, ways } from "../train/ways.ts";
import { chooseWay, meanOf, simulatedTarget, withoutLabels } from "./budget-choice.ts";
import { openReplay, readTarget, type Target, type TargetRequest } from "./budget-target.ts";
import { kindColumnsOf } from "../train/spectral-correction.ts";
import { fitInstrument, type Instrument, type ZeroPoint } from "../train/zero-points.ts";
import { predictBaselines } from "./baseline-answers.ts";
import {
  answersOfBaseline,
  type BudgetScoreName,
  type BudgetScores,
  judgeOf,
  type LabelAnswers,
} from "./budget-scores.ts";
import { predictTruths } from "./evaluate.ts";
import { createPredictor } from "./predict.ts";
import type { Predictions } from "./metrics.ts";
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

/** Part of the labels that validates: as many as recalibrate, of few a third. */
const validationCount = (labels: number): number =>
  Math.min(Math.floor(labels / 3), Math.max(100, Math.floor(labels / 4)), 1000);
const RESAMPLES = 300;
/** Fewer validation labels choose nothing: what took no labels is kept. */
const FEWEST_TO_CHOOSE = 10;
/** Labels with redshifts from which on zero-points and spectra are fitted to them alone; fewer say less than all rows' photometry. */
const ENOUGH_LABELS = 100;
const INSTRUMENT = "instrument.json";

/** A network's answers for the label of some rows. */
async function answersOf(
  engine: Engine,
  network: Checkpoint,
  { catalog, question, field }: Target,
  rows: Int32Array,
): Promise<LabelAnswers & { readonly predictions: Predictions }> {
  const predictor = createPredictor(engine, network);
  try {
    const truths = await predictTruths(predictor, catalog, rows, question);
    return truths.get(field.name)!;
  } finally {
    await predictor.dispose();
  }
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
  readonly unlabelled: Map<WayName, Checkpoint>;
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
  const { redshift } = kindColumnsOf(coder);
  const hasRedshift = (row: number): boolean =>
    redshift !== undefined && target.catalog.state[row * coder.nField + redshift] === State.measured;
  const isEnough = train.filter(hasRedshift).length >= ENOUGH_LABELS;
  return {
    engine,
    source,
    instrument: isEnough
      ? fitInstrument(coder, source.templates!, catalogStore(target.catalog), train, recipe.adapt.passbands)
      : bare,
    recipe: { ...recipe, training: { ...recipe.training, seed: `${recipe.training.seed}:${seed}` } },
    catalog: target.catalog,
    bare: target.bare,
    unlabelled: target.pool,
    train,
    validation,
    replay: isEnough ? replays.corrected : replays.usual,
    signal,
  };
}

type Witnesses = NonNullable<Taught["witnesses"]>;

/** -ln p of what witnesses say of each of their rows, recalibrated as `like` is [nats]. */
async function lossesOf(
  { target, request }: Bench,
  witnesses: Witnesses,
  like: Checkpoint,
): Promise<ReadonlyMap<number, number>> {
  const losses = new Map<number, number>();
  for (const { network, rows } of witnesses) {
    if (rows.length === 0) continue;
    const { recalibration: _own, ...plain } = network;
    const asked = like.recalibration === undefined ? plain : { ...plain, recalibration: like.recalibration };
    const { negLogLik } = (await answersOf(request.engine, asked, target, rows)).predictions;
    rows.forEach((row, i) => losses.set(row, negLogLik[i]));
  }
  return losses;
}

/** The network recalibrated by rows that its witnesses did not see, if what half of them say holds for the other half. */
async function settled(bench: Bench, lessons: Lessons, network: Checkpoint, witnesses: Witnesses): Promise<Checkpoint> {
  const halves = [0, 1].map((side) =>
    witnesses.map((one) => ({ ...one, rows: one.rows.filter((_, i) => i % 2 === side) })),
  );
  let gain = 0;
  for (const [i, half] of halves.entries()) {
    const other = halves[1 - i];
    const plain = await lossesOf(bench, other, network);
    const better = await lossesOf(bench, other, await recalibrated(lessons, network, half));
    for (const [row, loss] of plain) gain += loss - better.get(row)!;
  }
  return gain > 0 ? recalibrated(lessons, network, witnesses) : network;
}

/** What is kept where no label judges. */
async function unjudged(
  { request, source, target, instrument, simulated }: Bench,
  made: Partial<Readonly<Record<WayName, Checkpoint>>>,
): Promise<WayName> {
  if (made.retaught === undefined || simulated === undefined) return "instrument";
  const home = simulatedTarget(coderOf(source.config, source.templates), target, simulated, instrument);
  const lossOf = async (network: Checkpoint): Promise<number> =>
    meanOf((await answersOf(request.engine, network, home, home.judged)).predictions.negLogLik);
  return withoutLabels(await lossOf(made.instrument!), await lossOf(made.retaught));
}

/** Witnesses of these rows alone. */
const among = (witnesses: Witnesses, rows: Int32Array): Witnesses =>
  witnesses.map((one) => ({ ...one, rows: one.rows.filter((row) => rows.includes(row)) }));

/** Makes every way's network of some labels, lets the validation rows choose, and judges them all. Returns the chosen one, too. */
async function runCell(
  bench: Bench,
  budget: number,
  seed: number,
  note: (text: string) => void,
): Promise<{ readonly cell: BudgetCell; readonly network: Checkpoint }> {
  const { target, request } = bench;
  const { engine, signal } = request;
  const lessons = lessonsOf(bench, budget, seed);
  const { validation } = lessons;
  const labels = Int32Array.from([...validation, ...lessons.train]);
  const made: Partial<Record<WayName, Checkpoint>> = {};
  const measured: Partial<Record<WayName, readonly number[]>> = {};
  const finals: Partial<Record<WayName, Checkpoint>> = {};
  const answers: Partial<Record<BudgetMethod, LabelAnswers>> = {};
  for (const name of wayNames) {
    const { title, make, isUnlabelled = false, isAsItWas = false } = ways[name];
    note(title);
    const onStep = (step: number, steps: number): void => note(`${title} ${step}/${steps}`);
    const isShared = isUnlabelled && lessons.instrument === bench.instrument;
    const known = isShared ? bench.unlabelled.get(name) : undefined;
    const taught = known === undefined ? await make({ ...lessons, onStep }, made) : { network: known };
    if (signal?.aborted === true) throw new UserError("stopped; what is done is kept, the same command goes on");
    if (taught === undefined) continue;
    const { network, witnesses = [{ network, rows: validation }] } = taught;
    if (isShared) bench.unlabelled.set(name, network);
    made[name] = network;
    const isMeasured = validation.length >= FEWEST_TO_CHOOSE;
    const isSettled = isMeasured && !isAsItWas && judgeOf(target.field.kind).isRecalibrated;
    const final = isSettled ? await settled(bench, lessons, network, witnesses) : network;
    if (isMeasured) {
      const losses = await lossesOf(bench, among(witnesses, validation), final);
      measured[name] = Array.from(validation, (row) => losses.get(row)!);
    }
    finals[name] = final;
    answers[name] = await answersOf(engine, final, target, target.judged);
  }
  const chosen = validation.length < FEWEST_TO_CHOOSE ? await unjudged(bench, made) : chooseWay(measured, "instrument");
  note("trees");
  const trees = labels.length === 0 ? undefined : await treesOf(bench, labels);
  const all = { chosen: answers[chosen]!, ...answers, ...(trees === undefined ? {} : { trees }) };
  const cell: BudgetCell = {
    budget: Number.isFinite(budget) ? budget : null,
    labels: labels.length,
    seed,
    chosen,
    validation: Object.fromEntries(Object.entries(measured).map(([name, losses]) => [name, meanOf(losses)])),
    scores: scoresOf(target, all),
  };
  return { cell, network: finals[chosen]! };
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
async function keyOf({ init, table, source, reading, survey, recipe, want }: BudgetRequest): Promise<string> {
  const files = await Promise.all([table, ...(source === undefined ? [] : [source])].map((path) => hashFile(path)));
  const { state } = loadCheckpoint(init);
  const text = JSON.stringify({ version, files, source, reading, survey, recipe, want });
  return createHash("sha256").update(text).update(new Uint8Array(state.average.buffer)).digest("hex").slice(0, 16);
}

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
  const unlabelled = new Map<WayName, Checkpoint>();
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
