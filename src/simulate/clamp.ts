/** x, or the end of [low, high] that it lies beyond. */
export const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));
