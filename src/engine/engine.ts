import { UserError } from "../errors.ts";
import type { Engine, EngineOptions } from "./contract.ts";
import { createCpuEngine, createTensorflowEngine } from "./executor-eager.ts";
import { createOnnxEngine } from "./executor-onnx.ts";

const executors = {
  onnx: createOnnxEngine,
  cpu: createCpuEngine,
  tensorflow: createTensorflowEngine,
} satisfies Record<NonNullable<EngineOptions["backend"]>, (options: EngineOptions) => Promise<Engine>>;

/**
 * An engine that runs pure tensor functions.
 * @throws UserError when the backend or device asked for is not available here.
 */
export const createEngine = async (options: EngineOptions = {}): Promise<Engine> => {
  const { backend = "onnx", threads } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0)) {
    throw new UserError(`threads is ${threads}, expected a whole number above zero`);
  }
  if (executors[backend] === undefined) {
    throw new UserError(`backend ${backend} is unknown, expected one of ${Object.keys(executors).join(", ")}`);
  }
  return executors[backend](options);
};
