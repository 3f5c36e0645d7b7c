import type { Arrays, NdArray, Signature } from "../engine/contract.ts";
import { type Rng, shuffleInPlace } from "../random.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import { isAskable, State } from "../survey/field.ts";
import type { Vocabulary } from "../survey/vocabulary.ts";
import { cellSignature, fillCells } from "./cells.ts";
import { contextSignature, type Evidence, fillContext, withinReach } from "./hosts.ts";
import type { FieldCoder } from "./standardise.ts";
import { drawContext, type SubsetConfig } from "./subset.ts";

/** Ordered queries of A galaxies, T each: the field and, for all but the last, its value and that value's error. */
export function orderSignature(galaxies: number, nTarget: number): Signature {
  return {
    targetField: { dtype: "int32", shape: [galaxies, nTarget] },
    targetValue: { dtype: "float32", shape: [galaxies, nTarget] },
    targetSigma: { dtype: "float32", shape: [galaxies, nTarget] },
  };
}

/** How the galaxies of a training batch divide among the kinds of question; the order in the batch. */
export interface BatchShape {
  /** All bands given, properties asked. */
  readonly nFull: number;
  /** Any subset given, everything else asked at once (masked objective). */
  readonly nMasked: number;
  /** Any subset given, `nTarget` fields asked in random order (autoregressive objective). */
  readonly nOrdered: number;
  readonly nTarget: number;
  /** Bands' own corrections to what their filters say are dropped at random: an input `hasDelta` says which. */
  readonly hasFilterDropout: boolean;
  /** Cells that spectra are asked on, at most; absent: they are not asked. */
  readonly cells?: number;
}

/** The shape of a recipe's batches. `hasFilterDropout`: the network's rows are functions of the filter; `cells`: it answers spectra. */
export function batchShape(
  batch: number,
  nTarget: number,
  config: SubsetConfig,
  hasFilterDropout: boolean,
  cells?: number,
): BatchShape {
  const nFull = Math.round(batch * config.fullShare);
  const nOrdered = Math.min(batch - nFull, Math.round(batch * config.autoregressiveShare));
  return {
    nFull,
    nOrdered,
    nMasked: batch - nFull - nOrdered,
    nTarget,
    hasFilterDropout,
    ...(cells === undefined ? {} : { cells }),
  };
}

/** Galaxies of a batch. */
export const batchSize = ({ nFull, nMasked, nOrdered }: BatchShape): number => nFull + nMasked + nOrdered;

/**
 * A training batch: the context, and
 * - truth, truthSigma, truthState, truthSlope, truthBend, truthRate [B, N]: what is asked; state 0 = not asked
 * - targetField, targetValue, targetSigma [nOrdered, T] and targetWeight [nOrdered, T] (0 = padding): the ordered galaxies' queries
 * - the cells of spectra that are asked: see `cellSignature`
 * - hasDelta [band]: 0 where a band is to be known by its filter alone
 */
export function trainSignature(shape: BatchShape, vocabulary: Vocabulary): Signature {
  const nField = vocabulary.fields.length;
  const batch = batchSize(shape);
  const f = { dtype: "float32", shape: [batch, nField] } as const;
  const ordered = [shape.nOrdered, shape.nTarget];
  return {
    ...contextSignature(batch, vocabulary),
    truth: f,
    truthSigma: f,
    truthState: { dtype: "int32", shape: [batch, nField] },
    truthSlope: f,
    truthBend: f,
    truthRate: f,
    ...(shape.cells === undefined ? {} : cellSignature(batch, shape.cells, vocabulary)),
    ...(shape.hasFilterDropout ? { hasDelta: { dtype: "float32", shape: [vocabulary.groups.band.length] } } : {}),
    ...(shape.nOrdered === 0
      ? {}
      : { ...orderSignature(shape.nOrdered, shape.nTarget), targetWeight: { dtype: "float32", shape: ordered } }),
  };
}

export function emptyArrays(signature: Signature): Record<string, NdArray> {
  return Object.fromEntries(
    Object.entries(signature).map(([name, { dtype, shape }]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, { dtype, shape, data: dtype === "int32" ? new Int32Array(size) : new Float32Array(size) }];
    }),
  );
}

/** Writes everything observed but not given as truth of the galaxy in place `b`; returns the fields asked. */
function fillTruth(arrays: Arrays, b: number, coder: FieldCoder, evidence: Evidence): number[] {
  const { catalog, row, isContext, scale } = evidence;
  const { nField } = coder;
  const asked: number[] = [];
  for (let j = 0; j < nField; j++) {
    const at = row * nField + j;
    const state = catalog.state[at];
    if (isContext[j] === 1 || state === State.notObserved || !isAskable(coder.fields[j])) continue;
    asked.push(j);
    const to = b * nField + j;
    const x = catalog.value[at];
    arrays.truth.data[to] = withinReach(coder.encode(j, x, scale));
    arrays.truthSigma.data[to] = coder.encodeError(j, x, catalog.error[at], scale);
    arrays.truthState.data[to] = state;
    const { bend, rate } = coder.bend(j, x, scale);
    arrays.truthBend.data[to] = bend;
    arrays.truthRate.data[to] = rate;
    if (coder.fields[j].band !== undefined) arrays.truthSlope.data[to] = coder.zeroPointSlope(j, x, scale);
  }
  return asked;
}

/** Rows, wherever they are: in memory, on disk, or observed when they are asked for. */
export interface RowStore {
  readonly rowCount: number;
  /** Where row `row` is found, until the next call; what is random about it comes from `rng`. */
  at(row: number, rng: Rng): { readonly catalog: Catalog; readonly row: number };
}

export function catalogStore(catalog: Catalog): RowStore {
  return { rowCount: catalog.rowCount, at: (row) => ({ catalog, row }) };
}

/** Rows to draw from; one batch may mix several (simulations, labelled and unlabelled observations). */
export interface RowSource {
  readonly store: RowStore;
  readonly rows: Int32Array;
  /** Those of `rows` in which something else than bands is observed: only they can be asked for it from all bands. */
  readonly labelled: Int32Array;
  /** Relative number of galaxies per batch. */
  readonly weight: number;
  readonly isCalibrated: boolean;
}

/** Those of `rows` in which something else than bands is observed. */
export function labelledRows(catalog: Catalog, rows: Int32Array = allRows(catalog)): Int32Array {
  const n = catalog.fields.length;
  const labels = catalog.fields.flatMap((field, j) => (field.band === undefined && isAskable(field) ? [j] : []));
  return rows.filter((row) => labels.some((j) => catalog.state[row * n + j] !== State.notObserved));
}

function pickSource(sources: readonly RowSource[], rng: Rng): RowSource {
  let u = rng.uniform() * sources.reduce((sum, { weight }) => sum + weight, 0);
  return sources.find(({ weight }) => (u -= weight) < 0) ?? sources[sources.length - 1];
}

/** Weighted sampling without replacement by exponential keys (Efraimidis & Spirakis 2006), in random order. */
function drawOrder(asked: number[], coder: FieldCoder, config: SubsetConfig, nTarget: number, rng: Rng): number[] {
  let chosen = asked;
  if (asked.length > nTarget) {
    const weight = (j: number): number => (coder.fields[j].band === undefined ? config.propertyTargetWeight : 1);
    const keyed = asked.map((j) => ({ j, key: -Math.log(1 - rng.uniform()) / weight(j) }));
    keyed.sort((a, b) => a.key - b.key);
    chosen = keyed.slice(0, nTarget).map(({ j }) => j);
  }
  shuffleInPlace(chosen, rng);
  return chosen;
}

/** A training batch: a pure function of the sources and the stream `rng`. */
export function drawBatch(
  coder: FieldCoder,
  sources: readonly RowSource[],
  config: SubsetConfig,
  shape: BatchShape,
  rng: Rng,
): Record<string, NdArray> {
  const { nTarget } = shape;
  const arrays = emptyArrays(trainSignature(shape, coder));
  const isContext = new Uint8Array(coder.nField);
  const withLabels = sources.filter(({ labelled }) => labelled.length > 0);
  const batch = batchSize(shape);
  for (let b = 0; b < batch; b++) {
    const isFull = b < shape.nFull && withLabels.length > 0;
    const { store, rows, labelled, isCalibrated } = pickSource(isFull ? withLabels : sources, rng);
    const pool = isFull ? labelled : rows;
    const { catalog, row } = store.at(pool[rng.integer(pool.length)], rng);
    const window = drawContext(coder, catalog, row, config, isFull, rng, isContext, shape.cells !== undefined);
    const scale = fillContext(arrays, b, coder, { catalog, row, isContext, window });
    const asked = fillTruth(arrays, b, coder, { catalog, row, isContext, scale });
    if (shape.cells !== undefined) fillCells(arrays, b, coder, shape.cells, { catalog, row, isContext, scale, window });
    arrays.isCalibrated.data[b] = isCalibrated ? 1 : 0;
    const a = b - shape.nFull - shape.nMasked;
    if (a < 0) continue;
    drawOrder(asked, coder, config, nTarget, rng).forEach((field, t) => {
      arrays.targetField.data[a * nTarget + t] = field;
      arrays.targetValue.data[a * nTarget + t] = arrays.truth.data[b * coder.nField + field]!;
      arrays.targetSigma.data[a * nTarget + t] = arrays.truthSigma.data[b * coder.nField + field];
      arrays.targetWeight.data[a * nTarget + t] = 1;
    });
  }
  const { hasDelta } = arrays;
  for (let i = 0; i < (hasDelta?.data.length ?? 0); i++) {
    hasDelta.data[i] = rng.uniform() < config.filterDropout ? 0 : 1;
  }
  return arrays;
}
