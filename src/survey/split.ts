import { UserError } from "../errors.ts";

/** What each part of a table is for. */
export const splitNames = ["train", "validation", "calibration", "test"] as const;
export type SplitName = (typeof splitNames)[number];

/** Row numbers of each part, increasing. */
export type SplitRows = Readonly<Record<SplitName, Int32Array>>;
export type SplitFractions = Readonly<Record<SplitName, number>>;

const DEFAULT_FRACTIONS: SplitFractions = { train: 0.8, validation: 0.05, calibration: 0.05, test: 0.1 };

/** FNV-1a over the UTF-16 units, then the finaliser of MurmurHash3 (Appleby 2011): 32 well-mixed bits. */
function hash(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
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
  const shares = splitNames.map((name) => fractions[name]);
  const sum = shares.reduce((total, share) => total + share, 0);
  if (shares.some((share) => !(share >= 0)) || Math.abs(sum - 1) > 1e-6) {
    const shown = splitNames.map((name) => `${name} ${fractions[name]}`).join(", ");
    throw new UserError(`split fractions (${shown}): expected numbers from 0 up that add up to 1`);
  }
  const rows = splitNames.map((): number[] => []);
  for (const [row, parent] of parentIds.entries()) {
    let left = hash(parent, seed) / 2 ** 32;
    let part = 0;
    while (part < shares.length - 1 && left >= shares[part]) left -= shares[part++];
    rows[part].push(row);
  }
  const [train, validation, calibration, test] = rows.map((part) => Int32Array.from(part));
  return { train, validation, calibration, test };
}
