import { UserError } from "../errors.ts";
import { allocate, nameColumns } from "./columns.ts";
import { descriptionOf, type FitsHeader } from "./fits-header.ts";
import type { Column, ColumnSchema, ColumnType } from "./table.ts";
import { untilZero } from "./text.ts";

/** Bytes of one element of each TFORM code (FITS Standard 4.0, table 18). X is in bits and has a rule of its own. */
const ELEMENT_BYTES = { L: 1, B: 1, I: 2, J: 4, K: 8, A: 1, E: 4, D: 8, C: 8, M: 16 } as const;
export type Code = keyof typeof ELEMENT_BYTES | "X";

const INTEGER_RANGE: Partial<Record<Code, readonly [bigint, bigint]>> = {
  B: [0n, 255n],
  I: [-(2n ** 15n), 2n ** 15n - 1n],
  J: [-(2n ** 31n), 2n ** 31n - 1n],
  K: [-(2n ** 63n), 2n ** 63n - 1n],
};
const TYPE_RANGE: readonly (readonly [ColumnType, bigint, bigint])[] = [
  ["uint8", 0n, 255n],
  ["int16", -(2n ** 15n), 2n ** 15n - 1n],
  ["int32", -(2n ** 31n), 2n ** 31n - 1n],
  ["int64", -(2n ** 63n), 2n ** 63n - 1n],
];

/** One column of a BINTABLE: where its bytes lie and how they become values. */
export interface FitsColumn {
  readonly schema: ColumnSchema;
  readonly code: Code;
  /** First byte within a row. */
  readonly offset: number;
  /** Bytes within a row (of the descriptor, for a variable-length column). */
  readonly byteLength: number;
  /** Elements within a row; 0 for a variable-length column. */
  readonly repeat: number;
  /** P or Q: the row holds (count, heap offset) of 32 or 64 bits. */
  readonly descriptor: "P" | "Q" | undefined;
  /** Longest array of a variable-length column as TFORM promises it; undefined when it doesn't. */
  readonly longest: number | undefined;
  readonly scale: number;
  readonly zero: number | bigint;
  readonly blank: bigint | undefined;
  /** Characters of one string of a string column. */
  readonly stringLength: number;
}

interface Form {
  readonly code: Code;
  readonly repeat: number;
  readonly descriptor: "P" | "Q" | undefined;
  readonly longest: number | undefined;
  readonly substring: number | undefined;
}

function parseForm(path: string, key: string, form: string | undefined): Form {
  const match = /^\s*(\d{0,9})([LXBIJKAEDCMPQ])(.*)$/.exec(form ?? "");
  const wrong = (): UserError =>
    new UserError(
      `${path}: FITS keyword ${key} is ${JSON.stringify(form)}, expected a form like 1E, 60E, 16A or 1PE(99)`,
    );
  if (!match) throw wrong();
  const repeat = match[1] === "" ? 1 : Number(match[1]);
  const letter = match[2];
  if (letter === "P" || letter === "Q") {
    const inner = /^([LXBIJKAEDCM])\s*(?:\((\d{1,9})\))?/.exec(match[3]);
    if (!inner || repeat > 1) throw wrong();
    const longest = inner[2] === undefined ? undefined : Number(inner[2]);
    return { code: inner[1] as Code, repeat, descriptor: letter, longest, substring: undefined };
  }
  const substring = letter === "A" ? /^(\d{1,9})/.exec(match[3])?.[1] : undefined;
  return {
    code: letter as Code,
    repeat,
    descriptor: undefined,
    longest: undefined,
    substring: substring === undefined ? undefined : Number(substring),
  };
}

function toBig(value: unknown): bigint | undefined {
  if (typeof value === "bigint") return value;
  return typeof value === "number" && Number.isInteger(value) ? BigInt(value) : undefined;
}

/** The type that holds every value of the column exactly; identifiers above 2^63 become strings of digits. */
function columnType(form: Form, scale: number, zero: number | bigint, hasBlank: boolean, isArray: boolean): ColumnType {
  const { code } = form;
  if (code === "A") return "string";
  if (code === "L" || code === "X") return form.descriptor ? "float64" : "uint8";
  if (code === "E" || code === "C") return scale === 1 && Number(zero) === 0 ? "float32" : "float64";
  if (code === "D" || code === "M") return "float64";
  const offset = toBig(zero);
  // Rows of unequal length are padded with NaN, and a vector can hold single blanks: both need floats.
  if (scale !== 1 || offset === undefined || form.descriptor || (hasBlank && isArray)) return "float64";
  const [low, high] = INTEGER_RANGE[code] ?? [0n, 0n];
  const fitting = TYPE_RANGE.find(([, least, most]) => low + offset >= least && high + offset <= most);
  return fitting?.[0] ?? "string";
}

function stringShape(form: Form, dim: string | undefined): { length: number; count: number } {
  const fromDim = /^\s*\(\s*(\d+)\s*,/.exec(dim ?? "");
  const length = fromDim ? Number(fromDim[1]) : (form.substring ?? form.repeat);
  if (length <= 0 || length > form.repeat || form.repeat % length !== 0) return { length: form.repeat, count: 1 };
  return { length, count: form.repeat / length };
}

/** Describes the columns of a BINTABLE header. @throws UserError for a header that contradicts itself. */
export function describeColumns(path: string, header: FitsHeader): FitsColumn[] {
  const count = header.integer("TFIELDS", 0);
  if (count > 999) throw new UserError(`${path}: FITS keyword TFIELDS is ${count}, at most 999 are possible`);
  const rowBytes = header.integer("NAXIS1", 0);
  const names = nameColumns(Array.from({ length: count }, (_, i) => header.text(`TTYPE${i + 1}`)?.trim() ?? ""));
  let offset = 0;
  const columns = names.map((name, i): FitsColumn => {
    const n = i + 1;
    const form = parseForm(path, `TFORM${n}`, header.text(`TFORM${n}`));
    const scale = header.number(`TSCAL${n}`, 1);
    const zeroValue = header.get(`TZERO${n}`);
    // 2^63 is often written as 9.223372036854775808E18: a double holds it exactly.
    const zero = toBig(zeroValue) ?? header.number(`TZERO${n}`, 0);
    const blank = toBig(header.get(`TNULL${n}`));
    const strings = stringShape(form, header.text(`TDIM${n}`));
    const isComplex = form.code === "C" || form.code === "M";
    const width = form.code === "A" ? strings.count : form.repeat * (isComplex ? 2 : 1);
    const unit = header.text(`TUNIT${n}`)?.trim();
    const description = descriptionOf(header, n) || (isComplex ? "pairs of real and imaginary part" : "");
    const byteLength = form.descriptor
      ? (form.descriptor === "P" ? 8 : 16) * form.repeat
      : form.code === "X"
        ? Math.ceil(form.repeat / 8)
        : ELEMENT_BYTES[form.code] * form.repeat;
    const type = columnType(form, scale, zero, blank !== undefined, width !== 1);
    const column: FitsColumn = {
      schema: {
        name,
        type,
        width: form.descriptor ? (form.code === "A" ? 1 : (form.longest ?? 0) * (isComplex ? 2 : 1)) : width,
        ...(unit ? { unit } : {}),
        ...(description ? { description } : {}),
        ...(type === "string" && form.code !== "A" ? { isDigits: true } : {}),
        ...(type === "uint8" && (blank !== undefined || form.code === "L") ? { nullable: true } : {}),
      },
      code: form.code,
      offset,
      byteLength,
      repeat: form.repeat,
      descriptor: form.descriptor,
      longest: form.longest,
      scale,
      zero,
      blank,
      stringLength: form.descriptor ? 0 : strings.length,
    };
    offset += byteLength;
    return column;
  });
  if (offset !== rowBytes) {
    throw new UserError(`${path}: FITS columns take ${offset} bytes a row, but NAXIS1 says ${rowBytes}`);
  }
  return columns;
}

function readString(view: DataView, offset: number, length: number): string {
  return untilZero(new Uint8Array(view.buffer, view.byteOffset + offset, length));
}

type Getter = (view: DataView, offset: number) => number;
const GETTERS: Record<Exclude<Code, "K" | "A" | "X">, Getter> = {
  L: (view, offset) => (view.getUint8(offset) === 84 ? 1 : 0),
  B: (view, offset) => view.getUint8(offset),
  I: (view, offset) => view.getInt16(offset),
  J: (view, offset) => view.getInt32(offset),
  E: (view, offset) => view.getFloat32(offset),
  D: (view, offset) => view.getFloat64(offset),
  C: (view, offset) => view.getFloat32(offset),
  M: (view, offset) => view.getFloat64(offset),
};

/** One value of a numeric column, scaled, as a number; NaN for a blank. */
function readNumber(column: FitsColumn, view: DataView, offset: number): number {
  const { code, blank, scale, zero } = column;
  if (code === "K") {
    const stored = view.getBigInt64(offset);
    return stored === blank ? NaN : Number(stored) * scale + Number(zero);
  }
  if (code === "L" && view.getUint8(offset) === 0) return NaN;
  const stored = GETTERS[code as keyof typeof GETTERS](view, offset);
  if (blank !== undefined && code !== "E" && code !== "D" && stored === Number(blank)) return NaN;
  return scale === 1 ? stored + Number(zero) : stored * scale + Number(zero);
}

/** Bytes between two numbers of a column: complex values are pairs. */
function elementBytes(code: Code): number {
  if (code === "C") return 4;
  return code === "M" ? 8 : ELEMENT_BYTES[code as keyof typeof ELEMENT_BYTES];
}

function readInteger(code: Code, view: DataView, offset: number): bigint {
  return code === "K" ? view.getBigInt64(offset) : BigInt(GETTERS[code as keyof typeof GETTERS](view, offset));
}

function decodeBigs(column: FitsColumn, view: DataView, rowCount: number, stride: number): Column {
  const { schema, offset, blank } = column;
  const { width } = schema;
  const shift = toBig(column.zero) ?? 0n;
  const data = allocate(schema.type, rowCount * width) as BigInt64Array | string[];
  const isValid = blank === undefined ? undefined : new Uint8Array(rowCount).fill(1);
  for (let row = 0; row < rowCount; row++) {
    for (let k = 0; k < width; k++) {
      const at = row * stride + offset;
      const stored = readInteger(column.code, view, at + k * elementBytes(column.code));
      if (stored === blank && isValid) isValid[row] = 0;
      else if (Array.isArray(data)) data[row * width + k] = String(stored + shift);
      else data[row * width + k] = stored + shift;
    }
  }
  return { ...schema, data, ...(isValid ? { isValid } : {}) };
}

function decodeNumbers(column: FitsColumn, view: DataView, rowCount: number, stride: number): Column {
  const { schema, offset, code, blank } = column;
  const { width, type } = schema;
  const data = allocate(type, rowCount * width) as Float64Array;
  const step = elementBytes(code);
  const isPlain = column.scale === 1 && Number(column.zero) === 0 && blank === undefined && code !== "L";
  if (isPlain && code !== "K") {
    const get = GETTERS[code as keyof typeof GETTERS];
    for (let row = 0; row < rowCount; row++) {
      const at = row * stride + offset;
      for (let k = 0; k < width; k++) data[row * width + k] = get(view, at + k * step);
    }
    return { ...schema, data };
  }
  const isFloat = type === "float32" || type === "float64";
  let isValid: Uint8Array | undefined;
  for (let row = 0; row < rowCount; row++) {
    for (let k = 0; k < width; k++) {
      const value = readNumber(column, view, row * stride + offset + k * step);
      if (Number.isNaN(value) && !isFloat) (isValid ??= new Uint8Array(rowCount).fill(1))[row] = 0;
      else data[row * width + k] = value;
    }
  }
  return { ...schema, data, ...(isValid ? { isValid } : {}) };
}

/** Decodes a column of fixed width from `rowCount` rows of `stride` bytes. */
export function decodeColumn(column: FitsColumn, view: DataView, rowCount: number, stride: number): Column {
  const { schema, offset, code } = column;
  const { width } = schema;
  if (code === "A") {
    const data = allocate("string", rowCount * width) as string[];
    for (let i = 0; i < data.length; i++) {
      const at = Math.floor(i / width) * stride + offset + (i % width) * column.stringLength;
      data[i] = readString(view, at, column.stringLength);
    }
    return { ...schema, data };
  }
  if (code === "X") {
    const data = new Uint8Array(rowCount * width);
    for (let i = 0; i < data.length; i++) {
      const bit = i % width;
      const byte = view.getUint8(Math.floor(i / width) * stride + offset + (bit >> 3));
      data[i] = (byte >> (7 - (bit & 7))) & 1;
    }
    return { ...schema, data };
  }
  if (schema.type === "int64" || schema.type === "string") return decodeBigs(column, view, rowCount, stride);
  return decodeNumbers(column, view, rowCount, stride);
}

/** Count and heap offset of the variable-length arrays of a column, one pair per row. */
export function readDescriptors(
  column: FitsColumn,
  view: DataView,
  rowCount: number,
  stride: number,
): { count: number; at: number }[] {
  return Array.from({ length: rowCount }, (_, row) => {
    if (column.repeat === 0) return { count: 0, at: 0 };
    const place = row * stride + column.offset;
    if (column.descriptor === "P") return { count: view.getInt32(place), at: view.getInt32(place + 4) };
    return { count: Number(view.getBigInt64(place)), at: Number(view.getBigInt64(place + 8)) };
  });
}

/** Bytes that `count` elements of a column take in the heap. */
export function heapBytes(column: FitsColumn, count: number): number {
  return column.code === "X" ? Math.ceil(count / 8) : ELEMENT_BYTES[column.code] * count;
}

/** Elements of one variable-length array: numbers (complex ones as pairs), or one string. */
export function decodeHeapArray(column: FitsColumn, view: DataView, count: number): number[] | string {
  if (column.code === "A") return readString(view, 0, count);
  if (column.code === "X") {
    return Array.from({ length: count }, (_, k) => (view.getUint8(k >> 3) >> (7 - (k & 7))) & 1);
  }
  const isComplex = column.code === "C" || column.code === "M";
  const step = elementBytes(column.code);
  return Array.from({ length: count * (isComplex ? 2 : 1) }, (_, k) => readNumber(column, view, k * step));
}
