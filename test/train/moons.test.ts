import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadRecipe } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";

const folder = mkdtempSync(join(tmpdir(), "caleido-moons-"));
const table = join(folder, "clean.parquet");
beforeAll(() => simulate({ survey: "moons", out: table, n: 40, fluxes: "clean", population: "wide", workers: 0 }));
afterAll(() => rmSync(folder, { recursive: true }));

it("mtopnet-moons-quick trains two steps with a decoder of spectra, from spectra without noise", async () => {
  const brief = ["steps=2", "batch=4", "validateEvery=2", "checkpointEvery=2"].map((one) => `training.${one}`);
  const recipe = loadRecipe("mtopnet-moons-quick", [...brief, "model.spectrum.out.cells=24"]);
  const out = join(folder, "run");
  const { config } = await pretrain({ engine: await onnx, data: [table], recipe, out });
  expect(config.survey.fields.some(({ kind }) => kind === "spectrum")).toBe(true);
  const { state, layout } = loadCheckpoint(join(out, "checkpoint"));
  expect(layout.specs.some((spec) => spec.name.startsWith("decoder."))).toBe(true);
  expect(state.params.every(Number.isFinite)).toBe(true);
});
