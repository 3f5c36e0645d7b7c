import { binary, cast, expand, reshape, reverse, transpose, where } from "./emit.ts";
import { sizeOf, type Graph, type Value } from "./graph.ts";
import {
  axesOf,
  axisFromFront,
  integer,
  listOf,
  numbers,
  type Kernel,
  type KernelCall,
  type KernelTable,
} from "./kernel.ts";
import type { ShapeName } from "./kernel-names.ts";
import { hasOperator, mostOutputs } from "./lacking.ts";
import type { OnnxType } from "./onnx.ts";

const typeOf = (value: unknown): OnnxType => (value as OnnxType | undefined) ?? "float32";

const concat: Kernel = ({ g, inputs, attrs }) => {
  const parts = listOf(inputs).filter((part) => sizeOf(part.shape) > 0);
  const first = parts[0] ?? listOf(inputs)[0];
  if (parts.length < 2) return first;
  const axis = axisFromFront(attrs["axis"], first.shape.length);
  const length = parts.reduce((n, part) => n + part.shape[axis], 0);
  const shape = first.shape.map((dim, i) => (i === axis ? length : dim));
  return g.node("Concat", parts, { type: first.type, shape }, { axis });
};

const splitAlong = (g: Graph, x: Value, axis: number, sizes: readonly number[]): readonly Value[] => {
  if (sizes.length === 1) return [x];
  const most = mostOutputs[g.device];
  if (sizes.length > most) {
    const perPart = Math.max(most, Math.ceil(sizes.length / most));
    const parts = Array.from({ length: Math.ceil(sizes.length / perPart) }, (_, i) =>
      sizes.slice(i * perPart, (i + 1) * perPart),
    );
    const wholes = parts.map((part) => part.reduce((n, size) => n + size, 0));
    return splitAlong(g, x, axis, wholes).flatMap((whole, i) => splitAlong(g, whole, axis, parts[i]));
  }
  const outputs = sizes.map((size) => ({ type: x.type, shape: x.shape.map((dim, i) => (i === axis ? size : dim)) }));
  return g.nodeMany("Split", [x, g.integers(sizes)], outputs, { axis });
};

const split: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const axis = axisFromFront(attrs["axis"], x.shape.length);
  const length = x.shape[axis];
  const given = attrs["numOrSizeSplits"];
  const wanted = typeof given === "number" ? new Array<number>(given).fill(length / given) : numbers(given);
  const known = wanted.reduce((n, size) => n + Math.max(size, 0), 0);
  return splitAlong(
    g,
    x,
    axis,
    wanted.map((size) => (size < 0 ? length - known : size)),
  );
};

const slice: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const begin = x.shape.map((_, i) => numbers(attrs["begin"])[i] ?? 0);
  const sizes = numbers(attrs["size"]);
  const shape = x.shape.map((dim, i) => ((sizes[i] ?? -1) < 0 ? dim - begin[i] : sizes[i]));
  const axes = x.shape.map((_, i) => i).filter((i) => shape[i] !== x.shape[i]);
  if (axes.length === 0) return x;
  if (x.uniform !== undefined) return g.uniform(x.type, shape, x.uniform);
  const starts = axes.map((i) => begin[i]);
  const ends = axes.map((i) => begin[i] + shape[i]);
  return g.node("Slice", [x, g.integers(starts), g.integers(ends), g.integers(axes)], { type: x.type, shape });
};

const pack: Kernel = ({ g, inputs, attrs }) => {
  const parts = listOf(inputs);
  const axis = axisFromFront(attrs["axis"], parts[0].shape.length + 1);
  const grown = parts.map((part) => reshape(g, part, part.shape.toSpliced(axis, 0, 1)));
  return concat({ g, inputs: Object.fromEntries(grown.entries()), attrs: { axis } });
};

const unpack: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["value"];
  const axis = axisFromFront(attrs["axis"], x.shape.length);
  const parts = splitAlong(g, x, axis, new Array<number>(x.shape[axis]).fill(1));
  return parts.map((part) => reshape(g, part, x.shape.toSpliced(axis, 1)));
};

const pad: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const paddings = attrs["paddings"] as readonly (readonly [number, number])[];
  const shape = x.shape.map((dim, i) => dim + paddings[i][0] + paddings[i][1]);
  const pads = [...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])];
  const fill = g.scalar(x.type, (attrs["constantValue"] as number | undefined) ?? 0);
  return g.node("Pad", [x, g.integers(pads), fill], { type: x.type, shape }, { mode: "constant" });
};

/** Repetition along axes of length one is a broadcast, which later nodes absorb. */
const tile: Kernel = ({ g, inputs, attrs }) => {
  const x = inputs["x"];
  const reps = numbers(attrs["reps"]);
  const shape = x.shape.map((dim, i) => dim * reps[i]);
  if (x.shape.every((dim, i) => dim === 1 || reps[i] === 1)) return expand(g, x, shape);
  return g.node("Tile", [x, g.integers(reps)], { type: x.type, shape });
};

/** Rows of `x` chosen by index; with batchDims both operands share that many leading axes. */
const gather: Kernel = ({ g, inputs, attrs }) => {
  const [x, indices] = [inputs["x"], cast(g, inputs["indices"], "int32")];
  const axis = axisFromFront(attrs["axis"], x.shape.length);
  const batchDims = (attrs["batchDims"] as number | undefined) ?? 0;
  const inner = indices.shape.slice(batchDims);
  const shape = [...x.shape.slice(0, axis), ...inner, ...x.shape.slice(axis + 1)];
  if (batchDims === 0) return g.node("Gather", [x, indices], { type: x.type, shape }, { axis });
  if (axis !== batchDims) throw new Error(`gather with batchDims ${batchDims} needs axis ${batchDims}, got ${axis}`);
  // GatherND indexes one vector per query: [...batch, n, 1] -> [...batch, n, ...rest].
  const flatQueries = reshape(g, indices, [...indices.shape, 1]);
  const wide = cast(g, flatQueries, "int64");
  return g.node("GatherND", [x, wide], { type: x.type, shape }, { batch_dims: batchDims });
};

/** ONNX Runtime has the operator for float results; others are cast. */
const oneHotOf = (g: Graph, indices: Value, depth: number, type: OnnxType, on = 1, off = 0): Value => {
  if (!hasOperator(g.device, "OneHot")) {
    const places = g.constant("int32", [depth], [...Array.from({ length: depth }).keys()]);
    const isPlace = binary(g, "Equal", reshape(g, cast(g, indices, "int32"), [...indices.shape, 1]), places, "bool");
    return cast(g, where(g, isPlace, g.scalar("float32", on), g.scalar("float32", off)), type);
  }
  const values = g.constant("float32", [2], [off, on]);
  const output = { type: "float32" as const, shape: [...indices.shape, depth] };
  const operands = [cast(g, indices, "int32"), g.scalar("int32", depth), values];
  return cast(g, g.node("OneHot", operands, output, { axis: -1 }), type);
};

/** tfjs gives zeros for indices out of range, where ONNX counts negative ones from the end. */
const oneHot: Kernel = ({ g, inputs, attrs }) => {
  const indices = cast(g, inputs["indices"], "int32");
  const depth = integer(attrs["depth"]);
  const on = (attrs["onValue"] as number | undefined) ?? 1;
  const off = (attrs["offValue"] as number | undefined) ?? 0;
  const isNegative = binary(g, "Less", indices, g.scalar("int32", 0), "bool");
  const safe = g.node("Where", [isNegative, g.scalar("int32", depth), indices], indices);
  return oneHotOf(g, safe, depth, typeOf(attrs["dtype"]), on, off);
};

/**
 * Sums of rows that share a segment. ScatterND took 0.1 ms where a product with a one-hot matrix took 1.0 and
 * ScatterElements 1.2 (2560 rows of 64 into 80 segments, one thread).
 */
const unsortedSegmentSum: Kernel = ({ g, inputs, attrs }) => {
  const [x, ids] = [inputs["x"], cast(g, inputs["segmentIds"], "int64")];
  const shape = [integer(attrs["numSegments"]), ...x.shape.slice(1)];
  const queries = reshape(g, ids, [x.shape[0], 1]);
  const output = { type: x.type, shape };
  return g.node("ScatterND", [g.uniform(x.type, shape, 0), queries, x], output, { reduction: "add" });
};

const turn: Kernel = ({ g, inputs: { x }, attrs }) => reverse(g, x, axesOf(attrs["dims"], x.shape.length));

const range: Kernel = ({ g, attrs }) => {
  const [start, stop, step] = [attrs["start"], attrs["stop"], attrs["step"]].map(Number) as [number, number, number];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  const values = Array.from({ length: count }, (_, i) => start + i * step);
  return g.constant(typeOf(attrs["dtype"]), [count], values);
};

const permute = ({ g, inputs, attrs }: KernelCall): Value => transpose(g, inputs["x"], numbers(attrs["perm"]));
const like =
  (fill: number): Kernel =>
  ({ g, inputs: { x } }) =>
    g.uniform(x.type, x.shape, fill);

export const shapeKernels: KernelTable<ShapeName> = {
  Reshape: ({ g, inputs, attrs }) => {
    const x = inputs["x"];
    const shape = numbers(attrs["shape"]);
    const known = shape.reduce((n, dim) => (dim < 0 ? n : n * dim), 1);
    return reshape(
      g,
      x,
      shape.map((dim) => (dim < 0 ? sizeOf(x.shape) / known : dim)),
    );
  },
  ExpandDims: ({ g, inputs, attrs }) => {
    const x = inputs["input"];
    return reshape(g, x, x.shape.toSpliced(axisFromFront(attrs["dim"], x.shape.length + 1), 0, 1));
  },
  Transpose: permute,
  Concat: concat,
  SplitV: split,
  Slice: slice,
  Pack: pack,
  Unpack: unpack,
  PadV2: pad,
  Tile: tile,
  GatherV2: gather,
  OneHot: oneHot,
  UnsortedSegmentSum: unsortedSegmentSum,
  Reverse: turn,
  Range: range,
  Fill: ({ g, attrs }) => g.uniform(typeOf(attrs["dtype"]), numbers(attrs["shape"]), Number(attrs["value"])),
  ZerosLike: like(0),
  OnesLike: like(1),
};
