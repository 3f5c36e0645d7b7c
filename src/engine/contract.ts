import type { Tensor } from "@tensorflow/tfjs-core";

/**
 * The engine's one contract: a pure function over tfjs-core ops is compiled for a fixed signature and then called
 * with named host arrays. Which executor runs it (compiled ONNX graph, eager tfjs backend) is hidden behind it.
 */

export type DType = "float32" | "int32";

export interface NdArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export type Arrays = Readonly<Record<string, NdArray>>;
export type Tensors = Record<string, Tensor>;

export interface ArraySpec {
  readonly dtype: DType;
  readonly shape: readonly number[];
}
export type Signature = Readonly<Record<string, ArraySpec>>;

/** Pure: reads only its inputs, returns named tensors. Booleans travel as int32. */
export type TensorFunction = (inputs: Tensors) => Tensors;

export interface Compiled {
  /** Names, dtypes and shapes of the outputs. */
  readonly outputs: Signature;
  /** Runs once. Inputs are checked against the signature; arrays are not modified. */
  run(inputs: Arrays): Promise<Arrays>;
  /** The compiled graph as ONNX bytes; undefined for eager executors. */
  readonly onnx: Uint8Array | undefined;
  dispose(): Promise<void>;
}

export interface Engine {
  /** e.g. `onnx:cpu`, `onnx:webgpu`, `eager:cpu`, `eager:tensorflow`. */
  readonly name: string;
  compile(fn: TensorFunction, signature: Signature, label?: string): Promise<Compiled>;
}

export interface EngineOptions {
  /** `onnx` compiles; `cpu` and `tensorflow` are eager tfjs backends. Default `onnx`. */
  readonly backend?: "onnx" | "cpu" | "tensorflow";
  /** Execution provider of the `onnx` backend. Default `cpu`. */
  readonly device?: "cpu" | "cuda" | "webgpu";
  /** Intra-op threads; default: all cores. */
  readonly threads?: number;
}
