import * as tf from "@tensorflow/tfjs-core";
import { floatScalar, floatVector } from "../engine/arrays.ts";
import type { Arrays, Compiled, Engine, NdArray, Signature } from "../engine/contract.ts";
import { gelu, linear } from "../engine/ops.ts";
import type { Distribution } from "../model/distribution.ts";
import { heads } from "../model/heads.ts";
import { inUnits } from "../model/units.ts";
import {
  createLayout,
  initialise,
  type Layout,
  matrix,
  type ParameterSpec,
  table,
  unpack,
  vector as startAt,
} from "../model/parameters.ts";
import type { Rng } from "../random.ts";
import { adamW, type OptimiserConfig, optimiserSchema, scheduleAt } from "../train/optimiser.ts";

/** Size and training of the single-task network: enough to be a fair rival at a few thousand galaxies. */
const HIDDEN = 256;
const SPEC = { head: "mixture", components: 4 } as const;
const BATCH = 128;
const STEPS = 1500;
/** Held-out parents are looked at this often. */
const LOOK_EVERY = 100;
const HELD_SHARE = 0.1;
const WEIGHT_DECAY = 0.01;
const ROWS_PER_CALL = 1024;
/**
 * Inputs are of order one before they are standardised. A column that spreads less is a flag that few rows have: scaled up
 * to unit variance it would be the loudest of all where it is set.
 */
const LEAST_SPREAD = 0.3;

function specs(inputs: number): ParameterSpec[] {
  const head = heads.mixture;
  return [
    matrix("in", inputs, HIDDEN, 1),
    table("inBias", [HIDDEN]),
    matrix("middle", HIDDEN, HIDDEN, Math.SQRT2),
    table("middleBias", [HIDDEN]),
    matrix("out", HIDDEN, head.width(SPEC), 0.3),
    startAt("outBias", head.width(SPEC), head.initialBias(SPEC)),
  ];
}

function network(w: Record<string, tf.Tensor>, x: tf.Tensor): tf.Tensor2D {
  const first = gelu(linear(x, w.in, w.inBias));
  const second = gelu(linear(first, w.middle, w.middleBias));
  return linear(second, w.out, w.outBias) as tf.Tensor2D;
}

interface Moments {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** Mean and deviation of every column of x [n, p]. */
function columnMoments(x: Float32Array, p: number): Moments {
  const n = x.length / p;
  const mean = new Float32Array(p);
  const deviation = new Float32Array(p);
  for (let i = 0; i < x.length; i++) mean[i % p] += x[i] / n;
  for (let i = 0; i < x.length; i++) deviation[i % p] += (x[i] - mean[i % p]) ** 2 / n;
  for (let j = 0; j < p; j++) deviation[j] = Math.sqrt(deviation[j]) || 1;
  return { mean, deviation };
}

const flatSpec = (size: number) => ({ dtype: "float32", shape: [size] }) as const;
const scalarSpec = { dtype: "float32", shape: [] } as const;

/** One training step of the network on BATCH rows of p inputs, compiled. */
function compileStep(engine: Engine, layout: Layout, optimiser: OptimiserConfig, p: number): Promise<Compiled> {
  const decay = new Float32Array(layout.total).fill(WEIGHT_DECAY, 0, layout.decayed);
  const flat = flatSpec(layout.total);
  const signature: Signature = {
    params: flat,
    first: flat,
    second: flat,
    average: flat,
    rate: scalarSpec,
    correction1: scalarSpec,
    correction2: scalarSpec,
    emaDecay: scalarSpec,
    x: { dtype: "float32", shape: [BATCH, p] },
    y: flatSpec(BATCH),
  };
  const loss = (w: tf.Tensor, x: tf.Tensor, y: tf.Tensor): tf.Scalar => {
    const targets = { value: y, sigma: tf.zerosLike(y), isUpperLimit: tf.notEqual(y, y) };
    return tf.mean<tf.Scalar>(heads.mixture.negLogLik(network(unpack(w, layout), x), targets, SPEC));
  };
  return engine.compile(
    ({ params, first, second, average, x, y, rate, correction1, correction2, emaDecay }) => {
      const gradient = tf.grad((w: tf.Tensor) => loss(w, x, y))(params);
      const schedule = { rate, correction1, correction2, emaDecay };
      const update = { gradient, decay: tf.tensor1d(decay), ...schedule };
      const { gradientNorm: _norm, ...next } = adamW(optimiser, { params, first, second, average }, update);
      return next;
    },
    signature,
    "single-task network",
  );
}

/** Inputs and labels on the network's scale. */
interface Scaling {
  readonly p: number;
  readonly inputs: Moments;
  readonly labels: Moments;
}

/** Writes row `row` of `data` [n, p], standardised, as row `at` of `out`. */
function writeRow({ p, inputs }: Scaling, data: Float32Array, row: number, out: Float32Array, at: number): void {
  for (let j = 0; j < p; j++) out[at * p + j] = (data[row * p + j] - inputs.mean[j]) / inputs.deviation[j];
}

type Answer = (params: NdArray, x: Float32Array) => Promise<Distribution>;

/** Answers for rows x [n, p] on the labels' scale. */
async function compileAnswer(engine: Engine, layout: Layout, scaling: Scaling): Promise<Answer> {
  const { p } = scaling;
  const xSpec = { dtype: "float32", shape: [ROWS_PER_CALL, p] } as const;
  const compiled = await engine.compile(
    (t) => ({ raw: network(unpack(t.params, layout), t.x) }),
    { params: flatSpec(layout.total), x: xSpec },
    "single-task network, answers",
  );
  const width = heads.mixture.width(SPEC);
  return async (params, x) => {
    const rows = x.length / p;
    const raw = new Float32Array(rows * width);
    for (let from = 0; from < rows; from += ROWS_PER_CALL) {
      const size = Math.min(ROWS_PER_CALL, rows - from);
      const bx = new Float32Array(ROWS_PER_CALL * p);
      for (let b = 0; b < size; b++) writeRow(scaling, x, from + b, bx, b);
      const out = await compiled.run({ params, x: { ...xSpec, data: bx } });
      raw.set((out.raw.data as Float32Array).subarray(0, size * width), from * width);
    }
    return heads.mixture.read(raw, rows, SPEC);
  };
}

interface Rows {
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** One batch of rows drawn with replacement, standardised. */
function drawRows(scaling: Scaling, { x, y }: Rows, rng: Rng): Arrays {
  const { p, labels } = scaling;
  const bx = new Float32Array(BATCH * p);
  const by = new Float32Array(BATCH);
  for (let b = 0; b < BATCH; b++) {
    const row = rng.integer(y.length);
    writeRow(scaling, x, row, bx, b);
    by[b] = (y[row] - labels.mean[0]) / labels.deviation[0];
  }
  return { x: { dtype: "float32", shape: [BATCH, p], data: bx }, y: floatVector(by) };
}

/** Trains, looking at held-out rows on the way; returns the averaged weights [P] that did best on them. */
async function trainNetwork(
  engine: Engine,
  layout: Layout,
  scaling: Scaling,
  { learn, held }: { learn: Rows; held: Rows },
  answer: Answer,
  rng: Rng,
): Promise<NdArray> {
  const { p, labels } = scaling;
  const optimiser = optimiserSchema.parse({ rate: 2e-3, weightDecay: WEIGHT_DECAY });
  const step = await compileStep(engine, layout, optimiser, p);
  const start = initialise(layout, rng);
  const zeros = (): NdArray => floatVector(new Float32Array(layout.total));
  let state: Arrays = {
    params: floatVector(start),
    first: zeros(),
    second: zeros(),
    average: floatVector(start.slice()),
  };
  let best = { loss: Infinity, weights: state.average };
  for (let i = 1; i <= STEPS; i++) {
    const { rate, correction1, correction2, emaDecay } = scheduleAt(optimiser, i, STEPS);
    state = await step.run({
      ...state,
      rate: floatScalar(rate),
      correction1: floatScalar(correction1),
      correction2: floatScalar(correction2),
      emaDecay: floatScalar(emaDecay),
      ...drawRows(scaling, learn, rng),
    });
    if (i % LOOK_EVERY !== 0) continue;
    const answers = await answer(state.average, held.x);
    let loss = 0;
    held.y.forEach((y, row) => (loss -= answers.logDensity(row, (y - labels.mean[0]) / labels.deviation[0])));
    if (loss < best.loss) best = { loss, weights: state.average };
  }
  await step.dispose();
  return best.weights;
}

/** A tenth of the parents, at least one row, set aside. */
function holdOut(
  { x, y }: Rows,
  p: number,
  parent: ArrayLike<string | number> | undefined,
  rng: Rng,
): { learn: Rows; held: Rows } {
  const isHeld = new Map<string | number, boolean>();
  const parts: { learn: number[]; held: number[] } = { learn: [], held: [] };
  for (let row = 0; row < y.length; row++) {
    const key = parent?.[row] ?? row;
    if (!isHeld.has(key)) isHeld.set(key, isHeld.size === 0 || rng.uniform() < HELD_SHARE);
    (isHeld.get(key) === true && row < y.length - 1 ? parts.held : parts.learn).push(row);
  }
  const pick = (rows: number[]): Rows => ({
    x: Float32Array.from({ length: rows.length * p }, (_, i) => x[rows[Math.floor(i / p)] * p + (i % p)]),
    y: Float32Array.from(rows, (row) => y[row]),
  });
  return { learn: pick(parts.learn), held: pick(parts.held) };
}

/**
 * A plain two-layer network from complete inputs x [n, p] to one label y [n], with a mixture output, trained by maximum
 * likelihood on the same engine and optimiser and stopped where held-out parents like it best: what specialising buys.
 */
export async function fitNetwork(
  rows: Rows & { readonly p: number; readonly parent?: ArrayLike<string | number> | undefined },
  engine: Engine,
  rng: Rng,
): Promise<{ predict: (x: Float32Array) => Promise<Distribution> }> {
  const { p } = rows;
  const inputs = columnMoments(rows.x, p);
  const deviation = inputs.deviation.map((spread) => Math.max(spread, LEAST_SPREAD));
  const scaling: Scaling = { p, inputs: { ...inputs, deviation }, labels: columnMoments(rows.y, 1) };
  const layout = createLayout(specs(p));
  const answer = await compileAnswer(engine, layout, scaling);
  const weights = await trainNetwork(engine, layout, scaling, holdOut(rows, p, rows.parent, rng), answer, rng);
  const [shift, rate] = [scaling.labels.mean[0], scaling.labels.deviation[0]];
  return {
    async predict(unseen) {
      const standardised = await answer(weights, unseen);
      const unit = { shape: "linear", factor: 1, rate, shift, offset: 0 } as const;
      return inUnits(standardised, () => unit);
    },
  };
}
