import * as Plot from "@observablehq/plot";
import { axisLabel, fitAxis, sparseTicks } from "./axis.ts";
import type { Axis, AxisScale } from "./axis.ts";
import { densityMarks } from "./density.ts";
import { counted } from "../text.ts";
import { enclosingLevels, smoothCounts } from "./statistics.ts";
import { composeSvg, drawLegend, drawPanel, points, seriesColors, theme } from "./svg.ts";
import type { Figure, LegendEntry, Piece } from "./svg.ts";

/** One sample in a histogram. */
export interface HistogramSeries {
  readonly label: string;
  readonly values: ArrayLike<number>;
  /** How often each value stands; once when absent. */
  readonly weights?: ArrayLike<number>;
}

export interface HistogramData {
  /** One panel per quantity; a sample has the same label in all of them. At most 6 samples; the first is filled. */
  readonly panels: readonly {
    readonly title?: string;
    readonly axis: Axis;
    readonly series: readonly HistogramSeries[];
  }[];
  /** Default 50. */
  readonly bins?: number;
  /** Each sample has unit area, or its highest bin at 1: for samples of very different widths. Default area. */
  readonly scaling?: "area" | "peak";
  readonly caption?: string;
}

/** Distributions of quantities in several samples, each normalised along its axis. */
export function drawHistogram({ panels, bins = 50, scaling = "area", caption }: HistogramData): Figure {
  const labels = [...new Set(panels.flatMap(({ series }) => series.map(({ label }) => label)))];
  const colorOf = (label: string): string => seriesColors[labels.indexOf(label) % seriesColors.length];
  const isFilled = (label: string): boolean => label === labels[0];
  const columns = panels.length === 1 ? 1 : 2;
  const [width, height] = columns === 1 ? [480, 300] : [340, 230];
  const legend = drawLegend(
    labels.map((label) => ({ label, color: colorOf(label), mark: isFilled(label) ? "area" : "line" })),
    columns * width - theme.gutter - 14,
  );
  const top = legend.height + 4;
  const pieces = panels.map(({ title, axis, series }, i): Piece => {
    const x = fitAxis(
      axis,
      series.map((s) => s.values),
    );
    const outlines = series.map((s) => ({ label: s.label, corners: outline(s, x, bins, scaling) }));
    const most = outlines.flatMap(({ corners }) => corners).reduce((least, [, h]) => Math.max(least, h), 0) || 1;
    const label = scaling === "peak" ? "relative to the peak" : `density${scaleWords(axis)}`;
    const y = fitAxis({ label, domain: [0, 1.08 * most] }, []);
    const marks = outlines.flatMap(({ label, corners }) => [
      ...(isFilled(label)
        ? [Plot.areaY(corners, { x: "0", y1: 0, y2: "1", fill: colorOf(label), fillOpacity: 0.25 })]
        : []),
      Plot.line(corners, { stroke: colorOf(label), strokeWidth: 1.6 }),
    ]);
    const options = { width, height, x, y: columns === 1 ? y : sparseTicks(y, 5), marks };
    return {
      x: (i % columns) * width,
      y: top + Math.floor(i / columns) * height,
      svg: drawPanel({ ...options, ...(title === undefined ? {} : { title }) }),
    };
  });
  const total = top + Math.max(1, Math.ceil(panels.length / columns)) * height;
  const svg = composeSvg(columns * width, total, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]);
  const names = panels.map(({ axis }) => axis.label).join(", ");
  const words =
    caption ??
    `Distribution of ${names}, each ${scaling === "peak" ? "scaled to its peak" : "of unit area"}. ${sizes(panels[0]?.series ?? [])}`;
  return { svg, width: columns * width, height: total, caption: words };
}

function sizes(series: readonly HistogramSeries[]): string {
  const sum = ({ values, weights }: HistogramSeries): number =>
    weights === undefined ? values.length : Array.from(weights).reduce((a, b) => a + b, 0);
  return `${series.map((s) => `${s.label}: ${counted(sum(s), "object")}`).join("; ")}.`;
}

function scaleWords({ scale }: Axis): string {
  return scale === "log" ? " (per dex)" : scale === "asinh" ? " (per unit of asinh)" : "";
}

/** Corners of the steps in forward coordinates. */
function outline(
  { values, weights }: HistogramSeries,
  x: AxisScale,
  bins: number,
  scaling: "area" | "peak",
): [number, number][] {
  const [low, high] = x.domain;
  const width = (high - low) / bins;
  const density = new Float64Array(bins);
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    const at = x.forward(values[i]);
    if (!Number.isFinite(at)) continue;
    const weight = weights?.[i] ?? 1;
    total += weight;
    const bin = Math.floor((at - low) / width);
    if (bin >= 0 && bin < bins) density[bin] += weight;
  }
  const whole = scaling === "peak" ? density.reduce((a, b) => Math.max(a, b), 0) : total * width;
  return Array.from(density).flatMap((c, k): [number, number][] => {
    const level = whole > 0 ? c / whole : 0;
    return [
      [low + k * width, level],
      [low + (k + 1) * width, level],
    ];
  });
}

/** A curve in the units of the axes. */
export interface Curve {
  readonly label: string;
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
}

export interface ScatterData {
  readonly xAxis: Axis;
  readonly yAxis: Axis;
  /** At most 3, a panel each; the others carry the contours of the first. */
  readonly samples: readonly Curve[];
  /** Dividing lines and relations, in every panel; `only` names the one sample that it belongs to. */
  readonly lines?: readonly (Curve & { readonly only?: string })[];
  readonly caption?: string;
}

/** Fractions of a sample that its contours enclose. */
const ENCLOSED = [0.68, 0.95];
/** Contours of fewer points than this are noise. */
const LEAST_CONTOURED = 200;
const CELLS = 60;

/** Any two quantities in one sample or in several side by side: mass-redshift, colour-colour, BPT. */
export function drawScatter({ xAxis, yAxis, samples: given, lines = [], caption }: ScatterData): Figure {
  const samples = given.map(completePairs);
  const x = fitAxis(
    xAxis,
    samples.map((sample) => sample.x),
  );
  const y = fitAxis(
    yAxis,
    samples.map((sample) => sample.y),
  );
  const clouds = samples.map((sample) => points(x, y, sample.x, sample.y));
  const contours = samples.length > 1 ? contourMarks(clouds[0], x, y) : [];
  const lineColor = (i: number): string => [theme.ink, theme.purple, theme.green][i % 3];
  const inner = samples.length < 2 ? 404 : samples.length === 2 ? 300 : 214;
  const height = samples.length < 3 ? inner + 20 : inner + 80;
  const step = inner + 22;
  const width = theme.gutter + Math.max(1, samples.length) * step + 6;
  const entries: LegendEntry[] = [
    ...(contours.length > 0
      ? [{ label: `68 and 95 % of ${samples[0].label}`, color: theme.orange, mark: "line" as const }]
      : []),
    ...lines.map(({ label }, i) => ({ label, color: lineColor(i), mark: "line" as const })),
  ];
  const legend = drawLegend(entries, width - theme.gutter - 14);
  const top = legend.height + 4;
  const notes: string[] = [];
  const pieces = (samples.length > 0 ? samples : [undefined]).map((sample, i): Piece => {
    const cloud = densityMarks(clouds[i] ?? []);
    if (sample !== undefined && cloud.note !== "") {
      notes.push(samples.length > 1 ? `${sample.label}: ${cloud.note}` : cloud.note);
    }
    const curves = lines.flatMap((line, k) =>
      line.only !== undefined && line.only !== sample?.label
        ? []
        : [Plot.line(points(x, y, line.x, line.y), { stroke: lineColor(k), strokeWidth: 1.6, clip: true })],
    );
    const svg = drawPanel({
      width: step + (i === 0 ? theme.gutter : 12),
      height,
      x: samples.length > 1 ? sparseTicks(x, 6, 0.04) : x,
      y,
      marks: [...cloud.marks, ...contours, ...curves],
      ...(sample === undefined ? {} : { title: sample.label }),
      ...(i === 0 ? {} : { hide: "y" as const }),
      margin: i === 0 ? {} : { left: 12 },
    });
    return { x: i === 0 ? 0 : theme.gutter - 12 + i * step, y: top, svg };
  });
  const svg = composeSvg(width, top + height, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]);
  const told = caption ?? `${axisLabel(yAxis)} against ${axisLabel(xAxis)}.`;
  const size = notes.length > 0 ? notes.join(" ") : `${clouds.map((c) => counted(c.length, "point")).join(", ")}.`;
  return { svg, width, height: top + height, caption: `${told} ${samples.length > 0 ? size : ""}`.trim() };
}

/** Only the points that have both coordinates: axes are fitted to what is drawn. */
function completePairs({ label, x, y }: Curve): Curve {
  const isComplete = (_: number, i: number): boolean => Number.isFinite(x[i]) && Number.isFinite(y[i]);
  return { label, x: Float64Array.from(x).filter(isComplete), y: Float64Array.from(y).filter(isComplete) };
}

function contourMarks(at: readonly [number, number][], x: AxisScale, y: AxisScale): Plot.Markish[] {
  if (at.length < LEAST_CONTOURED) return [];
  // fewer points need a wider kernel, or every one of them gets a contour of its own
  const sigma = Math.min(2.5, Math.max(1.1, 1.4 * (1000 / at.length) ** (1 / 6)));
  const density = smoothCounts(at, { x: x.domain, y: y.domain }, CELLS, sigma);
  const thresholds = enclosingLevels(density, ENCLOSED).sort((a, b) => a - b);
  return [
    Plot.contour(density, {
      width: CELLS,
      height: CELLS,
      x1: x.domain[0],
      x2: x.domain[1],
      y1: y.domain[0],
      y2: y.domain[1],
      thresholds,
      stroke: theme.orange,
      strokeWidth: 1.5,
      fill: "none",
      clip: true,
    }),
  ];
}
