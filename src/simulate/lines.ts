import { cardelli } from "./dust.ts";

/** Nebular lines: vacuum wavelength [Angstrom] and flux relative to Hbeta, from the state of the gas. */

/** What sets the ratios of one ionised component. */
export interface Gas {
  /** 12 + log(O/H) on the scale of Curti et al. */
  readonly oxygen: number;
  /** log10 of R3 = [OIII]5007/Hbeta, N2 = [NII]6584/Halpha, R2 = [OII]3727/Hbeta, S2 = [SII]6716+6731/Halpha. */
  readonly r3: number;
  readonly n2: number;
  readonly r2: number;
  readonly s2: number;
  /** [OI]6300/Halpha. */
  readonly oxygenI: number;
  /** HeII4686/Hbeta. */
  readonly heliumII: number;
}

/** Case B, 10,000 K, 100 cm-3 (Osterbrock & Ferland 2006, table 4.4). */
export const HALPHA_TO_HBETA = 2.86;

interface Line {
  readonly wavelength: number;
  readonly ratio: (gas: Gas) => number;
}

export const lines = {
  H8: { wavelength: 3890.17, ratio: () => 0.105 },
  NeIII3869: { wavelength: 3869.86, ratio: (g) => 0.09 * 10 ** g.r3 },
  OII3726: { wavelength: 3727.09, ratio: (g) => 0.42 * 10 ** g.r2 },
  OII3729: { wavelength: 3729.88, ratio: (g) => 0.58 * 10 ** g.r2 },
  NeIII3968: { wavelength: 3968.59, ratio: (g) => 0.3 * 0.09 * 10 ** g.r3 },
  Hepsilon: { wavelength: 3971.2, ratio: () => 0.159 },
  Hdelta: { wavelength: 4102.89, ratio: () => 0.259 },
  Hgamma: { wavelength: 4341.68, ratio: () => 0.469 },
  HeI4471: { wavelength: 4472.73, ratio: () => 0.04 },
  HeII4686: { wavelength: 4687.02, ratio: (g) => g.heliumII },
  Hbeta: { wavelength: 4862.68, ratio: () => 1 },
  OIII4959: { wavelength: 4960.3, ratio: (g) => 10 ** g.r3 / 2.98 },
  OIII5007: { wavelength: 5008.24, ratio: (g) => 10 ** g.r3 },
  HeI5876: { wavelength: 5877.25, ratio: () => 0.12 },
  /** Absorbed by the cold gas of the galaxy: its luminosity is negative, and not that of any ionised component. */
  NaD5893: { wavelength: 5894.57, ratio: () => 0 },
  OI6300: { wavelength: 6302.05, ratio: (g) => HALPHA_TO_HBETA * g.oxygenI },
  NII6548: { wavelength: 6549.86, ratio: (g) => (HALPHA_TO_HBETA * 10 ** g.n2) / 3.05 },
  Halpha: { wavelength: 6564.61, ratio: () => HALPHA_TO_HBETA },
  NII6584: { wavelength: 6585.27, ratio: (g) => HALPHA_TO_HBETA * 10 ** g.n2 },
  HeI6678: { wavelength: 6680, ratio: () => 0.034 },
  SII6716: { wavelength: 6718.29, ratio: (g) => HALPHA_TO_HBETA * 0.57 * 10 ** g.s2 },
  SII6731: { wavelength: 6732.67, ratio: (g) => HALPHA_TO_HBETA * 0.43 * 10 ** g.s2 },
  HeI7065: { wavelength: 7067.14, ratio: () => 0.025 },
  ArIII7136: { wavelength: 7137.77, ratio: (g) => 0.07 * 10 ** (0.3 * g.r3) },
  OII7325: { wavelength: 7327, ratio: (g) => 0.013 * 10 ** g.r2 },
  SIII9069: { wavelength: 9071.1, ratio: (g) => 0.29 * HALPHA_TO_HBETA * 10 ** g.s2 },
  SIII9531: { wavelength: 9533.2, ratio: (g) => 0.72 * HALPHA_TO_HBETA * 10 ** g.s2 },
} satisfies Record<string, Line>;

export type LineName = keyof typeof lines;
export const LINE_NAMES = Object.keys(lines) as LineName[];

/** Labels of the tables: which lines make each rest-frame EW. */
export const ewLabels = {
  HALPHA_EW: ["Halpha"],
  HBETA_EW: ["Hbeta"],
  OIII5007_EW: ["OIII5007"],
  NII6584_EW: ["NII6584"],
  OII3727_EW: ["OII3726", "OII3729"],
} satisfies Record<string, readonly LineName[]>;

const cubic = (x: number, c: readonly number[]): number => c.reduceRight((sum, value) => sum * x + value, 0);

/**
 * Star-forming gas: mean ratios against metallicity (Curti et al. 2017, MNRAS 465, 1384, table 2; S2 from 2020, MNRAS
 * 491, 944), with the ionisation parameter as an offset [dex] that raises R3 and lowers N2, R2 and S2, and
 * nitrogen relative to oxygen as one of N2 [dex].
 */
export function starFormingGas(oxygen: number, ionisation: number, nitrogen = 0): Gas {
  const x = Math.min(0.16, Math.max(-1.1, oxygen - 8.69));
  const s2 = cubic(x, [-0.442, -0.36, -6.271, -8.339, -3.559]) - 0.4 * ionisation;
  return {
    oxygen,
    r3: cubic(x, [-0.277, -3.549, -3.593, -0.981]) + 0.8 * ionisation,
    n2: cubic(x, [-0.489, 1.513, -2.554, -5.293, -2.867]) - 0.3 * ionisation + nitrogen,
    r2: -0.04 + cubic(x, [0.418, -0.961, -3.505, -1.949]) - 0.4 * ionisation,
    s2,
    // as [SII], from the edge of the ionised gas
    oxygenI: 0.085 * 10 ** s2,
    // Wolf-Rayet stars and X-ray binaries of metal-poor gas (Shirazi & Brinchmann 2012, MNRAS 421, 1043)
    heliumII: 0.004 * 10 ** Math.max(0, -1.2 * (x + 0.2)),
  };
}

/**
 * Gas ionised by an active nucleus or by old stars: `hardness` 0 (LINER, evolved stars) ... 1 (Seyfert); typical ratios
 * of the two branches of the BPT plane (Kewley et al. 2006, MNRAS 372, 961, fig. 1 - 4); [OII] of old stars' gas is as
 * strong as DESI's galaxies of weak Halpha ask for.
 */
export function activeGas(hardness: number, spread: number): Gas {
  return {
    oxygen: 8.8,
    r3: 0.6 + 0.3 * hardness + 0.5 * spread,
    n2: 0.2 - 0.22 * hardness + 0.3 * spread,
    r2: 1.28 - 0.83 * hardness + 0.3 * spread,
    s2: -0.05 - 0.25 * hardness,
    oxygenI: 0.17 - 0.08 * hardness,
    heliumII: 0.02 + 0.2 * hardness,
  };
}

const reddening = LINE_NAMES.map((name) => cardelli(lines[name].wavelength));

/** Adds the observed luminosities [erg/s] of one component of gas, reddened by A_V, to `into`. [number of lines] */
export function addLines(into: Float64Array, halpha: number, gas: Gas, av: number): void {
  LINE_NAMES.forEach((name, i) => {
    into[i] += (halpha / HALPHA_TO_HBETA) * lines[name].ratio(gas) * 10 ** (-0.4 * av * reddening[i]);
  });
}
