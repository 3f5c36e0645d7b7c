import * as Plot from "@observablehq/plot";
import { percent } from "../text.ts";
import { fitAxis } from "./axis.ts";
import { composeSvg, drawLegend, drawPanel, seriesColors, theme } from "./svg.ts";
import type { Figure } from "./svg.ts";

/** What is kept as a threshold on a score falls; every array [step]. */
export interface SelectionCurve {
  readonly label: string;
  /** Share of the wrong answers, and of the right ones, that are kept. */
  readonly wrongKept: ArrayLike<number>;
  readonly rightKept: ArrayLike<number>;
  /** Share of the right among what is kept. */
  readonly purity: ArrayLike<number>;
  /** Under the curve of right against wrong. */
  readonly area: number;
  /** At 90 % of the right ones. */
  readonly purity90: number;
}

export interface SelectionData {
  /** At most 6. */
  readonly curves: readonly SelectionCurve[];
  /** What is right, in words. */
  readonly right: string;
  readonly rows: number;
  /** Share of all that is right. */
  readonly share: number;
}

/** How well scores part right answers from wrong ones: the receiver operating characteristic, and purity against completeness. */
export function drawSelection({ curves, right, rows, share }: SelectionData): Figure {
  const unit = (label: string) => fitAxis({ label, domain: [0, 1] }, []);
  const wrong = unit("wrong ones kept");
  const kept = unit("right ones kept");
  const complete = unit("completeness (right ones kept)");
  const least = Math.min(0.99, share, ...curves.flatMap(({ purity }) => Array.from(purity)).filter(Number.isFinite));
  const purity = fitAxis({ label: "purity", domain: [Math.max(0, 1 - 1.15 * (1 - least)), 1] }, []);
  const line = (xs: ArrayLike<number>, ys: ArrayLike<number>, i: number): Plot.Markish => {
    const at = Array.from(xs, (x, k): [number, number] => [x, ys[k]]);
    return Plot.line(at, { stroke: seriesColors[i % seriesColors.length], strokeWidth: 1.8, clip: true });
  };
  const ideal = { stroke: theme.faint, strokeDasharray: "4 3", strokeWidth: 1.5 };
  const legend = drawLegend(
    [
      ...curves.map(({ label, area }, i) => ({
        label: `${label}: area ${area.toFixed(3)}`,
        color: seriesColors[i % seriesColors.length],
        mark: "line" as const,
      })),
      { label: "chance", color: theme.faint, mark: "dash" },
    ],
    620,
  );
  const top = legend.height + 8;
  const panel = { width: 340, height: 320 };
  const chance: [number, number][] = [
    [0, 0],
    [1, 1],
  ];
  const svg = composeSvg(680, top + 320, [
    { x: theme.gutter, y: 4, svg: legend.svg },
    {
      x: 0,
      y: top,
      svg: drawPanel({
        ...panel,
        x: wrong,
        y: kept,
        marks: [Plot.line(chance, ideal), ...curves.map((c, i) => line(c.wrongKept, c.rightKept, i))],
      }),
    },
    {
      x: 340,
      y: top,
      svg: drawPanel({
        ...panel,
        x: complete,
        y: purity,
        marks: [Plot.ruleY([share], ideal), ...curves.map((c, i) => line(c.rightKept, c.purity, i))],
      }),
    },
  ]);
  const purities = curves.map(({ label, purity90 }) => `${label} ${percent(purity90, 1)}`);
  const caption =
    `Left: right answers (${right}) kept against wrong ones, as the least score falls; right: share of the right among those kept. ` +
    `Of ${rows.toLocaleString("en-US")} galaxies ${percent(share, 1)} are right.` +
    (purities.length === 0 ? "" : ` Purity at 90 % completeness: ${purities.join(", ")}.`);
  return { svg, width: 680, height: top + 320, caption };
}
