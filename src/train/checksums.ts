/** `SHA256SUMS` of a checkpoint, as `sha256sum -c SHA256SUMS` reads it; its card and log are for people to edit. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";

const SUMS = "SHA256SUMS";
/** Characters of a SHA-256. */
const HASH_LENGTH = 64;

type Files = Readonly<Record<string, string | Uint8Array>>;

const hashOf = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** The files with their checksums, which come last. */
export function withChecksums(files: Files): Files {
  const lines = Object.entries(files)
    .filter(([name]) => !/\.(md|jsonl)$/.test(name))
    .map(([name, content]) => `${hashOf(content)}  ${name}\n`);
  return { ...files, [SUMS]: lines.join("") };
}

/** The files of a folder with further ones, and with the checksums of those in the list where there is one. */
export function withFile(files: Files, further: Files): Files {
  const { [SUMS]: list, ...rest } = files;
  if (list === undefined) return { ...rest, ...further };
  const kept = list
    .toString()
    .split("\n")
    .filter((line) => line !== "" && !Object.hasOwn(further, line.slice(HASH_LENGTH + 2)));
  const added = Object.entries(further).map(([name, content]) => `${hashOf(content)}  ${name}`);
  return { ...rest, ...further, [SUMS]: [...kept, ...added, ""].join("\n") };
}

/**
 * What compares files of a folder with their checksums. Checkpoints of earlier versions have none, and all passes.
 * @throws UserError for a damaged list; the function returned throws for a file that is not what was written.
 */
export function readChecksums(folder: string): (name: string, content: Uint8Array) => void {
  const path = join(folder, SUMS);
  if (!existsSync(path)) return () => {};
  const sums = new Map<string, string>();
  for (const [i, line] of readFileSync(path, "utf8").split("\n").entries()) {
    if (line === "") continue;
    const [, sum, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    if (sum === undefined) throw new UserError(`${path}:${i + 1}: damaged; expected a SHA-256 and a file's name`);
    sums.set(name, sum);
  }
  return (name, content) => {
    const sum = sums.get(name);
    if (sum === undefined) throw new UserError(`${path}: has no checksum of ${name}; expected one line per file`);
    if (sum !== hashOf(content)) {
      throw new UserError(`${join(folder, name)}: damaged or edited since it was written; expected SHA-256 ${sum}`);
    }
  };
}
