import type { Rng } from "../random.ts";
import { createRng } from "../random.ts";
import { type Band, State } from "../survey/field.ts";
import type { Survey } from "../survey/survey.ts";
import type { SimulationOptions } from "./options.ts";
import { FLUX_UNIT, fluxOfMagnitude } from "./passband.ts";

/** Photon collection by band group: collecting area [cm2], total efficiency, exposure [s]. */
const collectors: Readonly<Record<string, { area: number; efficiency: number; exposure: number }>> = {
  /** GALEX all-sky imaging survey (Morrissey et al. 2007, ApJS 173, 682): effective area about 50 cm2, 112 s. */
  uv: { area: 50, efficiency: 1, exposure: 112 },
};
/** JST/T250 at Javalambre (Benitez et al. 2014, arXiv:1403.5237): 3.89 m2, about 480 s per filter. */
const OPTICAL = { area: 38_900, efficiency: 0.4, exposure: 480 };

const PLANCK_LIGHT = 1.98644586e-8; // erg Angstrom
/** Signal-to-noise below which a band of a catalogue that lists detections is a non-detection. */
const DETECTION_LIMIT = 3;

export interface ObservedBand {
  readonly name: string;
  readonly band: Band;
  readonly pivot: number;
  /** Sky noise of one sigma per tile [1e-19 erg/s/cm2/A]; one entry = the same for all tiles. */
  readonly sky: Float64Array;
  /** Photo-electrons per flux unit, over the square of the noise scale. */
  readonly gain: number;
  /** Fixed zero-point offset of the survey [mag]. */
  readonly offset: number;
  /** The band comes from a catalogue of detections (ultraviolet): a state column says which. */
  readonly hasState: boolean;
}

export interface Instrument {
  readonly bands: readonly ObservedBand[];
  readonly tileCount: number;
  readonly options: SimulationOptions;
  /** [pointings, nBand] flux factor of the zero-point error. */
  readonly zeroPoints: Float64Array;
}

/** The survey's noise and calibration; `pivots` are those of the passbands in use. */
export function createInstrument(survey: Survey, pivots: readonly number[], options: SimulationOptions): Instrument {
  const offsets = createRng(`${options.offsets?.seed}:offsets`);
  const fields = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  const bands = fields.map(({ name, band }, j): ObservedBand => {
    const pivot = pivots[j];
    const { area, efficiency, exposure } = collectors[band.group] ?? OPTICAL;
    const photons = ((FLUX_UNIT * pivot) / PLANCK_LIGHT) * (band.edges[1] - band.edges[0]);
    return {
      name,
      band,
      pivot,
      sky: Float64Array.from(
        band.depth,
        (depth) => (options.noiseScale * fluxOfMagnitude(depth, pivot)) / (5 * FLUX_UNIT),
      ),
      gain: (photons * area * efficiency * exposure) / options.noiseScale ** 2,
      offset: options.offsets === undefined ? 0 : options.offsets.rms * offsets.normal(),
      hasState: band.group === "uv",
    };
  });
  const calibration = createRng(`${options.seed}:zeropoints`);
  const zeroPoints = new Float64Array(options.pointings * bands.length);
  for (let p = 0; p < options.pointings; p++) {
    bands.forEach(({ band, offset }, j) => {
      const shift =
        offset + options.zeroPointScale * band.zeroPointError[p % band.zeroPointError.length] * calibration.normal();
      zeroPoints[p * bands.length + j] = 10 ** (-0.4 * shift);
    });
  }
  return { bands, tileCount: survey.tiles.length, options, zeroPoints };
}

/** One noisy row; arrays have one entry per band. */
export interface Observation {
  readonly flux: Float32Array;
  readonly error: Float32Array;
  readonly state: Uint8Array;
}

/** 1 sigma of a band at a given flux [1e-19 erg/s/cm2/A]: sky, source photons, calibration floor. */
export function sigmaOf(band: ObservedBand, tile: number, flux: number, calibrationFloor: number): number {
  const sky = band.sky[tile % band.sky.length];
  const source = Math.max(flux, 0) / band.gain;
  return Math.sqrt(sky * sky + source + (calibrationFloor * flux) ** 2);
}

/**
 * Observes noise-free fluxes [nBand] in one pointing. A band is not observed (NaN) at random, outside the ultraviolet
 * survey's area, or where the flux itself is NaN; `extra` is a further 1 sigma error of the input (observed spectra).
 */
export function observe(
  instrument: Instrument,
  truth: Float64Array,
  pointing: number,
  rng: Rng,
  extra?: Float64Array,
): Observation {
  const { bands, options, tileCount } = instrument;
  const flux = new Float32Array(bands.length).fill(Number.NaN);
  const error = new Float32Array(bands.length).fill(Number.NaN);
  const state = new Uint8Array(bands.length);
  const inUltravioletArea = rng.uniform() < options.uvCoverage;
  bands.forEach((band, j) => {
    const [kept, deviate] = [rng.uniform(), rng.normal()];
    if (kept < options.missingFraction || (band.hasState && !inUltravioletArea) || Number.isNaN(truth[j])) return;
    const sigma = sigmaOf(band, pointing % tileCount, truth[j], options.calibrationFloor);
    const factor = instrument.zeroPoints[pointing * bands.length + j];
    flux[j] = (truth[j] + sigma * deviate) * factor;
    error[j] = Math.hypot(sigma, extra?.[j] ?? 0) * factor;
    const isDetected = !band.hasState || flux[j] >= DETECTION_LIMIT * error[j];
    state[j] = isDetected ? State.measured : State.nonDetection;
  });
  return { flux, error, state };
}
