import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { oddsCuts, scoreBins, scoreByClass } from "../../src/inference/metric-bins.ts";
import { metrics } from "../../src/inference/metrics.ts";
import type { Metric, Predictions } from "../../src/inference/metrics.ts";
import { createRng } from "../../src/random.ts";
import { root } from "../architecture/source.ts";

/** Errors in y of 0.1 below x = 1 and 0.4 above. */
const n = 4000;
const rng = createRng("bins");
const x = Float64Array.from({ length: n }, () => 2 * rng.uniform());
const off = Float64Array.from(x, (at) => (at < 1 ? 0.1 : 0.4) * rng.normal());
const flat = new Float64Array(n).fill(0.5);
const zero = new Float64Array(n);
const predictions: Predictions = { truth: zero, point: off, pit: flat, crps: off.map(Math.abs), negLogLik: zero };

describe("scores in bins", () => {
  test("are those of the rows inside, ends as in [from, to)", () => {
    const bins = scoreBins(predictions, "linear", x, [0, 1, 2, 3], createRng("boot"));
    expect(bins.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(bins[0].rows + bins[1].rows).toBe(n);
    // 4 standard errors of a deviation, sigma / sqrt(2 n)
    bins.forEach(({ rows, score }, b) => {
      const sigma = [0.1, 0.4][b];
      expect(Math.abs(score.rmse!.value - sigma)).toBeLessThan((4 * sigma) / Math.sqrt(2 * rows));
      expect(score.rmse!.high - score.rmse!.low).toBeGreaterThan(0);
    });
    expect(scoreBins(predictions, "linear", zero.fill(Number.NaN), [0, 1], createRng("boot"))).toEqual([]);
    zero.fill(0);
  });
});

describe("scores by class", () => {
  test("are those of each class' rows; few of a class, and rows without one, are in none", () => {
    const kind = Float64Array.from(x, (at, i) => (i % 10 === 0 ? Number.NaN : i < 25 ? 2 : Number(at >= 1)));
    const bins = scoreByClass(predictions, "linear", kind, ["near", "far", "rare"], createRng("boot"));
    expect(bins.map((bin) => bin.class)).toEqual(["near", "far"]);
    expect(bins[0].rows + bins[1].rows).toBe(n - n / 10 - 22); // of the first 25 rows 3 have no class
    bins.forEach(({ rows, score }, b) => {
      const sigma = [0.1, 0.4][b];
      expect(Math.abs(score.rmse!.value - sigma)).toBeLessThan((4 * sigma) / Math.sqrt(2 * rows));
    });
  });
});

describe("cuts in odds", () => {
  const truth = new Float64Array(10);
  const cut = (point: number[], odds: number[], weight?: number[]) =>
    oddsCuts({ ...predictions, truth, point, odds, ...(weight === undefined ? {} : { weight }) });

  test("by hand: the four worst odds are wrong", () => {
    const odds = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0];
    const cuts = cut([0, 0.02, 0, 0, 0, 0, 1, 1, 1, 0.031], odds);
    expect(cuts.map(({ completeness }) => completeness)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    expect(cuts.map(({ odds: least }) => least)).toEqual(odds);
    cuts.forEach(({ purity }, k) => expect(purity).toBeCloseTo(Math.min(1, 6 / (k + 1)), 12));
  });
  test("odds that say nothing keep all or none, and weights count", () => {
    const half = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
    const all = cut(half, new Array<number>(10).fill(0.5));
    expect(all).toHaveLength(10);
    for (const { completeness, purity } of all) expect([completeness, purity]).toEqual([1, 0.5]);
    const weighted = cut(half, new Array<number>(10).fill(0.5), [3, 3, 3, 3, 3, 1, 1, 1, 1, 1]);
    expect(weighted[9].purity).toBe(0.75);
  });
});

describe("docs/metrics.md", () => {
  const text = readFileSync(join(root, "docs", "metrics.md"), "utf8");
  test.each(Object.entries(metrics))("tells %s, its formula and its source", (name, metric: Metric) => {
    const cells = [name, metric.title, metric.formula, metric.source].map((cell) => cell.replaceAll("|", "\\|"));
    expect(text).toContain(`| ${cells.join(" | ")} |`);
  });
});
