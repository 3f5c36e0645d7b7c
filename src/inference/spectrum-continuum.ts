/** Spectra over their own continuum: what lines and breaks leave, whatever the flux calibration. */

/** A spectrum over its continuum less one, and the inverse variance of it; both 0 where not observed. [n] */
export interface Features {
  readonly value: Float64Array;
  readonly weight: Float64Array;
}

/** The continuum is no lower than this share of its median, and than this many of its own errors: it is divided by. */
const [LEAST_SHARE, LEAST_ERRORS] = [0.1, 2];

const isSeen = (flux: number, ivar: number): boolean => ivar > 0 && Number.isFinite(flux);

/** Running sums of `x`: sum over [from, to) is out[to] - out[from]. [n + 1] */
function runningSum(n: number, x: (i: number) => number): Float64Array {
  const sums = new Float64Array(n + 1);
  for (let i = 0; i < n; i++) sums[i + 1] = sums[i] + x(i);
  return sums;
}

/**
 * Straight lines fitted to the pixels within `half` of each (Savitzky & Golay 1964, with weights), at that pixel, and their
 * variances for unit weights. Where no weight is near, both are 0.
 */
function runningLine(
  flux: (i: number) => number,
  weight: Float64Array,
  half: number,
): { line: Float64Array; inverse: Float64Array } {
  const n = weight.length;
  // about the middle of the spectrum, so that squares don't cancel
  const place = (i: number): number => i - n / 2;
  const s0 = runningSum(n, (i) => weight[i]);
  const s1 = runningSum(n, (i) => weight[i] * place(i));
  const s2 = runningSum(n, (i) => weight[i] * place(i) ** 2);
  const t0 = runningSum(n, (i) => (weight[i] > 0 ? weight[i] * flux(i) : 0));
  const t1 = runningSum(n, (i) => (weight[i] > 0 ? weight[i] * flux(i) * place(i) : 0));
  const line = new Float64Array(n);
  const inverse = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const [from, to] = [Math.max(0, i - half), Math.min(n, i + half + 1)];
    const over = (sums: Float64Array): number => sums[to] - sums[from];
    const w = over(s0);
    if (!(w > 0)) continue;
    const mean = over(s1) / w;
    const spread = over(s2) / w - mean * mean;
    const level = over(t0) / w;
    const slope = spread > 1 ? (over(t1) / w - mean * level) / spread : 0;
    line[i] = level + slope * (place(i) - mean);
    inverse[i] = w;
  }
  return { line, inverse };
}

/** Middle of some numbers; 0 of none. */
function middle(values: Float64Array): number {
  return values.length === 0 ? 0 : values.sort()[values.length >> 1];
}

/**
 * A spectrum over its continuum, less one: the continuum is a running straight line over `half` pixels to either side. Errors
 * of the continuum are left out; `floor` is the error, over the continuum, that every pixel has beside its own.
 * @param flux [n] Flux densities.
 * @param ivar [n] Their inverse variances; 0 = not observed: such a pixel's flux changes nothing.
 */
export function spectrumFeatures(
  flux: ArrayLike<number>,
  ivar: ArrayLike<number>,
  half: number,
  floor: number,
): Features {
  const n = flux.length;
  const value = new Float64Array(n);
  const weight = new Float64Array(n);
  const seen = Int32Array.from({ length: n }, (_, i) => i).filter((i) => isSeen(flux[i], ivar[i]));
  if (seen.length === 0) return { value, weight };
  // pixels that are far better than the others don't draw the line to themselves
  const usual = middle(Float64Array.from(seen, (i) => ivar[i]));
  const share = new Float64Array(n);
  for (const i of seen) share[i] = Math.min(ivar[i] / usual, 1);
  const { line, inverse } = runningLine((i) => flux[i], share, half);
  const level = Math.abs(middle(Float64Array.from(seen, (i) => line[i])));
  const error = 1 / Math.sqrt(usual);
  for (const i of seen) {
    const least = Math.max(LEAST_SHARE * level, (LEAST_ERRORS * error) / Math.sqrt(inverse[i]));
    const over = Math.max(line[i], least);
    if (!(over > 0)) continue;
    value[i] = (flux[i] - line[i]) / over;
    weight[i] = 1 / (1 / (ivar[i] * over * over) + floor * floor);
  }
  return { value, weight };
}
