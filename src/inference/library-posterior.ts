import type { Rng } from "../random.ts";
import type { Library } from "./library.ts";
import { type Evidence, type Match, matchOf } from "./library-likelihood.ts";
import type { Reservoir } from "./library-reservoir.ts";

/** What a library says of one galaxy: its rows with their weights, and how good that is. */
export interface Posterior {
  /** Rows of the library. */
  readonly rows: Int32Array;
  /** Sum to 1. */
  readonly weight: Float64Array;
  /** Amplitude that each row has beside its own brightness, and its error. */
  readonly amplitude: Float64Array;
  readonly amplitudeError: Float64Array;
  /** Effective number of rows, (sum w)^2 / sum w^2, before anything was widened. */
  readonly effectiveSize: number;
  /** The effective number was below the threshold: weights are flattened until it is reached. */
  readonly isSparse: boolean;
  /** Chi-square of the row that fits the given bands best, and their number. */
  readonly chi2: number;
  readonly bands: number;
}

/**
 * Effective rows below which an answer is called sparse: it then comes from about this many of the nearest rows, whose
 * spread is what the library can tell apart, and is never a spike.
 */
export const LEAST_EFFECTIVE = 10;

const effective = (weight: Float64Array): number => {
  let sum = 0;
  let squares = 0;
  for (const w of weight) {
    sum += w;
    squares += w * w;
  }
  return (sum * sum) / squares;
};

/** Weights of log-likelihoods to the power `power`, times what each row stands for. */
function weigh(logLikelihood: Float64Array, logShare: Float64Array, power: number, out: Float64Array): Float64Array {
  let top = -Infinity;
  for (let i = 0; i < out.length; i++) {
    out[i] = power * logLikelihood[i] + logShare[i];
    top = Math.max(top, out[i]);
  }
  for (let i = 0; i < out.length; i++) out[i] = Math.exp(out[i] - top);
  return out;
}

const HALVINGS = 30;
/** Rows of less than this part of the weight are left out. */
const NEGLIGIBLE = 1e-7;

/** The power that likelihoods are raised to so that the effective number of rows reaches the threshold. */
function flattened(logLikelihood: Float64Array, logShare: Float64Array, least: number, out: Float64Array): void {
  let [low, high] = [0, 1];
  for (let i = 0; i < HALVINGS; i++) {
    const power = 0.5 * (low + high);
    if (effective(weigh(logLikelihood, logShare, power, out)) < least) high = power;
    else low = power;
  }
  weigh(logLikelihood, logShare, low, out);
}

/** The posterior of galaxy `query`, its likelihoods computed anew in double precision. */
export function posteriorOf(
  { store }: Library,
  reservoir: Reservoir,
  query: number,
  evidence: Evidence,
  least: number = LEAST_EFFECTIVE,
): Posterior {
  const { rows: kept, scores } = reservoir.kept(query);
  const threshold = reservoir.threshold(query);
  const n = kept.length;
  const galaxy = new Float32Array(store.width);
  const matches = Array.from(kept, (row): Match => {
    store.row(row, galaxy);
    return matchOf(evidence, galaxy);
  });
  const logLikelihood = Float64Array.from(matches, (match) => match.logLikelihood);
  // a row that was kept by luck stands for those like it that were not: max(w, threshold) / w of them
  const logShare = Float64Array.from(scores, (score) => Math.max(0, threshold - score));
  const weight = weigh(logLikelihood, logShare, 1, new Float64Array(n));
  const effectiveSize = effective(weight);
  const isSparse = effectiveSize < least;
  if (isSparse) flattened(logLikelihood, logShare, Math.min(least, 0.9 * n), weight);
  const all = weight.reduce((sum, w) => sum + w, 0);
  const chosen = Int32Array.from(weight.keys()).filter((i) => weight[i] > NEGLIGIBLE * all);
  const total = chosen.reduce((sum, i) => sum + weight[i], 0);
  return {
    rows: chosen.map((i) => kept[i]),
    weight: Float64Array.from(chosen, (i) => weight[i] / total),
    amplitude: Float64Array.from(chosen, (i) => matches[i].amplitude),
    amplitudeError: Float64Array.from(chosen, (i) => matches[i].amplitudeError),
    effectiveSize,
    isSparse,
    chi2: matches.reduce((best, { chi2 }) => Math.min(best, chi2), Infinity),
    bands: evidence.bands.length,
  };
}

/** Values of one field under the rows of a posterior, in its unit, and their errors where the amplitude is uncertain. */
export interface Values {
  /** NaN where the library's row does not have it. */
  readonly value: Float64Array;
  readonly error: Float64Array;
}

/** [field][row of the posterior] What the rows say of fields `wanted`. */
export function valuesOf(library: Library, posterior: Posterior, wanted: readonly number[]): Values[] {
  const { store, place, fields, isExtensive } = library;
  const { rows, amplitude, amplitudeError } = posterior;
  const result = wanted.map(() => ({ value: new Float64Array(rows.length), error: new Float64Array(rows.length) }));
  const galaxy = new Float32Array(store.width);
  rows.forEach((row, i) => {
    store.row(row, galaxy);
    wanted.forEach((j, w) => {
      const own = galaxy[place[j]];
      if (fields[j].band !== undefined) {
        result[w].value[i] = own * amplitude[i];
        result[w].error[i] = Math.abs(own) * amplitudeError[i];
      } else if (isExtensive[j] === 1) {
        result[w].value[i] = own + Math.log10(Math.max(amplitude[i], 1e-30));
        result[w].error[i] = amplitudeError[i] / Math.max(amplitude[i], 1e-30) / Math.LN10;
      } else result[w].value[i] = own;
    });
  });
  return result;
}

/**
 * Draws of several fields together: rows of the library by weight, each with one amplitude, so that what is derived from a
 * draw is as coherent as a simulated galaxy. [draw, field] in the fields' units, NaN where the row does not have a field.
 */
export function drawRows(
  library: Library,
  posterior: Posterior,
  wanted: readonly number[],
  draws: number,
  rng: Rng,
): Float64Array {
  const { fields, isExtensive } = library;
  const { weight, amplitude, amplitudeError } = posterior;
  const values = valuesOf(library, posterior, wanted);
  const upTo = new Float64Array(weight.length);
  weight.reduce((sum, w, i) => (upTo[i] = sum + w), 0);
  const out = new Float64Array(draws * wanted.length);
  for (let d = 0; d < draws; d++) {
    const u = rng.uniform() * upTo[upTo.length - 1];
    const i = Math.min(upTo.findIndex((end) => u < end) >>> 0, upTo.length - 1);
    let shift = rng.normal();
    while (amplitude[i] + shift * amplitudeError[i] <= 0) shift = rng.normal();
    const factor = 1 + (shift * amplitudeError[i]) / amplitude[i];
    wanted.forEach((j, w) => {
      const value = values[w].value[i];
      const scaled = fields[j].band !== undefined ? value * factor : value;
      out[d * wanted.length + w] = isExtensive[j] === 1 ? scaled + Math.log10(factor) : scaled;
    });
  }
  return out;
}
