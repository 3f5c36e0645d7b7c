import type { Arrays, Signature } from "./contract.ts";

export type Device = "cpu" | "cuda" | "webgpu";

/** Everything that a session is made from. It travels between threads. */
export interface SessionSpec {
  readonly label: string;
  /** The graph; its inputs are named `in.<name>`, its outputs `out.<name>`. */
  readonly onnx: Uint8Array;
  readonly device: Device;
  readonly threads: number | undefined;
  /** Every output, carried ones included. */
  readonly outputs: Signature;
  readonly carried: readonly string[];
}

/** A graph that ONNX Runtime holds, with its carried values. */
export interface Session {
  /** Returns the outputs that are not carried, in arrays of their own. The arrays given stay as they are. */
  run(inputs: Arrays): Promise<Arrays>;
  /** Copies of carried values. */
  take(names: readonly string[]): Promise<Arrays>;
  release(): Promise<void>;
}

/** Where sessions live: in the calling thread or in one of their own. */
export interface SessionHost {
  /** @throws UserError when the device does not start; Error when ONNX Runtime refuses the graph. */
  open(spec: SessionSpec): Promise<Session>;
  /** Ends the host and what it holds once it has done what it was asked. */
  end(): Promise<void>;
}

export const howToGet: Readonly<Record<Device, string>> = {
  cpu: "reinstall onnxruntime-node",
  cuda: "needs an NVIDIA GPU with CUDA 12 and `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`",
  webgpu: "needs a GPU with a Vulkan, Metal or Direct3D 12 driver",
};
