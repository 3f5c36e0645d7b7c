import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { BLOCK, correlate } from "../../src/engine/correlate.ts";
import { createRng } from "../../src/random.ts";
import { onnx, plainJs } from "../helpers/network.ts";
import { distance } from "../helpers/toy.ts";

const [B, C, H] = [2, 3, 2];
const [PLACES, LAGS] = [3 * BLOCK, 2 * BLOCK];

const rng = createRng("correlate");
const noise = (n: number): Float32Array => Float32Array.from({ length: n }, () => rng.normal());
const x = noise(B * PLACES * C);
const template = noise((PLACES + LAGS - 1) * C * H);
/** Weights of the sum whose gradient is asked for. */
const weight = noise(B * LAGS * H);

/** Calls `visit` with the places in x, template and result of every product that the definition sums. */
function everyProduct(visit: (inX: number, inTemplate: number, inResult: number) => void): void {
  for (let b = 0; b < B; b++)
    for (let lag = 0; lag < LAGS; lag++)
      for (let p = 0; p < PLACES; p++)
        for (let c = 0; c < C; c++)
          for (let h = 0; h < H; h++)
            visit((b * PLACES + p) * C + c, ((p - lag + LAGS - 1) * C + c) * H + h, (b * LAGS + lag) * H + h);
}

describe("cross-correlation", () => {
  it("is the sum that defines it, on both executors, and so are its derivatives", async () => {
    const wanted = { value: new Float64Array(weight.length), byX: new Float64Array(x.length), byTemplate: new Float64Array(template.length) }; // prettier-ignore
    everyProduct((i, t, r) => {
      wanted.value[r] += x[i] * template[t];
      wanted.byX[i] += weight[r] * template[t];
      wanted.byTemplate[t] += weight[r] * x[i];
    });
    const shapes = { x: [B, PLACES, C], template: [PLACES + LAGS - 1, C, H] } as const;
    for (const engine of [await onnx, await plainJs]) {
      const compiled = await engine.compile(
        (inputs) => {
          const of = (a: tf.Tensor, t: tf.Tensor): tf.Tensor => correlate(a as tf.Tensor3D, t as tf.Tensor3D);
          const score = (a: tf.Tensor, t: tf.Tensor): tf.Tensor =>
            tf.sum(tf.mul(of(a, t), tf.tensor3d(weight, [B, LAGS, H])));
          const [byX, byTemplate] = tf.grads(score)([inputs.x, inputs.template]);
          return { value: of(inputs.x, inputs.template), byX, byTemplate };
        },
        { x: { dtype: "float32", shape: shapes.x }, template: { dtype: "float32", shape: shapes.template } },
      );
      const out = await compiled.run({
        x: { dtype: "float32", shape: shapes.x, data: x },
        template: { dtype: "float32", shape: shapes.template, data: template },
      });
      for (const name of ["value", "byX", "byTemplate"] as const) {
        expect(distance(out[name].data, Float32Array.from(wanted[name])), name).toBeLessThan(1e-5);
      }
    }
  });
});
