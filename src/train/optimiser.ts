import * as tf from "@tensorflow/tfjs-core";

/** What a recipe's `optimiser:` section says. */
export interface OptimiserConfig {
  /** Peak learning rate. */
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly weightDecay: number;
  /** Gradients longer than this are shortened to it (Pascanu, Mikolov & Bengio 2013). */
  readonly clip: number;
  /** Share of the run spent warming up; the rest is a cosine to zero. */
  readonly warmup: number;
  /** Half-life of the averaged weights used for evaluation, as a share of the run so far. */
  readonly averaging: number;
}

export const defaultOptimiser: OptimiserConfig = {
  rate: 2e-3,
  beta1: 0.9,
  beta2: 0.98,
  weightDecay: 0.02,
  clip: 1,
  warmup: 0.03,
  averaging: 0.05,
};

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
