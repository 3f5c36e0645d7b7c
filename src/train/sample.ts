/** A look at a run's table: some of its rows, as a run sees them. */
import { createRng } from "../random.ts";
import { createRowObserver } from "../simulate/observation.ts";
import { type Catalog, copyRow, emptyCatalog, select } from "../survey/catalog.ts";
import { readManifest } from "../survey/prepared.ts";
import { splitByParent } from "../survey/split.ts";
import type { Survey } from "../survey/survey.ts";
import { observedWish } from "./observed.ts";
import { sampleRows, type TableWish } from "./tables.ts";

/** Some rows of a table. */
export interface TableSample {
  /** Rows looked at, evenly spaced: all of a table that has no more of them than are read. */
  readonly whole: Catalog;
  /** Those of them that no run trains on; all where these are too few. */
  readonly heldOut: Catalog;
  readonly isHeldOut: boolean;
}

/** Rows that are read at most: a tenth of them are held out. */
const MOST_READ = 10_000;
/** Fewer held-out rows say too little: others are looked at with them. */
const FEWEST_HELD_OUT = 100;

/** The rows observed once, where they have no noise, as a run observes them. */
function observedOnce(clean: Catalog, survey: Survey, options: Parameters<typeof createRowObserver>[1]): Catalog {
  const observe = createRowObserver(survey, options);
  const [seen, one] = [clean.rowCount, 1].map((rows) => emptyCatalog(clean.fields, rows, { pixels: [] }));
  const rng = createRng("sample");
  for (let row = 0; row < clean.rowCount; row++) {
    copyRow(clean, row, one, 0);
    observe(clean, row, rng, one);
    copyRow(one, 0, seen, row);
  }
  return seen;
}

/**
 * Rows of a table, or of a prepared folder, in their role: at most 10,000. What is held out are its test rows.
 * @throws UserError for a table that can't be read or observed as wished, and one without rows.
 */
export async function sampleTable(wish: TableWish, survey: Survey): Promise<TableSample> {
  const { reading, observation } = await observedWish(wish, survey);
  const reader = { survey, own: wish.own, options: reading };
  const manifest = readManifest(wish.path);
  const isTested = manifest !== undefined && manifest.parts.test.rows >= FEWEST_HELD_OUT;
  const read = await sampleRows(wish.path, isTested ? "test" : "all", reader, MOST_READ);
  const whole = observation === undefined ? read : observedOnce(read, survey, observation);
  if (manifest !== undefined) return { whole, heldOut: whole, isHeldOut: isTested };
  const { test } = splitByParent(whole.parentId);
  if (test.length < FEWEST_HELD_OUT) return { whole, heldOut: whole, isHeldOut: false };
  return { whole, heldOut: select(whole, test), isHeldOut: true };
}
