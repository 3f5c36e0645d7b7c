/** The standard normal distribution: accurate, in logarithms, and fast. */

/** ln sqrt(2 pi) */
export const LOG_SQRT_2PI = 0.9189385332046727;

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

/** ln Phi(x) for x <= 0, beyond where Phi underflows too. */
function logTail(x: number): number {
  if (x > -30) return Math.log(normalCdf(x));
  const y = 1 / (x * x);
  return -0.5 * x * x - LOG_SQRT_2PI - Math.log(-x) + Math.log1p(y * (-1 + y * (3 - 15 * y)));
}

/** ln(Phi(b) - Phi(a)) for a < b, relative in both tails; -Infinity for an empty interval. */
export function logNormalBetween(a: number, b: number): number {
  if (!(a < b)) return -Infinity;
  if (a > 0) return logNormalBetween(-b, -a);
  if (b > 0) return Math.log1p(-normalCdf(a) - normalCdf(-b));
  const upper = logTail(b);
  return a === -Infinity ? upper : upper + Math.log1p(-Math.exp(logTail(a) - upper));
}

/** Phi(b) - Phi(a) for a <= b, relative in both tails. */
export function normalBetween(a: number, b: number): number {
  return a > 0 ? normalCdf(-a) - normalCdf(-b) : normalCdf(b) - normalCdf(a);
}

/** Integral of Phi up to x: x Phi(x) + phi(x) (the mean of max(0, x + N)). */
export function normalIntegral(x: number): number {
  if (x < -9) return 0;
  return x > 9 ? x : x * normalCdf(x) + normalDensity(x);
}

/** Phi^-1(p) to 4.5e-4 (Abramowitz & Stegun 26.2.23): where to start looking. */
export function roughNormalQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
  const top = 2.515517 + t * (0.802853 + t * 0.010328);
  const x = t - top / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return p < 0.5 ? -x : x;
}

/** Phi^-1(p) to about 1e-9, kept within +-8: the rough one and a step of Halley's method. */
export function normalQuantile(p: number): number {
  if (!(p > 1e-15 && p < 1 - 1e-15)) return p < 0.5 ? -8 : 8;
  const x = roughNormalQuantile(p);
  const newton = (normalCdf(x) - p) / normalDensity(x);
  return x - newton / (1 + 0.5 * x * newton);
}

/** Beyond this many sigma the table's density is 0. */
export const TABLE_EDGE = 9;
/** Nodes of the table per sigma. */
export const TABLE_NODES = 64;

/**
 * Phi and phi, in turn, at the nodes -9, -9 + 1/64 ... 9. A Taylor step of fourth order from the nearest node is within
 * 1e-12 of Phi and costs no exponential.
 */
export const normalTable = Float64Array.from({ length: 2 * (2 * TABLE_EDGE * TABLE_NODES + 1) }, (_, i) =>
  (i % 2 === 0 ? normalCdf : normalDensity)((i >> 1) / TABLE_NODES - TABLE_EDGE),
);

/** Levels Phi(-6) ... Phi(6) at this many equal steps per sigma: quantiles there describe tails as well as cores. */
export function normalScoreLevels(perSigma: number): Float64Array {
  return Float64Array.from({ length: 12 * perSigma + 1 }, (_, i) => normalCdf(i / perSigma - 6));
}
