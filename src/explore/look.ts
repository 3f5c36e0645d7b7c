import { basename, dirname } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { checkFolder, checkPlace, makeFolder } from "../io/atomic.ts";
import { checkWritable } from "../io/formats.ts";
import { type Reporter, silent } from "../progress.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { formatReport } from "../survey/report.ts";
import { loadSurvey, type Survey } from "../survey/survey.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { LatentWish } from "./latent.ts";
import { type BesideTable, readBeside, readSample, type Section, writePage } from "./page.ts";

export interface LookRequest {
  /** Table in any layout that the survey knows, or a prepared folder. */
  readonly table: string;
  /** Survey that reads it: a name in `datasets/`, or a path; default: the checkpoint's, else `minijpas`. */
  readonly survey?: string;
  /** How the table is to be read. */
  readonly reading?: BindOptions;
  /** Tables of other galaxies to show beside. */
  readonly beside?: readonly BesideTable[];
  /** HTML file to write. */
  readonly out: string;
  /** Folder that also gets every figure as PNG. */
  readonly figures?: string;
  /** A network that looks for the strangest objects: a checkpoint or run folder, or a name in `checkpoints/`, and its engine. */
  readonly network?: { readonly checkpoint: string; readonly engine: Engine };
  /** With a network: objects to show, default 8, and a table of scores to write. */
  readonly strange?: { readonly most?: number; readonly scores?: string };
  /** With a network: also its states of knowledge, what can be read from them, and what one answer rests on. */
  readonly latent?: LatentWish;
  readonly reporter?: Reporter;
}

const USUAL_SURVEY = "minijpas";
const MOST_STRANGE = 8;

/** Sections of what a network finds in a table; none without one. */
async function sectionsOf(
  { table, network, strange = {}, latent, reading: options = {}, reporter = silent }: LookRequest,
  checkpoint: Checkpoint | undefined,
  own: Survey | undefined,
): Promise<Section[]> {
  if (network === undefined || checkpoint === undefined) return [];
  const { survey } = checkpoint.config;
  const shared = { engine: network.engine, checkpoint, table, reader: { survey, own, options }, reporter };
  // states first: what is misspelt there is told before all objects are scored
  const states = latent && [await (await import("./latent.ts")).latentSection({ ...shared, ...latent })];
  const { strangeSection } = await import("./strange.ts");
  const strangest = await strangeSection({ ...shared, ...strange, most: strange.most ?? MOST_STRANGE });
  return [strangest, ...(states ?? [])];
}

/**
 * Writes a page of figures of what is in a table: states, n(z), S/N, depth, colours, lines and properties, beside other
 * tables where there are any; with a network also its strangest objects and, where wanted, its states. Returns the number of figures.
 * @throws UserError for a table that can't be read, a checkpoint that can't be loaded.
 */
export async function look(request: LookRequest): Promise<number> {
  const { table, out, figures, reading: options = {}, beside = [], reporter = silent } = request;
  const { network, strange = {} } = request;
  // networks take longer to load than tables to look at
  const checkpoint = network && (await import("../train/checkpoint.ts")).loadCheckpoint(network.checkpoint);
  const named = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const survey = named ?? checkpoint?.config.survey ?? loadSurvey(USUAL_SURVEY);
  checkPlace(out);
  if (strange.scores !== undefined) checkWritable(strange.scores);
  if (figures !== undefined) checkFolder(figures);
  const label = basename(table);
  const { sample, reading, lines } = await readSample(table, survey, label, options);
  for (const line of [...lines, ...formatReport(reading)]) reporter.say(line);
  const others = await readBeside(beside, label, survey);
  const first = await sectionsOf(request, checkpoint, named);
  makeFolder(dirname(out));
  const empty = reading.emptyRows.toLocaleString("en-US");
  const facts = [
    ["table", table],
    ["layout", reading.layout],
    ...(reading.emptyRows > 0 ? [["rows empty in the table", empty] as const] : []),
  ] as const;
  const shown = { title: `A look at ${label}`, facts, sample, others, reading, out, first };
  return writePage(figures === undefined ? shown : { ...shown, figures });
}
