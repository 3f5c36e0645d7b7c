import { z } from "zod";
import { looseYaml } from "./yaml.ts";
import { readTexts } from "./hdf5-decode.ts";
import type { Hdf5Slot } from "./hdf5-decode.ts";
import type { Hdf5Dataset, Hdf5File } from "./hdf5-file.ts";

/** Behind a table that astropy wrote with `serialize_meta`, a dataset of lines of YAML describes its columns. */
export const ASTROPY_NOTES = ".__table_column_meta__";
const MASK = ".mask";

const notesSchema = z.object({
  datatype: z.array(
    z
      .object({ name: z.string(), unit: z.string().optional(), description: z.string().optional() })
      .catchall(z.unknown()),
  ),
});

/**
 * Columns of a table with the units and descriptions that astropy put beside it; the masks of columns, which come as
 * columns of their own (`NAME.mask`), join them. Without such notes the columns stay as they are.
 */
export function joinAstropyNotes(
  file: Hdf5File,
  dataset: Hdf5Dataset,
  slots: readonly Hdf5Slot[],
): readonly Hdf5Slot[] {
  const lines = file.datasets.find(({ path }) => path === `${dataset.path}${ASTROPY_NOTES}`);
  if (!lines) return slots;
  const parsed = notesSchema.safeParse(looseYaml(readTexts(file, lines).join("\n")).value);
  if (!parsed.success) return slots;
  const notes = new Map(parsed.data.datatype.map((column) => [column.name, column]));
  const nameOf = ({ schema }: Hdf5Slot): string => schema.name.slice(dataset.path.length + 1);
  const byName = new Map(slots.map((slot) => [nameOf(slot), slot]));
  return slots.flatMap((slot): Hdf5Slot[] => {
    const name = nameOf(slot);
    if (name.endsWith(MASK) && byName.has(name.slice(0, -MASK.length))) return [];
    const { unit, description } = notes.get(name) ?? {};
    const mask = byName.get(`${name}${MASK}`);
    const schema = { ...slot.schema, ...(unit ? { unit } : {}), ...(description ? { description } : {}) };
    const isNullable = mask !== undefined && schema.type === "uint8";
    return [
      {
        ...slot,
        schema: isNullable ? { ...schema, nullable: true } : schema,
        ...(mask ? { mask: { offset: mask.offset, count: mask.type.count } } : {}),
      },
    ];
  });
}
