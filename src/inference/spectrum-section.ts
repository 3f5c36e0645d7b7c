/** What an evaluation makes of spectra: scores, synthetic photometry, and the report's section. */
import { figures } from "../report/figures.ts";
import type { ReportTable } from "../report/html.ts";
import type { Figure } from "../report/svg.ts";
import type { ArrayColumn, Catalog } from "../survey/catalog.ts";
import { type SpectrumField, State } from "../survey/field.ts";
import { edgesOf } from "../survey/spectrum-grid.ts";
import { coarseCells } from "../survey/vocabulary.ts";
import { cellStarts, coarsen } from "../tokens/cells.ts";
import { number } from "../text.ts";
import type { Question } from "./evaluate.ts";
import { fieldDistribution } from "./field-answer.ts";
import { thin } from "./insight.ts";
import type { NetworkAnswers, Predictor } from "./predict.ts";
import { readSpectrum, type SpectrumAnswer } from "./spectrum-answers.ts";
import { lossOf, scoreSpectrum, type SpectrumScores } from "./spectrum-scores.ts";
import { type Agreement, agreementOf, coveredBands, syntheticFlux } from "./synthetic-photometry.ts";

/** What is said of the spectra, and of the bands in them, of a question. */
export interface SpectrumResults {
  /** By name of the spectrum that was asked. */
  readonly spectra?: Readonly<Record<string, SpectrumScores>>;
  /**
   * Magnitudes of the bands within a spectrum less others, by what is compared, then by band. Fibres lose light, so that all
   * but colours is moved by what they lose.
   */
  readonly photometry?: Readonly<Record<string, Readonly<Record<string, Agreement>>>>;
}

/** Cells that synthetic photometry of an observed spectrum adds up, and least ratio of its flux to its error. */
const [PHOTOMETRY_CELLS, LEAST_RATIO] = [192, 5] as const;
/** Galaxies whose spectra are drawn. */
const MOST_DRAWN = 5;

/** Fluxes of one kind, by column of the band; NaN where there is none. */
type Fluxes = ReadonlyMap<number, readonly number[]>;

/** Synthetic fluxes of spectra, each given by its pixels or cells. */
function syntheticOf(
  field: SpectrumField,
  fields: Catalog["fields"],
  cells: number,
  count: number,
  of: (i: number) => readonly [value: ArrayLike<number>, ivar: ArrayLike<number>],
): Fluxes {
  const pixels = edgesOf(field.grid);
  const edges = Float64Array.from(cellStarts(field.grid.pixels, cells), (start) => pixels[start]);
  const bands = coveredBands(fields, field.unit, edges);
  const found = bands.map(({ column }): [number, number[]] => [column, []]);
  for (let i = 0; i < count; i++) {
    const [value, ivar] = of(i);
    bands.forEach((band, b) => {
      const seen = syntheticFlux(band, value, ivar);
      const isBright = seen !== undefined && seen.flux > LEAST_RATIO * seen.error;
      found[b][1].push(isBright ? seen.flux : Number.NaN);
    });
  }
  return new Map(found);
}

/** Measured fluxes of the table. */
function tableFluxes({ fields, state, value }: Catalog, rows: Int32Array, columns: Iterable<number>): Fluxes {
  const of = (j: number, row: number): number => {
    const at = row * fields.length + j;
    return state[at] === State.measured ? value[at] : Number.NaN;
  };
  return new Map(Array.from(columns, (j) => [j, Array.from(rows, (row) => of(j, row))]));
}

/** Medians of the network's answers. */
function answeredFluxes(predictor: Predictor, answers: NetworkAnswers, columns: Iterable<number>): Fluxes {
  const median = new Float64Array(1);
  return new Map(
    Array.from(columns).flatMap((j): [number, number[]][] => {
      const w = answers.wanted.indexOf(j);
      if (w < 0) return [];
      const distribution = fieldDistribution(predictor.coder, answers, w);
      const medians = Array.from({ length: distribution.rowCount }, (_, i) => {
        distribution.quantiles(i, [0.5], median);
        return median[0];
      });
      return [[j, medians]];
    }),
  );
}

/** Agreement of fluxes with others, by name of the band. */
function compared(fields: Catalog["fields"], fluxes: Fluxes, others: Fluxes): Record<string, Agreement> {
  return Object.fromEntries(
    [...fluxes].flatMap(([j, own]) => {
      const other = others.get(j);
      const agreement = other === undefined ? undefined : agreementOf(own, other);
      return agreement === undefined ? [] : [[fields[j].name, agreement]];
    }),
  );
}

/** Bands that are answered from a given spectrum beside what the spectrum itself shows of them. */
function photometryOfGiven(
  predictor: Predictor,
  catalog: Catalog,
  rows: Int32Array,
  answers: NetworkAnswers,
  j: number,
): NonNullable<SpectrumResults["photometry"]> {
  const { fields } = catalog;
  const field = fields[j] as SpectrumField;
  const column = catalog.arrays?.get(field.name);
  if (column === undefined) return {};
  // cell by cell, so that pixels on the sky's lines do not drown the others
  const cells = coarseCells(PHOTOMETRY_CELLS, field.grid.pixels);
  const synthetic = syntheticOf(field, fields, cells, rows.length, (i) => {
    const { value, error } = coarsen(column, rows[i], cells);
    return [value, error.map((sigma) => (sigma > 0 ? sigma ** -2 : 0))];
  });
  const said = answeredFluxes(predictor, answers, synthetic.keys());
  return {
    [`answers less ${field.name}`]: compared(fields, said, synthetic),
    [`table less ${field.name}`]: compared(fields, tableFluxes(catalog, rows, said.keys()), synthetic),
  };
}

/** Bands of an answered spectrum's mean beside those of the table. */
function photometryOfAnswer(
  answer: SpectrumAnswer,
  catalog: Catalog,
  rows: Int32Array,
): NonNullable<SpectrumResults["photometry"]> {
  const { field, cells, distribution, isAnswered } = answer;
  const synthetic = syntheticOf(field, catalog.fields, cells, rows.length, (i) => {
    const place = Array.from({ length: cells }, (_, c) => i * cells + c);
    return [
      place.map((at) => (isAnswered[at] === 1 ? distribution.moments(at).mean : 0)),
      place.map((at) => (isAnswered[at] === 1 ? 1e30 : 0)), // no noise
    ];
  });
  const table = tableFluxes(catalog, rows, synthetic.keys());
  return { [`answered ${field.name} less table`]: compared(catalog.fields, synthetic, table) };
}

const QUANTILES = Float64Array.of(0.05, 0.16, 0.5, 0.84, 0.95);

/** A few answered spectra over what was observed. */
function answeredFigure(answer: SpectrumAnswer, catalog: Catalog, rows: Int32Array, clean: ArrayColumn | undefined) {
  const { field, cells, wavelength, distribution, isAnswered } = answer;
  const column = catalog.arrays!.get(field.name)!;
  const levels = new Float64Array(QUANTILES.length);
  const places = thin(Int32Array.from(rows.keys()), MOST_DRAWN);
  const objects = Array.from(places, (i) => {
    const quantiles = Array.from(QUANTILES, () => new Float64Array(cells).fill(Number.NaN));
    for (let c = 0; c < cells; c++) {
      if (isAnswered[i * cells + c] === 0) continue;
      distribution.quantiles(i * cells + c, QUANTILES, levels);
      levels.forEach((x, q) => (quantiles[q][c] = x));
    }
    const seen = coarsen(column, rows[i], cells);
    const where = (of: Float64Array): Float64Array => of.map((x, c) => (seen.error[c] > 0 ? x : Number.NaN));
    const loss = clean === undefined ? 1 : lossOf(column, clean, rows[i]);
    return {
      title: `galaxy ${catalog.objectId[rows[i]]}`,
      wavelength,
      quantiles: quantiles as unknown as Parameters<typeof figures.answered.draw>[0]["objects"][number]["quantiles"],
      flux: where(seen.value),
      fluxError: where(seen.error),
      ...(clean === undefined
        ? {}
        : { clean: where(coarsen({ ...column, value: clean.value }, rows[i], cells).value.map((x) => loss * x)) }),
    };
  });
  return figures.answered.draw({ fluxUnit: field.unit, objects });
}

/** Scores of answered spectra as a table. */
function scoreTable(spectra: Readonly<Record<string, SpectrumScores>>): ReportTable {
  return {
    title: "spectra, cell by cell",
    columns: [
      { label: "spectrum" },
      { label: "galaxies" },
      { label: "cells" },
      { label: "68 % coverage" },
      { label: "90 % coverage" },
      { label: "CRPS / brightness" },
      { label: "chi" },
      { label: "bias, no noise" },
      { label: "error, no noise" },
      { label: "68 % coverage, no noise" },
      { label: "90 % coverage, no noise" },
    ],
    rows: Object.entries(spectra).map(([name, { clean, ...own }]) => [
      name,
      own.galaxies,
      own.cells,
      own.coverage68,
      own.coverage90,
      own.crps,
      number(own.chi),
      ...(clean === undefined
        ? ["", "", "", ""]
        : [number(clean.bias), number(clean.error), clean.coverage68, clean.coverage90]),
    ]),
  };
}

/** Synthetic photometry as a table. */
function photometryTable(photometry: NonNullable<SpectrumResults["photometry"]>): ReportTable {
  return {
    title: "synthetic photometry",
    columns: [
      { label: "magnitudes" },
      { label: "band" },
      { label: "galaxies" },
      { label: "median", unit: "mag" },
      { label: "half of 16–84 %", unit: "mag" },
    ],
    rows: Object.entries(photometry).flatMap(([what, bands]) =>
      Object.entries(bands).map(([band, { galaxies, offset, scatter }]) => [
        what,
        band,
        galaxies,
        number(offset),
        number(scatter),
      ]),
    ),
  };
}

/** What a question says of spectra: results, and what the report shows of them. */
export interface SpectraSaid {
  readonly results: SpectrumResults;
  readonly tables: readonly ReportTable[];
  readonly figures: readonly Figure[];
}

/**
 * Scores the spectra that a question asks for, and holds bands that it asks of a spectrum against synthetic photometry of it.
 * `answers` are its numbers; `clean` the spectra without noise of the catalogue's rows, where they are known.
 */
export async function spectraSaid(
  predictor: Predictor,
  { catalog, rows }: { readonly catalog: Catalog; readonly rows: Int32Array },
  { spectra = [], isGiven }: Question,
  answers: NetworkAnswers,
  clean: ReadonlyMap<string, ArrayColumn> | undefined,
): Promise<SpectraSaid> {
  const { fields, groups } = predictor.coder;
  const scores: Record<string, SpectrumScores> = {};
  const drawn: Figure[] = [];
  let photometry: NonNullable<SpectrumResults["photometry"]> = {};
  for (const j of spectra) {
    const answer = await readSpectrum(predictor, answers.asked, j);
    const own = clean?.get(fields[j].name);
    const found = scoreSpectrum(answer, catalog, rows, own);
    if (found === undefined) continue;
    scores[fields[j].name] = found;
    drawn.push(answeredFigure(answer, catalog, rows, own));
    photometry = { ...photometry, ...photometryOfAnswer(answer, catalog, rows) };
  }
  if (answers.wanted.some((j) => fields[j].band !== undefined)) {
    for (const j of groups.spectrum.filter((one) => isGiven[one] === 1)) {
      photometry = { ...photometry, ...photometryOfGiven(predictor, catalog, rows, answers, j) };
    }
  }
  const hasScores = Object.keys(scores).length > 0;
  const hasBands = Object.values(photometry).some((bands) => Object.keys(bands).length > 0);
  return {
    results: { ...(hasScores ? { spectra: scores } : {}), ...(hasBands ? { photometry } : {}) },
    tables: [...(hasScores ? [scoreTable(scores)] : []), ...(hasBands ? [photometryTable(photometry)] : [])],
    figures: drawn,
  };
}
