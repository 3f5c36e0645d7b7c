import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MOST_CHAIN_GALAXIES } from "../../src/inference/network.ts";
import { createPredictor, type Predictor, readRaw, withoutWanted } from "../../src/inference/predict.ts";
import { sampleJoint } from "../../src/inference/sampling.ts";
import type { Distribution } from "../../src/model/distribution.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { createRng, shuffleInPlace } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { coderOf } from "../../src/train/config.ts";
import { train } from "../../src/train/loop.ts";
import { condition, createWorld, sampleWorld, scaleOf } from "../helpers/gaussian.ts";
import { onnx, startCheckpoint } from "../helpers/network.ts";
import { sourceOf } from "../helpers/toy.ts";

/** A small network, trained with both objectives, held against a world in which every conditional is known. */

const STEPS = 6000;
const ROWS = 2000;
const JOINT_ROWS = 10;
const DRAWS = 1000;
const world = createWorld();
const n = world.fields.length;
const all = world.fields.map((_, j) => j);
const unseen = sampleWorld(world, ROWS, createRng("unseen"));

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
const flags = (fields: readonly number[]): Uint8Array => Uint8Array.from(all, (j) => Number(fields.includes(j)));

/** The same galaxies, each with a random part of `candidates` to be seen and all other fields hidden. */
function hideSome(candidates: readonly number[], seed: string): typeof unseen.catalog {
  const rng = createRng(seed);
  const state = new Uint8Array(ROWS * n);
  for (let row = 0; row < ROWS; row++) {
    const order = [...candidates];
    shuffleInPlace(order, rng);
    for (const j of order.slice(0, rng.integer(order.length + 1))) state[row * n + j] = State.measured;
  }
  return { ...unseen.catalog, state };
}

const knownOf = ({ state }: { state: Uint8Array }, row: number): number[] =>
  all.filter((j) => state[row * n + j] === State.measured);

/** -ln p(o_j | known) [nats per unit of g] of the best answer there is, the error of o_j included. */
function optimum(row: number, known: readonly number[], j: number): number {
  const value = (k: number): number => unseen.observed[row * n + k];
  const noise = (k: number): number => unseen.noise[row * n + k];
  const { mean, covariance } = condition(world, known, [j], value, noise);
  const variance = covariance[0][0] + noise(j) ** 2;
  return 0.5 * ((value(j) - mean[0]) ** 2 / variance + Math.log(2 * Math.PI * variance));
}

let predictor: Predictor;

/** Answers for field j of galaxies `rows`, seen through the errors of what they are compared with. */
function seenThroughErrors(
  encoded: Distribution,
  rows: ArrayLike<number>,
  j: number,
  scales: Float64Array,
): Distribution {
  const { value, error } = unseen.catalog;
  return encoded.widen((i) =>
    predictor.coder.encodeError(j, value[rows[i] * n + j], error[rows[i] * n + j], scales[i]),
  );
}

/** -ln p(o_j) [nats per unit of g] and P(below o_j) of answer `i`, for galaxy `row`, seen through the error of o_j. */
function judge(seen: Distribution, i: number, row: number, j: number, scale: number): { loss: number; pit: number } {
  const { coder } = predictor;
  const x = unseen.catalog.value[row * n + j];
  const stretch = coder.encodeError(j, x, 1, scale) * scaleOf(world, j).slope(unseen.observed[row * n + j]);
  const v = coder.encode(j, x, scale);
  return { loss: -seen.logDensity(i, v) - Math.log(stretch), pit: seen.cdf(i, v) };
}

/** Largest distance between the empirical distribution of `values` and the uniform one (Kolmogorov & Smirnov). */
function distanceToUniform(values: readonly number[]): number {
  const m = values.length;
  const sorted = values.toSorted((a, b) => a - b);
  return Math.max(...sorted.map((u, i) => Math.max(u - i / m, (i + 1) / m - u)));
}

/** Joint samples of some galaxies against the conditional covariance about the true means: relative Frobenius distance. */
async function covarianceError(known: readonly number[], wanted: readonly number[]): Promise<number> {
  const drawn = wanted.map(() => wanted.map(() => 0));
  let truth = drawn;
  for (let row = 0; row < JOINT_ROWS; row++) {
    const rng = createRng(`joint ${known.join()} ${row}`);
    const { values } = await sampleJoint(predictor, unseen.catalog, [row], flags(known), wanted, DRAWS, () => rng);
    const value = (j: number): number => unseen.observed[row * n + j];
    const noise = (j: number): number => unseen.noise[row * n + j];
    const { mean, covariance } = condition(world, known, wanted, value, noise);
    truth = covariance; // the same for every galaxy
    const off = wanted.map((j, w) =>
      Array.from({ length: DRAWS }, (_, i) => scaleOf(world, j).fromUnit(values[i * wanted.length + w]) - mean[w]),
    );
    off.forEach((a, i) =>
      off.forEach((b, j) => (drawn[i][j] += sum(a.map((x, k) => x * b[k])) / (DRAWS * JOINT_ROWS))),
    );
  }
  const difference = drawn.flatMap((line, i) => line.map((x, j) => x - truth[i][j]));
  return Math.hypot(...difference) / Math.hypot(...truth.flat());
}

beforeAll(async () => {
  const { catalog } = sampleWorld(world, 20_000, createRng("seen"));
  const start = startCheckpoint(catalog, {
    model: modelSchema.parse({
      nLatent: 4,
      dModel: 32,
      nLayer: 2,
      nHead: 2,
      nHidden: 64,
      bandRank: 32,
      dQuery: 32,
      nMemory: 2,
      nComponent: 2,
    }),
    optimiser: { rate: 5e-3, weightDecay: 0.001 },
    subsets: {
      bands: { uniform: 1 },
      properties: { none: 4, uniform: 1 },
      fullShare: 0,
      autoregressiveShare: 0.85,
      propertyTargetWeight: 1,
    },
    training: { seed: "truth", steps: STEPS, batch: 128, nTarget: n, validateEvery: STEPS, checkpointEvery: STEPS },
  });
  const engine = await onnx;
  const state = await train(
    {
      engine,
      coder: coderOf(start.config),
      sources: [sourceOf(catalog)],
      validation: [],
      onProgress: () => {},
      onCheckpoint: () => {},
    },
    start,
  );
  predictor = createPredictor(engine, { ...start, state });
}, 600_000);
afterAll(() => predictor.dispose());

/** How far from the best possible answer the network may be [nats per field]. */
const MARGIN = 0.05;

describe("in a Gaussian world", () => {
  it("marginals of any subset are as good as can be, far better than none given, and calibrated", async () => {
    const catalog = hideSome(all, "masked");
    const rows = allRows(catalog);
    const gaps: number[][] = all.map(() => []);
    const pits: number[][] = all.map(() => []);
    const gains: number[] = [];
    for (const j of all) {
      const { encoded, scales } = await predictor.predict(catalog, rows, flags(all), [j]);
      const seen = seenThroughErrors(encoded[0], rows, j, scales);
      for (const row of rows) {
        const known = knownOf(catalog, row);
        if (known.includes(j)) continue;
        const { loss, pit } = judge(seen, row, row, j, scales[row]);
        const best = optimum(row, known, j);
        gaps[j].push(loss - best);
        pits[j].push(pit);
        gains.push(optimum(row, [], j) - best);
      }
    }
    const mean = gaps.map((of) => sum(of) / of.length);
    mean.forEach((gap, j) => expect(Math.abs(gap), world.fields[j].name).toBeLessThan(MARGIN));
    expect(sum(gaps.flat())).toBeLessThan(0.2 * sum(gains));
    // KS distance of 1000 uniform numbers: 0.05 has probability 1 %; a deviation 10 % off gives 0.03 alone.
    pits.forEach((of, j) => expect(distanceToUniform(of), world.fields[j].name).toBeLessThan(0.06));
    expect(distanceToUniform(pits.flat())).toBeLessThan(0.03);
  });

  // The errors of earlier answers are no inputs: the field with two noise levels comes last.
  it.each([[[2, 0, 3, 6]], [[4, 5, 2]], [[1, 3, 4]], [[3, 2, 0, 6]]])(
    "ordered answers %j are as good as can be, and use the earlier ones",
    async (order) => {
      const rest = all.filter((j) => !order.includes(j));
      const catalog = hideSome(rest, `ordered ${order.join()}`);
      const { network, coder } = predictor;
      let gap = 0;
      let gain = 0;
      for (let from = 0; from < ROWS; from += MOST_CHAIN_GALAXIES) {
        const rows = allRows(catalog).subarray(from, from + MOST_CHAIN_GALAXIES);
        const states = await network.encode(catalog, rows, withoutWanted(flags(all), order));
        const marginals = await network.read(states, order);
        await network.chain(states, allRows(states), order.length, async ({ ask }) => {
          let before: { field: number; value: Float32Array } | undefined;
          for (const [t, field] of order.entries()) {
            const { family, raw: marginal } = marginals[t];
            const raw = await ask({ field, marginal, ...(before === undefined ? {} : { before }) });
            const seen = seenThroughErrors(readRaw(family, raw), rows, field, states.scales);
            rows.forEach((row, i) => {
              const known = knownOf(catalog, row);
              const best = optimum(row, [...known, ...order.slice(0, t)], field);
              gap += judge(seen, i, row, field, states.scales[i]).loss - best;
              gain += optimum(row, known, field) - best;
            });
            const own = (row: number, i: number): number =>
              coder.encode(field, unseen.catalog.value[row * n + field], states.scales[i]);
            before = { field, value: Float32Array.from(rows, own) };
          }
        });
      }
      expect(gap / (ROWS * order.length)).toBeLessThan(MARGIN);
      expect(gap).toBeLessThan(0.6 * gain);
    },
  );

  it("joint samples given any subset of bands have the covariance of the truth", async () => {
    const errors: number[] = [];
    for (const known of [[], [0], [1], [0, 1]]) errors.push(await covarianceError(known, [2, 3, 4]));
    expect(sum(errors) / errors.length).toBeLessThan(0.1);
    expect(Math.max(...errors)).toBeLessThan(0.12);
  });
});
