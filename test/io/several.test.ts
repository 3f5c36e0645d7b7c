import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkFolder } from "../../src/io/atomic.ts";
import { readAll, schemaOf } from "../../src/io/columns.ts";
import { checkWritable, openTable, writeTable } from "../../src/io/formats.ts";
import { hashFile } from "../../src/io/hash.ts";
import type { Column, ColumnSchema, TablePick } from "../../src/io/table.ts";
import { golden, readTruth, scratch, tableTruth, truthOf } from "./truth.ts";

/** How many of `names` are there. */
const scoreOf =
  (...names: readonly string[]): NonNullable<TablePick["score"]> =>
  (schema: readonly ColumnSchema[]) => [schema.filter(({ name }) => names.includes(name)).length];

async function chosen(path: string, pick?: TablePick): Promise<{ path: string; notes: readonly string[] }> {
  const source = await openTable(path, pick);
  await source.close();
  return { path: source.path, notes: source.notes?.() ?? [] };
}

describe("a FITS file with several tables", () => {
  const path = golden("tables.fits");

  it("is read where the score is highest, and says which", async () => {
    expect(await chosen(path, { score: scoreOf("z", "J0500", "J0500_err") })).toEqual({
      path: `${path}[MOST]`,
      notes: [`table 3 MOST is read, not 1 ASCII, 2 FEW (--hdu or e.g. ${path}[ASCII] reads another)`],
    });
    expect((await chosen(path, { score: scoreOf("LONG") })).path).toBe(`${path}[ASCII]`);
    expect((await chosen(path, { score: scoreOf("nothing") })).path).toBe(`${path}[ASCII]`);
    expect((await chosen(path)).path).toBe(`${path}[ASCII]`);
  });

  it("is refused where two have as much", async () => {
    await expect(chosen(path, { score: scoreOf("z") })).rejects.toThrow(
      `${path}: tables 2 FEW and 3 MOST have as many of the wanted columns, expected one: choose with --hdu, or ${path}[FEW]`,
    );
  });

  it("is read by name or number, in whatever case", async () => {
    for (const [name, seen] of [
      ["few", "FEW"],
      ["3", "MOST"],
      ["ascii", "ASCII"],
    ] as const) {
      expect((await chosen(path, { name, score: scoreOf("z") })).path).toBe(`${path}[${seen}]`);
      expect((await chosen(`${path}[${name}]`, { name: "MOST" })).path).toBe(`${path}[${seen}]`);
    }
    await expect(chosen(`${path}[0]`)).rejects.toThrow(`${path}: no table "0", expected one of 1 ASCII, 2 FEW, 3 MOST`);
    expect(await hashFile(`${path}[FEW]`)).toBe(await hashFile(path));
  });

  it("has ASCII tables as astropy writes them", async () => {
    for (const batchRows of [1, 2, 10]) {
      expect(await truthOf(await openTable(`${path}[ASCII]`), batchRows)).toEqual(readTruth("tables").columns);
    }
  });

  it("says which cell of an ASCII table is no number", async () => {
    const bad = join(scratch(), "bad.fits");
    const { readFileSync } = await import("node:fs");
    const bytes = readFileSync(path);
    bytes.write("x", bytes.indexOf("1000.000", 0, "latin1"), "latin1");
    writeFileSync(bad, bytes);
    await expect(openTable(`${bad}[ASCII]`).then(readAll)).rejects.toThrow(
      /bad\.fits: row 3: column "F": "x000\.000" is not a number/,
    );
  });

  it("a format with one table has no name to ask for", async () => {
    await expect(openTable(`${golden("pyarrow_none.parquet")}[1]`)).rejects.toThrow(
      /\[1\]: a parquet file has one table, expected its name without \[1\]/,
    );
  });
});

const votable = (tables: string): string =>
  `<?xml version="1.0"?><VOTABLE version="1.4"><RESOURCE>${tables}</RESOURCE></VOTABLE>`;
const table = (name: string, fields: string, rows: string): string =>
  `<TABLE name="${name}">${fields}<DATA><TABLEDATA>${rows}</TABLEDATA></DATA></TABLE>`;
const field = (name: string, datatype: string, inside = ""): string =>
  `<FIELD name="${name}" datatype="${datatype}"${datatype === "char" ? ' arraysize="*"' : ""}>${inside}</FIELD>`;

describe("a VOTable", () => {
  function write(name: string, tables: string): string {
    const path = join(scratch(), name);
    writeFileSync(path, votable(tables));
    return path;
  }

  it("with several tables is chosen from as FITS files are", async () => {
    const path = write(
      "two.vot",
      table("none", field("z", "double") + field("x", "double"), "") +
        table("one", field("z", "double"), "<TR><TD>1</TD></TR>") +
        table("two", field("z", "double") + field("x", "double"), "<TR><TD>2</TD><TD>3</TD></TR>"),
    );
    const read = async (name: string, pick?: TablePick): Promise<unknown> =>
      (await readAll(await openTable(name, pick))).columns.map(({ data }) => data);
    expect(await read(path)).toEqual([Float64Array.of(1)]);
    expect(await read(path, { score: scoreOf("z", "x") })).toEqual([Float64Array.of(2), Float64Array.of(3)]);
    expect(await read(`${path}[TWO]`)).toEqual([Float64Array.of(2), Float64Array.of(3)]);
    expect((await chosen(path)).notes).toEqual([
      `table 1 one is read, not 0 none, 2 two (--hdu or e.g. ${path}[none] reads another)`,
    ]);
  });

  it("is not refused for a column of unknown type, or a text that means missing", async () => {
    const path = write(
      "odd.vot",
      table(
        "odd",
        field("id", "string") +
          field("n", "int", '<VALUES null="N/A"/>') +
          field("x", "double") +
          field("long", "long", '<VALUES null="+5"/>') +
          field("name", "char", '<VALUES null="none"/>'),
        "<TR><TD>0012</TD><TD>N/A</TD><TD>null</TD><TD>5</TD><TD>none</TD></TR>" +
          "<TR><TD>b</TD><TD>3</TD><TD>2.5</TD><TD>6</TD><TD>null</TD></TR>",
      ),
    );
    expect(tableTruth(await readAll(await openTable(path)))).toEqual({
      id: { type: "string", width: 1, values: ["0012", "b"] },
      n: { type: "int32", width: 1, values: [null, 3] },
      x: { type: "float64", width: 1, values: [null, 2.5] },
      long: { type: "int64", width: 1, values: [null, "6"] },
      name: { type: "string", width: 1, values: [null, "null"] },
    });
    const binary = `<TABLE>${field("q", "quaternion")}<DATA><BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY></DATA></TABLE>`;
    await expect(openTable(write("binary.vot", binary))).rejects.toThrow(
      /binary\.vot: column "q": datatype "quaternion", expected one of boolean, bit/,
    );
  });
});

/** A leaf of a catalogue, with ids from `first` on. */
async function writeLeaf(folder: string, name: string, first: number, count: number, type = "float32"): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const rows = Array.from({ length: count }, (_, i) => first + i);
  const columns: Column[] = [
    { name: "_healpix_29", type: "int64", width: 1, data: BigInt64Array.from(rows, BigInt) },
    { name: "object_id", type: "int64", width: 1, data: BigInt64Array.from(rows, BigInt) },
    type === "float32"
      ? { name: "z", type: "float32", width: 1, data: Float32Array.from(rows) }
      : { name: "z", type: "float64", width: 1, data: Float64Array.from(rows) },
  ];
  const one = { rowCount: count, columns, metadata: {} };
  await writeTable(join(folder, name), { schema: columns.map(schemaOf), metadata: {} }, [one]);
}

describe("a HATS catalogue", () => {
  async function write(): Promise<string> {
    const root = join(scratch(), "sky");
    const at = (...parts: string[]): string => join(root, "dataset", ...parts);
    await writeLeaf(at("Norder=1", "Dir=0"), "Npix=20.parquet", 30, 2);
    await writeLeaf(at("Norder=1", "Dir=0"), "Npix=3.parquet", 20, 1);
    await writeLeaf(at("Norder=0", "Dir=0", "Npix=7"), "part0.parquet", 10, 2);
    await writeLeaf(at("Norder=0", "Dir=0", "Npix=7"), "part1.parquet", 12, 1);
    await writeLeaf(at(), "data_thumbnail.parquet", 90, 5);
    writeFileSync(at("_metadata.parquet"), "no rows");
    writeFileSync(join(root, "partition_info.csv"), "Norder,Npix\n0,7\n");
    writeFileSync(join(root, "hats.properties"), "# HATS\nobs_collection = sky\nhats_nrows=6\n");
    return root;
  }

  it("opens from its root: leaves in the order of the sky, none of the files beside them", async () => {
    const root = await write();
    const source = await openTable(root);
    expect([source.format, source.rowCount]).toEqual(["hats", 6]);
    expect(source.schema.map(({ name }) => name)).toEqual(["object_id", "z"]);
    const { columns } = await readAll(source);
    expect(columns[0].data).toEqual(BigInt64Array.of(10n, 11n, 12n, 20n, 30n, 31n));
    expect(columns[1].data).toEqual(Float32Array.of(10, 11, 12, 20, 30, 31));
    const collection = join(root, "..");
    writeFileSync(join(collection, "collection.properties"), "hats_primary_table_url=sky\n");
    expect((await readAll(await openTable(collection))).rowCount).toBe(6);
    const before = await hashFile(root);
    await writeLeaf(join(root, "dataset", "Norder=1", "Dir=0"), "Npix=3.parquet", 21, 1);
    expect(await hashFile(root)).not.toBe(before);
  });

  it("is refused where rows are missing, or leaves differ", async () => {
    const root = await write();
    writeFileSync(join(root, "hats.properties"), "hats_nrows=7\n");
    await expect(openTable(root).then(readAll)).rejects.toThrow(/sky: damaged: 6 rows came, its header promises 7/);
    await writeLeaf(join(root, "dataset", "Norder=1", "Dir=0"), "Npix=3.parquet", 20, 1, "float64");
    await expect(openTable(root).then(readAll)).rejects.toThrow(
      /Npix=3\.parquet: column "z" is float64 x 1, expected float32 x 1 as in the files before/,
    );
  });
});

describe("a place to write to", () => {
  it("is tested before the work", () => {
    const folder = scratch();
    writeFileSync(join(folder, "file"), "");
    checkFolder(join(folder, "not", "there", "yet"));
    checkWritable(join(folder, "not", "answers.parquet"));
    expect(() => checkFolder(join(folder, "file"))).toThrow(
      /file: cannot be written: a file is there, expected a folder/,
    );
    expect(() => checkWritable(join(folder, "file", "deep", "z.csv"))).toThrow(/cannot be written: a file is there/);
    mkdirSync(join(folder, "z.csv"));
    expect(() => checkWritable(join(folder, "z.csv"))).toThrow(/z\.csv: is a folder, expected a file to write/);
    if (process.platform === "linux") {
      expect(() => checkWritable("/proc/none/z.csv")).toThrow(
        /proc\/none: cannot be written: .*\((ENOENT|EACCES|EPERM)\)/,
      );
    }
  });
});
