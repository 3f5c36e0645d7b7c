import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { GradientRow } from "./gradients.ts";
import type { ConvolutionName, DifferentiableKernel } from "./kernel-names.ts";

const run = (kernel: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): Tensor =>
  tf.engine().runKernel<Tensor>(kernel, inputs, attrs);

const pairOf = (value: unknown): readonly [number, number] =>
  typeof value === "number" ? [value, value] : (value as [number, number]);

/** Zeros between the taps of a filter [kh, kw, I, O]: what a dilated convolution is one of. */
const spread = (filter: Tensor, dilations: readonly [number, number]): Tensor => {
  let wide = filter;
  dilations.forEach((dilation, axis) => {
    if (dilation === 1) return;
    const { shape } = wide;
    const apart = tf.expandDims(wide, axis + 1);
    const filled = tf.pad(
      apart,
      apart.shape.map((_, i): [number, number] => [0, i === axis + 1 ? dilation - 1 : 0]),
    );
    const merged = tf.reshape(filled, shape.with(axis, shape[axis] * dilation));
    wide = tf.slice(
      merged,
      shape.map(() => 0),
      shape.with(axis, (shape[axis] - 1) * dilation + 1),
    );
  });
  return wide;
};
/** The taps of a spread filter: what `spread` gave, undone. */
const gathered = (wide: Tensor, shape: readonly number[], dilations: readonly [number, number]): Tensor => {
  let filter = wide;
  dilations.forEach((dilation, axis) => {
    if (dilation === 1) return;
    const all = shape[axis] * dilation;
    const missing = all - filter.shape[axis];
    const whole = tf.pad(
      filter,
      filter.shape.map((_, i): [number, number] => [0, i === axis ? missing : 0]),
    );
    const apart = tf.reshape(whole, whole.shape.toSpliced(axis, 1, shape[axis], dilation));
    const first = tf.slice(
      apart,
      apart.shape.map(() => 0),
      apart.shape.with(axis + 1, 1),
    );
    filter = tf.reshape(first, filter.shape.with(axis, shape[axis]));
  });
  return filter;
};

/** tfjs's kernels of these derivatives know no dilation: a dilated filter enters them with its zeros written out. */
const convolution: GradientRow = {
  inputsToSave: ["x", "filter"],
  gradFunc: (dyOrList, saved, attrs) => {
    const [x, filter] = saved as [Tensor, Tensor];
    const dy = dyOrList as Tensor;
    const { strides, pad, dataFormat, dimRoundingMode } = attrs;
    const dilations = pairOf(attrs["dilations"] ?? 1);
    const wide = spread(filter, dilations);
    const shared = { strides, pad, dataFormat, dimRoundingMode };
    return {
      x: () => run("Conv2DBackpropInput", { dy, filter: wide }, { ...shared, inputShape: x.shape }),
      filter: () => {
        const all = run("Conv2DBackpropFilter", { x, dy }, { ...shared, filterShape: wide.shape });
        return gathered(all, filter.shape, dilations);
      },
    };
  },
};

/**
 * As the input gradient of a convolution with ones, channel by channel: tfjs's own kernel divides by the size of the window
 * where zeros around the image are in it, and the average does not count those.
 */
const averagePool: GradientRow = {
  inputsToSave: ["x"],
  gradFunc: (dyOrList, [x], attrs) => {
    const dy = dyOrList as Tensor;
    const [batch, height, width, channels] = x.shape as [number, number, number, number];
    const { strides, pad, dimRoundingMode } = attrs;
    const shared = { strides, pad, dimRoundingMode, dataFormat: "NHWC" };
    const filter = tf.ones([...pairOf(attrs["filterSize"]), 1, 1]);
    const counts = run("Conv2D", { x: tf.ones([1, height, width, 1]), filter }, { ...shared, dilations: [1, 1] });
    const [rows, columns] = counts.shape.slice(1, 3) as [number, number];
    const each = tf.transpose(tf.div(dy, counts), [0, 3, 1, 2]); // [B, C, Ho, Wo]
    const images = tf.reshape(each, [batch * channels, rows, columns, 1]);
    const inputShape = [batch * channels, height, width, 1];
    return {
      x: () => {
        const back = run("Conv2DBackpropInput", { dy: images, filter }, { ...shared, inputShape });
        return tf.transpose(tf.reshape(back, [batch, channels, height, width]), [0, 2, 3, 1]);
      },
    };
  },
};

export const convolutionGradients: { readonly [K in DifferentiableKernel & ConvolutionName]: GradientRow } = {
  Conv2D: convolution,
  MaxPool: {
    inputsToSave: ["x"],
    outputsToSave: [true],
    gradFunc: (dy, [input, output], attrs) => ({
      x: () => run("MaxPoolGrad", { dy: dy as Tensor, input, output }, attrs),
    }),
  },
  AvgPool: averagePool,
};
