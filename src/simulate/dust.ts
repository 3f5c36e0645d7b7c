/** Attenuation k(lambda) = A(lambda) / A(V). */

/**
 * Starburst attenuation (Calzetti et al. 2000, ApJ 533, 682, eq. 4; R_V = 4.05), 1200 - 22,000 Angstrom, continued
 * blueward with the slope at 1200 A.
 */
export function calzetti(wavelength: number): number {
  const rv = 4.05;
  const blue = (x: number): number => 2.659 * (-2.156 + 1.509 / x - 0.198 / x ** 2 + 0.011 / x ** 3) + rv;
  const x = wavelength / 1e4;
  if (x < 0.12) return (blue(0.12) + ((blue(0.121) - blue(0.12)) / 0.001) * (x - 0.12)) / rv;
  return (x < 0.63 ? blue(x) : 2.659 * (-1.857 + 1.04 / x) + rv) / rv;
}

/** Milky Way extinction, optical (3030 - 9090 A) and infrared (Cardelli, Clayton & Mathis 1989, ApJ 345, 245, R_V = 3.1). */
export function cardelli(wavelength: number): number {
  const x = 1e4 / wavelength;
  if (x < 1.1) return 0.574 * x ** 1.61 - (0.527 * x ** 1.61) / 3.1;
  const y = x - 1.82;
  const horner = (c: readonly number[]): number => c.reduceRight((sum, value) => sum * y + value, 0);
  const a = horner([1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.7753, 0.32999]);
  const b = horner([0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.3026, -2.09002]);
  return a + b / 3.1;
}
