import { State } from "../survey/field.ts";
import type { Known } from "./joined.ts";
import { fluxOfMagnitude } from "./passband.ts";
import { integrate, type PixelGrid, type TabulatedBand } from "./resample.ts";
import { interpolate } from "./special.ts";
import type { ObservedSpectrum, Pixels } from "../survey/observed-spectrum.ts";

/** 1e-17 erg/s/cm2/A of the spectra in the unit of the tables. */
export const SPECTRUM_UNIT = 100;
/** Zero-point of nanomaggies [AB mag]. */
const NANOMAGGY = 22.5;
/** A total flux of the file's own imaging stands for a band whose pivot differs by less than this fraction. */
const SAME_BAND = 0.05;
/** With several bands the factor varies within each: repeated until that is in the fluxes too. */
const ROUNDS = 8;

/** A fibre holds at most all the light: imaging this much fainter is of a part of the galaxy, or of another one. */
const LEAST_FACTOR = 0.7;

/** A band whose total flux spectra are scaled to. */
export interface ScaleBand {
  readonly name: string;
  readonly pivot: number;
  readonly table: TabulatedBand;
}

/** Total flux [1e-19 erg/s/cm2/A] in a band: of a catalogue, or of the file's own imaging in a like band. */
function totalFlux({ name, pivot }: ScaleBand, spectrum: ObservedSpectrum, known: Known): number | undefined {
  const joined = known[name];
  if (joined !== undefined) return joined.state === State.measured ? joined.value : undefined;
  const off = (at: number): number => Math.abs(at / pivot - 1);
  const near = spectrum.totals.filter(([at]) => off(at) < SAME_BAND).sort((a, b) => off(a[0]) - off(b[0]))[0];
  return near === undefined ? undefined : (near[1] * fluxOfMagnitude(NANOMAGGY, pivot)) / 1e-19;
}

/**
 * A repaired spectrum with the total fluxes that imaging has in `bands`: one band scales it; of several the factor goes
 * from one to the next (linear in its logarithm over that of wavelength, constant beyond the outermost), which also
 * takes out errors of the spectrum's flux calibration.
 * @returns why it cannot be: a flux is not known, not positive or not covered, or far below what the fibre holds.
 */
export function rescaled(
  pixels: Pixels,
  grid: PixelGrid,
  bands: readonly ScaleBand[],
  spectrum: ObservedSpectrum,
  known: Known,
): { readonly pixels: Pixels; readonly factors: readonly number[] } | string {
  const names = bands.map(({ name }) => name).join(", ");
  const sorted = [...bands].sort((a, b) => a.pivot - b.pivot);
  const places = sorted.map(({ pivot }) => Math.log(pivot));
  const totals = sorted.map((band) => totalFlux(band, spectrum, known) ?? Number.NaN);
  const logs = sorted.map(() => 0);
  const scaled = { wavelength: pixels.wavelength, flux: pixels.flux.slice(), ivar: pixels.ivar.slice() };
  for (let round = 0; round < (sorted.length > 1 ? ROUNDS : 1); round++) {
    for (const [j, { table }] of sorted.entries()) {
      const ratio = totals[j] / ((integrate(scaled, grid, table)?.flux ?? Number.NaN) * SPECTRUM_UNIT);
      if (!(ratio > 0 && Number.isFinite(ratio))) return `no total flux or no coverage in ${names}`;
      logs[j] += Math.log(ratio);
    }
    const constant = sorted.length === 1 ? Math.exp(logs[0]) : undefined;
    for (let i = 0; i < grid.log.length; i++) {
      const factor = constant ?? Math.exp(interpolate(grid.log[i], places, logs));
      scaled.flux[i] = pixels.flux[i] * factor;
      scaled.ivar[i] = pixels.ivar[i] / factor ** 2;
    }
  }
  const factors = logs.map(Math.exp);
  if (Math.max(...factors) < LEAST_FACTOR) return `imaging fainter than the spectrum in ${names}`;
  return { pixels: scaled, factors };
}
