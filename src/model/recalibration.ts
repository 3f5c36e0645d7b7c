import { z } from "zod";
import type { Field } from "../survey/field.ts";
import type { ScoreWarp } from "./distribution.ts";
import { placeOf } from "./numeric.ts";
import { trustRuleSchema } from "./trust-rule.ts";

/**
 * What a recalibration may depend on: the share of bands and of properties that are given, mean and deviation of ln(pivot) of
 * given bands, the mean of asinh(S/N) of given
 * fluxes, the encoded ln of the scale of all (brightness), ln chi2 of the best template and ln of how many are likely, the
 * likely ones' share of the first class, ln of the answer's own standard deviation in encoded space, and of networks that
 * read spectra the observed share of the given spectra's pixels and the mean of asinh(S/N) of these, both 0 where none is given.
 */
export const covariateNames = [
  "given",
  "labels",
  "wavelength",
  "breadth",
  "signal",
  "brightness",
  "misfit",
  "likely",
  "firstClass",
  "spread",
  "pixels",
  "pixelSignal",
] as const;
export type CovariateName = (typeof covariateNames)[number];

/** Values in the order of `covariateNames`; NaN where the network does not tell. */
export type Covariates = Float64Array;

const coefficients = z.array(z.number());

export const fieldRecalibrationSchema = z.object({
  /** Truths that it was fitted on. */
  answers: z.int().min(0),
  covariates: z.array(z.object({ name: z.enum(covariateNames), knots: z.array(z.number()).min(2) })),
  shift: coefficients,
  lnWidth: coefficients,
  logitTail: coefficients,
});

/** The recalibration of one kind of answer: [1 + knots] coefficients of each of three functions. */
export type FieldRecalibration = z.output<typeof fieldRecalibrationSchema>;

/** `recalibration.json`: of each property by its name, of bands by their group. */
export const recalibrationSchema = z.object({
  caleidoVersion: z.string(),
  properties: z.record(z.string(), fieldRecalibrationSchema),
  bands: z.record(z.string(), fieldRecalibrationSchema),
  /** How far redshifts are to be trusted; absent: as those of any network. */
  trust: trustRuleSchema.optional(),
});
export type Recalibration = z.output<typeof recalibrationSchema>;

/** The recalibration that a field's answers go through; undefined: none. */
export const recalibrationOf = (
  { properties, bands }: Pick<Recalibration, "properties" | "bands">,
  { name, band }: Field,
): FieldRecalibration | undefined => (band === undefined ? properties[name] : bands[band.group]);

/** Functions that are linear between knots, summed over covariates: at most two of each are at work at any place. */
export interface Hats {
  /** 1 and one per knot. */
  readonly size: number;
  /** Numbers that `place` writes. */
  readonly active: number;
  /** Features at work and their values, from `at` on; beyond the outer knots they stay what they are there. */
  place(this: void, values: Covariates, index: Int32Array, share: Float64Array, at: number): void;
}

export function createHats(covariates: FieldRecalibration["covariates"]): Hats {
  const columns = covariates.map(({ name, knots }) => ({ column: covariateNames.indexOf(name), knots }));
  const size = columns.reduce((sum, { knots }) => sum + knots.length, 1);
  return {
    size,
    active: 1 + 2 * columns.length,
    place(values, index, share, at) {
      index[at] = 0;
      share[at] = 1;
      let [to, first] = [at + 1, 1];
      for (const { column, knots } of columns) {
        const last = knots.length - 1;
        const x = Math.min(Math.max(values[column], knots[0]), knots[last]);
        const i = Math.min(Math.max(placeOf(knots, x), 0), last - 1);
        const upper = Number.isNaN(x) ? 0 : (x - knots[i]) / (knots[i + 1] - knots[i]);
        index[to] = first + i;
        share[to++] = 1 - upper;
        index[to] = first + i + 1;
        share[to++] = upper;
        first += knots.length;
      }
    },
  };
}

/** ln of the most that answers are widened or narrowed by. */
const MOST_WIDTH = 1.2;
/** logit of the tail where nothing is known, and of the largest one. */
const [USUAL_TAIL, LARGEST_TAIL] = [-6, -1.4];

export const lnWidthAt = (x: number): number => Math.min(MOST_WIDTH, Math.max(-MOST_WIDTH, x));
export const tailAt = (x: number): number => 1 / (1 + Math.exp(-Math.min(LARGEST_TAIL, USUAL_TAIL + x)));

/** The warp of an answer by what is known of it. */
export function scoreWarpOf(own: FieldRecalibration): (values: Covariates) => ScoreWarp {
  const { active, place } = createHats(own.covariates);
  const index = new Int32Array(active);
  const share = new Float64Array(active);
  const sum = (of: readonly number[]): number => {
    let total = 0;
    for (let i = 0; i < active; i++) total += share[i] * of[index[i]];
    return total;
  };
  return (values) => {
    place(values, index, share, 0);
    return { shift: sum(own.shift), width: Math.exp(lnWidthAt(sum(own.lnWidth))), tail: tailAt(sum(own.logitTail)) };
  };
}
