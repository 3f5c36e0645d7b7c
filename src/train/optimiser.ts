import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";

/** A recipe's `optimiser:` section. */
export const optimiserSchema = z
  .strictObject({
    rate: z.number().positive().max(1e9).default(2e-3).describe("peak learning rate"),
    beta1: z.number().min(0).max(0.9999).default(0.9),
    beta2: z.number().min(0).max(0.99999).default(0.98),
    weightDecay: z.number().min(0).max(100).default(0.02),
    clip: z.number().positive().max(1e12).default(1).describe("longest gradient (global norm)"),
    warmup: z.number().min(0).max(1).default(0.03).describe("share of the run; the rest is a cosine to zero"),
    averaging: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe("half-life of averaged weights, share of the run so far"),
  })
  .prefault({});
export type OptimiserConfig = z.output<typeof optimiserSchema>;

/** Numbers of one step that change from step to step; they enter the graph as scalars. */
export interface StepSchedule {
  readonly rate: number;
  /** 1 - beta^step: bias corrections of the moments. */
  readonly correction1: number;
  readonly correction2: number;
  readonly emaDecay: number;
}

/** Linear warm-up, cosine to zero (Loshchilov & Hutter 2017). `step` counts from 1. */
export function scheduleAt(config: OptimiserConfig, step: number, steps: number): StepSchedule {
  const warm = Math.max(1, Math.round(config.warmup * steps));
  const progress = Math.min(1, Math.max(0, (step - warm) / Math.max(1, steps - warm)));
  const shape = step < warm ? step / warm : 0.5 * (1 + Math.cos(Math.PI * progress));
  return {
    rate: config.rate * shape,
    correction1: 1 - config.beta1 ** step,
    correction2: 1 - config.beta2 ** step,
    emaDecay: config.averaging > 0 ? 0.5 ** (1 / Math.max(1, config.averaging * step)) : 0,
  };
}

export interface OptimiserState {
  readonly params: tf.Tensor;
  readonly first: tf.Tensor;
  readonly second: tf.Tensor;
  readonly average: tf.Tensor;
}

export interface UpdateInputs {
  /** [P] */
  readonly gradient: tf.Tensor;
  /** [P] multiplies the rate: 0 freezes. Absent: 1 everywhere. */
  readonly rateScale?: tf.Tensor;
  /** [P] weight decay of each parameter; 0 where it doesn't decay. */
  readonly decay: tf.Tensor;
  /** Scalars of `StepSchedule`. */
  readonly rate: tf.Tensor;
  readonly correction1: tf.Tensor;
  readonly correction2: tf.Tensor;
  readonly emaDecay: tf.Tensor;
}

const EPSILON = 1e-8;

/**
 * One AdamW update (Loshchilov & Hutter 2019, algorithm 2) with global-norm clipping and averaged weights, on flat [P]
 * vectors. Scalars are folded first, so that each vector is passed over as few times as can be.
 */
export function adamW(
  config: OptimiserConfig,
  state: OptimiserState,
  inputs: UpdateInputs,
): OptimiserState & { readonly gradientNorm: tf.Tensor } {
  const { beta1, beta2, clip } = config;
  const { rateScale, rate } = inputs;
  const isTrained = rateScale === undefined ? undefined : tf.cast(tf.greater(rateScale, 0), "float32");
  const raw = isTrained === undefined ? inputs.gradient : tf.mul(inputs.gradient, isTrained);
  const squares = tf.square(raw);
  const gradientNorm = tf.sqrt(tf.sum(squares));
  const shorten = tf.div(clip, tf.maximum(gradientNorm, clip)); // []
  const first = tf.add(tf.mul(state.first, beta1), tf.mul(raw, tf.mul(shorten, 1 - beta1)));
  const second = tf.add(tf.mul(state.second, beta2), tf.mul(squares, tf.mul(tf.square(shorten), 1 - beta2)));
  const root = tf.sqrt(inputs.correction2); // []
  const direction = tf.div(first, tf.add(tf.sqrt(second), tf.mul(root, EPSILON))); // times root / correction1
  const length = tf.div(tf.mul(rate, root), inputs.correction1); // []
  const stepped = tf.add(tf.mul(direction, length), tf.mul(tf.mul(inputs.decay, rate), state.params));
  const params = tf.sub(state.params, rateScale === undefined ? stepped : tf.mul(stepped, rateScale));
  const average = tf.add(state.average, tf.mul(tf.sub(params, state.average), tf.sub(1, inputs.emaDecay)));
  return { params, first, second, average, gradientNorm };
}
