import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fieldDistribution } from "../../src/inference/field-answer.ts";
import { createLibrary, type Library } from "../../src/inference/library.ts";
import { createLibraryPredictor, type LibraryAnswers } from "../../src/inference/library-predictor.ts";
import type { Prior } from "../../src/inference/prior.ts";
import { createRng } from "../../src/random.ts";
import { allRows, type Catalog, emptyCatalog } from "../../src/survey/catalog.ts";
import { type Field, State } from "../../src/survey/field.ts";
import { createFieldCoder, fitStandardisation } from "../../src/tokens/standardise.ts";
import { onnx } from "../helpers/network.ts";
import { surveyOfFields, toyFields } from "../helpers/toy.ts";

/** A linear world: a hidden shape g ~ N(0, 1); every band is 100 (1 + slope g), seen with errors of 10. */
const slopes = [0.1, -0.05, 0.08, 0.02, -0.1, 0.04];
const [LEVEL, SIGMA, SHAPE] = [100, 10, 6];
const fields: readonly Field[] = [
  ...toyFields.slice(0, SHAPE),
  { id: 6, name: "SHAPE", kind: "linear", unit: "", description: "g", range: [-10, 10] },
];
const n = fields.length;
const given = [0, 2, 4];

function sample(rowCount: number, seed: string, sigma: number): Catalog {
  const rng = createRng(seed);
  const catalog = emptyCatalog(fields, rowCount);
  for (let row = 0; row < rowCount; row++) {
    const g = rng.normal();
    slopes.forEach((slope, j) => {
      catalog.value[row * n + j] = LEVEL * (1 + slope * g) + sigma * rng.normal();
      catalog.error[row * n + j] = sigma;
    });
    catalog.value[row * n + SHAPE] = g;
    (catalog.objectId as string[])[row] = (catalog.parentId as string[])[row] = `${seed}-${row}`;
  }
  catalog.state.fill(State.measured);
  return catalog;
}

/** Mean and deviation of g given bands, its prior being N(m, s^2). */
function closedForm(row: number, { value }: Catalog, m: number, s: number): [number, number] {
  let [precision, sum] = [1 / s ** 2, m / s ** 2];
  for (const j of given) {
    const per = LEVEL * slopes[j];
    precision += (per / SIGMA) ** 2;
    sum += (per * (value[row * n + j] - LEVEL)) / SIGMA ** 2;
  }
  return [sum / precision, precision ** -0.5];
}

const clean = sample(20_000, "library", 0);
const coder = createFieldCoder(fields, fitStandardisation(clean, allRows(clean)));
const seen = sample(12, "prior", SIGMA);
let library: Library;
beforeAll(async () => {
  library = await createLibrary("clean", [clean], { survey: { ...surveyOfFields(fields), fields } });
});
afterAll(() => library.close());

async function ask(prior?: Prior): Promise<LibraryAnswers> {
  const predictor = createLibraryPredictor(await onnx, library, coder, { amplitude: "absolute", prior });
  const flags = Uint8Array.from(fields, (_, j) => Number(given.includes(j) || j === SHAPE));
  try {
    return await predictor.predict(seen, allRows(seen), flags, [SHAPE]);
  } finally {
    await predictor.dispose();
  }
}

describe("another prior of a library's field", () => {
  it.each([
    [0.5, 0.5],
    [-0.8, 0.7],
  ])("N(%d, %d^2) in place of N(0, 1): as in closed form within the library's sampling error", async (m, s) => {
    const density = (g: number): number => Math.exp(-0.5 * ((g - m) / s) ** 2);
    const answers = await ask({ field: SHAPE, text: "SHAPE=shape.csv", density });
    for (const row of allRows(seen)) {
      const [mean, deviation] = closedForm(row, seen, m, s);
      const own = fieldDistribution(coder, answers, 0).moments(row);
      const size = answers.posteriors[row].effectiveSize;
      expect(Math.abs(own.mean - mean)).toBeLessThan((4 / Math.sqrt(size) + 0.05) * deviation);
      expect(Math.abs(own.std / deviation - 1)).toBeLessThan(4 / Math.sqrt(2 * size) + 0.15);
    }
  });

  it("one that rules everything out leaves the answer, and says sparse", async () => {
    const nowhere = { field: SHAPE, text: "SHAPE=far.csv", density: (g: number): number => Number(g > 50) };
    const [ruled, plain] = [(await ask(nowhere)).posteriors[1], (await ask()).posteriors[1]];
    expect([ruled.isSparse, plain.isSparse]).toEqual([true, false]);
    expect(ruled.weight).toEqual(plain.weight);
  });

  it("the network's populations are refused", async () => {
    await expect(ask({ field: SHAPE, text: "SHAPE=natural", ratio: () => 1 })).rejects.toThrow(
      "--prior SHAPE=natural: a population of the network's; expected flat or a table with --method library",
    );
  });
});
