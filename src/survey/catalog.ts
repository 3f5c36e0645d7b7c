import type { Field } from "./field.ts";

/**
 * Galaxies with units, errors and states: what leaves `survey/` and enters `tokens/`.
 * Arrays are row-major: entry (row i, field j) is at `i * fields.length + j`.
 */
export interface Catalog {
  readonly fields: readonly Field[];
  readonly rowCount: number;
  /** [rowCount] */
  readonly objectId: readonly string[];
  /** The ids are whole numbers of one column of the table: answers carry them as such. */
  readonly hasIntegerIds?: boolean;
  /** [rowCount] Noise draws of one galaxy share their parent; splits are by parent. */
  readonly parentId: readonly string[];
  /** [rowCount] Pointing or tile, where the table says: noise and zero-points are shared within one. */
  readonly tile?: readonly string[];
  /** [rowCount, nField] In the field's unit; 0 where not observed; the limit itself for an upper limit. */
  readonly value: Float32Array;
  /** [rowCount, nField] 1 sigma, same unit, > 0 for fluxes; 0 = error unknown or negligible (labels). */
  readonly error: Float32Array;
  /** [rowCount, nField] One of `State`. */
  readonly state: Uint8Array;
}
