/** Flat Lambda-CDM without radiation: H0 = 70 km/s/Mpc, Omega_m = 0.3, the values most catalogues use. */
const H0 = 70;
const OMEGA_M = 0.3;
const LIGHT_KM_S = 299792.458;
const MPC_CM = 3.08567758149e24;
const HUBBLE_TIME_GYR = 977.79222 / H0;

const expansion = (z: number): number => Math.sqrt(OMEGA_M * (1 + z) ** 3 + 1 - OMEGA_M);

/** Comoving distance [Mpc] (Hogg 1999, astro-ph/9905116, eq. 15; Simpson's rule in ln(1 + z)). */
export function comovingDistance(z: number): number {
  const n = 24;
  const h = Math.log1p(z) / n;
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    const onePlusZ = Math.exp(i * h);
    const weight = i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2;
    sum += (weight * onePlusZ) / expansion(onePlusZ - 1);
  }
  return ((LIGHT_KM_S / H0) * sum * h) / 3;
}

/** Luminosity distance [Mpc]. */
export function luminosityDistance(z: number): number {
  return (1 + z) * comovingDistance(z);
}

/** 4 pi d_L^2 [cm2]: luminosity over this is flux. */
export function luminosityArea(z: number): number {
  return 4 * Math.PI * (luminosityDistance(z) * MPC_CM) ** 2;
}

/** Age of the universe at redshift z [Gyr] (Peebles 1993, eq. 13.20: the closed form for flat Lambda-CDM). */
export function ageOfUniverse(z: number): number {
  const lambda = 1 - OMEGA_M;
  return (2 / (3 * Math.sqrt(lambda))) * Math.asinh(Math.sqrt(lambda / OMEGA_M) * (1 + z) ** -1.5) * HUBBLE_TIME_GYR;
}

/** Comoving volume per unit redshift over the whole sky [Mpc3]. */
export function volumeElement(z: number): number {
  return (4 * Math.PI * comovingDistance(z) ** 2 * LIGHT_KM_S) / (H0 * expansion(z));
}
