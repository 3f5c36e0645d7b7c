import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chooseWay, labelBudget, budgetScore, type Budget } from "../../src/inference/budget.ts";
import { budgetReport } from "../../src/inference/budget-report.ts";
import { renderReport } from "../../src/report/html.ts";
import { createRng } from "../../src/random.ts";
import { adaptSchema } from "../../src/train/adapt.ts";
import { loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { trainingSchema } from "../../src/train/config.ts";
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
const run = async (budgets: readonly number[]): Promise<Budget> => {
  const { model, optimiser, subsets } = loadCheckpoint(init).config;
  const training = trainingSchema.parse({ steps: 2, batch: 8, nTarget: 2, validateEvery: 1, checkpointEvery: 2 });
  const recipe = { survey: "toy", model, optimiser, subsets, training, adapt: adaptSchema.parse({}) };
  return labelBudget({ engine: await onnx, init, table, recipe, budgets, seeds: 1, out, reading });
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

  it("keep what the validation rows find best: never worse there than the network as it was", () => {
    for (const { chosen, validation, scores, budget: labels } of budget.cells) {
      if (labels === 0) continue;
      expect(validation[chosen]).toBe(Math.min(...Object.values(validation)));
      expect(validation[chosen]).toBeLessThanOrEqual(validation.zeroShot!);
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

  it("are drawn: curves, every score, zero-points", () => {
    const page = renderReport(budgetReport(budget));
    expect(page).toContain("from scratch");
    expect(page).toContain("Zero-points learned");
    expect(budgetScore(budget, 60, "scratch", "sigmaNmad")?.value).toBeGreaterThan(0);
    expect(budgetScore(budget, 0, "scratch", "sigmaNmad")).toBeUndefined();
  });
});

describe("the choice among ways", () => {
  it("is the lowest loss, the network as it was among them; without any what took no labels", () => {
    expect(chooseWay({ zeroShot: -1, instrument: -0.5, allWeights: 2 }, "instrument")).toBe("zeroShot");
    expect(chooseWay({ zeroShot: 1, allWeights: -2, scratch: Number.NaN }, "instrument")).toBe("allWeights");
    expect(chooseWay({}, "retaught")).toBe("retaught");
  });
});
