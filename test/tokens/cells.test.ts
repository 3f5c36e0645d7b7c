import { describe, expect, it } from "vitest";
import { createRng } from "../../src/random.ts";
import { emptyCatalog } from "../../src/survey/catalog.ts";
import { wavelengthsOf } from "../../src/survey/spectrum-grid.ts";
import { cellInputs } from "../../src/survey/vocabulary.ts";
import { batchShape, drawBatch } from "../../src/tokens/batch.ts";
import { cellCode, cellCurve, cellStarts, cellWavelengths, coarsen } from "../../src/tokens/cells.ts";
import { subsetSchema } from "../../src/tokens/subset.ts";
import { coderOf } from "../../src/train/config.ts";
import { startCheckpoint } from "../helpers/network.ts";
import { lineCatalog, lineFields } from "../helpers/spectra.ts";
import { sourceOf } from "../helpers/toy.ts";

const CELLS = 10;
const catalog = lineCatalog(60, "cells");
const column = catalog.arrays!.get("spectrum")!;
const coder = coderOf(startCheckpoint(catalog).config);

describe("cells of a spectrum", () => {
  it("share its pixels, and lie half-way between their ends in the logarithm", () => {
    const starts = cellStarts(256, CELLS);
    expect([starts[0], starts[CELLS]]).toEqual([0, 256]);
    const pixels = wavelengthsOf({ from: 4000, to: 9000, pixels: 256 });
    cellWavelengths({ from: 4000, to: 9000, pixels: 256 }, CELLS).forEach((at, c) => {
      expect(at).toBeCloseTo(Math.sqrt(pixels[starts[c]] * pixels[starts[c + 1] - 1]), 6);
    });
  });

  it("have the mean of their pixels, and its scatter is their error", () => {
    const rng = createRng("noise");
    const one = emptyCatalog(lineFields, 1).arrays!.get("spectrum")!;
    const sigma = Float64Array.from({ length: 256 }, () => 1 + 3 * rng.uniform());
    let [pulls, squares] = [0, 0];
    const draws = 400;
    for (let n = 0; n < draws; n++) {
      for (let i = 0; i < 256; i++) {
        one.value[i] = 5 + sigma[i] * rng.normal();
        one.ivar[i] = sigma[i] ** -2;
      }
      const { value, error } = coarsen(one, 0, CELLS);
      value.forEach((x, c) => {
        pulls += (x - 5) / error[c];
        squares += ((x - 5) / error[c]) ** 2;
      });
    }
    const count = draws * CELLS;
    expect(Math.abs(pulls / count)).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(squares / count - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
  });

  it("heed no pixel that is not observed, and are none where most are not", () => {
    const plain = coarsen(column, 3, CELLS);
    const wild = { ...column, value: column.value.map((x, i) => (column.ivar[i] === 0 ? NaN : x)) };
    expect(coarsen(wild, 3, CELLS)).toEqual(plain);
    const starts = cellStarts(256, CELLS);
    const holed = { ...column, ivar: column.ivar.slice() };
    const from = 3 * 256 + starts[4];
    holed.ivar.fill(0, from, from + Math.ceil(0.6 * (starts[5] - starts[4])));
    expect(coarsen(holed, 3, CELLS).error[4]).toBe(0);
    expect(coarsen(holed, 3, CELLS).error[5]).toBe(plain.error[5]);
  });

  it("come back from their encoding, whatever the brightness is known from", () => {
    for (const [scale, amplitude] of [
      [0, 0],
      [0, 30],
      [120, 0],
    ] as const) {
      const code = cellCode(coder, 3, scale, amplitude);
      const { factor, rate, shift } = cellCurve(code);
      for (const x of [-40, 0, 3, 800]) {
        const v = Math.asinh(x / (2 * code.softness)) - code.origin;
        expect(factor * Math.sinh(rate * v + shift)).toBeCloseTo(x, 6);
      }
    }
  });
});

describe("what a batch asks of spectra", () => {
  const config = (spectra: object) =>
    subsetSchema.parse({ spectra, fullShare: 0, bands: { none: 1 }, properties: { none: 1 } });
  const draw = (spectra: object, seed = "batch") => {
    const shape = batchShape(32, 2, config(spectra), false, CELLS);
    const arrays = drawBatch(coder, [sourceOf(catalog)], config(spectra), shape, createRng(seed));
    const truth = arrays[cellInputs(0).truth].data as Float32Array;
    const isAsked = Array.from({ length: 32 }, (_, b) =>
      Array.from({ length: CELLS }, (_, c) => truth[3 * (b * CELLS + c) + 1] > 0),
    );
    return { arrays, isAsked };
  };

  it("is all of a hidden spectrum, nothing of one that is given, and what lies outside of a window", () => {
    expect(draw({ hidden: 1 }).isAsked.flat()).not.toContain(false);
    for (const given of ["alone", "beside"]) expect(draw({ [given]: 1 }).isAsked.flat()).not.toContain(true);
    const { arrays, isAsked } = draw({ window: 1 });
    const weight = arrays.spectrum0Weight.data;
    const starts = cellStarts(256, CELLS);
    isAsked.forEach((flags, b) =>
      flags.forEach((asked, c) => {
        const given = weight.subarray(b * 256 + starts[c], b * 256 + starts[c + 1]);
        if (asked) expect(given.every((w) => w === 0)).toBe(true);
      }),
    );
    const share = isAsked.flat().filter(Boolean).length / isAsked.flat().length;
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.9);
  });

  it("is the flux and its error, as they are decoded", () => {
    const shape = batchShape(8, 2, config({ hidden: 1 }), false, CELLS);
    const only = { ...sourceOf(catalog), rows: Int32Array.of(7), labelled: Int32Array.of(7) };
    const arrays = drawBatch(coder, [only], config({ hidden: 1 }), shape, createRng("one"));
    const { value, error } = coarsen(column, 7, CELLS);
    const { softness, origin } = cellCode(coder, 3, 0, 0);
    const truth = arrays[cellInputs(0).truth].data;
    value.forEach((x, c) => {
      const [v, sigma] = [truth[3 * c], truth[3 * c + 1]];
      expect(2 * softness * Math.sinh(v + origin)).toBeCloseTo(x, 3);
      const step = 1e-3 * error[c];
      const slope = (Math.asinh((x + step) / (2 * softness)) - Math.asinh((x - step) / (2 * softness))) / (2 * step);
      expect(sigma).toBeCloseTo(error[c] * slope, 5);
    });
    const cell = (Math.log(9000 / 4000) * 256) / (255 * CELLS);
    expect(arrays[cellInputs(0).shift].data[0]).toBeCloseTo(Math.log1p(catalog.value[7 * 4 + 2]) / cell, 4);
  });
});
