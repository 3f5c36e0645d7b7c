import type { FileMetaData, SchemaElement, SchemaTree } from "hyparquet";
import { parquetSchema } from "hyparquet";
import { z } from "zod";
import type { ColumnSchema, ColumnType } from "./table.ts";

/** Key of the file's key-value metadata under which units, descriptions and widths of our columns are kept. */
export const COLUMNS_KEY = "caleido:columns";

const columnNotes = z.record(
  z.string(),
  z.object({
    unit: z.string().optional(),
    description: z.string().optional(),
    width: z.number().int().min(1).max(1_000_000).optional(),
  }),
);
type ColumnNotes = z.output<typeof columnNotes>;

/** A column of the file as the reader needs it. */
export interface ParquetColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly isList: boolean;
  /** Whole numbers as the bytes of one, highest first: decimals without decimals that 64 bits don't hold. */
  readonly isBigEndian: boolean;
  /** As in {@link ColumnSchema}. */
  readonly isDigits: boolean;
  readonly nullable: boolean;
  /** Undefined for a list whose width has to be measured. */
  readonly width: number | undefined;
  readonly notes: ColumnNotes[string];
}

function integerType(element: SchemaElement): ColumnType {
  const logical = element.logical_type?.type === "INTEGER" ? element.logical_type : undefined;
  const bits = logical?.bitWidth ?? Number(/\d+$/.exec(element.converted_type ?? "")?.[0] ?? NaN);
  const isUnsigned = logical ? !logical.isSigned : (element.converted_type ?? "").startsWith("UINT");
  const isWide = element.type === "INT64";
  if (isUnsigned) {
    if (bits === 8) return "uint8";
    if (bits === 16) return "int32";
    return isWide ? "string" : "int64";
  }
  if (bits === 8 || bits === 16) return "int16";
  return isWide ? "int64" : "int32";
}

/** Decimals without decimals: whole numbers, identifiers among them, that a double would round. */
function isWhole({ logical_type: logical, converted_type: converted, scale }: SchemaElement): boolean {
  if (logical?.type === "DECIMAL") return logical.scale === 0;
  return converted === "DECIMAL" && (scale ?? 0) === 0;
}

/** The footer with whole decimals as plain numbers or bytes, for a decoder that would make doubles of them. */
export function withPlainDecimals(metadata: FileMetaData): FileMetaData {
  const schema = metadata.schema.map((element) => {
    if (!isWhole(element)) return element;
    const { logical_type: _logical, converted_type: _converted, ...plain } = element;
    return plain;
  });
  return { ...metadata, schema };
}

/** Column type of a leaf; undefined for what is no table column (nested records, geometry). */
function leafType(element: SchemaElement): ColumnType | undefined {
  const logical = element.logical_type?.type;
  const converted = element.converted_type;
  if (isWhole(element)) return element.type === "INT32" ? "int32" : element.type === "INT64" ? "int64" : "string";
  if (logical === "DECIMAL" || converted === "DECIMAL") return "float64";
  if (converted === "DATE" || logical === "DATE" || (converted ?? logical ?? "").startsWith("TIME")) return "string";
  if (logical === "FLOAT16") return "float32";
  switch (element.type) {
    case "FLOAT":
      return "float32";
    case "DOUBLE":
      return "float64";
    case "INT32":
    case "INT64":
      return integerType(element);
    case "BOOLEAN":
      return "uint8";
    case "INT96":
    case "BYTE_ARRAY":
    case "FIXED_LEN_BYTE_ARRAY":
      return converted === "INTERVAL" ? undefined : "string";
    default:
      return undefined;
  }
}

/** The leaf of a list of plain values, standard three-level or older two-level. */
function listLeaf(node: SchemaTree): SchemaElement | undefined {
  const repeated = node.children[0];
  if (node.children.length !== 1 || repeated.element.repetition_type !== "REPEATED") return undefined;
  if (repeated.children.length === 0) return repeated.element;
  const leaf = repeated.children[0];
  return repeated.children.length === 1 && leaf.children.length === 0 ? leaf.element : undefined;
}

async function readNotes(metadata: FileMetaData): Promise<ColumnNotes> {
  const find = (key: string): string | undefined =>
    metadata.key_value_metadata?.find((pair) => pair.key === key)?.value;
  const text = find(COLUMNS_KEY);
  if (text === undefined) {
    const arrow = find("ARROW:schema");
    // loaded for the files that need it: it takes longer than a small answer
    return arrow === undefined ? {} : Object.fromEntries((await import("./arrow.ts")).arrowNotes(arrow));
  }
  try {
    return columnNotes.parse(JSON.parse(text));
  } catch {
    return {};
  }
}

/** The columns of a file that a table can hold; others (records, maps) are left out. */
export async function describeParquet(metadata: FileMetaData): Promise<ParquetColumn[]> {
  const notes = await readNotes(metadata);
  return parquetSchema(metadata).children.flatMap((node): ParquetColumn[] => {
    const { name } = node.element;
    const isList = node.children.length > 0 || node.element.repetition_type === "REPEATED";
    const leaf = node.children.length > 0 ? listLeaf(node) : node.element;
    const type = leaf && leafType(leaf);
    if (type === undefined) return [];
    const own = Object.hasOwn(notes, name) ? notes[name] : {};
    const isBigEndian = leaf !== undefined && isWhole(leaf) && type === "string";
    const isDigits = type === "string" && (leaf?.type === "INT64" || isBigEndian);
    const nullable = type === "uint8" && !isList && node.element.repetition_type === "OPTIONAL";
    const width = isList ? own.width : 1;
    return [{ name, type: listType(type, isList), isList, isBigEndian, isDigits, nullable, width, notes: own }];
  });
}

/** Lists may differ in length and are padded with NaN, so that integers in them become floats. */
function listType(type: ColumnType, isList: boolean): ColumnType {
  return isList && type !== "string" && type !== "float32" ? "float64" : type;
}

const PHYSICAL: Readonly<Record<ColumnType, Pick<SchemaElement, "type" | "converted_type">>> = {
  float32: { type: "FLOAT" },
  float64: { type: "DOUBLE" },
  uint8: { type: "INT32", converted_type: "UINT_8" },
  int16: { type: "INT32", converted_type: "INT_16" },
  int32: { type: "INT32" },
  int64: { type: "INT64" },
  string: { type: "BYTE_ARRAY", converted_type: "UTF8" },
};

/**
 * Schema elements of a table. Floats carry NaN for missing and are REQUIRED, which reads several times faster than
 * OPTIONAL; so is uint8 (flags, states) unless `nullable`. Arrays are three-level lists of required elements.
 */
export function parquetElements(schema: readonly ColumnSchema[]): SchemaElement[] {
  const elements: SchemaElement[] = [{ name: "schema", num_children: schema.length }];
  for (const column of schema) {
    const repetition_type = isRequired(column) ? "REQUIRED" : "OPTIONAL";
    if (column.width === 1) {
      elements.push({ name: column.name, repetition_type, ...PHYSICAL[column.type] });
    } else {
      elements.push(
        { name: column.name, repetition_type: "REQUIRED", num_children: 1, converted_type: "LIST" },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        { name: "element", repetition_type: "REQUIRED", ...PHYSICAL[column.type] },
      );
    }
  }
  return elements;
}

export function isRequired(column: ColumnSchema): boolean {
  if (column.type === "float32" || column.type === "float64" || column.width !== 1) return true;
  return column.type === "uint8" && column.nullable !== true;
}

/** Units, descriptions and widths as the JSON text kept under `COLUMNS_KEY`. */
export function formatNotes(schema: readonly ColumnSchema[]): string {
  const notes: ColumnNotes = {};
  for (const { name, unit, description, width } of schema) {
    notes[name] = {
      ...(unit === undefined ? {} : { unit }),
      ...(description === undefined ? {} : { description }),
      ...(width === 1 ? {} : { width }),
    };
  }
  return JSON.stringify(notes);
}
