/** Networks that come with the package, by name. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The network that answers where none is named. */
export const USUAL_CHECKPOINT = "caleido-jpas";

/** The same from `src/` and from `dist/`. */
const folder = (): string => fileURLToPath(new URL("../../checkpoints", import.meta.url));

/** Names of the networks in `checkpoints/`. */
export function listCheckpoints(): string[] {
  const there = existsSync(folder()) ? readdirSync(folder()) : [];
  return there.filter((name) => existsSync(join(folder(), name, "config.json"))).sort();
}

/**
 * The folder that is meant: of a network that comes with the package, by its name alone; else the path itself, so that
 * `./caleido-jpas` is a folder of one's own.
 */
export function checkpointPath(nameOrPath: string): string {
  return listCheckpoints().includes(nameOrPath) ? join(folder(), nameOrPath) : nameOrPath;
}
