/** Monte Carlo dropout: a question asked many times of a network that drops other parts of itself each time. */
import type { Column } from "../io/table.ts";
import { UserError } from "../errors.ts";
import type { Distribution } from "../model/distribution.ts";
import { createRng } from "../random.ts";
import { quantile } from "../report/statistics.ts";
import { explain, floatColumn } from "./answers.ts";
import { fieldDistribution } from "./field-answer.ts";
import type { Predictor } from "./predict.ts";
import type { NetworkQuestion } from "./trust.ts";

/** How often a question is asked. */
export interface DropoutOptions {
  readonly draws: number;
  readonly seed: string;
}

/** What all draws say of one field of some rows, in its unit. */
export interface Dropped {
  readonly draws: number;
  /** [rows, draws] The median of every draw's answer, rising: what others take the histogram of for the answer's PDF. */
  readonly points: Float64Array;
  /**
   * [rows, draws * 21] The mixture of the draws' answers, as equally likely values in rising order: the middles of 21 equal
   * parts of every answer.
   */
  readonly mixture: Float64Array;
}

/** Equal parts that an answer is told by; odd, so that the middle of the middle one is the median. */
const PARTS = 21;
const LEVELS = Float64Array.from({ length: PARTS }, (_, k) => (k + 0.5) / PARTS);
/** Galaxies whose draws are held at once. */
const CHUNK = 256;

/** @throws UserError for a network that was trained without dropout, no whole number of draws, and under another prior. */
export function checkDropout({ dropped }: Pick<Predictor, "dropped">, draws: number, prior?: string, least = 2): void {
  const refuse = (why: string): never => {
    throw new UserError(`--mc-dropout ${draws}: ${why}`);
  };
  if (!Number.isInteger(draws) || draws < least) refuse(`expected a whole number of draws, at least ${least}`);
  if (prior !== undefined) refuse("of the network alone; expected it without --prior");
  if (dropped !== undefined) return;
  refuse("the network was trained without dropout; expected one whose recipe has model.dropout");
}

/** Rows `from` .. of a question, as they are answered. */
interface DroppedPart {
  readonly from: number;
  readonly rows: Int32Array;
  /** By place of the wanted field. */
  readonly fields: readonly Dropped[];
}

/** How the answers of one draw are read: encoded ones for the field at place `w` of rows `from` .., into its unit. */
type Reading = (w: number, encoded: Distribution, from: number) => Distribution;

/**
 * Asks a question of `draws` networks, part by part. The masks of a row depend on the seed, the draw and its id alone.
 */
export async function* askDropped(
  { dropped }: Pick<Predictor, "dropped">,
  { catalog, rows, isGiven, wanted }: NetworkQuestion,
  { draws, seed }: DropoutOptions,
  read: Reading,
): AsyncGenerator<DroppedPart> {
  const parts = new Float64Array(PARTS);
  for (let from = 0; from < rows.length; from += CHUNK) {
    const some = Int32Array.from({ length: Math.min(CHUNK, rows.length - from) }, (_, i) => rows[from + i]);
    const fields = wanted.map(() => ({
      draws,
      points: new Float64Array(some.length * draws),
      mixture: new Float64Array(some.length * draws * PARTS),
    }));
    for (let k = 0; k < draws; k++) {
      const rngOf = (i: number) => createRng(`${seed}:dropout:${k}:${catalog.objectId[some[i]]}`);
      const encoded = await dropped!({ catalog, rows: some, isGiven, wanted }, rngOf);
      fields.forEach(({ points, mixture }, w) => {
        const distribution = read(w, encoded[w], from);
        for (let i = 0; i < some.length; i++) {
          distribution.quantiles(i, LEVELS, parts);
          points[i * draws + k] = parts[PARTS >> 1];
          mixture.set(parts, (i * draws + k) * PARTS);
        }
      });
    }
    for (const { points, mixture } of fields) {
      for (let i = 0; i < some.length; i++) {
        points.subarray(i * draws, (i + 1) * draws).sort();
        mixture.subarray(i * draws * PARTS, (i + 1) * draws * PARTS).sort();
      }
    }
    yield { from, rows: some, fields };
  }
}

/** Values [size] of row `i`, in rising order. */
export const valuesOf = (values: Float64Array, i: number, size: number): Float64Array =>
  values.subarray(i * size, (i + 1) * size);

/** Numbers that a column tells of the values of one row, and what it says of itself. */
const told = {
  mc_mean: ["points", "mean of the medians", (x) => x.reduce((sum, one) => sum + one, 0) / x.length],
  mc_std: ["points", "standard deviation of the medians", deviation],
  mc_q16: ["points", "16th percentile of the medians", (x) => quantile(x, 0.16)],
  mc_q84: ["points", "84th percentile of the medians", (x) => quantile(x, 0.84)],
  mixture_q16: ["mixture", "16th percentile of the mixture of the posteriors", (x) => quantile(x, 0.16)],
  mixture_median: ["mixture", "median of the mixture of the posteriors", (x) => quantile(x, 0.5)],
  mixture_q84: ["mixture", "84th percentile of the mixture of the posteriors", (x) => quantile(x, 0.84)],
} as const satisfies Record<string, readonly ["points" | "mixture", string, (sorted: Float64Array) => number]>;
const names = Object.keys(told) as (keyof typeof told)[];

function deviation(values: Float64Array): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1));
}

/**
 * Columns of every wanted field that is no category: `<FIELD>_mc_mean`, `_mc_std`, `_mc_q16`, `_mc_q84` of the draws' point
 * estimates, these themselves in rising order as `<FIELD>_mc_points` [draws], and `<FIELD>_mixture_q16`, `_median`, `_q84` of
 * the mixture of their answers.
 */
export async function dropoutColumns(
  predictor: Pick<Predictor, "dropped" | "coder">,
  asked: NetworkQuestion,
  scales: Float64Array,
  options: DropoutOptions,
): Promise<Column[]> {
  const { coder } = predictor;
  const { draws } = options;
  const wanted = asked.wanted.filter((j) => coder.fields[j].kind !== "category");
  const count = asked.rows.length;
  const of = `of ${draws} networks that dropped part of themselves`;
  const columns = wanted.map((j) => {
    const field = coder.fields[j];
    const column = (name: string, width: number, what: string): Column & { data: Float32Array } => ({
      ...floatColumn(`${field.name}_${name}`, new Float32Array(count * width), width, field.unit, explain(field, what)),
      data: new Float32Array(count * width),
    });
    return {
      told: names.map((name) => column(name, 1, `${told[name][1]} ${of}`)),
      points: column("mc_points", draws, `medians ${of}`),
    };
  });
  const read: Reading = (w, encoded, from) =>
    fieldDistribution(
      coder,
      { rowCount: encoded.rowCount, wanted, scales: scales.subarray(from), encoded: wanted.map(() => encoded) },
      w,
    );
  for await (const { from, rows, fields } of askDropped(predictor, { ...asked, wanted }, options, read)) {
    fields.forEach((one, w) => {
      columns[w].points.data.set(one.points, from * draws);
      for (let i = 0; i < rows.length; i++) {
        names.forEach((name, c) => {
          const [source, , number] = told[name];
          columns[w].told[c].data[from + i] = number(valuesOf(one[source], i, one[source].length / rows.length));
        });
      }
    });
  }
  return columns.flatMap((one) => [...one.told, one.points]);
}
