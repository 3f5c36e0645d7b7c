/**
 * The loss of the photo-z challenge, after its published definitions (github.com/gimarso/photoz_challenge, sections 6.4 to 6.6): of
 * each category |bias| + sigma_NMAD + eta - 0.05 max(0, 1 - mean NLL), and their weighted sum. `dz` is not over 1 + z in the bias.
 */
export const WEIGHTS = {
  GALAXY_ID: 0.3,
  GALAXY_MISSING_BANDS: 0.2,
  GALAXY_OFFSET: 0.2,
  GALAXY_HIGH_Z: 0.2,
  QSO: 0.1,
};
const OUTLIER = 0.15;
const BONUS = 0.05;
/** Least variance, as in their notebook. */
const LEAST_VARIANCE = 1e-6;

/** Of an even number the mean of both in the middle. */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Scores answers { z, best, sigma } of one category. */
export function scoreCategory(answers) {
  const dz = answers.map(({ z, best }) => best - z);
  const bias = median(dz);
  const sigmaNmad = 1.4826 * median(answers.map(({ z }, i) => Math.abs(dz[i] - bias) / (1 + z)));
  const outliers = answers.filter(({ z }, i) => Math.abs(dz[i]) > OUTLIER * (1 + z)).length / answers.length;
  const negLogLik = answers.map(({ sigma }, i) => {
    const variance = Math.max(sigma * sigma, LEAST_VARIANCE);
    return 0.5 * Math.log(2 * Math.PI * variance) + dz[i] ** 2 / (2 * variance);
  });
  const mean = negLogLik.reduce((sum, x) => sum + x, 0) / answers.length;
  const loss = Math.abs(bias) + sigmaNmad + outliers - BONUS * Math.max(0, 1 - mean);
  return { bias, sigmaNmad, outliers, negLogLik: mean, loss };
}

/** The total of all five categories' losses. */
export const totalLoss = (scores) =>
  Object.entries(WEIGHTS).reduce((sum, [category, weight]) => sum + weight * scores[category].loss, 0);
