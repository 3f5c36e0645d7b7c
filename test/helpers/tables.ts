import { writeTable } from "../../src/io/formats.ts";
import type { Column } from "../../src/io/table.ts";
import type { Catalog } from "../../src/survey/catalog.ts";
import type { Field } from "../../src/survey/field.ts";

/** Writes a catalogue, with the fields that `isThere` names, as a table; returns the path. */
export async function writeCatalog(
  path: string,
  catalog: Catalog,
  isThere: (field: Field) => boolean = () => true,
): Promise<string> {
  const { rowCount, objectId } = catalog;
  const n = catalog.fields.length;
  const columns = catalog.fields.flatMap((field, j): Column[] => {
    if (!isThere(field)) return [];
    const own = { width: 1, unit: field.unit } as const;
    const cells = (of: Float32Array | Uint8Array): number[] =>
      Array.from({ length: rowCount }, (_, row) => of[row * n + j]);
    const { value, error, state } = catalog;
    return [
      { ...own, name: field.name, type: "float32", data: Float32Array.from(cells(value)) },
      { ...own, name: `${field.name}_err`, type: "float32", data: Float32Array.from(cells(error)) },
      { width: 1, name: `${field.name}_state`, type: "uint8", data: Uint8Array.from(cells(state)) },
    ];
  });
  const id: Column = { width: 1, name: "object_id", type: "string", data: [...objectId] };
  const table = { rowCount, columns: [id, ...columns], metadata: {} };
  const schema = table.columns.map(({ data: _data, ...rest }) => rest);
  await writeTable(path, { schema, metadata: {}, rowCount }, [table]);
  return path;
}
