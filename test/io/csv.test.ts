import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readAll } from "../../src/io/columns.ts";
import { openTable, writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { createRng } from "../../src/random.ts";
import { scratch } from "./truth.ts";

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
