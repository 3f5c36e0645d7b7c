/** Whole spectra as answers: on a coarse grid, each cell with its distribution. */
import { UserError } from "../errors.ts";
import type { Column } from "../io/table.ts";
import type { Distribution } from "../model/distribution.ts";
import { decoderOf } from "../model/spectrum-decoder.ts";
import { inUnits } from "../model/units.ts";
import { allRows, type Catalog } from "../survey/catalog.ts";
import type { SpectrumField } from "../survey/field.ts";
import { flagsOf, parseFieldList } from "../survey/field-list.ts";
import { createVocabulary } from "../survey/vocabulary.ts";
import { type CellCode, cellCode, cellCurve, cellStarts, cellWavelengths, givenAmplitude } from "../tokens/cells.ts";
import type { CheckpointConfig } from "../train/config.ts";
import { explain, floatColumn, meanings } from "./answers.ts";
import type { Wish } from "./derived.ts";
import type { MethodName, MethodVocabulary } from "./methods.ts";
import type { Predictor } from "./predict.ts";
import { summariseAll } from "./summary.ts";
import type { Asked } from "./trust.ts";

/** What a network says of one spectrum of some galaxies, cell by cell: errors are of single cells, not of sums of them. */
export interface SpectrumAnswer {
  readonly field: SpectrumField;
  readonly rowCount: number;
  readonly cells: number;
  /** [cells] Middles of the cells [Angstrom, vacuum]. */
  readonly wavelength: Float64Array;
  /** [rowCount * cells] Flux density in the field's unit, without noise. */
  readonly distribution: Distribution;
  /** The same as the network has it, and how each row's cells are encoded. */
  readonly encoded: Distribution;
  readonly codes: readonly CellCode[];
  /** [rowCount * cells] 0 where a cell is not answered: no arm sees it, or pixels of it were given. */
  readonly isAnswered: Uint8Array;
}

/** Cells that the spectrograph sees; all where nothing says what it sees. */
function seenCells({ arms }: SpectrumField, wavelength: Float64Array): Uint8Array {
  if (arms === undefined) return new Uint8Array(wavelength.length).fill(1);
  return Uint8Array.from(wavelength, (at) => Number(arms.some(({ from, to }) => at >= from && at <= to)));
}

/**
 * Spectra in column `j` as a question's states tell them. Of a galaxy whose spectrum is given in part the rest is answered.
 * @throws Error for a network that answers none: see {@link checkDecoder}.
 */
export async function readSpectrum(
  { network, coder }: Pick<Predictor, "network" | "coder">,
  { catalog, rows, isGiven, states }: Pick<Asked, "catalog" | "rows" | "isGiven" | "states">,
  j: number,
): Promise<SpectrumAnswer> {
  const field = coder.fields[j] as SpectrumField;
  const { cells, encoded } = await network.readSpectra(states, j);
  const wavelength = cellWavelengths(field.grid, cells);
  const codes = Array.from(rows, (row, i) =>
    cellCode(coder, j, states.scales[i], givenAmplitude(coder, j, { catalog, row, isContext: isGiven })),
  );
  const isAnswered = new Uint8Array(rows.length * cells);
  const isSeen = seenCells(field, wavelength);
  const starts = cellStarts(field.grid.pixels, cells);
  const pixels = isGiven[j] === 1 ? catalog.arrays?.get(field.name) : undefined;
  for (let i = 0; i < rows.length; i++) {
    isAnswered.set(isSeen, i * cells);
    if (pixels === undefined) continue;
    const from = rows[i] * pixels.width;
    for (let c = 0; c < cells; c++) {
      const own = pixels.ivar.subarray(from + starts[c], from + starts[c + 1]);
      if (own.some((ivar) => ivar > 0)) isAnswered[i * cells + c] = 0;
    }
  }
  const distribution = inUnits(encoded, (at) => cellCurve(codes[Math.floor(at / cells)]));
  return { field, rowCount: rows.length, cells, wavelength, distribution, encoded, codes, isAnswered };
}

/** @throws UserError for a network without a decoder of spectra; `option` is what asks. */
function checkDecoder(option: string, { model, survey }: Pick<CheckpointConfig, "model" | "survey">): void {
  const coder = createVocabulary(survey.fields);
  if (decoderOf(model, coder) !== undefined) return;
  const { name } = coder.fields[coder.groups.spectrum[0]];
  throw new UserError(
    `${option} ${name}: this network reads spectra but answers none; expected one trained with model.spectrum.out in its recipe`,
  );
}

/** @throws UserError where spectra are wanted of a method that answers none, or under another prior. */
export function checkSpectra(
  { method = "network", prior }: { readonly method?: MethodName; readonly prior?: string },
  { spectra }: Pick<Wish, "spectra">,
  { survey, checkpoint }: MethodVocabulary,
): void {
  if (spectra.length === 0) return;
  const { name } = survey.fields[spectra[0]];
  if (method !== "network")
    throw new UserError(`--want ${name}: --method ${method} answers no spectra, expected network`);
  if (prior !== undefined) throw new UserError(`--want ${name}: spectra know of no --prior, expected none`);
  checkDecoder("--want", checkpoint!.config);
}

/** What to ask of a spectrum; fields as lists of names, ranges and groups. */
export interface SpectrumQuestion {
  /** Default: all fields but the spectrum. A spectrum that is named here is given as far as it is observed. */
  readonly given?: string;
  /** Name of the spectrum; default: the survey's first. */
  readonly want?: string;
}

/**
 * A spectrum of every row of a catalogue from what else is known of it.
 * @throws UserError for unknown fields, a network that answers no spectra, a survey without one.
 */
export async function askSpectrum(
  predictor: Predictor,
  checkpoint: { readonly config: Pick<CheckpointConfig, "model" | "survey"> },
  catalog: Catalog,
  { given, want }: SpectrumQuestion = {},
): Promise<SpectrumAnswer> {
  const { coder } = predictor;
  const { fields, groups } = coder;
  const j = want === undefined ? groups.spectrum[0] : fields.findIndex(({ name }) => name === want);
  if (j === undefined || fields[j]?.kind !== "spectrum") {
    throw new UserError(`askSpectrum: ${want === undefined ? "the survey has no spectrum" : `no spectrum "${want}"`}`);
  }
  checkDecoder("askSpectrum", checkpoint.config);
  const isGiven = flagsOf(parseFieldList(given ?? "all", fields, "given"), fields.length);
  if (!isSpectrumGiven(given, fields[j].name)) isGiven[j] = 0;
  const { asked } = await predictor.predict(catalog, allRows(catalog), isGiven, []);
  return readSpectrum(predictor, asked, j);
}

/** Whether a list of what is given names the spectrum itself: it is then given as far as it is observed, and the rest asked. */
export const isSpectrumGiven = (given: string | undefined, name: string): boolean =>
  given?.split(",").some((part) => ["spectra", name].includes(part.trim())) === true;

/**
 * Columns of a spectrum, a number per cell: `<FIELD>` the median, `<FIELD>_err` half of the 68 % interval, `<FIELD>_mean`, which
 * may be added up, `<FIELD>_q05` .. `_q95`, and `<FIELD>_wavelength` [Angstrom, vacuum]. NaN where a cell is not answered.
 */
export function spectrumColumns({
  field,
  rowCount,
  cells,
  wavelength,
  distribution,
  isAnswered,
}: SpectrumAnswer): Column[] {
  const found = summariseAll(distribution, "flux");
  const { median, q16, q84 } = found as Record<"median" | "q16" | "q84", Float32Array>;
  const column = (name: string, data: Float32Array, what: string): Column =>
    floatColumn(name, data.map((x, i) => (isAnswered[i] === 1 ? x : Number.NaN)), cells, field.unit, explain(field, what)); // prettier-ignore
  const half = q84.map((high, i) => 0.5 * (high - q16[i]));
  const others = (["mean", "q05", "q16", "q84", "q95"] as const).map((name) =>
    column(`${field.name}_${name}`, found[name]!, `${meanings[name]}, in each cell`),
  );
  const places = new Float64Array(rowCount * cells);
  for (let i = 0; i < rowCount; i++) places.set(wavelength, i * cells);
  return [
    column(field.name, median, "median of the posterior in each cell, without noise"),
    column(`${field.name}_err`, half, "half of the 68 % interval of each cell by itself"),
    ...others,
    {
      name: `${field.name}_wavelength`,
      type: "float64",
      width: cells,
      data: places,
      unit: "Angstrom",
      description: explain(field, "middles of the cells, in vacuum"),
    },
  ];
}
