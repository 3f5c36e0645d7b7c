import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { addScalar, binary, matmul, mulScalar, reduce, reshape, unary } from "./emit.ts";
import { unbroadcast, type GradientRow } from "./gradients.ts";
import { sizeOf, type Graph, type Value } from "./graph.ts";
import { axesOf, numbers, type Kernel } from "./kernel.ts";
import { hasOperator } from "./lacking.ts";
import type { DifferentiableKernel, FusedName } from "./kernel-names.ts";

/**
 * Kernels that tfjs does not have. Each says itself three times: as ONNX nodes, as a composition of tfjs ops for the
 * eager backends, and as a derivative. `runKernel` then treats it like any other.
 */
interface ForwardKernel {
  readonly emit: Kernel;
  readonly compose: (inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap) => Tensor | Tensor[];
}
interface CustomKernel extends ForwardKernel {
  readonly gradient: GradientRow;
}

const one = (dy: Tensor | Tensor[]): Tensor => dy as Tensor;
const rowsOf = (x: Tensor): Tensor => tf.reshape(x, [-1, x.shape.at(-1)!]);
const sumRows = (x: Tensor): Tensor => tf.sum(rowsOf(x), 0);

/** Layer normalisation over the last axis; also returns mean and inverse standard deviation [..., 1]. */
const layerNorm: CustomKernel = {
  emit: ({ g, inputs, attrs }) => {
    const x = inputs["x"];
    const axis = x.shape.length - 1;
    const rows = { type: x.type, shape: [...x.shape.slice(0, -1), 1] };
    const operands = [x, inputs["gain"], inputs["bias"]];
    return g.nodeMany("LayerNormalization", operands, [x, rows, rows], {
      axis,
      epsilon: { float: attrs["epsilon"] as number },
    });
  },
  compose: ({ x, gain, bias }, { epsilon }) => {
    const mean = tf.mean(x, -1, true);
    const centred = tf.sub(x, mean);
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon as number));
    return [tf.add(tf.mul(tf.mul(centred, inverse), gain), bias), mean, inverse];
  },
  gradient: {
    inputsToSave: ["x", "gain", "bias"],
    outputsToSave: [false, true, true],
    gradFunc: (dyList, saved) => {
      const [x, gain, bias, mean, inverse] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const dy = (dyList as Tensor[])[0];
      const normal = tf.mul(tf.sub(x, mean), inverse);
      const product = tf.mul(dy, normal);
      const column = tf.reshape(tf.mul(gain, 1 / gain.size), [-1, 1]);
      const mix = (t: Tensor): Tensor => tf.reshape(tf.matMul(rowsOf(t), column), inverse.shape);
      const dx = (): Tensor => tf.mul(tf.sub(tf.sub(tf.mul(dy, gain), tf.mul(normal, mix(product))), mix(dy)), inverse);
      return {
        x: dx,
        gain: () => tf.reshape(sumRows(product), gain.shape),
        bias: () => tf.reshape(sumRows(dy), bias.shape),
      };
    },
  },
};

/** (x - mean) / sqrt(variance + epsilon) over the last axis; also returns the inverse standard deviation [..., 1]. */
const normalise: CustomKernel = {
  emit: ({ g, inputs, attrs }) => {
    const x = inputs["x"];
    const axis = x.shape.length - 1;
    const rows = { type: x.type, shape: [...x.shape.slice(0, -1), 1] };
    const ones = g.uniform("float32", x.shape.slice(-1), 1);
    const epsilon = { float: attrs["epsilon"] as number };
    const [y, , inverse] = g.nodeMany("LayerNormalization", [x, ones], [x, rows, rows], { axis, epsilon });
    return [y, inverse];
  },
  compose: ({ x }, { epsilon }) => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon as number));
    return [tf.mul(centred, inverse), inverse];
  },
  gradient: {
    outputsToSave: [true, true],
    gradFunc: (dyList, saved) => {
      const [y, inverse] = saved as [Tensor, Tensor];
      const dy = (dyList as Tensor[])[0];
      const along = tf.mul(y, tf.mean(tf.mul(dy, y), -1, true));
      return { x: () => tf.mul(tf.sub(tf.sub(dy, along), tf.mean(dy, -1, true)), inverse) };
    },
  },
};

/** 1 + erf(u), twice the normal distribution function of u sqrt 2. */
const onePlusErf = (u: Tensor): Tensor => tf.add(tf.erf(u), 1);

/** u = x / sqrt 2 and 1 + erf(u): what the value and the derivative of GELU share. */
const geluParts = (g: Graph, x: Value): { readonly u: Value; readonly p: Value } => {
  const u = mulScalar(g, x, Math.SQRT1_2);
  return { u, p: addScalar(g, unary(g, "Erf", u), 1) };
};

/**
 * x Phi(x) is one node for inference. For training it is u (1 + erf u) / sqrt 2 with u = x / sqrt 2, whose factors vanish
 * into the products around it and whose parts the derivative reuses.
 */
const gelu: CustomKernel = {
  emit: ({ g, inputs }) => {
    const x = inputs["x"];
    const y = unary(g, "Gelu", x);
    const { u, p } = geluParts(g, x);
    g.offer(y, mulScalar(g, binary(g, "Mul", u, p), Math.SQRT1_2), p);
    return y;
  },
  compose: ({ x }) => tf.mul(tf.mul(x, 0.5), onePlusErf(tf.mul(x, Math.SQRT1_2))),
  gradient: {
    inputsToSave: ["x"],
    gradFunc: (dy, [x]) => ({ x: () => tf.engine().runKernel<Tensor>("FusedGeluGrad", { dy: one(dy), x: x }) }),
  },
};

/** dy (1 + erf u + 2 u exp(-u^2) / sqrt pi) / 2. */
const geluGrad: ForwardKernel = {
  emit: ({ g, inputs }) => {
    const { u, p } = geluParts(g, inputs["x"]);
    const bell = binary(g, "Div", u, unary(g, "Exp", binary(g, "Mul", u, u)));
    const slope = binary(g, "Add", mulScalar(g, bell, 2 / Math.sqrt(Math.PI)), p);
    return binary(g, "Mul", mulScalar(g, inputs["dy"], 0.5), slope);
  },
  compose: ({ dy, x }) => {
    const u = tf.mul(x, Math.SQRT1_2);
    const bell = tf.mul(tf.mul(u, tf.exp(tf.neg(tf.square(u)))), 2 / Math.sqrt(Math.PI));
    return tf.mul(tf.mul(dy, 0.5), tf.add(onePlusErf(u), bell));
  },
};

/** x^T dy, formed with the longer side as rows: the taller product is the faster one. */
const weightGradient = (x: Tensor, dy: Tensor): Tensor =>
  dy.shape[1]! > x.shape[1]! ? tf.transpose(tf.matMul(dy, x, true, false)) : tf.matMul(x, dy, true, false);

/** x w + b over the last axis of x, any number of leading axes: one Gemm. */
const linear: CustomKernel = {
  emit: ({ g, inputs }) => {
    const { x, w, b } = inputs;
    const rows = reshape(g, x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]);
    const shape = [rows.shape[0], w.shape[1]];
    const y = g.node("Gemm", [rows, w, b], { type: "float32", shape });
    return reshape(g, y, [...x.shape.slice(0, -1), w.shape[1]]);
  },
  compose: ({ x, w, b }) => {
    const y = tf.matMul(rowsOf(x), w);
    return tf.reshape(b === undefined ? y : tf.add(y, b), [...x.shape.slice(0, -1), w.shape[1]!]);
  },
  gradient: {
    inputsToSave: ["x", "w"],
    gradFunc: (dyOrList, [x, w]) => {
      const dy = rowsOf(one(dyOrList)) as tf.Tensor2D;
      return {
        x: () => tf.reshape(tf.matMul(dy, w as tf.Tensor2D, false, true), x.shape),
        w: () => weightGradient(rowsOf(x), dy),
        b: () => sumRows(dy),
      };
    },
  },
};

/** alpha a b with either operand transposed: the factor costs nothing inside the product. */
const scaledMatMul: CustomKernel = {
  emit: ({ g, inputs, attrs }) =>
    matmul(
      g,
      inputs["a"],
      inputs["b"],
      attrs["transposeA"] === true,
      attrs["transposeB"] === true,
      attrs["alpha"] as number,
    ),
  compose: ({ a, b }, { transposeA, transposeB, alpha }) =>
    tf.mul(tf.matMul(a, b, transposeA === true, transposeB === true), alpha as number),
  gradient: {
    inputsToSave: ["a", "b"],
    gradFunc: (dyOrList, saved, attrs) => {
      const [a, b] = saved as [Tensor, Tensor];
      const dy = one(dyOrList);
      const [tA, tB] = [attrs["transposeA"] === true, attrs["transposeB"] === true];
      const product = (l: Tensor, r: Tensor, transposeA: boolean, transposeB: boolean): Tensor =>
        tf.engine().runKernel("ScaledMatMul", { a: l, b: r }, { transposeA, transposeB, alpha: attrs["alpha"] });
      return {
        a: () => unbroadcast(tA ? product(b, dy, tB, true) : product(dy, b, false, !tB), a.shape),
        b: () => unbroadcast(tB ? product(dy, a, true, tA) : product(a, dy, !tA, false), b.shape),
      };
    },
  },
};

/** The largest finite float32: what is infinite is subtracted as this, so that no difference is undefined. */
const LARGEST = 3.4028234e38;

/**
 * max + log(sum(exp(x - max))). The operator ReduceLogSumExp need not subtract the maximum (the CPU does, other devices
 * may not), and took 1.1 to 4 times as long on the CPU (rows of 8 and of 64, two threads).
 */
const logSumExp: CustomKernel = {
  emit: ({ g, inputs, attrs }) => {
    const x = inputs["x"];
    const over = { axes: axesOf(attrs["axis"], x.shape.length), keepDims: true };
    const top = reduce(g, "ReduceMax", x, over);
    const limits = [-LARGEST, LARGEST].map((limit) => g.scalar("float32", limit));
    const finite = g.node("Clip", [top, ...limits], top);
    const sum = reduce(g, "ReduceSum", unary(g, "Exp", binary(g, "Sub", x, finite)), over);
    return binary(g, "Add", unary(g, "Log", sum), finite);
  },
  compose: ({ x }, { axis }) => {
    const axes = [...numbers(axis)];
    const finite = tf.clipByValue(tf.max(x, axes, true), -LARGEST, LARGEST);
    return tf.add(tf.log(tf.sum(tf.exp(tf.sub(x, finite)), axes, true)), finite);
  },
  gradient: {
    inputsToSave: ["x"],
    outputsToSave: [true],
    gradFunc: (dy, [x, y]) => ({ x: () => tf.mul(one(dy), tf.exp(tf.sub(x, y))) }),
  },
};

const logSoftmax: CustomKernel = {
  emit: ({ g, inputs }) => {
    const x = inputs["x"];
    if (hasOperator(g.device, "LogSoftmax")) return g.node("LogSoftmax", [x], x, { axis: -1 });
    const over = { axes: [x.shape.length - 1], keepDims: true };
    const centred = binary(g, "Sub", x, reduce(g, "ReduceMax", x, over));
    return binary(g, "Sub", centred, unary(g, "Log", reduce(g, "ReduceSum", unary(g, "Exp", centred), over)));
  },
  compose: ({ x }) => tf.logSoftmax(x),
  gradient: {
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ x: () => tf.sub(one(dy), tf.mul(tf.exp(y), tf.sum(one(dy), -1, true))) }),
  },
};

export const customKernels: {
  readonly [K in FusedName]: K extends DifferentiableKernel ? CustomKernel : ForwardKernel;
} = {
  FusedLayerNorm: layerNorm,
  FusedNormalise: normalise,
  FusedGelu: gelu,
  FusedGeluGrad: geluGrad,
  FusedLinear: linear,
  ScaledMatMul: scaledMatMul,
  FusedLogSumExp: logSumExp,
  FusedLogSoftmax: logSoftmax,
};
