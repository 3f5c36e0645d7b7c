import type { Distribution } from "../model/distribution.ts";
import type { Catalog } from "../survey/catalog.ts";
import { type Field, State } from "../survey/field.ts";
import { flagsOf } from "../survey/field-list.ts";
import { inFieldUnit } from "./field-answer.ts";
import type { Network } from "./network.ts";
import { readRaw } from "./raw.ts";

/** Observed fluxes against what the network expects of them from the others: how strange a band is, and an object. */

/** Bands of an object that are asked together, and those that they are asked from. */
export interface Fold {
  readonly hidden: readonly number[];
  readonly seen: readonly number[];
}

/**
 * Bands `some` in `count` folds by wavelength, every count-th in one: the neighbours of a hidden band, which share most of its
 * information, are all seen. So a band that is wrong makes its neighbours look strange too, though less than itself.
 */
export function bandFolds(fields: readonly Field[], some: readonly number[], count: number): Fold[] {
  const bands = some.toSorted((a, b) => fields[a].band!.pivot - fields[b].band!.pivot);
  return Array.from({ length: Math.min(count, bands.length) }, (_, f) => ({
    hidden: bands.filter((_band, i) => i % count === f),
    seen: bands.filter((_band, i) => i % count !== f),
  }));
}

/** One band of one object, observed and expected. */
export interface Surprise {
  /** (observed - expected) / root of the expected variance and the squared error, in the encoded space: sigma. */
  readonly deviation: number;
  /** -ln p(observed | rest) less its expectation under the answer itself, and the variance of it [nats, nats^2]. */
  readonly excess: number;
  readonly variance: number;
}

/** Nodes and weights of Gauss and Hermite, exact to the fifth power: the variance of -ln p of a Gaussian comes out right. */
const NODES = [
  [0, 2 / 3],
  [-Math.sqrt(3), 1 / 6],
  [Math.sqrt(3), 1 / 6],
] as const;
/** Levels at which an answer that is no mixture is read instead. */
const LEVELS = Float64Array.from({ length: 24 }, (_, i) => (i + 0.5) / 24);

/** Mean and variance of -ln p of what an answer expects: its entropy, and how much one draw differs from it. */
function selfInformation(answer: Distribution, row: number): { mean: number; variance: number } {
  let [sum, square] = [0, 0];
  const add = (weight: number, v: number): void => {
    const information = -answer.logDensity(row, v);
    sum += weight * information;
    square += weight * information * information;
  };
  const parts = answer.components?.(row);
  if (parts !== undefined) {
    parts.weight.forEach((weight, k) => {
      for (const [node, share] of NODES) add(weight * share, parts.mean[k] + node * parts.std[k]);
    });
  } else {
    const at = new Float64Array(LEVELS.length);
    answer.quantiles(row, LEVELS, at);
    for (const v of at) add(1 / LEVELS.length, v);
  }
  return { mean: sum, variance: Math.max(0, square - sum * sum) };
}

/** How surprising value `v` is to an answer in the same space, widened by its error. */
export function surpriseOf(answer: Distribution, row: number, v: number): Surprise {
  const { mean, std } = answer.moments(row);
  const information = selfInformation(answer, row);
  return {
    deviation: (v - mean) / std,
    excess: -answer.logDensity(row, v) - information.mean,
    variance: information.variance,
  };
}

/** Told of every flux that was hidden: its row (place in `rows`), its column and the answer to it. */
export interface HiddenFlux extends Surprise {
  readonly row: number;
  readonly field: number;
  /** Quantiles of what was expected, without the error of what was observed, in the field's unit: see `levels`. */
  expected(this: void, levels: ArrayLike<number>): Float64Array;
}

/** Encoded values beyond this say that something is wrong, and no more. */
const FARTHEST = 60;

/** Hides the bands of a fold, asks for them from its other bands, and tells of every flux that was there. */
export async function askFold(
  network: Network,
  catalog: Catalog,
  rows: ArrayLike<number>,
  { hidden, seen }: Fold,
  onFlux: (flux: HiddenFlux) => void,
): Promise<void> {
  const { coder } = network;
  const states = await network.encode(catalog, rows, flagsOf(seen, coder.nField));
  const answers = await network.read(states, hidden);
  for (const { field, family, raw } of answers) {
    const at = (row: number): number => rows[row] * coder.nField + field;
    const scaleOf = (row: number): number => states.scales[row];
    const isFlux = (row: number): boolean =>
      catalog.state[at(row)] === State.measured || catalog.state[at(row)] === State.nonDetection;
    const own = readRaw(family, raw);
    const inUnit = inFieldUnit(coder, field, own, scaleOf);
    const wide = own.widen((row) =>
      isFlux(row) ? coder.encodeError(field, catalog.value[at(row)], catalog.error[at(row)], scaleOf(row)) : 0,
    );
    for (let row = 0; row < rows.length; row++) {
      if (!isFlux(row) || scaleOf(row) === 0) continue;
      const v = coder.encode(field, catalog.value[at(row)], scaleOf(row));
      const kept = Math.min(FARTHEST, Math.max(-FARTHEST, v));
      onFlux({
        row,
        field,
        ...surpriseOf(wide, row, kept),
        expected(levels) {
          const out = new Float64Array(levels.length);
          inUnit.quantiles(row, levels, out);
          return out;
        },
      });
    }
  }
}
