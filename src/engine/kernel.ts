import type { Graph, Value } from "./graph.ts";

/** What a kernel row is given: the graph to add nodes to, tfjs's named inputs (or list of inputs) and attributes. */
export interface KernelCall {
  readonly g: Graph;
  /** Named inputs. For kernels that take a list (`Concat`, `Pack`, `AddN`) the names are "0", "1", ... */
  readonly inputs: Readonly<Record<string, Value>>;
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** One row of the kernel table: adds the ONNX nodes of one tfjs kernel and returns its output(s). */
export type Kernel = (call: KernelCall) => Value | readonly Value[];
/** A row for every name: a missing one does not compile. */
export type KernelTable<Name extends string> = { readonly [K in Name]: Kernel };

/** A number or a list of them as a list; nothing as an empty one. */
export const numbers = (value: unknown): readonly number[] => {
  if (value === undefined || value === null) return [];
  return typeof value === "number" ? [value] : Array.from(value as ArrayLike<number>);
};
export const integer = (value: unknown): number => value as number;
/** Axis counted from the front. */
export const axisFromFront = (value: unknown, rank: number): number => {
  const axis = (value as number | undefined) ?? 0;
  return axis < 0 ? axis + rank : axis;
};
/** Axes counted from the front; all of them when absent. */
export const axesOf = (value: unknown, rank: number): readonly number[] => {
  if (value === undefined || value === null) return Array.from({ length: rank }, (_, i) => i);
  return numbers(value).map((axis) => axisFromFront(axis, rank));
};
export const listOf = (inputs: KernelCall["inputs"]): readonly Value[] =>
  Object.keys(inputs)
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => inputs[key]);
