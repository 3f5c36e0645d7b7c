import { UserError } from "../errors.ts";
import { allocate, nameColumns } from "./columns.ts";
import { descriptionOf, type FitsHeader } from "./fits-header.ts";
import type { Column, ColumnSchema, ColumnType } from "./table.ts";

/** One column of an ASCII table (FITS Standard 4.0, section 7.2): characters at a fixed place of every row. */
export interface AsciiColumn {
  readonly schema: ColumnSchema;
  readonly code: "A" | "I" | "F" | "E" | "D";
  /** First byte within a row, and how many. */
  readonly offset: number;
  readonly length: number;
  /** Digits behind the point where a number has none. */
  readonly decimals: number;
  readonly blank: string | undefined;
  readonly scale: number;
  readonly zero: number;
}

/** The type that holds every whole number of so many characters. */
function wholeType(length: number): ColumnType {
  if (length <= 9) return "int32";
  return length <= 18 ? "int64" : "string";
}

/** Describes the columns of a TABLE header. @throws UserError for a header that contradicts itself. */
export function describeAsciiColumns(path: string, header: FitsHeader): AsciiColumn[] {
  const count = header.integer("TFIELDS", 0);
  if (count > 999) throw new UserError(`${path}: FITS keyword TFIELDS is ${count}, at most 999 are possible`);
  const rowBytes = header.integer("NAXIS1", 0);
  const names = nameColumns(Array.from({ length: count }, (_, i) => header.text(`TTYPE${i + 1}`)?.trim() ?? ""));
  return names.map((name, i): AsciiColumn => {
    const n = i + 1;
    const form = header.text(`TFORM${n}`);
    const match = /^\s*([AIFED])(\d{1,6})(?:\.(\d{1,3}))?\s*$/.exec(form ?? "");
    if (!match) {
      throw new UserError(
        `${path}: FITS keyword TFORM${n} is ${JSON.stringify(form)}, expected a form like I6, F8.3 or A12`,
      );
    }
    const code = match[1] as AsciiColumn["code"];
    const length = Number(match[2]);
    const offset = header.integer(`TBCOL${n}`, 1) - 1;
    if (length === 0 || offset + length > rowBytes) {
      throw new UserError(
        `${path}: FITS column "${name}" ends at byte ${offset + length}, but NAXIS1 says ${rowBytes}`,
      );
    }
    const scale = header.number(`TSCAL${n}`, 1);
    const zero = header.number(`TZERO${n}`, 0);
    const isScaled = scale !== 1 || zero !== 0;
    const type = code === "A" ? "string" : code === "I" && !isScaled ? wholeType(length) : "float64";
    const unit = header.text(`TUNIT${n}`)?.trim();
    const description = descriptionOf(header, n);
    const blank = header.text(`TNULL${n}`)?.trim();
    return {
      schema: {
        name,
        type,
        width: 1,
        ...(unit ? { unit } : {}),
        ...(description ? { description } : {}),
        ...(code === "I" && type === "string" ? { isDigits: true } : {}),
      },
      code,
      offset,
      length,
      decimals: Number(match[3] ?? 0),
      blank: blank === "" ? undefined : blank,
      scale,
      zero,
    };
  });
}

/** A number as Fortran writes it: `1.5D-3`, or `1500` where the form says three decimals. NaN for anything else. */
function parseReal(text: string, decimals: number): number {
  const plain = text.replace(/[dD]/, "E").replace(/^([+-]?[\d.]+)([+-]\d+)$/, "$1E$2");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d+)?$/i.test(plain)) return NaN;
  return plain.includes(".") ? Number(plain) : Number(plain) / 10 ** decimals;
}

/**
 * Decodes a column from `rowCount` rows of `stride` bytes; the first of them is row `firstRow` of the table. A number whose
 * characters are all blank is missing, as one that is TNULL. @throws UserError for a cell that is no number.
 */
export function decodeAsciiColumn(
  path: string,
  column: AsciiColumn,
  bytes: Uint8Array,
  rowCount: number,
  stride: number,
  firstRow: number,
): Column {
  const { schema, offset, length, code, decimals, blank, scale, zero } = column;
  const data = allocate(schema.type, rowCount);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let isValid: Uint8Array | undefined;
  for (let row = 0; row < rowCount; row++) {
    const cell = text.toString("latin1", row * stride + offset, row * stride + offset + length);
    const trimmed = cell.trim();
    const isMissing = trimmed === blank || (trimmed === "" && code !== "A");
    if (data instanceof Float64Array) {
      const value = isMissing || /^nan$/i.test(trimmed) ? NaN : parseReal(trimmed, code === "I" ? 0 : decimals);
      if (Number.isNaN(value) && !isMissing && !/^nan$/i.test(trimmed)) throw wrong(row, cell, "a number");
      data[row] = value * scale + zero;
    } else if (isMissing) (isValid ??= new Uint8Array(rowCount).fill(1))[row] = 0;
    else if (code === "A") (data as string[])[row] = cell.trimEnd();
    else if (!/^[+-]?\d+$/.test(trimmed)) throw wrong(row, cell, "a whole number");
    else if (Array.isArray(data)) data[row] = String(BigInt(trimmed.replace(/^\+/, "")));
    else if (data instanceof BigInt64Array) data[row] = BigInt(trimmed.replace(/^\+/, ""));
    else data[row] = Number(trimmed);
  }
  return { ...schema, data, ...(isValid ? { isValid } : {}) };

  function wrong(row: number, cell: string, wanted: string): UserError {
    return new UserError(
      `${path}: row ${firstRow + row + 1}: column "${schema.name}": ${JSON.stringify(cell)} is not ${wanted}`,
    );
  }
}
