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

/** What a network answers: so many labels at once, each with as many Gaussians. */
export interface NetworkForm {
  readonly targets: number;
  readonly components: number;
}

/** Size and training of the network. */
interface Setting {
  readonly hidden: number;
  readonly rate: number;
  readonly steps: number;
}

/** The first is enough to be a fair rival at a few thousand galaxies; the others are tried where it is tuned. */
const SETTINGS: readonly Setting[] = [
  { hidden: 256, rate: 2e-3, steps: 1500 },
  { hidden: 256, rate: 1e-3, steps: 5000 },
  { hidden: 512, rate: 1e-3, steps: 5000 },
];
const BATCH = 128;
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

const specOf = ({ components }: NetworkForm) => ({ head: "mixture", components }) as const;

function specs(inputs: number, hidden: number, form: NetworkForm): ParameterSpec[] {
  const head = heads.mixture;
  const width = form.targets * head.width(specOf(form));
  const start = head.initialBias(specOf(form));
  return [
    matrix("in", inputs, hidden, 1),
    table("inBias", [hidden]),
    matrix("middle", hidden, hidden, Math.SQRT2),
    table("middleBias", [hidden]),
    matrix("out", hidden, width, 0.3),
    startAt(
      "outBias",
      width,
      Array.from({ length: width }, (_, i) => start[i % start.length]),
    ),
  ];
}

function network(w: Record<string, tf.Tensor>, x: tf.Tensor): tf.Tensor2D {
  const first = gelu(linear(x, w.in, w.inBias));
  const second = gelu(linear(first, w.middle, w.middleBias));
  return linear(second, w.out, w.outBias) as tf.Tensor2D; // [B, T W]
}

interface Moments {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** Mean and deviation of every column of x [n, p], of what is a number in it. */
function columnMoments(x: Float32Array, p: number): Moments {
  const count = new Float32Array(p);
  const mean = new Float32Array(p);
  const deviation = new Float32Array(p);
  const each = (visit: (value: number, j: number) => void): void => {
    for (let i = 0; i < x.length; i++) if (!Number.isNaN(x[i])) visit(x[i], i % p);
  };
  each((_, j) => count[j]++);
  each((value, j) => (mean[j] += value / count[j]));
  each((value, j) => (deviation[j] += (value - mean[j]) ** 2 / count[j]));
  for (let j = 0; j < p; j++) deviation[j] = Math.sqrt(deviation[j]) || 1;
  return { mean, deviation };
}

const flatSpec = (size: number) => ({ dtype: "float32", shape: [size] }) as const;
const scalarSpec = { dtype: "float32", shape: [] } as const;

/** Vectors that stay in the engine from step to step. */
const CARRIED = ["params", "first", "second", "average"] as const;

/** One training step of the network on BATCH rows of p inputs, compiled. */
function compileStep(
  engine: Engine,
  layout: Layout,
  optimiser: OptimiserConfig,
  p: number,
  form: NetworkForm,
): Promise<Compiled> {
  const decay = new Float32Array(layout.total).fill(WEIGHT_DECAY, 0, layout.decayed);
  const flat = flatSpec(layout.total);
  const labels = flatSpec(BATCH * form.targets);
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
    y: labels,
    isKnown: labels,
  };
  const spec = specOf(form);
  const loss = (w: tf.Tensor, x: tf.Tensor, y: tf.Tensor, isKnown: tf.Tensor): tf.Scalar => {
    const raw = tf.reshape<tf.Rank.R2>(network(unpack(w, layout), x), [
      BATCH * form.targets,
      heads.mixture.width(spec),
    ]);
    const targets = { value: y, sigma: tf.zerosLike(y), isUpperLimit: tf.notEqual(y, y) };
    return tf.mean<tf.Scalar>(tf.mul(heads.mixture.negLogLik(raw, targets, spec), isKnown));
  };
  return engine.compile(
    ({ params, first, second, average, x, y, isKnown, rate, correction1, correction2, emaDecay }) => {
      const gradient = tf.grad((w: tf.Tensor) => loss(w, x, y, isKnown))(params);
      const schedule = { rate, correction1, correction2, emaDecay };
      const update = { gradient, decay: tf.tensor1d(decay), ...schedule };
      const { gradientNorm: _norm, ...next } = adamW(optimiser, { params, first, second, average }, update);
      return next;
    },
    signature,
    "baseline network",
    { carried: CARRIED },
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

/** Distributions of label `target` of rows x [n, p], on the labels' scale. */
type Answer = (params: NdArray, x: Float32Array) => Promise<(target: number) => Distribution>;

async function compileAnswer(engine: Engine, layout: Layout, scaling: Scaling, form: NetworkForm): Promise<Answer> {
  const { p } = scaling;
  const xSpec = { dtype: "float32", shape: [ROWS_PER_CALL, p] } as const;
  const compiled = await engine.compile(
    (t) => ({ raw: network(unpack(t.params, layout), t.x) }),
    { params: flatSpec(layout.total), x: xSpec },
    "baseline network, answers",
  );
  const spec = specOf(form);
  const own = heads.mixture.width(spec);
  const width = form.targets * own;
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
    return (target) => {
      const some = new Float32Array(rows * own);
      for (let row = 0; row < rows; row++) {
        some.set(raw.subarray(row * width + target * own, row * width + (target + 1) * own), row * own);
      }
      return heads.mixture.read(some, rows, spec);
    };
  };
}

interface Rows {
  readonly x: Float32Array;
  /** [n, targets], NaN where it is not known. */
  readonly y: Float32Array;
}

/** One batch of rows drawn with replacement, standardised. */
function drawRows(scaling: Scaling, { x, y }: Rows, targets: number, rng: Rng): Arrays {
  const { p, labels } = scaling;
  const bx = new Float32Array(BATCH * p);
  const by = new Float32Array(BATCH * targets);
  const isKnown = new Float32Array(by.length);
  for (let b = 0; b < BATCH; b++) {
    const row = rng.integer(y.length / targets);
    writeRow(scaling, x, row, bx, b);
    for (let t = 0; t < targets; t++) {
      const label = y[row * targets + t];
      if (Number.isNaN(label)) continue;
      by[b * targets + t] = (label - labels.mean[t]) / labels.deviation[t];
      isKnown[b * targets + t] = 1;
    }
  }
  return { x: { dtype: "float32", shape: [BATCH, p], data: bx }, y: floatVector(by), isKnown: floatVector(isKnown) };
}

/** Sum of -ln p of the labels that are known. */
function lossOn(answers: (target: number) => Distribution, { y }: Rows, { mean, deviation }: Moments): number {
  const targets = mean.length;
  let loss = 0;
  for (let t = 0; t < targets; t++) {
    const own = answers(t);
    for (let row = 0; row < own.rowCount; row++) {
      const label = y[row * targets + t];
      if (!Number.isNaN(label)) loss -= own.logDensity(row, (label - mean[t]) / deviation[t]);
    }
  }
  return loss;
}

/** A trained network, and how held-out rows like it. */
interface Trained {
  readonly loss: number;
  readonly setting: Setting;
  answers(this: void, x: Float32Array): Promise<(target: number) => Distribution>;
}

/** Trains, looking at held-out rows on the way; keeps the averaged weights [P] that did best on them. */
async function trainNetwork(
  engine: Engine,
  scaling: Scaling,
  { learn, held }: { learn: Rows; held: Rows },
  form: NetworkForm,
  setting: Setting,
  rng: Rng,
): Promise<Trained> {
  const { p, labels } = scaling;
  const layout = createLayout(specs(p, setting.hidden, form));
  const answer = await compileAnswer(engine, layout, scaling, form);
  const optimiser = optimiserSchema.parse({ rate: setting.rate, weightDecay: WEIGHT_DECAY });
  const step = await compileStep(engine, layout, optimiser, p, form);
  const start = initialise(layout, rng);
  const zeros = (): NdArray => floatVector(new Float32Array(layout.total));
  const first: Arrays = {
    params: floatVector(start),
    first: zeros(),
    second: zeros(),
    average: floatVector(start.slice()),
  };
  let best = { loss: Infinity, weights: first.average };
  for (let i = 1; i <= setting.steps; i++) {
    const { rate, correction1, correction2, emaDecay } = scheduleAt(optimiser, i, setting.steps);
    await step.run({
      ...(i === 1 ? first : {}),
      rate: floatScalar(rate),
      correction1: floatScalar(correction1),
      correction2: floatScalar(correction2),
      emaDecay: floatScalar(emaDecay),
      ...drawRows(scaling, learn, form.targets, rng),
    });
    if (i % LOOK_EVERY !== 0) continue;
    const { average } = await step.take(["average"]);
    const loss = lossOn(await answer(average, held.x), held, labels);
    if (loss < best.loss) best = { loss, weights: average };
  }
  await step.dispose();
  return { loss: best.loss, setting, answers: (x) => answer(best.weights, x) };
}

/** A tenth of the parents, at least one row, set aside. */
function holdOut(
  { x, y }: Rows,
  p: number,
  targets: number,
  parent: ArrayLike<string | number> | undefined,
  rng: Rng,
): { learn: Rows; held: Rows } {
  const isHeld = new Map<string | number, boolean>();
  const parts: { learn: number[]; held: number[] } = { learn: [], held: [] };
  const n = y.length / targets;
  for (let row = 0; row < n; row++) {
    const key = parent?.[row] ?? row;
    if (!isHeld.has(key)) isHeld.set(key, isHeld.size === 0 || rng.uniform() < HELD_SHARE);
    (isHeld.get(key) === true && row < n - 1 ? parts.held : parts.learn).push(row);
  }
  const columns = (values: Float32Array, width: number, rows: number[]): Float32Array =>
    Float32Array.from(
      { length: rows.length * width },
      (_, i) => values[rows[Math.floor(i / width)] * width + (i % width)],
    );
  const pick = (rows: number[]): Rows => ({ x: columns(x, p, rows), y: columns(y, targets, rows) });
  return { learn: pick(parts.learn), held: pick(parts.held) };
}

/** What a network learns from. */
export interface NetworkRows extends Rows {
  readonly p: number;
  readonly parent?: ArrayLike<string | number> | undefined;
}

/**
 * A plain two-layer network from complete inputs x [n, p] to labels y [n, targets], with Gaussians for an output, trained by
 * maximum likelihood on the same engine and optimiser and stopped where held-out parents like it best: what specialising
 * buys. They also choose its size and training where `isTuned`.
 */
export async function fitNetwork(
  rows: NetworkRows,
  form: NetworkForm,
  { engine, rng, isTuned }: { readonly engine: Engine; readonly rng: Rng; readonly isTuned: boolean },
): Promise<{ predict: (x: Float32Array, target?: number) => Promise<Distribution>; chosen: Record<string, number> }> {
  const { p, parent } = rows;
  const inputs = columnMoments(rows.x, p);
  const deviation = inputs.deviation.map((spread) => Math.max(spread, LEAST_SPREAD));
  const labels = columnMoments(rows.y, form.targets);
  const scaling: Scaling = { p, inputs: { ...inputs, deviation }, labels };
  const parts = holdOut(rows, p, form.targets, parent, rng);
  let best: Trained | undefined;
  for (const setting of SETTINGS.slice(0, isTuned ? SETTINGS.length : 1)) {
    const trained = await trainNetwork(engine, scaling, parts, form, setting, rng);
    if (best === undefined || trained.loss < best.loss) best = trained;
  }
  const { answers, setting } = best!;
  return {
    chosen: { ...setting },
    async predict(unseen, target = 0) {
      const standardised = (await answers(unseen))(target);
      const [shift, rate] = [labels.mean[target], labels.deviation[target]];
      return inUnits(standardised, () => ({ shape: "linear", factor: 1, rate, shift, offset: 0 }));
    },
  };
}
