import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readFitsSpectrum } from "../../src/io/fits-spectrum.ts";
import { golden } from "./truth.ts";

interface Expected {
  readonly wavelength: readonly number[];
  readonly wavelengthUnit?: string;
  readonly medium?: string;
  readonly unit?: string;
}

const path = golden("spectra.fits");
const truth = JSON.parse(readFileSync(golden("spectra.json"), "utf8")) as Record<string, Expected>;

describe("FITS spectra", () => {
  it.each(Object.entries(truth))(
    "unit %s has the wavelengths of astropy.wcs or of its formula",
    async (name, wanted) => {
      const seen = await readFitsSpectrum(path, name === "PRIMARY" ? undefined : name);
      expect([...seen.flux]).toEqual([1, 2, 4, 8, 16]);
      const { wavelength, ...rest } = wanted;
      expect(seen).toMatchObject(rest);
      expect([seen.wavelengthUnit, seen.medium, seen.unit]).toEqual([rest.wavelengthUnit, rest.medium, rest.unit]);
      expect(seen.wavelength.length).toBe(5);
      for (const [i, lambda] of wavelength.entries()) expect(seen.wavelength[i] / lambda).toBeCloseTo(1, 12);
      expect(seen.metadata["OBJECT"]).toBe("SSP");
    },
  );

  it("are refused in one line where the axis is no wavelength, or more than one is there", async () => {
    await expect(readFitsSpectrum(path, "FREQUENCY")).rejects.toThrow(
      /unit 9: CTYPE1 is "FREQ", expected a wavelength/,
    );
    await expect(readFitsSpectrum(path, "UNSAID")).rejects.toThrow(/look like decimal logarithms; set DC-FLAG = 1/);
    await expect(readFitsSpectrum(path, "TWO")).rejects.toThrow(/an image of 2 x 5, expected one spectrum/);
    await expect(readFitsSpectrum(path, "NONE")).rejects.toThrow(/no FITS unit "NONE"/);
    await expect(readFitsSpectrum(golden("small.fits"))).rejects.toThrow(/no spectrum among its 2 FITS units/);
  });
});
