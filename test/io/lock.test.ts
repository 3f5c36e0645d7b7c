import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { clearLeftovers, ownName, standingFolder, writeFileAtomic, writeFolderAtomic } from "../../src/io/atomic.ts";
import { checkUnlocked, lockFolder } from "../../src/io/lock.ts";
import { scratch } from "./truth.ts";

/** The id of a process of this machine that has ended. */
const dead = spawnSync(process.execPath, ["-e", ""]).pid;
const parent = process.ppid;
const lockOf = (folder: string): string => join(folder, "caleido.lock");
const holds = (pid: number, host = hostname(), since = "2020-01-02T03:04:05.000Z"): string =>
  JSON.stringify({ pid, host, since });

/** What this process would have left under another process's number. */
const leftBy = (pid: number, path: string, ending: "tmp" | "old"): string =>
  ownName(path, ending).replace(`.${process.pid}-`, `.${pid}-`);

describe("a locked folder", () => {
  it("is refused to a second one in one line that names the first, and free afterwards", () => {
    const folder = scratch();
    const release = lockFolder(folder);
    const again = (): unknown => lockFolder(folder);
    expect(again).toThrow(UserError);
    expect(again).toThrow(
      new RegExp(`in use by process ${process.pid} on ${hostname()} since 20\\d\\d-.*remove .*caleido\\.lock`),
    );
    expect(again).toThrow(/^[^\n]*$/);
    expect(() => checkUnlocked(folder)).toThrow(/in use by process/);
    release();
    release();
    expect(existsSync(lockOf(folder))).toBe(false);
    lockFolder(folder)();
    expect(() => checkUnlocked(folder)).not.toThrow();
  });

  it.each([
    ["whose process is gone", holds(dead)],
    ["of an earlier process with our number", holds(process.pid)],
  ])("%s is taken over", (_what, text) => {
    const folder = scratch();
    writeFileSync(lockOf(folder), text);
    expect(() => checkUnlocked(folder)).not.toThrow();
    const release = lockFolder(folder);
    expect((JSON.parse(readFileSync(lockOf(folder), "utf8")) as { pid: number }).pid).toBe(process.pid);
    release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.runIf(process.platform === "linux")(
    "of a living process's number, before the machine's last start, is free",
    () => {
      const folder = scratch();
      const release = lockFolder(folder);
      const own = JSON.parse(readFileSync(lockOf(folder), "utf8")) as { boot: string };
      release();
      writeFileSync(lockOf(folder), JSON.stringify({ ...own, pid: parent }));
      expect(() => lockFolder(folder)).toThrow(new RegExp(`in use by process ${parent} `));
      const earlier = own.boot.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
      writeFileSync(lockOf(folder), JSON.stringify({ ...own, pid: parent, boot: earlier }));
      lockFolder(folder)();
      expect(existsSync(lockOf(folder))).toBe(false);
    },
  );

  it.each([
    ["a living process", holds(parent), new RegExp(`process ${parent} on .* since 2020-01-02T03:04:05`)],
    ["another machine's process", holds(dead, "elsewhere.example"), /on elsewhere\.example since 2020/],
    ["a process that is still writing it", "", /has just started/],
  ])("of %s is refused", (_what, text, message) => {
    const folder = scratch();
    writeFileSync(lockOf(folder), text);
    expect(() => lockFolder(folder)).toThrow(message);
    expect(readFileSync(lockOf(folder), "utf8")).toBe(text);
  });

  it("whose lock was never written whole is taken over in time", () => {
    const folder = scratch();
    writeFileSync(lockOf(folder), '{"pid": 1');
    utimesSync(lockOf(folder), 1e9, 1e9);
    lockFolder(folder)();
    expect(existsSync(lockOf(folder))).toBe(false);
  });

  it("stays locked when somebody else has taken the lock over", () => {
    const folder = scratch();
    const release = lockFolder(folder);
    writeFileSync(lockOf(folder), holds(parent));
    release();
    expect(readFileSync(lockOf(folder), "utf8")).toBe(holds(parent));
  });
});

describe("what killed processes left", () => {
  it("is removed by the next writer of the same name; living processes' and other machines' files stay", async () => {
    const folder = scratch();
    const path = join(folder, "a.txt");
    const gone = [
      `${path}.${dead}-1a2b.tmp`,
      leftBy(dead, path, "tmp"),
      leftBy(dead, leftBy(dead, path, "tmp"), "tmp"),
    ];
    const foreign = leftBy(dead, path, "tmp").replace(/@[0-9a-f]{8}/, "@00000000");
    const kept = [leftBy(parent, path, "tmp"), foreign, leftBy(dead, join(folder, "b.txt"), "tmp"), `${path}.2019.old`];
    for (const each of [...gone, ...kept]) writeFileSync(each, "half");
    mkdirSync(`${path}.${dead}.tmp`);
    await writeFileAtomic(path, "whole");
    expect(readdirSync(folder).sort()).toEqual([path, ...kept].map((each) => each.slice(folder.length + 1)).sort());
    clearLeftovers(folder);
    expect(readdirSync(folder)).not.toContain(kept[2].slice(folder.length + 1));
    expect(readdirSync(folder)).toHaveLength(4);
  });

  it("between the two renames of a folder is found, and takes its name again", async () => {
    const folder = scratch();
    const path = join(folder, "net");
    await writeFolderAtomic(path, { "a.txt": "old" });
    // the state after the first rename: the old folder moved away, the new one not yet there
    renameSync(path, leftBy(dead, path, "old"));
    mkdirSync(leftBy(dead, path, "tmp"));
    expect(readFileSync(join(standingFolder(path)!, "a.txt"), "utf8")).toBe("old");
    const broken = writeFolderAtomic(path, { "no/such/folder": "x" });
    await expect(broken).rejects.toThrow(/net\/no\/such\/folder: cannot be written/);
    expect(readFileSync(join(path, "a.txt"), "utf8")).toBe("old");
    await writeFolderAtomic(path, { "a.txt": "new" });
    expect(readFileSync(join(path, "a.txt"), "utf8")).toBe("new");
    expect(readdirSync(folder)).toEqual(["net"]);
  });
});
