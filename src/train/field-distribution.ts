import type { Distribution } from "../model/distribution.ts";
import { truncated } from "../model/truncated.ts";
import { inUnits } from "../model/units.ts";
import type { FieldCoder } from "../tokens/standardise.ts";

/** Answers for a set of galaxies. */
export interface Answers {
  readonly rowCount: number;
  /** Columns of the fields asked for. */
  readonly wanted: readonly number[];
  /** [rowCount] Scale that each row's band values are relative to; see `tokens/scale.ts`. */
  readonly scales: Float64Array;
  /** By place in `wanted`: rowCount distributions, in the encoded space of `coder`; see `fieldDistribution`. */
  readonly encoded: readonly Distribution[];
}

/** Encoded distributions of field `j`, one scale per row, kept to what the field can be. */
export function withinLimits(
  coder: FieldCoder,
  j: number,
  encoded: Distribution,
  scaleOf: (row: number) => number,
): Distribution {
  if (coder.fields[j].kind === "category") return encoded;
  const [low, high] = coder.limits(j);
  return truncated(
    encoded,
    (row) => coder.encode(j, low, scaleOf(row)),
    (row) => coder.encode(j, high, scaleOf(row)),
  );
}

/** Encoded distributions of field `j` in the field's unit. */
export function inFieldUnit(
  coder: FieldCoder,
  j: number,
  encoded: Distribution,
  scaleOf: (row: number) => number,
): Distribution {
  return coder.fields[j].kind === "category" ? encoded : inUnits(encoded, (row) => coder.curve(j, scaleOf(row)));
}

/** Answers for the field at place `w`: what a user sees. In the field's unit and never outside what it can be. */
export function fieldDistribution(coder: FieldCoder, { wanted, encoded, scales }: Answers, w: number): Distribution {
  const j = wanted[w];
  const own = inFieldUnit(coder, j, encoded[w], (row) => scales[row]);
  if (coder.fields[j].kind === "category") return own;
  const [low, high] = coder.limits(j);
  // Bounds go on last: rounding on the way from encoded space can't carry a value across them.
  return truncated(
    own,
    () => low,
    () => high,
  );
}
