import { basename, dirname } from "node:path";
import { checkFolder, checkPlace, makeFolder } from "../io/atomic.ts";
import { type Reporter, silent } from "../progress.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { formatReport } from "../survey/report.ts";
import { loadSurvey } from "../survey/survey.ts";
import { type BesideTable, readBeside, readSample, writePage } from "./page.ts";

export interface LookRequest {
  /** Table in any layout that the survey knows, or a prepared folder. */
  readonly table: string;
  /** Survey that reads it: a name in `datasets/`, or a path. */
  readonly survey: string;
  /** How the table is to be read. */
  readonly reading?: BindOptions;
  /** Tables of other galaxies to show beside. */
  readonly beside?: readonly BesideTable[];
  /** HTML file to write. */
  readonly out: string;
  /** Folder that also gets every figure as PNG. */
  readonly figures?: string;
  readonly reporter?: Reporter;
}

/**
 * Writes a page of figures of what is in a table: states, n(z), S/N, depth, colours, lines and properties, beside other
 * tables where there are any. Returns the number of figures.
 * @throws UserError for a table that can't be read.
 */
export async function look(request: LookRequest): Promise<number> {
  const { table, out, figures, reading: options = {}, beside = [], reporter = silent } = request;
  const survey = loadSurvey(request.survey);
  checkPlace(out);
  if (figures !== undefined) checkFolder(figures);
  const label = basename(table);
  const { sample, reading, lines } = await readSample(table, survey, label, options);
  for (const line of [...lines, ...formatReport(reading)]) reporter.say(line);
  const others = await readBeside(beside, label, survey);
  makeFolder(dirname(out));
  const empty = reading.emptyRows.toLocaleString("en-US");
  const facts = [
    ["table", table],
    ["layout", reading.layout],
    ...(reading.emptyRows > 0 ? [["rows empty in the table", empty] as const] : []),
  ] as const;
  const shown = { title: `A look at ${label}`, facts, sample, others, reading, out };
  return writePage(figures === undefined ? shown : { ...shown, figures });
}
