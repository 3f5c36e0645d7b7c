/**
 * Redshifts of spectra by templates: chi2 over all redshifts at once (cross-correlation as in Tonry & Davis 1979, AJ 84, 1511;
 * chi2 as in Bolton et al. 2012, AJ 144, 144), pixels weighted by their inverse variance.
 */
import { createFourier, type Fourier, powerOfTwo } from "../engine/fourier.ts";
import { cholesky, choleskySolve } from "../train/cholesky.ts";
import type { Features } from "./spectrum-continuum.ts";

/** What a spectrum is a sum of, at any redshift. */
export interface Basis {
  /** [shifted][pixels + lags - 1] In the rest frame, on steps of the spectrum's own pixels in ln(wavelength). */
  readonly shifted: readonly Float64Array[];
  /** [fixed][pixels] Of the observed frame: what the calibration errs by. */
  readonly fixed: readonly Float64Array[];
  /** [shifted + fixed] Gaussian prior of the coefficients: mean and 1 sigma. */
  readonly mean: ArrayLike<number>;
  readonly sigma: ArrayLike<number>;
}

/** A scan: what is known at each lag. */
export interface Scan {
  /** [lags] Least chi2, the prior's part included. */
  readonly chi2: Float64Array;
  /** [lags] ln of the likelihood with all coefficients integrated out, but for a constant that no lag changes. */
  readonly logLikelihood: Float64Array;
}

/** Scans spectra of `pixels` pixels. At lag s pixel i of the spectrum is pixel i + lags - 1 - s of the templates. */
export type Scanner = (spectrum: Features) => Scan;

interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

function transform(fourier: Fourier, values: ArrayLike<number>): Complex {
  const [re, im] = [new Float64Array(fourier.size), new Float64Array(fourier.size)];
  re.set(values);
  fourier.forward(re, im);
  return { re, im };
}

/**
 * Sums over i of a[i] b[i + u] for every u, of two pairs in one transform. `a` are the spectrum's, `b` the templates';
 * the answers, in `re` and `im` of `out`, are places 0 .. lags - 1.
 */
function correlate(
  fourier: Fourier,
  [a, b]: readonly [Complex, Complex],
  second: readonly [Complex, Complex],
  out: Complex,
): void {
  const [c, d] = second;
  for (let k = 0; k < fourier.size; k++) {
    const x = a.re[k] * b.re[k] + a.im[k] * b.im[k];
    const y = a.re[k] * b.im[k] - a.im[k] * b.re[k];
    const v = c.re[k] * d.re[k] + c.im[k] * d.im[k];
    const w = c.re[k] * d.im[k] - c.im[k] * d.re[k];
    out.re[k] = x - w;
    out.im[k] = y + v;
  }
  fourier.inverse(out.re, out.im);
}

/** A correlation to be made, and where it goes. */
interface Wanted {
  readonly of: readonly [Complex, Complex];
  /** [lags] */
  readonly into: Float64Array;
}

function correlateAll(fourier: Fourier, wanted: readonly Wanted[], lags: number): void {
  const out: Complex = { re: new Float64Array(fourier.size), im: new Float64Array(fourier.size) };
  for (let i = 0; i < wanted.length; i += 2) {
    const [one, other] = [wanted[i], wanted[Math.min(i + 1, wanted.length - 1)]];
    correlate(fourier, one.of, other.of, out);
    one.into.set(out.re.subarray(0, lags));
    if (other !== one) other.into.set(out.im.subarray(0, lags));
  }
}

const dot = (n: number, of: (i: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += of(i);
  return sum;
};

/**
 * A scanner for a basis of J templates: all lags of a spectrum by J (J + 1) / 2 correlations, then one least-squares problem
 * with priors each.
 * @throws Error where the basis' arrays don't fit together.
 */
export function createScanner({ shifted, fixed, mean, sigma }: Basis, pixels: number, lags: number): Scanner {
  const count = shifted.length + fixed.length;
  if (mean.length !== count || sigma.length !== count)
    throw new Error(`scanner: priors of ${count} templates expected`);
  if (shifted.some(({ length }) => length !== pixels + lags - 1) || fixed.some(({ length }) => length !== pixels)) {
    throw new Error(`scanner: templates of ${pixels + lags - 1} and ${pixels} pixels expected`);
  }
  const fourier = createFourier(powerOfTwo(pixels + lags - 1));
  const own = shifted.map((template) => transform(fourier, template));
  const pairs = shifted.flatMap((a, i) =>
    shifted.slice(0, i + 1).map((b, j) => ({
      i,
      j,
      product: transform(
        fourier,
        a.map((x, p) => x * b[p]),
      ),
    })),
  );
  const precision = Float64Array.from(sigma, (s) => 1 / (s * s));
  const rows = (): Float64Array[] => Array.from({ length: count }, () => new Float64Array(lags));
  const data = rows();
  const gram = Array.from({ length: count }, rows);
  return ({ value, weight }) => {
    const weights = transform(fourier, weight);
    const weighted = transform(
      fourier,
      value.map((x, i) => x * weight[i]),
    );
    const tilted = fixed.map((one) =>
      transform(
        fourier,
        one.map((x, i) => x * weight[i]),
      ),
    );
    const wanted: Wanted[] = [
      ...own.map((template, j): Wanted => ({ of: [weighted, template], into: data[j] })),
      ...pairs.map(({ i, j, product }): Wanted => ({ of: [weights, product], into: gram[i][j] })),
      ...tilted.flatMap((one, f) =>
        own.map((template, j): Wanted => ({ of: [one, template], into: gram[shifted.length + f][j] })),
      ),
    ];
    correlateAll(fourier, wanted, lags);
    fixed.forEach((a, f) => {
      data[shifted.length + f].fill(dot(pixels, (i) => a[i] * value[i] * weight[i]));
      for (let g = 0; g <= f; g++) {
        const b = fixed[g];
        gram[shifted.length + f][shifted.length + g].fill(dot(pixels, (i) => a[i] * b[i] * weight[i]));
      }
    });
    const whole = dot(pixels, (i) => value[i] * value[i] * weight[i]);
    return solveLags({ data, gram, whole }, { mean, precision }, lags);
  };
}

/** Sums over pixels at every lag. */
interface LagSums {
  /** [count][lags] Of spectrum and template. */
  readonly data: readonly Float64Array[];
  /** [count][count][lags] Of two templates, the second no later than the first. */
  readonly gram: readonly (readonly Float64Array[])[];
  /** Of the spectrum squared. */
  readonly whole: number;
}

/** Place u of a correlation is lag lags - 1 - u. */
function solveLags(
  { data, gram, whole }: LagSums,
  { mean, precision }: { readonly mean: ArrayLike<number>; readonly precision: Float64Array },
  lags: number,
): Scan {
  const n = data.length;
  const [chi2, logLikelihood] = [new Float64Array(lags), new Float64Array(lags)];
  const [matrix, side] = [new Float64Array(n * n), new Float64Array(n)];
  const before = dot(n, (a) => mean[a] * mean[a] * precision[a]);
  const logPrior = dot(n, (a) => Math.log(precision[a]));
  for (let u = 0; u < lags; u++) {
    for (let a = 0; a < n; a++) {
      for (let b = 0; b <= a; b++) matrix[a * n + b] = matrix[b * n + a] = gram[a][b][u];
      matrix[a * n + a] += precision[a];
      side[a] = data[a][u] + precision[a] * mean[a];
    }
    const factor = cholesky(matrix, n);
    const c = choleskySolve(factor, side, n);
    const least = whole + before - dot(n, (a) => c[a] * side[a]);
    const logDet = 2 * dot(n, (a) => Math.log(factor[a * n + a]));
    chi2[lags - 1 - u] = least;
    logLikelihood[lags - 1 - u] = -0.5 * (least + logDet - logPrior);
  }
  return { chi2, logLikelihood };
}
