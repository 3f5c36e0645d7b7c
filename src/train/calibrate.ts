import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { type Reporter, silent } from "../progress.ts";
import { checkAperture } from "../survey/aperture.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { loadSurvey } from "../survey/survey.ts";
import { counted, number } from "../text.ts";
import { findCheckpoint, loadCheckpoint, saveRecalibration } from "./checkpoint.ts";
import { recalibrate, usualRecalibration } from "./recalibrate.ts";
import { heldOutOf } from "./row-sources.ts";
import { checkpointPath } from "./shipped.ts";
import { usualObservation } from "./run-tables.ts";
import { readTrainingTable, type TrainingTable } from "./tables.ts";

export interface CalibrateRequest {
  readonly engine: Engine;
  /** Checkpoint or run folder, or a name in `checkpoints/`: its recalibration is written anew. */
  readonly checkpoint: string;
  /** Tables with truths, or prepared folders: at home and abroad, as many rows of each as it is to weigh. */
  readonly tables: readonly string[];
  /** How the tables are to be read. */
  readonly reading?: BindOptions;
  /** Survey that describes the tables, where their columns are not the network's: a name in `datasets/`, or a path. */
  readonly survey?: string;
  /** Also with tables whose fluxes are of other light than those that the network was trained on. */
  readonly anyAperture?: boolean;
  /** `held-out`: validation and calibration parts; `all`: the training part, too, of tables that no network saw. Default: held-out. */
  readonly part?: "held-out" | "all";
  /** Share of galaxies whose fluxes are distorted first; default: 0.1. */
  readonly distorted?: number;
  /** Most questions asked; default: 40,000. */
  readonly questions?: number;
  readonly reporter?: Reporter;
}

/** Answers that every recalibration was fitted on, by property or group of bands. */
export type CalibratedFields = Readonly<Record<string, number>>;

/** @throws UserError for numbers that are none of what they should be. */
function checkRequest({ tables, distorted = 0, questions = 1 }: CalibrateRequest): void {
  if (tables.length === 0) throw new UserError("calibrate: no table given; expected tables with truths");
  if (!(distorted >= 0 && distorted <= 1)) throw new UserError(`--distorted ${distorted}: expected a share, 0 to 1`);
  if (!Number.isInteger(questions) || questions < 1) {
    throw new UserError(`--questions ${questions}: expected a whole number, at least 1`);
  }
}

/**
 * Fits the recalibration of a checkpoint's answers to tables with truths and writes it into its folder: a monotone warp of
 * each field's cdf, a function of what is known of each question. The test part of the tables is never looked at.
 * @throws UserError for tables that can't be read or hold too few truths, a checkpoint that can't be loaded or written.
 */
export async function calibrate(request: CalibrateRequest): Promise<CalibratedFields> {
  checkRequest(request);
  const {
    engine,
    reading,
    part = "held-out",
    distorted = usualRecalibration.distorted,
    questions = 40_000,
    reporter = silent,
  } = request;
  const path = checkpointPath(request.checkpoint);
  const checkpoint = loadCheckpoint(request.checkpoint);
  const { config } = checkpoint;
  const own = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const before = usualObservation(config.data);
  const observation = before === undefined ? undefined : { options: before, isAsked: false };
  const tables: TrainingTable[] = [];
  const bar = reporter.bar("calibrating", questions);
  try {
    for (const table of request.tables) {
      const wish = { path: table, role: "train", reading, own, observation } as const;
      const read = await readTrainingTable(wish, { survey: config.survey, reporter });
      tables.push(read);
      if (request.anyAperture !== true) checkAperture(read.record.aperture, config.data, table);
    }
    const sources = heldOutOf(config, tables);
    const trained = tables.map(({ parts: { train } }) => ({
      ...train,
      weight: train.rows.length,
      isCalibrated: config.isCalibrated,
    }));
    const recalibration = await recalibrate(engine, checkpoint, part === "all" ? [...sources, ...trained] : sources, {
      questions,
      distorted,
      onProgress: (done, total) => bar.update((done / total) * questions, ""),
    });
    if (recalibration === undefined) {
      throw new UserError(`${request.tables.join(", ")}: too few truths to calibrate with; --part all takes more rows`);
    }
    await saveRecalibration(findCheckpoint(path)!, recalibration);
    bar.stop();
    const all = { ...recalibration.properties, ...recalibration.bands };
    const answers = Object.fromEntries(Object.entries(all).map(([name, { answers: count }]) => [name, count]));
    reporter.say(`${counted(Object.keys(answers).length, "kind")} of answers recalibrated -> ${findCheckpoint(path)}`);
    const { trust } = recalibration;
    if (trust !== undefined) {
      reporter.say(`trust: a rule fitted to ${number(trust.answers)} redshifts; a fit is poor from ${trust.poorFrom}`);
    }
    return answers;
  } finally {
    bar.stop();
    for (const table of tables) table.close();
  }
}
