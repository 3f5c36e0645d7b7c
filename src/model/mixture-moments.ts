import { curveAt } from "./curve.ts";
import type { Components, Curve, Moments } from "./distribution.ts";
import type { Mixtures } from "./mixture.ts";
import { logNormalBetween, normalBetween, normalDensity } from "./normal.ts";

/**
 * Mean and standard deviation of curve(V) of a mixture's row. Every component's own moments are closed forms (linear;
 * log-normal; sinh-normal, Johnson 1949) free of cancellation, and so is the sum of the spreads within and between.
 */
export function curvedMoments(m: Mixtures, row: number, curve: Curve): Moments {
  const start = row * m.stride;
  const end = start + m.componentCount;
  let mean = 0;
  for (let k = start; k < end; k++) if (m.weight[k] > 0) mean += m.weight[k] * meanOf(m, k, curve);
  let variance = 0;
  for (let k = start; k < end; k++) {
    if (m.weight[k] === 0) continue;
    const off = meanOf(m, k, curve) - mean;
    variance += m.weight[k] * (varianceOf(m, k, curve) + off * off);
  }
  const std = curve.factor * Math.sqrt(variance);
  return { mean: curve.offset + curve.factor * mean, std: Number.isNaN(std) ? Infinity : Math.abs(std) };
}

/** Every component's weight, and the mean and standard deviation of curve(V) under it. */
export function curvedComponents(m: Mixtures, row: number, curve: Curve): Components {
  const n = m.componentCount;
  const of = (value: (k: number) => number): Float64Array =>
    Float64Array.from({ length: n }, (_, i) => value(row * m.stride + i));
  return {
    weight: of((k) => m.weight[k]),
    mean: of((k) => curve.offset + curve.factor * meanOf(m, k, curve)),
    std: of((k) => Math.abs(curve.factor) * Math.sqrt(varianceOf(m, k, curve))),
  };
}

/** E f(rate V + shift) of component k. */
function meanOf(m: Mixtures, k: number, { shape, rate, shift }: Curve): number {
  const t = rate * m.mean[k] + shift;
  const s = rate * m.sigma[k];
  if (shape === "linear") return t;
  return shape === "exp" ? Math.exp(t + 0.5 * s * s) : Math.exp(0.5 * s * s) * Math.sinh(t);
}

function varianceOf(m: Mixtures, k: number, { shape, rate, shift }: Curve): number {
  const s = rate * m.sigma[k];
  if (shape === "linear") return s * s;
  const t = rate * m.mean[k] + shift;
  const q = s * s;
  if (shape === "exp") return Math.exp(2 * t + q) * Math.expm1(q);
  return 0.5 * Math.expm1(q) * (Math.exp(q) * Math.cosh(2 * t) + 1);
}

/** Beyond this many sigma of every component a bound changes nothing. */
const ROOM = 6.5;

/** Whether no bound is near: curves that grow like exp look further out, by the shift that they give a component. */
export function hasRoom(m: Mixtures, row: number, { shape, rate }: Curve, low: number, high: number): boolean {
  if (low === -Infinity && high === Infinity) return true;
  const start = row * m.stride;
  for (let k = start; k < start + m.componentCount; k++) {
    const sigma = m.sigma[k];
    const reach = sigma * (ROOM + (shape === "linear" ? 0 : 2 * Math.abs(rate) * sigma));
    if (m.mean[k] - reach < low || m.mean[k] + reach > high) return false;
  }
  return true;
}

/** Both moments, given low <= V <= high: partial expectations of each component (shifted means, differences of Phi). */
export function truncatedMoments(m: Mixtures, row: number, curve: Curve, low: number, high: number): Moments {
  const start = row * m.stride;
  const end = start + m.componentCount;
  // Measured from the value at the middle of what is left, squares don't cancel.
  const centre = pivot(m, start, end, low, high);
  const zero = curveAt({ ...curve, factor: 1, offset: 0 }, centre);
  let [mass, first, second] = [0, 0, 0];
  for (const isFar of [false, true]) {
    // components beyond a bound are looked at only where nothing else is left
    if (isFar && mass > FAR_COUNTS) break;
    for (let k = start; k < end; k++) {
      if (m.weight[k] === 0) continue;
      const place = placeOf(m, k, curve, low, high);
      if ((place === "beyond") !== isFar) continue;
      const [own, a, b] = place === "inside" ? whole(m, k, curve, zero) : partial(m, k, curve, low, high, zero);
      mass += m.weight[k] * own;
      first += m.weight[k] * a;
      second += m.weight[k] * b;
    }
  }
  const shift = first / mass;
  const variance = Math.max(0, second / mass - shift * shift);
  return {
    mean: curve.offset + curve.factor * (zero + shift),
    std: Math.abs(curve.factor) * (Number.isNaN(variance) && mass > 0 ? Infinity : Math.sqrt(variance)),
  };
}

/** Beyond this many sigma outside a bound nothing of a component is left ... */
const FAR = 8;
/** ... where the others have kept this much. */
const FAR_COUNTS = 1e-4;

/** Where a component lies: cut by no bound, on one, or outside. */
function placeOf(
  m: Mixtures,
  k: number,
  { shape, rate }: Curve,
  low: number,
  high: number,
): "inside" | "on" | "beyond" {
  const sigma = m.sigma[k];
  const reach = shape === "linear" ? 0 : 2 * Math.abs(rate) * sigma;
  const [a, b] = [(low - m.mean[k]) / sigma, (high - m.mean[k]) / sigma];
  if (a < -ROOM - reach && b > ROOM + reach) return "inside";
  return a > FAR + reach || b < -FAR - reach ? "beyond" : "on";
}

/** 1 and the means of f - zero and its square under component k, f = f(rate v + shift), no bound near. */
function whole(m: Mixtures, k: number, { shape, rate, shift }: Curve, zero: number): [number, number, number] {
  const t = rate * m.mean[k] + shift;
  const variance = (rate * m.sigma[k]) ** 2;
  if (shape === "linear") return [1, t - zero, (t - zero) ** 2 + variance];
  const lift = Math.exp(0.5 * variance);
  const isExp = shape === "exp";
  const first = lift * (isExp ? Math.exp(t) : Math.sinh(t));
  const square = isExp ? (first * lift) ** 2 : 0.5 * (lift ** 4 * Math.cosh(2 * t) - 1);
  return [1, first - zero, square - 2 * zero * first + zero * zero];
}

/** The components' mean, moved between the bounds. */
function pivot(m: Mixtures, start: number, end: number, low: number, high: number): number {
  let mean = 0;
  for (let k = start; k < end; k++) mean += m.weight[k] * m.mean[k];
  return Math.min(Math.max(mean, low), high);
}

/** Integrals over [low, high] of 1, (f - zero) and its square under component k, f = f(rate v + shift). */
function partial(
  m: Mixtures,
  k: number,
  { shape, rate, shift }: Curve,
  low: number,
  high: number,
  zero: number,
): [number, number, number] {
  const [mean, sigma] = [m.mean[k], m.sigma[k]];
  const a = (low - mean) / sigma;
  const b = (high - mean) / sigma;
  const mass = normalBetween(a, b);
  if (shape === "linear") {
    const off = rate * mean + shift - zero;
    const edge = normalDensity(a) - normalDensity(b);
    const moment = mass + times(a, normalDensity(a)) - times(b, normalDensity(b));
    const s = rate * sigma;
    return [mass, off * mass + s * edge, off * off * mass + 2 * off * s * edge + s * s * moment];
  }
  /** Integral of exp(n (rate v + shift)). */
  const tilted = (n: number): number => {
    const s = n * rate * sigma;
    return Math.exp(n * (rate * mean + shift) + 0.5 * s * s + logNormalBetween(a - s, b - s));
  };
  const first = shape === "exp" ? tilted(1) : 0.5 * (tilted(1) - tilted(-1));
  const square = shape === "exp" ? tilted(2) : 0.25 * (tilted(2) + tilted(-2)) - 0.5 * mass;
  return [mass, first - zero * mass, square - 2 * zero * first + zero * zero * mass];
}

/** x times a factor that vanishes faster than x grows. */
function times(x: number, factor: number): number {
  return factor === 0 ? 0 : x * factor;
}
