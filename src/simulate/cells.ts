import type { Rng } from "../random.ts";

/** Draws cells 0 .. n - 1 in proportion to their weights. */
export interface Cells {
  /** Sum of the weights. */
  readonly total: number;
  /** A cell from <= cell <= to, by default of all; the last one where no weight is in between. */
  draw(this: void, rng: Rng, from?: number, to?: number): number;
}

export function createCells(weights: Float64Array): Cells {
  const cumulative = new Float64Array(weights.length);
  let total = 0;
  weights.forEach((weight, cell) => (cumulative[cell] = total += weight));
  return {
    total,
    draw(rng, from = 0, to = weights.length - 1) {
      const before = from === 0 ? 0 : cumulative[from - 1];
      if (cumulative[to] === before) return to;
      const target = before + rng.uniform() * (cumulative[to] - before);
      let [low, high] = [from, to];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (cumulative[middle] > target) high = middle;
        else low = middle + 1;
      }
      return low;
    },
  };
}
