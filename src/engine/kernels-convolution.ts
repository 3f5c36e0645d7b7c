import { backend_util } from "@tensorflow/tfjs-core";
import { binary, matmul, reduce, reshape, reverse, transpose, where } from "./emit.ts";
import { sizeOf, type Graph, type Value } from "./graph.ts";
import { numbers, type Kernel, type KernelCall, type KernelTable } from "./kernel.ts";
import type { ConvolutionName } from "./kernel-names.ts";

/**
 * Convolution and pooling of images [B, H, W, C]; spectra are images of one row.
 *
 * Every window is written out (its values side by side) and the rest is one matrix product. The operators Conv and
 * ConvTranspose lose to that here: weight gradients as a Conv with its operands swapped took 2 to 5 times as long, input
 * gradients as a ConvTranspose 1.1 to 4 times, and the product shares its written-out windows with the weight gradient,
 * which needs them anyway (64 spectra, 2 to 64 channels, 128 to 8192 pixels, two threads).
 */

/** Rows and columns. */
type Pair = readonly [number, number];

/** Where windows lie: either the stride or the dilation is 1 along an axis, as in tfjs. */
interface Windows {
  readonly batch: number;
  readonly channels: number;
  readonly input: Pair;
  readonly output: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  /** Zeros before the first pixel. */
  readonly before: Pair;
}

const pair = (of: (axis: 0 | 1) => number): Pair => [of(0), of(1)];
/** Blocks of `stride` pixels that a window touches. */
const taps = ({ kernel, stride }: Windows): Pair => pair((i) => Math.ceil(kernel[i] / stride[i]));
/** Blocks that all windows touch together: output pixel i begins in block i. */
const blocks = (w: Windows): Pair => pair((i) => w.output[i] + (taps(w)[i] - 1) * w.dilation[i]);
/** Values of one block. */
const blockSize = ({ stride, channels }: Windows): number => stride[0] * stride[1] * channels;
/** Values of one window, padded to whole blocks. */
const windowSize = (w: Windows): number => taps(w)[0] * taps(w)[1] * blockSize(w);

type Info = ReturnType<typeof backend_util.computeConv2DInfo>;
const windowsOf = (info: Info): Windows => ({
  batch: info.batchSize,
  channels: info.inChannels,
  input: [info.inHeight, info.inWidth],
  output: [info.outHeight, info.outWidth],
  kernel: [info.filterHeight, info.filterWidth],
  stride: [info.strideHeight, info.strideWidth],
  dilation: [info.dilationHeight, info.dilationWidth],
  before: [info.padInfo.top, info.padInfo.left],
});

type Shape4 = [number, number, number, number];
type ConvArguments = Parameters<typeof backend_util.computeConv2DInfo>;
type PoolArguments = Parameters<typeof backend_util.computePool2DInfo>;

const convolutionOf = (image: readonly number[], filter: readonly number[], attrs: KernelCall["attrs"]): Windows => {
  const [strides, pad, rounding] = [attrs["strides"], attrs["pad"], attrs["dimRoundingMode"]] as [
    ConvArguments[2],
    ConvArguments[4],
    ConvArguments[5],
  ];
  const dilations = (attrs["dilations"] as ConvArguments[3] | undefined) ?? 1;
  if (attrs["dataFormat"] === "NCHW") throw new Error("convolution of NCHW is not in the table, expected NHWC");
  return windowsOf(
    backend_util.computeConv2DInfo(image as Shape4, filter as Shape4, strides, dilations, pad, rounding),
  );
};
const poolOf = ({ shape }: Value, attrs: KernelCall["attrs"]): Windows => {
  const [size, strides, pad, rounding] = [
    attrs["filterSize"],
    attrs["strides"],
    attrs["pad"],
    attrs["dimRoundingMode"],
  ] as [PoolArguments[1], PoolArguments[2], PoolArguments[4], PoolArguments[5]];
  return windowsOf(backend_util.computePool2DInfo(shape as Shape4, size, strides, 1, pad, rounding));
};

/** Adds (or, below zero, drops) pixels before and after: along every axis [before, after]. */
const resize = (g: Graph, x: Value, sides: readonly Pair[], fill = 0): Value => {
  if (sides.every(([before, after]) => before === 0 && after === 0)) return x;
  const pads = [...sides.map(([before]) => before), ...sides.map(([, after]) => after)];
  const shape = x.shape.map((dim, i) => dim + sides[i][0] + sides[i][1]);
  return g.node("Pad", [x, g.integers(pads), g.scalar("float32", fill)], { type: x.type, shape }, { mode: "constant" });
};

const NONE: Pair = [0, 0];
/** Pixels before and after the image that make it whole blocks. */
const margins = (w: Windows): readonly [Pair, Pair] => {
  const side = (i: 0 | 1): Pair => [w.before[i], blocks(w)[i] * w.stride[i] - w.before[i] - w.input[i]];
  return [side(0), side(1)];
};

/** [B, H, W, C] -> [B, rows, columns, block]. */
const toBlocks = (g: Graph, x: Value, w: Windows, fill: number): Value => {
  const [rows, columns] = blocks(w);
  const whole = resize(g, x, [NONE, ...margins(w), NONE], fill);
  const apart = reshape(g, whole, [w.batch, rows, w.stride[0], columns, w.stride[1], w.channels]);
  return reshape(g, transpose(g, apart, [0, 1, 3, 2, 4, 5]), [w.batch, rows, columns, blockSize(w)]);
};
const fromBlocks = (g: Graph, x: Value, w: Windows): Value => {
  const [rows, columns] = blocks(w);
  const apart = reshape(g, x, [w.batch, rows, columns, w.stride[0], w.stride[1], w.channels]);
  const shape = [w.batch, rows * w.stride[0], columns * w.stride[1], w.channels];
  const whole = reshape(g, transpose(g, apart, [0, 1, 3, 2, 4, 5]), shape);
  const cut = margins(w).map(([before, after]): Pair => [-before, -after]);
  return resize(g, whole, [NONE, ...cut, NONE]);
};

/** Block offsets of a window's taps, row after row. */
const offsets = (w: Windows): Pair[] => {
  const [rows, columns] = taps(w);
  return Array.from({ length: rows * columns }, (_, t) => [
    Math.floor(t / columns) * w.dilation[0],
    (t % columns) * w.dilation[1],
  ]);
};

/** Every window's values side by side: [B, Ho, Wo, window]. */
const unfold = (g: Graph, x: Value, w: Windows, fill = 0): Value => {
  const whole = toBlocks(g, x, w, fill);
  const shape = [w.batch, ...w.output, blockSize(w)];
  const parts = offsets(w).map(([row, column]) => {
    const [starts, ends] = [
      [row, column],
      [row + w.output[0], column + w.output[1]],
    ];
    if (shape.every((dim, i) => dim === whole.shape[i])) return whole;
    const ranges = [g.integers(starts), g.integers(ends), g.integers([1, 2])];
    return g.node("Slice", [whole, ...ranges], { type: x.type, shape });
  });
  if (parts.length === 1) return parts[0];
  return g.node("Concat", parts, { type: x.type, shape: [w.batch, ...w.output, windowSize(w)] }, { axis: 3 });
};

/** Adds every window's values [B, Ho, Wo, window] to the pixels they came from: the adjoint of `unfold`. */
const fold = (g: Graph, x: Value, w: Windows): Value => {
  const places = offsets(w);
  const size = blockSize(w);
  const [rows, columns] = blocks(w);
  const part = { type: x.type, shape: [w.batch, ...w.output, size] };
  const pieces =
    places.length === 1
      ? [x]
      : g.nodeMany(
          "Split",
          [x, g.integers(places.map(() => size))],
          places.map(() => part),
          { axis: 3 },
        );
  const placed = pieces.map((piece, t) => {
    const [row, column] = places[t];
    return resize(g, piece, [NONE, [row, rows - w.output[0] - row], [column, columns - w.output[1] - column], NONE]);
  });
  const sum = placed.length === 1 ? placed[0] : g.node("Sum", placed, placed[0]);
  return fromBlocks(g, sum, w);
};

const rowsOf = (g: Graph, x: Value): Value => reshape(g, x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
/** What pads a kernel to whole blocks. */
const excess = (w: Windows): readonly [Pair, Pair] => {
  const side = (i: 0 | 1): Pair => [0, taps(w)[i] * w.stride[i] - w.kernel[i]];
  return [side(0), side(1)];
};

/** A filter [kh, kw, I, O] in the order of a window's values: [window, O]. */
const filterRows = (g: Graph, filter: Value, w: Windows): Value => {
  const [, , channels, out] = filter.shape;
  const [t, s] = [taps(w), w.stride];
  const whole = resize(g, filter, [...excess(w), NONE, NONE]);
  const apart = reshape(g, whole, [t[0], s[0], t[1], s[1], channels, out]);
  return reshape(g, transpose(g, apart, [0, 2, 1, 3, 4, 5]), [windowSize(w), out]);
};

const convolve = (g: Graph, x: Value, filter: Value, w: Windows): Value => {
  const y = matmul(g, rowsOf(g, unfold(g, x, w)), filterRows(g, filter, w), false, false);
  return reshape(g, y, [w.batch, ...w.output, filter.shape[3]]);
};

/** With stride 1 a convolution with the turned filter, else the product folded back. */
const inputGradient: Kernel = ({ g, inputs, attrs }) => {
  const { dy, filter } = inputs;
  const w = convolutionOf(numbers(attrs["inputShape"]), filter.shape, attrs);
  if (w.stride[0] === 1 && w.stride[1] === 1) {
    const before = pair((i) => w.kernel[i] - 1 - w.before[i]);
    const back: Windows = { ...w, channels: filter.shape[3], input: w.output, output: w.input, before };
    return convolve(g, dy, transpose(g, reverse(g, filter, [0, 1]), [0, 1, 3, 2]), back);
  }
  const product = matmul(g, rowsOf(g, dy), filterRows(g, filter, w), false, true);
  return fold(g, reshape(g, product, [w.batch, ...w.output, windowSize(w)]), w);
};

const filterGradient: Kernel = ({ g, inputs, attrs }) => {
  const { x, dy } = inputs;
  const shape = numbers(attrs["filterShape"]);
  const w = convolutionOf(x.shape, shape, attrs);
  const [t, s] = [taps(w), w.stride];
  const product = matmul(g, rowsOf(g, unfold(g, x, w)), rowsOf(g, dy), true, false); // [window, O]
  const apart = reshape(g, product, [t[0], t[1], s[0], s[1], shape[2], shape[3]]);
  const whole = reshape(g, transpose(g, apart, [0, 2, 1, 3, 4, 5]), [t[0] * s[0], t[1] * s[1], shape[2], shape[3]]);
  const cut = excess(w).map(([, after]): Pair => [0, -after]);
  return resize(g, whole, [...cut, NONE, NONE]);
};

/** [K, 1] 1 for the values of a window that belong to the pool, 0 for what pads it to whole blocks. */
const isMember = (w: Windows): readonly number[] => {
  const [t, s] = [taps(w), w.stride];
  const size = s[0] * s[1];
  return Array.from({ length: t[0] * t[1] * size }, (_, k) => {
    const [tap, inside] = [Math.floor(k / size), k % size];
    const row = Math.floor(tap / t[1]) * s[0] + Math.floor(inside / s[1]);
    const column = (tap % t[1]) * s[1] + (inside % s[1]);
    return row < w.kernel[0] && column < w.kernel[1] ? 1 : 0;
  });
};

/** The values of every window, apart from its channels: [B, Ho, Wo, K, C]. */
const membersOf = (g: Graph, x: Value, w: Windows, fill: number): Value =>
  reshape(g, unfold(g, x, w, fill), [w.batch, ...w.output, windowSize(w) / w.channels, w.channels]);

/** Below every value: what a maximum never finds. */
const LOWEST = -3.4028234e38;

const candidates = (g: Graph, x: Value, w: Windows): Value => {
  const inside = isMember(w);
  const penalty = g.constant(
    "float32",
    [inside.length, 1],
    inside.map((one) => (one === 1 ? 0 : LOWEST)),
  );
  return binary(g, "Add", membersOf(g, x, w, LOWEST), penalty);
};

const maxPool: Kernel = ({ g, inputs: { x }, attrs }) =>
  reduce(g, "ReduceMax", candidates(g, x, poolOf(x, attrs)), { axes: [3], keepDims: false });

/** To the first of the largest of each window. */
const maxPoolGradient: Kernel = ({ g, inputs: { dy, input }, attrs }) => {
  const w = poolOf(input, attrs);
  const all = candidates(g, input, w);
  const places = [...w.output, 1, w.channels];
  const winner = g.node("ArgMax", [all], { type: "int64", shape: [w.batch, ...places] }, { axis: 3, keepdims: 1 });
  const order = g.constant(
    "int64",
    [all.shape[3], 1],
    Array.from({ length: all.shape[3] }, (_, k) => k),
  );
  const isWinner = binary(g, "Equal", winner, order, "bool");
  const share = where(g, isWinner, reshape(g, dy, [w.batch, ...places]), g.scalar("float32", 0));
  return fold(g, reshape(g, share, [w.batch, ...w.output, windowSize(w)]), w);
};

/** [K, 1] Membership, and [Ho, Wo, 1] how many pixels of the image each window has. */
const averaging = (g: Graph, w: Windows): { readonly inside: Value; readonly counts: Value } => {
  const along = (axis: 0 | 1, place: number): number => {
    const first = place * w.stride[axis] - w.before[axis];
    return Math.min(first + w.kernel[axis], w.input[axis]) - Math.max(first, 0);
  };
  const counts = Array.from(
    { length: w.output[0] * w.output[1] },
    (_, i) => along(0, Math.floor(i / w.output[1])) * along(1, i % w.output[1]),
  );
  const inside = isMember(w);
  return {
    inside: g.constant("float32", [inside.length, 1], inside),
    counts: g.constant("float32", [...w.output, 1], counts),
  };
};

/** Zeros around the image do not count. */
const averagePool: Kernel = ({ g, inputs: { x }, attrs }) => {
  const w = poolOf(x, attrs);
  const { inside, counts } = averaging(g, w);
  const members = binary(g, "Mul", membersOf(g, x, w, 0), inside);
  return binary(g, "Div", reduce(g, "ReduceSum", members, { axes: [3], keepDims: false }), counts);
};
export const convolutionKernels: KernelTable<ConvolutionName> = {
  Conv2D: ({ g, inputs: { x, filter }, attrs }) => convolve(g, x, filter, convolutionOf(x.shape, filter.shape, attrs)),
  Conv2DBackpropInput: inputGradient,
  Conv2DBackpropFilter: filterGradient,
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGradient,
  AvgPool: averagePool,
};
