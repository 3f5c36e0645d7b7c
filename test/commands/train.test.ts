import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Domain } from "../../src/inference/adaptation.ts";
import { listSurveys } from "../../src/survey/survey.ts";
import {
  caleido,
  ENGINE,
  expectMistake,
  type Fixture,
  fixture,
  newFolder,
  readTable,
  start,
  succeed,
  TINY,
} from "./cli.ts";

let shared: Fixture;
let folder: string;
beforeAll(async () => {
  shared = await fixture();
  folder = newFolder("train");
}, 240_000);

const json = (...path: string[]): Record<string, unknown> =>
  JSON.parse(readFileSync(join(...path), "utf8")) as Record<string, unknown>;

const stepsOf = (run: string): number[] =>
  readFileSync(join(folder, run, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { step: number }).step);

describe("training", () => {
  test("Ctrl-C saves a checkpoint and says how to go on; --resume finishes", async () => {
    const args = ["pretrain", shared.simulations, "--out", "stopped", ...TINY, "training.steps=120"];
    const { child, end } = await start(args, folder);
    const log = join(folder, "stopped", "log.jsonl");
    while (!existsSync(log) || readFileSync(log, "utf8") === "") {
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGINT");
    const result = await end;
    expectMistake(result, /stopped at step \d+ of 120; continue with .*--resume stopped/);
    const at = Number(/stopped at step (\d+)/.exec(result.stderr)![1]);
    expect(
      readdirSync(join(folder, "stopped", "steps"))
        .sort()
        .at(-1),
    ).toBe(`step-${String(at).padStart(8, "0")}`);
    expect(existsSync(join(folder, "stopped", "checkpoint"))).toBe(false);
    await succeed(["pretrain", "--resume", "stopped", ...ENGINE], folder);
    expect(json(folder, "stopped", "checkpoint", "config.json").step).toBe(120);
    const steps = stepsOf("stopped");
    expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
    expect(steps).toEqual(expect.arrayContaining([10, 60, 110, 120]));
    expectMistake(await caleido(["pretrain", "--resume", "stopped", ...ENGINE], folder), /complete, nothing to resume/);
  }, 120_000);

  test("finetune goes on from a network and keeps what is frozen", async () => {
    const args = ["finetune", shared.simulations, "--init", shared.run, ...ENGINE];
    const few = ["--set", "training.steps=3", "training.batch=16"];
    expectMistake(await caleido([...args, ...few, "--freeze", "nothing.*", "--out", "none"], folder), /nothing\.\*/);
    expect(existsSync(join(folder, "none", "checkpoint"))).toBe(false);
    await succeed([...args, ...few, "--out", "fine"], folder);
    expect(json(folder, "fine", "checkpoint", "config.json")).toMatchObject({ step: 3, survey: { name: "minijpas" } });
  }, 120_000);

  test("adapt learns zero-points, which info shows", async () => {
    const target = ["simulate", "--n", "300", "--seed", "target", "--offset-rms", "0.07", "--noise-scale", "1.4"];
    await succeed([...target, "--out", "target.parquet"], folder);
    const tables = ["--source", shared.simulations, "--unlabelled", "target.parquet", "--labelled", "target.parquet"];
    const few = ["--set", "training.steps=4", "training.batch=16"];
    await succeed(["adapt", "--init", shared.run, ...tables, ...few, ...ENGINE, "--out", "adapted"], folder);
    const { isCalibrated, data } = json(folder, "adapted", "checkpoint", "config.json");
    expect(isCalibrated).toBe(true);
    expect((data as { path: string; role: string }[]).map(({ path, role }) => [path, role])).toEqual([
      [shared.simulations, "source"],
      ["target.parquet", "unlabelled"],
      ["target.parquet", "labelled"],
    ]);
    const domain = json(folder, "adapted", "domain.json") as unknown as Domain;
    expect(domain).toMatchObject({ init: shared.run, target: "target.parquet", rows: 300, missing: [] });
    expect(domain.zeroPoints?.length).toBe(domain.view?.after?.bands.length);
    expect(readFileSync(join(folder, "adapted", "adaptation.html"), "utf8")).toMatch(/Target and simulations/);
    const { stdout } = await succeed(["info", "adapted"], folder);
    expect(stdout).toMatch(/learned zero-point correction \[mag\]/);
    expect(stdout).toMatch(/J0660.*-?\d\.\d{3}/);
    const asked = ["query", "target.parquet", "--checkpoint", "adapted", "--want", "z", "--out", "z.csv", ...ENGINE];
    await succeed(asked, folder);
    expect((await readTable(join(folder, "z.csv"))).numbers("z_median").every(Number.isFinite)).toBe(true);
  }, 120_000);

  test("adapt refuses what is no target, and overwrites nothing", async () => {
    await succeed(["simulate", "--n", "40", "--no-report", "--out", "few.parquet"], folder);
    await succeed(["simulate", "--n", "200", "--no-report", "--aperture", "3", "--out", "within.parquet"], folder);
    const adapt = (target: string, out: string, ...more: string[]): ReturnType<typeof caleido> =>
      caleido(
        [
          "adapt",
          "--init",
          shared.run,
          "--source",
          shared.simulations,
          "--unlabelled",
          target,
          "--out",
          out,
          ...more,
          ...ENGINE,
        ],
        folder,
      );
    expectMistake(
      await adapt("few.parquet", "none"),
      /few\.parquet: 40 rows with photometry, expected 50.*--any-target/,
    );
    expectMistake(
      await adapt("within.parquet", "none"),
      /within\.parquet: psf-corrected fluxes, expected total.*--any-aperture/,
    );
    // as if the fluxes were in a unit a thousand times larger
    const bands = ["J*", "u*", "gSDSS*", "rSDSS*", "iSDSS*", "FUV*", "NUV*"];
    const units = bands.flatMap((columns) => ["--unit", `${columns}=1e-16 erg/s/cm2/A`]);
    expectMistake(await adapt(shared.simulations, "none", ...units), /fluxes are .* times those of .*--unit/);
    expect(existsSync(join(folder, "none"))).toBe(false);
    expectMistake(await adapt("few.parquet", shared.run), /holds a run already/);
  }, 240_000);
});

describe("a stopped run goes on to the same bits", () => {
  /** Stops a run after its first logged step. */
  async function stop(args: readonly string[], out: string): Promise<void> {
    const { child, end } = await start([...args, "--out", out], folder);
    const log = join(folder, out, "log.jsonl");
    while ((!existsSync(log) || readFileSync(log, "utf8") === "") && child.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGINT");
    expectMistake(await end, new RegExp(`continue with caleido \\w+ --resume ${out}`));
  }
  const weights = (out: string): Buffer => readFileSync(join(folder, out, "checkpoint", "model.safetensors"));
  const few = ["--set", "training.steps=60", "training.batch=16", "training.checkpointEvery=1000"];

  test("adapt, with its tables in their roles", async () => {
    const target = ["simulate", "--n", "300", "--no-report", "--seed", "again", "--offset-rms", "0.07"];
    await succeed([...target, "--out", "again.parquet"], folder);
    const tables = ["--source", shared.simulations, "--unlabelled", "again.parquet", "--labelled", "again.parquet"];
    const args = ["adapt", "--init", shared.run, ...tables, ...few, ...ENGINE];
    await succeed([...args, "--out", "adapt-whole"], folder);
    await stop(args, "adapt-cut");
    expectMistake(
      await caleido(["pretrain", "--resume", "adapt-cut", ...ENGINE], folder),
      /caleido adapt --resume adapt-cut/,
    );
    await succeed(["adapt", "--resume", "adapt-cut", ...ENGINE], folder);
    expect(weights("adapt-cut").equals(weights("adapt-whole"))).toBe(true);
  }, 240_000);

  test("finetune, with what it froze", async () => {
    const args = ["finetune", shared.simulations, "--init", shared.run, ...few, "--freeze", "query.*", ...ENGINE];
    await succeed([...args, "--out", "fine-whole"], folder);
    await stop(args, "fine-cut");
    await succeed(["finetune", "--resume", "fine-cut", ...ENGINE], folder);
    expect(weights("fine-cut").equals(weights("fine-whole"))).toBe(true);
    expectMistake(await caleido(["finetune", shared.simulations, ...ENGINE], folder), /init/);
    expectMistake(await caleido(["adapt", "--init", shared.run, ...ENGINE], folder), /source/);
  }, 240_000);
});

describe("looking at things", () => {
  test("evaluate writes metrics.json and a report that needs no other file", async ({ expect }) => {
    const args = ["evaluate", shared.simulations, "--checkpoint", shared.run, "--baselines", shared.simulations];
    const { stdout } = await succeed([...args, "--out", "scores", ...ENGINE], folder);
    for (const method of ["caleido", "trainZ", "ridge"]) expect(stdout).toMatch(new RegExp(`z +│ +${method}`));
    const { questions } = json(folder, "scores", "metrics.json") as {
      questions: Record<
        string,
        {
          scores: Record<string, Record<string, Record<string, { value: number }>>>;
          bins?: Record<string, object>;
          consistency?: Record<string, { orders: { value: number; low: number; high: number }; rows: number }>;
          advice?: { candidate: string; wanted: string; gain: number; realised?: { rows: number } }[];
        }
      >;
    };
    const { scores, bins, consistency, advice } = questions["all bands"];
    expect(Object.keys(bins!.z)).toEqual(["magnitude", "signal", "redshift", "given"]);
    expect(Object.keys(consistency!)).toHaveLength(3 + 10); // of three fields, and of five lines
    const { orders, rows } = consistency!["z, LOGM"];
    expect(orders.low).toBeLessThan(orders.value);
    expect(orders.high).toBeGreaterThan(orders.value);
    expect(rows).toBeGreaterThan(50);
    const groups = advice!.filter(({ wanted }) => wanted === "z").map(({ candidate }) => candidate);
    expect(groups.filter((name) => name.startsWith("narrow, "))).toHaveLength(3);
    expect(groups).toEqual(expect.arrayContaining(["broad", "uv", "lines"]));
    for (const { gain, realised } of advice!) {
      expect(Number.isFinite(gain)).toBe(true);
      expect(realised!.rows).toBeGreaterThan(0);
    }
    expect(questions["blue bands"].advice).toBeUndefined();
    const plain = ["evaluate", shared.simulations, "--checkpoint", shared.run, "--questions", "main", "--no-insight"];
    await succeed([...plain, "--out", "main", ...ENGINE], folder);
    const main = json(folder, "main", "metrics.json") as { questions: Record<string, object>; resampled: object };
    expect(Object.keys(main.questions)).toEqual(["all bands"]);
    expect(main.questions["all bands"]).not.toHaveProperty("consistency");
    expect(main.resampled).toMatchObject({ by: "parent" });
    const { z, LOGM } = scores;
    for (const methods of [z, LOGM]) {
      expect(Object.keys(methods)).toEqual(expect.arrayContaining(["caleido", "ridge"]));
      for (const score of Object.values(methods)) expect(score.sigmaNmad.value).toBeGreaterThan(0);
    }
    expect(z.trainZ.coverage68.value).toBeGreaterThan(0.4);
    const html = readFileSync(join(folder, "scores", "report.html"), "utf8");
    expect(html).toMatch(/^<!doctype html>/i);
    expect(html).toContain("<svg");
    expect(html).toContain("trainZ");
    expect(html).toContain("how far the two orders are apart");
    expect(html).toContain("beyond the rest of what is given");
    expect(html).not.toMatch(/(src|href)="(?!#|data:)/);
    expect(html).not.toMatch(/<script[^>]+src=|@import|url\((?!#|["']?data:)/);
  }, 240_000);

  test("info shows tables and checkpoints", async ({ expect }) => {
    const table = await succeed(["info", shared.simulations], folder);
    expect(table.stderr).toContain("parquet, 1500 rows");
    expect(table.stdout).toMatch(/J0378_err .*float32 .*1e-19 erg\/s\/cm2\/A/);
    const run = await succeed(["info", shared.run], folder);
    expect(run.stdout).toMatch(/step +│ +150 of 150/);
    expect(run.stdout).toContain("minijpas");
  });

  test("datasets lists surveys and shows one", async ({ expect }) => {
    const list = (await succeed(["datasets"], folder)).stdout;
    expect(list).toMatch(/minijpas .*62 .*13 .*3/);
    for (const name of listSurveys()) expect(list).toContain(` ${name} `);
    const { stdout } = await succeed(["datasets", "minijpas"], folder);
    expect(stdout).toMatch(/J0660 +│ +narrow +│ +6607\.6/);
    expect(stdout).toMatch(/HALPHA_EW .*Angstrom/);
    expect(stdout).toMatch(/FLAGS or FLambdaDualObj\.FLAGS .*bit 4 .*saturated .*not used/);
    for (const told of [
      "relative: 1 sigma / |value|",
      "no value: -99, 99",
      "source",
      "licence",
      "citation",
      "A&A 653",
    ]) {
      expect(stdout).toContain(told);
    }
    const labels = await succeed(["datasets", "sdss-spectra"], folder);
    expect(labels.stdout).toMatch(/LOGM .*LGM_TOT_P50 .*\(LGM_TOT_P84 - LGM_TOT_P16\) \/ 2/);
    expect(labels.stdout).toContain("(OII_3726_FLUX + OII_3729_FLUX) / OII_3729_CONT");
  });
});
