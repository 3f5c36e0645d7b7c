import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evaluate } from "../../src/inference/evaluation.ts";
import { createPredictor, type Predictor } from "../../src/inference/predict.ts";
import type { Column } from "../../src/io/table.ts";
import { loadRecipe } from "../../src/recipe.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { State } from "../../src/survey/field.ts";
import { largestError } from "../../src/survey/information.ts";
import { toCatalog } from "../../src/survey/read.ts";
import { catalogFromValues } from "../../src/survey/values.ts";
import { readLog } from "../../src/train/run.ts";
import { pretrain } from "../../src/train/verbs.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { surveyOfFields, toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const survey = surveyOfFields(toyFields);
const bands = toyFields.slice(0, toyBands);
const largest = largestError(toyFields[0]);

/** Bands of one galaxy, and what its first one is in each row. */
function read(first: readonly (readonly [value: number, error: number])[]): Catalog {
  const float = (name: string, data: readonly number[]): Column => ({
    name,
    type: "float64",
    width: 1,
    data: Float64Array.from(data),
    unit: "1e-19 erg/s/cm2/A",
  });
  const columns = bands.flatMap(({ name }, j) => [
    float(
      name,
      first.map(([value]) => (j === 0 ? value : 40 + j)),
    ),
    float(
      `${name}_err`,
      first.map(([, error]) => (j === 0 ? error : 4)),
    ),
  ]);
  return toCatalog({ rowCount: first.length, columns, metadata: {} }, survey).catalog;
}

describe("a value that says nothing", () => {
  let predictor: Predictor;
  beforeAll(async () => {
    predictor = createPredictor(await onnx, perturb(startCheckpoint(toyCatalog(200)), 0.1));
  });
  afterAll(() => predictor.dispose());

  it("is answered as if it weren't there, to 1e-3 of the answer's sigma; one that says something isn't", async () => {
    const catalog = read([
      [NaN, NaN],
      [0, 1.01 * largest],
      [-2 * largest, 1.01 * largest],
      [0, 1e6],
      [0, 1e30],
      [-3e9, 2e39],
      [40, 4],
      [4 * largest, 1.01 * largest],
    ]);
    const answers = await predictor.ask(catalog, { given: "bands", want: "z,MASS,DUST,LINE" });
    for (const { std, median } of Object.values(answers)) {
      const sigma = std[0];
      const shift = (row: number): number => Math.abs(median[row] - median[0]) / sigma;
      for (const row of [1, 2, 3, 4, 5]) expect(shift(row)).toBeLessThan(1e-3);
      for (const row of [6, 7]) expect(shift(row)).toBeGreaterThan(1e-3);
    }
  });

  it("is the same from the command line", () => {
    const { state, error } = catalogFromValues(["N1=0+-1e30", "N2=40+-4", "MASS=10+-50", "z=0.3"], survey);
    expect([...state].slice(0, 2)).toEqual([State.notObserved, State.measured]);
    expect([error[0], state[7], state[6]]).toEqual([0, State.notObserved, State.measured]);
  });
});

describe("tables of errors without bounds", () => {
  const folder = scratch();
  const table = join(folder, "wild.csv");
  const yaml = join(folder, "toy.yaml");
  const catalog = toyCatalog(240);
  const wild = [1e5, 1e12, 1e30, 1e38, 1e300];
  const n = toyFields.length;
  const lines = Array.from({ length: catalog.rowCount }, (_, row) => {
    const cells = toyFields.flatMap((_field, j): (string | number)[] => {
      const at = row * n + j;
      if (catalog.state[at] === State.notObserved) return ["", ""];
      const isWild = (row + j) % 5 === 0;
      return [catalog.value[at], isWild ? wild[(row + 2 * j) % wild.length] : catalog.error[at] || 0.05];
    });
    return [`g${row}`, ...cells].join(",");
  });
  writeFileSync(
    table,
    [["object_id", ...toyFields.flatMap(({ name }) => [name, `${name}_err`])].join(","), ...lines].join("\n"),
  );
  writeFileSync(yaml, JSON.stringify(survey.file));

  it("train and evaluate to finite numbers", async () => {
    const settings = [
      "training.steps=4",
      "training.batch=16",
      "training.validateEvery=2",
      "training.checkpointEvery=4",
    ];
    const recipe = { ...loadRecipe("quickstart", [...settings, "model.dModel=32"]), survey: yaml };
    const reading = { units: [{ column: "*", unit: "survey" }] };
    const run = join(folder, "run");
    const engine = await onnx;
    await pretrain({ engine, data: [table], reading, recipe, out: run });
    const log = readLog(run);
    expect(log.length).toBeGreaterThan(0);
    for (const { loss, validation } of log) expect([loss, validation].every(Number.isFinite)).toBe(true);
    const out = join(folder, "scores");
    await evaluate({ engine, checkpoint: run, table, reading, part: "all", out, methods: [], headline: ["z"] });
    const metrics = readFileSync(join(out, "metrics.json"), "utf8");
    expect(metrics).toContain('"crps"');
    expect(metrics).not.toMatch(/: (?:null|NaN)/);
  }, 120_000);
});
