/** Scores of held-out rows before and after an adaptation. */
import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { allRows } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { redMagnitudes } from "./class-scores.ts";
import { predictTruths } from "./evaluate.ts";
import { EDGES, type ScoreBin, scoreBins } from "./metric-bins.ts";
import { type FieldScore, type MetricName, scoreField } from "./metrics.ts";
import type { Predictor } from "./predict.ts";
import { unitsOf } from "./resampling.ts";

/** A network's answers, given all bands, on rows that no training saw. */
export interface HeldOutScores {
  readonly rows: number;
  /** By field of the survey's headline that has truths. */
  readonly scores: Readonly<Record<string, FieldScore>>;
  /** Of the redshift, else of the first of these: in bins of magnitude. */
  readonly binned?: { readonly field: string; readonly band: string; readonly bins: readonly ScoreBin[] };
}

/** What is told, and how often it is resampled. */
export const TOLD = ["sigmaNmad", "bias", "outlier15", "coverage68"] as const satisfies readonly MetricName[];
const RESAMPLES = 200;
/** Fewer truths than this have no score worth telling. */
const FEWEST = 30;

/** Columns of properties with enough truths to be asked: classes, and those of the headline. */
export function labelledColumns({ fields, state, rowCount }: Catalog, headline: readonly string[]): number[] {
  const truths = (j: number): number => {
    let count = 0;
    for (let row = 0; row < rowCount; row++) if (state[row * fields.length + j] === State.measured) count++;
    return count;
  };
  return fields.flatMap(({ name, kind, band }, j) =>
    band === undefined && (kind === "category" || headline.includes(name)) && truths(j) >= FEWEST ? [j] : [],
  );
}

/** Those of them that are numbers. */
export const askedOf = (catalog: Catalog, headline: readonly string[]): number[] =>
  labelledColumns(catalog, headline).filter((j) => catalog.fields[j].kind !== "category");

/** Scores of the columns `wanted` given all bands; undefined where nothing is asked. */
export async function scoreHeldOut(
  predictor: Predictor,
  catalog: Catalog,
  wanted: readonly number[],
): Promise<HeldOutScores | undefined> {
  if (wanted.length === 0) return undefined;
  const { fields } = catalog;
  const isGiven = Uint8Array.from(fields, ({ band }) => Number(band !== undefined));
  const answers = await predictTruths(predictor, catalog, allRows(catalog), { title: "bands", isGiven, wanted });
  const units = unitsOf(catalog).of;
  const scores: Record<string, FieldScore> = {};
  const main = wanted.find((j) => fields[j].kind === "redshift") ?? wanted[0];
  let binned: HeldOutScores["binned"];
  for (const j of wanted) {
    const { name, kind } = fields[j];
    const { rows, predictions } = answers.get(name)!;
    const whole = { ...predictions, unit: Array.from(rows, (row) => units[row]) };
    scores[name] = scoreField(whole, kind, { rng: createRng(`adapt:${name}`), resamples: RESAMPLES, names: TOLD });
    const known = j === main ? redMagnitudes(catalog, rows) : undefined;
    if (known === undefined) continue;
    const bins = scoreBins(whole, kind, known.magnitude, EDGES.magnitude, createRng("adapt:bins"), TOLD);
    binned = { field: name, band: known.band, bins };
  }
  return { rows: catalog.rowCount, scores, ...(binned === undefined ? {} : { binned }) };
}
