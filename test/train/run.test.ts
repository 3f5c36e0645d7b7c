import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { type Checkpoint, loadCheckpoint, stepFolder } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { claimRunFolder, readLog, type RunOptions, runTraining } from "../../src/train/run.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { start as spawn, succeed } from "../commands/cli.ts";
import { onnx, type RunSettings, startCheckpoint } from "../helpers/network.ts";
import { sourceOf, toyCatalog } from "../helpers/toy.ts";
import { scratch } from "../helpers/scratch.ts";

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const catalog = toyCatalog(120);

async function start(name: string, settings: RunSettings = {}): Promise<{ options: RunOptions; first: Checkpoint }> {
  const training = { steps: 10, batch: 8, nTarget: 3, validateEvery: 4, checkpointEvery: 5, ...settings.training };
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

describe("a run", () => {
  it("is the same twice, bit by bit, and another one with another seed", async () => {
    const once = await start("once");
    const again = await start("again");
    const other = await start("other", { training: { seed: "2" } });
    const a = await runTraining(once.options, once.first);
    const b = await runTraining(again.options, again.first);
    const c = await runTraining(other.options, other.first);
    expect(a).toStrictEqual(b);
    expect(a.state.params).not.toStrictEqual(once.first.state.params);
    expect(c.state.params).not.toStrictEqual(a.state.params);
  });

  it("stops when asked and goes on as if it hadn't: log, moments and averages too", async () => {
    const whole = await start("whole");
    const { state } = await runTraining(whole.options, whole.first);
    const parted = await start("parted");
    const controller = new AbortController();
    const onProgress: RunOptions["onProgress"] = ({ step }) => {
      if (step === 6) controller.abort();
    };
    const stopped = await runTraining({ ...parted.options, onProgress, signal: controller.signal }, parted.first);
    expect(stopped.isInterrupted).toBe(true);
    expect([6, 7]).toContain(stopped.state.step);
    expect(existsSync(join(root, "parted", "checkpoint"))).toBe(false);
    const resumed = await runTraining(parted.options, loadCheckpoint(join(root, "parted"), { forTraining: true }));
    expect(resumed).toStrictEqual({ state, isInterrupted: false });
    const losses = (name: string): unknown =>
      readLog(join(root, name)).map(({ step, loss, validation }) => ({ step, loss, validation }));
    expect(losses("parted")).toStrictEqual(losses("whole"));
    expect(readLog(join(root, "whole")).map(({ step }) => step)).toStrictEqual([4, 8, 10]);
  });

  it("keeps the newest two step checkpoints and a final one with its card and log", async () => {
    const { options, first } = await start("kept", { training: { checkpointEvery: 3 } });
    await runTraining(options, first);
    const has = [3, 6, 9, 10].map((step) => existsSync(stepFolder(options.folder, step)));
    expect(has).toStrictEqual([false, false, true, true]);
    const folder = join(options.folder, "checkpoint");
    const last = readLog(options.folder).at(-1)!;
    expect(readFileSync(join(folder, "README.md"), "utf8")).toBe(`10 ${last.validation}`);
    expect(readFileSync(join(folder, "log.jsonl"), "utf8")).toBe(
      readFileSync(join(options.folder, "log.jsonl"), "utf8"),
    );
    expect(() => claimRunFolder(options.folder)).toThrow(/holds a run already; --resume .*kept continues it/);
    expect(() => claimRunFolder(join(root, "unclaimed"))).not.toThrow();
  });

  it("ends with the weights of the lowest validation loss, also where training went on past them and was resumed", async () => {
    const settings: RunSettings = {
      optimiser: { rate: 0.03, warmup: 0, averaging: 0 },
      training: { steps: 60, batch: 16, validateEvery: 5, checkpointEvery: 45 },
    };
    const few = toyCatalog(12); // learned by heart within a few steps
    const overfit = async (name: string): Promise<{ options: RunOptions; first: Checkpoint }> => {
      const { options, first } = await start(name, settings);
      return { options: { ...options, sources: [sourceOf(few)], validation: [sourceOf(catalog)] }, first };
    };
    const whole = await overfit("overfit");
    const { state } = await runTraining(whole.options, whole.first);
    const lowest = readLog(whole.options.folder)
      .flatMap(({ step, validation }) => (validation === undefined ? [] : [{ step, validation }]))
      .reduce((best, one) => (one.validation < best.validation ? one : best));
    expect(lowest.step).toBeLessThan(45);
    const final = loadCheckpoint(whole.options.folder);
    expect(final.config.best).toStrictEqual(lowest);
    expect(final.state.average).toStrictEqual(state.best!.average);
    const last = loadCheckpoint(stepFolder(whole.options.folder, 60), { forTraining: true });
    expect(last.state.average).not.toStrictEqual(final.state.average);
    expect(readFileSync(join(whole.options.folder, "checkpoint", "README.md"), "utf8")).toBe(`60 ${lowest.validation}`);

    const parted = await overfit("overfit parted");
    const controller = new AbortController();
    const onProgress: RunOptions["onProgress"] = ({ step }) => {
      if (step === 50) controller.abort();
    };
    await runTraining({ ...parted.options, onProgress, signal: controller.signal }, parted.first);
    const resumed = await runTraining(parted.options, loadCheckpoint(parted.options.folder, { forTraining: true }));
    expect(resumed.state).toStrictEqual(state);
  });

  it("measures the same validation loss for the same weights, whatever was trained before", async () => {
    const { options, first } = await start("validated", {
      optimiser: { rate: 1e-30 },
      training: { validateEvery: 1, steps: 3 },
    });
    await runTraining(options, first);
    const losses = readLog(options.folder).map(({ validation }) => validation);
    expect(losses).toStrictEqual([losses[0], losses[0], losses[0]]);
    expect(Number.isFinite(losses[0])).toBe(true);
  });

  it("that diverges stops in one line and leaves the batch", async () => {
    const { options, first } = await start("diverged", {
      optimiser: { rate: 1e9, clip: 1e9, warmup: 0 },
      training: { steps: 60 },
    });
    const run = runTraining(options, first);
    await expect(run).rejects.toThrow(UserError);
    await expect(run).rejects.toThrow(
      /^step \d+: loss .* expected finite numbers; the batch is in .*diverged\.safetensors/,
    );
    const path = join(options.folder, "diverged.safetensors");
    const { tensors } = readSafetensors(readFileSync(path), path);
    expect(tensors["value"].shape).toStrictEqual([8, catalog.fields.length]);
    expect(tensors["truth"].data.some((x) => x !== 0)).toBe(true);
    expect(existsSync(join(options.folder, "checkpoint"))).toBe(false);
  });

  it("without validation rows trains all the same", async () => {
    const { options, first } = await start("blind", { training: { steps: 2 } });
    const { state } = await runTraining(
      { ...options, validation: [sourceOf(catalog, { rows: new Int32Array(0) })] },
      first,
    );
    expect(state.step).toBe(2);
  });
});

describe("the command line's run", () => {
  const sizes = ["nLatent=2", "dModel=8", "nHidden=8", "nLayer=1", "nHead=2", "dQuery=8", "nComponent=2"];
  const length = ["steps=20", "checkpointEvery=5", "validateEvery=4", "batch=4", "nTarget=3"];
  const settings = [...sizes.map((s) => `model.${s}`), ...length.map((s) => `training.${s}`)];
  const pretrain = ["--threads", "1", ...settings.flatMap((s) => ["--set", s])];
  /** Ends the process at once, without a chance to clean up, as soon as `path` is there. */
  async function killWhen({ child, end }: Awaited<ReturnType<typeof spawn>>, path: string): Promise<void> {
    while (!existsSync(path) && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill("SIGKILL");
    await end;
    expect(child.signalCode).toBe("SIGKILL");
  }

  it.each(["observed", "clean"])(
    "killed at once after a checkpoint and resumed ends bit by bit where it would have: %s fluxes",
    async (fluxes) => {
      const [table, whole, killed] = [`${fluxes}.parquet`, `whole-${fluxes}`, `killed-${fluxes}`];
      await succeed(["simulate", "-n", "60", "--fluxes", fluxes, "--no-report", "--out", table], root);
      await succeed(["pretrain", table, ...pretrain, "--out", whole], root);
      const started = await spawn(["pretrain", table, ...pretrain, "--out", killed], root);
      await killWhen(started, stepFolder(join(root, killed), 5));
      expect(existsSync(join(root, killed, "checkpoint"))).toBe(false);
      await succeed(["pretrain", "--resume", killed, "--threads", "1"], root);
      for (const name of ["model.safetensors", "optimizer.safetensors", "tokenizer.json", "config.json"]) {
        const [a, b] = [whole, killed].map((run) => readFileSync(join(root, run, "checkpoint", name)));
        expect(a.equals(b), name).toBe(true);
      }
    },
    120_000,
  );
});
