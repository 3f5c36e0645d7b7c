import type { Rng } from "../random.ts";
import { createRng } from "../random.ts";
import { type Band, type Instrument, State } from "../survey/field.ts";
import type { Survey } from "../survey/survey.ts";
import { drawHalfLight, enclosedFlux } from "./aperture.ts";
import { luminosityDistance } from "./cosmology.ts";
import { smoothFactor } from "./calibration.ts";
import { codeOf, createLosses, type ExposedBand, type Losses, TRAY_SIZE } from "./missing.ts";
import type { SimulationOptions } from "./options.ts";
import { createExtinction, type Extinction } from "./extinction.ts";
import { FLUX_UNIT, fluxOfMagnitude, magnitudeOfFlux, type Passband } from "./passband.ts";

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

export interface Observer {
  readonly bands: readonly ObservedBand[];
  readonly tileCount: number;
  readonly options: SimulationOptions;
  /** [pointings, nBand] flux factor of the zero-point error. */
  readonly zeroPoints: Float64Array;
  /** E(B-V) of each pointing, and what a dust map says of it [mag]. */
  readonly ebv: Float64Array;
  readonly mapped: Float64Array;
  readonly extinction: Extinction;
  /** [pointings, nBand] tile, or layer of the band's instrument; -1 where no layer is. */
  readonly parts: Int16Array;
  readonly losses: Losses;
  /** Factor of the smooth calibration error, columns of [nBand]. */
  readonly smooth: readonly Float64Array[];
  /** Median seeing of every tile [arcsec]. [tileCount] */
  readonly seeing: readonly number[];
}

type NamedBand = { readonly name: string; readonly band: Band };

function observedBands(survey: Survey, pivots: readonly number[], options: SimulationOptions): ObservedBand[] {
  const offsets = createRng(`${options.offsets?.seed}:offsets`);
  const fields = survey.fields.flatMap(({ name, band }): NamedBand[] => (band === undefined ? [] : [{ name, band }]));
  const inGroup = new Map<string, number>();
  const diameter = options.aperture.diameter ?? DEPTH_APERTURE;
  return fields.map(({ name, band }, j) => {
    const pivot = pivots[j];
    const collector = survey.instruments.find((one) => one.name === band.instrument);
    const photons = ((FLUX_UNIT * pivot) / PLANCK_LIGHT) * (band.edges[1] - band.edges[0]);
    const exposures = band.exposure ?? collector?.layers?.map(({ exposure }) => exposure) ?? [collector?.exposure ?? 0];
    const perSecond = collector === undefined ? Infinity : photons * collector.area * collector.efficiency;
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

/** Tile of a pointing, or its layer of each instrument that has layers: the same for all its bands. */
function partsOf(bands: readonly ObservedBand[], tileCount: number, options: SimulationOptions): Int16Array {
  const parts = new Int16Array(options.pointings * bands.length);
  const start = createRng(`${options.seed}:layers`).uniform();
  for (let p = 0; p < options.pointings; p++) {
    // evenly spread over the pointings, so that few of them already have the shares of the sky
    const u = (start + p * 0.6180339887498949) % 1;
    bands.forEach(({ collector }, j) => {
      const at = p * bands.length + j;
      parts[at] = p % tileCount;
      const layers = collector?.layers;
      if (layers === undefined) return;
      const total = layers.reduce((sum, { share }) => sum + share, 0);
      const scale = (options.uvCoverage ?? total) / total;
      let covered = 0;
      parts[at] = layers.findIndex(({ share }) => u < (covered += share * scale));
    });
  }
  return parts;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
const entry = (list: ArrayLike<number>, part: number): number => list[part % list.length];

/** E(B-V) of the pointings and what a map makes of it. */
function foregroundOf({ seed, pointings, foreground }: SimulationOptions): Pick<Observer, "ebv" | "mapped"> {
  const rng = createRng(`${seed}:foreground`);
  const ebv = new Float64Array(pointings);
  const mapped = ebv.map((_, p) => {
    ebv[p] = foreground.ebv * 10 ** (foreground.scatter * rng.normal());
    return ebv[p] * Math.max(0, 1 + foreground.mapError * rng.normal());
  });
  return { ebv, mapped };
}

/** The survey's noise and calibration, for the passbands in use. */
export function createObserver(survey: Survey, passbands: readonly Passband[], options: SimulationOptions): Observer {
  const pivots = passbands.map(({ pivot }) => pivot);
  const tileCount = survey.tiles.length;
  const bands = observedBands(survey, pivots, options);
  const parts = partsOf(bands, tileCount, options);
  const calibration = createRng(`${options.seed}:zeropoints`);
  const zeroPoints = new Float64Array(options.pointings * bands.length);
  for (let p = 0; p < options.pointings; p++) {
    bands.forEach(({ band, offset }, j) => {
      const at = p * bands.length + j;
      const error = entry(band.zeroPointError, Math.max(0, parts[at]));
      zeroPoints[at] = 10 ** (-0.4 * (offset + options.zeroPointScale * error * calibration.normal()));
    });
  }
  const scale = options.zeroPointScale * options.calibration.smooth * 0.4 * Math.LN10;
  return {
    bands,
    tileCount,
    options,
    ...foregroundOf(options),
    extinction: createExtinction(
      passbands,
      bands.map(({ band }) => band.edges),
    ),
    zeroPoints,
    parts,
    losses: createLosses(bands, options, tileCount, createRng(`${options.seed}:edges`)),
    smooth:
      scale === 0
        ? []
        : smoothFactor(pivots, options.calibration.length).map((column) => column.map((value) => value * scale)),
    seeing: Array.from({ length: tileCount }, (_, tile) =>
      median(bands.flatMap((band) => (band.seeing === undefined ? [] : [entry(band.seeing, tile)]))),
    ),
  };
}

/** What is known of an object beside its fluxes. */
export interface Target {
  readonly redshift?: number;
  readonly logMass?: number;
  /** Further 1 sigma error of the input fluxes (observed spectra). [nBand] */
  readonly error?: Float64Array;
  /** The fluxes are behind the Milky Way's dust already (observed spectra). */
  readonly isBehindDust?: boolean;
  /** Band whose flux stands for the mass where that is unknown. */
  readonly reference?: number;
}

/** One noisy row; arrays have one entry per band. */
export interface Observation {
  readonly flux: Float32Array;
  readonly error: Float32Array;
  readonly state: Uint8Array;
  /** Why a band has no flux: 0, or 1 + the place of a mechanism in `MECHANISMS`. */
  readonly cause: Uint8Array;
}

/** 1 sigma of a band at a given flux [1e-19 erg/s/cm2/A] in a tile or layer: sky, source photons, calibration floor. */
export function sigmaOf(band: ObservedBand, part: number, flux: number, calibrationFloor: number): number {
  const sky = entry(band.sky, part);
  const source = Math.max(flux, 0) / entry(band.gain, part);
  return Math.sqrt(sky * sky + source + (calibrationFloor * flux) ** 2);
}

/** Poisson deviate of a small mean (Knuth 1969, The Art of Computer Programming 2, section 3.4.1). */
function drawCounts(rng: Rng, mean: number): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = rng.uniform(); product > limit; product *= rng.uniform()) count += 1;
  return count;
}

/** A noisy flux: source photons counted, sky and calibration floor Gaussian. */
function drawFlux(band: ObservedBand, part: number, flux: number, calibrationFloor: number, rng: Rng): number {
  const photons = flux * entry(band.gain, part);
  const deviate = rng.normal();
  if (!(photons > 0 && photons < FEW_PHOTONS)) {
    return flux + sigmaOf(band, part, flux, calibrationFloor) * deviate;
  }
  const counted = drawCounts(rng, photons) / entry(band.gain, part);
  return counted + Math.hypot(entry(band.sky, part), calibrationFloor * flux) * deviate;
}

/** Absolute r magnitude of the sun [AB] and log M/L_r of a galaxy, where only its flux is known. */
const [SUN, LOG_MASS_TO_LIGHT] = [4.65, 0.3];

/** Part of the total flux that is in the aperture, per band. */
function apertureFactors(
  { bands, options, seeing }: Observer,
  truth: Float64Array,
  tile: number,
  rng: Rng,
  target: Target,
): number[] | undefined {
  const { diameter } = options.aperture;
  if (diameter === undefined || target.redshift === undefined) return undefined;
  const redshift = Math.max(target.redshift, 1e-3);
  const j = target.reference ?? 0;
  const modulus = 25 + 5 * Math.log10(luminosityDistance(redshift));
  const light = -0.4 * (magnitudeOfFlux(truth[j] * FLUX_UNIT, bands[j].pivot) - modulus - SUN) + LOG_MASS_TO_LIGHT;
  const known = target.logMass !== undefined && Number.isFinite(target.logMass) ? target.logMass : light;
  const halfLight = drawHalfLight(rng, Number.isFinite(known) ? known : 10, redshift);
  const matched = enclosedFlux(diameter / 2, halfLight, seeing[tile]);
  return bands.map((band) => {
    if (band.seeing === undefined) return 1;
    return options.aperture.seeing === "matched"
      ? matched
      : enclosedFlux(diameter / 2, halfLight, entry(band.seeing, tile));
  });
}

/** States of a flux below the detection limit, by how the catalogue treats it; undefined: the row has none. */
const nonDetections = {
  forced: State.nonDetection,
  limit: State.upperLimit,
  missing: undefined,
} satisfies Record<SimulationOptions["nonDetections"], number | undefined>;

/**
 * Observes total fluxes [nBand] without noise and Milky Way dust in one pointing. A band without flux is NaN and `cause` says why: the input
 * has none, outside an instrument's layers, lost to its place on the image, or not detected.
 */
export function observe(
  observer: Observer,
  total: Float64Array,
  pointing: number,
  rng: Rng,
  target: Target = {},
): Observation {
  const { bands, options, parts, extinction } = observer;
  const truth = total.slice();
  if (target.isBehindDust !== true) {
    extinction.dim(truth, observer.ebv[pointing]);
    if (options.foreground.correct) extinction.correct(truth, observer.mapped[pointing]);
  }
  const flux = new Float32Array(bands.length).fill(Number.NaN);
  const error = new Float32Array(bands.length).fill(Number.NaN);
  const state = new Uint8Array(bands.length);
  const cause = Uint8Array.from(truth, (one, j) => {
    if (parts[pointing * bands.length + j] < 0) return codeOf("footprint");
    return Number.isNaN(one) ? codeOf("spectrum") : 0;
  });
  observer.losses.draw(pointing, rng, cause);
  const inside = apertureFactors(observer, truth, pointing % observer.tileCount, rng, target);
  const smooth = new Float64Array(bands.length);
  for (const column of observer.smooth) {
    const deviate = rng.normal();
    for (let j = 0; j < smooth.length; j++) smooth[j] += column[j] * deviate;
  }
  bands.forEach((band, j) => {
    if (cause[j] > 0) return;
    const at = pointing * bands.length + j;
    const expected = truth[j] * (inside?.[j] ?? 1);
    const sigma = sigmaOf(band, parts[at], expected, options.calibrationFloor);
    const factor = observer.zeroPoints[at] * Math.exp(smooth[j]);
    flux[j] = drawFlux(band, parts[at], expected, options.calibrationFloor, rng) * factor;
    error[j] = Math.hypot(sigma, (target.error?.[j] ?? 0) * (inside?.[j] ?? 1)) * factor;
    state[j] = State.measured;
    const limit = band.collector?.detectionLimit;
    if (limit === undefined || flux[j] >= limit * error[j]) return;
    const below = nonDetections[options.nonDetections];
    state[j] = below ?? State.notObserved;
    if (below === State.upperLimit) flux[j] = limit * error[j];
    if (below !== undefined) return;
    cause[j] = codeOf("faint");
    flux[j] = error[j] = Number.NaN;
  });
  return { flux, error, state, cause };
}
