import * as Plot from "@observablehq/plot";
import { type Axis, type AxisScale, fitAxis, sparseTicks } from "./axis.ts";
import { composeSvg, drawLegend, drawPanel, seriesColors, theme } from "./svg.ts";
import type { Figure, Piece } from "./svg.ts";

/** A value with the ends of its interval. */
export interface TrendPoint {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface TrendData {
  readonly axis: Axis;
  /** [bin] Middles, and how many galaxies each bin has. */
  readonly at: ArrayLike<number>;
  readonly counts: ArrayLike<number>;
  readonly panels: readonly {
    readonly axis: Axis;
    /** A value to compare with: nominal coverage. */
    readonly reference?: number;
    /** A series has the same label in all panels; at most 6. [bin] undefined where there is none. */
    readonly series: readonly { readonly label: string; readonly points: readonly (TrendPoint | undefined)[] }[];
  }[];
}

const [WIDTH, HEIGHT] = [340, 220];

/** Scores of methods against a quantity in bins, with intervals. */
export function drawTrend({ axis, at, counts, panels }: TrendData): Figure {
  const labels = [...new Set(panels.flatMap(({ series }) => series.map(({ label }) => label)))];
  const step = at.length > 1 ? at[1] - at[0] : 1;
  const x = fitAxis(
    axis,
    [],
    Array.from(at).flatMap((middle) => [middle - 0.4 * step, middle + 0.4 * step]),
  );
  const legend = drawLegend(
    labels.map((label, i) => ({ label, color: seriesColors[i % seriesColors.length], mark: "line" })),
    2 * WIDTH - theme.gutter,
  );
  const top = legend.height + 6;
  const pieces = panels.map((panel, i): Piece => {
    const svg = trendPanel(panel, x, at, labels, 0.08 * step);
    return { x: (i % 2) * WIDTH, y: top + Math.floor(i / 2) * HEIGHT, svg };
  });
  const height = top + Math.max(1, Math.ceil(panels.length / 2)) * HEIGHT;
  const svg = composeSvg(2 * WIDTH, height, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]);
  const sizes = Array.from(counts).map((count) => count.toLocaleString("en-US"));
  const caption =
    `Scores by ${axis.label}, with 95 % bootstrap intervals; bins of ${sizes.join(", ")} galaxies. ` +
    "Dashed: what calibrated intervals would have.";
  return { svg, width: 2 * WIDTH, height, caption };
}

function trendPanel(
  { axis, reference, series }: TrendData["panels"][number],
  x: AxisScale,
  at: ArrayLike<number>,
  labels: readonly string[],
  aside: number,
): string {
  const all = series.flatMap(({ points }) => points.flatMap((p) => (p === undefined ? [] : [p.value, p.low, p.high])));
  const y = fitAxis(axis, [], reference === undefined ? all : [...all, reference]);
  const line =
    reference === undefined
      ? []
      : [Plot.ruleY([y.forward(reference)], { stroke: theme.faint, strokeDasharray: "4 3", strokeWidth: 1.5 })];
  const marks = series.flatMap(({ label, points }) => {
    const place = labels.indexOf(label);
    const stroke = seriesColors[place % seriesColors.length];
    const rows = points.flatMap((p, i) => {
      if (p === undefined) return [];
      const middle = x.forward(at[i] + aside * (place - (labels.length - 1) / 2));
      return [{ x: middle, y: y.forward(p.value), low: y.forward(p.low), high: y.forward(p.high) }];
    });
    const seen = rows.filter((row) => Number.isFinite(row.y) && Number.isFinite(row.low) && Number.isFinite(row.high));
    return [
      Plot.line(seen, { x: "x", y: "y", stroke, strokeWidth: 1.3, strokeOpacity: 0.6, clip: true }),
      Plot.ruleX(seen, { x: "x", y1: "low", y2: "high", stroke, strokeWidth: 1.6, clip: true }),
      Plot.dot(seen, { x: "x", y: "y", fill: stroke, r: 2.8, clip: true }),
    ];
  });
  return drawPanel({ width: WIDTH, height: HEIGHT, x, y: sparseTicks(y, 6), marks: [...line, ...marks] });
}
