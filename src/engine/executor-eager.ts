import * as tf from "@tensorflow/tfjs-core";
import { UserError } from "../errors.ts";
import { checkCarried, checkInputs, checkTaken, returned, withCarried } from "./arrays.ts";
import { installCustomKernels, withBackend } from "./backends.ts";
import type { ArraySpec, Arrays, Compiled, DType, Engine, NdArray, TensorFunction, Tensors } from "./contract.ts";
import { trace } from "./tracer.ts";

const toArray = (tensor: tf.Tensor): NdArray => {
  const dtype: DType = tensor.dtype === "float32" ? "float32" : "int32";
  const data = tensor.dataSync();
  const owned = dtype === "float32" ? Float32Array.from(data) : Int32Array.from(data);
  return { dtype, shape: [...tensor.shape], data: owned };
};

/** tfjs-core prints a greeting and advice when its CPU backend first stores a tensor; production mode is silent. */
const silenceFirstUse = (): void => {
  const wasProduction = tf.env().getBool("PROD");
  tf.env().set("PROD", true);
  tf.tidy(() => tf.scalar(0));
  tf.env().set("PROD", wasProduction);
};

const runEagerly = (fn: TensorFunction, inputs: Arrays): Arrays =>
  tf.tidy(() => {
    const tensors: Tensors = {};
    for (const [name, { data, shape, dtype }] of Object.entries(inputs)) {
      tensors[name] = tf.tensor(data, [...shape], dtype);
    }
    const outputs = Object.entries(fn(tensors)).map(([name, tensor]): [string, NdArray] => [name, toArray(tensor)]);
    return Object.fromEntries(outputs) as unknown as tf.TensorContainer;
  }) as unknown as Arrays;

const eagerEngine = (backendName: string, name: string): Engine => {
  const install = (): void => installCustomKernels(backendName);
  withBackend(backendName, install, silenceFirstUse);
  return {
    name,
    compile: async (fn, signature, label = "function", { carried = [] } = {}): Promise<Compiled> => {
      const outputs: Record<string, ArraySpec> = {};
      for (const [outName, { type, shape }] of Object.entries(trace(fn, signature).outputs)) {
        outputs[outName] = { dtype: type as DType, shape };
      }
      checkCarried(label, carried, signature, outputs);
      let held: Arrays = {};
      return {
        outputs: returned(outputs, carried),
        onnx: undefined,
        run: async (inputs: Arrays): Promise<Arrays> => {
          checkInputs(label, inputs, signature, carried);
          const given = withCarried(label, inputs, carried, held);
          const all = withBackend(backendName, install, () => runEagerly(fn, given));
          held = Object.fromEntries(carried.map((outName) => [outName, all[outName]]));
          return Object.fromEntries(Object.entries(all).filter(([outName]) => !carried.includes(outName)));
        },
        take: async (names) => {
          checkTaken(label, names, carried);
          const values = Object.entries(withCarried(label, {}, names, held));
          return Object.fromEntries(values.map(([outName, a]) => [outName, { ...a, data: a.data.slice() }]));
        },
        dispose: () => Promise.resolve(),
      };
    },
    dispose: () => Promise.resolve(),
  };
};

/** The pure-JavaScript backend: slow, everywhere, and the oracle of the tests. */
export const createCpuEngine = async (): Promise<Engine> => {
  await import("@tensorflow/tfjs-backend-cpu");
  return eagerEngine("cpu", "eager:cpu");
};

const tensorflowPackages = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

/**
 * TensorFlow through the first of its Node packages that is installed.
 * @throws UserError when none loads.
 */
export const createTensorflowEngine = async (): Promise<Engine> => {
  const reasons: string[] = [];
  for (const name of tensorflowPackages) {
    try {
      await import(name);
      return eagerEngine("tensorflow", "eager:tensorflow");
    } catch (cause) {
      reasons.push(`${name}: ${(cause as Error).message.split("\n")[0]}`);
    }
  }
  throw new UserError(
    `backend tensorflow did not load; install it with \`npm install ${tensorflowPackages.join("` or `npm install ")}\` ` +
      `(Node 22 or older), or choose backend onnx (${reasons.join("; ")})`,
  );
};
