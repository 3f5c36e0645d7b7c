import { type ScoreWarp, TAIL_WIDTH } from "./distribution.ts";
import type { Mixtures } from "./mixture.ts";
import { normalQuantile } from "./normal.ts";

/** Scores beyond this are not told apart: a component out there is as far as can be. */
const FURTHEST = 6;

/**
 * Mixtures recalibrated, with one component more. The density ratio of the warp, exp((x^2 - ((x - shift) / width)^2) / 2) at the
 * score x = Phi^-1(cdf), tilts every component: ln of it is taken as the parabola through three places of the component, its
 * mean and one deviation to each side, so that the component stays a Gaussian. Of a single Gaussian that is exact; none is
 * widened or narrowed by more than `width`. The last component is the tail.
 */
export function warpMixtures(
  { rowCount, componentCount: n, stride, weight, mean, sigma }: Mixtures,
  cdf: (row: number, v: number) => number,
  of: (row: number) => ScoreWarp,
): Mixtures {
  const size = n + 1;
  const out = {
    weight: new Float64Array(rowCount * size),
    mean: new Float64Array(rowCount * size),
    sigma: new Float64Array(rowCount * size),
  };
  for (let row = 0; row < rowCount; row++) {
    const { shift, width, tail } = of(row);
    const [from, to] = [row * stride, row * size];
    const narrowest = 1 / (width * width);
    const [least, most] = [Math.min(1, narrowest), Math.max(1, narrowest)];
    const logRatio = (v: number): number => {
      const x = Math.min(Math.max(normalQuantile(cdf(row, v)), -FURTHEST), FURTHEST);
      const y = (x - shift) / width;
      return 0.5 * (x * x - y * y);
    };
    let [total, centre, square] = [0, 0, 0];
    for (let k = 0; k < n; k++) {
      const [w, m, s] = [weight[from + k], mean[from + k], sigma[from + k]];
      centre += w * m;
      square += w * (s * s + m * m);
      out.mean[to + k] = m;
      out.sigma[to + k] = s;
      if (w === 0) continue;
      const [left, middle, right] = [logRatio(m - s), logRatio(m), logRatio(m + s)];
      const slope = 0.5 * (right - left);
      const precision = Math.min(Math.max(1 - (left + right - 2 * middle), least), most);
      out.mean[to + k] = m + (s * slope) / precision;
      out.sigma[to + k] = s / Math.sqrt(precision);
      total += out.weight[to + k] = (w * Math.exp(middle + (0.5 * slope * slope) / precision)) / Math.sqrt(precision);
    }
    for (let k = 0; k < n; k++) out.weight[to + k] *= (1 - tail) / total;
    out.weight[to + n] = tail;
    out.mean[to + n] = centre;
    out.sigma[to + n] = TAIL_WIDTH * Math.sqrt(Math.max(square - centre * centre, Number.MIN_VALUE));
  }
  return { rowCount, componentCount: size, stride: size, ...out };
}
