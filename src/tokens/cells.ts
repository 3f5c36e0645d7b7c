/** A spectrum on the coarse grid that networks answer: its cells, and how they are encoded. */
import type { Arrays, Signature } from "../engine/contract.ts";
import type { Curve } from "../model/distribution.ts";
import type { ArrayColumn } from "../survey/catalog.ts";
import { type SpectrumField, type SpectrumGrid, State } from "../survey/field.ts";
import { isObserved } from "../survey/spectrum-grid.ts";
import { cellInputs, coarseCells, N_CELL_NUMBER, type Vocabulary } from "../survey/vocabulary.ts";
import { type Evidence, withinReach } from "./hosts.ts";
import { pixelsIn, type PixelWindow, spectrumAmplitude, WHOLE } from "./spectrum.ts";
import type { FieldCoder } from "./standardise.ts";

/** A cell is observed where at least this part of its pixels is. */
const LEAST_OBSERVED = 0.5;

/** First pixel of each of `cells` cells of `pixels` pixels, and the end of the last. [cells + 1] */
export const cellStarts = (pixels: number, cells: number): Int32Array =>
  Int32Array.from({ length: cells + 1 }, (_, c) => Math.round((c * pixels) / cells));

/** Middles of the cells of a grid, half-way between their ends in the logarithm [Angstrom, vacuum]. [cells] */
export function cellWavelengths({ from, to, pixels }: SpectrumGrid, cells: number): Float64Array {
  const starts = cellStarts(pixels, cells);
  const step = Math.log(to / from) / (pixels - 1);
  const middle = (c: number): number => 0.5 * (starts[c] + starts[c + 1] - 1);
  return Float64Array.from({ length: cells }, (_, c) => from * Math.exp(step * middle(c)));
}

/** A spectrum on the coarse grid, in its own unit. */
export interface Cells {
  /** [cells] Mean flux density of each cell's observed pixels, weighted by their inverse variances; 0 where not observed. */
  readonly value: Float64Array;
  /** [cells] 1 sigma; 0 = not observed. */
  readonly error: Float64Array;
}

/**
 * Puts the spectrum of a row on the coarse grid. Cells of which less than half of the pixels are observed are not, nor those
 * that reach into `given`.
 */
export function coarsen(column: ArrayColumn, row: number, cells: number, given?: PixelWindow): Cells {
  const { width, value, ivar } = column;
  const starts = cellStarts(width, cells);
  const [first, end] = given === undefined ? [0, 0] : pixelsIn(given, width);
  const out: Cells = { value: new Float64Array(cells), error: new Float64Array(cells) };
  for (let c = 0; c < cells; c++) {
    if (starts[c] < end && starts[c + 1] > first) continue;
    let [weights, sum, count] = [0, 0, 0];
    for (let i = row * width + starts[c]; i < row * width + starts[c + 1]; i++) {
      if (!isObserved(value[i], ivar[i])) continue;
      weights += ivar[i];
      sum += ivar[i] * value[i];
      count += 1;
    }
    if (count < LEAST_OBSERVED * (starts[c + 1] - starts[c])) continue;
    out.value[c] = sum / weights;
    out.error[c] = 1 / Math.sqrt(weights);
  }
  return out;
}

/** Softness of a cell over the usual brightness of the survey's spectra: about twice the noise of a faint one's cells. */
const USUAL_SOFTNESS = 0.2;
/** The same over the brightness of this galaxy, where that is known: fainter cells are linear. */
const RELATIVE_SOFTNESS = 0.1;

/** How the cells of one galaxy are encoded: asinh(flux / (2 softness)) - origin. */
export interface CellCode {
  /** [unit of the spectrum] */
  readonly softness: number;
  readonly origin: number;
}

/**
 * The encoding of a galaxy's cells for what is given of it: relative to the brightness that bands tell (`scale`, 0: none),
 * else to that of the given part of the spectrum (`amplitude`, 0: none), else to the usual brightness of the survey's spectra.
 * Bands are in another unit; the ratio is that of the usual brightnesses.
 */
export function cellCode({ standardisation }: FieldCoder, j: number, scale: number, amplitude: number): CellCode {
  const { mean } = standardisation.fields[j];
  const usual = Math.exp(mean);
  const told = scale > 0 ? scale * Math.exp(mean - standardisation.scale.mean) : amplitude;
  const level = told > 0 ? told : usual;
  const softness = Math.hypot(told > 0 ? RELATIVE_SOFTNESS * level : 0, USUAL_SOFTNESS * usual);
  return { softness, origin: Math.asinh(level / (2 * softness)) };
}

/** From an encoded cell to its flux density. */
export const cellCurve = ({ softness, origin }: CellCode): Curve => ({
  shape: "sinh",
  factor: 2 * softness,
  rate: 1,
  shift: origin,
  offset: 0,
});

/** How bright the given part of a row's spectrum is; 0 where none of it is. */
export function givenAmplitude(
  coder: FieldCoder,
  j: number,
  { catalog, row, isContext, window }: Omit<Evidence, "scale">,
): number {
  const column = catalog.arrays?.get(coder.fields[j].name);
  const isGiven = isContext[j] === 1 && catalog.state[row * coder.nField + j] !== State.notObserved;
  return isGiven && column !== undefined ? spectrumAmplitude(column, row, window) : 0;
}

/**
 * What is asked of B galaxies' spectra, of the one in place s: spectrum<s>Cells [B, cells, 3] encoded value, its error and
 * how the encoding bends there, all 0 where a cell is not asked; spectrum<s>Shift [B] the redshift as a number of cells,
 * ln(1 + z) over their width, -1 where it isn't known.
 */
export function cellSignature(batch: number, cells: number, { fields, groups }: Vocabulary): Signature {
  const arrays = Array.from(groups.spectrum, (j, s): Signature => {
    const field = fields[j] as SpectrumField;
    const { truth, shift } = cellInputs(s);
    return {
      [truth]: { dtype: "float32", shape: [batch, coarseCells(cells, field.grid.pixels), N_CELL_NUMBER] },
      [shift]: { dtype: "float32", shape: [batch] },
    };
  });
  return Object.assign({}, ...arrays) as Signature;
}

/** Writes what is asked of the spectra of the galaxy in place `b`: cells that are observed, outside of what is given. */
export function fillCells(arrays: Arrays, b: number, coder: FieldCoder, most: number, evidence: Evidence): void {
  const { catalog, row, isContext, scale, window = WHOLE } = evidence;
  const { fields, nField, groups } = coder;
  const z = fields.findIndex(({ kind }) => kind === "redshift");
  const redshift =
    z < 0 || catalog.state[row * nField + z] !== State.measured ? undefined : catalog.value[row * nField + z];
  groups.spectrum.forEach((j, s) => {
    const { grid, name } = fields[j] as SpectrumField;
    const cells = coarseCells(most, grid.pixels);
    const { truth, shift } = cellInputs(s);
    const step = (Math.log(grid.to / grid.from) * grid.pixels) / ((grid.pixels - 1) * cells);
    arrays[shift].data[b] = redshift === undefined ? -1 : Math.log1p(Math.max(redshift, 0)) / step;
    const column = catalog.arrays?.get(name);
    if (column === undefined || catalog.state[row * nField + j] === State.notObserved) return;
    const { value, error } = coarsen(column, row, cells, isContext[j] === 1 ? window : undefined);
    const { softness, origin } = cellCode(coder, j, scale, givenAmplitude(coder, j, evidence));
    for (let c = 0; c < cells; c++) {
      if (error[c] === 0) continue;
      const to = (b * cells + c) * N_CELL_NUMBER;
      const root = Math.hypot(value[c], 2 * softness); // 1 / root is the slope of the encoding
      arrays[truth].data[to] = withinReach(Math.asinh(value[c] / (2 * softness)) - origin);
      arrays[truth].data[to + 1] = error[c] / root;
      arrays[truth].data[to + 2] = value[c] / root;
    }
  });
}
