import { describe, expect, it } from "vitest";
import type { Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { simulateBuiltin } from "../../src/simulate/builtin.ts";
import { drawWideKind } from "../../src/simulate/kinds.ts";
import { chance, createMixture, deviate } from "../../src/simulate/wide.ts";
import { loadSurvey } from "../../src/survey/survey.ts";

const survey = loadSurvey("minijpas");
const COUNT = 1536;

/** Columns of a small run. */
async function columnsOf(population: "natural" | "wide"): Promise<Map<string, Float64Array>> {
  const tables: Table[] = [];
  for await (const table of simulateBuiltin({
    survey,
    n: COUNT,
    population,
    seed: "wide",
    missingFraction: 0,
    workers: 0,
  })) {
    tables.push(table);
  }
  const names = tables[0].columns.flatMap(({ name, type }) => (type === "float32" ? [name] : []));
  const of = (name: string): number[] =>
    tables.flatMap(({ columns }) => Array.from(columns.find((column) => column.name === name)!.data, Number));
  return new Map(names.map((name) => [name, Float64Array.from(of(name))]));
}

const quantities: Readonly<Record<string, (of: (name: string) => Float64Array, i: number) => number>> = {
  redshift: (of, i) => of("z")[i],
  magnitude: (of, i) => -2.5 * Math.log10(Math.max(of("rSDSS")[i], 1)),
  "log sSFR": (of, i) => Math.max(-13, of("LOGSFR")[i] - of("LOGM")[i]),
  "log EW": (of, i) => Math.log10(Math.max(of("HALPHA_EW")[i], 0.3)),
  "log A_V": (of, i) => Math.log10(Math.max(of("AV")[i], 0.03)),
  metallicity: (of, i) => of("LOGZ")[i],
};

/** Largest distance of two cumulative distributions, of which the second is weighted. */
function distance(a: readonly number[], b: readonly number[], weight: Float64Array): number {
  const total = weight.reduce((sum, w) => sum + w, 0);
  const steps = [
    ...a.map((x) => [x, 1 / a.length] as const),
    ...b.map((x, i) => [x, -weight[i] / total] as const),
  ].sort((p, q) => p[0] - q[0]);
  let sum = 0;
  let largest = 0;
  for (const [i, [x, step]] of steps.entries()) {
    sum += step;
    if (steps[i + 1]?.[0] !== x) largest = Math.max(largest, Math.abs(sum));
  }
  return largest;
}

/** Effective part of equal bins that are filled: exp(entropy) over their number, 1 where all are filled alike. */
function flatness(values: readonly number[], low: number, high: number): number {
  const bins = 12;
  const counts = new Float64Array(bins);
  for (const x of values) {
    counts[Math.min(bins - 1, Math.max(0, Math.floor(((x - low) / (high - low)) * bins)))] += 1 / values.length;
  }
  return Math.exp(-counts.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0)) / bins;
}

describe("draws of the wide population", () => {
  it("know their density: weights bring back nature's moments within a selection, and are 1 in the mean", () => {
    // selected is what lies above 0: half of nature's, 1.5 / 7.5 of the wide ones
    const mixture = createMixture({ natural: 0.5, wide: 1.5 / 7.5 });
    const rng = createRng("draws");
    const count = 80_000;
    let [kept, sum, square, weights, rare, wide] = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const draws = mixture.begin(rng);
      const x = deviate(draws, "metals");
      const isRare = chance(draws, 0.02);
      if (x <= 0) continue;
      const weight = mixture.weight(draws.wide);
      expect(weight).toBeLessThan(5.0001);
      [kept, weights] = [kept + 1, weights + weight];
      [sum, square] = [sum + weight * x, square + weight * x * x];
      rare += isRare ? weight : 0;
      wide += isRare ? 1 : 0;
    }
    expect(weights / kept).toBeCloseTo(1, 1);
    expect(sum / weights).toBeCloseTo(Math.sqrt(2 / Math.PI), 1);
    expect(square / weights).toBeCloseTo(1, 1);
    expect(rare / weights).toBeCloseTo(0.02, 2);
    expect(wide / kept).toBeGreaterThan(0.15);
  });

  it("are nature's, number for number, on a plain stream", () => {
    const [rng, same] = [createRng("plain"), createRng("plain")];
    expect(deviate(rng, "dust")).toBe(same.normal());
    expect(chance(rng, 0.5)).toBe(same.uniform() < 0.5);
  });
});

describe("kinds of object in a wide population", () => {
  it("rare ones are drawn more often, and weights lead back to the shares told", () => {
    const [shares, rng, count] = [{ galaxy: 0.9, star: 0.1, quasar: 0 }, createRng("kinds"), 40_000];
    const drawn = Array.from({ length: count }, () => drawWideKind(rng, shares));
    const stars = drawn.filter(({ kind }) => kind === "star");
    expect(drawn.some(({ kind }) => kind === "quasar")).toBe(false);
    expect(stars.length / count).toBeCloseTo(0.3, 1);
    const sum = (some: typeof drawn): number => some.reduce((total, { weight }) => total + weight, 0);
    expect(sum(drawn) / count).toBeCloseTo(1, 1);
    expect(sum(stars) / sum(drawn)).toBeCloseTo(0.1, 2);
  });

  it("of whole rows, too: prior_weight by CLASS sums up to nature's shares", { timeout: 300_000 }, async () => {
    const kinds = { galaxy: 0.8, star: 0.16, quasar: 0.04 };
    const sums = new Map<string, number>();
    const counts = new Map<string, number>();
    const options = {
      survey,
      kinds,
      population: "wide",
      n: 1024,
      fluxes: "clean",
      seed: "shares",
      workers: 0,
    } as const;
    for await (const { columns, rowCount } of simulateBuiltin(options)) {
      const [classes, weights] = ["CLASS", "prior_weight"].map(
        (name) => columns.find((one) => one.name === name)!.data,
      );
      for (let i = 0; i < rowCount; i++) {
        const kind = String(classes[i]);
        sums.set(kind, (sums.get(kind) ?? 0) + Number(weights[i]));
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
      }
    }
    const total = [...sums.values()].reduce((sum, one) => sum + one, 0);
    expect(total / 1024).toBeCloseTo(1, 0);
    for (const [kind, share] of Object.entries(kinds)) {
      // a tenth of the share, and what so many objects scatter by
      const margin = 0.1 * share + (3 * share) / Math.sqrt(counts.get(kind) ?? 1);
      expect(Math.abs((sums.get(kind) ?? 0) / total - share), kind).toBeLessThan(margin);
    }
    expect((counts.get("quasar") ?? 0) / 1024).toBeGreaterThan(0.12);
  });
});

describe("a wide population", () => {
  it("has redshifts of its own", () => {
    const options = { survey, population: "wide", redshift: { median: 0.5 }, n: 1, workers: 0 } as const;
    return expect(simulateBuiltin(options).next()).rejects.toThrow(/wide population has redshifts of its own/);
  });

  it("is flatter in every quantity named, and weighted it is the natural one", { timeout: 300_000 }, async () => {
    const [natural, wide] = [await columnsOf("natural"), await columnsOf("wide")];
    expect(natural.has("prior_weight")).toBe(false);
    const weight = wide.get("prior_weight")!;
    const total = weight.reduce((sum, w) => sum + w, 0);
    const effective = total ** 2 / weight.reduce((sum, w) => sum + w * w, 0);
    expect(Math.max(...weight)).toBeLessThanOrEqual(5.0001);
    expect(total / COUNT).toBeGreaterThan(0.85);
    expect(total / COUNT).toBeLessThan(1.15);
    expect(effective / COUNT).toBeGreaterThan(0.19);
    const rows = Array.from({ length: COUNT }, (_, i) => i);
    for (const [name, of] of Object.entries(quantities)) {
      const [a, b] = [natural, wide].map((columns) => rows.map((i) => of((one) => columns.get(one)!, i)));
      // Kolmogorov & Smirnov at 0.1 %
      const limit = 1.95 * Math.sqrt(1 / COUNT + 1 / effective);
      expect(distance(a, b, weight), name).toBeLessThan(limit);
      const both = [...a, ...b].sort((x, y) => x - y);
      const [low, high] = [0.005, 0.995].map((q) => both[Math.floor(q * both.length)]);
      expect(flatness(b, low, high) / flatness(a, low, high), name).toBeGreaterThan(1.05);
    }
  });
});
