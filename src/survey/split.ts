import { UserError } from "../errors.ts";

/** What each part of a table is for. */
export const splitNames = ["train", "validation", "calibration", "test"] as const;
export type SplitName = (typeof splitNames)[number];

/** Row numbers of each part, increasing. */
export type SplitRows = Readonly<Record<SplitName, Int32Array>>;
export type SplitFractions = Readonly<Record<SplitName, number>>;

const DEFAULT_FRACTIONS: SplitFractions = { train: 0.8, validation: 0.05, calibration: 0.05, test: 0.1 };

/** FNV-1a over the UTF-16 units, then the finaliser of MurmurHash3 (Appleby 2011): 32 well-mixed bits. */
function hashText(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** @throws UserError for fractions that are negative or do not add up to 1. */
function checkShares(fractions: SplitFractions): number[] {
  const shares = splitNames.map((name) => fractions[name]);
  const sum = shares.reduce((total, share) => total + share, 0);
  if (shares.some((share) => !(share >= 0)) || Math.abs(sum - 1) > 1e-6) {
    const shown = splitNames.map((name) => `${name} ${fractions[name]}`).join(", ");
    throw new UserError(`split fractions (${shown}): expected numbers from 0 up that add up to 1`);
  }
  return shares;
}

/** Index in `splitNames` of a parent's part, decided by its id and the seed alone; `shares` by part, of sum 1. */
function drawPart(parent: string, shares: readonly number[], seed: number): number {
  let left = hashText(parent, seed) / 2 ** 32;
  let part = 0;
  while (part < shares.length - 1 && left >= shares[part]) left -= shares[part++];
  return part;
}

/**
 * Splits rows by their parent: all rows of one parent fall in one part, decided by the parent's id and the seed alone.
 * So the part of a galaxy does not change with the order of rows or when the catalogue grows.
 * @throws UserError for fractions that are negative or do not add up to 1.
 */
export function splitByParent(
  parentIds: readonly string[],
  fractions: SplitFractions = DEFAULT_FRACTIONS,
  seed = 0,
): SplitRows {
  const shares = checkShares(fractions);
  const rows = splitNames.map((): number[] => []);
  for (const [row, parent] of parentIds.entries()) rows[drawPart(parent, shares, seed)].push(row);
  const [train, validation, calibration, test] = rows.map((part) => Int32Array.from(part));
  return { train, validation, calibration, test };
}

/** Fewest tiles of which whole ones are held out. */
export const FEWEST_TILES = 20;

/** Gathers where parents and tiles are, row by row, to hold whole tiles out for the test part. */
export interface TileSurvey {
  /** Without a parent the row is alone. */
  add(parent: string | undefined, tile: string): void;
  readonly tileCount: number;
  /** Tiles of the test part: those with the lowest hashes, as many as the test part's share, at least one. */
  heldOut(fractions?: SplitFractions, seed?: number): TileSplit;
}

export interface TileSplit {
  readonly tiles: ReadonlySet<string>;
  /** Part of a row; undefined where its parent is also in a held-out tile, but this row isn't. */
  partOf(parent: string, tile: string): SplitName | undefined;
}

/** Two hashes of a parent as one number of 53 bits: a collision among 10^6 parents has a chance of 10^-4. */
const longHash = (parent: string): number => hashText(parent, 1) * 2 ** 21 + (hashText(parent, 2) >>> 11);

export function surveyTiles(): TileSurvey {
  const tiles = new Map<string, Set<number>>();
  return {
    add(parent, tile) {
      let parents = tiles.get(tile);
      if (!parents) tiles.set(tile, (parents = new Set()));
      if (parent !== undefined) parents.add(longHash(parent));
    },
    get tileCount() {
      return tiles.size;
    },
    heldOut(fractions = DEFAULT_FRACTIONS, seed = 0) {
      checkShares(fractions);
      const byHash = [...tiles.keys()].sort((a, b) => hashText(a, seed) - hashText(b, seed) || (a < b ? -1 : 1));
      const held = new Set(byHash.slice(0, Math.max(1, Math.round(fractions.test * byHash.length))));
      const parents = new Set([...held].flatMap((tile) => [...(tiles.get(tile) ?? [])]));
      const rest = 1 - fractions.test;
      const shares = splitNames.map((name) => (name === "test" ? 0 : fractions[name] / rest));
      return {
        tiles: held,
        partOf(parent, tile) {
          if (held.has(tile)) return "test";
          return parents.has(longHash(parent)) ? undefined : splitNames[drawPart(parent, shares, seed)];
        },
      };
    },
  };
}

/** The part of a parent, by its id and the seed alone: see {@link splitByParent}. */
export function parentSplit(seed = 0, fractions: SplitFractions = DEFAULT_FRACTIONS): (parent: string) => SplitName {
  const shares = checkShares(fractions);
  return (parent) => splitNames[drawPart(parent, shares, seed)];
}
