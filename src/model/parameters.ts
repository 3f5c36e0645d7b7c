import * as tf from "@tensorflow/tfjs-core";
import type { Rng } from "../random.ts";

/** One named parameter. `std` 0 starts it at `start` (default 0), otherwise N(start, std^2). */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly std: number;
  readonly start?: number | readonly number[];
  /** Matrices decay, gains, biases and embeddings don't (Loshchilov & Hutter 2019 as practised since). */
  readonly isDecayed: boolean;
  /** Between other parameters of its own kind of evidence: starts at random even where its field comes later. */
  readonly isHidden?: boolean;
}

/** A weight matrix [rows, columns], decayed, of variance gain^2 / rows. */
export const matrix = (name: string, rows: number, columns: number, gain = 1): ParameterSpec => ({
  name,
  shape: [rows, columns],
  std: gain / Math.sqrt(rows),
  isDecayed: true,
});

/** An embedding or bias: N(0, std^2), not decayed. */
export const table = (name: string, shape: readonly number[], std = 0): ParameterSpec => ({
  name,
  shape,
  std,
  isDecayed: false,
});

/** A vector that starts at given values, not decayed; `start` repeats. */
export const vector = (name: string, size: number, start: number | readonly number[]): ParameterSpec => ({
  name,
  shape: [size],
  std: 0,
  start,
  isDecayed: false,
});

/** Where each parameter lives in the one flat vector that the optimiser sees. Decayed parameters come first. */
export interface Layout {
  readonly specs: readonly ParameterSpec[];
  readonly offsets: readonly number[];
  readonly total: number;
  /** Elements [0, decayed) decay. */
  readonly decayed: number;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function createLayout(specs: readonly ParameterSpec[]): Layout {
  const ordered = [...specs.filter((s) => s.isDecayed), ...specs.filter((s) => !s.isDecayed)];
  const offsets: number[] = [];
  let total = 0;
  let decayed = 0;
  for (const spec of ordered) {
    offsets.push(total);
    total += sizeOf(spec.shape);
    if (spec.isDecayed) decayed = total;
  }
  return { specs: ordered, offsets, total, decayed };
}

export function initialise(layout: Layout, rng: Rng): Float32Array {
  const flat = new Float32Array(layout.total);
  layout.specs.forEach((spec, i) => {
    const start = spec.start ?? 0;
    const size = sizeOf(spec.shape);
    for (let k = 0; k < size; k++) {
      const centre = typeof start === "number" ? start : start[k % start.length];
      flat[layout.offsets[i] + k] = centre + (spec.std > 0 ? spec.std * rng.normal() : 0);
    }
  });
  return flat;
}

/** The elements of one parameter in a flat vector, as a view. @throws Error for a name that the layout doesn't have. */
export function parameterIn(flat: Float32Array, layout: Layout, name: string): Float32Array {
  const i = layout.specs.findIndex((spec) => spec.name === name);
  if (i < 0) throw new Error(`no parameter ${name}`);
  return flat.subarray(layout.offsets[i], layout.offsets[i] + sizeOf(layout.specs[i].shape));
}

/** What the names of the factors [rows, rank] and [rank, columns] of a matrix's low-rank adapter end with. */
export const [ADAPTER_LEFT, ADAPTER_RIGHT] = [".adapter.left", ".adapter.right"] as const;

/** Parameters with what adapters add to their matrices; the same where there are none. */
function adapted(params: Record<string, tf.Tensor>): Record<string, tf.Tensor> {
  for (const name of Object.keys(params)) {
    if (!name.endsWith(ADAPTER_LEFT)) continue;
    const own = name.slice(0, -ADAPTER_LEFT.length);
    params[own] = tf.add(params[own], tf.matMul(params[name], params[`${own}${ADAPTER_RIGHT}`]));
  }
  return params;
}

/** [P] -> named tensors. One Split; its gradient is one Concat. */
export function unpack(flat: tf.Tensor, layout: Layout): Record<string, tf.Tensor> {
  const sizes = layout.specs.map((spec) => sizeOf(spec.shape));
  const parts = tf.split(flat, sizes);
  return adapted(Object.fromEntries(layout.specs.map((spec, i) => [spec.name, tf.reshape(parts[i], [...spec.shape])])));
}

/** Named tensors of a vector that never changes: constants of a traced function, of which only those used remain. */
export function constantsOf(flat: Float32Array, layout: Layout): Record<string, tf.Tensor> {
  const entries = layout.specs.map(({ name, shape }, i) => {
    const offset = layout.offsets[i];
    return [name, tf.tensor(flat.subarray(offset, offset + sizeOf(shape)), [...shape])] as const;
  });
  return adapted(Object.fromEntries(entries));
}

/**
 * Puts the elements of `flat`, which is of the layout `old`, where they are in the layout `next` of a grown vocabulary: every
 * parameter keeps its old elements at its beginning, along both of its axes.
 * @throws Error for a parameter that shrinks.
 */
function placeOld(old: Layout, flat: Float32Array, next: Layout, into: Float32Array): void {
  next.specs.forEach(({ name, shape }, i) => {
    const k = old.specs.findIndex((spec) => spec.name === name);
    if (k < 0) return;
    const from = matrixShape(old.specs[k].shape);
    const to = matrixShape(shape);
    if (from.rows > to.rows || from.columns > to.columns) {
      throw new Error(
        `parameter ${name} has shape [${shape.join()}], expected at least [${old.specs[k].shape.join()}]`,
      );
    }
    for (let row = 0; row < from.rows; row++) {
      const start = old.offsets[k] + row * from.columns;
      into.set(flat.subarray(start, start + from.columns), next.offsets[i] + row * to.columns);
    }
  });
}

/**
 * A vector of the layout of a grown vocabulary, with its old elements in place; what is new starts at `start`, else at 0, so
 * that a new field says nothing until it is trained. Hidden ones are drawn from `rng`: between zeros no gradient would
 * ever reach them.
 * @throws Error for a parameter that shrinks.
 */
export function growParameters(old: Layout, flat: Float32Array, next: Layout, rng: Rng): Float32Array {
  const specs = next.specs.map((spec) => (spec.isHidden === true ? spec : { ...spec, std: 0 }));
  const grown = initialise({ ...next, specs }, rng);
  placeOld(old, flat, next, grown);
  return grown;
}

/** [P] of a grown layout: 1 where an element came with the growth, 0 where `old` has it. */
export function grownElements(old: Layout, next: Layout): Float32Array {
  const isNew = new Float32Array(next.total).fill(1);
  placeOld(old, new Float32Array(old.total), next, isNew);
  return isNew;
}

/** Rows are the first axis of a matrix; a vector is one row. */
function matrixShape(shape: readonly number[]): { rows: number; columns: number } {
  if (shape.length < 2) return { rows: 1, columns: shape[0] ?? 1 };
  return { rows: shape[0], columns: sizeOf(shape.slice(1)) };
}
