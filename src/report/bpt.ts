/** What ionises the gas, from two ratios of lines (Baldwin, Phillips & Terlevich 1981, PASP 93, 5). */

export type Ionisation = "star-forming" | "composite" | "active";

/** log [OIII]5007/Hbeta that parts star-forming from composite galaxies (Kauffmann et al. 2003, MNRAS 346, 1055, eq. 1). */
export function kauffmann2003(logNiiHalpha: number): number {
  return logNiiHalpha < 0.05 ? 0.61 / (logNiiHalpha - 0.05) + 1.3 : -Infinity;
}

/** The most that star formation can reach (Kewley et al. 2001, ApJ 556, 121, eq. 5). */
export function kewley2001(logNiiHalpha: number): number {
  return logNiiHalpha < 0.47 ? 0.61 / (logNiiHalpha - 0.47) + 1.19 : -Infinity;
}

export function ionisation(logNiiHalpha: number, logOiiiHbeta: number): Ionisation {
  if (logOiiiHbeta > kewley2001(logNiiHalpha)) return "active";
  return logOiiiHbeta > kauffmann2003(logNiiHalpha) ? "composite" : "star-forming";
}

/** Fractions of the galaxies that have both ratios, and their number. */
export function ionisationFractions(
  logNiiHalpha: ArrayLike<number>,
  logOiiiHbeta: ArrayLike<number>,
): { readonly count: number; readonly fractions: Readonly<Record<Ionisation, number>> } {
  const counts: Record<Ionisation, number> = { "star-forming": 0, composite: 0, active: 0 };
  let count = 0;
  for (let i = 0; i < logNiiHalpha.length; i++) {
    if (!Number.isFinite(logNiiHalpha[i]) || !Number.isFinite(logOiiiHbeta[i])) continue;
    counts[ionisation(logNiiHalpha[i], logOiiiHbeta[i])]++;
    count++;
  }
  const fraction = (kind: Ionisation): number => counts[kind] / Math.max(1, count);
  return {
    count,
    fractions: {
      "star-forming": fraction("star-forming"),
      composite: fraction("composite"),
      active: fraction("active"),
    },
  };
}

/** A dividing curve for a figure, over the part of the plane that galaxies fill. */
export function dividingLine(curve: (logNiiHalpha: number) => number): { readonly x: number[]; readonly y: number[] } {
  const x = Array.from({ length: 200 }, (_, i) => -2.2 + i * 0.0135).filter((at) => curve(at) > -1.8);
  return { x, y: x.map(curve) };
}
