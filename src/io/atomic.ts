import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
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

/** Runs `use` with a temporary name beside `path`, whose file is gone afterwards, also when the process is interrupted. */
export async function withTemporary<T>(path: string, use: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = `${path}.${process.pid}-${process.hrtime.bigint().toString(36)}.tmp`;
  const lift = guard(temporary);
  try {
    return await use(temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
    lift();
  }
}

/**
 * Runs `write` with a temporary name beside `path`; when it succeeds, flushes the file to disk and renames it to
 * `path`, so that no half-written file ever takes the final name. On any error, or when the process is interrupted,
 * the temporary file is removed and what was at `path` before stays.
 * @throws UserError when the disk is full, the folder is missing or may not be written to.
 */
export async function atomically<T>(path: string, write: (temporary: string) => Promise<T>): Promise<T> {
  try {
    return await withTemporary(path, async (temporary) => {
      const result = await write(temporary);
      const handle = await open(temporary, "r+");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      return result;
    });
  } catch (error) {
    throw explainFileError(error, path, "written");
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Makes a folder and those above it, one by one: Node's own recursion never ends where a file system (such as /proc)
 * says that what was to be made does not exist.
 * @throws UserError when a file stands where a folder is needed, permission is missing, or no folder can be made there.
 */
export function makeFolder(path: string): void {
  if (isFolder(path)) return;
  try {
    const above = dirname(path);
    if (above !== path) makeFolder(above);
    mkdirSync(path);
  } catch (error) {
    if (isFolder(path)) return;
    if (error instanceof UserError) throw error;
    const isImpossible = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (isImpossible) throw new UserError(`${path}: cannot be written: no folder can be made there (ENOENT)`);
    throw explainFileError(error, path, "written");
  }
}

/**
 * Makes sure that files can be made in a folder, by making one, before the work whose result goes there. A folder that is
 * not there yet is looked for above. @throws UserError when permission is missing or no folder can be there.
 */
export function checkFolder(path: string): void {
  let there = resolve(path);
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  const probe = join(there, `.${process.pid}-${process.hrtime.bigint().toString(36)}.tmp`);
  try {
    writeFileSync(probe, "", { flag: "wx" });
    rmSync(probe);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOTDIR") throw new UserError(`${path}: cannot be written: a file is there, expected a folder`);
    if (code === "ENOENT") throw new UserError(`${path}: cannot be written: no file can be made in ${there} (ENOENT)`);
    throw explainFileError(error, path, "written");
  }
}

/** Makes sure that a file can be written: see {@link checkFolder}. @throws UserError also where a folder has its name. */
export function checkPlace(path: string): void {
  if (isFolder(path)) throw new UserError(`${path}: is a folder, expected a file to write`);
  checkFolder(dirname(path));
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
