import type { Tensor } from "@tensorflow/tfjs-core";

/** Elements of one input: a deterministic wave mapped into the domain where the kernel is smooth. */
export type Domain = "any" | "positive" | "unit" | "above one" | "indices" | "booleans" | "whole";
export interface Case {
  readonly inputs: readonly (readonly [shape: readonly number[], domain: Domain])[];
  readonly fn: (...inputs: Tensor[]) => Tensor | Tensor[];
  /** True where the derivative is zero or undefined, so that finite differences say nothing. */
  readonly isFlat?: boolean;
}

export const many = (shapes: readonly (readonly number[])[], fn: Case["fn"], domain: Domain = "any"): Case => ({
  inputs: shapes.map((shape) => [shape, domain]),
  fn,
});
export const shaped = (shape: readonly number[], fn: Case["fn"], domain: Domain = "any"): Case =>
  many([shape], fn, domain);
export const flat = (entry: Case): Case => ({ ...entry, isFlat: true });
