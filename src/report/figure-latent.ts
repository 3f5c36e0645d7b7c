import * as Plot from "@observablehq/plot";
import { counted } from "../text.ts";
import { fitAxis, formatTick, printUnit } from "./axis.ts";
import type { AxisScale } from "./axis.ts";
import { quantile } from "./statistics.ts";
import { composeSvg, drawLegend, drawPanel, escapeText, seriesColors, textWidth, theme } from "./svg.ts";
import type { Figure, Piece } from "./svg.ts";

/** A quantity that colours a map. */
export interface LatentPanel {
  readonly title: string;
  readonly unit?: string;
  /** [n] NaN where it is not known; of classes, their indices. */
  readonly values: ArrayLike<number>;
  /** At most 6. */
  readonly classes?: readonly string[];
}

export interface LatentData {
  /** Places of the galaxies on the map. [n] */
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  /** The same map in every panel. */
  readonly panels: readonly LatentPanel[];
  readonly caption: string;
}

/** Low to high; told apart with any colour vision and in grey (after viridis of Smith & van der Walt 2015). */
export const RAMP = ["#443983", "#31688e", "#21918c", "#35b779", "#8fd744", "#d8c81c"];

const [WIDTH, HEIGHT, HEAD, COLUMNS] = [300, 300, 40, 3] as const;
/** Dots of a whole figure. */
const MOST_DOTS = 18_000;
const CELL = 11;

/** What colours the dots of a panel: groups from the first drawn to the last, and what tells of them. */
interface Colouring {
  readonly colors: readonly string[];
  /** Place in `colors` of a value; -1: not drawn. */
  readonly groupOf: (value: number) => number;
  readonly legend: string;
}

/** Steps between the 5th and 95th percentile, with a bar of their colours. */
function ramp(values: ArrayLike<number>): Colouring {
  const sorted = Float64Array.from(values).filter(Number.isFinite).sort();
  const [low, high] = sorted.length === 0 ? [0, 1] : [quantile(sorted, 0.05), quantile(sorted, 0.95)];
  const span = high - low || 1;
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(span) + 1e-9) - 1);
  const [first, last] = [formatTick(low, decimals), formatTick(high, decimals)];
  const start = textWidth(first) + 5;
  const cells = RAMP.map(
    (fill, k) => `<rect x="${start + k * CELL}" y="3" width="${CELL}" height="10" fill="${fill}"/>`,
  );
  const word = (x: number, text: string): string =>
    `<text x="${x}" y="12" fill="${theme.ink}">${escapeText(text)}</text>`;
  return {
    colors: RAMP,
    groupOf: (value) =>
      Number.isFinite(value)
        ? Math.max(0, Math.min(RAMP.length - 1, Math.floor((RAMP.length * (value - low)) / span)))
        : -1,
    legend: `${word(0, first)}${cells.join("")}${word(start + RAMP.length * CELL + 5, last)}`,
  };
}

function sorts(classes: readonly string[]): Colouring {
  const colors = classes.map((_, k) => seriesColors[k % seriesColors.length]);
  const entries = classes.map((label, k) => ({ label, color: colors[k], mark: "dot" as const }));
  return { colors, groupOf: (value) => (value >= 0 ? value : -1), legend: drawLegend(entries, WIDTH + 60).svg };
}

/** One path per colour: dots are ends of lines without length, so that thousands stay small. */
function dots(
  data: LatentData,
  values: ArrayLike<number>,
  { colors, groupOf }: Colouring,
  every: number,
): Plot.RenderFunction {
  return (_index, scales, _values, size, context) => {
    const isInside = (x: number, y: number): boolean =>
      x >= size.marginLeft &&
      x <= size.width - size.marginRight &&
      y >= size.marginTop &&
      y <= size.height - size.marginBottom;
    const paths = colors.map(() => "");
    for (let row = 0; row < data.x.length; row += every) {
      const group = groupOf(values[row]);
      const [x, y] = [Number(scales.x!(data.x[row])), Number(scales.y!(data.y[row]))];
      if (group >= 0 && isInside(x, y)) paths[group] += `M${x.toFixed(1)},${y.toFixed(1)}h0`;
    }
    const all = context.document.createElementNS("http://www.w3.org/2000/svg", "g");
    paths.forEach((path, group) => {
      if (path === "") return;
      const element = context.document.createElementNS("http://www.w3.org/2000/svg", "path");
      const style = {
        d: path,
        stroke: colors[group],
        "stroke-width": "3.4",
        "stroke-linecap": "round",
        "stroke-opacity": "0.7",
      };
      for (const [name, value] of Object.entries(style)) element.setAttribute(name, value);
      all.appendChild(element);
    });
    return all;
  };
}

/** As much of a title as fits above its panel. */
function shortened(title: string): string {
  const most = Math.floor((WIDTH - 14) / textWidth("m"));
  return title.length <= most ? title : `${title.slice(0, most - 1).trimEnd()}…`;
}

function panelPieces(data: LatentData, panel: LatentPanel, x: AxisScale, y: AxisScale, every: number): Piece[] {
  const colouring = panel.classes === undefined ? ramp(panel.values) : sorts(panel.classes);
  const unit = panel.unit === undefined || panel.unit === "" ? "" : ` [${printUnit(panel.unit)}]`;
  const title = `<text y="12" font-weight="bold" fill="${theme.ink}">${escapeText(shortened(panel.title + unit))}</text>`;
  const marks = [dots(data, panel.values, colouring, every)];
  const margin = { left: 10, right: 10, top: 4, bottom: 10 };
  return [
    { x: 10, y: 0, svg: title },
    { x: 10, y: 18, svg: colouring.legend },
    { x: 0, y: HEAD, svg: drawPanel({ width: WIDTH, height: HEIGHT - HEAD, x, y, marks, hide: "both", margin }) },
  ];
}

/** One map of galaxies, coloured by a quantity in each panel. */
export function drawLatent(data: LatentData): Figure {
  const { panels } = data;
  const n = data.x.length;
  const axis = (label: string, values: ArrayLike<number>): AxisScale =>
    fitAxis(
      { label },
      [],
      n > 0
        ? [quantile(Float64Array.from(values).sort(), 0.002), quantile(Float64Array.from(values).sort(), 0.998)]
        : [],
    );
  const [x, y] = [axis("x", data.x), axis("y", data.y)];
  const every = Math.max(1, Math.ceil((n * panels.length) / MOST_DOTS));
  const pieces = panels.flatMap((panel, i) => {
    const [left, top] = [(i % COLUMNS) * (WIDTH + 6), Math.floor(i / COLUMNS) * (HEIGHT + 8)];
    return panelPieces(data, panel, x, y, every).map((piece) => ({ ...piece, x: piece.x + left, y: piece.y + top }));
  });
  const width = COLUMNS * (WIDTH + 6);
  const height = Math.max(1, Math.ceil(panels.length / COLUMNS)) * (HEIGHT + 8);
  const drawn =
    every === 1 ? counted(n, "galaxy", "galaxies") : `every ${every}th of ${n.toLocaleString("en-US")} galaxies`;
  const caption = `${data.caption} Colours run from the 5th to the 95th percentile; ${drawn}.`;
  return { svg: composeSvg(width, height, pieces), width, height, caption };
}
