import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type AxisScale, roomyTicks } from "./axis.ts";

/** One look for every figure. Colours: Okabe & Ito (2008), told apart with any colour vision and in grey. */
export const theme = {
  font: "DejaVu Sans",
  fontSize: 11,
  /** Room for tick labels and the label of the y axis [px]. */
  gutter: 66,
  ink: "#222222",
  faint: "#8a8a8a",
  grid: "#e4e4e4",
  paper: "#ffffff",
  blue: "#0072B2",
  orange: "#D55E00",
  green: "#009E73",
  yellow: "#E69F00",
  purple: "#AA4499",
  sky: "#56B4E9",
} as const;

/** Colours of the first, second, ... series. */
export const seriesColors = [theme.blue, theme.orange, theme.green, theme.purple, theme.yellow, theme.sky] as const;

/** A drawn figure: a complete SVG document, its size [px], and a sentence or two in plain language. */
export interface Figure {
  readonly svg: string;
  readonly width: number;
  readonly height: number;
  readonly caption: string;
}

/** One row of the table of figures. */
export interface FigureKind<Data> {
  readonly title: string;
  draw(this: void, data: Data): Figure;
}

/** A piece of a figure: SVG markup and the place of its top left corner [px]. */
export interface Piece {
  readonly x: number;
  readonly y: number;
  readonly svg: string;
}

export interface PanelOptions {
  readonly width: number;
  readonly height: number;
  readonly x: AxisScale;
  readonly y: AxisScale;
  readonly marks: readonly Plot.Markish[];
  readonly title?: string;
  /** Room around the frame [px]; what is absent has its default. */
  readonly margin?: {
    readonly left?: number;
    readonly right?: number;
    readonly top?: number;
    readonly bottom?: number;
  };
  /** Tick labels and axis label are left out where the neighbouring panel shows them. */
  readonly hide?: "x" | "y" | "both";
}

/** Coordinates of the marks are those of `x.forward` and `y.forward`; use {@link points} to make them. */
export function drawPanel(options: PanelOptions): string {
  const { width, height, y, title } = options;
  const hidesX = options.hide === "x" || options.hide === "both";
  const hidesY = options.hide === "y" || options.hide === "both";
  const margin = {
    left: hidesY ? 10 : theme.gutter,
    right: 12,
    top: title === undefined ? 10 : 24,
    bottom: hidesX ? 10 : 42,
    ...options.margin,
  };
  const x = roomyTicks(options.x, width - margin.left - margin.right, textWidth);
  const axis = (scale: AxisScale, isHidden: boolean) => ({
    type: "linear" as const,
    domain: [...scale.domain],
    ticks: [...scale.ticks],
    tickFormat: isHidden ? () => "" : (tick: number) => scale.format(tick),
    tickSize: 4,
    label: isHidden ? null : scale.label,
    labelAnchor: "center" as const,
    labelArrow: "none" as const,
  });
  const heading =
    title === undefined
      ? []
      : [Plot.text([title], { frameAnchor: "top-left", dy: -16, fontWeight: "bold", fontSize: theme.fontSize })];
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const plot = Plot.plot({
    document,
    width,
    height,
    marginLeft: margin.left,
    marginRight: margin.right,
    marginTop: margin.top,
    marginBottom: margin.bottom,
    style: { fontFamily: theme.font, fontSize: `${theme.fontSize}px`, color: theme.ink },
    x: { ...axis(x, hidesX), labelOffset: 34 },
    y: axis(y, hidesY),
    marks: [
      Plot.gridX([...x.ticks], { stroke: theme.grid, strokeOpacity: 1 }),
      Plot.gridY([...y.ticks], { stroke: theme.grid, strokeOpacity: 1 }),
      ...options.marks,
      Plot.frame({ stroke: theme.faint }),
      ...heading,
    ],
  });
  return tidy(String(plot.outerHTML));
}

/** Drops Plot's style sheet (the theme is inline) and decimals beyond what a pixel shows. */
function tidy(svg: string): string {
  return svg
    .replace(/<style>[\s\S]*?<\/style>/g, "")
    .replace(/ aria-(label|hidden)="[^"]*"/g, "")
    .replace(/ class="plot-[0-9a-f]+"/, "")
    .replace(/ (d|transform|[xyr][12]?|c[xy]|width|height|points)="([^"]*)"/g, (_all, name: string, value: string) => {
      return ` ${name}="${value.replace(/-?\d*\.\d{3,}(e-?\d+)?/g, (number) => String(Math.round(Number(number) * 100) / 100))}"`;
    });
}

/** [forward x, forward y] of the rows that have a place on both axes. */
export function points(x: AxisScale, y: AxisScale, xs: ArrayLike<number>, ys: ArrayLike<number>): [number, number][] {
  const out: [number, number][] = [];
  for (let i = 0; i < xs.length; i++) {
    const at: [number, number] = [x.forward(xs[i]), y.forward(ys[i])];
    if (Number.isFinite(at[0]) && Number.isFinite(at[1])) out.push(at);
  }
  return out;
}

/** Puts pieces into one SVG document on a white ground. */
export function composeSvg(width: number, height: number, pieces: readonly Piece[]): string {
  const body = pieces.map(({ x, y, svg }) => {
    return svg.startsWith("<svg")
      ? svg.replace("<svg", `<svg overflow="visible" x="${x}" y="${y}"`)
      : `<g transform="translate(${x},${y})">${svg}</g>`;
  });
  const ids = new Map<string, string>();
  // Plot numbers its ids through the whole process; a figure numbers its own, so that equal data give equal bytes.
  const own = body.join("").replace(/plot-(?:clip|marker)-\d+/g, (id) => {
    const known = ids.get(id) ?? `c${ids.size + 1}`;
    ids.set(id, known);
    return known;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="${theme.font}, Verdana, sans-serif" font-size="${theme.fontSize}">` +
    `<rect width="${width}" height="${height}" fill="${theme.paper}"/>${own}</svg>`
  );
}

export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  readonly mark: "line" | "dash" | "dot" | "ring" | "down" | "area" | "block" | "frame";
}

/** A row of legend entries, `width` px wide, wrapped where needed; with its height. */
export function drawLegend(entries: readonly LegendEntry[], width: number): { svg: string; height: number } {
  let [x, y] = [0, 0];
  const parts = entries.map(({ label, color, mark }) => {
    const length = 26 + textWidth(label) + 14;
    if (x > 0 && x + length > width) [x, y] = [0, y + 16];
    const at = x;
    x += length;
    const symbols = {
      line: `<path d="M${at},${y + 8}h20" stroke="${color}" stroke-width="2"/>`,
      dash: `<path d="M${at},${y + 8}h20" stroke="${color}" stroke-width="1.5" stroke-dasharray="4 3"/>`,
      dot: `<circle cx="${at + 10}" cy="${y + 8}" r="3.5" fill="${color}"/>`,
      ring: `<circle cx="${at + 10}" cy="${y + 8}" r="4" fill="none" stroke="${color}" stroke-width="1.5"/>`,
      down: `<path d="M${at + 5},${y + 4}h10l-5,8z" fill="${color}"/>`,
      block: `<rect x="${at}" y="${y + 3}" width="20" height="10" fill="${color}"/>`,
      frame: `<rect x="${at + 0.5}" y="${y + 3.5}" width="19" height="9" fill="none" stroke="${color}"/>`,
      area: `<rect x="${at}" y="${y + 3}" width="20" height="10" fill="${color}" fill-opacity="0.35"/>`,
    };
    return `${symbols[mark]}<text x="${at + 25}" y="${y + 12}" fill="${theme.ink}">${escapeText(label)}</text>`;
  });
  return { svg: parts.join(""), height: entries.length === 0 ? 0 : y + 16 };
}

/** A legend over panels of one height, one below the other. */
export function stackPanels(
  legend: { readonly svg: string; readonly height: number },
  panels: readonly string[],
  width: number,
  height: number,
): Pick<Figure, "svg" | "width" | "height"> {
  const pieces = panels.map((svg, i): Piece => ({ x: 0, y: legend.height + 6 + i * height, svg }));
  const total = legend.height + 10 + Math.max(1, panels.length) * height;
  const svg = composeSvg(width, total, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]);
  return { svg, width, height: total };
}

/** Width of a text [px] at the theme's size, a little on the safe side for DejaVu Sans. */
export function textWidth(text: string): number {
  return text.length * 0.6 * theme.fontSize;
}

export function escapeText(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  // Control characters have no place in XML, escaped or not.
  return Array.from(text, (c) => entities[c] ?? (c < " " && c !== "\n" && c !== "\t" ? "�" : c)).join("");
}

/** PNG bytes of an SVG document; `scale` device pixels per unit. Only the fonts in the package are read. */
export function renderPng(svg: string, scale = 2): Uint8Array {
  const fonts = createRequire(import.meta.url);
  const fontFiles = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((name) =>
    fonts.resolve(`dejavu-fonts-ttf/ttf/${name}`),
  );
  const image = new Resvg(svg, {
    background: theme.paper,
    fitTo: { mode: "zoom", value: scale },
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: theme.font },
  });
  return image.render().asPng();
}
