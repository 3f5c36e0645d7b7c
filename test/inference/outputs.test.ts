import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Dataset, File, type Group, ready } from "h5wasm/node";
import { beforeAll, describe, expect, it } from "vitest";
import { createStack, type Grid, gridColumns, gridDensity, parseGrids } from "../../src/inference/grid.ts";
import { query, type QueryRequest } from "../../src/inference/query.ts";
import { readAll, schemaOf } from "../../src/io/columns.ts";
import { openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { mixtureDistribution } from "../../src/model/mixture.ts";
import { createRng } from "../../src/random.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { catalogTable } from "../../src/survey/table.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { onnx, perturb, startCheckpoint } from "../helpers/network.ts";
import { scratch } from "../helpers/scratch.ts";
import { toyBands, toyCatalog, toyFields } from "../helpers/toy.ts";

const root = scratch();
/** More than are answered at once: kept columns and densities come in two batches. */
const ROWS = 5000;
const catalog = toyCatalog(ROWS, "outputs");
const init = join(root, "network");
const table = join(root, "own.parquet");
const bandFlags = toyFields.map((_, j) => j < toyBands);

/** The toy galaxies with columns that no field is, of all types. */
function ownTable(): Table {
  const bands = catalogTable(catalog, allRows(catalog), {
    isExact: false,
    hasError: bandFlags,
    hasState: bandFlags,
  }).columns.filter(({ name }) => name !== "parent_id");
  const of = <T>(value: (row: number) => T): T[] => Array.from({ length: ROWS }, (_, row) => value(row));
  const extra: Column[] = [
    {
      name: "ra",
      type: "float64",
      width: 1,
      unit: "deg",
      description: "right ascension",
      data: Float64Array.from(of((i) => i / 7)),
    },
    { name: "note", type: "string", width: 1, data: of((i) => (i % 3 === 0 ? "" : `row, "${i}"`)) },
    { name: "source", type: "int64", width: 1, data: BigInt64Array.from(of((i) => 2n ** 60n + BigInt(i))) },
    {
      name: "flag",
      type: "uint8",
      width: 1,
      nullable: true,
      data: Uint8Array.from(of((i) => i % 2)),
      isValid: Uint8Array.from(of((i) => Number(i !== 4500))),
    },
    { name: "cutout", type: "float32", width: 3, data: Float32Array.from({ length: 3 * ROWS }, (_, i) => i / 8) },
    { name: "z_median", type: "float32", width: 1, data: Float32Array.from(of((i) => -i)) },
  ];
  return { rowCount: ROWS, columns: [...bands, ...extra], metadata: {} };
}

const own = ownTable();
beforeAll(async () => {
  await saveCheckpoint(init, perturb(startCheckpoint(catalog), 0.1));
  await writeTable(table, { schema: own.columns.map(schemaOf), metadata: {} }, [own]);
});

async function ask(request: Partial<QueryRequest>): Promise<string[]> {
  const said: string[] = [];
  const bar = { update: () => {}, stop: () => {} };
  const reporter = { say: (line: string) => void said.push(line), bar: () => bar };
  await query({ engine: await onnx, checkpoint: init, table, given: "bands", want: "z", reporter, ...request });
  return said;
}

async function read(path: string): Promise<Map<string, Column>> {
  const source = await openTable(path);
  try {
    return new Map((await readAll(source)).columns.map((column) => [column.name, column]));
  } finally {
    await source.close();
  }
}

describe("columns of the table", () => {
  const names = ["note", "ra", "source", "flag", "cutout", "z_median"];
  const of = (name: string): Column => own.columns.find((column) => column.name === name)!;

  it.each(["parquet", "fits", "arrow", "vot", "csv", "ecsv"])(
    "pass through to %s as they are",
    async (extension) => {
      const out = join(root, `kept.${extension}`);
      await ask({ out, keep: names });
      const answers = await read(out);
      expect([...answers.keys()].slice(0, 7)).toEqual(["object_id", ...names.slice(0, 5), "z_median_kept"]);
      for (const name of names) {
        const kept = answers.get(name === "z_median" ? "z_median_kept" : name)!;
        const { data, isValid, width, unit } = of(name);
        expect([name, kept.width]).toEqual([name, width]);
        const isTold = extension !== "csv";
        if (isTold) expect(kept.unit).toBe(unit);
        const text = (column: Column, i: number): string => {
          if (column.isValid?.[Math.floor(i / width)] === 0 || Number.isNaN(column.data[i])) return "";
          return String(column.data[i]);
        };
        const wanted = { ...of(name), data, ...(isValid === undefined ? {} : { isValid }) };
        // VOTable and FITS have no nothing but the empty text
        expect(Array.from({ length: data.length }, (_, i) => text(kept, i))).toEqual(
          Array.from({ length: data.length }, (_, i) => text(wanted, i)),
        );
      }
    },
    120_000,
  );

  it("come all together, the ids once", async () => {
    const out = join(root, "all.parquet");
    await ask({ out, keep: "all" });
    const answers = [...(await read(out)).keys()];
    expect(answers.filter((name) => name.startsWith("object_id"))).toEqual(["object_id"]);
    for (const { name } of own.columns) expect(answers).toContain(name === "z_median" ? "z_median_kept" : name);
  });

  it("that are not there are an error with the nearest name, before the work", async () => {
    await expect(ask({ out: join(root, "no.parquet"), keep: ["Ra"] })).rejects.toThrow(
      `${table}: no column "Ra" to keep (did you mean "ra"?); expected columns of the table, or all`,
    );
    await expect(
      query({ engine: await onnx, checkpoint: init, values: ["N1=20+-1"], want: "z", keep: "all" }),
    ).rejects.toThrow("--keep: expected a table to keep columns of");
    expect(readdirSync(root).filter((name) => name.startsWith("no."))).toEqual([]);
  });
});

describe("a grid", () => {
  const grid = (text: string, wanted = [6]): Grid => parseGrids([text], toyFields, wanted)[0];

  it("has its points without the dust of binary fractions", () => {
    const { at, step, field } = grid("z=0:1.5:0.005", [6, 7]);
    expect([at.length, at[0], at[60], at[300], step, field]).toEqual([301, 0, 0.3, 1.5, 0.005, 6]);
    expect(Array.from(grid("-1:1:5e-1").at)).toEqual([-1, -0.5, 0, 0.5, 1]);
  });

  it.each([
    ["0:1", /--pdf-grid 0:1: expected min:max:step/],
    ["0:1:x", /expected min:max:step/],
    ["1:0:0.1", /expected min:max:step/],
    ["0:1:0", /expected min:max:step/],
    ["0:1:0.3", /1 is no whole number of steps of 0.3 from 0/],
    ["0:1:1e-9", /more than 100000 points/],
    ["MASS=0:1:0.1", /expected NAME=min:max:step for one of z/],
  ])("%s is an error that says so", (text, message) => expect(() => grid(text)).toThrow(message));

  it("without a name is for one wanted field, and each has one", () => {
    expect(() => grid("0:1:0.1", [6, 7])).toThrow("expected NAME=min:max:step for one of z, MASS");
    expect(() => parseGrids(["0:1:0.1", "z=0:2:0.1"], toyFields, [6])).toThrow("z has several grids, expected one");
  });

  it("holds the probability between its ends, however narrow the peaks", () => {
    const rng = createRng("grid");
    const rowCount = 50;
    const sigma = Float64Array.from({ length: rowCount }, (_, i) => (i % 2 === 0 ? 1e-5 : 0.1));
    const mean = Float64Array.from({ length: rowCount }, () => 1.2 * rng.uniform());
    const weight = new Float64Array(rowCount).fill(1);
    const distribution = mixtureDistribution({ rowCount, componentCount: 1, stride: 1, weight, mean, sigma });
    const own = grid("0:1:0.01");
    const out = new Float64Array(own.at.length);
    const stack = createStack(own);
    const [pdf, share] = gridColumns(toyFields[6], distribution, stack);
    let total = 0;
    for (let row = 0; row < rowCount; row++) {
      const mass = gridDensity(distribution, row, own, out);
      const integral = (y: ArrayLike<number>, from = 0): number =>
        own.at.reduce(
          (sum, x, i) => (i === 0 ? 0 : sum + 0.5 * (y[from + i] + y[from + i - 1]) * (x - own.at[i - 1])),
          0,
        );
      expect(mass).toBeCloseTo(distribution.cdf(row, 1) - distribution.cdf(row, 0), 12);
      expect(integral(out)).toBeCloseTo(mass, 12);
      total += mass;
      expect(share.data[row]).toBeCloseTo(mass, 6);
      // a broad density is what it is at the points: the mean over a step differs in second order
      if (sigma[row] > 0.01) expect(out[50]).toBeCloseTo(Math.exp(distribution.logDensity(row, 0.5)), 1);
      const normalised = integral(pdf.data as Float32Array, row * own.at.length);
      if (mass < 1e-6) expect(normalised).toBeNaN();
      else expect(normalised).toBeCloseTo(1, 5);
    }
    const stacked = own.at.reduce(
      (sum, x, i) => (i === 0 ? 0 : sum + 0.5 * (stack.sum[i] + stack.sum[i - 1]) * (x - own.at[i - 1])),
      0,
    );
    expect(stacked).toBeCloseTo(total, 9);
    expect(stack.outside).toBe(Array.from(share.data as Float32Array).filter((mass) => mass < 0.5).length);
  });
});

describe("densities on one grid", () => {
  const out = join(root, "grid.fits");
  let said: string[];
  beforeAll(async () => {
    const files = { out, ensemble: { path: join(root, "grid.hdf5") } };
    said = await ask({ ...files, want: "z,MASS", pdfGrid: ["z=0:3:0.02"], pdf: { points: 20 } });
  }, 120_000);

  it("are a column, those of other fields on grids of their own", async () => {
    const answers = await read(out);
    expect([answers.get("z_pdf")!.width, answers.get("MASS_pdf")!.width, answers.has("z_grid")]).toEqual([
      151,
      20,
      false,
    ]);
    const source = await openTable(out);
    await source.close();
    expect(source.metadata).toMatchObject({ z_pdf_grid: "0:3:0.02" });
  });

  it("are added up beside it, with the error of the sample", async () => {
    const stack = await read(join(root, "grid-stacked-z.ecsv"));
    const answers = await read(out);
    const [density, share] = [answers.get("z_pdf")!.data, answers.get("z_on_grid")!.data] as Float32Array[];
    const [n, error] = [stack.get("n")!.data, stack.get("n_err")!.data] as Float64Array[];
    expect(n.length).toBe(151);
    for (const i of [0, 10, 100, 150]) {
      const values = Array.from(share, (mass, row) => (mass < 1e-6 ? 0 : density[row * 151 + i] * mass));
      const sum = values.reduce((a, b) => a + b, 0);
      expect(n[i] / sum).toBeCloseTo(1, 5);
      expect(error[i] ** 2 / values.reduce((a, b) => a + b * b, 0)).toBeCloseTo(1, 5);
    }
    expect(readFileSync(join(root, "grid-stacked-z.png")).subarray(1, 4).toString()).toBe("PNG");
    expect(said.join("\n")).toContain(`stacked distribution of z -> ${join(root, "grid-stacked-z.ecsv")}, .png`);
  });

  it("ask for a file, before the work", async () => {
    await expect(ask({ pdfGrid: ["0:1:0.1"] })).rejects.toThrow("--pdf-grid: expected --out or --qp");
  });
});

/** Shape, type and values of every dataset of a file of groups. */
async function datasets(path: string): Promise<Record<string, { shape: number[]; dtype: string; value: unknown }>> {
  await ready;
  const file = new File(path, "r");
  try {
    const found = file.keys().flatMap((group) =>
      (file.get(group) as Group).keys().map((name) => {
        const one = (file.get(group) as Group).get(name) as Dataset;
        return [
          `${group}/${name}`,
          { shape: one.shape ?? [], dtype: JSON.stringify(one.dtype), value: one.value },
        ] as const;
      }),
    );
    return Object.fromEntries(found);
  } finally {
    file.close();
  }
}

/** A qp ensemble as RAIL wrote it. */
const reference = fileURLToPath(new URL("../../../shared/data/rail-dc2/output_BPZ_lite.hdf5", import.meta.url));
const rail =
  process.env["CALEIDO_TEST_DATA"] === undefined
    ? reference
    : join(process.env["CALEIDO_TEST_DATA"], "rail-dc2/output_BPZ_lite.hdf5");

describe("a qp ensemble", () => {
  it.each(["linear", "exp", "sinh"] as const)("has components that add up to the moments (%s)", (shape) => {
    const [weight, mean, sigma] = [Float64Array.of(0.3, 0.7), Float64Array.of(-0.2, 0.5), Float64Array.of(0.1, 0.4)];
    const d = mixtureDistribution({ rowCount: 1, componentCount: 2, stride: 2, weight, mean, sigma });
    const curve = { shape, factor: 2, rate: 0.8, shift: 0.1, offset: -1 };
    const { weight: w, mean: m, std: s } = d.components!(0, curve)!;
    const first = w[0] * m[0] + w[1] * m[1];
    const second = w.reduce((sum, share, k) => sum + share * (s[k] ** 2 + (m[k] - first) ** 2), 0);
    const moments = d.moments(0, curve);
    expect([first, Math.sqrt(second)]).toEqual([expect.closeTo(moments.mean, 12), expect.closeTo(moments.std, 12)]);
  });

  it("of a mixture has its components in the field's unit", async () => {
    const path = join(root, "mixture.hdf5");
    await ask({ ensemble: { path }, out: join(root, "mixture.parquet") });
    const own = await datasets(path);
    expect(Object.keys(own).toSorted()).toEqual([
      "ancil/object_id",
      "ancil/zmean",
      "ancil/zmedian",
      "ancil/zmode",
      "data/means",
      "data/stds",
      "data/weights",
      "meta/pdf_name",
      "meta/pdf_version",
    ]);
    expect([own["meta/pdf_name"].value, own["meta/pdf_version"].value]).toEqual([["mixmod"], BigInt64Array.of(0n)]);
    expect(own["data/weights"].shape).toEqual([ROWS, 2]);
    const [w, m, s] = ["weights", "means", "stds"].map((name) => own[`data/${name}`].value as Float64Array);
    const answers = await read(join(root, "mixture.parquet"));
    const mean = answers.get("z_mean")!.data as Float32Array;
    for (const row of [0, 17, 4999]) {
      const [a, b] = [2 * row, 2 * row + 1];
      expect(w[a] + w[b]).toBeCloseTo(1, 12);
      expect(Math.min(s[a], s[b])).toBeGreaterThan(0);
      // the answer is kept to z >= 0, which a mixture is not
      if (Math.min(m[a] - 6 * s[a], m[b] - 6 * s[b]) > 0) expect(w[a] * m[a] + w[b] * m[b]).toBeCloseTo(mean[row], 4);
    }
    expect((own["ancil/object_id"].value as string[])[4999]).toBe("t4999");
    expect(Array.from(own["ancil/zmean"].value as Float64Array)).toEqual(Array.from(mean));
  }, 120_000);

  it("on a grid is laid out as RAIL's own file", async (context) => {
    const own = await datasets(join(root, "grid.hdf5"));
    expect([own["meta/pdf_name"].value, own["meta/pdf_version"].value]).toEqual([["interp"], BigInt64Array.of(0n)]);
    expect([own["meta/xvals"].shape, own["data/yvals"].shape]).toEqual([
      [1, 151],
      [ROWS, 151],
    ]);
    const [x, y] = [own["meta/xvals"].value, own["data/yvals"].value] as Float64Array[];
    const first = x.reduce((sum, at, i) => (i === 0 ? 0 : sum + 0.5 * (y[i] + y[i - 1]) * (at - x[i - 1])), 0);
    expect(first).toBeCloseTo(1, 12);
    if (!existsSync(rail)) context.skip(`no real data at ${rail}`);
    const theirs = await datasets(rail);
    for (const name of ["meta/pdf_name", "meta/pdf_version", "meta/xvals", "data/yvals", "ancil/zmode"]) {
      expect([name, own[name].shape.length]).toEqual([name, theirs[name].shape.length]);
      expect([name, own[name].dtype.replace(/[<>]/, "")]).toEqual([name, theirs[name].dtype.replace(/[<>]/, "")]);
    }
    expect(theirs["meta/pdf_name"].value).toEqual(own["meta/pdf_name"].value);
  });

  it("of a histogram has the probability of each bin", async () => {
    const path = join(root, "hist.h5");
    await ask({ ensemble: { path, form: "hist" }, pdfGrid: ["0:3:0.5"], table, want: "z" });
    const own = await datasets(path);
    expect([own["meta/pdf_name"].value, own["meta/bins"].shape, own["data/pdfs"].shape]).toEqual([
      ["hist"],
      [1, 7],
      [ROWS, 6],
    ]);
    const row = (own["data/pdfs"].value as Float64Array).subarray(0, 6);
    expect(row.reduce((sum, density) => sum + 0.5 * density, 0)).toBeCloseTo(1, 12);
    expect(existsSync(join(root, "hist-stacked-z.ecsv"))).toBe(true);
  });

  it.each([
    [{ path: "a.parquet" }, "z", "--qp a.parquet: expected an HDF5 file, .hdf5"],
    [
      { path: "a.hdf5", form: "interp" as const },
      "z",
      "--qp-form interp: expected a grid for it: --pdf-grid z=min:max:step",
    ],
    [{ path: "a.hdf5" }, "MASS,DUST", "--qp a.hdf5: an ensemble is of one field, expected --want z"],
  ])("%j is an error before the work", async (ensemble, want, message) => {
    await expect(ask({ ensemble, want })).rejects.toThrow(message);
  });

  it("is not there where the answers failed", async () => {
    writeFileSync(join(root, "broken.csv"), `object_id,N1,N1_err\n${"a,20,1\n".repeat(5000)}a,20\n`);
    const path = join(root, "half.hdf5");
    const reading = { units: [{ column: "*", unit: "survey" }] };
    await expect(ask({ table: join(root, "broken.csv"), reading, ensemble: { path } })).rejects.toThrow(
      /1 cells|2 cells/,
    );
    expect(readdirSync(root).filter((name) => name.startsWith("half"))).toEqual([]);
  });
});
