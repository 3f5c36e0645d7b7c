import type { ArrayColumn } from "../survey/catalog.ts";

/** Part of a spectrum, as shares of its pixels: [from, to); the others are as if they had not been observed. */
export interface PixelWindow {
  readonly from: number;
  readonly to: number;
}
export const WHOLE: PixelWindow = { from: 0, to: 1 };

/** Most pixels that an amplitude is the median of, evenly spaced. */
const MOST_SAMPLED = 2048;
/** Fluxes are kept within about this many amplitudes, softly: a wild pixel must not end a run. */
const TALLEST = 12;
/** Largest amplitude over error: beyond, a pixel is exact. */
const MOST_CERTAIN = 1e4;

/** First and last pixel, exclusive, of a window of `width` pixels. */
export const pixelsIn = ({ from, to }: PixelWindow, width: number): [first: number, end: number] => [
  Math.round(from * width),
  Math.round(to * width),
];

const isObserved = (value: number, ivar: number): boolean => ivar > 0 && ivar < Infinity && Number.isFinite(value);

/** |flux| of every `step`-th pixel, of those that are observed. */
function sizesOf({ width, value, ivar }: ArrayColumn, row: number, window: PixelWindow, step: number): Float32Array {
  const [first, end] = pixelsIn(window, width);
  const sizes = new Float32Array(Math.ceil((end - first) / step));
  let count = 0;
  for (let i = row * width + first; i < row * width + end; i += step) {
    if (isObserved(value[i], ivar[i])) sizes[count++] = Math.abs(value[i]);
  }
  return sizes.subarray(0, count);
}

/**
 * How bright a spectrum is [its unit]: the median of |flux| over the observed pixels of a window, the mean where more
 * than half of them are zero. 0 where no pixel is observed, 1 where all are zero.
 */
export function spectrumAmplitude(column: ArrayColumn, row: number, window = WHOLE): number {
  const step = Math.max(1, Math.floor(((window.to - window.from) * column.width) / MOST_SAMPLED));
  const some = sizesOf(column, row, window, step);
  // a few pixels may lie between those looked at
  const sizes = some.length === 0 && step > 1 ? sizesOf(column, row, window, 1) : some;
  if (sizes.length === 0) return 0;
  const sum = sizes.reduce((total, size) => total + size, 0);
  const median = sizes.sort()[sizes.length >> 1];
  return median > 0 ? median : sum > 0 ? sum / sizes.length : 1;
}

/** Share of a spectrum's pixels that a window leaves and that are observed, and the mean of asinh(S/N) of these: 0 of none. */
export function spectrumSignal(
  { width, value, ivar }: ArrayColumn,
  row: number,
  window = WHOLE,
): { readonly observed: number; readonly signal: number } {
  const step = Math.max(1, Math.floor(width / MOST_SAMPLED));
  const [first, end] = pixelsIn(window, width);
  let [count, sum] = [0, 0];
  for (let i = row * width + first; i < row * width + end; i += step) {
    if (!isObserved(value[i], ivar[i])) continue;
    count++;
    sum += Math.asinh(value[i] * Math.sqrt(ivar[i]));
  }
  return { observed: Math.min(1, (count * step) / width), signal: sum / Math.max(1, count) };
}

/**
 * Writes a spectrum as the network sees it, from place `at` on: flux over `amplitude`, softly bounded, and amplitude over
 * error. Pixels that are not observed, and those outside the window, are 0 in both, whatever their value.
 */
export function fillSpectrum(
  { width, value, ivar }: ArrayColumn,
  row: number,
  window: PixelWindow,
  amplitude: number,
  { flux, weight, at }: { readonly flux: Float32Array; readonly weight: Float32Array; readonly at: number },
): void {
  const [first, end] = pixelsIn(window, width);
  for (let i = first; i < end; i++) {
    const from = row * width + i;
    if (!isObserved(value[from], ivar[from])) continue;
    const height = value[from] / amplitude;
    flux[at + i] = height / Math.sqrt(1 + (height / TALLEST) ** 2);
    weight[at + i] = Math.min(amplitude * Math.sqrt(ivar[from]), MOST_CERTAIN);
  }
}
