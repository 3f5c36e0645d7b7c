import * as tf from "@tensorflow/tfjs-core";
import type { Engine, NdArray, Signature } from "../engine/contract.ts";
import { gelu, linear } from "../engine/ops.ts";
import { heads } from "../model/heads.ts";
import type { Mixtures } from "../model/mixture.ts";
import { createLayout, initialise, type ParameterSpec, unpack } from "../model/parameters.ts";
import type { Rng } from "../random.ts";
import { adamW, optimiserSchema, scheduleAt } from "../train/optimiser.ts";

/** Size and training of the single-task network: enough to be a fair rival at a few thousand galaxies. */
const HIDDEN = 256;
const COMPONENTS = 4;
const BATCH = 128;
const STEPS = 1500;
const WEIGHT_DECAY = 0.01;
const ROWS_PER_CALL = 1024;

function specs(inputs: number): ParameterSpec[] {
  const head = heads.mixture;
  const matrix = (name: string, rows: number, columns: number, gain: number): ParameterSpec => ({
    name,
    shape: [rows, columns],
    std: gain / Math.sqrt(rows),
    isDecayed: true,
  });
  const bias = (name: string, size: number, start: number[] = []): ParameterSpec => ({
    name,
    shape: [size],
    std: 0,
    start: start.length > 0 ? start : 0,
    isDecayed: false,
  });
  return [
    matrix("in", inputs, HIDDEN, 1),
    bias("inBias", HIDDEN),
    matrix("middle", HIDDEN, HIDDEN, Math.SQRT2),
    bias("middleBias", HIDDEN),
    matrix("out", HIDDEN, head.width(COMPONENTS), 0.3),
    bias("outBias", head.width(COMPONENTS), head.initialBias(COMPONENTS)),
  ];
}

function network(w: Record<string, tf.Tensor>, x: tf.Tensor): tf.Tensor2D {
  const first = gelu(linear(x, w.in, w.inBias));
  const second = gelu(linear(first, w.middle, w.middleBias));
  return linear(second, w.out, w.outBias) as tf.Tensor2D;
}

const vector = (data: Float32Array): NdArray => ({ dtype: "float32", shape: [data.length], data });
const scalar = (x: number): NdArray => ({ dtype: "float32", shape: [], data: Float32Array.of(x) });

/** Mean and deviation of every column of x [n, p]. */
function columnMoments(x: Float32Array, p: number): { mean: Float32Array; deviation: Float32Array } {
  const n = x.length / p;
  const mean = new Float32Array(p);
  const deviation = new Float32Array(p);
  for (let i = 0; i < x.length; i++) mean[i % p] += x[i] / n;
  for (let i = 0; i < x.length; i++) deviation[i % p] += (x[i] - mean[i % p]) ** 2 / n;
  for (let j = 0; j < p; j++) deviation[j] = Math.sqrt(deviation[j]) || 1;
  return { mean, deviation };
}

/**
 * A plain two-layer network from complete inputs [n, p] to one label [n], with a mixture output, trained by maximum
 * likelihood on the same engine and optimiser: what specialising on one question buys.
 */
export async function fitNetwork(
  { x, y, p }: { x: Float32Array; y: Float32Array; p: number },
  engine: Engine,
  rng: Rng,
): Promise<{ predict: (x: Float32Array) => Promise<Mixtures> }> {
  const n = y.length;
  const inputs = columnMoments(x, p);
  const labels = columnMoments(y, 1);
  const scaled = (data: Float32Array, row: number, out: Float32Array, at: number): void => {
    for (let j = 0; j < p; j++) out[at + j] = (data[row * p + j] - inputs.mean[j]) / inputs.deviation[j];
  };
  const layout = createLayout(specs(p));
  const decay = new Float32Array(layout.total).fill(WEIGHT_DECAY, 0, layout.decayed);
  const optimiser = optimiserSchema.parse({ rate: 2e-3, weightDecay: WEIGHT_DECAY });
  const flat = { dtype: "float32", shape: [layout.total] } as const;
  const one = { dtype: "float32", shape: [] } as const;
  const state = { params: flat, first: flat, second: flat, average: flat };
  const schedule = { rate: one, correction1: one, correction2: one, emaDecay: one };
  const signature: Signature = {
    ...state,
    ...schedule,
    x: { dtype: "float32", shape: [BATCH, p] },
    y: { dtype: "float32", shape: [BATCH] },
  };
  const step = await engine.compile(
    (t) => {
      const { value, grad } = tf.valueAndGrad((w: tf.Tensor) => {
        const raw = network(unpack(w, layout), t.x);
        const targets = { value: t.y, sigma: tf.zerosLike(t.y), isUpperLimit: tf.notEqual(t.y, t.y) };
        return tf.mean<tf.Scalar>(heads.mixture.negLogLik(raw, targets, COMPONENTS));
      })(t.params);
      const { gradientNorm: _norm, ...next } = adamW(
        optimiser,
        { params: t.params, first: t.first, second: t.second, average: t.average },
        {
          gradient: grad,
          decay: tf.tensor1d(decay),
          rate: t.rate,
          correction1: t.correction1,
          correction2: t.correction2,
          emaDecay: t.emaDecay,
        },
      );
      return { ...next, loss: value };
    },
    signature,
    "single-task network",
  );
  const start = initialise(layout, rng);
  const zeros = (): NdArray => vector(new Float32Array(layout.total));
  let now: Record<keyof typeof state, NdArray> = {
    params: vector(start),
    first: zeros(),
    second: zeros(),
    average: vector(start.slice()),
  };
  for (let i = 1; i <= STEPS; i++) {
    const bx = new Float32Array(BATCH * p);
    const by = new Float32Array(BATCH);
    for (let b = 0; b < BATCH; b++) {
      const row = rng.integer(n);
      scaled(x, row, bx, b * p);
      by[b] = (y[row] - labels.mean[0]) / labels.deviation[0];
    }
    const at = scheduleAt(optimiser, i, STEPS);
    const { params, first, second, average } = await step.run({
      ...now,
      rate: scalar(at.rate),
      correction1: scalar(at.correction1),
      correction2: scalar(at.correction2),
      emaDecay: scalar(at.emaDecay),
      x: { dtype: "float32", shape: [BATCH, p], data: bx },
      y: vector(by),
    });
    now = { params, first, second, average };
  }
  await step.dispose();
  const answer = await engine.compile(
    (t) => ({ raw: network(unpack(t.params, layout), t.x) }),
    { params: flat, x: { dtype: "float32", shape: [ROWS_PER_CALL, p] } },
    "single-task network, answers",
  );
  return {
    async predict(unseen) {
      const rows = unseen.length / p;
      const width = heads.mixture.width(COMPONENTS);
      const raw = new Float32Array(rows * width);
      for (let from = 0; from < rows; from += ROWS_PER_CALL) {
        const size = Math.min(ROWS_PER_CALL, rows - from);
        const bx = new Float32Array(ROWS_PER_CALL * p);
        for (let b = 0; b < size; b++) scaled(unseen, from + b, bx, b * p);
        const out = await answer.run({
          params: now.average,
          x: { dtype: "float32", shape: [ROWS_PER_CALL, p], data: bx },
        });
        raw.set((out.raw.data as Float32Array).subarray(0, size * width), from * width);
      }
      const mixtures = heads.mixture.read(raw, rows, COMPONENTS);
      return {
        ...mixtures,
        mean: mixtures.mean.map((m) => m * labels.deviation[0] + labels.mean[0]),
        sigma: mixtures.sigma.map((s) => s * labels.deviation[0]),
      };
    },
  };
}
