import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { listRecipes, loadRecipe, recipeSchema, type RecipeVerb } from "../../src/recipe.ts";
import { verbOf } from "../helpers/recipes.ts";
import { scratch } from "../helpers/scratch.ts";

const path = join(scratch(), "mine.yaml");

function load(text: string, settings: readonly string[] = [], verb?: RecipeVerb): ReturnType<typeof loadRecipe> {
  writeFileSync(path, text);
  return loadRecipe(path, settings, verb === undefined ? {} : { verb });
}

/** One line that matches. */
function expectError(run: () => unknown, message: RegExp): void {
  expect(run).toThrow(UserError);
  expect(run).toThrow(message);
  expect(run).toThrow(/^[^\n]*$/);
}

describe("--set below something that is no section", () => {
  it.each([
    [
      "model: { nLayer: 2 }\n",
      "model.nLayer.x=3",
      /^--set model\.nLayer\.x=3: "model\.nLayer" is a value, not a section$/,
    ],
    ["survey: minijpas\n", "survey.a.b=3", /^--set survey\.a\.b=3: "survey" is a value, not a section$/],
    [
      "subsets:\n  bands: &w { uniform: 1 }\n  properties: *w\n",
      "subsets.properties.none=2",
      /^--set subsets\.properties\.none=2: subsets\.properties\.none lies inside .* alias; expected a key of a section$/,
    ],
    ["{}", "training.steps=*x", /^--set training\.steps=\*x: expected a YAML value \(.*x/],
  ])("says what it is: %j, %s", (text, setting, message) => {
    expectError(() => load(text, [setting]), message);
  });
});

describe("what a verb does not heed", () => {
  it.each([
    [
      "finetune",
      "survey=jnep",
      /--set survey=jnep: finetune ignores it: survey comes with the checkpoint of --init; --survey/,
    ],
    ["finetune", "model.nLayer=3", /--set model\.nLayer=3: finetune ignores it: model comes with the checkpoint/],
    [
      "finetune",
      "adapt.replay=2",
      /--set adapt\.replay=2: finetune ignores it: adapt is heeded by caleido adapt alone/,
    ],
    ["adapt", "survey=minijpas", /--set survey=minijpas: adapt ignores it/],
    ["adapt", "model={nLayer: 3}", /--set model=\{nLayer: 3\}: adapt ignores it/],
    ["pretrain", "adapt.labelled=2", /--set adapt\.labelled=2: pretrain ignores it/],
  ] as const)("%s: --set %s is refused", (verb, setting, message) => {
    expectError(() => load("{}", [setting], verb), message);
  });

  it.each([
    ["finetune", "# mine\nsurvey: jnep\n", /mine\.yaml:2:9: "survey": finetune ignores it/],
    ["adapt", "model:\n  nHead: 4\n  nLayer: 7\n", /mine\.yaml:3:11: "model\.nLayer": adapt ignores it: model comes/],
    ["pretrain", "adapt: { labelled: 0.4 }\n", /mine\.yaml:1:20: "adapt\.labelled": pretrain ignores it/],
  ] as const)("%s: a recipe's own %j is refused at its line", (verb, text, message) => {
    expectError(() => load(text, [], verb), message);
  });

  it("is no more than that: defaults in a recipe, settings of the verb, and no verb at all pass", () => {
    const { model } = recipeSchema.parse({});
    const text = `survey: minijpas\nmodel: { nLayer: ${model.nLayer} }\n`;
    expect(load(text, ["training.steps=5"], "finetune").training.steps).toBe(5);
    expect(load("{}", ["adapt.replay=2"], "adapt").adapt.replay).toBe(2);
    expect(load("{}", ["model.nLayer=3", "survey=jnep"], "pretrain").survey).toBe("jnep");
    expect(load("{}", ["model.nLayer=3", "adapt.replay=2"]).adapt.replay).toBe(2);
  });

  it("leaves every recipe of the package to its verb", () => {
    for (const name of listRecipes()) expect(loadRecipe(name, [], { verb: verbOf(name) })).toEqual(loadRecipe(name));
  });
});

describe("numbers beyond any sense are told at their line", () => {
  it.each([
    ["model:\n  dModel: 1e9\n", /mine\.yaml:2:11: "model\.dModel": .*16384/],
    ["model:\n  nLayer: 1000000\n", /mine\.yaml:2:11: "model\.nLayer"/],
    ["model:\n  nComponent: 100000\n", /"model\.nComponent"/],
    ["model:\n  dModel: 16384\n  nHidden: 65536\n", /mine\.yaml:2:3: "model": expected a network of 250 million/],
    ["model:\n  heads: { log: { head: histogram, from: 1e308 } }\n", /mine\.yaml:2:\d+: "model\.heads\.log\.from"/],
    ["model:\n  heads: { log: { head: histogram, from: 2, to: 1 } }\n", /"model\.heads\.log": expected from below to/],
    ["training:\n  steps: 1e18\n", /mine\.yaml:2:10: "training\.steps"/],
    ["training:\n  steps: 100000000\n", /mine\.yaml:2:10: "training\.steps": .*99999999/],
    ["training:\n  batch: 1e9\n", /"training\.batch"/],
    ["training:\n  nTarget: 1e9\n", /"training\.nTarget"/],
    ["training:\n  checkpointEvery: 1e12\n", /"training\.checkpointEvery"/],
    ["optimiser:\n  rate: 1e300\n", /mine\.yaml:2:9: "optimiser\.rate"/],
    ["optimiser:\n  clip: 1e300\n", /"optimiser\.clip"/],
    ["optimiser:\n  weightDecay: 1e300\n", /"optimiser\.weightDecay"/],
    ["subsets:\n  bands: { uniform: 1e308, none: 1e308 }\n", /"subsets\.bands\.uniform"/],
    ["subsets:\n  propertyTargetWeight: 1e308\n", /"subsets\.propertyTargetWeight"/],
    ["adapt:\n  replay: 1e308\n", /"adapt\.replay"/],
    ["adapt:\n  networkRate: 1e308\n", /"adapt\.networkRate"/],
  ])("%j", (text, message) => {
    expectError(() => load(text), message);
  });
});
