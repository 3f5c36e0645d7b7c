import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Catalog,
  type Checkpoint,
  createPredictor,
  evaluate,
  type FieldAnswer,
  loadRecipe,
  loadSurvey,
  openTable,
  pretrain,
  query,
  readAll,
  readWholeCatalog,
  type Reporter,
  State,
} from "../../src/index.ts";
import { classOf, filled, type } from "../helpers/kinds.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

/** Classes and a histogram of redshifts, from a text file to a table of answers. */

const root = scratch();
const engine = await onnx;
afterAll(() => rmSync(root, { recursive: true, force: true }));

const classes = type.kind === "category" ? type.classes : [];
/** Ways to write a class; the third is none. */
const spellings = [(name: string) => name, (name: string) => ` ${name.toUpperCase()}`, () => "", () => "mauve"];
const fields = [...toyFields, { ...type, id: toyFields.length }];
const reading = { units: [{ column: "*", unit: "survey" }] };

/** What the text file says of row `row`'s class: every tenth row has none, every 50th one that is unknown. */
const spelling = (row: number): ((name: string) => string) =>
  spellings[row % 50 === 7 ? 3 : row % 10 === 4 ? 2 : row % 2];

function writeCsv(name: string, catalog: Catalog): string {
  const n = catalog.fields.length;
  const head = catalog.fields.flatMap(({ name: own, kind }) =>
    kind === "category" ? [own] : [own, `${own}_err`, `${own}_state`],
  );
  const lines = Array.from({ length: catalog.rowCount }, (_, row) => [
    catalog.objectId[row],
    ...catalog.fields.flatMap(({ kind }, j) => {
      const at = row * n + j;
      const state = catalog.state[at];
      if (kind === "category") return [state === 0 ? "" : spelling(row)(classes[catalog.value[at]])];
      return state === 0 ? ["", "", 0] : [catalog.value[at], catalog.error[at], state];
    }),
  ]);
  const path = join(root, name);
  writeFileSync(path, [["object_id", ...head], ...lines].map((line) => `${line.join()}\n`).join(""));
  return path;
}

let survey: string;
let checkpoint: Checkpoint;
let unseen: Catalog;
let table: string;
const lines: string[] = [];
const reporter: Reporter = {
  say: (line) => void lines.push(line),
  bar: () => ({ update: () => {}, stop: () => {} }),
};

beforeAll(async () => {
  survey = join(root, "toy.yaml");
  const { extends: _extends, ...file } = surveyOfFields(fields).file;
  writeFileSync(survey, JSON.stringify(file));
  const sizes = ["nLatent=2", "dModel=16", "nLayer=1", "nHead=2", "nHidden=16", "dQuery=8", "nComponent=2"];
  const recipe = loadRecipe("quickstart", [
    `survey=${survey}`,
    ...sizes.map((size) => `model.${size}`),
    "model.heads={ redshift: { head: histogram, from: 0, to: 2, bins: 50 } }",
    "training.steps=500",
    "training.batch=64",
    "optimiser.rate=0.01",
  ]);
  const data = [writeCsv("train.csv", filled(toyCatalog(2000, "seen"), fields))];
  checkpoint = await pretrain({ engine, data, reading, recipe, out: join(root, "run"), reporter });
  table = writeCsv("unseen.csv", filled(toyCatalog(600, "unseen"), fields));
  ({ catalog: unseen } = await readWholeCatalog(table, loadSurvey(survey), reading));
}, 120_000);

const place = (name: string): number => fields.findIndex((field) => field.name === name);
const measured = (name: string): number[] =>
  Array.from({ length: unseen.rowCount }, (_, row) => row).filter(
    (row) => unseen.state[row * fields.length + place(name)] === State.measured,
  );
const truth = (name: string, row: number): number => unseen.value[row * fields.length + place(name)];

async function ask(given: string, want: string): Promise<Readonly<Record<string, FieldAnswer>>> {
  const predictor = createPredictor(engine, checkpoint);
  try {
    return await predictor.ask(unseen, { given, want });
  } finally {
    await predictor.dispose();
  }
}

describe("classes in a table", () => {
  it("are read from their names, however spelt; none and unknown ones are not observed, the latter counted", () => {
    const mass = toyCatalog(600, "unseen");
    const n = toyFields.length;
    for (let row = 0; row < 600; row++) {
      const isKnown = mass.state[row * n + 7] === State.measured && row % 50 !== 7 && row % 10 !== 4;
      expect(unseen.state[row * fields.length + place("TYPE")]).toBe(isKnown ? State.measured : State.notObserved);
      if (isKnown) expect(truth("TYPE", row)).toBe(classOf(mass.value[row * n + 7]));
    }
    expect(lines.join("\n")).toMatch(/unknown class "mauve"/);
  });
});

describe("answers for classes", () => {
  it("are probabilities that beat the shares of the classes", async () => {
    const { TYPE } = await ask("bands", "TYPE");
    const rows = measured("TYPE");
    const shares = classes.map((_, k) => rows.filter((row) => truth("TYPE", row) === k).length / rows.length);
    expect(Math.min(...shares)).toBeGreaterThan(0.15);
    const chance = -shares.reduce((sum, p) => sum + p * Math.log(p), 0);
    const surprise = -rows.reduce((sum, row) => sum + TYPE.logDensity(row, truth("TYPE", row)), 0) / rows.length;
    expect(surprise).toBeLessThan(0.8 * chance);
    const p = classes.map((name) => TYPE.probability(name));
    for (let row = 0; row < unseen.rowCount; row++) {
      const own = p.map((column) => column[row]);
      expect(own.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
      expect(TYPE.mode[row]).toBe(own.indexOf(Math.max(...own)));
    }
    // calibrated: the mean probability of a class is its share
    classes.forEach((_, k) => {
      const mean = rows.reduce((sum, row) => sum + p[k][row], 0) / rows.length;
      expect(Math.abs(mean - shares[k])).toBeLessThan(0.1);
    });
    expect(() => TYPE.probability("mauve")).toThrow('TYPE: no class "mauve", expected one of blue, green, red');
  });

  it("and what is known from a class", async () => {
    const medians: number[] = [];
    for (const name of ["blue", "red"]) {
      const values = [`TYPE=${name}`];
      const onAnswers = ({ columns }: { columns: readonly { name: string; data: unknown }[] }): void =>
        void medians.push((columns.find((column) => column.name === "MASS_median")!.data as Float32Array)[0]);
      await query({ engine, checkpoint: join(root, "run"), values, want: "MASS", onAnswers });
    }
    expect(medians[1] - medians[0]).toBeGreaterThan(0.8);
  });
});

describe("a histogram of redshifts", () => {
  it("lies on its grid, and has the spread of the truths where nothing tells them", async () => {
    const { z } = await ask("bands", "z");
    const rows = measured("z");
    for (const row of rows.slice(0, 50)) {
      expect([z.cdf(row, 0), z.cdf(row, 2)]).toStrictEqual([0, expect.closeTo(1, 6)]);
      expect([z.logDensity(row, -0.01), z.logDensity(row, 2.01)]).toStrictEqual([-Infinity, -Infinity]);
      // flat in 1 / (1 + z) within a bin of 0.04
      expect(z.logDensity(row, 0.205) - z.logDensity(row, 0.235)).toBeCloseTo(Math.log(1.235 / 1.205), 5);
      expect(Math.abs(z.logDensity(row, 0.235) - z.logDensity(row, 0.245))).toBeGreaterThan(1e-4);
    }
    const below = (level: number): number => {
      const at = z.quantile(level);
      return rows.filter((row) => truth("z", row) < at[row]).length / rows.length;
    };
    for (const level of [0.16, 0.5, 0.84]) expect(Math.abs(below(level) - level)).toBeLessThan(0.1);
  });
});

describe("a table of answers", () => {
  it("has a column for each class, the likeliest one, and joint draws of class indices and redshifts", async () => {
    const out = join(root, "answers.parquet");
    const request = { engine, checkpoint: join(root, "run"), table, reading, out };
    await query({ ...request, given: "bands", want: "TYPE,z,MASS", samples: 40 });
    const source = await openTable(out);
    const { columns } = await readAll(source);
    await source.close();
    const names = columns.map(({ name }) => name);
    expect(names.slice(0, 5)).toStrictEqual(["object_id", "TYPE_p_blue", "TYPE_p_green", "TYPE_p_red", "TYPE_mode"]);
    const numbers = (name: string): number[] =>
      Array.from(columns.find((column) => column.name === name)!.data as Float32Array);
    const { TYPE } = await ask("bands", "TYPE");
    for (const name of classes) {
      expect(numbers(`TYPE_p_${name}`)).toStrictEqual([...TYPE.probability(name)].map(Math.fround));
    }
    expect(columns.find(({ name }) => name === "TYPE_mode")!.data).toStrictEqual([...TYPE.mode].map((k) => classes[k]));
    const [drawn, mass, z] = ["TYPE_samples", "MASS_samples", "z_samples"].map(numbers);
    expect(drawn).toHaveLength(600 * 40);
    expect(new Set(drawn)).toStrictEqual(new Set([0, 1, 2]));
    expect(Math.min(...z)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...z)).toBeLessThanOrEqual(2);
    // as often as they are probable, and masses with them
    const share = drawn.filter((k) => k === 2).length / drawn.length;
    const p = TYPE.probability("red").reduce((a, b) => a + b) / 600;
    expect(Math.abs(share - p)).toBeLessThan(0.03);
    const massOf = (k: number): number => {
      const own = mass.filter((_, i) => drawn[i] === k);
      return own.reduce((a, b) => a + b) / own.length;
    };
    expect(massOf(2) - massOf(0)).toBeGreaterThan(0.8);
  });
});

describe("an evaluation", () => {
  it("asks for classes beside numbers, with scores that are finite", async () => {
    const out = join(root, "scores");
    const { questions } = await evaluate({
      engine,
      checkpoint: join(root, "run"),
      table,
      reading,
      part: "all",
      mostRows: 200,
      out,
    });
    const { scores, classes: byField, calibration } = questions["all bands"];
    // a class is no number: it has scores of its own
    expect(Object.keys(scores)).toStrictEqual(["z", "MASS", "DUST", "LINE"]);
    expect(Object.keys(calibration)).not.toContain("TYPE");
    const { TYPE } = byField;
    expect(Object.keys(TYPE.classes)).toStrictEqual(classes);
    expect(TYPE.accuracy).toBeGreaterThan(1 / classes.length);
    expect(Object.values(TYPE.classes).reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThan(100);
    const report = readFileSync(join(out, "report.html"), "utf8");
    expect(report).toContain("TYPE: accuracy");
    for (const name of classes) expect(report).toContain(name);
  });
});
