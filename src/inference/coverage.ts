import type { Catalog } from "../survey/catalog.ts";
import { type TruthAnswers, weightsOf } from "./evaluate.ts";
import { coverageCurve, pitHistogram, pitsOf } from "./metrics.ts";

/** How one field's intervals hold what they promise. */
export interface FieldCalibration {
  /** Truths that it is known from. */
  readonly rows: number;
  /** Counts of PIT values in 20 bins. */
  readonly pit: readonly number[];
  /** Share of truths inside central intervals of 5, 10 ... 95 %. */
  readonly coverage: readonly number[];
}

/** Nominal levels of the coverage curves in metrics.json. */
const COVERAGE_LEVELS = Float64Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

/** Calibration of every field that has densities, by name. */
export function calibrationOf(network: TruthAnswers, catalog: Catalog): Readonly<Record<string, FieldCalibration>> {
  return Object.fromEntries(
    [...network].flatMap(([field, { rows, predictions, classes }]) => {
      if (classes !== undefined) return [];
      const pit = pitsOf(predictions, weightsOf(catalog, rows));
      const own = {
        rows: rows.length,
        pit: [...pitHistogram(pit)],
        coverage: [...coverageCurve(pit, COVERAGE_LEVELS)],
      };
      return [[field, own]];
    }),
  );
}
