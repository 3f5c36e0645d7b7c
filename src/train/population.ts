/** How the properties of a network's training rows are distributed: as it saw them, and as they are in nature. */
import { UserError } from "../errors.ts";
import { placeOf } from "../model/numeric.ts";
import { type Reporter, silent } from "../progress.ts";
import { createRng } from "../random.ts";
import type { BindOptions } from "../survey/bind-fields.ts";
import { allRows } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { loadSurvey } from "../survey/survey.ts";
import { counted } from "../text.ts";
import { catalogStore } from "../tokens/batch.ts";
import { version } from "../version.ts";
import { findCheckpoint, loadCheckpoint, savePopulation } from "./checkpoint.ts";
import type { Population, PopulationHistogram } from "./population-schema.ts";
import { checkpointPath } from "./shipped.ts";
import { type PartRows, sampleRows, type TrainingTable } from "./tables.ts";

/** Rows counted of each table, evenly spaced, and fewest with a property that it is counted for. */
const [MOST_ROWS, LEAST_ROWS] = [100_000, 200];
const BINS = 60;
/** Part of the rows beyond either end. */
const BEYOND = 5e-4;

/** Values of one property. */
interface Seen {
  readonly value: number[];
  /** How often the row is drawn in training, relative to others. */
  readonly share: number[];
  readonly weight: number[];
  readonly isWide: boolean[];
}

/** Rows of one table. */
type CountedRows = Pick<PartRows, "store" | "rows" | "weights">;

function collect(fields: readonly Field[], tables: readonly CountedRows[]): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  const columns = fields.flatMap(({ band, kind }, j) =>
    band === undefined && kind !== "category" && kind !== "spectrum" && kind !== "image" ? [j] : [],
  );
  const rng = createRng("population"); // stores of what is observed anew ask for one
  for (const { store, rows, weights } of tables) {
    const every = Math.max(1, Math.ceil(rows.length / MOST_ROWS));
    for (let i = 0; i < rows.length; i += every) {
      const { catalog, row } = store.at(rows[i], rng);
      const weight = weights?.[rows[i]] ?? catalog.weight?.[row] ?? 1;
      for (const j of columns) {
        const at = row * catalog.fields.length + j;
        if (catalog.state[at] !== State.measured) continue;
        const own = seen.get(fields[j].name) ?? { value: [], share: [], weight: [], isWide: [] };
        seen.set(fields[j].name, own);
        own.value.push(catalog.value[at]);
        own.share.push(every);
        own.weight.push(weight);
        own.isWide.push(weight !== 1); // natural rows beside wide ones have 1
      }
    }
  }
  return seen;
}

/** Four digits are more than counts are worth; edges are single-precision values. */
const rounded = (values: Float64Array, digits = 4): number[] =>
  Array.from(values, (x) => Number(x.toPrecision(digits)));

/** Edges of bins that hold about as many rows each; fewer where values repeat. */
function edgesOf(value: readonly number[]): Float64Array {
  const sorted = Float64Array.from(value).sort();
  const last = sorted.length - 1;
  const levels = Array.from({ length: BINS + 1 }, (_, i) => BEYOND + ((1 - 2 * BEYOND) * i) / BINS);
  return Float64Array.from(new Set(levels.map((level) => sorted[Math.round(level * last)])));
}

function histogramOf({ value, share, weight, isWide }: Seen): PopulationHistogram | undefined {
  const edges = edgesOf(value);
  const bins = edges.length - 1;
  if (value.length < LEAST_ROWS || bins < 2) return undefined;
  const [trained, natural, wide] = [0, 1, 2].map(() => new Float64Array(bins));
  value.forEach((x, i) => {
    const bin = Math.min(bins - 1, Math.max(0, placeOf(edges, x)));
    trained[bin] += share[i];
    natural[bin] += share[i] * weight[i];
    if (isWide[i]) wide[bin] += share[i];
  });
  const beside = isWide.includes(true) ? { wide: rounded(wide) } : {};
  return { edges: rounded(edges, 7), trained: rounded(trained), natural: rounded(natural), ...beside };
}

function countRows(fields: readonly Field[], tables: readonly CountedRows[]): Population {
  const histograms = [...collect(fields, tables)].flatMap(([name, seen]): [string, PopulationHistogram][] => {
    const own = histogramOf(seen);
    return own === undefined ? [] : [[name, own]];
  });
  return { caleido: version, fields: Object.fromEntries(histograms) };
}

/** The population of a run's tables: every training row is drawn as often as any other, whatever its weight. */
export function populationOf(fields: readonly Field[], tables: readonly TrainingTable[]): Population {
  return countRows(
    fields,
    tables.map(({ clean, parts }) => clean ?? parts.train),
  );
}

export interface PopulationRequest {
  /** Checkpoint or run folder, or a name in `checkpoints/`: its population is written anew. */
  readonly checkpoint: string;
  /** Its training tables, or such as have the same populations in the same proportions, or prepared folders. */
  readonly tables: readonly string[];
  /** How the tables are to be read. */
  readonly reading?: BindOptions;
  /** Survey that describes the tables, where their columns are not the network's: a name in `datasets/`, or a path. */
  readonly survey?: string;
  readonly reporter?: Reporter;
}

/**
 * Counts the population of tables and writes it into a checkpoint's folder, for `--prior natural` and `wide`: for networks trained
 * before this was done at the end of training. Returns the rows counted, by property.
 * @throws UserError for tables that can't be read or have no properties, a checkpoint that can't be loaded or written.
 */
export async function recordPopulation(request: PopulationRequest): Promise<Population> {
  const { tables, reading, reporter = silent } = request;
  const { config } = loadCheckpoint(request.checkpoint);
  const own = request.survey === undefined ? undefined : loadSurvey(request.survey);
  const rows: CountedRows[] = [];
  for (const path of tables) {
    const catalog = await sampleRows(path, "all", { survey: config.survey, own, options: reading }, Infinity, (line) =>
      reporter.say(line),
    );
    rows.push({ store: catalogStore(catalog), rows: allRows(catalog) });
  }
  const population = countRows(config.survey.fields, rows);
  const names = Object.keys(population.fields);
  if (names.length === 0) {
    throw new UserError(
      `${tables.join(", ")}: no property is in ${LEAST_ROWS} rows or more; expected its training tables`,
    );
  }
  const folder = findCheckpoint(checkpointPath(request.checkpoint))!;
  await savePopulation(folder, population);
  reporter.say(`population of ${counted(names.length, "property", "properties")} -> ${folder}`);
  return population;
}
