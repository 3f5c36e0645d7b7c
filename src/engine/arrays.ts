import { UserError } from "../errors.ts";
import type { Arrays, NdArray, Signature } from "./contract.ts";
import { sameShape, sizeOf } from "./graph.ts";

/** A float32 vector [n] over the given numbers; nothing is copied. */
export const floatVector = (data: Float32Array): NdArray => ({ dtype: "float32", shape: [data.length], data });

/** A float32 scalar. */
export const floatScalar = (x: number): NdArray => ({ dtype: "float32", shape: [], data: Float32Array.of(x) });

const fail = (label: string, name: string, what: string): never => {
  throw new UserError(`${label}: input ${name} ${what}`);
};

const checkOne = (label: string, name: string, array: NdArray, { dtype, shape }: Signature[string]): void => {
  if (array.dtype !== dtype) fail(label, name, `is ${array.dtype}, expected ${dtype}`);
  if (!sameShape(array.shape, shape))
    fail(label, name, `has shape [${array.shape.join()}], expected [${shape.join()}]`);
  const isRightType = dtype === "float32" ? array.data instanceof Float32Array : array.data instanceof Int32Array;
  if (!isRightType) fail(label, name, `holds ${array.data.constructor.name}, expected ${dtype} elements`);
  if (array.data.length !== sizeOf(shape)) {
    fail(label, name, `has ${array.data.length} elements, expected ${sizeOf(shape)} for shape [${shape.join()}]`);
  }
};

/** @throws UserError naming the first input that is absent, unknown, or differs from the signature in type or shape. */
export const checkInputs = (label: string, inputs: Arrays, signature: Signature): void => {
  for (const [name, spec] of Object.entries(signature)) {
    const array = inputs[name];
    if (array === undefined) throw new UserError(`${label}: input ${name} is missing, expected [${spec.shape.join()}]`);
    checkOne(label, name, array, spec);
  }
  for (const name of Object.keys(inputs)) {
    if (signature[name] === undefined) {
      fail(label, name, `is unknown, expected one of ${Object.keys(signature).join(", ")}`);
    }
  }
};
