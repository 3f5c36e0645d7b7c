import { beforeAll, describe, expect, it } from "vitest";
import type { Arrays, Compiled, Engine, NdArray } from "../../src/engine/contract.ts";
import { createRng } from "../../src/random.ts";
import { State } from "../../src/survey/field.ts";
import { batchShape, drawBatch } from "../../src/tokens/batch.ts";
import { freezeRates } from "../../src/train/adapt.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { withAdapters } from "../../src/train/low-rank.ts";
import { scheduleAt } from "../../src/train/optimiser.ts";
import { compileLoss, type StepShape, trainStep } from "../../src/train/step.ts";
import { onnx, perturb, plainJs, plainShape, startCheckpoint } from "../helpers/network.ts";
import { distance, sourceOf, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const n = toyFields.length;
const catalog = toyCatalog(200);
const vector = (data: Float32Array): NdArray => ({ dtype: "float32", shape: [data.length], data });
const scalar = (x: number): NdArray => ({ dtype: "float32", shape: [], data: Float32Array.of(x) });

interface Step {
  readonly shape: StepShape;
  readonly checkpoint: Checkpoint;
  readonly inputs: Record<string, NdArray>;
  /** The part of the inputs that is data. */
  readonly batch: Record<string, NdArray>;
}

/** A training step with everything that it needs; `clip` and `weightDecay` off leave the bare gradient in `first`. */
function prepare(
  isCalibrated: boolean,
  fullShare = 0.25,
  autoregressiveShare = 0.5,
  rates?: Float32Array,
  { rank = 0, alignment = 0 } = {},
): Step {
  const start = startCheckpoint(catalog, {
    isCalibrated,
    optimiser: { clip: 1e9, weightDecay: 0.1 },
    subsets: { fullShare, autoregressiveShare },
    training: { batch: 8, nTarget: 3 },
  });
  const moved = perturb(start);
  const checkpoint = rank === 0 ? moved : perturb(withAdapters(moved, rank, createRng("adapters")), 0.03);
  const { config, layout, state } = checkpoint;
  const coder = coderOf(config);
  const { training, subsets } = config;
  const shape: StepShape = {
    model: config.model,
    vocabulary: coder,
    layout,
    batch: batchShape(training.batch, training.nTarget, subsets, false),
    hasCalibration: isCalibrated,
    hasRateScale: rates !== undefined,
    propertyWeight: subsets.propertyTargetWeight,
    alignment,
  };
  const sources = [sourceOf(catalog), sourceOf(catalog, { isCalibrated: true })];
  const schedule = scheduleAt(config.optimiser, 1, 1);
  const batch = drawBatch(coder, sources, subsets, shape.batch, createRng("step"));
  return {
    shape,
    checkpoint,
    inputs: {
      params: vector(state.params),
      first: vector(state.first),
      second: vector(state.second),
      average: vector(state.average),
      ...(rates === undefined ? {} : { rateScale: vector(rates) }),
      decay: vector(new Float32Array(layout.total).fill(0.1, 0, layout.decayed)),
      rate: scalar(0.01),
      correction1: scalar(schedule.correction1),
      correction2: scalar(schedule.correction2),
      emaDecay: scalar(schedule.emaDecay),
      ...(isCalibrated ? { priorStrength: scalar(1e-3) } : {}),
      ...batch,
    },
    batch,
  };
}

const compile = async (engine: Promise<Engine>, { shape, checkpoint }: Step): Promise<Compiled> => {
  const { fn, signature } = trainStep(shape, checkpoint.config.optimiser);
  return (await engine).compile(fn, signature, "step");
};

describe.each([
  ["plain", prepare(false)],
  ["with zero-points", prepare(true)],
  ["masked only", prepare(false, 0, 0)],
  ["ordered only", prepare(false, 0, 1)],
  ["full only", prepare(true, 1, 0)],
  ["of low-rank adapters", prepare(false, 0.25, 0.5, undefined, { rank: 2 })],
  ["with states aligned", prepare(true, 0.75, 0, undefined, { alignment: 3 })],
] as const)("a training step, %s", (_what, step) => {
  const { shape, checkpoint, inputs } = step;
  let compiled: Arrays;
  let eager: Arrays;
  beforeAll(async () => {
    compiled = await (await compile(onnx, step)).run(inputs);
    eager = await (await compile(plainJs, step)).run(inputs);
  });

  it("is the same compiled and on the pure-JS backend", () => {
    for (const name of ["loss", "gradientNorm", "params", "first", "second", "average"]) {
      expect(distance(compiled[name].data, eager[name].data), name).toBeLessThan(1e-4);
    }
  });

  it("has the gradient that finite differences see", async () => {
    const { fn, signature } = trainStep(shape, checkpoint.config.optimiser);
    const lossOf = await (await onnx).compile((x) => ({ loss: fn(x).loss }), signature);
    const gradient = compiled.first.data.map((x) => x / (1 - checkpoint.config.optimiser.beta1));
    const largest = Math.max(...gradient.map(Math.abs));
    // The parameters with the steepest slope of each tensor: differences of float32 losses can't judge the rest.
    const { specs, offsets, total } = checkpoint.layout;
    let judged = 0;
    for (let i = 0; i < specs.length; i++) {
      let at = offsets[i];
      for (let k = at; k < (offsets[i + 1] ?? total); k++) if (Math.abs(gradient[k]) > Math.abs(gradient[at])) at = k;
      if (Math.abs(gradient[at]) < 0.03 * largest) continue;
      const h = 2e-3;
      const lossAt = async (by: number): Promise<number> => {
        const params = checkpoint.state.params.slice();
        params[at] += by;
        return (await lossOf.run({ ...inputs, params: vector(params) })).loss.data[0];
      };
      const numeric = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
      expect(Math.abs(gradient[at] - numeric), specs[i].name).toBeLessThan(0.02 * largest);
      judged++;
    }
    expect(judged).toBeGreaterThan(4);
  });

  it("reports the loss that validation measures", async () => {
    if (shape.hasCalibration) return; // validation leaves out the prior, and what aligns
    const loss = await compileLoss(await onnx, shape);
    const measured = (await loss.run({ params: inputs.params, ...step.batch })).loss.data[0];
    expect(measured / compiled.loss.data[0]).toBeCloseTo(1, 5);
  });
});

describe("the loss", () => {
  const step = prepare(false);
  const run = async (changes: Arrays): Promise<number> => {
    const loss = await compileLoss(await onnx, step.shape);
    return (await loss.run({ params: step.inputs.params, ...step.batch, ...changes })).loss.data[0];
  };
  const changed = (name: string, change: (old: number, at: number) => number): Arrays => {
    const { dtype, shape, data } = step.inputs[name];
    return { [name]: { dtype, shape, data: (data as Float32Array).map(change) } };
  };

  it("ignores the truth of what isn't asked, and sees that of what is", async () => {
    const base = await run({});
    const isAsked = (at: number): boolean => step.inputs.truthState.data[at] !== State.notObserved;
    // Full questions ask properties only.
    const counts = (at: number): boolean => isAsked(at) && (at >= 2 * n || at % n >= toyBands);
    expect(await run(changed("truth", (old, at) => (counts(at) ? old : 5)))).toBe(base);
    expect(await run(changed("truth", (old, at) => (counts(at) ? old + 0.5 : old)))).not.toBe(base);
  });

  it("ignores padded queries", async () => {
    const base = await run({});
    const weights = step.inputs.targetWeight.data;
    const padded = await run(changed("targetWeight", (old, at) => (at % 3 === 2 ? 0 : old)));
    expect(padded).not.toBe(base);
    const both = { ...changed("targetWeight", (old, at) => (at % 3 === 2 ? 0 : old)) };
    const other = await run({ ...both, ...changed("targetField", (old, at) => (at % 3 === 2 ? (old + 1) % n : old)) });
    expect(other).toBe(padded);
    expect(weights.some((w) => w === 1)).toBe(true);
  });
});

describe("frozen parameters", () => {
  it("don't move, decay or count in the gradient's length", async () => {
    const free = prepare(false);
    const { layout, state } = free.checkpoint;
    const rates = freezeRates(layout, ["embed.*", "layer*"])!;
    const step = prepare(false, 0.25, 0.5, rates);
    const out = await (await compile(onnx, step)).run(step.inputs);
    const freeNorm = (await (await compile(onnx, free)).run(free.inputs)).gradientNorm.data[0];
    let moved = 0;
    for (let i = 0; i < layout.total; i++) {
      if (rates[i] === 0) expect(out.params.data[i]).toBe(state.params[i]);
      else if (out.params.data[i] !== state.params[i]) moved++;
    }
    expect(moved).toBeGreaterThan(100);
    expect(out.gradientNorm.data[0]).toBeLessThan(freeNorm);
  });
});

describe("a vocabulary without bands", () => {
  it("trains too", async () => {
    const fields = toyFields.slice(toyBands);
    const cut = (x: Float32Array): Float32Array => x.filter((_, at) => at % n >= toyBands);
    const properties = {
      ...catalog,
      fields,
      value: cut(catalog.value),
      error: cut(catalog.error),
      state: catalog.state.filter((_, at) => at % n >= toyBands),
    };
    const checkpoint = startCheckpoint(properties, { training: { batch: 8, nTarget: 3 } });
    const { config, state } = checkpoint;
    const coder = coderOf(config);
    const batch = batchShape(8, 3, config.subsets, false);
    const shape = plainShape(checkpoint, batch);
    const loss = await compileLoss(await onnx, shape);
    const drawn = drawBatch(coder, [sourceOf(properties)], config.subsets, batch, createRng("bare"));
    const out = await loss.run({ params: vector(state.params), ...drawn });
    expect(Number.isFinite(out.loss.data[0])).toBe(true);
  });
});
