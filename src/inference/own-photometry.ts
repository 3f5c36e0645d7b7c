/** How well a network knows a survey's galaxies by their own photometry: no label is looked at. */
import type { Engine } from "../engine/contract.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { spaced } from "../train/tables.ts";
import { predictTruths } from "./evaluate.ts";
import { createPredictor } from "./predict.ts";

/** Rows and bands that are asked at most, evenly spaced. */
const [MOST_ROWS, MOST_BANDS] = [500, 12];

/**
 * Mean -ln p [nats of the survey's flux unit] of bands of a catalogue's rows, each given all the others. Of two networks the better
 * one in this is the better one in redshifts, too, on zCOSMOS and DC2, and in classes on S-PLUS (CHANGELOG 0.10.0); what
 * simulations say does not tell.
 */
export async function photometryLoss(
  engine: Engine,
  network: Checkpoint,
  catalog: Catalog,
  rows: Int32Array,
): Promise<number> {
  const predictor = createPredictor(engine, network);
  const { coder } = predictor;
  const bands = coder.groups.band;
  let [sum, count] = [0, 0];
  try {
    for (const b of spaced(bands.length, MOST_BANDS)) {
      const isGiven = Uint8Array.from(coder.fields, ({ band }, j) => Number(band !== undefined && j !== bands[b]));
      const asked = spaced(rows.length, MOST_ROWS).map((i) => rows[i]);
      const question = { title: "all other bands", isGiven, wanted: [bands[b]] };
      const told = (await predictTruths(predictor, catalog, asked, question)).get(coder.fields[bands[b]].name);
      const losses = Array.from(told?.predictions.negLogLik ?? []);
      sum += losses.reduce((total, loss) => total + loss, 0);
      count += losses.length;
    }
  } finally {
    await predictor.dispose();
  }
  return sum / Math.max(1, count);
}
