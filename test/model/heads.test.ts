import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, Signature } from "../../src/engine/contract.ts";
import { type Head, heads } from "../../src/model/heads.ts";
import {
  mixtureCdf,
  mixtureLogDensity,
  mixtureMoments,
  mixtureQuantiles,
  normalCdf,
  normalDensity,
} from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";
import { onnx, plainJs } from "../helpers/network.ts";

const K = 3;
const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

interface Target {
  readonly value: number;
  readonly sigma: number;
  readonly isUpperLimit?: boolean;
}

const isCompiled = { onnx, plainJs };

/** -ln p of each target under the same row's raw outputs, and the gradient of their sum by the raw outputs. */
async function evaluate(
  head: Head,
  raw: readonly (readonly number[])[],
  targets: readonly Target[],
  components: number,
  backend: keyof typeof isCompiled,
): Promise<{ loss: Float32Array; gradient: Float32Array }> {
  const m = targets.length;
  const width = head.width(components);
  const signature: Signature = {
    raw: { dtype: "float32", shape: [m, width] },
    value: { dtype: "float32", shape: [m] },
    sigma: { dtype: "float32", shape: [m] },
    limit: { dtype: "float32", shape: [m] },
  };
  const compiled = await (
    await isCompiled[backend]
  ).compile((inputs) => {
    const lossOf = (outputs: tf.Tensor): tf.Tensor1D =>
      head.negLogLik(
        outputs as tf.Tensor2D,
        { value: inputs.value, sigma: inputs.sigma, isUpperLimit: tf.greater(inputs.limit, 0) },
        components,
      );
    return { loss: lossOf(inputs.raw), gradient: tf.grad((outputs: tf.Tensor) => tf.sum(lossOf(outputs)))(inputs.raw) };
  }, signature);
  const vector = (of: (t: Target) => number) => ({
    dtype: "float32" as const,
    shape: [m],
    data: Float32Array.from(targets, of),
  });
  const inputs: Arrays = {
    raw: { dtype: "float32", shape: [m, width], data: Float32Array.from(raw.flat()) },
    value: vector((t) => t.value),
    sigma: vector((t) => t.sigma),
    limit: vector((t) => Number(t.isUpperLimit ?? false)),
  };
  const { loss, gradient } = await compiled.run(inputs);
  await compiled.dispose();
  return { loss: loss.data as Float32Array, gradient: gradient.data as Float32Array };
}

function randomRaw(rows: number, width: number, seed: string): number[][] {
  const rng = createRng(seed);
  return Array.from({ length: rows }, () => Array.from({ length: width }, () => 0.8 * rng.normal()));
}

describe.each(Object.entries(heads))("head %s", (name, head) => {
  const width = head.width(K);
  const raw = randomRaw(6, width, name);
  const answers = head.read(Float32Array.from(raw.flat()), raw.length, K);

  it("starts from a distribution with the data's mean and a spread near theirs", () => {
    const bias = head.initialBias(K);
    expect(bias).toHaveLength(width);
    const { mean, std } = mixtureMoments(head.read(Float32Array.from(bias), 1, K), 0);
    expect(Math.abs(mean)).toBeLessThan(1e-6);
    expect(std).toBeGreaterThan(0.5);
    expect(std).toBeLessThan(2);
  });

  it("gives densities that integrate to their cdf, from 0 to 1", () => {
    for (let row = 0; row < raw.length; row++) {
      let area = 0;
      let last = 0;
      let worst = 0;
      const h = 0.01;
      for (let y = -30; y <= 30; y += h) {
        area += h * Math.exp(mixtureLogDensity(answers, row, y));
        const cdf = mixtureCdf(answers, row, y + h / 2);
        worst = Math.max(worst, Math.abs(cdf - area), last - cdf > 1e-15 ? 1 : 0);
        last = cdf;
      }
      expect(worst).toBeLessThan(1e-4);
      expect(area).toBeCloseTo(1, 6);
    }
  });

  it("gives quantiles that undo the cdf", () => {
    const levels = Float64Array.of(1e-6, 0.01, 0.3, 0.5, 0.77, 0.999, 1 - 1e-6);
    const quantiles = new Float64Array(levels.length);
    for (let row = 0; row < raw.length; row++) {
      mixtureQuantiles(answers, row, levels, quantiles);
      quantiles.forEach((q, i) => expect(mixtureCdf(answers, row, q)).toBeCloseTo(levels[i], 9));
    }
  });

  it.each(["onnx", "plainJs"] as const)(
    "has the likelihood of the distribution that it reads out (%s)",
    async (backend) => {
      const targets = raw.map((_, i): Target => ({ value: -2 + i, sigma: 0 }));
      const { loss } = await evaluate(head, raw, targets, K, backend);
      loss.forEach((l, i) => expect(l).toBeCloseTo(-mixtureLogDensity(answers, i, targets[i].value), 4));
    },
  );

  it("convolves the target's error into its density", async () => {
    const targets = raw.map((_, i): Target => ({ value: -2 + i, sigma: 0.2 + 0.3 * i }));
    const { loss } = await evaluate(head, raw, targets, K, "onnx");
    targets.forEach(({ value, sigma }, i) => {
      let convolved = 0;
      const h = 0.002;
      for (let y = value - 8 * sigma; y <= value + 8 * sigma; y += h) {
        convolved += (h * Math.exp(mixtureLogDensity(answers, i, y)) * normalDensity((value - y) / sigma)) / sigma;
      }
      expect(loss[i]).toBeCloseTo(-Math.log(convolved), 3);
    });
  });

  it("counts an upper limit as the probability of lying below it", async () => {
    const targets = raw.map((_, i): Target => ({ value: -1.5 + i, sigma: 0, isUpperLimit: true }));
    const { loss } = await evaluate(head, raw, targets, K, "onnx");
    loss.forEach((l, i) => expect(l).toBeCloseTo(-Math.log(mixtureCdf(answers, i, targets[i].value)), 4));
  });

  it("has the gradient that finite differences see", async () => {
    const targets = raw.map((_, i): Target => ({ value: -2 + i, sigma: i % 2, isUpperLimit: i % 3 === 2 }));
    const { gradient } = await evaluate(head, raw, targets, K, "plainJs");
    const h = 1e-2;
    for (let c = 0; c < width; c++) {
      const moved = (by: number): number[][] => raw.map((row) => row.with(c, row[c] + by));
      const { loss: up } = await evaluate(head, moved(h), targets, K, "plainJs");
      const { loss: down } = await evaluate(head, moved(-h), targets, K, "plainJs");
      raw.forEach((_, i) => expect(gradient[i * width + c]).toBeCloseTo((up[i] - down[i]) / (2 * h), 2));
    }
  });

  it.each(["onnx", "plainJs"] as const)("stays finite at extreme targets and outputs (%s)", async (backend) => {
    const extremes = [-1e3, -12, 0, 12, 1e3].flatMap((value) =>
      [0, 1e-3, 1e3].flatMap((sigma) => [true, false].map((isUpperLimit) => ({ value, sigma, isUpperLimit }))),
    );
    for (const size of [0, 1, 20]) {
      const wide = randomRaw(extremes.length, width, "extreme").map((row) => row.map((x) => size * x));
      const { loss, gradient } = await evaluate(head, wide, extremes, K, backend);
      expect(loss.every(Number.isFinite)).toBe(true);
      expect(gradient.every(Number.isFinite)).toBe(true);
    }
  });
});

describe("a mixture of one component", () => {
  const raw = [[0.3, 0.7, -0.4]];
  const sigma = Math.exp(-0.4);

  it.each([0, 0.5, 3])("is the Gaussian, with error %d", async (error) => {
    const { loss } = await evaluate(heads.mixture, raw, [{ value: 1.9, sigma: error }], 1, "onnx");
    const variance = sigma ** 2 + error ** 2;
    expect(loss[0]).toBeCloseTo((1.9 - 0.7) ** 2 / (2 * variance) + 0.5 * Math.log(variance) + HALF_LOG_2PI, 5);
  });

  it("has Gaussian moments, cdf and quantiles", () => {
    const one = heads.mixture.read(Float32Array.from(raw[0]), 1, 1);
    expect(mixtureMoments(one, 0).mean).toBeCloseTo(0.7, 6);
    expect(mixtureMoments(one, 0).std).toBeCloseTo(sigma, 6);
    expect(mixtureCdf(one, 0, 0.7 + sigma)).toBeCloseTo(normalCdf(1), 6);
    const quantiles = new Float64Array(3);
    mixtureQuantiles(one, 0, [0.1586552539, 0.5, 0.9772498681], quantiles);
    [-1, 0, 2].forEach((u, i) => expect((quantiles[i] - 0.7) / sigma).toBeCloseTo(u, 5));
  });
});

describe("the normal distribution", () => {
  it.each([
    // Abramowitz & Stegun, table 26.1 and 26.2
    [0, 0.5],
    [1, 0.841344746068543],
    [-2, 0.02275013194818],
    [5, 0.99999971334843],
    [-10, 7.61985e-24],
  ])("has the published cdf at %d", (x, published) => {
    expect(normalCdf(x) / published).toBeCloseTo(1, 6);
  });
});
