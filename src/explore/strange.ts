import { dirname } from "node:path";
import type { Engine } from "../engine/contract.ts";
import { type AnomalyScores, expectedFluxes, scoreAnomalies } from "../inference/anomaly.ts";
import { createPredictor, type Predictor } from "../inference/predict.ts";
import { makeFolder } from "../io/atomic.ts";
import { schemaOf } from "../io/columns.ts";
import { writeTable } from "../io/formats.ts";
import type { Column, Table } from "../io/table.ts";
import { rateNote, type Reporter } from "../progress.ts";
import { drawHistogram } from "../report/figure-sample.ts";
import { drawStrange, type HiddenBand } from "../report/figure-strange.ts";
import { quantile } from "../report/statistics.ts";
import { allRows, type Catalog, concat, select } from "../survey/catalog.ts";
import { type Reader, readRows } from "../survey/reading.ts";
import { counted } from "../text.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { Section } from "./page.ts";

/** Objects of a table that are unlike what a network knows. */

export interface StrangeRequest {
  readonly engine: Engine;
  readonly checkpoint: Checkpoint;
  readonly table: string;
  readonly reader: Reader;
  /** Objects to show. */
  readonly most: number;
  /** Table to write: a score for every object, and deviations of its bands. */
  readonly scores?: string;
  readonly reporter: Reporter;
}

/** Objects scored at once. */
const BATCH_ROWS = 2048;

/** The strangest so far, and all scores. */
interface Found {
  catalog: Catalog | undefined;
  scores: number[];
  readonly all: number[];
}

/** The strangest of those found and of a new batch. */
function keepStrangest(found: Found, catalog: Catalog, { score }: AnomalyScores, most: number): void {
  found.all.push(...score);
  const order = Array.from(score.keys())
    .sort((a, b) => score[b] - score[a])
    .slice(0, most);
  const fresh = select(catalog, order);
  const whole = found.catalog === undefined ? fresh : concat([found.catalog, fresh]);
  const scores = [...found.scores, ...order.map((row) => score[row])];
  const best = Array.from(scores.keys())
    .sort((a, b) => scores[b] - scores[a])
    .slice(0, most);
  found.catalog = select(whole, best);
  found.scores = best.map((i) => scores[i]);
}

/** A row per object: its score, its strangest band and the deviation of every band. */
function scoreTable({ fields, objectId }: Catalog, { bands, score, worst, deviation }: AnomalyScores): Table {
  const float = (name: string, description: string, data: Float32Array): Column => {
    return { name, type: "float32", width: 1, description, data };
  };
  const rowCount = score.length;
  const columns: Column[] = [
    { name: "object_id", type: "string", width: 1, description: "id of the object", data: [...objectId] },
    float("anomaly", "how strange the object is, in sigma: -log p(band | other bands), all bands or the worst", score),
    {
      name: "anomaly_band",
      type: "string",
      width: 1,
      description: "its strangest band",
      data: Array.from(worst, (j) => fields[j]?.name ?? ""),
    },
    ...bands.map((j, b) =>
      float(
        `${fields[j].name}_deviation`,
        `${fields[j].name}: observed less expected from the other bands, in sigma of both`,
        Float32Array.from({ length: rowCount }, (_, row) => deviation[row * bands.length + b]),
      ),
    ),
  ];
  return { rowCount, columns, metadata: {} };
}

/** Scores every object of the table in bounded memory; yields a table for each batch. */
async function* scoreAll(
  { table, reader, most, reporter }: StrangeRequest,
  predictor: Predictor,
  found: Found,
): AsyncGenerator<Table> {
  const bar = reporter.bar("looking for the strange", undefined);
  const start = performance.now();
  try {
    for await (const { catalog } of readRows(table, reader, { batchRows: BATCH_ROWS })) {
      const scores = await scoreAnomalies(predictor, catalog, allRows(catalog));
      keepStrangest(found, catalog, scores, most);
      bar.update(found.all.length, rateNote(found.all.length, undefined, (performance.now() - start) / 1000));
      yield scoreTable(catalog, scores);
    }
  } finally {
    bar.stop();
  }
}

/** Writes the scores where they are wanted. */
async function collect(path: string | undefined, tables: AsyncGenerator<Table>): Promise<void> {
  const first = await tables.next();
  if (first.done === true) return;
  async function* all(): AsyncGenerator<Table> {
    if (first.done !== true) yield first.value;
    yield* tables;
  }
  if (path === undefined) {
    for await (const _ of all());
    return;
  }
  makeFolder(dirname(path));
  const metadata = { creator: "caleido look" };
  await writeTable(path, { schema: first.value.columns.map(schemaOf), metadata, isPlain: true }, all());
}

/** Fluxes of the strangest objects beside what is expected of them. */
async function hiddenBands(predictor: Predictor, catalog: Catalog, scores: AnomalyScores): Promise<HiddenBand[][]> {
  const { fields } = catalog;
  const expected = await expectedFluxes(predictor, catalog, allRows(catalog));
  const { bands, deviation } = scores;
  return Array.from({ length: catalog.rowCount }, (_, row) =>
    bands.flatMap((j, b): HiddenBand[] => {
      const [at, from] = [row * fields.length + j, row * bands.length + b];
      if (Number.isNaN(deviation[from])) return [];
      const [q05, q16, q50, q84, q95] = expected.subarray(5 * from, 5 * from + 5);
      return [
        {
          wavelength: fields[j].band!.pivot,
          flux: catalog.value[at],
          fluxError: catalog.error[at],
          quantiles: [q05, q16, q50, q84, q95],
          deviation: deviation[from],
        },
      ];
    }),
  );
}

/** Bands told of each object in the table of the page. */
const TOLD = 3;

async function sectionOf(predictor: Predictor, { catalog, all }: Found): Promise<Section> {
  if (catalog === undefined) return { heading: "Strangest objects", drawn: [] };
  const { fields, objectId } = catalog;
  const scores = await scoreAnomalies(predictor, catalog, allRows(catalog));
  const { bands, deviation, score } = scores;
  const hidden = await hiddenBands(predictor, catalog, scores);
  const rows = Array.from(score, (own, row) => {
    const off = bands
      .map((j, b) => ({ name: fields[j].name, sigma: deviation[row * bands.length + b] }))
      .filter(({ sigma }) => !Number.isNaN(sigma))
      .sort((a, b) => Math.abs(b.sigma) - Math.abs(a.sigma))
      .slice(0, TOLD);
    const told = off.map(({ name, sigma }) => `${name} ${sigma > 0 ? "+" : ""}${sigma.toFixed(1)}`).join(", ");
    return [objectId[row], Number(own.toFixed(1)), told];
  });
  const sorted = Float64Array.from(all).sort();
  const level = (share: number): string => quantile(sorted, share).toFixed(1);
  const histogram = drawHistogram({
    panels: [{ axis: { label: "strangeness [σ]" }, series: [{ label: "objects", values: all }] }],
    caption:
      `How strange ${counted(all.length, "object")} are: half exceed ${level(0.5)}, 5 % ${level(0.95)}, 1 % ${level(0.99)}. ` +
      "Of simulated galaxies, asked of the network that comes along, half exceed 0.2, 5 % 3.5 and 1 % 5.",
  });
  const objects = hidden.map((own, row) => {
    return { title: `${objectId[row]}: ${score[row].toFixed(1)}σ`, bands: own };
  });
  return {
    heading: "Strangest objects",
    text: [
      "Every band was hidden once and predicted by the network from the others. An object is strange where its bands, or one " +
        "of them, are less probable than the prediction itself expects: a wrong flux, a blend, or a kind of object that " +
        "the network doesn't know. Kinds that it was trained on are not strange, be they rare.",
    ],
    tables: [
      {
        title: "The strangest, and their bands that are farthest off",
        columns: [{ label: "object" }, { label: "strangeness", unit: "sigma" }, { label: "bands, in sigma" }],
        rows,
      },
    ],
    drawn: [
      ["strangeness", histogram],
      ["strangest", drawStrange({ fluxUnit: fields.find(({ band }) => band !== undefined)?.unit ?? "", objects })],
    ],
  };
}

/** Looks for the strangest objects of a table: a section of the page, and a table of scores where one is wanted. */
export async function strangeSection(request: StrangeRequest): Promise<Section> {
  const { engine, checkpoint, scores } = request;
  const predictor = createPredictor(engine, checkpoint);
  const found: Found = { catalog: undefined, scores: [], all: [] };
  try {
    await collect(scores, scoreAll(request, predictor, found));
    return await sectionOf(predictor, found);
  } finally {
    await predictor.dispose();
  }
}
