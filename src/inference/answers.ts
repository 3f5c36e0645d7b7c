import type { Column } from "../io/table.ts";
import type { Field } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import type { Distribution } from "../model/distribution.ts";
import { fieldDistribution } from "./field-answer.ts";
import type { Answers } from "./predict.ts";
import { namesFor, summariseAll, type SummaryName } from "./summary.ts";

/** A column of numbers; unit "" for none. */
export function floatColumn(
  name: string,
  data: Float32Array,
  width: number,
  unit: string,
  description: string,
): Column {
  return { name, type: "float32", width, data, description, ...(unit === "" ? {} : { unit }) };
}

export const meanings: Record<SummaryName, string> = {
  mean: "mean of the posterior",
  median: "median of the posterior",
  std: "standard deviation of the posterior",
  q05: "5th percentile",
  q16: "16th percentile",
  q84: "84th percentile",
  q95: "95th percentile",
  mode: "peak of the posterior",
  odds: "probability within 0.03 (1 + z) of the peak",
};

/** The unit of a density. */
export const perUnit = (unit: string): string => (unit === "" ? "" : `1 / (${unit})`);

/** What a column of answers is, for its header: `log10 stellar mass [Msun]: mean of the posterior`. */
export const explain = ({ description }: Pick<Field, "description">, what: string): string => `${description}: ${what}`;

/**
 * Summary columns of every wanted field, field by field: `<FIELD>_mean ...` (and `z_mode`, `z_odds`); of a category the
 * probability of each class `<FIELD>_p_<class>` and the most probable one, `<FIELD>_mode`.
 */
export function summaryColumns(coder: FieldCoder, answers: Answers): Column[] {
  return answers.wanted.flatMap((j, w) => {
    const field = coder.fields[j];
    const distribution = fieldDistribution(coder, answers, w);
    if (field.kind === "category") return classColumns(field, field.classes, distribution);
    const summaries = summariseAll(distribution, field.kind);
    return namesFor(field.kind).map((name) => {
      const unit = name === "odds" ? "" : field.unit;
      return floatColumn(`${field.name}_${name}`, summaries[name]!, 1, unit, explain(field, meanings[name]));
    });
  });
}

/** Probability of each class, and the most probable one. */
export function classColumns(
  field: Pick<Field, "name" | "description">,
  classes: readonly string[],
  distribution: Distribution,
): Column[] {
  const n = distribution.rowCount;
  const columns = classes.map((name, k) => {
    const p = new Float32Array(n);
    for (let row = 0; row < n; row++) p[row] = Math.exp(distribution.logDensity(row, k));
    return floatColumn(`${field.name}_p_${name}`, p, 1, "", explain(field, `probability of ${name}`));
  });
  const mode = Array.from({ length: n }, (_, row) => classes[distribution.mode(row)]);
  const description = explain(field, "most probable class");
  return [...columns, { name: `${field.name}_mode`, type: "string", width: 1, data: mode, description }];
}

export interface PdfOptions {
  /** Points of the grid of every row and field. */
  readonly points: number;
  /** Columns of fields that have their density elsewhere. */
  readonly except?: readonly number[];
}

/** Range of a grid: these two quantiles of the row's posterior. */
const ENDS = Float64Array.of(0.0005, 0.9995);

/**
 * Densities per unit of the field on a grid of its own for every row: `<FIELD>_grid`, `<FIELD>_pdf`, [points] each,
 * from the 0.05 % to the 99.95 % quantile, evenly spaced in the transformed value.
 */
export function pdfColumns(coder: FieldCoder, answers: Answers, options: PdfOptions): Column[] {
  const n = answers.scales.length;
  const { points } = options;
  const ends = new Float64Array(2);
  return answers.wanted.flatMap((j, w) => {
    const field = coder.fields[j];
    if (field.kind === "category" || options.except?.includes(j) === true) return [];
    const grid = new Float32Array(n * points);
    const density = new Float32Array(n * points);
    const distribution = fieldDistribution(coder, answers, w);
    for (let i = 0; i < n; i++) {
      const scale = answers.scales[i];
      distribution.quantiles(i, ENDS, ends);
      const [from, to] = Array.from(ends, (x) => coder.encode(j, x, scale));
      for (let p = 0; p < points; p++) {
        // The outer points are the quantiles themselves: rounding must not carry them out of the field's range.
        const x =
          p === 0
            ? ends[0]
            : p === points - 1
              ? ends[1]
              : coder.decode(j, from + ((to - from) * p) / (points - 1), scale);
        grid[i * points + p] = x;
        density[i * points + p] = Math.exp(distribution.logDensity(i, x));
      }
    }
    return [
      floatColumn(`${field.name}_grid`, grid, points, field.unit, explain(field, "grid of the density")),
      floatColumn(
        `${field.name}_pdf`,
        density,
        points,
        perUnit(field.unit),
        explain(field, "posterior density on the grid"),
      ),
    ];
  });
}
