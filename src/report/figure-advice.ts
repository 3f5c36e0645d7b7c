import * as Plot from "@observablehq/plot";
import { type AxisScale, fitAxis, printUnit, sparseTicks } from "./axis.ts";
import { composeSvg, drawLegend, drawPanel, type Figure, seriesColors, textWidth, theme } from "./svg.ts";
import { counted } from "../text.ts";

export interface AdviceBar {
  readonly name: string;
  /** What kind of observation it is: its colour. */
  readonly group: string;
  /** [nats], with 1 sigma error. */
  readonly gain: number;
  readonly gainError: number;
  /** Expected 68 % width, with 1 sigma error; NaN where there is none. */
  readonly width: number;
  readonly widthError: number;
  /** What it told where it was there [nats], with 1 sigma error. */
  readonly realised?: { readonly gain: number; readonly error: number };
}

export interface AdviceData {
  /** The wanted quantity and its unit. */
  readonly wanted: string;
  readonly unit: string;
  /** Width of its 68 % interval as it is; not a number where that is another for every candidate, or none. */
  readonly widthNow: number;
  /** What there is without a candidate. Default: what is given. */
  readonly beyond?: string;
  /** Galaxies. */
  readonly rows: number;
  /** The most telling first. */
  readonly bars: readonly AdviceBar[];
}

/** Most candidates shown. */
const SHOWN = 36;
const ROW = 16;

/** What the panels share: candidates from top to bottom. */
interface Rows {
  readonly bars: readonly AdviceBar[];
  readonly y: AxisScale;
  readonly height: number;
  readonly color: (bar: { readonly group: string }) => string;
}

/** Information as bars; dots are what it was where it was there. */
function gainPanel({ bars, y, height, color }: Rows, width: number, left: number): string {
  const at = bars.map((bar, i) => ({ ...bar, y: i, low: bar.gain - bar.gainError, high: bar.gain + bar.gainError }));
  const known = at.flatMap(({ realised, y: place }) => (realised === undefined ? [] : [{ ...realised, y: place }]));
  const ends = [
    ...at.flatMap(({ low, high }) => [low, high]),
    ...known.flatMap(({ gain, error }) => [gain - error, gain + error]),
  ];
  return drawPanel({
    width,
    height,
    x: sparseTicks(fitAxis({ label: "expected information", unit: "nats" }, [], [0, ...ends]), 6),
    y,
    margin: { left, right: 12 },
    marks: [
      Plot.rect(at, {
        x1: 0,
        x2: "gain",
        y1: ({ y: i }) => i - 0.36,
        y2: ({ y: i }) => i + 0.36,
        fill: color,
        fillOpacity: 0.75,
      }),
      Plot.ruleY(at, { y: "y", x1: "low", x2: "high", stroke: theme.ink }),
      Plot.ruleY(known, { y: "y", x1: (k) => k.gain - k.error, x2: (k) => k.gain + k.error, stroke: theme.faint }),
      Plot.dot(known, { x: "gain", y: "y", fill: theme.ink, r: 2.6 }),
    ],
  });
}

/** Expected widths, and a line at the one that is. */
function widthPanel({ bars, y, height, color }: Rows, widthNow: number, unit: string): string {
  const at = bars.map((bar, i) => ({
    ...bar,
    y: i,
    low: bar.width - bar.widthError,
    high: bar.width + bar.widthError,
  }));
  const ends = at.flatMap(({ low, high }) => [low, high]);
  return drawPanel({
    width: 260,
    height,
    x: sparseTicks(fitAxis({ label: "expected 68 % width", unit }, [], [0, widthNow, ...ends]), 4),
    y,
    margin: { left: 10, right: 14 },
    hide: "y",
    marks: [
      Plot.ruleX([widthNow], { stroke: theme.faint, strokeDasharray: "4 3" }),
      Plot.ruleY(at, { y: "y", x1: "low", x2: "high", stroke: color, strokeWidth: 2 }),
      Plot.dot(at, { x: "width", y: "y", fill: color, r: 3.2 }),
    ],
  });
}

/** What each further observation would tell: expected information as bars, and the expected width of the 68 % interval. */
export function drawAdvice({ wanted, unit, widthNow, rows, bars: all, beyond = "what is given" }: AdviceData): Figure {
  const bars = all.slice(0, SHOWN);
  // sorted: a kind has the same colour whatever stands first
  const groups = [...new Set(bars.map(({ group }) => group))].toSorted();
  const color: Rows["color"] = ({ group }) => seriesColors[groups.indexOf(group) % seriesColors.length];
  const isKnown = bars.some(({ realised }) => realised !== undefined);
  const legend = drawLegend(
    [
      ...groups.map((label) => ({ label, color: color({ group: label }), mark: "block" as const })),
      ...(isKnown ? [{ label: "what it told where it was there", color: theme.ink, mark: "dot" as const }] : []),
    ],
    440,
  );
  const left = Math.min(240, 30 + Math.max(40, ...bars.map(({ name }) => textWidth(name))));
  const height = 66 + ROW * bars.length;
  const hasWidth = Number.isFinite(widthNow);
  const y: AxisScale = {
    label: "",
    forward: (v) => v,
    domain: [bars.length - 0.4, -0.6],
    ticks: bars.map((_, i) => i),
    format: (i) => bars[i].name,
  };
  const shared = { bars, y, height, color };
  const top = legend.height + 6;
  const svg = composeSvg(680, top + height, [
    { x: left, y: 4, svg: legend.svg },
    { x: 0, y: top, svg: gainPanel(shared, hasWidth ? 420 : 680, left) },
    ...(hasWidth ? [{ x: 420, y: top, svg: widthPanel(shared, widthNow, unit) }] : []),
  ]);
  const more = all.length > bars.length ? ` The ${bars.length} most telling of ${all.length} are shown.` : "";
  const beside = hasWidth
    ? ` Right: the width of the 68 % interval of ${wanted}${unit === "" ? "" : ` [${printUnit(unit)}]`} that is expected then; dashed, as it is.`
    : "";
  const caption =
    `What each further observation is expected to tell of ${wanted} of ${counted(rows, "galaxy", "galaxies")}, beyond ${beyond}, ` +
    `with 1σ errors${rows > 1 ? " of the sample" : " of the draws"}.${beside}${more}`;
  return { svg, width: 680, height: top + height, caption };
}
