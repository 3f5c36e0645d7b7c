/** The tables of a run: read, read again, and how they are observed. */
import type { Engine } from "../engine/contract.ts";
import { UserError } from "../errors.ts";
import { type Reporter, silent } from "../progress.ts";
import type { ObservationOptions } from "../simulate/observation.ts";
import { mixedLines, sourcesIn } from "../survey/sources.ts";
import type { Survey } from "../survey/survey.ts";
import type { CheckpointConfig, TableRecord } from "./config.ts";
import type { ObservationWish } from "./observed.ts";
import { readTrainingTable, type TableWish, type TrainingTable, wishOf } from "./tables.ts";

/** What every training verb runs with. */
export interface RunSetting {
  readonly engine: Engine;
  readonly reporter?: Reporter;
  /** Raised to stop after the step in progress: the run is saved, and the verb throws a UserError that says how to go on. */
  readonly signal?: AbortSignal;
  /** Most bytes of a prepared table's rows that are held in memory; the rest waits on disk. Default 500 MB. */
  readonly memory?: number;
}

/** @throws UserError where reading fails, or is interrupted between tables. */
export async function readTables(
  wishes: readonly TableWish[],
  survey: Survey,
  { reporter = silent, signal, memory }: RunSetting,
): Promise<TrainingTable[]> {
  const tables: TrainingTable[] = [];
  for (const wish of wishes) {
    tables.push(await readTrainingTable(wish, { survey, reporter, ...(memory === undefined ? {} : { memory }) }));
    if (signal?.aborted === true) throw new UserError("stopped before training began; nothing is saved");
  }
  const isAsked = wishes.some(({ observation }) => observation?.isAsked);
  if (isAsked && tables.every(({ record }) => record.observation === undefined)) {
    const paths = wishes.map(({ path }) => path).join(", ");
    throw new UserError(
      `${paths}: nothing to observe anew; expected fluxes without noise, as caleido simulate --fluxes clean writes them`,
    );
  }
  // what is replayed keeps its own conventions on purpose
  const labels = tables.flatMap(({ record }) => (record.role === "source" ? [] : [record.labels ?? {}]));
  for (const line of mixedLines(sourcesIn(labels))) reporter.say(line);
  return tables;
}

/** How galaxies of a network's tables were observed. */
export const usualObservation = (data: readonly TableRecord[]): ObservationOptions | undefined =>
  data.find((record) => record.observation !== undefined)?.observation;

/** How a run observes: as its recipe says, else as the network that it begins with was trained. */
export function observationWish(
  { observation }: { readonly observation?: ObservationOptions | undefined },
  before: readonly TableRecord[] = [],
): ObservationWish | undefined {
  if (observation !== undefined) return { options: observation, isAsked: true };
  const usual = usualObservation(before);
  return usual === undefined ? undefined : { options: usual, isAsked: false };
}

/**
 * The tables that a run recorded, each in its role.
 * @throws UserError for one that changed since.
 */
export async function reopenTables(
  folder: string,
  { data, survey }: CheckpointConfig,
  setting: RunSetting,
): Promise<TrainingTable[]> {
  const tables = await readTables(data.map(wishOf), survey, setting);
  for (const [i, { record }] of tables.entries()) {
    const { sha256, observation } = data[i];
    if (record.observation !== undefined && observation === undefined) {
      throw new UserError(
        `${folder}: begun by a version that took fluxes without noise for observed ones; expected a new run`,
      );
    }
    if (record.sha256 !== sha256) {
      throw new UserError(`${record.path}: changed since the run began; expected SHA-256 ${sha256}`);
    }
  }
  return tables;
}
