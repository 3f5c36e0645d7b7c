import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Checkpoint,
  createEngine,
  type Engine,
  finetune,
  loadCheckpoint,
  loadRecipe,
  openTable,
  pretrain,
  query,
  type QueryRequest,
  readAll,
  type Recipe,
  type Reporter,
  resume,
  simulate,
  writeTable,
} from "../../src/index.ts";
import { schemaOf } from "../../src/io/columns.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { stepFolder } from "../../src/train/checkpoint.ts";
import { newFolder } from "./cli.ts";

/** A network of miniJPAS learns a band and a property that it did not know. */

const GROWN = `
name: grown
title: miniJPAS with W1 and a specific star formation rate
extends: [minijpas, infrared]
omit: [J, H, Ks, W2, W3, W4]
fluxUnit: 1e-19 erg/s/cm2/A
properties:
  - { name: SSFR, kind: log, unit: dex, description: "log10 specific star formation rate [1/yr]", range: [-20, -5] }
`;
const OLD_BANDS = "J0378..NUV";
const questions = [
  { given: OLD_BANDS, want: "z,LOGM,HALPHA_EW" },
  { given: "broad,LOGM", want: "J0660,z,FUV" },
  { given: "J0510", want: "iSDSS,AGE" },
];

let folder: string;
let engine: Engine;
let init: string;
let survey: string;
let table: string;
/** Other galaxies, few: what is asked about. */
let asked: string;

const recipe = (steps: number): Recipe =>
  loadRecipe("quickstart", [`training.steps=${steps}`, "training.batch=32", "model.dModel=16", "model.nHidden=16"]);

/** The rate in a column of its own, which no simulation writes. */
async function withRate(path: string, out: string): Promise<void> {
  const source = await openTable(path);
  const whole = await readAll(source);
  await source.close();
  const numbers = (name: string): Float32Array =>
    whole.columns.find((column) => column.name === name)!.data as Float32Array;
  const mass = numbers("LOGM");
  const data = numbers("LOGSFR").map((sfr, row) => sfr - mass[row]);
  const rate: Column = { name: "SSFR", type: "float32", width: 1, unit: "dex", data };
  const columns = [...whole.columns, rate];
  async function* batches(): AsyncGenerator<Table> {
    yield { ...whole, columns };
  }
  await writeTable(out, { schema: columns.map(schemaOf), metadata: {} }, batches());
}

beforeAll(async () => {
  folder = newFolder("finetune");
  engine = await createEngine({ backend: "onnx", threads: 1 });
  survey = join(folder, "grown.yaml");
  writeFileSync(survey, GROWN);
  const [old, wide] = ["old.parquet", "wide.parquet"].map((name) => join(folder, name));
  await simulate({ survey: "minijpas", n: 800, workers: 1, out: old });
  await simulate({ survey, n: 400, workers: 1, seed: "2", out: wide });
  table = join(folder, "rated.parquet");
  await withRate(wide, table);
  const few = join(folder, "few.parquet");
  await simulate({ survey, n: 120, workers: 1, seed: "3", out: few });
  asked = join(folder, "asked.parquet");
  await withRate(few, asked);
  init = join(folder, "init");
  await pretrain({ engine, data: [old], recipe: recipe(30), out: init });
}, 240_000);

function listener(): { reporter: Reporter; lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    reporter: { say: (line) => void lines.push(line), bar: () => ({ update: () => {}, stop: () => {} }) },
  };
}

/** Columns of the answers to one question. */
async function answersOf(
  checkpoint: string,
  question: Pick<QueryRequest, "given" | "want" | "isRecalibrated">,
): Promise<Table["columns"]> {
  let columns: Table["columns"] = [];
  const onAnswers = (answers: Table): void => void (columns = answers.columns);
  await query({ engine, checkpoint, table: asked, ...question, samples: 3, onAnswers });
  return columns;
}

describe("fine-tuning with a larger survey", () => {
  test("says what is new, begins with the old answers bitwise, and ends with new ones", async () => {
    const { reporter, lines } = listener();
    const out = join(folder, "grown");
    const { config } = await finetune({ engine, data: [table], recipe: recipe(20), out, init, survey, reporter });
    expect(lines).toContain("new in the vocabulary: W1, SSFR");
    expect(lines.join("\n")).not.toMatch(/not used/);
    const { fields } = loadCheckpoint(init).config.survey;
    const now = config.survey.fields;
    expect(now.slice(0, fields.length)).toStrictEqual(fields);
    expect(now.slice(fields.length).map(({ name, id }) => [name, id])).toStrictEqual([
      ["W1", fields.length],
      ["SSFR", fields.length + 1],
    ]);
    expect(config.grownAt).toStrictEqual([fields.length]);
    for (const one of questions) {
      const question = { ...one, isRecalibrated: false }; // other labels recalibrate anew
      const before = await answersOf(init, question);
      expect(before.length).toBeGreaterThan(10);
      expect(await answersOf(stepFolder(out, 0), question)).toStrictEqual(before);
      expect(await answersOf(out, question)).not.toStrictEqual(before);
    }
    const columns = await answersOf(out, { given: OLD_BANDS, want: "W1,SSFR" });
    const median = (name: string): Float32Array =>
      columns.find((column) => column.name === `${name}_median`)!.data as Float32Array;
    expect(columns.find(({ name }) => name === "W1_median")!.unit).toBe("1e-19 erg/s/cm2/A");
    for (const name of ["W1", "SSFR"]) expect(median(name).every(Number.isFinite)).toBe(true);
    expect(new Set(median("SSFR")).size).toBeGreaterThan(100);
  }, 120_000);

  test("stopped and resumed ends bitwise where the unbroken run does", async () => {
    const request = { engine, data: [table], recipe: recipe(6), init, survey };
    const whole = await finetune({ ...request, out: join(folder, "whole") });
    const out = join(folder, "parted");
    const controller = new AbortController();
    const reporter: Reporter = {
      say: () => {},
      bar: () => ({ update: (done) => void (done === 2 && controller.abort()), stop: () => {} }),
    };
    await expect(finetune({ ...request, out, reporter, signal: controller.signal })).rejects.toThrow(/stopped at step/);
    const resumed = await resume({ engine, folder: out, verb: "pretrain" });
    expect(resumed.state).toStrictEqual(whole.state);
    const loaded = (run: string): Checkpoint => loadCheckpoint(run, { forTraining: true });
    expect(loaded(out).state).toStrictEqual(loaded(join(folder, "whole")).state);
  }, 120_000);

  test("with everything known frozen, leaves old answers what they were in every digit", async () => {
    const out = join(folder, "kept");
    const request = { engine, data: [table], recipe: recipe(8), init, survey, freeze: ["known"] };
    const { config, recalibration, population } = await finetune({ ...request, out });
    const source = loadCheckpoint(init);
    expect(Object.keys(source.recalibration!.properties)).toContain("z"); // answers depend on what is given
    expect(recalibration!.properties.z).toStrictEqual(source.recalibration!.properties.z);
    expect(population!.fields.z).toStrictEqual(source.population!.fields.z);
    expect(config.uncountedFrom).toBe(source.config.survey.fields.length);
    for (const question of questions) {
      expect(await answersOf(out, question)).toStrictEqual(await answersOf(init, question));
    }
    // what is new is learned, and heeded where it is given
    const first = stepFolder(out, 0);
    for (const question of [
      { given: OLD_BANDS, want: "W1,SSFR" },
      { given: `${OLD_BANDS},W1,SSFR`, want: "z,LOGSFR" },
    ]) {
      expect(await answersOf(out, question)).not.toStrictEqual(await answersOf(first, question));
    }
    // and so it is when it goes on, from the newest step
    const again = join(folder, "kept again");
    const controller = new AbortController();
    const reporter: Reporter = {
      say: () => {},
      bar: () => ({ update: (done) => void (done === 4 && controller.abort()), stop: () => {} }),
    };
    const parted = { ...request, out: again, reporter, signal: controller.signal };
    await expect(finetune(parted)).rejects.toThrow(/stopped at step/);
    const resumed = await resume({ engine, folder: again, verb: "pretrain" });
    expect(resumed.state.average).toStrictEqual(loadCheckpoint(out).state.average);
    expect(resumed.recalibration).toStrictEqual(recalibration);
  }, 300_000);

  test("keeps nothing known of a network that did not grow", async () => {
    const out = join(folder, "ungrown");
    const request = { engine, data: [table], recipe: recipe(2), out, init, freeze: ["known"] };
    await expect(finetune(request)).rejects.toThrow(/^--freeze known: matches no parameter/);
  });

  test("refuses a survey in which an old field is another one", async () => {
    const other = join(folder, "other.yaml");
    writeFileSync(other, GROWN.replace("name: SSFR, kind: log, unit: dex", "name: LOGM, kind: linear, unit: dex"));
    const request = { engine, data: [table], recipe: recipe(2), out: join(folder, "refused"), init, survey: other };
    await expect(finetune(request)).rejects.toThrow(
      /other\.yaml: field LOGM is linear, in the checkpoint log; another field needs another name$/,
    );
  });
});

test("without a survey the columns that the network doesn't know are named, and it stays as large as it was", async () => {
  const { reporter, lines } = listener();
  const out = join(folder, "same");
  const { config, layout } = await finetune({ engine, data: [table], recipe: recipe(2), out, init, reporter });
  expect(lines.join("\n")).toMatch(/(?:^|\n)\s*3 columns not used: W1, W1_err, SSFR/);
  expect(lines.join("\n")).not.toMatch(/new in the vocabulary/);
  const old = loadCheckpoint(init);
  expect(config.survey.fields).toStrictEqual(old.config.survey.fields);
  expect(layout.total).toBe(old.layout.total);
  expect(config.grownAt).toStrictEqual([]);
}, 60_000);
