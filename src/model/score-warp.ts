import type { ScoreWarp } from "./distribution.ts";

type Shape = Omit<ScoreWarp, "tail">;

/** Where a score goes, and ln of the slope dy/dx there. */
export interface WarpedScore {
  readonly y: number;
  readonly lnSlope: number;
}

const ASINH_1 = Math.asinh(1);

/** y = sinh(flatness asinh(t)) / sinh(flatness asinh(1)), t = (x - shift) / width: t = 1 stays where it is. */
export function warpedScore(x: number, { shift, width, flatness }: Shape): WarpedScore {
  const t = (x - shift) / width;
  const a = flatness * Math.asinh(t);
  const norm = Math.sinh(flatness * ASINH_1);
  const slope = (flatness * Math.cosh(a)) / (norm * width * Math.hypot(1, t));
  return { y: Math.sinh(a) / norm, lnSlope: Math.log(slope) };
}

/** Derivatives of y and of ln dy/dx by the shift, ln width and ln flatness. */
export interface ScoreSlopes {
  readonly y: readonly [number, number, number];
  readonly lnSlope: readonly [number, number, number];
}

export function warpSlopes(x: number, { shift, width, flatness }: Shape): ScoreSlopes {
  const t = (x - shift) / width;
  const root = Math.hypot(1, t);
  const [a, one] = [flatness * Math.asinh(t), flatness * ASINH_1];
  const norm = Math.sinh(one);
  const ofNorm = one / Math.tanh(one); // of ln norm by ln flatness
  const [rise, lean] = [(flatness * Math.cosh(a)) / (norm * root), Math.tanh(a)];
  const bend = (flatness * lean) / root - t / (root * root); // of ln dy/dt by t
  return {
    y: [-rise / width, -t * rise, (a * Math.cosh(a) - ofNorm * Math.sinh(a)) / norm],
    lnSlope: [-bend / width, -t * bend - 1, 1 + a * lean - ofNorm],
  };
}
