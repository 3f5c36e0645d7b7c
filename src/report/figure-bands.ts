import * as Plot from "@observablehq/plot";
import { fitAxis, sparseTicks } from "./axis.ts";
import type { Axis, AxisScale } from "./axis.ts";
import { wavelengthAxis } from "./figure-spectrum.ts";
import { composeSvg, drawLegend, drawPanel, seriesColors, theme } from "./svg.ts";
import type { Figure, LegendEntry, Piece } from "./svg.ts";

export interface BandLinesData {
  /** Pivot wavelengths [Angstrom] of the bands. */
  readonly wavelength: ArrayLike<number>;
  /** [band] Bands that belong to no sequence (broad ones among narrow ones) stand alone; all are joined when absent. */
  readonly isAlone?: readonly boolean[];
  readonly axis: Axis;
  readonly series: readonly {
    readonly label: string;
    /** [band] NaN where there is none. */
    readonly value: ArrayLike<number>;
    /** [band] Ends of an interval around each value. */
    readonly low?: ArrayLike<number>;
    readonly high?: ArrayLike<number>;
    /** Which of the theme's colours; its place in the list when absent. */
    readonly color?: number;
    readonly isDashed?: boolean;
  }[];
  /** A horizontal line to compare with. */
  readonly reference?: number;
  readonly caption?: string;
}

interface BandPoint {
  readonly x: number;
  readonly y: number;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly isAlone: boolean;
}

/** A quantity per band (S/N, depth, zero-point, chi2 of held-out bands) for one or several samples. */
export function drawBandLines({ wavelength, isAlone, axis, series, reference, caption }: BandLinesData): Figure {
  const x = wavelengthAxis(Array.from(wavelength));
  const all = series.flatMap((s) => [s.value, s.low ?? [], s.high ?? []].flatMap((values) => Array.from(values)));
  const y = fitAxis(axis, [], [...all, ...(reference === undefined ? [] : [reference])]);
  const order = Int32Array.from({ length: wavelength.length }, (_, i) => i).sort(
    (a, b) => wavelength[a] - wavelength[b],
  );
  const colorOf = (i: number): string => seriesColors[(series[i].color ?? i) % seriesColors.length];
  const marks = series.flatMap(({ value, low, high, isDashed }, i) => {
    const at = Array.from(order, (k): BandPoint => ({
      x: x.forward(wavelength[k]),
      y: y.forward(value[k]),
      low: low === undefined ? undefined : y.forward(low[k]),
      high: high === undefined ? undefined : y.forward(high[k]),
      isAlone: isAlone?.[k] ?? false,
    }));
    return seriesMarks(at, colorOf(i), isDashed ?? false);
  });
  const line =
    reference === undefined
      ? []
      : [Plot.ruleY([y.forward(reference)], { stroke: theme.faint, strokeDasharray: "4 3" })];
  const entries = series.map(({ label, isDashed }, i): LegendEntry => ({
    label,
    color: colorOf(i),
    mark: isDashed === true ? "dash" : "line",
  }));
  const legend = drawLegend(
    isAlone?.includes(true) ? [...entries, { label: "broad bands", color: theme.faint, mark: "ring" }] : entries,
    600,
  );
  const top = legend.height + 4;
  const svg = composeSvg(680, top + 280, [
    { x: theme.gutter, y: 3, svg: legend.svg },
    { x: 0, y: top, svg: drawPanel({ width: 680, height: 280, x, y, marks: [...line, ...marks] }) },
  ]);
  return { svg, width: 680, height: top + 280, caption: caption ?? `${axis.label} of each band, by wavelength.` };
}

function seriesMarks(at: readonly BandPoint[], color: string, isDashed: boolean): Plot.Markish[] {
  const joined = at.filter((point) => !point.isAlone);
  const alone = at.filter((point) => point.isAlone && Number.isFinite(point.y));
  const hasInterval = (points: readonly BandPoint[]): boolean =>
    points.length > 0 && points[0].low !== undefined && points[0].high !== undefined;
  const dash = isDashed ? { strokeDasharray: "4 3" } : {};
  return [
    ...(hasInterval(joined)
      ? [Plot.areaY(joined, { x: "x", y1: "low", y2: "high", fill: color, fillOpacity: 0.2, clip: true })]
      : []),
    Plot.line(joined, { x: "x", y: "y", stroke: color, strokeWidth: 1.4, clip: true, ...dash }),
    Plot.dot(joined, { x: "x", y: "y", fill: color, r: isDashed ? 1.2 : 2, clip: true }),
    ...(hasInterval(alone)
      ? [Plot.ruleX(alone, { x: "x", y1: "low", y2: "high", stroke: color, strokeOpacity: 0.5, clip: true })]
      : []),
    Plot.dot(alone, {
      x: "x",
      y: "y",
      stroke: color,
      fill: theme.paper,
      r: isDashed ? 3 : 4,
      strokeWidth: 1.5,
      clip: true,
      ...(isDashed ? { symbol: "diamond" as const } : {}),
    }),
  ];
}

export interface BandStatesData {
  /** Names of the bands, in the order of the figure. */
  readonly bands: readonly string[];
  /** What a value can be, from the bottom up; the fractions of a band add up to 1. At most 4. */
  readonly states: readonly { readonly label: string; readonly fraction: ArrayLike<number> }[];
  readonly caption?: string;
}

const STATE_COLORS = [theme.blue, theme.sky, theme.yellow, theme.grid];

/** How many of a band's values are measured, limits, not detected or missing. */
export function drawBandStates({ bands, states, caption }: BandStatesData): Figure {
  const pitch = Math.min(10, 830 / bands.length); // px; a name needs 9
  const width = Math.max(360, theme.gutter + pitch * bands.length + 14);
  const x: AxisScale = {
    label: "band, by wavelength",
    forward: (value) => value,
    domain: [-0.5, Math.max(1, bands.length) - 0.5],
    ticks: [],
    format: () => "",
  };
  const y = fitAxis({ label: "fraction of the rows", domain: [0, 1] }, []);
  const below = new Float64Array(bands.length);
  const marks = states.map(({ fraction }, s) => {
    const rows = bands.map((_, i) => {
      const from = below[i];
      below[i] += fraction[i];
      return { x1: i - 0.5, x2: i + 0.5, y1: from, y2: below[i] };
    });
    const fill = STATE_COLORS[s % STATE_COLORS.length];
    return Plot.rect(rows, { x1: "x1", x2: "x2", y1: "y1", y2: "y2", fill, inset: 0.4, clip: true });
  });
  const every = Math.ceil(9 / pitch);
  const names = bands.flatMap((name, i) => (i % every === 0 ? [{ name, x: i }] : []));
  const labels = Plot.text(names, {
    x: "x",
    text: "name",
    frameAnchor: "bottom",
    rotate: -90,
    textAnchor: "end",
    dy: 5,
    fontSize: 9,
  });
  const legend = drawLegend(
    states.map(({ label }, s) => ({ label, color: STATE_COLORS[s % STATE_COLORS.length], mark: "block" })),
    width - theme.gutter,
  );
  const top = legend.height + 4;
  const longest = bands.reduce((most, name) => Math.max(most, name.length), 3);
  const bottom = 14 + 6 * longest;
  const height = 190 + bottom;
  const panel = drawPanel({ width, height, x: { ...x, label: "" }, y, marks: [...marks, labels], margin: { bottom } });
  const svg = composeSvg(width, top + height, [
    { x: theme.gutter, y: 3, svg: legend.svg },
    { x: 0, y: top, svg: panel },
  ]);
  const words = caption ?? "What is known in each band, bands by wavelength.";
  return { svg, width, height: top + height, caption: words };
}

/** One band of one galaxy, as observed; flux and error in the figure's unit. */
export interface ObservedBand {
  /** Pivot wavelength and half-peak ends [Angstrom]. */
  readonly wavelength: number;
  readonly edges: readonly [number, number];
  readonly flux: number;
  readonly fluxError: number;
  readonly state: "measured" | "limit" | "nonDetection";
  /** Wide bands are drawn with their widths, behind the others. */
  readonly isBroad: boolean;
}

export interface PhotometryData {
  readonly fluxUnit: string;
  /** At most 6. */
  readonly objects: readonly { readonly title: string; readonly bands: readonly ObservedBand[] }[];
  readonly caption?: string;
}

/** Photometry of a few galaxies as it stands in a table. */
export function drawPhotometry({ fluxUnit, objects, caption }: PhotometryData): Figure {
  const shown = objects.slice(0, 6);
  const [width, height] = [370, 230];
  const legend = drawLegend(
    [
      { label: "narrow band", color: theme.ink, mark: "dot" },
      { label: "broad band and its width", color: theme.orange, mark: "dot" },
      { label: "upper limit", color: theme.purple, mark: "down" },
      { label: "not detected", color: theme.faint, mark: "ring" },
    ],
    2 * width - theme.gutter,
  );
  const top = legend.height + 4;
  const pieces = shown.map(({ title, bands }, i): Piece => {
    const x = wavelengthAxis(bands.flatMap((band) => [...band.edges]));
    // the axis is for what is seen well: a shallow band's noise may run out of the panel
    const reliable = bands.filter((band) => band.state === "measured" && band.flux > 5 * band.fluxError);
    const ends = (reliable.length > 0 ? reliable : bands).flatMap((b) => [b.flux - b.fluxError, b.flux + b.fluxError]);
    const y = fitAxis({ label: "flux", unit: fluxUnit }, [], [0, ...ends]);
    const svg = drawPanel({ width, height, x: sparseTicks(x, 6, 0.05), y, title, marks: photometryMarks(bands, x, y) });
    return { x: (i % 2) * width, y: top + Math.floor(i / 2) * height, svg };
  });
  const total = top + Math.max(1, Math.ceil(shown.length / 2)) * height;
  const svg = composeSvg(2 * width, total, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]);
  const words = caption ?? "Observed flux of a few galaxies with 1σ errors, as it stands in the table.";
  return { svg, width: 2 * width, height: total, caption: words };
}

function photometryMarks(bands: readonly ObservedBand[], x: AxisScale, y: AxisScale): Plot.Markish[] {
  const at = bands.map((band) => ({
    ...band,
    x: x.forward(band.wavelength),
    from: x.forward(band.edges[0]),
    to: x.forward(band.edges[1]),
    y: y.forward(band.flux),
    low: y.forward(band.flux - band.fluxError),
    high: y.forward(band.flux + band.fluxError),
  }));
  const limits = at.filter(({ state }) => state === "limit");
  const lost = at.filter(({ state }) => state === "nonDetection");
  const measured = at.filter(({ state }) => state === "measured");
  const broad = measured.filter(({ isBroad }) => isBroad);
  const narrow = measured.filter(({ isBroad }) => !isBroad);
  const dots = (rows: typeof at, color: string, r: number): Plot.Markish[] => [
    Plot.ruleX(rows, { x: "x", y1: "low", y2: "high", stroke: color, strokeOpacity: 0.6, clip: true }),
    Plot.dot(rows, { x: "x", y: "y", fill: color, r, clip: true }),
  ];
  return [
    Plot.ruleY([y.forward(0)], { stroke: theme.faint, strokeDasharray: "2 3", clip: true }),
    Plot.ruleX(lost, { x: "x", y1: "low", y2: "high", stroke: theme.faint, clip: true }),
    Plot.dot(lost, { x: "x", y: "y", stroke: theme.faint, fill: theme.paper, r: 3, clip: true }),
    ...dots(narrow, theme.ink, 2),
    Plot.ruleY(broad, { x1: "from", x2: "to", y: "y", stroke: theme.orange, strokeWidth: 1.6, clip: true }),
    ...dots(broad, theme.orange, 3),
    Plot.dot(limits, { x: "x", y: "y", symbol: "triangle", rotate: 180, fill: theme.purple, r: 4, clip: true }),
  ];
}
