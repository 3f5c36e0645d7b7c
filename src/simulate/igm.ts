/** Lyman series: wavelength [Angstrom] and optical-depth coefficient (Madau 1995, ApJ 441, 18, section 3.3). */
const lymanSeries = [
  [1215.67, 0.0036],
  [1025.72, 1.7e-3],
  [972.537, 1.2e-3],
  [949.743, 9.3e-4],
] as const;
const LYMAN_LIMIT = 911.753;

/**
 * Mean transmission of the intergalactic medium towards a source at redshift z (Madau 1995, eqs. 12, 15 and footnote 3).
 * @param observed wavelength [Angstrom, observed frame]
 */
export function igmTransmission(observed: number, z: number): number {
  const onePlusZ = 1 + z;
  let tau = 0;
  for (const [lambda, a] of lymanSeries) if (observed < lambda * onePlusZ) tau += a * (observed / lambda) ** 3.46;
  if (observed < LYMAN_LIMIT * onePlusZ) {
    const x = Math.max(observed / LYMAN_LIMIT, 1);
    tau +=
      0.25 * x ** 3 * (onePlusZ ** 0.46 - x ** 0.46) +
      9.4 * x ** 1.5 * (onePlusZ ** 0.18 - x ** 0.18) -
      0.7 * x ** 3 * (x ** -1.32 - onePlusZ ** -1.32) -
      0.023 * (onePlusZ ** 1.68 - x ** 1.68);
  }
  return Math.exp(-Math.max(tau, 0));
}
