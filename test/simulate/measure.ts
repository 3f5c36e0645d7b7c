import type { Passband } from "../../src/simulate/passband.ts";
import { createGrid, integrate, type TabulatedBand, tabulate } from "../../src/simulate/resample.ts";
import type { Pixels } from "../../src/survey/observed-spectrum.ts";

const tables = new Map<Passband, TabulatedBand>();

/** A repaired spectrum in a band, at wavelengths times `stretch`; undefined where it does not cover the band. */
export function measure(pixels: Pixels, band: Passband, stretch?: number) {
  const table = tables.get(band) ?? tabulate(band);
  tables.set(band, table);
  return integrate(pixels, createGrid(pixels.wavelength), table, stretch);
}
