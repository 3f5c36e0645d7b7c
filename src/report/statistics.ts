/** Numbers that captions and figures tell of samples. NaN and infinite values are left out everywhere. */

/** Finite values in rising order. */
export function sortFinite(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).filter(Number.isFinite).sort();
}

/** Quantile of sorted values, linear between order statistics (Hyndman & Fan 1996, type 7); NaN of none. */
export function quantile(sorted: ArrayLike<number>, level: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = level * (sorted.length - 1);
  const i = Math.min(Math.floor(at), sorted.length - 1);
  const next = Math.min(i + 1, sorted.length - 1);
  return sorted[i] + (at - i) * (sorted[next] - sorted[i]);
}

/** Two-sample Kolmogorov-Smirnov distance: the largest difference of the two cumulative distributions; NaN of none. */
export function ksDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [first, second] = [sortFinite(a), sortFinite(b)];
  if (first.length === 0 || second.length === 0) return Number.NaN;
  let [i, j, most] = [0, 0, 0];
  while (i < first.length && j < second.length) {
    const at = Math.min(first[i], second[j]);
    while (i < first.length && first[i] === at) i++;
    while (j < second.length && second[j] === at) j++;
    most = Math.max(most, Math.abs(i / first.length - j / second.length));
  }
  return most;
}

/** Quantiles of every column of a matrix over some rows: [level][column]; NaN where fewer than `least` are finite. */
export function columnQuantiles(
  value: (row: number, column: number) => number,
  rows: ArrayLike<number>,
  columns: number,
  levels: readonly number[],
  least = 1,
): Float64Array[] {
  const out = levels.map(() => new Float64Array(columns).fill(Number.NaN));
  for (let column = 0; column < columns; column++) {
    const sorted = sortFinite(Float64Array.from(rows, (row) => value(row, column)));
    if (sorted.length < Math.max(1, least)) continue;
    levels.forEach((level, k) => (out[k][column] = quantile(sorted, level)));
  }
  return out;
}

/**
 * Mass above which a flux-limited sample is 95 % complete (Pozzetti et al. 2010, A&A 523, A13): in each slice
 * of redshift, the faintest fifth is dimmed to the limit, log Mlim = log M + 0.4 (m - limit), and 95 % of these lie below.
 * Slices with fewer than `least` galaxies are left out.
 */
export function completeMass(
  sample: { readonly z: ArrayLike<number>; readonly logMass: ArrayLike<number>; readonly magnitude: ArrayLike<number> },
  limit: number,
  slices = 8,
  least = 40,
): { readonly z: number[]; readonly logMass: number[] } {
  const rows = Array.from(sample.z, (_, i) => i).filter((i) =>
    [sample.z[i], sample.logMass[i], sample.magnitude[i]].every(Number.isFinite),
  );
  rows.sort((a, b) => sample.z[a] - sample.z[b]);
  const out: { z: number[]; logMass: number[] } = { z: [], logMass: [] };
  const size = Math.max(least, Math.ceil(rows.length / slices));
  for (let from = 0; from + least <= rows.length; from += size) {
    const slice = rows.slice(from, from + size);
    if (slice.length < least) break;
    const faint = [...slice].sort((a, b) => sample.magnitude[b] - sample.magnitude[a]);
    const dimmed = faint
      .slice(0, Math.ceil(slice.length / 5))
      .map((i) => sample.logMass[i] + 0.4 * (sample.magnitude[i] - limit));
    out.z.push(sample.z[slice[slice.length >> 1]]);
    out.logMass.push(quantile(sortFinite(dimmed), 0.95));
  }
  return out;
}

/** A histogram in two dimensions, smoothed by a Gaussian of `sigma` cells. [size * size], row by row from low y. */
export function smoothCounts(
  at: readonly (readonly [number, number])[],
  domain: { readonly x: readonly [number, number]; readonly y: readonly [number, number] },
  size: number,
  sigma: number,
): Float64Array {
  const counts = new Float64Array(size * size);
  const cell = (value: number, [low, high]: readonly [number, number]): number =>
    Math.floor((size * (value - low)) / (high - low));
  for (const [x, y] of at) {
    const [i, j] = [cell(x, domain.x), cell(y, domain.y)];
    if (i >= 0 && i < size && j >= 0 && j < size) counts[j * size + i]++;
  }
  const reach = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-0.5 * ((k - reach) / sigma) ** 2));
  const sum = kernel.reduce((a, b) => a + b, 0);
  const pass = (from: Float64Array, step: number, place: (n: number) => number): Float64Array =>
    from.map((_, n) => {
      let total = 0;
      for (let k = -reach; k <= reach; k++) {
        const to = place(n) + k;
        if (to >= 0 && to < size) total += (kernel[k + reach] / sum) * from[n + k * step];
      }
      return total;
    });
  const along = pass(counts, 1, (n) => n % size);
  return pass(along, size, (n) => Math.floor(n / size));
}

/** Thresholds of a density such that the cells above hold each of `fractions` of the whole. */
export function enclosingLevels(density: ArrayLike<number>, fractions: readonly number[]): number[] {
  const sorted = sortFinite(density).reverse();
  const total = sorted.reduce((a, b) => a + b, 0);
  return fractions.map((fraction) => {
    let held = 0;
    for (const value of sorted) {
      held += value;
      if (held >= fraction * total * (1 - 1e-12)) return value;
    }
    return 0;
  });
}
