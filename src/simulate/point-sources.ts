import type { Rng } from "../random.ts";
import { createCells } from "./cells.ts";
import { luminosityDistance, volumeElement } from "./cosmology.ts";
import { GRID_SIZE } from "./grid.ts";
import { FLUX_UNIT, fluxOfMagnitude, magnitudeOfFlux } from "./passband.ts";
import { createQuasarModel, drawQuasar, hostMass, quasarLuminosityFunction, TO_1450 } from "./quasar.ts";
import { createStarPopulation } from "./star-population.ts";
import { createLibraryStars, type StarLibrary } from "./star-library.ts";
import { createStarModel } from "./star-spectra.ts";

/** Stars and quasars of a magnitude range, as fluxes in the bands. */

/** What a draw is seen through: the bands, and the dust of the pointing. */
export interface View {
  /** Fluxes [1e-19 erg/s/cm2/A] of an observed-frame spectrum in that unit. [nBand] */
  readonly direct: (spectrum: Float64Array) => Float64Array;
  /** The survey's spectra of the same, one for each of its fields. [nSpectrum][pixels] */
  readonly spectra: (spectrum: Float64Array) => readonly Float32Array[];
  /** Those of a galaxy without active nucleus of this redshift and mass; its spectra are rendered when they are asked for. */
  readonly galaxy: (
    redshift: number,
    logMass: number,
  ) => { readonly fluxes: Float64Array; readonly spectra: () => readonly Float32Array[] };
}

export interface Limits {
  readonly bright: number;
  readonly faint: number;
  /** Index and pivot [Angstrom] of the band of the limits. */
  readonly band: number;
  readonly pivot: number;
  /** Grid indices of observed wavelengths that the bands need. */
  readonly observed: readonly [number, number];
}

export interface PointSource {
  readonly fluxes: Float64Array;
  /** Without noise. [nSpectrum][pixels] */
  readonly spectra: readonly Float32Array[];
  /** undefined of a star. */
  readonly redshift: number | undefined;
}

export interface PointSources {
  readonly perSquareDegree: number;
  draw(this: void, rng: Rng, view: View): PointSource;
}

/**
 * Stars of the Galaxy; the magnitude that counts is the one behind dust, as everywhere. `library`: real spectra of the
 * population's temperatures.
 */
export function createStars({ bright, faint, band, pivot, observed }: Limits, library?: StarLibrary): PointSources {
  const population = createStarPopulation(bright, faint);
  const builtin = createStarModel(...observed);
  const model = library === undefined ? builtin : createLibraryStars(library, builtin);
  const spectrum = new Float64Array(GRID_SIZE);
  return {
    perSquareDegree: population.perSquareDegree,
    draw(rng, view) {
      const { star, magnitude } = population.draw(rng);
      model.render(star, spectrum, ...observed, rng);
      const fluxes = view.direct(spectrum);
      const scale = fluxOfMagnitude(magnitude, pivot) / FLUX_UNIT / fluxes[band];
      const spectra = view.spectra(spectrum).map((one) => one.map((flux) => flux * scale));
      return { fluxes: fluxes.map((flux) => flux * scale), spectra, redshift: undefined };
    },
  };
}

/** Redshifts and magnitudes M_i(z = 2) of quasars. */
const REDSHIFTS = { from: 0.1, to: 5, count: 196 } as const;
const MAGNITUDES = { from: -30, to: -17, count: 104 } as const;
/** What lines, iron and slopes may add to the mean continuum [mag]. */
const MARGIN = 0.8;
/** Nuclei with less of the light than this are galaxies [of the band of the limits]. */
const LEAST_NUCLEUS = 0.2;
/** Redshift beyond which hosts are lost in their nuclei, and not simulated. */
export const FARTHEST_HOST = 1.4;

/** AB magnitude at 1450 Angstrom rest. */
const magnitudeAt1450 = (absolute: number, z: number): number =>
  absolute + 25 + 5 * Math.log10(luminosityDistance(z)) - 2.5 * Math.log10(1 + z);

/** AB magnitude at a rest wavelength of a mean power law, relative to that at 1450 A. */
function meanColour(rest: number): number {
  const slope = rest < 5000 ? -1.6 : -1.4;
  return -2.5 * (slope + 2) * Math.log10(rest / 1450);
}

/** Quasars and broad-line nuclei with their hosts. */
export function createQuasars({ bright, faint, band, pivot, observed }: Limits): PointSources {
  const dz = (REDSHIFTS.to - REDSHIFTS.from) / REDSHIFTS.count;
  const dm = (MAGNITUDES.to - MAGNITUDES.from) / MAGNITUDES.count;
  const weights = new Float64Array(REDSHIFTS.count * MAGNITUDES.count);
  const perDegree = 1 / (4 * Math.PI * (180 / Math.PI) ** 2);
  let count = 0;
  for (let i = 0; i < REDSHIFTS.count; i++) {
    const z = REDSHIFTS.from + (i + 0.5) * dz;
    const volume = volumeElement(z) * dz * perDegree;
    for (let j = 0; j < MAGNITUDES.count; j++) {
      const absolute = MAGNITUDES.from + (j + 0.5) * dm;
      const magnitude = magnitudeAt1450(absolute + TO_1450, z) + meanColour(pivot / (1 + z));
      if (magnitude > faint + MARGIN || magnitude < bright - MARGIN) continue;
      const density = volume * dm * quasarLuminosityFunction(absolute, z);
      weights[i * MAGNITUDES.count + j] = density;
      if (magnitude < faint && magnitude > bright) count += density;
    }
  }
  const cells = createCells(weights);
  const model = createQuasarModel();
  const spectrum = new Float64Array(GRID_SIZE);
  const drawOne = (rng: Rng, view: View): PointSource | undefined => {
    const cell = cells.draw(rng);
    const redshift = REDSHIFTS.from + (Math.floor(cell / MAGNITUDES.count) + rng.uniform()) * dz;
    const absolute = MAGNITUDES.from + ((cell % MAGNITUDES.count) + rng.uniform()) * dm + TO_1450;
    model.render(drawQuasar(rng, redshift, absolute), spectrum, ...observed);
    const magnitude = magnitudeAt1450(absolute, redshift);
    const scale = fluxOfMagnitude(magnitude, 1450 * (1 + redshift)) / FLUX_UNIT;
    for (let k = observed[0]; k < observed[1]; k++) spectrum[k] *= scale;
    const nucleus = view.direct(spectrum);
    const host = redshift < FARTHEST_HOST ? view.galaxy(redshift, hostMass(rng, absolute)) : undefined;
    const fluxes = host === undefined ? nucleus : nucleus.map((flux, j) => flux + host.fluxes[j]);
    if (nucleus[band] < LEAST_NUCLEUS * fluxes[band]) return undefined;
    const whole = magnitudeOfFlux(fluxes[band] * FLUX_UNIT, pivot);
    if (whole > faint || whole < bright) return undefined;
    const ofHost = host?.spectra();
    const spectra = view.spectra(spectrum).map((one, s) => one.map((flux, i) => flux + (ofHost?.[s][i] ?? 0)));
    return { fluxes, spectra, redshift };
  };
  return {
    perSquareDegree: count,
    draw(rng, view) {
      for (;;) {
        const one = drawOne(rng, view);
        if (one !== undefined) return one;
      }
    },
  };
}
