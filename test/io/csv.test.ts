import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAll } from "../../src/io/columns.ts";
import { openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { golden, readTruth, scratch, truthOf } from "./truth.ts";

const BANDS = 60;

/** An export of a CEFCA archive: the query, the header, array cells, an object without photometry, a blank line. */
function exported(): { text: string; flux: number[][] } {
  const flux = [0, 1, 2].map((row) =>
    Array.from({ length: BANDS }, (_, band) => (band === 7 ? 99 : row === 1 && band === 3 ? -0.25 : row + band / 8)),
  );
  const error = flux[0].map((_, band) => (band % 5 === 0 ? "-0.12" : band === 7 ? "-99.0" : "3.5E-2"));
  const cells = (row: number): string => `${flux[row].join(" ")},${error.join(" ")},${flux[0].map(() => 0).join(" ")}`;
  const lines = [
    "#SELECT f.TILE_ID, f.NUMBER, FLUX_APER_3_0 FROM minijpas.FLambdaDualObj f WHERE f.NUMBER > 0, 1",
    '"TILE_ID","NUMBER","FLUX_APER_3_0","FLUX_RELERR_APER_3_0","FLAGS","PHOTOZ","name"',
    `2241,1,${cells(0)},0.51,"JPAS J1"`,
    `2241,2,,,,,`,
    "",
    `2406,9007199254740993,${cells(1)},nan,"a, b"`,
    `2406,4,${cells(2)},-99.0,`,
  ];
  return { text: `${lines.join("\n")}\n`, flux };
}

const named = (columns: readonly Column[], name: string): Column => {
  const column = columns.find((one) => one.name === name);
  if (!column) throw new Error(`no column ${name}`);
  return column;
};

describe("CSV of a CEFCA archive", () => {
  it("gives array columns, keeps identifiers whole, and an empty row is missing, not an error", async () => {
    const { text, flux } = exported();
    for (const ending of ["\n", "\r\n"]) {
      const path = join(scratch(), "cefca.csv");
      writeFileSync(path, text.replaceAll("\n", ending));
      const source = await openTable(path);
      expect(source.metadata["query"]).toMatch(/^SELECT f\.TILE_ID.*NUMBER > 0, 1$/);
      const { columns, rowCount } = await readAll(source);
      expect(rowCount).toBe(4);
      const aperture = named(columns, "FLUX_APER_3_0");
      expect([aperture.type, aperture.width]).toEqual(["float64", BANDS]);
      const rows = [0, 2, 3].map((row) =>
        Array.from((aperture.data as Float64Array).subarray(row * BANDS, (row + 1) * BANDS)),
      );
      expect(rows).toEqual(flux);
      const empty = (aperture.data as Float64Array).subarray(BANDS, 2 * BANDS);
      expect(empty.every(Number.isNaN)).toBe(true);
      expect((named(columns, "FLUX_RELERR_APER_3_0").data as Float64Array).slice(0, 2)).toEqual(
        Float64Array.of(-0.12, 0.035),
      );
      expect([...(named(columns, "NUMBER").data as BigInt64Array)]).toEqual([1n, 2n, 9007199254740993n, 4n]);
      expect([...(named(columns, "PHOTOZ").data as Float64Array)]).toEqual([0.51, NaN, NaN, -99]);
      expect(named(columns, "name").data).toEqual(["JPAS J1", "", "a, b", ""]);
    }
  });

  const depths = join(
    process.env["CALEIDO_TEST_DATA"] ?? join(import.meta.dirname, "../../../shared/data"),
    "survey-depths",
  );
  it.runIf(existsSync(depths))("reads the archive's own tables of depths", async () => {
    const table = await readAll(await openTable(join(depths, "minijpas.TileImage.csv")));
    expect(table.rowCount).toBe(240);
    const depth = named(table.columns, "DEPTH3ARC5S").data as Float64Array;
    expect(depth.every((value) => value > 20 && value < 25.5)).toBe(true);
    const filters = await readAll(await openTable(join(depths, "minijpas.Filter.csv")), { columns: ["name"] });
    expect(filters.rowCount).toBe(60);
    expect(filters.columns[0].data.slice(0, 2)).toEqual(["uJAVA", "J0378"]);
  });
});

describe("CSV output", () => {
  it("writes single-precision numbers with 9 digits at most that read back bit by bit", async () => {
    const rng = createRng("digits");
    const bits = Uint32Array.from({ length: 20_000 }, () => rng.integer(2 ** 32));
    const any = new Float32Array(bits.buffer).filter((value) => !Number.isNaN(value));
    const usual = Float32Array.from({ length: 20_000 }, () => 10 ** (14 * rng.uniform() - 7) * (rng.uniform() - 0.5));
    for (const data of [any, usual, Float32Array.of(0.1, 1e6, 999999.94, 1e-5, 16777216, 123456.7, -0.3, 5e-45)]) {
      const path = join(scratch(), "digits.csv");
      const table: Table = {
        rowCount: data.length,
        columns: [{ name: "x", type: "float32", width: 1, data }],
        metadata: {},
      };
      await writeTable(path, { schema: table.columns, metadata: {} }, [table]);
      const back = await readAll(await openTable(path));
      expect(back.columns[0].data).toEqual(data.map((value) => value + 0));
      const digits = readFileSync(path, "utf8").split("\n").slice(2, -1);
      expect(digits.every((text) => text.replace(/e.*|\D/g, "").replace(/^0+|0+$/g, "").length <= 9)).toBe(true);
    }
  });
});

describe("comments and headers of CSV", () => {
  const write = (name: string, text: string): string => {
    const path = join(scratch(), name);
    writeFileSync(path, text);
    return path;
  };
  const read = async (path: string): Promise<{ table: Table; notes: readonly string[]; units: unknown[] }> => {
    const source = await openTable(path);
    const table = await readAll(source);
    return { table, notes: source.notes?.() ?? [], units: source.schema.map(({ unit }) => unit) };
  };
  const cells = ({ columns }: Table): unknown[] => columns.map(({ data }) => Array.from(data as ArrayLike<unknown>));

  it("a quoted cell is no comment; what is one is counted", async () => {
    const text = 'id,x\n"#1",2\n#2,3\nb,4\n# it\'s 5" wide\n"a\n#b",5\n"c ""#""",6\n';
    for (const ending of ["\n", "\r\n"]) {
      const { table, notes } = await read(write("hash.csv", text.replaceAll("\n", ending)));
      expect((cells(table)[0] as string[]).map((id) => id.replace("\r", ""))).toEqual(["#1", "b", "a\n#b", 'c "#"']);
      expect(cells(table)[1]).toEqual([2, 4, 5, 6]);
      expect(notes).toEqual([
        "2 lines that begin with # skipped as comments (line 3: #2,3); a cell that begins so needs quotes",
      ]);
    }
    expect((await read(write("none.csv", "# note\nid,x\na,1\n"))).notes).toEqual([]);
  });

  it("comments with a lone quote in the middle of a large file lose no row", async () => {
    const rows = Array.from({ length: 60_000 }, (_, i) =>
      i % 1000 === 7 ? `# 5" ${i}\n"#${i}",${i},x` : `${i},${i},"q"`,
    );
    const { table, notes } = await read(write("large.csv", `id,x,y\n${rows.join("\n")}\n`));
    expect(table.rowCount).toBe(60_000);
    expect(notes[0]).toMatch(/^60 lines that begin with # skipped as comments \(line 9: # 5" 7\)/);
  });

  it("numpy's savetxt has its names in a comment", async () => {
    const source = await openTable(golden("savetxt.csv"));
    expect(await truthOf(source)).toEqual(readTruth("savetxt").columns);
    const { table } = await read(write("comma.csv", "# a,b\n1,2\n3,4\n"));
    expect([table.columns.map(({ name }) => name), cells(table)]).toEqual([
      ["a", "b"],
      [
        [1, 3],
        [2, 4],
      ],
    ]);
    for (const text of ["1,2\n3,4\n", "# a b\n1,2\n", "# 1,2\n1,2\n"]) {
      await expect(openTable(write("bare.csv", text))).rejects.toThrow(
        /bare\.csv:\d: the first line holds numbers, expected a header line with column names/,
      );
    }
  });

  it("blanks are delimiters where there is no other", async () => {
    const { table } = await read(write("blanks.csv", '  id    x  \n  a   1\n\n "b  c"\t2\n'));
    expect(cells(table)).toEqual([
      ["a", "b  c"],
      [1, 2],
    ]);
    const one = await read(write("one.csv", "my name\na\nb\n"));
    expect(one.table.columns.map(({ name }) => name)).toEqual(["my name"]);
  });

  it("ECSV as astropy writes it without metadata", async () => {
    const { table, units } = await read(golden("nometa.ecsv"));
    expect([cells(table), units]).toEqual([
      [
        ["0012", "b c"],
        [20, 21],
      ],
      [undefined, "uJy"],
    ]);
  });

  const vizier = (rows: string): string =>
    `#\n#   VizieR Astronomical Server\n#RESOURCE=yCat_1\n#Table\tJ_A+A_1:\n#Column\tName\t(A4)\tid\n${rows}`;
  it("VizieR's tab-separated tables have units and a rule below the names", async () => {
    const path = write(
      "asu.tsv",
      vizier("Name\tF\te_F\n \tuJy\tuJy\n----\t-----\t-----\n0012\t 20.5\t  1.0\nb   \t     \t  1.0\n\n"),
    );
    const { table, units } = await read(path);
    expect([cells(table), units]).toEqual([
      [
        ["0012", "b"],
        [20.5, NaN],
        [1, 1],
      ],
      [undefined, "uJy", "uJy"],
    ]);
    const two = vizier("a\tb\n--\t--\n1\t2\n\n#Table\tJ_A+A_2:\na\tb\n--\t--\n3\t4\n");
    await expect(read(write("two.tsv", two))).rejects.toThrow(/two\.tsv:10: a second table begins here, expected one/);
  });
});
