import * as Plot from "@observablehq/plot";
import { fitAxis } from "./axis.ts";
import { drawLegend, drawPanel, stackPanels, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

/** One galaxy's spectrum as it was answered; arrays of one length, NaN where a cell is not observed, not known or not answered. */
export interface AnsweredSpectrum {
  readonly title: string;
  /** [Angstrom] */
  readonly wavelength: ArrayLike<number>;
  /** Quantiles at 0.05, 0.16, 0.5, 0.84, 0.95 of each cell. */
  readonly quantiles: readonly [
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
    ArrayLike<number>,
  ];
  /** Observed flux of each cell, and its 1 sigma error. */
  readonly flux: ArrayLike<number>;
  readonly fluxError: ArrayLike<number>;
  /** Without noise, where that is known. */
  readonly clean?: ArrayLike<number>;
}

export interface AnsweredData {
  readonly fluxUnit: string;
  readonly objects: readonly AnsweredSpectrum[];
}

const [WIDTH, HEIGHT] = [900, 220];

/** Spectra that were asked for, with their errors, over what was observed and, where it is known, what is true. */
export function drawAnswered({ fluxUnit, objects }: AnsweredData): Figure {
  const isKnown = objects.some(({ clean }) => clean !== undefined);
  const legend = drawLegend(
    [
      { label: "observed, not given", color: theme.faint, mark: "dot" },
      ...(isKnown ? [{ label: "without noise", color: theme.orange, mark: "line" as const }] : []),
      { label: "answered median", color: theme.blue, mark: "line" },
      { label: "16–84 % and 5–95 %", color: theme.blue, mark: "area" },
    ],
    WIDTH - theme.gutter,
  );
  const known = isKnown
    ? " The orange line is the spectrum without noise, scaled to the observed one, of which the fibre lost some light: it should lie in the dark band two thirds of the way."
    : "";
  return {
    ...stackPanels(
      legend,
      objects.map((one) => panel(one, fluxUnit)),
      WIDTH,
      HEIGHT,
    ),
    caption: `Spectra that were hidden from the network and asked for, on its coarse grid. Grey: the observed cells with their errors (1σ).${known} Bands are of each cell by itself: neighbours err together.`,
  };
}

interface Cell {
  readonly wavelength: number;
  readonly quantiles: readonly number[];
  readonly flux: number;
  readonly error: number;
  readonly clean: number;
}

/** Ends of the flux axis: the inner quantiles of what is answered and true; noise does not set it. */
function fluxEnds(cells: readonly Cell[]): [number, number] {
  const told = cells.flatMap(({ quantiles, clean }) => [quantiles[1], quantiles[3], clean]).filter(Number.isFinite);
  const sorted = told.sort((a, b) => a - b);
  const [low, high] = [0.005, 0.995].map((level) => sorted[Math.floor(level * (sorted.length - 1))] ?? level);
  return [Math.min(0, low - 0.1 * (high - low)), high + 0.25 * (high - low)];
}

function panel({ title, wavelength, quantiles, flux, fluxError, clean }: AnsweredSpectrum, unit: string): string {
  const cells = Array.from(wavelength, (at, c): Cell => ({
    wavelength: at,
    quantiles: quantiles.map((level) => level[c]),
    flux: flux[c],
    error: fluxError[c],
    clean: clean?.[c] ?? Number.NaN,
  }));
  const x = fitAxis({ label: "wavelength", unit: "Angstrom" }, [], [wavelength[0], wavelength[wavelength.length - 1]]);
  const y = fitAxis({ label: "flux", unit, domain: fluxEnds(cells) }, [], []);
  const across = (cell: Cell): number => x.forward(cell.wavelength);
  const area = (low: number, high: number, fillOpacity: number): Plot.Markish =>
    Plot.areaY(cells, {
      x: across,
      y1: (cell: Cell) => y.forward(cell.quantiles[low]),
      y2: (cell: Cell) => y.forward(cell.quantiles[high]),
      fill: theme.blue,
      fillOpacity,
      clip: true,
    });
  const line = (of: (cell: Cell) => number, stroke: string, strokeWidth: number): Plot.Markish =>
    Plot.line(cells, { x: across, y: (cell: Cell) => y.forward(of(cell)), stroke, strokeWidth, clip: true });
  const seen = cells.filter((cell) => Number.isFinite(cell.flux) && cell.error > 0);
  const marks = [
    Plot.ruleX(seen, {
      x: across,
      y1: (cell: Cell) => y.forward(cell.flux - cell.error),
      y2: (cell: Cell) => y.forward(cell.flux + cell.error),
      stroke: theme.faint,
      strokeOpacity: 0.5,
      clip: true,
    }),
    Plot.dot(seen, { x: across, y: (cell: Cell) => y.forward(cell.flux), fill: theme.faint, r: 1.6, clip: true }),
    area(0, 4, 0.15),
    area(1, 3, 0.3),
    ...(clean === undefined ? [] : [line((cell) => cell.clean, theme.orange, 1.2)]),
    line((cell) => cell.quantiles[2], theme.blue, 1.4),
  ];
  return drawPanel({ width: WIDTH, height: HEIGHT, x, y, title, marks });
}
