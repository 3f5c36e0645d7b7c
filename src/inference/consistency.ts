import type { Distribution } from "../model/distribution.ts";
import { createRng, type Rng } from "../random.ts";
import type { Catalog } from "../survey/catalog.ts";
import { State } from "../survey/field.ts";
import { withinLimits } from "./field-answer.ts";
import type { Estimate } from "./weighted.ts";
import { MOST_CHAIN_GALAXIES, type States } from "./network.ts";
import { type Predictor, readRaw, withoutWanted } from "./predict.ts";

/** How well the ordered answers for two fields agree, nats per field, with 95 % intervals of the mean over galaxies. */
export interface Consistency {
  /**
   * Divergence of the two orders, in the mean over galaxies: (KL(p(a) p(b|a) || p(b) p(a|b)) + the reverse) / 4. No network is
   * told that they are the same distribution.
   */
  readonly orders: Estimate;
  /**
   * -ln p(b | a, given) of the ordered answer less that of the marginal with a among what is given, at the truth, in the mean
   * over both orders: what is lost by asking in order. Not a number where no galaxy has both truths without error.
   */
  readonly given: Estimate;
  /** Galaxies that have both truths without error, and are behind `given`; all are behind `orders`. */
  readonly rows: number;
}

type Asked = Pick<Predictor, "coder" | "network">;

/** What the network knows of some galaxies given this and that, worked out once. */
type Encode = (isGiven: Uint8Array) => Promise<States>;

function createEncode({ network }: Asked, catalog: Catalog, rows: Int32Array): Encode {
  const known = new Map<string, Promise<States>>();
  return (isGiven) => {
    const key = isGiven.join("");
    const states = known.get(key) ?? network.encode(catalog, rows, isGiven);
    known.set(key, states);
    return states;
  };
}

/** Some galaxies, and what the network knows of them without the two fields. */
interface Known {
  readonly predictor: Asked;
  readonly states: States;
}

/** ln p of values of fields in this order, one of each galaxy, and the values: [field][galaxy]. */
async function logDensities(
  { predictor: { network, coder }, states }: Known,
  order: readonly number[],
  valuesOf: (t: number, answer: Distribution) => Float32Array,
): Promise<{ values: Float32Array[]; each: Float64Array[] }> {
  const marginals = await network.read(states, order);
  const lanes = Int32Array.from({ length: states.rowCount }, (_, i) => i);
  return network.chain(states, lanes, order.length, async ({ ask }) => {
    const [values, each]: [Float32Array[], Float64Array[]] = [[], []];
    for (const [t, field] of order.entries()) {
      const { family, raw: marginal } = marginals[t];
      const before = t === 0 ? {} : { before: { field: order[t - 1], value: values[t - 1] } };
      const answered = readRaw(family, await ask({ field, marginal, ...before }));
      const answer = withinLimits(coder, field, answered, (i) => states.scales[i]);
      const own = valuesOf(t, answer);
      values.push(own);
      each.push(Float64Array.from(own, (v, i) => answer.logDensity(i, v)));
    }
    return { values, each };
  });
}

const total = ([a, b]: readonly Float64Array[], i: number): number => a[i] + b[i];

/** [galaxies] ln p(a) p(b | a) - ln p(b) p(a | b) at a draw from the former, per field. */
async function compareOrders(known: Known, [a, b]: readonly [number, number], rngs: readonly Rng[]): Promise<number[]> {
  const draw = (_: number, answer: Distribution): Float32Array =>
    Float32Array.from(rngs, (rng, i) => answer.sample(i, rng));
  const own = await logDensities(known, [a, b], draw);
  const other = await logDensities(known, [b, a], (t) => own.values[1 - t]);
  return rngs.map((_, i) => (total(own.each, i) - total(other.each, i)) / 2);
}

/** [galaxies] ln p(b | given, a) less ln p(b | a) of the ordered answer, at the truths; NaN without both, exact. */
async function compareGiven(
  known: Known,
  catalog: Catalog,
  rows: Int32Array,
  toldOf: (column: number) => Promise<States>,
  [a, b]: readonly [number, number],
): Promise<number[]> {
  const { predictor, states } = known;
  const { coder, network } = predictor;
  const truth = (j: number, scales: Float64Array): Float32Array =>
    Float32Array.from(rows, (row, i) => {
      const at = row * coder.nField + j;
      const isKnown = catalog.state[at] === State.measured && catalog.error[at] === 0;
      return isKnown ? coder.encode(j, catalog.value[at], scales[i]) : Number.NaN;
    });
  const [first, second] = [truth(a, states.scales), truth(b, states.scales)];
  // values that are not there are asked for, but not read
  const put = [first.map((v) => (Number.isNaN(v) ? 0 : v)), second];
  const ordered = await logDensities(known, [a, b], (t) => put[t]);
  const told = await toldOf(a);
  const [{ family, raw }] = await network.read(told, [b]);
  const answer = withinLimits(coder, b, readRaw(family, raw), (i) => told.scales[i]);
  const again = truth(b, told.scales);
  return Array.from(rows, (_, i) =>
    Number.isNaN(first[i]) || Number.isNaN(second[i])
      ? Number.NaN
      : answer.logDensity(i, again[i]) - ordered.each[1][i],
  );
}

/** Mean with its 95 % interval, 1.96 standard errors to either side. */
function meanOf(values: readonly number[]): Estimate {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  const error = Math.sqrt(values.reduce((sum, x) => sum + (x - value) ** 2, 0) / Math.max(1, n - 1) / n);
  return { value, low: value - 1.96 * error, high: value + 1.96 * error };
}

/**
 * Consistency of the ordered answers for pairs of fields (columns, numbers), by the names of both (`z, LOGM`). `rows`: galaxies
 * of the catalogue. Of the network's own answers: recalibration moves the draws of both orders alike, and changes nothing.
 */
export async function orderConsistency(
  predictor: Pick<Predictor, "coder" | "network">,
  catalog: Catalog,
  rows: Int32Array,
  isGiven: Uint8Array,
  pairs: readonly (readonly [number, number])[],
  seed: string,
): Promise<Readonly<Record<string, Consistency>>> {
  const { fields } = predictor.coder;
  const found = pairs.map(([a, b]) => ({
    name: `${fields[a].name}, ${fields[b].name}`,
    orders: [] as number[],
    given: [] as number[],
  }));
  for (let from = 0; from < rows.length; from += MOST_CHAIN_GALAXIES) {
    const some = rows.subarray(from, from + MOST_CHAIN_GALAXIES);
    const encode = createEncode(predictor, catalog, some);
    for (const [p, [a, b]] of pairs.entries()) {
      const hidden = withoutWanted(isGiven, [a, b]);
      const toldOf = (column: number): Promise<States> => encode(hidden.with(column, 1));
      const known = { predictor, states: await encode(hidden) };
      const both = [[a, b] as const, [b, a] as const];
      const orders: number[][] = [];
      const given: number[][] = [];
      for (const pair of both) {
        const rngs = Array.from(some, (row) => createRng(`${seed}:orders:${catalog.objectId[row]}`));
        orders.push(await compareOrders(known, pair, rngs));
        given.push(await compareGiven(known, catalog, some, toldOf, pair));
      }
      found[p].orders.push(...orders[0].map((one, i) => (one + orders[1][i]) / 2));
      found[p].given.push(...given[0].map((one, i) => (one + given[1][i]) / 2).filter((one) => !Number.isNaN(one)));
    }
  }
  return Object.fromEntries(
    found.map(({ name, orders, given }) => [
      name,
      { orders: meanOf(orders), given: meanOf(given), rows: given.length },
    ]),
  );
}
