import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { explainFileError } from "./bytes.ts";

/** Signal listeners made here, so that one can tell whether anybody else wants to handle the signal. */
const ours = new WeakSet<object>();
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Calls `remove` when the process exits or is interrupted. Where nobody else listens to the signal, the process then
 * dies of it as it would have. Returns the function that lifts the guard.
 */
export function guard(remove: () => void): () => void {
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

/** This machine, in names of files: a process id says nothing about another machine's processes. */
const hostTag = (): string => createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

/** A name beside `path` that says whose it is: what a killed process left is told from what a living one writes. */
export function ownName(path: string, ending: "tmp" | "old"): string {
  return `${path}.${process.pid}-${process.hrtime.bigint().toString(36)}@${hostTag()}.${ending}`;
}

/** Whether the process of this machine that wrote something at `writtenAt` [ms since 1970] is still there. */
export function isRunning(pid: number, writtenAt: number): boolean {
  // another process had our number before us: in a container every run has the same
  if (pid === process.pid) return writtenAt > Date.now() - process.uptime() * 1000 - 2000;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Temporary files and folders, those of earlier versions included, and folders that were about to be replaced. */
const TEMPORARY = /^(.+)\.(\d+)(?:-[0-9a-z]+(?:@([0-9a-f]{8}))?)?\.tmp$/;
const REPLACED = /^(.+)\.(\d+)-[0-9a-z]+@([0-9a-f]{8})\.old$/;

/** The path that a temporary name was for; a temporary name's own temporary name is for the first's path. */
function targetOf(name: string): string {
  const inner = TEMPORARY.exec(name)?.[1];
  return inner === undefined ? name : targetOf(inner);
}

/**
 * Clears a folder of what killed processes of this machine left in it: temporary files and folders are removed; a folder
 * that was about to be replaced takes its name again where nothing has it. `name`: only what was for this name. What living
 * processes, or other machines, write stays.
 */
export function clearLeftovers(folder: string, name?: string): void {
  const here = hostTag();
  for (const found of existsSync(folder) ? readdirSync(folder) : []) {
    const [, inner, pid, host = here] = TEMPORARY.exec(found) ?? REPLACED.exec(found) ?? [];
    if (inner === undefined || host !== here || (name !== undefined && targetOf(inner) !== name)) continue;
    const path = join(folder, found);
    try {
      if (isRunning(Number(pid), statSync(path).mtimeMs)) continue;
      const target = join(folder, inner);
      if (found.endsWith(".old") && !existsSync(target)) renameSync(path, target);
      else rmSync(path, { recursive: true, force: true });
    } catch {
      continue; // not ours to remove, or another process was faster
    }
  }
}

/** `path`, or, where a kill left nothing of this name, the folder that was about to be replaced; undefined for neither. */
export function standingFolder(path: string): string | undefined {
  if (existsSync(path)) return path;
  const [folder, name] = [dirname(path), basename(path)];
  const old = existsSync(folder) ? readdirSync(folder).filter((one) => REPLACED.exec(one)?.[1] === name) : [];
  return old.length === 0 ? undefined : join(folder, old.sort()[old.length - 1]);
}

/** Runs `use` with a temporary name beside `path`, whose file is gone afterwards, also when the process is interrupted. */
export async function withTemporary<T>(path: string, use: (temporary: string) => Promise<T>): Promise<T> {
  clearLeftovers(dirname(path), basename(path));
  const temporary = ownName(path, "tmp");
  const lift = guard(() => rmSync(temporary, { recursive: true, force: true }));
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

async function writeFile(path: string, data: string | Uint8Array, isSynced = false): Promise<void> {
  const handle = await open(path, "wx");
  try {
    await handle.writeFile(data);
    if (isSynced) await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes sure that files can be made in a folder, by making one, before the work whose result goes there. A folder that is
 * not there yet is looked for above. @throws UserError when permission is missing or no folder can be there.
 */
export function checkFolder(path: string): void {
  let there = resolve(path);
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  const probe = ownName(join(there, ".probe"), "tmp");
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
  await atomically(path, (temporary) => writeFile(temporary, data));
}

/** Flushes the names in a folder to disk, where the system can do that. */
async function syncNames(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Windows opens no folders; the files themselves are on disk
  }
}

/**
 * Writes a folder of files, whole or not at all: they go to a temporary folder beside it, are flushed, and the folder
 * takes the final name last. One that has the name already is moved aside for that moment: `standingFolder` finds it there.
 * @throws UserError when the disk is full or may not be written to; what was at `path` before then stays.
 */
export async function writeFolderAtomic(
  path: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  makeFolder(dirname(path));
  let at = path;
  try {
    await withTemporary(path, async (temporary) => {
      await mkdir(temporary);
      for (const [name, content] of Object.entries(files)) {
        at = join(path, name);
        await writeFile(join(temporary, name), content, true);
      }
      at = path;
      await syncNames(temporary);
      const old = existsSync(path) ? ownName(path, "old") : undefined;
      if (old !== undefined) await rename(path, old);
      try {
        await rename(temporary, path);
      } catch (error) {
        if (old !== undefined) await rename(old, path);
        throw error;
      }
      if (old !== undefined) await rm(old, { recursive: true, force: true });
      await syncNames(dirname(path));
    });
  } catch (error) {
    throw explainFileError(error, at, "written");
  }
}
