import { fieldAxis } from "../report/axis.ts";
import { dividingLine, ionisationFractions, kauffmann2003, kewley2001 } from "../report/bpt.ts";
import { figures } from "../report/figures.ts";
import { ksDistance, quantile, sortFinite } from "../report/statistics.ts";
import type { Figure } from "../report/svg.ts";
import { percent } from "../text.ts";
import {
  comparable,
  compared,
  cutPair,
  detectionLimit,
  LEAST_WIDTH,
  pick,
  significantValues,
  valuesOf,
} from "./columns.ts";
import type { Sample } from "./sample.ts";

/** What a report shows of emission lines, beside other samples that have them. */

/** Distributions of equivalent widths: one figure of the sample, or one beside each other sample with lines. */
export function widthFigures(sample: Sample, others: readonly Sample[]): Figure[] {
  const lines = sample.survey.fields.filter(({ kind, name }) => kind === "ew" && valuesOf(sample, name) !== undefined);
  if (lines.length === 0) return [];
  const beside = others.filter((other) => lines.some(({ name }) => valuesOf(other, name) !== undefined));
  return (beside.length > 0 ? beside : [undefined]).map((other) => {
    const slice = other === undefined ? undefined : comparable(sample, other);
    const [label, otherLabel] = slice?.labels ?? [sample.label, ""];
    const panels = lines.flatMap((field) => {
      const own = valuesOf(sample, field.name)!;
      const values = slice === undefined ? own : pick(own, slice.rows);
      const all = other === undefined ? undefined : valuesOf(other, field.name);
      const real = all === undefined ? undefined : pick(all, slice!.otherRows);
      if (other !== undefined && real === undefined) return [];
      const distance = real === undefined ? 0 : ksDistance(compared(field, values), compared(field, real));
      const title = real === undefined ? {} : { title: `KS ${distance.toFixed(3)}` };
      const series = [{ label, values }, ...(real === undefined ? [] : [{ label: otherLabel, values: real }])];
      const axis = { ...fieldAxis(field), scale: "log" as const, domain: widthDomain([values, real ?? []]) };
      return [{ axis, series, ...title }];
    });
    const told =
      other === undefined
        ? ""
        : ` Above each panel, the Kolmogorov–Smirnov distance of the widths above ${LEAST_WIDTH} Å. ${slice!.words} Luminosities are not matched (simulate with the other sample's magnitude limit for that), and widths of ${other.label} carry their noise.`;
    return figures.histogram.draw({
      panels,
      bins: 45,
      caption: `Rest-frame equivalent widths in emission, each of unit area along the logarithmic axis; widths that are not positive are left out.${told}`,
    });
  });
}

/** From a tenth of an Angstrom, below which no spectrum tells a line from noise, to the strongest lines. */
function widthDomain(samples: readonly ArrayLike<number>[]): [number, number] {
  return [0.1, Math.max(10, ...samples.map((widths) => 1.2 * (quantile(sortFinite(widths), 0.998) || 0)))];
}

/** The lines of the diagram, in the order that captions tell them. */
const LINES = ["nii", "halpha", "oiii", "hbeta"] as const;
type Line = (typeof LINES)[number];

const RATIOS = [
  ["nii", "halpha"],
  ["oiii", "hbeta"],
] as const;

/** What is typically detected of a line in a sample [Angstrom]: 0 where errors, or the line, are unknown. */
function limitOf(sample: Sample, line: Line): number {
  const { bpt } = sample.survey.figures;
  return bpt === undefined ? 0 : detectionLimit(sample, bpt[line], DETECTED);
}

/** A line is there at this many sigma. */
const DETECTED = 3;

/**
 * log ratios of equivalent widths, where all four are positive and, with known errors, above 3 sigma. A sample without
 * errors knows lines that nobody would see: beside `seen`, its widths must reach what is typically detected there.
 */
function ratiosOf(sample: Sample, seen?: Sample): { x: Float64Array; y: Float64Array } | undefined {
  const { bpt } = sample.survey.figures;
  if (bpt === undefined) return undefined;
  const widthOf = (line: Line): Float64Array | undefined => {
    const least = seen === undefined ? 0 : limitOf(seen, line);
    return significantValues(sample, bpt[line], DETECTED)?.map((width) => (width > least ? width : Number.NaN));
  };
  const ratio = ([upper, lower]: readonly [Line, Line]): Float64Array | undefined => {
    const [a, b] = [widthOf(upper), widthOf(lower)];
    return b === undefined ? undefined : a?.map((width, i) => Math.log10(width / b[i]));
  };
  const [x, y] = RATIOS.map(ratio);
  return x === undefined || y === undefined ? undefined : { x, y };
}

/** Line ratios and what ionises the gas; beside each other sample that has the lines. */
export function bptFigures(sample: Sample, others: readonly Sample[]): Figure[] {
  const alone = ratiosOf(sample);
  if (alone === undefined) return [];
  const beside = others.filter((other) => ratiosOf(other) !== undefined);
  if (beside.length === 0) return [bptFigure([{ label: sample.label, ...alone }], "")];
  return beside.map((other) => {
    const hasErrors = LINES.some((line) => limitOf(sample, line) > 0);
    const own = hasErrors ? alone : ratiosOf(sample, other)!;
    const slice = comparable(sample, other);
    const limits = LINES.map((line) => limitOf(other, line));
    const floor =
      hasErrors || Math.max(...limits) === 0
        ? ""
        : ` ${sample.label} has no errors: its widths are above the median ${DETECTED}σ limits of ${other.label}, ` +
          `${limits.map((limit) => limit.toFixed(1)).join(", ")} Å for [NII], Hα, [OIII], Hβ.`;
    const samples = [own, ratiosOf(other)!].map((ratios) => ({ label: "", ...ratios }));
    return bptFigure(cutPair(samples, slice), `${floor} ${slice.words}`);
  });
}

function bptFigure(samples: Parameters<typeof cutPair>[0], words: string): Figure {
  const told = samples.map(({ label, x, y }) => {
    const { count, fractions } = ionisationFractions(x, y);
    const parts = Object.entries(fractions).map(([kind, fraction]) => `${percent(fraction)} ${kind}`);
    return `${label} (${count.toLocaleString("en-US")} with all four lines): ${parts.join(", ")}`;
  });
  return figures.scatter.draw({
    xAxis: { label: "log [NII]6584 / Hα", domain: [-2, 0.8] },
    yAxis: { label: "log [OIII]5007 / Hβ", domain: [-1.4, 1.4] },
    samples,
    lines: [
      { label: "Kauffmann et al. 2003", ...dividingLine(kauffmann2003) },
      { label: "Kewley et al. 2001", ...dividingLine(kewley2001) },
    ],
    caption:
      `Line ratios from equivalent widths (each pair shares its continuum), all four lines in emission and above ${DETECTED}σ where errors are known. ${told.join("; ")}.${words}`.trim(),
  });
}
