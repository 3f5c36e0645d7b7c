import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { splitTableName } from "./table-name.ts";

/** SHA-256 of a file, whichever of its tables the path names, in hexadecimal digits. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(splitTableName(path).file)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
