import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { isHats, listLeaves } from "./hats.ts";
import { splitTableName } from "./table-name.ts";

/**
 * SHA-256, in hexadecimal digits, of a table's file, whichever of its tables the path names, or of all a catalogue's files;
 * of several paths, of all their bytes.
 */
export async function hashFile(...paths: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) {
    const { file } = splitTableName(path);
    for (const one of isHats(file) ? listLeaves(file) : [file]) {
      for await (const chunk of createReadStream(one)) hash.update(chunk as Uint8Array);
    }
  }
  return hash.digest("hex");
}
