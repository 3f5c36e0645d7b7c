/** The page of what labels are worth. */
import { figures } from "../report/figures.ts";
import type { Report, ReportTable } from "../report/html.ts";
import { magnitudesOf } from "../train/calibration.ts";
import { ways } from "../train/ways.ts";
import { type Budget, type BudgetMethod, budgetScore } from "./budget.ts";
import { judgeOf } from "./budget-scores.ts";

const CURVES: readonly BudgetMethod[] = ["zeroShot", "chosen", "scratch", "trees"];

const titleOf = (method: BudgetMethod): string => {
  if (method === "chosen") return "adapted: what validation chose";
  return method === "trees" ? "trees on the labels" : ways[method].title;
};

/** Where a number of labels stands on the axis: no label beside one. */
const placeOf = (labels: number): number => Math.log10(Math.max(1, labels));

function zeroPointTable({ zeroPoints }: Budget): ReportTable {
  return {
    title: "Zero-points learned from the photometry, without labels: what is added to magnitudes",
    columns: [
      { label: "band" },
      { label: "zero-point", unit: "mag", decimals: 3 },
      { label: "1 sigma", unit: "mag", decimals: 3 },
      { label: "rows" },
    ],
    rows: zeroPoints.map(({ band, lnFlux, error, count }) => [
      band,
      magnitudesOf(lnFlux),
      Math.abs(magnitudesOf(error)),
      count,
    ]),
  };
}

/** Curves of scores against labels, every score, and the zero-points. */
export function budgetReport(budget: Budget): Report {
  const { cells, field, kind, rows } = budget;
  const { shown } = judgeOf(kind);
  const wanted = [...new Set(cells.map((cell) => cell.budget))];
  const labelsOf = (one: number | null): number => cells.find((cell) => cell.budget === one)!.labels;
  const methods = [...new Set(cells.flatMap(({ scores }) => Object.keys(scores) as BudgetMethod[]))];
  const figure = figures.trend.draw({
    axis: { label: "log10 of labels (0: none)" },
    at: wanted.map((one) => placeOf(labelsOf(one))),
    counts: wanted.map(() => rows),
    panels: shown.map(({ name, title, nominal }) => ({
      axis: { label: title },
      ...(nominal === undefined ? {} : { reference: nominal }),
      series: CURVES.map((method) => ({
        label: titleOf(method),
        points: wanted.map((one) => budgetScore(budget, one, method, name)),
      })),
    })),
  });
  const table: ReportTable = {
    title: `Scores of ${field} on ${rows} rows that no network saw, medians over seeds`,
    columns: [{ label: "labels" }, { label: "method" }, ...shown.map(({ title }) => ({ label: title, decimals: 4 }))],
    rows: wanted.flatMap((one) =>
      methods
        .filter((method) => cells.some((cell) => cell.budget === one && cell.scores[method] !== undefined))
        .map((method) => [
          String(labelsOf(one)),
          titleOf(method),
          ...shown.map(({ name }) => budgetScore(budget, one, method, name)),
        ]),
    ),
  };
  return {
    title: `What labels are worth: ${field}`,
    sections: [
      { heading: "Label budgets", figures: [figure], tables: [table] },
      { heading: "Instrument layer", tables: [zeroPointTable(budget)] },
    ],
  };
}
