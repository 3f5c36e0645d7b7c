import { existsSync, readFileSync } from "node:fs";
import { appendFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { checkFolder, clearLeftovers, makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { checkUnlocked, lockFolder } from "../io/lock.ts";
import {
  type Checkpoint,
  findCheckpoint,
  listSteps,
  loadCheckpoint,
  saveCheckpoint,
  stepFolder,
  type TrainState,
} from "./checkpoint.ts";
import { type CheckpointConfig, formatConfig } from "./config.ts";
import { DivergenceError, type Progress, train, type TrainOptions } from "./loop.ts";
import { FORMAT_VERSION } from "./migrations.ts";
import { writeSafetensors } from "./safetensors.ts";

/** One line of a run's `log.jsonl`. */
export type LogLine = Omit<Progress, "steps" | "secondsLeft">;

export interface RunOptions extends Omit<TrainOptions, "onProgress" | "onCheckpoint"> {
  /** Run folder: `log.jsonl`, `steps/step-*` while training, `checkpoint/` at the end. */
  readonly folder: string;
  readonly onProgress: (progress: Progress) => void;
  /** Files that travel with the final checkpoint (model card, ONNX network), given its validation loss where it has one. */
  readonly finalFiles: (
    state: TrainState,
    validation: number | undefined,
  ) => Promise<Readonly<Record<string, string | Uint8Array>>>;
}

/** Steps between lines of the log. */
const LOG_EVERY = 10;
/** Step checkpoints kept; two, so that one survives whatever happens to the other. */
const KEEP = 2;

const logPath = (folder: string): string => join(folder, "log.jsonl");

/** The log up to a step, so that a resumed run has each step once. */
export function readLog(folder: string, lastStep = Infinity): LogLine[] {
  const path = logPath(folder);
  if (!existsSync(path)) return [];
  const lines: LogLine[] = [];
  for (const text of readFileSync(path, "utf8").split("\n")) {
    if (text === "") continue;
    try {
      const line = JSON.parse(text) as LogLine;
      if (line.step <= lastStep) lines.push(line);
    } catch {
      break; // a line cut by a crash: what follows the checkpoint is trained again
    }
  }
  return lines;
}

/** The text of a log. */
export const formatLog = (lines: readonly LogLine[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join("");

/** -ln p per target [nats] of a run's weights: the lowest; of runs that kept the last ones, the last that was measured. */
export const validationOf = ({ best }: CheckpointConfig, log: readonly LogLine[]): number | undefined =>
  best?.validation ?? log.findLast(({ validation }) => Number.isFinite(validation))?.validation;

const finalFolder = (folder: string): string => join(folder, "checkpoint");

/** Whether a run has trained all its steps and written its final checkpoint. */
export const isFinished = (folder: string): boolean => existsSync(finalFolder(folder));

/**
 * @throws UserError when the folder holds a run already and it isn't to be resumed, another process trains in it, or
 * it can't be written to.
 */
export function claimRunFolder(folder: string): void {
  checkUnlocked(folder);
  if (findCheckpoint(folder) !== undefined) {
    throw new UserError(
      `${folder}: holds a run already; --resume ${folder} continues it, another --out starts a new one`,
    );
  }
  checkFolder(folder);
}

/**
 * What a run goes on from: its newest checkpoint, whole. A damaged one is never passed over in silence, since training on
 * from an older one is another run.
 * @throws UserError as `loadCheckpoint`; where an older checkpoint stands, it says how to go on from that one.
 */
export function loadRun(folder: string): Checkpoint {
  try {
    return loadCheckpoint(folder, { forTraining: true });
  } catch (error) {
    const newest = findCheckpoint(folder);
    const older = listSteps(folder).findLast((step) => step !== newest);
    if (!(error instanceof UserError) || newest === undefined || older === undefined) throw error;
    throw new UserError(`${error.message}; once ${newest} is removed, the run goes on from ${older}`);
  }
}

/** @throws UserError when the folder isn't as it was when `start` was read: another process has trained in it since. */
function checkUnchanged(folder: string, start: Checkpoint): void {
  if (existsSync(join(folder, "config.json"))) {
    throw new UserError(`${folder}: a checkpoint, expected the folder of its run`);
  }
  const newest = findCheckpoint(folder);
  if (newest === undefined) return;
  const text = readFileSync(join(newest, "config.json"), "utf8");
  const { step, formatVersion } = JSON.parse(text) as { step: number; formatVersion: number };
  const { state, config } = start;
  // at step 0 two new runs differ in their configuration alone
  const isSame = step > 0 || formatVersion !== FORMAT_VERSION || text === formatConfig({ ...config, step });
  if (step === state.step && isSame) return;
  throw new UserError(`${folder}: another process has trained in it meanwhile; --resume ${folder} continues its run`);
}

/**
 * Trains from `start` inside a run folder, which it locks: logs, step checkpoints (step 0, then the newest two), a final
 * `checkpoint/` with the averaged weights of the lowest validation loss. Returns the final state and whether the run was interrupted.
 * @throws UserError when another process trains in the folder, or has since `start` was read; when training diverges.
 */
export async function runTraining(
  options: RunOptions,
  start: Checkpoint,
): Promise<{ state: TrainState; isInterrupted: boolean }> {
  const { folder } = options;
  makeFolder(join(folder, "steps"));
  const release = lockFolder(folder);
  try {
    for (const each of [folder, join(folder, "steps")]) clearLeftovers(each);
    checkUnchanged(folder, start);
    return await trainLocked(options, start);
  } finally {
    release();
  }
}

async function trainLocked(
  options: RunOptions,
  start: Checkpoint,
): Promise<{ state: TrainState; isInterrupted: boolean }> {
  const { folder } = options;
  // before anything is logged: a run that is killed at once can be resumed
  if (start.state.step === 0 && findCheckpoint(folder) === undefined)
    await saveCheckpoint(stepFolder(folder, 0), start);
  const kept = readLog(folder, start.state.step);
  await writeFileAtomic(logPath(folder), formatLog(kept));
  const at = (state: TrainState): Checkpoint => ({ ...start, state });
  const onProgress = async (progress: Progress): Promise<void> => {
    options.onProgress(progress);
    if (progress.step % LOG_EVERY !== 0 && progress.validation === undefined) return;
    const { steps: _steps, secondsLeft: _secondsLeft, ...line } = progress;
    await appendFile(logPath(folder), `${JSON.stringify(line)}\n`);
  };
  const onCheckpoint = async (state: TrainState): Promise<void> => {
    await saveCheckpoint(stepFolder(folder, state.step), at(state));
    for (const old of listSteps(folder).slice(0, -KEEP)) await rm(old, { recursive: true, force: true });
  };
  try {
    const state = await train({ ...options, onProgress, onCheckpoint }, start);
    const isInterrupted = state.step < start.config.training.steps;
    if (isInterrupted) return { state, isInterrupted };
    const { best } = state;
    const final = best === undefined ? state : { ...state, average: best.average };
    const files = await options.finalFiles(final, best?.validation);
    await saveCheckpoint(finalFolder(folder), at(final), {
      ...files,
      "log.jsonl": readFileSync(logPath(folder), "utf8"),
    });
    return { state: final, isInterrupted };
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    const path = join(folder, "diverged.safetensors");
    const tensors = Object.entries(error.batch).map(
      ([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }] as const,
    );
    await writeFileAtomic(path, writeSafetensors(Object.fromEntries(tensors)));
    throw new UserError(`${error.message}; the batch is in ${path}; a lower optimiser.rate or optimiser.clip may help`);
  }
}
