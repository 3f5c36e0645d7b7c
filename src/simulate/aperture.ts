import type { Rng } from "../random.ts";
import type { ApertureKind } from "../survey/layout.ts";
import { luminosityDistance } from "./cosmology.ts";
import type { SimulationOptions } from "./options.ts";

/** Of what light simulated fluxes are. */
export function apertureKind({ diameter, seeing }: SimulationOptions["aperture"]): ApertureKind {
  if (diameter === undefined) return "total";
  return seeing === "own" ? "aperture" : "psf-corrected";
}

/** How the light of a galaxy is spread: half-light radius [arcsec] and Sersic index. */
export interface Shape {
  readonly halfLight: number;
  readonly sersic: number;
}

/** Circular Gaussians of which galaxies with half-light radius 1 are made, for enclosed fluxes in closed form. */
const SIGMAS = [0.03, 0.1, 0.25, 0.5, 0.85, 1.25, 2, 3.5, 8];
/** Their weights by Sersic index: enclosed flux within 0.002 of the exact one at any radius below 10, 0.008 for index 6. */
const PROFILES: readonly (readonly [sersic: number, weights: readonly number[]])[] = [
  [0.5, [0, 0, 0, 0.0015, 0.9985, 0, 0, 0, 0]],
  [1, [0, 0.0047, 0.04, 0.2093, 0.3555, 0.3268, 0.0636, 0, 0]],
  [1.5, [0.0009, 0.0161, 0.0851, 0.2149, 0.2536, 0.2362, 0.1711, 0.0223, 0]],
  [2, [0.0032, 0.0312, 0.1104, 0.2035, 0.2055, 0.1918, 0.1805, 0.0695, 0.0043]],
  [3, [0.0126, 0.0583, 0.1315, 0.1791, 0.1558, 0.1517, 0.1555, 0.1198, 0.0357]],
  [4, [0.0261, 0.0766, 0.1372, 0.1581, 0.135, 0.1217, 0.1446, 0.1214, 0.0793]],
  [6, [0.0575, 0.0935, 0.1368, 0.1249, 0.1279, 0.0623, 0.1608, 0.0728, 0.1636]],
];
/** A Moffat profile of beta 2.38 (median MOFFATBETA_MEAN of minijpas.TileImage) with FWHM 1, likewise; within 0.0006. */
const POINT = { weights: [0.249, 0.4791, 0.2263, 0.0456], sigmas: [0.3436, 0.5883, 1.0918, 2.5674] };

/** Weights of the Gaussians for an index, linear between those of the table. */
function profileOf(sersic: number): readonly number[] {
  const above = PROFILES.findIndex(([index]) => index >= sersic);
  if (above <= 0) return PROFILES[above < 0 ? PROFILES.length - 1 : 0][1];
  const [[low, left], [high, right]] = [PROFILES[above - 1], PROFILES[above]];
  const f = (sersic - low) / (high - low);
  return left.map((weight, i) => weight + f * (right[i] - weight));
}

/** Fraction of a galaxy's flux within a circle after seeing (FWHM); radii in one unit, half-light radius 0 is a point. */
export function enclosedFlux(radius: number, { halfLight, sersic }: Shape, seeing: number): number {
  const profile = profileOf(sersic);
  let [sum, total] = [0, 0];
  for (let i = 0; i < SIGMAS.length; i++) {
    total += profile[i];
    if (profile[i] === 0) continue;
    for (let j = 0; j < POINT.weights.length; j++) {
      const variance = (SIGMAS[i] * halfLight) ** 2 + (POINT.sigmas[j] * seeing) ** 2;
      sum += profile[i] * POINT.weights[j] * (1 - Math.exp((-0.5 * radius * radius) / variance));
    }
  }
  return sum / total;
}

const KPC_PER_MPC = 1000;
const ARCSEC = Math.PI / 648_000;
/** Galaxies that form fewer stars per stellar mass are early types [log10 1/yr]. */
const QUIESCENT = -10.8;
/** Mass above which most galaxies are early types, where only the mass is known [log10 Msun]. */
const MASSIVE = 10.7;
/** Below, early types grow with mass as late types do [log10 Msun]. */
const DWARF = 9.8;

/** What a galaxy's shape depends on: masses in log10 Msun, star formation rates in log10 Msun/yr. */
export interface ShapeCause {
  readonly logMass: number;
  readonly redshift: number;
  readonly logSfr?: number | undefined;
}

/**
 * Sizes at z 0.1 of Shen et al. 2003 (MNRAS 343, 978; table 1): late types R = 0.1 kpc M^0.14 (1 + M / M0)^0.25,
 * M0 = 10^10.6 Msun, early types R = 2.88e-6 kpc M^0.56, log-normal with sigma_lnR from 0.5 to 0.3; smaller in the past
 * by (1 + z)^-0.75 and (1 + z)^-1.48 (van der Wel et al. 2014, ApJ 788, 28). Sersic indices are log-normal about 1,
 * rising with a bulge to 1.9 in massive late types, and about 4 in early ones: their spread is that of 100 COSMOS galaxies.
 */
export function drawShape(rng: Rng, { logMass, redshift, logSfr }: ShapeCause): Shape {
  const [u, size, concentration] = [rng.uniform(), rng.normal(), rng.normal()];
  const isEarly =
    logSfr !== undefined && Number.isFinite(logSfr)
      ? logSfr - logMass < QUIESCENT
      : u < 1 / (1 + Math.exp(-3 * (logMass - MASSIVE)));
  const massRatio = 10 ** (logMass - 10.6);
  const late = 0.1 * 10 ** (0.14 * logMass) * (1 + massRatio) ** 0.25;
  const early = 2.88e-6 * 10 ** (0.56 * Math.max(logMass, DWARF) + 0.14 * Math.min(0, logMass - DWARF));
  const scatter = 0.3 + 0.2 / (1 + massRatio ** 2);
  const local = (isEarly ? early : late) * Math.exp(scatter * size);
  const kpc = local * ((1 + redshift) / 1.1) ** (isEarly ? -1.48 : -0.75);
  const typical = isEarly ? 4 : 1 + 0.9 / (1 + Math.exp(-3 * (logMass - 10.6)));
  const sersic = Math.max(0.5, Math.min(6, typical * Math.exp((isEarly ? 0.35 : 0.5) * concentration)));
  const angularDistance = (luminosityDistance(Math.max(redshift, 1e-3)) * KPC_PER_MPC) / (1 + redshift) ** 2;
  return { halfLight: kpc / angularDistance / ARCSEC, sersic };
}
