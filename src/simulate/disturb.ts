import type { Rng } from "../random.ts";
import { smoothFactor } from "./calibration.ts";
import type { ObservedBand } from "./instrument.ts";
import type { SimulationOptions } from "./options.ts";

/** Errors of fluxes that no catalogue knows of, and so does not state. Arrays have one entry per band. */
export interface Disturbance {
  /** Before the light is collected: a neighbour's light, filters off their wavelength, spectra that no model has. */
  beforeNoise(flux: Float64Array, redshift: number, rng: Rng): void;
  /** Writes the factors of flat field and background that change smoothly with wavelength, and of each band's own. */
  factors(into: Float64Array, rng: Rng): void;
  /** After it: the sky that was not the sky, a cosmic ray, a ghost; `sky` is the noise of one sigma. */
  afterNoise(flux: Float64Array, sky: Float64Array, rng: Rng): void;
}

/** Filters with edges of this ratio or less are interference filters, whose wavelength drifts over the field. */
const INTERFERENCE = 1.06;
/** Part of a variance that all bands share: of the drift (the place in the field), and of the sky's residual. */
const [SHARED_DRIFT, SHARED_SKY] = [0.5, 0.5];
/** Outliers in units of the sky's noise, uniform in the logarithm; this part of them is positive. */
const OUTLIERS = [5, 50] as const;
const POSITIVE = 0.8;
/** Light of what is blended in, over the object's own in the brightest band, uniform in the logarithm up to the option. */
const FAINTEST_BLEND = 0.01;
/** Colour temperatures of what is blended in [K], uniform in the logarithm: M stars to the bluest galaxies. */
const TEMPERATURES = [3000, 12_000] as const;
/** h c / k [Angstrom K]. */
const SECOND_RADIATION = 1.438777e8;
/** Correlation lengths of model errors in rest-frame wavelength [Angstrom], uniform in the logarithm ... */
const MODEL_LENGTHS = [100, 2000] as const;
/** ... and those at hand in observed wavelength, of which the nearest is taken. */
const LENGTHS = [100, 200, 400, 800, 1600, 3200] as const;

const between = ([low, high]: readonly [number, number], u: number): number => low * (high / low) ** u;

/** Adds a correlated Gaussian of unit variance, times `size`, to `sum`. */
function addSmooth(sum: Float64Array, columns: readonly Float64Array[], size: number, rng: Rng): void {
  for (const column of columns) {
    const deviate = size * rng.normal();
    for (let j = 0; j < sum.length; j++) sum[j] += column[j] * deviate;
  }
}

/** Neighbours in wavelength of each interference filter among those, whose difference is the spectrum's slope. */
function slopesOf(bands: readonly ObservedBand[]): (readonly [j: number, left: number, right: number, step: number])[] {
  const narrow = bands
    .flatMap(({ band }, j) => (band.edges[1] / band.edges[0] < INTERFERENCE ? [j] : []))
    .sort((a, b) => bands[a].pivot - bands[b].pivot);
  if (narrow.length < 2) return [];
  return narrow.map((j, i) => {
    const [left, right] = [narrow[Math.max(0, i - 1)], narrow[Math.min(narrow.length - 1, i + 1)]];
    return [j, left, right, Math.log(bands[right].pivot / bands[left].pivot)] as const;
  });
}

export function createDisturbance(bands: readonly ObservedBand[], options: SimulationOptions): Disturbance {
  const { systematics: all, blends, outliers, calibration, modelError } = options;
  const pivots = bands.map(({ pivot }) => pivot);
  const slopes = slopesOf(bands);
  const drift = all * options.drift;
  const isOnImage = bands.map(({ tray }) => tray !== undefined);
  const smooth = smoothFactor(pivots, calibration.length);
  const smoothSize = all * options.zeroPointScale * calibration.smooth * 0.4 * Math.LN10;
  const floor = all * options.noiseScale * options.calibrationFloor;
  const skySize = all * options.skyError;
  const models = LENGTHS.map((length) => (modelError.smooth > 0 ? smoothFactor(pivots, length) : []));
  // room to work in
  const [undisturbed, logs] = [new Float64Array(pivots.length), new Float64Array(pivots.length)];
  const shares = [all > 0 ? blends.share : 0, all > 0 ? outliers : 0];

  const shift = (flux: Float64Array, rng: Rng): void => {
    const common = Math.sqrt(SHARED_DRIFT) * rng.normal();
    const own = Math.sqrt(1 - SHARED_DRIFT);
    undisturbed.set(flux);
    for (const [j, left, right, step] of slopes) {
      const change = (drift * (common + own * rng.normal()) * (undisturbed[right] - undisturbed[left])) / step;
      if (!Number.isNaN(change)) flux[j] += change;
    }
  };
  const blend = (flux: Float64Array, rng: Rng): void => {
    const temperature = between(TEMPERATURES, rng.uniform());
    const ratio = between([FAINTEST_BLEND, blends.brightest], rng.uniform());
    const light = pivots.map((pivot) => pivot ** -5 / Math.expm1(SECOND_RADIATION / (pivot * temperature)));
    const brightest = (values: ArrayLike<number>): number =>
      isOnImage.reduce((most, isOn, j) => (isOn && values[j] > most ? values[j] : most), 0);
    const scale = (ratio * brightest(flux)) / brightest(light);
    for (let j = 0; j < flux.length; j++) if (isOnImage[j]) flux[j] += scale * light[j];
  };
  return {
    beforeNoise(flux, redshift, rng) {
      if (all > 0 && modelError.smooth + modelError.scatter > 0) {
        logs.fill(0);
        const length = (1 + redshift) * between(MODEL_LENGTHS, rng.uniform());
        const which = Math.max(0, Math.min(models.length - 1, Math.round(Math.log2(length / LENGTHS[0]))));
        addSmooth(logs, models[which], all * modelError.smooth * Math.abs(rng.normal()), rng);
        for (let j = 0; j < flux.length; j++) {
          flux[j] *= Math.exp(logs[j] + all * modelError.scatter * rng.normal());
        }
      }
      if (rng.uniform() < shares[0]) blend(flux, rng);
      if (drift > 0) shift(flux, rng);
    },
    factors(into, rng) {
      into.fill(0);
      if (smoothSize > 0) addSmooth(into, smooth, smoothSize, rng);
      for (let j = 0; j < into.length; j++) {
        into[j] = Math.exp(into[j]) * (floor > 0 ? 1 + floor * rng.normal() : 1);
      }
    },
    afterNoise(flux, sky, rng) {
      const common = Math.sqrt(SHARED_SKY) * rng.normal();
      const own = Math.sqrt(1 - SHARED_SKY);
      for (let j = 0; j < flux.length; j++) {
        if (!isOnImage[j]) continue;
        if (skySize > 0) flux[j] += skySize * sky[j] * (common + own * rng.normal());
        if (shares[1] === 0 || rng.uniform() >= shares[1]) continue;
        const sign = rng.uniform() < POSITIVE ? 1 : -1;
        flux[j] += sign * between(OUTLIERS, rng.uniform()) * sky[j];
      }
    },
  };
}
