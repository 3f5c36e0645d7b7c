import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { EngineOptions } from "../../src/engine/contract.ts";
import { createEngine } from "../../src/engine/engine.ts";
import * as ops from "../../src/engine/ops.ts";

const executors: readonly (readonly [string, EngineOptions])[] = [
  ["compiled", { threads: 1 }],
  ["eager", { backend: "cpu" }],
];

/** Values and the gradient of their sum. */
const evaluate = async (
  options: EngineOptions,
  fn: (x: tf.Tensor) => tf.Tensor,
  rows: readonly (readonly number[])[],
): Promise<{ readonly value: readonly number[]; readonly slope: readonly number[] }> => {
  const engine = await createEngine(options);
  const shape = [rows.length, rows[0].length];
  const step = await engine.compile(({ x }) => ({ value: fn(x), slope: tf.grad((v: tf.Tensor) => tf.sum(fn(v)))(x) }), {
    x: { dtype: "float32", shape },
  });
  const { value, slope } = await step.run({ x: { dtype: "float32", shape, data: Float32Array.from(rows.flat()) } });
  await engine.dispose();
  return { value: Array.from(value.data), slope: Array.from(slope.data) };
};
const expectClose = (got: number, wanted: number, tolerance: number): void => {
  expect(Math.abs(got - wanted) / Math.abs(wanted), `${got}, expected ${wanted}`).toBeLessThan(tolerance);
};

/** ln Phi(x) and phi / Phi by Laplace's continued fraction for the tail, which is exact far out (Abramowitz & Stegun 26.2.14). */
const tailAt = (x: number): { readonly value: number; readonly slope: number } => {
  let fraction = -x;
  for (let k = 200; k >= 1; k -= 1) fraction = -x + k / fraction;
  return { value: -0.5 * x * x - 0.5 * Math.log(2 * Math.PI) - Math.log(fraction), slope: fraction };
};

describe.each(executors)("ln Phi, %s", (_, options) => {
  it("has the published values", async () => {
    // ln of Phi(x) as tabulated (Abramowitz & Stegun, tables 26.1 and 26.2), and ln(1 - Q) above zero
    const known = [
      [-40, -804.608],
      [-20, -203.917],
      [-6, -20.7368],
      [-1, -1.84102165],
      [0, -Math.LN2],
      [1, -0.17275378],
      [3, -1.35080996e-3],
      [6, -9.8658765e-10],
      [10, -7.61985302e-24],
    ] as const;
    const { value } = await evaluate(options, ops.logNdtr, [known.map(([x]) => x)]);
    for (const [i, [, wanted]] of known.entries()) expectClose(value[i], wanted, 5e-6);
  });

  it("follows its tail to -1e4 and so does its gradient", async () => {
    const points = [-1e4, -3000, -300, -100, -37.5, -30, -14.2, -13, -8, -5, -3];
    const { value, slope } = await evaluate(options, ops.logNdtr, [points]);
    for (const [i, x] of points.entries()) {
      const wanted = tailAt(x);
      expectClose(value[i], wanted.value, 1e-6);
      expectClose(slope[i], wanted.slope, 2e-6);
    }
  });

  it("has the gradient of its values and no gap at zero", async () => {
    const points = [-2, -0.5, -1e-3, 0, 1e-3, 0.5, 2, 4];
    const { slope } = await evaluate(options, ops.logNdtr, [points]);
    const h = 1e-3;
    for (const [i, x] of points.entries()) {
      // differences of the function in double precision: ln of the integral of the density by Simpson's rule
      const density = (t: number): number => Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI);
      const phi = (t: number): number => {
        const [from, n] = [-12, 20000];
        const step = (t - from) / n;
        let sum = density(from) + density(t);
        for (let k = 1; k < n; k += 1) sum += (k % 2 === 1 ? 4 : 2) * density(from + k * step);
        return (sum * step) / 3;
      };
      expectClose(slope[i], (Math.log(phi(x + h)) - Math.log(phi(x - h))) / (2 * h), 1e-5);
    }
  });

  it("is finite with its gradient everywhere that floats reach", async () => {
    const points = [-1e6, -1e4, -30, -1e-30, 0, 1e-30, 10, 14, 40, 1e4, 1e6];
    const { value, slope } = await evaluate(options, ops.logNdtr, [points]);
    for (const x of [...value, ...slope]) expect(Number.isFinite(x)).toBe(true);
    expect(Math.max(...value)).toBeLessThanOrEqual(0);
    expect(Math.min(...slope)).toBeGreaterThanOrEqual(0);
  });
});

describe.each(executors)("log-sum-exp, %s", (_, options) => {
  it("is safe where exponentials overflow and vanish", async () => {
    const rows = [
      [1000, 1001, -1e4],
      [-1e4, -1e4, -1e4],
      [-Infinity, 0, 0],
      [-1e30, 3e38, -3e38],
    ];
    const { value, slope } = await evaluate(options, (x) => ops.logSumExp(x), rows);
    const wanted = [1001 + Math.log1p(Math.exp(-1)), -1e4 + Math.log(3), Math.log(2), 3e38];
    for (const [i, x] of wanted.entries()) expectClose(value[i], x, 1e-6);
    const [near, far] = [1 / (1 + Math.E), Math.E / (1 + Math.E)];
    const slopes = [near, far, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0.5, 0.5, 0, 1, 0];
    // y is rounded to float32 near 1000: exp(x - y) is good to 1e-4 there, to 1e-3 near 1e4
    for (const [i, x] of slopes.entries()) expect(slope[i]).toBeCloseTo(x, 3);
  });

  it("says that nothing has weight where nothing has", async () => {
    const engine = await createEngine(options);
    const step = await engine.compile(({ x }) => ({ y: ops.logSumExp(x) }), { x: { dtype: "float32", shape: [2] } });
    const { y } = await step.run({ x: { dtype: "float32", shape: [2], data: Float32Array.of(-Infinity, -Infinity) } });
    expect(y.data[0]).toBe(-Infinity);
    await engine.dispose();
  });
});

describe.each(executors)("what is detached, %s", (_name, options) => {
  it("is there, and is a constant to the derivative", async () => {
    const { value, slope } = await evaluate(
      options,
      (x) =>
        tf.mul(
          x,
          ops.detached(() => tf.square(x)),
        ),
      [[1, -2, 3]],
    );
    expect(value).toEqual([1, -8, 27]);
    expect(slope).toEqual([1, 4, 9]); // 3 x^2 were it not
  });
});
