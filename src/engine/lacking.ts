import type { Device } from "./session-host.ts";

/**
 * Operators that ONNX Runtime (1.30) does not have for a device. It would run them on the CPU, with a copy of what they
 * read and write each: kernel rows say them in others.
 */
const lacking: Readonly<Record<Device, readonly string[]>> = {
  cpu: [],
  cuda: [],
  webgpu: ["FusedMatMul", "LogSoftmax", "OneHot", "Round"],
};

export const hasOperator = (device: Device, op: string): boolean => !lacking[device].includes(op);

/** Most outputs of one node: WebGPU's shaders see 16 buffers, one of which is the input. */
export const mostOutputs: Readonly<Record<Device, number>> = { cpu: Infinity, cuda: Infinity, webgpu: 15 };
