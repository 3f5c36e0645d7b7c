import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { schemaOf } from "../../src/io/columns.ts";
import { writeTable } from "../../src/io/formats.ts";
import type { Column } from "../../src/io/table.ts";
import type { BindOptions } from "../../src/survey/bind-fields.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import { readAllRows } from "../../src/survey/reading.ts";
import { vacuumWavelength, wavelengthsOf } from "../../src/survey/spectrum-grid.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { golden } from "../io/truth.ts";
import { at, withData } from "../simulate/data.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();
const survey = loadSurvey("fors2");
const read = async (path: string, options: BindOptions = {}): Promise<{ catalog: Catalog; report: string }> => {
  const { catalog, report } = await readAllRows(path, { survey, options });
  return { catalog, report: report.join("\n") };
};

/** Mean wavelength of the line at 5500 A over a continuum of 2, and the weight of its middle. */
function line({ arrays }: Catalog): { centre: number; ivar: number } {
  const { value, ivar } = arrays!.get("spectrum")!;
  const wave = wavelengthsOf({ from: 4450, to: 9260, pixels: 2048 });
  const above = wave.map((x, i) => (Math.abs(x - 5500) < 80 ? (value[i] - 2) * x : 0)); // pixels are as wide as they are red
  const sum = above.reduce((a, b) => a + b, 0);
  return { centre: above.reduce((a, b, i) => a + b * wave[i], 0) / sum, ivar: ivar[wave.findIndex((x) => x > 5500)] };
}

describe("a FITS spectrum of one dimension", () => {
  it("is a table of one row, its name the id: air and errors as astropy wrote them", async () => {
    const { catalog } = await read(golden("one-spectrum.fits"));
    expect(catalog.objectId).toEqual(["one-spectrum"]);
    const { centre, ivar } = line(catalog);
    expect(centre).toBeCloseTo(vacuumWavelength(5500), 1);
    // pixels of 1.97 A, most of them parts of one pixel of 2 A or of two: between once and twice 0.5^-2
    expect(ivar).toBeGreaterThan(4);
    expect(ivar).toBeLessThan(8.1);
  });

  it("that says neither is asked for both", async () => {
    const path = golden("one-spectrum-bare.fits");
    await expect(read(path)).rejects.toThrow(/nothing says whether its wavelengths are in air or in vacuum/);
    await expect(read(path, { wavelengths: "vacuum" })).rejects.toThrow(
      /a spectrum without errors .*--relative-error 0.05/,
    );
    const { catalog } = await read(path, { wavelengths: "vacuum", relativeError: 0.1 });
    expect(line(catalog).centre).toBeCloseTo(5500, 1);
    expect(line(catalog).ivar).toBeGreaterThan(25);
  });

  it("may be a table with a row for each pixel", async () => {
    const data = Float64Array.from({ length: 600 }, (_, i) => 490 + 0.2 * i);
    const flux = data.map((x) => 2 + 30 * Math.exp(-0.5 * ((x - 550) / 1.2) ** 2));
    const of = (name: string, some: Float64Array, unit: string): Column => ({
      name,
      type: "float64",
      width: 1,
      data: some,
      unit,
    });
    const columns = [
      of("WAVE", data, "nm"),
      of("FLUX", flux, "1e-17 erg/s/cm2/Angstrom"),
      of(
        "ERR",
        flux.map(() => 0.5),
        "",
      ),
    ];
    const path = join(folder, "pixels.fits");
    await writeTable(path, { schema: columns.map(schemaOf), metadata: { AIRORVAC: "vac" }, rowCount: 600 }, [
      { rowCount: 600, columns, metadata: {} },
    ]);
    const { catalog } = await read(path);
    expect(catalog.rowCount).toBe(1);
    expect(line(catalog).centre).toBeCloseTo(5500, 1);
  });

  it("cut short, or with errors of another length, is one clear error", async () => {
    const bytes = readFileSync(golden("one-spectrum.fits"));
    const torn = join(folder, "torn.fits");
    writeFileSync(torn, bytes.subarray(0, 6000));
    await expect(read(torn)).rejects.toThrow(/^\S*torn\.fits: .*(truncated|ends)[^\n]*$/);
    const text = bytes.toString("latin1");
    const short = join(folder, "short.fits");
    const second = text.indexOf("XTENSION");
    const shorter =
      text.slice(0, second) + text.slice(second).replace(/NAXIS1 {2}= {18}600/, "NAXIS1  =                  599");
    writeFileSync(short, Buffer.from(shorter, "latin1"));
    await expect(read(short)).rejects.toThrow(/short\.fits: FITS unit ERR has 599 errors, expected 600/);
  });
});

describe("folders and patterns", () => {
  it("of nothing that is named like spectra are refused as before", async () => {
    const empty = join(folder, "empty");
    mkdirSync(empty);
    await expect(read(empty)).rejects.toThrow(/empty: /);
    await expect(read(join(folder, "spec-*.fits"))).rejects.toThrow(/no such file; expected spectra: spec-\*\.fits/);
  });

  it("may hold FITS spectra of one dimension named like spectra", async () => {
    const many = join(folder, "many");
    mkdirSync(many);
    for (const name of ["spec-a.fits", "spec-b.fits"]) copyFileSync(golden("one-spectrum.fits"), join(many, name));
    const { catalog } = await read(many);
    expect(catalog.objectId).toEqual(["spec-a", "spec-b"]);
  });
});

withData("sdss-spectra")("SDSS spectra", () => {
  const sdss = loadSurvey("sdss-spectra");
  const source = at("sdss-spectra");
  const names = readdirSync(source).filter((name) => name.endsWith(".fits"));

  it("one by one, by a pattern or as a folder are the same rows", async () => {
    const { catalog: whole } = await readAllRows(source, { survey: sdss });
    const { catalog: some } = await readAllRows(join(source, "spec-7102-*.fits"), { survey: sdss });
    const { catalog: one } = await readAllRows(join(source, names[1]), { survey: sdss });
    const { width, value } = whole.arrays!.get("spectrum")!;
    const first = whole.objectId.indexOf(some.objectId[0]);
    expect(some.rowCount).toBe(4);
    expect(some.arrays!.get("spectrum")!.value.subarray(0, width)).toEqual(
      value.subarray(first * width, (first + 1) * width),
    );
    expect(one.arrays!.get("spectrum")!.value).toEqual(value.subarray(width, 2 * width));
  });

  it("damaged in a folder are told by name", async () => {
    const damaged = join(folder, "damaged");
    cpSync(source, damaged, { recursive: true });
    const bytes = readFileSync(join(source, names[2]));
    writeFileSync(join(damaged, names[2]), bytes.subarray(0, 40_000));
    await expect(readAllRows(damaged, { survey: sdss })).rejects.toThrow(new RegExp(`${names[2]}: truncated`));
  });
});
