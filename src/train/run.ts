import { existsSync, readFileSync } from "node:fs";
import { appendFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { checkFolder, makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { type Checkpoint, listSteps, saveCheckpoint, stepFolder, type TrainState } from "./checkpoint.ts";
import { DivergenceError, type Progress, train, type TrainOptions } from "./loop.ts";
import { writeSafetensors } from "./safetensors.ts";

/** One line of a run's `log.jsonl`. */
export type LogLine = Omit<Progress, "steps" | "secondsLeft">;

export interface RunOptions extends Omit<TrainOptions, "onProgress" | "onCheckpoint"> {
  /** Run folder: `log.jsonl`, `steps/step-*` while training, `checkpoint/` at the end. */
  readonly folder: string;
  readonly onProgress: (progress: Progress) => void;
  /** Files that travel with the final checkpoint (model card, ONNX network), given its validation loss. */
  readonly finalFiles: (
    state: TrainState,
    validation: number,
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

/** @throws UserError when the folder holds a run already and it isn't to be resumed, or can't be written to. */
export function claimRunFolder(folder: string): void {
  if (existsSync(logPath(folder)) || existsSync(join(folder, "checkpoint"))) {
    throw new UserError(
      `${folder}: holds a run already; --resume ${folder} continues it, another --out starts a new one`,
    );
  }
  checkFolder(folder);
}

/**
 * Trains from `start` inside a run folder: logs, step checkpoints (the newest two), a final `checkpoint/`.
 * Returns the final state and whether the run was interrupted.
 */
export async function runTraining(
  options: RunOptions,
  start: Checkpoint,
): Promise<{ state: TrainState; isInterrupted: boolean }> {
  const { folder } = options;
  makeFolder(join(folder, "steps"));
  const kept = readLog(folder, start.state.step);
  await writeFileAtomic(logPath(folder), kept.map((line) => `${JSON.stringify(line)}\n`).join(""));
  let validation = kept.findLast((line) => line.validation !== undefined)?.validation ?? Number.NaN;
  const at = (state: TrainState): Checkpoint => ({ ...start, state });
  const onProgress = async (progress: Progress): Promise<void> => {
    validation = progress.validation ?? validation;
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
    if (!isInterrupted) {
      const files = await options.finalFiles(state, validation);
      await saveCheckpoint(join(folder, "checkpoint"), at(state), {
        ...files,
        "log.jsonl": readFileSync(logPath(folder), "utf8"),
      });
    }
    return { state, isInterrupted };
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
