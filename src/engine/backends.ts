import * as tf from "@tensorflow/tfjs-core";
import { customKernels } from "./custom.ts";
import { gradients } from "./gradients.ts";

/** Derivatives serve every backend alike; registering one twice replaces it by itself. */
const installGradients = (): void => {
  for (const [kernelName, row] of Object.entries(gradients)) tf.registerGradient({ kernelName, ...row });
  for (const [kernelName, row] of Object.entries(customKernels)) {
    if ("gradient" in row) tf.registerGradient({ kernelName, ...row.gradient });
  }
};

/** Gives an eager backend our fused kernels, composed of its own. */
export const installCustomKernels = (backendName: string): void => {
  for (const [kernelName, row] of Object.entries(customKernels)) {
    if (tf.getKernel(kernelName, backendName) !== undefined) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => tf.tidy(() => row.compose(inputs as tf.NamedTensorMap, attrs ?? {})),
    });
  }
};

/**
 * Runs synchronous work on a tfjs backend and puts the previous one back, so that nothing leaks into other users of
 * tfjs in this process. `install` registers the backend if need be.
 */
export const withBackend = <B, R>(name: string, install: () => B, work: (backend: B) => R): R => {
  const backend = install();
  if (tf.getGradient("Add")?.gradFunc !== gradients.Add.gradFunc) installGradients();
  const { backendName: previous } = tf.engine();
  void tf.setBackend(name);
  try {
    return work(backend);
  } finally {
    if (previous !== undefined && previous !== null) void tf.setBackend(previous);
  }
};
