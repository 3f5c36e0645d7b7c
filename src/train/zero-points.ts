/**
 * What a survey's photometry says of its zero-points, and of the models' spectra: the galaxies that a network carries are
 * fitted to it, again and again.
 */
import { type Templates, sizesOf } from "../model/template-fit.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import type { NetworkCoder } from "./config.ts";
import { minimise } from "./minimise.ts";
import { type Correction, correctionAt, hatsAt, KNOTS } from "./spectral-correction.ts";

/** A zero-point that was learned, and how well. */
export interface ZeroPoint {
  /** ln of what the band's fluxes are to be multiplied by. */
  readonly lnFlux: number;
  /** Its 1 sigma error. */
  readonly error: number;
  /** Rows that it rests on. */
  readonly count: number;
}

/** What a survey's photometry teaches before any network is trained. */
export interface Instrument {
  /** [band of the templates] */
  readonly zeroPoints: readonly ZeroPoint[];
  /** What the models' spectra are to be multiplied by. */
  readonly correction: Correction;
}

/** What is assumed of a band: relative errors, 1 sigma. */
interface Assumed {
  /** Of the carried galaxies' fluxes. */
  readonly model: number;
  /** Of the zero-point, before anything is learned. */
  readonly prior: number;
}

/** Optical and infrared bands, and ultraviolet ones: dust and young stars make those of any model poor. */
const [USUAL, ULTRAVIOLET]: readonly Assumed[] = [
  { model: 0.05, prior: 0.1 },
  { model: 0.25, prior: 0.2 },
];
const REDDEST_ULTRAVIOLET = 3000; // Angstrom
/** 1 sigma of the models' spectra at a knot, before anything is learned [ln]. */
const CORRECTION_PRIOR = 0.1;

/** Galaxies of a kind share what their models err by: however many there are, they say as much as this many do. */
const INDEPENDENT = 20;
/** Most rows and templates that are looked at: more tell no more. */
const [MOST_ROWS, MOST_TEMPLATES] = [800, 16_384];
/** Rounds, and after how many all templates are looked at again, not only the likely ones of before. */
const [ROUNDS, REFRESH] = [15, 5];
/** Templates less likely than the best one by this much in ln are passed over in a round, and until the next refresh. */
const [UNLIKELY, FORGOTTEN] = [14, 20];
/** Rows with fewer bands say nothing; fluxes below so many errors are none to form a ratio with. */
const [FEWEST_BANDS, FAINTEST] = [5, 3];
/** A step goes this much further than the residuals say: the fit takes over a part of every offset. */
const REACH = 1.4;
/** A redshift that is given holds for templates within this, over 1 + z. */
const SAME_REDSHIFT = 0.015;

/** A row's fluxes and errors by band of the templates, and what is known of its redshift in the encoded space. */
interface Row {
  readonly flux: Float64Array;
  readonly error: Float64Array;
  readonly isGiven: Uint8Array;
  readonly redshift?: { readonly at: number; readonly width: number };
}

/** Rows to look at, evenly spaced: those with enough bands. */
function gather(coder: NetworkCoder, templates: Templates, catalog: Catalog, rows: ArrayLike<number>): Row[] {
  const { nBand } = sizesOf(templates);
  const bands = Array.from(coder.groups.band).slice(0, nBand);
  const redshift = Array.from(coder.groups.property).find((j) => coder.fields[j].kind === "redshift");
  const isMeasured = (at: number): boolean => catalog.state[at] === State.measured;
  const useful = Array.from(rows).filter(
    (row) => bands.filter((j) => isMeasured(row * coder.nField + j)).length >= FEWEST_BANDS,
  );
  const count = Math.min(MOST_ROWS, useful.length);
  return Array.from({ length: count }, (_, i): Row => {
    const from = useful[Math.floor((i * useful.length) / count)] * coder.nField;
    const of = (values: ArrayLike<number>): Float64Array => Float64Array.from(bands, (j) => values[from + j]);
    const own = {
      flux: of(catalog.value),
      error: of(catalog.error),
      isGiven: Uint8Array.from(bands, (j) => Number(isMeasured(from + j) && catalog.error[from + j] > 0)),
    };
    if (redshift === undefined || !isMeasured(from + redshift)) return own;
    const z = catalog.value[from + redshift];
    const width = coder.encodeError(redshift, z, SAME_REDSHIFT * (1 + z), 0);
    return { ...own, redshift: { at: coder.encode(redshift, z, 0), width } };
  });
}

/** The templates side by side: fluxes [count, nBand], redshifts [count] as encoded, NaN where there is none. */
interface Shelf {
  readonly count: number;
  readonly nBand: number;
  readonly flux: Float32Array;
  readonly redshift: Float32Array;
  /** [count] 1 + z; NaN where there is none. */
  readonly stretch: Float64Array;
}

function shelve(coder: NetworkCoder, templates: Templates): Shelf {
  const { nBand, nProperty } = sizesOf(templates);
  const count = Math.min(MOST_TEMPLATES, templates.count);
  const place = (k: number): number => Math.floor((k * templates.count) / count);
  const p = Array.from(coder.groups.property.subarray(0, nProperty)).findIndex(
    (j) => coder.fields[j].kind === "redshift",
  );
  const flux = new Float32Array(count * nBand);
  for (let k = 0; k < count; k++) {
    flux.set(templates.flux.subarray(place(k) * nBand, (place(k) + 1) * nBand), k * nBand);
  }
  const redshift = Float32Array.from({ length: count }, (_, k) =>
    p < 0 ? Number.NaN : templates.property[place(k) * nProperty + p],
  );
  const j = coder.groups.property[p];
  const stretch = Float64Array.from(redshift, (v) => (Number.isNaN(v) ? v : 1 + coder.decode(j, v, 0)));
  return { count, nBand, flux, redshift, stretch };
}

/** The templates with their spectra corrected. */
function correctShelf(shelf: Shelf, pivots: readonly number[], correction: Correction): Shelf {
  const { nBand, stretch } = shelf;
  const flux = shelf.flux.map((f, at) => {
    const own = stretch[Math.floor(at / nBand)];
    return Number.isNaN(own) ? f : f * Math.exp(correctionAt(correction, pivots[at % nBand] / own));
  });
  return { ...shelf, flux };
}

/** A fit of one row: the fluxes that the likely templates expect, and which templates are worth another look. */
interface Fit {
  readonly expected: Float64Array;
  /** 1 + z of the likely templates; NaN where they have none. */
  readonly stretch: number;
  readonly near: Int32Array;
}

/** Fluxes `flux` with `weight` = 1 / variance (0 where there is none), against the templates `among`: all without. */
function fitRow(
  { count, nBand, flux: models, redshift, stretch }: Shelf,
  flux: Float64Array,
  weight: Float64Array,
  known: Row["redshift"],
  among?: Int32Array,
): Fit {
  const n = among?.length ?? count;
  const gain = new Float64Array(n);
  const amplitude = new Float64Array(n);
  let best = -Infinity;
  for (let i = 0; i < n; i++) {
    const k = among?.[i] ?? i;
    let [overlap, square] = [0, 0];
    for (let j = 0, at = k * nBand; j < nBand; j++, at++) {
      const weighted = weight[j] * models[at];
      overlap += weighted * flux[j];
      square += weighted * models[at];
    }
    amplitude[i] = overlap > 0 && square > 0 ? overlap / square : 0;
    const away = known === undefined ? 0 : (redshift[k] - known.at) / known.width;
    gain[i] = Number.isNaN(away) ? -Infinity : 0.5 * (amplitude[i] * overlap - away * away);
    if (gain[i] > best) best = gain[i];
  }
  const expected = new Float64Array(nBand);
  const near: number[] = [];
  let [total, middle] = [0, 0];
  for (let i = 0; i < n; i++) {
    const k = among?.[i] ?? i;
    if (gain[i] > best - FORGOTTEN) near.push(k);
    if (!(gain[i] > best - UNLIKELY)) continue;
    const share = Math.exp(gain[i] - best);
    total += share;
    middle += share * stretch[k];
    for (let j = 0; j < nBand; j++) expected[j] += share * amplitude[i] * models[k * nBand + j];
  }
  return { expected: expected.map((sum) => sum / total), stretch: middle / total, near: Int32Array.from(near) };
}

/** ln(expected / observed) of a row's band, where it lies in the row's rest frame [Angstrom; NaN where that is not known]. */
interface Residual {
  readonly band: number;
  readonly wavelength: number;
  readonly value: number;
}

/** Residuals beyond this many errors pull no harder (Huber 1964). */
const HUBER = 1.5;

/**
 * The zero-points and the correction at its knots, after residuals that are left under the ones of before: a ridge regression
 * with robust errors, in which each band's rows count as much as INDEPENDENT of them.
 */
function moved(
  before: Float64Array,
  residuals: readonly Residual[],
  counts: readonly number[],
  assumed: readonly Assumed[],
): Float64Array {
  const nBand = assumed.length;
  const priors = Float64Array.from(before, (_, p) => (p < nBand ? assumed[p].prior : CORRECTION_PRIOR));
  const hats = residuals.map(({ wavelength }) => (Number.isNaN(wavelength) ? [] : hatsAt(wavelength)));
  const step = new Float64Array(before.length);
  const objective = (at: Float64Array, gradient: Float64Array): number => {
    let loss = 0;
    for (let p = 0; p < at.length; p++) {
      const whole = before[p] + at[p];
      loss += 0.5 * (whole / priors[p]) ** 2;
      gradient[p] = whole / priors[p] ** 2;
    }
    for (const [i, { band, value }] of residuals.entries()) {
      const { model } = assumed[band];
      const weight = Math.min(1, INDEPENDENT / counts[band]);
      const corrected = hats[i].reduce((sum, { knot, share }) => sum + share * at[nBand + knot], 0);
      const left = (value - at[band] + corrected) / model;
      const pull = Math.max(-HUBER, Math.min(HUBER, left));
      loss += weight * (pull * left - 0.5 * pull * pull);
      gradient[band] -= (weight * pull) / model;
      for (const { knot, share } of hats[i]) gradient[nBand + knot] += (weight * pull * share) / model;
    }
    return loss;
  };
  minimise(objective, step, 1e-4);
  return before.map((x, p) => x + REACH * step[p]);
}

/**
 * Zero-points of `rows` of a catalogue, and a correction of the models' spectra in their rest frame, most probable under
 * Gaussian priors: each row is fitted with the carried galaxies, with a free amplitude, and what is left in each band, ln(expected
 * / observed), moves both (Ilbert et al. 2006, A&A 457, 841, for zero-points; Crenshaw & Connolly 2020, AJ 160, 191, for spectra).
 * Redshifts that are measured in the catalogue are held to; without any the fits' own are. Grey offsets are amplitudes:
 * none is learned, the mean of the usual bands stays 0. A function of its arguments alone.
 */
export function fitInstrument(
  coder: NetworkCoder,
  templates: Templates,
  catalog: Catalog,
  rows: ArrayLike<number>,
): Instrument {
  const shelf = shelve(coder, templates);
  const { nBand } = shelf;
  const seen = gather(coder, templates, catalog, rows);
  const pivots = Array.from(coder.groups.band.subarray(0, nBand), (j) => coder.fields[j].band?.pivot ?? 0);
  const assumed = pivots.map((pivot) => (pivot < REDDEST_ULTRAVIOLET ? ULTRAVIOLET : USUAL));
  const usual = assumed.flatMap((one, j) => (one === USUAL ? [j] : []));
  const near: (Int32Array | undefined)[] = seen.map(() => undefined);
  let at: Float64Array = new Float64Array(nBand + KNOTS.length);
  let counts = assumed.map(() => 0);
  for (let round = 0; round < ROUNDS; round++) {
    const corrected = correctShelf(shelf, pivots, at.subarray(nBand));
    const residuals: Residual[] = [];
    counts = assumed.map(() => 0);
    for (const [i, row] of seen.entries()) {
      const fit = fitScaled(corrected, row, at, assumed, round % REFRESH === 0 ? undefined : near[i]);
      near[i] = fit.near;
      for (let j = 0; j < nBand; j++) {
        const isBright = row.isGiven[j] === 1 && row.flux[j] > FAINTEST * row.error[j];
        if (!isBright || !(fit.expected[j] > 0)) continue;
        const value = Math.log(fit.expected[j] / row.flux[j]) - at[j];
        residuals.push({ band: j, wavelength: pivots[j] / fit.stretch, value });
        counts[j]++;
      }
    }
    at = moved(at, residuals, counts, assumed);
    const grey = usual.reduce((sum, j) => sum + at[j], 0) / Math.max(1, usual.length);
    for (let j = 0; j < nBand; j++) at[j] = counts[j] === 0 ? 0 : at[j] - grey;
  }
  const zeroPoints = assumed.map(({ model, prior }, j): ZeroPoint => {
    const information = Math.min(INDEPENDENT, counts[j]) / model ** 2;
    return { lnFlux: at[j], error: 1 / Math.sqrt(information + 1 / prior ** 2), count: counts[j] };
  });
  return { zeroPoints, correction: Array.from(at.subarray(nBand)) };
}

/** The fit of a row whose fluxes are multiplied by exp(lnFlux). */
function fitScaled(
  shelf: Shelf,
  { flux, error, isGiven, redshift }: Row,
  lnFlux: Float64Array,
  assumed: readonly Assumed[],
  among: Int32Array | undefined,
): Fit {
  const scaled = flux.map((f, j) => f * Math.exp(lnFlux[j]));
  const weight = scaled.map((f, j) => {
    const variance = (error[j] * Math.exp(lnFlux[j])) ** 2 + (assumed[j].model * f) ** 2;
    return isGiven[j] === 1 ? 1 / variance : 0;
  });
  return fitRow(shelf, scaled, weight, redshift, among);
}
