/**
 * Equivalent widths over the continuum that FastSpecFit takes (the median of the line-free spectrum 3 - 10 sigma to either
 * side, within the wings of Balmer absorption) relative to ours, whose sides are 30 - 60 A away: medians over simulated
 * galaxies, measured in galaxies.test.ts.
 */
export const fastSpecFitFactor = {
  HALPHA_EW: 1.055,
  HBETA_EW: 1.14,
  OIII5007_EW: 1.04,
  NII6584_EW: 1.015,
  OII3727_EW: 1.1,
} as const;
