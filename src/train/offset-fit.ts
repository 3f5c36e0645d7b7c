/** Zero-points of a survey without labels: those under which the galaxies that a network carries expect its photometry. */
import { sizesOf, type Templates } from "../model/template-fit.ts";
import type { RowStore } from "../tokens/batch.ts";
import { cholesky, choleskySolve } from "./cholesky.ts";
import type { NetworkCoder } from "./config.ts";
import {
  likelyGalaxies,
  lookAround,
  type PhotometryRow,
  photometryRows,
  reshaped,
  type Shelf,
  shelve,
  stretchesOf,
} from "./likely-galaxies.ts";
import { addLost, addScore, expectedOf, robustWeight, type Slice, sliceOf } from "./offset-sums.ts";

/** A band's zero-point as fitted. */
export interface BandOffset {
  /** ln of what the band's fluxes are to be multiplied by. */
  readonly lnFlux: number;
  /** Its 1 sigma error. */
  readonly error: number;
  /** Rows that it rests on. */
  readonly count: number;
  /** Scatter of faint rows about what is expected, in errors as given; NaN where too few are faint. */
  readonly noise: number;
}

/** What a survey's photometry says. */
export interface Offsets {
  /** By band of the carried galaxies. */
  readonly bands: readonly BandOffset[];
  /** [knot] ln of what the models' spectra are to be multiplied by at rest; it belongs to the zero-points. */
  readonly correction: readonly number[];
}

/** What is assumed of a band, 1 sigma: relative errors of the carried galaxies' fluxes, and of the zero-point beforehand. */
interface Assumed {
  readonly model: number;
  readonly prior: number;
}
/** Optical and infrared bands, and ultraviolet ones: dust and young stars make those of any model poor. */
const [USUAL, ULTRAVIOLET]: readonly Assumed[] = [
  { model: 0.05, prior: 0.1 },
  { model: 0.25, prior: 0.2 },
];
const REDDEST_ULTRAVIOLET = 3000; // Angstrom

/** Knots of a correction of the models' spectra at rest, even in the logarithm [Angstrom], and its 1 sigma beforehand [ln]. */
const [BLUEST, REDDEST, N_KNOT] = [800, 24_000, 24];
const CORRECTION = 0.1;
/** Galaxies share what their models err by: however many there are, they move a prior as this many do. */
const INDEPENDENT = 20;
/** Rounds, and after how many all galaxies are looked at again, not only the likely ones of before. */
const [ROUNDS, REFRESH] = [9, 3];
/** Part of the lost information that steps allow for: all of it is more than there is where no galaxy fits. */
const ALLOWED = [0.5, 0];
/** ... and errors: as much of it as leaves some. */
const TOLD = [0.9, 0.5, 0];
/** Largest step [ln]. */
const LONGEST = 0.3;
/**
 * A catalogue that lists detections alone has no fluxes below some S/N, 1 % of its rows from `above` to `below`; such a band
 * counts where its galaxies are expected this much brighter.
 */
const DETECTED = { above: 1.5, below: 6, clear: 3 };
/** The noise is that of fluxes whose errors are this many times those of models, where there are so many. */
const [FAINT, FEWEST_FAINT] = [2, 50];

/** Everything that stays from round to round. */
interface Scene {
  readonly rows: readonly PhotometryRow[];
  readonly pivots: readonly number[];
  readonly assumed: readonly Assumed[];
  /** [nBand] S/N that a flux must be expected to have. */
  readonly least: Float64Array;
}

/** What a round leaves behind. */
interface Round {
  readonly slices: ReadonlyMap<number, Slice>;
  readonly counts: readonly number[];
  /** Residuals of faint fluxes by band, in errors. */
  readonly faint: readonly number[][];
}

/** Places among the parameters, zero-points first, then knots, and their parts. */
type Parts = readonly (readonly [place: number, part: number])[];

/** The knots on both sides of a wavelength at rest [Angstrom]. */
function knotsAt(rest: number): Parts {
  const place = ((N_KNOT - 1) * Math.log(rest / BLUEST)) / Math.log(REDDEST / BLUEST);
  const inside = Math.max(0, Math.min(N_KNOT - 1, place));
  const knot = Math.min(N_KNOT - 2, Math.floor(inside));
  return [
    [knot, 1 - (inside - knot)],
    [knot + 1, inside - knot],
  ];
}

/** ln of what spectra are to be multiplied by at a wavelength at rest [Angstrom]. */
const correctionAt = (correction: ArrayLike<number>, rest: number): number =>
  knotsAt(rest).reduce((sum, [knot, part]) => sum + part * correction[knot], 0);

/** Carried galaxies with their spectra corrected; those without a redshift stay. */
export function correctedGalaxies(coder: NetworkCoder, templates: Templates, { correction }: Offsets): Templates {
  const { nBand } = sizesOf(templates);
  const stretch = stretchesOf(coder, templates);
  const pivots = pivotsOf(coder, nBand);
  const flux = templates.flux.map((f, at) => {
    const own = stretch[Math.floor(at / nBand)];
    return Number.isNaN(own) ? f : f * Math.exp(correctionAt(correction, pivots[at % nBand] / own));
  });
  return { ...templates, flux };
}

/** Pivots of the first bands [Angstrom]. */
const pivotsOf = ({ fields, groups }: NetworkCoder, nBand: number): number[] =>
  Array.from(groups.band.subarray(0, nBand), (j) => fields[j].band?.pivot ?? 0);

/** S/N that fluxes of a band must be expected to have, so that being listed says nothing. */
function leastSignal(rows: readonly PhotometryRow[], j: number): number {
  const ratios = rows.flatMap(({ flux, error, isGiven }) => (isGiven[j] === 1 ? [flux[j] / error[j]] : []));
  const low = ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 100)] ?? 0;
  return low > DETECTED.above && low < DETECTED.below ? low + DETECTED.clear : 0;
}

/** Fits every row; `near` and `before` are what the last round left of each, and what this one leaves. */
function runRound(
  { rows, assumed, least }: Scene,
  shelf: Shelf,
  at: Float64Array,
  isWhole: boolean,
  near: Int32Array[],
  before: Float64Array[],
): Round {
  const { nBand } = shelf;
  const slices = new Map<number, Slice>();
  const counts = assumed.map(() => 0);
  const faint = assumed.map((): number[] => []);
  const factor = Float64Array.from(assumed, (_, j) => Math.exp(at[j]));
  for (const [i, row] of rows.entries()) {
    const flux = row.flux.map((f, j) => f * factor[j]);
    const sigma = row.error.map((e, j) => e * factor[j]);
    // models err by a part of what is expected: a part of what is measured would make upward noise count for less
    const seen = before[i] ?? flux;
    const weight = seen.map((m, j) => (row.isGiven[j] === 1 ? 1 / (sigma[j] ** 2 + (assumed[j].model * m) ** 2) : 0));
    if (isWhole) near[i] = lookAround(shelf, flux, weight);
    const likely = likelyGalaxies(shelf, flux, weight, near[i]);
    near[i] = likely.near;
    const expected = expectedOf(shelf, likely);
    before[i] = expected.mean;
    const counted = weight.map((w, j) => {
      const m = expected.mean[j];
      if (w === 0 || m <= least[j] * sigma[j]) return 0;
      counts[j]++;
      if (sigma[j] > FAINT * assumed[j].model * m) faint[j].push(Math.abs(flux[j] - m) * Math.sqrt(w));
      return robustWeight(w, flux[j] - m);
    });
    const slice = sliceOf(slices, i, expected.stretch, nBand);
    addScore(slice, expected, flux, counted);
    if (isWhole) addLost(slice, shelf, likely, expected, flux, counted);
  }
  return { slices, counts, faint };
}

/** [nBand] What a slice's ln fluxes are made of. */
const partsOf = ({ stretch }: Slice, pivots: readonly number[]): readonly Parts[] =>
  pivots.map((pivot, j) => [
    [j, 1],
    ...(Number.isNaN(stretch)
      ? []
      : knotsAt(pivot / stretch).map(([knot, part]) => [pivots.length + knot, -part] as const)),
  ]);

/** [size] A slice's score by parameter. */
function scoreOf(slice: Slice, pivots: readonly number[], size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const [j, parts] of partsOf(slice, pivots).entries()) {
    for (const [p, part] of parts) sum[p] += part * slice.score[j];
  }
  return sum;
}

/** [size, size] Information if galaxies were known, and what is lost of it, by parameter. */
function informationOf(slices: Iterable<Slice>, pivots: readonly number[], size: number) {
  const n = pivots.length;
  const [complete, lost] = [new Float64Array(size * size), new Float64Array(size * size)];
  for (const slice of slices) {
    const parts = partsOf(slice, pivots);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const x = slice.lost[Math.max(i, j) * n + Math.min(i, j)];
        for (const [p, a] of parts[i]) {
          for (const [q, b] of parts[j]) {
            lost[p * size + q] += a * b * x;
            if (i === j) complete[p * size + q] += a * b * slice.complete[i];
          }
        }
      }
    }
  }
  return { complete, lost };
}
type Information = ReturnType<typeof informationOf>;

/** Cholesky factor of what is told and what was known beforehand, with the first of `parts` of the lost that leaves some. */
function factorOf({ complete, lost }: Information, temper: number, precision: Float64Array, parts: readonly number[]) {
  const size = precision.length;
  const withPart = (part: number): Float64Array =>
    complete.map((x, k) => {
      const own = k % (size + 1) === 0 ? precision[k / (size + 1)] : 0;
      return temper * (x - part * lost[k]) + own;
    });
  for (const part of parts.slice(0, -1)) {
    try {
      return cholesky(withPart(part), size);
    } catch {
      continue; // not positive definite
    }
  }
  return cholesky(withPart(parts.at(-1)!), size);
}

/**
 * 1 sigma errors: what was known beforehand, and the scatter of what slices of redshift say, which models err in together
 * (cluster-robust: Liang & Zeger 1986, Biometrika 73, 13).
 */
function errorsOf(
  factor: Float64Array,
  scores: readonly Float64Array[],
  temper: number,
  precision: Float64Array,
): number[] {
  const size = precision.length;
  return Array.from(precision, (_, p) => {
    const unit = new Float64Array(size);
    unit[p] = 1;
    const row = choleskySolve(factor, unit, size);
    const told = scores.reduce((sum, score) => sum + row.reduce((dot, x, q) => dot + x * score[q], 0) ** 2, 0);
    const known = row.reduce((sum, x, q) => sum + x * x * precision[q], 0);
    return Math.sqrt(temper ** 2 * told + known);
  });
}

/** The median of absolute values of a Gaussian of this deviation. */
function deviationOf(values: readonly number[]): number {
  if (values.length < FEWEST_FAINT) return Number.NaN;
  return 1.4826 * values.toSorted((a, b) => a - b)[values.length >> 1];
}

/**
 * Zero-points of `rows` from their photometry alone, by band of the carried galaxies: the most probable ones, whatever galaxy of
 * those carried each row is, however bright, under Gaussian priors, and under a smooth correction of the models' spectra at
 * rest that is fitted with them (Ilbert et al. 2006, A&A 457, 841, find zero-points at best fits of known redshift). Grey offsets are
 * amplitudes: none is learned, the mean of the usual bands stays 0, and what `error` says is without it. A function of its
 * arguments alone.
 */
export function fitOffsets(
  coder: NetworkCoder,
  templates: Templates,
  store: RowStore,
  rows: ArrayLike<number>,
): Offsets {
  const shelf = shelve(coder, templates);
  const { nBand } = shelf;
  const pivots = pivotsOf(coder, nBand);
  const assumed = pivots.map((pivot) => (pivot < REDDEST_ULTRAVIOLET ? ULTRAVIOLET : USUAL));
  const usual = assumed.flatMap((one, j) => (one === USUAL ? [j] : []));
  const seen = photometryRows(coder, templates, store, rows);
  const least = Float64Array.from(assumed, (_, j) => leastSignal(seen, j));
  const scene: Scene = { rows: seen, pivots, assumed, least };
  const size = nBand + N_KNOT;
  const precision = Float64Array.from({ length: size }, (_, p) => 1 / (assumed[p]?.prior ?? CORRECTION) ** 2);
  const temper = Math.min(1, INDEPENDENT / Math.max(1, seen.length));
  const [near, before]: [Int32Array[], Float64Array[]] = [[], []];
  const at = new Float64Array(size);
  let information: Information | undefined;
  let last: Round | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const correction = at.slice(nBand);
    const isWhole = round % REFRESH === 0;
    last = runRound(
      scene,
      reshaped(shelf, pivots, (rest) => correctionAt(correction, rest)),
      at,
      isWhole,
      near,
      before,
    );
    if (isWhole) information = informationOf(last.slices.values(), pivots, size);
    const factor = factorOf(information!, temper, precision, ALLOWED);
    const gradient = at.map((x, p) => -precision[p] * x);
    for (const slice of last.slices.values())
      scoreOf(slice, pivots, size).forEach((x, p) => (gradient[p] += temper * x));
    const step = choleskySolve(factor, gradient, size);
    const shorter = Math.min(1, LONGEST / step.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-12));
    step.forEach((x, p) => (at[p] += shorter * x));
    const grey = usual.reduce((sum, j) => sum + at[j], 0) / Math.max(1, usual.length);
    for (let j = 0; j < nBand; j++) at[j] = last.counts[j] === 0 ? 0 : at[j] - grey;
  }
  const scores = Array.from(last!.slices.values(), (slice) => scoreOf(slice, pivots, size));
  const errors = errorsOf(factorOf(information!, temper, precision, TOLD), scores, temper, precision);
  const bands = assumed.map((_, j) => ({
    lnFlux: at[j],
    error: errors[j],
    count: last!.counts[j],
    noise: deviationOf(last!.faint[j]),
  }));
  return { bands, correction: Array.from(at.subarray(nBand)) };
}
