import type { Curve } from "./distribution.ts";

/** x of an encoded value v. */
export function curveAt(c: Curve, v: number): number {
  const t = c.rate * v + c.shift;
  return c.offset + c.factor * (c.shape === "linear" ? t : c.shape === "exp" ? Math.exp(t) : Math.sinh(t));
}

/** The v of a value x; -Infinity where an increasing exponential does not reach down to x. */
export function curveInverse(c: Curve, x: number): number {
  const t = (x - c.offset) / c.factor;
  if (c.shape === "linear") return (t - c.shift) / c.rate;
  if (c.shape === "sinh") return (Math.asinh(t) - c.shift) / c.rate;
  return t > 0 ? (Math.log(t) - c.shift) / c.rate : -Infinity;
}

/** ln(dx/dv), finite wherever v is. */
export function logSlopeAt(c: Curve, v: number): number {
  const constant = Math.log(Math.abs(c.factor * c.rate));
  if (c.shape === "linear") return constant;
  const t = c.rate * v + c.shift;
  if (c.shape === "exp") return constant + t;
  const a = Math.abs(t);
  return constant + a + Math.log1p(Math.exp(-2 * a)) - Math.LN2; // ln cosh, without overflow
}

/** d ln(dx/dv) / dv. */
export function logSlopeRate(c: Curve, v: number): number {
  if (c.shape === "linear") return 0;
  return c.shape === "exp" ? c.rate : c.rate * Math.tanh(c.rate * v + c.shift);
}

/** x = v. */
export const identityCurve: Curve = { shape: "linear", factor: 1, rate: 1, shift: 0, offset: 0 };

export const isSameCurve = (a: Curve, b: Curve): boolean =>
  a === b ||
  (a.shape === b.shape && a.factor === b.factor && a.rate === b.rate && a.shift === b.shift && a.offset === b.offset);
