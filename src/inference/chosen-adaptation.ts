/** An adaptation that makes networks in several ways, and keeps the one that labels choose. */
import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { lockFolder } from "../io/lock.ts";
import { silent } from "../progress.ts";
import { createRng, shuffleInPlace } from "../random.ts";
import { allRows, type Catalog, concat, emptyCatalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { counted } from "../text.ts";
import { catalogStore } from "../tokens/batch.ts";
import { modelCard } from "../train/card.ts";
import { type Checkpoint, saveAverages, saveCheckpoint, stepFolder } from "../train/checkpoint.ts";
import { coderOf, type NetworkCoder } from "../train/config.ts";
import { exportNetwork } from "../train/export.ts";
import { tellTiles, tellZeroPoints } from "../train/fitted-zero-points.ts";
import { observedAs, observedSample } from "../train/observed.ts";
import { type LogLine, readLog } from "../train/run.ts";
import { type RunSetting, usualObservation } from "../train/run-tables.ts";
import type { TrainingTable } from "../train/tables.ts";
import { fitTiles, onTiles } from "../train/tile-offsets.ts";
import type { TileOffsets } from "../train/tiles-schema.ts";
import type { AdaptationStart } from "../train/verbs.ts";
import type { Lessons } from "../train/teaching.ts";
import { type WayName, ways } from "../train/ways.ts";
import { fitInstrument, noInstrument } from "../train/zero-points.ts";
import { labelledColumns } from "./adaptation-scores.ts";
import { meanOf } from "./budget-choice.ts";
import { isEnough, isTaughtAnew, makeAndChoose, validationCount } from "./choice.ts";

/** Rows that are held in memory at most: photometry that is looked at, and labels. */
const [MOST_PHOTOMETRY, MOST_LABELS] = [20_000, 100_000];

/** Whether a run chooses among ways, rather than trains its network on. */
export const isChosen = ({ config: { adapt }, templates }: Checkpoint): boolean =>
  adapt?.way === "chosen" && adapt.zeroPoints === "fitted" && templates !== undefined;

const tableOf = (tables: readonly TrainingTable[], role: TrainingTable["record"]["role"]): TrainingTable | undefined =>
  tables.find(({ record }) => record.role === role);

/** Rows of a table with labels, but for those that judge. */
function labelsOf(table: TrainingTable | undefined, { fields }: NetworkCoder): Catalog {
  if (table === undefined) return emptyCatalog(fields, 0);
  const parts = Object.values(table.parts).filter(({ labelled }) => labelled.length > 0);
  const all = parts.reduce((sum, { labelled }) => sum + labelled.length, 0);
  const share = Math.min(1, MOST_LABELS / Math.max(1, all));
  const some = parts.map(({ store, labelled }) =>
    observedSample({ store, rows: labelled }, fields, Math.ceil(share * labelled.length), "labels"),
  );
  return some.length === 0 ? emptyCatalog(fields, 0) : concat(some);
}

/** Columns that are asked of labels; without any those of the headline that are numbers. */
function wantedOf({ fields }: NetworkCoder, headline: readonly string[], labels: Catalog): number[] {
  const asked = labelledColumns(labels, headline);
  if (asked.length > 0) return asked;
  return fields.flatMap(({ name, band, kind }, j) =>
    band === undefined && kind !== "category" && headline.includes(name) ? [j] : [],
  );
}

/** What there is to learn from, and what is asked. */
function lessonsOf(
  { engine, signal, reporter = silent }: RunSetting,
  folder: string,
  { source: known, start, tables }: AdaptationStart,
) {
  const { tiles: _others, ...source } = known; // those of another target
  const { adapt, optimiser, subsets, training, survey } = start.config;
  const coder = coderOf(source.config, source.templates);
  const { fields, nField, groups } = coder;
  const [replay, bare, labelled] = (["source", "unlabelled", "labelled"] as const).map((role) => tableOf(tables, role));
  const photometry = observedSample(bare!.parts.train, fields, MOST_PHOTOMETRY, "photometry");
  const catalog = labelsOf(labelled, coder);
  const wanted = wantedOf(coder, survey.headline, catalog);
  const order = allRows(catalog);
  shuffleInPlace(order, createRng(`${training.seed}:labels`));
  const isAsked = (row: number): boolean => wanted.some((j) => catalog.state[row * nField + j] === State.measured);
  const asked = order.filter(isAsked);
  const validation = asked.subarray(0, validationCount(asked.length));
  const train = Int32Array.from([...asked.subarray(validation.length), ...order.filter((row) => !isAsked(row))]);
  const isFitted = isEnough(coder, catalog, train);
  const [store, rows] = isFitted ? [catalogStore(catalog), train] : [catalogStore(photometry), allRows(photometry)];
  // what the recipe says of models' errors is of models that labels have put right
  const usual = usualObservation(source.config.data);
  const isStill = adapt!.calibrationRate === 0;
  reporter.say(
    isStill
      ? "zero-points stay"
      : `fitting zero-points and spectra to ${isFitted ? counted(train.length, "label") : `photometry without labels, ${counted(rows.length, "row")}`}`,
  );
  const instrument = isStill
    ? noInstrument(groups.band.length)
    : fitInstrument(coder, source.templates!, store, rows, adapt!.passbands);
  const tiles = fitTiles(coder, source.templates!, photometry, instrument); // they may differ where all together are right
  const lessons: Lessons = {
    engine,
    source,
    instrument,
    recipe: { adapt: adapt!, optimiser, subsets, training },
    catalog: onTiles(coder, catalog, tiles),
    bare: onTiles(coder, photometry, tiles),
    unlabelled: allRows(photometry),
    column: wanted[0],
    train,
    validation,
    replay: isFitted || usual === undefined ? replay!.parts.train : observedAs(replay!, survey, usual),
    folder: join(folder, STAGES),
    signal,
  };
  const isGiven = Uint8Array.from(fields, ({ band }) => Number(band !== undefined));
  const question = { title: "all bands", isGiven, wanted };
  return { lessons, asked: { catalog: lessons.catalog, question }, coder, isStill, tiles };
}

/** Folder of the trainings that a run goes through. */
const STAGES = "stages";

/** Logs of those trainings, by name. */
export function stageLogs(folder: string): readonly (readonly [name: string, log: readonly LogLine[]])[] {
  const stages = join(folder, STAGES);
  if (!existsSync(stages)) return [];
  return readdirSync(stages)
    .sort()
    .map((name) => [name, readLog(join(stages, name))] as const);
}

/** A network that was chosen, and how it was made. */
export interface ChosenNetwork {
  readonly network: Checkpoint;
  readonly way: WayName;
}

/**
 * Adapts a network by choice: zero-points and spectra from photometry, a network taught anew on simulations that they put right
 * (unless the recipe says no), five fitted to labels where there are some. What labels like that none of the networks asked has
 * seen is kept in `checkpoint` of the folder, the network as it was among them. Trainings are runs in `stages`, each of which goes on where it stopped.
 * @throws UserError when interrupted, and where the folder can't be written.
 */
export async function adaptByChoice(
  setting: RunSetting,
  folder: string,
  begun: AdaptationStart,
): Promise<ChosenNetwork> {
  const { engine, reporter = silent } = setting;
  const { start, tables } = begun;
  makeFolder(join(folder, "steps"));
  const release = lockFolder(folder);
  const bar = reporter.bar("adapting", undefined);
  try {
    // what a run that is stopped goes on from
    if (!existsSync(stepFolder(folder, 0))) await saveCheckpoint(stepFolder(folder, 0), start);
    const { lessons, asked, coder, isStill, tiles } = lessonsOf(setting, folder, begun);
    if (!isStill) await tellZeroPoints(coder, lessons.instrument.zeroPoints, folder, reporter);
    if (tiles.length > 0) await tellTiles(coder, tiles, folder, reporter);
    const isAnew = !isStill && isTaughtAnew(start.config.adapt!, coder);
    const names: WayName[] = isAnew
      ? ["zeroShot", "instrument", "retaught", "folds", "foldsCarried"]
      : ["zeroShot", "instrument", "folds"];
    const note = (text: string): void => bar.update(0, text);
    const { networks, losses, chosen: way } = await makeAndChoose({ lessons, asked, names, note });
    const told = Object.entries(losses).map(
      ([name, own]) => `${ways[name as WayName].title} ${meanOf(own).toFixed(3)}`,
    );
    bar.stop();
    const judges = told.length === 0 ? "no labels to judge" : `-ln p of labels not seen: ${told.join(", ")}`;
    reporter.say(`kept: ${ways[way].title} (${judges})`);
    const network = keptOf(start, networks[way]!, way === "zeroShot" ? [] : tiles);
    const onnx = await exportNetwork(engine, network);
    const card = { "README.md": modelCard(network.config, network.layout, { validation: undefined }) };
    await saveAverages(join(folder, "checkpoint"), network, {
      ...card,
      ...(onnx === undefined ? {} : { "model.onnx": onnx }),
    });
    await clearSteps(folder);
    return { network, way };
  } catch (error) {
    if (setting.signal?.aborted !== true) throw error;
    throw new UserError(`stopped; continue with caleido adapt --resume ${folder}`);
  } finally {
    bar.stop();
    release();
    for (const table of tables) table.close();
  }
}

/** The network with the record of its run. */
function keptOf({ config: { data, adapt, freeze } }: Checkpoint, network: Checkpoint, tiles: TileOffsets): Checkpoint {
  const config = { ...network.config, data, adapt, freeze };
  return { ...network, config, ...(tiles.length === 0 ? {} : { tiles }) };
}

/** Step checkpoints of trainings that are done. */
async function clearSteps(folder: string): Promise<void> {
  for (const [name] of stageLogs(folder)) {
    await rm(join(folder, STAGES, name, "steps"), { recursive: true, force: true });
  }
}
