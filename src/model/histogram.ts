import type { Rng } from "../random.ts";
import { curveAt, identityCurve, logSlopeAt } from "./curve.ts";
import { type Curve, type Distribution, type Moments, type ScoreWarp, TAIL_WIDTH } from "./distribution.ts";
import { normalCdf, normalIntegral, normalQuantile } from "./normal.ts";
import { placeOf } from "./numeric.ts";

/** Densities that are constant between edges shared by all rows. */
export interface Histograms {
  readonly rowCount: number;
  /** [bins + 1] Strictly increasing. */
  readonly edges: Float64Array;
  /** [rowCount, bins] Probabilities, summing to 1 within a row. */
  readonly probability: Float64Array;
}

/** @throws Error for edges that don't increase or don't fit the probabilities. */
export function histogramDistribution(h: Histograms): Distribution {
  const bins = h.edges.length - 1;
  if (bins < 1 || h.edges.some((edge, i) => i > 0 && !(edge > h.edges[i - 1]))) {
    throw new Error("histogram: expected two or more strictly increasing edges");
  }
  if (h.probability.length !== h.rowCount * bins) {
    throw new Error(`histogram: ${h.probability.length} probabilities, expected ${h.rowCount} rows of ${bins}`);
  }
  return new Histogram(h);
}

class Histogram implements Distribution {
  readonly rowCount: number;
  readonly #edges: Float64Array;
  readonly #bins: number;
  readonly #probability: Float64Array;
  /** [rowCount, bins + 1] cdf at the edges, 0 to 1. */
  readonly #below: Float64Array;

  constructor({ rowCount, edges, probability }: Histograms) {
    this.rowCount = rowCount;
    this.#edges = edges;
    this.#bins = edges.length - 1;
    this.#probability = probability;
    this.#below = new Float64Array(rowCount * edges.length);
    for (let row = 0; row < rowCount; row++) {
      const at = row * edges.length;
      for (let b = 0; b < this.#bins; b++)
        this.#below[at + b + 1] = this.#below[at + b] + probability[row * this.#bins + b];
      const total = this.#below[at + this.#bins];
      for (let b = 1; b <= this.#bins; b++) this.#below[at + b] /= total;
    }
  }

  /** Bin of v, which lies between the outer edges. */
  #binOf(v: number): number {
    return Math.min(placeOf(this.#edges, v), this.#bins - 1);
  }

  logDensity(row: number, v: number): number {
    if (!(v >= this.#edges[0] && v <= this.#edges[this.#bins])) return -Infinity;
    const b = this.#binOf(v);
    return Math.log(this.#probability[row * this.#bins + b] / (this.#edges[b + 1] - this.#edges[b]));
  }

  cdf(row: number, v: number): number {
    if (!(v > this.#edges[0])) return 0;
    if (v >= this.#edges[this.#bins]) return 1;
    const b = this.#binOf(v);
    const at = row * (this.#bins + 1) + b;
    const part = (v - this.#edges[b]) / (this.#edges[b + 1] - this.#edges[b]);
    return this.#below[at] + part * (this.#below[at + 1] - this.#below[at]);
  }

  quantiles(row: number, levels: ArrayLike<number>, out: Float64Array): void {
    for (let i = 0; i < levels.length; i++) out[i] = this.#quantile(row, levels[i]);
  }

  #quantile(row: number, level: number): number {
    const at = row * (this.#bins + 1);
    let low = 0;
    let high = this.#bins;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#below[at + middle] <= level) low = middle;
      else high = middle;
    }
    const mass = this.#below[at + low + 1] - this.#below[at + low];
    const part = mass > 0 ? Math.min(1, (level - this.#below[at + low]) / mass) : 0;
    return this.#edges[low] + part * (this.#edges[low + 1] - this.#edges[low]);
  }

  sample(row: number, rng: Rng): number {
    return this.#quantile(row, rng.uniform());
  }

  moments(row: number, curve: Curve = identityCurve, low = -Infinity, high = Infinity): Moments {
    let mass = 0;
    let first = 0;
    let second = 0;
    const zero = curveAt(curve, this.#quantile(row, 0.5));
    for (let b = 0; b < this.#bins; b++) {
      const from = Math.max(low, this.#edges[b]);
      const to = Math.min(high, this.#edges[b + 1]);
      if (!(to > from)) continue;
      const share = (this.#probability[row * this.#bins + b] * (to - from)) / (this.#edges[b + 1] - this.#edges[b]);
      const [mean, square] = uniformMoments(curve, from, to, zero);
      mass += share;
      first += share * mean;
      second += share * square;
    }
    const mean = first / mass;
    return { mean: zero + mean, std: Math.sqrt(Math.max(0, second / mass - mean * mean)) };
  }

  /** The middle of the bin where probability per unit of curve(V) is highest. */
  mode(row: number, curve: Curve = identityCurve): number {
    let best = 0;
    let top = -Infinity;
    for (let b = 0; b < this.#bins; b++) {
      const middle = 0.5 * (this.#edges[b] + this.#edges[b + 1]);
      const share = this.#probability[row * this.#bins + b] / (this.#edges[b + 1] - this.#edges[b]);
      const height = Math.log(share) - logSlopeAt(curve, middle);
      if (height <= top) continue;
      top = height;
      best = middle;
    }
    return best;
  }

  recalibrated(of: (row: number) => ScoreWarp): Distribution {
    const bins = this.#bins;
    const probability = new Float64Array(this.#probability.length);
    for (let row = 0; row < this.rowCount; row++) {
      const { mean, std } = this.moments(row);
      const below = this.#below.subarray(row * (bins + 1), (row + 1) * (bins + 1));
      const scores = this.#edges.map((edge) => (edge - mean) / std);
      probability.set(warpBins(below, scores, of(row)), row * bins);
    }
    return new Histogram({ rowCount: this.rowCount, edges: this.#edges, probability });
  }

  /** Onto the same bins; what leaves them at an end is counted in the bin there. */
  widen(error: (row: number) => number): Distribution {
    const bins = this.#bins;
    const wide = new Float64Array(this.#probability.length);
    for (let row = 0; row < this.rowCount; row++) {
      const own = this.#probability.subarray(row * bins, (row + 1) * bins);
      const sigma = error(row);
      if (!(sigma > 0)) wide.set(own, row * bins);
      else wide.subarray(row * bins, (row + 1) * bins).set(blurBins(this.#edges, own, sigma));
    }
    return new Histogram({ rowCount: this.rowCount, edges: this.#edges, probability: wide });
  }
}

/** Probabilities of the bins whose cdf at the edges [bins + 1] is warped; `scores`: the edges, in deviations from the mean. */
function warpBins(below: Float64Array, scores: Float64Array, { shift, width, tail }: ScoreWarp): Float64Array {
  const last = below.length - 1;
  const wide = scores.map((score) => normalCdf(score / TAIL_WIDTH));
  const warpedTo = (e: number): number => {
    if (e === 0 || e === last) return e / last;
    const core = below[e] <= 0 ? 0 : below[e] >= 1 ? 1 : normalCdf((normalQuantile(below[e]) - shift) / width);
    return (1 - tail) * core + (tail * (wide[e] - wide[0])) / (wide[last] - wide[0]);
  };
  const out = new Float64Array(last);
  let [total, from] = [0, 0];
  for (let b = 0; b < last; b++) {
    const to = warpedTo(b + 1);
    total += out[b] = Math.max(0, to - from);
    from = to;
  }
  return out.map((p) => p / total);
}

/** Probabilities of the bins after a Gaussian error: differences of the blurred cdf at the edges. */
function blurBins(edges: Float64Array, probability: Float64Array, sigma: number): Float64Array {
  const bins = probability.length;
  const total = probability.reduce((sum, p) => sum + p, 0);
  const out = new Float64Array(bins);
  let last = 0;
  for (let j = 1; j <= bins; j++) {
    let below = 0;
    for (let i = 0; i < bins; i++) {
      const from = (edges[j] - edges[i]) / sigma;
      const to = (edges[j] - edges[i + 1]) / sigma;
      if (from < -9) break;
      const share = to > 9 ? 1 : (normalIntegral(from) - normalIntegral(to)) / (from - to);
      below += probability[i] * share;
    }
    if (j === bins) below = total;
    out[j - 1] = Math.max(0, below - last);
    last = Math.max(below, last);
  }
  return out;
}

/** Means of curve(V) - zero and of its square for V uniform in [from, to]. */
function uniformMoments(curve: Curve, from: number, to: number, zero: number): [number, number] {
  const { shape, factor, rate, shift, offset } = curve;
  const [a, b] = [rate * from + shift, rate * to + shift];
  const off = offset - zero;
  /** Mean of exp(n t) over t in [a, b]: a difference of exponentials without cancellation. */
  const tilted = (n: number): number => {
    const half = 0.5 * n * (b - a);
    return Math.exp(0.5 * n * (a + b)) * (Math.abs(half) < 1e-4 ? 1 + (half * half) / 6 : Math.sinh(half) / half);
  };
  if (shape === "linear") {
    const [p, q] = [off + factor * a, off + factor * b];
    return [0.5 * (p + q), (p * p + p * q + q * q) / 3];
  }
  const mean = shape === "exp" ? tilted(1) : 0.5 * (tilted(1) - tilted(-1));
  const square = shape === "exp" ? tilted(2) : 0.25 * (tilted(2) + tilted(-2)) - 0.5;
  return [off + factor * mean, off * off + 2 * off * factor * mean + factor * factor * square];
}
