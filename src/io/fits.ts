import { endianness } from "node:os";
import { UserError } from "../errors.ts";
import { openBytes } from "./bytes.ts";
import type { ByteSource } from "./bytes.ts";
import { chooseTable } from "./choose-table.ts";
import { allocate, checkNames } from "./columns.ts";
import { decodeAsciiColumn, describeAsciiColumns } from "./fits-ascii.ts";
import { decodeColumn, decodeHeapArray, describeColumns, heapBytes, readDescriptors } from "./fits-columns.ts";
import type { FitsColumn } from "./fits-columns.ts";
import { BLOCK, headerMetadata, readHeader } from "./fits-header.ts";
import type { FitsHeader } from "./fits-header.ts";
import { chooseColumns, DEFAULT_BATCH_ROWS } from "./select.ts";
import type { Column, ColumnSchema, ReadOptions, Table, TablePick, TableSource } from "./table.ts";

/** Bytes of rows held at once while a table streams. */
const BATCH_BYTES = 64 * 2 ** 20;

/** An image array in memory; `shape` has the slowest axis first (the reverse of NAXISn), as numpy has it. */
export interface FitsImage {
  readonly shape: readonly number[];
  /** Physical values (BSCALE, BZERO applied); NaN for BLANK. */
  readonly data: Float32Array | Float64Array;
}

/** One header-data unit. */
export interface FitsHdu {
  readonly index: number;
  /** EXTNAME, or "" where the unit has no name. */
  readonly name: string;
  readonly kind: "image" | "table" | "other";
  readonly header: FitsHeader;
  /** The table, binary or ASCII, streamed. Closing it does not close the file. @throws UserError for another kind of unit. */
  table(this: void): Promise<TableSource>;
  /** The whole array. @throws UserError for another kind of unit, or one without data. */
  image(this: void): Promise<FitsImage>;
}

export interface FitsFile {
  readonly path: string;
  readonly hdus: readonly FitsHdu[];
  /** The unit with this EXTNAME (any case) or index. @throws UserError that lists what is there. */
  hdu(this: void, nameOrIndex: string | number): FitsHdu;
  close(this: void): Promise<void>;
}

interface Unit {
  readonly header: FitsHeader;
  /** First byte of the data, and how many bytes the header promises. */
  readonly dataStart: number;
  readonly dataBytes: number;
}

function dataBytes(header: FitsHeader, path: string): number {
  const axes = header.integer("NAXIS", 0);
  if (axes > 999) throw new UserError(`${path}: FITS keyword NAXIS is ${axes}, at most 999 are possible`);
  let elements = axes === 0 ? 0 : 1;
  for (let i = 1; i <= axes; i++) elements *= header.integer(`NAXIS${i}`, 0);
  const bits = header.integer("BITPIX", -64);
  if (![8, 16, 32, 64, -32, -64].includes(bits)) {
    throw new UserError(`${path}: FITS keyword BITPIX is ${bits}, expected 8, 16, 32, 64, -32 or -64`);
  }
  const groups = header.integer("GCOUNT", 0, 1);
  return (Math.abs(bits) / 8) * groups * (header.integer("PCOUNT", 0, 0) + elements);
}

async function readUnits(source: ByteSource): Promise<Unit[]> {
  const start = Buffer.from(await source.read(0, Math.min(80, source.size), "first FITS card")).toString("latin1");
  if (!start.startsWith("SIMPLE  =")) {
    throw new UserError(`${source.path}: not a FITS file, expected it to begin with "SIMPLE  ="`);
  }
  const units: Unit[] = [];
  let at = 0;
  while (at < source.size) {
    if (at > 0) {
      const left = source.size - at;
      const head = Buffer.from(await source.read(at, Math.min(8, left), "next FITS unit")).toString("latin1");
      if (!head.startsWith("XTENSION")) {
        if (left >= BLOCK || head.replace(/[\0 ]/g, "") !== "") {
          throw new UserError(
            `${source.path}: byte ${at}: expected a FITS extension (XTENSION) or the end of the file`,
          );
        }
        break;
      }
    }
    const header = await readHeader(source, at);
    const bytes = dataBytes(header, source.path);
    const dataStart = at + header.byteLength;
    if (dataStart + bytes > source.size) {
      throw new UserError(
        `${source.path}: truncated: unit ${units.length} promises ${bytes} bytes from byte ${dataStart}, the file ends at ${source.size}`,
      );
    }
    units.push({ header, dataStart, dataBytes: bytes });
    at = dataStart + Math.ceil(bytes / BLOCK) * BLOCK;
  }
  return units;
}

async function readImage(source: ByteSource, unit: Unit, index: number): Promise<FitsImage> {
  const { header } = unit;
  const axes = header.integer("NAXIS", 0);
  const shape = Array.from({ length: axes }, (_, i) => header.integer(`NAXIS${axes - i}`, 0));
  const count = axes === 0 ? 0 : shape.reduce((product, n) => product * n, 1);
  if (count === 0) throw new UserError(`${source.path}: FITS unit ${index} has no image data`);
  const bits = header.integer("BITPIX", -64);
  const size = Math.abs(bits) / 8;
  const bytes = await source.read(unit.dataStart, count * size, `image of unit ${index}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const scale = header.number("BSCALE", 1);
  const zero = header.number("BZERO", 0);
  const blank = bits > 0 && header.get("BLANK") !== undefined ? header.number("BLANK", NaN) : NaN;
  const isPlain = scale === 1 && zero === 0;
  if (isPlain && bits < 0 && endianness() === "LE") {
    // whole arrays of floats turn round in place
    const raw = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bits === -32) raw.swap32();
    else raw.swap64();
    const Floats = bits === -32 ? Float32Array : Float64Array;
    return { shape, data: new Floats(bytes.buffer, bytes.byteOffset, count) };
  }
  const data = bits === -32 && isPlain ? new Float32Array(count) : new Float64Array(count);
  const readers: Record<number, (offset: number) => number> = {
    8: (offset) => view.getUint8(offset),
    16: (offset) => view.getInt16(offset),
    32: (offset) => view.getInt32(offset),
    64: (offset) => Number(view.getBigInt64(offset)),
    [-32]: (offset) => view.getFloat32(offset),
    [-64]: (offset) => view.getFloat64(offset),
  };
  const read = readers[bits];
  for (let i = 0; i < count; i++) {
    const stored = read(i * size);
    data[i] = stored === blank ? NaN : isPlain ? stored : stored * scale + zero;
  }
  return { shape, data };
}

/** Reads the arrays of a variable-length column of one batch and pads them to the column's width. */
async function readVariable(
  source: ByteSource,
  unit: Unit,
  column: FitsColumn,
  view: DataView,
  rowCount: number,
  stride: number,
): Promise<Column> {
  const { schema } = column;
  const heapStart = unit.header.integer("THEAP", 0, stride * unit.header.integer("NAXIS2", 0));
  const data = allocate(schema.type, rowCount * schema.width);
  if (schema.type === "float32" || schema.type === "float64") (data as Float64Array).fill(NaN);
  for (const [row, { count, at }] of readDescriptors(column, view, rowCount, stride).entries()) {
    if (count === 0) continue;
    const length = heapBytes(column, count);
    const isInside = count > 0 && at >= 0 && heapStart + at + length <= unit.dataBytes;
    if (!isInside || (column.longest !== undefined && count > column.longest)) {
      throw new UserError(
        `${source.path}: column "${schema.name}": array of ${count} elements at heap byte ${at} lies outside the heap or is longer than its TFORM says`,
      );
    }
    const bytes = await source.read(unit.dataStart + heapStart + at, length, `array of column "${schema.name}"`);
    const values = decodeHeapArray(column, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), count);
    if (Array.isArray(data)) data[row] = typeof values === "string" ? values : values.join(" ");
    else if (typeof values !== "string") (data as Float64Array).set(values, row * schema.width);
  }
  return { ...schema, data };
}

/** Longest array of every variable-length column, from the descriptors, so that the width is known at opening. */
async function measureVariable(source: ByteSource, unit: Unit, columns: FitsColumn[]): Promise<FitsColumn[]> {
  const open = columns.filter((column) => column.descriptor && column.code !== "A");
  if (open.length === 0) return columns;
  const stride = unit.header.integer("NAXIS1", 0);
  const rowCount = unit.header.integer("NAXIS2", 0);
  const longest = new Map<FitsColumn, number>(open.map((column) => [column, 0]));
  const chunk = Math.max(1, Math.floor(BATCH_BYTES / Math.max(1, stride)));
  for (let row = 0; row < rowCount; row += chunk) {
    const rows = Math.min(chunk, rowCount - row);
    const bytes = await source.read(unit.dataStart + row * stride, rows * stride, `rows from ${row + 1}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const column of open) {
      const most = readDescriptors(column, view, rows, stride).reduce((max, { count }) => Math.max(max, count), 0);
      longest.set(column, Math.max(longest.get(column) ?? 0, most));
    }
  }
  return columns.map((column) => {
    const most = longest.get(column);
    if (most === undefined) return column;
    if (heapBytes(column, most) > unit.dataBytes) {
      throw new UserError(
        `${source.path}: column "${column.schema.name}": an array of ${most} elements exceeds the heap`,
      );
    }
    const isComplex = column.code === "C" || column.code === "M";
    return { ...column, longest: most, schema: { ...column.schema, width: most * (isComplex ? 2 : 1) } };
  });
}

const isTable = ({ header }: Unit): boolean => ["BINTABLE", "TABLE"].includes(header.text("XTENSION") ?? "");

/** A column that decodes itself from the rows `[firstRow, firstRow + rowCount)`. */
interface Decoder {
  readonly schema: ColumnSchema;
  decode(view: DataView<ArrayBuffer>, firstRow: number, rowCount: number): Column | Promise<Column>;
}

async function describeUnit(source: ByteSource, unit: Unit): Promise<Decoder[]> {
  const { header } = unit;
  const stride = header.integer("NAXIS1", 0);
  if (header.text("XTENSION") === "TABLE") {
    return describeAsciiColumns(source.path, header).map((column) => ({
      schema: column.schema,
      decode: (view, firstRow, rowCount) =>
        decodeAsciiColumn(source.path, column, new Uint8Array(view.buffer), rowCount, stride, firstRow),
    }));
  }
  const columns = await measureVariable(source, unit, describeColumns(source.path, header));
  return columns.map((column) => ({
    schema: column.schema,
    decode: (view, _, rowCount) =>
      column.descriptor
        ? readVariable(source, unit, column, view, rowCount, stride)
        : decodeColumn(column, view, rowCount, stride),
  }));
}

/** The columns of a unit as its header has them. @throws UserError for a unit that is no table, or a packed one. */
function unitSchema(path: string, { header }: Pick<Unit, "header">, index: number): ColumnSchema[] {
  const packed = ["ZTABLE", "ZIMAGE"].find((key) => header.get(key) === true);
  if (packed !== undefined) {
    throw new UserError(
      `${path}: FITS unit ${index} is compressed inside (${packed}), expected a plain table; unpack it with funpack`,
    );
  }
  const describe = header.text("XTENSION") === "TABLE" ? describeAsciiColumns : describeColumns;
  return describe(path, header).map(({ schema }) => schema);
}

async function openTableUnit(source: ByteSource, unit: Unit, index: number): Promise<TableSource> {
  const { header } = unit;
  if (!isTable(unit)) throw new UserError(`${source.path}: FITS unit ${index} is not a table`);
  checkNames(source.path, unitSchema(source.path, unit, index));
  const columns = (await describeUnit(source, unit)).filter((column) => column.schema.width > 0);
  const stride = header.integer("NAXIS1", 0);
  const rowCount = header.integer("NAXIS2", 0);
  const metadata = headerMetadata(header);
  const schema = columns.map((column) => column.schema);
  async function* batches(options: ReadOptions = {}): AsyncGenerator<Table> {
    const wanted = chooseColumns(source.path, schema, options.columns).map((i) => columns[i]);
    const width = wanted.reduce((sum, column) => sum + column.schema.width * 8, stride);
    const most = Math.min(options.batchRows ?? DEFAULT_BATCH_ROWS, Math.max(1, Math.floor(BATCH_BYTES / width)));
    for (let row = 0; row < rowCount; row += most) {
      const rows = Math.min(most, rowCount - row);
      const bytes = await source.read(unit.dataStart + row * stride, rows * stride, `rows from ${row + 1}`);
      const view = new DataView(bytes.buffer);
      const decoded: Column[] = [];
      for (const column of wanted) decoded.push(await column.decode(view, row, rows));
      yield { rowCount: rows, columns: decoded, metadata };
    }
  }
  return { path: source.path, format: "fits", schema, rowCount, metadata, batches, close: async () => {} };
}

/**
 * Opens a FITS file (or `.fits.gz`) and reads its headers.
 * @throws UserError for a file that is not FITS or shorter than its headers promise.
 */
export async function openFits(path: string): Promise<FitsFile> {
  const source = await openBytes(path);
  try {
    const units = await readUnits(source);
    const hdus = units.map((unit, index): FitsHdu => {
      const extension = unit.header.text("XTENSION");
      const kind = index === 0 || extension === "IMAGE" ? "image" : isTable(unit) ? "table" : "other";
      return {
        index,
        name: unit.header.text("EXTNAME") ?? "",
        kind,
        header: unit.header,
        table: () => openTableUnit(source, unit, index),
        image: async () => {
          if (kind !== "image") throw new UserError(`${path}: FITS unit ${index} is not an image`);
          return readImage(source, unit, index);
        },
      };
    });
    return {
      path,
      hdus,
      hdu(nameOrIndex) {
        const wanted = typeof nameOrIndex === "string" ? nameOrIndex.toUpperCase() : nameOrIndex;
        const found = hdus.find(
          (hdu) => hdu.index === wanted || (hdu.name !== "" && hdu.name.toUpperCase() === wanted),
        );
        if (found) return found;
        const there = hdus.map((hdu) => `${hdu.index} ${hdu.name || "(no name)"} ${hdu.kind}`).join(", ");
        throw new UserError(`${path}: no FITS unit "${nameOrIndex}"; there are: ${there}`);
      },
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Columns of a table; undefined where they cannot be read, which does not matter unless it is chosen. */
function schemaIfReadable(path: string, hdu: FitsHdu): ColumnSchema[] | undefined {
  try {
    return unitSchema(path, hdu, hdu.index);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Opens a table of a FITS file, the one that `pick` says. @throws UserError when there is none. */
export async function openFitsTable(path: string, pick?: TablePick): Promise<TableSource> {
  const file = await openFits(path);
  try {
    const tables = file.hdus.filter((one) => one.kind === "table");
    if (tables.length === 0) throw new UserError(`${path}: no table among its ${file.hdus.length} FITS units`);
    const choices = tables.map((hdu) => ({
      index: hdu.index,
      name: hdu.name.trim(),
      schema: schemaIfReadable(path, hdu),
      rowCount: hdu.header.integer("NAXIS2", 0),
    }));
    const { choice, shown, notes } = chooseTable(path, choices, pick);
    const table = await file.hdus[choice.index].table();
    return { ...table, path: shown, notes: () => notes, close: file.close };
  } catch (error) {
    await file.close();
    throw error;
  }
}
