import { clamp } from "./clamp.ts";
import type { Rng } from "../random.ts";
import { GRID_SIZE, gridIndex, gridLog, gridWavelength, LOG_STEP } from "./grid.ts";
import { igmTransmission } from "./igm.ts";
import { interpolate } from "./special.ts";

/** Spectra of quasars and broad-line nuclei: continuum, iron, lines, and the intergalactic medium before them. */

interface QuasarLine {
  /** Vacuum wavelength [Angstrom]. */
  readonly wavelength: number;
  /** Mean rest-frame equivalent width at M_1450 = -25.5 [Angstrom]. */
  readonly width: number;
  /** Power of the luminosity by which it falls (Baldwin 1977, ApJ 214, 679; Dietrich et al. 2002, ApJ 581, 912). */
  readonly baldwin: number;
  readonly isNarrow: boolean;
}

const broad = (wavelength: number, width: number, baldwin = 0): QuasarLine => ({
  wavelength,
  width,
  baldwin,
  isNarrow: false,
});
const narrow = (wavelength: number, width: number): QuasarLine => ({
  wavelength,
  width,
  baldwin: 0.15,
  isNarrow: true,
});

/** Widths of the composite of Vanden Berk et al. (2001, AJ 122, 549, table 2); Lyman alpha and NV apart. */
const quasarLines: readonly QuasarLine[] = [
  broad(1033, 9.8, 0.1),
  broad(1215.67, 75, 0.12),
  broad(1240.1, 16),
  broad(1305, 1.7),
  broad(1335, 0.7),
  broad(1398, 8.1, 0.08),
  broad(1549.1, 23.8, 0.2),
  broad(1640.4, 4.5, 0.2),
  broad(1663.5, 0.8),
  broad(1857.4, 1),
  broad(1908.7, 21.2, 0.1),
  broad(2799, 32.3, 0.13),
  narrow(3426.8, 1.2),
  narrow(3728.5, 1.6),
  narrow(3869.9, 1.4),
  broad(4102.9, 5.1),
  broad(4341.7, 12.6),
  broad(4862.7, 46),
  narrow(4862.7, 1.5),
  narrow(4960.3, 4.4),
  narrow(5008.2, 13.2),
  broad(5877.3, 4.9),
  narrow(6302, 0.7),
  broad(6564.6, 195),
  narrow(6564.6, 6),
  narrow(6585.3, 4),
  narrow(6718.3, 1.2),
  narrow(6732.7, 1),
  broad(8448.7, 10),
  broad(10_830, 36),
];

/**
 * Blends of FeII: centre and sigma [Angstrom], equivalent width [Angstrom] (ibid., and Boroson & Green 1992, ApJS 80, 109);
 * those below 3400 A are two fifths of what the composite has over its local continuum: the rest is Balmer continuum, or
 * colours at z 1 - 2 would be too red.
 */
const iron = [
  [2080, 40, 2.4],
  [2380, 70, 8.8],
  [2500, 70, 11.2],
  [2600, 45, 4.8],
  [2950, 60, 4],
  [3200, 90, 4.8],
  [4570, 55, 20],
  [5190, 45, 9],
  [5310, 55, 12],
] as const;

export interface Quasar {
  readonly redshift: number;
  /** Absolute magnitude at 1450 Angstrom rest [AB]. */
  readonly absolute: number;
  /** d ln f_lambda / d ln lambda between the Lyman limit and `BREAK`, and redward. */
  readonly slopes: readonly [number, number];
  /** E(B-V) of dust in the nucleus [mag]. */
  readonly reddening: number;
  /** Full width at half maximum of broad and narrow lines [km/s]. */
  readonly broadWidth: number;
  readonly narrowWidth: number;
  /** Blueshift of the lines of high ionisation [km/s]. */
  readonly blueshift: number;
  /** Factors on the mean widths in the order of the lines, of FeII, and of the Balmer continuum. */
  readonly strengths: Float64Array;
  readonly iron: number;
  readonly balmer: number;
  /** Of the hot dust, relative to the power law at 2 micron. */
  readonly dust: number;
  /** Power of the mean transmission of the intergalactic medium: sightlines differ. */
  readonly forest: number;
}

/** Absolute magnitude to which the equivalent widths belong. */
const BALDWIN_MAGNITUDE = -25.5;

/** Optical depth of the forest relative to Madau's (Becker et al. 2013, MNRAS 430, 2067, eq. 5, at z 3 and 4). */
const FOREST = 0.92;

/**
 * Draws what is not redshift and luminosity. Slopes and reddening are such that median colours are those of real quasars
 * (Richards et al. 2001, AJ 121, 2308, table 3).
 */
export function drawQuasar(rng: Rng, redshift: number, absolute: number): Quasar {
  const common = 0.12 * rng.normal();
  const ionisation = 0.25 * rng.normal();
  const brightness = clamp(-0.4 * (absolute - BALDWIN_MAGNITUDE), -1.4, 1.4);
  const strengths = Float64Array.from(quasarLines, ({ baldwin, isNarrow }) => {
    const scatter = isNarrow ? ionisation + 0.2 * rng.normal() : 0.12 * rng.normal();
    return 10 ** (common + scatter - baldwin * brightness);
  });
  return {
    redshift,
    absolute,
    slopes: [-1.63 + 0.22 * rng.normal(), -0.75 + 0.25 * rng.normal()],
    reddening: Math.min(0.3, -0.012 * Math.log(1 - rng.uniform())),
    broadWidth: clamp(4300 * 10 ** (0.17 * rng.normal()), 1000, 12_000),
    narrowWidth: clamp(420 * 10 ** (0.15 * rng.normal()), 200, 1200),
    blueshift: Math.max(0, 500 + 500 * rng.normal()),
    strengths,
    // strong where [OIII] is weak: the first eigenvector of Boroson & Green
    iron: 10 ** (0.18 * rng.normal() - 0.3 * ionisation),
    balmer: clamp(0.14 * (1 + 0.5 * rng.normal()), 0, 0.4),
    dust: clamp(2 * 10 ** (0.2 * rng.normal()), 0.4, 6),
    forest: FOREST * Math.exp(0.15 * rng.normal()),
  };
}

/** Where the nucleus's blue slope ends: host, dust and disc take over [Angstrom] (Vanden Berk et al. 2001). */
const BREAK = 5000;
/** Slope blueward of the Lyman limit: f_nu ~ nu^-1.7 (Lusso et al. 2015, MNRAS 449, 4204). */
const IONISING_SLOPE = -0.3;
const LYMAN_LIMIT = 911.75;
const LYMAN_ALPHA = 1215.67;
const BALMER_EDGE = 3646;
const REFERENCE = 1450;
const HC_OVER_K = 1.438777e8; // Angstrom K
const DUST_TEMPERATURE = 1250;
const DUST_REFERENCE = 20_000;

/** A(lambda) / E(B-V) of the Small Magellanic Cloud (Prevot et al. 1984, A&A 132, 389, in the form of Richards et al. 2003, AJ 126, 1131). */
const smallCloud = (wavelength: number): number => 1.39 * (wavelength / 1e4) ** -1.2;

/** Balmer continuum of gas at 15,000 K, optical depth 1 at the edge (Grandi 1982, ApJ 255, 25), 1 at 3000 A; high lines smooth the edge. */
function balmerContinuum(wavelength: number): number {
  const gas = (lambda: number): number =>
    (lambda ** -5 / Math.expm1(HC_OVER_K / 15_000 / lambda)) * -Math.expm1(-((lambda / BALMER_EDGE) ** 3));
  const inside = gas(Math.min(wavelength, BALMER_EDGE)) / gas(3000);
  return wavelength < BALMER_EDGE ? inside : inside * Math.exp(-((wavelength - BALMER_EDGE) / 120));
}

const dustEmission = (wavelength: number): number => {
  const body = (lambda: number): number => lambda ** -5 / Math.expm1(HC_OVER_K / DUST_TEMPERATURE / lambda);
  return body(wavelength) / body(DUST_REFERENCE);
};

/** Rest-frame tables reach blueward of the grid: observed bands of distant quasars do. */
const TABLE_START = Math.floor(gridIndex(120));
const tableOf = (f: (wavelength: number) => number): Float64Array =>
  Float64Array.from({ length: GRID_SIZE - TABLE_START + 1 }, (_, k) => f(gridWavelength(TABLE_START + k)));

const ironShape = (wavelength: number): number =>
  iron.reduce((sum, [c, s, width]) => {
    const t = (wavelength - c) / s;
    return Math.abs(t) > 5 ? sum : sum + (width / (s * Math.sqrt(2 * Math.PI))) * Math.exp(-0.5 * t * t);
  }, 0);

/** Dust and intergalactic medium are exact at every STRIDEth grid point and linear in between. */
const STRIDE = 4;

export interface QuasarModel {
  /**
   * Fills the observed f_lambda at the grid indices from <= k < to (of observed wavelength), relative to that at
   * 1450 Angstrom rest without dust.
   */
  render(this: void, quasar: Quasar, into: Float64Array, from: number, to: number): void;
}

const C_KM_S = 299792.458;
const TO_SIGMA = 1 / (2 * Math.sqrt(2 * Math.log(2)));

const [LN_LIMIT, LN_BREAK, LN_REFERENCE] = [LYMAN_LIMIT, BREAK, REFERENCE].map(Math.log);

/** ln of the power-law continuum at a rest wavelength, 0 at 1450 A. */
function lnContinuum({ slopes }: Quasar, lnWavelength: number): number {
  const blue = Math.min(lnWavelength - LN_LIMIT, 0);
  const middle = clamp(lnWavelength, LN_LIMIT, LN_BREAK) - LN_REFERENCE;
  return IONISING_SLOPE * blue + slopes[0] * middle + slopes[1] * Math.max(0, lnWavelength - LN_BREAK);
}

/** Adds a Gaussian line of a flux to a rest-frame spectrum that is `shift` grid points to the red. */
function addLine(into: Float64Array, wavelength: number, flux: number, sigma: number, at: readonly number[]): void {
  const [shift, from, to] = at;
  const centre = gridIndex(wavelength) + shift;
  const width = Math.max(sigma / C_KM_S / LOG_STEP, 0.7);
  const peak = flux / (wavelength * LOG_STEP * width * Math.sqrt(2 * Math.PI));
  const end = Math.min(to, Math.ceil(centre + 4.5 * width));
  for (let k = Math.max(from, Math.floor(centre - 4.5 * width)); k < end; k++) {
    into[k] += peak * Math.exp(-0.5 * ((k - centre) / width) ** 2);
  }
}

/** Part of a broad line's flux in its narrower core, and the core's width: lines are more peaked than Gaussians. */
const CORE = { share: 0.4, width: 0.5 } as const;

function addLines(quasar: Quasar, into: Float64Array, at: readonly number[]): void {
  quasarLines.forEach(({ wavelength, width, baldwin, isNarrow }, i) => {
    const flux = quasar.strengths[i] * width * Math.exp(lnContinuum(quasar, Math.log(wavelength)));
    const sigma = (isNarrow ? quasar.narrowWidth : quasar.broadWidth) * TO_SIGMA;
    // lines of high ionisation, which fall most with luminosity, are blueshifted
    const moved = isNarrow || baldwin < 0.15 ? wavelength : wavelength * (1 - quasar.blueshift / C_KM_S);
    addLine(into, moved, flux * (isNarrow ? 1 : 1 - CORE.share), sigma, at);
    if (!isNarrow) addLine(into, moved, flux * CORE.share, sigma * CORE.width, at);
  });
}

/** Tables of what doesn't depend on the quasar, and how to put one together. */
export function createQuasarModel(): QuasarModel {
  const tables = { iron: tableOf(ironShape), balmer: tableOf(balmerContinuum), dust: tableOf(dustEmission) };
  return {
    render(quasar, into, from, to) {
      const { redshift, reddening, forest } = quasar;
      const shift = Math.log1p(redshift) / LOG_STEP;
      const atBalmer = quasar.balmer * Math.exp(lnContinuum(quasar, Math.log(3000)));
      const atDust = quasar.dust * Math.exp(lnContinuum(quasar, Math.log(DUST_REFERENCE)));
      for (let k = from; k < to; k++) {
        const x = k - shift;
        const at = Math.max(0, Math.round(x) - TABLE_START);
        const power = Math.exp(lnContinuum(quasar, gridLog(x)));
        into[k] = power * (1 + quasar.iron * tables.iron[at]) + atBalmer * tables.balmer[at] + atDust * tables.dust[at];
      }
      addLines(quasar, into, [shift, from, to]);
      const dimming = (k: number): number => {
        const rest = gridWavelength(k - shift);
        const medium = rest < LYMAN_ALPHA ? igmTransmission(gridWavelength(k), redshift) ** forest : 1;
        return medium * 10 ** (-0.4 * reddening * smallCloud(rest));
      };
      let next = dimming(from);
      for (let k = from; k < to; k += STRIDE) {
        const here = next;
        next = dimming(k + STRIDE);
        for (let j = 0; j < STRIDE && k + j < to; j++) into[k + j] *= here + ((next - here) / STRIDE) * j;
      }
    },
  };
}

/**
 * Luminosity function [1/Mpc3/mag] against M_i(z = 2) (Ross et al. 2013, ApJ 773, 14, tables 8 and 9: pure luminosity
 * evolution below z 2.2; luminosity and density evolution above).
 */
export function quasarLuminosityFunction(absolute: number, z: number): number {
  const isNear = z < 2.2;
  const [alpha, beta] = isNear ? [-1.16, -3.37] : [-1.29, -3.51];
  const knee = isNear ? -22.85 - 2.5 * (1.241 * z - 0.249 * z * z) : -26.57 - 0.809 * (z - 2.2);
  const density = 10 ** (isNear ? -5.96 : -5.93 - 0.689 * (z - 2.2));
  const x = absolute - knee;
  return density / (10 ** (0.4 * (alpha + 1) * x) + 10 ** (0.4 * (beta + 1) * x));
}

/** M_1450 - M_i(z = 2) (Richards et al. 2006, AJ 131, 2766, eq. 3). */
export const TO_1450 = 1.486;

/** log10 of a host's stellar mass [Msun] by the nucleus's absolute magnitude: brighter ones live in larger galaxies. */
export function hostMass(rng: Rng, absolute: number): number {
  return interpolate(absolute, [-28, -24, -19], [11.2, 10.8, 10.3]) + 0.3 * rng.normal();
}
