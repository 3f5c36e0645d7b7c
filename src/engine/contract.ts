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

export interface CompileOptions {
  /**
   * Inputs that have an output of the same name, type and shape. After a run that output stays in the executor and is
   * the next run's input: `run` does not return it and need not be given it again; a value that is given replaces it.
   * For state that is too large to travel with every step.
   */
  readonly carried?: readonly string[];
}

export interface Compiled {
  /** Names, dtypes and shapes of the outputs that `run` returns: all but the carried ones. */
  readonly outputs: Signature;
  /**
   * Runs once. Inputs are checked against the signature; arrays are not modified, and must not be until the run ends.
   * Runs of one engine happen in the order of the calls. A run that fails leaves carried values as they were.
   * @throws UserError naming an input that is missing, unknown or unlike the signature, or a carried input that no run
   * and no value has set.
   */
  run(inputs: Arrays): Promise<Arrays>;
  /**
   * Copies of carried values, as the runs called so far leave them.
   * @throws UserError naming one that is not carried, or that no run has set.
   */
  take(names: readonly string[]): Promise<Arrays>;
  /** The compiled graph as ONNX bytes; undefined for eager executors. */
  readonly onnx: Uint8Array | undefined;
  dispose(): Promise<void>;
}

export interface Engine {
  /** e.g. `onnx:cpu`, `onnx:webgpu`, `eager:cpu`, `eager:tensorflow`. */
  readonly name: string;
  /**
   * @throws UserError when an input to be carried has no output like it; Error when the function uses a kernel that is
   * not in the table, reads a tensor's elements, or ONNX Runtime refuses its graph.
   */
  compile(fn: TensorFunction, signature: Signature, label?: string, options?: CompileOptions): Promise<Compiled>;
  /** Frees the thread and everything compiled. Only for programs that outlive many engines: a process ends without it. */
  dispose(): Promise<void>;
}

export interface EngineOptions {
  /** `onnx` compiles; `cpu` and `tensorflow` are eager tfjs backends. Default `onnx`. */
  readonly backend?: "onnx" | "cpu" | "tensorflow";
  /** Execution provider of the `onnx` backend. Default `cpu`. */
  readonly device?: "cpu" | "cuda" | "webgpu";
  /** Intra-op threads; default: all cores. */
  readonly threads?: number;
  /**
   * Where the `onnx` backend runs: in a thread of its own, so that the caller's timers, sockets and preparations go on
   * meanwhile, or in the calling thread, which then stands still during a run. Default `worker`; sources that were
   * never built have no worker to start and use `caller`.
   */
  readonly thread?: "worker" | "caller";
}
