import * as Plot from "@observablehq/plot";
import { fitAxis } from "./axis.ts";
import { drawLegend, drawPanel, stackPanels, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

/** One spectrum: arrays of one length; where `sigma` is not a positive number a pixel is not observed. */
export interface SpectrumShown {
  readonly title: string;
  /** [Angstrom] */
  readonly wavelength: ArrayLike<number>;
  readonly flux: ArrayLike<number>;
  readonly sigma: ArrayLike<number>;
  /** Without noise, where that is known. */
  readonly clean?: ArrayLike<number>;
  /** Lines to mark: name and observed wavelength [Angstrom]. */
  readonly lines: readonly { readonly label: string; readonly wavelength: number }[];
}

export interface SpectraData {
  readonly fluxUnit: string;
  readonly objects: readonly SpectrumShown[];
  readonly caption?: string;
}

const [WIDTH, HEIGHT] = [900, 210];
/** Pixels of a spectrum are drawn in so many bins, each the mean of its own weighted by their inverse variances. */
const BINS = 800;

interface Bin {
  readonly wavelength: number;
  readonly flux: number;
  readonly sigma: number;
  readonly clean: number;
}

/** Means over neighbouring pixels; NaN where none is observed. */
function binSpectrum({ wavelength, flux, sigma, clean }: SpectrumShown): Bin[] {
  const n = wavelength.length;
  const size = Math.max(1, Math.ceil(n / BINS));
  return Array.from({ length: Math.ceil(n / size) }, (_, k) => {
    let [weights, sum, plain, count] = [0, 0, 0, 0];
    for (let i = k * size; i < Math.min(n, (k + 1) * size); i++) {
      if (!(sigma[i] > 0)) continue;
      const weight = 1 / sigma[i] ** 2;
      weights += weight;
      sum += weight * flux[i];
      plain += clean?.[i] ?? Number.NaN;
      count += 1;
    }
    const middle = wavelength[Math.min(n - 1, k * size + (size >> 1))];
    return { wavelength: middle, flux: sum / weights, sigma: 1 / Math.sqrt(weights), clean: plain / count };
  });
}

/** Spectra with their errors below them and lines marked. */
export function drawSpectra({ fluxUnit, objects, caption }: SpectraData): Figure {
  const isKnown = objects.some(({ clean }) => clean !== undefined);
  const legend = drawLegend(
    [
      { label: "observed, binned", color: theme.ink, mark: "line" },
      { label: "1σ of the bin", color: theme.faint, mark: "line" },
      ...(isKnown ? [{ label: "without noise", color: theme.blue, mark: "line" as const }] : []),
      { label: "emission lines", color: theme.orange, mark: "dash" },
    ],
    WIDTH - theme.gutter,
  );
  return {
    ...stackPanels(
      legend,
      objects.map((one) => panel(one, fluxUnit)),
      WIDTH,
      HEIGHT,
    ),
    caption:
      caption ??
      "Observed spectra and their errors. Lines stand where the redshift puts them; errors rise at the sky's lines and where the air absorbs.",
  };
}

function panel(one: SpectrumShown, fluxUnit: string): string {
  const bins = binSpectrum(one);
  // noise and single lines do not set the scale
  const seen = bins
    .map(({ flux }) => flux)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const usual = seen[Math.floor(0.98 * (seen.length - 1))] ?? 1;
  const lowest = Math.min(0, seen[Math.floor(0.02 * (seen.length - 1))] ?? 0);
  const peak = Math.max(...bins.map(({ clean }) => (Number.isFinite(clean) ? clean : 0)), usual);
  const top = Math.max(1.15 * usual, Math.min(1.1 * peak, 4 * usual));
  const { wavelength } = one;
  const ends = wavelength.length === 0 ? [] : [wavelength[0], wavelength[wavelength.length - 1]];
  const x = fitAxis({ label: "wavelength", unit: "Angstrom" }, [], ends);
  const y = fitAxis({ label: "flux", unit: fluxUnit, domain: [lowest, top] }, [], []);
  const line = (of: (bin: Bin) => number, stroke: string, strokeWidth: number): Plot.Markish =>
    Plot.line(bins, {
      x: (bin: Bin) => x.forward(bin.wavelength),
      y: (bin: Bin) => y.forward(of(bin)),
      stroke,
      strokeWidth,
      clip: true,
    });
  const inside = one.lines.filter(
    ({ wavelength }) => wavelength > one.wavelength[0] && wavelength < one.wavelength[one.wavelength.length - 1],
  );
  const marks = [
    line(({ sigma }) => sigma, theme.faint, 0.8),
    line(({ flux }) => flux, theme.ink, 0.7),
    ...(one.clean === undefined ? [] : [line(({ clean }) => clean, theme.blue, 1)]),
    Plot.ruleX(inside, {
      x: ({ wavelength }) => x.forward(wavelength),
      stroke: theme.orange,
      strokeOpacity: 0.6,
      strokeDasharray: "4 3",
    }),
    Plot.text(inside, {
      x: ({ wavelength }) => x.forward(wavelength),
      text: "label",
      frameAnchor: "top",
      dy: 4,
      textAnchor: "start",
      dx: 3,
      fill: theme.orange,
    }),
  ];
  return drawPanel({ width: WIDTH, height: HEIGHT, x, y, title: one.title, marks });
}
