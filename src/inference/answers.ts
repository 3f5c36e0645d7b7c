import type { Column } from "../io/table.ts";
import type { Field } from "../survey/field.ts";
import type { FieldCoder } from "../tokens/standardise.ts";
import { mixtureLogDensity, mixtureQuantiles } from "../model/mixture.ts";
import type { Answers } from "./predict.ts";
import { redshiftSummaryNames, summarise, summaryNames } from "./summary.ts";

function floatColumn(name: string, data: Float32Array, width: number, unit: string, description: string): Column {
  return { name, type: "float32", width, data, description, ...(unit === "" ? {} : { unit }) };
}

const meanings: Record<(typeof summaryNames)[number] | (typeof redshiftSummaryNames)[number], string> = {
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

/** What a column of answers is, for its header: `log10 stellar mass [Msun]: mean of the posterior`. */
export const explain = ({ description }: Pick<Field, "description">, what: string): string => `${description}: ${what}`;

/** Summary columns `<FIELD>_mean ...` of every wanted field (and `z_mode`, `z_odds`). */
export function summaryColumns(coder: FieldCoder, answers: Answers, wanted: readonly number[]): Column[] {
  const n = answers.scales.length;
  return wanted.flatMap((j, w) => {
    const field = coder.fields[j];
    const names = field.kind === "redshift" ? [...summaryNames, ...redshiftSummaryNames] : [...summaryNames];
    const columns = names.map((name) => {
      const unit = name === "odds" ? "" : field.unit;
      return floatColumn(`${field.name}_${name}`, new Float32Array(n), 1, unit, explain(field, meanings[name]));
    });
    for (let i = 0; i < n; i++) {
      const summary = summarise(answers.mixtures, i * wanted.length + w, coder, j, answers.scales[i]);
      names.forEach((name, c) => ((columns[c].data as Float32Array)[i] = summary[name]!));
    }
    return columns;
  });
}

export interface PdfOptions {
  /** Points of the grid of every row and field. */
  readonly points: number;
}

/** Range of a grid: these two quantiles of the row's posterior. */
const ENDS = Float64Array.of(0.0005, 0.9995);

/**
 * Densities per unit of the field on a grid of its own for every row: `<FIELD>_grid`, `<FIELD>_pdf`, [points] each,
 * from the 0.05 % to the 99.95 % quantile, evenly spaced in the transformed value.
 */
export function pdfColumns(
  coder: FieldCoder,
  answers: Answers,
  wanted: readonly number[],
  options: PdfOptions,
): Column[] {
  const n = answers.scales.length;
  const { points } = options;
  const ends = new Float64Array(2);
  return wanted.flatMap((j, w) => {
    const field = coder.fields[j];
    const grid = new Float32Array(n * points);
    const density = new Float32Array(n * points);
    for (let i = 0; i < n; i++) {
      const row = i * wanted.length + w;
      const scale = answers.scales[i];
      mixtureQuantiles(answers.mixtures, row, ENDS, ends);
      for (let p = 0; p < points; p++) {
        const v = ends[0] + ((ends[1] - ends[0]) * p) / (points - 1);
        const x = coder.decode(j, v, scale);
        grid[i * points + p] = x;
        density[i * points + p] =
          Math.exp(mixtureLogDensity(answers.mixtures, row, v)) * coder.encodeError(j, x, 1, scale);
      }
    }
    const inverse = field.unit === "" ? "" : `1 / (${field.unit})`;
    return [
      floatColumn(`${field.name}_grid`, grid, points, field.unit, explain(field, "grid of the density")),
      floatColumn(`${field.name}_pdf`, density, points, inverse, explain(field, "posterior density on the grid")),
    ];
  });
}
