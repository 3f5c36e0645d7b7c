import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { floatVector } from "../../src/engine/arrays.ts";
import type { Compiled } from "../../src/engine/contract.ts";
import { curveAt } from "../../src/model/curve.ts";
import { headOf } from "../../src/model/heads.ts";
import { createRng } from "../../src/random.ts";
import type { ScalarKind } from "../../src/survey/field.ts";
import { transformOf } from "../../src/tokens/transform.ts";
import { onnx } from "../helpers/network.ts";
import { toyFields } from "../helpers/toy.ts";

const COUNT = 8000;
const STEPS = 400;
const spec = { head: "mixture", components: 4 } as const;
const head = headOf(spec);
const width = head.width(spec);

/** What is there in truth and how it is seen: errors are Gaussian in the field's own unit. */
const worlds = [
  { kind: "ew", softness: 2, mean: 4, spread: 1, sigma: 2 },
  { kind: "ew", softness: 2, mean: 10, spread: 3, sigma: 2 },
  { kind: "ew", softness: 2, mean: 20, spread: 4, sigma: 2 },
  { kind: "flux", softness: 1, mean: 2, spread: 0.3, sigma: 1 },
  { kind: "flux", softness: 0.5, mean: 4, spread: 0.5, sigma: 1 },
  { kind: "flux", softness: 0.5, mean: 10, spread: 2, sigma: 1 },
] as const satisfies readonly { kind: ScalarKind; softness: number; mean: number; spread: number; sigma: number }[];

let compiled: Compiled;
beforeAll(async () => {
  const vector = { dtype: "float32", shape: [COUNT] } as const;
  compiled = await (
    await onnx
  ).compile(
    ({ raw, value, sigma, bend, rate }) => {
      const targets = { value, sigma, isUpperLimit: tf.notEqual(value, value), curve: { bend, rate } };
      const loss = (x: tf.Tensor): tf.Tensor => {
        const all = tf.matMul<tf.Tensor2D>(tf.ones([COUNT, 1]), tf.reshape(x, [1, width]));
        return tf.mean(head.negLogLik(all, targets, spec));
      };
      return { gradient: tf.grad(loss)(raw) };
    },
    { raw: { dtype: "float32", shape: [width] }, value: vector, sigma: vector, bend: vector, rate: vector },
  );
});
afterAll(() => compiled.dispose());

/** Adam on the outputs themselves: what a network without any input would answer. */
async function learn(value: Float32Array, sigma: Float32Array, bend: Float32Array, rate: number) {
  const raw = Float32Array.from(head.initialBias(spec));
  const [first, second] = [new Float64Array(width), new Float64Array(width)];
  const fixed = {
    value: floatVector(value),
    sigma: floatVector(sigma),
    bend: floatVector(bend),
    rate: floatVector(new Float32Array(COUNT).fill(rate)),
  };
  for (let step = 1; step <= STEPS; step++) {
    const { gradient } = await compiled.run({ raw: floatVector(raw.slice()), ...fixed });
    for (let i = 0; i < width; i++) {
      const g = gradient.data[i];
      first[i] += 0.1 * (g - first[i]);
      second[i] += 0.01 * (g * g - second[i]);
      const unbiased = Math.sqrt(second[i] / (1 - 0.99 ** step)) + 1e-9;
      raw[i] -= (0.06 * (1 - step / STEPS) * first[i]) / (1 - 0.9 ** step) / unbiased;
    }
  }
  return head.read(raw, 1, spec);
}

describe("a noisy catalogue", () => {
  it.each(worlds)("of $kind $mean +- $sigma gives back the mean without noise", async (world) => {
    const { softness, mean, spread, sigma } = world;
    const transform = transformOf(toyFields.find(({ kind }) => kind === world.kind)!);
    const rng = createRng("noisy");
    // pairs of opposite deviates: the sample's own mean is the truth's
    const draws = Array.from({ length: COUNT / 4 }, () => [rng.normal(), rng.normal()] as const);
    const truths = draws.flatMap(([a]) => [a, -a, a, -a]).map((u) => mean + spread * u);
    const seen = draws.flatMap(([, b]) => [b, b, -b, -b]).map((u, i) => truths[i] + sigma * u);
    const encoded = truths.map((x) => transform.forward(x, softness));
    const centre = encoded.reduce((sum, v) => sum + v, 0) / COUNT;
    const deviation = 0.7;
    const answer = await learn(
      Float32Array.from(seen, (x) => (transform.forward(x, softness) - centre) / deviation),
      Float32Array.from(seen, (x) => (sigma * transform.slope(x, softness)) / deviation),
      Float32Array.from(seen, (x) => transform.bend(x, softness)!),
      deviation,
    );
    const curve = transform.curve(deviation, centre, softness);
    let sum = 0;
    const levels = Array.from({ length: 2000 }, (_, i) => (i + 0.5) / 2000);
    const quantiles = new Float64Array(levels.length);
    answer.quantiles(0, levels, quantiles);
    for (const v of quantiles) sum += curveAt(curve, v) / levels.length;
    expect(Math.abs(sum / mean - 1)).toBeLessThan(0.01);
  });
});
