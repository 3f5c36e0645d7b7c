import type { ScoreWarp } from "./distribution.ts";

type Shape = Omit<ScoreWarp, "tail">;

const ASINH_1 = Math.asinh(1);

/** Where a score goes, and ln of the slope dy/dx there. */
export interface WarpedScore {
  readonly y: number;
  readonly lnSlope: number;
}

/** y = sinh(flatness asinh(t)) / sinh(flatness asinh(1)), t = (x - shift) / width: t = 1 stays where it is. */
export function warpedScore(x: number, shape: Shape): WarpedScore {
  const out = new Float64Array(WARP_SIZE);
  warpWithSlopes(x, shape, out);
  return { y: out[0], lnSlope: out[1] };
}

/** Numbers that `warpWithSlopes` writes. */
export const WARP_SIZE = 8;

/** y and ln dy/dx, then the derivatives of y, then those of ln dy/dx, by the shift, ln width and ln flatness, into `out`. */
export function warpWithSlopes(x: number, { shift, width, flatness }: Shape, out: Float64Array): void {
  const t = (x - shift) / width;
  const root = Math.sqrt(1 + t * t);
  const grown = (Math.abs(t) + root) ** flatness; // exp |a| with a = flatness asinh(t)
  const a = flatness * Math.log(t < 0 ? root - t : root + t) * (t < 0 ? -1 : 1);
  const [sinh, cosh] = [0.5 * (grown - 1 / grown) * (t < 0 ? -1 : 1), 0.5 * (grown + 1 / grown)];
  const one = flatness * ASINH_1;
  const norm = Math.sinh(one);
  const ofNorm = one / Math.tanh(one); // of ln norm by ln flatness
  const [rise, lean] = [(flatness * cosh) / (norm * root), sinh / cosh];
  const bend = (flatness * lean) / root - t / (root * root); // of ln dy/dt by t
  out[0] = sinh / norm;
  out[1] = Math.log(rise / width);
  out[2] = -rise / width;
  out[3] = -t * rise;
  out[4] = (a * cosh - ofNorm * sinh) / norm;
  out[5] = -bend / width;
  out[6] = -t * bend - 1;
  out[7] = 1 + a * lean - ofNorm;
}
