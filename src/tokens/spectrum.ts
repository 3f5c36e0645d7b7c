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
const pixelsOf = ({ from, to }: PixelWindow, width: number): [first: number, end: number] => [
  Math.round(from * width),
  Math.round(to * width),
];

const isObserved = (value: number, ivar: number): boolean => ivar > 0 && ivar < Infinity && Number.isFinite(value);

/**
 * How bright a spectrum is [its unit]: the median of |flux| over the observed pixels of a window, the mean where more
 * than half of them are zero. 0 where no pixel is observed, 1 where all are zero.
 */
export function spectrumAmplitude({ width, value, ivar }: ArrayColumn, row: number, window = WHOLE): number {
  const [first, end] = pixelsOf(window, width);
  const step = Math.max(1, Math.floor((end - first) / MOST_SAMPLED));
  const sizes = new Float32Array(Math.ceil((end - first) / step));
  let count = 0;
  let sum = 0;
  for (let i = row * width + first; i < row * width + end; i += step) {
    if (!isObserved(value[i], ivar[i])) continue;
    const size = Math.abs(value[i]);
    sizes[count++] = size;
    sum += size;
  }
  if (count === 0) return 0;
  const median = sizes.subarray(0, count).sort()[count >> 1];
  return median > 0 ? median : sum > 0 ? sum / count : 1;
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
  const [first, end] = pixelsOf(window, width);
  for (let i = first; i < end; i++) {
    const from = row * width + i;
    if (!isObserved(value[from], ivar[from])) continue;
    const height = value[from] / amplitude;
    flux[at + i] = height / Math.sqrt(1 + (height / TALLEST) ** 2);
    weight[at + i] = Math.min(amplitude * Math.sqrt(ivar[from]), MOST_CERTAIN);
  }
}
