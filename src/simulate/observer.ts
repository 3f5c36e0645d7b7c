import type { Rng } from "../random.ts";
import { State } from "../survey/field.ts";
import type { Survey } from "../survey/survey.ts";
import { drawShape, enclosedFlux } from "./aperture.ts";
import { luminosityDistance } from "./cosmology.ts";
import { createDisturbance, type Disturbance } from "./disturb.ts";
import { createExtinction, type Extinction } from "./extinction.ts";
import { drawFlux, entry, type ObservedBand, observedBands, sigmaOf } from "./instrument.ts";
import type { Kind } from "./kinds.ts";
import { codeOf, createLosses, type Losses } from "./missing.ts";
import type { SimulationOptions } from "./options.ts";
import { FLUX_UNIT, magnitudeOfFlux, type Passband } from "./passband.ts";
import { drawPointing, type Pointing, sharedPointings } from "./pointing.ts";

/** Numbers of one observation, per band: written before they are read, so that nothing is kept between two. */
interface Scratch {
  readonly light: Float64Array;
  readonly factors: Float64Array;
  readonly sky: Float64Array;
  readonly counted: Float64Array;
  readonly sigmas: Float64Array;
}

/**
 * A survey's eyes: what turns an object as it is into a row of a catalogue. Holds no state but room to work in: randomness
 * is an argument.
 */
export interface Observer {
  readonly bands: readonly ObservedBand[];
  /** Places of the bands whose instruments have layers. */
  readonly layered: readonly number[];
  /** Names of the survey's tiles. */
  readonly tiles: readonly string[];
  readonly options: SimulationOptions;
  readonly extinction: Extinction;
  readonly losses: Losses;
  readonly disturbance: Disturbance;
  /** Median seeing of every tile [arcsec]. [nTile] */
  readonly seeing: readonly number[];
  /** Relative error that the survey's catalogues include in theirs. */
  readonly errorFloor: number;
  /** Band whose flux stands for the mass where that is unknown. */
  readonly reference: number;
  /** Pointings that all objects share; none where every row has its own. */
  readonly pointings: readonly Pointing[];
  readonly scratch: Scratch;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

/** The observer of a survey, for the passbands in use. */
export function createObserver(survey: Survey, passbands: readonly Passband[], options: SimulationOptions): Observer {
  const { tiles } = survey;
  const bands = observedBands(
    survey,
    passbands.map(({ pivot }) => pivot),
    options,
  );
  const losses = createLosses(bands, options, tiles.length);
  const layered = bands.flatMap(({ collector }, j) => (collector?.layers === undefined ? [] : [j]));
  const room = (): Float64Array => new Float64Array(bands.length);
  return {
    bands,
    layered,
    tiles,
    options,
    losses,
    extinction: createExtinction(
      passbands,
      bands.map(({ band }) => band.edges),
    ),
    disturbance: createDisturbance(bands, options),
    seeing: tiles.map((_, tile) =>
      median(bands.flatMap((band) => (band.seeing === undefined ? [] : [entry(band.seeing, tile)]))),
    ),
    errorFloor: survey.errorFloor,
    reference: Math.max(
      0,
      bands.findIndex(({ name }) => name === options.selection.band),
    ),
    pointings: sharedPointings({ bands, layered, tiles, options, losses }),
    scratch: { light: room(), factors: room(), sky: room(), counted: room(), sigmas: room() },
  };
}

/** An object as it is: total fluxes without noise and Milky Way dust, and what is known beside them. */
export interface CleanRow {
  /** [nBand] [1e-19 erg/s/cm2/A]; NaN where the spectrum does not reach. */
  readonly flux: Float64Array;
  readonly redshift?: number | undefined;
  /** log10 of the stellar mass [Msun] and of the star formation rate [Msun/yr]: they decide the size. */
  readonly logMass?: number | undefined;
  readonly logSfr?: number | undefined;
  /** A star or a quasar. */
  readonly isPoint?: boolean;
  /** The fluxes are behind the Milky Way's dust already (observed spectra). */
  readonly isBehindDust?: boolean;
  /** Further 1 sigma error of the fluxes (observed spectra), which is in them already. [nBand] */
  readonly error?: Float64Array;
}

/** An object of a kind, whose labels are known: of point sources they do not matter to how they look. */
export function objectOf(
  kind: Kind,
  flux: Float64Array,
  { redshift, logMass, logSfr }: Pick<CleanRow, "redshift" | "logMass" | "logSfr">,
): CleanRow {
  return kind === "galaxy" ? { flux, redshift, logMass, logSfr } : { flux, isPoint: true };
}

/** A row of a catalogue; arrays have one entry per band. */
export interface Observation {
  readonly flux: Float32Array;
  /** 1 sigma as a catalogue states it: sky and photon noise at the flux that was measured. */
  readonly error: Float32Array;
  readonly state: Uint8Array;
  /** Why a band has no flux: 0, or 1 + the place of a mechanism in `MECHANISMS`. */
  readonly cause: Uint8Array;
  /** The survey's tile, with a number where objects share a pointing. */
  readonly tile: string;
  /** E(B-V) of the Milky Way by a dust map, and its 1 sigma [mag]; NaN where the fluxes are corrected, or nobody knows. */
  readonly ebv: number;
  readonly ebvError: number;
}

/** Absolute r magnitude of the sun [AB] and log M/L_r of a galaxy, where only its flux is known. */
const [SUN, LOG_MASS_TO_LIGHT] = [4.65, 0.3];

/** Part of the total flux that is in the aperture, per band. */
function apertureFactors({ bands, options, seeing, reference }: Observer, row: CleanRow, tile: number, rng: Rng) {
  const { diameter } = options.aperture;
  const isPoint = row.isPoint === true;
  if (diameter === undefined || (row.redshift === undefined && !isPoint)) return undefined;
  const redshift = Math.max(row.redshift ?? 0, 1e-3);
  const modulus = 25 + 5 * Math.log10(luminosityDistance(redshift));
  const magnitude = magnitudeOfFlux(row.flux[reference] * FLUX_UNIT, bands[reference].pivot);
  const light = -0.4 * (magnitude - modulus - SUN) + LOG_MASS_TO_LIGHT;
  const known = row.logMass !== undefined && Number.isFinite(row.logMass) ? row.logMass : light;
  const logMass = Number.isFinite(known) ? known : 10;
  const shape = isPoint ? { halfLight: 0, sersic: 1 } : drawShape(rng, { logMass, redshift, logSfr: row.logSfr });
  const matched = enclosedFlux(diameter / 2, shape, seeing[tile]);
  return bands.map((band) => {
    if (band.seeing === undefined) return 1;
    return options.aperture.seeing === "own" ? enclosedFlux(diameter / 2, shape, entry(band.seeing, tile)) : matched;
  });
}

const [OUTSIDE, UNCOVERED] = [codeOf("footprint"), codeOf("spectrum")];

/** States of a flux below the detection limit, by how the catalogue treats it; undefined: the row has none. */
const nonDetections = {
  forced: State.nonDetection,
  limit: State.upperLimit,
  missing: undefined,
} satisfies Record<SimulationOptions["nonDetections"], number | undefined>;

/** What reaches the telescope [nBand]: blends, filters and dust as they are. */
function arriving(observer: Observer, row: CleanRow, pointing: Pointing, rng: Rng): Float64Array {
  const { light } = observer.scratch;
  light.set(row.flux);
  observer.disturbance.beforeNoise(light, Math.max(0, row.redshift ?? 0), rng);
  if (row.isBehindDust !== true) observer.extinction.dim(light, pointing.ebv);
  return light;
}

/** The pointing for all draws of one object, of those that are shared; undefined: every draw has its own. */
export function choosePointing({ pointings }: Observer, rng: Rng): Pointing | undefined {
  return pointings.length === 0 ? undefined : pointings[rng.integer(pointings.length)];
}

/** A flux below the detection limit, as the catalogue has it. */
function hideFaint({ bands, options }: Observer, { flux, error, state, cause }: Observation, j: number): void {
  const limit = bands[j].collector?.detectionLimit;
  if (limit === undefined || flux[j] >= limit * error[j]) return;
  const below = nonDetections[options.nonDetections];
  state[j] = below ?? State.notObserved;
  if (below === State.upperLimit) flux[j] = limit * error[j];
  if (below !== undefined) return;
  cause[j] = codeOf("faint");
  flux[j] = error[j] = Number.NaN;
}

/**
 * Observes an object in a pointing, by default in one of its own: a function of the row and the random numbers alone. A
 * band without flux is NaN and `cause` says why: the input has none, outside an instrument's layers, lost to its place on
 * the image, or not detected. Errors are computed from the measured flux and the depth, as a pipeline does: nothing in
 * them tells the noise. What perturbs the flux beyond photons is not in them, but for the survey's `errorFloor`.
 */
export function observe(
  observer: Observer,
  row: CleanRow,
  rng: Rng,
  pointing: Pointing = drawPointing(observer, rng),
): Observation {
  const { bands, options, disturbance, errorFloor } = observer;
  const { factors, sky, counted, sigmas } = observer.scratch;
  const { parts, tile } = pointing;
  const flux = new Float32Array(bands.length).fill(Number.NaN);
  const error = new Float32Array(bands.length).fill(Number.NaN);
  const state = new Uint8Array(bands.length);
  const cause = new Uint8Array(bands.length);
  for (let j = 0; j < bands.length; j++) {
    if (parts[j] < 0) cause[j] = OUTSIDE;
    else if (Number.isNaN(row.flux[j])) cause[j] = UNCOVERED;
  }
  observer.losses.draw(pointing, rng, cause);
  const inside = apertureFactors(observer, row, tile, rng);
  const light = arriving(observer, row, pointing, rng);
  disturbance.factors(factors, rng);
  for (const values of [counted, sigmas]) values.fill(Number.NaN);
  for (let j = 0; j < bands.length; j++) {
    sky[j] = entry(bands[j].sky, Math.max(0, parts[j]));
    if (options.depthScatter > 0) sky[j] *= Math.exp(options.depthScatter * rng.normal());
    if (cause[j] > 0) continue;
    const photons = drawFlux(sky[j], entry(bands[j].gain, parts[j]), light[j] * (inside?.[j] ?? 1), rng);
    counted[j] = photons * factors[j] * pointing.zeroPoints[j];
  }
  disturbance.afterNoise(counted, sky, rng);
  for (let j = 0; j < bands.length; j++) {
    if (cause[j] > 0) continue;
    const stated = sigmaOf(sky[j], entry(bands[j].gain, parts[j]), counted[j], errorFloor);
    sigmas[j] = row.error === undefined ? stated : Math.hypot(stated, row.error[j] * (inside?.[j] ?? 1));
  }
  const isDusty = row.isBehindDust !== true;
  if (isDusty && options.foreground.correct)
    for (const values of [counted, sigmas]) observer.extinction.correct(values, pointing.mapped);
  const isKnown = isDusty && !options.foreground.correct;
  const ebv = isKnown ? pointing.mapped : Number.NaN;
  const ebvError = isKnown ? pointing.mapped * options.foreground.mapError || Number.NaN : Number.NaN;
  const observation: Observation = { flux, error, state, cause, tile: pointing.name, ebv, ebvError };
  for (let j = 0; j < bands.length; j++) {
    if (cause[j] > 0) continue;
    flux[j] = counted[j];
    error[j] = sigmas[j];
    state[j] = State.measured;
    hideFaint(observer, observation, j);
  }
  return observation;
}
