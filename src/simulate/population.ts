import { clamp } from "./clamp.ts";
import type { Rng } from "../random.ts";
import { createCells } from "./cells.ts";
import { ageOfUniverse, volumeElement } from "./cosmology.ts";
import { type AttenuationShape, bumpOfSlope } from "./dust.ts";
import type { Gas } from "./lines.ts";
import { activeGas, starFormingGas } from "./lines.ts";
import { type History, solveStartOverTau } from "./sfh.ts";
import { chance, deviate, type Draws } from "./wide.ts";

/** A galaxy before it is observed. */
export interface Galaxy {
  readonly redshift: number;
  /** log10 stellar mass, remnants included [Msun]. */
  readonly logMass: number;
  /** log10 of the stars' mean metal abundance, weighted by mass formed [Zsun]. */
  readonly logZ: number;
  /** How far the first and last stars lie below and above the mean abundance (`enrichedAbundances`). */
  readonly enrichment: number;
  /** V-band attenuation by the diffuse dust, which dims all stars [mag]. */
  readonly avStars: number;
  /** V-band extinction of gas and of the stars still in their clouds, diffuse dust included [mag]. */
  readonly avGas: number;
  readonly attenuation: AttenuationShape;
  /** Velocity dispersion of stars and gas [km/s]. */
  readonly sigmaStars: number;
  readonly sigmaGas: number;
  readonly history: History;
  /** Ionised components beside each other; Halpha luminosity follows from the stars times `strength`. */
  readonly gas: {
    readonly young: { readonly gas: Gas; readonly strength: number };
    readonly old: { readonly gas: Gas; readonly strength: number };
    /** `strength` is log10 of Halpha per stellar mass [erg/s/Msun]; absent without an active nucleus. */
    readonly nucleus: { readonly gas: Gas; readonly strength: number } | undefined;
  };
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** Double Schechter mass function, z < 0.06 (Baldry et al. 2012, MNRAS 421, 621), thinned with redshift [1/Mpc3/dex]. */
function massFunction(logMass: number, z: number): number {
  const x = 10 ** (logMass - 10.66);
  const local = Math.LN10 * Math.exp(-x) * (3.96e-3 * x ** (1 - 0.35) + 0.79e-3 * x ** (1 - 1.47));
  return local * (1 + z) ** -0.8;
}

/** Fraction without much star formation: rises with mass, falls with redshift (after Peng et al. 2010, ApJ 721, 193). */
function quenchedFraction(logMass: number, z: number): number {
  return 0.92 * logistic((logMass - 10.5 - 0.45 * z) / 0.36) + 0.03;
}

/** Redshift from which specific star formation rates rise more slowly, and as which power of 1 + z (Whitaker et al. 2014, ApJ 795, 104). */
const [SLOWER, SLOW_RISE] = [1.5, 1.3];

/**
 * log10 SFR [Msun/yr] of the main sequence (Saintonge & Catinella 2022, ARA&A 60, 319, eq. 8), rising as (1 + z)^2.6, beyond
 * `SLOWER` by a lower power.
 */
function mainSequence(logMass: number, z: number): number {
  const rise = 2.6 * Math.log10(1 + Math.min(z, SLOWER)) + SLOW_RISE * Math.log10(Math.max(1, (1 + z) / (1 + SLOWER)));
  return 0.412 - Math.log10(1 + 10 ** (-0.718 * (logMass - 10.59))) + rise;
}

/** Shares of the histories that a smooth law misses. */
const SHARES = {
  /** A rise of some per cent within the last 500 Myr, in old galaxies (rejuvenated) and young ones alike. */
  recentBurst: 0.1,
  /** Of quenched galaxies, those that stopped within the last 1.5 Gyr; and of these, those that stopped after a burst. */
  quickQuenching: 0.15,
  postStarburst: 0.08,
} as const;

/** Share of galaxies in a burst of 1 - 30 Myr: dwarfs flicker, massive galaxies hardly do; more did in the past. */
function youngBurstShare(logMass: number, z: number): number {
  return Math.min(0.3, (0.0001 + 0.0018 * logistic((9.3 - logMass) / 0.35)) * (1 + z) ** 1.5);
}

/** A burst that began `time` ago, or is going on: then only the part of its mass that it has had time for is there. */
function drawBurst(rng: Rng): History["burst"] {
  const duration = 0.04 * 10 ** (0.8 * rng.uniform());
  const time = 0.01 + 0.5 * rng.uniform();
  const fraction = 10 ** (-2.7 + 1.3 * rng.uniform()) * Math.min(1, time / duration);
  return { time, duration: Math.min(duration, time), fraction };
}

/** A burst that is going on or has just ended, of 0.3 - 30 % of the mass: extreme emitters. */
function drawYoungBurst(rng: Rng): History["burst"] {
  const duration = 0.001 * 10 ** (1.48 * rng.uniform());
  const time = duration * (0.1 + 1.1 * rng.uniform());
  const fraction = 10 ** (-2.7 + 2.2 * rng.uniform()) * Math.min(1, time / duration);
  return { time, duration: Math.min(duration, time), fraction };
}

interface DrawnHistory {
  readonly history: History;
  /** log10 of the star formation rate of the last 30 Myr relative to the main sequence. */
  readonly excess: number;
}

/** Time over which the star formation is averaged that rules the gas [Gyr]. */
const GAS_TIME = 0.03;
/** Formed per surviving mass, about. */
const LOG_FORMED = 0.24;

function drawHistory(rng: Draws, logMass: number, z: number, isQuenched: boolean): DrawnHistory {
  const age = ageOfUniverse(z);
  const early = isQuenched ? 0.73 : 0.68 + 0.05 * clamp(logMass - 10, -2, 1);
  let start = age * clamp(early + (isQuenched ? 0.17 : 0.22) * deviate(rng, "start"), 0.2, 0.97);
  // specific rate [1/Gyr] of the smooth history, per formed mass (about 0.6 survives)
  const spread = 0.16 + 0.08 * logistic((9.3 - logMass) / 0.3);
  // tilted by what eCALIFA's rates and DESI's Halpha ask for
  const tilt = 0.1 * clamp(logMass - 9.9, -1, 1.2);
  const sequence = mainSequence(logMass, z) + tilt - logMass + 9 - LOG_FORMED;
  let logRate = sequence + spread * deviate(rng, "rate");
  let [truncation, truncationTime] = [1, 0];
  if (isQuenched) {
    if (chance(rng, SHARES.quickQuenching)) {
      truncation = 10 ** (-1 - 1.5 * rng.uniform());
      truncationTime = Math.min(0.05 + 1.5 * rng.uniform(), 0.5 * start);
    } else logRate -= clamp(2 + 0.55 * deviate(rng, "quenching"), 0.8, 4);
  }
  const rate = 10 ** logRate;
  start = Math.min(start, 1.85 / rate);
  const startOverTau = solveStartOverTau(rate * start, start);
  const recentFactor = 10 ** (0.1 * rng.normal());
  let burst = drawBurst(rng);
  if (!chance(rng, SHARES.recentBurst)) burst = undefined;
  const young = drawYoungBurst(rng);
  const [isYoung, isPost] = [chance(rng, youngBurstShare(logMass, z)), chance(rng, SHARES.postStarburst)];
  const strength = 10 ** (-1.3 + 0.9 * rng.uniform());
  if (isQuenched && truncationTime > 0 && isPost) {
    const duration = Math.min(0.2, 0.4 * start);
    burst = { time: truncationTime + duration, duration, fraction: strength };
  } else if (isYoung && !isQuenched) burst = young;
  const recent = burst === undefined || burst.time > GAS_TIME ? 0 : burst.fraction / GAS_TIME;
  const excess = Math.log10(rate * recentFactor * (truncationTime > 0 ? truncation : 1) + recent) - sequence;
  return { history: { start, startOverTau, recentFactor, truncation, truncationTime, burst }, excess };
}

/**
 * log10 Z [Zsun] of the stars: like Gallazzi et al. (2005, MNRAS 362, 41, table 2) at high mass, higher below 10^10 Msun,
 * as resolved spectroscopy finds (the eCALIFA table of the tests), with the slope of Kirby et al. (2013, ApJ 779, 102) for
 * dwarfs.
 */
function drawMetallicity(rng: Draws, logMass: number): number {
  const dwarf = 0.3 * Math.max(0, 9 - logMass);
  const median = 0.16 - 0.62 * logistic(-(logMass - 9.85) / 0.42) - dwarf;
  const scatter = 0.13 + 0.14 * logistic(-(logMass - 10.4) / 0.35);
  return clamp(median + scatter * deviate(rng, "metals"), -2, 0.4);
}

/** Fundamental metallicity relation (Curti et al. 2020, MNRAS 491, 944, eq. 5 and table 6). */
function oxygenAbundance(logMass: number, logRate: number): number {
  const turnover = 10.11 + 0.56 * clamp(logRate, -1.5, 2);
  return 8.779 - (0.31 / 2.1) * Math.log10(1 + 10 ** (-2.1 * (logMass - turnover)));
}

/** What of the galaxies' physics is on; the defaults are in `options.ts`. */
export interface Physics {
  readonly attenuation: "kriek-conroy" | "calzetti";
  readonly enrichment: number;
  readonly velocityDispersion: boolean;
}

const FULL_PHYSICS: Physics = { attenuation: "kriek-conroy", enrichment: 0.6, velocityDispersion: true };

/** Slope and bump: steeper where there is little dust (after Salim, Boquien & Lee 2018, ApJ 859, 11). */
function drawAttenuation(rng: Rng, av: number): AttenuationShape {
  const slope = clamp(-0.25 + 0.3 * Math.log10(Math.max(av, 0.01) / 0.3) + 0.15 * rng.normal(), -0.8, 0.2);
  return { slope, bump: Math.max(0, bumpOfSlope(slope) + 0.4 * rng.normal()) };
}

/** Stellar velocity dispersion against mass, bent at 10^10.26 Msun (Zahid et al. 2016, ApJ 832, 203). */
function drawDispersion(rng: Rng, logMass: number): number {
  const x = logMass - 10.26;
  return Math.max(30, 10 ** (2.07 + (x < 0 ? 0.403 : 0.293) * x + 0.08 * rng.normal()));
}

/**
 * How the gas follows the galaxy's own star formation, per dex above the main sequence: fresh gas dilutes oxygen, nitrogen
 * is made late, and young stars ionise more. Fitted to how DESI's line ratios run with EW(Halpha) at fixed luminosity.
 */
const [DILUTION, NITROGEN, IONISATION] = [0.03, 0.2, 0.1];

/** Draws everything but redshift and mass; what is named in a draw is flatter in the wide population. */
export function drawGalaxy(rng: Draws, redshift: number, logMass: number, physics: Physics = FULL_PHYSICS): Galaxy {
  const isQuenched = chance(rng, quenchedFraction(logMass, redshift));
  const { history, excess } = drawHistory(rng, logMass, redshift, isQuenched);
  const dusty = isQuenched ? 0.14 : 0.16 + 0.66 * logistic((logMass - 9.9) / 0.45);
  const dustiness = deviate(rng, "dust");
  // as wide at a given mass as eCALIFA's, down to none
  const scatter = 0.69 + 0.47 * logistic((9.5 - logMass) / 0.3);
  const avStars = clamp(0.68 * dusty * Math.exp(scatter * dustiness + 0.25 * rng.normal()) - 0.03, 0, 4);
  // what gas is left in quenched galaxies sits in dust: their Balmer decrements are not those of their stars
  const gasMedian = (dusty * Math.exp(0.5 * dustiness)) / 0.48 + (isQuenched ? 0.65 : 0.1);
  const avGas = clamp(gasMedian * Math.exp(0.25 * rng.normal()), avStars, 8);
  const own = clamp(excess, -0.5, 1.3);
  const oxygen =
    0.01 +
    oxygenAbundance(logMass, mainSequence(logMass, redshift) + own) -
    DILUTION * own +
    0.08 * deviate(rng, "oxygen");
  const nitrogen = -0.01 + 0.06 * rng.normal() + 0.1 * logistic((logMass - 10.6) / 0.2) - NITROGEN * own;
  const ionisation =
    -0.14 -
    0.35 * (oxygen - 8.6) +
    0.11 * deviate(rng, "ionisation") +
    0.3 * Math.log10(1 + redshift) +
    IONISATION * own +
    0.3 * Math.max(0, own - 0.35);
  const hasNucleus = chance(rng, 0.56 * logistic((logMass - 10.45) / 0.25));
  const hardness = clamp(0.25 + 0.35 * Math.abs(rng.normal()), 0, 1);
  // drawn whatever the options, so that switching a part off leaves the rest of the galaxy as it is
  const attenuation = drawAttenuation(rng, avStars);
  const sigmaStars = drawDispersion(rng, logMass);
  const sigmaGas = clamp(100 * 10 ** (0.25 * (logMass - 10) + 0.12 * rng.normal()), 25, 400);
  return {
    redshift,
    logMass,
    logZ: drawMetallicity(rng, logMass),
    enrichment: physics.enrichment,
    avStars,
    avGas,
    attenuation: physics.attenuation === "calzetti" ? { slope: 0, bump: 0 } : attenuation,
    sigmaStars: physics.velocityDispersion ? sigmaStars : 0,
    sigmaGas: physics.velocityDispersion ? sigmaGas : 0,
    history,
    gas: {
      young: {
        gas: starFormingGas(oxygen, ionisation, nitrogen),
        strength: 10 ** (-0.015 + 0.14 * deviate(rng, "lines")),
      },
      old: { gas: activeGas(0, 0.35 * rng.normal()), strength: 0.47 * 10 ** (0.4 * rng.normal()) },
      nucleus: hasNucleus
        ? { gas: activeGas(hardness, 0.3 * rng.normal()), strength: 28.75 + 1.5 * hardness + 0.55 * rng.normal() }
        : undefined,
    },
  };
}

export interface RedshiftMass {
  readonly redshift: number;
  readonly logMass: number;
}

/** Lowest mass considered [log10 Msun]. */
const LEAST_MASS = 6.5;
const GREATEST_MASS = 12.1;
const N_Z = 240;
const N_MASS = 112;
const MASS_STEP = (GREATEST_MASS - LEAST_MASS) / N_MASS;
/** How much fainter than the brightest galaxies of the same mass are: few less, half of them, few more [mag]. */
const FAINTER = [1.5, 2.5, 4] as const;
/** Masses that are rarer are left to nature [1/Mpc3/dex]. */
const RAREST = 1e-8;

/** Middle of a cell in mass. */
const massAt = (j: number): number => LEAST_MASS + (j + 0.5) * MASS_STEP;

/** Draws (redshift, mass) of a proposal. */
export interface Proposal {
  readonly isEmpty: boolean;
  draw(rng: Draws): RedshiftMass;
  /** Nature's mass at a redshift. */
  drawMass(rng: Rng, redshift: number): number;
}

/**
 * Unnormalised density of the wide population over the cells of one redshift: where usual galaxies are between the limits,
 * rising with brightness, and so that about as many are selected at every redshift. `brightest`: magnitude of 1 Msun.
 */
function fillWide(row: Float64Array, z: number, brightest: number, { faint, bright }: Limits): void {
  let selected = 0;
  for (let j = 0; j < row.length; j++) {
    const [brighter, usual, fainter] = FAINTER.map((less) => brightest + less - 2.5 * massAt(j));
    const isUsual = brighter < faint && fainter > bright && massFunction(massAt(j), z) > RAREST;
    row[j] = isUsual ? Math.exp(0.08 * (faint - usual)) : 0;
    selected += row[j] * logistic((faint - usual) / 0.6);
  }
  if (selected > 0) for (let j = 0; j < row.length; j++) row[j] /= selected;
}

/** Magnitudes between which galaxies are selected [AB mag]. */
interface Limits {
  readonly faint: number;
  readonly bright: number;
}

/**
 * Proposal density of (z, mass): comoving volume x mass function over the cells that the brightest plausible galaxy of
 * that mass could put above the limit; of the wide population (a stream with `wide`) near flat in redshift and magnitude.
 * `massToLight(z)` is 2.5 log10 of the mass [Msun] that gives the brightest magnitude 0 there.
 */
export function createProposal(
  range: readonly [number, number],
  limits: Limits,
  massToLight: (z: number) => number,
): Proposal {
  const dz = (range[1] - range[0]) / N_Z;
  const weights = new Float64Array(N_Z * N_MASS);
  const wideWeights = new Float64Array(N_Z * N_MASS);
  for (let i = 0; i < N_Z; i++) {
    const z = range[0] + (i + 0.5) * dz;
    const volume = volumeElement(z);
    const brightest = massToLight(z - dz / 2);
    const from = i * N_MASS;
    for (let j = 0; j < N_MASS; j++) {
      const isReached = brightest - 2.5 * (massAt(j) + MASS_STEP / 2) < limits.faint;
      if (isReached) weights[from + j] = volume * massFunction(massAt(j), z);
    }
    fillWide(wideWeights.subarray(from, from + N_MASS), z, brightest, limits);
  }
  const cells = createCells(weights);
  const wideCells = createCells(wideWeights);
  const massOf = (cell: number, rng: Rng): number => LEAST_MASS + ((cell % N_MASS) + rng.uniform()) * MASS_STEP;
  return {
    isEmpty: cells.total === 0,
    draw(rng) {
      const { wide } = rng;
      const cell = (wide?.isWide === true ? wideCells : cells).draw(rng);
      const ratio = (wideWeights[cell] / wideCells.total) * (cells.total / weights[cell]);
      if (wide !== undefined) wide.logRatio += Math.log(ratio);
      return { redshift: range[0] + (Math.floor(cell / N_MASS) + rng.uniform()) * dz, logMass: massOf(cell, rng) };
    },
    drawMass(rng, redshift) {
      const i = clamp(Math.floor((redshift - range[0]) / dz), 0, N_Z - 1);
      return massOf(cells.draw(rng, i * N_MASS, (i + 1) * N_MASS - 1), rng);
    },
  };
}

/** Draws z from z^2 exp(-(z / z0)^1.5), z0 = median / 1.412 (Smail, Ellis & Fitchett 1994), within `range`. */
export function drawRedshift(rng: Rng, median: number, range: readonly [number, number]): number {
  const z0 = median / 1.412;
  const density = (z: number): number => z * z * Math.exp(-((z / z0) ** 1.5));
  const peak = clamp(z0 * (4 / 3) ** (2 / 3), range[0], range[1]);
  for (;;) {
    const z = range[0] + rng.uniform() * (range[1] - range[0]);
    if (rng.uniform() * density(peak) < density(z)) return z;
  }
}
