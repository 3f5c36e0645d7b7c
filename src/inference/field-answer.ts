import type { Distribution } from "../model/distribution.ts";
import { UserError } from "../errors.ts";
import type { Rng } from "../random.ts";
import type { Field } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { fieldDistribution } from "../train/field-distribution.ts";
import type { Answers } from "./predict.ts";
import type { TrustWord } from "./trust.ts";
import type { Trust } from "./trust-answers.ts";

export { fieldDistribution, inFieldUnit, withinLimits } from "../train/field-distribution.ts";

/**
 * What the network says of one field of some galaxies, in the field's unit. Columns are made when they are first read.
 * Of a category, values are the indices of `field.classes`.
 */
export interface FieldAnswer {
  readonly field: Field;
  readonly rowCount: number;
  /** [rowCount] Mean and standard deviation of the posterior. */
  readonly mean: Float64Array;
  readonly std: Float64Array;
  /** [rowCount] */
  readonly median: Float64Array;
  /** [rowCount] Where the density is highest; the most probable class. */
  readonly mode: Float64Array;
  /** [rowCount] Value at `level`, in (0, 1). */
  quantile(level: number): Float64Array;
  /** P(value <= x) of galaxy `row`. */
  cdf(row: number, x: number): number;
  /** ln of the density at x [nats per unit]; of a category, of the class's probability. */
  logDensity(row: number, x: number): number;
  /** One draw. */
  sample(row: number, rng: Rng): number;
  /** [rowCount] Probability of a class. @throws UserError for a field that is no category, or has no such class. */
  probability(name: string): Float64Array;
  /** The distributions themselves. */
  readonly distribution: Distribution;
  /** [rowCount] How far each answer can be trusted; undefined where that was not asked for. */
  readonly trust: readonly TrustWord[] | undefined;
  /** [rowCount] Probability that a redshift asked of the object is right to 0.03 (1 + z), 0 - 1. */
  readonly trustScore: Float32Array | undefined;
}

/** The answer for the field at place `w`; `trust` is asked when it is first read. */
export function createFieldAnswer(coder: FieldCoder, answers: Answers, w: number, trust?: () => Trust): FieldAnswer {
  const field = coder.fields[answers.wanted[w]];
  const distribution = fieldDistribution(coder, answers, w);
  const { rowCount } = distribution;
  const columns = new Map<string, Float64Array>();
  const column = (name: string, of: (row: number) => number): Float64Array => {
    const known = columns.get(name) ?? Float64Array.from({ length: rowCount }, (_, row) => of(row));
    columns.set(name, known);
    return known;
  };
  const out = new Float64Array(1);
  const quantile = (level: number): Float64Array => {
    if (!(level > 0 && level < 1)) throw new UserError(`quantile ${level}: expected a level between 0 and 1`);
    return column(`quantile ${level}`, (row) => {
      distribution.quantiles(row, [level], out);
      return out[0];
    });
  };
  return {
    field,
    rowCount,
    distribution,
    get mean() {
      return column("mean", (row) => distribution.moments(row).mean);
    },
    get std() {
      return column("std", (row) => distribution.moments(row).std);
    },
    get median() {
      return quantile(0.5);
    },
    get mode() {
      return column("mode", (row) => distribution.mode(row));
    },
    get trust() {
      return trust?.().answers[w];
    },
    get trustScore() {
      return trust?.().score;
    },
    quantile,
    cdf: (row, x) => distribution.cdf(row, x),
    logDensity: (row, x) => distribution.logDensity(row, x),
    sample: (row, rng) => distribution.sample(row, rng),
    probability(name) {
      if (field.kind !== "category") {
        throw new UserError(`${field.name}: has no classes; expected cdf(row, x) or quantile(level)`);
      }
      const k = field.classes.indexOf(name);
      if (k < 0) throw new UserError(`${field.name}: no class "${name}", expected one of ${field.classes.join(", ")}`);
      return column(`class ${name}`, (row) => Math.exp(distribution.logDensity(row, k)));
    },
  };
}
