import { join } from "node:path";
import { expect, test } from "vitest";
import { writeTable } from "../../src/io/formats.ts";
import { schemaOf } from "../../src/io/columns.ts";
import type { Column, Table } from "../../src/io/table.ts";
import type { ObservedSpectrum } from "../../src/survey/observed-spectrum.ts";
import { readSpectra } from "../../src/survey/spectrum-files.ts";
import { scratch } from "../helpers/scratch.ts";
import { at, withData } from "./data.ts";

const WIDTH = 4;

async function write(path: string, columns: readonly Column[]): Promise<void> {
  const table: Table = { columns: [...columns], rowCount: 2, metadata: {} };
  async function* batches(): AsyncGenerator<Table> {
    yield await Promise.resolve(table);
  }
  await writeTable(path, { schema: columns.map(schemaOf), metadata: {} }, batches());
}

const pixels = (name: string, values: readonly number[], unit?: string): Column => ({
  name,
  type: "float64",
  width: WIDTH,
  data: Float64Array.from(values),
  ...(unit === undefined ? {} : { unit }),
});

async function read(path: string): Promise<ObservedSpectrum[]> {
  const spectra: ObservedSpectrum[] = [];
  for await (const spectrum of readSpectra(path)) spectra.push(spectrum);
  return spectra;
}

const folder = scratch();
const rest: readonly Column[] = [
  { name: "ID", type: "string", width: 1, data: ["a1", "b2"] },
  { name: "Z", type: "float64", width: 1, data: Float64Array.of(0.25, -1) },
  pixels("IVAR", [4, 4, Number.NaN, 4, 1, 1, 0, 0], "1e34 cm4 Angstrom2 s2 / erg2"),
  pixels("FLUX", [1, 2, 3, 4, 5, 6, Number.NaN, Number.NaN], "1e-17 erg/s/cm2/Angstrom"),
];

test.each([
  ["LOGLAM", [4000, 5000, 6000, 7000, 4000, 5000, 0, 0].map((x) => (x > 0 ? Math.log10(x) : 0)), undefined],
  ["wave", [400, 500, 600, 700, 400, 500, 0, 0], "nm"],
] as const)(
  "a spectrum in each row by %s: units, ends of short ones, unusable pixels, redshifts",
  async (name, x, unit) => {
    const path = join(folder, `${name}.fits`);
    await write(path, [...rest, pixels(name, x, unit)]);
    const [first, second] = await read(path);
    expect(first.id).toBe(`${name}-a1`);
    expect(first.redshift).toBe(0.25);
    expect(first.warning).toBeUndefined();
    [4000, 5000, 6000, 7000].forEach((lambda, i) => expect(first.wavelength[i]).toBeCloseTo(lambda, 6));
    [1, 2, 3, 4].forEach((flux, i) => expect(first.flux[i]).toBeCloseTo(flux, 9));
    [4, 4, 0, 4].forEach((ivar, i) => expect(first.ivar[i]).toBeCloseTo(ivar, 9));
    expect(second.wavelength).toHaveLength(2);
    [5, 6].forEach((flux, i) => expect(second.flux[i]).toBeCloseTo(flux, 9));
    expect(second.redshift).toBeUndefined();
    expect(second.warning).toBe("no redshift");
  },
);

test("without a redshift's column it is no table of spectra", async () => {
  const path = join(folder, "other.fits");
  await write(path, [...rest.filter((column) => column.name !== "Z"), pixels("LOGLAM", [1, 2, 3, 4, 1, 2, 3, 4])]);
  await expect(read(path)).rejects.toThrow(/expected one of .*FLUX, IVAR, Z/);
});

withData("fors2-spectra")("the spectra of FORS2", () => {
  test("all are read, nearly all with a redshift", async () => {
    const spectra = await read(at("fors2-spectra/fors2-spectra.fits.gz"));
    expect(spectra).toHaveLength(415);
    expect(spectra.filter(({ redshift }) => redshift === undefined)).toHaveLength(3);
    for (const { wavelength } of spectra) {
      expect(wavelength[0]).toBeGreaterThan(4000);
      expect(wavelength.at(-1)).toBeLessThan(9700);
    }
  });
});
