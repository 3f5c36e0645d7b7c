import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPrior } from "../../src/inference/prior.ts";
import { type PriorPredictor, priorShares, withPrior } from "../../src/inference/prior-swap.ts";
import { drawJoint } from "../../src/inference/sampling.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { exactPredictor } from "../helpers/exact.ts";
import { condition, createWorld, sampleWorld, scaleOf } from "../helpers/gaussian.ts";
import { scratch } from "../helpers/scratch.ts";
import { surveyOfFields } from "../helpers/toy.ts";

const root = scratch();
const world = createWorld();
const n = world.fields.length;
const { catalog, observed, noise } = sampleWorld(world, 12, createRng("prior"));
const exact = exactPredictor(world, catalog, noise);
const reader = { survey: surveyOfFields(world.fields) };
const [Z, MASS, AGE] = [2, 3, 4];
const all = new Uint8Array(n).fill(1);
const bands = Uint8Array.from(world.fields, ({ band }) => Number(band !== undefined));

const write = (name: string, text: string): string => {
  const path = join(root, name);
  writeFileSync(path, text);
  return path;
};

/** A Gaussian in g as a table of n(z), dense enough for straight lines. */
function gaussianTable(mean: number, sigma: number): string {
  const scale = scaleOf(world, Z);
  const lines = Array.from({ length: 4000 }, (_, i) => -5 + i / 400).map((g) => {
    return `${scale.toUnit(g)},${Math.exp(-0.5 * ((g - mean) / sigma) ** 2) / scale.slope(g)}`;
  });
  return write(`${mean}-${sigma}.csv`, `z,n\n${lines.join("\n")}\n`);
}

/** g of z, and of another field, of row `row` given bands, under a prior N(m, s^2) of g_z in place of N(0, 1). */
function closedForm(
  row: number,
  other: number,
  m: number,
  s: number,
): { mean: number[]; std: number[]; covariance: number } {
  const value = (j: number): number => observed[row * n + j];
  const error = (j: number): number => noise[row * n + j];
  const { mean, covariance: c } = condition(world, [0, 1], [Z, other], value, error);
  const precision = 1 / c[0][0] + 1 / s ** 2 - 1;
  const centre = (mean[0] / c[0][0] + m / s ** 2) / precision;
  const slope = c[1][0] / c[0][0];
  return {
    mean: [centre, mean[1] + slope * (centre - mean[0])],
    std: [Math.sqrt(1 / precision), Math.sqrt(c[1][1] - slope * c[1][0] + slope ** 2 / precision)],
    covariance: slope / precision,
  };
}

/** Mean and deviation of an encoded answer, in g. */
function inG({ encoded }: Awaited<ReturnType<PriorPredictor["predict"]>>, w: number, row: number, j: number): number[] {
  const at = (g: number): number => exact.coder.encode(j, scaleOf(world, j).toUnit(g), 0);
  const { mean, std } = encoded[w].moments(row);
  return [(mean - at(0)) / (at(1) - at(0)), std / (at(1) - at(0))];
}

describe("another prior of z, where answers are exact", () => {
  it.each([
    [0.5, 0.4],
    [-0.7, 0.6],
    [0, 1],
    [1, 0.8],
  ])("N(%d, %d^2): z and what hangs on it are as in closed form, to 2 %% of their widths", async (m, s) => {
    const swapped = await withPrior(exact, await readPrior(gaussianTable(m, s), reader));
    const answers = await swapped.predict(catalog, allRows(catalog), bands, [MASS, Z, AGE]);
    for (const row of allRows(catalog)) {
      for (const [w, other] of [[0, MASS] as const, [2, AGE] as const]) {
        const { mean, std } = closedForm(row, other, m, s);
        const [z, x] = [inG(answers, 1, row, Z), inG(answers, w, row, other)];
        expect(Math.abs(z[0] - mean[0])).toBeLessThan(0.02 * std[0]);
        expect(Math.abs(z[1] / std[0] - 1)).toBeLessThan(0.02);
        expect(Math.abs(x[0] - mean[1])).toBeLessThan(0.02 * std[1]);
        expect(Math.abs(x[1] / std[1] - 1)).toBeLessThan(0.02);
      }
    }
  });

  it("joint draws follow it, wanted or not, and keep what fields have to do with each other", async () => {
    const [m, s, draws] = [0.5, 0.4, 1000];
    const swapped = await withPrior(exact, await readPrior(gaussianTable(m, s), reader));
    const both = await drawJoint(swapped, catalog, { given: "bands", want: "mass,z", draws });
    const alone = await drawJoint(swapped, catalog, { given: "bands", want: "mass", draws });
    for (const row of [0, 5, 9]) {
      const { mean, std, covariance } = closedForm(row, MASS, m, s);
      const g = (of: Float64Array, j: number): number[] =>
        [...of.subarray(row * draws, (row + 1) * draws)].map((x) => scaleOf(world, j).fromUnit(x));
      const average = (values: number[]): number => values.reduce((sum, x) => sum + x, 0) / draws;
      const [z, mass] = [g(both.z, Z), g(both.mass, MASS)];
      expect(Math.abs(average(z) - mean[0])).toBeLessThan(0.12 * std[0]);
      expect(Math.abs(average(mass) - mean[1])).toBeLessThan(0.12 * std[1]);
      expect(Math.abs(average(g(alone.mass, MASS)) - mean[1])).toBeLessThan(0.12 * std[1]);
      const product = average(z.map((x, i) => (x - mean[0]) * (mass[i] - mean[1])));
      expect(Math.abs(product - covariance)).toBeLessThan(0.12 * std[0] * std[1]);
    }
  });

  it("the training set's own changes nothing, and rests on all of it", async () => {
    const swapped = await withPrior(exact, await readPrior(gaussianTable(0, 1), reader));
    const answers = await swapped.predict(catalog, allRows(catalog), bands, [Z]);
    expect(Math.min(...priorShares(answers))).toBeGreaterThan(0.9998);
    expect(swapped.lines).toHaveLength(1);
  });

  it("a field that has the prior is never given", async () => {
    const swapped = await withPrior(exact, await readPrior("flat", reader));
    const some = await swapped.predict(catalog, allRows(catalog), all, [0, 1, 3, 4, 5, 6]);
    const none = await swapped.predict(catalog, allRows(catalog), new Uint8Array(n), [0, 1, 3, 4, 5, 6]);
    expect(some.encoded[2].moments(3).mean).toBe(none.encoded[2].moments(3).mean);
  });

  it("is told where it asks for what training does not have; galaxies say how much of their answer is left", async () => {
    const toUnit = (g: number): number => scaleOf(world, Z).toUnit(g);
    const half = write("half.csv", `z_low,z_high,n\n${toUnit(-3)},${toUnit(0)},1\n${toUnit(0)},${toUnit(8)},1\n`);
    const swapped = await withPrior(exact, await readPrior(half, reader));
    expect(swapped.lines[1]).toMatch(/^3\d % of the prior is outside z .*: not to be relied on there$/);
    const rare = await withPrior(exact, await readPrior(gaussianTable(3, 0.1), reader));
    expect(rare.lines.at(-1)).toMatch(/^the prior asks for what is rare in training: it rests on 0\.\d % of it$/);
    const narrow = write("narrow.csv", `z,n\n${toUnit(3.5)},1\n${toUnit(3.6)},1\n`);
    const shares = priorShares(
      await (await withPrior(exact, await readPrior(narrow, reader))).predict(catalog, allRows(catalog), all, [Z]),
    );
    expect(Math.max(...shares)).toBeLessThan(0.1);
    const far = write("far.csv", "z,n\n50,1\n60,1\n");
    await expect(withPrior(exact, await readPrior(far, reader))).rejects.toThrow("0 wherever there is training data");
  });
});

describe("a prior", () => {
  const survey = { survey: loadSurvey("minijpas") };
  const at = async (text: string, x: number): Promise<number> => (await readPrior(text, survey)).density!(x);

  it("is points with straight lines between, in any table", async () => {
    const path = write("points.csv", "Z,n,n_err\n0.1,0,1\n0.3,4,1\n0.5,2,1\n");
    const values = await Promise.all([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.51].map((x) => at(path, x)));
    [0, 0, 2, 4, 3, 2, 0].forEach((expected, i) => expect(values[i]).toBeCloseTo(expected, 12));
  });

  it("is counts in bins, whatever their widths", async () => {
    const path = write("bins.csv", "LOGM_low,LOGM_high,n\n8,9,10\n9,11,10\n");
    expect(await Promise.all([7, 8.5, 10, 11, 11.1].map((x) => at(`LOGM=${path}`, x)))).toEqual([0, 10, 5, 5, 0]);
  });

  it("is a table of galaxies, by their prior_weight", async () => {
    const rng = createRng("galaxies");
    const rows = Array.from({ length: 4000 }, () => `${0.1 + 0.8 * rng.uniform()}`);
    const weights = rows.map((row) => (Number(row) < 0.5 ? 3 : 1));
    const text = (own: readonly string[]): string => `object_id,z,prior_weight\n${own.join("\n")}\n`;
    const path = write("galaxies.csv", text(rows.map((row, i) => `${i},${row},${weights[i]}`)));
    const ratio = (await at(path, 0.3)) / (await at(path, 0.7));
    expect(ratio).toBeGreaterThan(2.2);
    expect(ratio).toBeLessThan(4);
  });

  it.each([
    ["LOGN=flat", 'unknown field "LOGN" (did you mean "LOGM"?)'],
    ["CLASS=flat", "CLASS is no property with a density"],
    ["rSDSS=flat", "rSDSS is no property with a density"],
    ["nowhere.csv", "nowhere.csv: cannot be read: no such file"],
    [write("falls.csv", "z,n\n0.3,1\n0.2,1\n"), "row 2 of z, 0.2: expected numbers that increase"],
    [write("negative.csv", "z,n\n0.3,1\n0.4,-1\n"), "row 2 of n, -1: expected 0 or more"],
    [write("zero.csv", "z,n\n0.3,0\n0.4,0\n"), "n is 0 everywhere"],
    [write("gap.csv", "z_low,z_high,n\n0,1,1\n1.5,2,1\n"), "row 2 of z_low, 1.5: expected where the bin before ends"],
    [write("other.csv", "redshift_bin,n\n0,1\n1,1\n"), "expected columns z and n"],
  ])("%s is refused in one line", async (text, why) => {
    await expect(readPrior(text, survey)).rejects.toThrow(why);
  });
});
