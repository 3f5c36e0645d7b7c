import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMap, isScalar, parseDocument } from "yaml";
import { z } from "zod";
import { UserError } from "./errors.ts";
import { didYouMean } from "./io/nearest.ts";
import { parseYaml } from "./io/yaml.ts";
import { modelSchema } from "./model/transformer.ts";
import { subsetSchema } from "./tokens/subset.ts";
import { adaptSchema } from "./train/adapt.ts";
import { trainingSchema } from "./train/config.ts";
import { optimiserSchema } from "./train/optimiser.ts";

/** A training recipe: one section per room, each declared beside the code that reads it. Closed: unknown keys stop. */
export const recipeSchema = z.strictObject({
  survey: z.string().default("minijpas"),
  model: modelSchema,
  subsets: subsetSchema,
  optimiser: optimiserSchema,
  training: trainingSchema,
  adapt: adaptSchema,
});
export type Recipe = z.output<typeof recipeSchema>;

function recipesFolder(): string {
  return fileURLToPath(new URL("../recipes", import.meta.url));
}

export function listRecipes(): string[] {
  return readdirSync(recipesFolder())
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => basename(file, ".yaml"))
    .sort();
}

function recipePath(nameOrPath: string): string {
  if (/\.ya?ml$/.test(nameOrPath) || nameOrPath.includes("/")) return nameOrPath;
  const path = join(recipesFolder(), `${nameOrPath}.yaml`);
  if (existsSync(path)) return path;
  const names = listRecipes();
  throw new UserError(
    `unknown recipe "${nameOrPath}"${didYouMean(nameOrPath, names)}: expected one of ${names.join(", ")}, or a path to a .yaml file`,
  );
}

/** `model.nLayer=6` -> the recipe's text with that value set. Values are YAML. */
function override(text: string, setting: string): string {
  const split = setting.indexOf("=");
  if (split < 1) throw new UserError(`--set ${setting}: expected key=value, e.g. --set model.nLayer=6`);
  const doc = parseDocument(text);
  if (!isMap(doc.contents)) doc.contents = doc.createNode({}) as never;
  const value: unknown = parseDocument(setting.slice(split + 1)).toJS();
  try {
    const key = setting.slice(0, split).split(".");
    const leaf = key.findIndex((_, depth) => depth > 0 && isScalar(doc.getIn(key.slice(0, depth), true)));
    if (leaf > 0) throw new UserError(`--set ${setting}: "${key.slice(0, leaf).join(".")}" is a value, not a section`);
    doc.setIn(key, value);
  } catch {
    throw new UserError(
      `--set ${setting}: ${setting.slice(0, split)} lies inside a single value; expected a key of a section`,
    );
  }
  return doc.toString();
}

/**
 * Reads a recipe, a name in `recipes/` or a path, and applies `--set key=value` settings in order.
 * @throws UserError with file:line:column and the nearest right name for a typo.
 */
export function loadRecipe(nameOrPath: string, settings: readonly string[] = []): Recipe {
  const path = recipePath(nameOrPath);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new UserError(`${path}: no such recipe; expected a YAML file`);
  }
  let text = readFileSync(path, "utf8");
  if (parseDocument(text).contents === null) text = "{}"; // nothing but comments: all defaults
  let recipe = parseYaml(text, path, recipeSchema).value;
  for (const setting of settings) {
    text = override(text, setting);
    recipe = parseYaml(text, `--set ${setting} in ${path}`, recipeSchema).value;
  }
  return recipe;
}
