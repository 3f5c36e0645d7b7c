import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Column } from "../../src/io/table.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { outlineTable, readWholeCatalog, toCatalog } from "../../src/survey/read.ts";
import { formatReport } from "../../src/survey/report.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";

const survey = loadSurvey("minijpas");
const folder = scratch();

describe("ids", () => {
  const column = (name: string, type: "int64" | "string" | "float32", data: Column["data"]): Column => ({
    name,
    type,
    width: 1,
    data,
  });
  const withIds = (id: Column): Catalog =>
    toCatalog({ rowCount: 2, columns: [id, column("z", "float32", Float32Array.of(0.1, 0.2))], metadata: {} }, survey)
      .catalog;

  it("of 64 bits stay whole, and answers may carry them as numbers", () => {
    const catalog = withIds(column("object_id", "int64", BigInt64Array.of(39627733927462346n, -1n)));
    expect(catalog.objectId).toEqual(["39627733927462346", "-1"]);
    expect(catalog.idType).toBe("int64");
  });

  it("that are text stay text", () => {
    const catalog = withIds(column("object_id", "string", ["0285", "1"]));
    expect(catalog.objectId).toEqual(["0285", "1"]);
    expect(catalog.idType).toBe(undefined);
  });

  it("that are real numbers keep their digits, and answers carry them as numbers", () => {
    const catalog = withIds({
      ...column("object_id", "string", []),
      type: "float64",
      data: Float64Array.of(1234.1, 5e300),
    });
    expect(catalog.objectId).toEqual(["1234.1", "5e+300"]);
    expect(catalog.idType).toBe("float64");
  });

  it("that are missing are numbers of rows, never one name for several", () => {
    const isValid = Uint8Array.of(0, 0);
    const { catalog, report } = toCatalog(
      {
        rowCount: 2,
        columns: [
          { ...column("object_id", "int64", BigInt64Array.of(0n, 0n)), isValid },
          column("parent_id", "string", ["p", ""]),
          column("z", "float32", Float32Array.of(0.1, 0.2)),
        ],
        metadata: {},
      },
      survey,
    );
    expect([catalog.objectId, catalog.parentId]).toEqual([
      ["row 1", "row 2"],
      ["p", "row 2"],
    ]);
    expect(formatReport(report)[1]).toBe('2 rows without an id, named by number in its place: "row 17"');
  });

  it("of a text file are what stands there, and what was skipped of it is told", async () => {
    const path = join(folder, "zeros.csv");
    writeFileSync(path, 'object_id,z\n0012,0.1\n12,0.2\n1E5,0.3\n#4,0.4\n"#5",0.5\n');
    const { catalog, report } = await readWholeCatalog(path, survey);
    expect(catalog.objectId).toEqual(["0012", "12", "1E5", "#5"]);
    expect(report.join("\n")).toMatch(/1 line that begins with # skipped as comments \(line 5: #4,0\.4\)/);
  });

  it("of 64 bits without sign stay whole; a number that has as many bits is a number", () => {
    const digits = { ...column("object_id", "string", [String(2n ** 63n), String(2n ** 64n - 1n)]), isDigits: true };
    const table = { rowCount: 2, columns: [digits, { ...digits, name: "z", data: ["1", "0"] }], metadata: {} };
    const { catalog } = toCatalog(table, survey);
    expect(catalog.objectId).toEqual(digits.data);
    const z = survey.fields.findIndex(({ name }) => name === "z");
    expect([catalog.value[z], catalog.value[survey.fields.length + z]]).toEqual([1, 0]);
    const text = { ...table.columns[1], isDigits: false };
    expect(() => toCatalog({ ...table, columns: [digits, text] }, survey)).toThrow(/column "z" holds text/);
  });
});

describe("of several tables in a file", () => {
  const path = fileURLToPath(new URL("../io/golden/tables.fits", import.meta.url));

  it("the one with most of the survey's fields is read, in every pass, and the others are named", async () => {
    const { catalog, report } = await readWholeCatalog(path, survey);
    expect(catalog.objectId).toEqual(["7", String(2n ** 60n + 1n)]);
    expect(report.join()).toMatch(/table 3 MOST is read, not 1 ASCII, 2 FEW/);
    const outline = await outlineTable(path, survey);
    expect([outline.path, outline.rowCount]).toEqual([`${path}[MOST]`, 2]);
  });

  it("one can be named", async () => {
    for (const [name, options] of [
      [path, { hdu: "few" }],
      [`${path}[2]`, {}],
      [`${path}[FEW]`, { hdu: "MOST" }],
    ] as const) {
      expect((await readWholeCatalog(name, survey, options)).catalog.objectId).toEqual(["1", "2"]);
    }
    await expect(readWholeCatalog(path, survey, { hdu: "NONE" })).rejects.toThrow(
      /tables\.fits: no table "NONE", expected one of 1 ASCII, 2 FEW, 3 MOST/,
    );
  });
});
