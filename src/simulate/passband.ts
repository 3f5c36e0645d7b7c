import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import type { Band } from "../survey/field.ts";
import { gridIndex, gridWavelength, LOG_STEP } from "./grid.ts";
import { erf, interpolate } from "./special.ts";

/** c [Angstrom/s]. */
const LIGHT = 2.99792458e18;
/** Flux unit of the tables in erg/s/cm2/Angstrom. */
export const FLUX_UNIT = 1e-19;

/** A transmission curve T(lambda); its scale does not matter. */
export interface Curve {
  readonly transmission: (wavelength: number) => number;
  /** Wavelengths outside which T = 0 [Angstrom]. */
  readonly range: readonly [number, number];
}

/**
 * A passband on the (observed-frame) continuation of the wavelength grid, for the photon-weighted mean flux density
 * f = int f_lambda T lambda dlambda / int T lambda dlambda (Bessell & Murphy 2012, PASP 124, 140, eq. A11).
 */
export interface Passband {
  readonly name: string;
  readonly curve: Curve;
  /** Pivot wavelength [Angstrom] (ibid. eq. A15): a flat f_nu source has f_lambda = c f_nu / pivot^2. */
  readonly pivot: number;
  /** int T lambda dlambda, which the means divide by. */
  readonly photons: number;
  /** Grid index of the first entry of the arrays. */
  readonly first: number;
  /** Exact for a spectrum linear between grid points; sums to 1. */
  readonly weights: Float64Array;
  /** Mean flux density per unit line flux [1/Angstrom] of a line without width at each grid point. */
  readonly lineResponse: Float64Array;
}

const SUBSTEPS = 8;

export function createPassband(name: string, curve: Curve): Passband {
  const transmission = (lambda: number): number =>
    lambda < curve.range[0] || lambda > curve.range[1] ? 0 : Math.max(0, curve.transmission(lambda));
  const first = Math.floor(gridIndex(curve.range[0])) - 3;
  const size = Math.ceil(gridIndex(curve.range[1])) + 4 - first;
  const weights = new Float64Array(size);
  let photons = 0; // int T lambda dlambda
  let inverse = 0; // int T / lambda dlambda
  for (let s = 0; s < (size - 1) * SUBSTEPS; s++) {
    const at = (s + 0.5) / SUBSTEPS;
    const lambda = gridWavelength(first + at);
    const t = transmission(lambda);
    if (t === 0) continue;
    const weight = (t * lambda * lambda * LOG_STEP) / SUBSTEPS;
    const j = Math.floor(at);
    weights[j] += weight * (j + 1 - at);
    weights[j + 1] += weight * (at - j);
    photons += weight;
    inverse += (t * LOG_STEP) / SUBSTEPS;
  }
  if (!(photons > 0)) throw new UserError(`passband ${name}: transmission is zero everywhere, expected a curve`);
  for (let j = 0; j < size; j++) weights[j] /= photons;
  const lineResponse = Float64Array.from({ length: size }, (_, j) => {
    const lambda = gridWavelength(first + j);
    return (transmission(lambda) * lambda) / photons;
  });
  return { name, curve, pivot: Math.sqrt(photons / inverse), photons, first, weights, lineResponse };
}

/** Mean flux density of a line of unit flux at a grid index of the observed frame [1/Angstrom]. */
export function lineDensity(band: Passband, index: number): number {
  const at = index - band.first;
  const j = Math.floor(at);
  if (j < 0 || j + 1 >= band.lineResponse.length) return 0;
  return band.lineResponse[j] + (at - j) * (band.lineResponse[j + 1] - band.lineResponse[j]);
}

/** f_lambda [erg/s/cm2/Angstrom] of an AB magnitude in a band of that pivot wavelength (Oke & Gunn 1983, ApJ 266, 713). */
export function fluxOfMagnitude(magAB: number, pivot: number): number {
  return (10 ** (-0.4 * (magAB + 48.6)) * LIGHT) / (pivot * pivot);
}

export function magnitudeOfFlux(flux: number, pivot: number): number {
  return -2.5 * Math.log10((flux * pivot * pivot) / LIGHT) - 48.6;
}

/**
 * The survey file's parametric passband: two error-function edges at the half-transmission wavelengths, with their
 * 10 - 90 % rise widths, Gaussian notches of the air's absorption, tilted by a power of wavelength such that the pivot is
 * the survey's.
 */
export function parametricCurve(band: Pick<Band, "pivot" | "edges" | "rise" | "notches">): Curve {
  const scale = 2 * 0.9061938; // 10 - 90 % of (1 + erf(x)) / 2
  const [blue, red] = [band.rise[0] / scale, band.rise[1] / scale];
  const passed = (lambda: number): number =>
    (band.notches ?? []).reduce(
      (product, { centre, width, depth }) => product * (1 - depth * 2 ** (-(((lambda - centre) / width) ** 2) * 4)),
      1,
    );
  const box = (lambda: number): number =>
    0.25 * (1 + erf((lambda - band.edges[0]) / blue)) * (1 - erf((lambda - band.edges[1]) / red)) * passed(lambda);
  const range = [Math.max(band.edges[0] - 3 * blue, 900), band.edges[1] + 3 * red] as const;
  const nodes = Array.from({ length: 300 }, (_, i) => range[0] + ((i + 0.5) / 300) * (range[1] - range[0]));
  const untilted = nodes.map(box);
  const pivotOf = (tilt: number): number => {
    let [photons, inverse] = [0, 0];
    for (let i = 0; i < nodes.length; i++) {
      const lambda = nodes[i];
      const t = untilted[i] * (lambda / band.pivot) ** tilt;
      photons += t * lambda;
      inverse += t / lambda;
    }
    return Math.sqrt(photons / inverse);
  };
  let [low, high] = [-30, 30];
  for (let i = 0; i < 20; i++) {
    const middle = (low + high) / 2;
    if (pivotOf(middle) < band.pivot) low = middle;
    else high = middle;
  }
  const tilt = (low + high) / 2;
  return { transmission: (lambda) => box(lambda) * (lambda / band.pivot) ** tilt, range };
}

/**
 * Reads a two-column ASCII curve: wavelength [Angstrom, increasing], transmission. Lines that start with # are skipped.
 * @throws UserError naming file and line.
 */
export function readCurve(path: string): Curve {
  const wavelength: number[] = [];
  const transmission: number[] = [];
  readFileSync(path, "utf8")
    .split("\n")
    .forEach((line, i) => {
      const text = line.trim();
      if (text === "" || text.startsWith("#")) return;
      const [x, y] = text.split(/[\s,]+/).map(Number);
      if (!Number.isFinite(x) || !Number.isFinite(y) || x <= (wavelength.at(-1) ?? 0)) {
        throw new UserError(
          `${path}:${i + 1}: "${text.slice(0, 40)}": expected increasing wavelength [Angstrom] and transmission`,
        );
      }
      wavelength.push(x);
      transmission.push(y);
    });
  if (wavelength.length < 2) throw new UserError(`${path}: expected at least two lines of wavelength and transmission`);
  const range = [wavelength[0], wavelength.at(-1)!] as const;
  return {
    range,
    transmission: (x) => (x < range[0] || x > range[1] ? 0 : interpolate(x, wavelength, transmission)),
  };
}

/** How a file name (without extension) names a band, best first: `J0378`, `OAJ_JPAS.J0378`, the same in any case. */
const fileNameRules: readonly ((stem: string, band: string) => boolean)[] = [
  (stem, band) => stem === band,
  (stem, band) => stem.endsWith(`.${band}`) || stem.endsWith(`_${band}`),
  (stem, band) => new RegExp(`(^|[._])${band.replace(/\W/g, "\\$&")}$`, "i").test(stem),
];

interface CurveFile {
  readonly file: string;
  /** File name before the band's: the filter system, e.g. `OAJ_JPAS`. */
  readonly system: string;
}

function matchingFiles(files: readonly string[], band: string): CurveFile[] {
  return fileNameRules.flatMap((isMatch) =>
    files.flatMap((file) => {
      const stem = file.replace(/\.[a-z]+$/, "");
      return isMatch(stem, band) ? [{ file, system: stem.slice(0, -band.length) }] : [];
    }),
  );
}

/**
 * Passbands of named bands: real curves from `folder` where it has one for the band, else parametric. Where the folder
 * holds several filter systems (`OAJ_JPAS.J0378`, `OAJ_JPLUS.J0378`), a band's file is taken from the one whose name
 * starts with `prefix`, else from the one that has most of the bands.
 * @throws UserError for a folder that cannot be read, or a band with several equally good files.
 */
export function createPassbands(
  bands: readonly { readonly name: string; readonly band: Band }[],
  folder?: string,
  prefix = "",
): Passband[] {
  if (folder === undefined) return bands.map(({ name, band }) => createPassband(name, parametricCurve(band)));
  let files: string[];
  try {
    files = readdirSync(folder).filter((file) => /\.(dat|txt|ascii|tab|csv|res)$/.test(file));
  } catch {
    throw new UserError(`${folder}: cannot be read, expected a folder of two-column transmission curves`);
  }
  const matches = bands.map(({ name }) => matchingFiles(files, name));
  if (matches.every((found) => found.length === 0)) {
    const [first, last] = [bands[0].name, bands[bands.length - 1].name];
    throw new UserError(
      `${folder}: no file is the curve of a band (${first} ... ${last}); expected names that end in the band's, e.g. OAJ_JPAS.${first}.dat`,
    );
  }
  const bandCount = new Map<string, number>();
  for (const systems of matches.map((found) => new Set(found.map(({ system }) => system)))) {
    for (const system of systems) bandCount.set(system, (bandCount.get(system) ?? 0) + 1);
  }
  const rank = ({ system }: CurveFile): number =>
    (prefix !== "" && system.startsWith(prefix) ? 1e6 : 0) + (bandCount.get(system) ?? 0);
  return bands.map(({ name, band }, j) => {
    if (matches[j].length === 0) return createPassband(name, parametricCurve(band));
    const best = Math.max(...matches[j].map(rank));
    const systems = new Set(matches[j].filter((one) => rank(one) === best).map(({ system }) => system));
    if (systems.size > 1) {
      const names = [...systems].map((system) => `${system}${name}`).join(", ");
      throw new UserError(`${folder}: band ${name} matches ${names}; expected one, or a prefix that chooses`);
    }
    // several spellings of one system: the rules' order decides
    const chosen = matches[j].find((one) => systems.has(one.system));
    return createPassband(name, readCurve(join(folder, chosen?.file ?? "")));
  });
}
