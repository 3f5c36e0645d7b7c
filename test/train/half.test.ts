import { describe, expect, it } from "vitest";
import { fromHalf, toHalf } from "../../src/survey/half.ts";
import { createRng } from "../../src/random.ts";

/** Half precision, against IEEE 754-2008's own examples and against the nearest of all 65,536. */
describe("half precision", () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [1e9, 0x7c00],
    [-Infinity, 0xfc00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000], // half a step: to even
    [3 * 2 ** -26, 0x0001],
    [1 / 3, 0x3555],
    [1 + 2 ** -11, 0x3c00], // half way between two: to even
    [1 + 3 * 2 ** -11, 0x3c02],
  ])("of %s", (x, bits) => {
    expect(toHalf(x)).toBe(bits);
  });

  it("comes back for every pattern of bits", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const x = fromHalf(bits);
      if (Number.isNaN(x)) expect(fromHalf(toHalf(x))).toBeNaN();
      else expect(toHalf(x)).toBe(bits);
    }
  });

  it("is the nearest one", () => {
    const rng = createRng("half");
    for (let i = 0; i < 2000; i++) {
      const x = Math.fround(rng.normal() * 10 ** (8 * rng.uniform() - 6));
      const bits = toHalf(x);
      const off = (other: number): number => Math.abs(fromHalf(other) - x);
      expect(off(bits)).toBeLessThanOrEqual(off(bits + 1));
      if ((bits & 0x7fff) > 0) expect(off(bits)).toBeLessThanOrEqual(off(bits - 1));
    }
  });
});
