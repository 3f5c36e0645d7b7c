import { existsSync } from "node:fs";

/** A file, and which of its tables is meant. */
export interface TableName {
  readonly file: string;
  readonly table?: string;
}

/** `cat.fits[PHOT]` as file and table; what is there under the whole name is a file of that name. */
export function splitTableName(path: string): TableName {
  const found = /^(.+)\[([^[\]]+)\]$/.exec(path);
  if (found === null || existsSync(path)) return { file: path };
  return { file: found[1], table: found[2].trim() };
}

/** `out.parquet` -> `out`; `out.csv.gz` -> `out`. */
export const stemOf = (path: string): string => path.replace(/\.gz$/i, "").replace(/\.[^./\\]+$/, "");
