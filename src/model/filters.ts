/**
 * What a network may know of a band before it has seen it: where it is and how wide. Bumps along ln(wavelength), dense
 * where narrow bands are, and the bump's share of the width, so that a broad and a narrow band at one place differ.
 */

/** Centres of the bumps: every `step` in ln(wavelength) between two wavelengths [Angstrom]. */
const STRETCHES = [
  { from: 1200, to: 3000, step: 0.25 },
  { from: 3200, to: 10_500, step: 0.02 },
  { from: 12_000, to: 60_000, step: 0.25 },
] as const;
/** Bumps whose height goes with the band's width. */
const WIDTH_STEP = 0.2;
/** A band of this width [Angstrom] has none of them. */
const NARROW = 145;

interface Bump {
  readonly centre: number;
  readonly width: number;
  readonly isOfWidth: boolean;
}

function bumpsAlong(from: number, to: number, step: number, isOfWidth: boolean): Bump[] {
  const [a, b] = [Math.log(from), Math.log(to)];
  const count = Math.floor((b - a) / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => ({ centre: a + i * step, width: step, isOfWidth }));
}

const bumps: readonly Bump[] = [
  ...STRETCHES.flatMap(({ from, to, step }) => bumpsAlong(from, to, step, false)),
  ...bumpsAlong(1200, 60_000, WIDTH_STEP, true),
];

/** Numbers that describe a filter. */
export const N_FILTER_FEATURE = bumps.length;

/** [N_FILTER_FEATURE] of a filter by its pivot wavelength and width [Angstrom]; of length 1. */
export function filterFeatures(pivot: number, width: number): number[] {
  const at = Math.log(pivot);
  const excess = Math.log(width / NARROW);
  const raw = bumps.map(({ centre, width: w, isOfWidth }) => {
    const height = Math.exp(-0.5 * ((at - centre) / w) ** 2);
    return isOfWidth ? 0.5 * excess * height : height;
  });
  const norm = Math.hypot(...raw);
  return norm > 0 ? raw.map((x) => x / norm) : raw;
}
