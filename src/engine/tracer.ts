import * as tf from "@tensorflow/tfjs-core";
import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";
import type { Signature, TensorFunction, Tensors } from "./contract.ts";
import { cast } from "./emit.ts";
import { Graph, sizeOf, type Value } from "./graph.ts";
import type { Kernel } from "./kernel.ts";
import { kernels } from "./kernels.ts";
import type { OnnxType } from "./onnx.ts";
import { withBackend } from "./backends.ts";
import type { Device } from "./session-host.ts";

/** Name under which the tracer is registered with tfjs-core. */
const TRACER = "caleido-trace";

interface Handle {
  readonly value: Value;
}
type DataId = TensorInfo["dataId"];

/** A tfjs backend that computes nothing: a data id stands for a symbolic value of the graph being traced. */
class Tracer extends tf.KernelBackend {
  graph: Graph | undefined;
  private readonly handles = new WeakMap<DataId, Handle>();

  /** The graph under construction. */
  get current(): Graph {
    if (this.graph === undefined) throw new Error("the tracing backend was used outside a trace");
    return this.graph;
  }

  symbolOf(info: TensorInfo): Value {
    const handle = this.handles.get(info.dataId);
    if (handle !== undefined) return handle.value;
    const values = tf.engine().readSync(info.dataId) as unknown as ArrayLike<number>;
    return this.current.constant(info.dtype as OnnxType, info.shape, values);
  }

  infoOf(value: Value): TensorInfo {
    const dataId: DataId = {};
    this.handles.set(dataId, { value });
    return { dataId, shape: [...value.shape], dtype: value.type as DataType };
  }

  override write(values: tf.BackendValues, shape: number[], dtype: DataType): DataId {
    return this.infoOf(this.current.constant(dtype as OnnxType, shape, values as unknown as ArrayLike<number>)).dataId;
  }

  override readSync(dataId: DataId): tf.BackendValues {
    const value = this.handles.get(dataId)?.value;
    if (value?.data === undefined) {
      throw new Error("a traced function may not read the elements of a tensor: they are known only when it runs");
    }
    if (value.uniform === undefined) return value.data as tf.BackendValues;
    return new Float32Array(sizeOf(value.shape)).fill(value.uniform);
  }

  override numDataIds(): number {
    return 0;
  }
  override disposeData(): boolean {
    return true;
  }
  override incRef(): void {}
  override refCount(): number {
    return 1;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
  override dispose(): void {}
}

const currentOp = (): string => tf.engine().state.activeScope?.name?.replace(/__op$/, "") || "a custom op";

const runRow = (kernel: Kernel, call: Parameters<tf.KernelFunc>[0]): TensorInfo | TensorInfo[] => {
  const tracer = call.backend as Tracer;
  const inputs = Object.fromEntries(
    Object.entries(call.inputs).flatMap(([name, info]) =>
      info === undefined || info === null ? [] : [[name, tracer.symbolOf(info)]],
    ),
  );
  const result = kernel({ g: tracer.current, inputs, attrs: call.attrs ?? {} });
  return Array.isArray(result) ? result.map((value: Value) => tracer.infoOf(value)) : tracer.infoOf(result as Value);
};

/** Every kernel that tfjs knows and the table lacks answers with its own name, the op's, and where to add it. */
const refuseMissing = (): void => {
  const names = Object.values(tf as Record<string, unknown>).filter((value) => typeof value === "string");
  for (const kernelName of new Set(names)) {
    if (kernelName in kernels) continue;
    const kernelFunc = (): never => {
      throw new Error(
        `kernel ${kernelName}, needed by the op ${currentOp()}, is not in the table: add a row to src/engine/kernels-*.ts`,
      );
    };
    tf.registerKernel({ kernelName, backendName: TRACER, kernelFunc });
  }
};

const installTracer = (): Tracer => {
  if (tf.findBackendFactory(TRACER) === null) {
    const tracer = new Tracer();
    tf.registerBackend(TRACER, () => tracer, 0);
    for (const [kernelName, kernel] of Object.entries(kernels)) {
      tf.registerKernel({ kernelName, backendName: TRACER, kernelFunc: (call) => runRow(kernel, call) });
    }
    refuseMissing();
  }
  return tf.findBackend(TRACER) as Tracer;
};

export interface Traced {
  readonly graph: Graph;
  readonly outputs: Readonly<Record<string, Value>>;
}

/**
 * Runs a pure function of tensors once on symbols and returns the graph of what it would compute, in nodes that the
 * device has. Boolean outputs leave as int32.
 */
export const trace = (fn: TensorFunction, signature: Signature, device: Device = "cpu"): Traced => {
  const graph = new Graph(device);
  return withBackend(TRACER, installTracer, (tracer) => {
    const outer = tracer.graph;
    tracer.graph = graph;
    try {
      // what `tidy` is given back it searches for tensors, element by element: the graph is handed out beside it
      let traced: Traced | undefined;
      tf.tidy(() => {
        const inputs: Tensors = {};
        for (const [name, { dtype, shape }] of Object.entries(signature)) {
          inputs[name] = tf.engine().makeTensorFromTensorInfo(tracer.infoOf(graph.input(name, { type: dtype, shape })));
        }
        const outputs = Object.entries(fn(inputs)).map(([name, tensor]): [string, Value] => {
          const value = tracer.symbolOf(tensor);
          return [name, value.type === "bool" ? cast(graph, value, "int32") : value];
        });
        traced = { graph, outputs: Object.fromEntries(outputs) };
      });
      return traced!;
    } finally {
      tracer.graph = outer;
    }
  });
};
