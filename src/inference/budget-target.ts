/** The survey whose labels are judged, and the simulations beside it, as every cell of a label budget sees them. */
import { UserError } from "../errors.ts";
import { type Reporter, silent } from "../progress.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { type Catalog, hide } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { readAllRows } from "../survey/reading.ts";
import { splitByParent } from "../survey/split.ts";
import { loadSurvey } from "../survey/survey.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { usualObservation } from "../train/run-tables.ts";
import { readTrainingTable, type TrainingTable } from "../train/tables.ts";
import type { TrainingRecipe } from "../train/verbs.ts";
import type { Question } from "./evaluate.ts";

/** What is read. */
export interface TargetRequest {
  /** Observed table with labels: a third of its parents judges, the others teach. */
  readonly table: string;
  /** Simulations of the source, replayed; none are without. */
  readonly source?: string | undefined;
  /** How the target's table is to be read. */
  readonly reading?: BindOptions;
  /** Survey that describes it, where its columns are not the network's. */
  readonly survey?: string;
  /** Property whose labels are worth something, a number or a class; default: the first number of the survey's headline. */
  readonly want?: string | undefined;
  readonly reporter?: Reporter;
}

/** Shares of the parents: what teaches, and what judges. */
const SHARES = { train: 2 / 3, validation: 0, calibration: 0, test: 1 / 3 };

/** The target as every cell sees it. */
export interface Target {
  readonly catalog: Catalog;
  readonly bare: Catalog;
  /** Rows that teach, those of them with the label, and rows with it that judge. */
  readonly pool: Int32Array;
  readonly labelled: Int32Array;
  readonly judged: Int32Array;
  readonly question: Question;
  readonly field: Field;
  /** Column of the field. */
  readonly column: number;
}

/**
 * Column of the property that is asked for; unless told, the first of the survey's headline that is a number.
 * @throws UserError where there is none.
 */
function wantedOf({ config: { survey } }: Checkpoint, want: string | undefined): number {
  if (want !== undefined) {
    const properties = survey.fields.filter(
      ({ band, kind }) => band === undefined && kind !== "spectrum" && kind !== "image",
    );
    if (!properties.some(({ name }) => name === want)) {
      const names = properties.map(({ name }) => name).join(", ");
      throw new UserError(`--want ${want}: not a property of the network; expected one of ${names}`);
    }
    return survey.fields.findIndex(({ name }) => name === want);
  }
  const numeric = survey.headline.map((name) => survey.fields.findIndex((field) => field.name === name));
  const found = numeric.find((j) => j >= 0 && survey.fields[j].kind !== "category");
  if (found === undefined) throw new UserError(`${survey.name}: no property that is a number in its headline`);
  return found;
}

export async function readTarget(request: TargetRequest, source: Checkpoint): Promise<Target> {
  const { table, survey: own, reading, want, reporter = silent } = request;
  const { survey } = source.config;
  const reader = { survey, own: own === undefined ? undefined : loadSurvey(own), options: reading };
  const { catalog, report } = await readAllRows(table, reader);
  report.forEach(reporter.say);
  const column = wantedOf(source, want);
  const { fields } = survey;
  const isLabelled = (row: number): boolean => catalog.state[row * fields.length + column] === State.measured;
  const split = splitByParent(catalog.parentId, SHARES);
  const [labelled, judged] = [split.train.filter(isLabelled), split.test.filter(isLabelled)];
  if (labelled.length < 2 || judged.length < 2) {
    throw new UserError(`${table}: too few rows with ${fields[column].name}; expected a table with labels`);
  }
  const isGiven = Uint8Array.from(fields, ({ band }) => Number(band !== undefined));
  const question = { title: "all bands", isGiven, wanted: [column] };
  const bare = hide(catalog, ({ band }) => band === undefined);
  return { catalog, bare, pool: split.train, labelled, judged, question, field: fields[column], column };
}

/** The simulations that are replayed, observed so, or as the network's were. */
export async function openReplay(
  { source: path, reporter = silent }: TargetRequest,
  { config }: Checkpoint,
  own?: TrainingRecipe["observation"],
): Promise<TrainingTable | undefined> {
  if (path === undefined) return undefined;
  const usual = usualObservation(config.data);
  const options = own ?? usual;
  const observation = options === undefined ? undefined : { options, isAsked: own !== undefined };
  return readTrainingTable({ path, role: "source", observation }, { survey: config.survey, reporter });
}
