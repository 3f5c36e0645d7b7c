import type * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { createRng, type Rng } from "../../src/random.ts";
import { discrepancy } from "../../src/train/alignment.ts";
import { onnx } from "../helpers/network.ts";

/** The distance of two samples of states, against sums written out and against what it is in the mean. */

const [F, S] = [24, 5];

async function measure(state: Float32Array, isTarget: Float32Array): Promise<number> {
  const compiled = await (
    await onnx
  ).compile((x) => ({ far: discrepancy(x.state as tf.Tensor2D, x.isTarget) }), {
    state: { dtype: "float32", shape: [F, S] },
    isTarget: { dtype: "float32", shape: [F] },
  });
  const out = await compiled.run({
    state: { dtype: "float32", shape: [F, S], data: state },
    isTarget: { dtype: "float32", shape: [F], data: isTarget },
  });
  await compiled.dispose();
  return out.far.data[0];
}

/** Pair by pair, each kind of pair by its own mean. */
function bySums(state: Float32Array, isTarget: Float32Array): number {
  const kinds = [0, 1, 2].map(() => ({ sum: 0, count: 0 }));
  for (let i = 0; i < F; i++) {
    for (let j = 0; j < F; j++) {
      if (i === j) continue;
      let dot = 0;
      for (let k = 0; k < S; k++) dot += state[i * S + k] * state[j * S + k];
      const kind = kinds[isTarget[i] + isTarget[j]];
      kind.sum += (1 + dot / S) ** 2;
      kind.count++;
    }
  }
  const [source, between, target] = kinds.map(({ sum, count }) => sum / count);
  return source + target - 2 * between;
}

/** A third of the rows are the target's; their states are moved and stretched. */
function draw(rng: Rng, shift: number, stretch: number): { state: Float32Array; isTarget: Float32Array } {
  const isTarget = Float32Array.from({ length: F }, (_, i) => Number(i % 3 === 0));
  const state = Float32Array.from({ length: F * S }, (_, at) => {
    const is = isTarget[Math.floor(at / S)];
    return (is ? stretch : 1) * rng.normal() + is * shift;
  });
  return { state, isTarget };
}

describe("the distance of simulated and real states", () => {
  it("is that of the sums over pairs", async () => {
    const { state, isTarget } = draw(createRng("pairs"), 0.7, 1.3);
    expect(await measure(state, isTarget)).toBeCloseTo(bySums(state, isTarget), 4);
  });

  it("is 0 in the mean of samples alike, though these are small, and the distance of moments of others", () => {
    const [shift, stretch] = [0.5, 1.4];
    const mean = (by: number, times: number): readonly [number, number] => {
      const rng = createRng(`mean:${by}`);
      const found = Array.from({ length: 4000 }, () => {
        const { state, isTarget } = draw(rng, by, times);
        return bySums(state, isTarget);
      });
      const middle = found.reduce((a, b) => a + b, 0) / found.length;
      const spread = Math.sqrt(found.reduce((a, b) => a + (b - middle) ** 2, 0) / found.length);
      return [middle, spread / Math.sqrt(found.length)];
    };
    const [alike, error] = mean(0, 1);
    expect(Math.abs(alike)).toBeLessThan(4 * error);
    // 2/S |means|^2 + 1/S^2 |second moments|^2 of N(shift, stretch^2) and N(0, 1) in each of S numbers
    const second = S * (stretch ** 2 + shift ** 2 - 1) ** 2 + S * (S - 1) * shift ** 4;
    const [apart, doubt] = mean(shift, stretch);
    expect(Math.abs(apart - (2 * shift ** 2 + second / S ** 2))).toBeLessThan(4 * doubt);
  });

  it("is 0 where one side is not there", async () => {
    const { state } = draw(createRng("one"), 0.7, 1.3);
    expect(await measure(state, new Float32Array(F))).toBeCloseTo(0, 9);
    expect(await measure(state, new Float32Array(F).fill(1, 0, 1))).toBeCloseTo(0, 9);
  });
});
