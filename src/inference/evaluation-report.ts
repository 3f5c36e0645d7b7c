import { join } from "node:path";
import type { Evaluation } from "./evaluation.ts";
import { type QuestionScores, weightsOf } from "./evaluate.ts";
import { type MetricName, metrics, pitsOf, type Predictions } from "./metrics.ts";
import { percentLevels } from "./metrics-score.ts";
import { fieldDistribution } from "./field-answer.ts";
import type { Oracle } from "./oracle.ts";
import type { Predictor } from "./predict.ts";
import { summarise } from "./summary.ts";
import { makeFolder, writeFileAtomic } from "../io/atomic.ts";
import { type Axis, fieldAxis } from "../report/axis.ts";
import { figures } from "../report/figures.ts";
import { type ReportSection, type ReportTable, renderReport } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import type { Catalog } from "../survey/catalog.ts";
import type { Field } from "../survey/field.ts";
import { State } from "../survey/field.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { LogLine } from "../train/run.ts";

/** Metrics of the printed and HTML tables, for redshifts and for everything else. */
export const shownMetrics = {
  redshift: ["bias", "sigmaNmad", "outlier15", "crps", "coverage68", "coverage95"],
  other: ["bias", "sigmaNmad", "crps", "coverage68", "coverage95"],
} as const satisfies Record<string, readonly MetricName[]>;

/** Widths may be negative, and run over decades. */
const axisOfTruth = (field: Field): Axis => ({
  ...fieldAxis(field),
  ...(field.kind === "ew" ? { scale: "asinh", knee: 5 } : {}),
});

/** One table per field: methods in rows, metrics with bootstrap intervals in columns. */
export function scoreTables(scores: QuestionScores, fields: readonly Field[]): ReportTable[] {
  return fields.flatMap((field) => {
    const methods = scores[field.name];
    if (methods === undefined) return [];
    const names = field.kind === "redshift" ? shownMetrics.redshift : shownMetrics.other;
    const unitOf = (name: MetricName): string => {
      const { unit } = metrics[name];
      if (unit === "residual" && field.kind === "redshift") return "(1+z)";
      if (unit === "residual" || unit === "field") return field.unit;
      return unit === "fraction" ? "" : unit;
    };
    return [
      {
        title: `${field.name}: ${field.description}`,
        columns: [{ label: "method" }, ...names.map((name) => ({ label: metrics[name].title, unit: unitOf(name) }))],
        rows: Object.entries(methods).map(([method, score]) => [method, ...names.map((name) => score[name])]),
      },
    ];
  });
}

/** Methods side by side in the two numbers that matter most, for chosen fields. */
export function comparisonFigure(scores: QuestionScores, names: readonly string[], metric: MetricName): Figure {
  return figures.comparison.draw({
    panels: names
      .filter((name) => scores[name] !== undefined)
      .map((name) => ({
        title: `${name}: ${metrics[metric].title}`,
        better: metrics[metric].better,
        rows: Object.entries(scores[name]).map(([method, score]) => ({ method, ...score[metric]! })),
      })),
  });
}

export function accuracyFigures(
  fields: readonly Field[],
  network: ReadonlyMap<string, { predictions: Predictions }>,
): Figure[] {
  return fields.flatMap((field) => {
    const p = network.get(field.name)?.predictions;
    if (p === undefined || field.kind === "category") return [];
    if (field.kind === "redshift") return [figures.photoz.draw({ zSpec: p.truth, zPhot: p.point })];
    return [figures.property.draw({ truth: p.truth, predicted: p.point, axis: axisOfTruth(field) })];
  });
}

export function calibrationFigure(
  names: readonly string[],
  network: ReadonlyMap<string, { rows: Int32Array; predictions: Predictions }>,
  catalog: Catalog,
): Figure {
  const series = names.flatMap((label) => {
    const own = network.get(label);
    return own === undefined ? [] : [{ label, pit: pitsOf(own.predictions, weightsOf(catalog, own.rows)) }];
  });
  return figures.calibration.draw({ series });
}

/** p(field) of a few galaxies with the truth, and what the library says of them where there is one that knows the field. */
export async function pdfFigure(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  isGiven: Uint8Array,
  j: number,
  oracle?: Pick<Oracle, "has" | "predict">,
): Promise<Figure> {
  const { coder } = predictor;
  const field = coder.fields[j];
  const answers = await predictor.predict(catalog, rows, isGiven, [j]);
  const distribution = fieldDistribution(coder, answers, 0);
  const exact = oracle?.has[j] === 1 ? await oracle.predict(catalog, rows, isGiven, [j]) : undefined;
  const library = exact && fieldDistribution(coder, exact, 0);
  const quantiles = new Float64Array(percentLevels.length);
  const examples = Array.from(rows, (row, i) => {
    const scale = answers.scales[i];
    distribution.quantiles(i, percentLevels, quantiles);
    const low = coder.encode(j, quantiles[0], scale);
    const high = coder.encode(j, quantiles[quantiles.length - 1], scale);
    const from = low - 0.3 * (high - low);
    const grid = Float64Array.from({ length: 240 }, (_, k) => from + (1.6 * (high - low) * k) / 239);
    const values = grid.map((v) => coder.decode(j, v, scale));
    return {
      title: `galaxy ${catalog.objectId[row]}`,
      grid: values,
      density: values.map((x) => Math.exp(distribution.logDensity(i, x))),
      ...(library === undefined ? {} : { beside: values.map((x) => Math.exp(library.logDensity(i, x))) }),
      median: quantiles[49],
      truth: catalog.value[row * coder.nField + j],
    };
  });
  const beside = library === undefined ? {} : { beside: "the library's" };
  return figures.pdfs.draw({ axis: axisOfTruth(field), examples, ...beside });
}

/** Given and predicted bands of a few galaxies. */
export async function sedFigure(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  isGiven: Uint8Array,
): Promise<Figure> {
  const { coder } = predictor;
  const bands = [...coder.groups.band];
  const wanted = bands.filter((j) => isGiven[j] === 0);
  const answers = await predictor.predict(catalog, rows, isGiven, wanted);
  const distributions = wanted.map((_, w) => fieldDistribution(coder, answers, w));
  const objects = Array.from(rows, (row, i) => ({
    title: `galaxy ${catalog.objectId[row]}`,
    bands: bands.map((j) => {
      const field = coder.fields[j];
      const at = row * coder.nField + j;
      const isObserved = catalog.state[at] !== State.notObserved;
      const w = wanted.indexOf(j);
      const s = w < 0 ? undefined : summarise(distributions[w], i, field.kind);
      return {
        wavelength: field.band!.pivot,
        isGiven: isGiven[j] === 1 && isObserved,
        ...(isObserved ? { flux: catalog.value[at], fluxError: catalog.error[at] } : {}),
        ...(s === undefined ? {} : { quantiles: [s.q05, s.q16, s.median, s.q84, s.q95] as const }),
      };
    }),
  }));
  return figures.seds.draw({ fluxUnit: coder.fields[bands[0]].unit, objects });
}

/** Training curves of a run's log. */
export function lossSection(log: readonly LogLine[], heading = "Training"): ReportSection[] {
  if (log.length === 0) return [];
  const curve = (lines: readonly LogLine[], value: (line: LogLine) => number) => ({
    step: lines.map((line) => line.step),
    value: lines.map(value),
  });
  const validated = log.filter((line) => line.validation !== undefined);
  const figure = figures.loss.draw({
    train: curve(log, (line) => line.loss),
    validation: curve(validated, (line) => line.validation!),
    learningRate: curve(log, (line) => line.rate),
  });
  return [{ heading, figures: [figure] }];
}

/** Writes `metrics.json` and `report.html`. */
export async function writeEvaluation(
  out: string,
  evaluation: Evaluation,
  checkpoint: Checkpoint,
  title: string,
  sections: readonly ReportSection[],
): Promise<void> {
  makeFolder(out);
  await writeFileAtomic(join(out, "metrics.json"), `${JSON.stringify(evaluation, null, 2)}\n`);
  const report = renderReport({
    title: `Caleido on ${title}`,
    facts: [
      ["checkpoint", evaluation.checkpoint],
      ["parameters", evaluation.parameters.toLocaleString("en-US")],
      ["training steps", String(checkpoint.config.step)],
      ["table", `${evaluation.table} (${evaluation.part}, ${evaluation.rows} galaxies)`],
      ["Caleido", checkpoint.config.caleidoVersion],
    ],
    sections,
  });
  await writeFileAtomic(join(out, "report.html"), report);
}
