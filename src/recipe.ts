import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMap, isScalar, parseDocument } from "yaml";
import { z } from "zod";
import { UserError } from "./errors.ts";
import { didYouMean } from "./io/nearest.ts";
import { parseYaml } from "./io/yaml.ts";
import { modelSchema } from "./model/transformer.ts";
import { observationSchema } from "./simulate/observation.ts";
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
  observation: observationSchema.optional(),
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

/** A training verb, for what it heeds of a recipe. */
export type RecipeVerb = "pretrain" | "finetune" | "adapt";

const ofCheckpoint = "comes with the checkpoint of --init";

/** Sections of a recipe that a verb does not heed, and why. */
const ignoredBy: Readonly<Record<RecipeVerb, Readonly<Partial<Record<keyof Recipe, string>>>>> = {
  pretrain: { adapt: "is heeded by caleido adapt alone" },
  finetune: {
    survey: `${ofCheckpoint}; --survey grows it`,
    model: ofCheckpoint,
    adapt: "is heeded by caleido adapt alone",
  },
  adapt: { survey: ofCheckpoint, model: ofCheckpoint },
};

type KeyPath = readonly string[];

/** Path of the first value that isn't the default; undefined where all are. */
function firstChange(value: unknown, usual: unknown, path: KeyPath): KeyPath | undefined {
  const isSection = (x: unknown): x is Record<string, unknown> =>
    typeof x === "object" && x !== null && !Array.isArray(x);
  if (!isSection(value) || !isSection(usual)) {
    return JSON.stringify(value) === JSON.stringify(usual) ? undefined : path;
  }
  for (const key of new Set([...Object.keys(value), ...Object.keys(usual)])) {
    const change = firstChange(value[key], usual[key], [...path, key]);
    if (change !== undefined) return change;
  }
  return undefined;
}

/** @throws UserError for a key of a section that the verb does not heed, where it isn't the default. */
function checkHeeded(recipe: Recipe, verb: RecipeVerb, where: (path: KeyPath) => string): void {
  const defaults = recipeSchema.parse({});
  for (const [section, why] of Object.entries(ignoredBy[verb])) {
    const name = section as keyof Recipe;
    const change = firstChange(recipe[name], defaults[name], [name]);
    if (change !== undefined)
      throw new UserError(`${where(change)}: "${change.join(".")}": ${verb} ignores it: ${section} ${why}`);
  }
}

/** `model.nLayer=6` -> ["model", "nLayer"] and the value, which is YAML. @throws UserError for what is neither. */
function parseSetting(setting: string): { key: KeyPath; value: unknown } {
  const split = setting.indexOf("=");
  if (split < 1) throw new UserError(`--set ${setting}: expected key=value, e.g. --set model.nLayer=6`);
  const key = setting.slice(0, split).split(".");
  try {
    return { key, value: parseDocument(setting.slice(split + 1)).toJS() as unknown };
  } catch (error) {
    throw new UserError(
      `--set ${setting}: expected a YAML value (${(error as Error).message.replaceAll(/\s+/g, " ")})`,
    );
  }
}

/** The recipe's text with a value set. @throws UserError for a key below something that is no section. */
function override(text: string, setting: string): string {
  const { key, value } = parseSetting(setting);
  const doc = parseDocument(text);
  if (!isMap(doc.contents)) doc.contents = doc.createNode({}) as never;
  const leaf = key.findIndex((_, depth) => depth > 0 && isScalar(doc.getIn(key.slice(0, depth), true)));
  if (leaf > 0) throw new UserError(`--set ${setting}: "${key.slice(0, leaf).join(".")}" is a value, not a section`);
  try {
    doc.setIn(key, value);
  } catch {
    throw new UserError(
      `--set ${setting}: ${key.join(".")} lies inside what is no section of its own, a list or an alias; expected a key of a section`,
    );
  }
  return doc.toString();
}

export interface RecipeOptions {
  /** Refuse what this verb would not heed: its sections by `--set`, and where the file's differ from the default. */
  readonly verb?: RecipeVerb;
}

/**
 * Reads a recipe, a name in `recipes/` or a path, and applies `--set key=value` settings in order.
 * @throws UserError with file:line:column and the nearest right name for a typo.
 */
export function loadRecipe(nameOrPath: string, settings: readonly string[] = [], { verb }: RecipeOptions = {}): Recipe {
  const path = recipePath(nameOrPath);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new UserError(`${path}: no such recipe; expected a YAML file`);
  }
  let text = readFileSync(path, "utf8");
  if (parseDocument(text).contents === null) text = "{}"; // nothing but comments: all defaults
  const { value, where } = parseYaml(text, path, recipeSchema);
  if (verb !== undefined) checkHeeded(value, verb, where);
  let recipe = value;
  for (const setting of settings) {
    const [section] = parseSetting(setting).key;
    text = override(text, setting);
    recipe = parseYaml(text, `--set ${setting} in ${path}`, recipeSchema).value;
    const why = verb === undefined ? undefined : ignoredBy[verb][section as keyof Recipe];
    if (why !== undefined) throw new UserError(`--set ${setting}: ${verb} ignores it: ${section} ${why}`);
  }
  return recipe;
}
