import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createEngine,
  type Engine,
  evaluate,
  loadRecipe,
  look,
  openTable,
  prepare,
  pretrain,
  query,
  type Reporter,
  resume,
  simulate,
} from "../../src/index.ts";
import { type Fixture, fixture, newFolder } from "./cli.ts";

let shared: Fixture;
let folder: string;
let engine: Engine;
beforeAll(async () => {
  shared = await fixture();
  folder = newFolder("library");
  engine = await createEngine({ backend: "onnx", threads: 1 });
  await simulate({ survey: "minijpas", n: 200, workers: 1, out: join(folder, "cat.parquet") });
}, 240_000);

/** Remembers what it is told. */
function listener(onUpdate: (done: number) => void = () => {}) {
  const lines: string[] = [];
  const bars: { label: string; total: number | undefined; done: number[]; notes: string[]; isStopped: boolean }[] = [];
  const reporter: Reporter = {
    say: (line) => lines.push(line),
    bar(label, total) {
      const bar = { label, total, done: [] as number[], notes: [] as string[], isStopped: false };
      bars.push(bar);
      return {
        update(done, note = "") {
          bar.done.push(done);
          bar.notes.push(note);
          onUpdate(done);
        },
        stop: () => void (bar.isStopped = true),
      };
    },
  };
  return { reporter, lines, bars };
}

const rising = (values: readonly number[]): boolean => values.every((value, i) => i === 0 || value >= values[i - 1]);

describe("the verbs as functions", () => {
  test("query tells rows, rate and time left, and shows every batch", async () => {
    const { reporter, bars, lines } = listener();
    const seen: number[] = [];
    const request = { engine, checkpoint: shared.run, table: join(folder, "cat.parquet"), want: "z" };
    const onAnswers = (answers: { rowCount: number }): void => void seen.push(answers.rowCount);
    expect(await query({ ...request, samples: 2, given: "J0378..J0390", reporter, onAnswers })).toBe(200);
    expect(seen).toEqual([200]);
    expect(bars.map(({ label, total, isStopped }) => [label, total, isStopped])).toEqual([["querying", 200, true]]);
    // joint draws take long: their rows count, some dozens at a time
    expect(bars[0].done.length).toBeGreaterThan(3);
    expect(bars[0].done.at(-1)).toBe(200);
    expect(rising(bars[0].done)).toBe(true);
    expect(bars[0].notes[1]).toMatch(/^\| \d+ rows \| [\d,]+ rows\/s \| \d+ (s|min.*) left$/);
    expect(lines.at(-1)).toMatch(/^200 galaxies in [\d.]+ s$/);
  });

  test("evaluate asks the survey's questions, scores its headline beside a baseline, and its bar moves to the end", async () => {
    const { reporter, bars } = listener();
    const table = join(folder, "cat.parquet");
    const common = { engine, checkpoint: shared.run, table, part: "all", mostRows: 60, reporter } as const;
    const { questions } = await evaluate({
      ...common,
      out: join(folder, "scores"),
      baselineTable: shared.simulations,
      methods: ["trainZ"],
      baselineFields: "z,LOGM,HALPHA_EW",
    });
    expect(Object.keys(questions)).toEqual(["all bands", "blue bands", "broad bands", "mass and [OIII]"]);
    const { scores } = questions["all bands"];
    const withBaseline = Object.entries(scores).filter(([, methods]) => "trainZ" in methods);
    expect(withBaseline.map(([field]) => field)).toEqual(["z", "LOGM", "HALPHA_EW"]);
    expect(questions["mass and [OIII]"].given).toEqual(["LOGM", "OIII5007_EW"]);
    // three pieces for each question, a baseline for each of three fields, and what is worked out of the first besides
    expect(bars.map(({ total }) => total)).toEqual([16]);
    expect(rising(bars[0].done)).toBe(true);
    expect(bars[0].done).toEqual(Array.from({ length: 17 }, (_, i) => i));
    expect(existsSync(join(folder, "scores", "report.html"))).toBe(true);
  });

  test("a signal stops a run, saved; resume goes on", async () => {
    const settings = ["training.steps=6", "training.batch=16", "training.checkpointEvery=3", "model.dModel=32"];
    const recipe = loadRecipe("quickstart", settings);
    const out = join(folder, "run");
    const controller = new AbortController();
    const { reporter, bars } = listener(() => controller.abort());
    const data = [join(folder, "cat.parquet")];
    // the step after the one that is told may be under way
    await expect(pretrain({ engine, data, recipe, out, reporter, signal: controller.signal })).rejects.toThrow(
      /stopped at step [12] of 6; continue with caleido pretrain --resume .*run$/,
    );
    expect(bars.map(({ label, total, isStopped }) => [label, total, isStopped])).toEqual([["training", 6, true]]);
    const { state } = await resume({ engine, folder: out, verb: "pretrain" });
    expect(state.step).toBe(6);
    const late = { engine, data, recipe, out: join(folder, "late"), signal: controller.signal };
    await expect(pretrain(late)).rejects.toThrow("stopped before training began; nothing is saved");
    expect(existsSync(join(folder, "late"))).toBe(false);
  });

  test("prepare and look need no reporter", async () => {
    const table = join(folder, "cat.parquet");
    const parts = await prepare({ tables: [table], survey: "minijpas", out: join(folder, "prepared") });
    expect(Object.values(parts).reduce((sum, { rows }) => sum + rows, 0)).toBe(200);
    const page = join(folder, "pages", "cat.html");
    const figures = await look({ table, survey: "minijpas", out: page });
    expect(readFileSync(page, "utf8").split("<figcaption>").length - 1).toBe(figures);
    const source = await openTable(table);
    expect(source.rowCount).toBe(200);
    await source.close();
  });
});
