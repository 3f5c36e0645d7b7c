import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { Arrays, Signature } from "../../src/engine/contract.ts";
import { logNdtr } from "../../src/engine/ops.ts";
import { type HeadName, headOf, heads, type HeadSpec } from "../../src/model/heads.ts";
import { logNormalBetween, normalCdf, normalDensity } from "../../src/model/normal.ts";
import { familiesOf, headChoiceSchema } from "../../src/model/readouts.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { fitStandardisation } from "../../src/tokens/standardise.ts";
import { coderOf } from "../../src/train/config.ts";
import { onnx, plainJs } from "../helpers/network.ts";
import { surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

/** One spec per row of the table; edges of different widths, 0 and whole numbers inside bins. */
const specs: Record<HeadName, HeadSpec> = {
  mixture: { head: "mixture", components: 3 },
  histogram: { head: "histogram", edges: [-4.3, -2.9, -2.1, -1.2, -0.4, 0.3, 1.2, 1.7, 2.4, 3.2, 5.1] },
  category: { head: "category", classes: 4 },
};

interface Target {
  readonly value: number;
  readonly sigma: number;
  readonly isUpperLimit?: boolean;
  /** How the encoding bends there; of all targets of a test or of none. */
  readonly curve?: { readonly bend: number; readonly rate: number };
}

const isCompiled = { onnx, plainJs };

/** -ln p of each target under the same row's raw outputs, and the gradients of their sum by raw outputs and targets. */
async function evaluate(
  spec: HeadSpec,
  raw: readonly (readonly number[])[],
  targets: readonly Target[],
  backend: keyof typeof isCompiled,
): Promise<Record<"loss" | "gradient" | "byValue" | "bySigma", Float32Array>> {
  const m = targets.length;
  const head = headOf(spec);
  const width = head.width(spec);
  const signature: Signature = {
    raw: { dtype: "float32", shape: [m, width] },
    value: { dtype: "float32", shape: [m] },
    sigma: { dtype: "float32", shape: [m] },
    limit: { dtype: "float32", shape: [m] },
    bend: { dtype: "float32", shape: [m] },
    rate: { dtype: "float32", shape: [m] },
  };
  const isBent = targets[0].curve !== undefined;
  const compiled = await (
    await isCompiled[backend]
  ).compile((inputs) => {
    const lossOf = (outputs: tf.Tensor, value: tf.Tensor, sigma: tf.Tensor): tf.Tensor1D =>
      head.negLogLik(
        outputs as tf.Tensor2D,
        {
          value,
          sigma,
          isUpperLimit: tf.greater(inputs.limit, 0),
          ...(isBent ? { curve: { bend: inputs.bend, rate: inputs.rate } } : {}),
        },
        spec,
      );
    const loss = lossOf(inputs.raw, inputs.value, inputs.sigma);
    const total = (outputs: tf.Tensor, value: tf.Tensor, sigma: tf.Tensor): tf.Tensor =>
      tf.sum(lossOf(outputs, value, sigma));
    if (!isBent) return { loss, gradient: tf.grad((x: tf.Tensor) => total(x, inputs.value, inputs.sigma))(inputs.raw) };
    const [gradient, byValue, bySigma] = tf.grads(total)([inputs.raw, inputs.value, inputs.sigma]);
    return { loss, gradient, byValue, bySigma };
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
    bend: vector((t) => t.curve?.bend ?? 0),
    rate: vector((t) => t.curve?.rate ?? 0),
  };
  const outputs = await compiled.run(inputs);
  await compiled.dispose();
  const of = (name: string): Float32Array => (outputs[name]?.data ?? new Float32Array(m)) as Float32Array;
  return { loss: of("loss"), gradient: of("gradient"), byValue: of("byValue"), bySigma: of("bySigma") };
}

function randomRaw(rows: number, width: number, seed: string): number[][] {
  const rng = createRng(seed);
  return Array.from({ length: rows }, () => Array.from({ length: width }, () => 0.8 * rng.normal()));
}

const names = Object.keys(heads) as HeadName[];
const numeric = names.filter((name) => name !== "category");

describe.each(names)("head %s", (name) => {
  const spec = specs[name];
  const head = headOf(spec);
  const width = head.width(spec);
  const isClass = name === "category";
  const raw = randomRaw(6, width, name);
  const answers = head.read(Float32Array.from(raw.flat()), raw.length, spec);
  const valueOf = (i: number): number => (isClass ? i % 4 : -2 + i);

  it.each(["onnx", "plainJs"] as const)(
    "has the likelihood of the distribution that it reads out (%s)",
    async (backend) => {
      const targets = raw.map((_, i): Target => ({ value: valueOf(i), sigma: 0 }));
      const { loss } = await evaluate(spec, raw, targets, backend);
      loss.forEach((l, i) => expect(l).toBeCloseTo(-answers.logDensity(i, targets[i].value), 4));
    },
  );

  it("has the gradient that finite differences see", async () => {
    const targets = raw.map((_, i): Target => ({
      value: valueOf(i),
      sigma: isClass ? 0 : i % 2,
      isUpperLimit: !isClass && i % 3 === 2,
    }));
    const { gradient } = await evaluate(spec, raw, targets, "plainJs");
    const h = 1e-2;
    for (let c = 0; c < width; c++) {
      const moved = (by: number): number[][] => raw.map((row) => row.with(c, row[c] + by));
      const { loss: up } = await evaluate(spec, moved(h), targets, "plainJs");
      const { loss: down } = await evaluate(spec, moved(-h), targets, "plainJs");
      raw.forEach((_, i) => expect(gradient[i * width + c]).toBeCloseTo((up[i] - down[i]) / (2 * h), 2));
    }
  });

  it.each(["onnx", "plainJs"] as const)("stays finite at extreme targets and outputs (%s)", async (backend) => {
    const extremes = [-1e3, -12, 0, 12, 1e3].flatMap((value) =>
      [0, 1e-3, 1e3].flatMap((sigma) => [true, false].map((isUpperLimit) => ({ value, sigma, isUpperLimit }))),
    );
    for (const size of [0, 1, 20, 100]) {
      const wide = randomRaw(extremes.length, width, "extreme").map((row) => row.map((x) => size * x));
      const { loss, gradient } = await evaluate(spec, wide, extremes, backend);
      expect(loss.every(Number.isFinite)).toBe(true);
      expect(gradient.every(Number.isFinite)).toBe(true);
    }
  });
});

describe.each(numeric)("numbers by head %s", (name) => {
  const spec = specs[name];
  const head = headOf(spec);
  const raw = randomRaw(6, head.width(spec), name);
  const answers = head.read(Float32Array.from(raw.flat()), raw.length, spec);
  const h = 0.002;
  const density = (row: number, v: number): number => Math.exp(answers.logDensity(row, v));

  it("starts from a distribution with the data's mean and a spread near theirs", () => {
    const bias = head.initialBias(spec);
    expect(bias).toHaveLength(head.width(spec));
    const { mean, std } = head.read(Float32Array.from(bias), 1, spec).moments(0);
    expect(Math.abs(mean)).toBeLessThan(name === "mixture" ? 1e-6 : 0.1);
    expect(std).toBeGreaterThan(0.5);
    expect(std).toBeLessThan(2);
  });

  it("convolves the target's error into its density", async () => {
    const targets = raw.map((_, i): Target => ({ value: -1.5 + 0.5 * i, sigma: 0.1 + 0.08 * i }));
    const { loss } = await evaluate(spec, raw, targets, "onnx");
    targets.forEach(({ value, sigma }, i) => {
      let convolved = 0;
      for (let y = value - 8 * sigma; y <= value + 8 * sigma; y += h) {
        convolved += (h * density(i, y) * normalDensity((value - y) / sigma)) / sigma;
      }
      expect(Math.abs(loss[i] + Math.log(convolved))).toBeLessThan(5e-3);
    });
  });

  it("counts an upper limit as the probability of lying below it, errors included", async () => {
    for (const sigma of [0, 0.4]) {
      const targets = raw.map((_, i): Target => ({ value: -1.5 + 0.7 * i, sigma, isUpperLimit: true }));
      const { loss } = await evaluate(spec, raw, targets, "onnx");
      targets.forEach(({ value }, i) => {
        let below = sigma === 0 ? answers.cdf(i, value) : 0;
        const end = sigma > 0 ? 8 : -Infinity;
        for (let y = -8; y <= end; y += h) below += h * density(i, y) * normalCdf((value - y) / sigma);
        expect(Math.abs(loss[i] + Math.log(below))).toBeLessThan(5e-3);
      });
    }
  });
});

describe("head mixture", () => {
  const spec = { head: "mixture", components: 1 } as const;
  const raw = [[0.3, 0.7, -0.4]];
  const sigma = Math.exp(-0.4);

  it.each([0, 0.5, 3])("of one component is the Gaussian, with error %d", async (error) => {
    const { loss } = await evaluate(spec, raw, [{ value: 1.9, sigma: error }], "onnx");
    const variance = sigma ** 2 + error ** 2;
    expect(loss[0]).toBeCloseTo((1.9 - 0.7) ** 2 / (2 * variance) + 0.5 * Math.log(variance) + HALF_LOG_2PI, 5);
  });

  it("of one component has Gaussian moments, cdf and quantiles", () => {
    const one = headOf(spec).read(Float32Array.from(raw[0]), 1, spec);
    expect(one.moments(0).mean).toBeCloseTo(0.7, 6);
    expect(one.moments(0).std).toBeCloseTo(sigma, 6);
    expect(one.cdf(0, 0.7 + sigma)).toBeCloseTo(normalCdf(1), 6);
    const quantiles = new Float64Array(3);
    one.quantiles(0, [0.1586552539, 0.5, 0.9772498681], quantiles);
    [-1, 0, 2].forEach((u, i) => expect((quantiles[i] - 0.7) / sigma).toBeCloseTo(u, 5));
  });

  it.each(["onnx", "plainJs"] as const)("learns from a limit 30 sigma below its answers (%s)", async (backend) => {
    const limit = { value: 0.7 - 30 * sigma, sigma: 0, isUpperLimit: true };
    const { loss, gradient } = await evaluate(spec, raw, [limit], backend);
    expect(loss[0] / -logNormalBetween(-Infinity, -30)).toBeCloseTo(1, 5);
    // d(-ln Phi(u)) / d mean = phi / Phi / sigma, about 30 / sigma
    expect((gradient[1] * sigma) / 30).toBeCloseTo(1, 2);
  });
});

describe.each([
  ["a line", undefined, 0],
  ["a logarithm", 1, 0.3],
  ["an asinh near zero", 0.1, 1.1],
  ["an asinh below zero", -0.6, 0.4],
] as const)("errors that are Gaussian in the unit of %s", (_name, tanh, rate) => {
  const spec = specs.mixture;
  const raw = randomRaw(6, headOf(spec).width(spec), "bent");
  const answers = headOf(spec).read(Float32Array.from(raw.flat()), raw.length, spec);
  const curve = { bend: tanh ?? 0, rate };
  const reach = (d: number): number =>
    rate === 0 ? d : (Math.sinh(rate * d) + curve.bend * (Math.cosh(rate * d) - 1)) / rate;

  it.each([0, 1e-3, 0.05, 0.3])("are convolved, %d of them", async (sigma) => {
    const targets = raw.map((_, i): Target => ({ value: -1.2 + 0.5 * i, sigma, curve }));
    const { loss } = await evaluate(spec, raw, targets, "onnx");
    const step = Math.max(sigma, 1e-3) / 100;
    targets.forEach(({ value }, i) => {
      let density = sigma === 0 ? Math.exp(answers.logDensity(i, value)) : 0;
      for (let d = -12 * sigma; d < 12 * sigma; d += step) {
        density += (step * Math.exp(answers.logDensity(i, value + d)) * normalDensity(reach(d) / sigma)) / sigma;
      }
      expect(Math.abs(loss[i] + Math.log(density))).toBeLessThan(sigma > 0.1 ? 0.015 : 1e-3);
    });
  });

  it.each(["onnx", "plainJs"] as const)("have the gradients that finite differences see (%s)", async (backend) => {
    const h = 1e-2;
    const lossOf = async (by: Partial<Target>, outputs = raw): Promise<Float32Array> => {
      const targets = outputs.map((_, i): Target => {
        return { value: -1.2 + 0.5 * i + (by.value ?? 0), sigma: 0.2 + (by.sigma ?? 0), curve };
      });
      return (await evaluate(spec, outputs, targets, backend)).loss;
    };
    const targets = raw.map((_, i): Target => ({ value: -1.2 + 0.5 * i, sigma: 0.2, curve }));
    const { gradient, byValue, bySigma } = await evaluate(spec, raw, targets, backend);
    const near = (found: ArrayLike<number>, up: Float32Array, down: Float32Array): void =>
      raw.forEach((_, i) => {
        const slope = (up[i] - down[i]) / (2 * h);
        expect(Math.abs(found[i] - slope)).toBeLessThan(0.04 + 0.05 * Math.abs(slope)); // three nodes
      });
    near(byValue, await lossOf({ value: h }), await lossOf({ value: -h }));
    near(bySigma, await lossOf({ sigma: h }), await lossOf({ sigma: -h }));
    for (let c = 0; c < raw[0].length; c++) {
      const moved = (by: number): number[][] => raw.map((row) => row.with(c, row[c] + by));
      const own = raw.map((_, i) => gradient[i * raw[0].length + c]);
      near(own, await lossOf({}, moved(h)), await lossOf({}, moved(-h)));
    }
  });

  it("stay finite at extreme targets", async () => {
    const extremes = [-1e3, -12, 0, 12, 1e3].flatMap((value) =>
      [0, 1e-3, 1e3].map((sigma): Target => ({ value, sigma, curve })),
    );
    for (const size of [0, 1, 20, 100]) {
      const wide = randomRaw(extremes.length, raw[0].length, "extreme").map((row) => row.map((x) => size * x));
      const { loss, gradient } = await evaluate(spec, wide, extremes, "onnx");
      expect(loss.every(Number.isFinite)).toBe(true);
      expect(gradient.every(Number.isFinite)).toBe(true);
    }
  });
});

describe("head histogram", () => {
  it("takes a target outside its grid as one in the bin at that end", async () => {
    const spec = specs.histogram;
    const raw = randomRaw(4, headOf(spec).width(spec), "outside");
    const far = [-50, 40, -4.2, 5].map((value): Target => ({ value, sigma: 0 }));
    const { loss } = await evaluate(spec, [raw[0], raw[0], raw[0], raw[0]], far, "onnx");
    expect(loss[0]).toBeCloseTo(loss[2], 5);
    expect(loss[1]).toBeCloseTo(loss[3], 5);
  });
});

describe("what a recipe says of answers", () => {
  const survey = surveyOfFields([
    ...toyFields,
    { id: 10, name: "TYPE", kind: "category", unit: "", description: "type", range: [0, 2], classes: ["a", "b", "c"] },
  ]);
  const catalog = toyCatalog(50);
  const { fields, absolute, ...rest } = fitStandardisation(catalog, allRows(catalog));
  const unit = { mean: 0, deviation: 1 };
  const standardisation = { ...rest, absolute: [...absolute], fields: [...fields, unit] };
  const vocabulary = coderOf({ survey, standardisation, grownAt: [] });

  it("puts mixtures of one size together, and grids and classes by themselves", () => {
    const families = familiesOf({ redshift: headChoiceSchema.parse({ head: "histogram", bins: 4 }) }, 3, vocabulary);
    expect(families.map(({ suffix }) => suffix)).toStrictEqual(["", ".histogram-z", ".category-TYPE"]);
    const [mixtures, grid, classes] = families;
    expect(mixtures.spec).toStrictEqual({ head: "mixture", components: 3 });
    expect(mixtures.readouts.map(({ name, members }) => [name, [...members]])).toStrictEqual([
      ["band", [0, 1, 2, 3, 4, 5]],
      ["property", [7, 8, 9]],
    ]);
    expect([...grid.members]).toStrictEqual([6]);
    expect(classes.spec).toStrictEqual({ head: "category", classes: 3 });
  });

  it("lays a grid evenly in the field's unit where its ends are told", () => {
    const choice = headChoiceSchema.parse({ head: "histogram", from: 0, to: 2, bins: 4 });
    const { spec } = familiesOf({ redshift: choice }, 3, vocabulary)[1];
    const edges = spec.head === "histogram" ? [...(spec.edges as number[])] : [];
    const redshifts = edges.map((v) => vocabulary.decode(6, v, 0));
    [0, 0.5, 1, 1.5, 2].forEach((z, i) => expect(redshifts[i]).toBeCloseTo(z, 9));
  });

  it.each([{ head: "gauss" }, { head: "mixture", components: 0 }, { head: "histogram", bin: 3 }, { head: "category" }])(
    "refuses %j",
    (choice) => {
      expect(headChoiceSchema.safeParse(choice).success).toBe(false);
    },
  );
});

describe("ln Phi", () => {
  const x = Float32Array.of(-1e4, -300, -40, -6, -1.5, -1e-3, 0, 1e-3, 0.7, 3, 8, 50);

  it.each(["onnx", "plainJs"] as const)("and its derivative are right in both tails (%s)", async (backend) => {
    const compiled = await (
      await isCompiled[backend]
    ).compile((inputs) => ({ y: logNdtr(inputs.x), slope: tf.grad((t: tf.Tensor) => tf.sum(logNdtr(t)))(inputs.x) }), {
      x: { dtype: "float32", shape: [x.length] },
    });
    const { y, slope } = await compiled.run({ x: { dtype: "float32", shape: [x.length], data: x } });
    await compiled.dispose();
    x.forEach((v, i) => {
      const exact = logNormalBetween(-Infinity, v);
      expect(Math.abs(y.data[i] - exact)).toBeLessThan(1e-6 + 2e-6 * Math.abs(exact));
      const ratio = Math.exp(-0.5 * v * v - HALF_LOG_2PI - exact);
      expect(Math.abs(slope.data[i] - ratio)).toBeLessThan(1e-6 + 1e-5 * ratio);
    });
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
