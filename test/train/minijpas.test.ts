import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import {
  adapt,
  type Catalog,
  loadCheckpoint,
  loadRecipe,
  loadSurvey,
  readWholeCatalog,
  simulate,
} from "../../src/index.ts";
import { State } from "../../src/survey/field.ts";
import { onnx } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";

/** The network that comes along, adapted to miniJPAS as its archive writes it: simulated rows with other zero-points. */

const folder = scratch();
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const survey = loadSurvey("minijpas");
const Z = survey.fields.findIndex(({ name }) => name === "z");
/** Bands of the array columns come first. */
const N_ARRAY = 60;

/** The query that the survey file tells, and the columns of its answer. */
function query(): { text: string; columns: string[] } {
  const text = survey.file.source.flatMap((line) => /SELECT .*/.exec(line)?.[0] ?? [])[0];
  const columns = /SELECT (.*?) FROM/
    .exec(text)![1]
    .split(", ")
    .map((name) => name.split(".")[1]);
  return { text, columns };
}

/** Simulated rows as the archive exports them: what a cell of each column is; one row in four has a redshift. */
async function exported(path: string, n: number): Promise<Catalog> {
  const simulated = path.replace(".csv", ".parquet");
  const selection = { band: "rSDSS", faint: 21, bright: 14 };
  await simulate({
    survey: "minijpas",
    out: simulated,
    n,
    seed: "sky",
    workers: 0,
    offsets: { rms: 0.1, seed: "sky" },
    selection,
  });
  const { catalog } = await readWholeCatalog(simulated, survey);
  const width = catalog.fields.length;
  const list = (row: number, of: (at: number) => number): string =>
    Array.from({ length: N_ARRAY }, (_, j) => of(row * width + j)).join(" ");
  const orMagic = (at: number, x: number): number => (catalog.state[at] === State.measured ? x : 99);
  const cellOf: Readonly<Record<string, (row: number) => string | number>> = {
    TILE_ID: (row) => 2241 + (row % 4),
    NUMBER: (row) => row + 1,
    FLUX_AUTO: (row) => list(row, (at) => orMagic(at, catalog.value[at])),
    FLUX_RELERR_AUTO: (row) => list(row, (at) => orMagic(at, catalog.error[at] / catalog.value[at])),
    FLAGS: (row) => list(row, () => 0),
    MASK_FLAGS: (row) => list(row, () => 0),
    zsp: (row) => (row % 4 === 0 ? catalog.value[row * width + Z] : ""),
  };
  const { text, columns } = query();
  const rows = Array.from({ length: n }, (_, row) => columns.map((name) => cellOf[name](row)).join(","));
  writeFileSync(path, [`#${text}`, columns.join(","), ...rows].join("\n"));
  return catalog;
}

test("one command adapts to the archive's own table", { timeout: 300_000 }, async () => {
  const table = join(folder, "minijpas.csv");
  const simulated = await exported(table, 60);
  const { catalog, report } = await readWholeCatalog(table, survey);
  // every value is read for what it was, and every column of the query is used
  expect(report.join("\n")).not.toMatch(/not used: (?!magic)/);
  expect(report.join("\n")).toContain("layout cefca-auto");
  expect([...new Set(catalog.tile)].sort()).toStrictEqual(["2241", "2242", "2243", "2244"]);
  const n = survey.fields.length;
  for (let row = 0; row < 60; row++) {
    for (let j = 0; j < N_ARRAY; j++) {
      const at = row * n + j;
      const isSeen = simulated.state[at] === State.measured;
      expect(catalog.state[at]).toBe(isSeen ? State.measured : State.notObserved);
      if (isSeen) expect(catalog.error[at] / simulated.error[at]).toBeCloseTo(1, 5);
      if (isSeen) expect(catalog.value[at]).toBe(simulated.value[at]);
    }
    expect(catalog.state[row * n + Z]).toBe(row % 4 === 0 ? State.measured : State.notObserved);
  }
  const source = join(folder, "clean.parquet");
  await simulate({ survey: "minijpas", out: source, n: 60, fluxes: "clean", workers: 0 });
  const brief = ["steps=2", "batch=4", "validateEvery=2"].map((one) => `training.${one}`);
  const recipe = loadRecipe("minijpas-adapt", brief, { verb: "adapt" });
  const out = join(folder, "run");
  await adapt({ engine: await onnx, init: "caleido-jpas", source, unlabelled: table, labelled: table, recipe, out });
  const { config } = loadCheckpoint(out);
  expect(config.isCalibrated).toBe(true);
  expect(config.data.map(({ role }) => role)).toStrictEqual(["source", "unlabelled", "labelled"]);
});
