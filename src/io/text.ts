import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { UserError } from "../errors.ts";
import { explainFileError } from "./bytes.ts";

/** Streams a UTF-8 text file (`.gz` too) in pieces of about a megabyte. `kind` names what was expected in the errors. */
export async function* readText(path: string, kind: string): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8");
  const file = createReadStream(path, { highWaterMark: 2 ** 20 });
  const isZipped = path.toLowerCase().endsWith(".gz");
  const bytes = isZipped ? file.on("error", (error) => gunzip.destroy(error)).pipe(createGunzip()) : file;
  const gunzip = bytes;
  try {
    for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
      if (chunk.includes(0)) throw new UserError(`${path}: not a text file (it contains zero bytes), expected ${kind}`);
      yield decoder.decode(chunk, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    throw explainFileError(error, path, "read");
  } finally {
    file.destroy();
  }
}

/** A whole text file, as {@link readText} reads it. */
export async function readWholeText(path: string, kind: string): Promise<string> {
  let text = "";
  for await (const piece of readText(path, kind)) text += piece;
  return text;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Bytes that somebody may have meant as text, without the zeros that fill them up: UTF-8, else their hexadecimal digits, so
 * that different bytes stay different.
 */
export function bytesToText(bytes: Uint8Array): string {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const plain = bytes.subarray(0, end);
  try {
    const text = strictUtf8.decode(plain);
    // oxlint-disable-next-line no-control-regex -- what has control characters in it is no text
    if (!/[\0-\x1f\x7f]/.test(text)) return text;
  } catch {
    // not UTF-8
  }
  return `0x${Buffer.from(bytes).toString("hex")}`;
}

/** Text of a file that does not state its encoding, up to the first zero: UTF-8, else Latin-1, which any bytes are. */
export function untilZero(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  const plain = end < 0 ? bytes : bytes.subarray(0, end);
  try {
    return strictUtf8.decode(plain).trimEnd();
  } catch {
    return Buffer.from(plain).toString("latin1").trimEnd();
  }
}
