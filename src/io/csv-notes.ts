import { z } from "zod";
import { looseYaml } from "./yaml.ts";
import { UserError } from "../errors.ts";
import type { ColumnSchema, ColumnType, TableHeader } from "./table.ts";
import { fitsUnit } from "./unit-text.ts";

/** What the comments before a CSV header say of its columns. */
export interface Notes {
  readonly units: Map<string, string>;
  readonly types: Map<string, { type: ColumnType; width: number; isDigits?: boolean }>;
  readonly descriptions: Map<string, string>;
  readonly metadata: Record<string, string>;
  /** Where an ECSV header states it. */
  readonly delimiter?: string;
}

const TYPES: readonly string[] = ["float32", "float64", "uint8", "int16", "int32", "int64", "string"];

/** First comment of an ECSV file: Enhanced CSV, Astropy Proposal for Enhancement 6, version 1.0. */
const ECSV = /^%ECSV\s+\d/;

/** ECSV's types and the column types that hold them; unsigned 64-bit numbers become strings of digits, as in FITS. */
const ecsvTypes: Readonly<Record<string, ColumnType>> = {
  bool: "uint8",
  int8: "int16",
  uint8: "uint8",
  int16: "int16",
  uint16: "int32",
  int32: "int32",
  uint32: "int64",
  int64: "int64",
  uint64: "string",
  float16: "float32",
  float32: "float32",
  float64: "float64",
  float128: "float64",
  string: "string",
};

const ecsvSchema = z.looseObject({
  delimiter: z.enum([" ", ","]).default(" "),
  datatype: z.array(
    z.looseObject({
      name: z.string(),
      datatype: z.string(),
      subtype: z.string().optional(),
      unit: z.string().optional(),
      description: z.string().optional(),
    }),
  ),
  // astropy leaves it out where there is nothing to say
  meta: z.unknown().optional(),
});

const isEcsv = (comments: readonly string[]): boolean => ECSV.test((comments[0] ?? "").trim());

function parseEcsv(path: string, comments: readonly string[]): z.output<typeof ecsvSchema> {
  const end = comments.findIndex((line, i) => i > 1 && line.trim() === "---");
  const text = comments.slice(1, end < 0 ? undefined : end).join("\n");
  const { value, problem } = looseYaml(text);
  const found = ecsvSchema.safeParse(value);
  if (found.success) return found.data;
  const why = problem ?? found.error.issues[0].message;
  throw new UserError(`${path}: its ECSV header cannot be read (${why}), expected YAML with a list "datatype"`);
}

/** Fills `notes`; returns the delimiter. */
function readEcsv(path: string, comments: readonly string[], notes: Notes): string {
  const { datatype, meta, delimiter } = parseEcsv(path, comments);
  for (const { name, datatype: type, subtype, unit, description } of datatype) {
    // an array column: JSON in text, `float64[60]`
    const array = /^(\w+)\[([1-9]\d{0,5})\]$/.exec(subtype ?? "");
    const known = ecsvTypes[array?.[1] ?? type];
    if (known !== undefined) {
      const digits = type === "uint64" ? { isDigits: true } : {};
      notes.types.set(name, { type: known, width: Number(array?.[2] ?? 1), ...digits });
    }
    if (unit) notes.units.set(name, unit);
    if (description) notes.descriptions.set(name, description);
  }
  // astropy marks it as an ordered map, which comes as a Map; by hand it may be a plain one
  const entries: Iterable<[unknown, unknown]> =
    meta instanceof Map ? meta : Object.entries(typeof meta === "object" && meta !== null ? meta : {});
  for (const [key, value] of entries) {
    notes.metadata[String(key)] = typeof value === "string" ? value : JSON.stringify(value);
  }
  return delimiter;
}

/** Reads `# unit NAME = Gyr`, `# type NAME = float32 60`, `# key = value` and `#SELECT ...`. */
function readPlain(comments: readonly string[], notes: Notes): void {
  for (const comment of comments.map((line) => line.trim())) {
    if (/^select\b/i.test(comment)) notes.metadata["query"] = comment;
    const match = /^(?:(unit|type)\s+)?(.+?)\s*=\s*(.*)$/.exec(comment);
    if (!match || /^select\b/i.test(comment)) continue;
    const [, what, name, value] = match;
    if (what === "unit") notes.units.set(name, value);
    else if (what === "type") {
      const [type, width = "1"] = value.split(" ");
      if (TYPES.includes(type) && /^[1-9]\d{0,5}$/.test(width)) {
        notes.types.set(name, { type: type as ColumnType, width: Number(width) });
      }
    } else notes.metadata[name] = value;
  }
}

/** What comments (without their # and one blank after it) say: an ECSV header, or lines written by hand. */
export function readNotes(path: string, comments: readonly string[]): Notes {
  const notes: Notes = { units: new Map(), types: new Map(), descriptions: new Map(), metadata: {} };
  if (isEcsv(comments)) return { ...notes, delimiter: readEcsv(path, comments, notes) };
  readPlain(comments, notes);
  return notes;
}

function ecsvColumn({ name, type, width, unit, description }: ColumnSchema): string {
  const isArray = width > 1 && type !== "string";
  // JSON is YAML; decades of an unnamed quantity are a unit to astropy, though not to FITS
  return JSON.stringify({
    name,
    ...(unit ? { unit: fitsUnit(unit) || unit } : {}),
    datatype: isArray ? "string" : type,
    ...(isArray ? { subtype: `${type}[${width}]` } : {}),
    ...(description ? { description } : {}),
  });
}

/** The header of an ECSV file: astropy and TOPCAT take units, types and descriptions from it. */
export function ecsvHead({ schema, metadata }: TableHeader): string[] {
  return [
    "%ECSV 1.0",
    "---",
    "delimiter: ','",
    "datatype:",
    ...schema.map((column) => `- ${ecsvColumn(column)}`),
    `meta: ${JSON.stringify(metadata)}`,
    "schema: astropy-2.0",
  ].map((line) => `# ${line}`);
}
