import { mkdirSync, rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { explainFileError } from "./bytes.ts";

/** Signal listeners made here, so that one can tell whether anybody else wants to handle the signal. */
const ours = new WeakSet<object>();
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Removes the temporary file when the process exits or is interrupted. Where nobody else listens to the signal,
 * the process then dies of it as it would have. Returns the function that lifts the guard.
 */
function guard(temporary: string): () => void {
  const remove = (): void => rmSync(temporary, { recursive: true, force: true });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!process.listeners(signal).every((listener) => ours.has(listener))) return;
    remove();
    process.off(signal, onSignal);
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  ours.add(onSignal);
  process.on("exit", remove);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    process.off("exit", remove);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

/**
 * Runs `write` with a temporary name beside `path`; when it succeeds, flushes the file to disk and renames it to
 * `path`, so that no half-written file ever takes the final name. On any error, or when the process is interrupted,
 * the temporary file is removed and what was at `path` before stays.
 * @throws UserError when the disk is full, the folder is missing or may not be written to.
 */
export async function atomically<T>(path: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = `${path}.${process.pid}-${process.hrtime.bigint().toString(36)}.tmp`;
  const lift = guard(temporary);
  try {
    const result = await write(temporary);
    const handle = await open(temporary, "r+");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    return result;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw explainFileError(error, path, "written");
  } finally {
    lift();
  }
}

/** Makes a folder and those above it. @throws UserError when a file stands where a folder is needed, or permission is missing. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw explainFileError(error, path, "written");
  }
}

/** Writes a whole file under a temporary name, then renames: see {@link atomically}. */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await atomically(path, async (temporary) => {
    const handle = await open(temporary, "wx");
    try {
      await handle.writeFile(data);
    } finally {
      await handle.close();
    }
  });
}
