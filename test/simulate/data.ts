import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe } from "vitest";

const data = process.env.CALEIDO_TEST_DATA ?? join(import.meta.dirname, "../../../shared/data");

/** A path in the folder of real data. */
export const at = (name: string): string => join(data, name);

/** Tests with real data, skipped where a folder of it is not there (CALEIDO_TEST_DATA names the place). */
export const withData = (...folders: readonly string[]) =>
  describe.skipIf(!folders.every((one) => existsSync(at(one))));

export const rms = (values: readonly number[]): number =>
  Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
