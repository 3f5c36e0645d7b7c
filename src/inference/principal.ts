import { fitStandardiser, gramMatrix, leadingDirections, project, standardise } from "./baseline-matrix.ts";

/** The leading principal components of some rows: n rows of p numbers, m components. */
export interface PrincipalComponents {
  /** [n, m] The rows along the components, in the unit of the numbers; their mean is 0. */
  readonly scores: Float64Array;
  /** [p, m] Directions of unit length, the largest entry of each positive. */
  readonly directions: Float64Array;
  /** [m] Part of the whole variance along each, largest first; 0 where nothing varies. */
  readonly share: Float64Array;
}

/** Further directions that are iterated along, and how often: the m wanted ones converge by the ratio to the first that is left. */
const [BESIDE, ITERATIONS] = [6, 120] as const;

/** The larger entries of every direction point to the positive: the same data have the same components. */
function fixSigns(directions: Float64Array, p: number, m: number): void {
  for (let k = 0; k < m; k++) {
    let most = 0;
    for (let i = 0; i < p; i++) {
      if (Math.abs(directions[i * m + k]) > Math.abs(most) + 1e-9) most = directions[i * m + k];
    }
    if (most < 0) for (let i = 0; i < p; i++) directions[i * m + k] *= -1;
  }
}

/**
 * Principal components of the covariance (not of the correlation) of `x` [n, p], the `m` with most variance, by orthogonal
 * iteration (Golub & Van Loan 2013, sect. 8.2.4). Components of nearly the same variance may be mixed, the more so after fewer
 * iterations.
 */
export function principalComponents(
  x: ArrayLike<number>,
  n: number,
  p: number,
  m: number,
  iterations: number = ITERATIONS,
): PrincipalComponents {
  const { mean } = fitStandardiser(x, n, p);
  const centred = standardise(x, { mean, inverseStd: new Float64Array(p).fill(1) });
  const covariance = gramMatrix(centred, n, p).map((sum) => sum / n);
  const wide = Math.min(p, m + BESIDE);
  const iterated = leadingDirections(covariance, p, wide, iterations);
  const directions = Float64Array.from({ length: p * m }, (_, i) => iterated[Math.floor(i / m) * wide + (i % m)] ?? 0);
  fixSigns(directions, p, m);
  const scores = project(centred, directions, n, p, m);
  let trace = 0;
  for (let i = 0; i < p; i++) trace += covariance[i * p + i];
  const share = new Float64Array(m);
  for (let i = 0; i < scores.length; i++) share[i % m] += scores[i] ** 2 / n / (trace || 1);
  return { scores, directions, share };
}
