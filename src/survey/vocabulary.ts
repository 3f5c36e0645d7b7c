import { UserError } from "../errors.ts";
import type { Field } from "./field.ts";

/** Fields that are tokenised and read out alike. */
export const groupNames = ["band", "property", "category"] as const;
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
export const modalityNames = ["scalar", "category"] as const;
export type ModalityName = (typeof modalityNames)[number];

/** The modalities that a vocabulary has fields of. Numbers are always there: the scale of a galaxy is one of them. */
export function modalitiesOf({ groups }: Vocabulary): ModalityName[] {
  return groups.category.length > 0 ? ["scalar", "category"] : ["scalar"];
}

/** The group of a field. @throws UserError for an array field: no network reads those yet. */
function groupOf(field: Field): GroupName {
  if (field.kind === "spectrum" || field.kind === "image") {
    throw new UserError(
      `field ${field.name}: this version's network reads no ${field.kind}; expected numbers and classes`,
    );
  }
  if (field.kind === "category") return "category";
  return field.band === undefined ? "property" : "band";
}

/** @throws Error when ids repeat or don't ascend. */
export function createVocabulary(fields: readonly Field[]): Vocabulary {
  const wrong = fields.findIndex(({ id }, j) => j > 0 && id <= fields[j - 1].id);
  if (wrong > 0)
    throw new Error(`vocabulary: field ${fields[wrong].name} has id ${fields[wrong].id}, expected ascending ids`);
  const members: Record<GroupName, number[]> = { band: [], property: [], category: [] };
  const slot = Int32Array.from(fields, (field, j) => members[groupOf(field)].push(j) - 1);
  const [band, property, category] = groupNames.map((name) => Int32Array.from(members[name])) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  return { fields, groups: { band, property, category }, slot };
}
