import { describe, expect, it } from "vitest";
import { featureMatrix, varyingFeatures } from "../../src/inference/baseline-features.ts";
import { baselines } from "../../src/inference/baselines.ts";
import { predictBaselines } from "../../src/inference/baseline-answers.ts";
import { scoreDistribution } from "../../src/inference/metrics-score.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { emptyArrays } from "../../src/tokens/batch.ts";
import { contextSignature, fillContext } from "../../src/tokens/hosts.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { onnx } from "../helpers/network.ts";
import { toyCatalog, toyFields } from "../helpers/toy.ts";

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
const coderFor = (catalog: Catalog) => createFieldCoder(catalog.fields, fitStandardisation(catalog, allRows(catalog)));

const kind: Field = {
  id: 10,
  name: "KIND",
  kind: "category",
  unit: "",
  range: [0, 2],
  description: "kind",
  classes: ["disc", "ball", "ring"],
};

/** The toy galaxies, with a class that some of them have. */
function toyWithKinds(): Catalog {
  const plain = toyCatalog(200);
  const n = toyFields.length;
  const rng = createRng("kinds");
  const widen = (x: Float32Array | Uint8Array, last: (row: number) => number): number[] =>
    Array.from(allRows(plain)).flatMap((row) => [...x.subarray(row * n, (row + 1) * n), last(row)]);
  const state = Uint8Array.from(widen(plain.state, () => (rng.uniform() < 0.7 ? 1 : 0)));
  const value = Float32Array.from(widen(plain.value, () => rng.integer(3)));
  const error = Float32Array.from(widen(plain.error, () => 0));
  return { ...plain, fields: [...toyFields, kind], value, error, state };
}

describe("the features of baselines", () => {
  const catalog = toyWithKinds();
  const coder = coderFor(catalog);
  const n = coder.nField;

  it("are what the network is told, number by number", () => {
    const rows = allRows(catalog);
    const isGiven = new Uint8Array(n).fill(1);
    const { x, width, values } = featureMatrix(coder, catalog, rows, isGiven);
    expect(width).toBe(10 * 5 + 3 + 2);
    expect(values).toStrictEqual([...toyFields.map((_, j) => 5 * j), 50, 51, 52, 53]);
    const arrays = emptyArrays(contextSignature(rows.length, coder));
    for (const row of rows) {
      fillContext(arrays, row, coder, { catalog, row, isContext: isGiven });
      const own = x.subarray(row * width, (row + 1) * width);
      for (let j = 0; j < n - 1; j++) {
        const at = row * n + j;
        const state = arrays.state.data[at];
        const told = [
          arrays.value.data[at],
          arrays.doubt.data[at],
          ...[state > 0, state === 2, state === 3].map(Number),
        ];
        expect([...own.subarray(5 * j, 5 * j + 5)]).toStrictEqual(told);
      }
      expect([...own.subarray(50, 53)]).toStrictEqual([1, 2, 3].map((k) => Number(arrays.class.data[row] === k)));
      expect(Array.from(own.subarray(53))).toStrictEqual(Array.from(arrays.scale.data.slice(2 * row, 2 * row + 2)));
    }
  });

  it("leave out what is not given, and columns that say nothing", () => {
    const isGiven = Uint8Array.from({ length: n }, (_, j) => (j === 0 || j === 6 ? 1 : 0));
    const all = featureMatrix(coder, catalog, allRows(catalog), isGiven);
    expect(all.width).toBe(2 * 5 + 2);
    const { train, other } = varyingFeatures(all, featureMatrix(coder, catalog, Int32Array.of(3, 4), isGiven));
    expect(train.width).toBe(10); // a redshift is never a limit or a non-detection
    expect(other.width).toBe(10);
    expect(train.values).toStrictEqual([0, 5, 8]);
    expect([...other.x]).toStrictEqual([...train.x.subarray(3 * 10, 5 * 10)]);
  });
});

/** Galaxies that show a hidden number with one of two errors, and the number itself. */
const ERRORS = [0.1, 1];
function shownTwice(rowCount: number, seed: string): Catalog & { readonly noise: readonly number[] } {
  const rng = createRng(seed);
  const noise = Array.from({ length: rowCount }, () => ERRORS[rng.integer(2)]);
  const fields: Field[] = ["shown", "hidden"].map((name, id) => ({
    id,
    name,
    kind: "linear",
    unit: "",
    description: name,
    range: [-1e9, 1e9],
  }));
  const value = Float32Array.from(
    noise.flatMap((sigma) => {
      const g = rng.normal();
      return [g + sigma * rng.normal(), g];
    }),
  );
  const id = noise.map((_, row) => `${seed} ${row}`);
  return {
    fields,
    rowCount,
    objectId: id,
    parentId: id,
    value,
    error: Float32Array.from(noise.flatMap((sigma) => [sigma, 0])),
    state: new Uint8Array(2 * rowCount).fill(State.measured),
    noise,
  };
}

const HELD = 1000;
const bell = (x: number, variance: number): number =>
  Math.exp((-0.5 * x * x) / variance) / Math.sqrt(2 * Math.PI * variance);

describe("rivals", () => {
  it("know how good their inputs are", async () => {
    const seen = shownTwice(3000, "seen");
    const held = shownTwice(HELD, "held");
    const { numbers: scores } = await predictBaselines(
      coderFor(seen),
      { catalog: seen, rows: allRows(seen) },
      { catalog: held, rows: allRows(held) },
      { title: "hidden from shown", isGiven: Uint8Array.of(1, 0), wanted: [1] },
      { names: ["knn", "network"], fields: [1], engine: await onnx, seed: "rivals", isTuned: false },
    );
    const lossOf = (name: string): number => sum(scores.get("hidden")!.get(name)!.negLogLik) / HELD;
    /** Density of what is hidden, its look and the error that it has. */
    const joint = (row: number, sigma: number): number => {
      const [o, g] = [held.value[2 * row], held.value[2 * row + 1]];
      return bell(g, 1) * bell(o - g, sigma ** 2);
    };
    const evidence = (row: number, sigma: number): number => bell(held.value[2 * row], 1 + sigma ** 2);
    const loss = (errorsOf: (row: number) => readonly number[]): number =>
      sum(
        held.noise.map((_, row) => {
          const errors = errorsOf(row);
          const ratio = sum(errors.map((s) => joint(row, s))) / sum(errors.map((s) => evidence(row, s)));
          return -Math.log(ratio);
        }),
      ) / HELD;
    const optimum = loss((row) => [held.noise[row]]);
    const blind = loss(() => ERRORS); // of who doesn't know which error it is
    expect(blind - optimum).toBeGreaterThan(0.2);
    expect(lossOf("network")).toBeLessThan(optimum + 0.1);
    expect(lossOf("knn")).toBeLessThan(blind);
  }, 180_000);

  /** Labels of two values, beside two errors that say nothing, and a flag that one row in 300 has, or all. */
  const noisy = (rowCount: number, seed: string, isFlagged = false) => {
    const rng = createRng(seed);
    const p = 5;
    const x = new Float32Array(rowCount * p);
    const y = new Float32Array(rowCount);
    for (let row = 0; row < rowCount; row++) {
      const own = x.subarray(row * p, (row + 1) * p);
      for (let j = 0; j < p - 1; j++) own[j] = rng.normal();
      own[p - 1] = isFlagged || row % 300 === 5 ? 1 : 0;
      y[row] = Math.sin(2 * own[0]) + own[1] + 0.1 * rng.normal();
    }
    return { x, y, featureCount: p, values: [0, 1] };
  };

  it.each([
    ["ridge", 0.42, 0.5],
    ["knn", 0.1, 0.1],
    ["trees", 0.12, 0.12],
    ["quantileTrees", 0.12, 0.12],
    ["network", 0.1, 0.35],
  ] as const)(
    "%s is hardly worse off for errors that say nothing, and where a rare flag is set",
    async (name, most, flagged) => {
      const context = { rng: createRng("fit"), engine: await onnx };
      const fitted = await baselines[name].fit(noisy(3000, "seen"), context);
      const crpsOf = async ({ x, y }: { x: Float32Array; y: Float32Array }): Promise<number> =>
        sum(scoreDistribution(await fitted.predict(x), y).crps) / y.length;
      // 0.056 is the best there is, 0.4 the best straight line, 0.7 the labels alone
      expect(await crpsOf(noisy(1000, "held"))).toBeLessThan(most);
      expect(await crpsOf(noisy(1000, "held", true))).toBeLessThan(flagged);
    },
    180_000,
  );
});
