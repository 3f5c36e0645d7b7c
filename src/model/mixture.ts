/** Mixtures of Gaussians as predictive distributions of many rows: cdf, quantile, density. No space or unit is assumed. */

/**
 * Predictive distributions of `rowCount` rows. Row i reads entries `i * stride .. i * stride + componentCount`;
 * stride 0 means that every row has the same distribution.
 */
export interface Mixtures {
  readonly rowCount: number;
  readonly componentCount: number;
  readonly stride: number;
  /** Sum to 1 within a row. */
  readonly weight: Float64Array;
  readonly mean: Float64Array;
  /** 1 sigma, > 0. */
  readonly sigma: Float64Array;
}

const LOG_SQRT_2PI = 0.9189385332046727;

/** Standard normal density. */
export function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x - LOG_SQRT_2PI);
}

/** Standard normal cdf to about 1e-15 (rational approximations of Hart 1968, as arranged by West 2005). */
export function normalCdf(x: number): number {
  const a = Math.abs(x);
  if (a > 37) return x > 0 ? 1 : 0;
  const e = Math.exp(-0.5 * a * a);
  let tail: number;
  if (a < 7.07106781186547) {
    let top = 3.52624965998911e-2 * a + 0.700383064443688;
    top = top * a + 6.37396220353165;
    top = top * a + 33.912866078383;
    top = top * a + 112.079291497871;
    top = top * a + 221.213596169931;
    top = top * a + 220.206867912376;
    let bottom = 8.83883476483184e-2 * a + 1.75566716318264;
    bottom = bottom * a + 16.064177579207;
    bottom = bottom * a + 86.7807322029461;
    bottom = bottom * a + 296.564248779674;
    bottom = bottom * a + 637.333633378831;
    bottom = bottom * a + 793.826512519948;
    bottom = bottom * a + 440.413735824752;
    tail = (e * top) / bottom;
  } else {
    tail = e / (a + 1 / (a + 2 / (a + 3 / (a + 4 / (a + 0.65))))) / 2.506628274631;
  }
  return x > 0 ? 1 - tail : tail;
}

/** P(Y <= y) in row `row`. */
export function mixtureCdf(m: Mixtures, row: number, y: number): number {
  const start = row * m.stride;
  let sum = 0;
  for (let k = start; k < start + m.componentCount; k++) sum += m.weight[k] * normalCdf((y - m.mean[k]) / m.sigma[k]);
  return sum;
}

/** log p(y) [nats] in row `row`, safe in the far tails. */
export function mixtureLogDensity(m: Mixtures, row: number, y: number): number {
  const start = row * m.stride;
  let top = -Infinity;
  for (let k = start; k < start + m.componentCount; k++) top = Math.max(top, logTerm(m, k, y));
  if (top === -Infinity) return top;
  let sum = 0;
  for (let k = start; k < start + m.componentCount; k++) sum += Math.exp(logTerm(m, k, y) - top);
  return top + Math.log(sum);
}

function logTerm(m: Mixtures, k: number, y: number): number {
  const u = (y - m.mean[k]) / m.sigma[k];
  return Math.log(m.weight[k]) - 0.5 * u * u - Math.log(m.sigma[k]) - LOG_SQRT_2PI;
}

/** Mean and standard deviation of row `row`. */
export function mixtureMoments(m: Mixtures, row: number): { mean: number; std: number } {
  const start = row * m.stride;
  let mean = 0;
  let second = 0;
  for (let k = start; k < start + m.componentCount; k++) {
    mean += m.weight[k] * m.mean[k];
    second += m.weight[k] * (m.mean[k] * m.mean[k] + m.sigma[k] * m.sigma[k]);
  }
  return { mean, std: Math.sqrt(Math.max(0, second - mean * mean)) };
}

/**
 * Quantiles of row `row` at increasing `levels` in (0, 1), written to `out` (same length): safeguarded Newton, each
 * started at the one before. Accurate to `precision` times the row's spread.
 */
export function mixtureQuantiles(
  m: Mixtures,
  row: number,
  levels: ArrayLike<number>,
  out: Float64Array,
  precision = 1e-10,
): void {
  const start = row * m.stride;
  let least = Infinity;
  let most = -Infinity;
  for (let k = start; k < start + m.componentCount; k++) {
    if (m.weight[k] === 0) continue;
    least = Math.min(least, m.mean[k] - 38 * m.sigma[k]);
    most = Math.max(most, m.mean[k] + 38 * m.sigma[k]);
  }
  const moments = mixtureMoments(m, row);
  const tolerance = precision * moments.std;
  let y = moments.mean;
  let floor = least;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i];
    let low = floor;
    let high = most;
    for (let step = 0; step < 200 && high - low > tolerance; step++) {
      const excess = mixtureCdf(m, row, y) - level;
      if (excess > 0) high = y;
      else low = y;
      const next = y - excess / densityAt(m, start, y);
      const moved = next > low && next < high ? next : 0.5 * (low + high);
      const isSettled = Math.abs(moved - y) <= tolerance;
      y = moved;
      if (isSettled) break;
    }
    out[i] = y;
    floor = Math.max(least, y - 2 * tolerance);
  }
}

function densityAt(m: Mixtures, start: number, y: number): number {
  let sum = 0;
  for (let k = start; k < start + m.componentCount; k++) {
    sum += (m.weight[k] / m.sigma[k]) * normalDensity((y - m.mean[k]) / m.sigma[k]);
  }
  return sum;
}
