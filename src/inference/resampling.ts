/** What is drawn together when scores are resampled. */
import type { Catalog } from "../survey/catalog.ts";

/** Groups of rows that are independent of each other. */
export interface Units {
  /** Tiles share noise and zero-points; where a table has too few of them, or none, rows of one parent stand together. */
  readonly by: "parent" | "tile";
  readonly count: number;
  /** [rowCount] The group of each row. */
  readonly of: Int32Array;
}

/**
 * Fewer groups than this say little of their own scatter: the variance that m of them tell is known to sqrt(2 / (m - 1)),
 * and comes out too low by 1 / m.
 */
const LEAST_TILES = 10;

/** Number of each row's name, in the order in which names are met. */
function numbered(names: readonly string[]): Int32Array {
  const known = new Map<string, number>();
  return Int32Array.from(names, (name) => {
    const own = known.get(name) ?? known.size;
    known.set(name, own);
    return own;
  });
}

/** Rows that share a tile or a parent, directly or through others, have one number: no galaxy is drawn without its twins. */
function joined(tile: Int32Array, parent: Int32Array): Int32Array {
  const root = Int32Array.from({ length: Math.max(-1, ...tile) + 1 }, (_, i) => i);
  const find = (i: number): number => {
    let at = i;
    while (root[at] !== at) at = root[at];
    return at;
  };
  const first = new Map<number, number>();
  tile.forEach((own, row) => {
    const other = first.get(parent[row]);
    if (other === undefined) first.set(parent[row], own);
    else root[find(own)] = find(other);
  });
  return numbered(Array.from(tile, (own) => String(find(own))));
}

/**
 * The units of an evaluation's bootstrap. Whole tiles with the parents in them, from ten on: a resample of the outer units
 * alone has the variance of both stages (Davison & Hinkley 1997, section 3.8), and tiles that share a parent count as one.
 * Else parents.
 */
export function unitsOf({ tile, parentId }: Pick<Catalog, "tile" | "parentId">): Units {
  const parent = numbered(parentId);
  const outer = tile === undefined ? undefined : joined(numbered(tile), parent);
  const count = (groups: Int32Array): number => new Set(groups).size;
  return outer !== undefined && count(outer) >= LEAST_TILES
    ? { by: "tile", count: count(outer), of: outer }
    : { by: "parent", count: count(parent), of: parent };
}
