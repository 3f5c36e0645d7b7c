import { describe, expect, it } from "vitest";
import type { Signature, TensorFunction } from "../../src/engine/contract.ts";
import { UserError } from "../../src/errors.ts";
import { createRng } from "../../src/random.ts";
import { subsetSchema } from "../../src/tokens/subset.ts";
import { adaptPhases, adaptSchema, freezeRates } from "../../src/train/adapt.ts";
import { trainingSchema } from "../../src/train/config.ts";
import { adamW, optimiserSchema, scheduleAt } from "../../src/train/optimiser.ts";
import { onnx, plainJs, startCheckpoint } from "../helpers/network.ts";
import { distance, toyCatalog } from "../helpers/toy.ts";

const P = 7;
const config = optimiserSchema.parse({ rate: 0.05, clip: 1.5, weightDecay: 0.3, averaging: 0.4, warmup: 0.25 });
const STEPS = 8;
const rateScale = [1, 1, 1, 0.5, 2, 0, 1];
const isDecayed = [1, 1, 1, 0, 0, 1, 0];

const rng = createRng("optimiser");
const start = Array.from({ length: P }, () => rng.normal());
// Some gradients are far longer than the clip, some shorter; the frozen one is the longest of all.
const gradients = Array.from({ length: STEPS }, (_, step) =>
  Array.from({ length: P }, (_, i) => (i === 5 ? 100 : [0.1, 3, 0.5][step % 3]) * rng.normal()),
);

/** AdamW in float64, written from algorithm 2 of Loshchilov & Hutter 2019, not from the code under test. */
function reference(): { params: number[]; first: number[]; second: number[]; average: number[]; norms: number[] } {
  const state = { params: [...start], first: start.map(() => 0), second: start.map(() => 0), average: [...start] };
  const norms: number[] = [];
  gradients.forEach((raw, index) => {
    const t = index + 1;
    const alive = raw.map((g, i) => (rateScale[i] === 0 ? 0 : g));
    const norm = Math.hypot(...alive);
    norms.push(norm);
    const warm = 0.25 * STEPS;
    const eta = t < warm ? t / warm : (1 + Math.cos((Math.PI * (t - warm)) / (STEPS - warm))) / 2;
    const keep = 0.5 ** (1 / Math.max(1, 0.4 * t));
    alive.forEach((g0, i) => {
      const g = norm > 1.5 ? (g0 * 1.5) / norm : g0;
      state.first[i] = 0.9 * state.first[i] + 0.1 * g;
      state.second[i] = 0.98 * state.second[i] + 0.02 * g * g;
      const m = state.first[i] / (1 - 0.9 ** t);
      const v = state.second[i] / (1 - 0.98 ** t);
      const theta = state.params[i];
      state.params[i] = theta - eta * rateScale[i] * 0.05 * (m / (Math.sqrt(v) + 1e-8) + 0.3 * isDecayed[i] * theta);
      state.average[i] = keep * state.average[i] + (1 - keep) * state.params[i];
    });
  });
  return { ...state, norms };
}

describe("AdamW", () => {
  it.each([onnx, plainJs])(
    "follows a float64 reference through clipping, decay, rates and averaging",
    async (engine) => {
      const vector = { dtype: "float32", shape: [P] } as const;
      const scalar = { dtype: "float32", shape: [] } as const;
      const vectors = ["params", "first", "second", "average", "gradient", "rateScale", "decay"];
      const scalars = ["rate", "correction1", "correction2", "emaDecay"];
      const signature: Signature = Object.fromEntries([
        ...vectors.map((name) => [name, vector] as const),
        ...scalars.map((name) => [name, scalar] as const),
      ]);
      const fn: TensorFunction = (x) => {
        const { params, first, second, average } = x;
        const { gradient, rate, correction1, correction2, emaDecay } = x;
        const update = { gradient, rateScale: x.rateScale, decay: x.decay, rate, correction1, correction2, emaDecay };
        return { ...adamW(config, { params, first, second, average }, update) };
      };
      const step = await (await engine).compile(fn, signature);
      const array = (data: ArrayLike<number>) => ({
        dtype: "float32" as const,
        shape: [P],
        data: Float32Array.from(data),
      });
      let state = {
        params: array(start),
        first: array(start.map(() => 0)),
        second: array(start.map(() => 0)),
        average: array(start),
      };
      const expected = reference();
      for (let t = 1; t <= STEPS; t++) {
        const schedule = Object.entries(scheduleAt(config, t, STEPS)).map(
          ([name, x]) => [name, { dtype: "float32" as const, shape: [], data: Float32Array.of(x as number) }] as const,
        );
        const { params, first, second, average, gradientNorm } = await step.run({
          ...state,
          ...Object.fromEntries(schedule),
          gradient: array(gradients[t - 1]),
          rateScale: array(rateScale),
          decay: array(isDecayed.map((flag) => flag * config.weightDecay)),
        });
        expect(gradientNorm.data[0] / expected.norms[t - 1]).toBeCloseTo(1, 5);
        state = { params, first, second, average } as typeof state;
      }
      for (const name of ["params", "first", "second", "average"] as const) {
        expect(distance(state[name].data, expected[name])).toBeLessThan(1e-5);
      }
      expect(state.params.data[5]).toBe(Math.fround(start[5]));
      expect(Math.max(...expected.norms)).toBeGreaterThan(2 * config.clip);
      expect(Math.min(...expected.norms)).toBeLessThan(config.clip);
    },
  );
});

describe("the schedule", () => {
  const settings = optimiserSchema.parse({ rate: 1, warmup: 0.1, averaging: 0.1 });

  it("warms up in a line and cools in a half cosine", () => {
    const rate = (step: number): number => scheduleAt(settings, step, 100).rate;
    expect([1, 5, 9, 10].map(rate)).toStrictEqual([0.1, 0.5, 0.9, 1]);
    expect(rate(55)).toBeCloseTo(0.5, 12);
    expect(rate(10 + 30)).toBeCloseTo(0.75, 12); // cos 60 degrees is one half
    expect(rate(100)).toBeCloseTo(0, 12);
  });

  it("averages over a share of the run so far", () => {
    expect(scheduleAt(settings, 500, 1000).emaDecay ** 50).toBeCloseTo(0.5, 12);
    expect(scheduleAt({ ...settings, averaging: 0 }, 500, 1000).emaDecay).toBe(0);
    expect(scheduleAt(settings, 1, 1000).emaDecay).toBe(0.5);
  });

  it("bears a run of one step and a warm-up of nothing", () => {
    for (const warmup of [0, 1]) {
      for (const step of [1, 2, 3]) {
        const { rate } = scheduleAt({ ...settings, warmup }, step, 3);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(1);
      }
    }
    expect(scheduleAt(settings, 1, 1).rate).toBe(1);
  });
});

describe("learning-rate factors", () => {
  const { layout } = startCheckpoint(toyCatalog(20));
  const factor = (rates: Float32Array, name: string): Set<number> => {
    const i = layout.specs.findIndex((spec) => spec.name === name);
    return new Set(rates.subarray(layout.offsets[i], layout.offsets[i + 1] ?? layout.total));
  };

  it("freeze what a pattern names and nothing else", () => {
    const rates = freezeRates(layout, ["embed.*", "query.first"])!;
    for (const name of ["embed.band", "embed.property", "embed.bias", "query.first"]) {
      expect(factor(rates, name)).toStrictEqual(new Set([0]));
    }
    for (const name of ["query.field", "head.property.out"]) expect(factor(rates, name)).toStrictEqual(new Set([1]));
    expect(freezeRates(layout, [])).toBeUndefined();
  });

  it.each(["emmbed.*", "embed", "embed?band", ""])("refuse the pattern %j, which matches nothing", (pattern) => {
    const freeze = (): unknown => freezeRates(layout, [pattern]);
    expect(freeze).toThrow(UserError);
    expect(freeze).toThrow(/^--freeze .*: matches no parameter; expected a pattern for one of .*embed\.band/);
  });

  describe("of adaptation", () => {
    const optimiser = optimiserSchema.parse({ rate: 1e-3, warmup: 0.1 });
    const training = trainingSchema.parse({ steps: 100 });
    const subsets = subsetSchema.parse({});
    const phasesOf = (adapt: object): ReturnType<typeof adaptPhases> =>
      adaptPhases(layout, {
        adapt: adaptSchema.parse({ zeroPoints: "trained", ...adapt }),
        optimiser,
        subsets,
        training,
      });
    const sum = (rates: Float32Array): number => rates.reduce((a, b) => a + b);

    it("train zero-points and noise factors alone, then the network alone", () => {
      const phaseAt = phasesOf({ calibrationRate: 7, networkRate: 0.5, calibrationShare: 0.4 });
      for (let step = 1; step <= 40; step++) {
        const { rateScale, subsets: own } = phaseAt(step);
        const [zeroPoint] = factor(rateScale, "calibration.lnFlux");
        const [expected, whole] = [40, 100].map((steps) => scheduleAt(optimiser, step, steps).rate);
        expect(zeroPoint * whole).toBeCloseTo(7 * expected, 8);
        expect(sum(rateScale)).toBeCloseTo(2 * 6 * zeroPoint, 3);
        expect(own.bands).not.toEqual(subsets.bands);
      }
      const { rateScale, subsets: own } = phaseAt(41);
      expect(factor(rateScale, "calibration.lnFlux")).toStrictEqual(new Set([0]));
      expect(factor(rateScale, "calibration.lnNoise")).toStrictEqual(new Set([0]));
      expect(factor(rateScale, "query.field")).toStrictEqual(new Set([0.5]));
      expect(own).toEqual(subsets);
    });

    it("stay finite where nothing but zero-points is trained", () => {
      const phaseAt = phasesOf({ calibrationShare: 1 });
      for (let step = 1; step <= 100; step++) expect(phaseAt(step).rateScale.every(Number.isFinite)).toBe(true);
    });

    it("may train both together", () => {
      const { rateScale } = phasesOf({ calibrationRate: 7, networkRate: 0, calibrationShare: 0 })(1);
      expect(factor(rateScale, "calibration.lnFlux")).toStrictEqual(new Set([7]));
      expect(sum(rateScale)).toBe(2 * 7 * 6);
    });

    it("keep zero-points that were fitted", () => {
      const phaseAt = phasesOf({ zeroPoints: "fitted", calibrationShare: 0.4 });
      for (const step of [1, 40, 41, 100]) {
        expect(factor(phaseAt(step).rateScale, "calibration.lnFlux")).toStrictEqual(new Set([0]));
      }
      expect(factor(phaseAt(20).rateScale, "calibration.lnNoise")).not.toContain(0);
    });
  });
});
