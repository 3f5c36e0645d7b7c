import { describe, expect, it } from "vitest";
import type { Band } from "../../src/survey/field.ts";
import { shiftError, slopeOf, stencilsOf } from "../../src/train/passband-shift.ts";

/** How fluxes go with the wavelength of a passband, told from the bands around. */

const band = (pivot: number, width: number): Band => ({
  group: "any",
  pivot,
  edges: [pivot - width / 2, pivot + width / 2],
  rise: [10, 10],
  depth: [25],
  zeroPointError: [0],
});
const narrow = Array.from({ length: 20 }, (_, i) => band(4000 + 100 * i, 145));
const wide = [
  band(3800, 700),
  band(4770, 1400),
  band(4770, 1300),
  band(6230, 1400),
  band(7630, 1500),
  band(21_500, 3200),
];

describe("the slope at a band", () => {
  for (const [name, bands] of Object.entries({ narrow, wide, both: [...narrow, ...wide] })) {
    it(`is exact for power laws, whatever their brightness: ${name}`, () => {
      const stencils = stencilsOf(bands);
      for (const power of [-3, 0, 2.5]) {
        const ln = bands.map(({ pivot }) => 7 + power * Math.log(pivot));
        stencils.forEach((stencil, j) => expect(slopeOf(stencil, ln) * bands[j].pivot).toBeCloseTo(power, 6));
      }
    });
  }

  it("is of the nearest bands: a step far away changes nothing", () => {
    const stencil = stencilsOf(narrow)[4];
    const ln = narrow.map((_, j) => (j > 12 ? 5 : 1));
    expect(slopeOf(stencil, ln)).toBeCloseTo(0, 9);
    expect(
      slopeOf(
        stencil,
        narrow.map((_, j) => (j > 4 ? 5 : 1)),
      ),
    ).toBeGreaterThan(0.01);
  });

  it("is none where a band is alone", () => {
    expect(slopeOf(stencilsOf([band(5000, 900)])[0], [3])).toBe(0);
  });
});

it("errors of wavelengths: 5 Angstrom of narrow bands, 1 % of wide ones, none in the ultraviolet", () => {
  expect([narrow[3], wide[0], band(2300, 800)].map(shiftError)).toEqual([5, 38, 0]);
});
