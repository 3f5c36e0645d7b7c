import * as Plot from "@observablehq/plot";
import { fitAxis } from "./axis.ts";
import type { AxisScale } from "./axis.ts";
import { wavelengthAxis } from "./figure-spectrum.ts";
import { composeSvg, drawLegend, drawPanel, theme } from "./svg.ts";
import type { Figure, Piece } from "./svg.ts";

/** One flux of an object, and what its other fluxes say of it. In the figure's flux unit. */
export interface HiddenBand {
  /** Pivot wavelength [Angstrom]. */
  readonly wavelength: number;
  /** Observed flux and its 1 sigma error. */
  readonly flux: number;
  readonly fluxError: number;
  /** Expected quantiles at 0.05, 0.16, 0.5, 0.84, 0.95. */
  readonly quantiles: readonly [number, number, number, number, number];
  /** Observed less expected, in sigma of both. */
  readonly deviation: number;
}

export interface StrangeData {
  readonly fluxUnit: string;
  readonly objects: readonly { readonly title: string; readonly bands: readonly HiddenBand[] }[];
}

const MOST_OBJECTS = 8;
/** Beyond so many sigma a band is marked. */
const MARKED = 3;
/** Deviations are drawn up to here [sigma]. */
const FARTHEST = 12;
/** The axis of fluxes is for those with this S/N at least. */
const RELIABLE = 8;
const [WIDTH, FLUX_HEIGHT, SIGMA_HEIGHT] = [680, 190, 110];

const isMarked = ({ deviation }: HiddenBand): boolean => Math.abs(deviation) > MARKED;
const colorOf = (band: HiddenBand): string => (isMarked(band) ? theme.orange : theme.ink);

/** Objects that are unlike what the network knows: observed fluxes on the expected ones, and their deviations below. */
export function drawStrange({ fluxUnit, objects }: StrangeData): Figure {
  const shown = objects.slice(0, MOST_OBJECTS);
  const legend = drawLegend(
    [
      { label: "observed", color: theme.ink, mark: "dot" },
      { label: `more than ${MARKED}σ off`, color: theme.orange, mark: "dot" },
      { label: "expected, median", color: theme.blue, mark: "line" },
      { label: "16–84 % and 5–95 %", color: theme.blue, mark: "area" },
    ],
    640,
  );
  const height = FLUX_HEIGHT + SIGMA_HEIGHT;
  const pieces = shown.flatMap((object, i): Piece[] => {
    const y = legend.height + 6 + i * height;
    const bands = [...object.bands].sort((a, b) => a.wavelength - b.wavelength);
    const x = wavelengthAxis(bands.map(({ wavelength }) => wavelength));
    return [
      { x: 0, y, svg: fluxPanel(object.title, bands, x, fluxUnit) },
      { x: 0, y: y + FLUX_HEIGHT, svg: sigmaPanel(bands, x) },
    ];
  });
  const total = legend.height + 10 + Math.max(1, shown.length) * height;
  const caption =
    "Fluxes of each object (points, 1σ) on what its other bands say of them (blue): every band was hidden once, its neighbours seen. " +
    `Below, observed less expected in sigma of both, up to ${FARTHEST}; beyond ${MARKED} in orange. A band that is wrong makes its neighbours look wrong too, though less.` +
    (objects.length > shown.length ? ` The first ${shown.length} of ${objects.length}.` : "");
  return {
    svg: composeSvg(WIDTH, total, [{ x: theme.gutter, y: 3, svg: legend.svg }, ...pieces]),
    width: WIDTH,
    height: total,
    caption,
  };
}

function fluxPanel(title: string, bands: readonly HiddenBand[], x: AxisScale, unit: string): string {
  const at = (band: HiddenBand): number => x.forward(band.wavelength);
  // the axis is for what is seen well: a shallow band's noise may run out of the panel, its deviation stands below
  const reliable = bands.filter(({ flux, fluxError }) => Math.abs(flux) > RELIABLE * fluxError);
  const ends = (reliable.length > 0 ? reliable : bands).flatMap(({ flux, quantiles }) => [
    flux,
    quantiles[1],
    quantiles[3],
  ]);
  const y = fitAxis({ label: "flux", unit }, [], ends);
  const between = (low: 0 | 1, high: 3 | 4, fillOpacity: number): Plot.Markish =>
    Plot.areaY(bands, {
      x: at,
      y1: (band: HiddenBand) => band.quantiles[low],
      y2: (band: HiddenBand) => band.quantiles[high],
      fill: theme.blue,
      fillOpacity,
      clip: true,
    });
  const marks = [
    between(0, 4, 0.15),
    between(1, 3, 0.3),
    Plot.line(bands, { x: at, y: (band: HiddenBand) => band.quantiles[2], stroke: theme.blue, clip: true }),
    Plot.ruleX(bands, {
      x: at,
      y1: (band: HiddenBand) => band.flux - band.fluxError,
      y2: (band: HiddenBand) => band.flux + band.fluxError,
      stroke: colorOf,
      strokeOpacity: 0.7,
      clip: true,
    }),
    Plot.dot(bands, { x: at, y: "flux", fill: colorOf, r: 2.5, clip: true }),
  ];
  return drawPanel({
    width: WIDTH,
    height: FLUX_HEIGHT,
    x,
    y,
    title,
    marks,
    hide: "x",
    margin: { left: theme.gutter },
  });
}

function sigmaPanel(bands: readonly HiddenBand[], x: AxisScale): string {
  const most = Math.max(5, ...bands.map(({ deviation }) => Math.min(FARTHEST, Math.abs(deviation))));
  const y = fitAxis({ label: "deviation [σ]", domain: [-1.08 * most, 1.08 * most] }, []);
  const kept = ({ deviation }: HiddenBand): number => Math.min(FARTHEST, Math.max(-FARTHEST, deviation));
  const marks = [
    Plot.ruleY([-MARKED, MARKED], { stroke: theme.faint, strokeDasharray: "3 3" }),
    Plot.ruleX(bands, {
      x: (band: HiddenBand) => x.forward(band.wavelength),
      y1: 0,
      y2: kept,
      stroke: colorOf,
      strokeWidth: 2,
    }),
    Plot.ruleY([0], { stroke: theme.ink }),
  ];
  return drawPanel({ width: WIDTH, height: SIGMA_HEIGHT, x, y, marks });
}
