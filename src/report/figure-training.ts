import * as Plot from "@observablehq/plot";
import { fitAxis, sparseTicks } from "./axis.ts";
import type { AxisScale } from "./axis.ts";
import { short } from "./figure-accuracy.ts";
import { wavelengthAxis } from "./figure-spectrum.ts";
import { composeSvg, drawLegend, drawPanel, points, seriesColors, textWidth, theme } from "./svg.ts";
import type { Figure, PanelOptions, Piece } from "./svg.ts";

export interface Curve {
  readonly step: ArrayLike<number>;
  readonly value: ArrayLike<number>;
}

export interface LossData {
  readonly train: Curve;
  readonly validation?: Curve;
  readonly learningRate?: Curve;
  /** What the loss is, with its unit. Default `negative log-likelihood per query [nats]`. */
  readonly label?: string;
}

const LOSS_POINTS = 600;

/** Training and validation loss against step, learning rate below. */
export function drawLoss({ train, validation, learningRate, label }: LossData): Figure {
  const x = fitAxis(
    { label: "step" },
    [],
    [0, ...Array.from(train.step).slice(-1), ...Array.from(validation?.step ?? []).slice(-1)],
  );
  const from0: AxisScale = { ...x, domain: [0, x.domain[1]] };
  const smooth = runningMedian(train);
  const range = [...smooth.value, ...Array.from(validation?.value ?? [])];
  const y = fitAxis({ label: label ?? "negative log-likelihood per query [nats]" }, [range], [lowest(train.value)]);
  const raw = thinned(points(from0, y, train.step, train.value));
  const hasRate = learningRate !== undefined && learningRate.step.length > 0;
  const legend = drawLegend(
    [
      { label: "training (running median)", color: theme.blue, mark: "line" },
      ...(validation === undefined ? [] : [{ label: "validation", color: theme.orange, mark: "line" as const }]),
    ],
    600,
  );
  const top = legend.height + 4;
  const pieces: Piece[] = [
    { x: theme.gutter, y: 3, svg: legend.svg },
    {
      x: 0,
      y: top,
      svg: drawPanel({
        width: 680,
        height: hasRate ? 268 : 300,
        x: from0,
        y,
        ...(hasRate ? { hide: "x" as const } : {}),
        marks: [
          Plot.line(raw, { stroke: theme.blue, strokeOpacity: 0.25, strokeWidth: 0.8, clip: true }),
          Plot.line(points(from0, y, smooth.step, smooth.value), { stroke: theme.blue, strokeWidth: 1.8, clip: true }),
          ...(validation === undefined
            ? []
            : [
                Plot.lineY(points(from0, y, validation.step, validation.value), {
                  x: "0",
                  y: "1",
                  stroke: theme.orange,
                  strokeWidth: 1.8,
                  marker: "dot",
                  clip: true,
                }),
              ]),
        ],
      }),
    },
  ];
  if (hasRate) pieces.push({ x: 0, y: top + 262, svg: ratePanel(learningRate, from0) });
  const height = top + (hasRate ? 386 : 300);
  const last =
    validation === undefined || validation.value.length === 0
      ? ""
      : ` Last validation value: ${short(validation.value[validation.value.length - 1])}.`;
  const caption = `Loss while training; lower is better. The faint line is single steps.${hasRate ? " Below, the learning rate." : ""} Validation uses fixed galaxies and fixed questions that training never sees.${last}`;
  return { svg: composeSvg(680, height, pieces), width: 680, height, caption };
}

function ratePanel(rate: Curve, x: AxisScale): string {
  const values = Array.from(rate.value, (value) => 1000 * value);
  const y = fitAxis({ label: "rate", unit: "1e-3" }, [], [0, values.reduce((a, b) => Math.max(a, b), 0)]);
  const curve = thinned(points(x, y, rate.step, values));
  const line = Plot.line(curve, { stroke: theme.green, strokeWidth: 1.8, clip: true });
  return drawPanel({ width: 680, height: 124, x, y: sparseTicks(y, 3), marks: [line] });
}

/** Every k-th point, so that a long run draws as small as a short one. */
function thinned(at: [number, number][]): [number, number][] {
  const step = Math.ceil(at.length / LOSS_POINTS);
  return at.filter((_, i) => i % step === 0 || i === at.length - 1);
}

/** The first percentile: where the faint line of single steps ends, without its rare dips. */
function lowest(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  return sorted.length === 0 ? Number.NaN : sorted[Math.floor(0.01 * sorted.length)];
}

/** At most LOSS_POINTS medians over equal stretches. */
function runningMedian({ step, value }: Curve): { step: number[]; value: number[] } {
  const size = Math.max(1, Math.ceil(step.length / Math.min(LOSS_POINTS, Math.max(20, step.length / 10))));
  const out = { step: [] as number[], value: [] as number[] };
  for (let start = 0; start < step.length; start += size) {
    const end = Math.min(step.length, start + size);
    const part = Array.from({ length: end - start }, (_, i) => value[start + i])
      .filter(Number.isFinite)
      .sort((a, b) => a - b);
    if (part.length === 0) continue;
    out.step.push(step[(start + end - 1) >> 1]);
    out.value.push(part[part.length >> 1]);
  }
  return out;
}

export interface ComparisonPanel {
  /** Metric with its unit. */
  readonly title: string;
  readonly better: "low" | "high" | number;
  readonly rows: readonly {
    readonly method: string;
    readonly value: number;
    readonly low: number;
    readonly high: number;
  }[];
}

export interface ComparisonData {
  /** One panel per metric; the methods of the first give the order. */
  readonly panels: readonly ComparisonPanel[];
}

export interface GapData {
  /** A panel per field: by context, how much higher the network's mean score is than the library's [%]. */
  readonly panels: readonly {
    readonly title: string;
    readonly rows: readonly {
      readonly context: string;
      readonly value: number;
      readonly low: number;
      readonly high: number;
    }[];
  }[];
}

/** How far a network is from the exact answer, by what is given. */
export function drawGaps({ panels }: GapData): Figure {
  const drawn = panels.map(({ title, rows }): ComparisonPanel => ({
    title,
    better: 0,
    rows: rows.map(({ context, ...ends }) => ({ method: context, ...ends })),
  }));
  const caption =
    "How much higher the network's CRPS is than that of the library, clean simulated galaxies weighted by their likelihood, with 95 % bootstrap intervals: " +
    "0 (dashed) is the exact answer. Below it the library is too sparse to be exact.";
  return { ...drawPanels(drawn, false), caption };
}

/** Methods side by side: one dot with its confidence interval per method and metric. */
export function drawComparison({ panels }: ComparisonData): Figure {
  const caption =
    "Each method's score with its 95 % bootstrap interval. ← lower is better, → higher is better, | closest to the dashed line is best.";
  return { ...drawPanels(panels, true), caption };
}

/** Panels of dots with intervals, two in a row; the first method stands out, or none. */
function drawPanels(panels: readonly ComparisonPanel[], isFirstOwn: boolean): Omit<Figure, "caption"> {
  const methods = [...new Set(panels.flatMap((panel) => panel.rows.map((row) => row.method)))];
  const left = Math.min(220, 14 + Math.max(40, ...methods.map(textWidth)));
  const width = 680;
  const perRow = Math.max(1, Math.min(panels.length, 2));
  const cell = (width - left) / perRow;
  const height = 72 + 22 * Math.max(1, methods.length);
  const pieces = panels.map((panel, i): Piece => {
    const isFirst = i % perRow === 0;
    const margin = { left: isFirst ? left : 10, right: 16, top: 24, bottom: 34 };
    const size = { width: isFirst ? cell + left - 10 : cell, height, margin };
    const svg = comparisonPanel(panel, methods, size, isFirst, isFirstOwn);
    return { x: isFirst ? 0 : left + (i % perRow) * cell - 10, y: Math.floor(i / perRow) * height, svg };
  });
  const total = Math.max(1, Math.ceil(panels.length / perRow)) * height + 4;
  return { svg: composeSvg(width, total, pieces), width, height: total };
}

function comparisonPanel(
  panel: ComparisonPanel,
  methods: readonly string[],
  size: Pick<PanelOptions, "width" | "height" | "margin">,
  hasNames: boolean,
  isFirstOwn: boolean,
): string {
  const target = typeof panel.better === "number" ? panel.better : undefined;
  const rows = panel.rows.filter((row) => Number.isFinite(row.value));
  const values = rows.flatMap((row) => [row.value, row.low, row.high]);
  const lowest = Math.min(...values.filter((v) => v > 0));
  const isWide = target === undefined && values.every((v) => v > 0) && Math.max(...values) / lowest > 8;
  const ends = target === undefined ? values : [...values, target];
  // labels at the ends would run into those of the panel beside
  const x = sparseTicks(fitAxis({ label: "", scale: isWide ? "log" : "linear" }, [], ends), 9, 0.05);
  const y: AxisScale = {
    label: "",
    forward: (v) => v,
    domain: [methods.length - 0.5, -0.5],
    ticks: methods.map((_, i) => i),
    format: (i) => methods[i],
  };
  const at = rows.map((row) => ({
    y: methods.indexOf(row.method),
    x: x.forward(row.value),
    low: x.forward(row.low),
    high: x.forward(row.high),
  }));
  const color = (row: { y: number }) => (isFirstOwn && row.y === 0 ? theme.orange : theme.blue);
  const sign = target === undefined ? (panel.better === "low" ? "  ←" : "  →") : isFirstOwn ? "  |" : "";
  return drawPanel({
    ...size,
    x,
    y,
    title: `${panel.title}${sign}`,
    ...(hasNames ? {} : { hide: "y" as const }),
    marks: [
      ...(target === undefined ? [] : [Plot.ruleX([target], { stroke: theme.faint, strokeDasharray: "4 3" })]),
      Plot.ruleY(at, { y: "y", x1: "low", x2: "high", stroke: color, strokeWidth: 2 }),
      Plot.dot(at, { x: "x", y: "y", fill: color, r: 4 }),
    ],
  });
}

export interface AdaptationData {
  /** One group of bars per metric, e.g. `σ_NMAD`; lower is better in all. One value per variant, in order. */
  readonly variants: readonly string[];
  readonly metrics: readonly { readonly title: string; readonly values: readonly number[] }[];
  /** Zero-point offsets per band [mag]. */
  readonly zeroPoints?: {
    readonly wavelength: ArrayLike<number>;
    /** Absent of real surveys. */
    readonly truth?: ArrayLike<number>;
    readonly recovered: ArrayLike<number>;
    readonly error?: ArrayLike<number>;
  };
}

/** Errors before and after adaptation as bars, and recovered against true zero-points by band. */
export function drawAdaptation({ variants, metrics, zeroPoints }: AdaptationData): Figure {
  const colorOf = (i: number) => [theme.faint, theme.blue, theme.green, theme.purple][i % 4];
  const entries = variants.map((label, i) => ({ label, color: colorOf(i), mark: "block" as const }));
  const legend = drawLegend([...entries], 600);
  const top = legend.height + 4;
  // four panels in a row would leave the bars' numbers no room
  const perRow = metrics.length === 4 ? 2 : Math.max(1, Math.min(3, metrics.length));
  const width = 680 / perRow;
  const pieces: Piece[] = [{ x: theme.gutter, y: 3, svg: legend.svg }];
  metrics.forEach(({ title, values }, i) => {
    const y = fitAxis({ label: "" }, [], [0, 1.12 * Math.max(0, ...values.filter(Number.isFinite))]);
    const x: AxisScale = {
      label: "",
      forward: (v) => v,
      domain: [-0.7, variants.length - 0.3],
      ticks: [],
      format: () => "",
    };
    const bars = values.map((value, k) => ({ k, value }));
    const marks = [
      Plot.rect(bars, {
        x1: (b: { k: number }) => b.k - 0.38,
        x2: (b: { k: number }) => b.k + 0.38,
        y1: 0,
        y2: "value",
        fill: (b: { k: number }) => colorOf(b.k),
        fillOpacity: 0.75,
      }),
      Plot.text(bars, {
        x: "k",
        y: "value",
        dy: -7,
        text: (b: { value: number }) => short(Number(b.value.toPrecision(2))),
      }),
    ];
    const svg = drawPanel({
      width,
      height: 190,
      x,
      y: { ...y, domain: [0, y.domain[1]] },
      marks,
      title,
      margin: { left: 46, right: 8, bottom: 10 },
    });
    pieces.push({ x: (i % perRow) * width, y: top + Math.floor(i / perRow) * 190, svg });
  });
  const barHeight = top + Math.ceil(metrics.length / perRow) * 190;
  const hasBands = zeroPoints !== undefined && zeroPoints.wavelength.length > 0;
  if (hasBands) pieces.push(...zeroPointPieces(zeroPoints, barHeight + 4));
  const height = barHeight + (hasBands ? 280 : 4);
  const caption = [
    ...(metrics.length > 0
      ? ["Errors on galaxies of the target survey that no training saw, before and after adaptation; lower is better."]
      : []),
    ...(hasBands ? [zeroPointCaption(zeroPoints)] : []),
  ].join(" ");
  return { svg: composeSvg(680, height, pieces), width: 680, height, caption };
}

function zeroPointCaption({ truth, recovered }: NonNullable<AdaptationData["zeroPoints"]>): string {
  if (truth === undefined) return "Zero-point offset of each band, as learned.";
  let sum = 0;
  for (let i = 0; i < truth.length; i++) sum += (recovered[i] - truth[i]) ** 2;
  const rms = short(Math.sqrt(sum / Math.max(1, truth.length)));
  return `Zero-point offset of each band that was put in, and what was recovered: they differ by ${rms} mag RMS.`;
}

function zeroPointPieces(
  { wavelength, truth, recovered, error }: NonNullable<AdaptationData["zeroPoints"]>,
  top: number,
): Piece[] {
  const x = wavelengthAxis(Array.from(wavelength));
  const y = fitAxis(
    { label: "zero-point offset", unit: "mag" },
    [],
    [
      0,
      ...Array.from(truth ?? []),
      ...Array.from(recovered, (r, i) => [r - (error?.[i] ?? 0), r + (error?.[i] ?? 0)]).flat(),
    ],
  );
  const rows = Array.from(wavelength, (w, i) => ({
    x: x.forward(w),
    truth: truth?.[i] ?? Number.NaN,
    recovered: recovered[i],
    low: recovered[i] - (error?.[i] ?? 0),
    high: recovered[i] + (error?.[i] ?? 0),
  }));
  const legend = drawLegend(
    [
      ...(truth === undefined ? [] : [{ label: "put in", color: seriesColors[1], mark: "dot" as const }]),
      { label: error === undefined ? "recovered" : "recovered (±1σ)", color: seriesColors[0], mark: "dot" },
    ],
    600,
  );
  const marks = [
    Plot.ruleY([0], { stroke: theme.faint }),
    ...(error === undefined
      ? []
      : [Plot.ruleX(rows, { x: "x", y1: "low", y2: "high", stroke: seriesColors[0], strokeOpacity: 0.7 })]),
    Plot.dot(rows, { x: "x", y: "recovered", fill: seriesColors[0], r: 2.6 }),
    ...(truth === undefined
      ? []
      : [Plot.dot(rows, { x: "x", y: "truth", stroke: seriesColors[1], fill: theme.paper, r: 3, strokeWidth: 1.4 })]),
  ];
  return [
    { x: theme.gutter, y: top, svg: legend.svg },
    { x: 0, y: top + 18, svg: drawPanel({ width: 680, height: 254, x, y, marks }) },
  ];
}
