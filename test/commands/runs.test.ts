import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { caleido, ENGINE, expectMistake, newFolder, readTable, start, succeed } from "./cli.ts";

const folder = newFolder("runs");
const sizes = ["nLatent=2", "dModel=8", "nHidden=8", "nLayer=1", "nHead=2", "dQuery=8", "nComponent=2"];
const length = ["batch=4", "nTarget=3", "validateEvery=1000", "checkpointEvery=1000"];
const settings = [...sizes.map((one) => `model.${one}`), ...length.map((one) => `training.${one}`)];
const pretrain = (out: string, steps: number): string[] => {
  const set = ["--set", ...settings, `training.steps=${steps}`];
  return ["pretrain", "sims.csv", ...ENGINE, ...set, "--out", out];
};

/** Starts a run that would take for ever, or continues it, and waits for the next line of its log. */
async function startRun(out: string, args: readonly string[]): ReturnType<typeof start> {
  const log = join(folder, out, "log.jsonl");
  rmSync(log, { force: true });
  const started = await start(args, folder);
  while ((!existsSync(log) || readFileSync(log, "utf8") === "") && started.child.exitCode === null) await sleep(20);
  return started;
}

beforeAll(async () => {
  await succeed(["simulate", "--n", "60", "--no-report", "--out", "sims.csv"], folder);
  await succeed(pretrain("whole", 20), folder);
}, 240_000);

describe("a run folder", () => {
  test("is one process's, until it is stopped or killed", async () => {
    const { child, end } = await startRun("mine", pretrain("mine", 1_000_000));
    const held = new RegExp(`mine: in use by process ${child.pid} on ${hostname()} since 20`);
    expectMistake(await caleido(pretrain("mine", 20), folder), held);
    expectMistake(await caleido(["pretrain", "--resume", "mine", ...ENGINE], folder), held);
    child.kill("SIGKILL");
    await end;
    expect(existsSync(join(folder, "mine", "caleido.lock"))).toBe(true);
    expect(readdirSync(join(folder, "mine", "steps"))).toEqual(["step-00000000"]);
    expectMistake(await caleido(pretrain("mine", 20), folder), /mine: holds a run already; --resume mine/);
    const resumed = await startRun("mine", ["pretrain", "--resume", "mine", ...ENGINE]);
    resumed.child.kill("SIGINT");
    expectMistake(await resumed.end, /stopped at step \d+ of 1000000; continue with caleido pretrain --resume mine/);
    expect(existsSync(join(folder, "mine", "caleido.lock"))).toBe(false);
  }, 120_000);

  test("is continued with its own recipe and tables: what would be ignored is refused", async () => {
    const resumed = (...args: string[]): string[] => ["pretrain", ...args, "--resume", "whole", ...ENGINE];
    for (const option of [
      ["--set", "training.steps=9"],
      ["--recipe", "default"],
      ["--out", "b"],
    ]) {
      expectMistake(await caleido(resumed(...option), folder), new RegExp(`${option[0]}: not heeded beside --resume`));
    }
    expectMistake(await caleido(resumed("sims.csv"), folder), /sims\.csv: not heeded beside --resume/);
  }, 120_000);

  test("of finetune and adapt takes survey and network from the checkpoint", async () => {
    const args = ["finetune", "sims.csv", "--init", "whole", "--out", "never", ...ENGINE];
    expectMistake(await caleido([...args, "--set", "survey=jnep"], folder), /finetune ignores it: survey comes with/);
    expect(existsSync(join(folder, "never"))).toBe(false);
  }, 120_000);
});

test("a quickstart's folder is not cleared while another process fills it", async () => {
  const out = join(folder, "quick");
  mkdirSync(out);
  for (const name of ["quickstart.txt", "target.parquet"]) writeFileSync(join(out, name), "");
  const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
  writeFileSync(join(out, "caleido.lock"), JSON.stringify(holder));
  const held = new RegExp(`quick: in use by process ${process.pid} on ${hostname()}`);
  expectMistake(await caleido(["quickstart", "--out", "quick", ...ENGINE], folder), held);
  expect(existsSync(join(out, "target.parquet"))).toBe(true);
}, 60_000);

describe("export", () => {
  test("writes what answers and what finetune starts from", async () => {
    await succeed(["export", "--checkpoint", "whole", "--out", "small/"], folder);
    const files = ["README.md", "SHA256SUMS", "config.json", "log.jsonl", "model.safetensors", "population.json"];
    expect(readdirSync(join(folder, "small")).sort()).toEqual([...files, "tokenizer.json"]);
    const asked = (from: string, out: string): string[] => [
      "query",
      "sims.csv",
      "--checkpoint",
      from,
      "--want",
      "z",
      "--out",
      out,
      ...ENGINE,
    ];
    await succeed(asked("whole", "whole.csv"), folder);
    await succeed(asked("small", "small.csv"), folder);
    const medians = async (name: string): Promise<number[]> =>
      (await readTable(join(folder, name))).numbers("z_median");
    expect(await medians("small.csv")).toEqual(await medians("whole.csv"));
    expectMistake(
      await caleido(["pretrain", "--resume", "small", ...ENGINE], folder),
      /optimizer\.safetensors: missing/,
    );
    expectMistake(await caleido(["export", "--checkpoint", "whole", "--out", "small"], folder), /is there already/);
    const few = ["--set", "training.steps=2", "training.batch=4"];
    await succeed(["finetune", "sims.csv", "--init", "small", ...few, ...ENGINE, "--out", "fine"], folder);
    expect(existsSync(join(folder, "fine", "checkpoint", "optimizer.safetensors"))).toBe(true);
  }, 120_000);

  test("makes way for nothing: what a run left half-written goes with the next", async () => {
    const gone = join(folder, "whole", "steps", "step-00000099.999999999.tmp");
    mkdirSync(gone);
    rmSync(join(folder, "whole", "checkpoint"), { recursive: true });
    await succeed(["pretrain", "--resume", "whole", ...ENGINE], folder);
    expect(existsSync(gone)).toBe(false);
    expect(existsSync(join(folder, "whole", "checkpoint", "config.json"))).toBe(true);
  }, 120_000);
});
