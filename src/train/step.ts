import * as tf from "@tensorflow/tfjs-core";
import type { Compiled, Engine, Signature, TensorFunction, Tensors } from "../engine/contract.ts";
import { type HeadTargets, headOf } from "../model/heads.ts";
import { type Layout, unpack } from "../model/parameters.ts";
import {
  answerSpec,
  conditionals,
  encode,
  marginals,
  type ModelConfig,
  type Vocabulary,
} from "../model/transformer.ts";
import { State } from "../survey/field.ts";
import { type BatchShape, trainSignature } from "../tokens/batch.ts";
import { adamW, type OptimiserConfig } from "./optimiser.ts";

/** Everything that fixes the shape of one training step. */
export interface StepShape {
  readonly model: ModelConfig;
  readonly vocabulary: Vocabulary;
  readonly layout: Layout;
  readonly batch: BatchShape;
  /** Zero-points and noise factors are applied to calibrated rows and learned; without it they cost nothing. */
  readonly hasCalibration: boolean;
  /** Parameters differ in learning rate (frozen, calibration): a vector of factors enters the step. */
  readonly hasRateScale: boolean;
  /** A property weighs as much as this many bands in the masked loss. */
  readonly propertyWeight: number;
}

interface Truths extends HeadTargets {
  /** [.., N] ln of the stretch that a zero-point shift gives the encoded space. */
  readonly jacobian: tf.Tensor;
  readonly isAsked: tf.Tensor;
}

/** The truths [B, N] as the likelihood sees them, zero-points applied. */
function truthsOf(params: Tensors, batch: Tensors, hasCalibration: boolean): Truths {
  const isUpperLimit = tf.equal(batch.truthState, State.upperLimit);
  const isAsked = tf.cast(tf.greater(batch.truthState, State.notObserved), "float32");
  if (!hasCalibration) {
    return {
      value: batch.truth,
      sigma: batch.truthSigma,
      isUpperLimit,
      isAsked,
      jacobian: tf.zerosLike(batch.truth),
    };
  }
  const isCalibrated = tf.expandDims(batch.isCalibrated, 1); // [B, 1]
  const lnFlux = tf.mul(isCalibrated, tf.expandDims(params["calibration.lnFlux"], 0)); // [B, N]
  const lnNoise = tf.mul(isCalibrated, tf.expandDims(params["calibration.lnNoise"], 0)); // [B, N]
  return {
    value: tf.add(batch.truth, tf.mul(batch.truthSlope, lnFlux)),
    sigma: tf.mul(batch.truthSigma, tf.exp(lnNoise)),
    isUpperLimit,
    isAsked,
    jacobian: tf.log(tf.add(tf.mul(batch.truthCurvature, lnFlux), 1)),
  };
}

const mapTruths = (truths: Truths, f: (x: tf.Tensor) => tf.Tensor): Truths => ({
  value: f(truths.value),
  sigma: f(truths.sigma),
  isUpperLimit: tf.cast(f(tf.cast(truths.isUpperLimit, "float32")), "bool"),
  jacobian: f(truths.jacobian),
  isAsked: f(truths.isAsked),
});

/** -ln p [R, C] of truths [R, C] under raw distributions [R, C, width], 0 where nothing is asked. */
function negLogLik(model: ModelConfig, raw: tf.Tensor3D, truths: Truths): tf.Tensor {
  const [r, c, width] = raw.shape;
  const spec = answerSpec(model);
  const flat = mapTruths(truths, (x) => tf.reshape(x, [r * c]));
  const loss = headOf(spec).negLogLik(tf.reshape(raw, [r * c, width]), flat, spec); // [R C]
  return tf.mul(tf.reshape(tf.sub(loss, flat.jacobian), [r, c]), truths.isAsked);
}

/** Weighted mean over the fields of each galaxy, summed over galaxies; galaxies without a question add nothing. */
function sumOfMeans(loss: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  return tf.sum(tf.div(tf.sum(tf.mul(loss, weight), 1), tf.maximum(tf.sum(weight, 1), 1e-6)));
}

const rowsOf = (x: tf.Tensor, from: number, count: number): tf.Tensor => {
  const rest = x.shape.slice(1);
  return tf.slice(x, [from, ...rest.map(() => 0)], [count, ...rest]);
};

/** Mean over galaxies of the mean -ln p of what each was asked [nats per answer]. */
function batchLoss(shape: StepShape, params: Tensors, batch: Tensors): tf.Tensor {
  const { model, vocabulary } = shape;
  const { nField, nBand } = vocabulary;
  const { nFull, nMasked, nOrdered, nTarget } = shape.batch;
  const state = encode(model, vocabulary, params, batch, shape.hasCalibration); // [B, S]
  const truths = truthsOf(params, batch, shape.hasCalibration);
  const total: tf.Tensor[] = [];
  const columns = (x: tf.Tensor, from: number, count: number): tf.Tensor => tf.slice(x, [0, from], [x.shape[0], count]);
  if (nFull > 0) {
    const raw = marginals(model, params, rowsOf(state, 0, nFull) as tf.Tensor2D, "property");
    const asked = mapTruths(truths, (x) => columns(rowsOf(x, 0, nFull), nBand, nField - nBand));
    total.push(sumOfMeans(negLogLik(model, raw, asked), asked.isAsked));
  }
  if (nMasked + nOrdered > 0) {
    const rest = rowsOf(state, nFull, nMasked + nOrdered) as tf.Tensor2D;
    const raw: tf.Tensor3D = tf.concat(
      [marginals(model, params, rest, "band"), marginals(model, params, rest, "property")],
      1,
    ); // [M + A, N, width]
    const weights = tf.tensor2d(
      Float32Array.from({ length: nField }, (_, j) => (j < nBand ? 1 : shape.propertyWeight)),
      [1, nField],
    );
    if (nMasked > 0) {
      const asked = mapTruths(truths, (x) => rowsOf(x, nFull, nMasked));
      const loss = negLogLik(model, rowsOf(raw, 0, nMasked) as tf.Tensor3D, asked);
      total.push(sumOfMeans(loss, tf.mul(asked.isAsked, weights)));
    }
    if (nOrdered > 0) {
      const picked = tf.oneHot(batch.targetField, nField) as tf.Tensor3D; // [A, T, N]
      const marginal = tf.matMul<tf.Tensor3D>(picked, rowsOf(raw, nMasked, nOrdered)); // [A, T, width]
      const own = rowsOf(state, nFull + nMasked, nOrdered) as tf.Tensor2D;
      const ordered = conditionals(model, params, own, marginal, batch);
      const inOrder = (x: tf.Tensor): tf.Tensor =>
        tf.reshape(tf.matMul(picked, tf.expandDims(rowsOf(x, nFull + nMasked, nOrdered), 2)), [nOrdered, nTarget]);
      const asked = { ...mapTruths(truths, inOrder), isAsked: batch.targetWeight };
      total.push(sumOfMeans(negLogLik(model, ordered, asked), batch.targetWeight));
    }
  }
  return tf.div(tf.addN(total), nFull + nMasked + nOrdered);
}

/** Zero-points are known to about this much before anything is learned [ln flux]; noise factors likewise [ln]. */
const ZERO_POINT_PRIOR = 0.1;
const NOISE_PRIOR = 0.3;

/** Gaussian priors on the calibration, in nats per answer, so that they vanish against much data. */
function calibrationPrior(params: Tensors, strength: tf.Tensor): tf.Tensor {
  const term = (name: string, sigma: number): tf.Tensor => tf.mul(tf.sum(tf.square(params[name])), 0.5 / sigma ** 2);
  const sum = tf.add(term("calibration.lnFlux", ZERO_POINT_PRIOR), term("calibration.lnNoise", NOISE_PRIOR));
  return tf.mul(sum, strength);
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
    ...(shape.hasRateScale ? { rateScale: p } : {}),
    decay: p,
    rate: scalar,
    correction1: scalar,
    correction2: scalar,
    emaDecay: scalar,
    ...(shape.hasCalibration ? { priorStrength: scalar } : {}),
    ...trainSignature(shape.batch, shape.vocabulary.nField),
  };
  const fn: TensorFunction = (inputs) => {
    const lossOf = (flat: tf.Tensor): tf.Scalar => {
      const params = unpack(flat, shape.layout);
      const loss = batchLoss(shape, params, inputs);
      return shape.hasCalibration ? tf.add(loss, calibrationPrior(params, inputs.priorStrength)) : (loss as tf.Scalar);
    };
    const { value, grad } = tf.valueAndGrad(lossOf)(inputs.params);
    const state = {
      params: inputs.params,
      first: inputs.first,
      second: inputs.second,
      average: inputs.average,
    };
    const next = adamW(optimiser, state, {
      gradient: grad,
      ...(shape.hasRateScale ? { rateScale: inputs.rateScale } : {}),
      decay: inputs.decay,
      rate: inputs.rate,
      correction1: inputs.correction1,
      correction2: inputs.correction2,
      emaDecay: inputs.emaDecay,
    });
    const { params, first, second, average, gradientNorm } = next;
    return { params, first, second, average, gradientNorm, loss: value };
  };
  return { fn, signature };
}

/** The loss alone: validation. */
export function compileLoss(engine: Engine, shape: StepShape): Promise<Compiled> {
  const signature: Signature = {
    params: { dtype: "float32", shape: [shape.layout.total] },
    ...trainSignature(shape.batch, shape.vocabulary.nField),
  };
  return engine.compile(
    (inputs) => ({ loss: batchLoss(shape, unpack(inputs.params, shape.layout), inputs) }),
    signature,
    "validation loss",
  );
}
