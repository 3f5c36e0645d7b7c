import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { atomically, makeFolder, writeFileAtomic } from "../../src/io/atomic.ts";
import { scratch } from "./truth.ts";

describe("atomic files", () => {
  it("take the final name only when whole", async () => {
    const path = join(scratch(), "file.txt");
    await writeFileAtomic(path, "first");
    await writeFileAtomic(path, "second");
    expect(readFileSync(path, "utf8")).toBe("second");
    const listeners = process.listenerCount("exit");
    const writing = atomically(path, async (temporary) => {
      writeFileSync(temporary, "half");
      expect(readFileSync(path, "utf8")).toBe("second");
      throw new Error("no more");
    });
    await expect(writing).rejects.toThrow("no more");
    expect(readdirSync(join(path, ".."))).toEqual(["file.txt"]);
    expect(process.listenerCount("exit")).toBe(listeners);
  });

  it("folders are made one by one; where none can be, one line says so, at once", () => {
    const folder = scratch();
    makeFolder(join(folder, "a", "b", "c"));
    makeFolder(join(folder, "a", "b"));
    expect(readdirSync(join(folder, "a", "b"))).toEqual(["c"]);
    writeFileSync(join(folder, "file"), "");
    expect(() => makeFolder(join(folder, "file", "x"))).toThrow(/cannot be written: .*(EEXIST|ENOTDIR)/);
    const isLinux = process.platform === "linux";
    if (isLinux)
      expect(() => makeFolder("/proc/none/such")).toThrow(/\/proc\/none: cannot be written: no folder can be/);
  });
});
