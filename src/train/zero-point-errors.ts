/** How well zero-points and passbands are known: by the rows that they rest on, and by what is only believed beforehand. */
import { type Fit, fitRow, type Row } from "./carried-fit.ts";
import {
  addGradient,
  addSlopes,
  measuredFluxes,
  robust,
  shiftsFrom,
  type Scene,
  temperOf,
} from "./carried-likelihood.ts";
import { cholesky, choleskySolve } from "./cholesky.ts";
import { SHARES } from "./spectral-correction.ts";

/** 1 sigma, in parts. */
export interface Errors {
  /** What the same instrument's other rows would give otherwise. */
  readonly statistical: number;
  /** What photometry doesn't tell, and the priors have decided. */
  readonly model: number;
}

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

/** Parameters that a ln flux is a sum of: its zero-point, the correction's knots around, its passband's shift. */
const TERMS = 2 + SHARES;

/** How a galaxy's ln fluxes go with the parameters: [nBand, TERMS] places, and their parts. */
interface Terms {
  readonly places: Int16Array;
  readonly parts: Float64Array;
}

function termsOf({ nBand, places, shares, tilts }: Scene["shelf"], galaxy: number): Terms {
  const terms = { places: new Int16Array(nBand * TERMS), parts: new Float64Array(nBand * TERMS) };
  for (let j = 0, to = 0; j < nBand; j++) {
    const at = galaxy * nBand + j;
    const put = (place: number, part: number): void => {
      terms.places[to] = place;
      terms.parts[to++] = part;
    };
    put(j, 1);
    for (let s = at * SHARES; s < (at + 1) * SHARES; s++) put(nBand + places[s], -shares[s]);
    put(shiftsFrom(nBand) + j, -tilts[at]);
  }
  return terms;
}

/** Adds a matrix of ln fluxes [nBand, nBand], as a matrix of parameters [size, size]: T^T own T. */
function addBands(matrix: Float64Array, { places, parts }: Terms, own: Float64Array, factor: number): void {
  const nBand = places.length / TERMS;
  const size = Math.sqrt(matrix.length);
  const half = new Float64Array(size);
  for (let j = 0; j < nBand; j++) {
    half.fill(0);
    for (let k = 0, t = 0; k < nBand; k++) {
      const told = factor * own[j * nBand + k];
      for (const end = t + TERMS; t < end; t++) half[places[t]] += told * parts[t];
    }
    for (let t = j * TERMS; t < (j + 1) * TERMS; t++) {
      const [from, part] = [places[t] * size, parts[t]];
      if (part !== 0) for (let q = 0; q < size; q++) matrix[from + q] += part * half[q];
    }
  }
}

/** 1 / variance of the parameters by their priors, [size, size]. */
function priorsMatrix({ priors }: Scene, size: number): Float64Array {
  const matrix = new Float64Array(size * size);
  for (const { of, sigma } of priors) {
    for (const [p, a] of of) for (const [q, b] of of) matrix[p * size + q] += (a * b) / sigma ** 2;
  }
  return matrix;
}

/** The steps that gradients ask for if each row were known to be its likeliest galaxy. */
export function metricAt(scene: Scene, at: Float64Array): (gradient: Float64Array) => Float64Array {
  const { shelf, rows, near } = scene;
  const size = at.length;
  const models = measuredFluxes(shelf, at);
  const matrix = priorsMatrix(scene, size);
  for (const [i, row] of rows.entries()) {
    const fit = fitRow(shelf, models, row, near[i]);
    const best = fit.share.indexOf(Math.max(...fit.share));
    if (best < 0) continue;
    const factor = temperOf(scene, row) * robust(row, fit.lnLikelihood)[1];
    const alone = {
      ...fit,
      which: fit.which.slice(best, best + 1),
      share: Float64Array.of(1),
      amplitude: fit.amplitude.slice(best, best + 1),
    };
    addBands(matrix, termsOf(shelf, fit.which[best]), informationOf(models, row, alone), factor);
  }
  const factor = cholesky(matrix, size);
  return (gradient) => choleskySolve(factor, gradient, size);
}

/** [size, size] of what rows say at the most probable parameters. */
interface Told {
  /** Minus the second derivatives of their ln likelihood. */
  readonly information: Float64Array;
  /** Sum of the squares of their slopes: what their sum scatters by. */
  readonly scatter: Float64Array;
}

function toldAt(scene: Scene, at: Float64Array): Told {
  const { shelf, rows, near } = scene;
  const size = at.length;
  const models = measuredFluxes(shelf, at);
  const own = new Float64Array(models.length);
  const [information, scatter] = [new Float64Array(size * size), new Float64Array(size * size)];
  const slopes = new Float64Array(size);
  for (const [i, row] of rows.entries()) {
    const fit = fitRow(shelf, models, row, near[i]);
    if (fit.which.length === 0) continue;
    const factor = temperOf(scene, row) * robust(row, fit.lnLikelihood)[1];
    const likeliest = fit.which[fit.share.indexOf(Math.max(...fit.share))];
    addBands(information, termsOf(shelf, likeliest), informationOf(models, row, fit), factor);
    addSlopes(own, models, row, fit, factor);
    slopes.fill(0);
    for (const k of fit.which) addGradient(slopes, shelf, own, k);
    for (const k of fit.which) own.fill(0, k * shelf.nBand, (k + 1) * shelf.nBand);
    for (let p = 0; p < size; p++) {
      if (slopes[p] !== 0) for (let q = 0; q < size; q++) scatter[p * size + q] += slopes[p] * slopes[q];
    }
  }
  return { information, scatter };
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

/** x^T matrix x. */
function formOf(matrix: Float64Array, x: Float64Array): number {
  const n = x.length;
  let sum = 0;
  for (let p = 0; p < n; p++) for (let q = 0; q < n; q++) sum += x[p] * matrix[p * n + q] * x[q];
  return sum;
}

/**
 * Errors of all that is learned, but for grey offsets: the mean zero-point of the `usual` bands. What is learned is off by H^-1
 * (slopes of the rows - P truth), P the priors' precision and H that of all, so that its variance is H^-1 (scatter + P) H^-1
 * (White 1982, Econometrica 50, 1; truths as the priors expect them).
 */
export function errorsAt(scene: Scene, at: Float64Array, usual: readonly number[]): Errors[] {
  const size = at.length;
  const { information, scatter } = toldAt(scene, at);
  const sure = priorsMatrix(scene, size);
  const factor = factorOf(information, sure, size);
  return Array.from(at, (_, p) => {
    const asked = new Float64Array(size);
    asked[p] = 1;
    if (p < scene.shelf.nBand) for (const u of usual) asked[u] -= 1 / usual.length;
    const solved = choleskySolve(factor, asked, size);
    return { statistical: Math.sqrt(formOf(scatter, solved)), model: Math.sqrt(formOf(sure, solved)) };
  });
}
