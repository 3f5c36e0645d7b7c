import { expect, it } from "vitest";
import { type Consistency, orderConsistency } from "../../src/inference/consistency.ts";
import type { Chain } from "../../src/inference/network.ts";
import type { Predictor } from "../../src/inference/predict.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { exactPredictor } from "../helpers/exact.ts";
import { createWorld, sampleWorld } from "../helpers/gaussian.ts";

const world = createWorld();
const { catalog, noise } = sampleWorld(world, 60, createRng("consistency"));
const exact = exactPredictor(world, catalog, noise);
const nothing = new Uint8Array(world.fields.length);
/** Of the properties without noise, the two that have most to do with each other where nothing is given. */
const [A, B] = [[2, 3] as const, [2, 4] as const, [3, 4] as const].sort(
  ([a, b], [c, d]) => Math.abs(world.covariance[c][d]) - Math.abs(world.covariance[a][b]),
)[0];
const square = world.covariance[A][B] ** 2;

/** The exact predictor, but that ordered answers for these fields do not hear of the one before. */
const deafFor = (fields: readonly number[]): Predictor => ({
  ...exact,
  network: {
    ...exact.network,
    chain: (states, galaxy, questions, work) =>
      exact.network.chain(states, galaxy, questions, (chain: Chain) =>
        work({
          ...chain,
          ask: ({ before, ...rest }) =>
            chain.ask(before === undefined || fields.includes(rest.field) ? rest : { ...rest, before }),
        }),
      ),
  },
});

const judge = async (predictor: Predictor): Promise<Consistency> =>
  Object.values(await orderConsistency(predictor, catalog, allRows(catalog), nothing, [[A, B]], "1"))[0];

it("exact answers are consistent, in any order and however they are asked", async () => {
  const { orders, given, rows } = await judge(exact);
  for (const { value, low, high } of [orders, given]) {
    expect(Math.abs(value)).toBeLessThan(1e-4);
    expect(high - low).toBeLessThan(1e-4);
  }
  expect(rows).toBe(60);
});

it("answers that hear of the one before in one order only are not", async () => {
  // closed form of two Gaussians: rho^2 / (1 - rho^2) / 4; 60 galaxies know it roughly, and say how roughly
  const expected = square / (1 - square) / 4;
  const { orders } = await judge(deafFor([B]));
  expect(orders.value).toBeGreaterThan(0.6 * expected);
  expect(orders.value).toBeLessThan(1.5 * expected);
  const sigma = (orders.high - orders.low) / 3.92;
  expect(sigma).toBeGreaterThan(0.02 * expected);
  expect(Math.abs(orders.value - expected)).toBeLessThan(3.5 * sigma);
});

it("answers that never do agree in both orders, and lose what the other field says", async () => {
  const { orders, given } = await judge(deafFor([A, B]));
  expect(Math.abs(orders.value)).toBeLessThan(1e-4);
  const information = -0.5 * Math.log(1 - square); // of one field about the other
  expect(given.value).toBeGreaterThan(0.4 * information);
  expect(given.value).toBeLessThan(2 * information);
});
