import { UserError } from "../errors.ts";
import { didYouMean } from "./nearest.ts";
import type { ColumnSchema } from "./table.ts";

/** Rows per batch where the caller does not say. */
export const DEFAULT_BATCH_ROWS = 65_536;

/**
 * Positions in `schema` of the wanted columns, in the order wanted; all of them when `wanted` is absent.
 * @throws UserError for a column that is not there, with the nearest one that is.
 */
export function chooseColumns(
  path: string,
  schema: readonly ColumnSchema[],
  wanted: readonly string[] | undefined,
): number[] {
  if (!wanted) return schema.map((_, i) => i);
  const places = new Map(schema.map((column, i) => [column.name, i]));
  return wanted.map((name) => {
    const place = places.get(name);
    if (place === undefined) {
      throw new UserError(
        `${path}: no column "${name}"${didYouMean(name, places.keys())}; it has ${schema.length} columns`,
      );
    }
    return place;
  });
}
