import * as Plot from "@observablehq/plot";
import { fitAxis, sparseTicks } from "./axis.ts";
import type { AxisScale } from "./axis.ts";
import { wavelengthAxis } from "./figure-spectrum.ts";
import { composeSvg, drawPanel, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

/** A band, or a window of a spectrum, that was hidden. */
export interface OcclusionBar {
  readonly name: string;
  /** Where it begins and ends [Angstrom]. */
  readonly from: number;
  readonly to: number;
  /** Mean without it less mean with it, in widths of the answer. */
  readonly shift: number;
  /** [nats] */
  readonly divergence: number;
}

export interface OcclusionData {
  /** The object, and what was asked of it. */
  readonly title: string;
  readonly wanted: string;
  /** How a shift is measured; default: in standard deviations of the answer. */
  readonly shiftUnit?: string;
  readonly bars: readonly OcclusionBar[];
}

const [WIDTH, HEIGHT] = [860, 190];
/** The most telling, by divergence, have their names on them. */
const NAMED = 5;

/** Bars from 0 on, over the wavelengths that were hidden; wide ones first, so that narrow ones stay in sight. */
function bars(
  all: readonly OcclusionBar[],
  x: AxisScale,
  color: string,
  of: (bar: OcclusionBar) => number,
): Plot.Markish {
  const wide = all.toSorted((a, b) => b.to / b.from - a.to / a.from);
  return Plot.rect(wide, {
    x1: (bar: OcclusionBar) => x.forward(bar.from),
    x2: (bar: OcclusionBar) => x.forward(bar.to),
    y1: 0,
    y2: of,
    fill: color,
    fillOpacity: 0.35,
    stroke: color,
    clip: true,
  });
}

/** What hiding each piece of the given does to an answer, against wavelength. */
export function drawOcclusion({ title, wanted, shiftUnit = "σ of the answer", bars: all }: OcclusionData): Figure {
  const x = wavelengthAxis(all.length === 0 ? [4000, 8000] : all.flatMap(({ from, to }) => [from, to]));
  const ends = (of: (bar: OcclusionBar) => number): number[] => all.map(of);
  const most = Math.max(1e-3, ...ends(({ divergence }) => divergence));
  const far = Math.max(1e-3, ...ends(({ shift }) => Math.abs(shift)));
  const telling = all.toSorted((a, b) => b.divergence - a.divergence).slice(0, NAMED);
  const names = Plot.text(telling, {
    x: (bar: OcclusionBar) => (x.forward(bar.from) + x.forward(bar.to)) / 2,
    y: "divergence",
    text: "name",
    dy: -7,
    fill: theme.ink,
  });
  const top = drawPanel({
    width: WIDTH,
    height: HEIGHT,
    x,
    y: sparseTicks(fitAxis({ label: "divergence", unit: "nats", domain: [0, 1.25 * most] }, []), 5),
    title,
    marks: [bars(all, x, theme.blue, ({ divergence }) => divergence), names],
    hide: "x",
    margin: { left: theme.gutter },
  });
  const bottom = drawPanel({
    width: WIDTH,
    height: HEIGHT,
    x,
    y: sparseTicks(fitAxis({ label: `shift [${shiftUnit}]`, domain: [-1.1 * far, 1.1 * far] }, []), 5),
    marks: [bars(all, x, theme.orange, ({ shift }) => shift), Plot.ruleY([0], { stroke: theme.ink })],
  });
  return {
    svg: composeSvg(WIDTH, 2 * HEIGHT, [
      { x: 0, y: 0, svg: top },
      { x: 0, y: HEIGHT, svg: bottom },
    ]),
    width: WIDTH,
    height: 2 * HEIGHT,
    caption:
      `Each band, or window of a spectrum, was hidden by itself and ${wanted} asked again: the divergence of that answer ` +
      "from the one with everything given, and how far its mean moves. Bands that tell the same stand in for each other: a low bar doesn't say that nothing is there.",
  };
}
