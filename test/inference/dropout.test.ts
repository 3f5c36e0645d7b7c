import { describe, expect, it } from "vitest";
import { askDropped, checkDropout, dropoutColumns, valuesOf } from "../../src/inference/dropout.ts";
import { crpsOfSample, scoreDropout } from "../../src/inference/dropout-scores.ts";
import { predictTruths } from "../../src/inference/evaluate.ts";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { modelSchema } from "../../src/model/transformer.ts";
import { normalCdf } from "../../src/model/normal.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { onnx, perturb, startCheckpoint, tinyModel } from "../helpers/network.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const catalog = toyCatalog(300, "asked");
const n = toyFields.length;
const bands = Uint8Array.from(toyFields, ({ band }) => (band === undefined ? 0 : 1));
const [Z, MASS] = [toyBands, toyBands + 1];

const networkOf = async (dropout?: number): Promise<Predictor> => {
  const model = modelSchema.parse({ ...tinyModel, ...(dropout === undefined ? {} : { dropout }) });
  return createPredictor(await onnx, perturb(startCheckpoint(toyCatalog(200), { model })));
};

/** A network whose draws are Gaussians N(truth + error + spread x, sigma), x standard normal: encoded space is that of MASS. */
function madeUp(predictor: Predictor, sigma: number, spread: number, error: (row: number) => number): Predictor {
  const answer = (rows: ArrayLike<number>, off: (i: number) => number) => {
    const own = Float64Array.from(
      rows,
      (row, i) => predictor.coder.encode(MASS, catalog.value[row * n + MASS], 0) + error(row) + off(i),
    );
    const count = rows.length;
    const [weight, width] = [new Float64Array(count).fill(1), new Float64Array(count).fill(sigma)];
    return mixtureDistribution({ rowCount: count, componentCount: 1, stride: 1, weight, mean: own, sigma: width });
  };
  return {
    ...predictor,
    predict: async (of, rows, isGiven, wanted) => ({
      rowCount: rows.length,
      wanted,
      scales: new Float64Array(rows.length),
      encoded: wanted.map(() => answer(rows, () => 0)),
      asked: {
        catalog: of,
        rows,
        isGiven,
        wanted,
        states: { rowCount: rows.length, state: new Float32Array(0), scales: new Float64Array(rows.length) },
      },
    }),
    dropped: async ({ rows, wanted }, rngOf) => wanted.map(() => answer(rows, (i) => spread * rngOf(i).normal())),
  };
}

describe("Monte Carlo dropout", () => {
  it("is refused of a network that learned without, in one line", async () => {
    expect(() => checkDropout({}, 50)).toThrow(
      /^--mc-dropout 50: the network was trained without dropout; expected one/,
    );
    expect(() => checkDropout({ dropped: () => Promise.resolve([]) }, 1)).toThrow(/^--mc-dropout 1: expected a whole/);
    const plain = await networkOf();
    expect(plain.dropped).toBeUndefined();
    expect((await networkOf(0)).dropped).toBeUndefined();
    await plain.dispose();
  });

  it("draws masks by seed, draw and id: a galaxy's answers hang on nothing else, and plain ones drop nothing", async () => {
    const predictor = await networkOf(0.5);
    const plain = await networkOf();
    const rows = allRows(catalog);
    const [own, other] = await Promise.all([predictor, plain].map((one) => one.predict(catalog, rows, bands, [Z])));
    expect(own.encoded[0].moments(7)).toEqual(other.encoded[0].moments(7));
    const ask = async (some: ArrayLike<number>, seed = "1") => {
      const options = { draws: 4, seed };
      const columns = await dropoutColumns(
        predictor,
        { catalog, rows: some, isGiven: bands, wanted: [Z, MASS] },
        new Float64Array(some.length),
        options,
      );
      return columns.find(({ name }) => name === "z_mc_points")!.data as Float32Array;
    };
    const all = await ask(rows);
    expect(new Set(all.subarray(0, 4)).size).toBe(4);
    expect((await ask([270, 3])).subarray(4)).toStrictEqual(all.slice(12, 16));
    expect((await ask([270])).subarray(0, 4)).toStrictEqual(all.slice(4 * 270, 4 * 271));
    expect(await ask([3], "2")).not.toStrictEqual(all.slice(12, 16));
    await predictor.dispose();
    await plain.dispose();
  });

  it("tells the draws' medians and the mixture of their answers", async () => {
    const predictor = madeUp(await networkOf(0.5), 0.3, 0.4, () => 0);
    const question = { catalog, rows: [5], isGiven: bands, wanted: [MASS] };
    const draws = 400;
    const parts = [];
    for await (const part of askDropped(predictor, question, { draws, seed: "1" }, (_w, encoded) => encoded))
      parts.push(part);
    const [{ points, mixture }] = parts[0].fields;
    const centre = predictor.coder.encode(MASS, catalog.value[5 * n + MASS], 0);
    const spread = Math.sqrt(points.reduce((sum, x) => sum + (x - centre) ** 2, 0) / draws);
    expect(Math.abs(spread - 0.4)).toBeLessThan((5 * 0.4) / Math.sqrt(2 * draws));
    // the mixture is N(centre, 0.5): shares below are those of the Gaussian, to what 400 draws scatter
    for (const x of [-0.5, 0, 0.5]) {
      const below = valuesOf(mixture, 0, mixture.length).filter((value) => value < centre + x).length / mixture.length;
      expect(Math.abs(below - normalCdf(x / 0.5))).toBeLessThan(0.06);
    }
    const columns = await dropoutColumns(predictor, question, new Float64Array(1), { draws: 16, seed: "1" });
    expect(columns.map(({ name }) => name)).toEqual(
      ["mc_mean", "mc_std", "mc_q16", "mc_q84", "mixture_q16", "mixture_median", "mixture_q84", "mc_points"].map(
        (name) => `MASS_${name}`,
      ),
    );
  });

  it("has its coverage beside the head's: draws that scatter less than answers err cover too little", async () => {
    const rng = createRng("errors");
    const errors = Float64Array.from({ length: catalog.rowCount }, () => 0.5 * rng.normal());
    // truths have no error of their own here
    const exact = { ...catalog, error: new Float32Array(catalog.error.length) };
    const base = await networkOf(0.5);
    const predictor = madeUp(base, 0.5, 0.1, (row) => errors[row]);
    const rows = allRows(exact);
    const question = { title: "bands", isGiven: bands, wanted: [MASS] };
    const network = await predictTruths(predictor, exact, rows, question);
    const answers = await predictor.predict(exact, rows, bands, [MASS]);
    const { fields, draws } = await scoreDropout(predictor, answers, network, Int32Array.from(rows), {
      draws: 50,
      seed: "1",
    });
    const { head, points, mixture } = fields.MASS;
    expect(draws).toBe(50);
    const truths = network.get("MASS")!.rows.length;
    const error = 4 * Math.sqrt((0.68 * 0.32) / truths);
    expect(Math.abs(head.coverage68!.value - 0.68)).toBeLessThan(error);
    // sigma of the mixture: hypot(0.5, 0.1)
    expect(Math.abs(mixture.coverage68!.value - 0.69)).toBeLessThan(error);
    // P(|error| < 0.1) of N(0, 0.5)
    expect(Math.abs(points.coverage68!.value - (2 * normalCdf(0.2) - 1))).toBeLessThan(error);
    expect(points.width!.value / head.width!.value).toBeCloseTo(0.2, 1);
    expect(points.coverage90!.low).toBeLessThan(points.coverage90!.high);
    await base.dispose();
  });

  it("scores a sample as the double sum does", () => {
    const values = [0.3, -1, 2, 2, 0.7].sort((a, b) => a - b);
    const mean = (of: number[]): number => of.reduce((sum, x) => sum + x, 0) / of.length;
    for (const truth of [-3, 0.5, 2]) {
      const exact =
        mean(values.map((x) => Math.abs(x - truth))) -
        0.5 * mean(values.flatMap((a) => values.map((b) => Math.abs(a - b))));
      expect(crpsOfSample(values, truth)).toBeCloseTo(exact, 12);
    }
  });
});
