import * as Plot from "@observablehq/plot";
import { type AxisScale, fitAxis, sparseTicks } from "./axis.ts";
import { composeSvg, drawPanel, type Figure, textWidth, theme } from "./svg.ts";

/** A number and the ends of its interval. */
export interface ConsistencyEnds {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface ConsistencyData {
  /** Pairs of fields, nats per field with 95 % intervals. */
  readonly pairs: readonly {
    readonly name: string;
    /** How far the two orders are apart. */
    readonly orders: ConsistencyEnds;
    /** What is lost by asking in order; not a number where no truth is known. */
    readonly given: ConsistencyEnds;
  }[];
  /** Galaxies asked about. */
  readonly rows: number;
  /** Up to here two orders count as the same [nats per field]. */
  readonly limit: number;
}

const ROW = 18;

/** One bar per pair with its interval, and a line at the limit. */
function barPanel(
  title: string,
  bars: readonly ConsistencyEnds[],
  limit: number,
  y: AxisScale,
  size: { width: number; height: number; left: number; hasNames: boolean },
): string {
  const at = bars.map((bar, i) => ({ ...bar, y: i })).filter(({ value }) => Number.isFinite(value));
  const ends = at.flatMap(({ low, high }) => [low, high]);
  return drawPanel({
    width: size.width,
    height: size.height,
    x: sparseTicks(fitAxis({ label: "nats per field" }, [], [0, 1.5 * limit, ...ends]), 5),
    y,
    title,
    margin: { left: size.left, right: 14, top: 24, bottom: 40 },
    ...(size.hasNames ? {} : { hide: "y" as const }),
    marks: [
      Plot.rect(at, {
        x1: 0,
        x2: "value",
        y1: ({ y: i }) => i - 0.34,
        y2: ({ y: i }) => i + 0.34,
        fill: ({ value }) => (value > limit ? theme.orange : theme.blue),
        fillOpacity: 0.75,
      }),
      Plot.ruleY(at, { y: "y", x1: "low", x2: "high", stroke: theme.ink }),
      Plot.ruleX([0], { stroke: theme.faint }),
      Plot.ruleX([limit], { stroke: theme.faint, strokeDasharray: "4 3" }),
    ],
  });
}

/** How well ordered answers agree with each other, and with answers to which the first field is given. */
export function drawConsistency({ pairs, rows, limit }: ConsistencyData): Figure {
  const left = Math.min(240, 30 + Math.max(40, ...pairs.map(({ name }) => textWidth(name))));
  const height = 70 + ROW * pairs.length;
  const y: AxisScale = {
    label: "",
    forward: (v) => v,
    domain: [pairs.length - 0.4, -0.6],
    ticks: pairs.map((_, i) => i),
    format: (i) => pairs[i].name,
  };
  const isKnown = pairs.some(({ given }) => Number.isFinite(given.value));
  const each = isKnown ? (680 - left) / 2 : 680 - left;
  const first = { width: left + each, height, left, hasNames: true };
  const orders = barPanel(
    "p(a) p(b | a) against p(b) p(a | b)",
    pairs.map((pair) => pair.orders),
    limit,
    y,
    first,
  );
  const given = barPanel(
    "p(b | a) against a given",
    pairs.map((pair) => pair.given),
    limit,
    y,
    { ...first, width: each, left: 10, hasNames: false },
  );
  const pieces = [{ x: 0, y: 0, svg: orders }, ...(isKnown ? [{ x: left + each, y: 0, svg: given }] : [])];
  const svg = composeSvg(680, height, pieces);
  const right = isKnown
    ? " Right: what is lost of the second field at the truth by asking in order, against a first field that is given; below 0 nothing is."
    : "";
  const caption =
    `Joint answers for two fields, asked one after the other, of ${rows} galaxies, with 95 % intervals: ${isKnown ? "left, " : ""}how far the two orders are apart ` +
    `(mean divergence); dashed, ${limit} nats, orange above.${right}`;
  return { svg, width: 680, height, caption };
}
