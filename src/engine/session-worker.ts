import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../errors.ts";
import type { Arrays } from "./contract.ts";
import { enter, leave, type Gate } from "./gate.ts";
import { createSessionHost } from "./session.ts";
import type { Session, SessionSpec } from "./session-host.ts";

/** What the thread is asked; `id` is the asker's name for a session. */
export type SessionRequest =
  | { readonly kind: "open"; readonly id: number; readonly spec: SessionSpec }
  | { readonly kind: "run"; readonly id: number; readonly inputs: Arrays }
  | { readonly kind: "take"; readonly id: number; readonly names: readonly string[] }
  | { readonly kind: "release"; readonly id: number };

/** What it answers, in the order of the requests: arrays, or an error and whether it was a `UserError`. */
export type SessionAnswer =
  | { readonly arrays: Arrays }
  | { readonly message: string; readonly cause: string | undefined; readonly isMistake: boolean };

const gate = workerData as Gate;
const host = createSessionHost();
const sessions = new Map<number, Session>();

const serve = async (request: SessionRequest): Promise<Arrays> => {
  const { id } = request;
  if (request.kind === "open") {
    sessions.set(id, await host.open(request.spec));
    return {};
  }
  const session = sessions.get(id);
  if (session === undefined) throw new Error(`session ${id} is not open`);
  if (request.kind === "run") return session.run(request.inputs);
  if (request.kind === "take") return session.take(request.names);
  sessions.delete(id);
  await session.release();
  return {};
};

/** Sends arrays without a copy where their memory can leave this thread; a provider may keep it to itself. */
const send = (arrays: Arrays): void => {
  const answer: SessionAnswer = { arrays };
  try {
    parentPort?.postMessage(
      answer,
      Object.values(arrays).map(({ data }) => data.buffer as ArrayBuffer),
    );
  } catch (error) {
    if ((error as Error).name !== "DataCloneError") throw error;
    parentPort?.postMessage(answer, []);
  }
};

let last: Promise<void> = Promise.resolve();
const answer = async (request: SessionRequest): Promise<void> => {
  if (!enter(gate)) return;
  try {
    send(await serve(request));
  } catch (error) {
    // a class does not survive the way between threads
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : undefined;
    const failure: SessionAnswer = { message, cause: reason, isMistake: error instanceof UserError };
    parentPort?.postMessage(failure, []);
  } finally {
    leave(gate);
  }
};
parentPort?.on("message", (request: SessionRequest) => {
  last = last.then(() => answer(request));
});
