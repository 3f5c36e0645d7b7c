import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadRecipe } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";

const folder = mkdtempSync(join(tmpdir(), "caleido-moons-"));
const table = join(folder, "clean.parquet");
beforeAll(() => simulate({ survey: "moons", out: table, n: 40, fluxes: "clean", population: "wide", workers: 0 }));
afterAll(() => rmSync(folder, { recursive: true }));

describe("recipes for MOONS spectra", () => {
  it.each([
    ["mtopnet-moons-quick", []],
    ["mtopnet-moons", []],
    ["mtopnet-moons-quick", ["model.spectrum.out.cells=24"]],
  ])("%s trains two steps from spectra without noise %j", async (name, more) => {
    const label = `${name}-${more.length}`;
    const settings = ["steps=2", "batch=4", "validateEvery=2", "checkpointEvery=2"].map((one) => `training.${one}`);
    const recipe = loadRecipe(name, [...settings, ...more]);
    const out = join(folder, label);
    const { config } = await pretrain({ engine: await onnx, data: [table], recipe, out });
    expect(config.survey.fields.some(({ kind }) => kind === "spectrum")).toBe(true);
    const { state, layout } = loadCheckpoint(join(out, "checkpoint"));
    expect(layout.specs.some((spec) => spec.name.startsWith("decoder."))).toBe(more.length > 0);
    expect(state.params.every(Number.isFinite)).toBe(true);
  });
});
