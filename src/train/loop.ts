import { floatScalar, floatVector } from "../engine/arrays.ts";
import type { Arrays, Compiled, Engine, NdArray } from "../engine/contract.ts";
import { drawMasks } from "../model/dropout.ts";
import { decoderOf } from "../model/spectrum-decoder.ts";
import { createRng } from "../random.ts";
import { batchShape, batchSize, drawBatch, type RowSource } from "../tokens/batch.ts";
import type { SubsetConfig } from "../tokens/subset.ts";
import type { BestWeights, Checkpoint, TrainState } from "./checkpoint.ts";
import type { CheckpointConfig, NetworkCoder } from "./config.ts";
import { scheduleAt } from "./optimiser.ts";
import { compileLoss, type StepShape, trainStep } from "./step.ts";

/** What the loop tells the outside after a step. */
export interface Progress {
  readonly step: number;
  readonly steps: number;
  /** Mean -ln p per target of this step's batch [nats]. */
  readonly loss: number;
  readonly gradientNorm: number;
  readonly rate: number;
  /** Of the fixed validation subsets with averaged weights; only on steps that validate. */
  readonly validation?: number;
  readonly galaxiesPerSecond: number;
  readonly secondsLeft: number;
}

/** Part of a run that differs from the rest of it. */
export interface Phase {
  /** [P] multiplies the learning rate: 0 freezes. */
  readonly rateScale: Float32Array;
  readonly subsets: SubsetConfig;
}

export interface TrainOptions {
  readonly engine: Engine;
  readonly coder: NetworkCoder;
  readonly sources: readonly RowSource[];
  /** Rows of validation parents; their subsets are drawn once and stay. */
  readonly validation: readonly RowSource[];
  /** What a step trains and asks, counted from 1; without: everything, as the recipe's `subsets` say. */
  readonly phaseAt?: (step: number) => Phase;
  /** Weight of the distance between calibrated rows and others in the network's state, all bands given; default: 0. */
  readonly alignment?: number;
  readonly onProgress: (progress: Progress) => void | Promise<void>;
  readonly onCheckpoint: (state: TrainState) => void | Promise<void>;
  /** Raised to stop after the step in progress; the state is then checkpointed. */
  readonly signal?: AbortSignal;
}

/** The loss or a gradient is not finite. Carries the batch, so that it can be looked at. */
export class DivergenceError extends Error {
  override readonly name = "DivergenceError";
  readonly batch: Arrays;
  constructor(message: string, batch: Arrays) {
    super(message);
    this.batch = batch;
  }
}

const VALIDATION_BATCHES = 8;

interface Validation {
  /** Of averaged weights [nats]. */
  measure(this: void, average: Float32Array): Promise<number>;
  dispose(this: void): Promise<void>;
}

/** Validation loss of averaged weights on subsets that depend on the seed alone; undefined where no row is for it. */
async function createValidation(
  options: TrainOptions,
  config: CheckpointConfig,
  shape: StepShape,
): Promise<Validation | undefined> {
  const { coder, validation } = options;
  if (validation.every((source) => source.rows.length === 0)) return undefined;
  const sized = validation.filter((source) => source.rows.length > 0);
  const batches = Array.from({ length: VALIDATION_BATCHES }, (_, i) =>
    drawBatch(coder, sized, config.subsets, shape.batch, createRng(`${config.training.seed}:validation:${i}`)),
  );
  const compiled = await compileLoss(options.engine, shape);
  return {
    async measure(average) {
      let sum = 0;
      for (const batch of batches) sum += (await compiled.run({ params: floatVector(average), ...batch })).loss.data[0];
      return sum / batches.length;
    },
    dispose: () => compiled.dispose(),
  };
}

/** Weight decay of every parameter, [P]. */
function decays(layout: Checkpoint["layout"], weightDecay: number): Float32Array {
  return new Float32Array(layout.total).fill(weightDecay, 0, layout.decayed);
}

/** Vectors that stay in the engine from step to step. */
const CARRIED = ["params", "first", "second", "average"] as const;

function scheduleInputs(config: CheckpointConfig, step: number): Record<string, NdArray> {
  const schedule = scheduleAt(config.optimiser, step, config.training.steps);
  return {
    rate: floatScalar(schedule.rate),
    correction1: floatScalar(schedule.correction1),
    correction2: floatScalar(schedule.correction2),
    emaDecay: floatScalar(schedule.emaDecay),
  };
}

/** Number of calibrated target values that the zero-point prior is spread over. */
function priorStrength(sources: readonly RowSource[], nField: number): number {
  const rows = sources.reduce((sum, source) => sum + (source.isCalibrated ? source.rows.length : 0), 0);
  return rows === 0 ? 0 : 1 / (rows * nField);
}

/** @throws DivergenceError when either is not finite. */
function finiteScalars(out: Arrays, step: number, batch: Arrays): { loss: number; gradientNorm: number } {
  const loss = out.loss.data[0];
  const gradientNorm = out.gradientNorm.data[0];
  if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) return { loss, gradientNorm };
  throw new DivergenceError(
    `step ${step}: loss ${loss}, gradient norm ${gradientNorm}; expected finite numbers`,
    batch,
  );
}

/** The better of two; where they are alike the later one, which has seen more. */
function better(best: BestWeights | undefined, { step, average }: TrainState, validation: number): BestWeights {
  return best !== undefined && best.validation < validation ? best : { step, validation, average };
}

/** What an adaptation begins with is kept where nothing that it finds is better. */
async function keptIfBest(start: TrainState, validation: Validation | undefined): Promise<TrainState> {
  if (validation === undefined) return start;
  return { ...start, best: better(undefined, start, await validation.measure(start.average)) };
}

/** The state as the engine has it after `step`. */
async function takeState(compiled: Compiled, step: number): Promise<TrainState> {
  const out = await compiled.take(CARRIED);
  const vector = (name: (typeof CARRIED)[number]): Float32Array => out[name].data as Float32Array;
  return {
    step,
    params: vector("params"),
    first: vector("first"),
    second: vector("second"),
    average: vector("average"),
  };
}

/** Galaxies of a batch by the kinds of question; no share goes to labels where there are none. */
function shapeOf({ config, layout }: Checkpoint, { coder, sources, phaseAt, alignment = 0 }: TrainOptions): StepShape {
  const { training, subsets, model } = config;
  const hasLabels = sources.some(({ labelled }) => labelled.length > 0);
  return {
    model,
    vocabulary: coder,
    hasCalibration: config.isCalibrated,
    hasRateScale: phaseAt !== undefined,
    layout,
    batch: batchShape(
      training.batch,
      training.nTarget,
      hasLabels ? subsets : { ...subsets, fullShare: 0 },
      model.filters === "function",
      decoderOf(model, coder)?.cells,
    ),
    propertyWeight: subsets.propertyTargetWeight,
    alignment,
  };
}

/**
 * The one training loop: pretrain, finetune and adapt differ in what they pass in. Each batch is a pure function of
 * (seed, step), so a run that stops and resumes is bitwise the run that didn't. The averaged weights where the validation
 * loss was lowest come along as `best`: early stopping (Prechelt 1998) that trains to the end of the schedule.
 * @throws DivergenceError when the loss or the gradient is not finite.
 */
export async function train(options: TrainOptions, start: Checkpoint): Promise<TrainState> {
  const { engine, coder, sources } = options;
  const { config, layout } = start;
  const { training } = config;
  const shape = shapeOf(start, options);
  const { fn, signature } = trainStep(shape, config.optimiser);
  const step = await engine.compile(fn, signature, "training step", { carried: CARRIED });
  const validation = await createValidation(options, config, shape);
  const constants = {
    decay: floatVector(decays(layout, config.optimiser.weightDecay)),
    ...(shape.hasCalibration ? { priorStrength: floatScalar(priorStrength(sources, coder.nField)) } : {}),
  };
  const inputsOf = (n: number): Record<string, NdArray> => {
    const phase = options.phaseAt?.(n);
    const rng = createRng(`${training.seed}:step:${n}`);
    return {
      ...(phase === undefined ? {} : { rateScale: floatVector(phase.rateScale) }),
      ...drawBatch(coder, sources, phase?.subsets ?? config.subsets, shape.batch, rng),
      ...drawMasks(batchSize(shape.batch), config.model, coder, createRng(`${training.seed}:masks:${n}`)),
    };
  };
  const first = start.state.step + 1;
  const { step: _step, ...vectors } = start.state;
  const initial = Object.fromEntries(CARRIED.map((name) => [name, floatVector(vectors[name])]));
  let state = start.state;
  if (config.adapt !== undefined && state.step === 0) state = await keptIfBest(state, validation);
  let batch = inputsOf(first);
  const clock = createClock(training.batch);
  try {
    for (let n = first; n <= training.steps; n++) {
      const carried = n === first ? initial : {};
      const running = step.run({ ...carried, ...scheduleInputs(config, n), ...constants, ...batch });
      const next = n < training.steps ? inputsOf(n + 1) : batch; // drawn while the step runs
      const { loss, gradientNorm } = finiteScalars(await running, n, batch);
      const isLast = n === training.steps;
      const isStopped = options.signal?.aborted === true;
      const isValidated = isLast || n % training.validateEvery === 0;
      const isSaved = isLast || isStopped || n % training.checkpointEvery === 0;
      const { best } = state;
      if (isValidated || isSaved) state = { ...(await takeState(step, n)), ...(best === undefined ? {} : { best }) };
      const measured = isValidated ? await validation?.measure(state.average) : undefined;
      if (measured !== undefined) state = { ...state, best: better(best, state, measured) };
      const rates = clock.tick(training.steps - n);
      await options.onProgress({
        step: n,
        steps: training.steps,
        loss,
        gradientNorm,
        rate: scheduleAt(config.optimiser, n, training.steps).rate,
        ...(measured === undefined ? {} : { validation: measured }),
        ...rates,
      });
      if (isSaved) await options.onCheckpoint(state);
      if (isStopped) break;
      batch = next;
    }
  } finally {
    await step.dispose();
    await validation?.dispose();
  }
  return state;
}

/** Galaxies per second and time left, from a running mean of the last steps. */
function createClock(galaxiesPerStep: number): {
  tick(left: number): { galaxiesPerSecond: number; secondsLeft: number };
} {
  let last = performance.now();
  let perStep: number | undefined;
  return {
    tick(left) {
      const now = performance.now();
      const seconds = (now - last) / 1000;
      last = now;
      perStep = perStep === undefined ? seconds : 0.95 * perStep + 0.05 * seconds;
      return { galaxiesPerSecond: galaxiesPerStep / perStep, secondsLeft: left * perStep };
    },
  };
}
