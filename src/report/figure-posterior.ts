import * as Plot from "@observablehq/plot";
import { fitAxis, sparseTicks } from "./axis.ts";
import type { Axis, AxisScale } from "./axis.ts";
import { densityMarks } from "./density.ts";
import { counted } from "../text.ts";
import { composeSvg, drawLegend, drawPanel, points, theme } from "./svg.ts";
import type { Figure, Piece } from "./svg.ts";

export interface PdfExample {
  readonly title: string;
  /** Increasing values in the axis' unit, and the density there (any normalisation). */
  readonly grid: ArrayLike<number>;
  readonly density: ArrayLike<number>;
  readonly median: number;
  /** The density of {@link PdfData.beside} on the same grid. */
  readonly beside?: ArrayLike<number>;
  /** Absent for objects whose truth nobody knows. */
  readonly truth?: number;
}

export interface PdfData {
  readonly axis: Axis;
  readonly examples: readonly PdfExample[];
  /** Who gave the second densities: the library. */
  readonly beside?: string;
}

const MOST_EXAMPLES = 12;

/** Predictive densities of single galaxies, three to a row, with truth and median. */
export function drawPdfs({ axis, examples, beside }: PdfData): Figure {
  const shown = examples.slice(0, MOST_EXAMPLES);
  const [width, height] = [226, 168];
  const pieces: Piece[] = [];
  const legend = drawLegend(
    [
      { label: "predicted density", color: theme.blue, mark: "area" },
      { label: "median", color: theme.blue, mark: "dash" },
      ...(beside === undefined ? [] : [{ label: beside, color: theme.green, mark: "line" as const }]),
      { label: "truth", color: theme.orange, mark: "line" },
    ],
    640,
  );
  shown.forEach((example, i) => {
    const y = fitAxis({ label: "density", domain: [0, 1.12] }, []);
    const x = zoom(axis, example);
    const curveOf = (density: ArrayLike<number>): [number, number][] => {
      const most = Array.from(density).reduce((a, b) => Math.max(a, b), 0) || 1;
      const scaled = Array.from(density, (value) => value / most);
      return points(x, y, example.grid, scaled).filter(([at]) => at >= x.domain[0] && at <= x.domain[1]);
    };
    const curve = curveOf(example.density);
    const line = (value: number | undefined, stroke: string, dash: string) =>
      value === undefined || !Number.isFinite(x.forward(value))
        ? []
        : [Plot.ruleX([x.forward(value)], { stroke, strokeWidth: 1.8, strokeDasharray: dash, clip: true })];
    const marks = [
      Plot.areaY(curve, { x: "0", y1: 0, y2: "1", fill: theme.blue, fillOpacity: 0.25, clip: true }),
      Plot.line(curve, { stroke: theme.blue, strokeWidth: 1.5, clip: true }),
      ...(example.beside === undefined
        ? []
        : [Plot.line(curveOf(example.beside), { stroke: theme.green, strokeWidth: 1.5, clip: true })]),
      ...line(example.median, theme.blue, "4 3"),
      ...line(example.truth, theme.orange, "none"),
    ];
    const svg = drawPanel({ width, height, x, y: { ...y, ticks: [] }, marks, title: example.title, hide: "y" });
    pieces.push({ x: (i % 3) * width, y: legend.height + 6 + Math.floor(i / 3) * height, svg });
  });
  const total = legend.height + 10 + Math.max(1, Math.ceil(shown.length / 3)) * height;
  const caption =
    `Predicted probability densities of ${shown.length} ${shown.length === 1 ? "galaxy" : "galaxies"}, each scaled to its peak${beside === undefined ? "" : `; ${beside} beside them, to its own`}. ` +
    `The truth should often lie where the density is high, and sometimes in the tails. The axes show where the probability is, and differ.` +
    (examples.length > shown.length ? ` The first ${shown.length} of ${examples.length}.` : "");
  return {
    svg: composeSvg(3 * width + 2, total, [{ x: 12, y: 3, svg: legend.svg }, ...pieces]),
    width: 3 * width + 2,
    height: total,
    caption,
  };
}

export interface StackData {
  readonly axis: Axis;
  /** Increasing values in the axis' unit; sum of the densities there [galaxies per unit] and its 1 sigma error. */
  readonly at: ArrayLike<number>;
  readonly sum: ArrayLike<number>;
  readonly error: ArrayLike<number>;
  readonly rowCount: number;
}

/** The sum of many galaxies' densities, with its sampling error as a band. */
export function drawStack({ axis, at, sum, error, rowCount }: StackData): Figure {
  const [width, height] = [480, 300];
  const rows = Array.from(at, (x, i) => ({ x, low: Math.max(0, sum[i] - error[i]), high: sum[i] + error[i] }));
  const x = fitAxis({ ...axis, domain: [at[0], at[at.length - 1]] }, []);
  const most = rows.reduce((top, { high }) => Math.max(top, high), 0) || 1;
  const per = axis.unit === undefined ? "unit" : axis.unit;
  const y = fitAxis({ label: `galaxies per ${per}`, domain: [0, 1.08 * most] }, []);
  const legend = drawLegend(
    [
      { label: "sum of the densities", color: theme.blue, mark: "line" },
      { label: "1σ sampling error", color: theme.blue, mark: "area" },
    ],
    width - theme.gutter,
  );
  const band = rows.map(({ low, high, x: value }) => [x.forward(value), y.forward(low), y.forward(high)]);
  const marks = [
    Plot.areaY(band, { x: "0", y1: "1", y2: "2", fill: theme.blue, fillOpacity: 0.25 }),
    Plot.line(points(x, y, at, sum), { stroke: theme.blue, strokeWidth: 1.5 }),
  ];
  const piece = { x: 0, y: legend.height + 4, svg: drawPanel({ width, height, x, y, marks }) };
  const total = legend.height + 4 + height;
  const caption =
    `Sum of the predicted probability densities of ${counted(rowCount, "galaxy", "galaxies")}; the band is the 1σ error ` +
    "of drawing so many at random, not that of the densities themselves.";
  return {
    svg: composeSvg(width, total, [{ x: theme.gutter, y: 3, svg: legend.svg }, piece]),
    width,
    height: total,
    caption,
  };
}

/** The part of the axis where the density is above 0.2 % of its peak, truth and median included. */
function zoom(axis: Axis, { grid, density, beside = [], median, truth }: PdfExample): AxisScale {
  const seen = [density, beside].flatMap((own) => {
    const most = Array.from(own).reduce((a, b) => Math.max(a, b), 0);
    return Array.from(grid).filter((_, i) => own[i] > 0.002 * most);
  });
  const ends = [...seen, median, ...(truth === undefined ? [] : [truth])].filter(Number.isFinite);
  const scale = fitAxis(axis, [], [Math.min(...ends), Math.max(...ends)]);
  const inner = scale.domain[1] - scale.domain[0];
  const wide = { ...scale, domain: [scale.domain[0] - 0.1 * inner, scale.domain[1] + 0.1 * inner] as const };
  return sparseTicks(wide, 4, 0.08);
}

/** A corner plot repeats every sample in up to six panels: fewer dots before it counts in cells. */
const CORNER_DOTS = 300;

export interface CornerData {
  /** 2 - 4 fields. */
  readonly fields: readonly Axis[];
  /** [n, fields.length] Joint samples. */
  readonly samples: ArrayLike<number>;
  /** [fields.length] */
  readonly truth?: ArrayLike<number>;
}

/** Joint samples of several fields: marginals on the diagonal, pairs below it. */
export function drawCorner({ fields, samples, truth }: CornerData): Figure {
  const d = fields.length;
  const n = d === 0 ? 0 : Math.floor(samples.length / d);
  const columns = fields.map((_, j) => Float64Array.from({ length: n }, (_row, i) => samples[i * d + j]));
  const scales = fields.map((field, j) => {
    return sparseTicks(fitAxis(field, [columns[j]], truth === undefined ? [] : [truth[j]]), 4, 0.08);
  });
  const cell = d > 3 ? 136 : 170;
  const [left, bottom] = [56, 38];
  const pieces: Piece[] = [];
  let note = "";
  for (let row = 0; row < d; row++) {
    for (let column = 0; column <= row; column++) {
      const margin = { left: column === 0 ? left : 6, right: 4, top: 4, bottom: row === d - 1 ? bottom : 6 };
      const x = scales[column];
      const mark = (value: number) => (Number.isFinite(value) ? [value] : []);
      const truthX =
        truth === undefined
          ? []
          : [Plot.ruleX(mark(x.forward(truth[column])), { stroke: theme.orange, strokeWidth: 1.4 })];
      const isDiagonal = row === column;
      const y = isDiagonal ? { ...fitAxis({ label: "", domain: [0, 1.15] }, []), ticks: [] } : scales[row];
      const truthY =
        truth === undefined || isDiagonal
          ? []
          : [Plot.ruleY(mark(y.forward(truth[row])), { stroke: theme.orange, strokeWidth: 1.4 })];
      const pair = isDiagonal
        ? { marks: marginal(x, columns[column]), note: "" }
        : densityMarks(points(x, y, columns[column], columns[row]), CORNER_DOTS);
      note = pair.note || note;
      const hidesX = row < d - 1;
      const hidesY = column > 0 || isDiagonal;
      const hide = hidesX && hidesY ? "both" : hidesX ? "x" : hidesY ? "y" : undefined;
      const svg = drawPanel({
        width: cell + margin.left + margin.right - 10,
        height: cell + margin.top + margin.bottom - 10,
        x,
        y,
        margin,
        marks: [...pair.marks, ...truthX, ...truthY],
        ...(hide === undefined ? {} : { hide }),
      });
      pieces.push({ x: left + column * cell - margin.left, y: 4 + row * cell, svg });
    }
  }
  const [width, height] = [left + Math.max(1, d) * cell + 6, 8 + Math.max(1, d) * cell + bottom];
  const caption =
    `${n.toLocaleString("en-US")} joint samples of ${fields.map((field) => field.label).join(", ")} for one galaxy: each alone on the diagonal, pairs below.` +
    `${truth === undefined ? "" : " Lines: the truth."} ${note.replace("points", "samples")}`;
  return { svg: composeSvg(width, height, pieces), width, height, caption: caption.trim() };
}

/** Histogram of a marginal, its peak scaled to 1. */
function marginal(x: AxisScale, values: Float64Array): Plot.Markish[] {
  const bins = 30;
  const [low, high] = x.domain;
  const counts = new Float64Array(bins);
  for (const value of values) {
    const bin = Math.floor(((x.forward(value) - low) / (high - low)) * bins);
    if (bin >= 0 && bin < bins) counts[bin]++;
  }
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const width = (high - low) / bins;
  const bars = Array.from(counts, (c, i) => ({ x1: low + i * width, x2: low + (i + 1) * width, y: c / most }));
  return [Plot.rect(bars, { x1: "x1", x2: "x2", y1: 0, y2: "y", fill: theme.blue, fillOpacity: 0.55, inset: 0 })];
}
