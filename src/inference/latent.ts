import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Predictor } from "./predict.ts";
import { principalComponents, type PrincipalComponents } from "./principal.ts";

/** What a network makes of galaxies: its states of knowledge, and maps of them in two dimensions. */

export interface LatentSpace {
  readonly rowCount: number;
  /** Numbers of a state. */
  readonly size: number;
  /** [rowCount, size] Latent tokens behind the last layer; what the carried galaxies say is left out. */
  readonly state: Float32Array;
  /** The two components of the states with most variance. */
  readonly principal: PrincipalComponents;
  /** [rowCount, 2] Neighbours on a plane; undefined for fewer galaxies than it takes. */
  readonly umap: Float64Array | undefined;
}

export interface LatentOptions {
  /** Neighbours that UMAP keeps together. Default: 15. */
  readonly neighbours?: number;
  /** Of UMAP. Default: "1". */
  readonly seed?: string;
}

/** Principal components that UMAP measures distances in. */
const DIRECTIONS = 32;

/**
 * Uniform manifold approximation and projection (McInnes, Healy & Melville 2018, arXiv:1802.03426) of `x` [n, p]. Near
 * neighbours stay near, distances between groups mean little. Undefined where there are not twice as many rows as neighbours.
 */
export async function umapOf(
  x: ArrayLike<number>,
  n: number,
  p: number,
  { neighbours = 15, seed = "1" }: LatentOptions = {},
): Promise<Float64Array | undefined> {
  if (n < 2 * neighbours) return undefined;
  const { UMAP } = await import("umap-js");
  const rng = createRng(`${seed}:umap`);
  const map = new UMAP({ nNeighbors: neighbours, nComponents: 2, random: () => rng.uniform() });
  const rows = Array.from({ length: n }, (_, row) => Array.from({ length: p }, (_, i) => x[row * p + i]));
  return Float64Array.from(map.fit(rows).flat());
}

/**
 * States of knowledge about `rows` of a catalogue, given what `isGiven` [nField] says and is observed, with their principal
 * components and UMAP.
 */
export async function latentSpace(
  { network }: Pick<Predictor, "network">,
  catalog: Catalog,
  rows: ArrayLike<number>,
  isGiven: Uint8Array,
  options: LatentOptions = {},
): Promise<LatentSpace> {
  const { state: whole, rowCount } = await network.encode(catalog, rows, isGiven);
  const size = network.latentSize;
  const width = whole.length / Math.max(1, rowCount);
  const state = Float32Array.from(
    { length: rowCount * size },
    (_, i) => whole[Math.floor(i / size) * width + (i % size)],
  );
  const count = Math.min(size, DIRECTIONS);
  const { scores, directions, share } = principalComponents(state, rowCount, size, count);
  const two = (data: Float64Array): Float64Array => data.filter((_, i) => i % count < 2);
  const principal = { scores: two(scores), directions: two(directions), share: share.slice(0, 2) };
  return { rowCount, size, state, principal, umap: await umapOf(scores, rowCount, count, options) };
}
