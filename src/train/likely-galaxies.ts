/** Rows of a survey fitted with the galaxies that a network carries: which of them are likely, and how bright. */
import { meansOf, sizesOf, type Templates } from "../model/template-fit.ts";
import { createRng } from "../random.ts";
import { State } from "../survey/field.ts";
import type { RowStore } from "../tokens/batch.ts";
import type { NetworkCoder } from "./config.ts";

/** Rows that are read, and most of them that are fitted: more tell no more. */
const [MOST_READ, MOST_ROWS] = [8000, 1000];
/** Rows with fewer bands say nothing; those of less S/N in all bands together say little, and cost as much. */
const [FEWEST_BANDS, FAINTEST] = [5, 30];
/** Neighbourhoods whose galaxies are looked at one by one; without neighbourhoods, most galaxies that are looked at. */
const [NEAREST, MOST_GALAXIES] = [96, 16_384];
/** Galaxies less likely than the best one by this much in ln are passed over in a round, and until the next look around. */
const [UNLIKELY, FORGOTTEN] = [9, 16];

/** A row's fluxes and errors by band of the carried galaxies; `isGiven` 1 where there are both. */
export interface PhotometryRow {
  readonly flux: Float64Array;
  readonly error: Float64Array;
  readonly isGiven: Uint8Array;
}

/** Squared S/N in all bands together. */
const signalOf = ({ flux, error, isGiven }: PhotometryRow): number =>
  flux.reduce((sum, f, j) => sum + (isGiven[j] === 1 && f > 0 ? (f / error[j]) ** 2 : 0), 0);

/** Evenly spaced, at most `most`. */
function thinned<T>(all: readonly T[], most: number): T[] {
  const count = Math.min(most, all.length);
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]);
}

/** Rows to look at, evenly spaced: those with enough bands and enough light, or those with enough bands where few are bright. */
export function photometryRows(
  coder: NetworkCoder,
  templates: Templates,
  store: RowStore,
  rows: ArrayLike<number>,
): PhotometryRow[] {
  const bands = Array.from(coder.groups.band).slice(0, sizesOf(templates).nBand);
  const rng = createRng("zero-points");
  const all = thinned(Array.from(rows), MOST_READ).flatMap((row): PhotometryRow[] => {
    const { catalog, row: own } = store.at(row, rng);
    const from = own * coder.nField;
    const of = (values: ArrayLike<number>): Float64Array => Float64Array.from(bands, (j) => values[from + j]);
    const isGiven = Uint8Array.from(bands, (j) =>
      Number(catalog.state[from + j] === State.measured && catalog.error[from + j] > 0),
    );
    const isEnough = isGiven.reduce((sum, x) => sum + x, 0) >= FEWEST_BANDS;
    return isEnough ? [{ flux: of(catalog.value), error: of(catalog.error), isGiven }] : [];
  });
  const bright = all.filter((row) => signalOf(row) > FAINTEST ** 2);
  return thinned(bright.length >= Math.min(MOST_ROWS, all.length / 4) ? bright : all, MOST_ROWS);
}

/** Carried galaxies side by side. */
export interface Shelf {
  readonly count: number;
  readonly nBand: number;
  /** Galaxies side by side that are alike; it divides `count`. */
  readonly neighbourhood: number;
  /** [count, nBand] */
  readonly flux: Float32Array;
  /** [count / neighbourhood, nBand] Means of neighbourhoods. */
  readonly middle: Float32Array;
  /** [count] 1 + z; NaN where it isn't known. */
  readonly stretch: Float64Array;
}

/** [count] 1 + z of every carried galaxy; NaN where it isn't known. */
export function stretchesOf(coder: NetworkCoder, templates: Templates): Float64Array {
  const { nProperty } = sizesOf(templates);
  const properties = Array.from(coder.groups.property.subarray(0, nProperty));
  const p = properties.findIndex((j) => coder.fields[j].kind === "redshift");
  return Float64Array.from({ length: templates.count }, (_, k) => {
    const v = p < 0 ? Number.NaN : templates.property[k * nProperty + p];
    return Number.isNaN(v) ? v : 1 + coder.decode(properties[p], v, 0);
  });
}

/** All carried galaxies, or those evenly picked that can be looked at one by one. */
export function shelve(coder: NetworkCoder, templates: Templates): Shelf {
  const { nBand } = sizesOf(templates);
  const { neighbourhood, count: all } = templates;
  const count = neighbourhood > 1 ? all : Math.min(MOST_GALAXIES, all);
  const places = Array.from({ length: count }, (_, k) => Math.floor((k * all) / count));
  const flux = new Float32Array(count * nBand);
  places.forEach((from, k) => flux.set(templates.flux.subarray(from * nBand, (from + 1) * nBand), k * nBand));
  const known = stretchesOf(coder, templates);
  const stretch = Float64Array.from(places, (from) => known[from]);
  return { count, nBand, neighbourhood, flux, middle: meansOf(flux, nBand, neighbourhood), stretch };
}

/** The same galaxies with their fluxes multiplied by exp(`lnFactor`) of a wavelength at rest [Angstrom]. */
export function reshaped(shelf: Shelf, pivots: readonly number[], lnFactor: (rest: number) => number): Shelf {
  const { nBand, stretch, neighbourhood } = shelf;
  const flux = shelf.flux.slice();
  for (let k = 0, at = 0; k < shelf.count; k++) {
    for (let j = 0; j < nBand; j++, at++) {
      if (!Number.isNaN(stretch[k])) flux[at] *= Math.exp(lnFactor(pivots[j] / stretch[k]));
    }
  }
  return { ...shelf, flux, middle: meansOf(flux, nBand, neighbourhood) };
}

/** How far a galaxy of fluxes `models` at `from` raises the ln likelihood above that of nothing, and its best amplitude. */
function gainOf(models: Float32Array, from: number, flux: Float64Array, weight: Float64Array) {
  let [overlap, square] = [0, 0];
  for (let j = 0, at = from; j < flux.length; j++, at++) {
    const weighted = weight[j] * models[at];
    overlap += weighted * flux[j];
    square += weighted * models[at];
  }
  const amplitude = overlap > 0 && square > 0 ? overlap / square : 0;
  return { amplitude, gain: 0.5 * amplitude * overlap };
}

/** Galaxies worth a look: those of the neighbourhoods whose means fit best. */
export function lookAround(shelf: Shelf, flux: Float64Array, weight: Float64Array): Int32Array {
  const { count, neighbourhood: n, nBand, middle } = shelf;
  if (n === 1) return Int32Array.from({ length: count }, (_, k) => k);
  const gain = Float64Array.from({ length: count / n }, (_, g) => gainOf(middle, g * nBand, flux, weight).gain);
  const limit = gain.toSorted()[Math.max(0, gain.length - NEAREST)];
  const places = Array.from(gain.keys()).filter((g) => gain[g] >= limit);
  return Int32Array.from(places.flatMap((g) => Array.from({ length: n }, (_, i) => g * n + i)));
}

/** The galaxies that a row may be, the likeliest first: which, with what probability, how bright. */
export interface Likely {
  readonly which: Int32Array;
  readonly share: Float64Array;
  readonly amplitude: Float64Array;
  /** Which are worth another look. */
  readonly near: Int32Array;
}

/** Fits fluxes with `weight` = 1 / variance (0 where there is none) with the galaxies `among`, all alike beforehand. */
export function likelyGalaxies(
  { nBand, flux: models }: Shelf,
  flux: Float64Array,
  weight: Float64Array,
  among: Int32Array,
): Likely {
  const fits = Array.from(among, (k) => ({ k, ...gainOf(models, k * nBand, flux, weight) }));
  const best = fits.reduce((most, { gain }) => Math.max(most, gain), -Infinity);
  const near = fits.filter(({ gain }) => gain > best - FORGOTTEN);
  const likely = near.filter(({ gain }) => gain > best - UNLIKELY).sort((a, b) => b.gain - a.gain);
  const total = likely.reduce((sum, { gain }) => sum + Math.exp(gain - best), 0);
  return {
    which: Int32Array.from(likely, ({ k }) => k),
    share: Float64Array.from(likely, ({ gain }) => Math.exp(gain - best) / total),
    amplitude: Float64Array.from(likely, ({ amplitude }) => amplitude),
    near: Int32Array.from(near, ({ k }) => k),
  };
}
