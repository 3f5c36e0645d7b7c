/** The little dense linear algebra that the baselines need. Matrices are row-major Float64Arrays. */

/** X^T X of the first `n` rows [n, p] -> [p, p], symmetric. Four rows at a time, so that the sums stay in cache. */
export function gramMatrix(x: Float64Array, n: number, p: number): Float64Array {
  const gram = new Float64Array(p * p);
  const whole = n - (n % 4);
  for (let r = 0; r < n; r += r < whole ? 4 : 1) {
    const a = r * p;
    const isBlock = r < whole;
    const [b, c, d] = isBlock ? [a + p, a + 2 * p, a + 3 * p] : [a, a, a];
    for (let i = 0; i < p; i++) {
      const xa = x[a + i];
      const xb = isBlock ? x[b + i] : 0;
      const xc = isBlock ? x[c + i] : 0;
      const xd = isBlock ? x[d + i] : 0;
      const row = i * p;
      for (let j = i; j < p; j++) gram[row + j] += xa * x[a + j] + xb * x[b + j] + xc * x[c + j] + xd * x[d + j];
    }
  }
  for (let i = 0; i < p; i++) for (let j = 0; j < i; j++) gram[i * p + j] = gram[j * p + i];
  return gram;
}

/** X^T y: [n, p], [n] -> [p]. */
export function transposeTimes(x: Float64Array, y: ArrayLike<number>, n: number, p: number): Float64Array {
  const sum = new Float64Array(p);
  for (let r = 0; r < n; r++) for (let j = 0; j < p; j++) sum[j] += x[r * p + j] * y[r];
  return sum;
}

/** Trace of (L L^T)^-1: the squared Frobenius norm of L^-1, one row of which is built at a time. */
export function traceOfInverse(l: Float64Array, p: number): number {
  const inverse = new Float64Array(p * p);
  let trace = 0;
  for (let i = 0; i < p; i++) {
    const row = i * p;
    for (let k = 0; k < i; k++) {
      const factor = l[row + k];
      for (let j = 0; j <= k; j++) inverse[row + j] -= factor * inverse[k * p + j];
    }
    inverse[row + i] = 1;
    for (let j = 0; j <= i; j++) {
      inverse[row + j] /= l[row + i];
      trace += inverse[row + j] * inverse[row + j];
    }
  }
  return trace;
}

/**
 * Orthonormal basis [p, m] of about the m leading eigenvectors of a symmetric positive matrix [p, p], by orthogonal
 * iteration (Golub & Van Loan 2013, sect. 8.2.4), leading first.
 */
export function leadingDirections(matrix: Float64Array, p: number, m: number, iterations = 40): Float64Array {
  let basis = new Float64Array(p * m);
  // A fixed, generic start: any basis that is not orthogonal to the wanted one will do.
  for (let i = 0; i < basis.length; i++) basis[i] = Math.sin(1 + 12.9898 * i) + (Math.floor(i / m) === i % m ? 1 : 0);
  for (let step = 0; step < iterations; step++) {
    orthonormalise(basis, p, m);
    const next = new Float64Array(p * m);
    for (let i = 0; i < p; i++) {
      for (let k = 0; k < p; k++) {
        const factor = matrix[i * p + k];
        for (let j = 0; j < m; j++) next[i * m + j] += factor * basis[k * m + j];
      }
    }
    basis = next;
  }
  orthonormalise(basis, p, m);
  return basis;
}

/** Gram-Schmidt on the columns of [p, m], in place; a column that vanishes becomes zero. */
function orthonormalise(basis: Float64Array, p: number, m: number): void {
  for (let j = 0; j < m; j++) {
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < j; k++) {
        let dot = 0;
        for (let i = 0; i < p; i++) dot += basis[i * m + j] * basis[i * m + k];
        for (let i = 0; i < p; i++) basis[i * m + j] -= dot * basis[i * m + k];
      }
    }
    let norm = 0;
    for (let i = 0; i < p; i++) norm += basis[i * m + j] * basis[i * m + j];
    const factor = norm > 1e-24 ? 1 / Math.sqrt(norm) : 0;
    for (let i = 0; i < p; i++) basis[i * m + j] *= factor;
  }
}

/** [n, p] times [p, m] -> [n, m]. */
export function project(x: Float64Array, basis: Float64Array, n: number, p: number, m: number): Float64Array {
  const out = new Float64Array(n * m);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < p; i++) {
      const factor = x[r * p + i];
      if (factor === 0) continue;
      for (let j = 0; j < m; j++) out[r * m + j] += factor * basis[i * m + j];
    }
  }
  return out;
}

/** Column means and 1 / standard deviation (0 for a constant column), fitted on the training rows only. */
export interface Standardiser {
  readonly mean: Float64Array;
  readonly inverseStd: Float64Array;
}

export function fitStandardiser(x: ArrayLike<number>, n: number, p: number): Standardiser {
  const mean = new Float64Array(p);
  const inverseStd = new Float64Array(p);
  for (let r = 0; r < n; r++) for (let j = 0; j < p; j++) mean[j] += x[r * p + j] / n;
  for (let r = 0; r < n; r++) for (let j = 0; j < p; j++) inverseStd[j] += (x[r * p + j] - mean[j]) ** 2 / n;
  for (let j = 0; j < p; j++) {
    const std = Math.sqrt(inverseStd[j]);
    inverseStd[j] = std > 1e-9 * (Math.abs(mean[j]) + 1e-30) ? 1 / std : 0;
  }
  return { mean, inverseStd };
}

/** (x - mean) / std: [n, p] -> [n, p]. */
export function standardise(x: ArrayLike<number>, scaler: Standardiser): Float64Array {
  const p = scaler.mean.length;
  const out = new Float64Array(x.length);
  for (let i = 0, j = 0; i < out.length; i++) {
    out[i] = (x[i] - scaler.mean[j]) * scaler.inverseStd[j];
    if (++j === p) j = 0;
  }
  return out;
}
