import { openFits } from "../../src/io/fits.ts";
import { readAll } from "../../src/io/columns.ts";
import { createRng } from "../../src/random.ts";
import { createPassbands, FLUX_UNIT } from "../../src/simulate/passband.ts";
import { createPhotometer, lastIndex } from "../../src/simulate/photometer.ts";
import { drawGalaxy } from "../../src/simulate/population.ts";
import { repair } from "../../src/simulate/resample.ts";
import type { Pixels } from "../../src/survey/observed-spectrum.ts";
import { expandPaths, readSpectra } from "../../src/survey/spectrum-files.ts";
import { createStellarModel } from "../../src/simulate/stars.ts";
import { createSpectrum, createTemplates, mixOf, synthesise } from "../../src/simulate/synthesis.ts";
import { loadSurvey } from "../../src/survey/survey.ts";
import { at } from "./data.ts";
import { measure } from "./measure.ts";
import { quantile } from "./statistics.ts";

/** A real galaxy through the narrow bands that its spectrum covers. */
export interface Seen {
  readonly name: string;
  readonly redshift: number;
  /** Index among the passbands, flux and 1 sigma error of each covered band [1e-19 erg/s/cm2/A]. */
  readonly bands: readonly number[];
  readonly flux: Float64Array;
  readonly error: Float64Array;
  /** S/N of the middle band. */
  readonly snr: number;
}

const narrow = loadSurvey("minijpas").fields.flatMap(({ name, band }) =>
  band?.group === "narrow" && band.pivot < 9100 ? [{ name, band }] : [],
);

export const passbands = () => createPassbands(narrow, at("filters"));

/** Fewest bands in which a galaxy is looked at, and the least S/N of the middle one: model error, not noise, is measured. */
const FEWEST = 30;
const LEAST_SNR = 20;

function see(name: string, redshift: number, pixels: Pixels, all: ReturnType<typeof passbands>): Seen[] {
  const repaired = repair(pixels);
  const found = all.flatMap((band, j) => {
    const measured = measure(repaired, band);
    return measured !== undefined && measured.error > 0 ? [{ j, ...measured }] : [];
  });
  if (found.length < FEWEST) return [];
  const scale = 1e-17 / FLUX_UNIT;
  const snr = quantile(
    found.map(({ flux, error }) => flux / error),
    0.5,
  );
  const flux = Float64Array.from(found, (one) => one.flux * scale);
  const error = Float64Array.from(found, (one) => one.error * scale);
  return snr < LEAST_SNR ? [] : [{ name, redshift, bands: found.map(({ j }) => j), flux, error, snr }];
}

/** Galaxies of `sdss-spectra` and `fors2-spectra` at z 0.005 - 1.2, through the J-PAS curves. */
export async function realGalaxies(all: ReturnType<typeof passbands>): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const path of expandPaths([at("sdss-spectra")])) {
    for await (const spectrum of readSpectra(path)) {
      const { redshift } = spectrum;
      if (redshift !== undefined && redshift > 0.005) seen.push(...see(spectrum.id, redshift, spectrum, all));
    }
  }
  const file = await openFits(at("fors2-spectra/fors2-spectra.fits.gz"));
  const { columns, rowCount } = await readAll(await file.hdu("SPECTRA").table());
  await file.close();
  const numbers = (name: string): Float64Array =>
    Float64Array.from(columns.find((column) => column.name === name)!.data as ArrayLike<number>);
  const [z, log, flux, ivar] = ["Z", "LOGLAM", "FLUX", "IVAR"].map(numbers);
  const width = log.length / rowCount;
  for (let row = 0; row < rowCount; row++) {
    if (!(z[row] > 0.005 && z[row] < 1.2)) continue;
    const part = (of: Float64Array): Float64Array => of.subarray(row * width, (row + 1) * width);
    // rows of one table are as long as its longest: what is beyond a spectrum's end is not a number, or zero
    const kept = Array.from(part(log).keys()).filter((i) => part(log)[i] > 0);
    const of = (values: Float64Array): Float64Array => Float64Array.from(kept, (i) => values[i]);
    const wavelength = of(part(log)).map((x) => 10 ** x);
    seen.push(...see(`FORS2 ${row}`, z[row], { wavelength, flux: of(part(flux)), ivar: of(part(ivar)) }, all));
  }
  return seen;
}

/** A galaxy beside the best of a simulated library at its redshift: relative residuals, and what noise accounts for. */
export interface Residual {
  readonly galaxy: Seen;
  /** data / model - 1, and 1 sigma of it, by covered band. */
  readonly residual: Float64Array;
  readonly sigma: Float64Array;
}

/** Error of the model while the best is looked for, so that the best-measured band does not decide. */
const TEMPLATE_ERROR = 0.02;

interface Match {
  chi2: number;
  model: Float64Array | undefined;
}

/** Adds a noise-free model to a match where it is closer, with the amplitude that fits best. */
function compare({ bands, flux, error }: Seen, fluxes: Float64Array, best: Match): void {
  let [square, cross, sum] = [0, 0, 0];
  for (let i = 0; i < bands.length; i++) {
    const [m, d] = [fluxes[bands[i]], flux[i]];
    const weight = 1 / (error[i] ** 2 + (TEMPLATE_ERROR * d) ** 2);
    square += weight * m * m;
    cross += weight * m * d;
    sum += weight * d * d;
  }
  const chi2 = sum - cross ** 2 / square;
  if (!(chi2 < best.chi2)) return;
  best.chi2 = chi2;
  best.model = Float64Array.from(bands, (j) => (fluxes[j] * cross) / square);
}

/** The closest of `size` clean galaxies of the wide population, each moved to every galaxy's redshift. */
export function matchLibrary(galaxies: readonly Seen[], all: ReturnType<typeof passbands>, size: number): Residual[] {
  const templates = createTemplates(1.25, { stars: createStellarModel(lastIndex(all)), to: lastIndex(all) });
  const photometer = createPhotometer(all, templates);
  const [rng, work] = [createRng("library"), createSpectrum()];
  const best = galaxies.map((): Match => ({ chi2: Infinity, model: undefined }));
  const [low, high] = [photometer.extent(1.2)[0], photometer.extent(0)[1]];
  for (let i = 0; i < size; i++) {
    const near = galaxies[rng.integer(galaxies.length)].redshift;
    const galaxy = drawGalaxy({ ...rng, wide: { isWide: true, logRatio: 0 } }, near, 8.5 + 3.2 * rng.uniform());
    synthesise(work, templates, galaxy, mixOf(galaxy), low, high);
    galaxies.forEach((one, k) => compare(one, photometer.fluxes(work, one.redshift), best[k]));
  }
  return galaxies.flatMap((galaxy, k) => {
    const { model } = best[k];
    if (model === undefined) return [];
    const residual = galaxy.flux.map((d, i) => d / model[i] - 1);
    return [{ galaxy, residual, sigma: galaxy.error.map((e, i) => e / model[i]) }];
  });
}

/** Residuals without their smooth part, a parabola in ln(lambda): what a spectrum's flux calibration can do. */
export function flattened(one: Residual, all: ReturnType<typeof passbands>): Residual {
  const x = one.galaxy.bands.map((j) => Math.log(all[j].pivot / 6700) * 2);
  // normal equations of 1, x, x^2, by Gram and Schmidt
  const basis: number[][] = [];
  for (const power of [0, 1, 2]) {
    const column = x.map((value) => value ** power);
    for (const known of basis) {
      const dot = known.reduce((sum, value, i) => sum + value * column[i], 0);
      known.forEach((value, i) => (column[i] -= dot * value));
    }
    const norm = Math.hypot(...column);
    basis.push(column.map((value) => value / norm));
  }
  const residual = one.residual.slice();
  for (const column of basis) {
    const dot = column.reduce((sum, value, i) => sum + value * residual[i], 0);
    column.forEach((value, i) => (residual[i] -= dot * value));
  }
  return { ...one, residual };
}

/** Rms of a galaxy's residuals beyond noise; 0 where noise accounts for all. */
export function amplitudeOf({ residual, sigma }: Residual): number {
  const excess = residual.reduce((sum, r, i) => sum + r * r - sigma[i] ** 2, 0) / residual.length;
  return Math.sqrt(Math.max(0, excess));
}

/**
 * Correlation of residuals at distances in the rest frame [Angstrom], noise taken off the variance: the mean over galaxies
 * and pairs of bands, each galaxy divided by its own variance. [number of bins]
 */
export function correlation(
  residuals: readonly Residual[],
  all: ReturnType<typeof passbands>,
  edges: readonly number[],
): number[] {
  const [sums, variances] = [0, 1].map(() => new Float64Array(edges.length - 1));
  for (const one of residuals) {
    const variance = amplitudeOf(one) ** 2;
    if (variance < 0.005 ** 2) continue;
    const { bands, redshift } = one.galaxy;
    for (let a = 0; a < bands.length; a++) {
      for (let b = a + 1; b < bands.length; b++) {
        const distance = Math.abs(all[bands[a]].pivot - all[bands[b]].pivot) / (1 + redshift);
        const bin = edges.findIndex((edge, k) => distance >= edge && distance < edges[k + 1]);
        if (bin < 0) continue;
        sums[bin] += (one.residual[a] * one.residual[b]) / variance;
        variances[bin] += 1;
      }
    }
  }
  return Array.from(sums, (sum, k) => sum / Math.max(1, variances[k]));
}
