/** Who works in a folder: a file in it that names its holder and dies with it. */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { guard, isRunning, ownName } from "./atomic.ts";
import { explainFileError } from "./bytes.ts";

const LOCK = "caleido.lock";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
  /** Start of the machine that the process is of, where it can be told: after the next one its number is another's. */
  readonly boot?: string;
}

/** Linux has a random id per start of the machine (`man 4 random`). */
function bootId(): { readonly boot?: string } {
  try {
    return { boot: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() };
  } catch {
    return {};
  }
}

/** Whether the process is still there, as far as can be told from this machine. */
function isHeld({ pid, host, since, boot }: Holder): boolean {
  if (host !== hostname()) return true;
  const now = bootId().boot;
  const isOfThisStart = boot === undefined || now === undefined || boot === now;
  return isOfThisStart && isRunning(pid, Date.parse(since));
}

/** A lock that holds no holder yet is being written, for this long at most [ms]; an older one is a dead process's. */
const WRITING = 10_000;
/** A stale lock changes hands this often at most while one waits for it. */
const ATTEMPTS = 10;

/** A lock as it stands: its text, and who holds it; the holder is undefined where the process is gone. */
interface Standing {
  readonly text: string;
  readonly holder: Holder | "starting" | undefined;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, host, since, boot } = JSON.parse(text) as Partial<Holder>;
    const isWhole = typeof pid === "number" && typeof host === "string" && typeof since === "string";
    return isWhole ? { pid, host, since, ...(typeof boot === "string" ? { boot } : {}) } : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined without a lock. */
function readLock(path: string): Standing | undefined {
  let text: string;
  let writtenAt: number;
  try {
    text = readFileSync(path, "utf8");
    writtenAt = statSync(path).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw explainFileError(error, path, "read");
  }
  const holder = parseHolder(text);
  if (holder === undefined) return { text, holder: Date.now() - writtenAt < WRITING ? "starting" : undefined };
  return { text, holder: isHeld(holder) ? holder : undefined };
}

function refuse(folder: string, holder: Holder | "starting"): never {
  const path = join(folder, LOCK);
  if (holder === "starting") throw new UserError(`${folder}: in use by a process that has just started (${path})`);
  const { pid, host, since } = holder;
  throw new UserError(
    `${folder}: in use by process ${pid} on ${host} since ${since}; wait for its end, or remove ${path} if there is no such process`,
  );
}

/** @throws UserError when a living process, or one of another machine, holds the folder: who, and since when. */
export function checkUnlocked(folder: string): void {
  const holder = readLock(join(folder, LOCK))?.holder;
  if (holder !== undefined) refuse(folder, holder);
}

/** Takes a dead process's lock away; where another process has just done so, its lock is put back. */
function removeStale(path: string, stale: string): void {
  const aside = ownName(path, "tmp");
  try {
    renameSync(path, aside);
    if (readFileSync(aside, "utf8") !== stale && !existsSync(path)) linkSync(aside, path);
  } catch {
    return; // another process was faster: the next look says what it did
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * Takes the lock of a folder, which must be there; that of a process that is gone is taken over. Returns the function
 * that gives it back; the end of the process does so too.
 * @throws UserError as {@link checkUnlocked}.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, LOCK);
  const holder: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString(), ...bootId() };
  const text = `${JSON.stringify(holder)}\n`;
  const release = (): void => {
    try {
      if (readFileSync(path, "utf8") === text) rmSync(path);
    } catch {
      // gone already, with its folder perhaps
    }
  };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      writeFileSync(path, text, { flag: "wx" });
      const lift = guard(release);
      return () => {
        lift();
        release();
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw explainFileError(error, path, "written");
    }
    const standing = readLock(path);
    if (standing?.holder !== undefined) refuse(folder, standing.holder);
    if (standing !== undefined) removeStale(path, standing.text);
  }
  throw new UserError(`${path}: changes hands all the time; expected one process per folder`);
}
