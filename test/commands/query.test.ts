import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { readAll } from "../../src/io/columns.ts";
import { openTable } from "../../src/io/formats.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { convertUnit } from "../../src/survey/units.ts";
import { caleido, ENGINE, type Fixture, fixture, newFolder, readTable, succeed } from "./cli.ts";

let shared: Fixture;
let folder: string;
beforeAll(async () => {
  shared = await fixture();
  folder = newFolder("query");
  await succeed(["simulate", "--n", "24", "--seed", "asked", "--no-report", "--out", "cat.parquet"], folder);
  await query("cat.parquet", "--want", "z,HALPHA_EW", "--out", "same.parquet");
}, 240_000);

const survey = loadSurvey("minijpas");
const summaries = ["mean", "median", "std", "q05", "q16", "q84", "q95"];
const query = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  succeed(["query", ...args, "--checkpoint", shared.run, ...ENGINE], folder);

describe("query", () => {
  test.for(["parquet", "csv", "ecsv", "fits", "arrow", "vot"])("reads and writes %s", async (extension, context) => {
    const { expect } = context;
    const table = `cat-${extension}.${extension}`;
    await succeed(["simulate", "--n", "24", "--seed", "asked", "--no-report", "--out", table], folder);
    const simulated = await readTable(join(folder, table));
    for (const { name, unit, band } of survey.fields) {
      const column = simulated.schema.find((one) => one.name === name)!;
      // FITS has its own spelling of the same unit
      expect([name, convertUnit(column.unit ?? "", unit)?.factor]).toEqual([name, expect.closeTo(1, 12)]);
      if (band !== undefined) expect(simulated.schema.map((one) => one.name)).toContain(`${name}_err`);
    }
    const out = `answers-${extension}.${extension}`;
    const { stdout } = await query(table, "--want", "z,HALPHA_EW", "--out", out);
    expect(stdout).toMatch(/z .*HALPHA_EW \[Angstrom\]/);
    const answers = await readTable(join(folder, out));
    const names = [...summaries, "mode", "odds"].map((name) => `z_${name}`);
    const trust = ["trust", "trust_score", "z_trust", "HALPHA_EW_trust"];
    const expected = ["object_id", ...names, ...summaries.map((name) => `HALPHA_EW_${name}`), ...trust];
    expect(answers.schema.map(({ name }) => name)).toEqual(expected);
    // answers in CSV have nothing before their header line, so that any program opens them
    const told = extension === "csv" ? undefined : extension === "vot" ? "0.1nm" : "Angstrom";
    expect(answers.schema.find(({ name }) => name === "HALPHA_EW_q84")!.unit).toBe(told);
    expect(answers.texts("object_id")).toEqual(simulated.texts("object_id"));
    const [low, middle, high] = ["q05", "median", "q95"].map((name) => answers.numbers(`z_${name}`));
    middle.forEach((value, i) => {
      expect(low[i]).toBeLessThan(value);
      expect(value).toBeLessThan(high[i]);
    });
    // the same galaxies, whatever the format: CSV shortens nothing that float32 holds
    const same = await readTable(join(folder, "same.parquet"));
    same.numbers("z_median").forEach((value, i) => expect(middle[i]).toBeCloseTo(value, 4));
  });

  test("gives back ids as they are written", async ({ expect }) => {
    const ids = ["0012", "12", "1E5", "#1", "1234.10"];
    const rows = ids.map((id) => `"${id}",20,1`);
    writeFileSync(join(folder, "written.csv"), `object_id,J0500,J0500_err\n${rows.join("\n")}\n`);
    for (const out of ["written-out.csv", "written-out.parquet"]) {
      await query("written.csv", "--unit", "*=survey", "--want", "z", "--out", out);
      const source = await openTable(join(folder, out));
      const { columns } = await readAll(source, { columns: ["object_id"] });
      await source.close();
      expect(columns[0].data).toEqual(ids);
    }
  });

  test("answers one galaxy given by hand", async ({ expect }) => {
    const out = ["--want", "J0800..J0820", "--out", "one.parquet"];
    const { stdout } = await query("--set", "LOGM=10.5", "OIII5007_EW=20", "J0600=30+-1", ...out);
    expect(stdout).toContain("J0810");
    const answers = await readTable(join(folder, "one.parquet"));
    expect(answers.rowCount).toBe(1);
    expect(answers.numbers("J0810_median")[0]).toBeGreaterThan(0);
    expect(answers.schema.find(({ name }) => name === "J0810_median")!.unit).toBe("1e-19 erg/s/cm2/A");
  });

  test("takes ranges and groups; other fields make no difference", async ({ expect }) => {
    const given = "J0378..J0600,broad,LOGM";
    await query("cat.parquet", "--given", given, "--want", "z,AV", "--out", "ranges.parquet");
    await query("cat.parquet", "--given", "all", "--want", "z,AV", "--out", "all.parquet");
    await query("cat.parquet", "--given", `${given},z,AV`, "--want", "z,AV", "--out", "wanted.parquet");
    const [ranges, all, wanted] = await Promise.all(
      ["ranges", "all", "wanted"].map((name) => readTable(join(folder, `${name}.parquet`))),
    );
    expect(ranges.numbers("z_median")).not.toEqual(all.numbers("z_median"));
    // a wanted field is never an input, even when it is named as given
    expect(wanted.numbers("z_median")).toEqual(ranges.numbers("z_median"));
    expect(wanted.numbers("AV_mean")).toEqual(ranges.numbers("AV_mean"));
    expect(ranges.metadata).toMatchObject({ given });
  });

  test("writes densities and joint samples on request", async ({ expect }) => {
    const want = ["--given", "bands", "--want", "z,LOGM"];
    const more = ["--samples", "50", "--pdf", "--pdf-points", "300"];
    await query("cat.parquet", ...want, ...more, "--out", "pdf.parquet");
    await query("cat.parquet", ...want, ...more, "--out", "pdf2.parquet");
    const answers = await readTable(join(folder, "pdf.parquet"));
    const width = (name: string): number => answers.schema.find((column) => column.name === name)!.width;
    expect([width("z_samples"), width("z_grid"), width("LOGM_pdf")]).toEqual([50, 300, 300]);
    const [grid, density] = [answers.numbers("LOGM_grid"), answers.numbers("LOGM_pdf")];
    for (let row = 0; row < answers.rowCount; row++) {
      let integral = 0;
      for (let i = row * 300 + 1; i < (row + 1) * 300; i++) {
        integral += ((density[i] + density[i - 1]) / 2) * (grid[i] - grid[i - 1]);
      }
      expect(integral).toBeGreaterThan(0.97);
      expect(integral).toBeLessThan(1.02);
    }
    expect(answers.numbers("z_samples").every(Number.isFinite)).toBe(true);
    const again = await readTable(join(folder, "pdf2.parquet"));
    expect(again.numbers("z_samples")).toEqual(answers.numbers("z_samples"));
  });

  test("opens an export of the CEFCA archive", async ({ expect }) => {
    const cells = (of: (j: number) => number): string => Array.from({ length: 60 }, (_, j) => of(j)).join(" ");
    const flux = (j: number): number => 20 + j;
    const rows = [
      ["2241", "1", cells(flux), cells(() => 0.05), cells(() => 0), "0.31"],
      // a negative flux with its relative error, magic values, a negative error beside a positive flux
      [
        "2241",
        "2",
        cells((j) => (j === 3 ? -0.4 : j === 4 ? 99 : flux(j))),
        cells((j) => (j === 3 ? -2 : j === 5 ? -0.1 : j === 4 ? 99 : 0.05)),
        cells(() => 0),
        "-99",
      ],
      ["2241", "3", cells(() => -99), cells(() => 99), cells(() => 0), "99"],
    ];
    const lines = [
      "#SELECT TILE_ID, NUMBER, FLUX_APER_3_0 FROM minijpas.FLambdaDualObj",
      "TILE_ID,NUMBER,FLUX_APER_3_0,FLUX_RELERR_APER_3_0,FLAGS,zsp",
      ...rows.map((row) => row.join(",")),
    ];
    writeFileSync(join(folder, "cefca.csv"), `${lines.join("\n")}\n`);
    const asked = ["cefca.csv", "--want", "z", "--out", "cefca-answers.csv"];
    const refused = await caleido(["query", ...asked, "--checkpoint", shared.run, ...ENGINE], folder);
    expect(refused.stderr).toMatch(/cefca\.csv: aperture fluxes, expected total ones .*--any-aperture/);
    const { stdout, stderr } = await query(...asked, "--any-aperture");
    expect(stdout).toContain("2241-1");
    expect(stderr).toMatch(/error negative \(row 2, J0420/);
    expect(stderr).toMatch(/magic value/);
    const answers = await readTable(join(folder, "cefca-answers.csv"));
    expect(answers.texts("object_id")).toEqual(["2241-1", "2241-2", "2241-3"]);
    expect(answers.numbers("z_median").every(Number.isFinite)).toBe(true);
  });

  test("answers from the rest where fluxes are not finite, and counts them", async ({ expect }) => {
    writeFileSync(
      join(folder, "nan.csv"),
      "object_id,J0378,J0378_err,J0400,J0400_err,J0600,J0600_err\na,NaN,1,12,1,30,1\nb,inf,1,12,1,30,1\nc,5,NaN,12,1,30,-1\n",
    );
    const unit = ["--unit", "*=survey"];
    const { stderr } = await query("nan.csv", ...unit, "--want", "z", "--out", "nan-answers.csv");
    expect(stderr).toMatch(/1 value not used: value infinite \(row 2, J0378/);
    expect(stderr).toMatch(/1 value not used: error negative \(row 3, J0600/);
    const answers = await readTable(join(folder, "nan-answers.csv"));
    const medians = answers.numbers("z_median");
    expect(medians.every(Number.isFinite)).toBe(true);
    expect(medians[0]).toBe(medians[1]); // both have J0400 and J0600 alone
  });
});

const dataFolder = process.env.CALEIDO_TEST_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const spectra = join(dataFolder, "sdss-spectra");

test("takes a real spectrum to a redshift posterior", async (context) => {
  if (!existsSync(spectra)) context.skip(`no real data in ${dataFolder}; CALEIDO_TEST_DATA names the folder`);
  const files = readdirSync(spectra)
    .filter((file) => file.endsWith(".fits"))
    .map((file) => join(spectra, file));
  const filters = ["--filters", join(dataFolder, "filters")];
  // some have redshift warnings: photometry all the same
  const options = [...filters, "--no-require-redshift", "--out", "real.fits"];
  await succeed(["simulate", "--spectra", ...files, ...options], folder);
  const real = await readTable(join(folder, "real.fits"));
  // two are quasars
  expect(real.rowCount).toBe(files.length - 2);
  // SDSS spectra begin at 3800 Angstrom: the ultraviolet is not observed, the rest is
  expect(real.numbers("FUV").every(Number.isNaN)).toBe(true);
  expect(real.numbers("uJAVA").every(Number.isNaN)).toBe(true);
  expect(real.numbers("J0500").filter(Number.isFinite).length).toBeGreaterThan(real.rowCount / 2);
  await query("real.fits", "--given", "bands", "--want", "z", "--pdf", "--out", "real-z.parquet");
  const answers = await readTable(join(folder, "real-z.parquet"));
  expect(answers.texts("object_id")).toEqual(real.texts("object_id"));
  for (const name of [...summaries, "mode", "odds"])
    expect(answers.numbers(`z_${name}`).every(Number.isFinite)).toBe(true);
  const [grid, density] = [answers.numbers("z_grid"), answers.numbers("z_pdf")];
  const points = grid.length / real.rowCount;
  real.texts("object_id").forEach((_, row) => {
    expect(answers.numbers("z_q05")[row]).toBeLessThan(answers.numbers("z_q95")[row]);
    let integral = 0;
    for (let i = row * points + 1; i < (row + 1) * points; i++) {
      integral += ((density[i] + density[i - 1]) / 2) * (grid[i] - grid[i - 1]);
    }
    expect(integral).toBeGreaterThan(0.97);
    expect(integral).toBeLessThan(1.02);
  });
});
