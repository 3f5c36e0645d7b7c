import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { UserError } from "../errors.ts";
import type { Column, ColumnSchema, ColumnType, Table, TableHeader } from "./table.ts";
import { voUnit } from "./unit-text.ts";

/** Datatype of each column type. Strings are UTF-16, so that every character survives. */
const DATATYPES: Readonly<Record<ColumnType, { datatype: string; bytes: number }>> = {
  float32: { datatype: "float", bytes: 4 },
  float64: { datatype: "double", bytes: 8 },
  uint8: { datatype: "unsignedByte", bytes: 1 },
  int16: { datatype: "short", bytes: 2 },
  int32: { datatype: "int", bytes: 4 },
  int64: { datatype: "long", bytes: 8 },
  string: { datatype: "unicodeChar", bytes: 2 },
};

/** Bytes turned to base64 at once: 6,144 make a line of 8,192 characters. */
const LINE = 6144;
const PIECE = LINE * 512;
/** Characters that the number of rows can take; the rest of the room is blanks inside the tag. */
const DIGITS = 16;

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text as XML has it; characters that XML 1.0 forbids become question marks. */
function escape(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "?")
    .replace(/[&<>"]/g, (character) => ENTITIES[character])
    .replace(/[\t\n\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function formatField({ name, type, width, unit, description }: ColumnSchema): string {
  const { datatype } = DATATYPES[type];
  const size = type === "string" ? ' arraysize="*"' : width === 1 ? "" : ` arraysize="${width}"`;
  const spelled = voUnit(unit ?? "");
  const shownUnit = spelled === "" ? "" : ` unit="${escape(spelled)}"`;
  const start = `<FIELD name="${escape(name)}" datatype="${datatype}"${size}${shownUnit}`;
  return description ? `${start}>\n<DESCRIPTION>${escape(description)}</DESCRIPTION>\n</FIELD>` : `${start}/>`;
}

function openTable(rowCount: number): string {
  return `<TABLE nrows="${rowCount}"${" ".repeat(DIGITS - String(rowCount).length)}>\n`;
}

function formatStart(header: TableHeader): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
    "<RESOURCE>",
    ...Object.entries(header.metadata).map(
      ([name, value]) => `<INFO name="${escape(name)}" value="${escape(value)}"/>`,
    ),
    "",
  ].join("\n");
}

type Setter = (view: DataView, at: number, value: number | bigint) => void;
const SETTERS: Readonly<Record<Exclude<ColumnType, "string">, Setter>> = {
  float32: (view, at, value) => view.setFloat32(at, Number(value)),
  float64: (view, at, value) => view.setFloat64(at, Number(value)),
  uint8: (view, at, value) => view.setUint8(at, Number(value)),
  int16: (view, at, value) => view.setInt16(at, Number(value)),
  int32: (view, at, value) => view.setInt32(at, Number(value)),
  int64: (view, at, value) => view.setBigInt64(at, BigInt(value)),
};

/** First byte of each row, and the end of the last one: rows differ in length by their strings. */
function placeRows(schema: readonly ColumnSchema[], table: Table): Float64Array {
  const flagBytes = Math.ceil(schema.length / 8);
  const fixed = schema.reduce(
    (sum, { type, width }) => sum + (type === "string" ? 4 : DATATYPES[type].bytes * width),
    flagBytes,
  );
  const starts = new Float64Array(table.rowCount + 1);
  const strings = table.columns.flatMap(({ data }) => (Array.isArray(data) ? [data] : []));
  for (let row = 0; row < table.rowCount; row++) {
    starts[row + 1] = starts[row] + fixed + strings.reduce((sum, data) => sum + 2 * data[row].length, 0);
  }
  return starts;
}

/** Writes one column into all rows; `cursor` says where in each, and moves on. */
function writeColumn(bytes: Buffer, column: Column, cursor: Float64Array, rowCount: number): void {
  const { data, type, width } = column;
  if (Array.isArray(data)) {
    for (let row = 0; row < rowCount; row++) {
      const text = data[row];
      bytes.writeUInt32BE(text.length, cursor[row]);
      const start = cursor[row] + 4;
      bytes.write(text, start, "utf16le");
      bytes.subarray(start, start + 2 * text.length).swap16();
      cursor[row] = start + 2 * text.length;
    }
    return;
  }
  if (type === "string") throw new Error("strings in a typed array");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const set = SETTERS[type];
  const size = DATATYPES[type].bytes;
  for (let row = 0; row < rowCount; row++) {
    for (let k = 0; k < width; k++) set(view, cursor[row] + k * size, data[row * width + k]);
    cursor[row] += size * width;
  }
}

/** Rows of BINARY2: a flag bit per column, set where the cell is missing, and the cells, big-endian. */
function encodeRows(schema: readonly ColumnSchema[], table: Table): Buffer {
  const starts = placeRows(schema, table);
  const bytes = Buffer.alloc(starts[table.rowCount]);
  const flagBytes = Math.ceil(schema.length / 8);
  const cursor = starts.map((start) => start + flagBytes);
  for (const [j, wanted] of schema.entries()) {
    const { data, isValid } = table.columns[j];
    for (const [row, valid] of isValid?.entries() ?? []) {
      if (!valid) bytes[starts[row] + (j >> 3)] |= 128 >> (j & 7);
    }
    writeColumn(bytes, { ...wanted, data }, cursor, table.rowCount);
  }
  return bytes;
}

/** Appends bytes as lines of base64, and gives back those that make no whole line yet. */
async function appendLines(file: FileHandle, bytes: Buffer): Promise<Buffer> {
  const end = bytes.length - (bytes.length % LINE);
  for (let at = 0; at < end; at += PIECE) {
    let text = "";
    for (let line = at; line < Math.min(end, at + PIECE); line += LINE) {
      text += `${bytes.toString("base64", line, line + LINE)}\n`;
    }
    await file.appendFile(text, "latin1");
  }
  return Buffer.from(bytes.subarray(end));
}

/**
 * Writes a VOTable 1.4 with its rows in BINARY2, which keeps every bit and every null, as they come.
 * @throws UserError for columns with several strings a row, whose length a stream would have to know in advance.
 */
export async function writeVotable(path: string, header: TableHeader, batches: AsyncIterable<Table>): Promise<void> {
  const { schema } = header;
  const several = schema.find(({ type, width }) => type === "string" && width > 1);
  if (several) {
    throw new UserError(
      `column "${several.name}" has ${several.width} strings a row, which VOTable output cannot hold`,
    );
  }
  const file = await open(path, "w+");
  try {
    const start = formatStart(header);
    await file.appendFile(`${start}${openTable(0)}${schema.map(formatField).join("\n")}\n`);
    await file.appendFile('<DATA>\n<BINARY2>\n<STREAM encoding="base64">\n');
    let rest: Buffer = Buffer.alloc(0);
    let rowCount = 0;
    for await (const table of batches) {
      rest = await appendLines(file, Buffer.concat([rest, encodeRows(schema, table)]));
      rowCount += table.rowCount;
    }
    const last = rest.length > 0 ? `${rest.toString("base64")}\n` : "";
    await file.appendFile(`${last}</STREAM>\n</BINARY2>\n</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n`);
    await file.write(openTable(rowCount), Buffer.byteLength(start));
  } finally {
    await file.close();
  }
}
