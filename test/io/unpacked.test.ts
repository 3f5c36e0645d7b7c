import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, expect, it, vi } from "vitest";
import { openBytes } from "../../src/io/bytes.ts";
import { scratch } from "./truth.ts";

afterEach(() => vi.unstubAllEnvs());

it("a gzip file is unpacked to one without a name: a killed process leaves nothing", async () => {
  const folder = scratch();
  const temporary = join(folder, "tmp");
  mkdirSync(temporary);
  vi.stubEnv("TMPDIR", temporary);
  const content = Buffer.alloc(300_000, "0123456789");
  const path = join(folder, "a.bin.gz");
  writeFileSync(path, gzipSync(content));
  const source = await openBytes(path);
  expect(readdirSync(temporary)).toEqual([]);
  expect(source.size).toBe(content.length);
  expect(Buffer.from(await source.read(150_000, 100_000, "middle")).equals(content.subarray(150_000, 250_000))).toBe(
    true,
  );
  expect(Buffer.from(await source.read(299_995, 5, "end")).toString()).toBe("56789");
  await source.close();
  writeFileSync(path, gzipSync(content).subarray(0, -20));
  await expect(openBytes(path)).rejects.toThrow(/a\.bin\.gz: damaged gzip data \(Z_/);
  expect(readdirSync(temporary)).toEqual([]);
});
