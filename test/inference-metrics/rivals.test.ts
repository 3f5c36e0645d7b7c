import { describe, expect, test } from "vitest";
import { predictBaselines } from "../../src/inference/baseline-answers.ts";
import type { TrainingSet } from "../../src/inference/baseline-labels.ts";
import { type BaselineName, baselines } from "../../src/inference/baselines.ts";
import { comparedClasses, scoreClasses } from "../../src/inference/class-scores.ts";
import { scoreDistribution } from "../../src/inference/metrics-score.ts";
import { type FieldScore, type Predictions, scoreField } from "../../src/inference/metrics.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { createEngine } from "../../src/engine/engine.ts";

const engine = await createEngine({ threads: 1 });
const context = { rng: createRng("fit"), engine };
const scoreOf = (p: Predictions, rows?: Int32Array): Required<FieldScore> =>
  scoreField(p, "linear", {
    rng: createRng("boot"),
    resamples: 0,
    ...(rows === undefined ? {} : { rows }),
  }) as Required<FieldScore>;

/** y = x0 + noise whose deviation is 0.2 or 1 by the sign of x1. */
function uneven(n: number, seed: string): TrainingSet & { readonly deviation: Float64Array } {
  const rng = createRng(seed);
  const x = Float32Array.from({ length: 3 * n }, () => rng.normal());
  const deviation = Float64Array.from({ length: n }, (_, i) => (x[3 * i + 1] < 0 ? 0.2 : 1));
  return { x, featureCount: 3, deviation, y: Float32Array.from(deviation, (s, i) => x[3 * i] + s * rng.normal()) };
}

describe("trees for quantiles", () => {
  test("see where the noise is large: CRPS within 8 % of E sigma / sqrt(pi), both halves covered", async () => {
    const [train, held] = [uneven(6000, "train"), uneven(2000, "held")];
    const ask = async (name: BaselineName): Promise<Predictions> =>
      scoreDistribution(await (await baselines[name].fit(train, context)).predict(held.x), held.y);
    const own = await ask("quantileTrees");
    const optimum = held.deviation.reduce((sum, s) => sum + s / Math.sqrt(Math.PI), 0) / held.y.length;
    expect(scoreOf(own).crps.value / optimum).toBeLessThan(1.08);
    expect(scoreOf(await ask("trees")).crps.value / optimum).toBeGreaterThan(1.08); // one width for all
    for (const s of [0.2, 1]) {
      const half = Int32Array.from(held.deviation.keys()).filter((i) => held.deviation[i] === s);
      expect(Math.abs(scoreOf(own, half).coverage68.value - 0.68)).toBeLessThan(0.1);
      expect(Math.abs(scoreOf(own, half).coverage95.value - 0.95)).toBeLessThan(0.05);
    }
  });
});

describe("networks", () => {
  test("one for five labels answers each, also where a third is not known; its Gaussian on two values is as wide as both", async () => {
    const rng = createRng("five");
    const [n, p] = [1500, 4];
    const x = Float32Array.from({ length: n * p }, () => rng.normal());
    const draw = (row: number, t: number): number =>
      t === 4 ? Math.sign(rng.normal()) : 10 * t + (t + 1) * x[row * p + t] + noise * rng.normal();
    const noise = 0.3;
    const y = Float32Array.from({ length: n * 5 }, (_, at) =>
      rng.integer(3) === 0 ? Number.NaN : draw(Math.floor(at / 5), at % 5),
    );
    const fitted = await baselines.fiveTargets.fit({ x, y, featureCount: p, targetCount: 5 }, context);
    const unseen = Float32Array.from({ length: 500 * p }, () => rng.normal());
    for (let t = 0; t < 5; t++) {
      const answers = await fitted.predict(unseen, t);
      const all = Array.from({ length: 500 }, (_, row) => answers.moments(row));
      const off = all.map(({ mean }, row) => (t === 4 ? mean : mean - 10 * t - (t + 1) * unseen[row * p + t]));
      expect(Math.sqrt(off.reduce((sum, e) => sum + e * e, 0) / 500)).toBeLessThan(noise);
      const width = all.reduce((sum, { std }) => sum + std / 500, 0);
      if (t === 4) expect(Math.abs(width - 1)).toBeLessThan(0.1);
      else expect(width).toBeLessThan(1.5 * noise);
    }
  }, 180_000);
});

/** A number that tells of a class with P(b) = 1 / (1 + exp(-2 x)), and of a band-like number with noise. */
function classified(n: number, seed: string): Catalog {
  const rng = createRng(seed);
  const base = { unit: "", range: [-100, 100] as const };
  const fields: Field[] = [
    { ...base, id: 0, name: "x", description: "x", kind: "linear" },
    { ...base, id: 1, name: "kind", description: "kind", kind: "category", classes: ["a", "b"] },
    { ...base, id: 2, name: "y", description: "y", kind: "linear" },
  ];
  const ids = Array.from({ length: n }, (_, row) => `${seed} ${row}`);
  const value = Float32Array.from(
    ids.flatMap(() => {
      const x = rng.normal();
      return [x, Number(rng.uniform() < 1 / (1 + Math.exp(-2 * x))), 2 * x + 0.5 * rng.normal()];
    }),
  );
  const state = new Uint8Array(3 * n).fill(State.measured);
  for (let row = 0; row < n; row += 3) state[3 * row + 2] = State.notObserved;
  return { fields, rowCount: n, objectId: ids, parentId: ids, value, error: new Float32Array(3 * n), state };
}

describe("every field that is asked", () => {
  const [seen, held] = [classified(4000, "seen"), classified(1500, "held")];
  const coder = createFieldCoder(seen.fields, fitStandardisation(seen, allRows(seen)));
  const sides = [seen, held].map((catalog) => ({ catalog, rows: allRows(catalog) }));
  const question = { title: "x", isGiven: Uint8Array.of(1, 1, 1), wanted: [1, 2] };
  const names: BaselineName[] = ["trainZ", "knn", "trees"];
  const ask = (fields: readonly number[]) =>
    predictBaselines(coder, sides[0], sides[1], question, { names, fields, engine, seed: "1", isTuned: false });

  test("classes: trainZ has their frequencies, the others come near the entropy given x", async () => {
    const { classes, numbers } = await ask([1, 2]);
    const entropy = (p: number): number => -p * Math.log(p) - (1 - p) * Math.log(1 - p);
    const optimum =
      Array.from({ length: 1500 }, (_, row) => entropy(1 / (1 + Math.exp(-2 * held.value[3 * row])))).reduce(
        (a, b) => a + b,
      ) / 1500;
    const loss = (name: BaselineName): number => scoreClasses(classes.get("kind")!.get(name)!).negLogLik;
    expect(Math.abs(loss("trainZ") - Math.LN2)).toBeLessThan(0.01);
    expect(Math.abs(loss("trees") - optimum)).toBeLessThan(0.03);
    expect(Math.abs(loss("knn") - optimum)).toBeLessThan(0.1);
    expect(numbers.get("y")!.get("trees")!.truth).toHaveLength(1000); // rows without the truth are left out
    expect(scoreOf(numbers.get("y")!.get("trees")!).rmse.value).toBeLessThan(0.6);
    const scores = scoreClasses(classes.get("kind")!.get("trees")!);
    const [table] = comparedClasses({ kind: scores }, { kind: { trees: scores } });
    expect(table.rows.map(([method]) => method)).toEqual(["caleido", "trees"]);
    expect(table.rows[1][1]).toBe(scores.accuracy.toFixed(3));
  });

  test("fields that are not asked for are no inputs either, if they are wanted of the network", async () => {
    const { numbers, classes } = await ask([2]);
    expect(classes.size).toBe(0);
    // y would tell of itself: 0.5 is its noise given x
    expect(scoreOf(numbers.get("y")!.get("knn")!).rmse.value).toBeGreaterThan(0.45);
  });
});
