import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { BLOCK, CARD, formatCard, formatHeader, formatLongString } from "./fits-header.ts";
import type { Column, ColumnSchema, ColumnType, Table, TableHeader } from "./table.ts";
import { fitsUnit } from "./unit-text.ts";

/** TFORM code, bytes per element, and the blank written for a missing row (TNULL) of each column type. */
const FORMS: Readonly<Record<ColumnType, { code: string; bytes: number; blank?: bigint }>> = {
  float32: { code: "E", bytes: 4 },
  float64: { code: "D", bytes: 8 },
  uint8: { code: "B", bytes: 1, blank: 255n },
  int16: { code: "I", bytes: 2, blank: -(2n ** 15n) },
  int32: { code: "J", bytes: 4, blank: -(2n ** 31n) },
  int64: { code: "K", bytes: 8, blank: -(2n ** 63n) },
  string: { code: "A", bytes: 1 },
};

/** Where a column lies in a row; `length` is the characters of one string. */
interface Slot {
  readonly schema: ColumnSchema;
  readonly offset: number;
  readonly bytes: number;
  readonly length: number;
}

function layOut(schema: readonly ColumnSchema[], lengths: readonly number[]): { slots: Slot[]; stride: number } {
  let stride = 0;
  const slots = schema.map((column, j): Slot => {
    const length = lengths[j];
    const bytes = (column.type === "string" ? length : FORMS[column.type].bytes) * column.width;
    const slot = { schema: column, offset: stride, bytes, length };
    stride += bytes;
    return slot;
  });
  return { slots, stride };
}

/** FITS strings are ASCII (Standard 4.0, section 7.3.3.1): with another character for it, two ids could become one. */
function checkAscii(path: string, what: string, text: string): void {
  if (!/[^\x20-\x7e]/.test(text)) return;
  throw new UserError(
    `${path}: ${what} is ${JSON.stringify(text.slice(0, 40))}, expected ASCII as FITS has nothing else; ` +
      `.parquet, .csv or .vot hold any text`,
  );
}

/** Characters of a COMMENT card that astropy joins again where a backslash follows them. */
const COMMENT_LENGTH = 70;

/** Descriptions of columns as astropy keeps them: YAML in COMMENT cards (`astropy.io.fits.connect`). */
function descriptionCards(schema: readonly ColumnSchema[]): string[] {
  const described = schema.filter(({ description }) => description);
  if (described.length === 0) return [];
  const lines = described.map(({ name, type, description }) => {
    const text = description!.replace(/[^\x20-\x7e]/g, "?");
    return `- {name: ${JSON.stringify(name)}, datatype: ${type}, description: ${JSON.stringify(text)}}`;
  });
  const yaml = ["datatype:", ...lines, "meta:", "  __serialized_columns__: {}"];
  const pieces = yaml.flatMap((line) => {
    const count = Math.ceil(line.length / COMMENT_LENGTH);
    return Array.from({ length: count }, (_, i) => {
      const piece = line.slice(i * COMMENT_LENGTH, (i + 1) * COMMENT_LENGTH);
      return i === count - 1 ? piece : `${piece}\\`;
    });
  });
  const all = ["--BEGIN-ASTROPY-SERIALIZED-COLUMNS--", ...pieces, "--END-ASTROPY-SERIALIZED-COLUMNS--"];
  return all.map((text) => `COMMENT ${text}`.padEnd(CARD));
}

function tableCards(header: TableHeader, slots: readonly Slot[], stride: number, rowCount: number): string[] {
  const cards = [
    formatCard("XTENSION", "BINTABLE"),
    formatCard("BITPIX", 8),
    formatCard("NAXIS", 2),
    formatCard("NAXIS1", stride),
    formatCard("NAXIS2", rowCount),
    formatCard("PCOUNT", 0),
    formatCard("GCOUNT", 1),
    formatCard("TFIELDS", slots.length),
  ];
  for (const [i, { schema, length }] of slots.entries()) {
    const { code, blank } = FORMS[schema.type];
    const n = i + 1;
    const isString = schema.type === "string";
    cards.push(...formatLongString(`TTYPE${n}`, schema.name));
    cards.push(formatCard(`TFORM${n}`, `${isString ? length * schema.width : schema.width}${code}`));
    if (isString && schema.width > 1) cards.push(formatCard(`TDIM${n}`, `(${length},${schema.width})`));
    // A blank is declared for whole numbers that may be missing; a byte's 255 is a value unless declared.
    if (blank !== undefined && schema.width === 1 && (schema.type !== "uint8" || schema.nullable)) {
      cards.push(formatCard(`TNULL${n}`, blank));
    }
    const unit = fitsUnit(schema.unit ?? "");
    if (unit !== "") cards.push(...formatLongString(`TUNIT${n}`, unit));
    // TOPCAT looks for TCOMM, others for TDESC; neither is in the Standard.
    for (const key of schema.description ? ["TCOMM", "TDESC"] : []) {
      cards.push(...formatLongString(`${key}${n}`, schema.description!));
    }
  }
  cards.push(...descriptionCards(slots.map(({ schema }) => schema)));
  let odd = 0;
  for (const [key, value] of Object.entries(header.metadata)) {
    const isPlain = /^[A-Z0-9_-]{1,8}$/.test(key);
    cards.push(...(isPlain ? formatLongString(key, value) : formatLongString(`CALKV${++odd}`, `${key}=${value}`)));
  }
  return cards;
}

function writeStrings(target: Buffer, slot: Slot, data: readonly string[], rowCount: number, stride: number): void {
  const { width } = slot.schema;
  for (let i = 0; i < rowCount * width; i++) {
    const at = Math.floor(i / width) * stride + slot.offset + (i % width) * slot.length;
    target.fill(0x20, at, at + slot.length);
    target.write(data[i], at, slot.length, "latin1");
  }
}

function writeColumn(target: Buffer, slot: Slot, column: Column, rowCount: number, stride: number): void {
  const { data, isValid } = column;
  const { width, type } = slot.schema;
  if (Array.isArray(data)) {
    writeStrings(target, slot, data, rowCount, stride);
    return;
  }
  const { bytes, blank } = FORMS[type];
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  const setters: Record<string, (at: number, value: number | bigint) => void> = {
    float32: (at, value) => view.setFloat32(at, Number(value)),
    float64: (at, value) => view.setFloat64(at, Number(value)),
    uint8: (at, value) => view.setUint8(at, Number(value)),
    int16: (at, value) => view.setInt16(at, Number(value)),
    int32: (at, value) => view.setInt32(at, Number(value)),
    int64: (at, value) => view.setBigInt64(at, BigInt(value)),
  };
  const set = setters[type];
  for (let row = 0; row < rowCount; row++) {
    const isMissing = isValid !== undefined && blank !== undefined && isValid[row] === 0;
    for (let k = 0; k < width; k++) {
      set(row * stride + slot.offset + k * bytes, isMissing ? blank : data[row * width + k]);
    }
  }
}

/** Moves the rows already written apart, last ones first, so that wider string columns fit. */
async function widen(file: FileHandle, start: number, rowCount: number, from: Slot[], to: Slot[]): Promise<void> {
  const strideOf = (slots: Slot[]): number => slots.reduce((sum, slot) => sum + slot.bytes, 0);
  const [before, after] = [strideOf(from), strideOf(to)];
  const chunk = Math.max(1, Math.floor(2 ** 24 / after));
  for (let end = rowCount; end > 0; end -= chunk) {
    const first = Math.max(0, end - chunk);
    const rows = end - first;
    const old = Buffer.alloc(rows * before);
    await file.read(old, 0, old.length, start + first * before);
    const moved = Buffer.alloc(rows * after, 0x20);
    for (let row = 0; row < rows; row++) {
      for (const [j, slot] of from.entries()) {
        const { width } = slot.schema;
        const part = slot.bytes / width;
        for (let k = 0; k < width; k++) {
          const at = row * before + slot.offset + k * part;
          old.copy(moved, row * after + to[j].offset + k * (to[j].bytes / width), at, at + part);
        }
      }
    }
    await file.write(moved, 0, moved.length, start + first * after);
  }
}

/** Characters that each string column needs for a batch; 1 for the others. @throws UserError for what is not ASCII. */
function stringLengths(path: string, schema: readonly ColumnSchema[], table: Table, firstRow: number): number[] {
  return schema.map(({ name, width }, j) => {
    const { data } = table.columns[j];
    if (!Array.isArray(data)) return 1;
    let most = 1;
    for (const [i, text] of data.entries()) {
      if (/[^\x20-\x7e]/.test(text)) {
        checkAscii(path, `column "${name}" in row ${firstRow + Math.floor(i / width) + 1}`, text);
      }
      most = Math.max(most, text.length);
    }
    return most;
  });
}

/**
 * Writes a FITS binary table (Standard 4.0) that streams: rows go out as they come, string columns widen when a
 * longer string appears, and the header is filled in at the end. What people say of the table (descriptions, metadata)
 * has a ? for every character that is not ASCII. @throws UserError for a cell or a column's name that is not ASCII.
 */
export async function writeFits(path: string, header: TableHeader, batches: AsyncIterable<Table>): Promise<void> {
  // The name it is written under for the time being is nothing to anybody.
  const shown = path.replace(/(\.\d+-[^./]*\.tmp)+$/, "");
  const { schema } = header;
  for (const { name } of schema) checkAscii(shown, "a column's name", name);
  const file = await open(path, "w+");
  try {
    const primary = formatHeader([
      formatCard("SIMPLE", true),
      formatCard("BITPIX", 8),
      formatCard("NAXIS", 0),
      formatCard("EXTEND", true),
    ]);
    await file.write(primary, 0, primary.length, 0);
    let lengths = schema.map(() => 1);
    let { slots, stride } = layOut(schema, lengths);
    // Cards do not change in number when rows or widths do, so that the place of the data is known from the start.
    const headerBlocks = formatHeader(tableCards(header, slots, stride, 0)).length / BLOCK;
    const start = primary.length + headerBlocks * BLOCK;
    let rowCount = 0;
    for await (const table of batches) {
      const needed = stringLengths(shown, schema, table, rowCount).map((length, j) => Math.max(length, lengths[j]));
      if (needed.some((length, j) => length > lengths[j])) {
        const wider = layOut(schema, needed);
        await widen(file, start, rowCount, slots, wider.slots);
        lengths = needed;
        ({ slots, stride } = wider);
      }
      const bytes = Buffer.alloc(table.rowCount * stride);
      for (const [j, slot] of slots.entries()) writeColumn(bytes, slot, table.columns[j], table.rowCount, stride);
      await file.write(bytes, 0, bytes.length, start + rowCount * stride);
      rowCount += table.rowCount;
    }
    const end = start + rowCount * stride;
    const padding = Buffer.alloc((BLOCK - (end % BLOCK)) % BLOCK);
    await file.write(padding, 0, padding.length, end);
    const final = formatHeader(tableCards(header, slots, stride, rowCount));
    await file.write(final, 0, final.length, primary.length);
  } finally {
    await file.close();
  }
}
