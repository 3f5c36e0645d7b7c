import * as Plot from "@observablehq/plot";
import { axisLabel, fitAxis } from "./axis.ts";
import type { Axis } from "./axis.ts";
import { densityMarks } from "./density.ts";
import { count } from "./figure-accuracy.ts";
import { composeSvg, drawLegend, drawPanel, points, seriesColors, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

export interface HistogramData {
  readonly axis: Axis;
  /** At most 6; the first is filled. */
  readonly series: readonly { readonly label: string; readonly values: ArrayLike<number> }[];
  /** Default 50. */
  readonly bins?: number;
  readonly caption?: string;
}

/** Distributions of one quantity in several samples, each normalised to unit area along the drawn axis. */
export function drawHistogram({ axis, series, bins = 50, caption }: HistogramData): Figure {
  const x = fitAxis(
    axis,
    series.map((s) => s.values),
  );
  const [low, high] = x.domain;
  const width = (high - low) / bins;
  const outlines = series.map(({ values }) => {
    const density = new Float64Array(bins);
    let n = 0;
    for (let i = 0; i < values.length; i++) {
      const at = x.forward(values[i]);
      if (!Number.isFinite(at)) continue;
      n++;
      const bin = Math.floor((at - low) / width);
      if (bin >= 0 && bin < bins) density[bin]++;
    }
    const corners = Array.from(density).flatMap((c, k): [number, number][] => {
      const height = c / Math.max(1, n) / width;
      return [
        [low + k * width, height],
        [low + (k + 1) * width, height],
      ];
    });
    return corners;
  });
  const most = outlines.flat().reduce((top, [, height]) => Math.max(top, height), 0) || 1;
  const y = { ...fitAxis({ label: "fraction per unit of the axis", domain: [0, 1.08 * most] }, []) };
  const scaleName = axis.scale === "log" ? " (per dex)" : axis.scale === "asinh" ? " (per unit of asinh)" : "";
  const colorOf = (i: number) => seriesColors[i % seriesColors.length];
  const legend = drawLegend(
    series.map(({ label }, i) => ({ label, color: colorOf(i), mark: i === 0 ? "area" : "line" })),
    400,
  );
  const top = legend.height + 4;
  const marks = outlines.flatMap((corners, i) => [
    ...(i === 0 ? [Plot.areaY(corners, { x: "0", y1: 0, y2: "1", fill: colorOf(i), fillOpacity: 0.25 })] : []),
    Plot.line(corners, { stroke: colorOf(i), strokeWidth: 1.6 }),
  ]);
  const svg = composeSvg(480, top + 300, [
    { x: theme.gutter, y: 3, svg: legend.svg },
    { x: 0, y: top, svg: drawPanel({ width: 480, height: 300, x, y: { ...y, label: `density${scaleName}` }, marks }) },
  ]);
  const sizes = series.map((s) => `${s.label}: ${count(s.values.length, "object", "objects")}`).join("; ");
  return {
    svg,
    width: 480,
    height: top + 300,
    caption: `${caption ?? `Distribution of ${axis.label}, each of unit area.`} ${sizes}.`,
  };
}

export interface ScatterData {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly xAxis: Axis;
  readonly yAxis: Axis;
  /** What is drawn; default `galaxies`. */
  readonly label?: string;
  /** A second sample over it, as dots; at most 400 of them are drawn. */
  readonly over?: { readonly label: string; readonly x: ArrayLike<number>; readonly y: ArrayLike<number> };
  /** Dividing lines (BPT, star-forming against passive), in the units of the axes. */
  readonly lines?: readonly { readonly label: string; readonly x: ArrayLike<number>; readonly y: ArrayLike<number> }[];
  readonly caption?: string;
}

const MOST_OVER = 400;

/** Density scatter of any two quantities: mass-redshift, colour-colour, BPT. */
export function drawScatter({ x, y, xAxis, yAxis, label, over, lines, caption }: ScatterData): Figure {
  const xScale = fitAxis(xAxis, [x, over?.x ?? []]);
  const yScale = fitAxis(yAxis, [y, over?.y ?? []]);
  const cloud = densityMarks(points(xScale, yScale, x, y));
  const overAt = over === undefined ? [] : points(xScale, yScale, over.x, over.y);
  const step = Math.ceil(overAt.length / MOST_OVER);
  const dots = overAt.filter((_, i) => i % step === 0);
  const lineColor = (i: number) => [theme.ink, theme.purple, theme.green][i % 3];
  const legend = drawLegend(
    [
      { label: label ?? "galaxies", color: theme.blue, mark: "dot" },
      ...(over === undefined ? [] : [{ label: over.label, color: theme.orange, mark: "dot" as const }]),
      ...(lines ?? []).map((line, i) => ({ label: line.label, color: lineColor(i), mark: "line" as const })),
    ],
    400,
  );
  const top = legend.height + 4;
  const marks = [
    ...cloud.marks,
    Plot.dot(dots, { fill: theme.orange, r: 2, fillOpacity: 0.8, stroke: theme.paper, strokeWidth: 0.4, clip: true }),
    ...(lines ?? []).map((line, i) =>
      Plot.line(points(xScale, yScale, line.x, line.y), { stroke: lineColor(i), strokeWidth: 1.5, clip: true }),
    ),
  ];
  const svg = composeSvg(480, top + 400, [
    { x: theme.gutter, y: 3, svg: legend.svg },
    { x: 0, y: top, svg: drawPanel({ width: 480, height: 400, x: xScale, y: yScale, marks }) },
  ]);
  const sampled =
    dots.length < overAt.length
      ? ` Of ${over!.label}, ${dots.length} of ${overAt.length.toLocaleString("en-US")} are drawn.`
      : "";
  const text = `${caption ?? `${axisLabel(yAxis)} against ${axisLabel(xAxis)} of ${count(x.length, "object", "objects")}.`} ${cloud.note}${sampled}`;
  return { svg, width: 480, height: top + 400, caption: text.trim() };
}
