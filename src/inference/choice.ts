/** Networks of a survey made in several ways, and which of them is kept: by labels that they have not seen, or without any. */
import { join } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { AdaptConfig } from "../train/adapt.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { NetworkCoder } from "../train/config.ts";
import { kindColumnsOf } from "../train/spectral-correction.ts";
import type { Lessons } from "../train/teaching.ts";
import { recalibrated, type Taught, type WayName, ways } from "../train/ways.ts";
import { chooseWay } from "./budget-choice.ts";
import { judgeOf } from "./budget-scores.ts";
import { predictTruths, type Question, type TruthAnswers } from "./evaluate.ts";
import { photometryExcess } from "./own-photometry.ts";
import { createPredictor } from "./predict.ts";
import type { Prior } from "./prior.ts";
import { withPrior } from "./prior-swap.ts";

/** Part of the labels that validates: as many as recalibrate, of few a third. */
export const validationCount = (labels: number): number =>
  Math.min(Math.floor(labels / 3), Math.max(100, Math.floor(labels / 4)), 1000);
/** Fewer validation labels choose nothing: what took no labels is kept. */
const FEWEST_TO_CHOOSE = 10;
/** Labels with redshifts from which on zero-points and spectra are fitted to them alone; fewer say less than all rows' photometry. */
const ENOUGH_LABELS = 100;

/** Bands from which on carried galaxies tell more than a network that does without them can learn: 10 are few, 62 many. */
const MANY_BANDS = 25;

/** Whether a recipe has a network taught anew. */
export const isTaughtAnew = ({ anew }: AdaptConfig, { groups }: NetworkCoder): boolean =>
  anew === "always" || (anew === "auto" && groups.band.length < MANY_BANDS);

/** Rows of a catalogue, and what is asked of them. */
export interface Asked {
  readonly catalog: Catalog;
  readonly question: Question;
}

/** A network's answers for truths of some rows, by field, under its own prior or another. */
export async function truthsOf(
  engine: Engine,
  network: Checkpoint,
  { catalog, question }: Asked,
  rows: Int32Array,
  prior?: Prior,
): Promise<TruthAnswers> {
  const predictor = createPredictor(engine, network);
  try {
    const asked = prior === undefined ? predictor : await withPrior(predictor, prior);
    return await predictTruths(asked, catalog, rows, question);
  } finally {
    await predictor.dispose();
  }
}

/** Whether so many of the rows have a redshift that zero-points and spectra are fitted to them alone. */
export function isEnough(coder: NetworkCoder, { state }: Catalog, rows: Int32Array): boolean {
  const { redshift } = kindColumnsOf(coder);
  if (redshift === undefined) return false;
  return rows.filter((row) => state[row * coder.nField + redshift] === State.measured).length >= ENOUGH_LABELS;
}

/** What makes networks of some labels, and what they are asked. */
export interface Choice {
  readonly lessons: Lessons;
  /** Rows of its labels' catalogue. */
  readonly asked: Asked;
  /** Ways to try, in their order. */
  readonly names: readonly WayName[];
  /** A network that was made before, in place of another one. */
  readonly known?: (name: WayName) => Taught | undefined;
  /** What a network says of the target's distribution, for ways that answer under it: they are left out where that is nothing. */
  readonly priorFor?: (network: Checkpoint) => Promise<Prior | undefined>;
  readonly note?: (text: string) => void;
}

/** What came of it. */
export interface Chosen {
  /** As they were made. */
  readonly made: Partial<Readonly<Record<WayName, Taught>>>;
  /** Recalibrated where that helps. */
  readonly networks: Partial<Readonly<Record<WayName, Checkpoint>>>;
  /** [validation rows with a truth] Mean -ln p of each one's labels [nats], where there are rows enough. */
  readonly losses: Partial<Readonly<Record<WayName, readonly number[]>>>;
  readonly chosen: WayName;
}

type Witnesses = NonNullable<Taught["witnesses"]>;

/** Mean -ln p of each row's labels [nats], by row. */
function lossesIn(truths: TruthAnswers): ReadonlyMap<number, number> {
  const told = new Map<number, { sum: number; count: number }>();
  for (const { rows, predictions } of truths.values()) {
    rows.forEach((row, i) => {
      const { sum, count } = told.get(row) ?? { sum: 0, count: 0 };
      told.set(row, { sum: sum + predictions.negLogLik[i], count: count + 1 });
    });
  }
  return new Map([...told].map(([row, { sum, count }]) => [row, sum / count]));
}

/** -ln p of what witnesses say of each of their rows, recalibrated as `like` is [nats]. */
async function lossesOf(
  { lessons, asked }: Choice,
  witnesses: Witnesses,
  like: Checkpoint,
  prior?: Prior,
): Promise<ReadonlyMap<number, number>> {
  const losses = new Map<number, number>();
  for (const { network, rows } of witnesses) {
    if (rows.length === 0) continue;
    const { recalibration: _own, ...plain } = network;
    const asks = like.recalibration === undefined ? plain : { ...plain, recalibration: like.recalibration };
    for (const [row, loss] of lossesIn(await truthsOf(lessons.engine, asks, asked, rows, prior))) losses.set(row, loss);
  }
  return losses;
}

/** The network recalibrated by rows that its witnesses did not see, if what half of them say holds for the other half. */
async function settled(choice: Choice, network: Checkpoint, witnesses: Witnesses): Promise<Checkpoint> {
  const { lessons } = choice;
  const halves = [0, 1].map((side) =>
    witnesses.map((one) => ({ ...one, rows: one.rows.filter((_, i) => i % 2 === side) })),
  );
  let gain = 0;
  for (const [i, half] of halves.entries()) {
    const other = halves[1 - i];
    const plain = await lossesOf(choice, other, network);
    const better = await lossesOf(choice, other, await recalibrated(lessons, network, half));
    for (const [row, loss] of plain) gain += loss - better.get(row)!;
  }
  return gain > 0 ? recalibrated(lessons, network, witnesses) : network;
}

/**
 * What a network taught anew may lose more in the target's photometry [nats of a band given the others] and be the better one: .01 to
 * .04 on zCOSMOS, whose redshifts it knows better, .15 on DC2 and .68 on S-PLUS, where it is the worse one (CHANGELOG 0.10.0).
 */
const ABOUT_AS_WELL = 0.1;

/** Which network is kept where no label judges: taught anew, if that one knows the target's photometry about as well. */
async function unjudged(
  { lessons: { engine, bare, unlabelled } }: Choice,
  { instrument, retaught }: Chosen["made"],
): Promise<"instrument" | "retaught"> {
  if (retaught === undefined || instrument === undefined) return "instrument";
  const excess = await photometryExcess(engine, instrument.network, retaught.network, bare, unlabelled);
  return excess < ABOUT_AS_WELL ? "retaught" : "instrument";
}

/** Witnesses of these rows alone. */
const among = (witnesses: Witnesses, rows: Int32Array): Witnesses =>
  witnesses.map((one) => ({ ...one, rows: one.rows.filter((row) => rows.includes(row)) }));

/** Makes every way's network, and lets validation rows choose; the target's own photometry, where these are too few. */
export async function makeAndChoose(choice: Choice): Promise<Chosen> {
  const { lessons, asked, names, known, note = () => {} } = choice;
  const { validation, signal } = lessons;
  const isMeasured = validation.length >= FEWEST_TO_CHOOSE;
  const { fields } = asked.catalog;
  const isRecalibrated = asked.question.wanted.some((j) => judgeOf(fields[j].kind).isRecalibrated);
  const made: Partial<Record<WayName, Taught>> = {};
  const losses: Partial<Record<WayName, readonly number[]>> = {};
  const networks: Partial<Record<WayName, Checkpoint>> = {};
  for (const name of names) {
    const { title, make, isAsItWas = false, isSwapped = false } = ways[name];
    note(title);
    const onStep = (step: number, steps: number): void => note(`${title} ${step}/${steps}`);
    const folder = lessons.folder === undefined ? undefined : join(lessons.folder, name);
    const taught = known?.(name) ?? (await make({ ...lessons, folder, onStep }, made));
    if (signal?.aborted === true) throw new UserError("stopped; what is done is kept, the same command goes on");
    if (taught === undefined) continue;
    const { network, witnesses = [{ network, rows: validation }] } = taught;
    made[name] = taught;
    const final = isMeasured && isRecalibrated && !isAsItWas ? await settled(choice, network, witnesses) : network;
    const prior = isSwapped ? await choice.priorFor?.(final) : undefined;
    if (isSwapped && prior === undefined) continue;
    if (isMeasured) {
      const told = await lossesOf(choice, among(witnesses, validation), final, prior);
      losses[name] = Array.from(validation).flatMap((row) => told.get(row) ?? []); // those with a truth, of all ways alike
    }
    networks[name] = final;
  }
  return {
    made,
    networks,
    losses,
    chosen: isMeasured ? chooseWay(losses, "instrument") : await unjudged(choice, made),
  };
}
