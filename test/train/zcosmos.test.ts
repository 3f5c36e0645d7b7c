import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { loadRecipe } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { adapt, pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const brief = ["steps=2", "batch=4", "validateEvery=2", "checkpointEvery=2"].map((one) => `training.${one}`);
const [clean, sky] = ["clean", "sky"].map((name) => join(root, `${name}.parquet`));

it("the recipes for zCOSMOS train two steps each, with galaxies carried", async () => {
  const engine = await onnx;
  const simulated = { survey: "zcosmos", n: 80, workers: 0 } as const;
  await simulate({ ...simulated, out: clean, fluxes: "clean" });
  await simulate({ ...simulated, out: sky, seed: "sky" });
  const recipe = loadRecipe("zcosmos", [...brief, "model.nTemplate=32"], { verb: "pretrain" });
  const network = join(root, "network");
  const { templates } = await pretrain({ engine, data: [clean], recipe, out: network });
  expect(templates?.count).toBe(32);
  const out = join(root, "adapted");
  const own = loadRecipe("zcosmos-adapt", brief, { verb: "adapt" });
  await adapt({ engine, init: network, source: clean, unlabelled: sky, labelled: sky, recipe: own, out });
  const { config, state } = loadCheckpoint(out);
  expect(config.isCalibrated).toBe(true);
  expect(state.average.every(Number.isFinite)).toBe(true);
}, 300_000);
