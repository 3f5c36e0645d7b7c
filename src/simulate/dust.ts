/** Attenuation k(lambda) = A(lambda) / A(V). */

const horner = (c: readonly number[], x: number): number => c.reduceRight((sum, value) => sum * x + value, 0);

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

/** a(x) and b(x), x in 1/micron, of A(lambda) / A(V) = a + b / R_V (Cardelli, Clayton & Mathis 1989, eqs. 2 - 5). */
function cardelliTerms(x: number): readonly [number, number] {
  if (x < 1.1) return [0.574 * x ** 1.61, -0.527 * x ** 1.61];
  if (x < 3.3) {
    const y = x - 1.82;
    return [
      horner([1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.7753, 0.32999], y),
      horner([0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.3026, -2.09002], y),
    ];
  }
  if (x < 8) {
    const far = Math.max(0, x - 5.9);
    return [
      1.752 - 0.316 * x - 0.104 / ((x - 4.67) ** 2 + 0.341) - 0.04473 * far ** 2 - 0.009779 * far ** 3,
      -3.09 + 1.825 * x + 1.206 / ((x - 4.62) ** 2 + 0.263) + 0.213 * far ** 2 + 0.1207 * far ** 3,
    ];
  }
  const y = x - 8;
  return [horner([-1.073, -0.628, 0.137, -0.07], y), horner([13.67, 4.257, -0.42, 0.374], y)];
}

/** R_V of the diffuse Milky Way: A(V) = R_V E(B-V). */
export const MILKY_WAY_RV = 3.1;

/** Milky Way extinction from the far ultraviolet (1000 A) to the infrared (ibid., R_V = 3.1). */
export function cardelli(wavelength: number): number {
  const [a, b] = cardelliTerms(1e4 / Math.max(wavelength, 1000));
  return a + b / MILKY_WAY_RV;
}
