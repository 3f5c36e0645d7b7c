import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RecipeVerb } from "../../src/recipe.ts";

/** The comment that a recipe of the package begins with. */
function headOf(name: string): string {
  const text = readFileSync(fileURLToPath(new URL(`../../recipes/${name}.yaml`, import.meta.url)), "utf8");
  return /^(?:#.*\n)*/.exec(text)![0];
}

/** The verb of the command with this recipe in its head. @throws Error where there is none. */
export function verbOf(name: string): RecipeVerb {
  const command = new RegExp(`caleido (pretrain|finetune|adapt) .*--recipe ${name}(?![\\w-])`).exec(headOf(name));
  if (command === null) throw new Error(`recipes/${name}.yaml: no command with --recipe ${name} in its first lines`);
  return command[1] as RecipeVerb;
}
