/** How well a network knows a survey's galaxies by their own photometry: no label is looked at. */
import type { Engine } from "../engine/contract.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { spaced } from "../train/tables.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import { predictTruths } from "./evaluate.ts";
import { createPredictor } from "./predict.ts";

/** Rows and bands that are asked at most, evenly spaced. */
const [MOST_ROWS, MOST_BANDS] = [500, 12];

/** -ln p [nats of the survey's flux unit] of bands of a catalogue's rows, each given all the others: of all networks the same ones. */
async function photometryLosses(
  engine: Engine,
  network: Checkpoint,
  catalog: Catalog,
  rows: Int32Array,
): Promise<number[]> {
  const predictor = createPredictor(engine, network);
  const { coder } = predictor;
  const bands = coder.groups.band;
  const losses: number[] = [];
  try {
    for (const b of spaced(bands.length, MOST_BANDS)) {
      const isGiven = Uint8Array.from(coder.fields, ({ band }, j) => Number(band !== undefined && j !== bands[b]));
      const asked = spaced(rows.length, MOST_ROWS).map((i) => rows[i]);
      const question = { title: "all other bands", isGiven, wanted: [bands[b]] };
      const told = (await predictTruths(predictor, catalog, asked, question)).get(coder.fields[bands[b]].name);
      losses.push(...Array.from(told?.predictions.negLogLik ?? []));
    }
  } finally {
    await predictor.dispose();
  }
  return losses;
}

/**
 * Median of what `other` loses more than `network` in -ln p of single bands of a catalogue's rows, each given all the others [nats]:
 * few values far out, which decide means, have no say.
 */
export async function photometryExcess(
  engine: Engine,
  network: Checkpoint,
  other: Checkpoint,
  catalog: Catalog,
  rows: Int32Array,
): Promise<number> {
  const [own, others] = [
    await photometryLosses(engine, network, catalog, rows),
    await photometryLosses(engine, other, catalog, rows),
  ];
  return quantile(sortFinite(own.map((loss, i) => others[i] - loss)), 0.5);
}
