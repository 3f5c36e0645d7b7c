import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waysFrom } from "../../src/commands/budget.ts";
import { labelBudget, budgetScore, type Budget, type BudgetRequest } from "../../src/inference/budget.ts";
import { chooseWay } from "../../src/inference/budget-choice.ts";
import { budgetReport } from "../../src/inference/budget-report.ts";
import { readPrior } from "../../src/inference/prior.ts";
import { renderReport } from "../../src/report/html.ts";
import { createRng } from "../../src/random.ts";
import { adaptSchema } from "../../src/train/adapt.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { trainingSchema } from "../../src/train/config.ts";
import { filled, type } from "../helpers/kinds.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

/** The table of label budgets on a toy survey: what is in it, that it goes on where it stopped, and what is chosen. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const n = toyFields.length;
const reading = { units: [{ column: "*", unit: "survey" }] };

/** Rows of which all bands are measured, as a CSV with a redshift for each. */
function writeTarget(path: string, rows: number): void {
  const { value, error } = toyCatalog(rows, "target");
  const rng = createRng("redshifts");
  const bands = toyFields.filter(({ band }) => band !== undefined).map(({ name }) => name);
  const head = ["object_id", ...bands.flatMap((name) => [name, `${name}_err`]), "z"].join(",");
  const lines = Array.from({ length: rows }, (_, row) => {
    const cells = bands.flatMap((_name, j) => [value[row * n + j] || 40, error[row * n + j] || 6]);
    return [`t${row}`, ...cells, 0.1 + rng.uniform()].join(",");
  });
  writeFileSync(path, `${[head, ...lines].join("\n")}\n`);
}

const table = join(root, "target.csv");
const init = join(root, "init");
const out = join(root, "out");
let budget: Budget;
const run = async (budgets: readonly number[], ways?: BudgetRequest["ways"]): Promise<Budget> => {
  const { model, optimiser, subsets } = loadCheckpoint(init).config;
  const training = trainingSchema.parse({ steps: 2, batch: 8, nTarget: 2, validateEvery: 1, checkpointEvery: 2 });
  const recipe = { survey: "toy", model, optimiser, subsets, training, adapt: adaptSchema.parse({}) };
  const folder = ways === undefined ? out : join(root, ways.join("-"));
  return labelBudget({ engine: await onnx, init, table, recipe, budgets, seeds: 1, out: folder, reading, ways });
};

beforeAll(async () => {
  const start = startCheckpoint(toyCatalog(600, "source"), { templates: 64 });
  const survey = surveyOfFields(toyFields);
  await saveCheckpoint(init, { ...start, config: { ...start.config, survey: { ...survey, headline: ["z"] } } });
  writeTarget(table, 400);
  budget = await run([0, 60]);
}, 240_000);

describe("label budgets", () => {
  it("have every way where labels allow it, on the same rows, with intervals", () => {
    expect(budget.field).toBe("z");
    expect(budget.cells.map((cell) => [cell.budget, cell.labels, cell.seed])).toStrictEqual([
      [0, 0, 1],
      [60, 60, 1],
    ]);
    const [none, some] = budget.cells;
    expect(Object.keys(none.scores).sort()).toStrictEqual(["chosen", "instrument", "zeroShot"]);
    for (const name of ["allWeights", "averaged", "frozenTrunk", "scratch"] as const) {
      expect(some.scores[name]?.sigmaNmad?.value).toBeGreaterThan(0);
    }
    // the same network answers the same, whatever the labels
    expect(some.scores.zeroShot?.sigmaNmad).toStrictEqual(none.scores.zeroShot?.sigmaNmad);
    const { value, low, high } = some.scores.chosen!.coverage68!;
    expect(low).toBeLessThanOrEqual(value);
    expect(high).toBeGreaterThanOrEqual(value);
  });

  it("keep what the validation rows find best, but for the error of the difference", () => {
    for (const { chosen, validation, scores, budget: labels } of budget.cells) {
      if (labels === 0) continue;
      // what is usually kept may lose by less than the error of the difference
      const best = Math.min(...Object.values(validation));
      expect(validation[chosen]! - best).toBeLessThan(0.5);
      expect(scores.chosen).toStrictEqual(scores[chosen]);
    }
  });

  it("go on where they stopped, and write the networks that were chosen", async () => {
    const [folder] = readdirSync(out).filter((name) => name.startsWith("cells-"));
    const cell = join(out, folder, "60-seed1.json");
    const before = statSync(cell).mtimeMs;
    const again = await run([0, 60]);
    expect(statSync(cell).mtimeMs).toBe(before);
    expect(again).toStrictEqual(budget);
    for (const { chosen, budget: labels, seed } of again.cells) {
      const network = join(out, folder, `${labels ?? "all"}-seed${seed}`);
      expect(existsSync(network)).toBe(chosen !== "zeroShot");
      if (chosen !== "zeroShot") expect(loadCheckpoint(network).config.survey.name).toBe("toy");
    }
  }, 240_000);

  it("make the ways that are asked for, and what these are made from", async () => {
    const found = await run([0, 60], ["lowRank", "priorSwap"]);
    const [none, some] = found.cells;
    expect(Object.keys(none.scores).sort()).toStrictEqual(["chosen", "instrument", "priorSwap", "zeroShot"]);
    const methods = ["chosen", "folds", "instrument", "lowRank", "priorSwap", "zeroShot"];
    expect(Object.keys(some.scores).sort()).toStrictEqual(methods);
    // the same network as in the table of all, under another prior
    expect(some.scores.folds).toStrictEqual(budget.cells[1].scores.folds);
    expect(some.scores.priorSwap?.negLogLik).not.toStrictEqual(some.scores.folds?.negLogLik);
    expect(some.chosen).not.toBe("priorSwap");
    const { at, density } = some.population!;
    const mass = at.slice(1).reduce((sum, x, i) => sum + 0.5 * (x - at[i]) * (density[i] + density[i + 1]), 0);
    expect(mass).toBeCloseTo(1, 1);
    // what is written is what `query --prior` reads
    const folder = join(root, "lowRank-priorSwap");
    const [cells] = readdirSync(folder).filter((name) => name.startsWith("cells-"));
    const { survey } = loadCheckpoint(init).config;
    const prior = await readPrior(join(folder, cells, "60-seed1-prior.csv"), { survey });
    for (const i of [3, 200, 390]) expect(prior.density!(at[i]) / density[i]).toBeCloseTo(1, 5);
  }, 240_000);

  it("are drawn: curves, every score, zero-points", () => {
    const page = renderReport(budgetReport(budget));
    expect(page).toContain("from scratch");
    expect(page).toContain("Zero-points learned");
    expect(budgetScore(budget, 60, "scratch", "sigmaNmad")?.value).toBeGreaterThan(0);
    expect(budgetScore(budget, 0, "scratch", "sigmaNmad")).toBeUndefined();
  });
});

describe("label budgets of a class", () => {
  const fields = [...toyFields, { ...type, id: toyFields.length }];
  const classes = ["blue", "green", "red"];
  const target = join(root, "classes.csv");
  const start = join(root, "class-init");
  // of two classes alike in number, which follow from the bands; the third is not there
  const toy = toyCatalog(400, "classes");
  const bands = toyFields.filter(({ band }) => band !== undefined).map(({ name }) => name);
  const names = Array.from({ length: 400 }, (_, row) => classes[row % 2]);

  beforeAll(async () => {
    const lines = names.map((name, row) => {
      const cells = bands.flatMap((_, j) => [100 + 20 * (j < 3 ? row % 2 : 0) + toy.error[row * n + j] / 10, 6]);
      return [`c${row}`, ...cells, name].join(",");
    });
    writeFileSync(target, [["object_id", ...bands.flatMap((b) => [b, `${b}_err`]), "TYPE"], ...lines].join("\n"));
    const checkpoint = startCheckpoint(filled(toyCatalog(600, "source"), fields), { templates: 64 });
    await saveCheckpoint(start, checkpoint);
  });

  const ask = async (want: string, folder: string): Promise<Budget> => {
    const { model, optimiser, subsets } = loadCheckpoint(start).config;
    const training = trainingSchema.parse({ steps: 2, batch: 8, nTarget: 2, validateEvery: 1, checkpointEvery: 2 });
    const recipe = { survey: "toy", model, optimiser, subsets, training, adapt: adaptSchema.parse({}) };
    const request = { engine: await onnx, init: start, table: target, recipe, budgets: [130], seeds: 1, reading };
    return labelBudget({ ...request, want, out: join(root, folder) });
  };

  it("are scored by what tells classes apart, with intervals, every way and trees", async () => {
    const found = await ask("TYPE", "class-out");
    expect([found.field, found.kind]).toStrictEqual(["TYPE", "category"]);
    const [{ chosen, validation, scores }] = found.cells;
    expect(validation[chosen]! - Math.min(...Object.values(validation))).toBeLessThan(0.5);
    expect(scores.chosen).toStrictEqual(scores[chosen]);
    // bands tell the classes apart: trees find that, which pins down what the scores mean
    for (const name of ["accuracy", "macroF1", "areaUnderCurve"] as const) {
      expect(scores.trees?.[name]?.value).toBeCloseTo(1);
      expect(scores.trees?.[name]?.low).toBeCloseTo(1);
    }
    for (const own of Object.values(scores)) {
      expect(Object.keys(own)).toStrictEqual(["accuracy", "macroF1", "negLogLik", "areaUnderCurve"]);
      for (const { value, low, high } of Object.values(own)) {
        expect(low).toBeLessThanOrEqual(value + 1e-9);
        expect(high).toBeGreaterThanOrEqual(value - 1e-9);
      }
    }
    const page = renderReport(budgetReport(found));
    for (const title of ["accuracy", "mean F1", "mean area under curve"]) expect(page).toContain(title);
    expect(page).not.toContain("sigma_NMAD");
  }, 120_000);

  it("say which properties there are", async () => {
    await expect(ask("KIND", "none")).rejects.toThrow(/--want KIND: .*expected one of z, MASS, DUST, LINE, TYPE/);
    await expect(ask("N1", "none")).rejects.toThrow(/--want N1/);
  });
});

describe("the ways that are asked for", () => {
  it("are names of the table, with the nearest one for what is none", () => {
    expect(waysFrom(undefined)).toBeUndefined();
    expect(waysFrom("folds, lowRank")).toStrictEqual(["folds", "lowRank"]);
    expect(() => waysFrom("folds,lowrank")).toThrow(
      /--ways lowrank: unknown \(did you mean "lowRank"\?\); expected some of zeroShot, .*priorSwap$/,
    );
    expect(() => waysFrom("")).toThrow(/--ways : unknown; expected/);
  });
});

describe("the choice among ways", () => {
  it("is the lowest loss, the network as it was among them; without any what took no labels", () => {
    const rows = (mean: number): number[] => [mean - 0.1, mean, mean, mean + 0.1];
    expect(chooseWay({ zeroShot: rows(-1), instrument: rows(-0.5), allWeights: rows(2) }, "instrument")).toBe(
      "zeroShot",
    );
    expect(chooseWay({ zeroShot: rows(1), allWeights: rows(-2), scratch: rows(Number.NaN) }, "instrument")).toBe(
      "allWeights",
    );
    expect(chooseWay({}, "retaught")).toBe("retaught");
    // what needs a prior beside it is no network
    expect(chooseWay({ folds: rows(1), priorSwap: rows(-5) }, "instrument")).toBe("folds");
    // the usual way stays where another one gains no more than its error
    expect(chooseWay({ folds: [0, 0, 0, 0], scratch: [-1, 1, -1, 0.8] }, "instrument")).toBe("folds");
    expect(chooseWay({ folds: [0, 0, 0, 0], scratch: [-1, -0.8, -1, -0.9] }, "instrument")).toBe("scratch");
  });
});
