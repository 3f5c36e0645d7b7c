import { describe, expect, it } from "vitest";
import { entropyOf, screen } from "../../src/inference/screening.ts";
import { thresholdFor } from "../../src/inference/selection.ts";
import { histogramDistribution } from "../../src/model/histogram.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";

/** Galaxies that are pure with probability u, their score: a sample of u > t has the purity (1 + t) / 2. */
function population(n: number, seed: string) {
  const rng = createRng(seed);
  const odds = Float64Array.from({ length: n }, () => rng.uniform());
  const isPure = Array.from(odds, (u) => rng.uniform() < u);
  return { odds, isPure, weight: new Float64Array(n).fill(1), unit: Int32Array.from(odds, (_, i) => i) };
}

describe("the threshold for a purity", () => {
  it("is what a search through all thresholds finds, with weights and equal scores", () => {
    const rng = createRng("brute");
    for (let trial = 0; trial < 40; trial++) {
      const n = 60;
      const score = Array.from({ length: n }, () => Math.round(8 * rng.uniform()) / 8);
      const isPure = score.map((s) => rng.uniform() < 0.3 + 0.7 * s);
      const weight = score.map(() => 0.2 + rng.uniform());
      for (const target of [0.5, 0.7, 0.9, 1]) {
        const sum = (isIn: (i: number) => boolean): number => weight.reduce((all, w, i) => all + (isIn(i) ? w : 0), 0);
        const pure = [...new Set(score)].filter(
          (t) => sum((i) => score[i] >= t && isPure[i]) >= target * sum((i) => score[i] >= t) - 1e-9,
        );
        const expected = pure.length === 0 ? undefined : Math.min(...pure);
        expect(thresholdFor(score, isPure, weight, target)).toBe(expected);
      }
    }
  });
});

describe("screening", () => {
  const { odds, isPure, weight, unit } = population(40_000, "known");
  const score = { odds, entropy: odds.map((u) => u - 1) };
  const { screening } = screen({ isPure, weight, unit, score }, 0.01, "1")!;

  it("finds the cut that is known, in any quality, and its completeness", () => {
    const [cut] = screening.qualities.odds!.cuts;
    const { purity, completeness, kept, rows } = cut.verified!;
    // purity (1 + t) / 2 = 0.99
    expect(Math.abs(cut.threshold - 0.98)).toBeLessThan(0.012);
    expect(purity.low).toBeLessThan(0.995);
    expect(purity.high).toBeGreaterThan(0.985);
    expect(Math.abs(completeness.value - (1 - cut.threshold ** 2))).toBeLessThan(0.01);
    expect(Math.abs(kept.value - (1 - cut.threshold))).toBeLessThan(0.01);
    expect(Math.abs(rows / 20_000 - kept.value)).toBeLessThan(1e-9);
    // the smaller the entropy, the surer
    expect(screening.qualities.entropy!.cuts[0].threshold).toBeCloseTo(1 - cut.threshold, 9);
    expect(Math.abs(screening.share - 0.5)).toBeLessThan(0.01);
    for (const { completeness: c, purity: at } of screening.qualities.odds!.curve) {
      expect(Math.abs(at - (1 + Math.sqrt(1 - c)) / 2)).toBeLessThan(0.012); // t = sqrt(1 - c)
    }
  });

  it("is honest: of a score that says nothing the chosen half is pure by chance, the other is not", () => {
    const n = 1000;
    const cuts = Array.from({ length: 60 }, (_, trial) => {
      const rng = createRng(`nothing ${trial}`);
      const pure = Array.from({ length: n }, () => rng.uniform() < 0.96);
      const odds = Float64Array.from(pure, () => rng.uniform());
      const rows = Int32Array.from(pure, (_one, i) => i);
      const found = screen(
        { isPure: pure, weight: new Float64Array(n).fill(1), unit: rows, score: { odds } },
        0.01,
        "3",
      );
      return found!.screening.qualities.odds!.cuts[0] ?? [];
    }).flat();
    expect(cuts.length).toBeGreaterThan(5);
    let [right, kept] = [0, 0];
    for (const { chosen, verified } of cuts) {
      expect(chosen.purity).toBeGreaterThanOrEqual(0.99);
      expect(chosen.rows).toBeGreaterThanOrEqual(30);
      right += verified!.purity.value * verified!.rows;
      kept += verified!.rows;
    }
    // 0.96, not 0.99
    expect(Math.abs(right / kept - 0.96)).toBeLessThan(5 * Math.sqrt((0.96 * 0.04) / kept));
    expect(right / kept).toBeLessThan(0.985);
  });

  it("chooses on some galaxies and verifies on others: copies of one are in the same half", () => {
    const n = 400;
    const twins = Int32Array.from({ length: n }, (_, i) => i >> 2);
    const own = Float64Array.from(twins, (t) => t);
    const pure = Array.from(twins, (t) => t >= 37);
    const weights = new Float64Array(n).fill(1);
    const { screening: told } = screen(
      { isPure: pure, weight: weights, unit: twins, score: { odds: own } },
      0.01,
      "1",
    )!;
    const [cut] = told.qualities.odds!.cuts;
    expect(cut.chosen.rows % 4).toBe(0);
    expect(cut.verified!.rows % 4).toBe(0);
  });

  it("has no cut that a few galaxies survive", () => {
    const rows = Int32Array.from({ length: 58 }, (_, i) => i);
    const pure = Array.from(rows, (i) => i > 0);
    const weights = new Float64Array(58).fill(1);
    const { screening: told } = screen(
      { isPure: pure, weight: weights, unit: rows, score: { odds: rows } },
      0.01,
      "1",
    )!;
    expect(told.qualities.odds!.cuts).toEqual([]); // 29 of a half
  });

  it("tells what n pure galaxies are worth: 3 in n may be wrong", () => {
    const n = 200;
    const clean = Array.from({ length: n }, (_, i) => i % 4 !== 0);
    const { screening: told } = screen(
      {
        isPure: clean,
        weight: new Float64Array(n).fill(1),
        unit: Int32Array.from(clean, (_, i) => i),
        score: { odds: clean.map(Number) },
      },
      0.01,
      "1",
    )!;
    for (const { verified } of told.qualities.odds!.cuts) {
      expect(verified!.purity).toMatchObject({ value: 1, high: 1 });
      expect(verified!.purity.low).toBeCloseTo(1 - 3 / verified!.rows, 12);
    }
  });

  it("is none where all are pure, or none is", () => {
    for (const value of [true, false]) {
      const all = isPure.map(() => value);
      expect(screen({ isPure: all, weight, unit, score }, 0.01, "1")).toBeUndefined();
    }
  });
});

describe("entropy", () => {
  it("of a Gaussian is ln(sigma) + 1.42, of a box ln of its width", () => {
    const one = Float64Array.of(1);
    for (const sigma of [0.01, 2]) {
      const gaussian = mixtureDistribution({
        rowCount: 1,
        componentCount: 1,
        stride: 1,
        weight: one,
        mean: one,
        sigma: Float64Array.of(sigma),
      });
      // 99 parts miss the last hundredth in the tails
      expect(Math.abs(entropyOf(gaussian, 0) - (Math.log(sigma) + 0.5 * Math.log(2 * Math.PI * Math.E)))).toBeLessThan(
        0.06,
      );
    }
    const box = histogramDistribution({
      rowCount: 1,
      edges: Float64Array.of(0, 1, 2, 4),
      probability: Float64Array.of(0.25, 0.25, 0.5),
    });
    expect(entropyOf(box, 0)).toBeCloseTo(Math.log(4), 9);
  });
});
