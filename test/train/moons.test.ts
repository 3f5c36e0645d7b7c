import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadRecipe } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";

const folder = mkdtempSync(join(tmpdir(), "caleido-moons-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("recipes for MOONS spectra", () => {
  it.each(["mtopnet-moons-quick", "mtopnet-moons"])("%s trains two steps from spectra without noise", async (name) => {
    const table = join(folder, `${name}.parquet`);
    await simulate({ survey: "moons", out: table, n: 40, fluxes: "clean", population: "wide", workers: 0 });
    const settings = ["steps=2", "batch=4", "validateEvery=2", "checkpointEvery=2"].map((one) => `training.${one}`);
    const recipe = loadRecipe(name, settings);
    const out = join(folder, name);
    const { config } = await pretrain({ engine: await onnx, data: [table], recipe, out });
    expect(config.survey.fields.some(({ kind }) => kind === "spectrum")).toBe(true);
    const { state } = loadCheckpoint(join(out, "checkpoint"));
    expect(state.params.every(Number.isFinite)).toBe(true);
  });
});
