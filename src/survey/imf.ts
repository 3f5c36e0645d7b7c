/** Initial mass functions that masses and star formation rates are given for, and the one they are converted to. */

export type ImfName = "kroupa" | "chabrier" | "salpeter";
export const imfNames = ["kroupa", "chabrier", "salpeter"] as const satisfies readonly ImfName[];

/** What of a galaxy is counted in stars of an initial mass function: log10 of a mass, or of a rate of forming it. */
export type Counted = "mass" | "rate";
export const counted = ["mass", "rate"] as const satisfies readonly Counted[];

/**
 * What masses and rates are multiplied by to be Kroupa's (2001, MNRAS 322, 231; 0.1 - 100 Msun). Masses: Speagle et al. 2014,
 * ApJS 214, 15, eq. 2; rates: Madau & Dickinson 2014, ARA&A 52, 415, section 3.1.1.
 */
const toKroupa: Readonly<Record<ImfName, Readonly<Record<Counted, number>>>> = {
  kroupa: { mass: 1, rate: 1 },
  chabrier: { mass: 1.06, rate: 0.67 / 0.63 },
  salpeter: { mass: 0.62, rate: 0.67 },
};

/** What log10 of a mass or rate for one initial mass function is shifted by for another [dex]. */
export function imfShift(from: ImfName, to: ImfName, of: Counted): number {
  return Math.log10(toKroupa[from][of] / toKroupa[to][of]);
}
