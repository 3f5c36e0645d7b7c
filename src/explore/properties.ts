import { axisLabel, fieldAxis } from "../report/axis.ts";
import { figures } from "../report/figures.ts";
import { completeMass, ksDistance, quantile, sortFinite } from "../report/statistics.ts";
import type { ReportTable } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import { isAskable } from "../survey/field.ts";
import type { Plane } from "../survey/highlights.ts";
import { percent } from "../text.ts";
import {
  bandNear,
  comparable,
  compared,
  cutPair,
  fieldIndex,
  LEAST_WIDTH,
  magnitudesOf,
  pick,
  redshiftsOf,
  valuesOf,
} from "./columns.ts";
import type { Sample } from "./sample.ts";

/** What a report shows of redshifts, colours and other properties, beside other samples where there are any. */

/** A magnitude limit in one band, where it is known. */
export interface Limit {
  readonly band: string;
  readonly faint: number;
}

export function redshiftFigure(sample: Sample, others: readonly Sample[], selection: string): Figure[] {
  const known = [sample, ...others].filter(({ redshifts }) => redshifts.values.length > 0);
  if (known.length === 0) return [];
  const series = known.map(({ label, redshifts }) => ({ label, ...redshifts }));
  const told = known.map((one) => {
    const { values, weights } = one.redshifts;
    const total = weights.reduce((a, b) => a + b, 0);
    let below = 0;
    const median = values[weights.findIndex((weight) => (below += weight) >= total / 2)];
    return `${one.label}: ${total.toLocaleString("en-US")} redshifts, median ${median.toFixed(3)}`;
  });
  const low = Math.min(...known.map(({ redshifts }) => redshifts.values[0]));
  const high = Math.max(...known.map(({ redshifts }) => redshifts.values[redshifts.values.length - 1]));
  return [
    figures.histogram.draw({
      panels: [{ axis: { label: "redshift", domain: [Math.min(0, low), 1.02 * high] }, series }],
      bins: 60,
      scaling: known.length > 1 ? "peak" : "area",
      caption: `Redshifts of all rows${known.length > 1 ? ", each sample scaled to its peak" : ", of unit area"}. ${told.join("; ")}.${selection === "" ? "" : ` Selection: ${selection}.`}`,
    }),
  ];
}

function planeFigure(sample: Sample, others: readonly Sample[], { x, y, notice, line }: Plane): Figure[] {
  const pairOf = (one: Sample) => {
    const [xs, ys] = [valuesOf(one, x), valuesOf(one, y)];
    return xs === undefined || ys === undefined ? [] : [{ label: one.label, x: xs, y: ys }];
  };
  const own = pairOf(sample);
  if (own.length === 0) return [];
  const beside = others.filter((other) => pairOf(other).length > 0).slice(0, 2);
  const [xAxis, yAxis] = [x, y].map((name) => fieldAxis(sample.survey.fields[fieldIndex(sample, name)]));
  // beside two samples there is no one cut that suits both
  const slice = beside.length === 1 ? comparable(sample, beside[0]) : undefined;
  const samples = [...own, ...beside.flatMap(pairOf)];
  return [
    figures.scatter.draw({
      xAxis,
      yAxis,
      samples: slice === undefined ? samples : cutPair(samples, slice),
      lines: line === undefined ? [] : [line],
      caption: `${axisLabel(yAxis)} against ${axisLabel(xAxis)}. ${notice} ${slice?.words ?? ""}`.trim(),
    }),
  ];
}

export function propertyFigures(sample: Sample, others: readonly Sample[]): (readonly [name: string, Figure])[] {
  return (sample.survey.figures.planes ?? []).flatMap((plane) =>
    planeFigure(sample, others, plane).map(
      (figure) => [`${plane.x}-${plane.y}`.toLowerCase().replaceAll("log", ""), figure] as const,
    ),
  );
}

/** log10 stellar masses; undefined where the survey names no such field or the table has none. */
function massesOf(sample: Sample): Float64Array | undefined {
  const { mass } = sample.survey.figures;
  return mass === undefined ? undefined : valuesOf(sample, mass);
}

/** Mass against redshift, with the mass above which a flux-limited sample is complete. */
export function massRedshiftFigure(sample: Sample, others: readonly Sample[], limit: Limit | undefined): Figure[] {
  const { mass } = sample.survey.figures;
  const [z, logMass] = [redshiftsOf(sample), massesOf(sample)];
  if (mass === undefined || z === undefined || logMass === undefined) return [];
  const j = limit === undefined ? -1 : fieldIndex(sample, limit.band);
  const complete =
    limit === undefined || j < 0
      ? { z: [], logMass: [] }
      : completeMass({ z, logMass, magnitude: magnitudesOf(sample, j) }, limit.faint);
  const beside = others.flatMap((other) => {
    const [x, y] = [redshiftsOf(other), massesOf(other)];
    return x === undefined || y === undefined ? [] : [{ label: other.label, x, y }];
  });
  const lines =
    complete.z.length === 0
      ? []
      : [{ label: `95 % complete, ${limit!.band} < ${limit!.faint}`, x: complete.z, y: complete.logMass }];
  return [
    figures.scatter.draw({
      xAxis: { label: "redshift" },
      yAxis: fieldAxis(sample.survey.fields[fieldIndex(sample, mass)]),
      samples: [{ label: sample.label, x: z, y: logMass }, ...beside.slice(0, 2)],
      lines: lines.map((line) => ({ ...line, only: sample.label })),
      caption:
        "Stellar mass against redshift: more volume and only brighter galaxies with distance." +
        (lines.length === 0
          ? ""
          : " Above the line the magnitude limit loses fewer than one galaxy in twenty, whatever its mass-to-light ratio (Pozzetti et al. 2010)."),
    }),
  ];
}

/** Three wavelengths [Angstrom] make two colours. */
const COLOURS = [
  {
    name: "broad",
    kind: "broad",
    wavelengths: [4770, 6240, 7650],
    notice: "Quiescent galaxies lie at the red end, star-forming ones at the blue end; redshift moves both.",
  },
  {
    name: "narrow",
    kind: "narrow",
    wavelengths: [4800, 6600, 8400],
    notice: "Strong lines in one of the bands make the outliers.",
  },
  {
    name: "ultraviolet",
    kind: "broad",
    wavelengths: [2300, 6240, 7650],
    notice: "The ultraviolet parts star-forming (below) from quiescent galaxies, most of which it does not detect.",
  },
  {
    name: "infrared",
    kind: "broad",
    wavelengths: [2300, 6240, 12350],
    notice: "Dust moves galaxies along the star-forming sequence, not across it.",
  },
] as const;

export function colourFigures(sample: Sample, others: readonly Sample[]): (readonly [name: string, Figure])[] {
  return COLOURS.flatMap(({ name, kind, wavelengths, notice }) => {
    const found = wavelengths.map((wavelength) => bandNear(sample, wavelength, kind));
    if (found.some((j) => j === undefined)) return [];
    const names = found.map((j) => sample.survey.fields[j!].name);
    const coloursOf = (one: Sample) => {
      const bands = names.map((band) => fieldIndex(one, band));
      if (bands.includes(-1)) return [];
      const [a, b, c] = bands.map((j) => magnitudesOf(one, j));
      const [x, y] = [b.map((m, i) => m - c[i]), a.map((m, i) => m - b[i])];
      return x.some((colour, i) => Number.isFinite(colour + y[i])) ? [{ label: one.label, x, y }] : [];
    };
    const own = coloursOf(sample);
    if (own.length === 0) return [];
    const figure = figures.scatter.draw({
      xAxis: { label: `${names[1]} − ${names[2]}`, unit: "mag" },
      yAxis: { label: `${names[0]} − ${names[1]}`, unit: "mag" },
      samples: [...own, ...others.flatMap(coloursOf).slice(0, 2)],
      caption: `Observed colours (AB) where all three bands have S/N above 3. ${notice}`,
    });
    return [[`colours-${name}`, figure] as const];
  });
}

/** Median and 16-84 % of the properties that two samples share, at the same redshifts, and their distance. */
export function comparisonTable(sample: Sample, other: Sample): ReportTable[] {
  const { labels, rows, otherRows, words } = comparable(sample, other);
  const interval = (values: Float64Array) => {
    const sorted = sortFinite(values);
    return { value: quantile(sorted, 0.5), low: quantile(sorted, 0.16), high: quantile(sorted, 0.84) };
  };
  const shared = sample.survey.fields.flatMap((field) => {
    const [own, real] = [sample, other].map((one) =>
      field.band === undefined && isAskable(field) ? valuesOf(one, field.name) : undefined,
    );
    if (own === undefined || real === undefined) return [];
    const [a, b] = [compared(field, pick(own, rows)), compared(field, pick(real, otherRows))];
    return [[field.name, field.unit, interval(a), interval(b), ksDistance(a, b)]];
  });
  if (shared.length === 0) return [];
  return [
    {
      title: `Beside ${other.label}: median and 16–84 %. ${words} Widths above ${LEAST_WIDTH} Å.`,
      columns: [
        { label: "property" },
        { label: "unit" },
        { label: labels[0] },
        { label: labels[1] },
        { label: "Kolmogorov–Smirnov distance", decimals: 3 },
      ],
      rows: shared,
    },
  ];
}

/** Quantiles of every property, for the table of the report. */
export function propertyRows(sample: Sample): (string | number)[][] {
  return sample.survey.fields.flatMap((field, j) => {
    if (field.band !== undefined || !isAskable(field)) return [];
    const values = valuesOf(sample, field.name);
    if (values === undefined) return [];
    const sorted = sortFinite(values);
    const quantiles = [0.05, 0.16, 0.5, 0.84, 0.95].map((level) => Number(quantile(sorted, level).toPrecision(4)));
    const measured = sample.states[4 * j + 1] / sample.rowCount;
    return [[field.name, field.description, field.unit, percent(measured), ...quantiles]];
  });
}
