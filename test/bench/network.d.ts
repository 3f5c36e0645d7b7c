import type { Arrays, NdArray, Signature, TensorFunction } from "../../src/engine/contract.ts";
import type * as ops from "../../src/engine/ops.ts";

export interface NetworkConfig {
  readonly dModel: number;
  readonly nLayer: number;
  readonly nHead: number;
  readonly tokens: number;
  readonly batch: number;
  /** Of AdamW; default 1e-8. */
  readonly epsilon?: number;
}
export declare function countParameters(config: NetworkConfig): number;
export declare function trainingStep(ops_: typeof ops, config: NetworkConfig): TensorFunction;
export declare function signatureOf(config: NetworkConfig): Signature;
export declare function firstInputs(config: NetworkConfig): Arrays;
export declare function correctionsAt(step: number): NdArray;
