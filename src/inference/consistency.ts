import { createRng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { withinLimits } from "./field-answer.ts";
import { MOST_CHAIN_GALAXIES, type States } from "./network.ts";
import { type Predictor, readRaw, withoutWanted } from "./predict.ts";
import { sampleJoint } from "./sampling.ts";

/** How well the ordered answers for two fields agree, nats per field. */
export interface Consistency {
  /**
   * Divergence of the two orders, in the mean over galaxies: (KL(p(a) p(b|a) || p(b) p(a|b)) + the reverse) / 4. No network is
   * told that they are the same distribution.
   */
  readonly orders: number;
  /**
   * -ln p(b | a, given) of the ordered answer less that of the marginal with a among what is given, at the truth, in the mean
   * over both orders: what is lost by asking in order.
   */
  readonly given: number;
  /** Galaxies that have both truths without error, and are behind `given`; all are behind `orders`. */
  readonly rows: number;
}

/** ln p [rows of states] of the values of fields `order` in this order: [field][row]; NaN values have none. */
async function logDensities(
  { network, coder }: Predictor,
  states: States,
  order: readonly number[],
  values: readonly Float32Array[],
): Promise<Float64Array[]> {
  const marginals = await network.read(states, order);
  const lanes = Int32Array.from({ length: states.rowCount }, (_, i) => i);
  return network.chain(states, lanes, order.length, async ({ ask }) => {
    const out: Float64Array[] = [];
    for (const [t, field] of order.entries()) {
      const { family, raw: marginal } = marginals[t];
      const before = t === 0 ? {} : { before: { field: order[t - 1], value: values[t - 1] } };
      const raw = await ask({ field, marginal, ...before });
      const answer = withinLimits(coder, field, readRaw(family, raw), (row) => states.scales[row]);
      out.push(Float64Array.from(values[t], (v, row) => answer.logDensity(row, v)));
    }
    return out;
  });
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Sum over the fields, row by row. */
const total = (parts: readonly Float64Array[], row: number): number => parts.reduce((sum, part) => sum + part[row], 0);

/** Both orders at draws from one of them, and at the truths, of some galaxies. */
async function comparePair(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  isGiven: Uint8Array,
  [a, b]: readonly [number, number],
  seed: string,
): Promise<{ orders: number[]; given: number[] }> {
  const { network, coder } = predictor;
  const n = coder.nField;
  const [orders, given]: [number[], number[]] = [[], []];
  const hidden = withoutWanted(isGiven, [a, b]);
  const states = await network.encode(catalog, rows, hidden);
  const rngOf = (row: number): ReturnType<typeof createRng> => createRng(`${seed}:orders:${catalog.objectId[row]}`);
  const { encoded } = await sampleJoint(predictor, catalog, rows, hidden, [a, b], 1, rngOf);
  const [x, y] = [0, 1].map((w) => Float32Array.from(rows, (_, i) => encoded[2 * i + w]));
  const own = await logDensities(predictor, states, [a, b], [x, y]);
  const other = await logDensities(predictor, states, [b, a], [y, x]);
  rows.forEach((_, i) => orders.push((total(own, i) - total(other, i)) / 2));
  // at the truths: b after a, against b with a given
  const truth = (j: number): Float32Array =>
    Float32Array.from(rows, (row, i) => {
      const at = row * n + j;
      const isKnown = catalog.state[at] === State.measured && catalog.error[at] === 0;
      return isKnown ? coder.encode(j, catalog.value[at], states.scales[i]) : Number.NaN;
    });
  const [first, second] = [truth(a), truth(b)];
  const ordered = await logDensities(predictor, states, [a, b], [first.map((v) => (v > -Infinity ? v : 0)), second]);
  const withA = hidden.slice();
  withA[a] = 1;
  const answers = await predictor.predict(catalog, rows, withA, [b]);
  const answer = withinLimits(coder, b, answers.encoded[0], (i) => answers.scales[i]);
  rows.forEach((_, i) => {
    if (Number.isNaN(first[i]) || Number.isNaN(second[i])) return;
    const v = coder.encode(b, catalog.value[rows[i] * n + b], answers.scales[i]);
    given.push(answer.logDensity(i, v) - ordered[1][i]);
  });
  return { orders, given };
}

/**
 * Consistency of the ordered answers for each pair of fields (columns `wanted`, numbers), by the names of both (`z, LOGM`).
 * `rows`: galaxies of the catalogue.
 */
export async function orderConsistency(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  isGiven: Uint8Array,
  wanted: readonly number[],
  seed: string,
): Promise<Readonly<Record<string, Consistency>>> {
  const result: Record<string, Consistency> = {};
  const { fields } = predictor.coder;
  for (const [i, a] of wanted.entries()) {
    for (const b of wanted.slice(i + 1)) {
      const [orders, given]: [number[], number[]] = [[], []];
      for (let from = 0; from < rows.length; from += MOST_CHAIN_GALAXIES) {
        const some = rows.subarray(from, from + MOST_CHAIN_GALAXIES);
        for (const pair of [
          [a, b],
          [b, a],
        ] as const) {
          const one = await comparePair(predictor, catalog, some, isGiven, pair, seed);
          orders.push(...one.orders);
          given.push(...one.given);
        }
      }
      result[`${fields[a].name}, ${fields[b].name}`] = {
        orders: meanOf(orders),
        given: meanOf(given),
        rows: given.length / 2,
      };
    }
  }
  return result;
}
