import { describe, expect, it } from "vitest";
import { createRng, type Rng } from "../../src/random.ts";
import { effectiveCount, importanceWeights, resampled } from "../../src/train/importance.ts";

/** Weights of one sample that make it like another, of which the ratio of densities is known. */

const draw = (rng: Rng, n: number, mean: number, std: number): Float64Array =>
  Float64Array.from({ length: 2 * n }, (_, at) => (at % 2 === 0 ? mean + std * rng.normal() : rng.normal()));

describe("importance weights", () => {
  const rng = createRng("importance");
  const [n, mean, std] = [4000, 0.8, 0.7];
  const source = draw(rng, n, 0, 1);
  const weights = importanceWeights(source, draw(rng, 2000, mean, std), 2);
  const moment = (of: (x: number) => number, by: ArrayLike<number>): number => {
    let [sum, total] = [0, 0];
    for (let i = 0; i < n; i++) [sum, total] = [sum + by[i] * of(source[2 * i]), total + by[i]];
    return sum / total;
  };

  it("are the ratio of the densities", () => {
    let [off, kept] = [0, 0];
    for (let i = 0; i < n; i++) {
      const x = source[2 * i];
      const truth = Math.exp(-0.5 * ((x - mean) / std) ** 2 + 0.5 * x * x) / std;
      if (truth < 0.3) continue;
      off += Math.abs(Math.log(weights[i] / truth));
      kept++;
    }
    expect(kept).toBeGreaterThan(1500);
    expect(off / kept).toBeLessThan(0.12);
  });

  it("bring moments where the target has them, from where they were", () => {
    expect(moment((x) => x, new Float64Array(n).fill(1))).toBeCloseTo(0, 1);
    const first = moment((x) => x, weights);
    expect(Math.abs(first - mean)).toBeLessThan(0.06);
    expect(Math.abs(Math.sqrt(moment((x) => (x - first) ** 2, weights)) - std)).toBeLessThan(0.05);
    expect(moment(() => 1, weights)).toBeCloseTo(1);
    expect(effectiveCount(weights)).toBeLessThan(0.9 * n);
  });

  it("are 1 of samples alike", () => {
    const alike = importanceWeights(source, draw(createRng("alike"), 4000, 0, 1), 2);
    expect(effectiveCount(alike)).toBeGreaterThan(0.97 * n);
  });

  it("draw rows as often as they say", () => {
    const rows = Int32Array.from({ length: n }, (_, i) => 3 * i);
    const drawn = resampled(rows, weights, "seed");
    expect(drawn.length).toBe(n);
    const counts = new Map<number, number>();
    for (const row of drawn) counts.set(row, (counts.get(row) ?? 0) + 1);
    rows.forEach((row, i) => expect(Math.abs((counts.get(row) ?? 0) - weights[i])).toBeLessThan(1.0001));
    expect(resampled(rows, weights, "seed")).toStrictEqual(drawn);
  });
});
