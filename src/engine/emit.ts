import { backend_util } from "@tensorflow/tfjs-core";
import { hasOperator } from "./lacking.ts";
import { sameShape, sizeOf, type Graph, type Value } from "./graph.ts";
import type { OnnxType } from "./onnx.ts";

/**
 * The vocabulary in which kernel rows are written: each function adds the fewest ONNX nodes that say it.
 * Neutral elements, repeated reshapes and undone transposes vanish here, before ONNX Runtime sees them.
 */

const MICROSOFT = "com.microsoft";

export const cast = (g: Graph, x: Value, type: OnnxType): Value => {
  if (x.type === type) return x;
  if (x.uniform !== undefined) {
    const toBool = type === "bool" ? Number(x.uniform !== 0) : x.uniform;
    return g.uniform(type, x.shape, type === "float32" ? toBool : Math.trunc(toBool));
  }
  return g.node("Cast", [x], { type, shape: x.shape }, { to: { float32: 1, int32: 6, int64: 7, bool: 9 }[type] });
};

export const reshape = (g: Graph, x: Value, shape: readonly number[]): Value => {
  if (sameShape(x.shape, shape)) return x;
  if (x.uniform !== undefined) return g.uniform(x.type, shape, x.uniform);
  const from = x.producer?.op === "Reshape" ? x.producer.inputs[0]! : x;
  if (sameShape(from.shape, shape)) return from;
  return g.node("Reshape", [from, g.integers(shape)], { type: x.type, shape });
};

export const transpose = (g: Graph, x: Value, perm: readonly number[]): Value => {
  if (perm.every((axis, i) => axis === i)) return x;
  const shape = perm.map((axis) => x.shape[axis]);
  if (x.uniform !== undefined) return g.uniform(x.type, shape, x.uniform);
  const kept = perm.filter((axis) => x.shape[axis] !== 1);
  if (kept.every((axis, i) => i === 0 || axis > kept[i - 1])) return reshape(g, x, shape);
  if (x.producer?.op === "Transpose") {
    const inner = x.producer.attributes["perm"] as readonly number[];
    return transpose(
      g,
      x.producer.inputs[0]!,
      perm.map((axis) => inner[axis]),
    );
  }
  return g.node("Transpose", [x], { type: x.type, shape }, { perm });
};

/** The same elements with the order along some axes turned round. */
export const reverse = (g: Graph, x: Value, axes: readonly number[]): Value => {
  const turned = axes.filter((axis) => x.shape[axis] > 1);
  if (turned.length === 0) return x;
  const all = (value: number): Value => g.integers(turned.map(() => value));
  return g.node("Slice", [x, all(-1), all(-(2 ** 53)), g.integers(turned), all(-1)], x);
};

const broadcastShape = (a: readonly number[], b: readonly number[]): number[] =>
  backend_util.assertAndGetBroadcastShape([...a], [...b]);

export const expand = (g: Graph, x: Value, shape: readonly number[]): Value => {
  if (sameShape(x.shape, shape)) return x;
  if (x.uniform !== undefined) return g.uniform(x.type, shape, x.uniform);
  return g.node("Expand", [x, g.integers(shape)], { type: x.type, shape });
};

/** The smallest array that broadcasts to `x`: one element for a uniform constant, the operand of an Expand. */
const shrink = (g: Graph, x: Value): Value => {
  if (x.uniform !== undefined) return g.scalar(x.type, x.uniform);
  return x.producer?.op === "Expand" ? x.producer.inputs[0]! : x;
};

/** Replaces operands by smaller ones wherever the broadcast result keeps its shape. */
const shrinkAll = (g: Graph, operands: readonly Value[], shape: readonly number[]): Value[] => {
  const kept = [...operands];
  for (const [i, operand] of operands.entries()) {
    const small = shrink(g, operand);
    const shapes = kept.map((other, j) => (i === j ? small.shape : other.shape));
    if (sameShape(shapes.reduce(broadcastShape), shape)) kept[i] = small;
  }
  return kept;
};

/** Result of an operator on two numbers when both operands are uniform constants. */
const folded: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};
const rightNeutral: Readonly<Record<string, number>> = { Add: 0, Sub: 0, Mul: 1, Div: 1 };
const leftNeutral: Readonly<Record<string, number>> = { Add: 0, Mul: 1 };

/** A broadcasting operator of two operands of one type; `type` is the type of the result. */
export const binary = (g: Graph, op: string, a: Value, b: Value, type: OnnxType = a.type): Value => {
  const shape = broadcastShape(a.shape, b.shape);
  if (a.uniform !== undefined && b.uniform !== undefined && type === "float32" && folded[op] !== undefined) {
    return g.uniform(type, shape, folded[op](a.uniform, b.uniform));
  }
  if (b.uniform !== undefined && b.uniform === rightNeutral[op] && sameShape(a.shape, shape)) return a;
  if (a.uniform !== undefined && a.uniform === leftNeutral[op] && sameShape(b.shape, shape)) return b;
  const [left, right] = shrinkAll(g, [a, b], shape);
  return g.node(op, [left, right], { type, shape });
};

export const unary = (g: Graph, op: string, x: Value, type: OnnxType = x.type): Value =>
  g.node(op, [x], { type, shape: x.shape });

export const where = (g: Graph, condition: Value, yes: Value, no: Value): Value => {
  const shape = [condition, yes, no].map((v) => v.shape).reduce(broadcastShape);
  return g.node("Where", shrinkAll(g, [condition, yes, no], shape), { type: yes.type, shape });
};

export const addScalar = (g: Graph, x: Value, term: number): Value => binary(g, "Add", x, g.scalar(x.type, term));
export const mulScalar = (g: Graph, x: Value, factor: number): Value => binary(g, "Mul", x, g.scalar(x.type, factor));

export interface Reduction {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

const reducedShape = (shape: readonly number[], { axes, keepDims }: Reduction): number[] =>
  keepDims ? shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) : shape.filter((_, i) => !axes.includes(i));

export const reduce = (g: Graph, op: string, x: Value, { axes, keepDims }: Reduction): Value => {
  const shape = reducedShape(x.shape, { axes, keepDims });
  const trivial = axes.every((axis) => x.shape[axis] === 1);
  const isLeading = axes.every((axis, i) => axis === i) && axes.length > 0 && axes.length < x.shape.length;
  if (op === "ReduceSum" && isLeading && x.type === "float32" && !trivial) return sumLeading(g, x, axes.length, shape);
  if (trivial && /^Reduce(Sum|Mean|Max|Min|Prod)$/.test(op)) return reshape(g, x, shape);
  const isWhole = axes.length === x.shape.length && x.type === "float32";
  if (op === "ReduceSum" && isWhole && g.device === "webgpu" && sizeOf(x.shape) > LONGEST_SUM) {
    return reshape(g, sumInParts(g, x), shape);
  }
  const axesInput = g.integers(axes);
  return g.node(op, [x, axesInput], { type: x.type, shape }, { keepdims: Number(keepDims) });
};

/** Elements that one thread may add up one after the other: a million lose three digits, and nothing else runs meanwhile. */
const LONGEST_SUM = 4096;

/** The sum of everything on WebGPU, where one thread computes one element of the result: first in as many parts as long ones. */
const sumInParts = (g: Graph, x: Value): Value => {
  const size = sizeOf(x.shape);
  const side = Math.ceil(Math.sqrt(size));
  const flat = reshape(g, x, [size]);
  const missing = [0, side * side - size];
  const spec = { type: x.type, shape: [side * side] };
  const full =
    missing[1] === 0
      ? flat
      : g.node("Pad", [flat, g.integers(missing), g.scalar(x.type, 0)], spec, { mode: "constant" });
  const parts = reduce(g, "ReduceSum", reshape(g, full, [side, side]), { axes: [1], keepDims: false });
  return reduce(g, "ReduceSum", parts, { axes: [0], keepDims: false });
};

/** Sums over leading axes as ones times a matrix: faster than the reduction, and absorbs constant factors. */
const sumLeading = (g: Graph, x: Value, count: number, shape: readonly number[]): Value => {
  const rows = sizeOf(x.shape.slice(0, count));
  const columns = sizeOf(x.shape.slice(count));
  const flat = reshape(g, x, [rows, columns]);
  const ones = g.uniform("float32", [1, rows], 1);
  return reshape(g, g.node("Gemm", [ones, flat], { type: "float32", shape: [1, columns] }), shape);
};

/** Matrix product over the last two axes, either operand taken transposed, with no Transpose node. */
export const matmul = (g: Graph, a: Value, b: Value, transA: boolean, transB: boolean, alpha = 1): Value => {
  const [left, flipA] = unwrapSwap(a);
  const [right, flipB] = unwrapSwap(b);
  const tA = transA !== flipA;
  const tB = transB !== flipB;
  const rows = left.shape.at(tA ? -1 : -2)!;
  const cols = right.shape.at(tB ? -2 : -1)!;
  const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const output = { type: left.type, shape: [...batch, rows, cols] };
  const attributes = { transA: Number(tA), transB: Number(tB), alpha: { float: alpha } };
  if (sizeOf(batch) === 1) {
    const flat = [left, right].map((v) => reshape(g, v, v.shape.slice(-2)));
    const flatOutput = { type: left.type, shape: [rows, cols] };
    // ONNX Runtime would merge a Gemm with a Transpose behind it, undoing the choice of the faster orientation.
    const isFused = tA && !tB && hasOperator(g.device, "FusedMatMul");
    const y = g.node(isFused ? "FusedMatMul" : "Gemm", flat, flatOutput, attributes, isFused ? MICROSOFT : "");
    return reshape(g, y, output.shape);
  }
  if (!tA && !tB && alpha === 1) return g.node("MatMul", [left, right], output);
  if (hasOperator(g.device, "FusedMatMul")) {
    return g.node("FusedMatMul", [left, right], output, attributes, MICROSOFT);
  }
  const operands = [tA ? swapLast(g, left) : left, tB ? swapLast(g, right) : right];
  return mulScalar(g, g.node("MatMul", operands, output), alpha);
};

/** The last two axes in the other order. */
const swapLast = (g: Graph, x: Value): Value => {
  const n = x.shape.length;
  return transpose(g, x, [...x.shape.slice(0, -2).keys(), n - 1, n - 2]);
};

/** The operand under a Transpose that only swaps the last two axes, and whether there was one. */
const unwrapSwap = (x: Value): readonly [Value, boolean] => {
  if (x.producer?.op !== "Transpose") return [x, false];
  const perm = x.producer.attributes["perm"] as readonly number[];
  const n = perm.length;
  const isSwap = perm.every((axis, i) => axis === (i === n - 1 ? n - 2 : i === n - 2 ? n - 1 : i));
  return isSwap ? [x.producer.inputs[0]!, true] : [x, false];
};
