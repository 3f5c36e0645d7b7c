import { shuffleInPlace } from "../random.ts";
import type { Rng } from "../random.ts";
import { fitStandardiser, gramMatrix, leadingDirections, project, standardise } from "./baseline-matrix.ts";
import { TAIL_STRETCH, TAIL_WEIGHT, leastWidth } from "./baseline-labels.ts";
import type { TrainingSet } from "./baseline-labels.ts";
import type { Distribution } from "../model/distribution.ts";
import { type MixtureDistribution, mixtureDistribution } from "../model/mixture.ts";

const NEIGHBOUR_COUNTS = [4, 8, 16, 32, 64];
/** The neighbours' labels spread more than the answer does where they lie far apart: they may be drawn together. */
const SPREAD_FACTORS = [1, 0.75, 0.55, 0.4];
/** Distances are taken between this many leading principal components of the standardised features. */
const MOST_DIRECTIONS = 32;
const MOST_HELD_OUT = 1000;
const HELD_OUT_FRACTION = 0.1;

interface Points {
  /** [n, d] */
  readonly at: Float64Array;
  /** [n] Squared norms. */
  readonly norm: Float64Array;
  /** [n] */
  readonly y: Float64Array;
  readonly d: number;
}

interface Fit {
  predict(this: void, x: Float32Array, n: number): Distribution;
  readonly chosen: Readonly<Record<string, number>>;
}

/**
 * Nearest neighbours: the answer is the labels of the k nearest training rows, drawn towards their mean by a common
 * factor f and widened by a Gaussian kernel (1.06 f s k^(-1/5), s = spread of these labels). The k and f with the
 * smallest CRPS on a held-out part, drawn by parent, are taken. Likewise the columns that distances are taken between: all,
 * or values alone, as errors that say nothing of the label only push like rows apart.
 */
export function fitNeighbours(train: TrainingSet, n: number, rng: Rng): Fit {
  const p = train.featureCount;
  const every = Array.from({ length: p }, (_, j) => j);
  const floor = leastWidth(train.y);
  const split = holdOutParents(n, train.parent, rng, HELD_OUT_FRACTION, MOST_HELD_OUT);
  const { values = every } = train;
  const candidates = values.length === p || values.length === 0 ? [every] : [every, values];
  const spaces = candidates.map((columns) => {
    const place = fitPlace(train, n, columns);
    const all = createPoints(place.of(train.x, n), Float64Array.from(train.y), place.directions);
    return { place, all, choice: choose(all, split, floor) };
  });
  const { place, all, choice } = spaces.reduce((a, b) => (b.choice.loss < a.choice.loss ? b : a));
  const { k, factor } = choice;
  return {
    chosen: { k, factor, directions: place.directions },
    predict: (x, count) => widen(nearestLabels(all, place.of(x, count), count, k), count, k, choice, floor),
  };
}

/** Where rows lie: standardised columns, by their leading principal components where there are many. */
interface Place {
  readonly directions: number;
  /** [n, featureCount] -> [n, directions] */
  of(this: void, x: Float32Array, n: number): Float64Array;
}

function fitPlace({ x, featureCount }: TrainingSet, n: number, columns: readonly number[]): Place {
  const p = columns.length;
  const pick = (rows: Float32Array, count: number): ArrayLike<number> =>
    p === featureCount
      ? rows
      : Float32Array.from({ length: count * p }, (_, i) => rows[Math.floor(i / p) * featureCount + columns[i % p]]);
  const own = pick(x, n);
  const scaler = fitStandardiser(own, n, p);
  const directions = Math.min(p, MOST_DIRECTIONS);
  const basis =
    directions === p ? undefined : leadingDirections(gramMatrix(standardise(own, scaler), n, p), p, directions);
  return {
    directions,
    of(rows, count) {
      const scaled = standardise(pick(rows, count), scaler);
      return basis === undefined ? scaled : project(scaled, basis, count, p, directions);
    },
  };
}

function createPoints(at: Float64Array, y: Float64Array, d: number): Points {
  const norm = new Float64Array(y.length);
  for (let i = 0; i < y.length; i++) for (let j = 0; j < d; j++) norm[i] += at[i * d + j] * at[i * d + j];
  return { at, norm, y, d };
}

interface Choice {
  readonly k: number;
  readonly factor: number;
}

function choose(
  all: Points,
  { held, kept }: { readonly held: readonly number[]; readonly kept: readonly number[] },
  floor: number,
): Choice & { readonly loss: number } {
  const counts = NEIGHBOUR_COUNTS.filter((k) => k <= kept.length);
  const choices = counts.flatMap((k) => SPREAD_FACTORS.map((factor) => ({ k, factor })));
  if (choices.length === 0 || held.length === 0) {
    return { k: Math.min(all.y.length, NEIGHBOUR_COUNTS[0]), factor: 1, loss: 0 };
  }
  const most = counts[counts.length - 1];
  const rest = createPoints(rowsOf(all.at, all.d, kept), rowsOf(all.y, 1, kept), all.d);
  const labels = nearestLabels(rest, rowsOf(all.at, all.d, held), held.length, most);
  const scored = choices.map((choice) => {
    const answers = widen(labels, held.length, most, choice, floor);
    let loss = 0;
    for (let i = 0; i < held.length; i++) loss += answers.crps(i, all.y[held[i]]);
    return { ...choice, loss };
  });
  return scored.reduce((a, b) => (b.loss < a.loss ? b : a));
}

/** Rows of about `fraction` of the parents, `most` rows at most, and all rows of the other parents. */
export function holdOutParents(
  n: number,
  parent: TrainingSet["parent"],
  rng: Rng,
  fraction: number,
  most: number,
): { held: number[]; kept: number[] } {
  const idOf = (row: number) => parent?.[row] ?? row;
  const ids = [...new Set(Array.from({ length: n }, (_, row) => idOf(row)))];
  const order = Int32Array.from(ids, (_, i) => i);
  shuffleInPlace(order, rng);
  const wanted = Math.min(most, Math.ceil(fraction * ids.length), ids.length - 1);
  const chosen = new Set(Array.from(order.subarray(0, wanted), (i) => ids[i]));
  const held: number[] = [];
  const kept: number[] = [];
  for (let row = 0; row < n; row++) {
    if (!chosen.has(idOf(row))) kept.push(row);
    else if (held.length < most) held.push(row);
  }
  return { held, kept };
}

function rowsOf(x: Float64Array, d: number, rows: readonly number[]): Float64Array {
  const out = new Float64Array(rows.length * d);
  rows.forEach((row, i) => out.set(x.subarray(row * d, (row + 1) * d), i * d));
  return out;
}

/** Labels of the k nearest points of each query [count, d], nearest first -> [count, k]. */
function nearestLabels(points: Points, queries: Float64Array, count: number, k: number): Float64Array {
  const n = points.y.length;
  const out = new Float64Array(count * k);
  const distance = new Float64Array(4 * n);
  for (let q = 0; q < count; q += 4) {
    const rows = Math.min(4, count - q);
    distancesOfFour(points, queries, q, rows, distance);
    for (let r = 0; r < rows; r++) {
      const nearest = smallest(distance.subarray(r * n, (r + 1) * n), k);
      for (let j = 0; j < k; j++) out[(q + r) * k + j] = points.y[nearest[j]];
    }
  }
  return out;
}

/** Squared distances, less the query's own norm, of queries q .. q + 3 to every point. */
function distancesOfFour(points: Points, queries: Float64Array, q: number, rows: number, out: Float64Array): void {
  const { at, norm, d } = points;
  const n = norm.length;
  const [a, b, c, e] = [0, 1, 2, 3].map((r) => (q + Math.min(r, rows - 1)) * d);
  for (let i = 0; i < n; i++) {
    let [sa, sb, sc, se] = [0, 0, 0, 0];
    for (let j = 0, t = i * d; j < d; j++, t++) {
      const value = at[t];
      sa += value * queries[a + j];
      sb += value * queries[b + j];
      sc += value * queries[c + j];
      se += value * queries[e + j];
    }
    out[i] = norm[i] - 2 * sa;
    out[n + i] = norm[i] - 2 * sb;
    out[2 * n + i] = norm[i] - 2 * sc;
    out[3 * n + i] = norm[i] - 2 * se;
  }
}

/** Indices of the k smallest values, ascending (insertion below a running threshold). */
function smallest(values: Float64Array, k: number): Int32Array {
  const index = new Int32Array(k);
  const kept = new Float64Array(k).fill(Infinity);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value >= kept[k - 1]) continue;
    let at = k - 1;
    while (at > 0 && kept[at - 1] > value) {
      kept[at] = kept[at - 1];
      index[at] = index[at - 1];
      at--;
    }
    kept[at] = value;
    index[at] = i;
  }
  return index;
}

/** Kernels on the first k of `stored` labels per row, and one wide Gaussian for the tails: [count, k + 1] components. */
function widen(
  labels: Float64Array,
  count: number,
  stored: number,
  { k, factor }: Choice,
  floor: number,
): MixtureDistribution {
  const size = k + 1;
  const mean = new Float64Array(count * size);
  const sigma = new Float64Array(count * size);
  const weight = new Float64Array(count * size).fill((1 - TAIL_WEIGHT) / k);
  for (let i = 0; i < count; i++) {
    const own = labels.subarray(i * stored, i * stored + k);
    const centre = own.reduce((sum, value) => sum + value, 0) / k;
    const spread = Math.sqrt(own.reduce((sum, value) => sum + (value - centre) ** 2, 0) / Math.max(1, k - 1));
    for (let j = 0; j < k; j++) mean[i * size + j] = centre + factor * (own[j] - centre);
    sigma.fill(Math.max(1.06 * factor * spread * k ** -0.2, floor), i * size, i * size + k);
    mean[i * size + k] = centre;
    sigma[i * size + k] = Math.max(TAIL_STRETCH * factor * spread, floor);
    weight[i * size + k] = TAIL_WEIGHT;
  }
  return mixtureDistribution({ rowCount: count, componentCount: size, stride: size, weight, mean, sigma });
}
