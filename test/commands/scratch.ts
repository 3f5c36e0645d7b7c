import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One scratch folder for a whole test run, told to the workers by the environment and removed at the end. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "caleido-commands-"));
  process.env.CALEIDO_TEST_SCRATCH = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
