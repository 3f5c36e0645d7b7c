import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { KernelName } from "../../src/engine/kernel-names.ts";
import * as ops from "../../src/engine/ops.ts";
import { type Case, type Domain, flat, many, shaped } from "./case.ts";
import { convolutionCases } from "./cases-convolution.ts";

const one = (fn: Case["fn"], domain: Domain = "any", isFlat = false): Case[] => [
  { inputs: [[[3, 4], domain]], fn, isFlat },
];
const two = (fn: Case["fn"], domain: Domain = "any", isFlat = false): Case[] =>
  (
    [
      [
        [3, 4],
        [3, 4],
      ],
      [
        [2, 3, 4],
        [3, 1],
      ],
      [[4], [3, 1]],
      [[], [2, 3]],
    ] as const
  ).map(([a, b]) => ({
    inputs: [
      [a, domain],
      [b, domain],
    ],
    fn,
    isFlat,
  }));
const asBool = (x: Tensor): Tensor => tf.cast(x, "bool");
const { fill } = tf;
const picked = (x: Tensor): tf.Tensor1D => x as tf.Tensor1D;

const reductions = (fn: (x: Tensor, axis?: number | number[], keepDims?: boolean) => Tensor): Case[] => [
  shaped([2, 3, 4], (x) => fn(x)),
  shaped([2, 3, 4], (x) => fn(x, -1, true)),
  shaped([2, 3, 4], (x) => fn(x, [0, 2])),
  shaped([2, 3, 4], (x) => fn(x, 0)),
  shaped([2, 1, 4], (x) => fn(x, 1)),
];

const product = (a: number[], b: number[], tA: boolean, tB: boolean): Case =>
  many([a, b], (x, y) => tf.matMul(x, y, tA, tB));

/** At least one case for every row of the kernel table. */
export const cases: { readonly [K in KernelName]: readonly Case[] } = {
  Abs: one(tf.abs),
  Neg: one(tf.neg),
  Sign: one(tf.sign, "any", true),
  Exp: one(tf.exp),
  Expm1: [...one(tf.expm1), shaped([5], (x) => tf.expm1(tf.mul(x, 1e-4)))],
  Log: one(tf.log, "positive"),
  Log1p: [...one(tf.log1p, "positive"), shaped([5], (x) => tf.log1p(tf.mul(x, 1e-4)))],
  Sqrt: one(tf.sqrt, "positive"),
  Rsqrt: one(tf.rsqrt, "positive"),
  Square: one(tf.square),
  Reciprocal: one(tf.reciprocal, "positive"),
  Sin: one(tf.sin),
  Cos: one(tf.cos),
  Tan: one((x) => tf.tan(tf.mul(x, 0.5))),
  Asin: one(tf.asin, "unit"),
  Acos: one(tf.acos, "unit"),
  Atan: one(tf.atan),
  Sinh: one(tf.sinh),
  Cosh: one(tf.cosh),
  Tanh: one(tf.tanh),
  Asinh: one(tf.asinh),
  Acosh: one(tf.acosh, "above one"),
  Atanh: one(tf.atanh, "unit"),
  Sigmoid: one(tf.sigmoid),
  Softplus: one(tf.softplus),
  Relu: one(tf.relu),
  Elu: one(tf.elu),
  LeakyRelu: one((x) => tf.leakyRelu(x, 0.1)),
  Erf: one(tf.erf),
  Floor: one(tf.floor, "any", true),
  Ceil: one(tf.ceil, "any", true),
  Round: one(tf.round, "any", true),
  Step: one((x) => tf.step(x, 0.2), "any", true),
  IsNan: one((x) => tf.isNaN(tf.log(x)), "any", true),
  IsInf: one((x) => tf.isInf(tf.div(x, tf.relu(x))), "any", true),
  IsFinite: one((x) => tf.isFinite(tf.log(x)), "any", true),
  LogicalNot: one((x) => tf.logicalNot(asBool(x)), "booleans", true),
  Identity: one((x) => tf.clone(x)),
  Cast: [
    ...one((x) => tf.cast(x, "int32"), "any", true),
    ...one((x) => tf.cast(tf.cast(x, "bool"), "float32"), "booleans", true),
    ...one((x) => tf.cast(tf.greater(x, 0), "int32"), "any", true),
  ],
  ClipByValue: one((x) => tf.clipByValue(x, -0.5, 1.1)),
  Add: [...two(tf.add), flat(shaped([3, 4], (x) => tf.add(tf.cast(x, "int32"), 2)))],
  Sub: two(tf.sub),
  Multiply: [...two(tf.mul), shaped([3, 4], (x) => tf.mul(x, tf.ones([3, 4]))), shaped([3], (x) => tf.mul(x, x))],
  RealDiv: two(tf.div, "positive"),
  Maximum: two(tf.maximum),
  Minimum: two(tf.minimum),
  Pow: [...two(tf.pow, "positive"), ...one((x) => tf.pow(x, 3)), ...one((x) => tf.pow(x, 2))],
  SquaredDifference: two(tf.squaredDifference),
  FloorDiv: [...two(tf.floorDiv, "positive", true)],
  Mod: [
    many([[3, 4], [4]], (a, b) => tf.mod(a, tf.add(b, 3)), "positive"),
    flat(many([[6], [6]], (a, b) => tf.mod(tf.cast(a, "int32"), tf.cast(tf.add(b, 3), "int32")), "whole")),
  ],
  AddN: [
    many(
      [
        [3, 4],
        [3, 4],
        [3, 4],
      ],
      (a, b, c) => tf.addN([a, b, c]),
    ),
  ],
  Equal: two(tf.equal, "whole", true),
  NotEqual: two(tf.notEqual, "whole", true),
  Greater: two(tf.greater, "whole", true),
  GreaterEqual: two(tf.greaterEqual, "whole", true),
  Less: two(tf.less, "whole", true),
  LessEqual: two(tf.lessEqual, "whole", true),
  LogicalAnd: two((a, b) => tf.logicalAnd(asBool(a), asBool(b)), "booleans", true),
  LogicalOr: two((a, b) => tf.logicalOr(asBool(a), asBool(b)), "booleans", true),
  Select: [
    many(
      [
        [3, 4],
        [3, 4],
      ],
      (a, b) => tf.where(tf.greater(a, 0.1), a, b),
    ),
    many([[4], [3, 1]], (a, b) => tf.where(tf.greater(b, 0), a, b)),
    many([[3, 4], [4]], (a, b) => tf.where(tf.less(b, 0), tf.scalar(2), a)),
    shaped([3, 4], (x) => ops.logNdtr(tf.mul(x, 3))),
  ],
  Reshape: [shaped([2, 6], (x) => tf.reshape(x, [3, -1])), shaped([1], (x) => tf.reshape(x, []))],
  ExpandDims: [shaped([2, 3], (x) => tf.expandDims(x, 1)), shaped([2, 3], (x) => tf.expandDims(x, -1))],
  Transpose: [
    shaped([2, 3, 4], (x) => tf.transpose(x, [1, 2, 0])),
    shaped([2, 1, 4], (x) => tf.transpose(x, [1, 0, 2])),
    shaped([2, 3, 4], (x) => tf.transpose(tf.transpose(x, [2, 0, 1]), [1, 0, 2])),
  ],
  Concat: [
    many(
      [
        [2, 3],
        [2, 1],
        [2, 2],
      ],
      (a, b, c) => tf.concat([a, b, c], 1),
    ),
    many([[2], [3]], (a, b) => tf.concat([a, b], -1)),
  ],
  SplitV: [
    shaped([2, 6], (x) => tf.split(x, [1, 3, 2], 1)),
    shaped([6, 2], (x) => tf.split(x, 3)),
    shaped([5], (x) => tf.split(x, [2, -1])[1]),
  ],
  Slice: [
    shaped([3, 4], (x) => tf.slice(x, [1, 0], [2, -1])),
    shaped([3, 4], (x) => tf.slice(x, [0, 1], [3, 2])),
    shaped([6], (x) => tf.slice(x, 2)),
  ],
  Pack: [
    many(
      [
        [2, 3],
        [2, 3],
      ],
      (a, b) => tf.stack([a, b], 1),
    ),
    many([[], []], (a, b) => tf.stack([a, b])),
  ],
  Unpack: [shaped([2, 3, 2], (x) => tf.unstack(x, 1)), shaped([4], (x) => tf.unstack(x))],
  PadV2: [
    shaped([2, 3], (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 2],
        ],
        0.5,
      ),
    ),
  ],
  Tile: [
    shaped([2, 3], (x) => tf.tile(x, [2, 3])),
    shaped([2, 1], (x) => tf.tile(x, [1, 4])),
    shaped([3, 1], (x) => tf.mul(tf.broadcastTo(x, [2, 3, 4]), x)),
  ],
  GatherV2: [
    {
      inputs: [
        [[5, 3], "any"],
        [[4], "indices"],
      ],
      fn: (x, i) => tf.gather(x, tf.cast(i, "int32")),
    },
    {
      inputs: [
        [[2, 5, 3], "any"],
        [[2, 4], "indices"],
      ],
      fn: (x, i) => tf.gather(x, tf.cast(i, "int32"), 1),
    },
    {
      inputs: [
        [[2, 5, 3], "any"],
        [[2, 4], "indices"],
      ],
      fn: (x, i) => tf.gather(x, tf.cast(i, "int32"), 1, 1),
    },
    {
      inputs: [
        [[5], "any"],
        [[2, 3], "indices"],
      ],
      fn: (x, i) => tf.gather(x, tf.cast(i, "int32")),
    },
  ],
  OneHot: [
    flat(shaped([4], (i) => tf.oneHot(tf.cast(i, "int32"), 5), "indices")),
    flat(shaped([2, 3], (i) => tf.oneHot(tf.cast(tf.sub(i, 1), "int32"), 3, 2, -1, "float32"), "indices")),
  ],
  UnsortedSegmentSum: [
    {
      inputs: [
        [[6, 2], "any"],
        [[6], "indices"],
      ],
      fn: (x, ids) => tf.unsortedSegmentSum(x, picked(tf.cast(ids, "int32")), 5),
    },
  ],
  Reverse: [shaped([3, 4], (x) => tf.reverse(x, [1])), shaped([3, 4], (x) => tf.reverse(x, [0, -1]))],
  Range: [shaped([4], (x) => tf.mul(x, tf.range(0, 8, 2)))],
  Fill: [shaped([3, 4], (x) => tf.add(x, fill(x.shape, 2.5))), shaped([1], (x) => tf.add(x, fill([100], 2.5)))],
  ZerosLike: one((x) => tf.zerosLike(x), "any", true),
  OnesLike: one((x) => tf.onesLike(x), "any", true),
  Sum: [...reductions(tf.sum), flat(shaped([3, 4], (x) => tf.sum(asBool(x), 1), "booleans"))],
  Mean: reductions(tf.mean),
  Max: [...reductions(tf.max), shaped([3, 4], (x) => tf.logSumExp(x, 1)), shaped([3, 4], (x) => tf.logSoftmax(x))],
  Min: reductions(tf.min),
  Prod: reductions(tf.prod),
  All: [flat(shaped([3, 4], (x) => tf.all(asBool(x), 1), "booleans"))],
  Any: [flat(shaped([3, 4], (x) => tf.any(asBool(x), 0, true), "booleans"))],
  ArgMax: [flat(shaped([3, 4], (x) => tf.argMax(x, -1))), flat(shaped([3, 4], (x) => tf.argMax(x)))],
  ArgMin: [flat(shaped([3, 4], (x) => tf.argMin(x, 1)))],
  TopK: [
    shaped([3, 7], (x) => {
      const { values, indices } = tf.topk(x, 3);
      return tf.mul(values, tf.add(tf.cast(indices, "float32"), 1));
    }),
    shaped([2, 3, 5], (x) => tf.topk(x, 5).values),
    flat(shaped([4, 6], (x) => tf.topk(x, 2).indices)),
  ],
  Softmax: [
    shaped([3, 4], (x) => tf.softmax(x)),
    many(
      [
        [2, 3, 4],
        [2, 5, 4],
        [2, 5, 4],
        [2, 1, 3, 5],
      ],
      (q, k, v, bias) => ops.attention(q, k, v, 2, bias),
    ),
  ],
  FusedLogSoftmax: [shaped([3, 4], (x) => ops.logSoftmax(tf.mul(x, 9)))],
  FusedLogSumExp: [
    shaped([2, 3, 4], (x) => ops.logSumExp(tf.mul(x, 9), [0, 2])),
    shaped([3, 4], (x) => ops.logSumExp(x, -1, true)),
  ],
  Cumsum: [
    shaped([2, 4], (x) => tf.cumsum(x, 1)),
    shaped([2, 4, 3], (x) => tf.cumsum(tf.transpose(x, [0, 2, 1]), 2, true, true)),
  ],
  BatchMatMul: [
    product([3, 4], [4, 2], false, false),
    product([4, 3], [4, 2], true, false),
    product([3, 4], [2, 4], false, true),
    product([4, 3], [2, 4], true, true),
    product([2, 3, 4], [2, 4, 2], false, false),
    product([2, 4, 3], [2, 2, 4], true, true),
    product([2, 3, 4], [1, 2, 4], false, true),
    many(
      [
        [2, 3, 4],
        [2, 3, 5],
      ],
      (a, b) => tf.matMul(tf.transpose(a, [0, 2, 1]), b),
    ),
    product([2, 2, 3, 4], [2, 2, 3, 4], false, true),
  ],
  ...convolutionCases,
  FusedLayerNorm: [
    many([[3, 6], [6], [6]], (x, gain, bias) => ops.layerNorm(x, gain, bias)),
    many([[2, 3, 6], [6]], (x, gain) => ops.layerNorm(x, gain)),
  ],
  FusedGelu: [
    shaped([3, 4], (x) => ops.gelu(tf.mul(x, 2))),
    // The whole chain in which constant factors are absorbed by products.
    many([[2, 3, 4], [4, 5], [5], [5, 2]], (x, w, b, v) => ops.linear(ops.gelu(ops.linear(x, w, b)), v)),
  ],
  FusedNormalise: [
    many([[3, 6]], (x) => ops.normalise(x)),
    many([[2, 3, 6], [6], [6], [6, 4], [4]], (x, gain, bias, w, b) => {
      const folded = ops.foldNorm({ w, b }, gain, bias);
      return ops.linearParts(ops.normalise(x), folded, 2);
    }),
  ],
  FusedGeluGrad: [
    flat(
      many(
        [
          [3, 4],
          [3, 4],
        ],
        (dy, x) => tf.engine().runKernel<Tensor>("FusedGeluGrad", { dy, x }),
      ),
    ),
  ],
  FusedLinear: [
    many([[2, 3, 4], [4, 5], [5]], (x, w, b) => ops.linear(x, w, b)),
    many(
      [
        [3, 4],
        [4, 5],
      ],
      (x, w) => ops.linear(x, w),
    ),
  ],
  ScaledMatMul: [
    many(
      [
        [2, 3, 4],
        [2, 3, 4],
      ],
      (a, b) => ops.product(a, b, { transposeB: true, alpha: 0.3 }),
    ),
    many(
      [
        [2, 4, 3],
        [2, 4, 5],
      ],
      (a, b) => ops.product(a, b, { transposeA: true }),
    ),
    many(
      [
        [3, 4],
        [4, 5],
      ],
      (a, b) => ops.product(a, b, { alpha: -2 }),
    ),
  ],
};

const wave = (i: number): number => 1.7 * Math.sin(0.9 + 2.399 * i + 0.11 * i * i);
const domains: Readonly<Record<Domain, (i: number) => number>> = {
  any: wave,
  positive: (i) => 0.4 + Math.abs(wave(i)),
  unit: (i) => 0.5 * wave(i),
  "above one": (i) => 1.3 + Math.abs(wave(i)),
  indices: (i) => (3 * i + (i >> 1)) % 5,
  booleans: (i) => ((i * i) % 3) % 2,
  whole: (i) => (i * 7) % 4,
};
/** Row-major elements; `seed` tells the inputs of one case apart. */
export const elements = (size: number, domain: Domain, seed: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => domains[domain](i + 31 * seed));
