import type { Rng } from "../random.ts";
import { identityCurve, isSameCurve, logSlopeAt, logSlopeRate } from "./curve.ts";
import type { Components, Curve, Distribution, Moments, ScoreWarp } from "./distribution.ts";
import { warpMixtures } from "./mixture-warp.ts";
import { curvedComponents, curvedMoments, hasRoom, truncatedMoments } from "./mixture-moments.ts";
import {
  LOG_SQRT_2PI,
  normalCdf,
  normalDensity,
  normalTable,
  roughNormalQuantile,
  TABLE_EDGE,
  TABLE_NODES,
} from "./normal.ts";

/**
 * Gaussian mixtures of `rowCount` rows. Row i reads entries `i * stride .. i * stride + componentCount`; stride 0 means
 * that every row has the same distribution.
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

/** Of mixtures the CRPS is exact. */
export interface MixtureDistribution extends Distribution {
  crps(row: number, truth: number): number;
}

export const mixtureDistribution = (m: Mixtures): MixtureDistribution => new Mixture(m);

/** Closer to 0 or 1 than this, cdfs are summed from the accurate normal cdf. */
const TAIL = 1e-5;
/**
 * A quantile takes its last step from where the cdf is this close to the level, in units of the smaller tail, and changes
 * its slope by no more than twice this part on the way: the step is of third order.
 */
const CLOSE = 1e-4;
const BEND = 1e-3;
/** A cdf this close is the level, in the same units. */
const SAME = 1e-13;
const MOST_STEPS = 200;
/** Components whose own peak is lower than this part of the tallest are not where the mode is looked for. */
const PROMINENT = 0.2;
const MOST_SHIFTS = 10;
/** The mode moves no further than this part of a component's width. */
const SETTLED = 1e-3;

class Mixture implements MixtureDistribution {
  readonly rowCount: number;
  readonly #m: Mixtures;
  readonly #inverse: Float64Array;
  /** Cdf, density and its derivative at the value evaluated last: no pair is allocated in the inner loop. */
  readonly #at = new Float64Array(3);
  #logHeight: Float64Array | undefined;
  /** Where all rows are one, what has been worked out serves all. */
  readonly #shared: { spread?: number; mode?: [Curve, number]; levels?: Float64Array; quantiles?: Float64Array } = {};

  constructor(m: Mixtures) {
    this.#m = m;
    this.rowCount = m.rowCount;
    this.#inverse = m.sigma.map((sigma) => 1 / sigma);
  }

  logDensity(row: number, v: number): number {
    const { componentCount, stride } = this.#m;
    const start = row * stride;
    let top = -Infinity;
    for (let k = start; k < start + componentCount; k++) top = Math.max(top, this.#logTerm(k, v));
    if (!(top > -Infinity)) return top;
    let sum = 0;
    for (let k = start; k < start + componentCount; k++) sum += Math.exp(this.#logTerm(k, v) - top);
    return top + Math.log(sum);
  }

  #logTerm(k: number, v: number): number {
    const { weight, mean, sigma } = this.#m;
    this.#logHeight ??= weight.map((w, i) => Math.log(w / sigma[i]) - LOG_SQRT_2PI);
    const u = (v - mean[k]) * this.#inverse[k];
    return this.#logHeight[k] - 0.5 * u * u;
  }

  cdf(row: number, v: number): number {
    const start = row * this.#m.stride;
    this.#evaluate(start, v);
    const below = this.#at[0];
    if (below > TAIL && below < 1 - TAIL) return below;
    this.#evaluateTail(start, v);
    return this.#at[0];
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    if (this.#m.stride > 0) return this.#solve(row, levels, out);
    const shared = this.#shared;
    const isKnown = shared.levels?.length === levels.length && shared.levels.every((level, i) => level === levels[i]);
    if (!isKnown) {
      shared.levels = Float64Array.from(levels);
      shared.quantiles = new Float64Array(levels.length);
      this.#solve(row, levels, shared.quantiles);
    }
    out.set(shared.quantiles!);
  }

  /**
   * Halley's method within a bracket, from one level to the next. From a cdf within a millionth of the level the last
   * step, of third order, is far below float32's precision.
   */
  #solve(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    const { componentCount, stride, weight, mean, sigma } = this.#m;
    const start = row * stride;
    let least = Infinity;
    let most = -Infinity;
    let centre = 0;
    let second = 0;
    for (let k = start; k < start + componentCount; k++) {
      if (weight[k] === 0) continue;
      least = Math.min(least, mean[k] - 38 * sigma[k]);
      most = Math.max(most, mean[k] + 38 * sigma[k]);
      centre += weight[k] * mean[k];
    }
    for (let k = start; k < start + componentCount; k++) {
      second += weight[k] * (sigma[k] * sigma[k] + (mean[k] - centre) * (mean[k] - centre));
    }
    let y = centre + Math.sqrt(second) * roughNormalQuantile(levels[0]);
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i];
      const smaller = Math.min(level, 1 - level);
      let low = least;
      let high = most;
      if (i > 0) y = this.#step(y, levels[i - 1] - level, low, high);
      for (let step = 0; step < MOST_STEPS && high - low > 1e-15 * (Math.abs(low) + Math.abs(high)); step++) {
        if (smaller < TAIL) this.#evaluateTail(start, y);
        else this.#evaluate(start, y);
        const excess = this.#at[0] - level;
        if (excess > 0) high = y;
        else low = y;
        if (Math.abs(excess) <= SAME * smaller) break;
        // In a gap between components a step may lead far away: the last one must be short against the bend.
        const isLast =
          Math.abs(excess) <= CLOSE * smaller && Math.abs(excess * this.#at[2]) < BEND * this.#at[1] * this.#at[1];
        const next = this.#step(y, excess, low, high);
        // Halley's steps may circle within the bracket: after a few, every other one halves it.
        y = isLast || (next > low && next < high && (step < 8 || step % 2 === 0)) ? next : 0.5 * (low + high);
        if (isLast) break;
      }
      out[i] = y;
      least = y;
    }
  }

  /** From y towards where the cdf is lower by `excess`; the middle of the bracket where that leads out of it. */
  #step(y: number, excess: number, low: number, high: number): number {
    const newton = excess / this.#at[1];
    const bend = 1 - (0.5 * newton * this.#at[2]) / this.#at[1];
    const next = y - newton / Math.min(Math.max(bend, 0.5), 2);
    return next >= low && next <= high ? next : 0.5 * (low + high);
  }

  /** Cdf, density and its derivative by table: a Taylor step of fourth order from the nearest node. */
  #evaluate(start: number, y: number): void {
    const { componentCount, weight, mean } = this.#m;
    const inverse = this.#inverse;
    let below = 0;
    let density = 0;
    let slope = 0;
    const end = start + componentCount;
    for (let k = start; k < end; k++) {
      const scale = inverse[k];
      const u = (y - mean[k]) * scale;
      if (u > -TABLE_EDGE && u < TABLE_EDGE) {
        const node = ((u + TABLE_EDGE) * TABLE_NODES + 0.5) | 0;
        const x = node * (1 / TABLE_NODES) - TABLE_EDGE;
        const d = u - x;
        const square = x * x;
        const third = square - 1;
        const fourth = x * (3 - square);
        const p = weight[k] * normalTable[2 * node + 1];
        below +=
          weight[k] * normalTable[2 * node] +
          p * d * (1 + d * (-0.5 * x + d * (third * (1 / 6) + d * fourth * (1 / 24))));
        const height = scale * p * (1 + d * (-x + d * (0.5 * third + d * fourth * (1 / 6))));
        density += height;
        slope -= height * u * scale;
      } else if (u > 0) below += weight[k];
    }
    this.#at[0] = below;
    this.#at[1] = density;
    this.#at[2] = slope;
  }

  #evaluateTail(start: number, y: number): void {
    const { componentCount, weight, mean } = this.#m;
    this.#at.fill(0);
    for (let k = start; k < start + componentCount; k++) {
      const u = (y - mean[k]) * this.#inverse[k];
      const height = weight[k] * this.#inverse[k] * normalDensity(u);
      this.#at[0] += weight[k] * normalCdf(u);
      this.#at[1] += height;
      if (height > 0) this.#at[2] -= height * u * this.#inverse[k];
    }
  }

  sample(row: number, rng: Rng): number {
    const { componentCount, stride, weight, mean, sigma } = this.#m;
    let k = row * stride;
    const last = k + componentCount - 1;
    let u = rng.uniform();
    while (k < last && (u -= weight[k]) >= 0) k++;
    return mean[k] + sigma[k] * rng.normal();
  }

  hasRoom(row: number, low: number, high: number): boolean {
    return hasRoom(this.#m, row, identityCurve, low, high);
  }

  components(row: number, curve: Curve = identityCurve): Components {
    return curvedComponents(this.#m, row, curve);
  }

  moments(row: number, curve: Curve = identityCurve, low = -Infinity, high = Infinity): Moments {
    return hasRoom(this.#m, row, curve, low, high)
      ? curvedMoments(this.#m, row, curve)
      : truncatedMoments(this.#m, row, curve, low, high);
  }

  mode(row: number, curve: Curve = identityCurve): number {
    const shared = this.#m.stride === 0 ? this.#shared : undefined;
    if (shared?.mode !== undefined && isSameCurve(shared.mode[0], curve)) return shared.mode[1];
    const mode = this.#findMode(row, curve);
    if (shared !== undefined) shared.mode = [curve, mode];
    return mode;
  }

  /** The best of the prominent components' centres, then mean-shift steps uphill (Carreira-Perpinan 2000, eq. 6). */
  #findMode(row: number, curve: Curve): number {
    const { componentCount, stride, weight, mean } = this.#m;
    const start = row * stride;
    let tallest = 0;
    for (let k = start; k < start + componentCount; k++) tallest = Math.max(tallest, weight[k] * this.#inverse[k]);
    let best = mean[start];
    let top = -Infinity;
    for (let k = start; k < start + componentCount; k++) {
      if (weight[k] * this.#inverse[k] < PROMINENT * tallest) continue;
      this.#evaluate(start, mean[k]);
      const height = this.#at[1] * Math.exp(-logSlopeAt(curve, mean[k]));
      if (height <= top) continue;
      top = height;
      best = mean[k];
    }
    for (let step = 0; step < MOST_SHIFTS; step++) {
      const next = this.#shifted(start, best, logSlopeRate(curve, best));
      const isSettled = Math.abs(next - best) < SETTLED * this.#at[0];
      best = next;
      if (isSettled) break;
    }
    return best;
  }

  /** Where p(v) e^(-tilt v) would peak if the components kept the shares they have at v; leaves their width there. */
  #shifted(start: number, v: number, tilt: number): number {
    const { componentCount, weight, mean } = this.#m;
    let total = 0;
    let top = 0;
    let bottom = 0;
    for (let k = start; k < start + componentCount; k++) {
      const inverse = this.#inverse[k];
      const u = (v - mean[k]) * inverse;
      if (u * u > 100) continue;
      const share = weight[k] * inverse * Math.exp(-0.5 * u * u);
      total += share;
      top += share * (inverse * inverse * mean[k] - tilt);
      bottom += share * inverse * inverse;
    }
    this.#at[0] = Math.sqrt(total / bottom);
    return bottom > 0 ? top / bottom : v;
  }

  widen(error: (row: number) => number): MixtureDistribution {
    const { rowCount, componentCount: k, stride, weight, mean, sigma } = this.#m;
    const repeat = (values: Float64Array): Float64Array =>
      stride === k ? values : Float64Array.from({ length: rowCount * k }, (_, i) => values[startOf(i) + (i % k)]);
    const startOf = (i: number): number => Math.floor(i / k) * stride;
    const wide = repeat(sigma).slice();
    for (let row = 0; row < rowCount; row++) {
      const own = error(row);
      for (let i = row * k; i < (row + 1) * k; i++) wide[i] = Math.hypot(wide[i], own);
    }
    return mixtureDistribution({
      rowCount,
      componentCount: k,
      stride: k,
      weight: repeat(weight),
      mean: repeat(mean),
      sigma: wide,
    });
  }

  recalibrated(of: (row: number) => ScoreWarp): MixtureDistribution {
    return mixtureDistribution(warpMixtures(this.#m, (row, v) => this.cdf(row, v), of));
  }

  /** Exact (Grimit et al. 2006, QJRMS 132, 2925, eq. 5). */
  crps(row: number, truth: number): number {
    const { componentCount, stride, weight, mean, sigma } = this.#m;
    const start = row * stride;
    const spread = stride > 0 ? this.#spread(start) : (this.#shared.spread ??= this.#spread(0));
    let distance = 0;
    for (let k = start; k < start + componentCount; k++) {
      distance += weight[k] * meanAbsolute(truth - mean[k], sigma[k] * sigma[k]);
    }
    return distance - spread;
  }

  /** Half of E|Y - Y'|: the part of the CRPS that doesn't depend on the truth. */
  #spread(start: number): number {
    const { componentCount, weight, mean, sigma } = this.#m;
    let sum = 0;
    for (let k = start; k < start + componentCount; k++) {
      const variance = sigma[k] * sigma[k];
      sum += 0.5 * weight[k] * weight[k] * meanAbsolute(0, 2 * variance);
      for (let l = k + 1; l < start + componentCount; l++) {
        sum += weight[k] * weight[l] * meanAbsolute(mean[k] - mean[l], variance + sigma[l] * sigma[l]);
      }
    }
    return sum;
  }
}

/** E|Y| of a Gaussian with this mean and variance: A(mu, sigma^2) of Grimit et al. 2006, eq. 6. */
function meanAbsolute(mean: number, variance: number): number {
  const sigma = Math.sqrt(variance);
  if (sigma === 0) return Math.abs(mean);
  const u = mean / sigma;
  return 2 * sigma * normalDensity(u) + mean * (2 * normalCdf(u) - 1);
}
