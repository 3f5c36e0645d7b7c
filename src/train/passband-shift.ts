/** Passbands that lie elsewhere than they are said to: how fluxes change with their wavelengths, and by how much they may be off. */
import type { Band } from "../survey/field.ts";

/** Wavelengths of narrow bands are off by this [Angstrom], 1 sigma, those of wide ones by this part of them. */
const [NARROW_ERROR, WIDE_ERROR] = [5, 0.01];
/** Bands narrower than this, relative to their wavelength, are narrow; bluer than this [Angstrom] none is shifted. */
const [NARROW, BLUEST] = [0.05, 3000];
/** The slope at a band is that of the bands around, with weights that fall off like a Gaussian of this many of its widths ... */
const REACH = 0.4;
/** ... or more, where the others have less weight together than this. */
const FEWEST = 0.4;
/** Weights below this are none. */
const NOTHING = 1e-3;
/** Bands this much wider than a band don't tell the slope at it. */
const WIDER = 2.5;

const widthOf = ({ edges }: Band): number => edges[1] - edges[0];

/** 1 sigma of a band's wavelength before anything is learned [Angstrom]; 0: it is where it is said to be. */
export function shiftError(band: Band): number {
  if (band.pivot < BLUEST) return 0;
  return widthOf(band) < NARROW * band.pivot ? NARROW_ERROR : WIDE_ERROR * band.pivot;
}

/** Parts of the ln fluxes of other bands in d ln flux / d wavelength [1/Angstrom] of a band. */
export interface Stencil {
  readonly which: Int16Array;
  readonly part: Float64Array;
}

/** The slope of a straight line in ln(wavelength) through the ln fluxes of the bands around each band, as sums of these. */
export function stencilsOf(bands: readonly Band[]): Stencil[] {
  return bands.map((band) => {
    const near = bands.flatMap((other, i) => (widthOf(other) > WIDER * widthOf(band) ? [] : [i]));
    const places = near.map((i) => Math.log(bands[i].pivot / band.pivot));
    let reach = (REACH * widthOf(band)) / band.pivot;
    const weightsAt = (): number[] => places.map((x) => Math.exp(-0.5 * (x / reach) ** 2));
    const beside = (): number => weightsAt().reduce((sum, w, i) => sum + (Math.abs(places[i]) > 1e-3 ? w : 0), 0);
    if (near.every((_, i) => Math.abs(places[i]) <= 1e-3)) return { which: new Int16Array(), part: new Float64Array() };
    while (beside() < FEWEST) reach *= 1.2;
    const weights = weightsAt().map((w) => (w > NOTHING ? w : 0));
    const total = weights.reduce((sum, w) => sum + w, 0);
    const mean = weights.reduce((sum, w, i) => sum + w * places[i], 0) / total;
    const square = weights.reduce((sum, w, i) => sum + w * (places[i] - mean) ** 2, 0);
    const kept = weights.flatMap((w, i) => (w > 0 ? [i] : []));
    const partOf = (i: number): number => (weights[i] * (places[i] - mean)) / (square * band.pivot);
    return { which: Int16Array.from(kept, (i) => near[i]), part: Float64Array.from(kept, partOf) };
  });
}

/** d ln flux / d wavelength [1/Angstrom] of a band, of the ln fluxes of all. */
export function slopeOf({ which, part }: Stencil, ln: ArrayLike<number>): number {
  let slope = 0;
  for (let s = 0; s < which.length; s++) slope += part[s] * ln[which[s]];
  return slope;
}
