/**
 * Continuum of ionised gas: recombination to hydrogen and helium, free-free emission, two photons from 2s.
 * 10,000 K, low density (collisions between 2s and 2p ignored: below about 1000 cm-3), He+/H+ = 0.1, no He++.
 */
const TEMPERATURE = 1e4;
const HELIUM = 0.1;

const PLANCK = 6.62607015e-27; // erg s
const BOLTZMANN = 1.380649e-16; // erg/K
const ELECTRON_MASS = 9.1093837e-28; // g
const LIGHT = 2.99792458e10; // cm/s
/** Ionisation of hydrogen [Hz] and photo-ionisation cross-section of its ground state at threshold [cm2] (g = 1). */
const RYDBERG = 3.28805e15;
const THRESHOLD_SECTION = 7.907e-18;

/** 4 pi j(Hbeta) / (n_e n_p) at 10,000 K, case B [erg cm3/s] (Osterbrock & Ferland 2006, table 4.4). */
const HBETA_EMISSIVITY = 1.235e-25;
/** Recombinations to 2s, case B [cm3/s], and photons of its two-photon decay [1/s] (ibid. sections 4.3). */
const TO_2S = 0.838e-13;
const DECAY_2S = 8.2249;

/** Bound-free Gaunt factor of level n at energy e above threshold [Ry] (Seaton 1959, MNRAS 119, 81). */
function boundFreeGaunt(n: number, e: number): number {
  const u = n * n * e;
  const d = (n * (u + 1)) ** (2 / 3);
  return 1 + (0.1728 * (u - 1)) / d - (0.0496 * (u * u + (4 / 3) * u + 1)) / (d * d);
}

interface Level {
  readonly n: number;
  /** Ionisation energy [Ry]. */
  readonly energy: number;
  /** Part of the hydrogenic shell's 2 n^2 states, times the abundance of the ion. */
  readonly weight: number;
}

/**
 * Higher shells have their edges beyond 13 micron and differ only in the 1 / n^3 of their strength: one stands for all.
 */
const LAST_SHELL = 12;
const HIGH_SHELL = 16;
/** Sum of 1 / n^3 over n > LAST_SHELL (Euler - Maclaurin), in units of that of HIGH_SHELL. */
const HIGH_WEIGHT = HIGH_SHELL ** 3 / (2 * (LAST_SHELL + 0.5) ** 2);

const shells = (from: number, weight: number): Level[] => [
  ...Array.from({ length: LAST_SHELL + 1 - from }, (_, i) => ({ n: from + i, energy: 1 / (from + i) ** 2, weight })),
  { n: HIGH_SHELL, energy: 1 / HIGH_SHELL ** 2, weight: weight * HIGH_WEIGHT },
];

/** Helium's n = 2 terms 2 3P, 2 1P, 2 3S, 2 1S: edge [Angstrom] and share of the shell's statistical weight. */
const heliumTerms = [
  [3422.3, 9 / 16],
  [3679.6, 3 / 16],
  [2600.6, 3 / 16],
  [3121.9, 1 / 16],
] as const;

const levels: readonly Level[] = [
  ...shells(2, 1),
  ...shells(3, HELIUM),
  ...heliumTerms.map(([edge, share]) => ({
    n: 2,
    energy: (LIGHT * 1e8) / edge / RYDBERG,
    weight: HELIUM * share,
  })),
];

/**
 * Emission of recombination to one level [erg cm3/s/Hz]: the Milne relation with Kramers' cross-section and a Gaunt
 * factor (Osterbrock & Ferland 2006, appendix A1.2). Helium is hydrogenic but for its thresholds.
 */
function freeBound(frequency: number, { n, energy, weight }: Level): number {
  const threshold = energy * RYDBERG;
  if (frequency < threshold) return 0;
  const e = (frequency - threshold) / RYDBERG;
  const section = THRESHOLD_SECTION * n * (threshold / frequency) ** 3 * boundFreeGaunt(n, e);
  const kT = BOLTZMANN * TEMPERATURE;
  const states = (2 * Math.PI * ELECTRON_MASS * kT) ** -1.5;
  // n^2 / g(electron, ion) states times 8 pi h nu^3 / c^2 of photons; 4 pi j
  return (
    weight *
    n *
    n *
    PLANCK ** 3 *
    states *
    ((8 * Math.PI * PLANCK * frequency ** 3) / LIGHT ** 2) *
    section *
    Math.exp((-PLANCK * (frequency - threshold)) / kT)
  );
}

/** Free-free emission of H+ and He+ [erg cm3/s/Hz] (Rybicki & Lightman 1979, eq. 5.14b; Gaunt factor of Menzel & Pekeris 1935). */
function freeFree(frequency: number): number {
  const x = (PLANCK * frequency) / (BOLTZMANN * TEMPERATURE);
  const w = (frequency / RYDBERG) ** (1 / 3);
  const gaunt = 1 + 0.1728 * w * (1 + 2 / x) - 0.0496 * w * w * (1 + 2 / (3 * x) + 4 / (3 * x * x));
  return (1 + HELIUM) * 6.84e-38 * TEMPERATURE ** -0.5 * Math.exp(-x) * gaunt;
}

/** Two-photon emission [erg cm3/s/Hz] (Nussbaumer & Schmutz 1984, A&A 138, 495, eq. 2). */
function twoPhoton(frequency: number): number {
  const y = frequency / (0.75 * RYDBERG);
  if (y >= 1) return 0;
  const product = y * (1 - y);
  const four = (4 * product) ** 0.8;
  const photons = 202 * (product * (1 - four) + 0.88 * product ** 1.53 * four);
  return (TO_2S * PLANCK * y * photons) / DECAY_2S;
}

const processes = {
  freeBound: (nu: number) => levels.reduce((sum, level) => sum + freeBound(nu, level), 0),
  freeFree,
  twoPhoton,
};

/**
 * Luminosity per wavelength of a nebula whose Hbeta luminosity is 1 [1/Angstrom], by process.
 * Good to about 5 % between 2000 and 12,000 A (against Ercolano & Storey 2006, MNRAS 372, 1875).
 */
export function nebularContinuum(
  wavelength: number,
): Readonly<Record<keyof typeof processes, number>> & { readonly total: number } {
  const frequency = (LIGHT * 1e8) / wavelength;
  const perWavelength = frequency / wavelength / HBETA_EMISSIVITY;
  const [bound, free, two] = [processes.freeBound, processes.freeFree, processes.twoPhoton].map(
    (emission) => emission(frequency) * perWavelength,
  );
  return { freeBound: bound, freeFree: free, twoPhoton: two, total: bound + free + two };
}
