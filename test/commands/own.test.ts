import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  adapt,
  type Checkpoint,
  evaluate,
  finetune,
  loadCheckpoint,
  loadRecipe,
  prepare,
  query,
  type QueryRequest,
  resume,
  type Table,
} from "../../src/index.ts";
import type { Reporter } from "../../src/progress.ts";
import { State } from "../../src/survey/field.ts";
import { splitByParent } from "../../src/survey/split.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { filled } from "../helpers/kinds.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { surveyOfFields, toyCatalog, toyFields } from "../helpers/toy.ts";

/** A table with columns of its own, as a new user has it, and a network that somebody else trained. */

/** N1 is the network's under another name, N2 by its own; g is another filter near G; red is R because the survey says so. */
const SURVEY = `
name: mine
title: my own catalogue
fluxUnit: uJy
fluxRange: [-1.0e+9, 1.0e+9]
tiles: [sky]
zeroPointError: 0.02
bands:
  - { name: first, group: narrow, pivot: 4003, edges: [3933, 4073], rise: [20, 20], depth: [23] }
  - { name: N2, group: narrow, pivot: 4100, edges: [4030, 4170], rise: [20, 20], depth: [23] }
  - { name: g, group: broad, pivot: 4770, edges: [4690, 4850], rise: [20, 20], depth: [23] }
  - { name: red, group: broad, pivot: 6800, edges: [6600, 7000], rise: [20, 20], depth: [23], sameAs: R }
  - { name: far, group: infrared, pivot: 16000, edges: [15000, 17000], rise: [20, 20], depth: [20] }
properties:
  - { name: z, kind: redshift, description: redshift, range: [0, 9] }
  - { name: DUST, kind: linear, unit: mmag, description: dust, range: [0, 9000] }
layouts:
  - name: mine
    title: columns as I call them
    objectId: "{ID}"
    bands: { value: "flux_{FIELD}", error: "err_{FIELD}", unit: survey, aliases: { red: r } }
    properties:
      z: { value: zspec }
      DUST: { value: A_V, unit: survey }
`;
/** The network's names of the table's fields; what its fluxes are measured at [Angstrom]. */
const BANDS = [
  { own: "first", column: "first", known: "N1", pivot: 4003 },
  { own: "N2", column: "N2", known: "N2", pivot: 4100 },
  { own: "g", column: "g", known: "G", pivot: 4770 },
  { own: "red", column: "r", known: "R", pivot: 6800 },
];
/** 1e-19 erg/s/cm2/A in a microjansky at a pivot: f_lambda = f_nu c / pivot^2. */
const perMicrojansky = (pivot: number): number => (1e-29 * 2.99792458e18) / pivot ** 2 / 1e-19;
const LIGHT = { far: 3.5 };

const root = scratch();
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const engine = await onnx;
const [init, survey, toySurvey, own, known] = ["init", "mine.yaml", "toy.yaml", "own.csv", "known.csv"].map(at);
const galaxies = toyCatalog(200, "own");
const n = toyFields.length;
const place = (name: string): number => toyFields.findIndex((field) => field.name === name);

/** Value and error of a field, empty cells where it is not measured. */
function cells(row: number, name: string, scale = 1): [string, string] {
  const j = row * n + place(name);
  if (galaxies.state[j] !== State.measured) return ["", ""];
  return [String(galaxies.value[j] * scale), String(galaxies.error[j] * scale)];
}

beforeAll(async () => {
  await saveCheckpoint(init, perturb(startCheckpoint(toyCatalog(300)), 0.1));
  writeFileSync(survey, SURVEY);
  writeFileSync(toySurvey, JSON.stringify(surveyOfFields(toyFields).file));
  const rows = Array.from({ length: galaxies.rowCount }, (_, row) => row);
  const header = ["ID", ...BANDS.flatMap(({ column }) => [`flux_${column}`, `err_${column}`])];
  const ownRows = rows.map((row) => [
    `t${row}`,
    ...BANDS.flatMap(({ known: name, pivot }) => cells(row, name, 1 / perMicrojansky(pivot))),
    String(LIGHT.far + row),
    "1",
    cells(row, "z")[0],
    cells(row, "DUST", 1000)[0],
  ]);
  const head = [...header, "flux_far", "err_far", "zspec", "A_V"];
  writeFileSync(own, `${[head, ...ownRows].map((line) => line.join(",")).join("\n")}\n`);
  const knownHead = ["object_id", ...BANDS.flatMap((band) => [band.known, `${band.known}_err`]), "z", "DUST"];
  const knownRows = rows.map((row) => [
    `t${row}`,
    ...BANDS.flatMap(({ known: name }) => cells(row, name)),
    cells(row, "z")[0],
    cells(row, "DUST")[0],
  ]);
  writeFileSync(known, `${[knownHead, ...knownRows].map((line) => line.join(",")).join("\n")}\n`);
});

function listener(onStep: (done: number) => void = () => {}): { reporter: Reporter; lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    reporter: { say: (line) => void lines.push(line), bar: () => ({ update: onStep, stop: () => {} }) },
  };
}

/** Columns of the answers, and what was said. */
async function ask(
  request: Partial<QueryRequest> & Pick<QueryRequest, "table">,
): Promise<{ numbers: (name: string) => number[]; ids: string[]; lines: string[] }> {
  const batches: Table[] = [];
  const { reporter, lines } = listener();
  const onAnswers = (table: Table): void => void batches.push(table);
  await query({ engine, checkpoint: init, want: "MASS,LINE", reporter, onAnswers, ...request });
  const column = (name: string): unknown[] =>
    batches.flatMap(({ columns }) =>
      Array.from(columns.find((each) => each.name === name)!.data as ArrayLike<unknown>),
    );
  return { numbers: (name) => column(name).map(Number), ids: column("object_id").map(String), lines };
}

const SAID = [
  "fields of mine as the network's: by name N2, z, DUST; by sameAs red = R; by wavelength first = N1, g = G",
  "g (4770 Angstrom, 160 wide) is near G (4750 Angstrom, 140 wide), not the same filter: taken for it, colours are off by their difference",
  "red (6800 Angstrom, 400 wide) is near R (6300 Angstrom, 140 wide), not the same filter: taken for it, colours are off by their difference",
  "no field of the network, left out: far",
];

/** Single precision, and numbers that were written in another unit. */
function expectAlike(own_: number[], other: number[]): void {
  expect(own_.length).toBe(other.length);
  own_.forEach((x, i) => expect(Math.abs(x - other[i])).toBeLessThan(1e-4 * (1 + Math.abs(other[i]))));
}

describe("a table with columns of its own", () => {
  it("is answered as if it had the network's names and units, and what was matched is told", async () => {
    const mine = await ask({ table: own, survey });
    expect(mine.lines).toEqual(expect.arrayContaining(SAID));
    const theirs = await ask({ table: known, reading: { units: [{ column: "*", unit: "survey" }] } });
    expect(new Set(theirs.numbers("MASS_median")).size).toBeGreaterThan(100);
    for (const name of ["MASS_median", "MASS_std", "LINE_q05"]) expectAlike(mine.numbers(name), theirs.numbers(name));
    expect(mine.ids).toEqual(theirs.ids);
  });

  it("is answered the same from a prepared folder, shard by shard", async () => {
    const prepared = at("prepared");
    await prepare({ tables: [own], survey, out: prepared, rowsPerShard: 32 });
    const shards = await ask({ table: prepared, survey });
    const whole = await ask({ table: own, survey });
    expect(shards.lines).toEqual(expect.arrayContaining(SAID));
    const byId = new Map(whole.ids.map((id, row) => [id, whole.numbers("MASS_median")[row]]));
    expect(shards.ids.toSorted()).toEqual(whole.ids.toSorted());
    const medians = shards.numbers("MASS_median");
    shards.ids.forEach((id, row) => expect(medians[row]).toBeCloseTo(byId.get(id)!, 5));
    // without the survey its fields are told by name alone
    const bare = await ask({ table: prepared });
    expect(bare.lines).toContain(`no field of toy, left out: first, g, red, far; --survey ${survey} has them`);
  });

  it("by a layout in a file alone, in the network's names", async () => {
    const layout = at("mine-layout.yaml");
    const unit = "1e-19 erg/s/cm2/A";
    writeFileSync(
      layout,
      `objectId: "{ID}"\nbands: { only: [N2, R], value: "flux_{FIELD}", error: "err_{FIELD}", unit: ${unit}, aliases: { R: r } }\n`,
    );
    const answers = await ask({ table: own, reading: { layout } });
    expect(answers.lines.join("\n")).toContain("(layout mine-layout)");
    expect(answers.ids.slice(0, 2)).toEqual(["t0", "t1"]);
    writeFileSync(layout, `objectId: ID\nbands: { value: "flux_{FIELD}" }\n`);
    await expect(ask({ table: own, reading: { layout } })).rejects.toThrow(
      /mine-layout\.yaml:1:11: "objectId": "ID" names no column, so that all rows would have one id; expected .*"\{ID\}"$/,
    );
    writeFileSync(layout, `objectId: "{ID}"\nbands: { value: "flux_{FIELD}", aliases: { N8: r } }\n`);
    await expect(ask({ table: own, reading: { layout } })).rejects.toThrow(/no field "N8"/);
    await expect(ask({ table: own, reading: { layout: survey } })).rejects.toThrow(/is a survey file's.*--survey/);
    await expect(ask({ table: own, survey: layout })).rejects.toThrow(/is a layout's.*--layout/);
  });

  it("is evaluated, and refused where none of its bands is the network's", async () => {
    const { reporter, lines } = listener();
    const request = { engine, checkpoint: init, part: "all", methods: [], reporter } as const;
    const { rows, questions } = await evaluate({ ...request, table: own, survey, out: at("evaluation") });
    expect(rows).toBe(galaxies.rowCount);
    expect(lines).toEqual(expect.arrayContaining(SAID));
    expect(Object.keys(questions["all bands"].scores)).toEqual(["z", "DUST"]);
    const other = at("other.yaml");
    const elsewhere = SURVEY.replaceAll("N2", "n")
      .replace(", sameAs: R", "")
      .replace("4100, edges: [4030", "4050, edges: [2030");
    writeFileSync(
      other,
      elsewhere.replace("4003, edges: [3933, 4073]", "9003, edges: [8933, 9073]").replace("4770", "4840"),
    );
    await expect(ask({ table: own, survey: other })).rejects.toThrow(
      /own\.csv: none of its bands \(first, g, red, far\) is one of the network's \(N1, .*"sameAs: <name>" in a row of .*other\.yaml would say which$/,
    );
  });
});

describe("a network of broad bands and a redshift alone", () => {
  it("is asked what there is to ask, once, and nothing without truths", async () => {
    const fields = toyFields.flatMap((field) => (["G", "R", "z"].includes(field.name) ? [field] : []));
    const checkpoint = at("broad");
    const numbered = fields.map((field, id) => ({ ...field, id }));
    await saveCheckpoint(checkpoint, perturb(startCheckpoint(filled(toyCatalog(300), numbered)), 0.1));
    const { reporter, lines } = listener();
    const reading = { units: [{ column: "*", unit: "survey" }] };
    const request = { engine, checkpoint, reading, part: "all", methods: [], reporter, out: at("of-broad") } as const;
    const { questions } = await evaluate({ ...request, table: known });
    expect(Object.keys(questions)).toEqual(["all bands"]);
    expect(lines).toContain(`question "broad bands" not asked: it is "all bands" among the network's fields`);
    const bare = at("bare.csv");
    writeFileSync(bare, "object_id,G,G_err,R,R_err\na,5,1,6,1\n");
    await expect(evaluate({ ...request, table: bare })).rejects.toThrow(
      /bare\.csv: nothing to score: no row has z; expected a table with truths$/,
    );
  });
});

const recipe = loadRecipe("quickstart", [
  "training.steps=6",
  "training.batch=16",
  "training.nTarget=3",
  "training.validateEvery=3",
  "training.checkpointEvery=2",
]);
const loaded = (run: string): Checkpoint => loadCheckpoint(run, { forTraining: true });

/** Interrupts a run at its second step, and continues it. */
async function interrupted(
  out: string,
  verb: "pretrain" | "adapt",
  run: (setting: { signal: AbortSignal; reporter: Reporter }) => Promise<unknown>,
): Promise<void> {
  const controller = new AbortController();
  const { reporter } = listener((done) => void (done === 2 && controller.abort()));
  await expect(run({ signal: controller.signal, reporter })).rejects.toThrow(/stopped at step/);
  await resume({ engine, folder: out, verb });
}

describe("training on a table with columns of its own", () => {
  it("fine-tunes: matched fields are the network's, what it does not know is new, and a resumed run is the same", async () => {
    const { reporter, lines } = listener();
    const request = { engine, data: [own], recipe, init, survey };
    const [whole, parted] = ["finetuned", "finetuned-parted"].map(at);
    const { config } = await finetune({ ...request, out: whole, reporter });
    expect(lines).toContain("new in the vocabulary: far");
    expect(config.survey.fields.slice(0, n)).toStrictEqual(loadCheckpoint(init).config.survey.fields);
    expect(config.survey.fields.slice(n).map(({ name, unit }) => [name, unit])).toEqual([["far", "1e-19 erg/s/cm2/A"]]);
    await interrupted(parted, "pretrain", (setting) => finetune({ ...request, ...setting, out: parted }));
    expect(loaded(parted).state).toStrictEqual(loaded(whole).state);
    // the new band is in the network's unit: 3.5 to 203.5 uJy at 16,000 Angstrom
    const { numbers } = await ask({ checkpoint: whole, table: own, survey, want: "far", given: "z" });
    const middle = (LIGHT.far + 100) * perMicrojansky(16_000);
    expect(numbers("far_median").every((x) => x > 0.05 * middle && x < 20 * middle)).toBe(true);
  }, 120_000);

  it("adapts to it, and a resumed run is the same", async () => {
    const units = { units: [{ column: "*", unit: "survey" }] };
    const prepared = at("source");
    await prepare({ tables: [known], survey: toySurvey, out: prepared, reading: units });
    const request = { engine, init, source: prepared, unlabelled: own, labelled: own, recipe, survey };
    const [whole, parted] = ["adapted", "adapted-parted"].map(at);
    const { config } = await adapt({ ...request, out: whole });
    expect(config.survey.fields).toStrictEqual(loadCheckpoint(init).config.survey.fields);
    await interrupted(parted, "adapt", (setting) => adapt({ ...request, ...setting, out: parted }));
    expect(loaded(parted).state).toStrictEqual(loaded(whole).state);
  }, 120_000);

  it("says before it trains that no row is for validation, or for training", async () => {
    const few = at("few.csv");
    const head = "object_id,parent_id,N1,N1_err,N2,N2_err\n";
    const reading = { units: [{ column: "*", unit: "survey" }] };
    const rowsOf = (parent: string): string => Array.from({ length: 9 }, (_, i) => `${i},${parent},5,1,6,1`).join("\n");
    writeFileSync(few, `${head}${rowsOf("a")}\n`);
    const request = { engine, data: [few], recipe, init, reading };
    const { reporter, lines } = listener();
    await finetune({ ...request, out: at("few"), reporter });
    expect(lines).toContain(
      `${few}: 9 rows, none for validation: all have one parent; 80 % of parents train, 5 % validate`,
    );
    expect(lines.join("\n")).not.toMatch(/NaN/);
    const parents = Array.from({ length: 200 }, (_, i) => `p${i}`);
    const tested = parents.find((parent) => splitByParent([parent]).test.length > 0)!;
    writeFileSync(few, `${head}${rowsOf(tested)}\n`);
    await expect(finetune({ ...request, out: at("none") })).rejects.toThrow(
      /few\.csv: 9 rows, none for train: all have one parent; 80 % of parents train, 5 % validate$/,
    );
  }, 120_000);
});
