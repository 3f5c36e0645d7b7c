import { describe, expect, it } from "vitest";
import { parentSplit, splitByParent, splitNames, surveyTiles } from "../../src/survey/split.ts";

const fractions = { train: 0.7, validation: 0.1, calibration: 0.05, test: 0.15 };
const parents = Array.from({ length: 10_000 }, (_, i) => `sim-${i >> 1}`);

describe("splitting by parent", () => {
  it("puts every row in one part, the rows of a parent in the same, in the shares asked for", () => {
    const rows = splitByParent(parents, fractions, 7);
    const part = new Map<string, string>();
    let count = 0;
    let isTogether = true;
    for (const name of splitNames) {
      count += rows[name].length;
      // 5,000 parents: 4 sigma of the binomial is below 0.026.
      expect(Math.abs(rows[name].length / parents.length - fractions[name])).toBeLessThan(0.026);
      for (const row of rows[name]) {
        isTogether &&= (part.get(parents[row]) ?? name) === name;
        part.set(parents[row], name);
      }
    }
    expect(count).toBe(parents.length);
    expect(isTogether).toBe(true);
  });

  it("does not depend on the order of rows or on what else is there, but on the seed", () => {
    const inTest = (ids: readonly string[], seed: number): Set<string> =>
      new Set(Array.from(splitByParent(ids, fractions, seed).test, (row) => ids[row]));
    const all = inTest(parents, 7);
    const some = parents.slice(1000, 3000).reverse();
    expect([...inTest(some, 7)].sort()).toEqual([...new Set(some)].filter((id) => all.has(id)).sort());
    const other = inTest(parents, 8);
    const shared = [...all].filter((id) => other.has(id)).length / all.size;
    expect(shared).toBeLessThan(0.2);
  });

  it("refuses shares that are none", () => {
    expect(() => splitByParent(["a"], { ...fractions, test: 0.5 })).toThrow(
      /expected numbers from 0 up that add up to 1/,
    );
    expect(() => splitByParent(["a"], { ...fractions, train: -0.1, test: 0.95 })).toThrow(/split fractions/);
    expect(splitByParent([], fractions).train).toEqual(new Int32Array(0));
  });

  it("row by row as all at once", () => {
    const rows = splitByParent(parents, fractions, 7);
    const partOf = parentSplit(7, fractions);
    for (const name of splitNames) for (const row of rows[name]) expect(partOf(parents[row])).toBe(name);
  });
});

describe("splitting by tile", () => {
  /** 50 tiles; parents of two rows, every 25th of them in two tiles. */
  const tileOf = (row: number): string => `t${(row >> 1) % 50}`;
  const rows = parents.map((parent, row) => ({ parent, tile: row % 50 === 1 ? tileOf(row + 2) : tileOf(row) }));
  const survey = (): ReturnType<typeof surveyTiles> => {
    const tiles = surveyTiles();
    for (const { parent, tile } of rows) tiles.add(parent, tile);
    return tiles;
  };

  it("holds whole tiles out, parents that straddle are in the test part only, the rest keeps its shares", () => {
    const tiles = survey();
    expect(tiles.tileCount).toBe(50);
    const split = tiles.heldOut(fractions, 3);
    expect(split.tiles.size).toBe(Math.round(0.15 * 50));
    const inTest = new Set(rows.filter(({ tile }) => split.tiles.has(tile)).map(({ parent }) => parent));
    const counts: Record<string, number> = {};
    for (const { parent, tile } of rows) {
      const part = split.partOf(parent, tile);
      counts[part ?? "dropped"] = (counts[part ?? "dropped"] ?? 0) + 1;
      expect(part === "test").toBe(split.tiles.has(tile));
      if (part === undefined) expect(inTest.has(parent)).toBe(true);
      else if (part !== "test") expect(inTest.has(parent)).toBe(false);
    }
    expect(counts["dropped"]).toBeGreaterThan(0);
    const kept = rows.length - counts["test"] - counts["dropped"];
    // 4,200 parents or so: 4 sigma of the binomial is below 0.03
    for (const name of ["train", "validation", "calibration"] as const) {
      expect(Math.abs(counts[name] / kept - fractions[name] / 0.85)).toBeLessThan(0.03);
    }
  });

  it("depends on the seed, not on the order; one tile at least is held out", () => {
    const backwards = surveyTiles();
    for (const { parent, tile } of [...rows].reverse()) backwards.add(parent, tile);
    const held = (tiles: ReturnType<typeof surveyTiles>, seed: number): string[] =>
      [...tiles.heldOut(fractions, seed).tiles].sort();
    expect(held(backwards, 3)).toEqual(held(survey(), 3));
    expect(held(survey(), 4)).not.toEqual(held(survey(), 3));
    const two = surveyTiles();
    two.add("a", "x");
    two.add("b", "y");
    expect(two.heldOut(fractions).tiles.size).toBe(1);
  });
});
