import type { Distribution } from "../model/distribution.ts";
import { covariateNames, recalibrationOf, type Recalibration, scoreWarpOf } from "../model/recalibration.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { NetworkCoder } from "../train/config.ts";
import { fillCovariates, warped } from "../train/covariates.ts";
import type { States } from "./network.ts";
import type { Asked } from "./trust.ts";

/** What recalibrates a network's marginals. */
export interface Recalibrator {
  /** [rowCount, covariateNames] What the recalibration of each row depends on, but for the answer's own spread. */
  covariates(catalog: Catalog, rows: ArrayLike<number>, isGiven: Uint8Array, states: States): Float64Array;
  /** Encoded marginals of the field in column `j`, recalibrated; as they are where nothing was fitted. */
  apply(j: number, encoded: Distribution, covariates: Float64Array): Distribution;
}

/** [rowCount, covariateNames] What is known of every row of a question; the spread is each answer's own. */
export function questionCovariates(
  coder: NetworkCoder,
  { catalog, rows, isGiven, states }: Pick<Asked, "catalog" | "rows" | "isGiven" | "states">,
): Float64Array {
  const n = covariateNames.length;
  const { state, scales, rowCount } = states;
  const size = state.length / rowCount;
  const all = new Float64Array(rowCount * n);
  for (let i = 0; i < rowCount; i++) {
    const evidence = { catalog, row: rows[i], isContext: isGiven, scale: scales[i] };
    fillCovariates(coder, evidence, state.subarray(i * size, (i + 1) * size), all.subarray(i * n, (i + 1) * n));
  }
  return all;
}

export function createRecalibrator(coder: NetworkCoder, recalibration: Recalibration): Recalibrator {
  const warps = coder.fields.map((field) => {
    const own = recalibrationOf(recalibration, field);
    return own === undefined ? undefined : scoreWarpOf(own);
  });
  return {
    covariates: (catalog, rows, isGiven, states) => questionCovariates(coder, { catalog, rows, isGiven, states }),
    apply(j, encoded, covariates) {
      const warp = warps[j];
      return warp === undefined ? encoded : warped(encoded, warp, covariates);
    },
  };
}
