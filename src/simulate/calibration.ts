/**
 * Lower-triangular factor of the correlation exp(-(x_i - x_j)^2 / (2 length^2)), in columns of falling importance: pivoted
 * Cholesky decomposition (Harbrecht, Peters & Schneider 2012), stopped where what is left is below `tolerance`.
 * Row i times independent standard normals is a standard normal, correlated with those of the rows near it.
 */
export function smoothFactor(places: readonly number[], length: number, tolerance = 1e-3): Float64Array[] {
  const correlation = (i: number, j: number): number => Math.exp(-0.5 * ((places[i] - places[j]) / length) ** 2);
  const left = new Float64Array(places.length).fill(1);
  const columns: Float64Array[] = [];
  while (columns.length < places.length) {
    const pivot = left.indexOf(Math.max(...left));
    if (left[pivot] < tolerance) break;
    const scale = 1 / Math.sqrt(left[pivot]);
    const column = Float64Array.from(places, (_, i) => {
      const known = columns.reduce((sum, one) => sum + one[i] * one[pivot], 0);
      return (correlation(i, pivot) - known) * scale;
    });
    columns.push(column);
    column.forEach((value, i) => (left[i] = Math.max(0, left[i] - value * value)));
  }
  return columns;
}
