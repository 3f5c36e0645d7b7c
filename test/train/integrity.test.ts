import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { ownName } from "../../src/io/atomic.ts";
import { loadRecipe } from "../../src/recipe.ts";
import { type Checkpoint, loadCheckpoint, saveCheckpoint, stepFolder } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { exportCheckpoint } from "../../src/train/export.ts";
import { claimRunFolder, isFinished, loadRun, readLog, type RunOptions, runTraining } from "../../src/train/run.ts";
import { readSafetensors, writeSafetensors } from "../../src/train/safetensors.ts";
import { resume } from "../../src/train/verbs.ts";
import { onnx, perturb, type RunSettings, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { sourceOf, toyCatalog } from "../helpers/toy.ts";

const root = scratch();
const catalog = toyCatalog(60);
const dead = spawnSync(process.execPath, ["-e", ""]).pid;
const leftBy = (path: string, ending: "tmp" | "old"): string =>
  ownName(path, ending).replace(`.${process.pid}-`, `.${dead}-`);

async function start(name: string, settings: RunSettings = {}): Promise<{ options: RunOptions; first: Checkpoint }> {
  const training = { steps: 6, batch: 4, nTarget: 3, validateEvery: 2, checkpointEvery: 2, ...settings.training };
  const first = startCheckpoint(catalog, { ...settings, training });
  const options: RunOptions = {
    engine: await onnx,
    folder: join(root, name),
    coder: coderOf(first.config),
    sources: [sourceOf(catalog)],
    validation: [sourceOf(catalog)],
    finalFiles: (state, validation) => Promise.resolve({ "README.md": `${state.step} ${validation}` }),
    onProgress: () => {},
  };
  return { options, first };
}

/** A run that is killed after `step`: nothing of what it does at its end happens. */
class Killed extends Error {}
async function killAt(step: number, { options, first }: Awaited<ReturnType<typeof start>>): Promise<void> {
  const onProgress: RunOptions["onProgress"] = (progress) => {
    if (progress.step > step) throw new Killed();
  };
  await expect(runTraining({ ...options, onProgress }, first)).rejects.toThrow(Killed);
}

const lockOf = (folder: string): string => join(folder, "caleido.lock");
const bytesOf = (...path: string[]): string => readFileSync(join(...path)).toString("latin1");

describe("a run folder", () => {
  it("is one process's: the second is told who has it, and changes nothing", async () => {
    const { options, first } = await start("held");
    let tried = 0;
    const finalFiles = async (): Promise<Record<string, string>> => {
      const log = bytesOf(options.folder, "log.jsonl");
      const held = new RegExp(`held: in use by process ${process.pid} on ${hostname()} since 20`);
      const other = await start("held", { training: { seed: "2" } });
      await expect(runTraining(other.options, other.first)).rejects.toThrow(held);
      const continued = resume({ engine: await onnx, folder: options.folder, verb: "pretrain" });
      await expect(continued).rejects.toThrow(held);
      expect(() => claimRunFolder(options.folder)).toThrow(held);
      expect(bytesOf(options.folder, "log.jsonl")).toBe(log);
      tried++;
      return {};
    };
    await runTraining({ ...options, finalFiles }, first);
    expect(tried).toBe(1);
    expect(loadCheckpoint(options.folder).config.training.seed).toBe("1");
    expect(existsSync(lockOf(options.folder))).toBe(false);
  });

  it("is free after an error, and taken over from a process that is gone", async () => {
    const run = await start("freed");
    await killAt(2, run);
    expect(existsSync(lockOf(run.options.folder))).toBe(false);
    const gone = { pid: dead, host: hostname(), since: new Date().toISOString() };
    writeFileSync(lockOf(run.options.folder), JSON.stringify(gone));
    await runTraining(run.options, loadCheckpoint(run.options.folder, { forTraining: true }));
    expect(isFinished(run.options.folder)).toBe(true);
  });

  it("in which another process has trained since it was read stays as that one left it", async () => {
    const run = await start("overtaken");
    await killAt(2, run);
    const early = loadCheckpoint(run.options.folder, { forTraining: true });
    await runTraining(run.options, early);
    const other = await start("overtaken", { training: { seed: "2" } });
    for (const late of [early, other.first]) {
      await expect(runTraining(run.options, late)).rejects.toThrow(/overtaken: another process has trained in it/);
    }
    expect(loadCheckpoint(run.options.folder).state.step).toBe(6);
    const inside = { ...run.options, folder: stepFolder(run.options.folder, 4) };
    await expect(runTraining(inside, early)).rejects.toThrow(/step-00000004: a checkpoint, expected the folder of/);
  });

  it("of a run that was killed at once holds step 0: it is claimed, and goes on", async () => {
    const run = await start("at-once");
    await killAt(0, run);
    expect(readdirSync(join(run.options.folder, "steps"))).toEqual(["step-00000000"]);
    expect(() => claimRunFolder(run.options.folder)).toThrow(/holds a run already; --resume/);
    const other = await start("at-once", { training: { seed: "2" } });
    await expect(runTraining(other.options, other.first)).rejects.toThrow(/another process has trained/);
    const whole = await start("whole-at-once");
    const { state } = await runTraining(whole.options, whole.first);
    const again = loadCheckpoint(run.options.folder, { forTraining: true });
    expect(again.state).toStrictEqual(run.first.state);
    expect((await runTraining(run.options, again)).state).toStrictEqual(state);
  });

  it("of a run that was killed before its first checkpoint was whole starts anew", async () => {
    const { options, first } = await start("before");
    mkdirSync(join(options.folder, "steps"), { recursive: true });
    mkdirSync(leftBy(stepFolder(options.folder, 0), "tmp"));
    expect(() => claimRunFolder(options.folder)).not.toThrow();
    await runTraining(options, first);
    expect(readdirSync(join(options.folder, "steps")).sort()).toEqual(["step-00000004", "step-00000006"]);
  });

  it("of a run that was killed before its final checkpoint is finished by the next", async () => {
    const { options, first } = await start("almost");
    const finalFiles = (): never => {
      throw new Killed();
    };
    await expect(runTraining({ ...options, finalFiles }, first)).rejects.toThrow(Killed);
    expect(isFinished(options.folder)).toBe(false);
    await runTraining(options, loadCheckpoint(options.folder, { forTraining: true }));
    const { validation } = readLog(options.folder).at(-1)!;
    expect(bytesOf(options.folder, "checkpoint", "README.md")).toBe(`6 ${validation}`);
  });

  it("whose newest checkpoint is damaged goes on from the one before, once that is chosen", async () => {
    const whole = await start("chosen-whole");
    const { state } = await runTraining(whole.options, whole.first);
    const run = await start("chosen");
    await killAt(4, run);
    const newest = stepFolder(run.options.folder, 4);
    const path = join(newest, "model.safetensors");
    const bytes = readFileSync(path);
    bytes.subarray(-8).fill(1);
    writeFileSync(path, bytes);
    const message =
      /step-00000004\/model\.safetensors: damaged.*once \S+step-00000004 is removed, .* \S+step-00000002$/;
    const resumed = resume({ engine: await onnx, folder: run.options.folder, verb: "pretrain" });
    await expect(resumed).rejects.toThrow(message);
    rmSync(newest, { recursive: true });
    expect((await runTraining(run.options, loadRun(run.options.folder))).state).toStrictEqual(state);
    rmSync(join(root, "chosen-whole", "steps"), { recursive: true });
    rmSync(join(root, "chosen-whole", "checkpoint", "optimizer.safetensors"));
    expect(() => loadRun(join(root, "chosen-whole"))).toThrow(/optimizer\.safetensors: missing; (?!.*once)/);
  });

  it("killed and resumed ends with the files of the unbroken run, byte by byte", async () => {
    const whole = await start("bytes-whole");
    const reading = { units: [{ column: "*", unit: "survey" }], layout: "caleido" };
    const data = [{ sha256: "00", path: "a.fits", role: "train" as const, reading }];
    const of = ({ first }: typeof whole): Checkpoint => ({ ...first, config: { ...first.config, data } });
    await runTraining(whole.options, of(whole));
    const cut = await start("bytes-cut");
    await killAt(4, { ...cut, first: of(cut) });
    await runTraining(cut.options, loadCheckpoint(cut.options.folder, { forTraining: true }));
    for (const name of ["config.json", "model.safetensors", "optimizer.safetensors", "SHA256SUMS", "README.md"]) {
      const [a, b] = [whole, cut].map(({ options }) => bytesOf(options.folder, "checkpoint", name));
      expect(b === a, name).toBe(true);
    }
  });
});

describe("a checkpoint", () => {
  const checkpoint = perturb(startCheckpoint(catalog));
  let count = 0;
  let folder: string;
  const fresh = async (): Promise<void> => {
    folder = join(root, `c${count++}`);
    await saveCheckpoint(folder, checkpoint, { "README.md": "card", "log.jsonl": "{}\n" });
  };
  const expectOneLine = (message: RegExp, options = { forTraining: true }): void => {
    const load = (): unknown => loadCheckpoint(folder, options);
    expect(load).toThrow(UserError);
    expect(load).toThrow(message);
    expect(load).toThrow(/^[^\n]*$/);
  };
  /** A file with one bit of it the other way round. */
  const flip = (name: string, at: number): void => {
    const bytes = readFileSync(join(folder, name));
    bytes[at < 0 ? bytes.length + at : at] ^= 1;
    writeFileSync(join(folder, name), bytes);
  };

  it.each([
    ["model.safetensors", -4],
    ["model.safetensors", -40_00],
    ["optimizer.safetensors", -4],
  ])("with one flipped bit in %s says so", async (name, at) => {
    await fresh();
    flip(name, at);
    expectOneLine(new RegExp(`${name}: damaged or edited since it was written; expected SHA-256 [0-9a-f]{64}$`));
  });

  it("with another digit in config.json says so", async () => {
    await fresh();
    const path = join(folder, "config.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"rate": 0.002', '"rate": 0.003'));
    expectOneLine(/config\.json: damaged or edited since it was written/);
    writeFileSync(join(folder, "SHA256SUMS"), "words\n");
    expectOneLine(/SHA256SUMS:1: damaged; expected a SHA-256 and a file's name/);
    writeFileSync(join(folder, "SHA256SUMS"), "");
    expectOneLine(/SHA256SUMS: has no checksum of config\.json/);
  });

  it("may have another card, and as one of an earlier version has no checksums", async () => {
    await fresh();
    writeFileSync(join(folder, "README.md"), "mine");
    writeFileSync(join(folder, "log.jsonl"), "");
    expect(loadCheckpoint(folder, { forTraining: true }).state).toStrictEqual(checkpoint.state);
    rmSync(join(folder, "SHA256SUMS"));
    expect(loadCheckpoint(folder, { forTraining: true }).state).toStrictEqual(checkpoint.state);
  });

  it.each([Number.NaN, Infinity])(
    "with a weight of %d is refused by its tensor's name, read or written",
    async (bad) => {
      await fresh();
      const path = join(folder, "model.safetensors");
      const { tensors } = readSafetensors(readFileSync(path), path);
      const [name, { shape, data }] = Object.entries(tensors).find(([each]) => each === "embed.bias")!;
      const broken = { shape, data: data.slice().fill(bad, 1, 2) };
      writeFileSync(path, writeSafetensors({ ...tensors, [name]: broken }));
      rmSync(join(folder, "SHA256SUMS"));
      expectOneLine(new RegExp(`model\\.safetensors: tensor embed\\.bias holds ${bad} at 1; expected finite numbers`));
      const params = checkpoint.state.params.slice().fill(bad, 0, 1);
      const written = saveCheckpoint(folder, { ...checkpoint, state: { ...checkpoint.state, params } });
      await expect(written).rejects.toThrow(/model\.safetensors: tensor raw\.\S+ holds/);
      expect(existsSync(join(folder, "README.md"))).toBe(true);
    },
  );

  it("that was being replaced when its writer was killed is found, and replaced by the next", async () => {
    const run = join(root, "replaced");
    folder = join(run, "checkpoint");
    await saveCheckpoint(folder, checkpoint);
    await saveCheckpoint(stepFolder(run, 3), { ...checkpoint, state: { ...checkpoint.state, step: 3 } });
    // as between the two renames: the old one moved away, the new one whole but without its name
    cpSync(folder, leftBy(folder, "tmp"), { recursive: true });
    renameSync(folder, leftBy(folder, "old"));
    renameSync(stepFolder(run, 3), leftBy(stepFolder(run, 3), "old"));
    expect(existsSync(folder)).toBe(false);
    expect(loadCheckpoint(folder).state.average).toStrictEqual(checkpoint.state.average);
    expect(loadCheckpoint(run).state.step).toBe(0);
    await saveCheckpoint(folder, { ...checkpoint, state: { ...checkpoint.state, step: 9 } });
    expect(readdirSync(run).sort()).toEqual(["checkpoint", "steps"]);
    expect(loadCheckpoint(run).state.step).toBe(9);
    rmSync(folder, { recursive: true });
    expect(loadCheckpoint(run).state.step).toBe(3);
  });

  it("is written again as it was read: keys in their order, what this version doesn't know included", async () => {
    await fresh();
    const path = join(folder, "config.json");
    const { survey, data: _, ...config } = JSON.parse(readFileSync(path, "utf8")) as Record<string, object>;
    const { bands, ...others } = survey as { bands: object[] };
    const backwards = (row: object): object => Object.fromEntries(Object.entries(row).reverse());
    const table = { sha256: "00", kept: { by: "another version" }, path: "a.fits", role: "train" };
    const mixed = { data: [table], extra: 1, ...config, survey: { bands: bands.map(backwards), ...others } };
    const text = `${JSON.stringify(mixed, null, 2)}\n`;
    writeFileSync(path, text);
    rmSync(join(folder, "SHA256SUMS"));
    await saveCheckpoint(folder, loadCheckpoint(folder, { forTraining: true }));
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});

it("a safetensors header is aligned whatever letters are in its names", () => {
  for (const name of ["a", "ä", "Größe", "星"]) {
    const bytes = writeSafetensors({ [name]: { shape: [1], data: Float32Array.of(7) } });
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
    expect(readSafetensors(bytes, "f").tensors[name].data[0]).toBe(7);
  }
});

describe("the small form of a checkpoint", () => {
  const table = { path: join("/", "somebody", "data", "a.fits"), sha256: "00", role: "train" as const };
  const started = perturb(startCheckpoint(catalog));
  const average = started.state.average.map((weight) => weight / 2);
  const state = { ...started.state, average, first: average, step: 7 };
  const whole: Checkpoint = { ...started, state, config: { ...started.config, data: [table] } };
  const small = join(root, "small");
  const lineAt = (step: number) => ({ step, loss: 2 / step, gradientNorm: 1, rate: 1e-3, galaxiesPerSecond: 1000 });
  const log = Array.from({ length: 5000 }, (_, i) => ({
    ...lineAt(i + 1),
    ...(i % 1000 === 500 ? { validation: i === 4500 ? 1.25 : 2 } : {}),
  }));
  beforeAll(() => exportCheckpoint(whole, `${small}/`, { log, sections: ["## Limits\n\nNone.\n"] }));

  it("is what answers, and names no folders of its maker", () => {
    const files = ["README.md", "SHA256SUMS", "config.json", "log.jsonl", "model.safetensors", "tokenizer.json"];
    expect(readdirSync(small).sort()).toEqual(files.sort());
    for (const name of files) expect(bytesOf(small, name)).not.toContain("somebody");
    expect(bytesOf(small, "README.md")).toMatch(/7 of 20000 steps[^]*1\.2500 nats[^]*`a\.fits` \(train[^]*## Limits/);
    const { tensors } = readSafetensors(readFileSync(join(small, "model.safetensors")), small);
    expect(Object.keys(tensors)).toEqual(whole.layout.specs.map(({ name }) => name));
  });

  it("has a card with the recipe, and a log that is thinned to what a repository bears", () => {
    const [, text] = /```yaml\n([^]+?)```/.exec(bytesOf(small, "README.md"))!;
    writeFileSync(join(root, "recipe.yaml"), text);
    const { model, subsets, optimiser, training } = whole.config;
    expect(loadRecipe(join(root, "recipe.yaml"))).toMatchObject({ model, subsets, optimiser, training });
    const kept = readLog(small);
    expect(readFileSync(join(small, "log.jsonl")).length).toBeLessThan(250_000);
    expect(kept.length).toBeGreaterThan(1000);
    expect(kept.filter(({ validation }) => validation !== undefined)).toHaveLength(5);
    expect(kept).toEqual(kept.map(({ step }) => log[step - 1]));
  });

  it("loads to answer and to start anew, as the whole one does without its optimiser", async () => {
    const loaded = loadCheckpoint(small);
    expect(loaded.state).toStrictEqual({
      step: 7,
      params: average,
      average,
      first: new Float32Array(average.length),
      second: new Float32Array(average.length),
    });
    const folder = join(root, "whole-without");
    await saveCheckpoint(folder, whole);
    rmSync(join(folder, "optimizer.safetensors"));
    expect(loadCheckpoint(folder).state).toStrictEqual(loaded.state);
    expect(loadCheckpoint(small).config.data[0].path).toBe("a.fits");
  });

  it("can't be resumed, and says what is missing", async () => {
    const message = /small\/optimizer\.safetensors: missing; .*small form.*caleido finetune --init .*small/;
    expect(() => loadCheckpoint(small, { forTraining: true })).toThrow(message);
    await expect(resume({ engine: await onnx, folder: small, verb: "pretrain" })).rejects.toThrow(message);
  });

  it("carries the network as ONNX when asked, and never takes the place of something else", async () => {
    await exportCheckpoint(whole, join(root, "small-onnx"), { engine: await onnx });
    expect(readFileSync(join(root, "small-onnx", "model.onnx")).length).toBeGreaterThan(1000);
    expect(bytesOf(root, "small-onnx", "README.md")).toMatch(/Validation loss: not recorded/);
    await expect(exportCheckpoint(whole, root)).rejects.toThrow(/is there already; expected a new folder/);
    await expect(exportCheckpoint(whole, join(small, "README.md"))).rejects.toThrow(/is there already/);
  });
});
