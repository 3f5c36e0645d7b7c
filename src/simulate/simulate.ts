import { dirname } from "node:path";
import { UserError } from "../errors.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { checkWritable, writeTable } from "../io/formats.ts";
import type { Table } from "../io/table.ts";
import { type Reporter, silent } from "../progress.ts";
import { loadSurvey } from "../survey/survey.ts";
import { simulateBuiltin } from "./builtin.ts";
import type { LabelTable } from "./joined.ts";
import type { SimulationInput } from "./options.ts";
import { createTally, formatTally, simulateFromSpectra } from "./spectra.ts";
import { expandPaths } from "../survey/spectrum-files.ts";

export interface SimulateRequest extends SimulationInput {
  /** A name in `datasets/`, or a path. */
  readonly survey: string;
  /** Table to write. */
  readonly out: string;
  /** Observed spectra in place of models: files, folders, patterns. */
  readonly spectra?: readonly string[];
  readonly labels?: readonly LabelTable[];
  /** Sees every batch before it is written. */
  readonly onTable?: (table: Table) => void;
  readonly reporter?: Reporter;
}

/**
 * Writes a simulated survey to a table: fluxes and their 1 sigma errors in the survey's unit, states, and the labels that
 * the survey names. Returns the number of rows.
 * @throws UserError for options out of range, files that can't be read or written, spectra of which none is used.
 */
export async function simulate(request: SimulateRequest): Promise<number> {
  const { survey: surveyName, out, spectra, labels, onTable, reporter = silent, ...options } = request;
  checkWritable(out);
  const survey = loadSurvey(surveyName);
  const files = spectra === undefined ? undefined : expandPaths(spectra);
  const total = files?.length ?? (options.n ?? 20_000) * (options.draws ?? 1);
  const tally = createTally();
  const batches =
    files === undefined
      ? simulateBuiltin({ survey, ...options })
      : simulateFromSpectra(files, { survey, ...options, ...(labels === undefined ? {} : { labels }) }, tally);
  const first = await batches.next();
  if (first.done === true) throw new UserError(`nothing was simulated: ${formatTally(tally).join("; ")}`);
  if (files === undefined && options.ssp !== undefined) reporter.say(`stars: ${first.value.metadata?.stars}`);
  const singleStars = first.value.metadata?.singleStars;
  if (singleStars !== undefined) reporter.say(`single stars: ${singleStars}`);
  const bar = reporter.bar("simulating", total);
  const start = performance.now();
  let done = 0;
  async function* shown(): AsyncGenerator<Table> {
    for (let next = first; next.done !== true; next = await batches.next()) {
      onTable?.(next.value);
      yield next.value;
      done += next.value.rowCount;
      bar.update(
        files === undefined ? done : tally.files,
        `${Math.round((1000 * done) / (performance.now() - start))} galaxies/s`,
      );
    }
  }
  makeFolder(dirname(out));
  const metadata = { creator: "caleido simulate", survey: survey.name, ...first.value.metadata };
  try {
    await writeTable(out, { schema: first.value.columns.map(schemaOf), metadata }, shown());
  } finally {
    bar.stop();
  }
  if (files !== undefined) for (const line of formatTally(tally)) reporter.say(line);
  return done;
}
