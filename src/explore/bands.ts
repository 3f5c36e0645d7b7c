import { figures } from "../report/figures.ts";
import type { ObservedBand } from "../report/figure-bands.ts";
import { columnQuantiles, quantile, sortFinite } from "../report/statistics.ts";
import type { Figure } from "../report/svg.ts";
import { State } from "../survey/field.ts";
import { magnitudesAB } from "../survey/units.ts";
import { percent } from "../text.ts";
import { bandNear, bandsOf, fieldIndex, isNarrow, magnitudesOf, signalToNoise, valuesOf } from "./columns.ts";
import type { Sample } from "./sample.ts";

/** What a report shows of the bands of a sample. */

const QUANTILES = [0.16, 0.5, 0.84] as const;
/** Magnitudes of the S/N curves, and how far from them a galaxy may be. */
const MAGNITUDES = [18, 20, 22];
const HALF_BIN = 0.5;
const LEAST_ROWS = 30;

/** The band that magnitudes are told in: a broad one near i, else near r or g, else the one most often measured. */
function referenceBand(sample: Sample): number | undefined {
  const near = [7650, 6240, 4770].map((wavelength) => bandNear(sample, wavelength, "broad"));
  const found = near.find((j) => j !== undefined && sample.states[4 * j + State.measured] > 0);
  if (found !== undefined) return found;
  const measured = (j: number): number => sample.states[4 * j + State.measured];
  return bandsOf(sample).sort((a, b) => measured(b) - measured(a))[0];
}

interface Bin {
  readonly magnitude: number;
  readonly rows: readonly number[];
}

/** Rows near 18, 20 and 22 mag; where these are too few, near other even magnitudes that the sample has. */
function magnitudeBins(magnitudes: Float64Array): Bin[] {
  const bins = [...MAGNITUDES, 16, 24, 14, 26, 12].map((magnitude) => ({
    magnitude,
    rows: Array.from(magnitudes.keys()).filter((row) => Math.abs(magnitudes[row] - magnitude) <= HALF_BIN),
  }));
  return bins
    .filter(({ rows }) => rows.length >= LEAST_ROWS)
    .slice(0, 3)
    .sort((a, b) => a.magnitude - b.magnitude);
}

/** S/N of each band at some magnitudes; beside a second sample, its medians dashed. */
export function noiseFigure(sample: Sample, other?: Sample): Figure[] {
  const reference = referenceBand(sample);
  const bands = bandsOf(sample);
  if (reference === undefined || bands.length < 2) return [];
  const { fields } = sample.survey;
  const { name } = fields[reference];
  const pairs = magnitudeBins(magnitudesOf(sample, reference)).flatMap((bin, color) => {
    const beside = other === undefined ? [] : besideCurve(sample, bands, name, bin, other);
    return other !== undefined && beside.length === 0 ? [] : [{ bin, color, beside }];
  });
  if (pairs.length === 0) return [];
  const own = pairs.map(({ bin, color }) => {
    const ratio = (row: number, k: number): number => signalToNoise(sample, row, bands[k]);
    const [low, value, high] = columnQuantiles(ratio, bin.rows, bands.length, QUANTILES, 5);
    const label = `${name} = ${bin.magnitude} (${bin.rows.length.toLocaleString("en-US")} galaxies)`;
    return { label, value, color, ...(other === undefined ? { low, high } : {}) };
  });
  const beside = pairs.flatMap((pair) => pair.beside.map((curve) => ({ ...curve, color: pair.color })));
  const told =
    other === undefined
      ? `Median signal-to-noise ratio of each band and its 16–84 % range, of galaxies within ${HALF_BIN} mag of the magnitude in the legend.`
      : `Median signal-to-noise ratio of each band: ${sample.label} (lines) and ${other.label} (dashed), at the same magnitudes in ${name}.`;
  return [
    figures.bandLines.draw({
      wavelength: bands.map((j) => fields[j].band!.pivot),
      isAlone: standAlone(sample, bands),
      axis: { label: "signal-to-noise ratio", scale: "asinh", knee: 3 },
      series: [...own, ...beside],
      reference: 5,
      caption: `${told} The grey line is 5σ; the axis is linear below 3. A curve dips where a band is shallow and rises where the galaxies are bright.`,
    }),
  ];
}

/** Broad bands stand alone where narrow ones make a sequence. */
function standAlone({ survey }: Sample, bands: readonly number[]): boolean[] {
  const hasNarrow = bands.some((j) => isNarrow(survey.fields[j]));
  return bands.map((j) => hasNarrow && !isNarrow(survey.fields[j]));
}

/** The median of another sample at the same magnitude, in the bands that both have. */
function besideCurve(sample: Sample, bands: readonly number[], name: string, { magnitude }: Bin, other: Sample) {
  const reference = fieldIndex(other, name);
  if (reference < 0) return [];
  const match = bands.map((j) => fieldIndex(other, sample.survey.fields[j].name));
  const magnitudes = magnitudesOf(other, reference);
  const rows = Array.from(magnitudes.keys()).filter((row) => Math.abs(magnitudes[row] - magnitude) <= HALF_BIN);
  if (rows.length < 5) return [];
  const ratio = (row: number, k: number): number => (match[k] < 0 ? Number.NaN : signalToNoise(other, row, match[k]));
  const [value] = columnQuantiles(ratio, rows, bands.length, [0.5], 5);
  const label = `${other.label} at ${magnitude} (${rows.length.toLocaleString("en-US")})`;
  return [{ label, value, isDashed: true }];
}

/** Faint rows, whose noise is the sky's, tell the depth. */
const FAINT = 10;

/** 5 sigma magnitudes that the errors of faint sources imply, beside the nominal depths of the survey file. */
export function depthFigure(sample: Sample): Figure[] {
  const { survey, catalog } = sample;
  const bands = bandsOf(sample);
  if (bands.length < 2) return [];
  const magnitudeOf = bands.map((j) => magnitudesAB(survey.fields[j]));
  const limit = (row: number, k: number): number => {
    const ratio = Math.abs(signalToNoise(sample, row, bands[k]));
    const error = catalog.error[row * catalog.fields.length + bands[k]];
    return ratio < FAINT ? magnitudeOf[k](5 * error) : Number.NaN;
  };
  const rows = Array.from({ length: catalog.rowCount }, (_, row) => row);
  const [low, value, high] = columnQuantiles(limit, rows, bands.length, QUANTILES, LEAST_ROWS);
  if (!value.some(Number.isFinite)) return [];
  const depths = bands.map((j) => sortFinite(survey.fields[j].band!.depth));
  const nominal = Float64Array.from(depths, (depth) => quantile(depth, 0.5));
  const off = sortFinite(value.map((m, k) => m - nominal[k]));
  return [
    figures.bandLines.draw({
      wavelength: bands.map((j) => survey.fields[j].band!.pivot),
      isAlone: standAlone(sample, bands),
      axis: { label: "limiting magnitude (5σ)", unit: "AB mag" },
      series: [
        { label: `errors in ${sample.label}`, value, low, high },
        {
          label: `nominal (${survey.name})`,
          value: nominal,
          low: Float64Array.from(depths, (depth) => depth[0]),
          high: Float64Array.from(depths, (depth) => depth[depth.length - 1]),
        },
      ],
      caption:
        `Magnitude of a source with five times the error of each band (median and 16–84 % of the rows with S/N below ${FAINT}, at least ${LEAST_ROWS} of them), ` +
        `and the survey's depth (median and range over its tiles). Median difference over the bands: ${signed(quantile(off, 0.5))} mag.`,
    }),
  ];
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

/** Fractions of the rows in each state, over the whole table. */
export function statesFigure(sample: Sample): Figure[] {
  const bands = bandsOf(sample);
  const isEmpty = bands.every((j) => sample.states[4 * j + State.notObserved] === sample.rowCount);
  if (isEmpty || sample.rowCount === 0) return [];
  const fraction = (state: number): Float64Array =>
    Float64Array.from(bands, (j) => sample.states[4 * j + state] / sample.rowCount);
  const missing = fraction(State.notObserved);
  const most = missing.indexOf(Math.max(...missing));
  const worst = sample.survey.fields[bands[most]].name;
  return [
    figures.bandStates.draw({
      bands: bands.map((j) => sample.survey.fields[j].name),
      states: [
        { label: "measured", fraction: fraction(State.measured) },
        { label: "not detected", fraction: fraction(State.nonDetection) },
        { label: "upper limit", fraction: fraction(State.upperLimit) },
        { label: "missing", fraction: missing },
      ],
      caption:
        `What the table says in each band, of ${sample.rowCount.toLocaleString("en-US")} rows. ` +
        `Most often missing: ${worst} (${percent(missing[most])}). A non-detection keeps its flux and error; missing is no number at all.`,
    }),
  ];
}

/** Six galaxies from bright to faint, as they stand in the table. */
export function photometryFigure(sample: Sample): Figure[] {
  const reference = referenceBand(sample);
  const bands = bandsOf(sample);
  if (reference === undefined || bands.length < 3) return [];
  const magnitudes = magnitudesOf(sample, reference);
  // of several noise realisations of a galaxy, the first
  const { parentId } = sample.catalog;
  const first = new Map(Array.from(parentId, (id, row) => [id, row] as const).reverse());
  const rows = Array.from(magnitudes.keys()).filter(
    (row) => Number.isFinite(magnitudes[row]) && first.get(parentId[row]) === row,
  );
  rows.sort((a, b) => magnitudes[a] - magnitudes[b]);
  if (rows.length === 0) return [];
  const levels = [0.02, 0.15, 0.35, 0.55, 0.75, 0.95];
  const chosen = [...new Set(levels.map((level) => rows[Math.floor(level * (rows.length - 1))]))];
  const { fields } = sample.survey;
  const told = (sample.survey.figures.captions ?? []).map((one) => ({ ...one, values: valuesOf(sample, one.field) }));
  const objects = chosen.map((row) => ({
    title: [
      `${fields[reference].name} ${magnitudes[row].toFixed(1)}`,
      ...told.flatMap(({ label, unit, decimals, values }) =>
        values !== undefined && Number.isFinite(values[row])
          ? [`${label} ${values[row].toFixed(decimals)} ${unit}`.trimEnd()]
          : [],
      ),
    ].join(", "),
    bands: bands.flatMap((j) => observedBand(sample, row, j)),
  }));
  return [
    figures.photometry.draw({
      fluxUnit: fields[reference].unit,
      objects,
      caption: `${chosen.length} galaxies from bright to faint (at ${levels.map((level) => percent(level)).join(", ")} of the ranking by ${fields[reference].name}), fluxes and 1σ errors as they stand in the table. Narrow bands should follow the broad ones; a narrow band high above its neighbours holds an emission line.`,
    }),
  ];
}

const STATE_NAMES = {
  [State.measured]: "measured",
  [State.upperLimit]: "limit",
  [State.nonDetection]: "nonDetection",
} as const;

function observedBand({ catalog, survey }: Sample, row: number, j: number): ObservedBand[] {
  const at = row * catalog.fields.length + j;
  const state = STATE_NAMES[catalog.state[at] as keyof typeof STATE_NAMES] as ObservedBand["state"] | undefined;
  const { band } = survey.fields[j];
  if (state === undefined || band === undefined) return [];
  const [flux, fluxError] = [catalog.value[at], catalog.error[at]];
  return [{ wavelength: band.pivot, edges: band.edges, flux, fluxError, state, isBroad: !isNarrow(survey.fields[j]) }];
}
