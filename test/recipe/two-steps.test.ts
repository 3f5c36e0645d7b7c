import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { listRecipes, loadRecipe, type RecipeVerb } from "../../src/recipe.ts";
import { simulate } from "../../src/simulate/simulate.ts";
import { loadCheckpoint } from "../../src/train/checkpoint.ts";
import { adapt } from "../../src/inference/adaptation.ts";
import { finetune, pretrain } from "../../src/train/verbs.ts";
import { onnx } from "../helpers/network.ts";
import { verbOf } from "../helpers/recipes.ts";
import { scratch } from "../helpers/scratch.ts";

/** Every recipe of the package trains two steps, as the verb in its head. */

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const engine = await onnx;
const names = listRecipes();
const brief = ["steps=2", "batch=4", "validateEvery=2", "checkpointEvery=2"].map((one) => `training.${one}`);
/** Galaxies that a network carries here: as many as the tables have to spare. */
const CARRIED = 32;

/** What is made once, by name. */
const made = new Map<string, Promise<string>>();
function once(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
  const path = join(root, name);
  const known = made.get(name) ?? make(path).then(() => path);
  made.set(name, known);
  return known;
}

const tableOf = (survey: string, fluxes: "clean" | "observed"): Promise<string> =>
  once(`${survey}-${fluxes}.parquet`, (out) =>
    simulate({ survey, out, n: 80, seed: fluxes, fluxes, population: "wide", workers: 0 }),
  );

/** A network of this recipe, its galaxies included where it carries any. */
const networkOf = (name: string): Promise<string> =>
  once(name, async (out) => {
    const { survey, model } = loadRecipe(name);
    const carried = model.nTemplate > 0 ? [`model.nTemplate=${CARRIED}`] : [];
    const recipe = loadRecipe(name, [...brief, ...carried], { verb: "pretrain" });
    await pretrain({ engine, data: [await tableOf(survey, "clean")], recipe, out });
  });

/** The recipe of the network that another one goes on from: the one whose name it has, else the shortest. */
function networkFor(name: string): string {
  const own = name.replace(/-adapt$/, "");
  return own !== name && names.includes(own) ? own : "quickstart";
}

/** Runs a recipe; where its checkpoint is. */
const runs: { readonly [V in RecipeVerb]: (name: string) => Promise<string> } = {
  pretrain: networkOf,
  async finetune(name) {
    const init = await networkOf("quickstart");
    const recipe = loadRecipe(name, brief, { verb: "finetune" });
    return once(name, async (out) =>
      finetune({ engine, init, data: [await tableOf("minijpas", "observed")], recipe, out }),
    );
  },
  async adapt(name) {
    const network = networkFor(name);
    const { survey } = loadRecipe(network);
    const [source, sky] = [await tableOf(survey, "clean"), await tableOf(survey, "observed")];
    const recipe = loadRecipe(name, brief, { verb: "adapt" });
    const init = await networkOf(network);
    return once(name, (out) =>
      adapt({ engine, init, source, unlabelled: sky, labelled: sky, recipe, out, anyTarget: true }),
    );
  },
};

describe("recipes", () => {
  it.each(names)("%s trains two steps", { timeout: 300_000 }, async (name) => {
    const { config, state, layout, templates } = loadCheckpoint(await runs[verbOf(name)](name));
    expect(config.step).toBe(2);
    expect(state.average.every(Number.isFinite)).toBe(true);
    const { model } = loadRecipe(name);
    if (verbOf(name) !== "pretrain") return;
    const hasDecoder = layout.specs.some((spec) => spec.name.startsWith("decoder."));
    expect(hasDecoder).toBe(model.spectrum?.out !== undefined);
    expect(templates?.count ?? 0).toBe(model.nTemplate > 0 ? CARRIED : 0);
    // a spectrum's lines are looked for at every redshift, where the recipe says so
    expect(config.model.spectrum?.correlation).toStrictEqual(model.spectrum?.correlation);
  });
});
