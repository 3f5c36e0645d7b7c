import { allocate, sliceTable } from "./columns.ts";
import type { Column, ColumnData, Table } from "./table.ts";
import { VO_TYPES } from "./votable-fields.ts";
import type { VoField } from "./votable-fields.ts";

/** What is wrong with a cell; the caller knows its row and column. */
export class CellError extends Error {}

const utf8 = new TextDecoder();
const utf16 = new TextDecoder("utf-16be");

function decodeText(bytes: Uint8Array, isWide: boolean): string {
  const text = (isWide ? utf16 : utf8).decode(bytes);
  const end = text.indexOf("\0");
  return (end < 0 ? text : text.slice(0, end)).trimEnd();
}

type Read = (view: DataView, at: number) => number;
const READERS: Readonly<Record<string, Read>> = {
  unsignedByte: (view, at) => view.getUint8(at),
  short: (view, at) => view.getInt16(at),
  int: (view, at) => view.getInt32(at),
  long: (view, at) => Number(view.getBigInt64(at)),
  float: (view, at) => view.getFloat32(at),
  double: (view, at) => view.getFloat64(at),
  floatComplex: (view, at) => view.getFloat32(at),
  doubleComplex: (view, at) => view.getFloat64(at),
};

const LOGICAL: Readonly<Record<string, number>> = { t: 1, true: 1, "1": 1, f: 0, false: 0, "0": 0, "?": NaN, "": NaN };
function readLogical(byte: number): number {
  const value = byte === 0 ? NaN : LOGICAL[String.fromCharCode(byte).toLowerCase().trim()];
  if (value === undefined) throw new CellError(`byte ${byte} is not true or false`);
  return value;
}

const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  unsignedByte: [0, 255],
  short: [-(2 ** 15), 2 ** 15 - 1],
  int: [-(2 ** 31), 2 ** 31 - 1],
};

function parseReal(token: string): number {
  const value = Number(token);
  if (!Number.isNaN(value)) return value;
  if (/^(nan|null)$/i.test(token)) return NaN;
  const infinite = /^([+-]?)inf(inity)?$/i.exec(token);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  throw new CellError(`${JSON.stringify(token.slice(0, 40))} is not a number`);
}

/** One number as TABLEDATA has it; NaN for a blank. */
function parseToken({ datatype, blank }: VoField, token: string): number {
  if (datatype === "boolean" || datatype === "bit") {
    const value = LOGICAL[token.toLowerCase()];
    if (value === undefined) throw new CellError(`${JSON.stringify(token.slice(0, 40))} is not true or false`);
    return value;
  }
  const value = parseReal(token);
  if (value === blank || Number.isNaN(value)) return NaN;
  const limits = LIMITS[datatype];
  if (limits && !(Number.isInteger(value) && value >= limits[0] && value <= limits[1])) {
    throw new CellError(
      `${JSON.stringify(token.slice(0, 40))} is not a whole number from ${limits[0]} to ${limits[1]}`,
    );
  }
  return value;
}

/** The column of one field while its rows come in. */
export class VoColumn {
  readonly field: VoField;
  private readonly data: ColumnData;
  private readonly isValid: Uint8Array;
  private readonly read: Read | undefined;
  private readonly isFloat: boolean;
  private hasMissing = false;

  constructor(field: VoField, capacity: number) {
    const { type, width } = field.schema;
    this.field = field;
    this.data = allocate(type, capacity * width);
    this.isValid = new Uint8Array(capacity).fill(1);
    this.read = READERS[field.datatype];
    this.isFloat = type === "float32" || type === "float64";
  }

  missing(row: number): void {
    const { width } = this.field.schema;
    if (this.isFloat) (this.data as Float64Array).fill(NaN, row * width, (row + 1) * width);
    else {
      this.isValid[row] = 0;
      this.hasMissing = true;
    }
  }

  private setNumber(row: number, k: number, value: number): void {
    if (!this.isFloat && Number.isNaN(value)) this.missing(row);
    else (this.data as Float64Array)[row * this.field.schema.width + k] = value;
  }

  /** Fills what a short cell leaves open. */
  private pad(row: number, from: number): void {
    const { width } = this.field.schema;
    if (this.isFloat && from < width) (this.data as Float64Array).fill(NaN, row * width + from, (row + 1) * width);
  }

  private setStrings(row: number, strings: readonly string[]): void {
    const { width } = this.field.schema;
    if (strings.length > width) throw new CellError(`${strings.length} strings, expected ${width}`);
    for (const [k, text] of strings.entries()) (this.data as string[])[row * width + k] = text;
    for (let k = strings.length; k < width; k++) (this.data as string[])[row * width + k] = "";
  }

  private setBig(row: number, value: bigint): void {
    if (value === this.field.blank) this.missing(row);
    else (this.data as BigInt64Array)[row] = value;
  }

  /** A cell of TABLEDATA. */
  text(row: number, text: string): void {
    const { field } = this;
    const { width, type } = field.schema;
    const trimmed = text.trim();
    if (trimmed !== "" && trimmed === field.blankText && (type === "string" || width === 1)) {
      this.missing(row);
      return;
    }
    if (type === "string") {
      if (field.stringLength === 0) (this.data as string[])[row] = text;
      else
        this.setStrings(
          row,
          text.match(new RegExp(`.{1,${field.stringLength}}`, "gsu"))?.map((s) => s.trimEnd()) ?? [],
        );
      return;
    }
    if (trimmed === "" || trimmed.toLowerCase() === "null") {
      this.missing(row);
      return;
    }
    if (type === "int64" && width === 1) {
      if (!/^[+-]?(\d{1,20}|0x[\da-f]{1,16})$/i.test(trimmed))
        throw new CellError(`${JSON.stringify(trimmed.slice(0, 40))} is not a whole number`);
      const value = BigInt(trimmed);
      if (value !== BigInt.asIntN(64, value)) throw new CellError(`${trimmed} does not fit 64 bits`);
      this.setBig(row, value);
      return;
    }
    if (width === 1) {
      this.setNumber(row, 0, parseToken(field, trimmed));
      return;
    }
    const tokens = field.datatype === "bit" ? trimmed.replace(/\s+/g, "").split("") : trimmed.split(/\s+/);
    if (tokens.length > width || (field.count !== undefined && tokens.length !== width)) {
      throw new CellError(`${tokens.length} values, expected ${width}`);
    }
    for (const [k, token] of tokens.entries()) {
      if (type === "int64") (this.data as BigInt64Array)[row * width + k] = BigInt(parseToken(field, token));
      else this.setNumber(row, k, parseToken(field, token));
    }
    this.pad(row, tokens.length);
  }

  /** A cell of BINARY or BINARY2: `count` elements from byte `at` on. */
  binary(row: number, view: DataView, at: number, count: number): void {
    const { field, read } = this;
    const { width, type } = field.schema;
    const { datatype, blank } = field;
    const { bytes } = VO_TYPES[datatype];
    if (type === "string") {
      const isWide = datatype === "unicodeChar";
      const slice = (from: number, length: number): string =>
        decodeText(new Uint8Array(view.buffer, view.byteOffset + at + from * bytes, length * bytes), isWide);
      const { stringLength } = field;
      if (stringLength === 0) (this.data as string[])[row] = slice(0, count);
      else
        this.setStrings(
          row,
          Array.from({ length: Math.floor(count / stringLength) }, (_, k) => slice(k * stringLength, stringLength)),
        );
      return;
    }
    if (type === "int64") {
      const data = this.data as BigInt64Array;
      if (width === 1) this.setBig(row, view.getBigInt64(at));
      else for (let k = 0; k < width; k++) data[row * width + k] = view.getBigInt64(at + 8 * k);
      return;
    }
    const elements = datatype.endsWith("Complex") ? count * 2 : count;
    const step = datatype.endsWith("Complex") ? bytes / 2 : bytes;
    if (elements > width) throw new CellError(`${elements} values, expected ${width}`);
    for (let k = 0; k < elements; k++) {
      if (datatype === "bit") this.setNumber(row, k, (view.getUint8(at + (k >> 3)) >> (7 - (k & 7))) & 1);
      else if (read) {
        const value = read(view, at + k * step);
        this.setNumber(row, k, value === blank ? NaN : value);
      } else this.setNumber(row, k, readLogical(view.getUint8(at + k)));
    }
    this.pad(row, elements);
  }

  /** The first `rows` rows. */
  take(rows: number): Column {
    const { schema } = this.field;
    const whole: Column = { ...schema, data: this.data, ...(this.hasMissing ? { isValid: this.isValid } : {}) };
    const table: Table = { rowCount: this.isValid.length, columns: [whole], metadata: {} };
    return sliceTable(table, 0, rows).columns[0];
  }
}
