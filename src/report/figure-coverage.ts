import { composeSvg, drawLegend, escapeText, textWidth, theme } from "./svg.ts";
import type { Figure, LegendEntry, Piece } from "./svg.ts";

/** Colours of a coverage by its distance from nominal: three steps too low (intervals too narrow), even, three too high. */
export const DISTANCES = ["#e8853f", "#f3b78a", "#fadfcb", "#f1f3f4", "#d3e5f2", "#9cc6e3", "#5ea3d0"] as const;
/** Ends of the steps [percentage points]. */
const STEPS = [2, 5, 10];

export interface CoverageShare {
  /** How many truths it is a share of. */
  readonly rows: number;
  /** [level] Share of the truths inside the central interval of each level. */
  readonly coverage: readonly number[];
}

export interface CoverageData {
  /** Nominal levels, one matrix each. */
  readonly levels: readonly number[];
  readonly columns: readonly string[];
  readonly rows: readonly {
    readonly label: string;
    /** [column] Undefined where nothing was asked or known. */
    readonly cells: readonly (CoverageShare | undefined)[];
  }[];
  /** Cells of fewer truths are told, but not judged. */
  readonly least: number;
  /** What the columns are, for the caption. */
  readonly across: string;
}

/** Names of fields are in capitals, which are wider than letters are. */
const CAPITALS = 1.2;
const [CELL, LINE, GAP] = [54, 24, 22]; // px

/** Coverage of central intervals, a matrix per level, coloured by how far it is from nominal. */
export function drawCoverage({ levels, columns, rows, least, across }: CoverageData): Figure {
  const left = 12 + Math.min(180, Math.max(40, ...rows.map(({ label }) => CAPITALS * textWidth(label))));
  const heads = columns.map((name) => wrapped(name, CELL - 4));
  const top = 34 + 13 * Math.max(1, ...heads.map((lines) => lines.length));
  const wide = CELL * Math.max(1, columns.length);
  const width = Math.ceil(Math.max(420, left + levels.length * (wide + GAP)));
  const words = ["> 10 points too low", "5–10", "2–5", "within 2", "2–5", "5–10", "> 10 too high"];
  const entries: LegendEntry[] = [
    ...words.map((label, i) => ({ label, color: DISTANCES[i], mark: "block" as const })),
    { label: `(  ) fewer than ${least} truths`, color: theme.grid, mark: "frame" },
  ];
  const legend = drawLegend(entries, width - 12);
  const matrices = levels.map((level, k): Piece => {
    const title = `<text y="14" font-weight="bold" fill="${theme.ink}">${Math.round(100 * level)} % intervals</text>`;
    const names = heads.map((lines, c) => headText(lines, (c + 0.5) * CELL, top - 6));
    const cells = rows.flatMap((row, r) =>
      columns.map((_, c) => cellMarks(row.cells[c], level, k, least, c * CELL, top + r * LINE)),
    );
    const svg = [title, ...names, ...cells].join("");
    return { x: left + k * (wide + GAP), y: legend.height + 6, svg };
  });
  const labels = rows.map(
    ({ label }, r) =>
      `<text x="${left - 8}" y="${top + r * LINE + 16}" text-anchor="end" fill="${theme.ink}">${escapeText(label)}</text>`,
  );
  const height = legend.height + 6 + top + LINE * Math.max(1, rows.length) + 8;
  const pieces: Piece[] = [
    { x: 8, y: 3, svg: legend.svg },
    { x: 0, y: legend.height + 6, svg: labels.join("") },
    ...matrices,
  ];
  const caption =
    `Per cent of the truths inside the central intervals, by field and ${across}: what a calibrated answer has stands above each matrix. ` +
    `Orange cells have too narrow intervals, blue ones too wide; cells in brackets have fewer than ${least} truths and scatter by more than ${scatter(least)} points at 68 %.`;
  return { svg: composeSvg(width, height, pieces), width, height, caption };
}

/** Binomial error of a coverage of 68 % among so many [percentage points]. */
const scatter = (count: number): string => (100 * Math.sqrt((0.68 * 0.32) / count)).toFixed(0);

/** Colour of a coverage. */
export function distanceColor(coverage: number, level: number): string {
  const points = 100 * (coverage - level);
  const step = STEPS.filter((end) => Math.abs(points) > end).length;
  return DISTANCES[3 + Math.sign(points) * step];
}

function cellMarks(
  cell: CoverageShare | undefined,
  level: number,
  k: number,
  least: number,
  x: number,
  y: number,
): string {
  const at = `x="${x + 1}" y="${y + 1}" width="${CELL - 2}" height="${LINE - 2}"`;
  const isKnown = cell !== undefined && Number.isFinite(cell.coverage[k]);
  if (!isKnown) return `<rect ${at} fill="none" stroke="${theme.grid}"/>`;
  const isFew = cell.rows < least;
  const share = (100 * cell.coverage[k]).toFixed(isFew ? 0 : 1);
  const ground = isFew
    ? `<rect ${at} fill="none" stroke="${theme.grid}"/>`
    : `<rect ${at} fill="${distanceColor(cell.coverage[k], level)}"/>`;
  const words = isFew ? `(${share})` : share;
  return `${ground}<text x="${x + CELL / 2}" y="${y + 16}" text-anchor="middle" fill="${isFew ? theme.faint : theme.ink}">${words}</text>`;
}

/** Lines of at most `width` px, parted at spaces. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Lines of text whose last one stands at `y`. */
function headText(lines: readonly string[], x: number, y: number): string {
  return lines
    .map((line, i) => {
      const at = y - 13 * (lines.length - 1 - i);
      return `<text x="${x}" y="${at}" text-anchor="middle" font-size="10" fill="${theme.ink}">${escapeText(line)}</text>`;
    })
    .join("");
}
