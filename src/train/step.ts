import * as tf from "@tensorflow/tfjs-core";
import type { Compiled, Engine, Signature, TensorFunction, Tensors } from "../engine/contract.ts";
import { maskSignature } from "../model/dropout.ts";
import { headOf, type HeadTargets } from "../model/heads.ts";
import { withoutLags } from "../model/lags.ts";
import { marginals } from "../model/marginals.ts";
import { type Layout, unpack } from "../model/parameters.ts";
import type { Family, NetworkVocabulary } from "../model/readouts.ts";
import { decoderOf, spectrumLoss } from "../model/spectrum-decoder.ts";
import { latentSize, pickColumns } from "../model/stems.ts";
import { conditionals, encode, type ModelConfig, readoutsOf } from "../model/transformer.ts";
import { State } from "../survey/field.ts";
import { batchSize, type BatchShape, trainSignature } from "../tokens/batch.ts";
import { discrepancy } from "./alignment.ts";
import { adamW, type OptimiserConfig } from "./optimiser.ts";

/** Everything that fixes the shape of one training step. */
export interface StepShape {
  readonly model: ModelConfig;
  readonly vocabulary: NetworkVocabulary;
  readonly layout: Layout;
  readonly batch: BatchShape;
  /** Zero-points and noise factors are applied to calibrated rows and learned; without it they cost nothing. */
  readonly hasCalibration: boolean;
  /** Parameters differ in learning rate (frozen, calibration): a vector of factors enters the step. */
  readonly hasRateScale: boolean;
  /** A property weighs as much as this many bands in the masked loss. */
  readonly propertyWeight: number;
  /** Weight of the distance between calibrated rows and others in the state, given all bands [1]; default: 0, no part of the graph. */
  readonly alignment?: number;
}

interface Truths extends Required<HeadTargets> {
  /** [.., N] ln of the stretch that a zero-point shift gives the encoded space; none of a probability below a limit. */
  readonly jacobian: tf.Tensor;
  readonly isAsked: tf.Tensor;
}

/** Numbers of bands [band] at their columns, zeros at all others: [1, N]. */
function atColumns(ofBands: tf.Tensor, { fields, groups, slot }: NetworkVocabulary): tf.Tensor {
  const n = fields.length;
  const count = groups.band.length;
  if (groups.band.every((j, i) => j === i)) {
    return tf.expandDims(count === n ? ofBands : tf.concat([ofBands, tf.zeros([n - count])], 0), 0);
  }
  const places = Int32Array.from(fields, ({ band }, j) => (band === undefined ? count : slot[j]));
  return tf.expandDims(tf.gather(tf.concat([ofBands, tf.zeros([1])], 0), tf.tensor1d(places, "int32")), 0);
}

/** The truths [B, N] as the likelihood sees them, zero-points and noise factors of bands applied. */
function truthsOf(shape: StepShape, params: Tensors, batch: Tensors): Truths {
  const isUpperLimit = tf.equal(batch.truthState, State.upperLimit);
  const isAsked = tf.cast(tf.greater(batch.truthState, State.notObserved), "float32");
  const curve = { bend: batch.truthBend, rate: batch.truthRate };
  if (!shape.hasCalibration || shape.vocabulary.groups.band.length === 0) {
    return {
      value: batch.truth,
      sigma: batch.truthSigma,
      isUpperLimit,
      isAsked,
      curve,
      jacobian: tf.zerosLike(batch.truth),
    };
  }
  const isCalibrated = tf.expandDims(batch.isCalibrated, 1); // [B, 1]
  const lnFlux = tf.mul(isCalibrated, atColumns(params["calibration.lnFlux"], shape.vocabulary)); // [B, N]
  const lnNoise = tf.mul(isCalibrated, atColumns(params["calibration.lnNoise"], shape.vocabulary)); // [B, N]
  const curvature = tf.sub(1, tf.square(batch.truthBend)); // how much of a shift stretches the encoded space
  const stretch = tf.log(tf.add(tf.mul(curvature, lnFlux), 1));
  return {
    value: tf.add(batch.truth, tf.mul(batch.truthSlope, lnFlux)),
    sigma: tf.mul(batch.truthSigma, tf.exp(lnNoise)),
    isUpperLimit,
    isAsked,
    curve,
    jacobian: tf.mul(stretch, tf.sub(1, tf.cast(isUpperLimit, "float32"))),
  };
}

const mapTruths = (truths: Truths, f: (x: tf.Tensor) => tf.Tensor): Truths => ({
  value: f(truths.value),
  sigma: f(truths.sigma),
  isUpperLimit: tf.cast(f(tf.cast(truths.isUpperLimit, "float32")), "bool"),
  curve: { bend: f(truths.curve.bend), rate: f(truths.curve.rate) },
  jacobian: f(truths.jacobian),
  isAsked: f(truths.isAsked),
});

/** -ln p [R, C] of truths [R, C] under raw distributions [R, C, width], 0 where nothing is asked. */
function negLogLik({ spec }: Family, raw: tf.Tensor3D, truths: Truths): tf.Tensor {
  const [r, c, width] = raw.shape;
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

/** Losses and weights of several families' answers, side by side: [R, C]. */
interface Scored {
  readonly loss: tf.Tensor;
  readonly weight: tf.Tensor;
}

const together = (scored: readonly Scored[]): tf.Tensor => {
  const join = (parts: tf.Tensor[]): tf.Tensor => (parts.length === 1 ? parts[0] : tf.concat(parts, 1));
  return sumOfMeans(join(scored.map(({ loss }) => loss)), join(scored.map(({ weight }) => weight)));
};

/** All bands given, everything else asked: the sum over galaxies of their mean losses. */
function fullLoss(shape: StepShape, params: Tensors, state: tf.Tensor2D, truths: Truths): tf.Tensor[] {
  const scored = readoutsOf(shape.model, shape.vocabulary).flatMap((family) => {
    const readout = family.readouts.find(({ part }) => part === "property");
    if (readout === undefined) return [];
    const asked = mapTruths(truths, (x) => pickColumns(x, readout.members));
    return [
      { loss: negLogLik(family, marginals(shape.vocabulary, params, state, readout), asked), weight: asked.isAsked },
    ];
  });
  return scored.length === 0 ? [] : [together(scored)];
}

/** Raw marginals of every family, [B, members, width]. */
function familyMarginals(
  shape: StepShape,
  params: Tensors,
  state: tf.Tensor2D,
): { family: Family; raw: tf.Tensor3D }[] {
  return readoutsOf(shape.model, shape.vocabulary).map((family) => {
    const raws = family.readouts.map((readout) => marginals(shape.vocabulary, params, state, readout));
    return { family, raw: raws.length === 1 ? raws[0] : tf.concat<tf.Tensor3D>(raws, 1) };
  });
}

/** Any subset given, everything else asked at once. */
function maskedLoss(
  shape: StepShape,
  marginal: readonly { family: Family; raw: tf.Tensor3D }[],
  truths: Truths,
): tf.Tensor {
  const { fields } = shape.vocabulary;
  const scored = marginal.map(({ family, raw }) => {
    const asked = mapTruths(truths, (x) => pickColumns(x, family.members));
    const weights = Float32Array.from(family.members, (j) => (fields[j].band === undefined ? shape.propertyWeight : 1));
    const loss = negLogLik(family, raw, asked);
    return { loss, weight: tf.mul(asked.isAsked, tf.tensor2d(weights, [1, weights.length])) };
  });
  return together(scored);
}

/** Any subset given, some fields asked in order. */
function orderedLoss(
  shape: StepShape,
  params: Tensors,
  state: tf.Tensor2D,
  marginal: readonly { family: Family; raw: tf.Tensor3D }[],
  truths: Truths,
  batch: Tensors,
): tf.Tensor {
  const { nOrdered, nTarget } = shape.batch;
  const nField = shape.vocabulary.fields.length;
  const picked = tf.oneHot(batch.targetField, nField) as tf.Tensor3D; // [A, T, N]
  const { members } = marginal[0].family;
  const isWhole = members.length === nField && members.every((j, i) => j === i);
  const picks = marginal.map(({ family, raw }) => {
    const of = isWhole ? picked : tf.gather<tf.Tensor3D>(picked, tf.tensor1d(family.members, "int32"), 2);
    return { of, isMember: tf.sum(of, 2), suffix: family.suffix, raw: tf.matMul<tf.Tensor3D>(of, raw) }; // [A, T, width]
  });
  const ordered = conditionals(shape.model, shape.vocabulary, params, state, picks, batch);
  const inOrder = (x: tf.Tensor): tf.Tensor => tf.reshape(tf.matMul(picked, tf.expandDims(x, 2)), [nOrdered, nTarget]);
  const asked = { ...mapTruths(truths, inOrder), isAsked: batch.targetWeight };
  const losses = ordered.map(({ raw }, i) => {
    const own = isWhole ? asked : { ...asked, isAsked: tf.mul(asked.isAsked, picks[i].isMember) };
    return negLogLik(marginal[i].family, raw, own); // [A, T]
  });
  return sumOfMeans(losses.length === 1 ? losses[0] : tf.addN(losses), batch.targetWeight);
}

/** What the states of rows given all bands add to the loss: see {@link discrepancy}. */
function alignmentOf(shape: StepShape, state: tf.Tensor2D, { isCalibrated }: Tensors): tf.Tensor {
  const { nFull } = shape.batch;
  const latent = tf.slice(state, [0, 0], [nFull, latentSize(shape.model)]); // not what carried galaxies say
  return tf.mul(discrepancy(latent, tf.slice(isCalibrated, [0], [nFull])), shape.alignment!);
}

/** Mean over galaxies of the mean -ln p of what each was asked [nats per answer]. */
function batchLoss(shape: StepShape, params: Tensors, batch: Tensors): tf.Tensor {
  const { nFull, nMasked, nOrdered } = shape.batch;
  const state = encode(shape.model, shape.vocabulary, params, batch, shape.hasCalibration); // [B, S]
  const truths = truthsOf(shape, params, batch);
  const part = (from: number, count: number): Truths => mapTruths(truths, (x) => rowsOf(x, from, count));
  const total: tf.Tensor[] = [];
  if (nFull > 0) total.push(...fullLoss(shape, params, rowsOf(state, 0, nFull) as tf.Tensor2D, part(0, nFull)));
  if (nMasked + nOrdered > 0) {
    const rest = rowsOf(state, nFull, nMasked + nOrdered) as tf.Tensor2D;
    const marginal = familyMarginals(shape, params, rest);
    const of = (from: number, count: number): { family: Family; raw: tf.Tensor3D }[] =>
      marginal.map(({ family, raw }) => ({ family, raw: rowsOf(raw, from, count) as tf.Tensor3D }));
    if (nMasked > 0) total.push(maskedLoss(shape, of(0, nMasked), part(nFull, nMasked)));
    if (nOrdered > 0) {
      const own = rowsOf(rest, nMasked, nOrdered) as tf.Tensor2D;
      const asked = part(nFull + nMasked, nOrdered);
      total.push(orderedLoss(shape, params, own, of(nMasked, nOrdered), asked, batch));
    }
  }
  if (decoderOf(shape.model, shape.vocabulary) !== undefined) {
    const read = withoutLags(shape.vocabulary, state);
    total.push(spectrumLoss(shape.model, shape.vocabulary, params, read, batch));
  }
  const mean = tf.div(tf.addN(total), nFull + nMasked + nOrdered);
  return (shape.alignment ?? 0) > 0 && nFull > 0 ? tf.add(mean, alignmentOf(shape, state, batch)) : mean;
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
    ...trainSignature(shape.batch, shape.vocabulary),
    ...maskSignature(batchSize(shape.batch), shape.model, shape.vocabulary),
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

/** The loss alone, nothing dropped: validation. */
export function compileLoss(engine: Engine, shape: StepShape): Promise<Compiled> {
  const signature: Signature = {
    params: { dtype: "float32", shape: [shape.layout.total] },
    ...trainSignature(shape.batch, shape.vocabulary),
  };
  return engine.compile(
    (inputs) => ({ loss: batchLoss({ ...shape, alignment: 0 }, unpack(inputs.params, shape.layout), inputs) }),
    signature,
    "validation loss",
  );
}
