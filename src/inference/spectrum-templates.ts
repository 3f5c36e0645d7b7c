/** Templates of spectra in the rest frame, learned from clean ones at many redshifts. */
import type { Rng } from "../random.ts";
import { cholesky, choleskySolve } from "../train/cholesky.ts";

/** Clean spectra over their continuum, each where it is in the rest frame. */
export interface RestSpectra {
  /** Pixels of the rest frame. */
  readonly pixels: number;
  /** [rows] Row by row: first pixel, which need not be whole, and the values from there on. */
  readonly rows: readonly { readonly first: number; readonly value: Float64Array }[];
}

/** A mean and directions about it whose coefficients are independent Gaussians of unit variance. */
export interface Templates {
  readonly pixels: number;
  /** [pixels] */
  readonly mean: Float64Array;
  /** [count][pixels] */
  readonly directions: readonly Float64Array[];
  /** Standard deviation of a pixel about what they explain. */
  readonly scatter: number;
}

const ITERATIONS = 20;
/** Rows whose lines are stronger than those of this part of all are scaled down to theirs: a few must not have all directions. */
const STRONGEST = 0.95;
/** Least variance of what is left, over that of all. */
const LEAST_LEFT = 1e-4;
/** A pixel that fewer rows see says nothing. */
const FEWEST_ROWS = 5;

/** A row put on whole pixels by straight lines between its own. */
interface Placed {
  readonly first: number;
  readonly value: Float32Array;
}

function place({ pixels, rows }: RestSpectra): Placed[] {
  const rms = rows.map(({ value }) => Math.sqrt(value.reduce((sum, x) => sum + x * x, 0) / value.length));
  const most = rms.toSorted((a, b) => a - b)[Math.floor(STRONGEST * (rows.length - 1))];
  return rows.map(({ first, value }, r) => {
    const factor = rms[r] > most ? most / rms[r] : 1;
    const start = Math.max(0, Math.ceil(first));
    const end = Math.min(pixels, Math.floor(first + value.length - 1) + 1);
    const out = new Float32Array(Math.max(0, end - start));
    for (let k = 0; k < out.length; k++) {
      const at = start + k - first;
      const i = Math.min(Math.floor(at), value.length - 2);
      out[k] = factor * (value[i] + (at - i) * (value[i + 1] - value[i]));
    }
    return { first: start, value: out };
  });
}

/** Mean of each pixel over the rows that see it; takes it off the rows. [pixels] */
function takeMean(rows: readonly Placed[], pixels: number): Float64Array {
  const mean = new Float64Array(pixels);
  const count = new Float64Array(pixels);
  for (const { first, value } of rows) {
    for (let k = 0; k < value.length; k++) {
      mean[first + k] += value[k];
      count[first + k]++;
    }
  }
  for (let p = 0; p < pixels; p++) mean[p] = count[p] < FEWEST_ROWS ? 0 : mean[p] / count[p];
  for (const { first, value } of rows) for (let k = 0; k < value.length; k++) value[k] -= mean[first + k];
  return mean;
}

/** Directions to begin with: random mixtures of the rows, as large as they are. [pixels, K] */
function mixRows(rows: readonly Placed[], pixels: number, K: number, rng: Rng): Float64Array {
  const basis = new Float64Array(pixels * K);
  const count = new Float64Array(pixels);
  for (const { first, value } of rows) {
    const share = Float64Array.from({ length: K }, () => rng.normal() / Math.sqrt(K));
    for (let k = 0, at = first * K; k < value.length; k++) {
      count[first + k]++;
      for (let a = 0; a < K; a++, at++) basis[at] += share[a] * value[k];
    }
  }
  return basis.map((x, at) => x / Math.sqrt(Math.max(1, count[Math.floor(at / K)])));
}

/** Sums over rows, for every pixel: products of coefficients, and of coefficients and values. */
interface Sums {
  /** [pixels + 1, K (K + 1) / 2] What changes from the pixel before: a row adds where it begins, and takes off where it ends. */
  readonly changes: Float64Array;
  /** [pixels, K] */
  readonly crossed: Float64Array;
  /** [K (K + 1) / 2] Of coefficients, over all rows. */
  readonly products: Float64Array;
}

const pairCount = (K: number): number => (K * (K + 1)) / 2;

/** Products of the directions up to every pixel: of a row they are the difference of two. [pixels + 1, K (K + 1) / 2] */
function runningProducts(basis: Float64Array, pixels: number, K: number): Float64Array {
  const pairs = pairCount(K);
  const sums = new Float64Array((pixels + 1) * pairs);
  for (let p = 0, at = 0; p < pixels; p++) {
    for (let a = 0; a < K; a++) {
      for (let b = 0; b <= a; b++, at++) sums[at + pairs] = sums[at] + basis[p * K + a] * basis[p * K + b];
    }
  }
  return sums;
}

/** What all rows of one step share. */
interface Step {
  /** [pixels, K] */
  readonly basis: Float64Array;
  readonly running: Float64Array;
  readonly K: number;
  readonly variance: number;
}

/** E step for one row: the mean of its coefficients [K], and their mean products [K (K + 1) / 2]. */
function expectRow({ first, value }: Placed, { basis, running, K, variance }: Step) {
  const pairs = pairCount(K);
  const [from, to] = [first * pairs, (first + value.length) * pairs];
  const gram = new Float64Array(K * K);
  for (let a = 0, i = 0; a < K; a++) {
    for (let b = 0; b <= a; b++, i++) gram[a * K + b] = gram[b * K + a] = running[to + i] - running[from + i];
    gram[a * K + a] += variance;
  }
  const seen = new Float64Array(K);
  for (let k = 0, at = first * K; k < value.length; k++)
    for (let a = 0; a < K; a++, at++) seen[a] += basis[at] * value[k];
  const factor = cholesky(gram, K);
  const c = choleskySolve(factor, seen, K);
  const products = new Float64Array(pairs);
  for (let a = 0, at = 0; a < K; a++) {
    const unit = new Float64Array(K);
    unit[a] = variance;
    const column = choleskySolve(factor, unit, K);
    for (let b = 0; b <= a; b++, at++) products[at] = c[a] * c[b] + column[b];
  }
  return { c, products };
}

/** Adds a row to the sums; the squares of what its coefficients leave. */
function addRow(row: Placed, step: Step, { changes, crossed, products: all }: Sums): number {
  const { first, value } = row;
  const { basis, K } = step;
  const { c, products } = expectRow(row, step);
  let left = 0;
  for (let k = 0, at = first * K; k < value.length; k++, at += K) {
    let model = 0;
    for (let a = 0; a < K; a++) {
      model += basis[at + a] * c[a];
      crossed[at + a] += c[a] * value[k];
    }
    left += (value[k] - model) ** 2;
  }
  const [from, to] = [first * products.length, (first + value.length) * products.length];
  for (let i = 0; i < products.length; i++) {
    all[i] += products[i];
    changes[from + i] += products[i];
    changes[to + i] -= products[i];
  }
  return left;
}

/** M step: the directions that the sums ask for; a pixel that hardly anybody sees has next to none. */
function maximise({ changes, crossed }: Sums, basis: Float64Array, pixels: number, K: number): void {
  const pairs = pairCount(K);
  const products = new Float64Array(pairs);
  const gram = new Float64Array(K * K);
  for (let p = 0; p < pixels; p++) {
    for (let i = 0; i < pairs; i++) products[i] += changes[p * pairs + i];
    for (let a = 0, i = 0; a < K; a++) {
      for (let b = 0; b <= a; b++, i++) gram[a * K + b] = gram[b * K + a] = products[i];
      gram[a * K + a] += 1; // as one more row that has nothing there
    }
    basis.set(choleskySolve(cholesky(gram, K), crossed.subarray(p * K, (p + 1) * K), K), p * K);
  }
}

/**
 * Makes the coefficients' mean products those of their prior, and the directions so much longer: what they explain stays, and
 * far fewer steps are needed (parameter expansion: Liu, Rubin & Wu 1998, Biometrika 85, 755).
 */
function stretch(basis: Float64Array, mean: Float64Array, K: number): void {
  const gram = new Float64Array(K * K);
  for (let a = 0, i = 0; a < K; a++) for (let b = 0; b <= a; b++, i++) gram[a * K + b] = gram[b * K + a] = mean[i];
  const factor = cholesky(gram, K);
  for (let at = 0; at < basis.length; at += K) {
    for (let b = 0; b < K; b++) {
      let sum = 0;
      for (let a = b; a < K; a++) sum += basis[at + a] * factor[a * K + b];
      basis[at + b] = sum; // of b and later ones alone: those before are done
    }
  }
}

/**
 * Probabilistic principal components of spectra of which each covers a part (Tipping & Bishop 1999, J. R. Stat. Soc. B 61,
 * 611; with missing values as in Ilin & Raiko 2010, JMLR 11, 1957): what one does not cover it takes from those that do.
 * @param count Directions about the mean.
 * @throws Error for fewer rows than directions.
 */
export function learnTemplates(spectra: RestSpectra, count: number, rng: Rng): Templates {
  const { pixels } = spectra;
  if (spectra.rows.length <= count) {
    throw new Error(`templates: ${spectra.rows.length} spectra, expected more than ${count}`);
  }
  const rows = place(spectra).filter(({ value }) => value.length > 0);
  const mean = takeMean(rows, pixels);
  const size = rows.reduce((sum, { value }) => sum + value.length, 0);
  const total = rows.reduce((sum, { value }) => sum + value.reduce((own, x) => own + x * x, 0), 0) / size;
  const basis = mixRows(rows, pixels, count, rng);
  let variance = total;
  for (let step = 0; step < ITERATIONS; step++) {
    const sums: Sums = {
      changes: new Float64Array((pixels + 1) * pairCount(count)),
      crossed: new Float64Array(pixels * count),
      products: new Float64Array(pairCount(count)),
    };
    const shared: Step = { basis, running: runningProducts(basis, pixels, count), K: count, variance };
    let left = 0;
    for (const row of rows) left += addRow(row, shared, sums);
    maximise(sums, basis, pixels, count);
    stretch(
      basis,
      sums.products.map((x) => x / rows.length),
      count,
    );
    variance = Math.max(left / size, LEAST_LEFT * total);
  }
  const directions = Array.from({ length: count }, (_, a) =>
    Float64Array.from({ length: pixels }, (__, p) => basis[p * count + a]),
  );
  return { pixels, mean, directions, scatter: Math.sqrt(variance) };
}
