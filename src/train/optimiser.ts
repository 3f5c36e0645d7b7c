import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";

/** A recipe's `optimiser:` section. */
export const optimiserSchema = z
  .strictObject({
    rate: z.number().positive().default(2e-3).describe("peak learning rate"),
    beta1: z.number().min(0).max(0.9999).default(0.9),
    beta2: z.number().min(0).max(0.99999).default(0.98),
    weightDecay: z.number().min(0).default(0.02),
    clip: z.number().positive().default(1).describe("longest gradient (global norm)"),
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
  /** [P] multiplies the rate: 0 freezes. */
  readonly rateScale: tf.Tensor;
  /** [P] 1 where weights decay. */
  readonly isDecayed: tf.Tensor;
  /** Scalars of `StepSchedule`. */
  readonly rate: tf.Tensor;
  readonly correction1: tf.Tensor;
  readonly correction2: tf.Tensor;
  readonly emaDecay: tf.Tensor;
}

/** One AdamW update (Loshchilov & Hutter 2019, algorithm 2) with global-norm clipping and averaged weights, on flat [P] vectors. */
export function adamW(
  config: OptimiserConfig,
  state: OptimiserState,
  inputs: UpdateInputs,
): OptimiserState & { readonly gradientNorm: tf.Tensor } {
  const masked = tf.mul(inputs.gradient, tf.cast(tf.greater(inputs.rateScale, 0), "float32"));
  const gradientNorm = tf.sqrt(tf.sum(tf.square(masked)));
  const shorten = tf.div(config.clip, tf.maximum(gradientNorm, config.clip));
  const gradient = tf.mul(masked, shorten);
  const first = tf.add(tf.mul(state.first, config.beta1), tf.mul(gradient, 1 - config.beta1));
  const second = tf.add(tf.mul(state.second, config.beta2), tf.mul(tf.square(gradient), 1 - config.beta2));
  const size = tf.sqrt(tf.div(second, inputs.correction2));
  const direction = tf.div(tf.div(first, inputs.correction1), tf.add(size, 1e-8));
  const decay = tf.mul(tf.mul(inputs.isDecayed, config.weightDecay), state.params);
  const rate = tf.mul(inputs.rateScale, inputs.rate);
  const params = tf.sub(state.params, tf.mul(rate, tf.add(direction, decay)));
  const kept = inputs.emaDecay;
  const average = tf.add(tf.mul(state.average, kept), tf.mul(params, tf.sub(1, kept)));
  return { params, first, second, average, gradientNorm };
}
