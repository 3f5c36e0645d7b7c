import { UserError } from "../errors.ts";
import type { Field } from "./field.ts";

/** Fields that are tokenised and read out alike. */
export const groupNames = ["band", "property", "category", "spectrum"] as const;
export type GroupName = (typeof groupNames)[number];

/**
 * The fields that a network knows, in the order of their ids: the columns of its batches and catalogues. It grows at its
 * end only, and every group grows at its own end, so that what was learned of the old fields stays where it is.
 */
export interface Vocabulary {
  readonly fields: readonly Field[];
  /** Columns of each group's fields, ascending. */
  readonly groups: Readonly<Record<GroupName, Int32Array>>;
  /** [nField] Place of each field within its group: its rows in the group's parameters. */
  readonly slot: Int32Array;
}

/**
 * Kinds of evidence. Each is a row of two tables with these keys: `tokens/hosts.ts` (what enters a batch) and
 * `model/stems.ts` (how the network takes it in).
 */
export const modalityNames = ["scalar", "category", "spectrum"] as const;
export type ModalityName = (typeof modalityNames)[number];

/** The modalities that a vocabulary has fields of. Numbers are always there: the scale of a galaxy is one of them. */
export function modalitiesOf({ groups }: Vocabulary): ModalityName[] {
  return modalityNames.filter((name) => name === "scalar" || groups[name].length > 0);
}

/** Names of the arrays of the spectrum in place `s` of its group. */
export const spectrumInputs = (s: number): { readonly flux: string; readonly weight: string } => ({
  flux: `spectrum${s}`,
  weight: `spectrum${s}Weight`,
});
/** Numbers that describe a spectrum beside its pixels. */
export const N_SPECTRUM_SCALAR = 4;

/** Cells of the coarse grid that a spectrum of so many pixels is answered on. */
export const coarseCells = (cells: number, pixels: number): number => Math.min(cells, pixels);

/** Names of the arrays that say what is asked of the spectrum in place `s`: see `fillCells` of `tokens/cells.ts`. */
export const cellInputs = (s: number): { readonly truth: string; readonly shift: string } => ({
  truth: `spectrum${s}Cells`,
  shift: `spectrum${s}Shift`,
});
/** Numbers of a cell that is asked: value, error, bend. */
export const N_CELL_NUMBER = 3;

/** The group of a field. @throws UserError for an image: no network reads those yet. */
function groupOf(field: Field): GroupName {
  if (field.kind === "image") {
    throw new UserError(
      `field ${field.name}: this version's network reads no image; expected numbers, classes and spectra`,
    );
  }
  if (field.kind === "category" || field.kind === "spectrum") return field.kind;
  return field.band === undefined ? "property" : "band";
}

/** @throws Error when ids repeat or don't ascend. */
export function createVocabulary(fields: readonly Field[]): Vocabulary {
  const wrong = fields.findIndex(({ id }, j) => j > 0 && id <= fields[j - 1].id);
  if (wrong > 0)
    throw new Error(`vocabulary: field ${fields[wrong].name} has id ${fields[wrong].id}, expected ascending ids`);
  const members: Record<GroupName, number[]> = { band: [], property: [], category: [], spectrum: [] };
  const slot = Int32Array.from(fields, (field, j) => members[groupOf(field)].push(j) - 1);
  const groups = Object.fromEntries(groupNames.map((name) => [name, Int32Array.from(members[name])]));
  return { fields, groups: groups as Vocabulary["groups"], slot };
}
