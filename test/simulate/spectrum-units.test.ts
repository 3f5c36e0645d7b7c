import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeTable } from "../../src/io/formats.ts";
import type { Column } from "../../src/io/table.ts";
import { readSpectra } from "../../src/survey/spectrum-files.ts";
import { factorTo, type ObservedSpectrum, pixelFactors } from "../../src/survey/observed-spectrum.ts";
import { sspLayouts } from "../../src/simulate/ssp-layouts.ts";
import { scratch } from "../helpers/scratch.ts";

const folder = scratch();
const BLOCK = 2880;

function header(cards: readonly (readonly [key: string, value: string | number | boolean])[]): Buffer {
  const lines = cards.map(([key, value]) => {
    const text = typeof value === "string" ? `'${value}'` : String(value === true ? "T" : value).padStart(20);
    return `${key.padEnd(8)}= ${text}`.padEnd(80);
  });
  const all = `${lines.join("")}${"END".padEnd(80)}`;
  return Buffer.from(all.padEnd(Math.ceil(all.length / BLOCK) * BLOCK));
}

const unitCard = (unit: string | undefined) => (unit === undefined ? [] : [["BUNIT", unit] as const]);

/** An image of 64-bit floats: the primary one, or an extension of a name. */
function image(data: readonly number[], axes: readonly number[], unit: string | undefined, name?: string): Buffer {
  const first = name === undefined ? (["SIMPLE", true] as const) : (["XTENSION", "IMAGE   "] as const);
  const sizes = axes.map((n, i) => [`NAXIS${i + 1}`, n] as const);
  const extension =
    name === undefined
      ? []
      : ([
          ["PCOUNT", 0],
          ["GCOUNT", 1],
          ["EXTNAME", name],
        ] as const);
  const cards = [first, ["BITPIX", -64] as const, ["NAXIS", axes.length] as const, ...sizes, ...extension];
  const bytes = Buffer.alloc(Math.ceil((data.length * 8) / BLOCK) * BLOCK);
  data.forEach((x, i) => bytes.writeDoubleBE(x, 8 * i));
  return Buffer.concat([header([...cards, ...unitCard(unit)]), bytes]);
}

const floats = (name: string, data: readonly number[], unit?: string): Column => ({
  name,
  type: "float64",
  width: 1,
  data: Float64Array.from(data),
  ...(unit === undefined ? {} : { unit }),
});

/** A table extension. */
async function table(columns: readonly Column[], name: string): Promise<Buffer> {
  const path = join(folder, "part.fits");
  const rowCount = columns[0].data.length;
  const metadata = { EXTNAME: name };
  await writeTable(path, { schema: columns, metadata }, [{ rowCount, columns, metadata }]);
  return readFileSync(path).subarray(BLOCK);
}

async function first(path: string): Promise<ObservedSpectrum> {
  for await (const spectrum of readSpectra(path)) return spectrum;
  throw new Error("no spectrum");
}

interface Units {
  readonly primary?: string;
  readonly flux?: string;
  readonly ivar?: string;
  readonly width?: string;
  readonly total?: string;
  readonly wave?: string;
}

async function sdss({ primary, flux, ivar, width, total }: Units): Promise<ObservedSpectrum> {
  const path = join(folder, "spec-1-2-3.fits");
  const parts = [
    header([["SIMPLE", true], ["BITPIX", 8], ["NAXIS", 0], ["EXTEND", true], ...unitCard(primary)]),
    await table([floats("FLUX", [3, 4], flux), floats("LOGLAM", [3.6, 3.6001]), floats("IVAR", [4, 1], ivar)], "COADD"),
    await table(
      [
        floats("Z", [0.1]),
        floats("ZWARNING", [0]),
        {
          name: "CMODELFLUX",
          type: "float64",
          width: 5,
          data: Float64Array.of(1, 2, 3, 4, 5),
          ...(total === undefined ? {} : { unit: total }),
        },
      ],
      "SPECOBJ",
    ),
    await table(
      [floats("LINEWAVE", [6564.6]), floats("LINEEW", [11], width), floats("LINEEW_ERR", [1.1], width)],
      "SPZLINE",
    ),
  ];
  writeFileSync(path, Buffer.concat(parts));
  return first(path);
}

async function desi({ flux, ivar, wave, total }: Units): Promise<ObservedSpectrum> {
  const path = join(folder, "coadd-x.fits");
  writeFileSync(
    path,
    Buffer.concat([
      header([
        ["SIMPLE", true],
        ["BITPIX", 8],
        ["NAXIS", 0],
        ["EXTEND", true],
      ]),
      await table([floats("TARGETID", [39]), floats("FLUX_R", [7], total)], "FIBERMAP"),
      image([400, 500], [2], wave, "B_WAVELENGTH"),
      image([3, 4], [2, 1], flux, "B_FLUX"),
      image([4, 1], [2, 1], ivar, "B_IVAR"),
    ]),
  );
  return first(path);
}

const close = (seen: ArrayLike<number>, wanted: readonly number[]): void => {
  expect(seen.length).toBe(wanted.length);
  wanted.forEach((x, i) => expect(seen[i] / x).toBeCloseTo(1, 9));
};

describe("units of spectra", () => {
  test.each([["sdss", sdss] as const, ["desi", desi] as const])(
    "%s: fluxes and inverse variances are converted, or are in 1e-17 where no unit is stated",
    async (_, read) => {
      const plain = await read({});
      close(plain.flux, [3, 4]);
      close(plain.ivar, [4, 1]);
      const stated = await read({ flux: "10**-16 erg/(s cm2 Angstrom)", ivar: "10**+32 (s2 cm4 Angstrom2) / erg2" });
      close(stated.flux, [30, 40]);
      close(stated.ivar, [0.04, 0.01]);
      // where inverse variances say nothing they are of their fluxes
      const half = await read({ flux: "1e-19 W m-2 um-1" });
      close(half.flux, [3e-3, 4e-3]);
      close(half.ivar, [4e6, 1e6]);
      await expect(read({ flux: "counts" })).rejects.toThrow(
        /flux: unit "counts" does not convert, expected 1e-17 erg\/s\/cm2\/A or another that converts to it/,
      );
      await expect(read({ flux: "erg/cm2/s/Ang of 1e-17" })).rejects.toThrow(/flux: unit ".*" is not understood/);
      await expect(read({ ivar: "erg/s" })).rejects.toThrow(/inverse variance: unit .* does not convert/);
    },
  );

  test("sdss: the primary header's word counts where the column has none; EWs and imaging have units too", async () => {
    close((await sdss({ primary: "1E-16 erg/cm^2/s/Ang" })).flux, [30, 40]);
    close((await sdss({ primary: "1E-16 erg/cm^2/s/Ang", flux: "1e-18 erg/cm^2/s/Ang" })).flux, [0.3, 0.4]);
    const { widths, totals } = await sdss({ width: "nm", total: "uJy" });
    close(widths.HALPHA_EW!, [100, 10]);
    close(
      totals.map(([, flux]) => flux),
      [1, 2, 3, 4, 5].map((x) => x / 3.631),
    );
    await expect(sdss({ total: "mag" })).rejects.toThrow(/column CMODELFLUX: unit "mag" does not convert/);
  });

  test("desi: wavelengths and imaging have units too", async () => {
    const { wavelength, totals } = await desi({ wave: "nm", total: "uJy" });
    close(wavelength, [4000, 5000]);
    close(totals[0], [6418, 7 / 3.631]);
  });

  test("numbers without a unit stay", () => {
    expect(factorTo("x", undefined, "Angstrom")).toBe(1);
    expect(factorTo("x", "---", "Angstrom")).toBe(1);
    expect(pixelFactors("x", { flux: undefined, ivar: undefined })).toEqual({ flux: 1, ivar: 1 });
  });
});

describe("units of stellar populations", () => {
  const miles = async (unit: string | undefined, axis?: string): Promise<readonly number[]> => {
    const path = join(folder, "Mbi1.30Zp0.00T10.0000_iTp0.00_baseFe.fits");
    const data = Array.from({ length: 3 }, (_, i) => i + 1);
    const wcs = [
      ["CRVAL1", 500],
      ["CDELT1", 1],
      ["CRPIX1", 1],
      ...(axis === undefined ? [] : [["CUNIT1", axis] as const]),
    ] as const;
    const bytes = Buffer.alloc(BLOCK);
    data.forEach((x, i) => bytes.writeDoubleBE(x, 8 * i));
    const cards = [["SIMPLE", true], ["BITPIX", -64], ["NAXIS", 1], ["NAXIS1", 3], ...wcs, ...unitCard(unit)] as const;
    writeFileSync(path, Buffer.concat([header(cards), bytes]));
    const [{ luminosity, wavelength }] = await sspLayouts.miles.read(path);
    return [...Array.from(luminosity), wavelength[0]];
  };

  test("luminosities per wavelength and wavelengths are converted, or an error", async () => {
    const plain = await miles(undefined);
    close(plain.slice(0, 3), [3.826e33, 7.652e33, 11.478e33]);
    for (const unit of ["Lsun/A", "L_sun/M_sun/A", "L_sun M_sun^-1 A^-1", "solLum/solMass/Angstrom"]) {
      close(await miles(unit), plain);
    }
    close(
      (await miles("Lsun/nm")).slice(0, 3),
      plain.slice(0, 3).map((x) => x / 10),
    );
    close(
      (await miles("erg/s/A/Msun")).slice(0, 3),
      [1, 2, 3].map((x) => (x * 3.826) / 3.828),
    );
    const [, , , nanometres] = await miles(undefined, "nm");
    expect(nanometres).toBeGreaterThan(5000);
    await expect(miles("erg/s/cm2/A")).rejects.toThrow(/flux: unit "erg\/s\/cm2\/A" does not convert, expected solLum/);
    await expect(miles(undefined, "Hz")).rejects.toThrow(/wavelength: unit "Hz" does not convert, expected Angstrom/);
  });
});
