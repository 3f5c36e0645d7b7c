import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { listRecipes, loadRecipe, recipeSchema } from "../../src/recipe.ts";
import { State } from "../../src/survey/field.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { catalogFromValues } from "../../src/survey/values.ts";
import { scratch } from "../helpers/scratch.ts";

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const path = join(root, "mine.yaml");

function load(text: string, settings: readonly string[] = []): ReturnType<typeof loadRecipe> {
  writeFileSync(path, text);
  return loadRecipe(path, settings);
}

/** One line that starts with where. */
function expectError(run: () => unknown, message: RegExp): void {
  expect(run).toThrow(UserError);
  expect(run).toThrow(message);
  expect(run).toThrow(/^[^\n]*$/);
}

describe("a recipe", () => {
  it.each(listRecipes())("named %s loads", (name) => {
    expect(loadRecipe(name).survey).not.toBe("");
  });

  it("is all defaults when empty", () => {
    expect(load("{}")).toStrictEqual(recipeSchema.parse({}));
    expect(load("model: { nLayer: 9 }").model).toStrictEqual({ ...recipeSchema.parse({}).model, nLayer: 9 });
  });

  it.each([
    ["survey: minijpas\nmodel:\n  nLayr: 6\n", /mine\.yaml:3:3: .*unknown key "nLayr".*nLayer/],
    ["model: {}\n\ntrainning: {}\n", /mine\.yaml:3:1: .*unknown key "trainning".*training/],
    ["optimiser:\n  rate: fast\n", /mine\.yaml:2:9: "optimiser\.rate": .*number/],
    ["optimiser:\n  rate: -1\n", /mine\.yaml:2:9: "optimiser\.rate"/],
    ["training:\n  batch: 1.5\n", /mine\.yaml:2:10: "training\.batch"/],
    ["model:\n  filters: functoin\n", /mine\.yaml:2:12: "model\.filters": .*"function"/],
    ["subsets:\n  bands: { unifrom: 1 }\n", /mine\.yaml:2:\d+: "subsets\.bands.*unifrom/],
    ["subsets:\n  fullShare: 0.9\n  autoregressiveShare: 0.9\n", /mine\.yaml:2:3: .*fullShare \+ autoregressiveShare/],
    ["model:\n  dModel: 10\n  nHead: 4\n", /mine\.yaml:2:3: .*nHead to divide dModel/],
    ["model: [\n", /mine\.yaml:\d+:\d+: /],
    ["3", /mine\.yaml:1:1: /],
  ])("with a mistake says where and what: %j", (text, message) => {
    expectError(() => load(text), message);
  });

  it("that isn't there is named, with the nearest right name", () => {
    expectError(() => loadRecipe(join(root, "none.yaml")), /none\.yaml: no such recipe; expected a YAML file/);
    const [name] = listRecipes();
    expectError(() => loadRecipe(`${name}x`), new RegExp(`unknown recipe "${name}x".*${name}.*expected one of`));
    expectError(() => loadRecipe(root), /expected|recipe/);
  });
});

describe("--set", () => {
  it("overrides in order, creates sections, and reads YAML values", () => {
    const settings = [
      "model.nLayer=6",
      "training.seed=abc",
      "optimiser.rate=1e-4",
      "model.nLayer=7",
      "subsets.bands={blue: 2}",
    ];
    const recipe = load("model:\n  nLayer: 2 # a comment\n", settings);
    expect(recipe.model.nLayer).toBe(7);
    expect(recipe.training.seed).toBe("abc");
    expect(recipe.optimiser.rate).toBe(1e-4);
    expect(recipe.subsets.bands).toStrictEqual({ blue: 2 });
    expect(load("", ["training.steps=5"]).training.steps).toBe(5);
  });

  it.each([
    ["model.nLayr=6", /--set model\.nLayr=6 .*unknown key "nLayr".*nLayer/],
    ["model.nLayer=0", /--set model\.nLayer=0 .*"model\.nLayer"/],
    ["model.nLayer", /--set model\.nLayer: expected key=value/],
    ["=3", /--set =3: expected key=value/],
    ["model=3", /--set model=3 .*"model"/],
    ["model.nLayer.deep=3", /--set model\.nLayer\.deep=3/],
    ["survey.name=x", /--set survey\.name=x/],
    ["model.nLayer=[", /--set model\.nLayer=\[/],
    ["model..nLayer=3", /--set model\.\.nLayer=3/],
  ])("refuses %s in one line", (setting, message) => {
    expectError(() => load("survey: minijpas\nmodel:\n  nLayer: 2\n", [setting]), message);
  });
});

describe("a galaxy typed by hand", () => {
  const survey = loadSurvey("minijpas");
  const index = (name: string): number => survey.fields.findIndex((field) => field.name === name);

  it("holds what was given, with the given error or a usual one", () => {
    const catalog = catalogFromValues(["J0378=12.5+-0.5", "rSDSS=-3", "z=0.25", "LOGM=10.5+-0.1"], survey);
    expect(catalog.rowCount).toBe(1);
    expect(catalog.value[index("J0378")]).toBe(12.5);
    expect(catalog.error[index("J0378")]).toBe(0.5);
    expect(catalog.value[index("rSDSS")]).toBe(-3);
    expect(catalog.error[index("rSDSS")]).toBeGreaterThan(0);
    expect([catalog.value[index("z")], catalog.error[index("z")]]).toStrictEqual([0.25, 0]);
    expect(catalog.error[index("LOGM")]).toBe(Math.fround(0.1));
    const measured = [...catalog.state].filter((state) => state === State.measured);
    expect([measured.length, catalog.state[index("J0390")]]).toStrictEqual([4, State.notObserved]);
  });

  it("has an error above zero for every flux, also for one of zero", () => {
    expect(catalogFromValues(["J0378=0"], survey).error[index("J0378")]).toBeGreaterThan(0);
  });

  it.each([
    ["J0379=1", /--set J0379=1: unknown field "J0379".*J03/],
    ["J0378", /--set J0378: expected J0378=number/],
    ["J0378=", /--set J0378=: expected J0378=number/],
    ["J0378=bright", /expected J0378=number/],
    ["J0378=Infinity", /expected J0378=number/],
    ["J0378=1+-0", /expected J0378=number or J0378=number\+-error \(above 0\)/],
    ["J0378=1+--2", /expected J0378=number/],
    ["J0378=1+-x", /expected J0378=number/],
    ["J0378=1+-", /expected J0378=number/],
    ["J0378=1+-2+-3", /expected J0378=number/],
    ["J0378=1=2", /expected J0378=number/],
    ["J0378= +-1", /expected J0378=number/],
    ["z=-5", /--set z=-5: z is outside/],
    ["=3", /unknown field ""/],
  ])("refuses %s in one line", (setting, message) => {
    expectError(() => catalogFromValues([setting], survey), message);
  });

  it("refuses a field given twice", () => {
    expectError(() => catalogFromValues(["z=0.1", "z=0.2"], survey), /--set z=0\.2: z is given twice/);
  });
});
