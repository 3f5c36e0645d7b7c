import { describe, expect, it } from "vitest";
import { splitByParent, splitNames } from "../../src/survey/split.ts";

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
});
