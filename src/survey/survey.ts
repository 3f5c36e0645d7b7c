import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UserError } from "../errors.ts";
import { didYouMean } from "../io/nearest.ts";
import { readYaml } from "../io/yaml.ts";
import type { Field } from "./field.ts";
import { layoutSchema } from "./layout.ts";
import type { Layout } from "./layout.ts";

const finite = z.number();
const positive = z.number().positive();
const interval = z.tuple([finite, finite]).refine(([low, high]) => low < high, "expected [low, high] with low < high");

const bandSchema = z.strictObject({
  name: z.string().min(1),
  group: z.string().min(1),
  pivot: positive,
  edges: interval,
  rise: z.tuple([positive, positive]),
  depth: z.array(finite).min(1),
  zeroPointError: positive.optional(),
});

const propertySchema = z.strictObject({
  name: z.string().min(1),
  kind: z.enum(["log", "linear", "redshift", "ew"]),
  unit: z.string(),
  description: z.string().min(1),
  range: interval,
});

const surveySchema = z.strictObject({
  name: z.string().min(1),
  title: z.string().min(1),
  fluxUnit: z.string().min(1),
  fluxRange: interval,
  tiles: z.array(z.string().min(1)).min(1),
  zeroPointError: positive,
  bands: z.array(bandSchema),
  properties: z.array(propertySchema),
  layouts: z.array(layoutSchema).default([]),
});

/** A survey as its YAML file says: bands, depths, properties. Data, never code. */
export interface Survey {
  /** Name of the survey, as in `datasets/<name>.yaml`. */
  readonly name: string;
  readonly title: string;
  /** File it was read from. */
  readonly path: string;
  /** Unit of every flux, e.g. `1e-19 erg/s/cm2/A`. */
  readonly fluxUnit: string;
  /** Tiles; a band's `depth` has one entry per tile, or a single one that holds for all. */
  readonly tiles: readonly string[];
  /** Bands, then properties: the order of the vocabulary. Never reorder; new ones go to the end of their group. */
  readonly fields: readonly Field[];
  /** Tables of other archives that can be read as this survey. */
  readonly layouts: readonly Layout[];
}

/** Folder of the survey files that come with the package; the same from `src/` and from `dist/`. */
export function datasetsFolder(): string {
  return fileURLToPath(new URL("../../datasets", import.meta.url));
}

/** Names of the surveys that come with the package. */
export function listSurveys(): string[] {
  return readdirSync(datasetsFolder())
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => basename(file, ".yaml"))
    .sort();
}

function surveyPath(nameOrPath: string): string {
  if (/\.ya?ml$/.test(nameOrPath) || nameOrPath.includes("/")) return nameOrPath;
  const path = join(datasetsFolder(), `${nameOrPath}.yaml`);
  if (existsSync(path)) return path;
  const names = listSurveys();
  throw new UserError(
    `unknown survey "${nameOrPath}"${didYouMean(nameOrPath, names)}: expected one of ${names.join(", ")}, or a path to a .yaml file`,
  );
}

/**
 * Reads a survey file: a name in `datasets/`, or a path.
 * @throws UserError with file:line:column for a file that is not a survey.
 */
export function loadSurvey(nameOrPath: string): Survey {
  const path = surveyPath(nameOrPath);
  const { value, where } = readYaml(path, surveySchema);
  const seen = new Set<string>();
  const claim = (name: string, at: readonly PropertyKey[]): void => {
    if (seen.has(name)) throw new UserError(`${where(at)}: field "${name}" is declared twice`);
    seen.add(name);
  };
  const bands = value.bands.map((row, i): Field => {
    claim(row.name, ["bands", i, "name"]);
    if (row.depth.length !== 1 && row.depth.length !== value.tiles.length) {
      throw new UserError(
        `${where(["bands", i, "depth"])}: band "${row.name}" has ${row.depth.length} depths, expected 1 or ${value.tiles.length} (one per tile)`,
      );
    }
    return {
      name: row.name,
      kind: "flux",
      unit: value.fluxUnit,
      description: `${row.group} band at ${row.pivot} Angstrom`,
      band: {
        group: row.group,
        pivot: row.pivot,
        edges: row.edges,
        rise: row.rise,
        depth: row.depth,
        zeroPointError: row.zeroPointError ?? value.zeroPointError,
      },
      range: value.fluxRange,
    };
  });
  const properties = value.properties.map((row, i): Field => {
    claim(row.name, ["properties", i, "name"]);
    return { name: row.name, kind: row.kind, unit: row.unit, description: row.description, range: row.range };
  });
  value.layouts.forEach((layout, i) => {
    const named = [
      ...Object.keys(layout.properties),
      ...Object.keys(layout.bands?.aliases ?? {}),
      ...(layout.bands?.order ?? []).filter((name) => name !== null),
    ];
    const wrong = named.find((name) => !seen.has(name));
    if (wrong !== undefined) {
      throw new UserError(
        `${where(["layouts", i])}: layout "${layout.name}": no field "${wrong}"${didYouMean(wrong, seen)}`,
      );
    }
  });
  return {
    name: value.name,
    title: value.title,
    path,
    fluxUnit: value.fluxUnit,
    tiles: value.tiles,
    fields: [...bands, ...properties],
    layouts: value.layouts,
  };
}
