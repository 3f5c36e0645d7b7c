import { UserError } from "../errors.ts";
import type { Rng } from "../random.ts";
import { GRID_SIZE, gridWavelength } from "./grid.ts";
import { repair } from "./resample.ts";
import type { ObservedSpectrum } from "../survey/observed-spectrum.ts";
import { expandPaths, readSpectra } from "../survey/spectrum-files.ts";
import { resample } from "./ssp.ts";
import { createStarModel, type Star, type StarModel } from "./star-spectra.ts";

/** Spectra of real stars in place of the built-in ones; plain data, so that it reaches worker threads. */
export interface StarLibrary {
  /** By temperature. */
  readonly stars: readonly LibraryStar[];
  /** One line: what was read, and what is left to the built-in spectra. */
  readonly description: string;
}

interface LibraryStar {
  /** Effective temperature of the built-in dwarf that it is most like [K]. */
  readonly temperature: number;
  /** Grid index of the first entry of `ln`. */
  readonly first: number;
  /** ln f_lambda on the grid, its level arbitrary. */
  readonly ln: Float32Array;
}

/** Temperatures of the built-in dwarfs that spectra are compared with [K]: steps of 2 %. */
const TEMPERATURES = Array.from({ length: 110 }, (_, i) => 2400 * 1.02 ** i);
/** Bins in which they are compared [grid points]: 1.5 %, wider than lines. */
const BIN = 30;
/** Median S/N of the pixels below which noise would pass for features of the spectrum. */
const LEAST_SNR = 5;
/** Wavelengths that a spectrum has to cover for its temperature to be known [Angstrom]. */
const NEEDED = [4200, 6800] as const;
/** How far, in ln T, a star may be from one of the library: picked among those nearer than the first, else the nearest up to the second. */
const [NEAR, FAR] = [0.03, 0.1];
/** Over so many grid points at its ends the built-in continuation is matched in level. */
const JOIN = 60;

const dwarf = (temperature: number): Star => ({
  temperature,
  gravity: temperature < 4000 ? 4.9 : 4.4,
  metallicity: -0.5,
  whiteDwarf: undefined,
});

/** Means of bins of ln f less their own mean. */
function shapeOf(ln: ArrayLike<number>, from: number, to: number): Float64Array {
  const bins = Float64Array.from({ length: Math.floor((to - from) / BIN) }, (_, b) => {
    let sum = 0;
    for (let k = from + b * BIN; k < from + (b + 1) * BIN; k++) sum += ln[k];
    return sum / BIN;
  });
  const level = bins.reduce((sum, one) => sum + one, 0) / bins.length;
  return bins.map((one) => one - level);
}

const distance = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, one, i) => sum + (one - b[i]) ** 2, 0) / a.length;

/** Why a spectrum is not taken; undefined where it is. */
function objection({ warning, flux, ivar, wavelength }: ObservedSpectrum): string | undefined {
  if (warning !== "star") return warning ?? "galaxy";
  const ratios = flux.map((value, i) => value * Math.sqrt(ivar[i])).sort();
  if (!(ratios[ratios.length >> 1] >= LEAST_SNR)) return `S/N below ${LEAST_SNR}`;
  const isCovered = wavelength[0] < NEEDED[0] && wavelength[wavelength.length - 1] > NEEDED[1];
  return isCovered ? undefined : `not ${NEEDED.join(" - ")} A`;
}

function onGrid(spectrum: ObservedSpectrum): Omit<LibraryStar, "temperature"> {
  const { wavelength, flux } = repair(spectrum);
  const whole = resample({ path: spectrum.id, wavelength, luminosity: flux });
  const first = whole.findIndex((value) => !Number.isNaN(value));
  const last = whole.findLastIndex((value) => !Number.isNaN(value));
  return { first, ln: whole.slice(first, last + 1) };
}

/**
 * A library of the stars among observed spectra (those that their pipelines class as stars, at S/N 5 per pixel and better, over
 * 4200 - 6800 A); the others are counted. Temperatures are those of the built-in dwarfs of the nearest shape.
 * @throws UserError where none is left. `where` names the files in messages.
 */
export function starLibrary(spectra: readonly ObservedSpectrum[], where: string): StarLibrary {
  const skipped = new Map<string, number>();
  const taken = spectra.filter((spectrum) => {
    const reason = objection(spectrum);
    if (reason !== undefined) skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
    return reason === undefined;
  });
  const told = [...skipped].map(([reason, count]) => `${count} ${reason}`).join(", ");
  if (taken.length === 0) {
    throw new UserError(
      `${where}: no star among ${spectra.length} spectra (${told}); expected spectra that their pipeline classes as STAR`,
    );
  }
  const model = createStarModel(0, GRID_SIZE);
  const templates = TEMPERATURES.map((temperature) => {
    const flux = new Float64Array(GRID_SIZE);
    model.render(dwarf(temperature), flux, 0, GRID_SIZE);
    return flux.map(Math.log);
  });
  const stars = taken.map((spectrum): LibraryStar => {
    const { first, ln } = onGrid(spectrum);
    const [from, to] = [first, first + ln.length];
    const shape = shapeOf(ln, 0, ln.length);
    const distances = templates.map((template) => distance(shape, shapeOf(template, from, to)));
    return { temperature: TEMPERATURES[distances.indexOf(Math.min(...distances))], first, ln };
  });
  stars.sort((a, b) => a.temperature - b.temperature);
  const kelvin = [stars[0], stars[stars.length - 1]].map(({ temperature }) => Math.round(temperature / 10) * 10);
  const ends = [
    Math.min(...stars.map(({ first }) => first)),
    Math.max(...stars.map(({ first, ln }) => first + ln.length - 1)),
  ];
  const description =
    `${stars.length} ${stars.length === 1 ? "spectrum" : "spectra"} of stars, ${kelvin.join(" - ")} K, ${ends.map((k) => Math.round(gridWavelength(k))).join(" - ")} A` +
    `${told === "" ? "" : `; not taken: ${told}`}. Other wavelengths and temperatures, and white dwarfs: built in`;
  return { stars, description };
}

/**
 * Reads a library of stars: SDSS and DESI spectra, or folders of them.
 * @throws UserError as `expandPaths`, `readSpectra` and `starLibrary`.
 */
export async function readStarLibrary(paths: readonly string[]): Promise<StarLibrary> {
  const spectra: ObservedSpectrum[] = [];
  for (const path of expandPaths(paths)) for await (const spectrum of readSpectra(path)) spectra.push(spectrum);
  return starLibrary(spectra, paths.join(", "));
}

/** The star of a library that stands for one of a temperature; undefined where none is near. */
function choose({ stars }: StarLibrary, temperature: number, rng: Rng): LibraryStar | undefined {
  const aside = (star: LibraryStar): number => Math.abs(Math.log(star.temperature / temperature));
  const near = stars.filter((star) => aside(star) < NEAR);
  if (near.length > 0) return near[rng.integer(near.length)];
  const nearest = stars.reduce((best, star) => (aside(star) < aside(best) ? star : best));
  return aside(nearest) < FAR ? nearest : undefined;
}

/** Spectra of a library in place of the built-in ones, which go on beyond their ends, each scaled to meet them. */
export function createLibraryStars(
  library: StarLibrary,
  builtin: StarModel,
): { render(this: void, star: Star, into: Float64Array, from: number, to: number, rng: Rng): void } {
  return {
    render(star, into, from, to, rng) {
      const found = star.whiteDwarf === undefined ? choose(library, star.temperature, rng) : undefined;
      builtin.render(found === undefined ? star : { ...star, temperature: found.temperature }, into, from, to);
      if (found === undefined) return;
      const { first, ln } = found;
      const [low, high] = [Math.max(from, first), Math.min(to, first + ln.length)];
      if (high - low < 2 * JOIN) return;
      const step = (start: number): number => {
        let sum = 0;
        for (let k = start; k < start + JOIN; k++) sum += ln[k - first] - Math.log(into[k]);
        return Math.exp(sum / JOIN);
      };
      const [blue, red] = [step(low), step(high - JOIN)];
      for (let k = from; k < low; k++) into[k] *= blue;
      for (let k = high; k < to; k++) into[k] *= red;
      for (let k = low; k < high; k++) into[k] = Math.exp(ln[k - first]);
    },
  };
}
