import { describe, expect, it } from "vitest";
import type { NdArray } from "../../src/engine/contract.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type ArrayColumn, type Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { emptyArrays, labelledRows } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { fillSpectrum, type PixelWindow, spectrumAmplitude, spectrumSignal, WHOLE } from "../../src/tokens/spectrum.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { drawContext, subsetSchema } from "../../src/tokens/subset.ts";
import { lineCatalog, lineFields } from "../helpers/spectra.ts";

const column = (value: readonly number[], ivar: readonly number[]): ArrayColumn => ({
  width: value.length,
  value: Float32Array.from(value),
  ivar: Float32Array.from(ivar),
});

function written(spectrum: ArrayColumn, amplitude: number, window: PixelWindow = WHOLE): number[][] {
  const [flux, weight] = [new Float32Array(spectrum.width), new Float32Array(spectrum.width)];
  fillSpectrum(spectrum, 0, window, amplitude, { flux, weight, at: 0 });
  return [[...flux], [...weight]];
}

describe("a spectrum as the network sees it", () => {
  it("has the median of |flux| as its amplitude, over what is observed of the window", () => {
    const spectrum = column([1, -5, 3, 900, NaN, 7, 2, 2], [1, 1, 1, 0, 1, 1, 1, 1]);
    expect(spectrumAmplitude(spectrum, 0)).toBe(3); // of 1 2 2 3 5 7
    expect(spectrumAmplitude(spectrum, 0, { from: 0.75, to: 1 })).toBe(2);
    expect(spectrumAmplitude(column([4, 4], [0, 0]), 0)).toBe(0);
    expect(spectrumAmplitude(column([0, 0, 0, 8], [1, 1, 1, 1]), 0)).toBe(2);
    expect(spectrumAmplitude(column([0, 0], [1, 1]), 0)).toBe(1);
    const long = new Array<number>(20_001).fill(0); // longer than is looked at pixel by pixel
    expect(spectrumAmplitude(column(long.with(7, 6), long.with(7, 1)), 0)).toBe(6);
  });

  it("is flux over amplitude, bounded, and amplitude over error", () => {
    const [flux, weight] = written(column([0.2, -0.4, 1e9], [25, 100, 1e30]), 2);
    expect(flux[0]).toBeCloseTo(0.1, 4);
    expect(flux[1]).toBeCloseTo(-0.2, 3);
    expect(flux[2]).toBeCloseTo(12, 4);
    expect(weight).toEqual([10, 20, 1e4]);
  });

  it("does not depend on the flux of a pixel that is not observed", () => {
    const wild = [NaN, Infinity, -1e30, 0, 5].map((x) => written(column([1, x, 2], [1, 0, 4]), 1));
    for (const one of wild) expect(one).toEqual(wild[0]);
    expect(wild[0][0][1]).toBe(0);
    expect(written(column([1, NaN, 2], [1, 1, 4]), 1)).toEqual(wild[0]);
  });

  it("has a signal: the share of pixels observed in its window, and their mean asinh(S/N)", () => {
    const spectrum = column([3, NaN, -2, 900, 4, 4, 0, 1], [4, 1, 1, 0, 1, 1, 9, Infinity]);
    const of = (...ratios: number[]): number => ratios.reduce((sum, x) => sum + Math.asinh(x), 0) / ratios.length;
    expect(spectrumSignal(spectrum, 0)).toEqual({ observed: 5 / 8, signal: of(6, -2, 4, 4, 0) });
    const half = spectrumSignal(spectrum, 0, { from: 0, to: 0.5 });
    expect(half.observed).toBe(2 / 8);
    expect(half.signal).toBeCloseTo(of(6, -2), 12);
    expect(spectrumSignal(column([1, 1], [0, 0]), 0)).toEqual({ observed: 0, signal: 0 });
    const long = new Array<number>(20_480).fill(1); // not every pixel is looked at
    expect(spectrumSignal(column(long, long), 0).observed).toBe(1);
    expect(spectrumSignal(column(long, long), 0).signal).toBeCloseTo(Math.asinh(1), 9);
  });

  it("is nothing outside its window", () => {
    const spectrum = column([1, 1, 1, 1], [1, 1, 1, 1]);
    expect(written(spectrum, 1, { from: 0.25, to: 0.75 })[1]).toEqual([0, 1, 1, 0]);
  });
});

const catalog = lineCatalog(400, "tokens");
const coder = createFieldCoder(lineFields, fitStandardisation(catalog, allRows(catalog)));
const [SPECTRUM, Z] = [3, 2];

function batchOf(galaxies: Catalog, isContext: readonly number[], window?: PixelWindow): Record<string, NdArray> {
  const arrays = emptyArrays(contextSignature(galaxies.rowCount, coder));
  for (let row = 0; row < galaxies.rowCount; row++) {
    const given = { catalog: galaxies, row, isContext: Uint8Array.from(isContext) };
    fillContext(arrays, row, coder, window === undefined ? given : { ...given, window });
  }
  return arrays;
}

describe("spectra in a batch", () => {
  it("say beside their pixels how bright they are, about 0 and of unit spread, and beside the bands", () => {
    const { data } = batchOf(catalog, [1, 1, 0, 1]).spectrumScalar;
    const of = (k: number): number[] => Array.from({ length: 400 }, (_, row) => data[4 * row + k]);
    const mean = (x: readonly number[]): number => x.reduce((sum, one) => sum + one, 0) / x.length;
    expect(of(0)).toEqual(new Array(400).fill(1));
    expect(Math.abs(mean(of(1)))).toBeLessThan(0.1);
    expect(Math.abs(mean(of(1).map((x) => x * x)) - 1)).toBeLessThan(0.2);
    expect(Math.abs(mean(of(2)))).toBeLessThan(0.1);
    expect(of(3)).toEqual(new Array(400).fill(1));
    const alone = batchOf(catalog, [0, 0, 0, 1]).spectrumScalar.data;
    expect([alone[2], alone[3]]).toEqual([0, 0]);
  });

  it("are zeros where they are hidden or nothing of them is observed", () => {
    const blind: Catalog = { ...catalog, arrays: new Map([["spectrum", column([], [])]]) };
    const dark = { width: 256, value: new Float32Array(400 * 256).fill(3), ivar: new Float32Array(400 * 256) };
    const hidden = batchOf(catalog, [1, 1, 0, 0]);
    for (const arrays of [hidden, batchOf({ ...blind, arrays: new Map([["spectrum", dark]]) }, [1, 1, 0, 1])]) {
      for (const name of ["spectrum0", "spectrum0Weight", "spectrumScalar"]) {
        expect(arrays[name].data.every((x) => x === 0)).toBe(true);
      }
    }
  });

  it("are drawn hidden, beside bands, alone and by windows, as their weights say, and are never asked", () => {
    const draws = 4000;
    const rng = createRng("draws");
    const config = subsetSchema.parse({ spectra: { hidden: 1, beside: 2, alone: 3, window: 4 }, fullShare: 0 });
    const isContext = new Uint8Array(4);
    const seen = { hidden: 0, given: 0, alone: 0, window: 0 };
    for (let i = 0; i < draws; i++) {
      const { from, to } = drawContext(coder, catalog, i % 400, config, false, rng, isContext);
      const isWindow = to - from < 1;
      expect(from >= 0 && to <= 1 && to - from >= 1 / 8).toBe(true);
      if (isContext[SPECTRUM] === 0) seen.hidden++;
      else seen.given++;
      if (isWindow) {
        seen.window++;
        expect([...isContext]).toEqual([0, 0, 0, 1]);
      }
      expect(isContext[0] + isContext[1] + isContext[Z]).toBeLessThan(3);
    }
    expect(seen.hidden / draws).toBeCloseTo(0.1, 1);
    expect(seen.window / draws).toBeCloseTo(0.4, 1);
  });

  it("make no label of a row", () => {
    const state = catalog.state.map((one, at) => (at % 4 === Z ? State.notObserved : one));
    expect(labelledRows({ ...catalog, state })).toHaveLength(0);
    expect(labelledRows(catalog)).toHaveLength(400);
  });
});
