import { basename } from "node:path";
import { UserError } from "../errors.ts";
import type { Field } from "../survey/field.ts";
import { layoutsFor } from "../survey/layout.ts";
import { loadSurvey } from "../survey/survey.ts";
import type { SurveyFile } from "../survey/survey-schema.ts";
import { medianDepth } from "../tokens/transform.ts";
import type { NamedTensors } from "./safetensors.ts";

/** Version of `config.json` that this code writes. */
export const FORMAT_VERSION = 5;

type Migration = (config: Record<string, unknown>) => Record<string, unknown>;

/** Version 1 had hashes by path: what each table was for is known only where all were simply trained on. */
const tablesWithRoles: Migration = (config) => ({
  ...config,
  data: Object.entries((config.data ?? {}) as Record<string, unknown>).map(([path, sha256]) => ({
    path,
    sha256,
    role: config.isCalibrated === true ? "unknown" : "train",
  })),
});

interface OldField {
  readonly name: string;
  readonly kind: string;
  readonly unit: string;
  readonly description: string;
  readonly range: readonly [number, number];
  readonly band?: Record<string, unknown> & {
    readonly group: string;
    readonly depth: readonly number[];
    readonly zeroPointError: unknown;
  };
}

/** One number of a list that held one per tile of a survey that isn't at hand. */
const middle = (list: unknown): unknown =>
  Array.isArray(list) ? [list.toSorted((a: number, b: number) => a - b)[list.length >> 1]] : list;

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((x, i) => x === b[i]);

/** The file of an old checkpoint's survey: its rows where that survey still has them, what the checkpoint kept elsewhere. */
function oldSurveyFile(named: string, fields: readonly OldField[]): Record<string, unknown> {
  let file: SurveyFile | undefined;
  try {
    ({ file } = loadSurvey(named));
  } catch (error) {
    if (!(error instanceof UserError)) throw error; // the survey's file is gone: the fields alone have to do
  }
  const bands = fields.flatMap(({ name, band }, id) => {
    if (band === undefined) return [];
    const row = file?.bands.find((one) => one.name === name && one.pivot === band.pivot);
    const kept = { ...band, depth: [medianDepth(band.depth)], zeroPointError: middle(band.zeroPointError) };
    // the survey's depths may be others now
    const depth = row === undefined || isSame(row.depth, band.depth) ? {} : { depth: kept.depth };
    return [row === undefined ? { name, ...kept, id } : { ...row, ...depth, id }];
  });
  const properties = fields.flatMap(({ name, kind, unit, description, range, band }, id) =>
    band === undefined ? [{ id, name, kind, unit, description, range }] : [],
  );
  const first = fields.find(({ band }) => band !== undefined);
  const bare = {
    name: basename(named, ".yaml"),
    title: basename(named, ".yaml"),
    fluxUnit: first?.unit ?? "1e-19 erg/s/cm2/A",
    fluxRange: first?.range ?? [-1e6, 1e9],
    tiles: ["any"],
    zeroPointError: 0.04,
  };
  // the survey may have gained fields since
  const layouts = layoutsFor(file?.layouts ?? [], bands, properties);
  return { ...bare, ...file, extends: [], omit: [], bands, properties, layouts };
}

/**
 * Version 2 named its survey and kept the fields, bands without notches, instrument, seeing and exposure. Version 3 carries
 * the survey's file. Its answers could only be mixtures, and its scale weighed bands by their f_lambda errors.
 */
const surveyInside: Migration = ({ fields, ...config }) => {
  const { head: _, ...model } = config.model as Record<string, unknown>;
  const { survey, standardisation } = config as { survey: string; standardisation: Record<string, unknown> };
  return {
    ...config,
    model: { ...model, heads: {}, filters: "free" },
    survey: oldSurveyFile(survey, fields as readonly OldField[]),
    standardisation: { ...standardisation, reference: "flat" },
    grownAt: [],
  };
};

/** Networks of version 3 carried no galaxies: `model.nTemplate`, `templates.safetensors`. */
const withoutTemplates: Migration = ({ model, ...config }) => ({
  ...config,
  model: { nTemplate: 0, ...(model as object) },
});

/** Networks of version 4 fitted every galaxy that they carried: `model.neighbourhood`. */
const withoutNeighbourhoods: Migration = ({ model, ...config }) => ({
  ...config,
  model: { neighbourhood: 1, ...(model as object) },
});

/** From version n to n + 1, by n. Old checkpoints pass through every step that is missing. */
const migrations: Readonly<Record<number, Migration>> = {
  1: tablesWithRoles,
  2: surveyInside,
  3: withoutTemplates,
  4: withoutNeighbourhoods,
};

/** The configuration as this version writes it, unchecked beyond that. @throws UserError for a file that isn't a checkpoint's, or a version this code doesn't know. */
export function migrateConfig(parsed: unknown, path: string): Record<string, unknown> {
  let config = parsed as Record<string, unknown>;
  const isObject = typeof config === "object" && config !== null;
  if (!isObject || typeof config.formatVersion !== "number" || !("model" in config) || !("survey" in config)) {
    throw new UserError(`${path}: not a Caleido checkpoint (no formatVersion, model and survey)`);
  }
  for (let version = config.formatVersion; version < FORMAT_VERSION; version++) {
    const migrate = migrations[version];
    if (migrate === undefined) throw new UserError(`${path}: format version ${version} can't be read`);
    config = { ...migrate(config), formatVersion: version + 1 };
  }
  if (config.formatVersion !== FORMAT_VERSION) {
    throw new UserError(
      `${path}: format version ${String(config.formatVersion)} is newer than this Caleido (${FORMAT_VERSION})`,
    );
  }
  return config;
}

/** Features of a value and widths of neighbourhoods in versions 1 and 2. */
const OLD = { features: 5, contrasts: 3 } as const;

/**
 * Tensors of a checkpoint under the names and in the order of this version; `prefix` is `raw.`, `first.`, ... where they
 * are not the plain weights. Up to version 2 all given values entered through one matrix, features of fields first, then
 * the contrasts of bands, then the scale; and calibrations had entries for properties.
 */
export function migrateTensors(
  tensors: NamedTensors,
  from: number,
  fields: readonly Field[],
  prefix = "",
): NamedTensors {
  const whole = tensors[`${prefix}embed.fields`];
  if (from > 2 || whole === undefined) return tensors;
  const n = fields.length;
  const nBand = fields.filter(({ band }) => band !== undefined).length;
  const size = whole.shape[1];
  const rowsOf = (rows: readonly number[]): NamedTensors[string] => {
    const data = new Float32Array(rows.length * size);
    rows.forEach((row, i) => data.set(whole.data.subarray(row * size, (row + 1) * size), i * size));
    return { shape: [rows.length, size], data };
  };
  const count = (k: number): number[] => Array.from({ length: k }, (_, i) => i);
  const ofField = (j: number): number[] => count(OLD.features).map((f) => j * OLD.features + f);
  const ofBand = (j: number): number[] => [
    ...ofField(j),
    ...count(OLD.contrasts).map((w) => n * OLD.features + w * nBand + j),
  ];
  const scale = n * OLD.features + OLD.contrasts * nBand;
  const property = [scale, scale + 1, ...count(n - nBand).flatMap((j) => ofField(nBand + j))];
  const bandsOnly = (name: string): NamedTensors => {
    const all = tensors[`${prefix}${name}`];
    return all === undefined ? {} : { [`${prefix}${name}`]: { shape: [nBand], data: all.data.slice(0, nBand) } };
  };
  return {
    ...tensors,
    [`${prefix}embed.band`]: rowsOf(count(nBand).flatMap(ofBand)),
    [`${prefix}embed.property`]: rowsOf(property),
    ...bandsOnly("calibration.lnFlux"),
    ...bandsOnly("calibration.lnNoise"),
  };
}
