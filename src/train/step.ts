import * as tf from "@tensorflow/tfjs-core";
import type { Compiled, Engine, Signature, TensorFunction, Tensors } from "../engine/contract.ts";
import { heads } from "../model/heads.ts";
import { type Layout, unpack } from "../model/parameters.ts";
import { forward, type ModelConfig } from "../model/transformer.ts";
import type { Field } from "../survey/field.ts";
import { State } from "../survey/field.ts";
import { batchSignature } from "../tokens/batch.ts";
import { adamW, type OptimiserConfig } from "./optimiser.ts";

/** Everything that fixes the shape of one training step. */
export interface StepShape {
  readonly model: ModelConfig;
  readonly fields: readonly Field[];
  readonly layout: Layout;
  readonly batch: number;
  readonly nTarget: number;
}

/** -ln p of every target [B, T], 0 for padding. */
function targetLoss(shape: StepShape, params: Tensors, batch: Tensors): { loss: tf.Tensor; isTarget: tf.Tensor } {
  const { model, fields } = shape;
  const m = shape.batch * shape.nTarget;
  const flat = (x: tf.Tensor): tf.Tensor => tf.reshape(x, [m]);
  const raw = forward(model, fields, params, batch); // [B, T, width]
  const head = heads[model.head];
  const field = flat(batch.targetField!);
  const isCalibrated = flat(tf.mul(tf.expandDims(batch.isCalibrated!, 1), tf.ones([1, shape.nTarget])));
  const lnFlux = tf.mul(isCalibrated, tf.gather(params["calibration.lnFlux"]!, field)); // [M]
  const lnNoise = tf.mul(isCalibrated, tf.gather(params["calibration.lnNoise"]!, field)); // [M]
  const slope = flat(batch.targetSlope!);
  const state = flat(batch.targetState!);
  const targets = {
    value: tf.add(flat(batch.targetValue!), tf.mul(slope, lnFlux)),
    sigma: tf.mul(flat(batch.targetSigma!), tf.exp(lnNoise)),
    isUpperLimit: tf.equal(state, State.upperLimit),
  };
  const negLogLik = head.negLogLik(tf.reshape(raw, [m, head.width(model.nComponent)]), targets, model.nComponent); // [M]
  const jacobian = tf.log(tf.add(tf.mul(flat(batch.targetCurvature!), lnFlux), 1)); // [M] of the shift of the target
  const isTarget = tf.cast(tf.greater(state, State.notObserved), "float32"); // [M]
  return { loss: tf.mul(tf.sub(negLogLik, jacobian), isTarget), isTarget };
}

/** Zero-points are known to about this many magnitudes before anything is learned [ln flux]. */
const ZERO_POINT_PRIOR = 0.1;
const NOISE_PRIOR = 0.3;

/** Gaussian priors on the calibration, in nats per target, so that they vanish against much data. */
function calibrationPrior(params: Tensors, strength: tf.Tensor): tf.Tensor {
  const term = (name: string, sigma: number): tf.Tensor => tf.mul(tf.sum(tf.square(params[name]!)), 0.5 / sigma ** 2);
  return tf.mul(
    tf.add(term("calibration.lnFlux", ZERO_POINT_PRIOR), term("calibration.lnNoise", NOISE_PRIOR)),
    strength,
  );
}

/** Forward, backward, clip, AdamW and averaging as one function: the whole training step is one graph. */
export function trainStep(shape: StepShape, optimiser: OptimiserConfig): { fn: TensorFunction; signature: Signature } {
  const p = { dtype: "float32", shape: [shape.layout.total] } as const;
  const scalar = { dtype: "float32", shape: [] } as const;
  const signature: Signature = {
    params: p,
    first: p,
    second: p,
    average: p,
    rateScale: p,
    isDecayed: p,
    rate: scalar,
    correction1: scalar,
    correction2: scalar,
    emaDecay: scalar,
    priorStrength: scalar,
    ...batchSignature(shape.batch, shape.fields.length, shape.nTarget),
  };
  const fn: TensorFunction = (inputs) => {
    const lossOf = (flat: tf.Tensor): tf.Scalar => {
      const params = unpack(flat, shape.layout);
      const { loss, isTarget } = targetLoss(shape, params, inputs);
      const mean = tf.div(tf.sum(loss), tf.maximum(tf.sum(isTarget), 1));
      return tf.add(mean, calibrationPrior(params, inputs.priorStrength!));
    };
    const { value, grad } = tf.valueAndGrad(lossOf)(inputs.params!);
    const state = {
      params: inputs.params!,
      first: inputs.first!,
      second: inputs.second!,
      average: inputs.average!,
    };
    const next = adamW(optimiser, state, {
      gradient: grad,
      rateScale: inputs.rateScale!,
      isDecayed: inputs.isDecayed!,
      rate: inputs.rate!,
      correction1: inputs.correction1!,
      correction2: inputs.correction2!,
      emaDecay: inputs.emaDecay!,
    });
    const { params, first, second, average, gradientNorm } = next;
    return { params, first, second, average, gradientNorm, loss: value };
  };
  return { fn, signature };
}

/** Losses [B, T] and target flags [B, T] of one batch: validation. */
export function compileLoss(engine: Engine, shape: StepShape): Promise<Compiled> {
  const signature: Signature = {
    params: { dtype: "float32", shape: [shape.layout.total] },
    ...batchSignature(shape.batch, shape.fields.length, shape.nTarget),
  };
  return engine.compile(
    (inputs) => {
      const { loss, isTarget } = targetLoss(shape, unpack(inputs.params!, shape.layout), inputs);
      const size = [shape.batch, shape.nTarget];
      return { loss: tf.reshape(loss, size), isTarget: tf.reshape(isTarget, size) };
    },
    signature,
    "validation loss",
  );
}
