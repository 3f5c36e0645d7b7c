import type { Arrays, NdArray, Signature } from "../engine/contract.ts";
import { type Rng, shuffleInPlace } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { contextScale } from "./scale.ts";
import type { FieldCoder } from "./standardise.ts";
import { drawContext, type SubsetConfig } from "./subset.ts";

/**
 * Inputs of the network: B galaxies, N fields. All values are transformed and standardised.
 * - value, sigma, state [B, N]: the context; state 0 = not given. slope [B, N]: d(value) / d ln(flux), 0 for properties
 * - scale [B, 2]: encoded ln(scale), 1 if there is one
 * - isCalibrated [B]: 1 = the row comes from the domain whose zero-points are being learned
 */
export function contextSignature(batch: number, nField: number): Signature {
  const f = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
  return {
    value: f(batch, nField),
    sigma: f(batch, nField),
    state: { dtype: "int32", shape: [batch, nField] },
    slope: f(batch, nField),
    scale: f(batch, 2),
    isCalibrated: f(batch),
  };
}

/** Ordered queries of A galaxies, T each: the field and, for all but the last, its value and that value's error. */
export function orderSignature(galaxies: number, nTarget: number): Signature {
  return {
    targetField: { dtype: "int32", shape: [galaxies, nTarget] },
    targetValue: { dtype: "float32", shape: [galaxies, nTarget] },
    targetSigma: { dtype: "float32", shape: [galaxies, nTarget] },
  };
}

/** How the galaxies of a training batch divide among the kinds of question; the order in the batch. */
export interface BatchShape {
  /** All bands given, properties asked. */
  readonly nFull: number;
  /** Any subset given, everything else asked at once (masked objective). */
  readonly nMasked: number;
  /** Any subset given, `nTarget` fields asked in random order (autoregressive objective). */
  readonly nOrdered: number;
  readonly nTarget: number;
}

export function batchShape(batch: number, nTarget: number, config: SubsetConfig): BatchShape {
  const nFull = Math.round(batch * config.fullShare);
  const nOrdered = Math.min(batch - nFull, Math.round(batch * config.autoregressiveShare));
  return { nFull, nOrdered, nMasked: batch - nFull - nOrdered, nTarget };
}

/**
 * A training batch: the context, and
 * - truth, truthSigma, truthState, truthSlope, truthCurvature [B, N]: what is asked; state 0 = not asked
 * - targetField, targetValue, targetSigma [nOrdered, T] and targetWeight [nOrdered, T] (0 = padding): the ordered galaxies' queries
 */
export function trainSignature(shape: BatchShape, nField: number): Signature {
  const batch = shape.nFull + shape.nMasked + shape.nOrdered;
  const f = { dtype: "float32", shape: [batch, nField] } as const;
  const ordered = [shape.nOrdered, shape.nTarget];
  return {
    ...contextSignature(batch, nField),
    truth: f,
    truthSigma: f,
    truthState: { dtype: "int32", shape: [batch, nField] },
    truthSlope: f,
    truthCurvature: f,
    ...(shape.nOrdered === 0
      ? {}
      : { ...orderSignature(shape.nOrdered, shape.nTarget), targetWeight: { dtype: "float32", shape: ordered } }),
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

/** Encoded values are kept within this many standard deviations: a wild pixel must not end a run. */
const WIDEST = 12;

/** Writes the context of one galaxy into place `b`; returns its scale. Flags of unobserved fields are ignored. */
export function fillContext(
  arrays: Arrays,
  b: number,
  coder: FieldCoder,
  catalog: Catalog,
  row: number,
  isContext: Uint8Array,
): number {
  const { nField, nBand } = coder;
  const scale = contextScale(catalog, row, isContext, nBand);
  arrays.scale.data[2 * b] = coder.encodeScale(scale);
  arrays.scale.data[2 * b + 1] = scale > 0 ? 1 : 0;
  for (let j = 0; j < nField; j++) {
    const at = row * nField + j;
    const state = catalog.state[at];
    if (isContext[j] === 0 || state === State.notObserved) continue;
    const to = b * nField + j;
    const x = catalog.value[at];
    arrays.state.data[to] = state;
    arrays.value.data[to] = Math.min(WIDEST, Math.max(-WIDEST, coder.encode(j, x, scale)));
    arrays.sigma.data[to] = coder.encodeError(j, x, catalog.error[at], scale);
    if (j < nBand) arrays.slope.data[to] = coder.zeroPointSlope(j, x, scale);
  }
  return scale;
}

/** Writes everything observed but not given as truth of the galaxy in place `b`; returns the fields asked. */
function fillTruth(
  arrays: Arrays,
  b: number,
  coder: FieldCoder,
  catalog: Catalog,
  row: number,
  isContext: Uint8Array,
  scale: number,
): number[] {
  const { nField, nBand } = coder;
  const asked: number[] = [];
  for (let j = 0; j < nField; j++) {
    const at = row * nField + j;
    const state = catalog.state[at];
    if (isContext[j] === 1 || state === State.notObserved) continue;
    asked.push(j);
    const to = b * nField + j;
    const x = catalog.value[at];
    arrays.truth.data[to] = Math.min(WIDEST, Math.max(-WIDEST, coder.encode(j, x, scale)));
    arrays.truthSigma.data[to] = coder.encodeError(j, x, catalog.error[at], scale);
    arrays.truthState.data[to] = state;
    if (j >= nBand) continue;
    arrays.truthSlope.data[to] = coder.zeroPointSlope(j, x, scale);
    arrays.truthCurvature.data[to] = coder.zeroPointCurvature(j, x, scale);
  }
  return asked;
}

/** Rows to draw from; one batch may mix several (simulations, labelled and unlabelled observations). */
export interface RowSource {
  readonly catalog: Catalog;
  readonly rows: Int32Array;
  /** Relative number of galaxies per batch. */
  readonly weight: number;
  readonly isCalibrated: boolean;
  /** False where no property is ever observed: such rows can't be asked for properties from all bands. */
  readonly hasLabels: boolean;
}

function pickSource(sources: readonly RowSource[], rng: Rng): RowSource {
  let u = rng.uniform() * sources.reduce((sum, { weight }) => sum + weight, 0);
  return sources.find(({ weight }) => (u -= weight) < 0) ?? sources[sources.length - 1];
}

/** Weighted sampling without replacement by exponential keys (Efraimidis & Spirakis 2006), in random order. */
function drawOrder(asked: number[], nBand: number, propertyWeight: number, nTarget: number, rng: Rng): number[] {
  let chosen = asked;
  if (asked.length > nTarget) {
    const keyed = asked.map((j) => ({ j, key: -Math.log(1 - rng.uniform()) / (j < nBand ? 1 : propertyWeight) }));
    keyed.sort((a, b) => a.key - b.key);
    chosen = keyed.slice(0, nTarget).map(({ j }) => j);
  }
  shuffleInPlace(chosen, rng);
  return chosen;
}

/** A training batch: a pure function of the sources and the stream `rng`. */
export function drawBatch(
  coder: FieldCoder,
  sources: readonly RowSource[],
  config: SubsetConfig,
  shape: BatchShape,
  rng: Rng,
): Record<string, NdArray> {
  const arrays = emptyArrays(trainSignature(shape, coder.nField));
  const isContext = new Uint8Array(coder.nField);
  const labelled = sources.filter(({ hasLabels }) => hasLabels);
  const batch = shape.nFull + shape.nMasked + shape.nOrdered;
  for (let b = 0; b < batch; b++) {
    const isFull = b < shape.nFull;
    const { catalog, rows, isCalibrated } = pickSource(isFull && labelled.length > 0 ? labelled : sources, rng);
    const row = rows[rng.integer(rows.length)];
    drawContext(coder, catalog, row, config, isFull, rng, isContext);
    const scale = fillContext(arrays, b, coder, catalog, row, isContext);
    const asked = fillTruth(arrays, b, coder, catalog, row, isContext, scale);
    arrays.isCalibrated.data[b] = isCalibrated ? 1 : 0;
    const a = b - shape.nFull - shape.nMasked;
    if (a < 0) continue;
    const order = drawOrder(asked, coder.nBand, config.propertyTargetWeight, shape.nTarget, rng);
    order.forEach((field, t) => {
      arrays.targetField.data[a * shape.nTarget + t] = field;
      arrays.targetValue.data[a * shape.nTarget + t] = arrays.truth.data[b * coder.nField + field]!;
      arrays.targetSigma.data[a * shape.nTarget + t] = arrays.truthSigma.data[b * coder.nField + field];
      arrays.targetWeight.data[a * shape.nTarget + t] = 1;
    });
  }
  return arrays;
}
