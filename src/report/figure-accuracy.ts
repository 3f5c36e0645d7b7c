import { counted, percent } from "../text.ts";
import * as Plot from "@observablehq/plot";
import { fitAxis, formatTick, printUnit, sparseTicks } from "./axis.ts";
import type { Axis, AxisScale } from "./axis.ts";
import { densityMarks } from "./density.ts";
import { composeSvg, drawLegend, drawPanel, points, seriesColors, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

const WIDTH = 460;

export interface PhotozData {
  readonly zSpec: ArrayLike<number>;
  readonly zPhot: ArrayLike<number>;
}

/** z_phot against z_spec with the 1:1 and |dz| = 0.05, 0.15 lines; dz = (zPhot - zSpec) / (1 + zSpec) below. */
export function drawPhotoz({ zSpec, zPhot }: PhotozData): Figure {
  const dz = Float64Array.from(zSpec, (z, i) => (zPhot[i] - z) / (1 + z));
  const x = fitAxis({ label: "spectroscopic redshift" }, [zSpec]);
  const y = fitAxis({ label: "photometric redshift (median)" }, [zSpec]);
  const summary = robust(dz);
  const reach = Math.min(0.5, Math.max(0.02, 6 * summary.scatter));
  const below = fitAxis({ label: "Δz / (1 + z)", domain: [-reach, reach] }, []);
  const band = (limit: number, stroke: string) =>
    [-limit, limit].map((d) =>
      Plot.line(
        lineOver(x, (z) => z + d * (1 + z)),
        { stroke, strokeDasharray: "4 3", clip: true },
      ),
    );
  const main = densityMarks(points(x, y, zSpec, zPhot));
  const residual = densityMarks(points(x, below, zSpec, dz));
  const outliers = [0.05, 0.15].map((limit) => dz.filter((d) => Math.abs(d) > limit).length / Math.max(1, dz.length));
  const text = [
    `σ_NMAD = ${short(summary.scatter)}`,
    `bias = ${short(summary.centre)}`,
    `η(0.05) = ${percent(outliers[0], 1)}`,
    `η(0.15) = ${percent(outliers[1], 1)}`,
  ];
  const legend = drawLegend(
    [
      { label: "1:1", color: theme.ink, mark: "line" },
      { label: "|Δz| = 0.05", color: theme.yellow, mark: "dash" },
      { label: "|Δz| = 0.15", color: theme.orange, mark: "dash" },
    ],
    WIDTH - 70,
  );
  const svg = composeSvg(WIDTH, 546, [
    { x: theme.gutter, y: 4, svg: legend.svg },
    {
      x: 0,
      y: 20,
      svg: upperPanel(x, y, [
        ...main.marks,
        ...band(0.15, theme.orange),
        ...band(0.05, theme.yellow),
        Plot.line(
          lineOver(x, (z) => z),
          { stroke: theme.ink, clip: true },
        ),
        noteMark(text),
      ]),
    },
    {
      x: 0,
      y: 386,
      svg: drawPanel({
        width: WIDTH,
        height: 160,
        x,
        y: sparseTicks(below, 5),
        marks: [...residual.marks, Plot.ruleY([0], { stroke: theme.ink })],
      }),
    },
  ]);
  const caption =
    `Predicted against true redshift of ${counted(dz.length, "galaxy", "galaxies")}, and the scaled error below. Points on the line are right; ` +
    `η is the fraction outside the dashed lines. ${outside(dz, reach)}${main.note}`;
  return { svg, width: WIDTH, height: 546, caption: caption.trim() };
}

/** The square panel above a panel of residuals, which shows the shared x axis. */
function upperPanel(x: AxisScale, y: AxisScale, marks: readonly Plot.Markish[]): string {
  return drawPanel({ width: WIDTH, height: 372, x, y, hide: "x", margin: { left: theme.gutter }, marks });
}

export interface PropertyData {
  readonly truth: ArrayLike<number>;
  /** Medians. */
  readonly predicted: ArrayLike<number>;
  /** Label, unit and scale of the property (asinh for equivalent widths). */
  readonly axis: Axis;
}

/** Predicted against true value of any property, and the residual (in its unit) below. */
export function drawProperty({ truth, predicted, axis }: PropertyData): Figure {
  const residual = Float64Array.from(truth, (value, i) => predicted[i] - value);
  const x = fitAxis({ ...axis, label: `true ${axis.label}` }, [truth]);
  const y = fitAxis({ ...axis, label: `predicted ${axis.label}` }, [truth]);
  const { centre, scatter } = robust(residual);
  const unit = axis.unit === undefined || axis.unit === "" ? "" : ` ${printUnit(axis.unit)}`;
  const reach = Math.max(6 * scatter, 1e-6);
  const below = fitAxis(
    { label: "predicted − true", ...(axis.unit === undefined ? {} : { unit: axis.unit }), domain: [-reach, reach] },
    [],
  );
  const main = densityMarks(points(x, y, truth, predicted));
  const lower = densityMarks(points(x, below, truth, residual));
  const lines = [-1, 0, 1].map((k) =>
    Plot.ruleY([centre + k * scatter], {
      stroke: k === 0 ? theme.ink : theme.orange,
      ...(k === 0 ? {} : { strokeDasharray: "4 3" }),
    }),
  );
  const svg = composeSvg(WIDTH, 530, [
    {
      x: 0,
      y: 4,
      svg: upperPanel(x, y, [
        ...main.marks,
        Plot.line(
          [
            [x.domain[0], x.domain[0]],
            [x.domain[1], x.domain[1]],
          ],
          { stroke: theme.ink },
        ),
        noteMark([`scatter (NMAD) = ${short(scatter)}${unit}`, `bias = ${short(centre)}${unit}`]),
      ]),
    },
    {
      x: 0,
      y: 370,
      svg: drawPanel({ width: WIDTH, height: 160, x, y: sparseTicks(below, 5), marks: [...lower.marks, ...lines] }),
    },
  ]);
  const caption = `Predicted (median) against true ${axis.label} of ${counted(truth.length, "galaxy", "galaxies")}; below, the error, with its median and robust ±1σ (dashed). ${outside(residual, reach)}${main.note}`;
  return { svg, width: WIDTH, height: 530, caption: caption.trim() };
}

export interface CalibrationData {
  /** Predictive cdf at the truth, one series per method or field (at most 6). */
  readonly series: readonly { readonly label: string; readonly pit: ArrayLike<number> }[];
}

const PIT_BINS = 20;

/** Empirical against nominal coverage of central intervals, and PIT histograms. */
export function drawCalibration({ series }: CalibrationData): Figure {
  const unitAxis = (label: string) => fitAxis({ label, domain: [0, 1] }, []);
  const [nominal, empirical, pitAxis] = [
    unitAxis("nominal coverage"),
    unitAxis("fraction of truths inside"),
    unitAxis("PIT (predicted cdf at the truth)"),
  ];
  const curves = series.map(({ pit }, i) =>
    Plot.line(coverageLine(pit), { stroke: seriesColors[i % seriesColors.length], strokeWidth: 1.8 }),
  );
  const densities = series.map(({ pit }) => histogramDensity(pit));
  const density = fitAxis(
    { label: "density", domain: [0, Math.max(1.6, ...densities.map((d) => 1.08 * Math.max(...d)))] },
    [],
  );
  const steps = densities.map((d, i) =>
    Plot.line(staircase(d), { stroke: seriesColors[i % seriesColors.length], strokeWidth: 1.6 }),
  );
  const legend = drawLegend(
    [
      ...series.map(({ label }, i) => ({ label, color: seriesColors[i % seriesColors.length], mark: "line" as const })),
      { label: "perfect", color: theme.faint, mark: "dash" },
    ],
    620,
  );
  const top = legend.height + 8;
  const ideal = { stroke: theme.faint, strokeDasharray: "4 3", strokeWidth: 1.5 };
  const svg = composeSvg(680, top + 320, [
    { x: theme.gutter, y: 4, svg: legend.svg },
    {
      x: 0,
      y: top,
      svg: drawPanel({
        width: 340,
        height: 320,
        x: nominal,
        y: empirical,
        marks: [
          Plot.line(
            lineOver(nominal, (level) => level),
            ideal,
          ),
          ...curves,
        ],
      }),
    },
    {
      x: 340,
      y: top,
      svg: drawPanel({ width: 340, height: 320, x: pitAxis, y: density, marks: [Plot.ruleY([1], ideal), ...steps] }),
    },
  ]);
  const caption =
    "Left: how often the truth falls inside the predicted central interval of each nominal level; on the diagonal the intervals mean what they say, " +
    "below it they are too narrow. Right: the truths' places in their predicted distributions; flat is calibrated, ∪ overconfident, ∩ underconfident, a slope biased.";
  return { svg, width: 680, height: top + 320, caption };
}

/** Fraction of truths inside the central interval of each level, as at most 400 points of a line. */
function coverageLine(pit: ArrayLike<number>): [number, number][] {
  const reach = Float64Array.from(pit, (value) => 2 * Math.abs(value - 0.5)).sort();
  const step = Math.max(1, Math.floor(reach.length / 400));
  const at: [number, number][] = [[0, 0]];
  for (let k = 0; k < reach.length; k += step) at.push([reach[k], (k + 1) / reach.length]);
  return [...at, [1, 1]];
}

function staircase(density: Float64Array): [number, number][] {
  return Array.from(density).flatMap((value, k): [number, number][] => [
    [k / PIT_BINS, value],
    [(k + 1) / PIT_BINS, value],
  ]);
}

function histogramDensity(pit: ArrayLike<number>): Float64Array {
  const density = new Float64Array(PIT_BINS);
  for (let i = 0; i < pit.length; i++)
    density[Math.min(PIT_BINS - 1, Math.max(0, Math.floor(pit[i] * PIT_BINS)))] += PIT_BINS / pit.length;
  return density;
}

function outside(errors: Float64Array, reach: number): string {
  const beyond = errors.filter((value) => Math.abs(value) > reach).length;
  return beyond === 0 ? "" : `${counted(beyond, "point lies", "points lie")} outside the lower panel. `;
}

/** Median and 1.4826 median absolute deviation of the finite values. */
function robust(values: ArrayLike<number>): { centre: number; scatter: number } {
  const middle = (list: Float64Array) => (list.length === 0 ? 0 : list.sort()[list.length >> 1]);
  const finite = Float64Array.from(values).filter(Number.isFinite);
  const centre = middle(finite);
  return { centre, scatter: 1.4826 * middle(finite.map((value) => Math.abs(value - centre))) };
}

function lineOver(x: AxisScale, f: (value: number) => number): [number, number][] {
  return [x.domain[0], x.domain[1]].map((value) => [value, f(value)]);
}

/** Lines of text in the upper left corner of the frame, on a veil. */
function noteMark(lines: readonly string[]): Plot.Markish {
  return Plot.text([lines.join("\n")], {
    frameAnchor: "top-left",
    dx: 8,
    dy: 8,
    lineAnchor: "top",
    textAnchor: "start",
    lineHeight: 1.25,
    fill: theme.ink,
    stroke: theme.paper,
    strokeWidth: 4,
  });
}

/** Three significant digits, a true minus sign. */
export function short(value: number): string {
  return formatTick(Number(value.toPrecision(3)), undefined);
}
