/** Galaxies put side by side so that those alike in colour are neighbours. */
import type { Rng } from "../random.ts";

/** Fluxes much below this part of a galaxy's scale count alike. */
const SOFTNESS = 0.06;
/** Steps of the power method: the axis need not be exact. */
const STEPS = 6;

/** Colours of each galaxy, every band with mean 0 and deviation 1, from fluxes of order 1 [count, nBand]. */
function coloursOf(flux: Float32Array, nBand: number): Float32Array {
  const count = flux.length / nBand;
  const colours = flux.map((x) => Math.asinh(x / SOFTNESS));
  for (let j = 0; j < nBand; j++) {
    let [sum, square] = [0, 0];
    for (let at = j; at < colours.length; at += nBand) {
      sum += colours[at];
      square += colours[at] ** 2;
    }
    const mean = sum / count;
    const deviation = Math.sqrt(Math.max(square / count - mean ** 2, 1e-12));
    for (let at = j; at < colours.length; at += nBand) colours[at] = (colours[at] - mean) / deviation;
  }
  return colours;
}

/** Places of `rows` along the axis in which they differ most, by the power method. */
function alongAxis(colours: Float32Array, n: number, rows: Int32Array, rng: Rng): Float64Array {
  const mean = new Float64Array(n);
  for (const row of rows) for (let j = 0; j < n; j++) mean[j] += colours[row * n + j] / rows.length;
  let axis = Float64Array.from({ length: n }, () => rng.normal());
  const place = new Float64Array(rows.length);
  const project = (): void => {
    rows.forEach((row, i) => {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += (colours[row * n + j] - mean[j]) * axis[j];
      place[i] = sum;
    });
  };
  for (let step = 0; step < STEPS; step++) {
    project();
    const next = new Float64Array(n);
    rows.forEach((row, i) => {
      for (let j = 0; j < n; j++) next[j] += place[i] * (colours[row * n + j] - mean[j]);
    });
    const length = Math.sqrt(next.reduce((sum, x) => sum + x * x, 0));
    if (length === 0) return place; // they are all alike
    axis = next.map((x) => x / length);
  }
  project();
  return place;
}

/**
 * An order of galaxies in which every `size` that stand side by side are alike: halved again and again along the axis in
 * which they differ most (a k-d tree over principal axes; Sproull 1991, Algorithmica 6, 579). Fluxes [count, nBand] are of order
 * 1, and `size` divides count.
 */
export function neighbourhoodOrder(flux: Float32Array, nBand: number, size: number, rng: Rng): Int32Array {
  const colours = coloursOf(flux, nBand);
  const rows = Int32Array.from({ length: flux.length / nBand }, (_, i) => i);
  const split = (part: Int32Array): void => {
    const groups = part.length / size;
    if (groups <= 1) return;
    const place = alongAxis(colours, nBand, part, rng);
    const order = Int32Array.from(part, (_, i) => i).sort((a, b) => place[a] - place[b] || a - b);
    part.set(order.map((i) => part[i]));
    const half = Math.floor(groups / 2) * size;
    split(part.subarray(0, half));
    split(part.subarray(half));
  };
  split(rows);
  return rows;
}
