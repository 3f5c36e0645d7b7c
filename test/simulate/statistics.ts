/** The order statistic at or below a fraction of the values. */
export function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))];
}

/** Spearman's rank correlation over the pairs that are finite; ties keep their order. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  const pairs = a.flatMap((x, i) => (Number.isFinite(x) && Number.isFinite(b[i]) ? [[x, b[i]] as const] : []));
  const ranks = (of: 0 | 1): Float64Array => {
    const ranked = new Float64Array(pairs.length);
    const order = pairs.map((_, i) => i).sort((p, q) => pairs[p][of] - pairs[q][of]);
    order.forEach((i, rank) => (ranked[i] = rank - (pairs.length - 1) / 2));
    return ranked;
  };
  const [x, y] = [ranks(0), ranks(1)];
  const sum = (u: Float64Array, v: Float64Array): number => u.reduce((total, value, i) => total + value * v[i], 0);
  return sum(x, y) / Math.sqrt(sum(x, x) * sum(y, y));
}
