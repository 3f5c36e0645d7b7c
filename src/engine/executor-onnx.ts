import { UserError } from "../errors.ts";
import { checkCarried, checkInputs, checkTaken, returned } from "./arrays.ts";
import type { ArraySpec, Compiled, DType, Engine, EngineOptions } from "./contract.ts";
import { Graph } from "./graph.ts";
import { createThreadHost, sessionWorkerUrl } from "./session-thread.ts";
import { howToGet, type Device, type SessionHost } from "./session-host.ts";
import { trace } from "./tracer.ts";

/** Sessions of the calling thread; ONNX Runtime is only loaded where it is needed. */
const createCallerHost = async (): Promise<SessionHost> => {
  const { createSessionHost } = await import("./session.ts");
  return createSessionHost();
};

/** A graph that does nothing, to find out early whether a device starts. */
const probe = async (host: SessionHost, device: Device): Promise<void> => {
  const graph = new Graph();
  const x = graph.input("x", { type: "float32", shape: [1] });
  const onnx = graph.encode("probe", { x });
  const session = await host.open({ label: "probe", onnx, device, threads: undefined, outputs: {}, carried: [] });
  await session.release();
};

/**
 * Traces each function to one ONNX graph and runs it on ONNX Runtime, in a thread of the engine's own unless told
 * otherwise. Tracing stays in the calling thread.
 * @throws UserError when this machine or this build of ONNX Runtime has no such device.
 */
export const createOnnxEngine = async (options: EngineOptions): Promise<Engine> => {
  const { device = "cpu", threads, thread = "worker" } = options;
  if (howToGet[device] === undefined) {
    throw new UserError(`device ${device} is unknown, expected one of ${Object.keys(howToGet).join(", ")}`);
  }
  const url = thread === "worker" ? sessionWorkerUrl() : undefined;
  let started: Promise<SessionHost> | undefined;
  /** Starts with the first function, so that the library loads while that function is traced. */
  const host = (): Promise<SessionHost> =>
    (started ??= url === undefined ? createCallerHost() : Promise.resolve(createThreadHost(url)));
  if (device !== "cpu") await probe(await host(), device);
  return {
    name: `onnx:${device}`,
    compile: async (fn, signature, label = "function", { carried = [] } = {}): Promise<Compiled> => {
      const starting = host();
      const traced = trace(fn, signature, device);
      const outputs: Record<string, ArraySpec> = {};
      for (const [name, { type, shape }] of Object.entries(traced.outputs)) {
        outputs[name] = { dtype: type as DType, shape };
      }
      checkCarried(label, carried, signature, outputs);
      const onnx = traced.graph.encode(label, traced.outputs);
      const session = await (await starting).open({ label, onnx, device, threads, outputs, carried });
      return {
        outputs: returned(outputs, carried),
        onnx,
        run: async (inputs) => {
          checkInputs(label, inputs, signature, carried);
          return session.run(inputs);
        },
        take: async (names) => {
          checkTaken(label, names, carried);
          return session.take(names);
        },
        dispose: () => session.release(),
      };
    },
    dispose: async () => {
      const ending = started;
      started = undefined;
      await (await ending)?.end();
    },
  };
};
