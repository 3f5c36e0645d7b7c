import type { Curve, Distribution } from "../../src/model/distribution.ts";
import { identityCurve } from "../../src/model/curve.ts";
import { createRng } from "../../src/random.ts";

/** A distribution and where to look at it; every row is judged. */
export interface Case {
  readonly distribution: Distribution;
  /** Nothing to speak of lies outside. */
  readonly range: readonly [number, number];
  /** Places where the density jumps. */
  readonly jumps?: readonly number[];
  /** Curve whose moments are checked besides those of the value itself. */
  readonly curve?: Curve;
  /** Error with which `widen` is checked; none where the answer is a class. */
  readonly error?: number;
  /** Allowed error of what is worked out numerically, in units of probability and of standard deviations. */
  readonly tolerance?: number;
  /** Widened values are put back between these (histograms: into their end bins). */
  readonly isFolded?: boolean;
}

const LEVELS = Float64Array.of(0.001, 0.02, 0.16, 0.5, 0.84, 0.98, 0.999);
const POINTS = 40_000;
const DRAWS = 20_000;
/** Kolmogorov & Smirnov: exceeded once in 10,000. */
const KS = 2.2 / Math.sqrt(DRAWS);

const apply = ({ shape, factor, rate, shift, offset }: Curve, v: number): number => {
  const t = rate * v + shift;
  return offset + factor * (shape === "linear" ? t : shape === "exp" ? Math.exp(t) : Math.sinh(t));
};

function distanceOf(draws: Float64Array, cdf: (v: number) => number): number {
  const sorted = draws.sort();
  let worst = 0;
  sorted.forEach((v, i) => {
    const u = cdf(v);
    worst = Math.max(worst, Math.abs(u - i / DRAWS), Math.abs(u - (i + 1) / DRAWS));
  });
  return worst;
}

/**
 * What is wrong with a continuous distribution: nothing, for one whose density, cdf, quantiles, samples, moments, mode and
 * widened self say the same.
 */
export function faultsOf(name: string, of: Case): string[] {
  const faults: string[] = [];
  for (let row = 0; row < of.distribution.rowCount; row++) {
    const say = (what: string, value: number): void => void faults.push(`${name}, row ${row}: ${what} (${value})`);
    judgeDensity(of, row, say);
    judgeQuantiles(of, row, say);
    judgeSamples(of, row, say);
  }
  return faults;
}

type Say = (what: string, value: number) => void;

function judgeDensity(
  { distribution: d, range: [low, high], jumps = [], curve, tolerance = 1e-5 }: Case,
  row: number,
  say: Say,
): void {
  const sums = [identityCurve, curve ?? identityCurve].map((c) => ({ c, first: 0, second: 0 }));
  let [area, last, worst, fall, top] = [0, 0, 0, 0, -Infinity];
  const ends = [low, ...jumps.filter((x) => x > low && x < high), high].sort((a, b) => a - b);
  for (let part = 1; part < ends.length; part++) {
    const h = (ends[part] - ends[part - 1]) / POINTS;
    for (let i = 0; i < POINTS; i++) {
      const v = ends[part - 1] + (i + 0.5) * h;
      const log = d.logDensity(row, v);
      top = Math.max(top, log);
      const mass = h * Math.exp(log);
      area += mass;
      for (const sum of sums) {
        const x = apply(sum.c, v);
        sum.first += mass * x;
        sum.second += mass * x * x;
      }
      const cdf = d.cdf(row, v + h / 2);
      worst = Math.max(worst, Math.abs(cdf - area));
      fall = Math.max(fall, last - cdf);
      last = cdf;
    }
  }
  if (Math.abs(area - 1) > tolerance) say("the density does not integrate to 1", area);
  if (worst > 2 * tolerance) say("the cdf is not the integral of the density", worst);
  if (fall > 1e-11) say("the cdf falls", fall);
  for (const { c, first, second } of sums) {
    const std = Math.sqrt(Math.max(0, second - first * first));
    const moments = d.moments(row, c);
    const off = Math.max(Math.abs(moments.mean - first), Math.abs(moments.std - std)) / std;
    if (!(off < 50 * tolerance))
      say(`moments (${c.shape}) are not those of the density: ${moments.mean} +- ${moments.std}`, off);
  }
  const missed = top - d.logDensity(row, d.mode(row));
  if (!(missed < 0.05)) say("the mode is not the highest point", missed);
  const outside = [d.cdf(row, -Infinity), 1 - d.cdf(row, Infinity)];
  if (!(Math.max(...outside) < 1e-9)) say("the cdf does not run from 0 to 1", Math.max(...outside));
}

function judgeQuantiles({ distribution: d, tolerance = 1e-7 }: Case, row: number, say: Say): void {
  const out = new Float64Array(LEVELS.length);
  d.quantiles(row, LEVELS, out);
  const worst = LEVELS.reduce((most, level, i) => Math.max(most, Math.abs(d.cdf(row, out[i]) - level)), 0);
  if (!(worst < Math.min(tolerance, 1e-7))) say("quantiles don't undo the cdf", worst);
  const alone = new Float64Array(1);
  d.quantiles(row, [LEVELS[3]], alone);
  const off = Math.abs(d.cdf(row, alone[0]) - d.cdf(row, out[3]));
  if (!(off < 1e-7)) say("a quantile depends on the levels asked with it", off);
}

function judgeSamples(
  { distribution: d, range, error, isFolded = false, tolerance = 0 }: Case,
  row: number,
  say: Say,
): void {
  const rng = createRng(`judge ${row}`);
  const draws = Float64Array.from({ length: DRAWS }, () => d.sample(row, rng));
  const own = distanceOf(draws.slice(), (v) => d.cdf(row, v));
  if (!(own < KS)) say("samples don't follow the cdf", own);
  if (error === undefined) return;
  const wide = d.widen((at) => error * (1 + at));
  const noisy = draws.map((v) => v + error * (1 + row) * rng.normal());
  const [low, high] = range;
  const folded = isFolded ? noisy.filter((v) => v > low && v < high) : noisy;
  if (isFolded) {
    // Inside the grid, where folding changes nothing: compare masses below its inner edges.
    const inner = [0.25, 0.5, 0.75].map((part) => low + part * (high - low));
    const off = inner.map((v) => Math.abs(wide.cdf(row, v) - noisy.filter((x) => x <= v).length / DRAWS));
    if (!(Math.max(...off) < KS && folded.length > 0))
      say("widened masses are not those of noisy samples", Math.max(...off));
    return;
  }
  const seen = distanceOf(noisy, (v) => wide.cdf(row, v));
  if (!(seen < KS + tolerance)) say("the widened cdf is not that of noisy samples", seen);
}
