import { UserError } from "../errors.ts";
import type { ColumnSchema, ColumnType } from "./table.ts";

/** Datatypes of VOTable 1.4 (table 1 there): bytes of one element in a binary stream, and the column type that holds it. */
export const VO_TYPES = {
  boolean: { bytes: 1, type: "uint8" },
  bit: { bytes: 0, type: "uint8" },
  unsignedByte: { bytes: 1, type: "uint8" },
  short: { bytes: 2, type: "int16" },
  int: { bytes: 4, type: "int32" },
  long: { bytes: 8, type: "int64" },
  char: { bytes: 1, type: "string" },
  unicodeChar: { bytes: 2, type: "string" },
  float: { bytes: 4, type: "float32" },
  double: { bytes: 8, type: "float64" },
  floatComplex: { bytes: 8, type: "float32" },
  doubleComplex: { bytes: 16, type: "float64" },
} as const satisfies Record<string, { bytes: number; type: ColumnType }>;

export type VoType = keyof typeof VO_TYPES;

/** One FIELD. */
export interface VoField {
  readonly schema: ColumnSchema;
  readonly datatype: VoType;
  /** Elements of every cell (characters, for strings); undefined where each cell has its own number. */
  readonly count: number | undefined;
  /** Most elements of a cell of varying length, as arraysize says (`12*`); undefined where it doesn't (`*`). */
  readonly most: number | undefined;
  /** Characters of one string, where a cell holds several; 0 where it holds one. */
  readonly stringLength: number;
  /** The number that means missing (VALUES null), and the text that does. */
  readonly blank: number | bigint | undefined;
  readonly blankText: string | undefined;
  /** What stands in the file where that is no datatype of VOTable: cells are taken for text, which only TABLEDATA is. */
  readonly unknownType: string | undefined;
}

const MAX_ELEMENTS = 2 ** 24;

interface Size {
  readonly count: number | undefined;
  readonly most: number | undefined;
  readonly first: number;
  readonly axes: number;
}

/** `` (one), `3`, `*`, `12*`, `4x3`, `8x*`. */
function parseSize(where: string, text: string | undefined): Size {
  if (text === undefined || text.trim() === "") return { count: 1, most: undefined, first: 1, axes: 0 };
  const parts = text.trim().split("x");
  const last = parts[parts.length - 1];
  const isRight = parts.every((part, i) => (i < parts.length - 1 ? /^\d{1,9}$/ : /^(\d{1,9}\*?|\*)$/).test(part));
  const sizes = parts.map((part) => (part === "*" ? 1 : Number.parseInt(part, 10)));
  const product = sizes.reduce((total, n) => total * n, 1);
  if (!isRight || product > MAX_ELEMENTS) {
    throw new UserError(`${where}: arraysize "${text}", expected a form like 3, *, 12* or 4x3`);
  }
  const isVariable = last.endsWith("*");
  const most = isVariable && last !== "*" ? product : undefined;
  return { count: isVariable ? undefined : product, most, first: sizes[0], axes: parts.length };
}

function parseBlank(datatype: VoType, text: string | undefined): number | bigint | undefined {
  const [, sign, digits] = /^([+-]?)(\d+|0x[\da-f]+)$/i.exec(text?.trim() ?? "") ?? [];
  if (digits === undefined) return undefined;
  const value = BigInt(digits) * (sign === "-" ? -1n : 1n);
  return datatype === "long" ? value : Number(value);
}

export interface FieldNotes {
  readonly name: string;
  readonly description: string;
  readonly null: string | undefined;
}

/** @throws UserError for an arraysize that is none. */
export function describeField(
  path: string,
  attributes: Readonly<Record<string, string | undefined>>,
  notes: FieldNotes,
): VoField {
  const where = `${path}: column "${notes.name}"`;
  const written = attributes["datatype"] ?? "";
  const isKnown = Object.hasOwn(VO_TYPES, written);
  const datatype = isKnown ? (written as VoType) : "char";
  const { type } = VO_TYPES[datatype];
  const { count, most, first, axes } = parseSize(where, isKnown ? attributes["arraysize"] : "*");
  const blank = parseBlank(datatype, notes.null);
  const isString = type === "string";
  const stringLength = isString && axes > 1 ? first : 0;
  const pairs = datatype.endsWith("Complex") ? 2 : 1;
  const elements = (count ?? most ?? 0) * pairs;
  const width = !isString ? elements : stringLength === 0 ? 1 : elements / Math.max(1, stringLength);
  // Cells of unequal length are padded with NaN, and an array can hold single blanks: both need floats.
  const isPadded = count === undefined || (blank !== undefined && width !== 1);
  const isWhole = !isString && type !== "float32" && type !== "float64";
  const unit = attributes["unit"]?.trim();
  const told = notes.description.trim() || attributes["ucd"]?.trim();
  const description = told || (pairs === 2 ? "pairs of real and imaginary part" : "");
  const schema: ColumnSchema = {
    name: notes.name,
    type: isWhole && isPadded ? "float64" : type,
    width,
    ...(unit ? { unit } : {}),
    ...(description ? { description } : {}),
    ...(type === "uint8" && width === 1 && !isPadded ? { nullable: true } : {}),
  };
  const blankText = notes.null?.trim();
  return { schema, datatype, count, most, stringLength, blank, blankText, unknownType: isKnown ? undefined : written };
}

/** The field with its width, once the longest of its cells has been seen. */
export function widenField(field: VoField, longest: number): VoField {
  if (field.count !== undefined || field.most !== undefined) return field;
  const { schema, datatype, stringLength } = field;
  if (schema.type === "string" && stringLength === 0) return field;
  const pairs = datatype.endsWith("Complex") ? 2 : 1;
  const width = schema.type === "string" ? Math.ceil(longest / stringLength) : longest * pairs;
  return { ...field, schema: { ...schema, width } };
}

/** Whether the width of a field is only known once all its cells have been seen. */
export function hasOpenWidth({ count, most, schema, stringLength }: VoField): boolean {
  return count === undefined && most === undefined && !(schema.type === "string" && stringLength === 0);
}

/** Bytes that `count` elements take in a binary stream. */
export function streamBytes({ datatype }: VoField, count: number): number {
  return datatype === "bit" ? Math.ceil(count / 8) : VO_TYPES[datatype].bytes * count;
}
