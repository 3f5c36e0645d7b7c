import { printUnit } from "./axis.ts";
import { darkRules, darkTheme } from "./dark.ts";
import { escapeText, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

/** A number, a number with an interval, words, or nothing known. */
export type Cell =
  | string
  | number
  | { readonly value: number; readonly low: number; readonly high: number }
  | undefined;

export interface ReportTable {
  readonly title: string;
  readonly columns: readonly {
    readonly label: string;
    readonly unit?: string;
    /** Decimals of the column's numbers; enough for three digits of the smallest one when absent, four at most. */
    readonly decimals?: number;
  }[];
  /** [row][column] */
  readonly rows: readonly (readonly Cell[])[];
}

export interface ReportSection {
  readonly heading: string;
  /** One paragraph per entry, plain text. */
  readonly text?: readonly string[];
  readonly tables?: readonly ReportTable[];
  readonly figures?: readonly Figure[];
}

export interface Report {
  readonly title: string;
  /** Name and value: what was run, on what, when, with which seed. */
  readonly facts?: readonly (readonly [string, string])[];
  readonly sections: readonly ReportSection[];
}

/** Figures shrink to this much of their size, then scroll inside themselves: smaller letters can't be read. */
const LEAST_SCALE = 0.8;

const STYLE = `
:root { color-scheme: light dark; --paper: ${theme.paper}; --ink: ${theme.ink}; --grid: ${theme.grid}; --faint: ${theme.faint}; --link: ${theme.blue}; --soft: #5a5a5a; }
body { margin: 0 auto; max-width: 61rem; padding: 2rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 "DejaVu Sans", Verdana, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; margin: 0 0 .8rem; } h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--grid); }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
nav ol { margin: .3rem 0; padding-left: 1.4rem; columns: 2 16rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; font-size: .88rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0 1.4rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding-bottom: .35rem; } caption span { position: sticky; left: 0; display: inline-block; max-width: min(61rem, calc(100vw - 2rem)); }
th, td { padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: baseline; white-space: nowrap; }
thead th { border-bottom: 1.5px solid var(--faint); } .number { text-align: right; } .unit, .range { color: var(--soft); font-weight: normal; }
tbody td:first-child { position: sticky; left: 0; background: var(--paper); background-clip: padding-box; } .range { display: block; font-size: .85em; }
.figures { display: flex; flex-wrap: wrap; gap: 0 1.5rem; align-items: flex-start; } .figures svg { display: block; max-width: 100%; height: auto; }
figure { margin: 1.4rem 0 1.8rem; max-width: 100%; break-inside: avoid; } figcaption { font-size: .85rem; color: var(--soft); max-width: 46rem; margin-top: .4rem; }
@media (max-width: 40rem) { body { padding: 1rem .9rem 3rem; } h1 { font-size: 1.35rem; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } nav { display: none; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
@media screen and (prefers-color-scheme: dark) {
:root { --paper: ${darkTheme.paper}; --ink: ${darkTheme.ink}; --grid: ${darkTheme.grid}; --faint: ${darkTheme.faint}; --link: ${darkTheme.blue}; --soft: #a8afb6; }
${darkRules()}
}
`;

/** One self-contained HTML page: inline style and SVG, no script, nothing fetched. All words are escaped. */
export function renderReport({ title, facts, sections }: Report): string {
  let figureCount = 0;
  const body = sections.map((section, i) => {
    const paragraphs = (section.text ?? []).map((text) => `<p>${escapeText(text)}</p>`);
    const tables = (section.tables ?? []).map(renderTable);
    const figures = (section.figures ?? []).map((figure) => renderFigure(figure, ++figureCount));
    const drawn = figures.length === 0 ? [] : [`<div class="figures">${figures.join("\n")}</div>`];
    return `<section id="s${i + 1}"><h2>${escapeText(section.heading)}</h2>${[...paragraphs, ...tables, ...drawn].join("\n")}</section>`;
  });
  const contents = sections.map(({ heading }, i) => `<li><a href="#s${i + 1}">${escapeText(heading)}</a></li>`);
  const list = (facts ?? []).map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(value)}</dd>`);
  return [
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>',
    '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
    `<title>${escapeText(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escapeText(title)}</h1>`,
    ...(list.length > 0 ? [`<dl>${list.join("")}</dl>`] : []),
    ...(contents.length > 1 ? [`<nav aria-label="Contents"><ol>${contents.join("")}</ol></nav>`] : []),
    ...body,
    "</body></html>\n",
  ].join("\n");
}

/** Ids (clip paths) are made unique to the figure: the same ones may come from another process or twice. */
function renderFigure({ svg, width, caption }: Figure, number: number): string {
  const own = svg
    .replace(/(\bid="|url\(#)/g, `$1f${number}-`)
    .replace(
      "<svg",
      `<svg role="img" aria-label="Figure ${number}" style="min-width:${Math.round(LEAST_SCALE * width)}px"`,
    );
  return `<figure id="f${number}" style="width:${width}px"><div class="wide">${own}</div><figcaption><b>Figure ${number}.</b> ${escapeText(caption)}</figcaption></figure>`;
}

function renderTable({ title, columns, rows }: ReportTable): string {
  const isNumeric = columns.map((_, j) => rows.some((row) => row[j] !== undefined && typeof row[j] !== "string"));
  const decimals = columns.map((column, j) => column.decimals ?? neededDecimals(rows.map((row) => row[j])));
  const align = (j: number) => (isNumeric[j] ? ' class="number"' : "");
  const head = columns.map(({ label, unit }, j) => {
    const shown =
      unit === undefined || unit === "" ? "" : ` <span class="unit">[${escapeText(printUnit(unit))}]</span>`;
    return `<th scope="col"${align(j)}>${escapeText(label)}${shown}</th>`;
  });
  const body = rows.map((row) => {
    return `<tr>${columns.map((_, j) => `<td${align(j)}>${renderCell(row[j], decimals[j])}</td>`).join("")}</tr>`;
  });
  return (
    `<div class="wide"><table><caption><span>${escapeText(title)}</span></caption>` +
    `<thead><tr>${head.join("")}</tr></thead><tbody>${body.join("")}</tbody></table></div>`
  );
}

function renderCell(cell: Cell, decimals: number | undefined): string {
  if (cell === undefined) return "–";
  if (typeof cell === "string") return escapeText(cell);
  if (typeof cell === "number") return formatNumber(cell, decimals);
  const { value, low, high } = cell;
  return `${formatNumber(value, decimals)}<span class="range">${formatNumber(low, decimals)} … ${formatNumber(high, decimals)}</span>`;
}

function formatNumber(value: number, decimals: number | undefined): string {
  if (!Number.isFinite(value)) return "–";
  const digits =
    decimals === undefined
      ? { minimumSignificantDigits: 3, maximumSignificantDigits: 3 }
      : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  const text = value.toLocaleString("en-US", digits);
  return text.replace(/^-0(\.0*)?$/, "0$1").replace("-", "−");
}

/** Undefined where one number of decimals can't serve the whole column: three significant digits each, then. */
function neededDecimals(cells: readonly Cell[]): number | undefined {
  const values = cells
    .map((cell) => (typeof cell === "object" ? cell.value : cell))
    .filter((v): v is number => typeof v === "number" && Number.isFinite(v));
  if (values.every(Number.isInteger)) return 0;
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  const least = Math.min(...sizes);
  if (Math.max(...sizes) > 50 * least) return undefined;
  return Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(least))));
}
