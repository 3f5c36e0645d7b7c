/** What a page shows of spectra: a few with their lines, and their signal to noise by magnitude. */
import type { Table } from "../io/table.ts";
import { figures } from "../report/figures.ts";
import type { SpectrumShown } from "../report/figure-spectra.ts";
import type { Figure } from "../report/svg.ts";
import { lines } from "../simulate/lines.ts";
import type { Field, SpectrumField } from "../survey/field.ts";
import { wavelengthsOf } from "../survey/spectrum-grid.ts";
import type { Survey } from "../survey/survey.ts";
import { magnitudesAB } from "../survey/units.ts";

/** Lines that are marked, with what they are called. */
const MARKED = [
  ["OII3729", "[OII]"],
  ["Hbeta", "Hβ"],
  ["OIII5007", "[OIII]"],
  ["Halpha", "Hα"],
  ["SIII9531", "[SIII]"],
] as const;
const MOST_SHOWN = 5;
/** Signal to noise is the median of every so many pixels. */
const STRIDE = 16;

/** Spectra of tables that pass by. */
export interface SpectrumGallery {
  addTable(table: Table): void;
  /** None where no table had spectra. */
  figures(): Figure[];
}

type Numbers = ArrayLike<number>;

function numbersOf({ columns }: Table, name: string): Float32Array | undefined {
  const data = columns.find((one) => one.name === name)?.data;
  return data instanceof Float32Array ? data : undefined;
}

/** Median of flux over error of a row's pixels in a stretch of wavelength; NaN where none is observed. */
function medianRatio(value: Numbers, ivar: Numbers, [first, last]: readonly [number, number]): number {
  const ratios: number[] = [];
  for (let i = first; i < last; i += STRIDE) if (ivar[i] > 0) ratios.push(value[i] * Math.sqrt(ivar[i]));
  return ratios.sort((a, b) => a - b)[ratios.length >> 1] ?? Number.NaN;
}

/** The first pixel of each arm, and the one after its last; the whole spectrum where no arms are described. */
function stretches({
  grid,
  arms,
}: SpectrumField): { readonly name: string; readonly span: readonly [number, number] }[] {
  const wavelength = wavelengthsOf(grid);
  const at = (limit: number): number => {
    const i = wavelength.findIndex((one) => one > limit);
    return i < 0 ? grid.pixels : i;
  };
  if (arms === undefined) return [{ name: "spectrum", span: [0, grid.pixels] }];
  return arms.map(({ name, from, to }) => ({ name, span: [at(from), at(to)] }));
}

function shown(table: Table, row: number, field: SpectrumField, title: string, z: number): SpectrumShown {
  const { name, grid } = field;
  const part = (column: string): Float32Array | undefined =>
    numbersOf(table, column)?.slice(row * grid.pixels, (row + 1) * grid.pixels);
  const clean = part(`true_${name}`);
  return {
    title,
    wavelength: wavelengthsOf(grid),
    flux: part(name) ?? [],
    sigma: part(`${name}_ivar`)?.map((ivar) => (ivar > 0 ? 1 / Math.sqrt(ivar) : Number.NaN)) ?? [],
    lines: MARKED.map(([line, label]) => ({ label, wavelength: lines[line].wavelength * (1 + z) })),
    ...(clean === undefined ? {} : { clean }),
  };
}

/** A gallery of the survey's first spectrum; magnitudes are those of `band`. */
export function createGallery({ fields }: Survey, band: string): SpectrumGallery {
  const field = fields.find((one): one is SpectrumField => one.kind === "spectrum");
  const reference: Field | undefined = fields.find(({ name }) => name === band);
  const parts = field === undefined ? [] : stretches(field);
  const examples: SpectrumShown[] = [];
  const magnitudes: number[] = [];
  const ratios = parts.map((): number[] => []);
  return {
    addTable(table) {
      if (field === undefined || reference === undefined) return;
      const [value, ivar] = [numbersOf(table, field.name), numbersOf(table, `${field.name}_ivar`)];
      const flux = numbersOf(table, `true_${band}`) ?? numbersOf(table, band);
      const redshift = numbersOf(table, "z");
      if (value === undefined || ivar === undefined || flux === undefined) return;
      const magnitudeOf = magnitudesAB(reference);
      for (let row = 0; row < table.rowCount; row++) {
        const [from, to] = [row * field.grid.pixels, (row + 1) * field.grid.pixels];
        const magnitude = magnitudeOf(flux[row]);
        magnitudes.push(magnitude);
        parts.forEach(({ span }, p) =>
          ratios[p].push(medianRatio(value.subarray(from, to), ivar.subarray(from, to), span)),
        );
        if (examples.length >= MOST_SHOWN) continue;
        const z = redshift?.[row] ?? Number.NaN;
        examples.push(shown(table, row, field, `${band} = ${magnitude.toFixed(1)}, z = ${z.toFixed(3)}`, z));
      }
    },
    figures() {
      if (field === undefined || examples.length === 0) return [];
      const samples = parts.slice(0, 3).map(({ name }, p) => ({ label: name, x: magnitudes, y: ratios[p] }));
      return [
        figures.spectra.draw({ fluxUnit: field.unit, objects: examples }),
        figures.scatter.draw({
          xAxis: { label: `${band} magnitude`, unit: "AB" },
          yAxis: { label: "signal to noise per pixel, median", scale: "asinh", knee: 1 },
          samples,
          caption: `Median signal-to-noise ratio of a pixel against the magnitude in ${band}, by arm. It falls by 2.5 a magnitude where the sky outshines the galaxy; large galaxies lie lower, whose light the fibre loses.`,
        }),
      ];
    },
  };
}
