import { createRng, type Rng } from "../random.ts";
import type { Band, Instrument } from "../survey/field.ts";
import type { Survey } from "../survey/survey.ts";
import { type ExposedBand, TRAY_SIZE } from "./missing.ts";
import type { SimulationOptions } from "./options.ts";
import { FLUX_UNIT, fluxOfMagnitude } from "./passband.ts";
import { interpolate } from "./special.ts";

const PLANCK_LIGHT = 1.98644586e-8; // erg Angstrom
/** Aperture of the depths in the survey files [arcsec]. */
const DEPTH_APERTURE = 3;
/** Photo-electrons up to which counts are drawn from Poisson's distribution; above, Gaussian (skewness below 0.2, and the sky adds to it). */
const FEW_PHOTONS = 30;

export interface ObservedBand extends ExposedBand {
  readonly name: string;
  readonly band: Band;
  /** Sky noise of one sigma per tile or layer [1e-19 erg/s/cm2/A]; one entry = the same for all. */
  readonly sky: Float64Array;
  /** Photo-electrons per flux unit, over the square of the noise scale, likewise; Infinity where photons are not counted. */
  readonly gain: Float64Array;
  /** Fixed zero-point offset of the survey [mag]. */
  readonly offset: number;
  readonly collector: Instrument | undefined;
  /** The band comes from a catalogue of detections: a state column says which. */
  readonly hasState: boolean;
}

/** The entry of a list for a tile or layer: a single one holds for all. */
export const entry = (list: ArrayLike<number>, part: number): number => list[part % list.length];

/** Photo-electrons per photon at a wavelength. */
function efficiencyAt({ efficiency }: Instrument, wavelength: number): number {
  if (typeof efficiency === "number") return efficiency;
  const [places, values] = [0, 1].map((k) => efficiency.map((point) => point[k]));
  const inside = Math.max(places[0], Math.min(places[places.length - 1], wavelength));
  return interpolate(inside, places, values);
}

/** Bands of a survey as its instruments see them; `pivots` are those of the passbands in use. */
export function observedBands(survey: Survey, pivots: readonly number[], options: SimulationOptions): ObservedBand[] {
  const offsets = createRng(`${options.offsets?.seed}:offsets`);
  const inGroup = new Map<string, number>();
  const diameter = options.aperture.diameter ?? DEPTH_APERTURE;
  const fields = survey.fields.flatMap(({ name, band }) => (band === undefined ? [] : [{ name, band }]));
  return fields.map(({ name, band }, j) => {
    const pivot = pivots[j];
    const collector = survey.instruments.find((one) => one.name === band.instrument);
    const photons = ((FLUX_UNIT * pivot) / PLANCK_LIGHT) * (band.edges[1] - band.edges[0]);
    const exposures = band.exposure ?? collector?.layers?.map(({ exposure }) => exposure) ?? [collector?.exposure ?? 0];
    const perSecond =
      collector === undefined ? Infinity : photons * collector.area * efficiencyAt(collector, band.pivot);
    const group = `${band.instrument}:${band.group}`;
    const place = inGroup.get(group) ?? 0;
    inGroup.set(group, place + 1);
    const sigma = (depth: number): number => fluxOfMagnitude(depth, pivot) / (5 * FLUX_UNIT);
    const area = band.seeing === undefined ? 1 : diameter / DEPTH_APERTURE; // square root of the area
    return {
      name,
      band,
      pivot,
      sky: Float64Array.from(band.depth, (depth) => options.noiseScale * sigma(depth) * area),
      gain: Float64Array.from(exposures, (exposure) =>
        collector === undefined ? Infinity : (perSecond * exposure) / options.noiseScale ** 2,
      ),
      offset: options.offsets === undefined ? 0 : options.offsets.rms * offsets.normal(),
      collector,
      hasState: collector?.detectionLimit !== undefined,
      tray: collector?.layers === undefined ? `${group}:${Math.floor(place / TRAY_SIZE)}` : undefined,
      seeing: band.seeing === undefined ? undefined : Float64Array.from(band.seeing),
    };
  });
}

/**
 * 1 sigma of a band at a flux [1e-19 erg/s/cm2/A]: sky (of one sigma `sky`), photons of the source, and a relative floor.
 * At the true flux that is the noise; at the measured one it is what a catalogue says.
 */
export function sigmaOf(sky: number, gain: number, flux: number, floor = 0): number {
  const relative = floor * flux;
  return Math.sqrt(sky * sky + Math.max(flux, 0) / gain + relative * relative);
}

/** Poisson deviate of a small mean (Knuth 1969, The Art of Computer Programming 2, section 3.4.1). */
function drawCounts(rng: Rng, mean: number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = rng.uniform(); product > limit; product *= rng.uniform()) count += 1;
  return count;
}

/** A flux with photon noise: the source's photons counted, the sky's Gaussian. */
export function drawFlux(sky: number, gain: number, flux: number, rng: Rng): number {
  const photons = flux * gain;
  const deviate = rng.normal();
  if (!(photons > 0 && photons < FEW_PHOTONS)) return flux + sigmaOf(sky, gain, flux) * deviate;
  return drawCounts(rng, photons) / gain + sky * deviate;
}
