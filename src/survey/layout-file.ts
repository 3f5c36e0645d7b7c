/** A layout in a file of its own: what one's own columns are called, in the names of a survey that is there already. */
import { basename } from "node:path";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { readYaml } from "../io/yaml.ts";
import { checkTemplates } from "./find.ts";
import { type Layout, layoutSchema } from "./layout.ts";
import { checkLayout, type Survey } from "./survey.ts";

/** Whether `--layout` names a file. */
export const isLayoutFile = (name: string): boolean => /\.ya?ml$/i.test(name) || name.includes("/");

/**
 * Reads a layout for a survey from a YAML file; its name is that of the file, unless it says another.
 * @throws UserError with file:line:column for a file that is no layout, or speaks of other fields.
 */
export function loadLayout(path: string, survey: Survey): Layout {
  const stem = basename(path).replace(/\.ya?ml$/i, "");
  const schema = layoutSchema.extend({ name: z.string().min(1).default(stem), title: z.string().min(1).default(stem) });
  const raw = readYaml(path, z.looseObject({}));
  const ofSurvey = ["layouts", "fluxUnit", "extends"].find((key) => key in raw.value);
  if (ofSurvey !== undefined) {
    throw new UserError(
      `${raw.where([ofSurvey])}: "${ofSurvey}" is a survey file's; expected a layout alone (objectId, bands, ...), or --survey ${path}`,
    );
  }
  const layout = raw.check(schema);
  checkLayout(layout, survey.fields, path);
  checkTemplates(layout, (key) => raw.where([key]));
  return layout;
}
