import { UserError } from "../errors.ts";
import { hashFile } from "../io/hash.ts";
import type { Reporter } from "../progress.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import type { Catalog } from "../survey/catalog.ts";
import { manifestPath, readManifest, readParts } from "../survey/prepared.ts";
import { readWholeCatalog } from "../survey/read.ts";
import { splitByParent, type SplitName, splitNames } from "../survey/split.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import { counted } from "../text.ts";
import type { Standardisation } from "../tokens/standardise.ts";
import type { Checkpoint, TableRecord } from "./checkpoint.ts";

/** The survey a checkpoint was trained on, with the checkpoint's own vocabulary. @throws UserError where it is gone. */
export function surveyOf({ config }: Checkpoint): Survey {
  return { ...loadSurvey(config.survey), fields: config.fields };
}

/** One table of a training run, or a prepared folder, read and split. */
export interface TrainingTable {
  /** As it stands in the checkpoint. */
  readonly record: TableRecord;
  readonly catalog: Catalog;
  readonly rows: Readonly<Record<"train" | "validation", Int32Array>>;
  /** Of a prepared folder: fitted when it was prepared. */
  readonly standardisation?: Standardisation;
}

/** What is to be read, and what for. */
export interface TableWish {
  readonly path: string;
  readonly role: TableRecord["role"];
  readonly reading?: BindOptions | undefined;
}

/** @throws UserError for a table, or a folder, that can't be read or has no training rows. */
export async function readTrainingTable(wish: TableWish, survey: Survey, { say }: Reporter): Promise<TrainingTable> {
  const { path, role, reading = {} } = wish;
  const manifest = readManifest(path);
  const recordOf = async (file: string): Promise<TableRecord> => {
    const said = Object.keys(reading).length === 0 ? {} : { reading };
    return { path, sha256: await hashFile(file), role, ...said } as TableRecord;
  };
  if (manifest === undefined) {
    const { catalog, report } = await readWholeCatalog(path, survey, reading);
    for (const line of report) say(line);
    const rows = splitByParent(catalog.parentId);
    if (rows.train.length === 0) throw new UserError(`${path}: no rows to train on; expected a table of galaxies`);
    return { record: await recordOf(path), catalog, rows };
  }
  const { catalog, rows } = await readParts(path, manifest, survey, ["train", "validation"]);
  if (rows.train.length === 0) throw new UserError(`${path}: no rows to train on; expected a table of galaxies`);
  say(`${path}: ${counted(rows.train.length, "prepared training row")}`);
  const { sample: _, ...standardisation } = manifest.standardisation;
  return { record: await recordOf(manifestPath(path)), catalog, rows, standardisation };
}

/** Rows of one part of a table or a prepared folder, or all of them. @throws UserError where there are none. */
export async function readPart(
  path: string,
  part: SplitName | "all",
  survey: Survey,
  reading: BindOptions = {},
): Promise<{ catalog: Catalog; rows: Int32Array }> {
  const everyRow = ({ rowCount }: Catalog): Int32Array => Int32Array.from({ length: rowCount }, (_, i) => i);
  const manifest = readManifest(path);
  const read = async (): Promise<{ catalog: Catalog; rows: Int32Array }> => {
    if (manifest !== undefined) {
      const { catalog } = await readParts(path, manifest, survey, part === "all" ? splitNames : [part]);
      return { catalog, rows: everyRow(catalog) };
    }
    const { catalog } = await readWholeCatalog(path, survey, reading);
    return { catalog, rows: part === "all" ? everyRow(catalog) : splitByParent(catalog.parentId)[part] };
  };
  const { catalog, rows } = await read();
  if (rows.length === 0) throw new UserError(`${path}: no rows in part "${part}"; --part all uses every row`);
  return { catalog, rows };
}
