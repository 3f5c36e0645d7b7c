/** Attenuation k(lambda) = A(lambda) / A(V). */

export { cardelli, MILKY_WAY_RV } from "../survey/milky-way.ts";

/**
 * Starburst attenuation (Calzetti et al. 2000, ApJ 533, 682, eq. 4; R_V = 4.05), 1200 - 22,000 Angstrom, continued
 * blueward with the slope at 1200 A and redward, where the formula turns negative, at zero.
 */
export function calzetti(wavelength: number): number {
  const blue = (x: number): number => 2.659 * (-2.156 + 1.509 / x - 0.198 / x ** 2 + 0.011 / x ** 3) + CALZETTI_RV;
  const x = wavelength / 1e4;
  if (x < 0.12) return (blue(0.12) + ((blue(0.121) - blue(0.12)) / 0.001) * (x - 0.12)) / CALZETTI_RV;
  return Math.max(0, (x < 0.63 ? blue(x) : 2.659 * (-1.857 + 1.04 / x) + CALZETTI_RV) / CALZETTI_RV);
}

const CALZETTI_RV = 4.05;

/** Shape of an attenuation curve: power of lambda on top of Calzetti's and strength of the 2175 A bump. */
export interface AttenuationShape {
  readonly slope: number;
  readonly bump: number;
}

/** Wavelength of A(V) [Angstrom]. */
const VISUAL = 5500;

/** Drude profile of the 2175 A bump, full width 350 A, 1 at its centre. */
export function bumpProfile(wavelength: number): number {
  const width = (wavelength * 350) ** 2;
  return width / ((wavelength ** 2 - 2175 ** 2) ** 2 + width);
}

/** A(lambda) / A(V) of a slope and a bump on Calzetti's curve (Kriek & Conroy 2013, ApJ 775, L16, eqs. 1 and 2). */
export function kriekConroy(wavelength: number, { slope, bump }: AttenuationShape): number {
  const base = calzetti(wavelength) + (bump / CALZETTI_RV) * bumpProfile(wavelength);
  return base * (wavelength / VISUAL) ** slope;
}

/** Mean strength of the bump at a slope: steeper curves have stronger bumps (ibid. eq. 3). */
export function bumpOfSlope(slope: number): number {
  return 0.85 - 1.9 * slope;
}
