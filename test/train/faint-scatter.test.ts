import { describe, expect, it } from "vitest";
import { lnNoisesOf } from "../../src/train/faint-scatter.ts";

/** What bands' errors are multiplied by, of the scatter of their faint fluxes. */

const many = (noise: number): { noise: number; faint: number } => ({ noise, faint: 500 });
const none = { noise: Number.NaN, faint: 3 };

describe("noise factors", () => {
  it("are none where errors are right, too large, or told by few fluxes", () => {
    expect(lnNoisesOf([many(1.03), many(0.98), many(0.4), none, { noise: 1.25, faint: 60 }])).toEqual([0, 0, 0, 0, 0]);
  });

  it("are shared by most bands: those that tell none have the others' median", () => {
    const found = lnNoisesOf([many(1.6), many(1.62), many(1.58), none]);
    for (const one of found) expect(one).toBeCloseTo(Math.log(1.6), 9);
  });

  it("are a band's own where it differs for sure, drawn to the others", () => {
    const [usual, own, , silent] = lnNoisesOf([many(1), many(1.8), many(1.02), none]);
    expect([usual, silent]).toEqual([0, 0]);
    expect(own).toBeGreaterThan(0.8 * Math.log(1.8));
    expect(own).toBeLessThan(Math.log(1.8));
  });

  it("are nowhere below 1", () => {
    expect(Math.min(...lnNoisesOf([many(1.6), many(1.6), many(0.5), many(1.6)]))).toBe(0);
  });
});
