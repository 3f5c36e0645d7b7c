import { checkPlace } from "../io/atomic.ts";
import { parseOptions, type SimulationOptions, withSample } from "../simulate/options.ts";
import { simulate, type SimulateRequest } from "../simulate/simulate.ts";
import { loadSurvey } from "../survey/survey.ts";
import { duration } from "../text.ts";
import { version } from "../version.ts";
import { type BesideTable, named, type PageRequest, readBeside, writePage } from "./page.ts";
import { createSampler } from "./sample.ts";
import { createGallery } from "./spectra.ts";

/** A page of figures to go with a simulation. */
export interface SimulationPage {
  /** HTML file to write. */
  readonly out: string;
  /** Tables of real galaxies to show beside. */
  readonly beside?: readonly BesideTable[];
  /** Folder that also gets every figure as PNG. */
  readonly figures?: string;
  /** The command line, told on the page where there is one. */
  readonly command?: string;
}

function selectionWords({ selection, redshift }: SimulationOptions): string {
  const { min, max, median } = redshift;
  const shape = median === undefined ? "volume and mass function" : `n(z) with median ${median}`;
  return `${selection.bright} < ${selection.band} < ${selection.faint} AB mag without noise, z ${min} – ${max}, ${shape}`;
}

/** What the page tells of how the galaxies came about. */
function factsOf(
  options: SimulationOptions,
  selection: string,
  command: string | undefined,
  rate: { readonly rows: number; readonly seconds: number },
): PageRequest["facts"] {
  const noise = [
    `noise × ${options.noiseScale}`,
    `zero-point errors × ${options.zeroPointScale}`,
    ...(options.offsets === undefined ? [] : [`fixed zero-point offsets of ${options.offsets.rms} mag rms`]),
  ];
  const perSecond = Math.round(rate.rows / rate.seconds).toLocaleString("en-US");
  return [
    ...(command === undefined ? [] : [["command", command] as const]),
    ["seed", String(options.seed)],
    ...(selection === "" ? [] : [["selection", selection] as const]),
    ["instrument", noise.join(", ")],
    ["time", `${duration(rate.seconds)}, ${perSecond} rows/s, start-up included`],
    ["Caleido", version],
  ];
}

/**
 * Simulates a survey as {@link simulate}, and writes a page of figures of what was made. Returns the numbers of rows and
 * of figures.
 * @throws UserError as {@link simulate}, and for a table beside that can't be read.
 */
export async function simulateWithPage(
  request: SimulateRequest,
  page: SimulationPage,
): Promise<{ readonly rows: number; readonly figures: number }> {
  const { survey: surveyName, out: _out, spectra, labels: _labels, onTable, reporter: _reporter, ...input } = request;
  checkPlace(page.out);
  const survey = loadSurvey(surveyName);
  const options = parseOptions(withSample(survey, input));
  const isBuiltin = spectra === undefined;
  const label = isBuiltin ? "simulated" : "observed spectra";
  // mistakes must not cost a simulation: what stands beside is read before
  const others = await readBeside(page.beside ?? [], label, survey);
  const sampler = createSampler(label, survey, String(options.seed));
  const gallery = createGallery(survey, options.selection.band);
  const start = performance.now();
  const watch: SimulateRequest["onTable"] = (table) => {
    sampler.addTable(table);
    gallery.addTable(table);
    onTable?.(table);
  };
  const rows = await simulate({ ...request, onTable: watch });
  const seconds = (performance.now() - start) / 1000;
  const selection = isBuiltin ? selectionWords(options) : "";
  const sample = sampler.finish();
  const { band, faint } = options.selection;
  const spectrumFigures = gallery.figures();
  const figures = await writePage({
    title: isBuiltin ? "A simulated survey" : "Observed spectra, seen by a survey",
    facts: factsOf(options, selection, page.command, { rows: sample.rowCount, seconds }),
    sample,
    others,
    out: page.out,
    ...(spectrumFigures.length === 0
      ? {}
      : { first: [{ heading: "Spectra", drawn: named("spectra", spectrumFigures) }] }),
    ...(page.figures === undefined ? {} : { figures: page.figures }),
    ...(isBuiltin ? { selection, limit: { band, faint } } : {}),
  });
  return { rows, figures };
}
