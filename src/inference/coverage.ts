import type { Catalog } from "../survey/catalog.ts";
import { redMagnitudes } from "./class-scores.ts";
import { type TruthAnswers, weightsOf } from "./evaluate.ts";
import { coverageCurve, pitHistogram, pitsOf } from "./metrics.ts";

/** Shares of truths inside central 68 and 90 % intervals, of galaxies of one bin in magnitude. */
export interface CoverageCell {
  /** Magnitude [AB]. */
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly coverage68: number;
  readonly coverage90: number;
}

/** How one field's intervals hold what they promise. */
export interface FieldCalibration {
  /** Truths that it is known from. */
  readonly rows: number;
  /** Counts of PIT values in 20 bins. */
  readonly pit: readonly number[];
  /** Share of truths inside central intervals of 5, 10 ... 95 %. */
  readonly coverage: readonly number[];
  /** By magnitude in the red broad band, in bins of one; without bands, or where rows are few, none. */
  readonly byMagnitude: readonly CoverageCell[];
}

/** Nominal levels of the coverage curves in metrics.json. */
const COVERAGE_LEVELS = Float64Array.from({ length: 19 }, (_, i) => (i + 1) / 20);
const CELL_LEVELS = Float64Array.of(0.68, 0.9);
/** Fewest rows of a cell: its coverage is known to 5 points. */
const FEWEST = 100;

function cellsOf(pit: ArrayLike<number>, magnitude: Float64Array, weight?: ArrayLike<number>): CoverageCell[] {
  const bins = [...new Set(magnitude.map(Math.floor))].filter(Number.isFinite).sort((a, b) => a - b);
  return bins.flatMap((from) => {
    const some = Array.from(magnitude.keys()).filter((i) => Math.floor(magnitude[i]) === from);
    if (some.length < FEWEST) return [];
    const own = { pit: Float64Array.from(some, (i) => pit[i]) };
    const [coverage68, coverage90] = coverageCurve(
      pitsOf(own, weight && Float64Array.from(some, (i) => weight[i])),
      CELL_LEVELS,
    );
    return [{ from, to: from + 1, rows: some.length, coverage68, coverage90 }];
  });
}

/** Calibration of every field that has densities, by name. */
export function calibrationOf(network: TruthAnswers, catalog: Catalog): Readonly<Record<string, FieldCalibration>> {
  return Object.fromEntries(
    [...network].flatMap(([field, { rows, predictions, classes }]) => {
      if (classes !== undefined) return [];
      const weight = weightsOf(catalog, rows);
      const pit = pitsOf(predictions, weight);
      const magnitude = redMagnitudes(catalog, rows)?.magnitude ?? new Float64Array();
      const own = {
        rows: rows.length,
        pit: [...pitHistogram(pit)],
        coverage: [...coverageCurve(pit, COVERAGE_LEVELS)],
        byMagnitude: cellsOf(predictions.pit, magnitude, weight),
      };
      return [[field, own]];
    }),
  );
}
