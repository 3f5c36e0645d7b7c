import { describe, expect, it } from "vitest";
import { priorOf, priorRatio, shiftTest } from "../../src/inference/target-prior.ts";
import { normalBetween } from "../../src/model/normal.ts";
import { createRng } from "../../src/random.ts";

/**
 * A world in closed form: the property is uniform on [0, 1] in training, measured with a Gaussian error; the answers are then
 * Gaussians cut at its ends. The target's are distributed otherwise.
 */

const [CELLS, ERROR, ROWS] = [45, 0.08, 3000];
const old = new Float64Array(CELLS).fill(1 / CELLS);
const middle = (k: number): number => (k + 0.5) / CELLS;

function sharesOf(measured: number): Float64Array {
  const shares = Float64Array.from(old, (_, k) =>
    normalBetween((k / CELLS - measured) / ERROR, ((k + 1) / CELLS - measured) / ERROR),
  );
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.map((p) => p / total);
}

/** Values by `inverse` of a uniform number, and the answers for them. */
function world(seed: string, rows: number, inverse: (u: number) => number): { truth: number[]; shares: Float64Array } {
  const rng = createRng(seed);
  const truth = Array.from({ length: rows }, () => inverse(rng.uniform()));
  return { truth, shares: Float64Array.from(truth.flatMap((x) => [...sharesOf(x + ERROR * rng.normal())])) };
}

/** Density 2 x of the target, over that of training. */
const rising = (u: number): number => Math.sqrt(u);
const truthRatio = Float64Array.from(old, (_, k) => 2 * middle(k));

describe("a prior from answers without labels", () => {
  const { truth, shares } = world("target", ROWS, rising);
  const found = priorRatio(shares, old, 0.2);

  it("is that of the target, and of training where nothing differs", () => {
    const rms = (ratio: Float64Array, of: Float64Array): number =>
      Math.sqrt(ratio.reduce((sum, r, k) => sum + (r - of[k]) ** 2, 0) / CELLS);
    const flat = new Float64Array(CELLS).fill(1);
    expect(rms(found, truthRatio)).toBeLessThan(0.15);
    expect(rms(flat, truthRatio)).toBeGreaterThan(0.5);
    expect(rms(priorRatio(world("same", ROWS, (u) => u).shares, old, 0.2), flat)).toBeLessThan(0.15);
    // without smoothing it is noise that was sharpened
    expect(rms(priorRatio(shares, old, 10), truthRatio)).toBeGreaterThan(2 * rms(found, truthRatio));
  });

  it("helps the answers by most of what the true one would", () => {
    const loss = (ratio: ArrayLike<number>): number => {
      let sum = 0;
      truth.forEach((x, row) => {
        const own = shares.subarray(row * CELLS, (row + 1) * CELLS);
        const total = own.reduce((mass, p, k) => mass + p * ratio[k], 0);
        const k = Math.min(CELLS - 1, Math.floor(x * CELLS));
        sum -= Math.log((own[k] * ratio[k]) / total);
      });
      return sum / truth.length;
    };
    const [before, after, best] = [new Float64Array(CELLS).fill(1), found, truthRatio].map(loss);
    expect(before - best).toBeGreaterThan(0.01);
    expect(before - after).toBeGreaterThan(0.7 * (before - best));
  });

  it("rules nothing out beyond its ends", () => {
    const { ratio } = priorOf(2, { at: [0.5, 1, 2], density: [0, 1, 0], ratio: [3, 1, 0.5] });
    expect([0, 0.5, 0.75, 1.5, 2, 9].map((x) => ratio!(x))).toStrictEqual([3, 3, 2, 0.75, 0.5, 0.5]);
  });

  it("climbs the likelihood that the EM algorithm climbs", () => {
    // Saerens et al. 2002, eqs. 2.8 and 2.9, written out, of few classes that overlap
    const classes = 4;
    const rng = createRng("classes");
    const chances = Float64Array.from({ length: 800 }, (_, row) => (row % 5 === 0 ? 3 : row % 5 === 1 ? 1 : 0)).reduce(
      (all: number[], own) => {
        const raw = Array.from({ length: classes }, (_, k) => Math.exp(2 * Number(k === own) + rng.normal()));
        const total = raw.reduce((a, b) => a + b, 0);
        return [...all, ...raw.map((p) => p / total)];
      },
      [],
    );
    const before = [0.25, 0.25, 0.25, 0.25];
    let prior = before.slice();
    for (let iteration = 0; iteration < 2000; iteration++) {
      const next = before.map(() => 0);
      for (let row = 0; row < 800; row++) {
        const own = before.map((p, k) => (chances[row * classes + k] * prior[k]) / p);
        const total = own.reduce((a, b) => a + b, 0);
        own.forEach((p, k) => (next[k] += p / total / 800));
      }
      prior = next;
    }
    const ratio = priorRatio(Float64Array.from(chances), before, 1e3);
    before.forEach((p, k) => expect(ratio[k] * p).toBeCloseTo(prior[k], 2));
  });
});

describe("the test of a shift", () => {
  const cells = 9;
  const coarse = (seed: string, rows: number, inverse: (u: number) => number): Float64Array => {
    const { shares } = world(seed, rows, inverse);
    return Float64Array.from({ length: rows * cells }, (_, at) => {
      const start = Math.floor(at / cells) * CELLS + (at % cells) * 5;
      return shares.subarray(start, start + 5).reduce((a, b) => a + b, 0);
    });
  };

  it("finds none as often as chance says, where there is none", () => {
    const found = Array.from({ length: 300 }, (_, i) =>
      shiftTest(
        coarse(`a${i}`, 250, (u) => u),
        coarse(`b${i}`, 200, (u) => u),
        cells,
      ),
    );
    expect(found[0].freedom).toBe(8);
    const below = (level: number): number => found.filter(({ p }) => p < level).length / found.length;
    expect(Math.abs(below(0.5) - 0.5)).toBeLessThan(0.1);
    expect(below(0.05)).toBeLessThan(0.1);
    expect(below(0.05)).toBeGreaterThan(0.015);
    // a chi-square of 8 has a mean of 8
    expect(Math.abs(found.reduce((sum, { chiSquare }) => sum + chiSquare, 0) / found.length - 8)).toBeLessThan(1);
  });

  it("finds one where there is one", () => {
    expect(
      shiftTest(
        coarse("a", 1000, (u) => u),
        coarse("b", 1000, rising),
        cells,
      ).p,
    ).toBeLessThan(1e-6);
  });
});
