import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAll, schemaOf } from "../../src/io/columns.ts";
import { formats, openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Format, Table } from "../../src/io/table.ts";
import { bytesToText, untilZero } from "../../src/io/text.ts";
import { golden, readTruth, scratch, truthOf } from "./truth.ts";

function write(name: string, text: string): string {
  const path = join(scratch(), name);
  writeFileSync(path, text);
  return path;
}

/** The first column of a file, as its cells are written. */
async function textsOf(path: string): Promise<readonly unknown[]> {
  const source = await openTable(path);
  const { name } = source.schema[0];
  const found: unknown[] = [];
  for await (const { columns } of source.batches({ columns: [name], texts: [name] })) {
    found.push(...(columns[0].data as ArrayLike<unknown> as unknown[]));
  }
  await source.close();
  return found;
}

const textTable = (texts: string[]): Table => ({
  rowCount: texts.length,
  columns: [{ name: "object_id", type: "string", width: 1, data: texts }],
  metadata: {},
});

describe("identifiers", () => {
  const ids = [
    "0012",
    "12",
    "1234.10",
    "1234.1",
    "1E5",
    "100000",
    "+7",
    "7",
    "12345678901234567",
    "0x1F",
    "NaN",
    "true",
  ];

  it("in CSV are the cells as they are written", async () => {
    for (const name of ["ids.csv", "ids.tsv"]) {
      expect(await textsOf(write(name, `object_id\n${ids.join("\n")}\n`))).toEqual(ids);
    }
    const wide = ids.map((id) => `${id},1.5`);
    expect(await textsOf(write("wide.csv", `object_id,x\n${wide.join("\n")}\n`))).toEqual(ids);
  });

  it("in CSV have the type that the file states, where it does", async () => {
    const head = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: int64}\n# - {name: x, datatype: float64}\n";
    expect(await textsOf(write("typed.ecsv", `${head}id x\n7 1\n12345678901234567 2\n`))).toEqual([
      7n,
      12345678901234567n,
    ]);
  });

  const hard = ["#1", "# 2", "0012", "1E5", 'say "a"', "a, b", "two\nlines", "a\n#b", "-", "x y"];
  const written = (Object.values(formats) as readonly Format[]).filter((format) => format.write);
  it.each(written.map(({ name, extensions }) => [name, extensions[0]]))("survive %s", async (name, extension) => {
    // FITS strings are one line of ASCII
    const own = name === "fits" ? hard.filter((text) => !text.includes("\n")) : [...hard, "\u00e9", "\u00e8"];
    const path = join(scratch(), `ids${extension}`);
    for (const isPlain of [true, false]) {
      const table = textTable(own);
      await writeTable(path, { schema: table.columns.map(schemaOf), metadata: {}, isPlain }, [table]);
      expect(await textsOf(path)).toEqual(own);
    }
  });

  it("as whole numbers, bytes and decimals, by pyarrow", async () => {
    const { columns } = readTruth("identifiers");
    for (const kind of ["", "_delta1", "_delta2"]) {
      expect([kind, await truthOf(await openTable(golden(`identifiers${kind}.parquet`)))]).toEqual([kind, columns]);
    }
    const { decimal: _, ...others } = columns;
    expect(await truthOf(await openTable(golden("identifiers.arrow")))).toEqual(others);
  });

  it("as bytes that are no text stay different", () => {
    const bytes = [[0x61, 0], [0xff], [0xfe], [0x61, 1], []].map((each) => Uint8Array.from(each));
    expect(bytes.map(bytesToText)).toEqual(["a", "0xff", "0xfe", "0x6101", ""]);
    expect(untilZero(Uint8Array.of(0xe9, 0x20))).toBe("\u00e9");
    expect(untilZero(Uint8Array.of(0xc3, 0xa9, 0, 1))).toBe("\u00e9");
  });

  it("and names that FITS has no letters for are an error, not question marks", async () => {
    const path = join(scratch(), "accents.fits");
    const tables = [textTable(["a", "b"]), textTable(["c", "caf\u00e9"])];
    const header = { schema: tables[0].columns.map(schemaOf), metadata: { note: "\u03c3" } };
    await expect(writeTable(path, header, tables)).rejects.toThrow(
      `${path}: column "object_id" in row 4 is "caf\u00e9", expected ASCII`,
    );
    const named: Column = { name: "\u03c3_v", type: "float32", width: 1, data: new Float32Array(1) };
    await expect(
      writeTable(path, { schema: [named], metadata: {} }, [{ rowCount: 1, columns: [named], metadata: {} }]),
    ).rejects.toThrow(/accents\.fits: a column's name is "\u03c3_v", expected ASCII/);
    await writeTable(path, header, tables.slice(0, 1));
    expect((await openTable(path)).metadata["note"]).toBe("?");
  });
});

describe("columns of one name are an error", () => {
  const twice = ["a", "b", "a"].map((name): Column => ({ name, type: "float64", width: 1, data: Float64Array.of(1) }));

  it("in CSV, TSV and ECSV", async () => {
    await expect(openTable(write("twice.csv", "a,b,a\n1,2,3\n"))).rejects.toThrow(
      /twice\.csv: several columns are named "a", expected one; rename them/,
    );
    await expect(openTable(write("twice.tsv", "a\tb\ta\n1\t2\t3\n"))).rejects.toThrow(/several columns are named "a"/);
  });

  it.each([".parquet", ".fits", ".arrow", ".vot", ".ecsv"])("in %s", async (extension) => {
    const path = join(scratch(), `twice${extension}`);
    await writeTable(path, { schema: twice, metadata: {} }, [{ rowCount: 1, columns: twice, metadata: {} }]);
    const opening = openTable(path).then(readAll);
    await expect(opening).rejects.toThrow(/several columns are named "a", expected one/);
  });
});
