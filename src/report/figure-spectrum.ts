import * as Plot from "@observablehq/plot";
import { fitAxis } from "./axis.ts";
import type { AxisScale } from "./axis.ts";
import { composeSvg, drawLegend, drawPanel, theme } from "./svg.ts";
import type { Figure, Piece } from "./svg.ts";
import { counted } from "../text.ts";

/** One band of one galaxy. Fluxes and errors in the figure's flux unit. */
export interface SedBand {
  /** Pivot wavelength [Angstrom]. */
  readonly wavelength: number;
  /** Observed flux and its 1 sigma error. */
  readonly flux?: number;
  readonly fluxError?: number;
  /** Given to the model: flux is input, not truth. */
  readonly isGiven: boolean;
  /** Predicted quantiles at 0.05, 0.16, 0.5, 0.84, 0.95, for bands that were asked for. */
  readonly quantiles?: readonly [number, number, number, number, number];
}

export interface SedData {
  readonly fluxUnit: string;
  readonly objects: readonly { readonly title: string; readonly bands: readonly SedBand[] }[];
}

const MOST_OBJECTS = 6;
/** Intervals reach beyond what is seen and likely by no more than this part of its span. */
const MOST_BEYOND = 0.5;

/**
 * Ends of the flux axis: observed fluxes whose errors are no larger than the spectrum is bright, 16 - 84 % of the predictions,
 * and as much of 5 - 95 % as leaves these readable.
 */
function fluxEnds(bands: readonly SedBand[]): [number, number] {
  const seen = bands.flatMap(({ flux, fluxError = 0 }) => (flux === undefined ? [] : [{ flux, fluxError }]));
  const told = bands.flatMap(({ quantiles }) => (quantiles === undefined ? [] : [quantiles]));
  const sure = seen.filter(({ flux, fluxError }) => flux > 3 * fluxError);
  const bright = Math.max(...sure.map(({ flux }) => flux), ...told.map((q) => q[2]));
  const kept = bright > 0 ? seen.filter(({ fluxError }) => fluxError <= bright) : seen;
  const inner = [...(kept.length > 0 ? kept : seen).map(({ flux }) => flux), ...told.flatMap((q) => [q[1], q[3]])];
  const [low, high] = [Math.min(...inner), Math.max(...inner)];
  const reach = MOST_BEYOND * (high - low);
  const outer = told.flatMap((q) => [Math.max(q[0], low - reach), Math.min(q[4], high + reach)]);
  return [Math.min(low, ...outer), Math.max(high, ...outer)];
}

/** Spectral energy distributions: given bands, held-out bands, and what was predicted for these. */
export function drawSeds({ fluxUnit, objects }: SedData): Figure {
  const shown = objects.slice(0, MOST_OBJECTS);
  const legend = drawLegend(
    [
      { label: "given", color: theme.ink, mark: "dot" },
      { label: "held out (truth)", color: theme.orange, mark: "dot" },
      { label: "predicted median", color: theme.blue, mark: "line" },
      { label: "16–84 % and 5–95 %", color: theme.blue, mark: "area" },
    ],
    640,
  );
  const height = 240;
  const pieces = shown.map((object, i): Piece => ({
    x: 0,
    y: legend.height + 6 + i * height,
    svg: sedPanel(object, fluxUnit, height),
  }));
  const total = legend.height + 10 + Math.max(1, shown.length) * height;
  const outside = shown.flatMap(({ bands }) => {
    const [low, high] = fluxEnds(bands);
    return bands.filter(({ flux }) => flux !== undefined && (flux < low || flux > high));
  }).length;
  const hidden = outside === 0 ? "" : ` Not shown: ${counted(outside, "point")} with errors larger than the spectrum.`;
  const caption =
    "Flux against wavelength. Plain points were given to the model, orange ones were hidden from it; the blue line and bands are its prediction for the hidden bands. " +
    "About two thirds of the orange points should lie in the dark band, apart from their own error bars (1σ)." +
    hidden +
    (objects.length > shown.length ? ` The first ${shown.length} of ${objects.length}.` : "");
  return {
    svg: composeSvg(680, total, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]),
    width: 680,
    height: total,
    caption,
  };
}

function sedPanel({ title, bands }: SedData["objects"][number], unit: string, height: number): string {
  const sorted = [...bands].sort((a, b) => a.wavelength - b.wavelength);
  const x = wavelengthAxis(sorted.map((b) => b.wavelength));
  const y = fitAxis({ label: "flux", unit }, [], fluxEnds(sorted).filter(Number.isFinite));
  const predicted = predictedRuns(sorted).flatMap((run) => predictedMarks(run, x));
  return drawPanel({ width: 680, height, x, y, title, marks: [...predicted, ...observedMarks(sorted, x)] });
}

function observedMarks(sorted: readonly SedBand[], x: AxisScale): Plot.Markish[] {
  const seen = sorted.filter((b) => b.flux !== undefined && Number.isFinite(b.flux));
  return [true, false].flatMap((isGiven) => {
    const rows = seen.filter((b) => b.isGiven === isGiven);
    const color = isGiven ? theme.ink : theme.orange;
    const bars = rows.filter((b) => (b.fluxError ?? 0) > 0);
    return [
      Plot.ruleX(bars, {
        x: (b: SedBand) => x.forward(b.wavelength),
        y1: (b: SedBand) => b.flux! - b.fluxError!,
        y2: (b: SedBand) => b.flux! + b.fluxError!,
        stroke: color,
        strokeOpacity: 0.7,
        clip: true,
      }),
      Plot.dot(rows, { x: (b: SedBand) => x.forward(b.wavelength), y: "flux", fill: color, r: 2.5, clip: true }),
    ];
  });
}

type Asked = SedBand & { readonly quantiles: NonNullable<SedBand["quantiles"]> };

/** Bands of 5 - 95 % and 16 - 84 %, and the median; bars where the band stands alone. */
function predictedMarks(run: Asked[], x: AxisScale): Plot.Markish[] {
  const half = 0.006 * (x.domain[1] - x.domain[0]);
  return [
    ...[
      [0, 4, 0.15],
      [1, 3, 0.3],
    ].map(([low, high, fillOpacity]) =>
      run.length === 1
        ? Plot.ruleX(run, {
            x: (b: Asked) => x.forward(b.wavelength),
            y1: (b: Asked) => b.quantiles[low],
            y2: (b: Asked) => b.quantiles[high],
            stroke: theme.blue,
            strokeOpacity: fillOpacity,
            strokeWidth: 7,
            clip: true,
          })
        : Plot.areaY(run, {
            x: (b: Asked) => x.forward(b.wavelength),
            y1: (b: Asked) => b.quantiles[low],
            y2: (b: Asked) => b.quantiles[high],
            fill: theme.blue,
            fillOpacity,
            clip: true,
          }),
    ),
    run.length === 1
      ? Plot.ruleY(run, {
          x1: (b: Asked) => x.forward(b.wavelength) - half,
          x2: (b: Asked) => x.forward(b.wavelength) + half,
          y: (b: Asked) => b.quantiles[2],
          stroke: theme.blue,
          strokeWidth: 1.6,
        })
      : Plot.line(run, {
          x: (b: Asked) => x.forward(b.wavelength),
          y: (b: Asked) => b.quantiles[2],
          stroke: theme.blue,
          strokeWidth: 1.6,
          clip: true,
        }),
  ];
}

/** Neighbouring bands that were all asked for: a line across a given band would hide that it was given. */
function predictedRuns(sorted: readonly SedBand[]): Asked[][] {
  const runs: Asked[][] = [[]];
  for (const band of sorted) {
    if (band.quantiles === undefined) runs.push([]);
    else runs.at(-1)!.push({ ...band, quantiles: band.quantiles });
  }
  return runs.filter((run) => run.length > 0);
}

/** Logarithmic where the bands span more than a factor of 10 (infrared), linear else. */
export function wavelengthAxis(wavelengths: readonly number[]): AxisScale {
  const [low, high] = [Math.min(...wavelengths), Math.max(...wavelengths)];
  return fitAxis({ label: "wavelength", unit: "Angstrom", scale: high / low > 10 ? "log" : "linear" }, [], wavelengths);
}
