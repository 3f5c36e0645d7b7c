import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { ConvolutionName } from "../../src/engine/kernel-names.ts";
import { type Case, flat, many, shaped } from "./case.ts";

type Pad = "same" | "valid";
type Image = tf.Tensor4D;
/** A convolution of a row of pixels, as a spectrum has them. */
const conv1d = (x: readonly number[], w: readonly number[], stride: number, pad: Pad, dilation = 1): Case =>
  many([x, w], (a, b) => tf.conv1d(a as tf.Tensor3D, b as tf.Tensor3D, stride, pad, "NWC", dilation));
const conv2d = (
  x: readonly number[],
  w: readonly number[],
  stride: [number, number],
  pad: Parameters<typeof tf.conv2d>[3],
  dilation: [number, number] = [1, 1],
): Case => many([x, w], (a, b) => tf.conv2d(a as Image, b as Image, stride, pad, "NHWC", dilation));
const convolutions = [
  conv1d([2, 9, 2], [3, 2, 4], 1, "same"),
  conv1d([2, 9, 2], [4, 2, 3], 1, "valid"),
  conv1d([1, 8, 3], [1, 3, 2], 1, "same"),
  conv1d([2, 12, 2], [4, 2, 3], 4, "valid"),
  conv1d([2, 13, 2], [7, 2, 3], 4, "same"),
  conv1d([2, 9, 2], [2, 2, 3], 3, "same"),
  conv1d([2, 11, 2], [3, 2, 3], 1, "same", 2),
  conv1d([1, 11, 1], [3, 1, 2], 1, "valid", 4),
  conv2d([2, 5, 6, 2], [3, 2, 2, 3], [1, 1], "same"),
  conv2d([1, 7, 6, 2], [3, 3, 2, 2], [2, 3], "same"),
  conv2d([1, 6, 7, 2], [2, 3, 2, 2], [1, 1], "valid", [2, 3]),
  conv2d([1, 5, 5, 1], [3, 3, 1, 2], [2, 2], [[0, 0], [1, 2], [2, 0], [0, 0]]), // prettier-ignore
];
const pools = (pool: typeof tf.maxPool): Case[] => [
  shaped([2, 1, 12, 3], (x) => pool(x as Image, [1, 4], [1, 4], "valid")),
  shaped([2, 1, 11, 2], (x) => pool(x as Image, [1, 3], [1, 2], "same")),
  shaped([1, 6, 7, 2], (x) => pool(x as Image, [3, 2], [2, 2], "same")),
  shaped([1, 5, 6, 2], (x) => pool(x as Image, [2, 3], [1, 1], "valid")),
];

/** At least one case for every row of convolutions and pools. */
export const convolutionCases: { readonly [K in ConvolutionName]: readonly Case[] } = {
  Conv2D: convolutions,
  Conv2DBackpropInput: [
    flat(
      many(
        [
          [2, 3, 3],
          [7, 2, 3],
        ],
        (dy, filter) =>
          tf
            .engine()
            .runKernel<Tensor>(
              "Conv2DBackpropInput",
              { dy: tf.expandDims(dy, 1), filter: tf.expandDims(filter, 0) },
              { strides: [1, 4], pad: "same", dataFormat: "NHWC", inputShape: [2, 1, 12, 2] },
            ),
      ),
    ),
  ],
  Conv2DBackpropFilter: [
    flat(
      many(
        [
          [2, 12, 2],
          [2, 3, 3],
        ],
        (x, dy) =>
          tf
            .engine()
            .runKernel<Tensor>(
              "Conv2DBackpropFilter",
              { x: tf.expandDims(x, 1), dy: tf.expandDims(dy, 1) },
              { strides: [1, 4], pad: "same", dataFormat: "NHWC", filterShape: [1, 7, 2, 3] },
            ),
      ),
    ),
  ],
  MaxPool: pools(tf.maxPool),
  MaxPoolGrad: [
    flat(
      many(
        [
          [1, 1, 4, 2],
          [1, 1, 12, 2],
        ],
        (dy, input) => {
          const attrs = { filterSize: [1, 3], strides: [1, 3], pad: "valid" };
          const output = tf.maxPool(input as Image, [1, 3], [1, 3], "valid");
          return tf.engine().runKernel<Tensor>("MaxPoolGrad", { dy, input, output }, attrs);
        },
      ),
    ),
  ],
  AvgPool: pools(tf.avgPool),
};
