import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../errors.ts";
import { GRID_SIZE, gridWavelength } from "./grid.ts";
import { interpolate } from "./special.ts";
import { type SspSpectrum, sspLayouts } from "./ssp-layouts.ts";
import { createStellarModel, type StellarModel } from "./stars.ts";

/** A rectangular grid of population spectra on the wavelength grid; plain data, so that it reaches worker threads. */
export interface SspGrid {
  /** Increasing [Gyr]. */
  readonly ages: readonly number[];
  /** Increasing [M/H]. */
  readonly metallicities: readonly number[];
  /** Grid indices that the spectra cover: first <= k < last. */
  readonly first: number;
  readonly last: number;
  /** ln of the luminosity per wavelength of one Msun formed [ln(erg/s/Angstrom/Msun)]. [nMetallicity * nAge][last - first] */
  readonly ln: readonly Float32Array[];
  /** One line: what was read, and what is continued or held outside it. */
  readonly description: string;
}

/** Below this fraction of a spectrum's peak a luminosity counts as none. */
const DARK = 1e-12;

/**
 * ln of the mean of a spectrum over each grid step; NaN outside its range. `path` names it in messages. [GRID_SIZE]
 * @throws UserError for a pixel that is no number, or a spectrum without light.
 */
export function resample({
  path,
  wavelength,
  luminosity,
}: Pick<SspSpectrum, "path" | "wavelength" | "luminosity">): Float32Array {
  const size = wavelength.length;
  // integral up to each pixel: steps narrower and wider than the pixels are treated alike, and light is conserved
  const integral = new Float64Array(size);
  let peak = 0;
  for (let i = 0; i < size; i++) {
    if (!Number.isFinite(luminosity[i])) throw new UserError(`${path}: pixel ${i + 1} is not a number`);
    peak = Math.max(peak, luminosity[i]);
    if (i === 0) continue;
    integral[i] = integral[i - 1] + ((luminosity[i] + luminosity[i - 1]) / 2) * (wavelength[i] - wavelength[i - 1]);
  }
  if (!(peak > 0)) throw new UserError(`${path}: no positive luminosity`);
  const [low, high] = [wavelength[0], wavelength[size - 1]];
  const ln = new Float32Array(GRID_SIZE).fill(Number.NaN);
  for (let k = 0; k < GRID_SIZE; k++) {
    const [blue, red] = [gridWavelength(k - 0.5), gridWavelength(k + 0.5)];
    if (blue < low || red > high) continue;
    const narrow = (red - blue) * 4 < wavelength[1] - wavelength[0];
    const mean = narrow
      ? interpolate((blue + red) / 2, wavelength, luminosity)
      : (interpolate(red, wavelength, integral) - interpolate(blue, wavelength, integral)) / (red - blue);
    ln[k] = Math.log(Math.max(mean, DARK * peak));
  }
  return ln;
}

function filesOf(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const state = statSync(path, { throwIfNoEntry: false });
    if (state === undefined) throw new UserError(`${path}: there is no such file or folder of stellar populations`);
    if (!state.isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => Object.values(sspLayouts).some((one) => one.isNamed(name)));
    if (names.length === 0) {
      const layouts = Object.values(sspLayouts).map(({ description }) => description);
      throw new UserError(`${path}: no file of a known layout, expected ${layouts.join("; or ")}`);
    }
    return names.sort().map((name) => join(path, name));
  });
}

/** Ages are compared to 1e-4, metallicities to 0.005 dex. */
const sortedUnique = (values: readonly number[], digits: number): number[] =>
  [...new Set(values.map((value) => Number(value.toPrecision(digits))))].sort((a, b) => a - b);

function describe(grid: Omit<SspGrid, "description">, family: string, fileCount: number): string {
  const { ages, metallicities, first, last } = grid;
  const span = (values: readonly number[]): string =>
    values.length === 1 ? `${values[0]}` : `${values[0]} - ${values[values.length - 1]}`;
  return (
    `${ages.length * metallicities.length} spectra (${family}, ${fileCount} ${fileCount === 1 ? "file" : "files"}): ${span(ages)} Gyr, ` +
    `[M/H] ${span(metallicities.map((x) => Number(x.toFixed(2))))}, ${Math.round(gridWavelength(first))} - ${Math.round(gridWavelength(last - 1))} A. ` +
    "Older and beyond those metallicities: as at the edge; younger and at other wavelengths: as the built-in continuum changes"
  );
}

/** A spectrum on the wavelength grid: a library as it comes can be half a gigabyte. */
type Resampled = Pick<SspSpectrum, "path" | "family" | "ageGyr" | "metallicity"> & { readonly row: Float32Array };

/** Puts spectra into a rectangular grid. @throws UserError for gaps, doubles and mixed families. */
function assemble(spectra: readonly Resampled[], fileCount: number): SspGrid {
  const families = [...new Set(spectra.map(({ family }) => family))];
  if (families.length > 1) {
    throw new UserError(
      `stellar populations of different kinds: ${families.slice(0, 4).join(", ")}; expected one IMF, one set of isochrones and abundances`,
    );
  }
  const ages = sortedUnique(
    spectra.map(({ ageGyr }) => ageGyr),
    6,
  );
  const metallicities = sortedUnique(
    spectra.map(({ metallicity }) => metallicity),
    4,
  );
  const rows: (Float32Array | undefined)[] = Array.from({ length: ages.length * metallicities.length });
  for (const spectrum of spectra) {
    const at =
      metallicities.indexOf(Number(spectrum.metallicity.toPrecision(4))) * ages.length +
      ages.indexOf(Number(spectrum.ageGyr.toPrecision(6)));
    if (rows[at] !== undefined) {
      throw new UserError(
        `${spectrum.path}: a second spectrum of ${spectrum.ageGyr} Gyr, [M/H] ${spectrum.metallicity.toFixed(2)}; expected one`,
      );
    }
    rows[at] = spectrum.row;
  }
  const full = rows.map((row, at) => {
    if (row !== undefined) return row;
    const where = `${ages[at % ages.length]} Gyr, [M/H] ${metallicities[Math.floor(at / ages.length)]}`;
    const missing = rows.filter((one) => one === undefined).length;
    throw new UserError(
      `stellar populations: no spectrum of ${where} (${missing} such gaps); expected every age at every metallicity`,
    );
  });
  if (ages.length < 2) throw new UserError(`stellar populations: ${ages.length} age, expected at least two`);
  const covered = Array.from({ length: GRID_SIZE }, (_, k) => full.every((row) => !Number.isNaN(row[k])));
  const [first, last] = [covered.indexOf(true), covered.lastIndexOf(true) + 1];
  if (first < 0 || gridWavelength(first) > 4000 || gridWavelength(last - 1) < 7000) {
    throw new UserError("stellar populations: expected spectra that cover at least 4000 - 7000 A");
  }
  const grid = { ages, metallicities, first, last, ln: full.map((row) => row.slice(first, last)) };
  return { ...grid, description: describe(grid, families[0], fileCount) };
}

/**
 * Reads a grid of stellar populations: files, or folders of them, of one of the layouts in `sspLayouts`.
 * @throws UserError for files of no known layout, several libraries at once, gaps, or too little wavelength range.
 */
export async function readSspGrid(paths: readonly string[]): Promise<SspGrid> {
  const files = filesOf(paths);
  const spectra: Resampled[] = [];
  for (const file of files) {
    const layout = Object.values(sspLayouts).find(({ isNamed }) => isNamed(basename(file)));
    if (layout === undefined) {
      const layouts = Object.values(sspLayouts).map(({ description }) => description);
      throw new UserError(`${file}: not a layout of stellar populations, expected ${layouts.join("; or ")}`);
    }
    for (const spectrum of await layout.read(file)) {
      const { path, family, ageGyr, metallicity } = spectrum;
      // the first moment of a library is age 0, which has no logarithm
      if (ageGyr > 0) spectra.push({ path, family, ageGyr, metallicity, row: resample(spectrum) });
    }
  }
  return assemble(spectra, files.length);
}

/** Lower neighbour and the weight of the next one; at the ends the last value. */
function place(x: number, xs: readonly number[]): readonly [number, number] {
  if (xs.length === 1 || x <= xs[0]) return [0, 0];
  let i = 0;
  while (i < xs.length - 2 && xs[i + 1] <= x) i++;
  return [i, Math.min(1, (x - xs[i]) / (xs[i + 1] - xs[i]))];
}

/** Width over which the level of the continuation is matched to the grid at either end [grid steps]. */
const JOIN = 60;

/**
 * Single bursts from a grid, linear in ln L, log age and [M/H]. At wavelengths outside it the built-in continuum goes on, scaled to
 * meet the grid; populations younger than its first age change as the built-in ones do.
 */
export function createGridModel(grid: SspGrid): StellarModel {
  const builtin = createStellarModel();
  const { ages, metallicities, first, last, ln } = grid;
  const logAges = ages.map(Math.log10);
  return {
    burst(ageGyr, metallicity) {
      const out = builtin.burst(ageGyr, metallicity);
      const [i, f] = place(Math.log10(ageGyr), logAges);
      const [j, g] = place(metallicity, metallicities);
      const corners = [0, 1].flatMap((dz) =>
        [0, 1].map((da) => ({
          row: ln[Math.min(j + dz, metallicities.length - 1) * ages.length + i + da],
          share: (dz === 0 ? 1 - g : g) * (da === 0 ? 1 - f : f),
        })),
      );
      const inside = new Float64Array(last - first);
      for (const { row, share } of corners) {
        if (share > 0) for (let k = 0; k < inside.length; k++) inside[k] += share * row[k];
      }
      if (ageGyr < ages[0]) {
        const oldest = builtin.burst(ages[0], metallicity);
        for (let k = 0; k < inside.length; k++) inside[k] += out[first + k] - oldest[first + k];
      }
      const step = (from: number): number => {
        let sum = 0;
        for (let k = from; k < from + JOIN; k++) sum += inside[k] - out[first + k];
        return sum / JOIN;
      };
      const [blue, red] = [step(0), step(inside.length - JOIN)];
      for (let k = 0; k < first; k++) out[k] += blue;
      for (let k = last; k < GRID_SIZE; k++) out[k] += red;
      out.set(inside, first);
      return out;
    },
  };
}
