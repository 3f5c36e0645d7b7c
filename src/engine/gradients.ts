import * as tf from "@tensorflow/tfjs-core";
import type { GradConfig, Tensor } from "@tensorflow/tfjs-core";
import { convolutionGradients } from "./gradients-convolution.ts";
import { axesOf, axisFromFront, integer, numbers } from "./kernel.ts";
import type { DifferentiableKernel, TfjsName } from "./kernel-names.ts";

/**
 * The derivative of each kernel, in tfjs-core ops, for every executor. tfjs's own rules are not used: in Node the core
 * package registers none, several allocate full-size constants (sum, mean), some are quadratic or wrong beyond the
 * common case (tile, cumsum on inner axes, products with broadcast batches), and comparisons have none at all.
 */
export type GradientRow = Omit<GradConfig, "kernelName">;
type Gradient = ReturnType<GradConfig["gradFunc"]>;

/** Sums a gradient over the axes along which its operand was broadcast. */
export const unbroadcast = (gradient: Tensor, shape: readonly number[]): Tensor => {
  const axes = tf.broadcast_util.getReductionAxes([...shape], gradient.shape);
  return tf.reshape(axes.length > 0 ? tf.sum(gradient, axes) : gradient, [...shape]);
};

const one = (dy: Tensor | Tensor[]): Tensor => dy as Tensor;
const float = (x: Tensor): Tensor => tf.cast(x, "float32");
const zeros = (x: Tensor): Tensor => tf.zeros(x.shape, "float32");

/** A function of one operand, differentiated from that operand. */
const ofInput = (rule: (dy: Tensor, x: Tensor) => Tensor): GradientRow => ({
  inputsToSave: ["x"],
  gradFunc: (dy, [x]) => ({ x: () => rule(one(dy), x) }),
});
/** A function of one operand, differentiated from its own result. */
const ofOutput = (rule: (dy: Tensor, y: Tensor) => Tensor): GradientRow => ({
  outputsToSave: [true],
  gradFunc: (dy, [y]) => ({ x: () => rule(one(dy), y) }),
});
const flat = (...names: string[]): GradientRow => ({
  inputsToSave: names,
  gradFunc: (_, saved): Gradient => Object.fromEntries(names.map((name, i) => [name, () => zeros(saved[i])])),
});
/** A broadcasting function of two operands: `rule` gives both gradients at the broadcast shape. */
const ofPair = (
  rule: (dy: Tensor, a: Tensor, b: Tensor) => { readonly a: () => Tensor; readonly b: () => Tensor },
): GradientRow => ({
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [Tensor, Tensor];
    const both = rule(one(dy), float(a), float(b));
    return { a: () => unbroadcast(both.a(), a.shape), b: () => unbroadcast(both.b(), b.shape) };
  },
});

const where = (condition: Tensor, yes: Tensor): Tensor => tf.where(condition, yes, tf.scalar(0));

/** The gradient of a reduction, with its reduced axes back as axes of length one. */
const withReducedAxes = (dy: Tensor, x: Tensor, axes: readonly number[]): Tensor =>
  tf.reshape(
    dy,
    x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
  );
const reductionAxes = (attrs: tf.NamedAttrMap, x: Tensor): readonly number[] =>
  axesOf(attrs["axis"] ?? attrs["reductionIndices"], x.rank);

const extremum: GradientRow = {
  inputsToSave: ["x"],
  outputsToSave: [true],
  gradFunc: (dy, [x, y], attrs) => {
    const axes = reductionAxes(attrs, x);
    return {
      x: () => where(tf.equal(x, withReducedAxes(y, x, axes)), withReducedAxes(one(dy), x, axes)),
    };
  },
};

/** d prod / d x_i = product of the others, formed directly so that zeros are no obstacle. */
const product: GradientRow = {
  inputsToSave: ["x"],
  gradFunc: (dy, [x], attrs) => {
    const axes = reductionAxes(attrs, x);
    const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const perm = [...kept, ...axes];
    const moved = tf.transpose(x, perm); // [kept..., reduced...]
    const n = axes.reduce((size, axis) => size * x.shape[axis], 1);
    const rows = tf.reshape(moved, [-1, 1, n]); // [outer, 1, n]
    const isSelf = tf.cast(tf.oneHot(tf.range(0, n, 1, "int32"), Math.max(n, 2)), "bool");
    const others = tf.prod(tf.where(tf.slice(isSelf, [0, 0], [n, n]), tf.scalar(1), rows), 2); // [outer, n]
    const back = tf.transpose(tf.reshape(others, moved.shape), tf.backend_util.getUndoAxesPermutation(perm));
    return { x: () => tf.mul(back, withReducedAxes(one(dy), x, axes)) };
  },
};

/** Products sum their gradient over batch axes along which an operand was broadcast. */
const matMul: GradientRow = {
  inputsToSave: ["a", "b"],
  gradFunc: (dyOrList, saved, attrs) => {
    const [a, b] = saved as [Tensor, Tensor];
    const dy = one(dyOrList);
    const [tA, tB] = [attrs["transposeA"] === true, attrs["transposeB"] === true];
    return {
      a: () => unbroadcast(tA ? tf.matMul(b, dy, tB, true) : tf.matMul(dy, b, false, !tB), a.shape),
      b: () => unbroadcast(tB ? tf.matMul(dy, a, true, tA) : tf.matMul(a, dy, !tA, false), b.shape),
    };
  },
};

const gather: GradientRow = {
  inputsToSave: ["x", "indices"],
  gradFunc: (dyOrList, saved, attrs) => {
    const [x, indices] = saved as [Tensor, Tensor];
    const dy = one(dyOrList);
    const axis = axisFromFront(attrs["axis"], x.rank);
    const batchDims = (attrs["batchDims"] as number | undefined) ?? 0;
    const dx = (): Tensor => {
      const n = x.shape[axis];
      if (batchDims > 0) {
        const chosen = tf.oneHot(tf.cast(indices, "int32"), n, 1, 0, "float32"); // [batch..., m, n]
        const batch = indices.shape.slice(0, batchDims);
        const m = tf.util.sizeFromShape(indices.shape.slice(batchDims));
        const product = tf.matMul(tf.reshape(chosen, [...batch, m, n]), tf.reshape(dy, [...batch, m, -1]), true);
        return tf.reshape(product, x.shape);
      }
      const outer = x.shape.map((_, i) => i).slice(0, axis);
      const merged = tf.reshape(dy, [...x.shape.slice(0, axis), indices.size, ...x.shape.slice(axis + 1)]);
      const perm = [axis, ...outer, ...x.shape.map((_, i) => i).slice(axis + 1)];
      const ids = tf.reshape<tf.Rank.R1>(tf.cast(indices, "int32"), [indices.size]);
      const sums = tf.unsortedSegmentSum(tf.transpose(merged, perm), ids, n);
      return tf.transpose(sums, tf.backend_util.getUndoAxesPermutation(perm));
    };
    return { x: dx, indices: () => zeros(indices) };
  },
};

/** Each tiled axis becomes (repetition, element); the repetitions are summed. */
const tile: GradientRow = {
  inputsToSave: ["x"],
  gradFunc: (dy, [x], attrs) => {
    const reps = numbers(attrs["reps"]);
    const shape: number[] = [];
    const axes: number[] = [];
    for (const [i, dim] of x.shape.entries()) {
      if (reps[i] !== 1) axes.push(shape.push(reps[i]) - 1);
      shape.push(dim);
    }
    return { x: () => tf.sum(tf.reshape(one(dy), shape), axes) };
  },
};

const slice: GradientRow = {
  inputsToSave: ["x"],
  gradFunc: (dy, [x], attrs) => {
    const begin = x.shape.map((_, i) => numbers(attrs["begin"])[i] ?? 0);
    const size = one(dy).shape;
    const paddings = x.shape.map((dim, i): [number, number] => [begin[i], dim - begin[i] - size[i]]);
    return { x: () => tf.pad(one(dy), paddings) };
  },
};

const concat: GradientRow = {
  saveAllInputs: true,
  gradFunc: (dy, saved, attrs) => {
    const axis = axisFromFront(attrs["axis"], saved[0].rank);
    const parts = tf.split(
      one(dy),
      saved.map((part) => part.shape[axis]),
      axis,
    );
    return parts.map((part) => () => part) as unknown as Gradient;
  },
};

const pow: GradientRow = {
  inputsToSave: ["a", "b"],
  outputsToSave: [true],
  gradFunc: (dyOrList, saved) => {
    const [a, b, y] = saved as [Tensor, Tensor, Tensor];
    const dy = one(dyOrList);
    const log = (): Tensor => tf.where(tf.greater(a, 0), tf.log(a), tf.zerosLike(a));
    return {
      a: () => unbroadcast(tf.mul(dy, tf.mul(float(b), tf.pow(a, tf.sub(float(b), 1)))), a.shape),
      b: () => unbroadcast(tf.mul(dy, tf.mul(y, log())), b.shape),
    };
  },
};

const reshaped = (name: string): GradientRow => ({
  inputsToSave: [name],
  gradFunc: (dy, [x]) => ({ [name]: () => tf.reshape(one(dy), x.shape) }),
});

export const gradients: { readonly [K in DifferentiableKernel & TfjsName]: GradientRow } = {
  Abs: ofInput((dy, x) => tf.mul(dy, tf.sign(x))),
  Neg: { gradFunc: (dy) => ({ x: () => tf.neg(one(dy)) }) },
  Exp: ofOutput((dy, y) => tf.mul(dy, y)),
  Expm1: ofOutput((dy, y) => tf.mul(dy, tf.add(y, 1))),
  Log: ofInput((dy, x) => tf.div(dy, x)),
  Log1p: ofInput((dy, x) => tf.div(dy, tf.add(x, 1))),
  Sqrt: ofOutput((dy, y) => tf.div(tf.mul(dy, 0.5), y)),
  Rsqrt: ofOutput((dy, y) => tf.mul(tf.mul(dy, -0.5), tf.mul(y, tf.square(y)))),
  Square: ofInput((dy, x) => tf.mul(dy, tf.mul(float(x), 2))),
  Reciprocal: ofOutput((dy, y) => tf.neg(tf.mul(dy, tf.square(y)))),
  Sin: ofInput((dy, x) => tf.mul(dy, tf.cos(x))),
  Cos: ofInput((dy, x) => tf.neg(tf.mul(dy, tf.sin(x)))),
  Tan: ofOutput((dy, y) => tf.mul(dy, tf.add(tf.square(y), 1))),
  Asin: ofInput((dy, x) => tf.mul(dy, tf.rsqrt(tf.sub(1, tf.square(x))))),
  Acos: ofInput((dy, x) => tf.neg(tf.mul(dy, tf.rsqrt(tf.sub(1, tf.square(x)))))),
  Atan: ofInput((dy, x) => tf.div(dy, tf.add(tf.square(x), 1))),
  Sinh: ofInput((dy, x) => tf.mul(dy, tf.cosh(x))),
  Cosh: ofInput((dy, x) => tf.mul(dy, tf.sinh(x))),
  Tanh: ofOutput((dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
  Asinh: ofInput((dy, x) => tf.mul(dy, tf.rsqrt(tf.add(tf.square(x), 1)))),
  Acosh: ofInput((dy, x) => tf.mul(dy, tf.rsqrt(tf.sub(tf.square(x), 1)))),
  Atanh: ofInput((dy, x) => tf.div(dy, tf.sub(1, tf.square(x)))),
  Sigmoid: ofOutput((dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
  Softplus: ofInput((dy, x) => tf.mul(dy, tf.sigmoid(x))),
  Relu: ofOutput((dy, y) => where(tf.greater(y, 0), dy)),
  Elu: ofOutput((dy, y) => tf.mul(dy, tf.add(tf.minimum(y, 0), 1))),
  LeakyRelu: {
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => ({
      x: () => tf.where(tf.greater(x, 0), one(dy), tf.mul(one(dy), attrs["alpha"] as number)),
    }),
  },
  Erf: ofInput((dy, x) => tf.mul(dy, tf.mul(tf.exp(tf.neg(tf.square(x))), 2 / Math.sqrt(Math.PI)))),
  Sign: flat("x"),
  Floor: flat("x"),
  Ceil: flat("x"),
  Round: flat("x"),
  Step: flat("x"),
  IsNan: flat("x"),
  IsInf: flat("x"),
  IsFinite: flat("x"),
  LogicalNot: flat("x"),
  Identity: { gradFunc: (dy) => ({ x: () => float(one(dy)) }) },
  Cast: { gradFunc: (dy) => ({ x: () => tf.clone(one(dy)) }) },
  ClipByValue: {
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => {
      const [low, high] = [integer(attrs["clipValueMin"]), integer(attrs["clipValueMax"])];
      return { x: () => where(tf.logicalAnd(tf.greaterEqual(x, low), tf.lessEqual(x, high)), one(dy)) };
    },
  },
  Add: ofPair((dy) => ({ a: () => dy, b: () => dy })),
  Sub: ofPair((dy) => ({ a: () => dy, b: () => tf.neg(dy) })),
  Multiply: ofPair((dy, a, b) => ({ a: () => tf.mul(dy, b), b: () => tf.mul(dy, a) })),
  RealDiv: ofPair((dy, a, b) => ({
    a: () => tf.div(dy, b),
    b: () => tf.neg(tf.div(tf.mul(dy, tf.div(a, b)), b)),
  })),
  Maximum: ofPair((dy, a, b) => ({
    a: () => where(tf.greaterEqual(a, b), dy),
    b: () => where(tf.less(a, b), dy),
  })),
  Minimum: ofPair((dy, a, b) => ({
    a: () => where(tf.lessEqual(a, b), dy),
    b: () => where(tf.greater(a, b), dy),
  })),
  SquaredDifference: ofPair((dy, a, b) => ({
    a: () => tf.mul(dy, tf.mul(tf.sub(a, b), 2)),
    b: () => tf.mul(dy, tf.mul(tf.sub(b, a), 2)),
  })),
  Pow: pow,
  Mod: ofPair((dy, a, b) => ({ a: () => dy, b: () => tf.neg(tf.mul(dy, tf.floor(tf.div(a, b)))) })),
  FloorDiv: flat("a", "b"),
  AddN: {
    saveAllInputs: true,
    gradFunc: (dy, saved) => saved.map(() => () => tf.clone(one(dy))) as unknown as Gradient,
  },
  Equal: flat("a", "b"),
  NotEqual: flat("a", "b"),
  Greater: flat("a", "b"),
  GreaterEqual: flat("a", "b"),
  Less: flat("a", "b"),
  LessEqual: flat("a", "b"),
  LogicalAnd: flat("a", "b"),
  LogicalOr: flat("a", "b"),
  Select: {
    inputsToSave: ["condition"],
    gradFunc: (dy, [condition]) => ({
      condition: () => zeros(condition),
      t: () => where(condition, one(dy)),
      e: () => tf.where(condition, tf.scalar(0), one(dy)),
    }),
  },
  Reshape: reshaped("x"),
  ExpandDims: reshaped("input"),
  Transpose: {
    gradFunc: (dy, _, attrs) => {
      const undo = tf.backend_util.getUndoAxesPermutation([...numbers(attrs["perm"])]);
      return { x: () => tf.transpose(one(dy), undo) };
    },
  },
  Concat: concat,
  SplitV: { gradFunc: (dy, _, attrs) => ({ x: () => tf.concat(dy as Tensor[], integer(attrs["axis"])) }) },
  Slice: slice,
  Pack: {
    saveAllInputs: true,
    gradFunc: (dy, _, attrs) =>
      tf.unstack(one(dy), integer(attrs["axis"])).map((part) => () => part) as unknown as Gradient,
  },
  Unpack: { gradFunc: (dy, _, attrs) => ({ value: () => tf.stack(dy as Tensor[], integer(attrs["axis"])) }) },
  PadV2: {
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => {
      const begin = (attrs["paddings"] as unknown as [number, number][]).map((p) => p[0]);
      return { x: () => tf.slice(one(dy), begin, x.shape) };
    },
  },
  Tile: tile,
  GatherV2: gather,
  OneHot: flat("indices"),
  UnsortedSegmentSum: {
    inputsToSave: ["segmentIds"],
    gradFunc: (dy, [ids]) => ({
      x: () => tf.gather(one(dy), tf.cast(ids, "int32")),
      segmentIds: () => zeros(ids),
    }),
  },
  Reverse: { gradFunc: (dy, _, attrs) => ({ x: () => tf.reverse(one(dy), [...numbers(attrs["dims"])]) }) },
  ZerosLike: flat("x"),
  OnesLike: flat("x"),
  Sum: {
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => ({
      x: () => tf.broadcastTo(withReducedAxes(one(dy), x, reductionAxes(attrs, x)), x.shape),
    }),
  },
  Mean: {
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => {
      const axes = reductionAxes(attrs, x);
      const count = axes.reduce((n, axis) => n * x.shape[axis], 1);
      return { x: () => tf.broadcastTo(tf.div(withReducedAxes(one(dy), x, axes), count), x.shape) };
    },
  },
  Max: extremum,
  Min: extremum,
  Prod: product,
  All: flat("x"),
  Any: flat("x"),
  ArgMax: flat("x"),
  ArgMin: flat("x"),
  TopK: {
    inputsToSave: ["x"],
    outputsToSave: [false, true],
    gradFunc: (dy, [x, places]) => ({
      x: () => {
        const [n, k] = [x.shape.at(-1)!, places.shape.at(-1)!];
        const rows = x.size / n;
        const starts = Float32Array.from({ length: rows }, (_, row) => row * n);
        const flatPlaces = tf.add(tf.reshape(places, [rows, k]), tf.tensor2d(starts, [rows, 1]));
        const ids = tf.cast(tf.reshape<tf.Rank.R1>(flatPlaces, [rows * k]), "int32");
        const sums = tf.unsortedSegmentSum(tf.reshape((dy as Tensor[])[0], [rows * k]), ids, x.size);
        return tf.reshape(sums, x.shape);
      },
    }),
  },
  Softmax: {
    outputsToSave: [true],
    gradFunc: (dy, [y], attrs) => ({
      logits: () => tf.mul(y, tf.sub(one(dy), tf.sum(tf.mul(one(dy), y), integer(attrs["dim"]), true))),
    }),
  },
  Cumsum: {
    gradFunc: (dy, _, attrs) => ({
      x: () => tf.cumsum(one(dy), integer(attrs["axis"]), attrs["exclusive"] === true, attrs["reverse"] !== true),
    }),
  },
  BatchMatMul: matMul,
  ...convolutionGradients,
};
