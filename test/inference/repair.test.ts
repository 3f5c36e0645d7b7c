import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { repair, type RepairRequest } from "../../src/inference/repair.ts";
import { readAll, schemaOf } from "../../src/io/columns.ts";
import { openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { parameterIn } from "../../src/model/parameters.ts";
import { State } from "../../src/survey/field.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import { surveyOf } from "../../src/survey/survey.ts";
import { surveySchema } from "../../src/survey/survey-schema.ts";
import { initialState, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const root = scratch();
const LN_FLUX = [0.1, -0.05, 0.02, 0.3, -0.2, 0];
const LN_NOISE = [0.2, -0.1, 0, 0.1, 0.3, 0];
const names = toyFields.slice(0, toyBands).map(({ name }) => name);

/** Tables as people have them: magnitudes, inverse variances, relative errors, arrays, ratios. */
const layouts = [
  {
    name: "mags",
    title: "magnitudes",
    objectId: "{ID}",
    magic: [99.999, -99],
    bands: { value: "MAG_{FIELD}", error: "MAGERR_{FIELD}", unit: "ABmag" },
  },
  {
    name: "ivars",
    title: "inverse variances",
    objectId: "{ID}",
    bands: { value: "FLUX_{FIELD}", error: "IVAR_{FIELD}", errorKind: "ivar", unit: "survey" },
  },
  {
    name: "tiled",
    title: "fluxes of tiles",
    objectId: "{ID}",
    tile: "{FIELD_ID}-{PASS}",
    bands: { value: "TILED_{FIELD}", error: "TILED_{FIELD}_ERR", unit: "survey" },
  },
  {
    name: "arrays",
    title: "arrays of all bands",
    objectId: "{ID}",
    magic: [-99],
    bands: { value: "FLUX", error: "RELERR", errorKind: "relative", unit: "uJy" },
  },
  {
    name: "ratios",
    title: "relative to a band",
    objectId: "{ID}",
    bands: [
      { value: "REF", error: "REF_ERR", only: ["R"], unit: "survey" },
      { value: "RATIO_{FIELD}", error: "RATIO_{FIELD}_ERR", times: "REF", unit: "survey" },
    ],
  },
];

const start = startCheckpoint(toyCatalog(50), { isCalibrated: true });
const survey = surveyOf(surveySchema.parse({ ...start.config.survey.file, layouts }), "toy");
const adapted = join(root, "adapted");
const plain = join(root, "plain");
const tiled = join(root, "tiled");
/** What one tile has besides. */
const TILE = [0.05, 0.1, 0, -0.3, 0.2, 0];

beforeAll(async () => {
  const params = start.state.params.slice();
  parameterIn(params, start.layout, "calibration.lnFlux").set(LN_FLUX);
  parameterIn(params, start.layout, "calibration.lnNoise").set(LN_NOISE);
  const config = { ...start.config, survey };
  await saveCheckpoint(adapted, { ...start, config, state: initialState(params) });
  const tiles = [{ tile: "north-2", lnFlux: TILE, error: TILE.map(() => 0.01), rows: 200 }];
  await saveCheckpoint(tiled, { ...start, config, state: initialState(params), tiles });
  await saveCheckpoint(plain, { ...start, config: { ...config, isCalibrated: false } });
});

const ROWS = 6;
const floats = (name: string, of: (row: number) => number, more: Partial<Column> = {}): Column => ({
  name,
  type: "float64",
  width: 1,
  data: Float64Array.from({ length: ROWS }, (_, row) => of(row)),
  ...more,
});

/** What no band is: it comes back as it was, in its place. */
const id: Column = { name: "ID", type: "string", width: 1, data: ["007", "1E5", "#1", "a b", "", "e"] };
const others: readonly Column[] = [
  floats("RA", (row) => row / 3, { unit: "deg", description: "right ascension" }),
  { name: "VECTOR", type: "float32", width: 2, data: Float32Array.from({ length: 2 * ROWS }, (_, i) => i) },
  {
    name: "GOOD",
    type: "uint8",
    width: 1,
    nullable: true,
    data: Uint8Array.of(1, 0, 1, 0, 1, 0),
    isValid: Uint8Array.of(1, 1, 0, 1, 1, 1),
  },
];

const each = (of: (name: string, j: number) => Column[]): Column[] => names.flatMap(of);
const tables: Record<string, readonly Column[]> = {
  mags: each((name, j) => [
    floats(`MAG_${name}`, (row) => (row === 2 ? 99.999 : 20 + row / 7 + j), {
      type: "float32",
      data: Float32Array.from({ length: ROWS }, (_, row) => (row === 2 ? 99.999 : 20 + row / 7 + j / 9)),
    }),
    floats(`MAGERR_${name}`, (row) => (row === 2 ? 99.999 : 0.01 * (row + 1))),
  ]),
  ivars: each((name, j) => [
    floats(`FLUX_${name}`, (row) => (row === 3 ? NaN : row - 1 + 10 * j)),
    floats(`IVAR_${name}`, (row) => (row === 3 ? 0 : 1 / (row + 1))),
  ]),
  arrays: [
    {
      name: "FLUX",
      type: "float64",
      width: toyBands,
      data: Float64Array.from({ length: ROWS * toyBands }, (_, i) => (i === 8 ? -99 : 1 + i / 5)),
    },
    {
      name: "RELERR",
      type: "float64",
      width: toyBands,
      data: Float64Array.from({ length: ROWS * toyBands }, (_, i) => (i === 8 ? -99 : 0.02 + i / 1e3)),
    },
  ],
  ratios: [
    floats("REF", (row) => 50 + row),
    floats("REF_ERR", () => 2),
    ...names
      .filter((name) => name !== "R")
      .flatMap((name, j) => [
        floats(`RATIO_${name}`, (row) => 0.5 + row / 9 + j),
        floats(`RATIO_${name}_ERR`, () => 0.05),
      ]),
  ],
  // whole numbers: there are none between them for a repaired one
  caleido: each((name) => [
    {
      name,
      type: "int32",
      width: 1,
      unit: "1e-19 erg/s/cm2/A",
      data: Int32Array.of(10, 20, 30, 40, 50, 60),
      isValid: Uint8Array.of(1, 1, 1, 0, 1, 1),
    },
    floats(`${name}_err`, () => 1.5),
  ]),
};

async function run(
  layout: string,
  extension: string,
  more: Partial<RepairRequest> = {},
): Promise<{ table: string; out: string }> {
  const [table, out] = ["", "-repaired"].map((what) => join(root, `${layout}${what}.${extension}`));
  const [first, ...rest] = others;
  const idColumn = layout === "caleido" ? { ...id, name: "object_id" } : id;
  const columns = [idColumn, first, ...tables[layout], ...rest];
  const whole: Table = { rowCount: ROWS, columns, metadata: { OBSERVER: "me" } };
  await writeTable(table, { schema: columns.map(schemaOf), metadata: whole.metadata }, [whole]);
  await repair({ checkpoint: adapted, table, out, reading: { layout }, ...more });
  return { table, out };
}

async function read(path: string): Promise<Table> {
  const source = await openTable(path);
  try {
    return await readAll(source);
  } finally {
    await source.close();
  }
}

describe.each(Object.keys(tables))("a table of the layout %s", (layout) => {
  it.each([false, true])("reads as fluxes times the learned factors (noise factors: %s)", async (noise) => {
    const { table, out } = await run(layout, "parquet", { noise });
    const [before, after] = await Promise.all(
      [table, out].map(async (path) => (await readWholeCatalog(path, survey, { layout })).catalog),
    );
    const n = toyFields.length;
    let used = 0;
    for (let row = 0; row < ROWS; row++) {
      for (let j = 0; j < toyBands; j++) {
        const at = row * n + j;
        expect(after.state[at]).toBe(before.state[at]);
        if (before.state[at] === State.notObserved) continue;
        used++;
        const flux = Math.exp(LN_FLUX[j]);
        expect(after.value[at]).toBeCloseTo(
          before.value[at] * flux,
          3 - Math.ceil(Math.log10(1 + Math.abs(before.value[at]))),
        );
        expect(after.error[at] / before.error[at]).toBeCloseTo(flux * (noise ? Math.exp(LN_NOISE[j]) : 1), 4);
      }
    }
    expect(used).toBeGreaterThan(ROWS * toyBands - 10);
  });

  it("keeps everything else, and says what was done", async () => {
    const { table, out } = await run(layout, "arrow");
    const [before, after] = await Promise.all([read(table), read(out)]);
    const values = tables[layout].filter(({ name }) => !/ERR|_err|IVAR/.test(name)).map(({ name }) => name);
    expect(after.columns.map(({ name }) => name)).toEqual([
      ...before.columns.map(({ name }) => name),
      ...values.map((name) => `${name}_zp_applied`),
    ]);
    const edited = new Set(tables[layout].map(({ name }) => name));
    for (const [i, column] of before.columns.entries()) {
      const own = after.columns[i];
      expect([own.name, own.unit, own.description, own.width]).toEqual([
        column.name,
        column.unit,
        column.description,
        column.width,
      ]);
      if (!edited.has(column.name)) expect(own).toEqual(column);
      else expect(own.type).toBe(column.type === "int32" ? "float64" : column.type);
    }
    expect(after.metadata).toMatchObject({ OBSERVER: "me", repair_errors: "scaled with the fluxes" });
    expect(after.metadata["repair"]).toContain("N1 -0.1086, N2 0.0543");
    const first = after.columns.find(({ name }) => name === `${values[0]}_zp_applied`)!;
    const j = layout === "ratios" ? 4 : 0;
    expect(first.data[0]).toBeCloseTo((-2.5 / Math.LN10) * LN_FLUX[j], 5);
    expect(first.unit).toBe("mag");
  });
});

it("leaves magic values and what is missing as they are", async () => {
  const mags = await read((await run("mags", "fits")).out);
  const column = (table: Table, name: string): Column => table.columns.find((one) => one.name === name)!;
  expect(column(mags, "MAG_N1").data[2]).toBe(Math.fround(99.999));
  expect(column(mags, "MAGERR_N1").data[2]).toBe(99.999);
  expect(column(mags, "MAG_N1_zp_applied").data[2]).toBeNaN();
  const arrays = await read((await run("arrays", "parquet")).out);
  expect([column(arrays, "FLUX").data[8], column(arrays, "RELERR").data[8]]).toEqual([-99, -99]);
  expect(column(arrays, "FLUX_zp_applied").data[8]).toBeNaN();
  const whole = await read((await run("caleido", "parquet")).out);
  expect(column(whole, "N1").data[3]).toBeNaN();
  expect(column(whole, "N1").data[0]).toBeCloseTo(10 * Math.exp(0.1), 6);
});

describe("an error before anything is written", () => {
  it("for a checkpoint that has learned none", async () => {
    const out = join(root, "none.parquet");
    const { table } = await run("mags", "parquet");
    await expect(repair({ checkpoint: plain, table, out })).rejects.toThrow(
      `${plain}: has learned no zero-points, expected a checkpoint of caleido adapt`,
    );
    expect(existsSync(out)).toBe(false);
  });

  it("for a table that has been repaired", async () => {
    const { out } = await run("mags", "parquet");
    await expect(repair({ checkpoint: adapted, table: out, out: join(root, "twice.parquet") })).rejects.toThrow(
      `${out}: has been repaired already: it has a column "MAG_N1_zp_applied"`,
    );
  });

  it("for an output that is the table", async () => {
    const { table } = await run("mags", "parquet");
    await expect(repair({ checkpoint: adapted, table, out: table })).rejects.toThrow("is the table itself");
  });
});

describe("zero-points of tiles", () => {
  const pass = Float64Array.of(1, 2, 2, 1, 2, 2);
  const field = ["north", "north", "south", "north", "north", "south"];
  const columns: Column[] = [
    id,
    { name: "FIELD_ID", type: "string", width: 1, data: field },
    { name: "PASS", type: "float64", width: 1, data: pass },
    ...each((name, j) => [floats(`TILED_${name}`, (row) => row - 1 + 10 * j), floats(`TILED_${name}_ERR`, () => 2)]),
  ];

  it("are those of the rows of that tile, fluxes and errors alike, and told", async () => {
    const [table, out] = ["tiles", "tiles-repaired"].map((name) => join(root, `${name}.parquet`));
    const schema = columns.map(({ data: _data, ...rest }) => rest);
    await writeTable(table, { schema, metadata: {}, rowCount: ROWS }, [{ rowCount: ROWS, columns, metadata: {} }]);
    await repair({ checkpoint: tiled, table, out, reading: { layout: "tiled" } });
    const { columns: found, metadata } = await read(out);
    const cellsOf = (name: string): ArrayLike<number> =>
      found.find((column) => column.name === name)!.data as ArrayLike<number>;
    for (const [j, name] of names.entries()) {
      for (let row = 0; row < ROWS; row++) {
        const isTile = field[row] === "north" && pass[row] === 2;
        const ln = LN_FLUX[j] + (isTile ? TILE[j] : 0);
        expect(cellsOf(`TILED_${name}`)[row]).toBeCloseTo((row - 1 + 10 * j) * Math.exp(ln), 4);
        expect(cellsOf(`TILED_${name}_ERR`)[row]).toBeCloseTo(2 * Math.exp(ln), 4);
        expect(cellsOf(`TILED_${name}_zp_applied`)[row]).toBeCloseTo((-2.5 / Math.LN10) * ln, 4);
      }
    }
    expect(metadata.repair_tiles).toContain("north-2");
  });
});
