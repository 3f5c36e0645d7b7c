import { createRng } from "../random.ts";
import { addLine, type SpectrumPixels } from "./line-spread.ts";

/**
 * Absorption bands of the air: from, to [vacuum Angstrom] and the mean transmission between them at airmass 1.2 and 2.5 mm
 * of water, rounded, from memory of Paranal's spectrum: O2 (gamma, B, A, 12,690 A), H2O (the others), CO2 (near 16,000 A).
 */
const BANDS = [
  [6278, 6320, 0.96],
  [6869, 6950, 0.85],
  [7165, 7345, 0.92],
  [7595, 7700, 0.55],
  [8135, 8360, 0.9],
  [8940, 9300, 0.83],
  [9300, 9800, 0.55],
  [10_950, 11_200, 0.9],
  [11_200, 11_650, 0.5],
  [11_650, 12_050, 0.93],
  [12_580, 12_750, 0.87],
  [13_050, 13_450, 0.85],
  [13_450, 14_600, 0.2],
  [14_600, 14_900, 0.8],
  [15_700, 15_850, 0.96],
  [15_970, 16_170, 0.95],
  [17_450, 17_800, 0.88],
  [17_800, 18_150, 0.5],
  [18_150, 19_400, 0.08],
] as const;

/** Lines of a band lie so far apart in the mean [Angstrom]. */
const SPACING = 9;

/**
 * Optical depth of the air in each pixel, at the resolution of the spectrum: bands are made of narrow lines whose places and
 * strengths are drawn, always the same ones, since no list of lines is at hand: bands lie where they do, lines in them don't.
 * @param sigmaAt 1 sigma of the line spread function [Angstrom] at a wavelength [Angstrom].
 */
export function telluricDepth(pixels: SpectrumPixels, sigmaAt: (wavelength: number) => number): Float64Array {
  const depth = new Float64Array(pixels.wavelength.length);
  const [start, end] = [pixels.edges[0], pixels.edges[depth.length]];
  for (const [from, to, transmission] of BANDS) {
    if (to < start || from > end) continue;
    const rng = createRng(`telluric:${from}`);
    const count = Math.max(8, Math.round((to - from) / SPACING));
    // strongest in the middle of a band
    const lines = Array.from({ length: count }, () => {
      const place = rng.uniform();
      return { place, strength: -Math.log(1 - rng.uniform()) * place * (1 - place) };
    });
    const total = lines.reduce((sum, { strength }) => sum + strength, 0);
    const whole = -Math.log(transmission) * (to - from);
    for (const { place, strength } of lines) {
      const centre = from + place * (to - from);
      addLine(depth, pixels, (whole * strength) / total, centre, sigmaAt(centre));
    }
  }
  return depth;
}
