/** Symmetric positive definite systems of a few hundred unknowns. Matrices are row-major Float64Arrays. */

/**
 * Lower Cholesky factor L of a symmetric positive definite matrix [p, p].
 * @throws Error when it is not positive definite to rounding.
 */
export function cholesky(matrix: Float64Array, p: number): Float64Array {
  const l = new Float64Array(p * p);
  for (let i = 0; i < p; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * p + j];
      for (let k = 0; k < j; k++) sum -= l[i * p + k] * l[j * p + k];
      if (i !== j) l[i * p + j] = sum / l[j * p + j];
      else if (sum > 0) l[i * p + i] = Math.sqrt(sum);
      else throw new Error(`cholesky: pivot ${i} is ${sum}, expected a positive definite matrix`);
    }
  }
  return l;
}

/** Solves L L^T b = c. */
export function choleskySolve(l: Float64Array, c: Float64Array, p: number): Float64Array {
  const b = Float64Array.from(c);
  for (let i = 0; i < p; i++) {
    for (let k = 0; k < i; k++) b[i] -= l[i * p + k] * b[k];
    b[i] /= l[i * p + i];
  }
  for (let i = p - 1; i >= 0; i--) {
    for (let k = i + 1; k < p; k++) b[i] -= l[k * p + i] * b[k];
    b[i] /= l[i * p + i];
  }
  return b;
}
