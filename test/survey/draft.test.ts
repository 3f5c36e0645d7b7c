import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { schemaOf } from "../../src/io/columns.ts";
import { writeTable } from "../../src/io/formats.ts";
import type { Column, Table } from "../../src/io/table.ts";
import { allRows } from "../../src/survey/catalog.ts";
import { filterIndex } from "../../src/survey/draft-filters.ts";
import { bandCandidates, bandGroups } from "../../src/survey/draft-names.ts";
import { draftSurvey } from "../../src/survey/draft.ts";
import { readWholeCatalog } from "../../src/survey/read.ts";
import type { CatalogOptions } from "../../src/survey/read.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "../simulate/data.ts";
import { simulateBuiltin } from "../../src/simulate/builtin.ts";

const folder = scratch();
let count = 0;

/** The draft of a table, loaded, and the table read as it says. */
async function drafted(path: string, options: CatalogOptions = {}) {
  const { text, hints } = await draftSurvey(path);
  const file = join(folder, `draft-${++count}.yaml`);
  writeFileSync(file, text);
  const survey = loadSurvey(file);
  const read = await readWholeCatalog(path, survey, options);
  return { text, hints, survey, ...read };
}

type Drafted = Awaited<ReturnType<typeof drafted>>;

const bandsOf = ({ survey }: Drafted): string[] => survey.fields.flatMap(({ name, band }) => (band ? [name] : []));
const propertiesOf = ({ survey }: Drafted): string[] => survey.fields.flatMap(({ name, band }) => (band ? [] : [name]));

/** Values of a field that are there. */
function valuesOf({ catalog }: Drafted, name: string): number[] {
  const n = catalog.fields.length;
  const j = catalog.fields.findIndex((field) => field.name === name);
  return Array.from(allRows(catalog)).flatMap((row) =>
    catalog.state[row * n + j] ? [catalog.value[row * n + j]] : [],
  );
}

type Cell = (row: number) => number | string;

/** A table of 40 rows, cells by a function of the row, behind a unit where there is one. */
async function tableOf(name: string, cells: Readonly<Record<string, Cell | readonly [string, Cell]>>): Promise<string> {
  const columns = Object.entries(cells).map(([key, told]): Column => {
    const [unit, of] = typeof told === "function" ? [undefined, told] : told;
    const values = Array.from({ length: 40 }, (_, row) => of(row));
    if (typeof values[0] === "string") return { name: key, type: "string", width: 1, data: values.map(String) };
    const data = Float64Array.from(values, Number);
    return { name: key, type: "float64", width: 1, data, ...(unit === undefined ? {} : { unit }) };
  });
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  const header = { schema: columns.map(schemaOf), metadata: {}, rowCount: 40, isPlain: name.endsWith(".csv") };
  await writeTable(path, header, [{ rowCount: 40, columns, metadata: {} }]);
  return path;
}

const mag = (row: number): number => 20 + row / 40;
const small = (): number => 0.05;

const filterOf = filterIndex(new Map(["minijpas", "infrared", "broad"].map((name) => [name, loadSurvey(name)])));

describe("a draft of", () => {
  it.each([
    ["mag_{}", "mag_err_{}"],
    ["mag_{}", "magerr_{}"],
    ["MAG_{}", "MAGERR_{}"],
    ["{}", "err_{}"],
    ["{}", "e_{}"],
    ["{}mag", "e_{}mag"],
    ["{}", "{}_err"],
    ["{}_auto", "{}_auto_err"],
    ["{}_mag", "sigma_{}_mag"],
    ["mag_auto_{}", "magerr_auto_{}"],
    ["mag_{}_lsst", "mag_err_{}_lsst"],
    ["{}.mag", "{}.mag_unc"],
    ["MAG_AUTO_{}", "MAGERR_AUTO_{}"],
    ["{}_m", "{}_msigcom"],
    ["{}mpro", "{}sigmpro"],
    ["FLUX_{}", "FLUX_IVAR_{}"],
    ["{}_photzi25", "e{}_photzi25"],
    ["cModelMag_{}", "cModelMagErr_{}"],
    ["APER_COR_3_0_{}", "APER_COR_3_0_{}_ERR"],
  ])("columns %s with errors %s finds both", (value, error) => {
    const tokens = ["g", "r", "i", "W1"];
    const names = ["id", "ra", "z_spec", ...tokens.flatMap((x) => [value, error].map((name) => name.replace("{}", x)))];
    const schema = names.map((name) => ({ name, type: "float64" as const, width: 1 }));
    const [group, ...rest] = bandGroups(bandCandidates(schema, filterOf), names);
    expect(rest).toEqual([]);
    expect(group.members.map(({ token }) => token)).toEqual(tokens);
    expect([group.template, group.error?.template]).toEqual(
      [value, error].map((name) => name.replace("{}", "{FIELD}")),
    );
    expect(group.error?.kind).toBe(/ivar/i.test(error) ? "ivar" : "absolute");
  });

  it.each([
    ["mag_{}", "magerr_{}"],
    ["{}", "{}_err"],
    ["mag_{}_lsst", "mag_err_{}_lsst"],
  ])("magnitudes %s with errors %s finds both", async (value, error) => {
    const letters = ["g", "r", "i", "z"];
    const cells = Object.fromEntries(
      letters.flatMap((x) => [
        [value.replace("{}", x), mag],
        [error.replace("{}", x), small],
      ]),
    );
    const made = await drafted(await tableOf("mags.csv", { id: (row) => row + 1, ...cells, z_spec: () => 0.3 }));
    expect(bandsOf(made)).toHaveLength(4);
    expect(propertiesOf(made)).toEqual(["z"]);
    expect(made.counts.usedCount).toBe(40 * 5);
    for (const { name, band } of made.survey.fields) {
      // AB 20, Oke & Gunn 1983.
      if (band)
        expect((valuesOf(made, name)[0] * 1e-19 * band.pivot ** 2) / 2.99792458e18 / 3.631e-28).toBeCloseTo(1, 3);
    }
    const depth = made.survey.fields[0].band!.depth[0];
    expect(depth).toBeCloseTo(20.5 + 0.25 - 2.5 * Math.log10(5 * 0.05 * 0.4 * Math.LN10), 0);
  });

  it("nanomaggies with inverse variances knows what they are", async () => {
    const bands = ["G", "R", "Z", "W1"].flatMap((x): [string, Cell][] => [
      [`FLUX_${x}`, () => 10],
      [`FLUX_IVAR_${x}`, () => 4],
      [`MW_TRANSMISSION_${x}`, () => 0.9],
    ]);
    const made = await drafted(
      await tableOf("sweep.fits", { TARGETID: (row) => row, RA: mag, ...Object.fromEntries(bands) }),
    );
    expect(bandsOf(made)).toEqual(["G", "R", "Z", "W1"]);
    expect(made.survey.layouts[0].bands[0]).toMatchObject({
      unit: "nmgy",
      errorKind: "ivar",
      error: "FLUX_IVAR_{FIELD}",
    });
    expect(made.text).toMatch(/# extinction: "MW_TRANSMISSION_\{FIELD\}" # FILL IN/);
    expect(made.survey.layouts[0].ignored).toEqual(["RA"]);
    expect(made.hints.join()).toMatch(/--survey (?:legacy|desi)/);
  });

  it("SDSS's magnitudes knows their softening", async () => {
    const cells = ["u", "g", "r", "i", "z"].flatMap((x) => [
      [`modelMag_${x}`, mag] as const,
      [`modelMagErr_${x}`, small] as const,
    ]);
    const made = await drafted(
      await tableOf("sdss.csv", { objID: (row) => row, ...Object.fromEntries(cells), z: () => 0.1 }),
    );
    expect(made.survey.layouts[0].bands[0]).toMatchObject({ unit: "asinh mag", softening: { u: 1.4e-10 } });
    expect(propertiesOf(made)).toEqual(["z"]);
    expect(bandsOf(made)).toContain("z_band");
    expect(valuesOf(made, "z")[0]).toBeCloseTo(0.1, 6);
  });

  it("properties in other units turns them, and keeps ids, tiles, classes", async () => {
    const path = await tableOf("props.fits", {
      TILE_ID: (row) => `T${row % 2}`,
      NUMBER: (row) => row >> 1,
      J0378: ["uJy", () => 10],
      J0378_err: ["uJy", () => 1],
      stellar_mass: ["solMass", () => 1e10],
      SFR: () => 10,
      age: ["Myr", () => 3000],
      EW_Ha: () => 25,
      ZPHOT: () => 0.4,
      class: (row) => (row % 3 === 0 ? "STAR" : "GALAXY"),
      EBV: ["mag", () => 0.05],
      note: (row) => `text ${row}`,
    });
    const made = await drafted(path);
    expect(propertiesOf(made).sort()).toEqual(["AGE", "CLASS", "EBV", "HALPHA_EW", "LOGM", "LOGSFR", "z"]);
    const first = (name: string): number => valuesOf(made, name)[0];
    expect([first("LOGM"), first("LOGSFR"), first("AGE"), first("HALPHA_EW")]).toEqual([10, 1, 3, 25]);
    expect(made.catalog.objectId.slice(0, 3)).toEqual(["T0-0", "T1-0", "T0-1"]);
    expect(made.catalog.tile?.[1]).toBe("T1");
    expect(made.text).toMatch(/guessed: PHOTOMETRIC redshift/);
    expect(made.counts.unusedColumns).toEqual(["note"]);
  });

  it("fluxes without a unit leaves that open, in so many words", async () => {
    const cells = Object.fromEntries(
      ["g", "r", "i"].flatMap((x): [string, Cell][] => [
        [`flux_${x}`, () => 1e-3],
        [`flux_err_${x}`, () => 1e-4],
      ]),
    );
    const made = await drafted(await tableOf("flux.csv", cells));
    expect(made.text).toMatch(/unit: survey # FILL IN: the file states no unit/);
    expect(made.text).toMatch(/objectId: "\{FILL_IN\}" # FILL IN: no column of ids/);
    expect(made.hints.join()).toMatch(/[3-9] lines to fill in/);
  });

  it("an array column of the J-PAS archive knows its order, one of others asks for it", async () => {
    const array = async (width: number): Promise<Drafted> => {
      const path = join(folder, `array-${width}.fits`);
      const column = (name: string, x: number): Column => ({
        name,
        type: "float32",
        width,
        data: new Float32Array(40 * width).fill(x),
      });
      const columns = [column("FLUX_AUTO", 5), column("FLUX_RELERR_AUTO", 0.1)];
      await writeTable(path, { schema: columns.map(schemaOf), metadata: {} }, [
        { rowCount: 40, columns, metadata: {} },
      ]);
      return drafted(path);
    };
    const jpas = await array(60);
    expect(bandsOf(jpas)).toHaveLength(60);
    expect(jpas.survey.layouts[0].bands[0].errorKind).toBe("relative");
    expect(jpas.counts.usedCount).toBe(40 * 60);
    const other = await array(3);
    expect(bandsOf(other)).toEqual(["band1", "band2", "band3"]);
    expect(other.text.match(/FILL IN: which filter is this/g)).toHaveLength(3);
  });

  it("a table without anything known is an error", async () => {
    const path = await tableOf("nothing.csv", { foo: mag, bar: (row) => `x${row}` });
    await expect(draftSurvey(path)).rejects.toThrow(/nothing\.csv: no column is recognised .* \(foo, bar/);
  });

  it("a simulated table reads it as the survey does", async () => {
    const minijpas = loadSurvey("minijpas");
    const tables: Table[] = [];
    for await (const table of simulateBuiltin({ survey: minijpas, n: 60, seed: "draft" })) tables.push(table);
    const path = join(folder, "sims.parquet");
    await writeTable(path, { schema: tables[0].columns.map(schemaOf), metadata: {} }, tables);
    const made = await drafted(path);
    expect(bandsOf(made).sort()).toEqual(minijpas.fields.flatMap(({ name, band }) => (band ? [name] : [])).sort());
    // no class is told where all are galaxies
    const properties = minijpas.fields.filter(({ band, kind }) => band === undefined && kind !== "category");
    expect(propertiesOf(made).sort()).toEqual(properties.map(({ name }) => name).sort());
    const whole = await readWholeCatalog(path, minijpas);
    for (const layout of ["caleido", "sims"]) {
      const again = await drafted(path, { layout });
      expect(again.counts.usedCount).toBe(whole.counts.usedCount);
      for (const name of ["J0378", "z"]) {
        expect(valuesOf(again, name)).toEqual(valuesOf({ ...made, catalog: whole.catalog }, name));
      }
    }
  });
});

withData(
  "rail-dc2",
  "zcosmos",
  "fors2-spectra",
  "desi-bgs-ew",
)("real tables", () => {
  it.each([
    ["rail-dc2/test_dc2_training_9816.hdf5", 6, ["z"], 70_000],
    ["zcosmos/zcosmos.csv.gz", 12, ["z"], 140_000],
    ["fors2-spectra/photometry.fits", 11, ["z"], 4500],
    [
      "desi-bgs-ew/desi_bgs_ew_testset.csv.gz",
      0,
      ["z", "HALPHA_EW", "HBETA_EW", "OIII5007_EW", "NII6584_EW", "OII3727_EW"],
      540_000,
    ],
  ])("%s: a draft finds its bands and properties, and reads them", async (name, bands, properties, values) => {
    const made = await drafted(at(name));
    expect(bandsOf(made)).toHaveLength(bands);
    expect(propertiesOf(made).sort()).toEqual([...properties].sort());
    expect(made.counts.usedCount).toBeGreaterThan(values);
    expect(made.text).toContain(`Drafted from ${basename(name)}`);
  });
});
