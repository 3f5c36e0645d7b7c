/** Rows of a catalogue fitted with the galaxies that a network carries: which of them are likely, and how bright. */
import { sizesOf, type Templates } from "../model/template-fit.ts";
import { createRng } from "../random.ts";
import { type Band, State } from "../survey/field.ts";
import type { RowStore } from "../tokens/batch.ts";
import type { NetworkCoder } from "./config.ts";
import { slopeOf, stencilsOf } from "./passband-shift.ts";
import { kindColumnsOf, kindsOf, lnOf, SHARES, sharesAt } from "./spectral-correction.ts";

/** Most rows and carried galaxies that are looked at: more tell no more. */
const [MOST_ROWS, MOST_TEMPLATES] = [700, 16_384];
/** Rows with fewer bands say nothing. */
const FEWEST_BANDS = 5;
/** A redshift that is given holds for galaxies within this, over 1 + z; further than so many times that there are none. */
const [SAME_REDSHIFT, FURTHEST] = [0.012, 3.5];
/** Galaxies less likely than the best one by this much in ln are passed over. */
const UNLIKELY = 10;

/** Carried galaxies side by side. */
export interface Shelf {
  readonly count: number;
  readonly nBand: number;
  /** [count, nBand] */
  readonly flux: Float32Array;
  /** [count] 1 + z; NaN where it isn't known. */
  readonly stretch: Float64Array;
  /** [count, nBand, SHARES] Places of the spectral correction that each flux lies between, and their shares. */
  readonly places: Int16Array;
  readonly shares: Float32Array;
  /** [count, nBand] d ln flux by the passband's wavelength, in 1 sigma of it before anything is learned. */
  readonly tilts: Float32Array;
}

/** Carried galaxies, evenly picked; `shiftErrors`: 1 sigma of their passbands' wavelengths [Angstrom]. */
export function shelve(
  coder: NetworkCoder,
  templates: Templates,
  bands: readonly Band[],
  shiftErrors: readonly number[],
): Shelf {
  const { nBand } = sizesOf(templates);
  const count = Math.min(MOST_TEMPLATES, templates.count);
  const known = kindsOf(coder, templates);
  const flux = new Float32Array(count * nBand);
  const stretch = new Float64Array(count);
  const places = new Int16Array(count * nBand * SHARES);
  const shares = new Float32Array(places.length);
  const [tilts, ln] = [new Float32Array(flux.length), new Float64Array(nBand)];
  const stencils = stencilsOf(bands);
  for (let k = 0; k < count; k++) {
    const from = Math.floor((k * templates.count) / count);
    flux.set(templates.flux.subarray(from * nBand, (from + 1) * nBand), k * nBand);
    stretch[k] = known.stretch[from];
    if (Number.isNaN(stretch[k])) continue;
    for (let j = 0; j < nBand; j++) ln[j] = lnOf(flux[k * nBand + j], 0);
    for (const [j, { pivot }] of bands.entries()) {
      tilts[k * nBand + j] = shiftErrors[j] === 0 ? 0 : shiftErrors[j] * slopeOf(stencils[j], ln);
      for (const [s, { at, share }] of sharesAt(pivot / stretch[k], known.rate[from]).entries()) {
        places[(k * nBand + j) * SHARES + s] = at;
        shares[(k * nBand + j) * SHARES + s] = share;
      }
    }
  }
  return { count, nBand, flux, stretch, places, shares, tilts };
}

/** A row's fluxes by band of the carried galaxies. */
export interface Row {
  /** [nBand] 0 where there is none. */
  readonly flux: Float64Array;
  /** [nBand] 1 sigma, as given. */
  readonly error: Float64Array;
  /** [nBand] 1 / variance, errors of models included; 0 where there is no flux. */
  readonly weight: Float64Array;
  /** Bands with a flux. */
  readonly count: number;
  /** chi2 of no galaxy at all. */
  readonly square: number;
  /** 1 + z, where it is measured. */
  readonly stretch: number | undefined;
}

/** Weights of bands whose errors are `noise` times those given, and whose models err by a part of the flux, `modelErrors`. */
export function weighed(row: Row, noise: readonly number[], modelErrors: readonly number[]): Row {
  const { flux, error } = row;
  const weight = flux.map((f, b) => (error[b] > 0 ? 1 / ((noise[b] * error[b]) ** 2 + (modelErrors[b] * f) ** 2) : 0));
  return { ...row, weight, square: flux.reduce((sum, f, b) => sum + weight[b] * f * f, 0) };
}

/** Rows to look at, drawn evenly: those with enough bands. `modelErrors`: relative, of the carried galaxies' fluxes by band. */
export function gatherRows(
  coder: NetworkCoder,
  { nBand }: Shelf,
  store: RowStore,
  rows: ArrayLike<number>,
  modelErrors: readonly number[],
): Row[] {
  const bands = Array.from(coder.groups.band).slice(0, nBand);
  const { redshift } = kindColumnsOf(coder);
  const rng = createRng("carried fit");
  const asGiven = modelErrors.map(() => 1);
  const gathered: Row[] = [];
  for (let i = 0, left = MOST_ROWS; i < rows.length && left > 0; i++) {
    // as likely as it takes to fill what is left (Knuth 1997, volume 2, 3.4.2, algorithm S)
    if (rng.uniform() * (rows.length - i) > left) continue;
    const { catalog, row } = store.at(rows[i], rng);
    const from = row * coder.nField;
    const isGiven = bands.map((j) => catalog.state[from + j] === State.measured && catalog.error[from + j] > 0);
    const count = isGiven.filter(Boolean).length;
    if (count < FEWEST_BANDS) continue;
    left--;
    const flux = Float64Array.from(bands, (j, b) => (isGiven[b] ? catalog.value[from + j] : 0));
    const error = Float64Array.from(bands, (j, b) => (isGiven[b] ? catalog.error[from + j] : 0));
    const isKnown = redshift !== undefined && catalog.state[from + redshift] === State.measured;
    const stretch = isKnown ? 1 + catalog.value[from + redshift] : undefined;
    gathered.push(weighed({ flux, error, weight: flux, count, square: 0, stretch }, asGiven, modelErrors));
  }
  return gathered;
}

/** The carried galaxies that a row may be. */
export interface Fit {
  readonly which: Int32Array;
  /** Probability of each, all alike beforehand. */
  readonly share: Float64Array;
  /** What each one's fluxes are to be multiplied by. */
  readonly amplitude: Float64Array;
  /** ln of the likelihood, mean over all carried galaxies, at the best amplitude of each; a constant of the row is left out. */
  readonly lnLikelihood: number;
}

/** Fits a row with carried galaxies of fluxes `models` [count, nBand]: those of `among`, or all. */
export function fitRow(shelf: Shelf, models: Float32Array, row: Row, among?: Int32Array): Fit {
  const { nBand, count, stretch } = shelf;
  const { flux, weight } = row;
  const n = among?.length ?? count;
  const [gain, amplitude] = [new Float64Array(n), new Float64Array(n)];
  let best = -Infinity;
  for (let q = 0; q < n; q++) {
    const k = among?.[q] ?? q;
    const away = row.stretch === undefined ? 0 : (stretch[k] - row.stretch) / (SAME_REDSHIFT * row.stretch);
    gain[q] = -Infinity;
    if (!(Math.abs(away) < FURTHEST)) continue;
    let [overlap, square] = [0, 0];
    for (let j = 0, i = k * nBand; j < nBand; j++, i++) {
      const weighted = weight[j] * models[i];
      overlap += weighted * flux[j];
      square += weighted * models[i];
    }
    amplitude[q] = overlap > 0 ? overlap / square : 0;
    gain[q] = 0.5 * (amplitude[q] * overlap - away * away);
    if (gain[q] > best) best = gain[q];
  }
  let kept = 0;
  for (let q = 0; q < n; q++) if (gain[q] > best - UNLIKELY) kept++;
  const which = new Int32Array(kept);
  const [share, own] = [new Float64Array(kept), new Float64Array(kept)];
  let [place, total] = [0, 0];
  for (let q = 0; q < n; q++) {
    if (!(gain[q] > best - UNLIKELY)) continue;
    which[place] = among?.[q] ?? q;
    own[place] = amplitude[q];
    share[place] = Math.exp(gain[q] - best);
    total += share[place++];
  }
  const lnLikelihood = kept === 0 ? 0 : best + Math.log(total / count) - 0.5 * row.square;
  return { which, share: share.map((s) => s / total), amplitude: own, lnLikelihood };
}
