/** How a property is distributed among a target's galaxies, as a network's answers for them say, and whether simulations differ. */
import type { Engine } from "../engine/contract.ts";
import { logSlopeAt } from "../model/curve.ts";
import type { Distribution } from "../model/distribution.ts";
import { allRows, type Catalog, emptyCatalog } from "../survey/catalog.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { cholesky, choleskySolve } from "../train/cholesky.ts";
import { minimise } from "../train/minimise.ts";
import { spaced } from "../train/tables.ts";
import { withinLimits } from "./field-answer.ts";
import { createPredictor, type Predictor } from "./predict.ts";
import { linesThrough, type Prior } from "./prior.ts";

/** Cells that hold as much of the network's own prior each; they end where `query --prior` does. */
const CELLS = 45;
const END = 1e-4;
/** Prior deviation of ln(new / old) from one cell to the next: a random walk, 1.3 from end to end. */
const STEP = 0.2;
/** Rows whose answers are looked at, of the target and of simulations. */
const MOST_ROWS = 3000;
/** Points of the density that is found. */
const POINTS = 400;
/** Gain of ln likelihood below which the search ends. */
const TOLERANCE = 1e-3;

/** Whether the mean answers for simulated and for real rows differ by more than chance. */
export interface ShiftTest {
  readonly chiSquare: number;
  readonly freedom: number;
  /** How often chance alone would make them differ as much. */
  readonly p: number;
}

/** What a target's rows say of a property. */
export interface TargetPopulation {
  /** Its values, and how often they are, per unit: what `query --prior` reads as columns FIELD and n. */
  readonly at: readonly number[];
  readonly density: readonly number[];
  /** The same over what the network thinks; beyond the ends as there. */
  readonly ratio: readonly number[];
  readonly shift?: ShiftTest | undefined;
}

/** The same as a prior of the field in column `field`, which rules nothing out. */
export function priorOf(field: number, { at, ratio }: TargetPopulation): Prior {
  const inside = linesThrough(Float64Array.from(at), Float64Array.from(ratio));
  const [from, to] = [at[0], at[at.length - 1]];
  return { field, text: "of the target", ratio: (x) => inside(Math.min(Math.max(x, from), to)) };
}

/**
 * [cells] How often values of a cell are over how often the network thinks, in the mean 1 over `old` [cells], by the shares [rows,
 * cells] of its answers for rows of another population: the maximum of the likelihood that the EM algorithm of Saerens, Latinne
 * & Decaestecker 2002 (Neural Computation 14, 21) climbs, times a prior: ln of it walks by about `step` from a cell to the next.
 */
export function priorRatio(shares: Float64Array, old: ArrayLike<number>, step: number): Float64Array {
  const cells = old.length;
  const rows = shares.length / cells;
  const logRatio = new Float64Array(cells);
  minimise(
    (at, gradient) => {
      const ratio = at.map(Math.exp);
      const mean = ratio.reduce((sum, r, k) => sum + r * old[k], 0);
      let value = rows * Math.log(mean);
      for (let k = 0; k < cells; k++) gradient[k] = (rows * old[k] * ratio[k]) / mean;
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let k = 0; k < cells; k++) sum += shares[row * cells + k] * ratio[k];
        value -= Math.log(sum);
        for (let k = 0; k < cells; k++) gradient[k] -= (shares[row * cells + k] * ratio[k]) / sum;
      }
      for (let k = 1; k < cells; k++) {
        const rise = (at[k] - at[k - 1]) / step ** 2;
        value += 0.5 * rise * (at[k] - at[k - 1]);
        gradient[k] += rise;
        gradient[k - 1] -= rise;
      }
      return value;
    },
    logRatio,
    TOLERANCE,
  );
  const mean = logRatio.reduce((sum, f, k) => sum + Math.exp(f) * old[k], 0);
  return logRatio.map((f) => Math.exp(f) / mean);
}

/** Cells are put together by so many: an even number of degrees of freedom is left. */
const TOGETHER = 5;

/** [rows, cells / TOGETHER] Shares of coarser cells. */
const coarse = (shares: Float64Array): Float64Array =>
  Float64Array.from({ length: shares.length / TOGETHER }, (_, i) =>
    shares.subarray(i * TOGETHER, (i + 1) * TOGETHER).reduce((sum, p) => sum + p, 0),
  );

/**
 * Whether two samples of answers, shares [rows, cells] of an odd number of cells, have the same mean: their difference in its own
 * covariance (Hotelling's test of many rows). Where what is seen of galaxies of the same value is alike in both, it says that the populations
 * differ (Lipton, Wang & Smola 2018, arXiv:1802.03916, section 4; on probabilities, as Rabanser et al. 2019).
 */
export function shiftTest(ours: Float64Array, theirs: Float64Array, cells: number): ShiftTest {
  const freedom = cells - 1; // shares sum to 1
  const covariance = new Float64Array(freedom * freedom);
  const means = [ours, theirs].map((shares) => {
    const rows = shares.length / cells;
    const mean = Float64Array.from({ length: freedom }, (_, k) => {
      let sum = 0;
      for (let row = 0; row < rows; row++) sum += shares[row * cells + k];
      return sum / rows;
    });
    for (let row = 0; row < rows; row++) {
      const off = mean.map((m, k) => shares[row * cells + k] - m);
      off.forEach((a, i) => off.forEach((b, j) => (covariance[i * freedom + j] += (a * b) / rows ** 2)));
    }
    return mean;
  });
  for (let k = 0; k < freedom; k++) covariance[k * freedom + k] += 1e-12; // cells that nobody is in
  const difference = means[1].map((m, k) => m - means[0][k]);
  const solved = choleskySolve(cholesky(covariance, freedom), difference, freedom);
  const chiSquare = solved.reduce((sum, x, k) => sum + x * difference[k], 0);
  // of an even number of degrees of freedom (Abramowitz & Stegun 26.4.5)
  let [term, sum] = [1, 1];
  for (let k = 1; k < freedom / 2; k++) sum += term *= chiSquare / 2 / k;
  return { chiSquare, freedom, p: Math.exp(-chiSquare / 2) * sum };
}

/** [rows, CELLS] Shares of answers between edges, encoded; what lies beyond is the last cells'. */
function sharesOf(answers: Distribution, edges: Float64Array): Float64Array {
  const shares = new Float64Array(answers.rowCount * CELLS);
  for (let row = 0; row < answers.rowCount; row++) {
    let below = 0;
    for (let k = 0; k < CELLS; k++) {
      const upTo = k === CELLS - 1 ? 1 : answers.cdf(row, edges[k + 1]);
      shares[row * CELLS + k] = Math.max(0, upTo - below);
      below = upTo;
    }
  }
  return shares;
}

/** Answers for the field, all bands given, of up to MOST_ROWS rows, evenly spaced. */
async function answersFor(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  field: number,
): Promise<Distribution> {
  const { coder } = predictor;
  const some = spaced(rows.length, MOST_ROWS).map((i) => rows[i]);
  const isGiven = Uint8Array.from(coder.fields, ({ band }) => Number(band !== undefined));
  const { encoded, scales } = await predictor.predict(catalog, some, isGiven, [field]);
  return withinLimits(coder, field, encoded[0], (row) => scales[row]);
}

/** Rows of a catalogue. */
interface Rows {
  readonly catalog: Catalog;
  readonly rows: Int32Array;
}

/**
 * The distribution of the field in column `field` among rows of the target, whose labels are not looked at, and whether simulated
 * rows, as the target would have them, are of another one. Undefined of a category.
 */
export async function targetPopulation(
  engine: Engine,
  network: Checkpoint,
  field: number,
  target: Rows,
  simulated?: Rows,
): Promise<TargetPopulation | undefined> {
  if (network.config.survey.fields[field].kind === "category") return undefined;
  const predictor = createPredictor(engine, network);
  const { coder } = predictor;
  try {
    const blank = emptyCatalog(coder.fields, 1);
    const { encoded } = await predictor.predict(blank, allRows(blank), new Uint8Array(coder.nField), [field]);
    const old = withinLimits(coder, field, encoded[0], () => 0);
    const edges = new Float64Array(CELLS + 1);
    old.quantiles(
      0,
      Float64Array.from(edges, (_, k) => END + ((1 - 2 * END) * k) / CELLS),
      edges,
    );
    const theirs = sharesOf(await answersFor(predictor, target.catalog, target.rows, field), edges);
    const ratio = priorRatio(theirs, sharesOf(old, edges), STEP);
    const middles = ratio.map((_, k) => 0.5 * (edges[k] + edges[k + 1]));
    const between = linesThrough(middles, ratio);
    const ends = [middles[0], middles[CELLS - 1]];
    const places = Float64Array.from(
      { length: POINTS },
      (_, i) => edges[0] + ((edges[CELLS] - edges[0]) * i) / (POINTS - 1),
    );
    const curve = coder.curve(field, 0);
    const at = places.map((v) => coder.decode(field, v, 0));
    const height = places.map((v) => between(Math.min(Math.max(v, ends[0]), ends[1])));
    const density = places.map((v, i) => height[i] * Math.exp(old.logDensity(0, v) - logSlopeAt(curve, v)));
    const ours = simulated && sharesOf(await answersFor(predictor, simulated.catalog, simulated.rows, field), edges);
    return {
      at: Array.from(at),
      density: Array.from(density),
      ratio: Array.from(height),
      shift: ours && shiftTest(coarse(ours), coarse(theirs), CELLS / TOGETHER),
    };
  } finally {
    await predictor.dispose();
  }
}
