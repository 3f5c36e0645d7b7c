import { createReadStream } from "node:fs";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { UserError } from "../errors.ts";

/** A file open for reading at any place; every read is checked against the real size before memory is asked for. */
export interface ByteSource {
  /** The path the user gave, for messages. */
  readonly path: string;
  /** Bytes in all (after decompression). */
  readonly size: number;
  /** Bytes `[offset, offset + length)`. `what` names them in the error. @throws UserError past the end. */
  read(offset: number, length: number, what: string): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** The `code` of a file-system or zlib error, `unreadable` for anything else. */
function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unreadable";
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "is a folder, expected a file",
  EACCES: "permission denied",
  ENOSPC: "disk full",
  EROFS: "read-only disk",
  EDQUOT: "disk quota exceeded",
  EFBIG: "file too large",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a file is there, expected a folder",
  EPERM: "not permitted",
};

/** Turns a file-system error into one line for the user; anything else passes unchanged. */
export function explainFileError(error: unknown, path: string, verb: "read" | "written"): unknown {
  const code = errorCode(error);
  const reason = REASONS[code];
  if (reason !== undefined) return new UserError(`${path}: cannot be ${verb}: ${reason} (${code})`);
  if (code.startsWith("Z_")) {
    return new UserError(`${path}: damaged gzip data (${code}), expected a whole .gz file`);
  }
  return error;
}

/** Reads shorter than this take as much with them: headers and small tables of a file lie together. */
const AHEAD = 64 * 1024;

async function openPlain(path: string): Promise<ByteSource> {
  return sourceOf(await open(path, "r"), path);
}

async function sourceOf(handle: FileHandle, shownAs: string): Promise<ByteSource> {
  const stat = await handle.stat();
  if (!stat.isFile()) {
    await handle.close();
    throw new UserError(`${shownAs}: is ${stat.isDirectory() ? "a folder" : "no plain file"}, expected a file`);
  }
  const { size } = stat;
  async function readDirect(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw new UserError(`${shownAs}: shrank while being read, at byte ${offset + done}`);
      done += bytesRead;
    }
    return bytes;
  }
  let ahead = { from: 0, bytes: new Uint8Array(0) };
  return {
    path: shownAs,
    size,
    async read(offset, length, what) {
      if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
        throw new UserError(`${shownAs}: impossible place for ${what} (byte ${offset}, length ${length})`);
      }
      if (offset + length > size) {
        throw new UserError(
          `${shownAs}: truncated: ${what} needs bytes ${offset} to ${offset + length}, the file ends at ${size}`,
        );
      }
      if (length >= AHEAD) return readDirect(offset, length);
      let { from, bytes } = ahead;
      if (offset < from || offset + length > from + bytes.length) {
        from = offset;
        bytes = await readDirect(offset, Math.min(AHEAD, size - offset));
        ahead = { from, bytes };
      }
      return bytes.slice(offset - from, offset - from + length);
    },
    close: () => handle.close(),
  };
}

/** A gzip file, unpacked to a file without a name: it goes when it is closed, or the process ends in whatever way. */
async function openUnpacked(path: string): Promise<ByteSource> {
  const folder = await mkdtemp(join(tmpdir(), "caleido-"));
  let handle: FileHandle;
  try {
    handle = await open(join(folder, "unpacked"), "w+");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  try {
    await pipeline(createReadStream(path), createGunzip(), async (unpacked: AsyncIterable<Uint8Array>) => {
      for await (const bytes of unpacked) await handle.writeFile(bytes); // from where the last one ended
    });
    return await sourceOf(handle, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Opens a file for random access. A gzip file is first unpacked.
 * @throws UserError when it cannot be opened or unpacked.
 */
export async function openBytes(path: string): Promise<ByteSource> {
  try {
    const plain = await openPlain(path);
    const head = plain.size >= 2 ? await plain.read(0, 2, "first bytes") : new Uint8Array(2);
    if (head[0] !== 0x1f || head[1] !== 0x8b) return plain;
    await plain.close();
    return await openUnpacked(path);
  } catch (error) {
    throw explainFileError(error, path, "read");
  }
}

/** The first bytes of a file (of what is inside, for a gzip file), at most `length`. @throws UserError when unreadable. */
export async function readHead(path: string, length: number): Promise<Uint8Array> {
  try {
    const source = await openPlain(path);
    let raw: Uint8Array;
    try {
      raw = await source.read(0, Math.min(length, source.size), "first bytes");
    } finally {
      await source.close();
    }
    if (raw[0] !== 0x1f || raw[1] !== 0x8b) return raw;
    const unpacked = createReadStream(path).pipe(createGunzip());
    for await (const chunk of unpacked as AsyncIterable<Uint8Array>) return chunk.subarray(0, length);
    return new Uint8Array(0);
  } catch (error) {
    throw explainFileError(error, path, "read");
  }
}
