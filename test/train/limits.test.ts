import { describe, expect, it } from "vitest";
import { floatScalar, floatVector } from "../../src/engine/arrays.ts";
import type { Arrays, Compiled, NdArray } from "../../src/engine/contract.ts";
import { createPredictor } from "../../src/inference/predict.ts";
import { normalDensity } from "../../src/model/normal.ts";
import { type ModelConfig, modelSchema } from "../../src/model/transformer.ts";
import { createRng } from "../../src/random.ts";
import { type Catalog, hide, select } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { type BatchShape, drawBatch } from "../../src/tokens/batch.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import { coderOf } from "../../src/train/config.ts";
import { scheduleAt } from "../../src/train/optimiser.ts";
import { compileLoss, type StepShape, trainStep } from "../../src/train/step.ts";
import { onnx, perturb, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { sourceOf, toyCatalog, toyFields } from "../helpers/toy.ts";

/** What calibration and upper limits do to the loss, held against closed forms. */

const n = toyFields.length;
/** Of integrals over encoded values. */
const STEP = 1e-4;
const toy = toyCatalog(200);

interface World {
  readonly checkpoint: Checkpoint;
  readonly shape: StepShape;
  /** The data of one batch. */
  readonly batch: Record<string, NdArray>;
}

function createBatch(catalog: Catalog, parts: Partial<BatchShape>, model: ModelConfig = tinyModel): World {
  const checkpoint = perturb(
    startCheckpoint(toy, {
      model,
      isCalibrated: true,
      subsets: { bands: { none: 1 }, properties: { none: 1, uniform: 1 }, fullShare: 0, autoregressiveShare: 0 },
      optimiser: { clip: 1e9 },
    }),
    0.1,
  );
  const { config, layout } = checkpoint;
  const coder = coderOf(config);
  const batch = { nFull: 0, nMasked: 0, nOrdered: 0, nTarget: 3, hasFilterDropout: false, ...parts };
  const shape: StepShape = {
    model: config.model,
    vocabulary: coder,
    layout,
    batch,
    hasCalibration: true,
    hasRateScale: false,
    propertyWeight: 3,
  };
  const sources = [sourceOf(catalog, { isCalibrated: true })];
  return { checkpoint, shape, batch: drawBatch(coder, sources, config.subsets, batch, createRng("limits")) };
}

/** The weights with the calibration of every band at 0 but for `by` in one of its two parts. */
function moved({ checkpoint }: World, part: "lnFlux" | "lnNoise", by: number): NdArray {
  const { layout, state } = checkpoint;
  const params = state.params.slice();
  layout.specs.forEach(({ name, shape }, i) => {
    if (!name.startsWith("calibration.")) return;
    params.fill(name.endsWith(part) ? by : 0, layout.offsets[i], layout.offsets[i] + shape[0]);
  });
  return floatVector(params);
}

const lossOf = async (world: World): Promise<(params: NdArray, changes?: Arrays) => Promise<number>> => {
  const compiled: Compiled = await compileLoss(await onnx, world.shape);
  return async (params, changes = {}) => (await compiled.run({ params, ...world.batch, ...changes })).loss.data[0];
};

/** The galaxy with one band to be asked and nothing to be given. */
function oneBand(state: State): Catalog {
  const row = [...toy.state.keys()].findIndex(
    (at) => at % n === 0 && toy.state[at] === State.measured && toy.value[at] > 5 && toy.value[at] < 40,
  );
  const only = select(toy, [row]);
  const states = new Uint8Array(n);
  states[0] = state;
  return { ...only, state: states };
}

describe("a zero-point", () => {
  it.each([State.measured, State.upperLimit] as const)(
    "has the slope of the closed form where the truth has state %i",
    async (state) => {
      const catalog = oneBand(state);
      const world = createBatch(catalog, { nMasked: 1 });
      const { checkpoint } = world;
      const predictor = createPredictor(await onnx, checkpoint);
      const nothing = new Uint8Array(n);
      const { encoded } = await predictor.predict(catalog, [0], nothing, [0]);
      await predictor.dispose();
      const { coder } = predictor;
      const sigma = coder.encodeError(0, catalog.value[0], catalog.error[0], 0);
      const seen = encoded[0].widen(() => sigma);
      const slope = coder.zeroPointSlope(0, catalog.value[0], 0);
      const { bend, rate } = coder.bend(0, catalog.value[0], 0);
      const curvature = 1 - bend ** 2;
      expect(curvature).toBeGreaterThan(0.05); // else it couldn't be seen
      const closed = (lnFlux: number): number => {
        const v = coder.encode(0, catalog.value[0], 0) + slope * lnFlux;
        if (state === State.upperLimit) return -Math.log(seen.cdf(0, v));
        let density = 0;
        for (let d = -8 * sigma; d <= 8 * sigma; d += STEP) {
          const reach = (Math.sinh(rate * d) + bend * (Math.cosh(rate * d) - 1)) / rate;
          density += (STEP * Math.exp(encoded[0].logDensity(0, v + d)) * normalDensity(reach / sigma)) / sigma;
        }
        return -Math.log(density) - Math.log(1 + curvature * lnFlux);
      };
      const loss = await lossOf(world);
      const h = 0.05;
      const slopeOf = (up: number, down: number): number => (up - down) / (2 * h);
      const numeric = slopeOf(await loss(moved(world, "lnFlux", h)), await loss(moved(world, "lnFlux", -h)));
      // errors are convolved by a quadrature of three nodes
      const digits = state === State.measured ? 2 : 4;
      expect(await loss(moved(world, "lnFlux", 0))).toBeCloseTo(closed(0), digits);
      expect(numeric).toBeCloseTo(slopeOf(closed(h), closed(-h)), digits - 1);
    },
  );

  it("has a Jacobian at measured truths only", async () => {
    const world = createBatch(toy, { nFull: 2, nMasked: 6, nOrdered: 4 });
    const loss = await lossOf(world);
    const params = moved(world, "lnFlux", 0.1);
    const base = await loss(params);
    const states = world.batch.truthState.data;
    const doubled = (isChanged: (state: number) => boolean): Arrays => {
      const old = world.batch.truthBend;
      return {
        truthBend: { ...old, data: (old.data as Float32Array).map((x, i) => (isChanged(states[i]) ? 0.5 * x : x)) },
      };
    };
    expect(states.some((state) => state === State.upperLimit)).toBe(true);
    expect(
      await loss(
        params,
        doubled((state) => state === State.upperLimit),
      ),
    ).toBe(base);
    expect(
      await loss(
        params,
        doubled((state) => state === State.measured),
      ),
    ).not.toBe(base);
  });
});

describe("a noise factor", () => {
  it("leaves errors of properties alone, given and asked", async () => {
    const labels = hide(toy, ({ band }) => band !== undefined);
    const world = createBatch(labels, { nFull: 2, nMasked: 24, nOrdered: 4 });
    expect(world.batch.sigma.data.some((x) => x > 0)).toBe(true);
    expect(world.batch.truthSigma.data.some((x) => x > 0)).toBe(true);
    const loss = await lossOf(world);
    expect(await loss(moved(world, "lnNoise", 2))).toBe(await loss(moved(world, "lnNoise", 0)));
    const withBands = createBatch(toy, { nFull: 2, nMasked: 6, nOrdered: 4 });
    const other = await lossOf(withBands);
    expect(await other(moved(withBands, "lnNoise", 2))).not.toBe(await other(moved(withBands, "lnNoise", 0)));
  });
});

const FAR = -11;
const models = {
  mixture: tinyModel,
  histogram: modelSchema.parse({
    ...tinyModel,
    heads: { flux: { head: "histogram", bins: 20 } },
  }),
} as const;

describe.each(["mixture", "histogram"] as const)("limits far below the prediction, %s", (head) => {
  it.each([
    ["at once", { nMasked: 8 }],
    ["in order", { nOrdered: 8 }],
  ] as const)("are learned from, asked %s", async (_how, parts) => {
    const bright = hide(toy, ({ band }) => band === undefined);
    const states = bright.state.map((state) => (state === State.notObserved ? state : State.upperLimit));
    const world = createBatch({ ...bright, state: states }, parts, models[head]);
    const { checkpoint, shape } = world;
    const { config, layout, state } = checkpoint;
    const { truth, truthSigma } = world.batch;
    const batch = {
      ...world.batch,
      truth: { ...truth, data: new Float32Array(truth.data.length).fill(FAR) },
      truthSigma: { ...truthSigma, data: new Float32Array(truth.data.length).fill(0.05) },
    };
    const { fn, signature } = trainStep(shape, config.optimiser);
    const step = await (await onnx).compile(fn, signature, "limits");
    const { correction1, correction2, emaDecay } = scheduleAt(config.optimiser, 1, 1);
    const zeros = (): NdArray => floatVector(new Float32Array(layout.total));
    const run = (params: Float32Array) =>
      step.run({
        params: floatVector(params),
        first: zeros(),
        second: zeros(),
        average: floatVector(params.slice()),
        decay: zeros(),
        rate: floatScalar(1e-2),
        correction1: floatScalar(correction1),
        correction2: floatScalar(correction2),
        emaDecay: floatScalar(emaDecay),
        priorStrength: floatScalar(0),
        ...batch,
      });
    const out = await run(state.params);
    const [loss, length] = [out.loss.data[0], out.gradientNorm.data[0]];
    if (head === "mixture") expect(loss).toBeGreaterThan(30); // a Gaussian's tail, not a floor
    expect(Number.isFinite(length)).toBe(true);
    expect(length).toBeGreaterThan(head === "mixture" ? 5 : 0.1);
    const gradient = Array.from(out.first.data, (x) => x / (1 - config.optimiser.beta1));
    expect(gradient.every(Number.isFinite)).toBe(true);
    // the answer moves to where the limits are
    expect((await run(out.params.data as Float32Array)).loss.data[0]).toBeLessThan(loss);
    // and by as much as the gradient says
    const h = 1e-3 / length;
    const along = (sign: number): Float32Array => state.params.map((p, i) => p + sign * h * gradient[i]);
    const slope = ((await run(along(1))).loss.data[0] - (await run(along(-1))).loss.data[0]) / (2 * h);
    expect(slope / length ** 2).toBeCloseTo(1, 1);
  });
});
