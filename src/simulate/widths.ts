import { gridIndex } from "./grid.ts";
import { ewLabels, LINE_NAMES, lines } from "./lines.ts";
import type { Spectrum } from "./synthesis.ts";

/** Side bands of the continuum at a line, distance from its centre [Angstrom, rest]. */
const SIDE_BANDS = [30, 60] as const;

/** Mean continuum of two side bands, so that stellar absorption at the line is kept apart [unit of `stars`]. */
export function continuumAt(stars: Float64Array, wavelength: number): number {
  let sum = 0;
  let weight = 0;
  for (const side of [-1, 1]) {
    const ends = SIDE_BANDS.map((offset) => gridIndex(wavelength + side * offset)).sort((a, b) => a - b);
    for (let k = Math.ceil(ends[0]); k <= ends[1]; k++) {
      sum += stars[k];
      weight += 1;
    }
  }
  return sum / weight;
}

/** Rest-frame equivalent widths [Angstrom], emission positive, in the order of `ewLabels`. */
export function equivalentWidths(spectrum: Spectrum): number[] {
  return widthLines.map(({ members, centre }) => {
    const flux = members.reduce((sum, i) => sum + spectrum.lines[i], 0);
    return flux / continuumAt(spectrum.stars, centre);
  });
}

const widthLines = Object.values(ewLabels).map((names) => ({
  members: names.map((name) => LINE_NAMES.indexOf(name)),
  centre: names.reduce((sum, name) => sum + lines[name].wavelength, 0) / names.length,
}));
