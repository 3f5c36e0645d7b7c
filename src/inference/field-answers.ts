import { type Distribution, selected } from "../model/distribution.ts";
import { truncated } from "../model/truncated.ts";
import { inUnits } from "../model/units.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import type { Answers } from "./predict.ts";

/** Answer `w` of `nWanted` for every galaxy, as the network gives it: in encoded space. */
export function encodedAnswers({ distribution, scales }: Answers, w: number, nWanted: number): Distribution {
  if (nWanted === 1) return distribution;
  return selected(
    distribution,
    Int32Array.from(scales, (_, i) => i * nWanted + w),
  );
}

/** Encoded distributions of field `j`, one scale per row, kept to what the field can be. */
export function withinRange(
  coder: FieldCoder,
  j: number,
  encoded: Distribution,
  scaleOf: (row: number) => number,
): Distribution {
  const [low, high] = coder.fields[j].range;
  return truncated(
    encoded,
    (row) => coder.encode(j, low, scaleOf(row)),
    (row) => coder.encode(j, high, scaleOf(row)),
  );
}

/** The same in the field's unit. */
export function inFieldUnit(
  coder: FieldCoder,
  j: number,
  encoded: Distribution,
  scaleOf: (row: number) => number,
): Distribution {
  return inUnits(encoded, (row) => coder.curve(j, scaleOf(row)));
}

/** Answers for field `j`, the `w`-th of `nWanted`: what a user sees. In the field's unit and never outside its range. */
export function fieldAnswers(coder: FieldCoder, answers: Answers, j: number, w: number, nWanted: number): Distribution {
  const scaleOf = (row: number): number => answers.scales[row];
  const [low, high] = coder.fields[j].range;
  // Bounds go on last: rounding on the way from encoded space can't carry a value across them.
  return truncated(
    inFieldUnit(coder, j, encodedAnswers(answers, w, nWanted), scaleOf),
    () => low,
    () => high,
  );
}
