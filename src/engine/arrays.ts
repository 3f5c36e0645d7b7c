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

/**
 * @throws UserError naming the first input that is absent, unknown, or differs from the signature in type or shape.
 * Carried inputs may be absent: the executor that holds their values knows.
 */
export const checkInputs = (
  label: string,
  inputs: Arrays,
  signature: Signature,
  carried: readonly string[] = [],
): void => {
  for (const [name, spec] of Object.entries(signature)) {
    const array = inputs[name];
    if (array !== undefined) checkOne(label, name, array, spec);
    else if (!carried.includes(name)) fail(label, name, `is missing, expected [${spec.shape.join()}]`);
  }
  for (const name of Object.keys(inputs)) {
    if (signature[name] === undefined) {
      fail(label, name, `is unknown, expected one of ${Object.keys(signature).join(", ")}`);
    }
  }
};

/** @throws UserError naming the first carried input that has no output of the same name, type and shape. */
export const checkCarried = (
  label: string,
  carried: readonly string[],
  signature: Signature,
  outputs: Signature,
): void => {
  const text = (spec: Signature[string] | undefined): string =>
    spec === undefined ? "none" : `${spec.dtype} [${spec.shape.join()}]`;
  for (const name of carried) {
    const [from, to] = [text(signature[name]), text(outputs[name])];
    if (from === "none") fail(label, name, "is to be carried but is not in the signature");
    if (from !== to) fail(label, name, `is to be carried and is ${from}, its output is ${to}; expected the same`);
  }
};

/** The outputs that a run returns: all but the carried ones. */
export const returned = (outputs: Signature, carried: readonly string[]): Signature =>
  Object.fromEntries(Object.entries(outputs).filter(([name]) => !carried.includes(name)));

/** @throws UserError naming the first that is not carried. */
export const checkTaken = (label: string, names: readonly string[], carried: readonly string[]): void => {
  for (const name of names) {
    if (!carried.includes(name)) fail(label, name, `is not carried, expected one of ${carried.join(", ") || "none"}`);
  }
};

/**
 * The inputs with every carried one: the value given, else the one held from the run before.
 * @throws UserError naming the first that has neither.
 */
export const withCarried = <T>(
  label: string,
  inputs: Readonly<Record<string, T>>,
  carried: readonly string[],
  held: Readonly<Record<string, T>>,
): Readonly<Record<string, T>> => {
  const all: Record<string, T> = { ...inputs };
  for (const name of carried) {
    const value = inputs[name] ?? held[name];
    if (value === undefined) throw new UserError(`${label}: carried input ${name} has no value yet, expected one`);
    all[name] = value;
  }
  return all;
};
