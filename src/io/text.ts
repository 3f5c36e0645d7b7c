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
