import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadRecipe } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();

describe("recipes for spectra of real instruments", () => {
  it.each(["fors2-spectra", "desi-spectra"])("%s trains two steps", async (name) => {
    const recipe = loadRecipe(
      name,
      ["steps=2", "batch=4", "validateEvery=2", "checkpointEvery=2"].map((one) => `training.${one}`),
    );
    const table = join(folder, `${name}.parquet`);
    await simulate({ survey: recipe.survey, out: table, n: 40, fluxes: "clean", population: "wide", workers: 0 });
    const out = join(folder, name);
    const { config } = await pretrain({ engine: await onnx, data: [table], recipe, out });
    const tried = config.model.spectrum?.correlation;
    expect(tried).toBeDefined(); // lines are looked for at every redshift
    const { state } = loadCheckpoint(join(out, "checkpoint"));
    expect(state.params.every(Number.isFinite)).toBe(true);
  });
});
