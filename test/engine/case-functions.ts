import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Arrays, ArraySpec, NdArray, TensorFunction } from "../../src/engine/contract.ts";
import type { Case } from "./case.ts";
import { elements } from "./cases.ts";

/** What a case is compiled to and run on, for the test of the kernels and for `npm run bench device`. */

const sizeOf = (shape: readonly number[]): number => shape.reduce((n, dim) => n * dim, 1);
export const isSmooth = (entry: Case, i: number): boolean =>
  !["indices", "booleans", "whole"].includes(entry.inputs[i][1]);

export const inputsOf = (entry: Case): Record<string, NdArray> =>
  Object.fromEntries(
    entry.inputs.map(([shape, domain], i) => [
      `x${i}`,
      { dtype: "float32" as const, shape, data: elements(sizeOf(shape), domain, i) },
    ]),
  );
export const specs = (inputs: Arrays): Record<string, ArraySpec> =>
  Object.fromEntries(Object.entries(inputs).map(([name, { dtype, shape }]) => [name, { dtype, shape }]));

export const listOf = (result: Tensor | Tensor[]): Tensor[] => (Array.isArray(result) ? result : [result]);
export const forward =
  (entry: Case): TensorFunction =>
  (inputs) =>
    Object.fromEntries(listOf(entry.fn(...Object.values(inputs))).map((y, i) => [`y${i}`, y]));

/** One number that depends on every output element differently, and its gradients. */
export const gradient =
  (entry: Case): TensorFunction =>
  (inputs) => {
    const score = (...xs: Tensor[]): tf.Scalar => {
      const parts = listOf(entry.fn(...xs)).map((y) => {
        const weights = tf.reshape(tf.sin(tf.add(tf.range(0, y.size), 1)), y.shape);
        return tf.sum(tf.mul(tf.cast(y, "float32"), weights));
      });
      return tf.addN(parts) as tf.Scalar;
    };
    const all = Object.values(inputs);
    const free = all.map((_, i) => i).filter((i) => isSmooth(entry, i));
    const withFree = (...xs: Tensor[]): tf.Scalar => score(...all.map((x, i) => xs[free.indexOf(i)] ?? x));
    const { value, grads } = tf.valueAndGrads(withFree)(free.map((i) => all[i]));
    return { score: value, ...Object.fromEntries(free.map((i, k) => [`g${i}`, grads[k]])) };
  };
