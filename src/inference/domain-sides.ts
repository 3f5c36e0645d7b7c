/** Simulations and a target side by side, as many rows of each, with the same bands missing. */
import { type Catalog, hide, select } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";

/** Two samples that differ in nothing but what their galaxies and instruments make of them. */
export interface Sides {
  /** Row i of both has the same bands, those that both had. */
  readonly source: Catalog;
  readonly target: Catalog;
  /** [nField] Bands that are looked at: those that some row has. */
  readonly isGiven: Uint8Array;
  /** [rows] Number of the target's parent: its rows are held out together. */
  readonly group: Int32Array;
}

/** Most rows of each: areas under a curve are then known to .015. */
const MOST_ROWS = 512;
/** Rows with fewer bands have no photometry to speak of. */
const FEWEST_BANDS = 3;

const isSeen = (state: number): boolean => state === State.measured || state === State.nonDetection;

/** Rows of a catalogue with photometry: at least three of its bands, all of them where there are fewer. */
export function photometricRows({ fields, rowCount, state }: Catalog): Int32Array {
  const bands = fields.flatMap(({ band }, j) => (band === undefined ? [] : [j]));
  const fewest = Math.max(1, Math.min(FEWEST_BANDS, bands.length));
  const has = (row: number): boolean => bands.filter((j) => isSeen(state[row * fields.length + j])).length >= fewest;
  return Int32Array.from({ length: rowCount }, (_, row) => row).filter(has);
}

const spread = (rows: Int32Array, count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)]);

/** Puts rows with photometry side by side. Undefined where either table has none. */
export function sideBySide(source: Catalog, target: Catalog): Sides | undefined {
  const [ours, theirs] = [photometricRows(source), photometricRows(target)];
  const count = Math.min(MOST_ROWS, ours.length, theirs.length);
  if (count === 0) return undefined;
  const { fields } = source;
  const n = fields.length;
  const bare = (catalog: Catalog, rows: Int32Array): Catalog =>
    hide(select(catalog, spread(rows, count)), ({ band }) => band === undefined);
  const [a, b] = [bare(source, ours), bare(target, theirs)];
  const isGiven = new Uint8Array(n);
  for (let at = 0; at < a.state.length; at++) {
    if (isSeen(a.state[at]) && isSeen(b.state[at])) isGiven[at % n] = 1;
    else a.state[at] = b.state[at] = State.notObserved;
  }
  const parents = [...new Set(b.parentId)];
  const place = new Map(parents.map((parent, i) => [parent, i]));
  return { source: a, target: b, isGiven, group: Int32Array.from(b.parentId, (parent) => place.get(parent)!) };
}
