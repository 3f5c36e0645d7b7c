/** How well spectra are answered: each cell against what was observed, and against the spectrum without noise where a table has it. */
import type { Distribution } from "../model/distribution.ts";
import { quantile, sortFinite } from "../report/statistics.ts";
import type { ArrayColumn, Catalog } from "../survey/catalog.ts";
import { outlineClean } from "../survey/clean.ts";
import { State } from "../survey/field.ts";
import { cleanLayout } from "../survey/layout.ts";
import type { Reader } from "../survey/reading.ts";
import type { SplitName } from "../survey/split.ts";
import { coarsen } from "../tokens/cells.ts";
import { sampleRows } from "../train/tables.ts";
import type { Estimate } from "./weighted.ts";
import { crpsFromQuantiles } from "./metrics-score.ts";
import type { SpectrumAnswer } from "./spectrum-answers.ts";

/** Of one spectrum of a question; intervals are 95 %, of means of galaxies, whose cells are not independent. */
export interface SpectrumScores {
  readonly galaxies: number;
  readonly cells: number;
  /** Share of the observed cells in the 68 and 90 % intervals, their noise added to the answer. */
  readonly coverage68: Estimate;
  readonly coverage90: Estimate;
  /** Mean CRPS of observed cells, noise added, over the galaxy's median |flux|. */
  readonly crps: Estimate;
  /** Half of the 84th minus the 16th percentile of (observed - median) / sqrt(error^2 + noise^2): 1 is right. */
  readonly chi: number;
  /** Against the flux without noise, scaled to the observed spectrum, of which fibres lose some light. */
  readonly clean?: {
    /** Median of (answer - truth) / truth, and half of its 84th minus its 16th percentile. */
    readonly bias: number;
    readonly error: number;
    readonly coverage68: Estimate;
    readonly coverage90: Estimate;
  };
}

/** Pixels without noise of the rows of a table that has them beside; undefined where it has none. */
export async function cleanSpectra(
  table: string,
  part: SplitName | "all",
  reader: Reader,
  most: number,
  { objectId }: Catalog,
): Promise<ReadonlyMap<string, ArrayColumn> | undefined> {
  const options = reader.options ?? {};
  if (reader.own !== undefined || options.layout !== undefined) return undefined;
  if (!(await outlineClean(table, reader.survey, options)).isBeside) return undefined;
  const clean = await sampleRows(table, part, { ...reader, options: { ...options, layout: cleanLayout.name } }, most);
  const isSame = clean.rowCount === objectId.length && clean.objectId.every((id, i) => id === objectId[i]);
  return isSame ? clean.arrays : undefined;
}

const NINETEEN = Float64Array.from({ length: 19 }, (_, i) => (i + 1) / 20);
const THREE = Float64Array.of(0.16, 0.5, 0.84);

/** Mean of galaxies' means with its 95 % interval. */
function meanOf(values: readonly number[]): Estimate {
  const n = values.length;
  const value = values.reduce((sum, one) => sum + one, 0) / n;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / Math.max(1, n - 1);
  const half = 1.96 * Math.sqrt(variance / n);
  return { value, low: value - half, high: value + half };
}

/** Half of the 84th minus the 16th percentile of sorted values. */
export const halfWidth = (sorted: Float64Array): number => 0.5 * (quantile(sorted, 0.84) - quantile(sorted, 0.16));

const average = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
const shareIn = (pits: readonly number[], level: number): number =>
  average(pits.map((pit) => Number(Math.abs(pit - 0.5) <= 0.5 * level)));

/** What scales a spectrum without noise to the one observed: least squares over all observed pixels. */
export function lossOf(observed: ArrayColumn, clean: ArrayColumn, row: number): number {
  let [cross, square] = [0, 0];
  for (let i = row * observed.width; i < (row + 1) * observed.width; i++) {
    if (!(observed.ivar[i] > 0)) continue;
    cross += observed.ivar[i] * observed.value[i] * clean.value[i];
    square += observed.ivar[i] * clean.value[i] ** 2;
  }
  return cross / square;
}

/** A galaxy's observed cells that are answered, and what is known there. */
interface Known {
  /** Places in the answer. */
  readonly at: readonly number[];
  /** In the spectrum's unit: observed, its error, and the scaled flux without noise where that is known. */
  readonly value: readonly number[];
  readonly error: readonly number[];
  readonly clean: readonly number[] | undefined;
}

/** What is known of the galaxy in place `i` of an answer, row `row` of the catalogue; undefined of one without a spectrum. */
function knownOf(
  { field, cells, isAnswered }: SpectrumAnswer,
  catalog: Catalog,
  i: number,
  row: number,
  cleanColumn: ArrayColumn | undefined,
): Known | undefined {
  const column = catalog.arrays?.get(field.name);
  const j = catalog.fields.findIndex(({ name }) => name === field.name);
  if (column === undefined || catalog.state[row * catalog.fields.length + j] === State.notObserved) return undefined;
  const own = coarsen(column, row, cells);
  const asked = Array.from({ length: cells }, (_, c) => c).filter(
    (c) => own.error[c] > 0 && isAnswered[i * cells + c] === 1,
  );
  if (asked.length === 0) return undefined;
  const scaled = cleanColumn && coarsen({ ...column, value: cleanColumn.value }, row, cells);
  const loss = cleanColumn === undefined ? 1 : lossOf(column, cleanColumn, row);
  return {
    at: asked.map((c) => i * cells + c),
    value: asked.map((c) => own.value[c]),
    error: asked.map((c) => own.error[c]),
    clean: scaled && asked.map((c) => loss * scaled.value[c]),
  };
}

/** Of one galaxy: means over its cells, and every cell's departures. */
interface GalaxyScores {
  readonly inside68: number;
  readonly inside90: number;
  readonly crps: number;
  readonly pulls: readonly number[];
  readonly clean?: { readonly inside68: number; readonly inside90: number; readonly off: readonly number[] };
}

/** `noisy`: the encoded answers with the noise of what was observed in them. */
function scoreGalaxy(
  { cells, codes, distribution }: SpectrumAnswer,
  noisy: Distribution,
  { at, value, error, clean }: Known,
): GalaxyScores {
  const { softness, origin } = codes[Math.floor(at[0] / cells)];
  const level = quantile(Float64Array.from(value, Math.abs).sort(), 0.5);
  const [quantiles, three] = [new Float64Array(NINETEEN.length), new Float64Array(THREE.length)];
  const crps = at.map((place, c) => {
    noisy.quantiles(place, NINETEEN, quantiles);
    const flux = quantiles.map((q) => 2 * softness * Math.sinh(q + origin));
    return crpsFromQuantiles(NINETEEN, flux, value[c]) / level;
  });
  const pits = at.map((place, c) => noisy.cdf(place, Math.asinh(value[c] / (2 * softness)) - origin));
  const said = at.map((place) => {
    distribution.quantiles(place, THREE, three);
    return { median: three[1], half: 0.5 * (three[2] - three[0]) };
  });
  const cleanPits = clean?.map((truth, c) => distribution.cdf(at[c], truth));
  return {
    inside68: shareIn(pits, 0.68),
    inside90: shareIn(pits, 0.9),
    crps: average(crps),
    pulls: said.map(({ median, half }, c) => (value[c] - median) / Math.hypot(half, error[c])),
    ...(clean === undefined || cleanPits === undefined
      ? {}
      : {
          clean: {
            inside68: shareIn(cleanPits, 0.68),
            inside90: shareIn(cleanPits, 0.9),
            off: clean.flatMap((truth, c) => (truth > 0 ? [(said[c].median - truth) / truth] : [])),
          },
        }),
  };
}

/** Scores of a spectrum, the answer for `rows` of a catalogue that has it; undefined where none has. `clean`: its pixels without noise. */
export function scoreSpectrum(
  answer: SpectrumAnswer,
  catalog: Catalog,
  rows: ArrayLike<number>,
  clean?: ArrayColumn,
): SpectrumScores | undefined {
  const { codes, encoded } = answer;
  const known = Array.from(rows, (row, i) => knownOf(answer, catalog, i, row, clean));
  const noise = new Float64Array(encoded.rowCount);
  known.forEach((own, i) =>
    own?.at.forEach((place, c) => (noise[place] = own.error[c] / Math.hypot(own.value[c], 2 * codes[i].softness))),
  );
  const noisy = encoded.widen((place) => noise[place]);
  const scores = known.flatMap((own) => (own === undefined ? [] : [scoreGalaxy(answer, noisy, own)]));
  if (scores.length === 0) return undefined;
  const cleaned = scores.flatMap((one) => (one.clean === undefined ? [] : [one.clean]));
  const off = sortFinite(cleaned.flatMap((one) => one.off));
  return {
    galaxies: scores.length,
    cells: known.reduce((sum, own) => sum + (own?.at.length ?? 0), 0),
    coverage68: meanOf(scores.map((one) => one.inside68)),
    coverage90: meanOf(scores.map((one) => one.inside90)),
    crps: meanOf(scores.map((one) => one.crps)),
    chi: halfWidth(sortFinite(scores.flatMap((one) => one.pulls))),
    ...(cleaned.length === 0
      ? {}
      : {
          clean: {
            bias: quantile(off, 0.5),
            error: halfWidth(off),
            coverage68: meanOf(cleaned.map((one) => one.inside68)),
            coverage90: meanOf(cleaned.map((one) => one.inside90)),
          },
        }),
  };
}
