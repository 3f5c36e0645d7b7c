import { z } from "zod";
import { placeOf } from "./numeric.ts";

/**
 * What the score of trust may depend on: ln(p / (1 - p)) of the odds and of the probability that the object has a redshift at
 * all, ln of the mean square residual of what is given, and of the covariates of a recalibration the share of bands that are
 * given, their S/N, chi2 of the best carried galaxy, how many are likely, and their share of the first class.
 */
export const trustInputNames = [
  "odds",
  "belonging",
  "residual",
  "given",
  "signal",
  "misfit",
  "likely",
  "firstClass",
] as const;
export type TrustInputName = (typeof trustInputNames)[number];

const trustTermSchema = z
  .object({
    of: z
      .array(z.object({ name: z.enum(trustInputNames), knots: z.array(z.number()).min(2) }))
      .min(1)
      .max(2),
    /** [knots] or, knots of the second input side by side, [knots, knots]. */
    coefficients: z.array(z.number()),
  })
  .refine(
    ({ of, coefficients }) => coefficients.length === of.reduce((product, { knots }) => product * knots.length, 1),
    "expected one coefficient per knot, of two inputs per pair of knots",
  );

/** `trust` of `recalibration.json`: ln of the odds that a redshift is right to 0.03 (1 + z), a sum of functions. */
export const trustRuleSchema = z.object({
  /** Redshifts that it was fitted on. */
  answers: z.int().min(0),
  /** Mean square residual above which a fit is poor. */
  poorFrom: z.number().positive(),
  offset: z.number(),
  /** Linear between the knots of an input, bilinear between those of two; what is not known adds nothing. */
  terms: z.array(trustTermSchema),
});
export type TrustRule = z.output<typeof trustRuleSchema>;
export type TrustTerm = TrustRule["terms"][number];

/** Odds and probabilities are never surer than this. */
export const SUREST = 1e-3;
export const logitOf = (p: number): number => Math.log((p + SUREST) / (1 - p + SUREST));

/** What of a rule's coefficients, all terms in a row, is at work at some inputs. */
export interface TrustBasis {
  /** Coefficients of all terms. */
  readonly size: number;
  /** Numbers that `place` writes. */
  readonly active: number;
  place(this: void, inputs: Float64Array, index: Int32Array, share: Float64Array, at: number): void;
}

/** The knots beside x and their shares: beyond the outer ones a function stays what it is there; 0 where x is NaN. */
function beside(knots: readonly number[], x: number): readonly (readonly [number, number])[] {
  const last = knots.length - 1;
  const kept = Math.min(Math.max(x, knots[0]), knots[last]);
  const i = Math.min(Math.max(placeOf(knots, kept), 0), last - 1);
  const upper = (kept - knots[i]) / (knots[i + 1] - knots[i]);
  const isKnown = !Number.isNaN(x);
  return [
    [i, isKnown ? 1 - upper : 0],
    [i + 1, isKnown ? upper : 0],
  ];
}

export function createTrustBasis(terms: readonly Pick<TrustTerm, "of">[]): TrustBasis {
  const sizes = terms.map(({ of }) => of.reduce((product, { knots }) => product * knots.length, 1));
  return {
    size: sizes.reduce((sum, size) => sum + size, 0),
    active: terms.reduce((sum, { of }) => sum + 2 ** of.length, 0),
    place(inputs, index, share, at) {
      let [to, first] = [at, 0];
      for (const [t, { of }] of terms.entries()) {
        let found: readonly (readonly [number, number])[] = [[0, 1]];
        for (const { name, knots } of of) {
          const own = beside(knots, inputs[trustInputNames.indexOf(name)]);
          found = found.flatMap(([i, p]) => own.map(([k, q]) => [i * knots.length + k, p * q] as const));
        }
        for (const [i, p] of found) {
          index[to] = first + i;
          share[to++] = p;
        }
        first += sizes[t];
      }
    },
  };
}

/** The probability, 0 - 1, that a redshift is right by its inputs. */
export function trustScorer({ offset, terms }: TrustRule): (inputs: Float64Array) => number {
  const { active, place } = createTrustBasis(terms);
  const coefficients = terms.flatMap((term) => term.coefficients);
  const index = new Int32Array(active);
  const share = new Float64Array(active);
  return (inputs) => {
    place(inputs, index, share, 0);
    const logit = index.reduce((sum, i, f) => sum + share[f] * coefficients[i], offset);
    return 1 / (1 + Math.exp(-logit));
  };
}
