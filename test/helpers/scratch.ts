import { mkdtempSync } from "node:fs";
import { join } from "node:path";

/** A fresh folder inside the scratch folder of the test run, which is removed when the run ends. */
export function scratch(): string {
  const root = process.env.CALEIDO_TEST_SCRATCH;
  if (root === undefined)
    throw new Error("CALEIDO_TEST_SCRATCH is not set: run the tests with vitest's own configuration");
  return mkdtempSync(join(root, "test-"));
}
