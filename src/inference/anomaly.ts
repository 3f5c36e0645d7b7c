import type { Catalog } from "../survey/catalog.ts";
import type { Field } from "../survey/field.ts";
import type { Predictor } from "./predict.ts";
import { askFold, bandFolds } from "./surprise.ts";

/** How strange objects are: -log p(observed | rest), band by band, each band hidden once. */

/** Folds that the bands are hidden in: so many runs of the network, with 5 of 6 bands given. */
const FOLDS = 6;

export interface AnomalyScores {
  readonly rowCount: number;
  /** Columns of the bands, by wavelength. */
  readonly bands: readonly number[];
  /** [rowCount, band] -log p of each flux given the others, less its expectation [nats]; NaN where there is none. */
  readonly excess: Float32Array;
  /** [rowCount, band] Observed less expected, in sigma of both; NaN where there is none. */
  readonly deviation: Float32Array;
  /** [rowCount] How strange the object is, in sigma: see {@link scoreAnomalies}. */
  readonly score: Float32Array;
  /** [rowCount] Column of its strangest band; -1 where it has no flux. */
  readonly worst: Int32Array;
}

const byWavelength = (fields: readonly Field[]): number[] =>
  fields
    .flatMap(({ band }, j) => (band === undefined ? [] : [j]))
    .sort((a, b) => fields[a].band!.pivot - fields[b].band!.pivot);

/**
 * Scores `rows` of a catalogue by their fluxes alone. What an answer expects of -log p, its own entropy, is taken off, so that a
 * faint object is not strange for being uncertain. The score is the larger of two, both in sigma: the sum of the bands' excess
 * over the root of its variance, and the strangest band's nats, less ln(number of bands) for having looked at all of them, as
 * the deviation that a Gaussian has there. Simulated galaxies have a median of 0.2; 5 % exceed 3.5, 1 % 5 (500 of them, the network of 0.5.0).
 */
export async function scoreAnomalies(
  { coder, network }: Predictor,
  catalog: Catalog,
  rows: ArrayLike<number>,
): Promise<AnomalyScores> {
  const bands = byWavelength(coder.fields);
  const place = new Map(bands.map((j, b) => [j, b]));
  const rowCount = rows.length;
  const blank = (): Float32Array => new Float32Array(rowCount * bands.length).fill(Number.NaN);
  const [excess, deviation] = [blank(), blank()];
  const [sum, variance] = [new Float64Array(rowCount), new Float64Array(rowCount)];
  for (const fold of bandFolds(coder.fields, bands, FOLDS)) {
    await askFold(network, catalog, rows, fold, (flux) => {
      const at = flux.row * bands.length + place.get(flux.field)!;
      excess[at] = flux.excess;
      deviation[at] = flux.deviation;
      sum[flux.row] += flux.excess;
      variance[flux.row] += flux.variance;
    });
  }
  const worst = new Int32Array(rowCount).fill(-1);
  const score = Float32Array.from(sum, (total, row) => {
    let [most, count] = [-Infinity, 0];
    bands.forEach((j, b) => {
      const own = excess[row * bands.length + b];
      if (Number.isNaN(own)) return;
      count++;
      if (own > most) [most, worst[row]] = [own, j];
    });
    if (count === 0) return 0;
    const nats = most - Math.log(count);
    return Math.max(total / Math.sqrt(variance[row]), Math.sign(nats) * Math.sqrt(2 * Math.abs(nats)));
  });
  return { rowCount, bands, excess, deviation, score, worst };
}

/** Levels of {@link expectedFluxes}. */
const LEVELS = [0.05, 0.16, 0.5, 0.84, 0.95] as const;

/** What the other bands say of each flux of `rows`: [rowCount, band, 5] quantiles in the field's unit, bands by wavelength. */
export async function expectedFluxes(
  { coder, network }: Predictor,
  catalog: Catalog,
  rows: ArrayLike<number>,
): Promise<Float64Array> {
  const bands = byWavelength(coder.fields);
  const out = new Float64Array(rows.length * bands.length * LEVELS.length).fill(Number.NaN);
  for (const fold of bandFolds(coder.fields, bands, FOLDS)) {
    await askFold(network, catalog, rows, fold, ({ row, field, expected }) => {
      out.set(expected(LEVELS), (row * bands.length + bands.indexOf(field)) * LEVELS.length);
    });
  }
  return out;
}
