/**
 * What a survey's photometry says of its zero-points, and of the models' spectra: those under which the galaxies that a
 * network carries make the photometry most likely.
 */
import { sizesOf, type Templates } from "../model/template-fit.ts";
import { cholesky, choleskySolve } from "./cholesky.ts";
import type { RowStore } from "../tokens/batch.ts";
import type { NetworkCoder } from "./config.ts";
import { minimise } from "./minimise.ts";
import { type Fit, fitRow, gatherRows, type Row, type Shelf, shelve } from "./carried-fit.ts";
import { type Correction, CORRECTION_SIZE, KINDS, KNOTS, pivotsOf, SHARES } from "./spectral-correction.ts";

/** A zero-point that was learned, and how well. */
export interface ZeroPoint {
  /** ln of what the band's fluxes are to be multiplied by. */
  readonly lnFlux: number;
  /** Its 1 sigma error. */
  readonly error: number;
  /** Rows that it rests on. */
  readonly count: number;
  /** Scatter of its faint fluxes about what is expected of them, in errors as given; NaN where few are faint. */
  readonly noise: number;
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

/** 1 sigma of the correction [ln]: of a knot, of a bend (second difference), and of how much kinds side by side differ. */
const [CORRECTION, BEND, DIFFERENCE] = [0.1, 0.05, 0.06];
/** Galaxies share what their models err by: however many there are, they say as much as this many do, with redshifts and without. */
const INDEPENDENT = { known: 300, unknown: 100 };
/** Degrees of freedom of a row's likelihood: galaxies that nothing fits count for less (Student's t, Lange et al. 1989). */
const STUDENT = 12;
/** Times that all carried galaxies are looked at, not only the likely ones of before. */
const ROUNDS = 4;
/** A round ends where a step gains less than this in ln. */
const GAIN = 1e-2;

/** Places of parameters with their parts in a sum. */
type Part = readonly (readonly [number, number])[];

/** Sums of parameters that are small beforehand, each with its 1 sigma: zero-points first, then the correction. */
function priorsOf(assumed: readonly Assumed[]): readonly { readonly of: Part; readonly sigma: number }[] {
  const n = assumed.length;
  const knots = KINDS.flatMap((_, kind) =>
    KNOTS.map((_wavelength, knot) => ({ kind, knot, at: n + kind * KNOTS.length + knot })),
  );
  return [
    ...assumed.map(({ prior }, j) => ({ of: [[j, 1]] as Part, sigma: prior })),
    ...knots.map(({ at }) => ({ of: [[at, 1]] as Part, sigma: CORRECTION })),
    ...knots.flatMap(({ knot, at }) =>
      knot === 0 || knot === KNOTS.length - 1
        ? []
        : [
            {
              of: [
                [at - 1, 1],
                [at, -2],
                [at + 1, 1],
              ] as Part,
              sigma: BEND,
            },
          ],
    ),
    ...knots.flatMap(({ kind, at }) =>
      kind === 0
        ? []
        : [
            {
              of: [
                [at, 1],
                [at - KNOTS.length, -1],
              ] as Part,
              sigma: DIFFERENCE,
            },
          ],
    ),
  ];
}

/** Everything that a round looks at. */
interface Scene {
  readonly shelf: Shelf;
  readonly rows: readonly Row[];
  readonly near: readonly Int32Array[];
  readonly priors: ReturnType<typeof priorsOf>;
  /** What the ln likelihood of a row counts, by whether its redshift is known. */
  readonly tempers: Readonly<Record<keyof typeof INDEPENDENT, number>>;
}

const temperOf = ({ tempers }: Scene, { stretch }: Row): number => tempers[stretch === undefined ? "unknown" : "known"];

/** [count, nBand] Fluxes of the carried galaxies as the survey would measure them. */
function measuredFluxes({ flux, nBand, places, shares }: Shelf, at: Float64Array): Float32Array {
  const models = new Float32Array(flux.length);
  for (let i = 0; i < flux.length; i++) {
    let ln = -at[i % nBand];
    for (let s = i * SHARES; s < (i + 1) * SHARES; s++) ln += shares[s] * at[nBand + places[s]];
    models[i] = flux[i] * Math.exp(ln);
  }
  return models;
}

/** A row's robust ln likelihood, and its derivative by the plain one. */
function robust({ count }: Row, lnLikelihood: number): readonly [value: number, slope: number] {
  const misfit = Math.max(0, -2 * lnLikelihood);
  const slope = (STUDENT + count) / (STUDENT + misfit);
  return [-0.5 * (STUDENT + count) * Math.log1p(misfit / STUDENT), slope];
}

/** Adds d ln likelihood / d ln flux of each carried galaxy [count, nBand] that a row's fit says. */
function addSlopes(slopes: Float64Array, models: Float32Array, { flux, weight }: Row, fit: Fit, factor: number): void {
  const nBand = flux.length;
  for (let q = 0; q < fit.which.length; q++) {
    const part = factor * fit.share[q];
    for (let j = 0, i = fit.which[q] * nBand; j < nBand; j++, i++) {
      const expected = fit.amplitude[q] * models[i];
      slopes[i] += part * weight[j] * (flux[j] - expected) * expected;
    }
  }
}

/** -ln posterior of zero-points and correction, with its gradient. */
const lossOf =
  (scene: Scene) =>
  (at: Float64Array, gradient: Float64Array): number => {
    const { shelf, rows, near, priors } = scene;
    const { nBand, places, shares } = shelf;
    const models = measuredFluxes(shelf, at);
    const slopes = new Float64Array(models.length);
    let loss = 0;
    for (const [i, row] of rows.entries()) {
      const fit = fitRow(shelf, models, row, near[i]);
      const [value, slope] = robust(row, fit.lnLikelihood);
      const temper = temperOf(scene, row);
      loss -= temper * value;
      addSlopes(slopes, models, row, fit, temper * slope);
    }
    gradient.fill(0);
    for (let i = 0; i < slopes.length; i++) {
      if (slopes[i] === 0) continue;
      gradient[i % nBand] += slopes[i];
      for (let s = i * SHARES; s < (i + 1) * SHARES; s++) gradient[nBand + places[s]] -= shares[s] * slopes[i];
    }
    for (const { of, sigma } of priors) {
      const sum = of.reduce((total, [p, part]) => total + part * at[p], 0);
      loss += 0.5 * (sum / sigma) ** 2;
      for (const [p, part] of of) gradient[p] += (part * sum) / sigma ** 2;
    }
    return loss;
  };

/**
 * Adds what a row tells of its bands' ln fluxes, [nBand, nBand]: that of its likely galaxies, their amplitudes fitted, less what
 * is lost by not knowing which of them it is (Louis 1982, J. R. Stat. Soc. B 44, 226).
 */
function informationOf(models: Float32Array, { flux, weight }: Row, { which, share, amplitude }: Fit): Float64Array {
  const n = flux.length;
  const information = new Float64Array(n * n);
  const mean = new Float64Array(n);
  const [square, score] = [new Float64Array(n), new Float64Array(n)];
  for (let q = 0; q < which.length; q++) {
    let whole = 0;
    for (let j = 0; j < n; j++) {
      const expected = amplitude[q] * models[which[q] * n + j];
      square[j] = weight[j] * expected * expected;
      score[j] = weight[j] * (flux[j] - expected) * expected;
      mean[j] += share[q] * score[j];
      whole += square[j];
    }
    for (let i = 0; i < n; i++) {
      information[i * n + i] += share[q] * square[i];
      for (let j = 0; j < n; j++) {
        information[i * n + j] -= share[q] * (score[i] * score[j] + (square[i] * square[j]) / (whole || 1));
      }
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) information[i * n + j] += mean[i] * mean[j];
  return information;
}

/** Fluxes whose errors are so many times those of models are faint; fewer tell no scatter. */
const [FAINT, FEWEST_FAINT] = [2, 50];

/** Scatter of each band's faint fluxes, 1.4826 times the median distance from what is expected, in errors as given. */
function noiseAt({ shelf, rows, near }: Scene, at: Float64Array, modelErrors: readonly number[]): number[] {
  const { nBand } = shelf;
  const models = measuredFluxes(shelf, at);
  const away = modelErrors.map((): number[] => []);
  for (const [i, row] of rows.entries()) {
    const { which, share, amplitude } = fitRow(shelf, models, row, near[i]);
    for (let j = 0; j < nBand; j++) {
      const expected = which.reduce((sum, k, q) => sum + share[q] * amplitude[q] * models[k * nBand + j], 0);
      const isFaint = row.weight[j] > 0 && row.error[j] > FAINT * modelErrors[j] * Math.abs(expected);
      if (isFaint) away[j].push(Math.abs(row.flux[j] - expected) / row.error[j]);
    }
  }
  return away.map((all) => {
    const sorted = Float64Array.from(all).sort();
    return sorted.length < FEWEST_FAINT ? Number.NaN : 1.4826 * sorted[sorted.length >> 1];
  });
}

/** Cholesky factor of both together; of less of what rows tell where it isn't positive definite, far from a maximum. */
function factorOf(told: Float64Array, sure: Float64Array, size: number): Float64Array {
  for (const part of [1, 0.5, 0.25]) {
    try {
      return cholesky(
        sure.map((x, i) => x + part * told[i]),
        size,
      );
    } catch {
      continue;
    }
  }
  return cholesky(sure, size);
}

/** 1 sigma errors of the zero-points, whatever the correction is: Laplace's approximation. */
function errorsAt(scene: Scene, at: Float64Array): number[] {
  const { shelf, rows, near, priors } = scene;
  const { nBand, places, shares } = shelf;
  const size = at.length;
  const models = measuredFluxes(shelf, at);
  const precision = new Float64Array(size * size);
  for (const [i, row] of rows.entries()) {
    const fit = fitRow(shelf, models, row, near[i]);
    const factor = temperOf(scene, row) * robust(row, fit.lnLikelihood)[1];
    const own = informationOf(models, row, fit);
    const likeliest = fit.which[fit.share.indexOf(Math.max(...fit.share))] ?? 0;
    const parts = Array.from({ length: nBand }, (_, j): Part => {
      const from = (likeliest * nBand + j) * SHARES;
      const knots = Array.from(
        { length: SHARES },
        (_unused, s) => [nBand + places[from + s], -shares[from + s]] as const,
      );
      return [[j, 1], ...knots];
    });
    for (const [j, left] of parts.entries()) {
      for (const [k, right] of parts.entries()) {
        const told = factor * own[j * nBand + k];
        if (told !== 0) for (const [p, a] of left) for (const [q, b] of right) precision[p * size + q] += told * a * b;
      }
    }
  }
  const sure = new Float64Array(size * size);
  for (const { of, sigma } of priors) {
    for (const [p, a] of of) for (const [q, b] of of) sure[p * size + q] += (a * b) / sigma ** 2;
  }
  const factor = factorOf(precision, sure, size);
  return Array.from({ length: nBand }, (_, j) => {
    const unit = new Float64Array(size);
    unit[j] = 1;
    return Math.sqrt(choleskySolve(factor, unit, size)[j]);
  });
}

/**
 * Zero-points of `rows` of a store, and a correction of the models' spectra by kind of galaxy in their rest frame: the most
 * probable ones under Gaussian priors, whatever galaxy of those carried each row is, with whatever amplitude (the mode of the
 * marginal posterior; Ilbert et al. 2006, A&A 457, 841, find zero-points at the best fits, Crenshaw & Connolly 2020, AJ 160, 191,
 * spectra). Redshifts that are measured are held to. Grey offsets are amplitudes: none is learned, the mean of
 * the usual bands stays 0. A function of its arguments alone.
 */
export function fitInstrument(
  coder: NetworkCoder,
  templates: Templates,
  store: RowStore,
  rows: ArrayLike<number>,
): Instrument {
  const { nBand } = sizesOf(templates);
  const pivots = pivotsOf(coder, nBand);
  const assumed = pivots.map((pivot) => (pivot < REDDEST_ULTRAVIOLET ? ULTRAVIOLET : USUAL));
  const usual = assumed.flatMap((one, j) => (one === USUAL ? [j] : []));
  const shelf = shelve(coder, templates, pivots);
  const modelErrors = assumed.map(({ model }) => model);
  const seen = gatherRows(coder, shelf, store, rows, modelErrors);
  const counts = assumed.map((_, j) => seen.filter(({ weight }) => weight[j] > 0).length);
  const at = new Float64Array(nBand + CORRECTION_SIZE);
  const known = seen.filter(({ stretch }) => stretch !== undefined).length;
  const temper = (independent: number, count: number): number => Math.min(1, independent / Math.max(1, count));
  const tempers = {
    known: temper(INDEPENDENT.known, known),
    unknown: temper(INDEPENDENT.unknown, seen.length - known),
  };
  let scene: Scene = { shelf, rows: seen, near: [], priors: priorsOf(assumed), tempers };
  for (let round = 0; round < ROUNDS; round++) {
    const models = measuredFluxes(shelf, at);
    scene = { ...scene, near: seen.map((row) => fitRow(shelf, models, row).which) };
    minimise(lossOf(scene), at, GAIN);
    const grey = usual.reduce((sum, j) => sum + at[j], 0) / Math.max(1, usual.length);
    for (let j = 0; j < nBand; j++) at[j] = counts[j] === 0 ? 0 : at[j] - grey;
  }
  const noise = noiseAt(scene, at, modelErrors);
  return {
    zeroPoints: errorsAt(scene, at).map((error, j) => ({ lnFlux: at[j], error, count: counts[j], noise: noise[j] })),
    correction: Array.from(at.subarray(nBand)),
  };
}
