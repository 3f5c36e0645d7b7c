import type { Arrays, NdArray, Signature } from "../engine/contract.ts";
import { type Rng, shuffleInPlace } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { contextScale } from "./scale.ts";
import type { FieldCoder } from "./standardise.ts";
import { contextDraws, type DrawWeights, pickDraw } from "./subset.ts";

/**
 * One batch as the network takes it; B galaxies, N fields, T targets. All values are transformed and standardised.
 * - value, sigma, state [B, N]: the context; state 0 = not given. slope [B, N]: d(value) / d ln(flux), 0 for properties
 * - scale [B, 2]: encoded ln(scale), 1 if there is one
 * - targetField, targetValue, targetSigma, targetState, targetSlope [B, T]: the queries; state 0 = padding
 * - targetCurvature [B, T]: d(slope) / d(value), the Jacobian of a zero-point shift
 * - isAutoregressive [B]: 1 = query j sees targets before j; 0 = it sees the context only
 * - isCalibrated [B]: 1 = the row comes from the domain whose zero-points are being learned
 */
export function batchSignature(batch: number, nField: number, nTarget: number): Signature {
  const f = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
  const i = (...shape: number[]) => ({ dtype: "int32", shape }) as const;
  return {
    value: f(batch, nField),
    sigma: f(batch, nField),
    state: i(batch, nField),
    slope: f(batch, nField),
    scale: f(batch, 2),
    targetField: i(batch, nTarget),
    targetValue: f(batch, nTarget),
    targetSigma: f(batch, nTarget),
    targetState: i(batch, nTarget),
    targetSlope: f(batch, nTarget),
    targetCurvature: f(batch, nTarget),
    isAutoregressive: f(batch),
    isCalibrated: f(batch),
  };
}

export function emptyArrays(signature: Signature): Record<string, NdArray> {
  return Object.fromEntries(
    Object.entries(signature).map(([name, { dtype, shape }]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, { dtype, shape, data: dtype === "int32" ? new Int32Array(size) : new Float32Array(size) }];
    }),
  );
}

/** Writes the context of one galaxy into place `b`; returns its scale. Flags of unobserved fields are ignored. */
export function fillContext(
  arrays: Arrays,
  b: number,
  coder: FieldCoder,
  catalog: Catalog,
  row: number,
  isContext: Uint8Array,
): number {
  const nField = coder.fields.length;
  const scale = contextScale(catalog, row, isContext, coder.bandCount);
  arrays.scale!.data[2 * b] = coder.encodeScale(scale);
  arrays.scale!.data[2 * b + 1] = scale > 0 ? 1 : 0;
  for (let j = 0; j < nField; j++) {
    const at = row * nField + j;
    const to = b * nField + j;
    const state = isContext[j] === 1 ? catalog.state[at]! : State.notObserved;
    const isGiven = state !== State.notObserved;
    const x = catalog.value[at]!;
    arrays.state!.data[to] = state;
    const v = isGiven ? coder.encode(j, x, scale) : 0;
    arrays.value!.data[to] = v;
    arrays.sigma!.data[to] = isGiven ? coder.encodeError(j, x, catalog.error[at]!, scale) : 0;
    arrays.slope!.data[to] = isGiven && j < coder.bandCount ? coder.zeroPointSlope(j, v) : 0;
  }
  return scale;
}

/** Writes a target with the row's own value at place `to` of [B, T]. */
export function fillTarget(
  arrays: Arrays,
  to: number,
  coder: FieldCoder,
  catalog: Catalog,
  row: number,
  field: number,
  scale: number,
): void {
  const at = row * coder.fields.length + field;
  const x = catalog.value[at]!;
  const v = coder.encode(field, x, scale);
  arrays.targetField!.data[to] = field;
  arrays.targetValue!.data[to] = v;
  arrays.targetSigma!.data[to] = coder.encodeError(field, x, catalog.error[at]!, scale);
  arrays.targetState!.data[to] = catalog.state[at]!;
  if (field >= coder.bandCount) return;
  const slope = coder.zeroPointSlope(field, v);
  arrays.targetSlope!.data[to] = slope;
  arrays.targetCurvature!.data[to] = 1 - (slope * coder.standardisation.fields[field]!.deviation) ** 2;
}

export interface SubsetConfig {
  /** Weights of the draws for bands and, independently, for properties. */
  readonly bands: DrawWeights;
  readonly properties: DrawWeights;
  /** A property is this many times as likely as a band to be among the targets. */
  readonly propertyTargetWeight: number;
  /** Share of galaxies trained with the autoregressive objective. */
  readonly autoregressiveShare: number;
}

/** Rows to draw from; one batch may mix several (simulations, labelled and unlabelled observations). */
export interface RowSource {
  readonly catalog: Catalog;
  readonly rows: Int32Array;
  /** Relative number of galaxies per batch. */
  readonly weight: number;
  readonly isCalibrated: boolean;
}

/** Splits the observed fields of one row into context and targets; returns the targets, at most `nTarget`, in random order. */
export function drawSubset(
  coder: FieldCoder,
  catalog: Catalog,
  row: number,
  config: SubsetConfig,
  nTarget: number,
  rng: Rng,
  isContext: Uint8Array,
): number[] {
  const nField = coder.fields.length;
  isContext.fill(0);
  const isObserved = (j: number): boolean => catalog.state[row * nField + j] !== State.notObserved;
  const bands: number[] = [];
  const properties: number[] = [];
  for (let j = 0; j < nField; j++) if (isObserved(j)) (j < coder.bandCount ? bands : properties).push(j);
  contextDraws[pickDraw(config.bands, rng)](Int32Array.from(bands), coder.fields, rng, isContext);
  contextDraws[pickDraw(config.properties, rng)](Int32Array.from(properties), coder.fields, rng, isContext);
  let left = [...bands, ...properties].filter((j) => isContext[j] === 0);
  if (left.length === 0) {
    const pool = properties.length > 0 ? properties : bands;
    if (pool.length === 0) return [];
    left = [pool[rng.integer(pool.length)]!];
    isContext[left[0]!] = 0;
  }
  return drawTargets(left, coder.bandCount, config.propertyTargetWeight, nTarget, rng);
}

/** Weighted sampling without replacement by exponential keys (Efraimidis & Spirakis 2006), then a random order. */
function drawTargets(left: number[], bands: number, propertyWeight: number, nTarget: number, rng: Rng): number[] {
  if (left.length > nTarget) {
    const keyed = left.map((j) => ({ j, key: -Math.log(1 - rng.uniform()) / (j < bands ? 1 : propertyWeight) }));
    keyed.sort((a, b) => a.key - b.key);
    left = keyed.slice(0, nTarget).map(({ j }) => j);
  }
  shuffleInPlace(left, rng);
  return left;
}

/** A training batch: a pure function of the sources and the stream `rng`. */
export function drawBatch(
  coder: FieldCoder,
  sources: readonly RowSource[],
  config: SubsetConfig,
  size: { batch: number; nTarget: number },
  rng: Rng,
): Record<string, NdArray> {
  const arrays = emptyArrays(batchSignature(size.batch, coder.fields.length, size.nTarget));
  const isContext = new Uint8Array(coder.fields.length);
  const totalWeight = sources.reduce((sum, source) => sum + source.weight, 0);
  for (let b = 0; b < size.batch; b++) {
    let u = rng.uniform() * totalWeight;
    const source = sources.find(({ weight }) => (u -= weight) < 0) ?? sources[sources.length - 1]!;
    const row = source.rows[rng.integer(source.rows.length)]!;
    const targets = drawSubset(coder, source.catalog, row, config, size.nTarget, rng, isContext);
    const scale = fillContext(arrays, b, coder, source.catalog, row, isContext);
    targets.forEach((field, t) => fillTarget(arrays, b * size.nTarget + t, coder, source.catalog, row, field, scale));
    arrays.isAutoregressive!.data[b] = rng.uniform() < config.autoregressiveShare ? 1 : 0;
    arrays.isCalibrated!.data[b] = source.isCalibrated ? 1 : 0;
  }
  return arrays;
}
